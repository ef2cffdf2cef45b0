//! Our own answers: the waiting answer, refusals, JSON; in the form that the asker understands.

use super::body::Body;
use super::door::{Door, House};
use super::draw;
use super::frames;
pub use super::manner::Manner;
use super::page::{Lang, Outlook, RefusalKind, RefusalView, WaitingView};
use super::shared::PROBLEM;
use crate::calendar::reading;
use crate::host;
use crate::room::{Promise, Waiting};
use crate::time::Span;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY as CSP, CONTENT_TYPE,
    HeaderMap, HeaderName, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// Whoever finds a door closed is asked to come back after this long at most, even if it opens later:
/// plans change.
const CLOSED_MAX: Span = Span::mins(24 * 60);
/// Those who find it closed are spread over this much after it opens.
const CLOSED_SPREAD: Span = Span::mins(2);
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Bytes that our JSON rarely exceeds.
const JSON_BYTES: usize = 512;

/// The methods that are named to those who ask.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A promise in the public surface.
#[derive(Serialize)]
pub struct WaitSeconds {
    low: u64,
    high: u64,
}

#[derive(Serialize)]
struct WaitingProblem<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    /// Null before it is drawn.
    position: Option<u64>,
    wait_seconds: Option<WaitSeconds>,
    poll_after_seconds: u64,
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enters_from: Option<String>,
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

/// A proof for an authority, in its bare form (RFC 8555 §8.3).
pub fn proof(proof: String) -> Response<Body> {
    let mut response = Response::new(Body::ours(proof));
    let headers = response.headers_mut();
    let bytes = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, bytes);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The waiting answer of the public surface.
pub fn waiting(
    house: &House,
    door: &Door,
    manner: Manner,
    told: &Waiting,
    cookies: Vec<HeaderValue>,
    address: &str,
) -> Response<Body> {
    let name = &door.config.name;
    let after = told.poll_after.ceil_secs();
    let mut response = if manner.page {
        let mut response = if manner.strange {
            framed(house, manner, address)
        } else {
            let page = waiting_page(house, door, manner, told, address, false);
            html(manner.lang, page, door.frames.policy())
        };
        *response.status_mut() = StatusCode::from_u16(house.config.waiting_status)
            .unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        response
    } else {
        problem(
            StatusCode::SERVICE_UNAVAILABLE,
            &WaitingProblem {
                kind: "about:blank",
                title: "Waiting room",
                status: 503,
                position: position(told),
                wait_seconds: wait_seconds(told.promise),
                poll_after_seconds: after,
                room: name,
                lane: door.lane_name(told.lane),
                enters_from: told.enters_from.map(|at| draw::moment(house, at)),
            },
        )
    };
    response.headers_mut().insert(RETRY_AFTER, after.into());
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The waiting page; `paused`: without the refresh that stands in for the script.
pub fn waiting_page(
    house: &House,
    door: &Door,
    manner: Manner,
    told: &Waiting,
    address: &str,
    paused: bool,
) -> Bytes {
    let keep = door.config.rules.keep;
    let view = WaitingView {
        room: &door.config.name,
        waiting: told,
        updated: &time_of_day(house),
        address,
        form: manner.form,
        paused,
        lanes: (door.lanes(manner.lang))
            .map(|words| (words.title(told.lane), words.rules.as_str())),
        codes: door.takes_code(told.lane),
        keep_minutes: u32::try_from(keep.0 / 60_000).unwrap_or(u32::MAX),
        outlook: outlook(house, door, manner.lang, told),
    };
    house.pages.waiting(manner.lang, &view)
}

/// A refusal, counted. `again`: the address to try again by GET, where that is the same request.
pub fn refusal(
    house: &House,
    manner: Manner,
    kind: RefusalKind,
    room: Option<&str>,
    again: Option<&str>,
) -> Response<Body> {
    refusal_with(house, manner, kind, (room, again), Known::default())
}

/// Words in place of a portal's error: with its status, and after `retry` seconds, if it says when it
/// wants to be asked again.
pub fn in_place_of(
    house: &House,
    manner: Manner,
    kind: RefusalKind,
    (room, again): (&str, &str),
    (status, retry): (StatusCode, Option<u64>),
) -> Response<Body> {
    let known = Known {
        status: Some(status),
        retry,
        ..Known::default()
    };
    refusal_with(house, manner, kind, (Some(room), Some(again)), known)
}

/// A door is closed: the same, with what the calendar knows of it.
pub fn closed(house: &House, door: &Door, manner: Manner, again: &str) -> Response<Body> {
    let (reopens, gathers, takes) = {
        let room = door.room();
        (room.reopens(), room.gathers(), room.takes_tickets())
    };
    let now = host::wall();
    let retry = takes.map(|at| retry_at(at.since(now), host::seed()));
    let clock = |at| reading(&house.zone, at);
    let outlook = Outlook {
        notice: door.notice(),
        today: clock(now).date(),
        reopens: reopens.map(clock),
        gathers: gathers.map(clock),
        ..Outlook::default()
    };
    let room = Some(door.config.name.as_str());
    let again = Some(again);
    refusal_with(
        house,
        manner,
        RefusalKind::Closed,
        (room, again),
        Known {
            outlook,
            retry,
            status: None,
        },
    )
}

/// What is known beside the kind of a refusal.
#[derive(Default)]
struct Known<'a> {
    /// Of the calendar.
    outlook: Outlook<'a>,
    /// In how many seconds it is worth while to try again.
    retry: Option<u64>,
    /// The status, if it is another's and not the kind's.
    status: Option<StatusCode>,
}

