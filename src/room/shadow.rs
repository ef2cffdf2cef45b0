//! What would happen if the room held people back (mode `observe`): a line beside the room, driven
//! by the same arrivals and departures, whose decisions are only counted.
//!
//! Whoever would wait is inside already, and so how long they stay is known by the time they would
//! leave: a visit that began at `a`, would have begun at `c`, and took `v` would end at `c + v`.
//! Nobody asks for news here, so nobody can be missed: those who would wait are taken to wait as
//! patiently as it takes. That is the longest that the line would have been.

use super::histogram::Histogram;
use super::newcomers::Newcomers;
use super::pace::Pace;
use super::rules::Rules;
use crate::time::{Millis, Span};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// People followed at once, at most; of further ones nothing is known.
const FOLLOWED_MAX: usize = 1_000_000;

/// The line that would have formed. See the module.
#[derive(Debug)]
pub struct Shadow {
    /// Seats taken in it.
    taken: u32,
    /// Those who would wait.
    line: VecDeque<u64>,
    /// Everybody who has not both come in here and left the room.
    people: HashMap<u64, Person>,
    /// When those leave who have left the room before.
    leaving: BinaryHeap<Reverse<Millis>>,
    pace: Pace,
    newcomers: Newcomers,
    /// What those who are in have waited.
    waits: Histogram,
    longest: usize,
    lost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Person {
    came: Millis,
    /// When they would have come in.
    entered: Option<Millis>,
    /// How long they stayed, once they have left the room.
    stayed: Option<Span>,
}

/// What a shadow has seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Seats that would be taken.
    pub taken: u32,
    /// People who would wait now.
    pub waiting: u64,
    /// The longest that the line would have been.
    pub longest: u64,
    /// Waits of those who would be in by now, without a wait as well: half, nine in ten, the
    /// longest.
    pub waits: Option<[Span; 3]>,
    /// People beyond those that can be followed at once.
    pub lost: u64,
}

impl Shadow {
    /// A line beside a room in which `inside` are inside already, of whom it is known since when.
    pub fn new(inside: impl Iterator<Item = (u64, Millis)>, rules: &Rules, now: Millis) -> Shadow {
        let people: HashMap<u64, Person> = inside
            .take(FOLLOWED_MAX)
            .map(|(number, came)| {
                let person = Person {
                    came,
                    entered: Some(came),
                    stayed: None,
                };
                (number, person)
            })
            .collect();
        Shadow {
            taken: u32::try_from(people.len()).unwrap_or(u32::MAX),
            line: VecDeque::new(),
            people,
            leaving: BinaryHeap::new(),
            pace: Pace::new(rules.seats, now),
            newcomers: Newcomers::new(rules.per_minute, now),
            waits: Histogram::default(),
            longest: 0,
            lost: 0,
        }
    }

    /// Somebody comes into the room. Returns whether they would have had to wait.
    pub fn come(&mut self, number: u64, seats: u32, now: Millis) -> bool {
        self.tick(seats, now);
        if self.people.len() >= FOLLOWED_MAX {
            self.lost += 1;
            return false;
        }
        let free = self.taken < seats && self.line.is_empty();
        let waits = !free || !self.newcomers.may(now);
        let person = Person {
            came: now,
            entered: (!waits).then_some(now),
            stayed: None,
        };
        self.people.insert(number, person);
        if waits {
            self.line.push_back(number);
            self.longest = self.longest.max(self.line.len());
        } else {
            self.taken += 1;
            self.newcomers.take(now);
            self.waits.add(Span::ZERO);
        }
        waits
    }

    /// Somebody has left the room.
    pub fn leave(&mut self, number: u64, seats: u32, now: Millis) {
        if let Some(person) = self.people.get_mut(&number)
            && person.stayed.is_none()
        {
            let stayed = now.since(person.came);
            person.stayed = Some(stayed);
            if let Some(entered) = person.entered {
                self.leaving.push(Reverse(entered + stayed));
                self.people.remove(&number);
            }
        }
        self.tick(seats, now);
    }

    /// Time passes.
    pub fn tick(&mut self, seats: u32, now: Millis) {
        self.pace.set_seats(seats);
        loop {
            while let Some(&Reverse(at)) = self.leaving.peek()
                && at <= now
            {
                self.leaving.pop();
                self.taken = self.taken.saturating_sub(1);
            }
            let free = self.taken < seats && !self.line.is_empty();
            if !free || !self.newcomers.may(now) || !self.pace.take(now) {
                return;
            }
            self.newcomers.take(now);
            if let Some(number) = self.line.pop_front() {
                self.enter(number, now);
            }
        }
    }

    /// What was seen.
    pub fn observed(&self) -> Observed {
        let quantile = |share| self.waits.quantile(share);
        Observed {
            taken: self.taken,
            waiting: self.line.len() as u64,
            longest: self.longest as u64,
            waits: (quantile(0.5).zip(quantile(0.9)))
                .map(|(half, most)| [half, most, self.waits.max()]),
            lost: self.lost,
        }
    }

    fn enter(&mut self, number: u64, now: Millis) {
        let Some(person) = self.people.get_mut(&number) else {
            return;
        };
        self.taken += 1;
        self.waits.add(now.since(person.came));
        person.entered = Some(now);
        if let Some(stayed) = person.stayed {
            self.leaving.push(Reverse(now + stayed));
            self.people.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Millis {
        Millis(secs * 1_000)
    }

    fn seats(seats: u32) -> Rules {
        Rules {
            seats,
            ..Rules::default()
        }
    }

    fn shadow() -> Shadow {
        Shadow::new(std::iter::empty(), &seats(1), at(0))
    }

    #[test]
    fn one_seat_and_three_visits_of_a_minute_are_one_after_the_other() {
        let mut shadow = shadow();
        let waits: Vec<bool> = (0..3).map(|n| shadow.come(n, 1, at(n))).collect();
        assert_eq!(waits, [false, true, true]);
        for n in 0..3 {
            shadow.leave(n, 1, at(60 + n));
        }
        assert_eq!(shadow.observed().waiting, 1, "the second is in since 60");
        for second in 60..200 {
            shadow.tick(1, at(second));
        }
        let observed = shadow.observed();
        assert_eq!(
            (observed.waiting, observed.taken, observed.longest),
            (0, 0, 2)
        );
        assert_eq!(observed.waits.unwrap()[2], Span::secs(118), "120 - 2");
        assert!(shadow.people.is_empty() && shadow.leaving.is_empty());
    }

    #[test]
    fn with_seats_for_all_nobody_waits() {
        let mut shadow = shadow();
        for n in 0..100 {
            assert!(!shadow.come(n, 100, at(n)));
        }
        assert_eq!(shadow.observed().waits, Some([Span::ZERO; 3]));
    }

    #[test]
    fn whoever_was_inside_before_holds_a_seat() {
        let inside = [(7, at(0)), (8, at(0))];
        let mut shadow = Shadow::new(inside.into_iter(), &seats(2), at(100));
        assert!(shadow.come(9, 2, at(100)));
        shadow.leave(7, 2, at(110));
        shadow.tick(2, at(112));
        assert_eq!(shadow.observed().waiting, 0);
    }
}
