//! How quickly a portal answers, by the number of requests that it works on.

use super::histogram::Histogram;
use crate::time::Span;

/// Levels: up to 1, 2, 4 … requests in flight.
const LEVELS: usize = 16;
/// Answers that a level must have before it says anything.
pub const ANSWERS_MIN: u64 = 100;
/// Answers that take so many times as long as without load mean that it is too much (reference:
/// `admission.md`, "requests in flight": ρ).
const SLOWER_MAX: f64 = 2.0;

/// Answers of a portal, by load.
#[derive(Clone, Debug, Default)]
pub struct Load {
    levels: [Histogram; LEVELS],
    total: Span,
}

/// One level of load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Requests in flight: at most these, and more than half of them.
    pub in_flight: u32,
    /// Answers.
    pub answers: u64,
    /// Half of them came within.
    pub half: Span,
    /// Nine in ten came within.
    pub most: Span,
}

/// What a portal was seen to bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bears {
    /// Too few answers at any one level.
    Unknown,
    /// So many requests in flight at least: it was never slower.
    AtLeast(u32),
    /// So many; with more, answers took twice as long.
    UpTo(u32),
}

impl Load {
    /// A request that was one of so many `in_flight` was answered after `took`.
    pub fn add(&mut self, in_flight: u32, took: Span) {
        let highest = 1 << (LEVELS - 1);
        let level = in_flight
            .clamp(1, highest)
            .next_power_of_two()
            .trailing_zeros();
        self.levels[level as usize].add(took);
        self.total = self.total + took;
    }

    /// Answers in all.
    pub fn answers(&self) -> u64 {
        self.levels.iter().map(Histogram::count).sum()
    }

    /// The time that all answers together took.
    pub fn total(&self) -> Span {
        self.total
    }

    /// Levels with any answers, from the lowest.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let levels = self.levels.iter().enumerate();
        levels.filter_map(|(at, answers)| {
            Some(Level {
                in_flight: 1 << at,
                answers: answers.count(),
                half: answers.quantile(0.5)?,
                most: answers.quantile(0.9)?,
            })
        })
    }

    /// What the portal bears, as far as it was seen.
    pub fn bears(&self) -> Bears {
        let mut levels = self.levels().filter(|level| level.answers >= ANSWERS_MIN);
        let Some(lowest) = levels.next() else {
            return Bears::Unknown;
        };
        let most = lowest.half.max(Span(1)).scale(SLOWER_MAX);
        let mut borne = lowest.in_flight;
        for level in levels {
            if level.half > most {
                return Bears::UpTo(borne);
            }
            borne = level.in_flight;
        }
        Bears::AtLeast(borne)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(load: &mut Load, in_flight: u32, millis: u64) {
        for _ in 0..ANSWERS_MIN {
            load.add(in_flight, Span(millis));
        }
    }

    #[test]
    fn the_last_level_before_answers_take_twice_as_long() {
        let mut load = Load::default();
        assert_eq!(load.bears(), Bears::Unknown);
        answered(&mut load, 1, 50);
        answered(&mut load, 7, 60);
        assert_eq!(load.bears(), Bears::AtLeast(8));
        answered(&mut load, 16, 90);
        answered(&mut load, 30, 400);
        assert_eq!(load.bears(), Bears::UpTo(16));
        assert_eq!(load.answers(), 400);
        assert_eq!(load.total(), Span(60_000));
    }

    #[test]
    fn a_few_slow_answers_say_nothing() {
        let mut load = Load::default();
        answered(&mut load, 1, 50);
        load.add(64, Span::secs(10));
        assert_eq!(load.bears(), Bears::AtLeast(1));
        load.add(u32::MAX, Span::secs(10));
        load.add(0, Span::ZERO);
        assert_eq!(load.answers(), 103);
    }
}
