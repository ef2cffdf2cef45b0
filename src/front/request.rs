//! The way of a request, top to bottom.

use super::access::Entry as Logged;
use super::body::{Body, Visit};
use super::canonical::{self, Asked};
use super::door::{Door, House, Thread};
use super::forward::{self, Errand};
use super::handshake::Session;
use super::origin::{Origin, Peer};
use super::own;
use super::page::RefusalKind;
use super::redirect;
use super::reply::{self, Manner};
use super::serve::Reception;
use super::wire::Busy;
use crate::config::Speaks;
use crate::host;
use crate::room::{Ask, Decision, Entry, Pass, Refusal, Visitor};
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONNECTION, COOKIE, HeaderMap, HeaderName,
    ORIGIN, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;

const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// What browsers fetch beside a page, now and then without any cookie.
const BESIDE: [&str; 6] = ["image", "font", "style", "script", "manifest", "track"];

/// Answers one request: every one gets an answer.
///
/// canonical reading → room (host and path) → our own corner, or an open path, or the decision
/// of the room: forward, wait, refuse.
///
/// `session` is of the connection, if it came over TLS; `busy` of its wire, in HTTP/1.1.
pub(super) async fn answer(
    reception: &Reception,
    peer: Peer,
    session: Option<&Session>,
    request: Request<Incoming>,
    busy: Option<Busy>,
) -> Response<Body> {
    let thread = &*reception.thread;
    let house = &*thread.house;
    let origin = Origin::of(peer, request.headers(), &house.config);
    let path = request.uri().path();
    let mut logged =
        (house.access).begin(origin.address, request.method(), path, request.headers());
    let manner = Manner::of(request.method(), request.headers());
    // HTTP/2 has no word for it in an answer: the connection is told (RFC 9113 §8.2.2).
    let can_close = request.version() < Version::HTTP_2;
    let mut close = house.is_draining();
    let mut response = match canonical::read(&request, &house.config.limits) {
        Ok(asked) if session.is_some_and(|session| !session.serves(&asked.host)) => {
            reply::refusal(house, manner, RefusalKind::OtherConnection, None, None)
        }
        Ok(asked) if let Speaks::Redirect(port) = reception.listener.speaks => {
            redirect::answer(house, manner, &asked, port)
        }
        Ok(asked) => admit(thread, &origin, &asked, manner, request, &mut logged).await,
        Err(kind) => {
            // Whoever frames a request wrongly may have framed the next one wrongly too.
            close = true;
            reply::refusal(house, manner, kind, None, None)
        }
    };
    if close && can_close {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    if let Some(hsts) = reception.hsts.as_ref().filter(|_| origin.secure) {
        let headers = response.headers_mut();
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    if let Some(entry) = &mut logged {
        entry.answered(response.status());
    }
    let busy = match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => {
            busy.map(Busy::for_good);
            None
        }
        _ => busy,
    };
    response.body_mut().log(logged, busy);
    response
}

/// From one canonical request to its answer.
async fn admit(
    thread: &Thread,
    origin: &Origin,
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
        origin,
        visit,
    };
    if asked.opens(&door.config.open) || is_preflight(request.method(), request.headers()) {
        return pass_open(errand(None), request, logged).await;
    }

    let visitor = house.visitor(door, request.headers());
    let leaves = door.config.logout.contains(&asked.path);
    if leaves && !door.room().holds_seat(visitor) {
        // Nobody has to wait to log out.
        return pass_open(errand(None), request, logged).await;
    }
    let ask = ask(door, asked, request.method(), request.headers());
    match decide(house, door, visitor, ask, origin.address) {
        Ok(Decision::Forward { number, entry }) => {
            note(logged, Some(door), "forwarded");
            door.meters.forwarded.inc();
            let entering = Entering::new(house, door, number, entry);
            let visit = Visit::new(door.clone(), number, ask.renews);
            let mut response = forward::run(errand(Some(visit)), request).await;
            entering.welcome(house, leaves, &mut response).await;
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
                house.written.wait(house.written.round()).await;
            }
            let fresh = fresh.then_some(ticket);
            reply::waiting(house, door, manner, &waiting, fresh, &asked.target)
        }
        Ok(Decision::Refuse(why)) => refused(house, door, manner, kind(why), asked),
        Err(kind) => refused(house, door, manner, kind, asked),
    }
}

