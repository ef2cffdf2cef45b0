//! What visitors see: the waiting page, the pages of refusal, and their words.
//!
//! Pure: no I/O, no clock. Templates, words, style and script are embedded; what can be resolved
//! beforehand is resolved once, in [`Pages::new`]. The script holds no words: those that change
//! travel with each answer of the status address as [`Said`].

mod holes;
mod lang;
mod outlook;
mod refusal;
mod words;

pub use lang::Lang;
pub use outlook::Outlook;
pub use refusal::RefusalKind;
pub use words::LaneWords;

use crate::config::RoomConfig;
use crate::room;
use aws_lc_rs::digest;
use bytes::Bytes;
use holes::{Hole, Holed, Shape};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write;
use words::Words;

/// In seconds: beyond an hour nobody counts minutes, and the page says when the portal opens.
const RETRY_SAID_MAX: u64 = 3_600;
/// In seconds: a page that is open asks by itself after this at the latest. An hour that is brought
/// forward must reach it.
const RETRY_SELF_MAX: u64 = 1_800;
/// Where the assets live, on every guarded host.
const ASSETS: &str = "/.preau/";

/// Every page, ready to be filled in. Built once, shared by all threads.
pub struct Pages {
    templates: Environment<'static>,
    words: [Words; Lang::ALL.len()],
    /// The waiting page by language and [`Shape`].
    waiting: [Vec<Holed>; Lang::ALL.len()],
    assets: [(String, Asset); 3],
    /// The addresses of the assets, for the templates.
    links: Value,
}

/// What the waiting page is made of.
#[derive(Clone, Copy, Debug)]
pub struct WaitingView<'a> {
    /// The room's name.
    pub room: &'a str,
    /// What the room tells this visitor.
    pub waiting: &'a room::Waiting,
    /// The time of day at which that was true, such as `10:42:07`.
    pub updated: &'a str,
    /// Path and query of the original request, where the visitor comes in. Anything that could
    /// lead to another origin becomes `/`.
    pub address: &'a str,
    /// The request was a form (POST and the like): the page never leads back to it by GET.
    pub form: bool,
    /// The visitor paused the refresh that stands in for the script.
    pub paused: bool,
    /// The title of the visitor's lane, and what each lane gets; `None`: the room has but one line.
    pub lanes: Option<(&'a str, &'a str)>,
    /// The code of a class can be typed here.
    pub codes: bool,
    /// Whole minutes that a place is kept without a sign of life.
    pub keep_minutes: u32,
    /// What the calendar knows.
    pub outlook: Outlook<'a>,
}

/// What a page about the code of a class is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassView<'a> {
    /// The room's name.
    pub room: &'a str,
    /// What went wrong: the name of one of the words for it.
    pub said: Option<&'a str>,
    /// A code that is open now, for how many people, and how many minutes.
    pub open: Option<(&'a str, u32, u32)>,
    /// A code can be opened here.
    pub opens: bool,
    /// The way back to the line, for somebody who may try another code.
    pub address: Option<&'a str>,
}

/// What a page of refusal is made of.
#[derive(Clone, Copy, Debug)]
pub struct RefusalView<'a> {
    /// Why.
    pub kind: RefusalKind,
    /// The same seconds as in `Retry-After`, said in words; `None` says nothing of it.
    pub retry_after_secs: Option<u64>,
    /// The room's name, for the reference that a visitor can give to the support.
    pub room: Option<&'a str>,
    /// Path and query to try again: a link and, with the script, an automatic attempt that can be
    /// switched off. `None` where a GET would not be the same request.
    pub again: Option<&'a str>,
    /// The whole address that was meant, with https.
    pub secure: Option<&'a str>,
    /// What the calendar knows, for a door that is closed.
    pub outlook: Outlook<'a>,
}

/// The texts that change while one waits: the member `text` of a status answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said<'a> {
    /// The title of the page.
    pub title: Cow<'a, str>,
    /// The place, with its thousands set apart; or that it will be drawn.
    pub place: Cow<'a, str>,
    /// The promise, such as "entre 8 et 12 minutes".
    pub wait: &'a str,
    /// Why things are as they are, where there is something to say.
    pub note: Option<Cow<'a, str>>,
}

