//! How the first minutes of those who are let in go. Whoever has waited in line and then fails is worse
//! off than without us, so it is not enough to count who went in.
//!
//! For [`FIRST_MINUTES`] from coming in, or until the visit ends, each request is judged when it ends; then
//! the visitor's first minutes were
//!
//! - *failed*, if one of them was answered with 500 or above, or not at all: no server that could be
//!   reached, no answer in time, or no slot;
//! - *slow*, if more than a quarter of them took more than four times as long as usual for their class
//!   (with little to do; half a second at least), the time before their slot included;
//! - *served* else.
//!
//! Of a visitor of whom no request has ended nothing is said.

use super::Seats;
use crate::time::{Millis, Span};
use std::collections::VecDeque;

/// The first minutes of a visit.
pub const FIRST_MINUTES: Span = Span::mins(3);
/// A page that takes so many times as long as usual is slow …
const SLOW_TIMES: f64 = 4.0;
/// … if this is what is usual, or more; and where nobody knows.
const USUAL_LEAST: Span = Span(500);
/// Of the requests, one in so many may be slow.
const SLOW_OF: u16 = 4;
/// The share is that of about the last so many visitors.
const LATELY: u64 = 1_024;

/// How a request fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fare {
    /// Nothing is to be said of it.
    Unknown,
    /// The answer came.
    Good,
    /// It took far longer than usual.
    Slow,
    /// It was an error of the portal's, or there was none.
    Failed,
}

impl Fare {
    /// An answer that `took` so long from when it was asked for, and usually takes so many seconds.
    pub fn after(took: Span, usual: Option<f64>) -> Fare {
        let usual = usual.map_or(USUAL_LEAST, Span::from_secs_f64);
        match took > usual.max(USUAL_LEAST).scale(SLOW_TIMES) {
            true => Fare::Slow,
            false => Fare::Good,
        }
    }

    /// A request that its visitor gave up after so long.
    pub fn given_up(after: Span) -> Fare {
        match Fare::after(after, None) {
            Fare::Slow => Fare::Slow,
            _ => Fare::Unknown,
        }
    }
}

/// What first minutes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As usual.
    Served,
    /// Slow.
    Slow,
    /// An error came, or no answer.
    Failed,
}

impl Outcome {
    /// Every outcome, with its name in metrics and the status.
    pub const NAMES: [(&'static str, Outcome); 3] = [
        ("served", Outcome::Served),
        ("slow", Outcome::Slow),
        ("failed", Outcome::Failed),
    ];
}

/// Of one visitor, so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct First {
    watched: bool,
    failed: bool,
    ended: u16,
    slow: u16,
}

impl First {
    /// A request has ended.
    pub fn ended(&mut self, fare: Fare) {
        if !self.watched || fare == Fare::Unknown {
            return;
        }
        self.failed |= fare == Fare::Failed;
        self.slow = self.slow.saturating_add(u16::from(fare == Fare::Slow));
        self.ended = self.ended.saturating_add(1);
    }

    fn outcome(self) -> Option<Outcome> {
        if !self.watched || self.ended == 0 {
            return None;
        }
        Some(match self {
            First { failed: true, .. } => Outcome::Failed,
            First { slow, ended, .. } if slow > ended / SLOW_OF => Outcome::Slow,
            _ => Outcome::Served,
        })
    }
}

/// What came of first minutes, in the order of [`Outcome::NAMES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Firsts {
    /// Since the start.
    pub totals: [u64; 3],
    lately: [u64; 3],
}

impl Firsts {
    /// The share that was served, of the last thousand or so; `None` if there are none.
    pub fn served(&self) -> Option<f64> {
        let all: u64 = self.lately.iter().sum();
        (all > 0).then(|| self.lately[Outcome::Served as usize] as f64 / all as f64)
    }

    /// The first minutes of a visitor are over.
    pub(super) fn over(&mut self, first: First) {
        let Some(outcome) = first.outcome() else {
            return;
        };
        self.totals[outcome as usize] += 1;
        self.lately[outcome as usize] += 1;
        if self.lately.iter().sum::<u64>() > LATELY {
            self.lately.iter_mut().for_each(|count| *count /= 2);
        }
    }
}

/// When first minutes end: in the order in which people came in.
pub(super) type Ends = VecDeque<(Millis, u64)>;

impl Seats {
    /// `number` was let in just now.
    pub fn watch(&mut self, number: u64, now: Millis) {
        if let Some(seat) = self.inside.get_mut(&number) {
            seat.first = First {
                watched: true,
                ..First::default()
            };
            self.first_ends.push_back((now + FIRST_MINUTES, number));
        }
    }

