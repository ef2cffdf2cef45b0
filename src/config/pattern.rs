//! Patterns of paths, and what they share with those of hosts.
//!
//! A path pattern begins with `/` and is one of
//!
//! | written | matches |
//! |---|---|
//! | `/connexion` | exactly that path |
//! | `/assets/**` | `/assets` and everything below it: `/assets/`, `/assets/a/b` (not `/assetsx`) |
//! | `/**` | everything |
//! | anything with `*`, `?`, `{a,b}` or `[a-z]` | a glob |
//!
//! In a glob, `*` is any text within one segment, `?` one character of it, `{a,b}` one of the
//! alternatives, `[a-z]` one of the characters, and `**` as a whole segment any number of
//! segments. A query string is never looked at. Paths are compared byte for byte, or without regard
//! to case (of ASCII letters) where a pattern is made so.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

/// Bytes of a path pattern.
const MAX_PATH_BYTES: usize = 1024;
/// What makes a pattern a glob.
pub(super) const WILDCARDS: [char; 6] = ['*', '?', '{', '}', '[', ']'];

/// What stands behind each comma of a pattern that is not one between two spellings in braces.
pub(super) fn behind_commas(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    text.char_indices().filter_map(move |(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (c == ',' && depth == 0).then(|| &text[at + 1..])
    })
}

/// How narrow a pattern is; the greater one wins where two match.
///
/// An exact pattern is narrower than any other; of two others, the one that spells out more
/// characters; of two that spell out as many, a prefix or suffix before a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    pub(super) exact: bool,
    pub(super) spelled_out: usize,
    pub(super) simple: bool,
}

/// Which paths are meant; see the module for the grammar.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: Box<str>,
    kind: PathKind,
    /// Case does not matter: the text is in lower case, and so are paths made.
    folds: bool,
}

#[derive(Clone, Debug)]
enum PathKind {
    Exact,
    /// Matches this and everything below it; empty for everything.
    Prefix(Box<str>),
    Glob(GlobSet),
}

impl PathPattern {
    /// Everything.
    pub fn everything() -> PathPattern {
        PathPattern {
            text: "/**".into(),
            kind: PathKind::Prefix("".into()),
            folds: false,
        }
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<PathPattern, String> {
        if !text.starts_with('/') {
            return Err("a path begins with `/`".into());
        }
        if text.len() > MAX_PATH_BYTES {
            return Err(format!("longer than {MAX_PATH_BYTES} bytes"));
        }
        if let Some(c) = text
            .chars()
            .find(|c| matches!(c, '#' | '\\' | ' ') || !c.is_ascii_graphic())
        {
            return Err(format!("{c:?} cannot stand in a path"));
        }
        let kind = match text.strip_suffix("/**") {
            Some(prefix) if !prefix.contains(WILDCARDS) => PathKind::Prefix(prefix.into()),
            _ if text.contains(WILDCARDS) => PathKind::Glob(glob_set(path_globs(text)?)?),
            _ => PathKind::Exact,
        };
        Ok(PathPattern {
            text: text.into(),
            kind,
            folds: false,
        })
    }

    /// The same in whatever case.
    #[must_use]
    pub fn ignoring_case(&self) -> PathPattern {
        let lower = PathPattern::parse(&self.text.to_ascii_lowercase());
        PathPattern {
            folds: true,
            ..lower.expect("a pattern in lower case is one")
        }
    }

    /// Whether `path` (without a query string) is meant.
    pub fn matches(&self, path: &str) -> bool {
        let path = folded(path, self.folds);
        match &self.kind {
            PathKind::Exact => *self.text == *path,
            PathKind::Prefix(prefix) => is_below(&path, prefix),
            PathKind::Glob(globs) => globs.is_match(&*path),
        }
    }

    /// How narrow it is.
    pub fn specificity(&self) -> Specificity {
        Specificity {
            exact: matches!(self.kind, PathKind::Exact),
            spelled_out: match &self.kind {
                PathKind::Exact => self.text.len(),
                PathKind::Prefix(prefix) => prefix.len(),
                PathKind::Glob(_) => spelled_out(&self.text),
            },
            simple: !matches!(self.kind, PathKind::Glob(_)),
        }
    }

    /// The pattern that means all below it as well, if this one means one address alone that may be a
    /// folder: not one of a file, as in `/index.php`.
    pub fn with_all_below(&self) -> Option<PathPattern> {
        let (above, last) = self.text.rsplit_once('/')?;
        let folder = matches!(self.kind, PathKind::Exact) && !last.contains('.');
        let base = if last.is_empty() { above } else { &*self.text };
        folder.then(|| PathPattern::parse(&format!("{base}/**")).ok())?
    }

    /// The path itself, if the pattern is exactly one, byte for byte.
    pub(super) fn exact(&self) -> Option<&str> {
        (matches!(self.kind, PathKind::Exact) && !self.folds).then_some(&*self.text)
    }
}

impl Display for PathPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Several path patterns, compiled to be asked often: exact paths cost one hash, prefixes one
/// comparison each, and all globs together one search.
#[derive(Clone, Debug, Default)]
pub struct PathSet {
    exact: HashSet<Box<str>>,
    prefixes: Vec<Box<str>>,
    globs: Option<GlobSet>,
    patterns: Vec<PathPattern>,
    folds: bool,
}

impl PathSet {
    /// The set of what any of `patterns` matches; all of them regard case, or none.
    pub fn new(patterns: Vec<PathPattern>) -> PathSet {
        let mut set = PathSet {
            folds: patterns.iter().any(|pattern| pattern.folds),
            ..PathSet::default()
        };
        let mut globs = Vec::new();
        for PathPattern { text, kind, .. } in &patterns {
            match kind {
                PathKind::Exact => {
                    set.exact.insert(text.clone());
                }
                PathKind::Prefix(prefix) => set.prefixes.push(prefix.clone()),
                PathKind::Glob(_) => {
                    globs.extend(path_globs(text).expect("a parsed pattern compiles"));
                }
            }
        }
        set.globs = (!globs.is_empty()).then(|| glob_set(globs).expect("parsed patterns compile"));
        set.patterns = patterns;
        set
    }

