//! The way of a request, top to bottom.

use super::access::Entry as Logged;
use super::away::leads_away;
use super::body::{Body, Visit};
use super::canonical::{self, Asked};
use super::classes;
use super::door::{Door, House, Met, Thread, number};
use super::entering::Entering;
use super::flow::{Around, Flow};
use super::forms::{self, Upload};
use super::forward::{self, Errand};
use super::handshake::Session;
use super::lanes::{self, Learning};
use super::mark::{Busy, State};
use super::origin::{Origin, Peer};
use super::own;
use super::page::RefusalKind;
use super::redirect;
use super::reply::{self, Manner};
use super::serve::Reception;
use super::shared;
use super::sift::sift;
use crate::config::Speaks;
use crate::host;
use crate::room::{Ask, Decision, Entry, Refusal, Ticket, Visitor};
use crate::upstream::{self, Claim};
use http::header::{CONNECTION, ORIGIN, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use std::sync::Arc;

/// Who asks for a slot: by which claim, and the number of the pass of somebody inside.
type Asker = (Claim, Option<u64>);

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
    mut request: Request<Incoming>,
    busy: Option<Busy>,
) -> Response<Body> {
    let thread = &*reception.thread;
    let house = &*thread.house;
    let origin = Origin::of(peer, request.headers(), &house.config);
    let mut logged = house.access.begin(origin.address, &request);
    let manner = Manner::of(request.method(), request.headers());
    // HTTP/2 has no word for it in an answer: the connection is told (RFC 9113 §8.2.2).
    let can_close = request.version() < Version::HTTP_2;
    let mut close = house.is_draining();
    let has_body = !request.body().is_end_stream();
    let script = request.headers().get(ORIGIN).cloned();
    let asked = match upstream::came_back(request.headers()) {
        true => Err(RefusalKind::Loop),
        false => canonical(house, &origin, &mut request),
    };
    let mut response = match &asked {
        Ok(asked) if asked.path == own::HEALTH => {
            // Balancers and monitors ask every second or two, and each of them does.
            logged.iter_mut().for_each(Logged::leave_out);
            own::health(house, manner, request.method())
        }
        Ok(asked) if session.is_some_and(|session| !session.serves(&asked.host)) => {
            reply::refusal(house, manner, RefusalKind::OtherConnection, None, None)
        }
        Ok(asked) if asked.is_about_server() => reply::about_server(),
        Ok(asked) if let Some(proof) = proof(house, session, request.method(), asked) => {
            reply::proof(proof)
        }
        Ok(asked) if let Speaks::Redirect(port) = reception.listener.speaks => {
            note(&mut logged, None, "redirected");
            redirect::answer(house, manner, asked, port)
        }
        Ok(asked) => {
            let told = (&mut logged, busy.as_ref().and_then(Busy::tells));
            admit(thread, &origin, asked, manner, request, told).await
        }
        Err(kind) => {
            // Whoever frames a request wrongly may have framed the next one wrongly too.
            close = true;
            reply::refusal(house, manner, *kind, None, None)
        }
    };
    shared::problem(&mut response, script, |script| {
        is_own(house, &asked, script)
    });
    // Of a body that nobody has read, the rest is not read as a request (RFC 9112 §9.6).
    close |= has_body && response.body().leaves_upload();
    if close && can_close {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    if let Some(hsts) = reception.hsts.as_ref().filter(|_| origin.secure) {
        let headers = response.headers_mut();
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    if let Some(entry) = &mut logged {
        let refused = response.extensions().get::<RefusalKind>();
        entry.answered(response.status(), refused.map(|kind| kind.name()));
    }
    let busy = until_the_end(busy, response.status());
    response.body_mut().log(logged, busy);
    response
}

/// Whether a script is one of the room's own, whose address was `asked` for.
fn is_own(house: &House, asked: &Result<Asked, RefusalKind>, script: &HeaderValue) -> bool {
    let asked = asked.as_ref().ok();
    let door = asked.and_then(|asked| house.door(&asked.host, &asked.path));
    door.is_some_and(|door| door.frames.own(script))
}

/// The wire is busy until the end of the answer, or for good if that makes it a tunnel.
fn until_the_end(busy: Option<Busy>, status: StatusCode) -> Option<Busy> {
    match (status, busy) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(busy)) => {
            busy.for_good();
            None
        }
        (_, busy) => busy,
    }
}

