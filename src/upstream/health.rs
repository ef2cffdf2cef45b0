//! Whether a server is there, judged by probes; requests say when to probe.
//!
//! What one address does says little about its server: a part may be proxied to where nobody
//! listens, an export may take for ever, a page may break every connection. So no request takes a
//! server out. One that goes wrong casts a *doubt*: a connection that cannot be made, or `fall`
//! requests in a row without a good answer among them. A server in doubt is probed at once, and
//! again after `probe_min`; it goes down with a probe that fails, and only if `fall` probes and
//! connections have failed in a row by then. If another server is there to take over, `fall`
//! requests that went wrong and that one probe are enough: a server that refuses everything at
//! once would draw all requests to itself. Any good answer, to a probe or a request, ends the
//! doubt, so that a slow probe alone never takes out a server that serves. One that has never
//! answered at all, not even an error, goes down at the first probe that fails: nothing speaks for it.
//!
//! It comes back by a probe: the first after `probe_min`, then twice as long each time up to
//! `probe_max`, with jitter. One that falls again soon after it came back is waited for as if it
//! had not come.

use crate::time::{Millis, Span};

/// A server that stays up for this long has come back for good.
const STEADY: Span = Span::secs(60);

/// How one request or probe ended, as far as the server is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered,
    /// It answered that something is wrong (500 and above): it is there, and no more is known.
    Erred,
    /// Of a probe: it answered, but not as is wanted.
    Unwanted,
    /// It broke off, sent what is not HTTP, or nothing in time.
    Failed,
    /// There was no connection.
    Unreachable,
}

impl Outcome {
    /// Whether the server said anything at all.
    fn is_answer(self) -> bool {
        matches!(self, Outcome::Answered | Outcome::Erred | Outcome::Unwanted)
    }
}

/// The health of one server: a state machine.
#[derive(Clone, Debug)]
pub struct Health {
    fall: u32,
    up: bool,
    /// It has answered at least once.
    proven: bool,
    /// Probes and connections that failed, and requests that went wrong, since the last good
    /// answer.
    failures: u32,
    wrong: u32,
    came_up: Option<Millis>,
    /// The last wait between two probes while it was down.
    wait: Span,
}

