//! Our JSON, for scripts of other origins.
//!
//! A page or an app that asks across origins cannot read an answer that does not allow it: our 503
//! would be a bare "network error", and the time to come back would be lost. So what a script may
//! have to read (the waiting answer, refusals, the status) allows whichever origin has asked: one of
//! the room's own with the visitor's cookies, any other (an app's web view, with none to lose) without,
//! for where somebody stands in line is their own. What opens or gives up something is not among it.

use super::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    CONTENT_TYPE, VARY,
};
use http::{HeaderValue, Response};

/// The type of our problems (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// Lets `origin`, if it is a script that has asked, read a problem of ours. `own`: it is the room's.
pub fn problem(
    response: &mut Response<Body>,
    origin: Option<HeaderValue>,
    own: impl FnOnce(&HeaderValue) -> bool,
) {
    let kind = response.headers().get(CONTENT_TYPE);
    if response.body().is_ours() && kind.is_some_and(|kind| kind == PROBLEM) {
        json(response, origin, own);
    }
}

/// Lets `origin`, if it is a script that has asked, read `response`, which is ours (Fetch, "CORS
/// protocol"). `own`: it is the room's.
pub fn json(
    response: &mut Response<Body>,
    origin: Option<HeaderValue>,
    own: impl FnOnce(&HeaderValue) -> bool,
) {
    let Some(origin) = origin else { return };
    let fixed = HeaderValue::from_static;
    let headers = response.headers_mut();
    if own(&origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, fixed("true"));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, fixed("Retry-After"));
    headers.append(VARY, fixed("Origin"));
}
