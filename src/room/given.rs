//! What one visitor was promised, and when that may change.
//!
//! A promise that is shown counts down by itself. It is raised only when it is more likely to break than
//! not (half of those who wait are in by the lower end of an estimate, and this is above what is left of
//! the upper one), twice in a row, and together with a reason: an estimate that goes up and down within its own
//! range is no news. Below a minute it follows each estimate: somebody who is as good as called is not told
//! that the time is over. It is lowered when the estimate is below it by more than [`TOLERANCE`], twice in
//! a row (reference: `admission.md`, "The promise"). All of this travels in the visitor's ticket, so that it holds over
//! polls, tabs and our own restarts, and costs us no memory.

use super::promise::Promise;
use super::view::Reason;
use crate::time::{Millis, Span};

/// By which part of what is shown an estimate may be below it before that is told.
const TOLERANCE: f64 = 0.2;

/// An estimate up to this long is for those who are as good as called.
const AT_THE_END: Span = Span::mins(1);

/// A promise and the moment it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promised {
    /// When.
    pub at: Millis,
    /// What.
    pub promise: Promise,
}

/// What the holder of a ticket was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The first promise: the one that is compared with what happens.
    pub first: Promised,
    /// The promise in force: what is shown is what is left of it.
    pub last: Promised,
    /// The estimate has been off since.
    pub doubt: Option<Doubt>,
    /// Why the promise in force was raised; none if it was not.
    pub raised: Option<Reason>,
}

/// The estimate was off when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Since when.
    pub since: Millis,
    /// It was higher than what is shown.
    pub above: bool,
}

/// What a promise is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What would be promised now.
    pub estimate: Promise,
    /// What nobody would notice: the longest time between two polls near the turn.
    pub grain: Span,
    /// Looks that are closer together than this (two tabs) count as one.
    pub apart: Span,
    /// When calls last went on after the line had stood still: promises from before are void.
    pub resumed: Option<Millis>,
    /// Why the estimate could be higher than it was.
    pub reason: Reason,
}

/// What a check has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Nothing that is shown.
    None,
    /// More is promised from now on.
    Raised,
    /// Less is promised from now on.
    Lowered,
}

impl Promised {
    /// What is left of it.
    pub fn left(&self, now: Millis) -> Promise {
        let gone = now.since(self.at);
        let left = |span: Span| Span(span.0.saturating_sub(gone.0));
        Promise {
            low: left(self.promise.low),
            high: left(self.promise.high),
        }
    }
}

impl Given {
    /// The same with no time after `wall`: if the clock was put back meanwhile, all of them move with
    /// it, and the wait goes on from here.
    pub fn not_after(self, wall: Millis) -> Given {
        let ahead = self.first.at.max(self.last.at).since(wall);
        if ahead == Span::ZERO {
            return self;
        }
        let moved = |promised: Promised| Promised {
            at: promised.at - ahead,
            ..promised
        };
        Given {
            first: moved(self.first),
            last: moved(self.last),
            doubt: self.doubt.map(|doubt| Doubt {
                since: doubt.since - ahead,
                ..doubt
            }),
            ..self
        }
    }

    /// The first promise to a visitor.
    pub fn first(promised: Promised) -> Given {
        Given {
            first: promised,
            last: promised,
            doubt: None,
            raised: None,
        }
    }