impl Health {
    /// A server is taken to be up until it fails; `fall` is at least 1.
    pub fn new(fall: u32) -> Health {
        Health {
            fall,
            up: true,
            proven: false,
            failures: 0,
            wrong: 0,
            came_up: None,
            wait: Span::ZERO,
        }
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Whether it is up and something speaks against it: it is to be probed sooner.
    pub fn is_doubted(&self) -> bool {
        self.up && (self.failures > 0 || self.wrong >= self.fall)
    }

    /// A request to the server has ended. Returns whether it is to be probed at once.
    pub fn request(&mut self, outcome: Outcome) -> bool {
        let before = self.urgency();
        self.proven |= outcome.is_answer();
        if outcome == Outcome::Answered {
            (self.failures, self.wrong) = (0, 0);
            return false;
        }
        self.wrong = self.wrong.saturating_add(1);
        self.failures = (self.failures).saturating_add(u32::from(outcome == Outcome::Unreachable));
        self.up && self.urgency() > before
    }

    /// A probe has ended; `alone`: no other server is up. Returns whether the server has just
    /// changed.
    pub fn probe(&mut self, outcome: Outcome, alone: bool, now: Millis) -> bool {
        self.proven |= outcome.is_answer();
        match outcome {
            Outcome::Answered => {
                (self.failures, self.wrong) = (0, 0);
                let comes = !self.up;
                self.up = true;
                if comes {
                    self.came_up = Some(now);
                }
                comes
            }
            Outcome::Erred => false,
            Outcome::Unwanted | Outcome::Failed | Outcome::Unreachable => {
                self.failures = self.failures.saturating_add(1);
                self.fell(alone, now)
            }
        }
    }

    /// The wait before the next probe of a server that is down: doubled each time it is asked
    /// for, from `min` to `max`, with `chance` in [0, 1) spreading it over ±25 %.
    pub fn next_wait(&mut self, min: Span, max: Span, chance: f64) -> Span {
        self.wait = next_probe(self.wait, min, max, chance);
        self.wait
    }

    /// What speaks against it: each step up is a reason to probe it at once.
    fn urgency(&self) -> u32 {
        let steps = [
            self.failures > 0,
            self.wrong >= self.fall,
            self.failures >= self.fall,
        ];
        steps.into_iter().map(u32::from).sum()
    }

    fn fell(&mut self, alone: bool, now: Millis) -> bool {
        let fall = if self.proven { self.fall } else { 1 };
        let falls = self.up && (self.failures >= fall || (!alone && self.wrong >= fall));
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

    const GOOD: Outcome = Outcome::Answered;
    const BAD: Outcome = Outcome::Failed;

    /// A server that has answered once, and is the only one.
    fn proven(fall: u32) -> Health {
        let mut health = Health::new(fall);
        assert!(!health.probe(GOOD, true, Millis(0)));
        health
    }

    /// The first wait after it fell.
    fn first_wait(health: &mut Health) -> Span {
        health.next_wait(Span::secs(1), Span::secs(60), 0.5)
    }

    #[test]
    fn probes_that_fail_in_a_row_take_it_out_and_one_brings_it_back() {
        let mut health = proven(3);
        assert!(!health.probe(BAD, true, Millis(1)));
        assert!(health.is_doubted());
        assert!(!health.probe(BAD, true, Millis(1)));
        assert!(health.probe(BAD, true, Millis(2)));
        assert!(!health.is_up() && !health.is_doubted());
        assert!(!health.probe(BAD, true, Millis(3)));
        assert!(health.probe(GOOD, true, Millis(4)));
        assert!(health.is_up() && !health.is_doubted());
    }

    #[test]
    fn slow_probes_alone_do_not_take_out_a_server_that_serves() {
        let mut health = proven(2);
        for now in (0..100).map(Millis) {
            assert!(!health.probe(BAD, true, now));
            assert!(!health.request(GOOD));
        }
    }

    #[test]
    fn no_request_takes_it_out_whatever_becomes_of_it() {
        for wrong in [Outcome::Erred, BAD, Outcome::Unreachable] {
            let mut health = proven(3);
            for _ in 0..1_000 {
                health.request(wrong);
            }
            assert!(health.is_up() && health.is_doubted(), "{wrong:?}");
            assert!(!health.probe(GOOD, true, Millis(1)));
            assert!(health.is_up() && !health.is_doubted(), "{wrong:?}");
        }
    }

    #[test]
    fn connections_that_fail_count_and_the_next_probe_has_the_last_word() {
        let mut health = proven(3);
        assert!(health.request(Outcome::Unreachable), "a first doubt");
        assert!(!health.request(Outcome::Unreachable));
        assert!(health.request(Outcome::Unreachable), "no doubt is left");
        assert!(health.is_up());
        assert!(health.probe(BAD, true, Millis(2)));
    }

    #[test]
    fn what_goes_wrong_in_a_row_asks_for_a_probe_but_does_not_count_for_it() {
        let mut health = proven(3);
        for round in 0..10 {
            let asked = [Outcome::Erred, BAD, Outcome::Erred].map(|it| health.request(it));
            assert_eq!(asked, [false, false, true], "round {round}");
            assert!(!health.request(BAD), "once is enough");
            assert!(!health.probe(GOOD, true, Millis(round)));
        }
        health.request(BAD);
        health.request(BAD);
        assert!(!health.request(GOOD) && !health.request(BAD));
        for now in 0..2 {
            assert!(!health.probe(BAD, true, Millis(now)));
        }
        assert!(health.probe(BAD, true, Millis(3)));
    }

    #[test]
    fn one_probe_is_enough_for_what_refuses_everything_beside_another_server() {
        for (alone, falls) in [(false, true), (true, false)] {
            let mut health = proven(3);
            for _ in 0..3 {
                health.request(Outcome::Erred);
            }
            assert_eq!(health.probe(BAD, alone, Millis(1)), falls);
        }
        let mut health = proven(3);
        health.request(Outcome::Erred);
        assert!(!health.probe(BAD, false, Millis(1)), "too little");
    }

    #[test]
    fn one_probe_is_enough_until_it_has_answered_once() {
        let mut health = Health::new(5);
        assert!(health.probe(BAD, true, Millis(1)));
        assert!(health.probe(GOOD, true, Millis(2)));
        for n in 3..7 {
            assert!(!health.probe(BAD, true, Millis(n)));
        }
        assert!(health.probe(BAD, true, Millis(7)));
        let mut health = Health::new(5);
        health.request(Outcome::Erred);
        assert!(!health.probe(BAD, true, Millis(1)), "a 503 is an answer");
        let mut health = Health::new(5);
        for n in 1..5 {
            assert!(
                !health.probe(Outcome::Unwanted, true, Millis(n)),
                "so it is to a probe"
            );
        }
        assert!(health.probe(Outcome::Unwanted, true, Millis(5)));
    }

    #[test]
    fn a_server_that_falls_again_soon_is_waited_for_longer() {
        let mut health = proven(1);
        let mut now = Millis(1);
        for secs in [1, 2, 4] {
            assert!(health.probe(BAD, true, now));
            assert_eq!(first_wait(&mut health), Span::secs(secs));
            assert!(health.probe(GOOD, true, now));
            now = now + STEADY - Span(1);
        }
        now = now + Span(1);
        assert!(health.probe(BAD, true, now));
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