/// Forwards what never waits and takes no seat.
async fn pass_open(
    errand: Errand<'_>,
    request: Request<Incoming>,
    logged: &mut Option<Logged>,
) -> Response<Body> {
    note(logged, Some(errand.door), "open");
    errand.door.meters.open.inc();
    forward::run(errand, request).await
}

fn refused(
    house: &House,
    door: &Door,
    manner: Manner,
    kind: RefusalKind,
    asked: &Asked,
) -> Response<Body> {
    let room = Some(door.config.name.as_str());
    reply::refusal(house, manner, kind, room, Some(&asked.target))
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
    let mut room = door.room();
    let now = host::now();
    // A dead cookie is worth no more than none.
    if !ask.takes_nothing() && !room.knows(visitor, now) && !house.may_come(address) {
        return Err(RefusalKind::TooManyTickets);
    }
    Ok(room.arrive(visitor, ask, now))
}

/// A question of a browser about another origin's script (Fetch, "CORS-preflight fetch"). It
/// never carries a cookie, so that it says nothing about who is inside.
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What the room needs to know of a request.
fn ask(door: &Door, asked: &Asked, method: &Method, headers: &HeaderMap) -> Ask {
    let says = |name: &HeaderName, words: &[&str]| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| words.iter().any(|word| value.contains(word)))
    };
    Ask {
        renews: !door.config.non_renewing.contains(&asked.path),
        work: matches!(
            *method,
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE
        ),
        guess: says(&SEC_PURPOSE, &["prefetch"]) || says(&PURPOSE, &["prefetch"]),
        beside: !headers.contains_key(COOKIE) && says(&SEC_FETCH_DEST, &BESIDE),
    }
}

/// Somebody who is let in, until the answer with the pass is ready. If a newcomer is gone before
/// that, nobody will ever show the pass, and the seat is free again at once.
struct Entering<'a> {
    door: &'a Door,
    number: u64,
    entry: Entry,
    /// The round of the store that writes the seat down; it runs while the portal works.
    round: u64,
    welcomed: bool,
}

impl<'a> Entering<'a> {
    fn new(house: &House, door: &'a Door, number: u64, entry: Entry) -> Entering<'a> {
        let round = match entry {
            Entry::Inside | Entry::Unseated => 0,
            _ => house.written.round(),
        };
        Entering {
            door,
            number,
            entry,
            round,
            welcomed: false,
        }
    }

    /// Whoever has come in gets a pass, once it is written down; whoever has logged out holds
    /// nothing any more.
    async fn welcome(mut self, house: &House, leaves: bool, response: &mut Response<Body>) {
        let cookie = if leaves && !response.status().is_server_error() {
            self.door.room().leave(self.number, host::now());
            Some(self.door.cookie.clear())
        } else if matches!(self.entry, Entry::Inside | Entry::Unseated) {
            None
        } else {
            house.written.wait(self.round).await;
            Some(self.door.cookie.pass(Pass {
                number: self.number,
                issued: host::now(),
            }))
        };
        self.welcomed = true;
        if let Some(cookie) = cookie {
            let headers = response.headers_mut();
            headers.append(SET_COOKIE, cookie);
            // A shared cache must not hand one visitor's pass to the next.
            let private = HeaderValue::from_static("private");
            if headers
                .get(CACHE_CONTROL)
                .is_none_or(|stored| stored != "no-store")
            {
                headers.append(CACHE_CONTROL, private);
            }
        }
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        if self.entry == Entry::Straight && !self.welcomed {
            self.door.room().leave(self.number, host::now());
        }
    }
}

fn kind(why: Refusal) -> RefusalKind {
    match why {
        Refusal::Closed => RefusalKind::Closed,
        Refusal::LineFull | Refusal::NoNumber => RefusalKind::LineFull,
        Refusal::Guess => RefusalKind::NotInside,
    }
}

fn note(logged: &mut Option<Logged>, door: Option<&Arc<Door>>, outcome: &'static str) {
    if let Some(entry) = logged {
        entry.decided(door.map(|door| &door.name), outcome);
    }
}
