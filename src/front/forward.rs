//! To the portal and back: what is taken out, what is put in, and what a visitor sees when the
//! portal fails.

use super::body::{Body, Visit};
use super::canonical::{self, Asked};
use super::door::{Door, House};
use super::erring::{needs_words, worded};
use super::fields;
use super::forms::Upload;
use super::lasting::Lasting;
use super::mark::State;
use super::origin::Origin;
use super::page::RefusalKind;
use super::reply::{self, Manner};
use super::tunnel::{self, WEBSOCKET};
use crate::config::Fate;
use crate::cookie;
use crate::host;
use crate::room::Fare;
use crate::time::Span;
use crate::upstream::{self, Claim, Client, Failure, Pace, RequestBody, ResponseBody, Wants};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, MAX_FORWARDS,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// How long we look whether an error of the portal has a body.
const FIRST_BYTES_MAX: Duration = Duration::from_secs(5);

/// By how much a wire, which has words for it, is the first to lose patience with a body.
const WIRE_FIRST: Span = Span::secs(1);
/// Bytes of a body that may be here without anybody knowing: TLS and HTTP/2 tell of a record and of
/// a frame when all of it is there, and a frame can reach into a second record.
const UNTOLD_MAX: u64 = 2 * 16 * 1024;

/// What is needed to forward one request.
pub struct Errand<'a> {
    pub house: &'a Arc<House>,
    pub door: &'a Arc<Door>,
    pub client: &'a Client,
    pub asked: &'a Asked,
    pub manner: Manner,
    pub origin: &'a Origin,
    /// Where tunnels run, so that a stop knows of them.
    pub tunnels: &'a TaskTracker,
    /// It works once: a callback, or another server's call about one.
    pub once: bool,
    /// What comes of it may last as long as the visitor stays (see `lasting`): it is no request that
    /// passes by itself.
    pub stays: bool,
    /// Who asks for the slot.
    pub claim: Claim,
    /// The number of their pass, if they are inside.
    pub pass: Option<u64>,
    /// Held until the answer has ended.
    pub visit: Option<Visit>,
    /// Who is told of interim answers.
    pub told: Option<Arc<State>>,
}

/// Sends the request to the portal, and its answer to the visitor.
pub async fn run(mut errand: Errand<'_>, mut request: Request<Upload>) -> Response<Body> {
    let upgrade = errand.stays && offers_tunnel(&request);
    if upgrade && errand.house.is_draining() {
        // It would only hold up the stop, to be cut at its end.
        return refused(&errand, RefusalKind::Draining);
    }
    let lasting = match upgrade.then(|| Lasting::tunnel(errand.house)) {
        Some(None) => return refused(&errand, RefusalKind::Busy),
        Some(lasting) => lasting,
        None => None,
    };
    let on_upgrade = lasting.map(|lasting| (lasting, tunnel::wire_of(&mut request)));
    let trailers = fields::takes_trailers(request.headers());
    let bodyless = *request.method() == Method::HEAD;
    let outgoing = outgoing(&errand, request, upgrade, trailers);
    if let Some(told) = &errand.told {
        poll_fn(|context| {
            told.interims.begin(context.waker());
            Poll::Ready(())
        })
        .await;
    }
    let reads = outgoing.body().is_none();
    let asked = errand.asked;
    let wants = Wants {
        host: errand.door.config.told_by(&asked.host),
        path: asked.target.split('?').next().unwrap_or(""),
        visitor: errand.origin.address,
        pass: errand.pass,
        upgrade,
        once: errand.once,
        claim: errand.claim,
    };
    let began = host::now();
    let answer = errand.client.send(outgoing, wants).await;
    let took = host::now().since(began);
    errand.door.meters.seconds.observe(took.as_secs_f64());
    if let Some(visit) = &mut errand.visit {
        visit.fares(fare(&answer, took, reads));
    }
    match (answer, on_upgrade) {
        (Ok(response), Some((lasting, visitor))) if is_upgrade(&response) => {
            tunnel::open(errand, response, visitor, lasting)
        }
        (Ok(response), _) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            failed(&errand, Failure::Broken)
        }
        (Ok(response), _) => returned(errand, response, (trailers, bodyless)).await,
        (Err(failure), _) => failed(&errand, failure),
    }
}

