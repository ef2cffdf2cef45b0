//! Patterns of hosts.
//!
//! A host pattern is `*` (any host), a host (`ent.example.fr`), `*.example.fr` (any
//! subdomain, at any depth), or another glob. Case, port and a final dot do not matter.

use super::pattern::{Specificity, WILDCARDS, behind_commas, glob, glob_set, spelled_out};
use globset::GlobSet;
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) const HOST_EXAMPLE: &str =
    "write a host such as \"ent.example.fr\", \"*.example.fr\" or \"*\"";

/// Bytes of a host pattern: the longest DNS name.
const MAX_HOST_BYTES: usize = 253;

/// Domains in which a cookie is looked for; no host of a school lies deeper.
const DOMAINS_MAX: usize = 4;

/// Which hosts are meant; see the module for the grammar.
#[derive(Clone, Debug)]
pub struct HostPattern {
    text: Box<str>,
    kind: HostKind,
}

#[derive(Clone, Debug)]
enum HostKind {
    Any,
    Exact,
    /// Matches whatever ends in this and is longer; begins with a dot.
    Suffix(Box<str>),
    Glob(GlobSet),
}

impl HostPattern {
    /// Any host.
    pub fn any() -> HostPattern {
        HostPattern {
            text: "*".into(),
            kind: HostKind::Any,
        }
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<HostPattern, String> {
        let text = text.to_ascii_lowercase();
        let text = text.strip_suffix('.').unwrap_or(&text);
        if text == "*" {
            return Ok(HostPattern::any());
        }
        if let Some(address) = ipv6_host(text) {
            return Ok(HostPattern {
                text: address.into(),
                kind: HostKind::Exact,
            });
        }
        check_host(text)?;
        check_labels(text)?;
        let kind = match text.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') && !rest.contains(WILDCARDS) => {
                HostKind::Suffix(rest.into())
            }
            _ if text.contains(WILDCARDS) => HostKind::Glob(glob_set([glob(text)?])?),
            _ => HostKind::Exact,
        };
        Ok(HostPattern {
            text: text.into(),
            kind,
        })
    }

    /// Whether `host` is meant: in lower case, without port and without a final dot.
    pub fn matches(&self, host: &str) -> bool {
        match &self.kind {
            HostKind::Any => true,
            HostKind::Exact => *self.text == *host,
            HostKind::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
            HostKind::Glob(globs) => globs.is_match(host),
        }
    }

    /// The same as a host in a `Content-Security-Policy` (CSP 3 §2.3.1), which knows one wildcard, in
    /// front; `None` if it cannot be said there.
    pub fn as_source(&self) -> Option<&str> {
        let simple = matches!(self.kind, HostKind::Exact | HostKind::Suffix(_));
        let sayable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'*');
        (simple && self.text.bytes().all(sayable)).then_some(&*self.text)
    }

    /// How narrow it is.
    pub fn specificity(&self) -> Specificity {
        Specificity {
            exact: matches!(self.kind, HostKind::Exact),
            spelled_out: spelled_out(&self.text),
            simple: !matches!(self.kind, HostKind::Glob(_)),
        }
    }

    /// Whether whatever it means is `domain`, or lies below it.
    pub(super) fn is_within(&self, domain: &str) -> bool {
        let below = |text: &str| {
            text.strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        match &self.kind {
            HostKind::Any => false,
            HostKind::Exact => *self.text == *domain || below(&self.text),
            HostKind::Suffix(suffix) => below(suffix),
            // What stands behind the last wildcard ends every host that is meant.
            HostKind::Glob(_) => self.text.rsplit(WILDCARDS).next().is_some_and(below),
        }
    }

    /// The host itself, if the pattern is exactly one.
    pub fn exact(&self) -> Option<&str> {
        matches!(self.kind, HostKind::Exact).then_some(&*self.text)
    }

    /// Whether every host will do.
    pub fn is_any(&self) -> bool {
        matches!(self.kind, HostKind::Any)
    }

    /// Whether it names one host, or leaves open which there are.
    pub(super) fn is_one(&self) -> bool {
        matches!(self.kind, HostKind::Exact | HostKind::Any)
    }

    /// Whether `name`, a host or `*.` and a domain, may be one that it means.
    pub fn may_be(&self, name: &str) -> bool {
        HostPattern::parse(name).is_ok_and(|name| name.meets(std::slice::from_ref(self)))
    }

    /// Whether a host of `others` may be one that it means.
    pub(super) fn meets(&self, others: &[HostPattern]) -> bool {
        let meets = |other: &HostPattern| match (self.is_wide(), other.is_wide()) {
            (_, false) => self.matches(&other.text),
            (false, true) => other.matches(&self.text),
            // Two that mean many are not compared.
            (true, true) => true,
        };
        others.iter().any(meets)
    }

    /// Whether it means many hosts by their names, which are not known here.
    fn is_wide(&self) -> bool {
        !matches!(self.kind, HostKind::Exact)
    }

    /// The host that the pattern is, or `*.` and the domain whose hosts it means; `None` for addresses,
    /// for other globs, and for any host.
    pub fn named(&self) -> Option<&str> {
        let address = self.text.starts_with('[') || self.text.parse::<Ipv4Addr>().is_ok();
        let named = matches!(self.kind, HostKind::Exact | HostKind::Suffix(_));
        (named && !address).then_some(&*self.text)
    }

    /// The pattern as text; two with the same text mean the same.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Display for HostPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A domain that sibling hosts can share: a name with a dot in it, so that it is no top-level
/// domain. (Browsers refuse the other public suffixes themselves.)
///
/// # Errors
/// What is wrong with it, in a few words.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    check_host(&text)?;
    if text.contains(WILDCARDS) || text.contains(',') {
        return Err("a domain has no wildcards".into());
    }
    if let Some(rest) = text.strip_prefix('.') {
        return Err(format!(
            "write it without the dot: \"{rest}\" is for its hosts, too"
        ));
    }
    if text.split('.').any(str::is_empty) {
        return Err("a domain begins and ends with a name".into());
    }
    if !text.contains('.') {
        return Err("browsers share no cookies over a whole top-level domain".into());
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Err("an address has no domain".into());
    }
    Ok(text)
}