/// What is asked, and without the fields that whoever asks may not say.
fn canonical(
    house: &House,
    origin: &Origin,
    request: &mut Request<Incoming>,
) -> Result<Asked, RefusalKind> {
    let House {
        config, dropped, ..
    } = house;
    (house.untold).look(origin, request.headers(), &config.trust, &house.faces);
    let trust = (&config.trust, origin.vouched);
    let changes = sift(request.headers_mut(), trust, &config.limits, dropped)?;
    let mut asked = canonical::read(request, origin.secure || origin.vouched)?;
    asked.changes = changes;
    Ok(asked)
}

/// What an authority wants to see before it gives us a certificate: it asks without TLS, at exactly
/// this address. Nothing else is taken from the portal.
fn proof(
    house: &House,
    session: Option<&Session>,
    method: &Method,
    asked: &Asked,
) -> Option<String> {
    let tls = house.tls.as_ref().filter(|_| session.is_none())?;
    let reads = matches!(*method, Method::GET | Method::HEAD);
    tls.proofs.at(&asked.target).filter(|_| reads)
}

/// From one canonical request to its answer.
async fn admit(
    thread: &Thread,
    origin: &Origin,
    asked: &Asked,
    manner: Manner,
    request: Request<Incoming>,
    (logged, told): (&mut Option<Logged>, Option<Arc<State>>),
) -> Response<Body> {
    let house = &*thread.house;
    if asked.path.starts_with(own::PREFIX) {
        return in_our_corner(house, asked, manner, origin, request, logged).await;
    }
    let (door, manner, request) = match at_the_door(house, asked, manner, request).await {
        Ok(known) => known,
        Err(refusal) => return refusal,
    };
    let flow = Flow::of(door, asked, &request, request.body().first().as_deref());
    let errand = |(claim, pass), visit, stays| Errand {
        house: &thread.house,
        door,
        client: &thread.clients[door.config.portal],
        asked,
        manner,
        origin,
        tunnels: &thread.tunnels,
        once: flow.works_once(),
        stays,
        claim,
        pass,
        visit,
        told: told.clone(),
    };
    // Asked once: each answer uses up one call of this address.
    let mut called = None;
    let mut may_call =
        || *called.get_or_insert_with(|| house.may_call_back(origin.address, origin.proven));
    let headers = request.headers();
    let around = around(house, door, &flow, origin, headers, &mut may_call);
    if let Some((around, claim, stays)) = around {
        return pass(around, errand(claim, None, stays), request, logged).await;
    }
    let met = house.meet(door, request.headers());
    let ask = ask(house, &flow, met.visitor, origin, &request);
    let lane = || lanes::of(house, door, asked, request.headers(), origin);
    match decide(house, door, met.visitor, ask, origin, may_call, lane) {
        Ok(Decision::Forward { number, entry }) => {
            note(logged, Some(door), "forwarded");
            let visit = Visit::new(door.clone(), number, ask.renews);
            let errand = errand(claim(entry, number), Some(visit), stays(entry));
            let_in(errand, request, (&met, &flow), (number, entry)).await
        }
        Ok(Decision::Wait {
            waiting,
            ticket,
            fresh,
        }) => {
            note(logged, Some(door), "waited");
            door.meters.waited.inc();
            let cookies = ticket_cookies(door, ticket, &met, flow.unseen, fresh);
            written(house, met.visitor, ticket).await;
            reply::waiting(house, door, manner, &waiting, cookies, &asked.target)
        }
        Ok(Decision::Refuse(why)) => refused(house, door, manner, kind(why), asked),
        Err(kind) => refused(house, door, manner, kind, asked),
    }
}

