//! Somebody who is let in, until the answer with the pass is ready.

use super::body::Body;
use super::door::{Door, House, Met, Second};
use crate::cookie::Stale;
use crate::host;
use crate::room::{Entry, Pass, Visitor};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, Response};

/// See the module. If a newcomer is gone before that, nobody will ever show the pass, and the seat
/// is free again at once.
pub(super) struct Entering<'a> {
    door: &'a Door,
    number: u64,
    entry: Entry,
    /// The pass goes beside what the visitor may hold unseen (see `cookie::RoomCookie`).
    beside: bool,
    /// The pass of a callback, which is to be told from the cookie of that.
    second: Second,
    /// What an old configuration has left with the visitor.
    stale: Stale,
    /// A page is wanted: what is stale is cleared then alone, for it may be where it cannot be cleared
    /// (another path), and files would never be anybody's to share again.
    page: bool,
    /// The round of the store that writes the seat down; it runs while the portal works.
    round: u64,
    welcomed: bool,
}

impl<'a> Entering<'a> {
    /// `met` at the `door` was let in by `entry`, as `number`.
    pub fn new(
        house: &House,
        door: &'a Door,
        met: &Met,
        (unseen, page): (bool, bool),
        (number, entry): (u64, Entry),
    ) -> Entering<'a> {
        let now = host::now();
        match met.second {
            Second::Spare(spare) => door.room().give_back(spare, now),
            Second::Taken(Some(ticket)) => door.room().leave(ticket, now),
            _ => {}
        }
        let round = match entry {
            Entry::Inside | Entry::Unseated | Entry::Passing => 0,
            _ => house.written.round(),
        };
        let number = match entry {
            Entry::Lent { own } => own,
            _ => number,
        };
        let new = matches!(entry, Entry::Straight | Entry::Callback);
        Entering {
            door,
            number,
            entry,
            beside: new && unseen && met.visitor == Visitor::Newcomer,
            second: met.second,
            stale: met.stale,
            page,
            round,
            welcomed: false,
        }
    }

    /// Whoever has come in gets a pass, once it is written down; whoever has logged out is
    /// seen off, and holds nothing after that.
    pub async fn welcome(mut self, house: &House, leaves: bool, response: &mut Response<Body>) {
        let cookie = &self.door.cookie;
        let pass = |number| Pass {
            number,
            issued: host::now(),
        };
        let first = if leaves && !response.status().is_server_error() {
            let seen_off = self.door.room().log_out(self.number, host::now());
            Some(match seen_off {
                true => cookie.leaving(pass(self.number)),
                false => cookie.clear(),
            })
        } else if matches!(self.entry, Entry::Unseated | Entry::Passing) {
            None
        } else if self.entry == Entry::Inside {
            let stale = self.page && !self.stale.is_none();
            let anew = matches!(self.second, Second::Taken(_)) || stale;
            anew.then(|| cookie.pass(pass(self.number)))
        } else {
            house.written.wait(self.round).await;
            Some(match self.beside {
                true => cookie.beside(Visitor::Pass(pass(self.number))),
                false => cookie.pass(pass(self.number)),
            })
        };
        self.welcomed = true;
        let second = (self.second != Second::None).then(|| cookie.clear_beside());
        // Only whoever gets a new one can do without the old.
        let stale = first.iter().flat_map(|_| cookie.clear_stale(self.stale));
        let stale: Vec<HeaderValue> = stale.collect();
        for cookie in stale.into_iter().chain(first).chain(second) {
            set(response, cookie);
        }
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        if !self.welcomed && (self.entry == Entry::Straight || self.beside) {
            self.door.room().leave(self.number, host::now());
        }
    }
}

/// Sets a cookie of ours; a shared cache must not hand one visitor's pass to the next.
fn set(response: &mut Response<Body>, cookie: HeaderValue) {
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, cookie);
    let kept = headers.get_all(CACHE_CONTROL);
    if !(kept.iter()).any(|stored| stored == "no-store" || stored == "private") {
        headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}
