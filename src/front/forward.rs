//! To the portal and back: what is taken out, what is put in, and what a visitor sees when the
//! portal fails.

use super::body::{Body, Visit};
use super::canonical::Asked;
use super::door::{Door, House};
use super::origin::Origin;
use super::page::RefusalKind;
use super::reply::{self, Manner};
use super::tunnel;
use crate::config::ErrorPages;
use crate::cookie;
use crate::host;
use crate::upstream::{Client, Failure, RequestBody, ResponseBody};
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long we look whether an error of the portal has a body.
const FIRST_BYTES_MAX: Duration = Duration::from_secs(5);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Fields that say where a request comes from. We say it ourselves.
const ORIGIN: [HeaderName; 7] = [
    FORWARDED,
    FORWARDED_FOR,
    FORWARDED_HOST,
    FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
];
/// Fields that belong to one connection (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Fields that a `Connection` field cannot have taken out.
const NOT_NOMINATED: [HeaderName; 2] = [HOST, http::header::COOKIE];

/// What is needed to forward one request.
pub struct Errand<'a> {
    pub house: &'a Arc<House>,
    pub door: &'a Arc<Door>,
    pub client: &'a Client,
    pub asked: &'a Asked,
    pub manner: Manner,
    pub origin: &'a Origin,
    /// Held until the answer has ended.
    pub visit: Option<Visit>,
}

/// Sends the request to the portal, and its answer to the visitor.
pub async fn run(errand: Errand<'_>, mut request: Request<Incoming>) -> Response<Body> {
    let upgrade = upgrade_wanted(&request);
    let on_upgrade = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let outgoing = outgoing(&errand, request, upgrade.as_ref());
    let began = host::now();
    let answer = errand.client.send(outgoing).await;
    let seconds = host::now().since(began).as_secs_f64();
    errand.door.meters.seconds.observe(seconds);
    match (answer, on_upgrade) {
        (Ok(response), Some(visitor)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            if !takes_up(upgrade.as_ref(), response.headers().get(UPGRADE)) {
                return failed(&errand, Failure::Broken);
            }
            tunnel::open(errand, response, visitor)
        }
        (Ok(response), _) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            failed(&errand, Failure::Broken)
        }
        (Ok(response), _) => returned(errand, response).await,
        (Err(failure), _) => failed(&errand, failure),
    }
}

/// What the visitor's connection is to become, if anything (RFC 9110 §7.8): only for a request
/// without a body, and never to HTTP/2: a tunnel of requests would go around the room.
fn upgrade_wanted<B: http_body::Body>(request: &Request<B>) -> Option<HeaderValue> {
    let headers = request.headers();
    let nominated = nominations(headers).any(|name| name.eq_ignore_ascii_case("upgrade"));
    let possible = nominated
        && *request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && request.body().is_end_stream();
    let offered = headers.get(UPGRADE).filter(|_| possible)?;
    let requests = tokens(offered)?.any(|token| token.to_ascii_lowercase().starts_with("h2"));
    (!requests).then(|| offered.clone())
}

/// Whether the portal has taken up one of the protocols that the visitor offered.
fn takes_up(offered: Option<&HeaderValue>, taken: Option<&HeaderValue>) -> bool {
    let taken = taken.and_then(|taken| taken.to_str().ok());
    let Some((taken, mut offered)) = taken.zip(offered.and_then(tokens)) else {
        return false;
    };
    offered.any(|token| token.eq_ignore_ascii_case(taken.trim()))
}

/// The protocols of an `Upgrade` field.
fn tokens(field: &HeaderValue) -> Option<impl Iterator<Item = &str>> {
    Some(field.to_str().ok()?.split(',').map(str::trim))
}