/// How a request fared whose answer `took` so long. What `reads` only is here at once; the time of an
/// upload is its visitor's.
fn fare(answer: &Result<Response<ResponseBody>, Failure>, took: Span, reads: bool) -> Fare {
    match answer {
        Ok(answer) if answer.status().is_server_error() => Fare::Failed,
        Ok(answer) if reads => Fare::after(took, answer.body().usual()),
        Ok(_) => Fare::Good,
        Err(Failure::Left) => Fare::Unknown,
        Err(_) => Fare::Failed,
    }
}

/// Whether the visitor's connection is to become a WebSocket.
pub(super) fn offers_tunnel(request: &Request<Upload>) -> bool {
    upgrade_wanted(request) && request.body().is_empty()
}

/// Whether the visitor's connection is to become a WebSocket (RFC 9110 §7.8), if the request has no
/// body: only for a GET over HTTP/1.1.
fn upgrade_wanted<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    fields::nominations(headers).any(|name| name.eq_ignore_ascii_case("upgrade"))
        && *request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && names_websocket(headers)
}

/// Whether the portal has taken up what was offered, and nothing else.
fn is_upgrade<B>(response: &Response<B>) -> bool {
    let mut taken = fields::tokens(response.headers(), &UPGRADE);
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && taken.all(|protocol| protocol.eq_ignore_ascii_case(WEBSOCKET))
        && names_websocket(response.headers())
}

fn names_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = fields::tokens(headers, &UPGRADE);
    protocols.any(|protocol| protocol.eq_ignore_ascii_case(WEBSOCKET))
}