    /// The same in whatever case.
    #[must_use]
    pub fn ignoring_case(&self) -> PathSet {
        let patterns = self.patterns.iter();
        PathSet::new(patterns.map(PathPattern::ignoring_case).collect())
    }

    /// Whether any pattern means `path` (without a query string).
    pub fn contains(&self, path: &str) -> bool {
        let path = &*folded(path, self.folds);
        self.exact.contains(path)
            || self.prefixes.iter().any(|prefix| is_below(path, prefix))
            || self
                .globs
                .as_ref()
                .is_some_and(|globs| globs.is_match(path))
    }

    /// The patterns, in the order in which they were written.
    pub fn patterns(&self) -> &[PathPattern] {
        &self.patterns
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The number of patterns.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }
}

/// A path as patterns compare it; it allocates only where case does not matter and there is some.
fn folded(path: &str, folds: bool) -> Cow<'_, str> {
    match folds && path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(path.to_ascii_lowercase()),
        false => Cow::Borrowed(path),
    }
}

/// Whether `path` is `prefix` or lies below it, on the boundary of a segment.
fn is_below(path: &str, prefix: &str) -> bool {
    prefix.is_empty()
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The globs of a path pattern: one that ends in `/**` also means what stands before that, as
/// a prefix does.
fn path_globs(text: &str) -> Result<Vec<Glob>, String> {
    let base = text.strip_suffix("/**").filter(|base| !base.is_empty());
    base.into_iter().chain([text]).map(glob).collect()
}

pub(super) fn glob(text: &str) -> Result<Glob, String> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map_err(|error| error.kind().to_string())
}

pub(super) fn glob_set(globs: impl IntoIterator<Item = Glob>) -> Result<GlobSet, String> {
    let mut builder = GlobSetBuilder::new();
    for glob in globs {
        builder.add(glob);
    }
    builder.build().map_err(|error| error.kind().to_string())
}

