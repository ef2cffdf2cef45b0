//! `/.preau/`: the one corner of a guarded host that is ours.

use super::body::Body;
use super::classes;
use super::door::{Door, House};
use super::draw::{self, Draw};
use super::fetch::SEC_FETCH_SITE;
use super::page::{RefusalKind, Said};
use super::reply::{self, Manner, WaitSeconds};
use super::shared;
use crate::host;
use crate::room::{Mode, Standing, Ticket, Visitor, Waiting};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, ORIGIN, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;

/// What our addresses begin with.
pub const PREFIX: &str = "/.preau/";
/// Where whoever distributes visitors asks whether we serve; on every host, also unknown ones.
pub const HEALTH: &str = "/.preau/health";
/// Seconds after which a server that is being left is worth another look.
const LEFT_RETRY: u64 = 5;

/// `/.preau/status`: the members are part of the public surface.
#[derive(Serialize)]
struct Status<'a> {
    state: &'a str,
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'a str>,
    position: Option<u64>,
    wait_seconds: Option<WaitSeconds>,
    poll_after_seconds: Option<u64>,
    claim_seconds: Option<u64>,
    /// When somebody goes in again, if nobody does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    reopens: Option<String>,
    /// When the visitor's lane is let in, if it is not at this hour, or perhaps no longer at their turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    enters_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    draw: Option<Draw>,
    updated: String,
    text: Option<Said<'a>>,
}

/// Answers a request to our own corner; `name` is the path without [`PREFIX`].
pub fn answer(
    house: &House,
    here: Option<&Arc<Door>>,
    manner: Manner,
    method: &Method,
    headers: &HeaderMap,
    name: &str,
    query: &str,
) -> Response<Body> {
    let door = match parameter(query, "room") {
        Some(room) => house.door_named(&room),
        None => here,
    };
    match (name, method, door) {
        ("status", &Method::GET | &Method::HEAD, Some(door)) => {
            let mut status = status(house, door, manner, house.visitor(door, headers));
            let own = |script: &HeaderValue| door.frames.own(script);
            shared::json(&mut status, headers.get(ORIGIN).cloned(), own);
            status
        }
        ("pause", &Method::GET | &Method::HEAD, Some(door)) => {
            let to = parameter(query, "to");
            pause(house, door, manner, headers, to.as_deref().unwrap_or("/"))
        }
        ("leave", &Method::POST, Some(door)) => leave(house, door, manner, headers),
        ("leave", ..) => reply::refusal(house, manner, RefusalKind::MethodNotAllowed, None, None),
        ("class", &Method::GET | &Method::HEAD, Some(door)) => {
            classes::form(house, door, manner, headers)
        }
        (_, &Method::GET | &Method::HEAD, _) => asset(house, manner, name),
        _ => reply::refusal(house, manner, RefusalKind::MethodNotAllowed, None, None),
    }
}

/// Whether we serve: 200, or 503 once a stop has begun. It takes nothing, and asks no portal.
pub fn health(house: &House, manner: Manner, method: &Method) -> Response<Body> {
    house.metrics.health_questions.inc();
    if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return reply::refusal(house, manner, RefusalKind::MethodNotAllowed, None, None);
    }
    let state = |state| reply::json(&serde_json::json!({ "state": state }));
    if !house.is_draining() {
        return state("serving");
    }
    let mut response = state("draining");
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert(RETRY_AFTER, LEFT_RETRY.into());
    response
}

fn status(house: &House, door: &Door, manner: Manner, who: Visitor) -> Response<Body> {
    let (standing, mode, lot, reopens) = {
        let mut room = door.room();
        let standing = room.poll(who, host::now());
        let lot = number(&standing).and_then(|number| room.lot_of(number).cloned());
        (standing, room.rules().mode, lot, room.reopens())
    };
    let mut status = Status {
        state: "outside",
        room: &door.config.name,
        lane: None,
        position: None,
        wait_seconds: None,
        poll_after_seconds: None,
        claim_seconds: None,
        reopens: None,
        enters_from: None,
        draw: None,
        updated: reply::time_of_day(house),
        text: None,
    };
    status.reopens = reopens.map(|at| draw::moment(house, at));
    match standing {
        Standing::Outside if mode == Mode::Closed => status.state = "closed",
        Standing::Outside => {}
        Standing::Inside => status.state = "inside",
        Standing::Waiting {
            waiting,
            ticket,
            fresh,
        } => {
            status.lane = door.lane_name(waiting.lane);
            describe(house, door, manner, &mut status, &waiting);
            status.draw = lot.map(|lot| Draw::of(&lot, waiting.number, house));
            return with_ticket(reply::json(&status), door, fresh.then_some(ticket));
        }
    }
    reply::json(&status)
}

