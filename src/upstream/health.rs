//! Whether a server answers, judged by probes and requests alike.
//!
//! A server goes down after `fall` failures in a row, or when more than half of the requests of
//! the last ten seconds went wrong; any success in between counts in its favour, so that a slow
//! probe alone never takes out a server that serves. One that has never answered goes down at
//! the first failure: nothing speaks for it. It comes back by a probe: the first after
//! `probe_min`, then twice as long each time up to `probe_max`, with jitter. One that falls
//! again soon after it came back is waited for as if it had not come.

use crate::time::{Millis, Span};

/// The memory for the share of failures.
const WINDOW: Span = Span::secs(10);
/// Outcomes within the window before its share says anything.
const WINDOW_MIN: u32 = 10;
/// A server that stays up for this long has come back for good.
const STEADY: Span = Span::secs(60);

/// How one request or probe ended, as far as the server is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered,
    /// It answered 500: one broken page, or a broken portal. Only the share can tell.
    Erred,
    /// No connection, no answer in time, or 502, 503, 504.
    Failed,
}

/// The health of one server: a state machine.
#[derive(Clone, Debug)]
pub struct Health {
    fall: u32,
    up: bool,
    /// It has answered at least once.
    proven: bool,
    failures: u32,
    window_end: Millis,
    window_all: u32,
    window_wrong: u32,
    came_up: Option<Millis>,
    /// The last wait between two probes while it was down.
    wait: Span,
}

impl Health {
    /// A server is taken to be up until it fails.
    pub fn new(fall: u32) -> Health {
        Health {
            fall,
            up: true,
            proven: false,
            failures: 0,
            window_end: Millis(0),
            window_all: 0,
            window_wrong: 0,
            came_up: None,
            wait: Span::ZERO,
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
            (self.window_all, self.window_wrong) = (0, 0);
        }
        self.window_all = self.window_all.saturating_add(1);
        self.window_wrong += u32::from(outcome != Outcome::Answered);
        self.count(outcome);
        let half = self.window_wrong > self.window_all / 2 && self.window_all >= WINDOW_MIN;
        self.fell(half, now)
    }

    /// A probe has ended. Returns whether the server has just changed.
    pub fn probe(&mut self, outcome: Outcome, now: Millis) -> bool {
        self.count(outcome);
        if outcome == Outcome::Answered && !self.up {
            self.up = true;
            self.came_up = Some(now);
            (self.window_all, self.window_wrong) = (0, 0);
            return true;
        }
        self.fell(false, now)
    }

    /// The wait before the next probe of a server that is down: doubled each time it is asked
    /// for, from `min` to `max`, with `chance` in [0, 1) spreading it over ±25 %.
    pub fn next_wait(&mut self, min: Span, max: Span, chance: f64) -> Span {
        self.wait = next_probe(self.wait, min, max, chance);
        self.wait
    }

    fn count(&mut self, outcome: Outcome) {
        self.proven |= outcome != Outcome::Failed;
        self.failures = match outcome {
            Outcome::Answered => 0,
            Outcome::Erred => self.failures,
            Outcome::Failed => self.failures.saturating_add(1),
        };
    }

    fn fell(&mut self, half_wrong: bool, now: Millis) -> bool {
        let fall = if self.proven { self.fall } else { 1 };
        let falls = self.up && (self.failures >= fall || half_wrong);
        self.up &= !falls;
        let steady = self.came_up.is_none_or(|at| now.since(at) >= STEADY);
        if falls && steady {
            self.wait = Span::ZERO;
        }
        falls
    }
}

fn next_probe(last: Span, min: Span, max: Span, chance: f64) -> Span {
    let doubled = Span(last.0.saturating_mul(2)).clamp(min, max);
    doubled.scale(0.75 + chance / 2.0).clamp(min, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that has answered once.
    fn proven(fall: u32) -> Health {
        let mut health = Health::new(fall);
        assert!(!health.probe(Outcome::Answered, Millis(0)));
        health
    }

    /// The first wait after it fell.
    fn first_wait(health: &mut Health) -> Span {
        health.next_wait(Span::secs(1), Span::secs(60), 0.5)
    }

    #[test]
    fn failures_in_a_row_take_it_out_and_a_probe_brings_it_back() {
        let mut health = proven(3);
        assert!(!health.request(Outcome::Failed, Millis(1)));
        assert!(!health.probe(Outcome::Failed, Millis(1)));
        assert!(health.request(Outcome::Failed, Millis(2)));
        assert!(!health.is_up());
        assert!(!health.probe(Outcome::Failed, Millis(3)));
        assert!(health.probe(Outcome::Answered, Millis(4)));
        assert!(health.is_up());
    }

    #[test]
    fn slow_probes_alone_do_not_take_out_a_server_that_serves() {
        let mut health = proven(2);
        for now in (0..100).map(Millis) {
            assert!(!health.probe(Outcome::Failed, now));
            assert!(!health.request(Outcome::Answered, now));
        }
    }

    #[test]
    fn more_than_half_failing_takes_it_out() {
        let mut health = proven(100);
        let fell = (0..30).any(|n| {
            let outcome = if n % 3 == 0 {
                Outcome::Answered
            } else {
                Outcome::Failed
            };
            health.request(outcome, Millis(n))
        });
        assert!(fell);
    }

    #[test]
    fn a_portal_that_answers_500_to_everything_goes_down_by_its_share() {
        let mut health = proven(3);
        let fell = (1..30).position(|n| health.request(Outcome::Erred, Millis(n)));
        assert_eq!(fell, Some(WINDOW_MIN as usize - 1));
    }

    #[test]
    fn a_500_neither_adds_to_the_failures_in_a_row_nor_ends_them() {
        let mut health = proven(3);
        for n in 1..3 {
            assert!(!health.request(Outcome::Failed, Millis(n)));
            assert!(!health.request(Outcome::Erred, Millis(n)));
        }
        assert!(health.request(Outcome::Failed, Millis(3)));
    }

    #[test]
    fn one_failure_is_enough_until_it_has_answered_once() {
        let mut health = Health::new(5);
        assert!(health.probe(Outcome::Failed, Millis(1)));
        assert!(health.probe(Outcome::Answered, Millis(2)));
        for n in 3..7 {
            assert!(!health.probe(Outcome::Failed, Millis(n)));
        }
        assert!(health.probe(Outcome::Failed, Millis(7)));
    }

    #[test]
    fn a_server_that_falls_again_soon_is_waited_for_longer() {
        let mut health = proven(1);
        let mut now = Millis(1);
        for secs in [1, 2, 4] {
            assert!(health.request(Outcome::Failed, now));
            assert_eq!(first_wait(&mut health), Span::secs(secs));
            assert!(health.probe(Outcome::Answered, now));
            now = now + STEADY - Span(1);
        }
        now = now + Span(1);
        assert!(health.request(Outcome::Failed, now));
        assert_eq!(first_wait(&mut health), Span::secs(1), "it was steady");
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