/// A file of our own, named by its content: it may be cached for ever.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The content.
    pub body: Bytes,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Cache-Control`.
    pub cache_control: &'static str,
}

impl Pages {
    /// Compiles the templates and resolves the words.
    ///
    /// # Panics
    /// If an embedded resource is broken: a programming error that the tests see.
    pub fn new() -> Pages {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        let syntax = syntax.trim_blocks(true).build();
        templates.set_syntax(syntax.expect("the usual delimiters are valid"));
        for (name, source) in [
            (WAITING, include_str!("waiting.html")),
            (REFUSAL, include_str!("refusal.html")),
            (CLASS, include_str!("class.html")),
            (FRAME, include_str!("frame.html")),
        ] {
            templates
                .add_template(name, source)
                .expect("the embedded templates are valid");
        }
        let assets = [
            asset("css", "text/css; charset=utf-8", include_str!("style.css")),
            asset(
                "js",
                "text/javascript; charset=utf-8",
                include_str!("script.js"),
            ),
            asset("svg", "image/svg+xml", include_str!("mark.svg")),
        ];
        let [css, script, icon] = assets
            .each_ref()
            .map(|(name, _)| Value::from_safe_string(format!("{ASSETS}{name}")));
        let mut pages = Pages {
            templates,
            words: Lang::ALL.map(Words::new),
            waiting: Default::default(),
            assets,
            links: context! { css, script, icon },
        };
        pages.waiting = Lang::ALL.map(|lang| {
            let marked = |shape| pages.template(lang, shape, |hole| Value::from(hole.mark()));
            Shape::all()
                .map(|shape| Holed::new(&marked(shape)))
                .collect()
        });
        pages
    }

    /// The waiting page, whole.
    pub fn waiting(&self, lang: Lang, view: &WaitingView<'_>) -> Bytes {
        let shape = Shape::of(view);
        let words = self.words(lang);
        let waiting = view.waiting;
        let said = self.say(lang, waiting, &view.outlook);
        self.waiting[lang as usize][shape.index()].filled(|hole, page| match hole {
            Hole::Title => page.text(&said.title),
            Hole::Place => page.text(&said.place),
            Hole::Wait => page.text(said.wait),
            Hole::Note => page.text(said.note.as_deref().unwrap_or_default()),
            Hole::Lane => page.text(view.lanes.map_or("", |(title, _)| title)),
            Hole::Rules => page.text(view.lanes.map_or("", |(_, rules)| rules)),
            Hole::Room => page.text(view.room),
            Hole::Address => page.text(&same_origin(view.address)),
            Hole::Updated => page.text(view.updated),
            Hole::Kept => page.text(&words.kept(view.keep_minutes)),
            Hole::Poll => page.number(waiting.poll_after.ceil_secs().max(1)),
            Hole::Claim => page.number(waiting.called.map_or(1, |left| left.ceil_secs().max(1))),
        })
    }

    /// The waiting page from its template, with `put` in its holes.
    fn template(&self, lang: Lang, shape: Shape, put: impl Fn(Hole) -> Value) -> String {
        let said = context! {
            title => put(Hole::Title),
            place => put(Hole::Place),
            wait => put(Hole::Wait),
            note => shape.noted.then(|| put(Hole::Note)),
        };
        let fields = context! {
            lang => lang.tag(),
            t => self.words(lang).page.clone(),
            assets => self.links.clone(),
            said,
            lane => shape.laned.then(|| put(Hole::Lane)),
            rules => put(Hole::Rules),
            room => put(Hole::Room),
            address => put(Hole::Address),
            updated => put(Hole::Updated),
            form => shape.form,
            paused => shape.paused,
            codes => shape.codes && !shape.form,
            refresh => !shape.form && !shape.paused,
            kept => put(Hole::Kept),
            poll => put(Hole::Poll),
            called => shape.called,
            claim => put(Hole::Claim),
        };
        self.render(WAITING, fields)
    }

    /// A page of refusal, whole.
    pub fn refusal(&self, lang: Lang, view: &RefusalView<'_>) -> Bytes {
        let words = self.words(lang);
        let reference = match view.room {
            Some(room) => Cow::Owned(format!("{} · {room}", view.kind.name())),
            None => Cow::Borrowed(view.kind.name()),
        };
        let retry = view.retry_after_secs.filter(|secs| *secs <= RETRY_SAID_MAX);
        let fields = context! {
            lang => lang.tag(),
            t => words.page.clone(),
            assets => self.links.clone(),
            words => words.refusal(view.kind),
            retry => retry.map(|secs| words.retry(secs)),
            retry_secs => view.retry_after_secs.map(|secs| secs.min(RETRY_SELF_MAX)),
            again => view.again.map(same_origin),
            secure => view.secure,
            outlook => view.outlook.closed(words),
            reference,
        };
        self.render(REFUSAL, fields).into()
    }

    /// A page about the code of a class.
    pub fn class(&self, lang: Lang, view: &ClassView<'_>) -> Bytes {
        let words = self.words(lang);
        let fields = context! {
            lang => lang.tag(),
            t => words.page.clone(),
            c => words.class.clone(),
            assets => self.links.clone(),
            room => view.room,
            said => view.said,
            code => view.open.map(|(code, ..)| code),
            valid => view.open.map(|(_, people, minutes)| words.valid(people, minutes)),
            opens => view.opens,
            address => view.address.map(same_origin),
        };
        self.render(CLASS, fields).into()
    }

    /// The page in a stranger's frame, where nobody can wait; `address` as in [`WaitingView`].
    pub fn frame(&self, lang: Lang, address: &str) -> Bytes {
        let fields = context! {
            lang => lang.tag(),
            t => self.words(lang).page.clone(),
            assets => self.links.clone(),
            address => same_origin(address),
        };
        self.render(FRAME, fields).into()
    }

    /// The texts that change while one waits.
    pub fn say(&self, lang: Lang, waiting: &room::Waiting, outlook: &Outlook<'_>) -> Said<'_> {
        let words = self.words(lang);
        let called = waiting.called.is_some();
        let (place, title) = outlook.draw(words).unwrap_or_else(|| {
            let place = words.number(waiting.place);
            let title = words.title(&place);
            (place.into(), title.into())
        });
        Said {
            title: match called {
                true => Cow::Borrowed(words.turn()),
                false => title,
            },
            wait: match called {
                true => words.wait_called(),
                false => words.wait(waiting.promise.map(room::Promise::shown)),
            },
            note: outlook.note(words, waiting),
            place,
        }
    }

    /// What is said of the lanes of a room.
    pub fn lanes(&self, lang: Lang, room: &RoomConfig) -> LaneWords {
        self.words(lang).lanes(&room.lanes, &room.rules.lanes)
    }

    /// `address` in a form that leads nowhere else.
    pub fn within<'a>(&self, address: &'a str) -> Cow<'a, str> {
        same_origin(address)
    }

    /// The asset `name` (without the folder), if it is one of this version's.
    pub fn asset(&self, name: &str) -> Option<Asset> {
        let (_, asset) = self.assets.iter().find(|(known, _)| known == name)?;
        Some(asset.clone())
    }

    fn words(&self, lang: Lang) -> &Words {
        &self.words[lang as usize]
    }

    fn render(&self, template: &str, fields: Value) -> String {
        self.templates
            .get_template(template)
            .and_then(|template| template.render(fields))
            .expect("the templates use only what they are given")
    }
}

impl Default for Pages {
    fn default() -> Pages {
        Pages::new()
    }
}

/// Names that end in `.html` are escaped as HTML.
const WAITING: &str = "waiting.html";
const REFUSAL: &str = "refusal.html";
const CLASS: &str = "class.html";
const FRAME: &str = "frame.html";

/// Bytes of the digest in an asset's name: enough to tell versions apart.
const NAME_BYTES: usize = 6;

/// An asset and its name, `page.<digest>.<extension>`.
fn asset(extension: &str, content_type: &'static str, content: &'static str) -> (String, Asset) {
    let digest = digest::digest(&digest::SHA256, content.as_bytes());
    let mut name = String::from("page.");
    for byte in &digest.as_ref()[..NAME_BYTES] {
        write!(name, "{byte:02x}").expect("a string takes every write");
    }
    name.push('.');
    name.push_str(extension);
    let asset = Asset {
        body: Bytes::from_static(content.as_bytes()),
        content_type,
        cache_control: "public, max-age=31536000, immutable",
    };
    (name, asset)
}

/// `address` in a form that no browser reads as another origin.
///
/// `//host` and `/\host` would be another host; `/.` before them keeps the path as it is. Browsers
/// drop control characters, so those cannot be allowed to hide a second slash.
fn same_origin(address: &str) -> Cow<'_, str> {
    let path = address.strip_prefix('/');
    match path {
        Some(path) if path.starts_with(['/', '\\']) && !address.contains(char::is_control) => {
            Cow::Owned(format!("/.{address}"))
        }
        Some(_) if !address.contains(char::is_control) => Cow::Borrowed(address),
        _ => Cow::Borrowed("/"),
    }
}

#[cfg(test)]
mod tests;
