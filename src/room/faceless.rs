//! Clients that never bring a cookie back: a script that looks every minute, a reader of feeds, a
//! browser without cookies. To the room each of their requests is a newcomer's, and so a place or a
//! seat of its own, of which none is ever called or used again.
//!
//! So what one client (an address and a program) was given is remembered until it is shown. When
//! the oldest numbers are missed for so long that no cookie can still be on its way, the next
//! request of the client is taken for the holder of the oldest that still counts: that place grows
//! old, its turn comes, and its seat is the only one. A single number that *is* shown clears the
//! client: a school is one address with one program, and its pupils bring their cookies back.

use super::*;
use std::collections::{HashMap, VecDeque};

/// Clients remembered at most; beyond, the oldest is forgotten.
const CLIENTS_MAX: usize = 4_096;
/// Numbers remembered of one client: the newest.
const NUMBERS_MAX: usize = 1_024;
/// Numbers remembered in all; beyond, the oldest clients are forgotten.
const HELD_MAX: usize = 65_536;
/// A client that was not heard of for so long is forgotten.
const FORGOTTEN: Span = Span::mins(10);
/// A program that keeps cookies shows its pass within so long …
const SETTLED: Span = Span::secs(3);
/// … and a browser, whose page may be read before anything more is asked for.
const SETTLED_BROWSER: Span = Span::secs(30);
/// How many of the oldest numbers of a client must be missed …
const MISSED: usize = 2;
/// … and of a browser's, of which there may be many alike at one address.
const MISSED_BROWSER: usize = 3;

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
    numbers: VecDeque<(u64, Millis)>,
    heard: Millis,
    /// It was found to keep no cookies.
    faceless: bool,
    promised: Option<Given>,
}

impl Faceless {
    /// Somebody brings `number` back: its client keeps cookies.
    pub fn shown(&mut self, number: u64) {
        if self.holders.is_empty() {
            return;
        }
        let client = self.holders.remove(&number);
        if let Some(known) = client.and_then(|client| self.clients.get_mut(&client)) {
            known.faceless = false;
            known.promised = None;
            for (number, _) in known.numbers.drain(..) {
                self.holders.remove(&number);
            }
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
            heard: now,
            faceless: false,
            promised: None,
        });
        known.heard = now;
        known.numbers.push_back((number, now));
        if known.numbers.len() > NUMBERS_MAX
            && let Some((oldest, _)) = known.numbers.pop_front()
        {
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
                for (number, _) in known.numbers {
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

    /// The decision about a newcomer who holds a number already, and never shows it; `None` if
    /// that is not known.
    pub(super) fn once_more(&mut self, ask: Ask, now: Millis, wall: Millis) -> Option<Decision> {
        let client = ask.client.filter(|_| !ask.callback)?;
        let (number, promised) = self.missed_number(client, now)?;
        self.counts.faceless += 1;
        if self.seats.holds(number) {
            return Some(self.forward(number, Entry::Again, ask, now));
        }
        if self.unsaturated(self.lane_of(number)) {
            return Some(self.enter_again(number, false, ask, now));
        }
        let ticket = Ticket {
            number,
            issued: wall,
            promised,
        };
        let decision = self.in_line(ticket, false, ask, now, wall)?;
        if let Decision::Wait { ticket, .. } = &decision
            && let Some(known) = self.faceless.clients.get_mut(&client.key)
        {
            known.promised = ticket.promised;
        }
        Some(match decision {
            // They do not have it yet, however often it was given.
            Decision::Wait {
                waiting, ticket, ..
            } => Decision::Wait {
                waiting,
                ticket,
                fresh: true,
            },
            other => other,
        })
    }

    /// The oldest number of a client that keeps no cookies, if one still counts, and what was
    /// promised for it.
    fn missed_number(&mut self, client: Client, now: Millis) -> Option<(u64, Option<Given>)> {
        let known = self.faceless.clients.get(&client.key)?;
        if !known.faceless && !self.misses(known, client.browser, now) {
            return None;
        }
        let counts = |number: &u64| {
            self.seats.holds(*number)
                || self.calls.has(*number)
                || self.mark(*number, now) != Mark::Over
        };
        let numbers = known.numbers.iter().map(|(number, _)| *number);
        let found = numbers.clone().find(counts);
        let promised = known.promised.filter(|_| known.numbers.len() == 1);
        let others: Vec<u64> = numbers.filter(|number| Some(*number) != found).collect();
        let known = self.faceless.clients.get_mut(&client.key)?;
        known.faceless = true;
        known.heard = now;
        // What else it was given is its own no more, and is gone when it is overdue.
        known.numbers.retain(|(number, _)| Some(*number) == found);
        for number in others {
            self.faceless.holders.remove(&number);
        }
        found.map(|number| (number, promised))
    }

    /// Whether the oldest numbers of a client are missed.
    fn misses(&self, known: &Known, browser: bool, now: Millis) -> bool {
        let (settled, most) = match browser {
            true => (SETTLED_BROWSER, MISSED_BROWSER),
            false => (SETTLED, MISSED),
        };
        let second = self.second(now);
        let missed = |(number, at): &(u64, Millis)| match self.seats.holds(*number) {
            true => now.since(*at) >= settled,
            // Whoever waits is not heard of before their first poll is due.
            false => self.line.overdue(*number, second).is_some(),
        };
        known.numbers.len() >= most && known.numbers.iter().take(most).all(missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_clients_has_a_bound_and_an_end() {
        let mut faceless = Faceless::default();
        let client = |key| Client {
            key,
            browser: false,
        };
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
        faceless.shown(299_999);
        assert!(faceless.holders.is_empty() && faceless.clients[&1].numbers.is_empty());
    }
}
