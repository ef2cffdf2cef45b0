//! Clients that never bring a cookie back: a script that looks every minute, a reader of feeds. To
//! the room each of their requests is a newcomer's, and so a place or a seat of its own, of which
//! none is ever called or used again.
//!
//! So what one client (an address and a program) was given is remembered. When the oldest numbers
//! are missed for so long that no cookie can still be on its way, the oldest is *held* for the client:
//! its place grows old, its turn comes, and its requests go in one after the other on its seat.
//!
//! But a client may as well be many people at one address, and nobody can tell. So no two requests
//! are ever given the same number: each has one of its own, which counts as soon as it is shown. And
//! whoever shows one, speaks for all who are alike: nothing is held for them, for as long as that
//! visitor is inside, and for a while. Of browsers nothing is held at all: they keep cookies.

use super::*;
use std::collections::{HashMap, VecDeque};

/// Clients remembered at most; beyond, the oldest is forgotten.
const CLIENTS_MAX: usize = 4_096;
/// Numbers remembered of one client: the newest.
const NUMBERS_MAX: usize = 256;
/// Numbers remembered in all; beyond, the oldest clients are forgotten.
const HELD_MAX: usize = 65_536;
/// A client that was not heard of for so long is forgotten; and for so long it is known to keep
/// cookies.
const FORGOTTEN: Span = Span::mins(10);
/// A program that keeps cookies shows its pass within so long after an answer …
const SETTLED: Span = Span::secs(10);
/// … and has shown its ticket so long after it came, however slow the answer was.
const SETTLED_OWN: Span = Span::secs(15);
/// How many of the oldest numbers of a client must be missed.
const MISSED: usize = 2;

/// What is remembered of clients whose cookies were not seen yet. See the module.
#[derive(Default)]
pub(super) struct Faceless {
    clients: HashMap<u64, Known>,
    /// Whose the numbers are.
    holders: HashMap<u64, u64>,
    /// Each client once, by when it was heard of or later.
    order: VecDeque<(Millis, u64)>,
}

struct Known {
    /// What it was given, the newest last.
    numbers: VecDeque<u64>,
    /// How many of these, at the end, were given since one was last shown.
    unshown: usize,
    /// The number that is held for it.
    held: Option<u64>,
    /// The number that was last shown, and when.
    shown: Option<(u64, Millis)>,
    heard: Millis,
}

impl Known {
    fn unshown(&self) -> impl Iterator<Item = u64> + '_ {
        let skipped = self.numbers.len() - self.unshown;
        self.numbers.iter().skip(skipped).copied()
    }

    /// Takes in a number; returns the one that is forgotten for it, if any.
    fn push(&mut self, number: u64) -> Option<u64> {
        self.numbers.push_back(number);
        self.unshown += 1;
        if self.numbers.len() <= NUMBERS_MAX {
            return None;
        }
        let keeps_first = self.held.is_some() && self.held == self.numbers.front().copied();
        let oldest = self.numbers.remove(usize::from(keeps_first));
        self.unshown = self.unshown.min(self.numbers.len());
        oldest
    }
}

impl Faceless {
    /// Somebody brings `number` back: its client keeps cookies.
    pub fn shown(&mut self, number: u64, now: Millis) {
        if self.holders.is_empty() {
            return;
        }
        let client = self.holders.get(&number);
        if let Some(known) = client.and_then(|client| self.clients.get_mut(client)) {
            known.unshown = 0;
            known.held = None;
            known.shown = Some((number, now));
            known.heard = now;
        }
    }

    /// `client` was given `number`.
    fn given(&mut self, client: Client, number: u64, now: Millis) {
        self.forget(now);
        if !self.clients.contains_key(&client.key) {
            self.order.push_back((now, client.key));
        }
        let known = self.clients.entry(client.key).or_insert_with(|| Known {
            numbers: VecDeque::new(),
            unshown: 0,
            held: None,
            shown: None,
            heard: now,
        });
        known.heard = now;
        if let Some(oldest) = known.push(number) {
            self.holders.remove(&oldest);
        }
        self.holders.insert(number, client.key);
    }

    /// Forgets those of whom nothing was heard, two at most, so that it costs little; and whoever
    /// is oldest, if there are too many.
    fn forget(&mut self, now: Millis) {
        for _ in 0..2 {
            let Some(&(at, key)) = self.order.front() else {
                return;
            };
            let full = self.clients.len() >= CLIENTS_MAX || self.holders.len() >= HELD_MAX;
            if !full && now.since(at) < FORGOTTEN {
                return;
            }
            self.order.pop_front();
            let heard = self.clients.get(&key).map_or(at, |known| known.heard);
            if now.since(heard) < FORGOTTEN && !full {
                self.order.push_back((heard, key));
            } else if let Some(known) = self.clients.remove(&key) {
                for number in known.numbers {
                    self.holders.remove(&number);
                }
            }
        }
    }
}

impl Room {
    /// A newcomer of `client` was given `number`.
    pub(super) fn note_given(&mut self, client: Option<Client>, number: u64, now: Millis) {
        if let Some(client) = client {
            self.faceless.given(client, number, now);
        }
    }

