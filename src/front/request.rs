//! The way of a request, top to bottom.

use super::access::Entry as Logged;
use super::body::{Body, Visit};
use super::canonical::{self, Asked};
use super::door::{Door, House, Thread};
use super::forward::{self, Errand};
use super::own;
use super::page::RefusalKind;
use super::reply::{self, Manner};
use super::wire::Busy;
use crate::host;
use crate::room::{Ask, Decision, Entry, Pass, Refusal, Visitor};
use http::header::{CACHE_CONTROL, CONNECTION, HeaderMap, HeaderName, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;

const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");

/// Answers one request: every one gets an answer.
///
/// canonical reading → room (host and path) → our own corner, or an open path, or the decision
/// of the room: forward, wait, refuse.
pub async fn answer(
    thread: &Thread,
    address: IpAddr,
    request: Request<Incoming>,
    busy: Busy,
) -> Response<Body> {
    let house = &*thread.house;
    let path = request.uri().path();
    let mut logged = (house.access).begin(address, request.method(), path, request.headers());
    let manner = Manner::of(request.method(), request.headers());
    let mut close = house.is_draining();
    let mut response = match canonical::read(&request, &house.config.limits) {
        Ok(asked) => admit(thread, address, &asked, manner, request, &mut logged).await,
        Err(kind) => {
            // Whoever frames a request wrongly may have framed the next one wrongly too.
            close = true;
            reply::refusal(house, manner, kind, None, None)
        }
    };
    if close {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    if let Some(entry) = &mut logged {
        entry.answered(response.status());
    }
    let busy = match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => {
            busy.for_good();
            None
        }
        _ => Some(busy),
    };
    response.body_mut().log(logged, busy);
    response
}

/// From one canonical request to its answer.
async fn admit(
    thread: &Thread,
    address: IpAddr,
    asked: &Asked,
    manner: Manner,
    request: Request<Incoming>,
    logged: &mut Option<Logged>,
) -> Response<Body> {
    let house = &*thread.house;
    let door = house.door(&asked.host, &asked.path);
    if let Some(name) = asked.path.strip_prefix(own::PREFIX) {
        note(logged, door, "own");
        let (method, headers) = (request.method(), request.headers());
        let query = request.uri().query().unwrap_or("");
        return own::answer(house, door, manner, method, headers, name, query);
    }
    let Some(door) = door else {
        return reply::refusal(house, manner, RefusalKind::Misdirected, None, None);
    };
    let client = &thread.clients[door.config.portal];
    let errand = |visit| Errand {
        house: &thread.house,
        door,
        client,
        asked,
        manner,
        address,
        visit,
    };
    if door.config.open.contains(&asked.path) {
        note(logged, Some(door), "open");
        door.meters.open.inc();
        return forward::run(errand(None), request).await;
    }

    let visitor = house.visitor(door, request.headers());
    let ask = ask(door, asked, request.method(), request.headers());
    let decision = decide(house, door, visitor, ask, address);
    let refused = |kind| {
        let room = Some(door.config.name.as_str());
        reply::refusal(house, manner, kind, room, Some(&asked.target))
    };
    match decision {
        Ok(Decision::Forward { number, entry }) => {
            note(logged, Some(door), "forwarded");
            door.meters.forwarded.inc();
            let leaves = door.config.logout.contains(&asked.path);
            let visit = Visit::new(door.clone(), number, ask.renews, leaves);
            let mut response = forward::run(errand(Some(visit)), request).await;
            give_pass(house, door, number, entry, leaves, response.headers_mut()).await;
            response
        }
        Ok(Decision::Wait {
            waiting,
            ticket,
            fresh,
        }) => {
            note(logged, Some(door), "waited");
            door.meters.waited.inc();
            if !holds(visitor, ticket.number) {
                house.written.wait().await;
            }
            let fresh = fresh.then_some(ticket);
            reply::waiting(house, door, manner, &waiting, fresh, &asked.target)
        }
        Ok(Decision::Refuse(why)) => refused(kind(why)),
        Err(kind) => refused(kind),
    }
}

/// Whether the visitor holds this ticket already.
fn holds(visitor: Visitor, number: u64) -> bool {
    matches!(visitor, Visitor::Ticket(ticket) if ticket.number == number)
}

/// Asks the room, unless too many newcomers come from one address.
fn decide(
    house: &House,
    door: &Door,
    visitor: Visitor,
    ask: Ask,
    address: IpAddr,
) -> Result<Decision, RefusalKind> {
    if visitor == Visitor::Newcomer && !ask.guess && !house.may_come(address) {
        return Err(RefusalKind::TooManyTickets);
    }
    Ok(door.room().arrive(visitor, ask, host::now()))
}

/// What the room needs to know of a request.
fn ask(door: &Door, asked: &Asked, method: &Method, headers: &HeaderMap) -> Ask {
    let says = |name: HeaderName, word: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|purpose| purpose.contains(word))
    };
    Ask {
        renews: !door.config.non_renewing.contains(&asked.path),
        work: matches!(
            *method,
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE
        ),
        guess: says(SEC_PURPOSE, "prefetch") || says(PURPOSE, "prefetch"),
    }
}

/// Whoever has come in gets a pass, once it is written down; whoever has logged out holds
/// nothing any more.
async fn give_pass(
    house: &House,
    door: &Door,
    number: u64,
    entry: Entry,
    leaves: bool,
    headers: &mut HeaderMap,
) {
    let cookie = match entry {
        _ if leaves => door.cookie.clear(),
        Entry::Inside | Entry::WorkOnly => return,
        Entry::Straight | Entry::Called | Entry::Again => {
            house.written.wait().await;
            let issued = host::now();
            door.cookie.pass(Pass { number, issued })
        }
    };
    headers.append(SET_COOKIE, cookie);
    // A shared cache must not hand one visitor's pass to the next.
    headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
}

fn kind(why: Refusal) -> RefusalKind {
    match why {
        Refusal::Closed => RefusalKind::Closed,
        Refusal::LineFull => RefusalKind::LineFull,
        Refusal::NoNumber | Refusal::Guess => RefusalKind::Busy,
    }
}

fn note(logged: &mut Option<Logged>, door: Option<&Arc<Door>>, outcome: &'static str) {
    if let Some(entry) = logged {
        entry.decided(door.map(|door| &door.name), outcome);
    }
}