/// The request as the portal gets it.
fn outgoing(
    errand: &Errand<'_>,
    request: Request<Incoming>,
    upgrade: Option<&HeaderValue>,
) -> Request<RequestBody> {
    let (mut parts, body) = request.into_parts();
    let chunked = match parts.version {
        Version::HTTP_2 => !body.is_end_stream() && !parts.headers.contains_key(CONTENT_LENGTH),
        _ => parts.headers.contains_key(TRANSFER_ENCODING),
    };
    let via = match parts.version {
        Version::HTTP_2 => "2.0 preau",
        _ => "1.1 preau",
    };
    let host = host(&parts.uri, &parts.headers);
    let target: Result<PathAndQuery, _> = errand.asked.target.parse();
    parts.uri = target.map_or_else(|_| Uri::from_static("/"), Uri::from);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let headers = &mut parts.headers;
    strip_hop_by_hop(headers);
    headers.remove(EXPECT);
    cookie::strip_request(headers);
    ORIGIN.iter().for_each(|name| drop(headers.remove(name)));
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
    if let Ok(way) = HeaderValue::from_str(&way(errand.origin)) {
        headers.insert(FORWARDED_FOR, way);
    }
    let scheme = match errand.origin.secure {
        true => "https",
        false => "http",
    };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    headers.append(VIA, HeaderValue::from_static(via));
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
    if chunked {
        // Without it, a body on a method that rarely has one would be dropped.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Request::from_parts(parts, RequestBody::streamed(body))
}

/// The visitor's address, and the proxies of ours behind it.
fn way(origin: &Origin) -> String {
    let mut way = origin.address.to_string();
    for hop in &origin.hops {
        way.push_str(", ");
        way.push_str(&hop.to_string());
    }
    way
}

/// The portal's answer as the visitor gets it.
async fn returned(mut errand: Errand<'_>, response: Response<ResponseBody>) -> Response<Body> {
    if needs_words(&errand, &response) {
        return worded(&errand, response.status());
    }
    let (mut parts, body) = response.into_parts();
    let unsized_error =
        parts.status.is_server_error() && !parts.headers.contains_key(CONTENT_LENGTH);
    let begun = match unsized_error {
        true => begin(body).await,
        false => Some(Body::portal(body)),
    };
    let Some(mut body) = begun else {
        return worded(&errand, parts.status);
    };
    strip_hop_by_hop(&mut parts.headers);
    cookie::strip_response(&mut parts.headers);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    body.hold(errand.visit.take());
    Response::from_parts(parts, body)
}

/// Words instead of a portal's error, with its status.
fn worded(errand: &Errand<'_>, status: StatusCode) -> Response<Body> {
    errand.house.metrics.pages_given_words.inc();
    let kind = match status {
        StatusCode::GATEWAY_TIMEOUT => RefusalKind::PortalSlow,
        StatusCode::SERVICE_UNAVAILABLE => RefusalKind::PortalDown,
        _ => RefusalKind::PortalBroken,
    };
    let mut answer = refused(errand, kind);
    *answer.status_mut() = status;
    answer
}

/// Waits for the first bytes of a body whose head does not tell if there are any; `None` if
/// there are none. A body that takes its time is passed on as it comes.
async fn begin(mut body: ResponseBody) -> Option<Body> {
    let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
    match tokio::time::timeout(FIRST_BYTES_MAX, frame).await {
        Ok(Some(Ok(first))) if first.is_data() => Some(Body::begun(first, body)),
        Ok(_) => None,
        Err(_) => Some(Body::portal(body)),
    }
}

/// Whether a visitor would see a blank page, or a machine's words where ours are better.
fn needs_words(errand: &Errand<'_>, response: &Response<ResponseBody>) -> bool {
    let status = response.status();
    if !status.is_server_error() {
        return false;
    }
    let none = |value: &HeaderValue| value.as_bytes() == b"0";
    let blank =
        response.body().is_empty() || response.headers().get(CONTENT_LENGTH).is_some_and(none);
    let away = matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    );
    let ours = errand.client.portal().config().error_pages == ErrorPages::Ours;
    blank || (away && ours && errand.manner.page)
}

/// Words for a visitor whose request the portal did not answer.
fn failed(errand: &Errand<'_>, failure: Failure) -> Response<Body> {
    let kind = match failure {
        Failure::Down => RefusalKind::PortalDown,
        Failure::Busy => RefusalKind::Busy,
        Failure::Slow => RefusalKind::PortalSlow,
        Failure::Broken => RefusalKind::PortalBroken,
        Failure::Left => RefusalKind::BadRequest,
    };
    refused(errand, kind)
}

fn refused(errand: &Errand<'_>, kind: RefusalKind) -> Response<Body> {
    let room = Some(errand.door.config.name.as_str());
    let again = Some(errand.asked.target.as_str());
    reply::refusal(errand.house, errand.manner, kind, room, again)
}

/// Takes out what belongs to the connection and what its `Connection` field names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = nominations(headers)
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            .filter(|name| !NOT_NOMINATED.contains(name))
            .collect();
        named.iter().for_each(|name| drop(headers.remove(name)));
    }
    HOP_BY_HOP
        .iter()
        .for_each(|name| drop(headers.remove(name)));
}

fn nominations(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The `Host` field to put in, if it is not to stay as it came: an absolute target overrides the
/// field (RFC 9112 §3.2.2), and the portal must see what we matched.
fn host(target: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    match target.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None if headers.contains_key(HOST) => None,
        // HTTP/1.0 knows none; HTTP/1.1 must have one.
        None => Some(HeaderValue::from_static("")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_belongs_to_the_connection_is_taken_out() {
        let mut headers = headers(&[
            ("connection", "close, x-secret, Host, cookie"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("host", "a"),
            ("cookie", "b=1"),
            ("x-kept", "2"),
        ]);
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "host", "x-kept"]);
    }

    #[test]
    fn an_absolute_target_overrides_the_host_field() {
        let cases = [
            ("http://ent/espace", Some("ent.example.fr"), Some("ent")),
            ("http://a:8080/", Some("a"), Some("a:8080")),
            ("/espace", Some("a"), None),
            ("/espace", None, Some("")),
        ];
        for (target, field, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(field) = field {
                headers.insert(HOST, HeaderValue::from_static(field));
            }
            let put = host(&Uri::from_static(target), &headers);
            assert_eq!(put, expected.map(HeaderValue::from_static), "{target}");
        }
    }

    #[test]
    fn an_upgrade_is_named_in_any_case_and_is_never_http_2() {
        let wanted = |offered: &str| {
            let request = Request::get("/")
                .header(CONNECTION, "Upgrade, HTTP2-Settings")
                .header(UPGRADE, offered);
            upgrade_wanted(&request.body(String::new()).unwrap())
        };
        for requests in ["h2c", "H2C", "websocket, h2c"] {
            assert_eq!(wanted(requests), None, "{requests}");
        }
        let offered = wanted("websocket");
        assert!(offered.is_some());
        let takes = |taken| takes_up(offered.as_ref(), Some(&HeaderValue::from_static(taken)));
        assert!(takes("WebSocket") && takes("websocket"));
        assert!(!takes("h2c") && !takes("") && !takes_up(offered.as_ref(), None));
    }
}
