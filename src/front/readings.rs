//! What a path may be to whoever gets it.
//!
//! Servers do not agree on paths. What one matches as it came, another decodes, or decodes again
//! behind a proxy; one cuts off `;parameters`, one takes `\` for `/`, one walks the dots first. So a
//! path has *readings*: all that can be reached from it by steps that some server takes.
//!
//! | step | so that |
//! |---|---|
//! | `%xx` is decoded, at most twice; `%2F` becomes a slash, or stays within its segment | `/a%252e` is `/a%2e` and `/a.` |
//! | UTF-8 that is longer than it need be is what it stands for | `%c0%ae` is a dot |
//! | parameters are cut off | `/a;x/b` is `/a/b` |
//! | backslashes become slashes | `/a\b` is `/a/b` |
//! | runs of slashes become one | `//a` is `/a` |
//! | `//host` at the beginning is taken for a host (PHP) | `//a/b` is `/b` |
//! | dot segments are walked | `/a/../b` is `/b` |
//! | what was decoded to a `?` or `#` ends the path, for a hop that writes the address anew | `/a%3f.css` is `/a` |
//!
//! The rules ask for every reading. Almost every path has but one: it is seen so in one pass. Two
//! slashes are too common by mistake to decide about rooms: there, runs of slashes are one, and no
//! host is looked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// How often a path is decoded: by a portal, and by a proxy in front of it.
const DECODINGS_MAX: u8 = 2;
/// Readings of one path. Beyond, we cannot tell what it is.
const READINGS_MAX: usize = 64;
/// Bytes of all readings of one path.
const READINGS_BYTES_MAX: usize = 128 * 1024;

/// All readings of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Readings {
    /// As most servers have it: decoded once, without parameters, slashes collapsed, dots walked.
    pub plain: String,
    /// The others.
    pub others: Vec<Reading>,
    /// It is text, whoever reads it, without control characters and half escapes.
    pub clear: bool,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub path: String,
    /// It is among those that tell rooms apart.
    pub tells_rooms: bool,
}

/// Why a path has no readings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It has a byte that ends texts, or that no address may have.
    Control,
    /// It has more readings than we look at.
    TooMany,
}

/// A path on its way to being read.
#[derive(Clone, Hash, PartialEq, Eq)]
struct Draft {
    text: Vec<u8>,
    decodings: u8,
}

/// A step of a server; nothing if it changes nothing.
type Step = fn(&[u8]) -> Option<Vec<u8>>;

/// Steps that need no decoding.
const STEPS: [Step; 6] = [shortened, bare, slashed, collapsed, walked, ended];

/// The readings of a path as it came.
///
/// # Errors
/// If it is none that we carry.
pub(super) fn readings(raw: &str) -> Result<Readings, Unreadable> {
    if is_plain(raw) {
        return Ok(Readings {
            plain: raw.to_owned(),
            others: Vec::new(),
            clear: true,
        });
    }
    if raw.bytes().any(is_control) {
        return Err(Unreadable::Control);
    }
    let once = decoded(raw.as_bytes(), true);
    if once.as_ref().is_some_and(|text| text.contains(&0)) {
        return Err(Unreadable::Control);
    }
    // Everybody decodes what is escaped, but for slashes.
    let least = u8::from(once.is_some());
    let is_read =
        |draft: &&Draft| draft.decodings >= least || decoded(&draft.text, false).is_none();
    let drafts = reached_from(vec![Draft {
        text: raw.as_bytes().to_vec(),
        decodings: 0,
    }])?;
    let without_host = drafts.iter().filter_map(|draft| {
        let text = past_host(&draft.text)?;
        Some(Draft { text, ..*draft })
    });
    let without_host = reached_from(without_host.collect())?;
    let plain = plain(once.as_deref().unwrap_or(raw.as_bytes()));
    let mut clear = !has_half_escape(raw);
    let mut others = BTreeMap::new();
    for (drafts, tells_rooms) in [(&without_host, false), (&drafts, true)] {
        for draft in drafts.iter().filter(is_read) {
            clear &= !draft.text.iter().copied().any(is_control);
            let path = String::from_utf8_lossy(&draft.text);
            clear &= matches!(path, Cow::Borrowed(_));
            // The same with one slash is among them.
            let tells_rooms = tells_rooms && !path.contains("//");
            others.insert(path.into_owned(), tells_rooms);
        }
    }
    others.remove(&plain);
    let others = others.into_iter();
    Ok(Readings {
        plain,
        others: others
            .map(|(path, tells_rooms)| Reading { path, tells_rooms })
            .collect(),
        clear,
    })
}

