//! One reading of a request, or a clear refusal.
//!
//! What the rules match must be what the portal understands. So the path is matched decoded,
//! without the `;parameters` of its segments and with runs of slashes as one, and forwarded as
//! it came; what two servers could read differently (dot segments, also with parameters behind
//! them, encoded slashes, backslashes, control bytes) is refused.
//!
//! How bodies are framed is not seen here any more: [`super::guard`] sees to that.

use super::page::RefusalKind;
use http::header::{EXPECT, HOST};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Uri, Version};
use std::borrow::Cow;

/// Bytes of path and query at most.
const TARGET_MAX: usize = 16 * 1024;

/// The target of a question about the server itself, not about anything behind it.
const SERVER: &str = "*";

/// What the rules need to know of a request.
pub struct Asked {
    /// Lower case, without port.
    pub host: String,
    /// Decoded, without `;parameters`, slashes collapsed: for matching only.
    pub path: String,
    /// The same with its parameters, if it has any.
    spelled: Option<String>,
    /// Path and query as they came: what is forwarded, and where a visitor comes back to.
    pub target: String,
    /// A field that the operator lets pass asks for another method or address.
    pub changes: bool,
}

/// A path in the forms that portals may match.
#[derive(Debug, PartialEq, Eq)]
struct Forms {
    path: String,
    spelled: Option<String>,
}

impl Asked {
    /// Whether it is a question about the server itself: `OPTIONS *` (RFC 9110 §9.3.7).
    pub fn is_about_server(&self) -> bool {
        self.target == SERVER
    }

    /// Whether the path is meant for every portal: for those that read parameters (Tomcat) and
    /// for those that take them as part of the name (PHP), and no field changes it. What goes
    /// around the room asks this.
    pub fn opens(&self, means: impl Fn(&str) -> bool) -> bool {
        !self.changes && means(&self.path) && self.spelled.as_deref().is_none_or(means)
    }
}

/// Reads a request.
///
/// # Errors
/// The refusal, if it is not a request that we carry.
pub fn read<B>(request: &Request<B>) -> Result<Asked, RefusalKind> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(RefusalKind::MethodNotAllowed);
    }
    expectation(request.headers())?;
    let host = host(request)?;
    if *request.method() == Method::OPTIONS && request.uri().path() == SERVER {
        return Ok(Asked {
            host,
            path: SERVER.to_owned(),
            spelled: None,
            target: SERVER.to_owned(),
            changes: false,
        });
    }
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    if target.len() > TARGET_MAX {
        return Err(RefusalKind::UriTooLong);
    }
    if !target.starts_with('/') {
        return Err(RefusalKind::BadRequest);
    }
    let Forms { path, spelled } = forms(request.uri().path()).ok_or(RefusalKind::BadRequest)?;
    Ok(Asked {
        host,
        path,
        spelled,
        target: target.to_owned(),
        changes: false,
    })
}

/// RFC 9110 §10.1.1.
fn expectation(headers: &HeaderMap) -> Result<(), RefusalKind> {
    let known = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    match headers.get_all(EXPECT).iter().all(known) {
        true => Ok(()),
        false => Err(RefusalKind::ExpectationFailed),
    }
}

/// RFC 9112 §3.2: exactly one valid Host; an absolute target overrides it. In HTTP/2 `:authority`
/// stands for it, and if both are there they must be the same (RFC 9113 §8.3.1).
fn host<B>(request: &Request<B>) -> Result<String, RefusalKind> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (Some(field), None) => Some(field),
        (None, _) if request.version() < Version::HTTP_11 => None,
        (None, _) if request.version() == Version::HTTP_2 && request.uri().host().is_some() => None,
        _ => return Err(RefusalKind::BadRequest),
    };
    let named = match field {
        Some(field) => Some(authority(field.as_bytes()).ok_or(RefusalKind::BadRequest)?),
        None => None,
    };
    let authority = request.uri().authority();
    if authority.is_some_and(|it| it.host().is_empty() || !is_host(it)) {
        return Err(RefusalKind::BadRequest);
    }
    // `GET host:80` is for CONNECT alone (RFC 9112 §3.2.3); read as `/` it would be anything.
    if authority.is_some() && request.uri().scheme().is_none() {
        return Err(RefusalKind::BadRequest);
    }
    let both = field.zip(authority);
    if request.version() == Version::HTTP_2
        && both.is_some_and(|(field, it)| {
            !field
                .as_bytes()
                .eq_ignore_ascii_case(it.as_str().as_bytes())
        })
    {
        return Err(RefusalKind::BadRequest);
    }
    let absolute = authority.map(|authority| authority.host());
    let host = absolute.or(named.as_deref()).unwrap_or("");
    Ok(host.trim_end_matches('.').to_ascii_lowercase())
}

/// The host of a `Host` field; `None` if it is not one.
fn authority(field: &[u8]) -> Option<String> {
    if field.is_empty() {
        return Some(String::new());
    }
    let text = std::str::from_utf8(field).ok()?;
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    (authority.as_str() == text && is_host(authority)).then(|| authority.host().to_owned())
}

/// Host and port and no more: no user, and the port a number if it is there.
fn is_host(authority: &Authority) -> bool {
    let rest = authority.as_str().strip_prefix(authority.host());
    rest.is_some_and(|rest| match rest.strip_prefix(':') {
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()),
        None => rest.is_empty(),
    })
}