/// An IPv6 address in brackets, in its one canonical form (RFC 5952); nothing if it is none. Zones are
/// for one machine, and never part of a host (RFC 3986 §3.2.2).
pub fn ipv6_host(host: &str) -> Option<String> {
    let address = host.strip_prefix('[')?.strip_suffix(']')?;
    let address: Ipv6Addr = address.parse().ok()?;
    Some(format!("[{address}]"))
}

/// The domains that all of `hosts` lie in, the narrowest first: where a cookie of theirs could be.
pub(super) fn shared(hosts: &[HostPattern]) -> Vec<String> {
    let first = hosts.first().map_or("", HostPattern::as_str);
    let end = first.rsplit(WILDCARDS).next().unwrap_or_default();
    let above = |name: &str| name.find('.').map(|dot| dot + 1);
    let end = end.trim_start_matches('.');
    if end.parse::<Ipv4Addr>().is_ok() {
        return Vec::new();
    }
    std::iter::successors(Some(0), |from| Some(from + above(&end[*from..])?))
        .map(|from| &end[from..])
        .filter(|it| domain(it).is_ok() && hosts.iter().all(|host| host.is_within(it)))
        .take(DOMAINS_MAX)
        .map(str::to_owned)
        .collect()
}

/// A `Host` header as patterns want it: lower case, no port, no final dot. It allocates only
/// for upper case.
pub(super) fn plain_host(host: &str) -> Cow<'_, str> {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// The whole name of one host, in lower case.
///
/// # Errors
/// What is wrong with it, in a few words.
pub(super) fn name(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    check_host(&text)?;
    if text.contains(WILDCARDS) || text.contains(['_', ',']) {
        return Err("not the name of one host".into());
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Err("an address is no name".into());
    }
    match text.split('.').any(str::is_empty) {
        true => Err("a host begins and ends with a name".into()),
        false => Ok(text),
    }
}

