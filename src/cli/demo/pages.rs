//! What the sample portal shows: French pages of a school that does not exist.
//!
//! The pages' contents are constants; the only thing that a visitor can put into them is a first
//! name, which the template engine escapes.

use bytes::Bytes;
use minijinja::{Environment, context};

/// The sample portal's only style sheet.
pub const STYLE: &str = include_str!("pages/style.css");

/// One page of the portal.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its path.
    pub path: &'static str,
    /// Only for those who signed on.
    pub personal: bool,
    title: &'static str,
    content: &'static str,
}

/// Every page that can be asked for.
pub const PAGES: [Page; 7] = [
    Page {
        path: "/",
        personal: false,
        title: "Bienvenue",
        content: include_str!("pages/accueil.html"),
    },
    Page {
        path: "/connexion",
        personal: false,
        title: "Connexion",
        content: include_str!("pages/connexion.html"),
    },
    Page {
        path: "/espace",
        personal: true,
        title: "Mon espace",
        content: include_str!("pages/espace.html"),
    },
    Page {
        path: "/emploi-du-temps",
        personal: true,
        title: "Emploi du temps",
        content: include_str!("pages/emploi-du-temps.html"),
    },
    Page {
        path: "/notes",
        personal: true,
        title: "Notes",
        content: include_str!("pages/notes.html"),
    },
    Page {
        path: "/messagerie",
        personal: true,
        title: "Messagerie",
        content: include_str!("pages/messagerie.html"),
    },
    Page {
        path: "/cahier-de-textes",
        personal: true,
        title: "Cahier de textes",
        content: include_str!("pages/cahier-de-textes.html"),
    },
];

/// The page for a path that has none.
pub const NOT_FOUND: Page = Page {
    path: "",
    personal: false,
    title: "Page introuvable",
    content: include_str!("pages/introuvable.html"),
};

/// Puts contents and names into the portal's frame.
pub struct Pages {
    templates: Environment<'static>,
}

impl Pages {
    /// Compiles the embedded frame.
    pub fn new() -> Pages {
        let mut templates = Environment::new();
        templates
            .add_template("layout.html", include_str!("pages/layout.html"))
            .expect("the embedded frame is a valid template");
        Pages { templates }
    }

    /// The whole page, for somebody called `name` or for nobody in particular.
    pub fn render(&self, page: &Page, name: Option<&str>) -> Bytes {
        self.templates
            .get_template("layout.html")
            .and_then(|layout| {
                layout.render(context! {
                    title => page.title,
                    path => page.path,
                    content => page.content,
                    name => name,
                })
            })
            .expect("the embedded frame renders with any name")
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(page: &Page, name: Option<&str>) -> String {
        String::from_utf8(Pages::new().render(page, name).to_vec()).unwrap()
    }

    #[test]
    fn a_name_cannot_become_markup() {
        for page in &PAGES {
            let html = shown(page, Some("<script>alert(1)</script>\"'&"));
            assert!(!html.contains("<script"), "{html}");
            assert!(html.contains("&lt;script&gt;"), "{html}");
        }
    }

    #[test]
    fn contents_are_not_escaped_and_the_current_page_is_marked() {
        let html = shown(&PAGES[4], Some("Lina"));
        assert!(html.contains("<caption>Deuxième trimestre</caption>"));
        assert!(html.contains("<a href=\"/notes\" aria-current=\"page\">"));
        assert_eq!(html.matches("aria-current").count(), 1);
    }

    #[test]
    fn nobody_in_particular_sees_no_personal_links() {
        assert!(!shown(&PAGES[0], None).contains("/deconnexion"));
        assert!(shown(&PAGES[2], Some("Lina")).contains("Bonjour Lina"));
    }
}