/// Seconds until a closed door is worth another try, which is `left` away: by `chance`, up to
/// [`CLOSED_SPREAD`] later, so that those who were refused do not all come back in the same second.
fn retry_at(left: Span, chance: u64) -> u64 {
    let spread = chance % (CLOSED_SPREAD.ceil_secs() + 1);
    left.min(CLOSED_MAX).ceil_secs().max(1) + spread
}

fn refusal_with(
    house: &House,
    manner: Manner,
    kind: RefusalKind,
    (room, again): (Option<&str>, Option<&str>),
    Known {
        outlook,
        retry,
        status,
    }: Known<'_>,
) -> Response<Body> {
    let kind = house.refused(kind);
    let retry = retry.or(kind.retry());
    let status = status.unwrap_or(kind.status());
    let mut response = if manner.page {
        let view = RefusalView {
            kind,
            retry_after_secs: retry,
            room,
            again: again.filter(|_| !manner.form),
            secure: None,
            outlook,
        };
        let mut response = if manner.strange && kind == RefusalKind::NotInside {
            framed(house, manner, again.unwrap_or("/"))
        } else {
            let page = house.pages.refusal(manner.lang, &view);
            html(manner.lang, page, policy(house, manner, room))
        };
        *response.status_mut() = status;
        response
    } else {
        problem(
            status,
            &Problem {
                kind: "about:blank".to_owned(),
                title: kind.title(),
                status: status.as_u16(),
                detail: kind.detail(),
            },
        )
    };
    let headers = response.headers_mut();
    if let Some(retry) = retry {
        headers.insert(RETRY_AFTER, retry.into());
    }
    if kind == RefusalKind::MethodNotAllowed {
        headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    }
    // For the access log.
    response.extensions_mut().insert(kind);
    response
}