/// A path without its parameters, for what is known by its name alone.
pub(super) fn without_parameters(path: &str) -> Cow<'_, str> {
    match bare(path.as_bytes()) {
        None => Cow::Borrowed(path),
        Some(bare) => Cow::Owned(String::from_utf8_lossy(&bare).into_owned()),
    }
}

/// Whether no server could read the path in another way: one cheap pass.
fn is_plain(raw: &str) -> bool {
    let mut before = 0;
    let mut dots = 0_usize;
    for byte in raw.bytes() {
        match byte {
            b'/' if before == b'/' || (1..=2).contains(&dots) => return false,
            b'%' | b';' | b'\\' | ..=b' ' | 0x7f.. => return false,
            _ => {}
        }
        // Dots since the last slash; many once there is anything else.
        dots = match byte {
            b'/' => 0,
            b'.' => dots.saturating_add(1),
            _ => usize::MAX,
        };
        before = byte;
    }
    !(1..=2).contains(&dots)
}

/// All that can be reached from `first`, and these.
fn reached_from(first: Vec<Draft>) -> Result<Vec<Draft>, Unreadable> {
    let mut bytes = 0;
    let mut known: HashSet<Draft> = first.iter().cloned().collect();
    let mut all = first;
    let mut at = 0;
    while let Some(draft) = all.get(at) {
        let Draft { text, decodings } = draft.clone();
        at += 1;
        let mut next: Vec<Draft> = (STEPS.iter())
            .filter_map(|step| step(&text))
            .map(|text| Draft { text, decodings })
            .collect();
        if decodings < DECODINGS_MAX {
            let decoded = [true, false].map(|slashes| decoded(&text, slashes));
            let decodings = decodings + 1;
            next.extend(
                decoded
                    .into_iter()
                    .flatten()
                    .map(|text| Draft { text, decodings }),
            );
        }
        for draft in next {
            if known.insert(draft.clone()) {
                bytes += draft.text.len();
                all.push(draft);
            }
        }
        if all.len() > READINGS_MAX || bytes > READINGS_BYTES_MAX {
            return Err(Unreadable::TooMany);
        }
    }
    Ok(all)
}

