//! What browsers say of a request beside what they ask for: Fetch Metadata (W3C), and what older ones
//! have said before there was such a thing.

use http::HeaderValue;
use http::header::{HeaderMap, HeaderName, UPGRADE_INSECURE_REQUESTS};

pub const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
pub const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_USER: HeaderName = HeaderName::from_static("sec-fetch-user");

/// What a navigation is for: the window, or a frame in a page.
const PAGES: [&[u8]; 5] = [b"document", b"iframe", b"frame", b"embed", b"object"];

/// Whether a page is about to be shown: any sign of that will do, because a service worker that
/// passes a navigation on loses some of them and keeps others, each browser's its own.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    said(headers, &SEC_FETCH_MODE) == Some(b"navigate")
        || said(headers, &SEC_FETCH_USER) == Some(b"?1")
        || said(headers, &SEC_FETCH_DEST).is_some_and(|for_what| PAGES.contains(&for_what))
        || said(headers, &UPGRADE_INSECURE_REQUESTS) == Some(b"1")
}

/// Whether a browser says of the request what it is: if it is no navigation, it is the work of a
/// page that is there.
pub fn is_told(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_MODE) || headers.contains_key(SEC_FETCH_DEST)
}

/// The first value of a field.
pub fn said<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get(name).map(HeaderValue::as_bytes)
}
