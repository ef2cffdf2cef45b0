//! Our JSON, for scripts of other origins.
//!
//! A page or an app that asks across origins cannot read an answer that does not allow it: our 503
//! would be a bare "network error", and the time to come back would be lost. So what a script may
//! have to read (the waiting answer, refusals, the status) allows whichever origin has asked.
//! There is no secret in it, and it does nothing; what opens or gives up something is not among it.

use super::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    CONTENT_TYPE, VARY,
};
use http::{HeaderValue, Response};

/// The type of our problems (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// Lets `origin`, if it is a script that has asked, read a problem of ours.
pub fn problem(response: &mut Response<Body>, origin: Option<HeaderValue>) {
    let kind = response.headers().get(CONTENT_TYPE);
    if response.body().is_ours() && kind.is_some_and(|kind| kind == PROBLEM) {
        json(response, origin);
    }
}

/// Lets `origin`, if it is a script that has asked, read `response`, which is ours (Fetch, "CORS
/// protocol").
pub fn json(response: &mut Response<Body>, origin: Option<HeaderValue>) {
    let Some(origin) = origin else { return };
    let fixed = HeaderValue::from_static;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, fixed("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, fixed("Retry-After"));
    headers.append(VARY, fixed("Origin"));
}
