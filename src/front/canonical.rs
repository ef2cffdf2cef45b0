//! One canonical request, or a clear refusal.
//!
//! What the rules match must be what the portal understands. Where servers would understand a path
//! differently, all its [readings](super::readings) are matched: what goes around the room must be
//! that in each of them, and a path whose readings lead to different rooms is refused. Everything
//! else is forwarded as it came, byte for byte: escaped slashes, a bare `%`, dot segments. Only
//! control bytes, and NUL however it is written, are no part of any address.
//!
//! How bodies are framed is not seen here any more: [`super::guard`] sees to that, and
//! [`super::frame_guard`] for HTTP/2; what the fields of a request may say, [`super::sift`].

use super::frame_guard;
use super::page::RefusalKind;
use super::readings::{Reading, Readings, Unreadable, readings, without_parameters};
use crate::config::ipv6_host;
use http::header::{EXPECT, HOST, MAX_FORWARDS};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use std::borrow::Cow;

/// Bytes of path and query at most.
const TARGET_MAX: usize = 16 * 1024;

/// The target of a question about the server itself, not about anything behind it.
const SERVER: &str = "*";

/// What the rules need to know of a request.
pub struct Asked {
    /// Lower case, without port; an IPv6 address in its shortest form.
    pub host: String,
    /// As most servers read it: decoded, without `;parameters`, slashes collapsed, dots walked. For
    /// matching only.
    pub path: String,
    /// Other readings of the path; hardly ever any.
    others: Vec<Reading>,
    /// The path is the same text to everybody.
    clear: bool,
    /// Path and query as they came: what is forwarded, and where a visitor comes back to.
    pub target: String,
    /// A field that the operator lets pass asks for another method or address.
    pub changes: bool,
    /// It goes no further than to us (RFC 9110 §7.6.2).
    ends_here: bool,
}

impl Asked {
    /// Whether it is a question about the server itself: `OPTIONS *` (RFC 9110 §9.3.7), or one that
    /// may not go on.
    pub fn is_about_server(&self) -> bool {
        self.target == SERVER || self.ends_here
    }

    /// Whether the path is meant in every reading, and no field changes it. What goes around the
    /// room asks this.
    pub fn opens(&self, means: impl Fn(&str) -> bool) -> bool {
        let mut others = self.others.iter();
        !self.changes && self.clear && means(&self.path) && others.all(|other| means(&other.path))
    }

    /// The same but for parameters: what only says how somebody inside behaves asks this.
    pub fn says(&self, means: impl Fn(&str) -> bool) -> bool {
        let mut others = self.others.iter();
        means(&self.path) && others.all(|other| means(&without_parameters(&other.path)))
    }

    /// Where the path leads, if that is the same in every reading that tells rooms apart.
    pub fn leads<T: PartialEq>(&self, to: impl Fn(&str) -> T) -> Option<T> {
        let place = to(&self.path);
        let mut others = self.others.iter().filter(|other| other.tells_rooms);
        others
            .all(|other| to(&other.path) == place)
            .then_some(place)
    }
}

/// Reads a request. `secure`: whoever sends it came over HTTPS, as far as we can know.
///
/// # Errors
/// The refusal, if it is not a request that we carry.
pub fn read<B>(request: &Request<B>, secure: bool) -> Result<Asked, RefusalKind> {
    if request.version() == Version::HTTP_2 && frame_guard::is_malformed(request) {
        return Err(RefusalKind::BadRequest);
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(RefusalKind::MethodNotAllowed);
    }
    expectation(request.headers())?;
    scheme(request.uri(), secure)?;
    let host = host(request)?;
    let ends_here = match *request.method() {
        Method::OPTIONS => forwards_left(request.headers())? == Some(0),
        _ => false,
    };
    let target = target(request.uri());
    if target.len() > TARGET_MAX {
        return Err(RefusalKind::UriTooLong);
    }
    let about_server = target == SERVER && *request.method() == Method::OPTIONS;
    if !about_server && !target.starts_with('/') {
        return Err(RefusalKind::BadRequest);
    }
    let Readings {
        plain,
        others,
        clear,
    } = readings(request.uri().path()).map_err(|why| match why {
        Unreadable::Control => RefusalKind::BadRequest,
        Unreadable::TooMany => RefusalKind::Ambiguous,
    })?;
    Ok(Asked {
        host,
        path: plain,
        others,
        clear,
        target: target.into_owned(),
        changes: false,
        ends_here,
    })
}