    /// The decision about a newcomer for whose client a number is held; `None` if there is none.
    pub(super) fn once_more(&mut self, ask: Ask, now: Millis, wall: Millis) -> Option<Decision> {
        let client = ask.client.filter(|_| !ask.callback)?;
        let held = self.held_for(client, now)?;
        let lane = self.line.ruled(ask.lane);
        if !self.line.may_number(lane) {
            return None;
        }
        let decision = if self.seats.holds(held) {
            self.forward(held, Entry::Again, ask, now)
        } else if self.lets_in(self.lane_of(held), now) {
            self.goes_straight(now);
            self.enter_again(held, false, ask, now)
        } else if self.live(held, now) && self.calls.has(held) {
            let ticket = Ticket {
                number: held,
                issued: wall,
                promised: None,
            };
            self.claim(ticket, false, ask, now, wall)
        } else {
            let place = self.line.place(held);
            let due = now + self.poll_after(held, place, None) + POLL_SLACK;
            self.line.expect(held, self.second(due));
            if self.refusal(lane, now).is_some() {
                return None;
            }
            self.counts.faceless += 1;
            return Some(self.join(lane, true, ask, now, wall));
        };
        self.counts.faceless += 1;
        Some(match decision {
            Decision::Forward { number, .. } => {
                let own = self.number_beside(lane, client, now);
                let entry = Entry::Lent { own };
                Decision::Forward { number, entry }
            }
            other => other,
        })
    }

    /// A number for somebody who goes in on the seat of another: should they show it, it stands in
    /// line, and their work is saved as after a lapse.
    fn number_beside(&mut self, lane: usize, client: Client, now: Millis) -> u64 {
        let number = self.line.push_absent(lane, self.second(now + SETTLED_OWN));
        self.seats.remember(number, self.rules.keep, now);
        self.note_given(Some(client), number, now);
        number
    }

    /// The number that is held for `client`: it keeps no cookies, and makes no other request now.
    fn held_for(&mut self, client: Client, now: Millis) -> Option<u64> {
        let known = self.faceless.clients.get(&client.key)?;
        let keeps_cookies =
            |(number, at): (u64, Millis)| self.seats.holds(number) || now.since(at) < FORGOTTEN;
        if known.shown.is_some_and(keeps_cookies) {
            return None;
        }
        let held = known.held.filter(|number| self.still_counts(*number, now));
        let held = held.or_else(|| self.missed(known, now));
        self.faceless.clients.get_mut(&client.key)?.held = held;
        // Who is at work on it, or has gone to sign on, may be somebody.
        held.filter(|number| !self.seats.holds(*number) || self.seats.quiet(*number, now).is_some())
    }

    /// The oldest number of a client, if it and the next are missed.
    fn missed(&self, known: &Known, now: Millis) -> Option<u64> {
        let second = self.second(now);
        let missed = |number: &u64| match self.seats.holds(*number) {
            true => (self.seats.quiet(*number, now)).is_some_and(|span| span >= SETTLED),
            // Whoever waits is not heard of before their first poll is due.
            false => !self.calls.has(*number) && self.line.overdue(*number, second).is_some(),
        };
        // Of whoever was gone before the answer, no cookie is missed.
        let oldest = || known.unshown().filter(|it| self.still_counts(*it, now));
        let all = oldest().take(MISSED).filter(missed).count() == MISSED;
        oldest().next().filter(|_| all)
    }

    /// Whether `number` has a seat, a call or a place.
    fn still_counts(&self, number: u64, now: Millis) -> bool {
        self.seats.holds(number) || self.calls.has(number) || self.mark(number, now) != Mark::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_clients_has_a_bound_and_an_end() {
        let mut faceless = Faceless::default();
        let client = |key| Client { key };
        let at = |number: u64| Millis(number * 10);
        for number in 0..100_000 {
            faceless.given(client(number % 20_000), number, at(number));
            assert!(faceless.clients.len() <= CLIENTS_MAX);
        }
        assert_eq!(faceless.order.len(), faceless.clients.len());
        assert_eq!(faceless.holders.len(), CLIENTS_MAX);
        for number in 100_000..300_000 {
            faceless.given(client(1), number, at(number));
            assert!(faceless.holders.len() <= HELD_MAX);
        }
        assert_eq!((faceless.clients.len(), faceless.order.len()), (1, 1));
        assert_eq!(faceless.holders.len(), NUMBERS_MAX);
        faceless.shown(299_999, at(299_999));
        assert_eq!(faceless.clients[&1].unshown().count(), 0);
        faceless.given(client(1), 300_000, at(300_000));
        assert!(faceless.clients[&1].unshown().eq([300_000]));
    }

    #[test]
    fn what_is_held_outlasts_what_came_after_it() {
        let mut faceless = Faceless::default();
        let client = Client { key: 1 };
        for number in 0..10_000 {
            faceless.given(client, number, Millis(number));
            faceless.clients.get_mut(&1).unwrap().held = Some(0);
        }
        let known = &faceless.clients[&1];
        assert_eq!(known.unshown().next(), Some(0));
        assert_eq!(known.numbers.back(), Some(&9_999));
        faceless.shown(0, Millis(10_000));
        assert_eq!(faceless.clients[&1].held, None);
    }
}
