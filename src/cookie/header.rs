//! Our cookies in `Cookie` and `Set-Cookie`: found, written, and kept from the portal.
//!
//! The split at `;` and `=` is written here and not taken from a library: it must look at raw
//! bytes (a portal's own cookies need not be UTF-8), without allocating, on every request.

mod forms;
mod hint;

pub use forms::{FOUND_MAX, Stale};
pub use hint::LaneHint;

use super::{Keys, Rejected, TICKET_MAX, open, room_id, seal};
use crate::room::{LEAVING, Pass, Ticket, Visitor};
use crate::time::{Millis, Span};
use forms::{Found, PREFIXES, form_of};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use std::sync::Arc;

/// What every name of ours begins with, after the optional prefix.
const OURS: &[u8] = b"preau-";

/// What the name of the second cookie ends in. No name of a room has a dot in it.
const BESIDE: &str = ".beside";

/// The cookies of one room: a ticket or a pass, and beside it, for a moment, the one that was given
/// to a form from another site.
///
/// Browsers send no cookie of ours with a form from another site (`SameSite=Lax`), such as the
/// response of a SAML identity provider. Whoever sends it may be somebody new, or have a ticket or a
/// pass that we cannot see: the answer must not overwrite it, and so has a name of its own.
pub struct RoomCookie {
    keys: Arc<Keys>,
    room: u32,
    /// The form of its name that is given now, and the name without it.
    form: usize,
    bare: String,
    name: String,
    beside_name: String,
    secure: bool,
    domain: Option<String>,
    domains: Vec<String>,
    pass_max: Span,
}

/// Who a room's cookies are about.
pub struct RoomCookies<'a> {
    /// The room's name.
    pub room: &'a str,
    /// Visitors come over HTTPS.
    pub secure: bool,
    /// The domain that sibling hosts share; `None`: the host alone.
    pub domain: Option<&'a str>,
    /// Domains that the room's hosts lie in, where an old configuration may have put a cookie.
    pub domains: &'a [String],
    /// How old a pass may be.
    pub pass_max: Span,
}

/// What a visitor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Tickets and passes, each number once, before [`Visitor::Newcomer`]s.
    pub found: [Visitor; FOUND_MAX],
    /// Which of them nobody else can have set: neither a sibling host nor somebody on the way.
    pub bound: [bool; FOUND_MAX],
    /// What came with a form from another site; [`Visitor::Newcomer`]: nothing.
    pub beside: Visitor,
    /// What an old configuration has left.
    pub stale: Stale,
}

impl RoomCookie {
    /// The cookies of a room.
    pub fn new(keys: Arc<Keys>, cookies: &RoomCookies<'_>) -> RoomCookie {
        let form = match (cookies.secure, cookies.domain) {
            (true, None) => 0,
            (true, Some(_)) => 1,
            (false, _) => 2,
        };
        let bare = format!("preau-{}", cookies.room);
        let name = format!("{}{bare}", PREFIXES[form]);
        RoomCookie {
            keys,
            room: room_id(cookies.room),
            form,
            bare,
            beside_name: format!("{name}{BESIDE}"),
            name,
            secure: cookies.secure,
            domain: cookies.domain.map(str::to_owned),
            domains: cookies.domains.to_vec(),
            pass_max: cookies.pass_max,
        }
    }

    /// The cookie's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What whoever asks holds. Each cookie under our names that counts as none is reported to
    /// `rejected`, and each number beyond the first.
    ///
    /// Several are looked at, because anybody on a sibling host can put a false one in front, and
    /// because a change of the configuration leaves old ones.
    pub fn read(&self, headers: &HeaderMap, mut rejected: impl FnMut(Rejected)) -> Held {
        let (mut main, mut beside) = (Found::nothing(self.form), Found::nothing(self.form));
        for (name, value) in pairs(headers) {
            let (form, bare) = form_of(name);
            let found = match bare.strip_prefix(self.bare.as_bytes()) {
                Some(b"") => &mut main,
                Some(rest) if rest == BESIDE.as_bytes() => &mut beside,
                _ => continue,
            };
            let read = || open(&self.keys, self.room, value);
            found.take(form, read, &mut rejected);
        }
        Held {
            stale: Stale::of(&main, &beside),
            beside: beside.held[0],
            found: main.held,
            bound: main.bound,
        }
    }