/// What `OPTIONS *` asks: the methods of the server itself, for nothing behind it.
pub fn about_server() -> Response<Body> {
    let mut response = Response::new(Body::ours(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    not_stored(headers);
    response
}

/// The page in a stranger's frame. What was a form is not led back to by GET.
fn framed(house: &House, manner: Manner, address: &str) -> Response<Body> {
    let address = if manner.form { "/" } else { address };
    let page = house.pages.frame(manner.lang, address);
    html(manner.lang, page, HeaderValue::from_static(frames::ANYBODY))
}

/// Who may frame a refusal: nobody needs to see an empty frame, and there is nothing to be gained
/// by a click.
fn policy(house: &House, manner: Manner, room: Option<&str>) -> HeaderValue {
    if manner.strange {
        return HeaderValue::from_static(frames::ANYBODY);
    }
    let door = room.and_then(|room| house.door_named(room));
    let own_host = || HeaderValue::from_static(frames::OWN_HOST);
    door.map_or_else(own_host, |door| door.frames.policy())
}

/// A page of ours, not to be kept by anybody.
pub fn html(lang: Lang, page: Bytes, policy: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::ours(page));
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(CONTENT_TYPE, fixed("text/html; charset=utf-8"));
    headers.insert(CONTENT_LANGUAGE, fixed(lang.tag()));
    headers.insert(CSP, policy);
    headers.insert(REFERRER_POLICY, fixed("same-origin"));
    not_stored(headers);
    response
}

/// JSON of ours, not to be kept by anybody.
pub fn json(content: &impl Serialize) -> Response<Body> {
    let mut bytes = Vec::with_capacity(JSON_BYTES);
    // Memory takes every write, and what we say has no maps with keys that are no text.
    let _ = serde_json::to_writer(&mut bytes, content);
    let mut response = Response::new(Body::ours(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    not_stored(headers);
    response
}

/// What the calendar knows, for somebody who waits.
pub fn outlook<'a>(house: &House, door: &'a Door, lang: Lang, told: &Waiting) -> Outlook<'a> {
    let notice = door.notice();
    let hours = door
        .lane_hours(lang, told.lane)
        .filter(|_| told.kept_by_hours());
    if notice.is_none() && told.reopens.is_none() && told.drawn_at.is_none() && hours.is_none() {
        return Outlook::default();
    }
    let clock = |at| reading(&house.zone, at);
    Outlook {
        notice,
        today: clock(host::wall()).date(),
        reopens: told.reopens.map(clock),
        gathers: None,
        drawn: told.drawn_at.map(clock),
        hours,
        enters: told.enters_from.map(clock),
    }
}

/// The place, once it is drawn.
pub fn position(told: &Waiting) -> Option<u64> {
    told.drawn_at.is_none().then_some(told.place)
}

/// A promise in whole seconds.
pub fn wait_seconds(promise: Option<Promise>) -> Option<WaitSeconds> {
    promise.map(|promise| WaitSeconds {
        low: promise.low.0 / 1000,
        high: promise.high.ceil_secs(),
    })
}

/// The time of day where the server stands.
pub fn time_of_day(house: &House) -> String {
    let time = reading(&house.zone, host::wall());
    time.strftime("%H:%M:%S").to_string()
}

fn problem(status: StatusCode, content: &impl Serialize) -> Response<Body> {
    let mut response = json(content);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(PROBLEM);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn not_stored(headers: &mut HeaderMap) {
    let fixed = HeaderValue::from_static;
    headers.insert(CACHE_CONTROL, fixed("no-store"));
    headers.insert(CDN_CACHE_CONTROL, fixed("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_door_says_when_to_come_back_and_not_to_all_the_same() {
        let retry = |left| (0..1_000).map(move |chance| retry_at(left, chance));
        let seen: std::collections::BTreeSet<u64> = retry(Span::mins(60)).collect();
        assert_eq!((seen.first(), seen.last()), (Some(&3_600), Some(&3_720)));
        assert!(seen.len() > 100, "spread over two minutes");
        assert_eq!(retry(Span::ZERO).min(), Some(1));
        let year = Span::mins(366 * 24 * 60);
        assert_eq!(retry(year).max(), Some(24 * 3_600 + 120));
    }
}