fn number(standing: &Standing) -> Option<u64> {
    match standing {
        Standing::Waiting { ticket, .. } => Some(ticket.number),
        Standing::Outside | Standing::Inside => None,
    }
}

fn describe<'a>(
    house: &'a House,
    door: &'a Door,
    manner: Manner,
    status: &mut Status<'a>,
    waiting: &Waiting,
) {
    status.state = match waiting.called {
        Some(_) => "called",
        None => "waiting",
    };
    status.position = reply::position(waiting);
    status.wait_seconds = reply::wait_seconds(waiting.promise);
    status.poll_after_seconds = Some(waiting.poll_after.ceil_secs());
    status.claim_seconds = waiting.called.map(|left| left.0 / 1000);
    status.enters_from = waiting.enters_from.map(|at| draw::moment(house, at));
    let outlook = reply::outlook(house, door, manner.lang, waiting);
    status.text = Some(house.pages.say(manner.lang, waiting, &outlook));
}

/// The waiting page without its refresh, for those who have no script and want to read.
fn pause(
    house: &House,
    door: &Door,
    manner: Manner,
    headers: &HeaderMap,
    to: &str,
) -> Response<Body> {
    let who = house.visitor(door, headers);
    let standing = door.room().poll(who, host::now());
    let Standing::Waiting {
        waiting,
        ticket,
        fresh,
    } = standing
    else {
        // Nothing to pause: the way in is the address itself.
        return reply::refusal(house, manner, RefusalKind::Misdirected, None, Some(to));
    };
    let page = reply::waiting_page(house, door, manner, &waiting, to, true);
    let response = reply::html(manner.lang, page, door.frames.policy());
    with_ticket(response, door, fresh.then_some(ticket))
}

/// Gives up the place or the seat, and takes away the cookie that stands for it. Not for another
/// site, whose page could otherwise send its readers out of our line.
fn leave(house: &House, door: &Door, manner: Manner, headers: &HeaderMap) -> Response<Body> {
    if !from_here(headers) {
        return reply::refusal(house, manner, RefusalKind::BadRequest, None, None);
    }
    let met = house.meet(door, headers);
    let held = match met.visitor {
        Visitor::Newcomer => None,
        Visitor::Ticket(ticket) => Some(ticket.number),
        Visitor::Pass(pass) => Some(pass.number),
    };
    let mut response = reply::json(&serde_json::json!({ "state": "outside" }));
    if let Some(number) = held {
        door.room().leave(number, host::now());
        let given = [door.cookie.clear(), door.cookie.clear_beside()];
        for clear in door.cookie.clear_stale(met.stale).chain(given) {
            response.headers_mut().append(SET_COOKIE, clear);
        }
    }
    response
}

/// Whether a request comes from the host's own pages or from the visitor, as far as the browser
/// tells (Fetch Metadata).
pub(super) fn from_here(headers: &HeaderMap) -> bool {
    let here = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    headers.get_all(SEC_FETCH_SITE).iter().all(here)
}

fn asset(house: &House, manner: Manner, name: &str) -> Response<Body> {
    let Some(asset) = house.pages.asset(name) else {
        return reply::refusal(house, manner, RefusalKind::Misdirected, None, None);
    };
    let mut response = Response::new(Body::ours(asset.body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(asset.cache_control));
    response
}

fn with_ticket(mut response: Response<Body>, door: &Door, fresh: Option<Ticket>) -> Response<Body> {
    if let Some(ticket) = fresh {
        let cookie = door.cookie.ticket(ticket);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The first value of `name` in a query string, decoded as forms are.
fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}
