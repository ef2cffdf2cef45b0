//! Whoever has just logged out gets to see the page that tells them so, with what belongs to it:
//! a few requests, for a moment, without a seat; once for each seat. Nothing can be sent that way.
//! Whoever is sent away to sign on comes back: their seat is kept meanwhile.

use super::{Room, Visitor};
use crate::time::{Millis, Span};
use std::collections::{HashMap, VecDeque};

/// How long after a logout.
pub const LEAVING: Span = Span::secs(30);
/// Requests in that time: a page with its pictures, and the redirections before it.
const REQUESTS: u32 = 40;
/// Numbers that are seen off at once; beyond, the oldest is forgotten.
const LEAVING_MAX: usize = 100_000;

/// Those who are seen off.
#[derive(Default)]
pub(super) struct Leaving {
    /// Since when, and requests left.
    left: HashMap<u64, (Millis, u32)>,
    order: VecDeque<(Millis, u64)>,
}

impl Leaving {
    /// `number` has logged out.
    pub fn begin(&mut self, number: u64, now: Millis) {
        self.left.insert(number, (now, REQUESTS));
        self.order.push_back((now, number));
        if self.order.len() > LEAVING_MAX {
            self.forget();
        }
        self.tidy(now);
    }

    /// Whether `number` is being seen off.
    pub fn has(&self, number: u64, now: Millis) -> bool {
        let left = self.left.get(&number);
        left.is_some_and(|(since, left)| *left > 0 && now.since(*since) <= LEAVING)
    }

    /// Whether one more request of `number` passes.
    pub fn pass(&mut self, number: u64, now: Millis) -> bool {
        if self.left.is_empty() {
            return false;
        }
        self.tidy(now);
        if !self.has(number, now) {
            return false;
        }
        if let Some((_, left)) = self.left.get_mut(&number) {
            *left -= 1;
        }
        true
    }

    fn tidy(&mut self, now: Millis) {
        while let Some((since, _)) = self.order.front()
            && now.since(*since) > LEAVING
        {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some((_, number)) = self.order.pop_front() {
            self.left.remove(&number);
        }
    }
}

impl Room {
    /// The visitor logs out. Returns whether they had a seat, and are seen off.
    pub fn log_out(&mut self, number: u64, wall: Millis) -> bool {
        let now = self.advance(wall);
        let had = self.seats.holds(number);
        self.leave(number, wall);
        if had {
            self.leaving.begin(number, now);
        }
        had
    }

    /// Whether this visitor has just logged out, and is seen off.
    pub fn sees_off(&self, who: Visitor, wall: Millis) -> bool {
        let now = self.clock(wall);
        matches!(who, Visitor::Pass(pass) if self.leaving.has(pass.number, now))
    }

    /// The visitor is sent to a sign-on where nothing is seen of their pass: another host, another
    /// room. The seat is kept for as long as that may last.
    pub fn send_away(&mut self, number: u64, wall: Millis) {
        let now = self.advance(wall);
        self.seats.send_away(number, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_requests_for_a_moment() {
        let mut leaving = Leaving::default();
        assert!(!leaving.pass(1, Millis(0)));
        leaving.begin(1, Millis(0));
        for _ in 0..REQUESTS {
            let last = Millis(0) + LEAVING;
            assert!(leaving.has(1, last) && leaving.pass(1, last));
        }
        assert!(!leaving.has(1, Millis(0)) && !leaving.pass(1, Millis(0) + LEAVING));
        leaving.begin(2, Millis(0));
        assert!(leaving.has(2, Millis(0) + LEAVING));
        assert!(
            !leaving.has(2, Millis(1) + LEAVING),
            "though nobody has tidied"
        );
        assert!(!leaving.pass(2, Millis(1) + LEAVING));
        assert!(leaving.left.is_empty() && leaving.order.is_empty());
    }

    #[test]
    fn those_who_are_seen_off_have_a_bound() {
        let mut leaving = Leaving::default();
        for number in 0..LEAVING_MAX as u64 + 10 {
            leaving.begin(number, Millis(0));
        }
        assert_eq!(
            (leaving.left.len(), leaving.order.len()),
            (LEAVING_MAX, LEAVING_MAX)
        );
        assert!(!leaving.has(9, Millis(0)) && leaving.has(10, Millis(0)));
    }
}