    /// Whether what `visitor` shows is older than browsers keep it: it counts only as long as a room
    /// knows of it. (The clock may have been set.)
    pub fn is_old(&self, visitor: Visitor, now: Millis) -> bool {
        match visitor {
            Visitor::Newcomer => false,
            Visitor::Ticket(ticket) => now.since(ticket.issued) > TICKET_MAX,
            Visitor::Pass(pass) => now.since(pass.issued) > self.pass_max,
        }
    }

    /// The `Set-Cookie` that gives a ticket.
    pub fn ticket(&self, ticket: Ticket) -> HeaderValue {
        self.set(&Visitor::Ticket(ticket), TICKET_MAX)
    }

    /// The `Set-Cookie` that gives a pass.
    pub fn pass(&self, pass: Pass) -> HeaderValue {
        self.set(&Visitor::Pass(pass), self.pass_max)
    }

    /// The `Set-Cookie` of a pass that is over, for the page that tells its holder so.
    pub fn leaving(&self, pass: Pass) -> HeaderValue {
        self.set(&Visitor::Pass(pass), LEAVING)
    }

    /// The `Set-Cookie` that takes either away.
    pub fn clear(&self) -> HeaderValue {
        self.header(&self.name, "", Span::ZERO)
    }

    /// The `Set-Cookie` that gives either to whoever has sent a form from another site.
    pub fn beside(&self, given: Visitor) -> HeaderValue {
        let value = seal(&self.keys, self.room, &given).unwrap_or_default();
        self.header(&self.beside_name, &value, self.pass_max)
    }

    /// The `Set-Cookie` that takes it away.
    pub fn clear_beside(&self) -> HeaderValue {
        self.header(&self.beside_name, "", Span::ZERO)
    }

    fn set(&self, visitor: &Visitor, max_age: Span) -> HeaderValue {
        let value = seal(&self.keys, self.room, visitor).unwrap_or_default();
        self.header(&self.name, &value, max_age)
    }

    fn header(&self, name: &str, value: &str, max_age: Span) -> HeaderValue {
        self.header_on(name, value, max_age, self.domain.as_deref(), self.secure)
    }

    fn header_on(
        &self,
        name: &str,
        value: &str,
        max_age: Span,
        domain: Option<&str>,
        secure: bool,
    ) -> HeaderValue {
        let seconds = max_age.ceil_secs();
        let (attribute, domain) = domain.map_or(("", ""), |domain| ("; Domain=", domain));
        let secure = if secure { "; Secure" } else { "" };
        HeaderValue::try_from(format!(
            "{name}={value}; Max-Age={seconds}{attribute}{domain}; Path=/; HttpOnly; SameSite=Lax{secure}"
        ))
        .expect("names of rooms, domains and base64 are plain ASCII")
    }

    /// One of our two names, without the prefix of a form.
    fn bare(&self, beside: bool) -> &str {
        let name = if beside {
            &self.beside_name
        } else {
            &self.name
        };
        name.strip_prefix(PREFIXES[self.form]).unwrap_or(name)
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
    let (_, bare) = form_of(name);
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
        cookie_of(false, None)
    }

    fn cookie_of(secure: bool, domain: Option<&str>) -> RoomCookie {
        let cookies = RoomCookies {
            room: "ent",
            secure,
            domain,
            domains: &[],
            pass_max: Span::mins(60),
        };
        RoomCookie::new(Arc::new(Keys::random()), &cookies)
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
        let read = cookie.read(&headers, |reason| panic!("{reason:?}")).found[0];
        assert_eq!(read, Visitor::Ticket(ticket(7)));
    }