    /// What came of first minutes.
    pub fn firsts(&self) -> &Firsts {
        &self.firsts
    }

    /// First minutes that are over by now.
    pub(super) fn end_firsts(&mut self, now: Millis) {
        while let Some(&(end, number)) = self.first_ends.front()
            && end <= now
        {
            self.first_ends.pop_front();
            // Perhaps somebody left, and was let in anew.
            let seat = self.inside.get_mut(&number);
            if let Some(seat) = seat.filter(|seat| seat.entered + FIRST_MINUTES <= now) {
                self.firsts.over(std::mem::take(&mut seat.first));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::rules::Rules;
    use super::*;

    /// The outcome of one visit whose requests fared so.
    fn outcome(fares: &[Fare]) -> [u64; 3] {
        let (mut seats, rules) = (Seats::default(), Rules::default());
        seats.take(1, Millis(0), false, &rules, Millis(0));
        seats.watch(1, Millis(0));
        for fare in fares {
            seats.begin(1, true, Millis(1));
            seats.end(1, true, *fare, Millis(2));
        }
        seats.elapse(&rules, Millis(0) + FIRST_MINUTES);
        // What comes later is not looked at.
        seats.end(1, true, Fare::Failed, Millis(200_000));
        seats.free(1, Millis(300_000));
        seats.firsts().totals
    }

    #[test]
    fn one_error_is_a_failure_and_one_slow_page_in_four_is_not_slow() {
        use Fare::{Failed, Good, Slow, Unknown};
        assert_eq!(outcome(&[Good; 9]), [1, 0, 0]);
        assert_eq!(outcome(&[Good, Good, Good, Failed, Good]), [0, 0, 1]);
        assert_eq!(outcome(&[Good, Good, Good, Slow]), [1, 0, 0]);
        assert_eq!(outcome(&[Good, Slow, Good]), [0, 1, 0]);
        assert_eq!(outcome(&[Slow]), [0, 1, 0]);
        assert_eq!(outcome(&[Slow, Failed]), [0, 0, 1]);
        assert_eq!(outcome(&[Unknown; 3]), [0; 3]);
        assert_eq!(outcome(&[]), [0; 3]);
    }

    #[test]
    fn slow_is_four_times_the_usual_and_two_seconds_at_least() {
        let slow = |millis, usual| Fare::after(Span(millis), usual) == Fare::Slow;
        assert!(!slow(2_000, None) && slow(2_001, None));
        assert!(!slow(2_000, Some(0.01)) && slow(2_001, Some(0.01)));
        assert!(!slow(12_000, Some(3.0)) && slow(12_001, Some(3.0)));
        assert!(!slow(1_000_000, Some(f64::INFINITY)));
        assert_eq!(Fare::given_up(Span(1_999)), Fare::Unknown);
        assert_eq!(Fare::given_up(Span(2_001)), Fare::Slow);
    }

    #[test]
    fn a_visit_that_ends_early_counts_when_it_ends_and_once() {
        let (mut seats, rules) = (Seats::default(), Rules::default());
        for entered in [0, 10_000] {
            let now = Millis(entered);
            seats.take(7, now, false, &rules, now);
            seats.watch(7, now);
            seats.end(7, true, Fare::Good, now);
            if entered == 0 {
                seats.leave(7, Millis(5_000));
            }
        }
        assert_eq!(seats.firsts().totals, [1, 0, 0]);
        // That of the first visit is none of the second's.
        seats.elapse(&rules, Millis(0) + FIRST_MINUTES);
        assert_eq!(seats.firsts().totals, [1, 0, 0]);
        seats.elapse(&rules, Millis(10_000) + FIRST_MINUTES);
        seats.leave(7, Millis(400_000));
        assert_eq!(seats.firsts().totals, [2, 0, 0]);
        assert_eq!(seats.firsts().served(), Some(1.0));
        assert!(seats.first_ends.is_empty());
    }

    #[test]
    fn the_share_is_that_of_the_last_ones() {
        let mut firsts = Firsts::default();
        let first = |failed| First {
            watched: true,
            failed,
            ended: 1,
            slow: 0,
        };
        assert_eq!(firsts.served(), None);
        (0..100_000).for_each(|_| firsts.over(first(false)));
        (0..LATELY).for_each(|_| firsts.over(first(true)));
        assert_eq!(firsts.totals, [100_000, 0, LATELY]);
        assert!(firsts.served().unwrap() < 0.3);
    }
}
