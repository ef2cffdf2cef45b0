//! What browsers say of a request beside what they ask for: Fetch Metadata (W3C), and what older ones
//! have said before there was such a thing.

use http::HeaderValue;
use http::header::{HeaderMap, HeaderName, UPGRADE_INSECURE_REQUESTS};

pub const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
pub const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
pub const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What [`SEC_FETCH_SITE`] says of another site's page.
pub const CROSS_SITE: &[u8] = b"cross-site";
const SEC_FETCH_USER: HeaderName = HeaderName::from_static("sec-fetch-user");

/// What a navigation is for, if it is for a frame in a page, and if it is for the window.
const FRAMES: [&[u8]; 5] = [b"iframe", b"frame", b"embed", b"object", b"fencedframe"];
const WINDOW: &[u8] = b"document";

/// Whether a page is about to be shown: any sign of that will do, because a service worker that
/// passes a navigation on loses some of them and keeps others, each browser's its own.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    said(headers, &SEC_FETCH_MODE) == Some(b"navigate")
        || said(headers, &SEC_FETCH_USER) == Some(b"?1")
        || said(headers, &SEC_FETCH_DEST) == Some(WINDOW)
        || is_framed(headers)
        || said(headers, &UPGRADE_INSECURE_REQUESTS) == Some(b"1")
}

/// Where the page comes from that shows the answer in a frame, beside our host: `same-origin`,
/// `same-site` or `cross-site`; `None` if it is shown in no frame, or nobody says so.
pub fn frame_of(headers: &HeaderMap) -> Option<&[u8]> {
    said(headers, &SEC_FETCH_SITE).filter(|_| is_framed(headers))
}

fn is_framed(headers: &HeaderMap) -> bool {
    said(headers, &SEC_FETCH_DEST).is_some_and(|for_what| FRAMES.contains(&for_what))
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