/// Path and query; an absolute target may have a query without a path (RFC 3986 §3.3).
pub fn target(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query().map_or("", |target| target.as_str()) {
        "" => Cow::Borrowed("/"),
        query if query.starts_with('?') => Cow::Owned(format!("/{query}")),
        target => Cow::Borrowed(target),
    }
}

/// RFC 9110 §10.1.1.
fn expectation(headers: &HeaderMap) -> Result<(), RefusalKind> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    match headers.get_all(EXPECT).iter().all(known) {
        true => Ok(()),
        false => Err(RefusalKind::ExpectationFailed),
    }
}

/// RFC 9110 §7.4: an `https` address over a connection that is not secure is not ours to answer.
fn scheme(target: &Uri, secure: bool) -> Result<(), RefusalKind> {
    match target.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS && !secure => Err(RefusalKind::OtherConnection),
        Some(scheme) if *scheme != Scheme::HTTPS && *scheme != Scheme::HTTP => {
            Err(RefusalKind::BadRequest)
        }
        _ => Ok(()),
    }
}

/// Through how many more an OPTIONS may go (RFC 9110 §7.6.2), if it says so.
///
/// # Errors
/// If it says so in another way than by one number.
pub fn forwards_left(headers: &HeaderMap) -> Result<Option<u32>, RefusalKind> {
    let mut fields = headers.get_all(MAX_FORWARDS).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    let digits = field.as_bytes();
    if fields.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(RefusalKind::BadRequest);
    }
    let step = |number: u32, digit: &u8| {
        let tens = number.saturating_mul(10);
        tens.saturating_add(u32::from(digit - b'0'))
    };
    Ok(Some(digits.iter().fold(0, step)))
}

/// RFC 9112 §3.2: exactly one valid Host; an absolute target overrides it. In HTTP/2 `:authority`
/// stands for it, and if both are there they must be the same (RFC 9113 §8.3.1). HTTP/1.0 knows
/// none, and may leave it empty; everybody else names a host (RFC 9110 §4.2.1).
fn host<B>(request: &Request<B>) -> Result<String, RefusalKind> {
    let (version, absolute) = (request.version(), request.uri().authority());
    let mut fields = request.headers().get_all(HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (Some(field), None) => Some(field),
        (None, _) if version < Version::HTTP_11 => None,
        (None, _) if version == Version::HTTP_2 && absolute.is_some() => None,
        _ => return Err(RefusalKind::BadRequest),
    };
    let may_be_empty = version < Version::HTTP_11 || absolute.is_some();
    let named = match field.map(HeaderValue::as_bytes) {
        None => None,
        Some(b"") if may_be_empty => None,
        Some(field) => {
            let authority = Authority::try_from(field).map_err(|_| RefusalKind::BadRequest)?;
            Some(host_of(&authority).ok_or(RefusalKind::BadRequest)?)
        }
    };
    let Some(absolute) = absolute else {
        return Ok(named.unwrap_or_default());
    };
    // `GET host:80` is for CONNECT alone (RFC 9112 §3.2.3); read as `/` it would be anything.
    if request.uri().scheme().is_none() {
        return Err(RefusalKind::BadRequest);
    }
    let as_field = |field: &HeaderValue| {
        let field = field.as_bytes();
        field.eq_ignore_ascii_case(absolute.as_str().as_bytes())
    };
    if version == Version::HTTP_2 && !field.is_none_or(as_field) {
        return Err(RefusalKind::BadRequest);
    }
    host_of(absolute).ok_or(RefusalKind::BadRequest)
}

/// The host of an authority that is host and port and no more (RFC 3986 §3.2): no user, and the port
/// a number if it is there.
fn host_of(authority: &Authority) -> Option<String> {
    let host = authority.host();
    let rest = authority.as_str().strip_prefix(host)?;
    let is_port = |port: &str| port.is_empty() || is_number(port);
    if host.is_empty() || !(rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)) {
        return None;
    }
    match host.starts_with('[') {
        true => ipv6_host(host),
        false => Some(host.trim_end_matches('.').to_ascii_lowercase()),
    }
}

