//! Codes of classes: a teacher who is inside opens one, those in line who type it go over to the lane
//! of the classes, and are called in a row.
//!
//! Codes are kept in memory: with a restart they are closed; whoever has joined stays in the lane.
//! To be found by trial they are too long, and tries are counted by visitor and by address.

use super::body::Body;
use super::door::{Door, House};
use super::origin::Origin;
use super::own::from_here;
use super::page::{ClassView, RefusalKind};
use super::reply::{self, Manner};
use crate::host;
use crate::room::{Ticket, Visitor};
use crate::time::{Millis, Span};
use http::header::{HeaderMap, LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Codes of one room that are open at once.
const OPEN_MAX: usize = 1_000;
/// Those of one visitor.
const OPEN_BY_ONE: usize = 5;
/// People for whom a code is open.
const PEOPLE_MAX: u32 = 500;
/// Minutes for which it is.
const MINUTES_MAX: u32 = 120;
/// Bytes of a form.
const FORM_MAX: usize = 4 * 1024;
/// How long a form may take to come.
const FORM_TIME: Duration = Duration::from_secs(10);
/// When to try again after too many attempts, in seconds.
const RETRY_SECS: u32 = 60;
/// Syllables of a code: so many consonants and vowels that are not taken for one another …
const SYLLABLES: usize = 4;
const CONSONANTS: &[u8; 14] = b"bdfgjklmnprstv";
const VOWELS: &[u8; 5] = b"aeiou";
/// … and digits: 24,010,000,000 codes.
const DIGITS: usize = 3;

/// The codes of a room that are open.
#[derive(Default)]
pub struct Classes(Mutex<HashMap<String, Class>>);

struct Class {
    until: Millis,
    /// People who may still join.
    left: u32,
    /// The number of whoever opened it.
    opened_by: u64,
}

/// What became of a code that was typed.
#[derive(Debug, PartialEq, Eq)]
enum Joined<T> {
    Now(T),
    /// There is nothing to change: the visitor is in the lane, or called already.
    Before,
    Wrong,
}

impl Classes {
    /// Opens a code; `None` if as many are open as may be.
    fn open(&self, people: u32, minutes: u32, by: u64, now: Millis) -> Option<String> {
        let mut classes = self.classes();
        classes.retain(|_, class| class.until > now);
        let own = classes.values().filter(|class| class.opened_by == by);
        if classes.len() >= OPEN_MAX || own.count() >= OPEN_BY_ONE {
            return None;
        }
        let code = new_code();
        let class = Class {
            until: now + Span::mins(u64::from(minutes)),
            left: people,
            opened_by: by,
        };
        classes.insert(code.clone(), class);
        Some(code)
    }

    /// One more joins by `code`, if that is open and `joins` says so.
    fn join<T>(&self, code: &str, now: Millis, joins: impl FnOnce() -> Option<T>) -> Joined<T> {
        let mut classes = self.classes();
        let open = |class: &&mut Class| class.until > now && class.left > 0;
        let Some(class) = classes.get_mut(&plain(code)).filter(open) else {
            return Joined::Wrong;
        };
        match joins() {
            Some(ticket) => {
                class.left -= 1;
                Joined::Now(ticket)
            }
            None => Joined::Before,
        }
    }

    fn classes(&self) -> MutexGuard<'_, HashMap<String, Class>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request to our own corner is answered here.
pub fn takes(name: &str, method: &Method) -> bool {
    *method == Method::POST && matches!(name, "class" | "join")
}

/// The page on which a code is opened.
pub fn form(house: &House, door: &Door, manner: Manner, headers: &HeaderMap) -> Response<Body> {
    if opener(house, door, headers).is_none() {
        return say(
            house,
            door,
            manner,
            StatusCode::FORBIDDEN,
            "forbidden",
            None,
        );
    }
    let view = ClassView {
        opens: true,
        ..ClassView::default()
    };
    page(house, door, manner, view)
}

/// Opens a code, or joins by one.
pub async fn answer(
    house: &House,
    here: Option<&Arc<Door>>,
    manner: Manner,
    origin: &Origin,
    name: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let refusal = |kind| reply::refusal(house, manner, kind, None, None);
    if !from_here(request.headers()) {
        return refusal(RefusalKind::BadRequest);
    }
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, FORM_MAX).collect();
    let Ok(Ok(body)) = tokio::time::timeout(FORM_TIME, read).await else {
        return refusal(RefusalKind::BadRequest);
    };
    let form = Form(body.to_bytes().to_vec());
    let door = match form.field("room") {
        Some(room) => house.door_named(&room),
        None => here,
    };
    match (door, name) {
        (Some(door), "class") => open(house, door, manner, &parts.headers, &form),
        (Some(door), _) => join(house, door, manner, origin, &parts.headers, &form).await,
        (None, _) => refusal(RefusalKind::Misdirected),
    }
}

fn open(
    house: &House,
    door: &Door,
    manner: Manner,
    headers: &HeaderMap,
    form: &Form,
) -> Response<Body> {
    let refused = |status, said| say(house, door, manner, status, said, None);
    let Some(number) = opener(house, door, headers) else {
        return refused(StatusCode::FORBIDDEN, "forbidden");
    };
    let within = |name, most| {
        let number = form.field(name)?.trim().parse().ok()?;
        (1..=most).contains(&number).then_some(number)
    };
    let numbers = within("people", PEOPLE_MAX).zip(within("minutes", MINUTES_MAX));
    let Some((people, minutes)) = numbers else {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "numbers");
    };
    let Some(code) = door.classes.open(people, minutes, number, host::now()) else {
        return refused(StatusCode::TOO_MANY_REQUESTS, "full");
    };
    tracing::info!(
        room = door.config.name,
        people,
        minutes,
        "a code for a class is open"
    );
    let code = spoken(&code);
    if !manner.page {
        return reply::json(&json!({ "code": code, "people": people, "minutes": minutes }));
    }
    let view = ClassView {
        open: Some((&code, people, minutes)),
        ..ClassView::default()
    };
    page(house, door, manner, view)
}