/// Characters that a pattern spells out: those that are no wildcard and in no brackets.
pub(super) fn spelled_out(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut count = 0;
    for c in text.chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            '*' | '?' => {}
            _ if depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATHS: [(&str, &[&str], &[&str]); 12] = [
        ("/", &["/"], &["", "/a", "//"]),
        (
            "/connexion",
            &["/connexion"],
            &["/connexion/", "/Connexion", "/connexionx"],
        ),
        ("/a/", &["/a/"], &["/a", "/a/b"]),
        (
            "/assets/**",
            &["/assets", "/assets/", "/assets/a/b"],
            &["/assetsx", "/a", "/"],
        ),
        ("/**", &["/", "/a", "/a/b", "*", ""], &[]),
        ("/a/*", &["/a/b", "/a/"], &["/a", "/a/b/c"]),
        ("/a/*/c", &["/a/b/c"], &["/a/b/b/c", "/a/c"]),
        ("/a/**/c", &["/a/c", "/a/b/c", "/a/b/b/c"], &["/a/b", "/ac"]),
        ("/a?c", &["/abc"], &["/ac", "/a/c", "/abbc"]),
        (
            "/{fr,en}/aide",
            &["/fr/aide", "/en/aide"],
            &["/de/aide", "/fr"],
        ),
        (
            "/u/*/pub/**",
            &["/u/x/pub", "/u/x/pub/", "/u/x/pub/y/z"],
            &["/u/pub", "/u/x/public"],
        ),
        ("/**/*.css", &["/a.css", "/a/b.css"], &["/a.css/b", "/acss"]),
    ];

    #[test]
    fn paths_match_as_the_table_says() {
        for (text, yes, no) in PATHS {
            let pattern = PathPattern::parse(text).unwrap();
            let set = PathSet::new(vec![pattern.clone()]);
            for path in yes {
                assert!(pattern.matches(path), "{text} means {path}");
                assert!(set.contains(path), "the set of {text} has {path}");
            }
            for path in no {
                assert!(!pattern.matches(path), "{text} does not mean {path}");
                assert!(!set.contains(path), "the set of {text} has no {path}");
            }
        }
    }

    #[test]
    fn case_matters_or_does_not() {
        for (text, path) in [
            ("/Connexion", "/connexion"),
            ("/assets/**", "/ASSETS/a/B"),
            ("/{Fr,en}/aide", "/fR/Aide"),
            ("/[A-C]", "/b"),
        ] {
            let exactly = PathPattern::parse(text).unwrap();
            assert!(!exactly.matches(path), "{text} does not mean {path}");
            let folding = exactly.ignoring_case();
            assert!(folding.matches(path), "{text} means {path} in any case");
            assert_eq!(folding.specificity(), exactly.specificity());
            let set = PathSet::new(vec![exactly]);
            assert!(!set.contains(path) && set.ignoring_case().contains(path));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = format!("/{}", "a".repeat(MAX_PATH_BYTES));
        for text in [
            "", "a", "/a#b", "/a b", "/é", "/a{b", "/a[b", "/a\\b", "/a\n", &long,
        ] {
            assert!(PathPattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_narrower_pattern_is_the_greater() {
        let narrowest_first = [
            "/a/b/c", "/", "/a/*/c", "/a/b/**", "/a/*", "/a/**", "/*", "/**",
        ];
        let ranks: Vec<Specificity> = narrowest_first
            .iter()
            .map(|text| PathPattern::parse(text).unwrap().specificity())
            .collect();
        for (pair, names) in ranks.windows(2).zip(narrowest_first.windows(2)) {
            assert!(pair[0] >= pair[1], "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_pattern_panic(text in ".{0,60}", path in ".{0,60}") {
            let text = format!("/{text}");
            if let Ok(pattern) = PathPattern::parse(&text) {
                let alone = pattern.matches(&path);
                prop_assert_eq!(PathSet::new(vec![pattern]).contains(&path), alone);
            }
        }

        #[test]
        fn a_set_holds_what_one_of_its_patterns_means(
            chosen in prop::collection::vec(0..PATHS.len(), 0..6),
            path in "(/(a|b|c|assets|u|pub|fr|aide)?){0,4}",
        ) {
            let patterns: Vec<PathPattern> =
                chosen.iter().map(|i| PathPattern::parse(PATHS[*i].0).unwrap()).collect();
            let one = patterns.iter().any(|pattern| pattern.matches(&path));
            prop_assert_eq!(PathSet::new(patterns).contains(&path), one);
        }
    }
}