    /// Holds the promise in force against what would be promised now.
    pub fn check(&mut self, check: Check, now: Millis) -> Revision {
        let left = self.last.left(now).high;
        let slack = left.scale(TOLERANCE).max(check.grain);
        let breaks = check.estimate.low > left + check.grain;
        // Whoever is as good as called is not told that the time is over.
        let at_the_end = check.estimate.high <= AT_THE_END && check.estimate.high > left + slack;
        let above = breaks || at_the_end;
        if !above && check.estimate.high + slack >= left {
            self.doubt = None;
            return Revision::None;
        }
        let doubt = *self.doubt.get_or_insert(Doubt { since: now, above });
        if doubt.above != above {
            self.doubt = Some(Doubt { since: now, above });
            return Revision::None;
        }
        let void = check.resumed.is_some_and(|at| self.last.at < at);
        let twice = now.since(doubt.since) >= check.apart;
        if !twice && !void {
            return Revision::None;
        }
        self.doubt = None;
        self.last = Promised {
            at: now,
            promise: check.estimate,
        };
        if above {
            self.raised = Some(if void { Reason::Stopped } else { check.reason });
            Revision::Raised
        } else {
            self.raised = None;
            Revision::Lowered
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(low: u64, high: u64) -> Promise {
        Promise {
            low: Span::secs(low),
            high: Span::secs(high),
        }
    }

    fn at(secs: u64) -> Millis {
        Millis(secs * 1_000)
    }

    fn given() -> Given {
        Given::first(Promised {
            at: at(0),
            promise: promise(500, 600),
        })
    }

    fn check(low: u64, high: u64) -> Check {
        Check {
            estimate: promise(low, high),
            grain: Span::secs(7),
            apart: Span::secs(5),
            resumed: None,
            reason: Reason::Slower,
        }
    }

    #[test]
    fn what_is_shown_counts_down() {
        let given = given();
        assert_eq!(given.last.left(at(100)), promise(400, 500));
        assert_eq!(given.last.left(at(550)), promise(0, 50));
        assert_eq!(given.last.left(at(9_999)), promise(0, 0));
    }

    #[test]
    fn an_estimate_that_is_off_by_less_than_a_fifth_changes_nothing() {
        let mut given = given();
        for second in 0..100 {
            let high = if second % 2 == 0 { 599 } else { 410 };
            assert_eq!(given.check(check(1, high), at(second)), Revision::None);
        }
        assert_eq!(given, super::tests::given());
    }

    #[test]
    fn it_is_raised_when_it_is_off_twice_in_a_row_and_the_reason_stays() {
        let mut given = given();
        assert_eq!(given.check(check(800, 900), at(10)), Revision::None);
        assert_eq!(given.last.left(at(10)), promise(490, 590), "not yet");
        assert_eq!(given.check(check(800, 900), at(20)), Revision::Raised);
        assert_eq!(given.last.left(at(20)), promise(800, 900));
        assert_eq!(given.check(check(790, 880), at(30)), Revision::None);
        assert_eq!(given.raised, Some(Reason::Slower));
        assert_eq!(given.first.promise, promise(500, 600), "this is scored");
    }

    #[test]
    fn once_above_and_once_below_is_not_twice_in_a_row() {
        let mut given = given();
        for second in 0..100 {
            let high = if second % 2 == 0 { 900 } else { 100 };
            assert_eq!(given.check(check(1, high), at(second * 2)), Revision::None);
        }
    }

    #[test]
    fn two_tabs_in_the_same_second_are_one_look() {
        let mut given = given();
        for millis in [10_000, 10_001, 12_000, 14_999] {
            let revision = given.check(check(800, 900), Millis(millis));
            assert_eq!(revision, Revision::None);
        }
        assert_eq!(given.check(check(800, 900), at(15)), Revision::Raised);
    }

    #[test]
    fn good_news_is_told_too_and_ends_the_reason() {
        let mut given = given();
        given.check(check(800, 900), at(10));
        given.check(check(800, 900), at(20));
        given.check(check(100, 200), at(30));
        assert_eq!(given.check(check(100, 200), at(40)), Revision::Lowered);
        assert_eq!(given.last.left(at(40)), promise(100, 200));
        assert_eq!(given.raised, None);
    }

    #[test]
    fn a_promise_from_before_a_stop_is_void() {
        let mut given = given();
        let resumed = Check {
            resumed: Some(at(700)),
            ..check(500, 600)
        };
        assert_eq!(given.check(resumed, at(701)), Revision::Raised);
        assert_eq!(given.raised, Some(Reason::Stopped));
        // The one that was made since then is not.
        let later = Check {
            estimate: promise(900, 1_000),
            ..resumed
        };
        assert_eq!(given.check(later, at(710)), Revision::None);
    }

    #[test]
    fn a_clock_that_is_put_back_takes_the_promise_along() {
        let mut given = Given::first(Promised {
            at: at(10_000),
            promise: Promise {
                low: Span::secs(60),
                high: Span::secs(90),
            },
        });
        given.last.at = at(10_050);
        given.doubt = Some(Doubt {
            since: at(10_040),
            above: true,
        });
        assert_eq!(given.not_after(at(10_050)), given);
        let moved = given.not_after(at(50));
        assert_eq!((moved.first.at, moved.last.at), (at(0), at(50)));
        assert_eq!(moved.doubt.map(|doubt| doubt.since), Some(at(40)));
        let low = |given: Given, secs| given.last.left(at(secs)).low;
        assert_eq!(low(moved, 60), low(given, 10_060));
    }

    #[test]
    fn near_the_turn_a_few_seconds_are_no_reason() {
        let mut given = given();
        for second in [590, 599, 610] {
            assert_eq!(given.check(check(0, 7), at(second)), Revision::None);
        }
    }
}