async fn join(
    house: &House,
    door: &Door,
    manner: Manner,
    origin: &Origin,
    headers: &HeaderMap,
    form: &Form,
) -> Response<Body> {
    let lane = door.config.lanes.iter().position(|lane| lane.code);
    let (Some(lane), Visitor::Ticket(ticket)) = (lane, house.visitor(door, headers)) else {
        return reply::refusal(house, manner, RefusalKind::NotInside, None, None);
    };
    let to = form.field("to").unwrap_or_else(|| "/".to_owned());
    let wrong = |status, said| say(house, door, manner, status, said, Some(&to));
    if !house.may_try_code(origin.address, door, ticket.number) {
        return wrong(StatusCode::TOO_MANY_REQUESTS, "many");
    }
    let code = form.field("code").unwrap_or_default();
    let now = host::now();
    let change = || door.room().change_lane(ticket, lane, now);
    let ticket = match door.classes.join(&code, now, change) {
        Joined::Wrong => return wrong(StatusCode::UNPROCESSABLE_ENTITY, "wrong"),
        Joined::Before => None,
        Joined::Now(ticket) => {
            // The new ticket must survive us before anybody holds it.
            house.written.wait(house.written.round()).await;
            Some(ticket)
        }
    };
    led_back(house, door, manner, &to, ticket)
}

/// The number of whoever may open codes: inside, and of a lane that may.
fn opener(house: &House, door: &Door, headers: &HeaderMap) -> Option<u64> {
    let who = house.visitor(door, headers);
    let room = door.room();
    let lane = room.lane_with(who).filter(|_| room.holds_seat(who))?;
    let may = door.config.lanes.get(lane)?.class_codes;
    match who {
        Visitor::Pass(pass) if may => Some(pass.number),
        _ => None,
    }
}

