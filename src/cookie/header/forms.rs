//! The forms of a cookie's name, and what is found under them.
//!
//! A change of `cookie.secure` or `cookie_domain` changes the prefix or the domain of our cookies, and
//! leaves browsers with an old one and, soon, a new one beside it, which no answer can replace: all
//! are read, whichever counts is given anew, and the others are cleared.

use super::RoomCookie;
use crate::cookie::Rejected;
use crate::room::{Ticket, Visitor};
use crate::time::{Millis, Span};
use http::header::HeaderValue;

/// Cookies under one form of one of our names that are looked at in one request.
pub(super) const CANDIDATES_MAX: usize = 4;
/// Different numbers that are told apart in one request.
pub const FOUND_MAX: usize = 4;

/// What a name may begin with, by what binds the cookie: this host alone, set over TLS (RFC 6265bis
/// §4.1.3.2); TLS; nothing.
pub(super) const PREFIXES: [&str; 3] = ["__Host-", "__Secure-", ""];
/// The form that nobody on a sibling host, or on the way, can set.
const BOUND: usize = 0;

/// The cookies under our names beside those that we give now, one bit each: by form, first the
/// ticket or pass, then what came with a form from another site; and a second under the name given now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stale(u8);

const TWICE: u8 = 1 << 6;

/// What is found under one of our names, in all its forms.
pub(super) struct Found {
    /// Each number once.
    pub held: [Visitor; FOUND_MAX],
    pub bound: [bool; FOUND_MAX],
    /// Cookies by form.
    seen: [usize; PREFIXES.len()],
    /// The form that is given now.
    given: usize,
}

/// The form of a name, and the name without it.
pub(super) fn form_of(name: &[u8]) -> (usize, &[u8]) {
    let prefixes = PREFIXES.iter().enumerate();
    let mut known = prefixes.filter_map(|(at, it)| Some((at, name.strip_prefix(it.as_bytes())?)));
    known.next().unwrap_or((PREFIXES.len() - 1, name))
}

impl Found {
    pub fn nothing(given: usize) -> Found {
        Found {
            given,
            held: [Visitor::Newcomer; FOUND_MAX],
            bound: [false; FOUND_MAX],
            seen: [0; PREFIXES.len()],
        }
    }

    /// One more cookie in the form `form`; of each form, the first beyond the bound is reported, and
    /// no more are looked at.
    pub fn take(
        &mut self,
        form: usize,
        read: impl FnOnce() -> Result<Visitor, Rejected>,
        rejected: &mut impl FnMut(Rejected),
    ) {
        self.seen[form] += 1;
        if self.seen[form] > CANDIDATES_MAX {
            if self.seen[form] == CANDIDATES_MAX + 1 {
                rejected(Rejected::Duplicate);
            }
            return;
        }
        match read() {
            Ok(visitor) => self.put(visitor, form, rejected),
            Err(reason) => rejected(reason),
        }
    }

    /// Of one number, a pass counts more than the ticket that it was given for, and the younger
    /// ticket, which says more of what was promised. Those of the form that is given now, and those
    /// that nobody else can set, are not pushed out by others.
    fn put(&mut self, visitor: Visitor, form: usize, rejected: &mut impl FnMut(Rejected)) {
        let same = |held: &Visitor| *held == Visitor::Newcomer || number(*held) == number(visitor);
        let at = self.held.iter().position(same);
        if at != Some(0) && at.is_none_or(|at| self.held[at] == Visitor::Newcomer) {
            rejected(Rejected::Duplicate);
        }
        let at = match at {
            Some(at) => at,
            None if form == self.given || form == BOUND => FOUND_MAX - 1,
            None => return,
        };
        let held = &mut self.held[at];
        if number(*held) != number(visitor) {
            *held = visitor;
            self.bound[at] = false;
        }
        self.bound[at] |= form == BOUND;
        let newer = match (*held, visitor) {
            (Visitor::Ticket(held), Visitor::Ticket(new)) => age(&new) > age(&held),
            (held, _) => matches!(held, Visitor::Ticket(_)),
        };
        if newer {
            *held = visitor;
        }
    }
}