fn check_host(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_HOST_BYTES {
        return Err(format!("a host has 1 to {MAX_HOST_BYTES} characters"));
    }
    if text.contains('/') {
        return Err("only the host, without `http://` and without a path".into());
    }
    if text.contains(':') {
        return Err("only the host, without a port".into());
    }
    if !text.is_ascii() {
        return Err("write the host in its ASCII form (`xn--…`)".into());
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || ".-_,!".contains(*c);
    match text.chars().find(|c| !allowed(c) && !WILDCARDS.contains(c)) {
        Some(c) => Err(format!("{c:?} cannot stand in a host")),
        None => Ok(()),
    }
}

/// Refuses a pattern that would be valid, and match no host there is.
fn check_labels(text: &str) -> Result<(), String> {
    if behind_commas(text).next().is_some() {
        return Err("a host has no comma".into());
    }
    match text.strip_prefix('.') {
        Some(rest) => Err(format!(
            "no host begins with a dot: `*.{rest}` means every host below `{rest}`, and `{rest}` itself \
             is another one"
        )),
        None if text.contains("..") => Err("two dots without a name between them".into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cookies_are_looked_for_on_the_domains_that_all_hosts_lie_in() {
        let of = |hosts: &[&str]| {
            let hosts = hosts.iter().map(|host| HostPattern::parse(host).unwrap());
            shared(&hosts.collect::<Vec<_>>())
        };
        assert_eq!(of(&["ent.example.fr"]), ["ent.example.fr", "example.fr"]);
        assert_eq!(of(&["ent.example.fr", "cas.example.fr"]), ["example.fr"]);
        assert_eq!(of(&["*.example.fr"]), ["example.fr"]);
        assert_eq!(of(&["ent-*.a.fr", "a.fr"]), ["a.fr"]);
        for nowhere in ["*", "localhost", "192.0.2.1", "[::1]"] {
            assert!(of(&[nowhere]).is_empty(), "{nowhere}");
        }
        assert_eq!(of(&["a.b.c.d.e.example.fr"]).len(), DOMAINS_MAX);
    }

    #[test]
    fn a_policy_knows_one_wildcard_in_front() {
        let source = |text: &str| {
            HostPattern::parse(text)
                .unwrap()
                .as_source()
                .map(str::to_owned)
        };
        assert_eq!(source("ENT.example.fr").as_deref(), Some("ent.example.fr"));
        assert_eq!(source("*.example.fr").as_deref(), Some("*.example.fr"));
        for none in ["*", "ent-*.example.fr", "[::1]", "a_b.example.fr"] {
            assert_eq!(source(none), None, "{none}");
        }
    }

    #[test]
    fn hosts_match_as_the_table_says() {
        let table: [(&str, &[&str], &[&str]); 6] = [
            ("*", &["a", "a.b", ""], &[]),
            (
                "ENT.Example.fr.",
                &["ent.example.fr"],
                &["example.fr", "xent.example.fr"],
            ),
            (
                "*.example.fr",
                &["a.example.fr", "a.b.example.fr"],
                &["example.fr", ".example.fr"],
            ),
            (
                "{cas,www}.x.fr",
                &["cas.x.fr", "www.x.fr"],
                &["ent.x.fr", "x.fr"],
            ),
            ("lycee-?.x.fr", &["lycee-1.x.fr"], &["lycee-12.x.fr"]),
            ("[0:0::1]", &["[::1]"], &["::1", "1", "[::2]"]),
        ];
        for (text, yes, no) in table {
            let pattern = HostPattern::parse(text).unwrap();
            for host in yes {
                assert!(pattern.matches(host), "{text} means {host}");
            }
            for host in no {
                assert!(!pattern.matches(host), "{text} does not mean {host}");
            }
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "a:80",
            "http://a",
            "a/b",
            "é.fr",
            "a b",
            "[::zz]",
            "a{b",
            ".",
            ".a.fr",
            "a.fr,b.fr",
            "{a,b}.fr,c.fr",
            "a..fr",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn hosts_lie_within_a_domain_or_do_not() {
        for (host, within) in [
            ("x.fr", true),
            ("cas.x.fr", true),
            ("a.b.x.fr", true),
            ("*.x.fr", true),
            ("*.b.x.fr", true),
            ("{cas,www}.x.fr", true),
            ("lycee-?.x.fr", true),
            ("yx.fr", false),
            ("*", false),
            ("*x.fr", false),
            ("*.fr", false),
            ("www.{x,y}.fr", false),
            ("cas.x.{fr,com}", false),
        ] {
            let pattern = HostPattern::parse(host).unwrap();
            assert_eq!(pattern.is_within("x.fr"), within, "{host}");
        }
    }

    #[test]
    fn a_domain_is_more_than_a_top_level_domain() {
        assert_eq!(domain("Example.FR"), Ok("example.fr".into()));
        for text in [
            "fr",
            "",
            ".fr",
            "x.fr.",
            "*.x.fr",
            "10.0.0.1",
            "x.fr:80",
            "http://x.fr",
        ] {
            assert!(domain(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_narrower_host_is_the_greater() {
        let host = |text| HostPattern::parse(text).unwrap().specificity();
        assert!(host("x.fr") > host("*.long.example.fr"));
        assert!(host("*.b.example.fr") > host("*.example.fr"));
        assert!(host("*.example.fr") > host("*"));
    }

    #[test]
    fn a_host_header_is_made_plain() {
        for (raw, plain) in [
            ("ent.example.fr", "ent.example.fr"),
            ("ENT.example.FR:8080", "ent.example.fr"),
            ("ent.example.fr.", "ent.example.fr"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(plain_host(raw), plain);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}", host in ".{0,60}") {
            if let Ok(pattern) = HostPattern::parse(&text) {
                pattern.matches(&plain_host(&host));
            }
        }
    }
}
