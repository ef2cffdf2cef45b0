//! From http to https: the same address, over TLS.
//!
//! A page gets 301, which every client has known for ever; everything else gets 308, which keeps
//! the method and the body: a form never becomes a GET (RFC 9110 §15.4).

use super::body::Body;
use super::canonical::Asked;
use super::door::House;
use super::page::RefusalKind;
use super::reply::{self, Manner};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Response, StatusCode};

/// How long a browser may remember it without asking again: a day, so that a mistake of the
/// operator is not for ever. HSTS is there to be remembered for longer.
const REMEMBERED: HeaderValue = HeaderValue::from_static("max-age=86400");
/// The port that `https` means without saying.
const HTTPS: u16 = 443;

/// Sends a visitor to `port`. Only for a host that a room covers: what else is asked for is not
/// repeated to anybody.
pub fn answer(house: &House, manner: Manner, asked: &Asked, port: u16) -> Response<Body> {
    if asked.host.is_empty() {
        return reply::refusal(house, manner, RefusalKind::BadRequest, None, None);
    }
    if house.door(&asked.host, &asked.path).is_none() {
        return reply::refusal(house, manner, RefusalKind::Misdirected, None, None);
    }
    let address = match port {
        HTTPS => format!("https://{}{}", asked.host, asked.target),
        port => format!("https://{}:{port}{}", asked.host, asked.target),
    };
    let Ok(address) = HeaderValue::try_from(address) else {
        return reply::refusal(house, manner, RefusalKind::BadRequest, None, None);
    };
    let mut response = Response::new(Body::ours(""));
    *response.status_mut() = match manner.form {
        true => StatusCode::PERMANENT_REDIRECT,
        false => StatusCode::MOVED_PERMANENTLY,
    };
    let headers = response.headers_mut();
    headers.insert(LOCATION, address);
    headers.insert(CACHE_CONTROL, REMEMBERED);
    response
}