/// What is known of a request before anybody asks who sends it: where it leads, whether words or data
/// are wanted, and, where that decides, what form it brings.
async fn at_the_door<'h>(
    house: &'h House,
    asked: &Asked,
    manner: Manner,
    request: Request<Incoming>,
) -> Result<(&'h Arc<Door>, Manner, Request<Upload>), Response<Body>> {
    let misled = |kind| reply::refusal(house, manner, kind, None, None);
    let door = door_of(house, asked).map_err(misled)?;
    let flows = &door.config.flows;
    let manner = manner.at(&flows.apps, &door.frames, request.headers());
    let inside = |headers: &HeaderMap| inside(house, door, headers).is_some();
    let read = forms::read(&flows.back_channels, request, inside, forward::pace(house)).await;
    match read {
        Ok(request) => Ok((door, manner, request)),
        Err(kind) => Err(refused(house, door, manner, kind, asked)),
    }
}

/// Why a request goes around the room, if it does; who asks for its slot, by which pass, and whether what
/// comes of it may stay. `may_call`: one more call may come from its address without a seat.
fn around(
    house: &House,
    door: &Door,
    flow: &Flow,
    origin: &Origin,
    headers: &HeaderMap,
    mut may_call: impl FnMut() -> bool,
) -> Option<(Around, Asker, bool)> {
    // What everybody can say anywhere, only so often.
    let mut may = |around: &Around| match around {
        Around::Open | Around::BackChannel => true,
        Around::Preflight => house.may_ask_first(origin.address, origin.proven),
        Around::Stranger => may_call(),
    };
    let inside = || inside(house, door, headers);
    if let Some(around) = flow.around.filter(&mut may) {
        return Some((around, around.claim(inside), around == Around::Open));
    }
    // Nobody has to wait to log out.
    let leaves = flow
        .leaves_around
        .filter(|it| inside().is_none() && may(it));
    leaves.map(|_| (Around::Open, (Claim::Outside, None), false))
}

/// What the room needs to know of a request that `visitor` has sent.
fn ask<B>(
    house: &House,
    flow: &Flow,
    visitor: Visitor,
    origin: &Origin,
    request: &Request<B>,
) -> Ask {
    let may = |passer| house.may_pass_by(passer, origin.address, origin.proven);
    let mut ask = flow.ask_of(visitor, request, may);
    // One too many; nobody comes in with it.
    ask.passing |= flow.around == Some(Around::Preflight);
    if visitor == Visitor::Newcomer && !flow.unseen {
        house.look_at(&mut ask, origin, request.method(), request.headers());
    }
    ask.passing &= !flow.tunnel;
    ask
}

/// Where the request leads, whoever reads its path.
fn door_of<'h>(house: &'h House, asked: &Asked) -> Result<&'h Arc<Door>, RefusalKind> {
    let room = asked.leads(|path| house.room_at(&asked.host, path));
    let room = room.ok_or(RefusalKind::Ambiguous)?;
    (room.map(|room| &house.doors[room])).ok_or(RefusalKind::Misdirected)
}

/// Forwards the request of somebody who is let in by `entry`, as `number`; with the answer they get
/// what they hold from now on.
async fn let_in(
    errand: Errand<'_>,
    request: Request<Upload>,
    (met, flow): (&Met, &Flow),
    (number, entry): (u64, Entry),
) -> Response<Body> {
    let (house, door, asked) = (errand.house, errand.door, errand.asked);
    let page = errand.manner.page;
    door.meters.forwarded.inc();
    let entering = Entering::new(house, door, met, (flow.unseen, page), (number, entry));
    let learning = Learning::of(door, asked, request.headers());
    let mut response = forward::run(errand, request).await;
    learning.from(&mut response);
    // A seat that is only lent is not kept for whoever goes.
    let own = !matches!(entry, Entry::Lent { .. });
    if page && own && leads_away(house, door, asked, &response) {
        door.room().send_away(number, host::now());
    }
    entering.welcome(house, flow.leaves, &mut response).await;
    response
}

/// Answers a request to our own corner.
async fn in_our_corner(
    house: &House,
    asked: &Asked,
    manner: Manner,
    origin: &Origin,
    request: Request<Incoming>,
    logged: &mut Option<Logged>,
) -> Response<Body> {
    let door = house.door(&asked.host, &asked.path);
    note(logged, door, "own");
    let name = asked.path.strip_prefix(own::PREFIX).unwrap_or_default();
    if classes::takes(name, request.method()) {
        return classes::answer(house, door, manner, origin, name, request).await;
    }
    let (method, headers) = (request.method(), request.headers());
    let query = request.uri().query().unwrap_or("");
    own::answer(house, door, manner, method, headers, name, query)
}

