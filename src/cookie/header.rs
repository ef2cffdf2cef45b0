//! Our cookies in `Cookie` and `Set-Cookie`: found, written, and kept from the portal.
//!
//! The split at `;` and `=` is written here and not taken from a library: it must look at raw
//! bytes (a portal's own cookies need not be UTF-8), without allocating, on every request.

use super::{Keys, Rejected, TICKET_MAX, open, room_id, seal};
use crate::room::{Pass, Ticket, Visitor};
use crate::time::{Millis, Span};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use std::sync::Arc;

/// Cookies under one of our names that are looked at in one request.
const CANDIDATES_MAX: usize = 4;
/// What every name of ours begins with, after the optional prefix.
const OURS: &[u8] = b"preau-";
const PREFIXES: [&[u8]; 2] = [b"__Host-", b"__Secure-"];

/// The cookie of one room.
pub struct RoomCookie {
    keys: Arc<Keys>,
    room: u32,
    name: String,
    attributes: String,
    pass_max: Span,
}

impl RoomCookie {
    /// `secure`: visitors come over HTTPS; `pass_max`: how old a pass may be.
    pub fn new(room: &str, keys: Arc<Keys>, secure: bool, pass_max: Span) -> RoomCookie {
        let (prefix, attribute) = if secure {
            ("__Host-", "; Secure")
        } else {
            ("", "")
        };
        RoomCookie {
            keys,
            room: room_id(room),
            name: format!("{prefix}preau-{room}"),
            attributes: format!("; Path=/; HttpOnly; SameSite=Lax{attribute}"),
            pass_max,
        }
    }

    /// The cookie's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who asks. Each cookie under our name that counts as none is reported to `rejected`.
    ///
    /// Several are looked at, because anybody on a sibling host can put a false one in front;
    /// two different good ones cannot both be true, and count as none.
    pub fn read(
        &self,
        headers: &HeaderMap,
        now: Millis,
        mut rejected: impl FnMut(Rejected),
    ) -> Visitor {
        let mut found = Visitor::Newcomer;
        let mut doubtful = false;
        let mut seen = 0;
        for (name, value) in pairs(headers) {
            if name != self.name.as_bytes() {
                continue;
            }
            seen += 1;
            if seen > CANDIDATES_MAX {
                rejected(Rejected::Duplicate);
                break;
            }
            match open(&self.keys, self.room, value, self.pass_max, now) {
                Ok(visitor) if found == Visitor::Newcomer => found = visitor,
                Ok(visitor) if visitor == found => {}
                Ok(_) => {
                    rejected(Rejected::Duplicate);
                    doubtful = true;
                }
                Err(reason) => rejected(reason),
            }
        }
        if doubtful { Visitor::Newcomer } else { found }
    }

    /// The `Set-Cookie` that gives a ticket.
    pub fn ticket(&self, ticket: Ticket) -> HeaderValue {
        self.set(&Visitor::Ticket(ticket), TICKET_MAX)
    }

    /// The `Set-Cookie` that gives a pass.
    pub fn pass(&self, pass: Pass) -> HeaderValue {
        self.set(&Visitor::Pass(pass), self.pass_max)
    }

    /// The `Set-Cookie` that takes either away.
    pub fn clear(&self) -> HeaderValue {
        self.header("", Span::ZERO)
    }

    fn set(&self, visitor: &Visitor, max_age: Span) -> HeaderValue {
        let value = seal(&self.keys, self.room, visitor).unwrap_or_default();
        self.header(&value, max_age)
    }

    fn header(&self, value: &str, max_age: Span) -> HeaderValue {
        let seconds = max_age.ceil_secs();
        let (name, attributes) = (&self.name, &self.attributes);
        HeaderValue::try_from(format!("{name}={value}; Max-Age={seconds}{attributes}"))
            .expect("room names and base64 are plain ASCII")
    }
}

/// Takes our cookies out of a request: the portal never sees them.
pub fn strip_request(headers: &mut HeaderMap) {
    let ours = |part: &&[u8]| is_ours(pair(part).0);
    if !parts(headers).any(|part| ours(&part)) {
        return;
    }
    let kept: Vec<&[u8]> = parts(headers).filter(|part| !ours(part)).collect();
    let kept = kept.join(&b"; "[..]);
    headers.remove(COOKIE);
    if !kept.is_empty() {
        let kept = HeaderValue::from_bytes(&kept).expect("parts of a header value are one");
        headers.insert(COOKIE, kept);
    }
}

