//! How long people waited, and what they had been promised.

use super::crowd::Visitor;
use super::outcome::{Promises, Waits};
use super::waiting::ENTERS_WITHIN;
use crate::room::Promised;
use crate::time::{Millis, Span};

/// A promise is late by more than this, or its lower bound right within it.
const MINUTE: Span = Span::mins(1);
/// Or within this part of the wait.
const NEAR: f64 = 0.2;

/// Waits and promises of those who were called in.
#[derive(Default)]
pub(super) struct Scored {
    /// How many came in.
    pub(super) called_in: u64,
    /// How many waited so many seconds.
    waits: Vec<u32>,
    made: u64,
    kept: u64,
    late: u64,
    told: u64,
    near: u64,
}

impl Scored {
    /// Somebody comes in who was called.
    pub(super) fn called_in(&mut self, who: &Visitor, now: Millis) {
        self.called_in += 1;
        let secs = (now.since(who.issued()).0 / 1_000) as usize;
        if self.waits.len() <= secs {
            self.waits.resize(secs + 1, 0);
        }
        self.waits[secs] += 1;
        if let Some(promised) = who.promised() {
            self.score(promised, now.since(promised.at));
        }
        if let Some(told) = who.told() {
            // The page takes as long to come in once it has heard of its turn.
            let bound = told.at + told.promise.high + ENTERS_WITHIN;
            self.told += u64::from(now <= bound);
        }
    }

    /// First promises that were scored.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn promises(&self) -> Promises {
        let share = |part: u64| part as f64 / self.made.max(1) as f64;
        Promises {
            made: self.made,
            kept: share(self.kept),
            late: share(self.late),
            told: share(self.told),
            near: share(self.near),
        }
    }

    pub(super) fn waits(&self) -> Waits {
        waits(&self.waits)
    }

    fn score(&mut self, promised: Promised, actual: Span) {
        let (low, high) = (promised.promise.low, promised.promise.high);
        let near = MINUTE.0.max(actual.scale(NEAR).0);
        self.made += 1;
        self.kept += u64::from(actual <= high);
        self.late += u64::from(actual > high + MINUTE);
        self.near += u64::from(actual.0.abs_diff(low.0) <= near);
    }
}

fn waits(counts: &[u32]) -> Waits {
    let all: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let within = |part: f64| {
        let wanted = (all as f64 * part).ceil() as u64;
        let mut sum = 0;
        let reached = counts.iter().position(|count| {
            sum += u64::from(*count);
            sum >= wanted
        });
        reached.unwrap_or(0) as u32
    };
    Waits {
        p50: within(0.5),
        p90: within(0.9),
        max: counts.len().saturating_sub(1) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_from_their_counts() {
        let mut counts = vec![0; 101];
        counts[0] = 5;
        counts[10] = 4;
        counts[100] = 1;
        let found = waits(&counts);
        assert_eq!((found.p50, found.p90, found.max), (0, 10, 100));
        assert_eq!(waits(&[]), Waits::default());
    }
}