/// The path as rules match it; `None` if it could be read in two ways.
fn forms(raw: &str) -> Option<Forms> {
    let plain = |byte: u8| byte > b' ' && byte != 0x7f && !matches!(byte, b'\\' | b'%' | b'#');
    let decoded = if raw.bytes().all(plain) {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(decode(raw)?)
    };
    // Tomcat takes parameters off before it walks the dots: to it, `..;` is `..`.
    if (decoded.split('/').map(bare)).any(|segment| matches!(segment, "." | "..")) {
        return None;
    }
    if !decoded.contains(';') {
        return Some(Forms {
            path: collapsed(&decoded),
            spelled: None,
        });
    }
    let stripped: Vec<&str> = decoded.split('/').map(bare).collect();
    Some(Forms {
        path: collapsed(&stripped.join("/")),
        spelled: Some(collapsed(&decoded)),
    })
}

/// A segment without its parameters (RFC 3986 §3.3).
fn bare(segment: &str) -> &str {
    segment.split(';').next().unwrap_or("")
}

/// The path with runs of slashes as one.
fn collapsed(path: &str) -> String {
    let mut collapsed = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !collapsed.ends_with('/') {
            collapsed.push(character);
        }
    }
    collapsed
}

fn decode(raw: &str) -> Option<String> {
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = match bytes[at] {
            b'%' => {
                let digits = bytes.get(at + 1..at + 3)?;
                at += 2;
                let [high, low] = [digits[0], digits[1]].map(|digit| (digit as char).to_digit(16));
                let byte = (high? * 16 + low?) as u8;
                // Encoded, these would be one thing to us and another to the portal.
                if matches!(byte, b'/' | b'\\') {
                    return None;
                }
                byte
            }
            b'\\' => return None,
            byte => byte,
        };
        if byte < b' ' || byte == 0x7f {
            return None;
        }
        decoded.push(byte);
        at += 1;
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(build: http::request::Builder) -> Result<Asked, RefusalKind> {
        read(&build.body(()).unwrap())
    }

    #[test]
    fn the_path_is_matched_as_the_portal_will_read_it() {
        let cases = [
            ("/espace", Some("/espace")),
            ("/esp%61ce", Some("/espace")),
            ("//espace///notes", Some("/espace/notes")),
            ("/caf%C3%A9", Some("/café")),
            ("/a%20b", Some("/a b")),
            ("/assets/../espace", None),
            ("/assets/%2e%2e/espace", None),
            ("/assets/.%2E/espace", None),
            ("/a%2fb", None),
            ("/a\\b", None),
            ("/a%5cb", None),
            ("/a%00", None),
            ("/a%", None),
            ("/a%zz", None),
            ("/a%+1", None),
            ("/assets/..;/espace/x", None),
            ("/assets/..;a=1/espace/x", None),
            ("/assets/%2e%2e%3b/espace/x", None),
            ("/assets/.;/x", None),
            ("/logout;jsessionid=1", Some("/logout")),
            ("/cours;x/y;z=1;t", Some("/cours/y")),
            ("/;x/espace", Some("/espace")),
            ("/cours/", Some("/cours/")),
        ];
        for (raw, expected) in cases {
            let path = forms(raw).map(|forms| forms.path);
            assert_eq!(path.as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn open_is_what_every_portal_reads_as_open() {
        let set = ["/assets/**", "/logo.png"]
            .map(|pattern| crate::config::PathPattern::parse(pattern).unwrap());
        let set = crate::config::PathSet::new(set.into());
        let cases = [
            ("/assets/a.css", true),
            ("/assets/a.css;v=2", true),
            ("/assets;x/a.css", false),
            ("/espace;/assets/a.css", false),
            ("/logo.png", true),
            ("/logo.png;x", false),
        ];
        for (path, expected) in cases {
            let asked = asked(Request::get(path).header(HOST, "a")).unwrap();
            assert_eq!(asked.opens(|path| set.contains(path)), expected, "{path}");
        }
    }

    #[test]
    fn exactly_one_valid_host() {
        let host = |build: http::request::Builder| asked(build).map(|asked| asked.host);
        let get = || Request::get("/");
        assert_eq!(
            host(get().header(HOST, "ENT.example.fr:8080")),
            Ok("ent.example.fr".into())
        );
        assert_eq!(host(get()), Err(RefusalKind::BadRequest));
        assert_eq!(
            host(get().header(HOST, "a").header(HOST, "a")),
            Err(RefusalKind::BadRequest)
        );
        assert_eq!(
            host(get().header(HOST, "a/b")),
            Err(RefusalKind::BadRequest)
        );
        assert_eq!(
            host(get().header(HOST, "u@a")),
            Err(RefusalKind::BadRequest)
        );
        let absolute = Request::get("http://other.fr/x").header(HOST, "a");
        assert_eq!(host(absolute), Ok("other.fr".into()));
        let named = Request::get("http://u@other.fr/x").header(HOST, "a");
        assert_eq!(host(named), Err(RefusalKind::BadRequest));
        assert_eq!(host(get().version(Version::HTTP_10)), Ok(String::new()));
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
                Request::get("a:80").header(HOST, "a"),
                RefusalKind::BadRequest,
            ),
        ];
        for (build, kind) in cases {
            assert_eq!(asked(build).err(), Some(kind));
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic_and_none_keeps_dots(raw in "[/.;%a-f0-9\\\\é]{0,40}") {
            if let Some(forms) = forms(&raw) {
                let spelled = forms.spelled.iter().flat_map(|path| path.split('/'));
                let mut segments = forms.path.split('/').chain(spelled.map(bare));
                prop_assert!(!segments.any(|segment| matches!(segment, "." | "..")));
            }
        }
    }
}
