//! Which language a visitor reads.

/// Bytes of `Accept-Language` that are looked at; browsers send fewer than 100.
const LOOKED_AT_BYTES: usize = 512;

/// A language that our pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// French: the language of the portals, unless the browser prefers English.
    #[default]
    Fr,
    /// English.
    En,
}

impl Lang {
    /// Every language, the first choice first.
    pub const ALL: [Lang; 2] = [Lang::Fr, Lang::En];

    /// The tag for `lang` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::Fr => "fr",
            Lang::En => "en",
        }
    }

    /// The language that the browser likes best of those we speak; French when it likes none, or
    /// when what it says cannot be understood. At most 512 bytes are looked at.
    pub fn from_accept_language(header: Option<&str>) -> Lang {
        let mut best = (Lang::default(), 0.0);
        for (lang, quality) in readable(header.unwrap_or(""))
            .split(',')
            .filter_map(preference)
        {
            if quality > best.1 {
                best = (lang, quality);
            }
        }
        best.0
    }
}

/// The part of `header` that is looked at, cut where an item ends: half an item could lie.
fn readable(header: &str) -> &str {
    if header.len() <= LOOKED_AT_BYTES {
        return header;
    }
    let head = &header[..header.floor_char_boundary(LOOKED_AT_BYTES)];
    head.rsplit_once(',').map_or("", |(items, _)| items)
}

/// One item, such as `en-GB;q=0.8`, if it is a language that we speak and a valid wish.
fn preference(item: &str) -> Option<(Lang, f32)> {
    let (tag, parameters) = item.split_once(';').unwrap_or((item, "q=1"));
    let primary = tag.trim().split('-').next()?;
    let lang = if primary.eq_ignore_ascii_case("en") {
        Lang::En
    } else if primary.eq_ignore_ascii_case("fr") || primary == "*" {
        Lang::Fr
    } else {
        return None;
    };
    let (name, value) = parameters.trim().split_once('=')?;
    let quality: f32 = value.trim().parse().ok()?;
    (name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&quality))
        .then_some((lang, quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_is_heard() {
        for (header, expected) in [
            ("", Lang::Fr),
            ("fr", Lang::Fr),
            ("en", Lang::En),
            ("EN-gb", Lang::En),
            ("fr-FR,fr;q=0.9,en;q=0.8", Lang::Fr),
            ("en-US,en;q=0.9,fr;q=0.8", Lang::En),
            ("fr;q=0.5,en;q=0.7", Lang::En),
            ("en;q=0.5, fr ; q=0.7", Lang::Fr),
            ("de,en;q=0.4", Lang::En),
            ("de", Lang::Fr),
            ("*", Lang::Fr),
            ("*;q=0.5,en;q=0.3", Lang::Fr),
            ("en;q=0", Lang::Fr),
            ("en;q=nan,fr;q=0.1", Lang::Fr),
            ("en;q=7", Lang::Fr),
            ("en;level=1", Lang::Fr),
            ("eng", Lang::Fr),
            (";;,,=,q;é", Lang::Fr),
        ] {
            assert_eq!(
                Lang::from_accept_language(Some(header)),
                expected,
                "{header}"
            );
        }
        assert_eq!(Lang::from_accept_language(None), Lang::Fr);
    }

    #[test]
    fn a_long_header_is_cut_between_items() {
        let late = format!("{}en", "de,".repeat(171));
        assert_eq!(Lang::from_accept_language(Some(&late)), Lang::Fr);
        let cut_in_quality = format!("{}en;q=0.9,fr;q=0.95", "d".repeat(500));
        assert_eq!(Lang::from_accept_language(Some(&cut_in_quality)), Lang::Fr);
        assert_eq!(
            Lang::from_accept_language(Some(&"é".repeat(9_999))),
            Lang::Fr
        );
        let early = format!("en,{}", "é".repeat(9_999));
        assert_eq!(Lang::from_accept_language(Some(&early)), Lang::En);
    }
}
