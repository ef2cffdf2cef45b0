//! Whether a server answers, judged by probes and requests alike.
//!
//! A server goes down after `fall` failures in a row, or when more than half of the requests of
//! the last ten seconds failed; any success in between counts in its favour, so that a slow
//! probe alone never takes out a server that serves. It comes back by a probe: the first after
//! `probe_min`, then twice as long each time up to `probe_max`, with jitter.

use crate::time::{Millis, Span};

/// The memory for the share of failures.
const WINDOW: Span = Span::secs(10);
/// Outcomes within the window before its share says anything.
const WINDOW_MIN: u32 = 10;

/// How one request or probe ended, as far as the server is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered,
    /// No connection, no answer in time, or 502, 503, 504.
    Failed,
}

/// The health of one server: a state machine.
#[derive(Clone, Debug)]
pub struct Health {
    fall: u32,
    up: bool,
    failures: u32,
    window_end: Millis,
    window_all: u32,
    window_failed: u32,
}

impl Health {
    /// A server is taken to be up until it fails.
    pub fn new(fall: u32) -> Health {
        Health {
            fall,
            up: true,
            failures: 0,
            window_end: Millis(0),
            window_all: 0,
            window_failed: 0,
        }
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// A request to the server has ended. Returns whether the server has just gone down.
    pub fn request(&mut self, outcome: Outcome, now: Millis) -> bool {
        if now >= self.window_end {
            self.window_end = now + WINDOW;
            (self.window_all, self.window_failed) = (0, 0);
        }
        self.window_all = self.window_all.saturating_add(1);
        self.window_failed += u32::from(outcome == Outcome::Failed);
        self.count(outcome);
        let half = self.window_failed > self.window_all / 2 && self.window_all >= WINDOW_MIN;
        self.fell(half)
    }

    /// A probe has ended. Returns whether the server has just changed.
    pub fn probe(&mut self, outcome: Outcome) -> bool {
        self.count(outcome);
        if outcome == Outcome::Answered && !self.up {
            self.up = true;
            (self.window_all, self.window_failed) = (0, 0);
            return true;
        }
        self.fell(false)
    }

    fn count(&mut self, outcome: Outcome) {
        self.failures = match outcome {
            Outcome::Answered => 0,
            Outcome::Failed => self.failures.saturating_add(1),
        };
    }

    fn fell(&mut self, half_failed: bool) -> bool {
        let falls = self.up && (self.failures >= self.fall || half_failed);
        self.up &= !falls;
        falls
    }
}

/// The wait before the next probe of a server that is down: doubled, with `chance` in [0, 1)
/// spreading it over ±25 %.
pub fn next_probe(last: Span, min: Span, max: Span, chance: f64) -> Span {
    let doubled = Span(last.0.saturating_mul(2)).clamp(min, max);
    doubled.scale(0.75 + chance / 2.0).clamp(min, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_take_it_out_and_a_probe_brings_it_back() {
        let mut health = Health::new(3);
        assert!(!health.request(Outcome::Failed, Millis(1)));
        assert!(!health.probe(Outcome::Failed));
        assert!(health.request(Outcome::Failed, Millis(2)));
        assert!(!health.is_up());
        assert!(!health.probe(Outcome::Failed));
        assert!(health.probe(Outcome::Answered));
        assert!(health.is_up());
    }

    #[test]
    fn slow_probes_alone_do_not_take_out_a_server_that_serves() {
        let mut health = Health::new(2);
        for now in 0..100 {
            assert!(!health.probe(Outcome::Failed));
            assert!(!health.request(Outcome::Answered, Millis(now)));
        }
    }

    #[test]
    fn more_than_half_failing_takes_it_out() {
        let mut health = Health::new(100);
        let fell = (0..30).any(|n| {
            let outcome = if n % 3 == 0 { Outcome::Answered } else { Outcome::Failed };
            health.request(outcome, Millis(n))
        });
        assert!(fell);
    }

    #[test]
    fn probes_double_within_bounds() {
        let (min, max) = (Span::secs(1), Span::secs(60));
        let mut wait = Span::ZERO;
        for _ in 0..20 {
            let next = next_probe(wait, min, max, 0.5);
            assert!(next >= min && next <= max && next >= wait);
            wait = next;
        }
        assert_eq!(wait, max);
    }
}