/// Takes our cookies out of a portal's answer: it cannot set them.
pub fn strip_response(headers: &mut HeaderMap) {
    let ours = |value: &HeaderValue| is_ours(pair(value.as_bytes()).0);
    if !headers.get_all(SET_COOKIE).iter().any(ours) {
        return;
    }
    let kept: Vec<HeaderValue> = (headers.get_all(SET_COOKIE).iter())
        .filter(|value| !ours(value))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

fn is_ours(name: &[u8]) -> bool {
    let bare = PREFIXES
        .iter()
        .find_map(|prefix| name.strip_prefix(*prefix))
        .unwrap_or(name);
    bare.starts_with(OURS)
}

/// The name-value pairs of all `Cookie` fields (RFC 6265 §4.2.1), as bytes.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    parts(headers).map(pair)
}

/// What stands between the semicolons of all `Cookie` fields, unless it is nothing.
fn parts(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|part| !part.is_empty())
}

fn pair(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (bytes[..at].trim_ascii(), bytes[at + 1..].trim_ascii()),
        None => (bytes.trim_ascii(), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_700_000_000_000);

    fn cookie() -> RoomCookie {
        RoomCookie::new("ent", Arc::new(Keys::random()), false, Span::mins(60))
    }

    fn value(set_cookie: &HeaderValue) -> String {
        set_cookie
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }

    fn sent(fields: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_str(field).unwrap());
        }
        headers
    }

    fn ticket(number: u64) -> Ticket {
        Ticket {
            number,
            issued: NOW,
            promised: None,
        }
    }

    #[test]
    fn a_ticket_comes_back_as_it_was_given() {
        let cookie = cookie();
        let given = value(&cookie.ticket(ticket(7)));
        let headers = sent(&[&format!("a=1; {given}; b=2")]);
        let read = cookie.read(&headers, NOW, |reason| panic!("{reason:?}"));
        assert_eq!(read, Visitor::Ticket(ticket(7)));
    }

    #[test]
    fn a_false_one_in_front_takes_no_place_away() {
        let cookie = cookie();
        let given = value(&cookie.ticket(ticket(7)));
        let headers = sent(&[&format!("preau-ent=tossed; {given}; {given}")]);
        let mut reasons = Vec::new();
        let read = cookie.read(&headers, NOW, |reason| reasons.push(reason));
        assert_eq!(read, Visitor::Ticket(ticket(7)));
        assert_eq!(reasons, [Rejected::Garbage]);
    }

    #[test]
    fn two_different_good_ones_count_as_none() {
        let cookie = cookie();
        let (one, two) = (
            value(&cookie.ticket(ticket(7))),
            value(&cookie.ticket(ticket(8))),
        );
        let headers = sent(&[&one, &two]);
        let mut reasons = Vec::new();
        let read = cookie.read(&headers, NOW, |reason| reasons.push(reason));
        assert_eq!(
            (read, reasons),
            (Visitor::Newcomer, vec![Rejected::Duplicate])
        );
    }

    #[test]
    fn the_number_of_candidates_is_bounded() {
        let headers = sent(&[&"preau-ent=x; ".repeat(500)]);
        let mut reasons = 0;
        cookie().read(&headers, NOW, |_| reasons += 1);
        assert_eq!(reasons, CANDIDATES_MAX + 1);
    }

    #[test]
    fn ours_are_stripped_and_the_others_stay_as_they_were() {
        let mut headers = sent(&[
            "a=1; preau-ent=x; b=\"q\"",
            "__Host-preau-x=1; c==d; foo; e=; f = g",
        ]);
        strip_request(&mut headers);
        let left: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(left, ["a=1; b=\"q\"; c==d; foo; e=; f = g"]);
        let mut untouched = HeaderMap::new();
        let raw = HeaderValue::from_bytes(b"n=\xe9t\xe9;  x=1").unwrap();
        untouched.append(COOKIE, raw.clone());
        strip_request(&mut untouched);
        assert_eq!(untouched.get(COOKIE), Some(&raw));
        let mut only = sent(&["preau-ent=x"]);
        strip_request(&mut only);
        assert!(only.is_empty());
    }

    #[test]
    fn a_portal_cannot_set_ours() {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("sid=1; Path=/"));
        headers.append(
            SET_COOKIE,
            HeaderValue::from_static("__Host-preau-ent=evil"),
        );
        headers.append(SET_COOKIE, HeaderValue::from_static("t=2"));
        strip_response(&mut headers);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["sid=1; Path=/", "t=2"]);
    }

    #[test]
    fn secure_cookies_are_bound_to_the_host() {
        let cookie = RoomCookie::new("ent", Arc::new(Keys::random()), true, Span::mins(60));
        let set = cookie.ticket(ticket(1));
        let set = set.to_str().unwrap();
        assert!(
            set.starts_with("__Host-preau-ent=") && set.ends_with("; Secure"),
            "{set}"
        );
    }
}