/// When a ticket was given, and when it last promised something.
fn age(ticket: &Ticket) -> (Millis, Option<Millis>) {
    (ticket.issued, ticket.promised.map(|given| given.last.at))
}

fn number(visitor: Visitor) -> Option<u64> {
    match visitor {
        Visitor::Newcomer => None,
        Visitor::Ticket(ticket) => Some(ticket.number),
        Visitor::Pass(pass) => Some(pass.number),
    }
}

impl Stale {
    /// What is stale of what was seen under the two names.
    pub(super) fn of(main: &Found, beside: &Found) -> Stale {
        let (mut bits, given) = (0, main.given);
        for form in (0..PREFIXES.len()).filter(|form| *form != given) {
            bits |= u8::from(main.seen[form] > 0) << form;
            bits |= u8::from(beside.seen[form] > 0) << (PREFIXES.len() + form);
        }
        if main.seen[given] > 1 {
            bits |= TWICE;
        }
        Stale(bits)
    }

    /// Whether there is nothing to be cleared.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl RoomCookie {
    /// The `Set-Cookie`s that clear what is stale, wherever an old configuration may have put it: on
    /// the host alone, or on a domain that all hosts of the room lie in.
    pub fn clear_stale(&self, stale: Stale) -> impl Iterator<Item = HeaderValue> {
        let names = (0..2 * PREFIXES.len()).filter(move |bit| stale.0 & 1 << bit != 0);
        let of_names = names.flat_map(|bit| {
            let beside = bit >= PREFIXES.len();
            self.clear_form(bit % PREFIXES.len(), beside, false)
        });
        let twice = (stale.0 & TWICE != 0).then(|| self.clear_form(self.form, false, true));
        of_names.chain(twice.into_iter().flatten())
    }

    /// Clears the cookies of one name, on every domain; `but_given`: except the one that is given now.
    fn clear_form(&self, form: usize, beside: bool, but_given: bool) -> Vec<HeaderValue> {
        let name = format!("{}{}", PREFIXES[form], self.bare(beside));
        let secure = form < PREFIXES.len() - 1 || self.secure;
        let shared = self.domains.iter().filter(|_| form != BOUND);
        let domains = std::iter::once(None).chain(shared.map(|it| Some(it.as_str())));
        let stale = domains.filter(|domain| !but_given || *domain != self.domain.as_deref());
        stale
            .map(|domain| self.header_on(&name, "", Span::ZERO, domain, secure))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RoomCookies, strip_request};
    use super::*;
    use crate::cookie::{Held, Keys};
    use crate::room::Pass;
    use http::header::{COOKIE, HeaderMap};
    use std::sync::Arc;

    const NOW: Millis = Millis(1_700_000_000_000);

    fn cookie(keys: &Arc<Keys>, secure: bool, domain: Option<&str>) -> RoomCookie {
        let cookies = RoomCookies {
            room: "ent",
            secure,
            domain,
            domains: &["ent.example.fr".to_owned(), "example.fr".to_owned()],
            pass_max: Span::mins(60),
        };
        RoomCookie::new(keys.clone(), &cookies)
    }

    fn ticket(number: u64) -> Ticket {
        Ticket {
            number,
            issued: NOW,
            promised: None,
        }
    }

    fn pass(number: u64) -> Pass {
        Pass {
            number,
            issued: NOW,
        }
    }

    fn read(cookie: &RoomCookie, given: &[HeaderValue]) -> Held {
        let mut headers = HeaderMap::new();
        for given in given {
            let pair = given.to_str().unwrap().split(';').next().unwrap();
            headers.append(COOKIE, HeaderValue::from_str(pair).unwrap());
        }
        let held = cookie.read(&headers, |_| {});
        strip_request(&mut headers);
        assert!(headers.is_empty(), "the portal sees none of them");
        held
    }