/// The number of whoever sends `headers`, if they have a seat.
fn inside(house: &House, door: &Door, headers: &HeaderMap) -> Option<u64> {
    let met = house.meet(door, headers);
    number(met.visitor).filter(|_| door.room().holds_seat(met.visitor))
}

/// Returns when a new ticket is written down.
async fn written(house: &House, shown: Visitor, ticket: Ticket) {
    if !holds(shown, ticket.number) {
        house.written.wait(house.written.round()).await;
    }
}

/// The cookie of a ticket, if it is `fresh`; beside what the visitor may hold `unseen`, and in place
/// of what is stale.
fn ticket_cookies(
    door: &Door,
    ticket: Ticket,
    met: &Met,
    unseen: bool,
    fresh: bool,
) -> Vec<HeaderValue> {
    if !fresh && met.stale.is_none() {
        return Vec::new();
    }
    let mut cookies: Vec<HeaderValue> = door.cookie.clear_stale(met.stale).collect();
    cookies.push(match unseen && met.visitor == Visitor::Newcomer {
        true => door.cookie.beside(Visitor::Ticket(ticket)),
        false => door.cookie.ticket(ticket),
    });
    cookies
}

/// Forwards what never waits and takes no seat.
async fn pass(
    around: Around,
    errand: Errand<'_>,
    request: Request<Upload>,
    logged: &mut Option<Logged>,
) -> Response<Body> {
    let meters = &errand.door.meters;
    let (outcome, meter) = match around {
        Around::Open | Around::Preflight => ("open", &meters.open),
        Around::BackChannel | Around::Stranger => ("back_channel", &meters.back_channel),
    };
    note(logged, Some(errand.door), outcome);
    meter.inc();
    forward::run(errand, request).await
}

fn refused(
    house: &House,
    door: &Door,
    manner: Manner,
    kind: RefusalKind,
    asked: &Asked,
) -> Response<Body> {
    if kind == RefusalKind::Closed {
        return reply::closed(house, door, manner, &asked.target);
    }
    let room = Some(door.config.name.as_str());
    reply::refusal(house, manner, kind, room, Some(&asked.target))
}

/// Whether the visitor holds this ticket already.
fn holds(visitor: Visitor, number: u64) -> bool {
    matches!(visitor, Visitor::Ticket(ticket) if ticket.number == number)
}

/// Asks the room, unless too many newcomers come from one address. Too many callbacks from one
/// address are newcomers.
fn decide(
    house: &House,
    door: &Door,
    visitor: Visitor,
    mut ask: Ask,
    origin: &Origin,
    mut may_call: impl FnMut() -> bool,
    lane: impl FnOnce() -> usize,
) -> Result<Decision, RefusalKind> {
    let mut room = door.room();
    let now = host::now();
    if ask.callback && !room.holds_seat(visitor) && !may_call() {
        ask.callback = false;
        room.limited_callback();
    }
    if !room.holds_seat(visitor) {
        ask.lane = lane();
    }
    // A dead cookie is worth no more than none.
    let known = room.knows(visitor, now) || room.sees_off(visitor, now);
    let new = !ask.takes_nothing() && !known;
    if new && !ask.callback && !house.may_come(origin.address, origin.proven) {
        return Err(RefusalKind::TooManyTickets);
    }
    Ok(room.arrive(visitor, ask, now))
}

/// Whether somebody who is let in so has a seat to stay in.
fn stays(entry: Entry) -> bool {
    !matches!(entry, Entry::Unseated | Entry::Passing)
}

/// Who asks for the slot of somebody who is let in as `number`. A newcomer's pass is none yet.
fn claim(entry: Entry, number: u64) -> Asker {
    match entry {
        Entry::Straight | Entry::Passing => (Claim::Outside, None),
        _ => (Claim::Inside, Some(number)),
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