    #[test]
    fn a_false_one_in_front_takes_no_place_away() {
        let cookie = cookie();
        let given = value(&cookie.ticket(ticket(7)));
        let headers = sent(&[&format!("preau-ent=tossed; {given}; {given}")]);
        let mut reasons = Vec::new();
        let read = cookie.read(&headers, |reason| reasons.push(reason)).found[0];
        assert_eq!(read, Visitor::Ticket(ticket(7)));
        assert_eq!(reasons, [Rejected::Garbage]);
    }

    #[test]
    fn what_is_older_than_browsers_keep_it_is_told() {
        let cookie = cookie();
        let day = Span::mins(24 * 60 + 1);
        let old = |issued| {
            let visitor = Visitor::Ticket(Ticket {
                issued,
                ..ticket(1)
            });
            cookie.is_old(visitor, NOW)
        };
        assert!(old(NOW - day) && !old(NOW) && !old(NOW + day));
        let pass = |minutes| {
            Visitor::Pass(Pass {
                number: 1,
                issued: NOW - Span::mins(minutes),
            })
        };
        assert!(cookie.is_old(pass(61), NOW) && !cookie.is_old(pass(60), NOW));
    }

    #[test]
    fn two_different_good_ones_are_told_apart() {
        let cookie = cookie();
        let (one, two) = (
            value(&cookie.ticket(ticket(7))),
            value(&cookie.ticket(ticket(8))),
        );
        let mut reasons = Vec::new();
        let held = cookie.read(&sent(&[&one, &two]), |reason| reasons.push(reason));
        let both = [Visitor::Ticket(ticket(7)), Visitor::Ticket(ticket(8))];
        assert_eq!(
            (&held.found[..2], reasons),
            (&both[..], vec![Rejected::Duplicate])
        );
    }

    #[test]
    fn the_number_of_candidates_is_bounded() {
        let headers = sent(&[&"preau-ent=x; ".repeat(500)]);
        let mut reasons = 0;
        cookie().read(&headers, |_| reasons += 1);
        assert_eq!(reasons, forms::CANDIDATES_MAX + 1);
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
        let set = cookie_of(true, None).ticket(ticket(1));
        let set = set.to_str().unwrap();
        assert!(
            set.starts_with("__Host-preau-ent=") && set.ends_with("; Secure"),
            "{set}"
        );
    }

    #[test]
    fn siblings_share_a_cookie_by_its_domain() {
        let cookie = cookie_of(true, Some("example.fr"));
        for set in [cookie.ticket(ticket(1)), cookie.clear()] {
            let set = set.to_str().unwrap();
            assert!(set.starts_with("__Secure-preau-ent="), "{set}");
            assert!(
                set.contains("; Domain=example.fr;") && set.ends_with("; Secure"),
                "{set}"
            );
        }
        let plain = cookie_of(false, Some("example.fr")).ticket(ticket(1));
        let plain = plain.to_str().unwrap();
        assert!(
            plain.starts_with("preau-ent=") && plain.contains("; Domain=example.fr;"),
            "{plain}"
        );
    }

    #[test]
    fn what_a_form_from_elsewhere_gets_stands_beside_the_ticket() {
        let cookie = cookie();
        let pass = Pass {
            number: 9,
            issued: NOW,
        };
        let (held, beside) = (
            value(&cookie.ticket(ticket(7))),
            value(&cookie.beside(Visitor::Pass(pass))),
        );
        let read = cookie.read(&sent(&[&held, &beside]), |reason| panic!("{reason:?}"));
        assert_eq!(read.found[0], Visitor::Ticket(ticket(7)));
        assert_eq!(read.beside, Visitor::Pass(pass));
        let mut headers = sent(&[&beside]);
        strip_request(&mut headers);
        assert!(headers.is_empty(), "the portal does not see it");
    }
}