    fn cleared(cookie: &RoomCookie, held: &Held) -> Vec<String> {
        let cleared = cookie.clear_stale(held.stale);
        let text = |value: HeaderValue| {
            value
                .to_str()
                .unwrap()
                .replace("; HttpOnly; SameSite=Lax", "")
        };
        cleared.map(text).collect()
    }

    #[test]
    fn every_form_is_read_and_those_of_before_are_cleared() {
        let keys = Arc::new(Keys::random());
        let plain = cookie(&keys, false, None);
        let host = cookie(&keys, true, None);
        let shared = cookie(&keys, true, Some("example.fr"));
        let held = read(&host, &[plain.pass(pass(7))]);
        assert_eq!(held.found[0], Visitor::Pass(pass(7)));
        assert!(!held.bound[0]);
        assert_eq!(
            cleared(&host, &held),
            [
                "preau-ent=; Max-Age=0; Path=/; Secure",
                "preau-ent=; Max-Age=0; Domain=ent.example.fr; Path=/; Secure",
                "preau-ent=; Max-Age=0; Domain=example.fr; Path=/; Secure",
            ]
        );
        let held = read(&shared, &[host.ticket(ticket(7))]);
        assert_eq!(
            (held.found[0], held.bound[0]),
            (Visitor::Ticket(ticket(7)), true)
        );
        assert_eq!(
            cleared(&shared, &held),
            ["__Host-preau-ent=; Max-Age=0; Path=/; Secure"]
        );
        let held = read(&plain, &[shared.ticket(ticket(7))]);
        assert_eq!(held.found[0], Visitor::Ticket(ticket(7)));
        assert!(
            cleared(&plain, &held)
                .iter()
                .all(|it| it.starts_with("__Secure-preau-ent=;"))
        );
        let held = read(&host, &[plain.beside(Visitor::Pass(pass(9)))]);
        assert_eq!(held.beside, Visitor::Pass(pass(9)));
        assert!(cleared(&host, &held)[0].starts_with("preau-ent.beside=; Max-Age=0;"));
        let held = read(&host, &[host.ticket(ticket(7))]);
        assert!(held.stale.is_none() && cleared(&host, &held).is_empty());
    }

    #[test]
    fn of_one_name_on_two_domains_the_other_is_cleared() {
        let keys = Arc::new(Keys::random());
        let (old, new) = (
            cookie(&keys, true, Some("ent.example.fr")),
            cookie(&keys, true, Some("example.fr")),
        );
        let held = read(&new, &[old.ticket(ticket(3)), new.ticket(ticket(8))]);
        let both = [Visitor::Ticket(ticket(3)), Visitor::Ticket(ticket(8))];
        assert_eq!(held.found[..2], both);
        assert_eq!(
            cleared(&new, &held),
            [
                "__Secure-preau-ent=; Max-Age=0; Path=/; Secure",
                "__Secure-preau-ent=; Max-Age=0; Domain=ent.example.fr; Path=/; Secure",
            ]
        );
    }

    #[test]
    fn of_one_number_the_pass_counts() {
        let keys = Arc::new(Keys::random());
        let (plain, host) = (cookie(&keys, false, None), cookie(&keys, true, None));
        for given in [
            [plain.pass(pass(7)), host.ticket(ticket(7))],
            [host.ticket(ticket(7)), plain.pass(pass(7))],
        ] {
            let held = read(&host, &given);
            let only = [Visitor::Pass(pass(7)), Visitor::Newcomer];
            assert_eq!((&held.found[..2], held.bound[0]), (&only[..], true));
        }
    }

    #[test]
    fn what_is_found_is_bounded() {
        let keys = Arc::new(Keys::random());
        let host = cookie(&keys, true, None);
        let tossed = cookie(&keys, false, None);
        let mut given: Vec<HeaderValue> = (0..50).map(|n| tossed.ticket(ticket(n))).collect();
        given.push(host.ticket(ticket(99)));
        let held = read(&host, &given);
        // They do not push the true one out, and are not all looked at.
        let places = held.found.map(number);
        assert_eq!(places, [Some(0), Some(1), Some(2), Some(99)]);
        assert_eq!(held.bound, [false, false, false, true]);
    }
}