/// What most servers make of a decoded path.
fn plain(once: &[u8]) -> String {
    let mut text = Cow::Borrowed(once);
    for step in [bare, collapsed, walked] {
        if let Some(next) = step(&text) {
            text = Cow::Owned(next);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn is_control(byte: u8) -> bool {
    byte < b' ' || byte == 0x7f
}

/// The byte that the escape at `at` stands for.
fn escape(text: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = text.get(at..at + 3)? else {
        return None;
    };
    let [high, low] = [*high, *low].map(|digit| (digit as char).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}

/// Whether there is a `%` that is no escape: some servers refuse it, some have ways of their own.
fn has_half_escape(raw: &str) -> bool {
    let text = raw.as_bytes();
    raw.match_indices('%')
        .any(|(at, _)| escape(text, at).is_none())
}

/// Decoded once. An escaped slash is a slash, or stays as it is.
fn decoded(text: &[u8], slashes: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut changed = false;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match escape(text, at).filter(|byte| slashes || *byte != b'/') {
            Some(byte) => {
                decoded.push(byte);
                changed = true;
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    changed.then_some(decoded)
}

/// ASCII in two or three bytes of UTF-8, which is not valid, as what it stands for.
fn shortened(text: &[u8]) -> Option<Vec<u8>> {
    let mut shortened = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let (byte, after) = match rest {
            [first @ 0xc0..=0xc1, last @ 0x80..=0xbf, after @ ..] => {
                ((first & 1) << 6 | (last & 0x3f), after)
            }
            [0xe0, middle @ 0x80..=0x81, last @ 0x80..=0xbf, after @ ..] => {
                ((middle & 1) << 6 | (last & 0x3f), after)
            }
            _ => (*byte, after),
        };
        shortened.push(byte);
        rest = after;
    }
    (shortened.len() < text.len()).then_some(shortened)
}

/// Without the parameters of its segments (RFC 3986 §3.3).
fn bare(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b';') {
        return None;
    }
    let segments: Vec<&[u8]> = (text.split(|byte| *byte == b'/'))
        .map(|segment| {
            segment
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default()
        })
        .collect();
    Some(segments.join(&b'/'))
}

/// With slashes for backslashes.
fn slashed(text: &[u8]) -> Option<Vec<u8>> {
    let slash = |byte: &u8| if *byte == b'\\' { b'/' } else { *byte };
    (text.contains(&b'\\')).then(|| text.iter().map(slash).collect())
}

/// With runs of slashes as one.
fn collapsed(text: &[u8]) -> Option<Vec<u8>> {
    let mut collapsed = text.to_vec();
    collapsed.dedup_by(|byte, before| *byte == b'/' && *before == b'/');
    (collapsed.len() < text.len()).then_some(collapsed)
}

/// Behind what could be a host.
fn past_host(text: &[u8]) -> Option<Vec<u8>> {
    let host = text.strip_prefix(b"//")?;
    let end = host.iter().position(|byte| *byte == b'/');
    Some(end.map_or_else(|| b"/".to_vec(), |end| host[end..].to_vec()))
}

/// Without what an address has behind its path; only decoding brings that in.
fn ended(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().position(|byte| matches!(byte, b'?' | b'#'))?;
    Some(text[..end].to_vec())
}

/// With its dot segments walked (RFC 3986 §5.2.4); nobody gets above the root.
fn walked(text: &[u8]) -> Option<Vec<u8>> {
    let segments = || text.split(|byte| *byte == b'/').skip(1);
    if !segments().any(|segment| matches!(segment, b"." | b"..")) {
        return None;
    }
    let mut way: Vec<&[u8]> = Vec::new();
    for segment in segments() {
        match segment {
            b"." => {}
            b".." => drop(way.pop()),
            _ => way.push(segment),
        }
    }
    // `/a/.` and `/a/..` are folders.
    let last = text.rsplit(|byte| *byte == b'/').next();
    if matches!(last, Some(b"." | b"..")) {
        way.push(b"");
    }
    let mut walked = vec![b'/'];
    walked.extend(way.join(&b'/'));
    Some(walked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain_of(raw: &str) -> String {
        readings(raw).unwrap().plain
    }

    fn all(raw: &str) -> Vec<String> {
        let readings = readings(raw).unwrap();
        let mut all: Vec<String> = readings.others.into_iter().map(|it| it.path).collect();
        all.push(readings.plain);
        all.sort();
        all
    }

    #[test]
    fn the_plain_reading_is_that_of_most_servers() {
        for (raw, expected) in [
            ("/", "/"),
            ("/espace", "/espace"),
            ("/esp%61ce", "/espace"),
            ("//espace///notes", "/espace/notes"),
            ("/caf%C3%A9", "/café"),
            ("/café", "/café"),
            ("/a%20b", "/a b"),
            ("/assets/../espace", "/espace"),
            ("/assets/%2e%2e/espace", "/espace"),
            ("/assets/..;a=1/espace/x", "/espace/x"),
            ("/a%2fb", "/a/b"),
            ("/a\\b", "/a\\b"),
            ("/a%", "/a%"),
            ("/a%zz", "/a%zz"),
            ("/a%+1", "/a%+1"),
            ("/logout;jsessionid=1", "/logout"),
            ("/cours;x/y;z=1;t", "/cours/y"),
            ("/;x/espace", "/espace"),
            ("/cours/", "/cours/"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/../../a", "/a"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
        ] {
            assert_eq!(plain_of(raw), expected, "{raw}");
        }
    }

    #[test]
    fn every_way_to_read_a_path_is_among_its_readings() {
        for (raw, reading) in [
            ("/public/%252e%252e/espace", "/espace"),
            ("/public/%252e%252e/espace", "/public/%2e%2e/espace"),
            ("/public/..%2fespace", "/espace"),
            ("/public/..%2fespace", "/public/..%2fespace"),
            ("/public/%2e%2e%252fespace", "/espace"),
            ("/public/%c0%ae%c0%ae/espace", "/espace"),
            ("/public/%e0%80%ae%e0%80%ae/espace", "/espace"),
            ("/public/%25c0%25ae./espace", "/espace"),
            ("/public/..;/espace", "/espace"),
            ("/public/..;/espace", "/public/..;/espace"),
            ("/public;%2f..%2f../espace", "/public/espace"),
            ("/public;%2f..%2f..%2fespace", "/public"),
            ("/public/..\\espace", "/espace"),
            ("/public/..%5cespace", "/espace"),
            ("/public/..%255cespace", "/espace"),
            ("//public/espace", "/espace"),
            ("//public/espace", "//public/espace"),
            ("/public/%252e%252e/../espace", "/public/espace"),
            ("/espace/../public/x", "/espace/../public/x"),
            ("/espace/../public/x", "/public/x"),
            ("/espace/notes%3f.css", "/espace/notes"),
            ("/espace/notes%3f.css", "/espace/notes?.css"),
            ("/espace/notes%23.css", "/espace/notes"),
            ("/espace/notes%253f.css", "/espace/notes"),
            ("/public/..%3fx", "/"),
            ("/public/..%2fespace%23/x", "/espace"),
        ] {
            let all = all(raw);
            assert!(all.iter().any(|it| it == reading), "{raw}: {all:?}");
        }
    }

    #[test]
    fn most_paths_have_one_reading() {
        for raw in [
            "/",
            "/a/b.css",
            "/a%20b",
            "/caf%C3%A9",
            "/a%2Eb",
            "/.well-known/x",
        ] {
            assert_eq!(readings(raw).unwrap().others, [], "{raw}");
        }
        assert!(readings("/a%20b").unwrap().clear);
        for unclear in [
            "/a%", "/a%zz", "/a%E9", "/%c0%ae", "/a%0A", "/a%7f", "/a%2500", "/%u002e",
        ] {
            assert!(!readings(unclear).unwrap().clear, "{unclear}");
        }
    }

    #[test]
    fn what_ends_texts_is_unreadable_and_so_is_what_has_no_end() {
        for raw in ["/a%00", "/a\u{1}", "/a\u{7f}", "/a b\tc", "/%00;x"] {
            assert_eq!(readings(raw), Err(Unreadable::Control), "{raw:?}");
        }
        let many = "/a;b/..;c//%2e%2e/%252e;/\\..%5c".repeat(20);
        let long = format!("/{}", "%2F%252F;a\\".repeat(1_400));
        for raw in [many, long] {
            assert_eq!(readings(&raw).err(), Some(Unreadable::TooMany));
        }
    }

    /// What a server could do with a path, by the steps of the table in some order.
    fn served(raw: &str, order: &[usize]) -> Option<Vec<u8>> {
        let mut text = raw.as_bytes().to_vec();
        let mut decodings = 0;
        for step in order {
            let next = match step {
                0 | 1 if decodings < DECODINGS_MAX => {
                    let next = decoded(&text, *step == 0);
                    decodings += u8::from(next.is_some());
                    next
                }
                2 => past_host(&text),
                step => STEPS.get(step.checked_sub(3)?).and_then(|step| step(&text)),
            };
            text = next.unwrap_or(text);
        }
        let decodes = decodings > 0 || decoded(&text, false).is_none();
        decodes.then_some(text)
    }

    proptest! {
        #[test]
        fn a_plain_path_is_what_it_is(raw in "(/[a-c.~é%;-]{0,3}){1,4}") {
            if is_plain(&raw) {
                prop_assert!(STEPS.iter().all(|step| step(raw.as_bytes()).is_none()));
                prop_assert!(decoded(raw.as_bytes(), true).is_none());
            }
        }

        #[test]
        fn no_server_of_the_table_finds_another_reading(
            raw in "/[/.;%235efcab0\\\\é]{0,16}",
            order in prop::collection::vec(0_usize..9, 0..8),
        ) {
            if let (Ok(readings), Some(text)) = (readings(&raw), served(&raw, &order)) {
                let text = String::from_utf8_lossy(&text).into_owned();
                let known = readings.plain == text || readings.others.iter().any(|it| it.path == text);
                prop_assert!(known, "{raw}: {text} is not among {readings:?}");
            }
        }
    }
}