/// The request as the portal gets it.
fn outgoing(
    errand: &Errand<'_>,
    request: Request<Upload>,
    upgrade: bool,
    trailers: bool,
) -> Request<RequestBody> {
    let (mut parts, body) = request.into_parts();
    let received = parts.version;
    let chunked = match received {
        Version::HTTP_2 => !body.is_empty() && !parts.headers.contains_key(CONTENT_LENGTH),
        _ => parts.headers.contains_key(TRANSFER_ENCODING),
    };
    let asks = is_asked_first(&parts, &body);
    let announced = match chunked {
        true => announced(errand, &parts.headers),
        false => Vec::new(),
    };
    let host = fields::host(&parts.uri, &parts.headers, || unnamed(errand.client));
    parts.uri = origin_form(&parts.uri);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let headers = &mut parts.headers;
    let names = &errand.house.config.trust.names;
    fields::strip_request(headers, |name| names.listed(name).is_some());
    headers.remove(EXPECT);
    if asks {
        headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    count_down(&parts.method, headers);
    cookie::strip_request(headers);
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    fields::introduce(headers, errand.origin);
    upstream::add_via(headers, received);
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
    } else if trailers {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if chunked {
        // Without it, a body on a method that rarely has one would be dropped.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(announcement) = fields::announcement(&announced) {
        headers.insert(TRAILER, announcement);
    }
    let mut body = body.on_its_way(received, pace(errand.house));
    if let Some(told) = &errand.told {
        body = body.telling(told.clone());
    }
    if asks {
        body = body.asking_first();
    }
    Request::from_parts(parts, body.with_trailers(announced))
}

/// Whether the visitor wants to know if the body is wanted, and has not sent it yet. HTTP/1.0 knows
/// no such question (RFC 9110 §10.1.1).
fn is_asked_first(parts: &Parts, body: &Upload) -> bool {
    parts.headers.contains_key(EXPECT)
        && parts.version >= Version::HTTP_11
        && matches!(body, Upload::Coming(_))
        && !body.is_empty()
}

/// The trailers that a request announces and may have: those that would be left out of its head, and
/// more, are left out.
fn announced(errand: &Errand<'_>, headers: &HeaderMap) -> Vec<HeaderName> {
    let trust = &errand.house.config.trust;
    let mut announced = fields::announced_trailers(headers);
    announced.retain(|name| trust.fate(name.as_str(), false) == Fate::Passes);
    announced
}

/// What is asked of the portal, whoever else the visitor named.
fn origin_form(target: &Uri) -> Uri {
    let origin_form = match target.path_and_query() {
        Some(origin_form) if origin_form.as_str().starts_with('/') => Some(origin_form.clone()),
        _ => PathAndQuery::try_from(&*canonical::target(target)).ok(),
    };
    origin_form.map_or_else(|| Uri::from_static("/"), Uri::from)
}

/// One fewer may follow behind us (RFC 9110 §7.6.2).
fn count_down(method: &Method, headers: &mut HeaderMap) {
    if *method != Method::OPTIONS {
        return;
    }
    if let Ok(Some(left)) = canonical::forwards_left(headers) {
        headers.insert(MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
}

/// The host of a request that names none, such as a check of HAProxy: the one for which the portal is
/// probed, or a server's own. Many servers refuse an empty one.
fn unnamed(client: &Client) -> Option<HeaderValue> {
    let portal = client.portal().config();
    let server = || portal.servers.first().map(ToString::to_string);
    HeaderValue::try_from(portal.health.host.clone().or_else(server)?).ok()
}

/// Patience with a visitor's body. Over HTTP/1.1 the wire has the same, and the first word.
pub(super) fn pace(house: &House) -> Pace {
    let limits = &house.config.limits;
    let untold = Span::secs(UNTOLD_MAX / u64::from(limits.body_rate));
    Pace::new(limits.body_timeout + WIRE_FIRST + untold, limits.body_rate)
}

/// The portal's answer as the visitor gets it, with `trailers` if they take them; `bodyless`: whatever it
/// is, it has no body (HEAD).
async fn returned(
    mut errand: Errand<'_>,
    response: Response<ResponseBody>,
    (trailers, bodyless): (bool, bool),
) -> Response<Body> {
    if needs_words(&errand, &response, bodyless) {
        return worded(&errand, response.status(), response.headers());
    }
    let (mut parts, mut body) = response.into_parts();
    let stream = is_stream(&parts.headers);
    let lasting = match stream && errand.stays {
        true => Lasting::stream(errand.house),
        false => None,
    };
    if lasting.is_some() {
        body.without_slot(errand.house.config.limits.tunnel_idle);
    }
    let announced = trailers
        .then(|| fields::announced_trailers(&parts.headers))
        .and_then(|announced| fields::announcement(&announced));
    if trailers {
        body.with_trailers();
    }
    let unsized_error =
        parts.status.is_server_error() && !bodyless && !parts.headers.contains_key(CONTENT_LENGTH);
    let begun = match unsized_error {
        true => begin(body).await,
        false => Some(Body::portal(body)),
    };
    let Some(mut body) = begun else {
        return worded(&errand, parts.status, &parts.headers);
    };
    fields::strip_answer(&mut parts.headers);
    cookie::strip_response(&mut parts.headers);
    if let Some(announced) = announced {
        parts.headers.insert(TRAILER, announced);
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    body.hold(errand.visit.take(), lasting);
    if stream && !errand.stays {
        body.end_within(errand.client.portal().config().response_timeout);
    }
    Response::from_parts(parts, body)
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

/// Whether an answer goes on for as long as its visitor stays (server-sent events).
fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_21_an_upgrade_is_a_websocket_in_any_case_and_nothing_else() {
        let wanted = |offered: &str| {
            let request = Request::get("/")
                .header(CONNECTION, "Upgrade, HTTP2-Settings")
                .header(UPGRADE, offered);
            upgrade_wanted(&request.body(String::new()).unwrap())
        };
        assert!(wanted("websocket") && wanted("WebSocket") && wanted("h2c, websocket"));
        assert!(!wanted("h2c") && !wanted("") && !wanted("TLS/1.0"));
        let posted = Request::post("/")
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, WEBSOCKET);
        assert!(!upgrade_wanted(&posted.body(String::new()).unwrap()));

        let taken = |protocol: &str| {
            let response = Response::builder().status(101).header(UPGRADE, protocol);
            is_upgrade(&response.body(()).unwrap())
        };
        assert!(taken("WebSocket"));
        assert!(!taken("h2c") && !taken("") && !taken("websocket, h2c"));
    }

    #[test]
    fn whoever_gets_no_answer_fares_badly_unless_they_left() {
        let fared = |failure| fare(&Err(failure), Span::ZERO, true);
        for failure in [Failure::Down, Failure::Busy, Failure::Slow, Failure::Broken] {
            assert_eq!(fared(failure), Fare::Failed, "{failure:?}");
        }
        assert_eq!(fared(Failure::Left), Fare::Unknown);
    }

    #[test]
    fn a_stream_of_events_is_known_by_its_type() {
        let stream = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            is_stream(&headers)
        };
        assert!(stream("text/event-stream") && stream("Text/Event-Stream; charset=utf-8"));
        assert!(!stream("text/event-streams") && !stream("text/html"));
    }
}