fn is_number(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PathPattern, PathSet};
    use proptest::prelude::*;

    fn asked(build: http::request::Builder) -> Result<Asked, RefusalKind> {
        read(&build.body(()).unwrap(), false)
    }

    fn path(path: &str) -> Asked {
        asked(Request::get(path).header(HOST, "a")).unwrap()
    }

    #[test]
    fn point_08_open_is_what_every_portal_reads_as_open() {
        let set = ["/assets/**", "/logo.png"].map(|it| PathPattern::parse(it).unwrap());
        let set = PathSet::new(set.into());
        for (raw, expected) in [
            ("/assets/a.css", true),
            ("/assets/a%20b.css", true),
            ("/assets/caf%C3%A9.css", true),
            ("/assets/a.css;v=2", true),
            ("/assets/x%2Fy", true),
            ("/assets/./a.css", true),
            ("/assets//a.css", true),
            ("/%61ssets/a.css", true),
            ("/assets;x/a.css", false),
            ("/espace;/assets/a.css", false),
            ("/logo.png", true),
            ("/logo.png;x", false),
            ("//assets/a.css", false),
            ("/assets/%252e%252e/espace", false),
            ("/assets/..%2fespace", false),
            ("/assets/%c0%ae%c0%ae/espace", false),
            ("/assets/..;/espace", false),
            ("/assets/..\\espace", false),
            ("/assets/..%5cespace", false),
            ("/espace/../assets/a.css", false),
            ("/assets/a%", false),
            ("/assets/a%0A", false),
            ("/assets/%E9.css", false),
            ("/assets/a%3Fv=2.css", true),
            ("/assets/..%3fx", false),
            ("/assets/..%23x", false),
            ("/logo.png%3fx", false),
        ] {
            let asked = path(raw);
            assert_eq!(asked.opens(|path| set.contains(path)), expected, "{raw}");
            assert_eq!(asked.target, raw, "it is forwarded as it came");
        }
    }

    #[test]
    fn parameters_do_not_hide_what_a_request_says() {
        let says = |raw| path(raw).says(|path| path == "/logout");
        assert!(says("/logout") && says("/logout;jsessionid=1"));
        assert!(!says("/logout/%252e%252e/x") && !says("/x/%252e%252e/logout"));
    }

    #[test]
    fn a_path_leads_to_one_place_or_to_none() {
        let leads = |raw| path(raw).leads(|path| path.starts_with("/cours"));
        assert_eq!(leads("/cours/a%2Fb"), Some(true));
        assert_eq!(leads("/notes/a%2Fb"), Some(false));
        assert_eq!(leads("/notes/..%2Fcours"), None);
        assert_eq!(leads("/notes/%252e%252e/cours"), None);
        assert_eq!(leads("//cours//x"), Some(true), "two slashes are one");
    }

    #[test]
    fn exactly_one_valid_host() {
        let host = |build: http::request::Builder| asked(build).map(|asked| asked.host);
        let get = || Request::get("/");
        for (field, expected) in [
            ("ENT.example.fr:8080", Some("ent.example.fr")),
            ("ent.example.fr.", Some("ent.example.fr")),
            ("ent:", Some("ent")),
            ("ent:65535", Some("ent")),
            ("[0:0:0:0:0:0:0:1]:80", Some("[::1]")),
            ("[2001:DB8::A]", Some("[2001:db8::a]")),
            ("", None),
            (":80", None),
            ("a/b", None),
            ("u@a", None),
            ("a:65536", None),
            ("a:b", None),
            ("[xyz]", None),
            ("[1:2:3:4:5:6:7:8:9]", None),
            ("[fe80::1%25eth0]", None),
            ("[v1.x]", None),
            ("::1", None),
        ] {
            let read = host(get().header(HOST, field));
            let expected = expected.map(str::to_owned);
            assert_eq!(read, expected.ok_or(RefusalKind::BadRequest), "{field:?}");
        }
        assert_eq!(host(get()), Err(RefusalKind::BadRequest));
        let twice = get().header(HOST, "a").header(HOST, "a");
        assert_eq!(host(twice), Err(RefusalKind::BadRequest));
        let old = || get().version(Version::HTTP_10);
        assert_eq!(host(old()), Ok(String::new()));
        assert_eq!(host(old().header(HOST, "")), Ok(String::new()));
        assert_eq!(
            host(old().header(HOST, "[xyz]")),
            Err(RefusalKind::BadRequest)
        );
    }

    #[test]
    fn an_absolute_target_names_host_and_path() {
        let cases = [
            ("http://other.fr/x", Ok(("other.fr", "/x"))),
            ("http://other.fr", Ok(("other.fr", "/"))),
            ("http://other.fr?x=1", Ok(("other.fr", "/?x=1"))),
            ("http://[0::1]:80/x", Ok(("[::1]", "/x"))),
            ("http://u@other.fr/x", Err(RefusalKind::BadRequest)),
            ("http://other.fr:65536/x", Err(RefusalKind::BadRequest)),
            ("ftp://other.fr/x", Err(RefusalKind::BadRequest)),
            ("https://other.fr/x", Err(RefusalKind::OtherConnection)),
        ];
        for (target, expected) in cases {
            let read = asked(Request::get(target).header(HOST, "a"));
            let read = read.map(|asked| (asked.host, asked.target));
            let expected = expected.map(|(host, path)| (host.to_owned(), path.to_owned()));
            assert_eq!(read, expected, "{target}");
        }
        let secure = Request::get("https://other.fr/x").header(HOST, "a");
        assert!(read(&secure.body(()).unwrap(), true).is_ok());
    }

    #[test]
    fn what_we_do_not_carry_is_refused() {
        let get = || Request::get("/").header(HOST, "a");
        let cases = [
            (get().header(EXPECT, "foo"), RefusalKind::ExpectationFailed),
            (get().method(Method::TRACE), RefusalKind::MethodNotAllowed),
            (
                Request::get(format!("/{}", "x".repeat(20_000))).header(HOST, "a"),
                RefusalKind::UriTooLong,
            ),
            (Request::get("*").header(HOST, "a"), RefusalKind::BadRequest),
            (
                Request::get("/a%00").header(HOST, "a"),
                RefusalKind::BadRequest,
            ),
            (
                Request::get("a:80").header(HOST, "a"),
                RefusalKind::BadRequest,
            ),
        ];
        for (build, kind) in cases {
            assert_eq!(asked(build).err(), Some(kind));
        }
    }

    #[test]
    fn options_goes_as_far_as_it_says() {
        let options = |values: &[&str]| {
            let build = Request::options("/x").header(HOST, "a");
            let build = values
                .iter()
                .fold(build, |build, it| build.header(MAX_FORWARDS, *it));
            asked(build).map(|asked| asked.is_about_server())
        };
        assert_eq!(options(&[]), Ok(false));
        assert_eq!(options(&["1"]), Ok(false));
        assert_eq!(options(&["99999999999999999999"]), Ok(false));
        assert_eq!(options(&["0"]), Ok(true));
        for wrong in [&["-1"][..], &["x"], &[""], &["1", "1"]] {
            assert_eq!(options(wrong), Err(RefusalKind::BadRequest), "{wrong:?}");
        }
        let get = asked(
            Request::get("/")
                .header(HOST, "a")
                .header(MAX_FORWARDS, "0"),
        );
        assert!(
            !get.unwrap().is_about_server(),
            "for OPTIONS and TRACE alone"
        );
    }

    /// A portal that forgives everything: it decodes twice, takes backslashes for slashes, cuts off
    /// parameters and walks the dots; and what it has decoded ends at a `?` or `#`.
    fn sloppy(raw: &str) -> String {
        let mut path = raw.to_ascii_lowercase();
        for _ in 0..2 {
            for (escaped, plain) in [
                ("%2e", "."),
                ("%2f", "/"),
                ("%5c", "\\"),
                ("%3b", ";"),
                ("%3f", "?"),
                ("%23", "#"),
                ("%25", "%"),
            ] {
                path = path.replace(escaped, plain);
            }
        }
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = path.replace('\\', "/");
        let mut way = Vec::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            match segment.split(';').next().unwrap_or_default() {
                "." => {}
                ".." => drop(way.pop()),
                segment => way.push(segment),
            }
        }
        format!("/{}", way.join("/"))
    }

    proptest! {
        #[test]
        fn an_open_path_is_open_to_the_sloppiest_portal(
            rest in "((%25)?(%2e|%2E|\\.){1,2}|(%25)?(%2f|%5C|%3b|%3F|%23)|/|\\\\|;|a|%61){0,8}",
        ) {
            let open = PathSet::new(vec![PathPattern::parse("/assets/**").unwrap()]);
            let raw = format!("/assets/{rest}");
            let request = Request::get(&*raw).header(HOST, "a").body(()).unwrap();
            if read(&request, false).is_ok_and(|asked| asked.opens(|path| open.contains(path))) {
                prop_assert!(open.contains(&sloppy(&raw)), "{raw}: {}", sloppy(&raw));
            }
        }
    }
}
