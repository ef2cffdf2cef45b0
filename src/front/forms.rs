//! Small forms that other servers post, read to see what they are.
//!
//! A sign-on server tells an application of a logout by a POST to an ordinary address, without any
//! cookie; only its form says what it is. So where a back-channel is known by its form, a form of a
//! few kilobytes that no browser sends is read before anything is decided, and then goes on byte for
//! byte as it came.

use super::flow;
use super::page::RefusalKind;
use crate::config::RequestSet;
use crate::host;
use crate::upstream::{Pace, RequestBody};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, Request, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use std::borrow::Cow;

/// Bytes of a form that is read.
const FORM_MAX: usize = 64 * 1024;
/// Bytes of the name of its first parameter that are looked at.
const NAME_MAX: usize = 256;
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// What a visitor sends along.
pub enum Upload {
    /// It comes, or there is none.
    Coming(Incoming),
    /// It was read.
    Read(Bytes),
}

impl Upload {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Upload::Coming(body) => body.is_end_stream(),
            Upload::Read(bytes) => bytes.is_empty(),
        }
    }

    /// The same on its way to a portal, having come over `version`; whoever sends it more slowly than `pace` bears has gone.
    pub fn on_its_way(self, version: Version, pace: Pace) -> RequestBody {
        match self {
            Upload::Coming(body) => RequestBody::streamed(body, version, pace),
            Upload::Read(bytes) => RequestBody::read(bytes, pace),
        }
    }

    /// The name of its first parameter, if it is a form that was read.
    pub fn first(&self) -> Option<Cow<'_, str>> {
        match self {
            Upload::Coming(_) => None,
            Upload::Read(bytes) => first(bytes),
        }
    }
}

/// Reads the form of `request`, if one of `calls` may mean it and nobody sends it who is `inside`; as
/// patiently as `pace` bears.
///
/// # Errors
/// When it does not come, or too slowly.
pub(super) async fn read(
    calls: &RequestSet,
    request: Request<Incoming>,
    inside: impl FnOnce(&HeaderMap) -> bool,
    pace: Pace,
) -> Result<Request<Upload>, RefusalKind> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    if !(calls.reads_forms() && is_small_form(&parts.method, headers)) || inside(headers) {
        return Ok(Request::from_parts(parts, Upload::Coming(body)));
    }
    let read = collect(Limited::new(body, FORM_MAX), pace).await?;
    Ok(Request::from_parts(parts, Upload::Read(read)))
}

async fn collect(mut body: Limited<Incoming>, mut pace: Pace) -> Result<Bytes, RefusalKind> {
    let mut form = BytesMut::new();
    loop {
        let now = host::now();
        let until = pace.wait(now).ok_or(RefusalKind::TooSlow)?;
        let frame = tokio::time::timeout(until.since(now).into(), body.frame()).await;
        let Some(frame) = frame.map_err(|_| RefusalKind::TooSlow)? else {
            return Ok(form.freeze());
        };
        let frame = frame.map_err(|_| RefusalKind::BadRequest)?;
        if let Some(bytes) = frame.data_ref() {
            pace.moved(bytes.len(), host::now);
            form.extend_from_slice(bytes);
        }
    }
}

/// Whether a request has a form that may be another server's, and says that it is small.
fn is_small_form(method: &Method, headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    let kind = value(CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    let length = value(CONTENT_LENGTH).and_then(|digits| std::str::from_utf8(digits).ok());
    let length: Option<usize> = length.and_then(|digits| digits.parse().ok());
    *method == Method::POST
        && kind.trim_ascii().eq_ignore_ascii_case(FORM)
        && length.is_some_and(|length| length <= FORM_MAX)
        && !flow::is_of_a_page(headers)
}

fn first(form: &[u8]) -> Option<Cow<'_, str>> {
    let end = form.iter().position(|byte| matches!(byte, b'=' | b'&'));
    let name = form.get(..end.unwrap_or(form.len()).min(NAME_MAX))?;
    form_urlencoded::parse(name).next().map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_called_by_its_first_parameter() {
        let name = |form: &str| first(form.as_bytes()).map(|name| name.into_owned());
        let is = |name: &str| Some(name.to_owned());
        assert_eq!(name("logoutRequest=%3Csamlp"), is("logoutRequest"));
        assert_eq!(name("logout%52equest"), is("logoutRequest"));
        assert_eq!(name("prenom=Zoe&logoutRequest=x"), is("prenom"));
        assert_eq!((name(""), name("=x"), name("&a=1")), (None, None, None));
        assert_eq!(
            name(&"x".repeat(100_000)).map(|it| it.len()),
            Some(NAME_MAX)
        );
    }

    #[test]
    fn only_a_small_form_that_no_browser_sends_is_read() {
        let form = "application/x-www-form-urlencoded; charset=UTF-8";
        let read = |method: Method, kind: &str, length: &str, more: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            headers.insert(CONTENT_LENGTH, length.parse().unwrap());
            if let Some(name) = more {
                headers.insert(name, "https://a.fr".parse().unwrap());
            }
            is_small_form(&method, &headers)
        };
        assert!(read(Method::POST, form, "65536", None));
        assert!(!read(Method::POST, form, "65537", None));
        assert!(!read(Method::POST, form, "99999999999999999999999", None));
        assert!(!read(Method::PUT, form, "10", None));
        assert!(!read(Method::POST, "text/xml", "10", None));
        for name in ["origin", "referer", "sec-fetch-site"] {
            assert!(!read(Method::POST, form, "10", Some(name)), "{name}");
        }
    }
}