/// Back to where the visitor waits, with the new ticket if there is one.
fn led_back(
    house: &House,
    door: &Door,
    manner: Manner,
    to: &str,
    ticket: Option<Ticket>,
) -> Response<Body> {
    let mut response = reply::json(&json!({ "state": "waiting", "room": door.config.name }));
    if manner.page {
        *response.status_mut() = StatusCode::SEE_OTHER;
        let to = HeaderValue::try_from(house.pages.within(to).as_ref());
        let to = to.unwrap_or_else(|_| HeaderValue::from_static("/"));
        response.headers_mut().insert(LOCATION, to);
    }
    if let Some(ticket) = ticket {
        let cookie = door.cookie.ticket(ticket);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Says what is wrong. `back`: where the visitor waits, and may try again.
fn say(
    house: &House,
    door: &Door,
    manner: Manner,
    status: StatusCode,
    said: &str,
    back: Option<&str>,
) -> Response<Body> {
    let mut response = match manner.page {
        true => {
            let view = ClassView {
                said: Some(said),
                address: back,
                opens: said == "numbers",
                ..ClassView::default()
            };
            page(house, door, manner, view)
        }
        false => reply::json(&json!({ "state": said, "status": status.as_u16() })),
    };
    *response.status_mut() = status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        response
            .headers_mut()
            .insert(RETRY_AFTER, RETRY_SECS.into());
    }
    response
}

fn page(house: &House, door: &Door, manner: Manner, view: ClassView<'_>) -> Response<Body> {
    let view = ClassView {
        room: &door.config.name,
        ..view
    };
    let page = house.pages.class(manner.lang, &view);
    reply::html(manner.lang, page, door.frames.policy())
}

/// A form as browsers send it.
struct Form(Vec<u8>);

impl Form {
    /// The first value of `name`.
    fn field(&self, name: &str) -> Option<String> {
        let mut fields = form_urlencoded::parse(&self.0);
        let (_, value) = fields.find(|(key, _)| key == name)?;
        Some(value.into_owned())
    }
}

/// A code that nobody can guess: syllables and digits.
fn new_code() -> String {
    let mut code = String::new();
    for _ in 0..SYLLABLES {
        for letters in [&CONSONANTS[..], &VOWELS[..]] {
            code.push(char::from(letters[below(letters.len())]));
        }
    }
    (0..DIGITS).for_each(|_| code.push(char::from(b'0' + below(10) as u8)));
    code
}

/// A number below `count`, of the operating system's randomness.
fn below(count: usize) -> usize {
    // Of 2^64 numbers, a few too many for some: less than one in 10^17.
    (host::seed() % count as u64) as usize
}

/// A code as it is shown: letters and digits apart.
fn spoken(code: &str) -> String {
    let (letters, digits) = code.split_at(2 * SYLLABLES);
    format!("{letters} {digits}")
}

/// A code as it is kept, however it was typed.
fn plain(typed: &str) -> String {
    let letters = typed.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn a_code_is_spoken_and_typed_in_many_ways() {
        for _ in 0..100 {
            let code = new_code();
            assert_eq!(code.len(), 2 * SYLLABLES + DIGITS);
            let shown = spoken(&code);
            let typed = [shown.clone(), shown.to_uppercase(), shown.replace(' ', "-")];
            assert!(typed.iter().all(|typed| plain(typed) == code));
        }
        assert_ne!(new_code(), new_code());
    }

    #[test]
    fn a_code_has_an_end_and_a_number_of_people() {
        let classes = Classes::default();
        let code = classes.open(2, 1, 7, NOW).unwrap();
        let join = |at, joins: Option<u8>| classes.join(&code, at, || joins);
        assert_eq!(join(NOW, Some(1)), Joined::Now(1));
        assert_eq!(join(NOW, None), Joined::Before, "it costs nothing");
        assert_eq!(join(NOW, Some(2)), Joined::Now(2));
        assert_eq!(join(NOW, Some(3)), Joined::Wrong, "two have joined");
        let code = classes.open(2, 1, 7, NOW).unwrap();
        let late = classes.join(&code, NOW + Span::mins(1), || Some(1));
        assert_eq!(late, Joined::Wrong);
        assert_eq!(classes.join("babebibo123", NOW, || Some(1)), Joined::Wrong);
    }

    #[test]
    fn not_without_end() {
        let classes = Classes::default();
        for _ in 0..OPEN_BY_ONE {
            classes.open(1, 1, 7, NOW).unwrap();
        }
        assert_eq!(classes.open(1, 1, 7, NOW), None);
        for by in 0..2 * OPEN_MAX as u64 {
            classes.open(1, 1, 100 + by, NOW);
        }
        assert_eq!(classes.classes().len(), OPEN_MAX);
        classes.open(1, 1, 7, NOW + Span::mins(1)).unwrap();
        assert_eq!(classes.classes().len(), 1);
    }
}
