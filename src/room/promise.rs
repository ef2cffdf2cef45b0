//! The promise: how long a visitor will wait, as a range that is meant to be kept.
//!
//! The estimate is ŵ = ln(1 + θ·n/r) / θ, which tends to n/r as θ → 0, plus
//! max(0, A − S)·D/A while seats are draining, where
//!
//! - n is the place;
//! - r, calls taken per second, is (calls + 600·min(S/D, pace)) / (T + 600): what was seen while somebody
//!   waited during the last ten minutes (T ≤ 600 s), and 600 seconds' worth of what Little's
//!   law expects, at most the pace of calls. With a line for ten minutes this is the formula of the design; with a fresh
//!   one it does not mistake "nobody had to be called" for "nobody can be called";
//! - D, the length of a visit, is seat-seconds ÷ departures over 30 minutes (Little's law: no
//!   survivorship bias);
//! - θ, the rate of giving up, is tickets abandoned ÷ ticket-seconds over 30 minutes.
//!
//! The range goes from ŵ to q·(ŵ + m), with m the longest time between two polls near the turn (one hears of one's
//! turn by polling) and q the learnt 90th percentile of actual ÷ (ŵ + m).

use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};

/// Departures that must have been seen before anything is promised.
const DEPARTURES_MIN: u64 = 10;
/// One slice of the memory.
const SLICE: Span = Span::mins(1);
/// Slices of the long memory (visits, giving up): 30 minutes.
const LONG: usize = 30;
/// Slices of the short memory (calls): 10 minutes.
const SHORT: usize = 10;
/// Seconds' worth of Little's law mixed into the rate.
const PRIOR_SECS: f64 = 600.0;
/// Scores that q is learnt from.
const SCORES: usize = 256;
/// What q is before anything was scored, and the number of scores that this belief weighs.
const PRIOR_Q: f32 = 1.3;
const PRIOR_SCORES: usize = 20;
/// q never falls below this: a range has a width.
const Q_MIN: f32 = 1.02;

/// The range of waiting time we stand by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The estimate; half of the visitors are in about then.
    pub low: Span,
    /// The learnt 90th percentile above it: at least nine in ten are in by then.
    pub high: Span,
}

/// What happened within one slice of time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Slice {
    seat_secs: f64,
    departures: u64,
    ticket_secs: f64,
    abandoned: u64,
    line_secs: f64,
    calls: u64,
}

/// Learns the rates of a room and makes its promises. See the module for the formula.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Estimator {
    slices: [Slice; LONG],
    current: usize,
    slice_end: Millis,
    updated: Millis,
    scores: Vec<f32>,
    score_at: usize,
    margin: Span,
    rates: Option<Rates>,
    q: f64,
}

/// What is known, computed once a second so that a poll is one logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Calls taken per second.
    pub calls: f64,
    /// Tickets given up per ticket and second.
    pub giving_up: f64,
    /// Seconds of a visit.
    pub visit_secs: f64,
    /// Seconds until more seats are free than the limit was lowered by.
    pub drain_secs: f64,
}

impl Estimator {
    /// Knows nothing yet. `margin` is the longest time between two polls near the turn.
    pub fn new(margin: Span, now: Millis) -> Estimator {
        Estimator {
            slices: [Slice::default(); LONG],
            current: 0,
            slice_end: now + SLICE,
            updated: now,
            scores: Vec::with_capacity(SCORES),
            score_at: 0,
            margin,
            rates: None,
            q: f64::from(PRIOR_Q),
        }
    }

    /// Goes on after a restart: the time in between did not happen.
    pub fn resume(&mut self, margin: Span, now: Millis) {
        self.margin = margin;
        self.updated = now;
        self.slice_end = now + SLICE;
    }

    /// Time has passed with so many seats taken (or kept for somebody who was called) and
    /// tickets waiting.
    pub fn elapse(&mut self, taken: u32, waiting: u64, now: Millis) {
        // A longer gap was not lived through: whoever counts it would believe in idle hours.
        let secs = now.since(self.updated).min(SLICE).as_secs_f64();
        self.updated = now;
        let mut skipped = 0;
        while now >= self.slice_end && skipped <= LONG {
            self.current = (self.current + 1) % LONG;
            self.slices[self.current] = Slice::default();
            self.slice_end = self.slice_end + SLICE;
            skipped += 1;
        }
        if now >= self.slice_end {
            self.slice_end = now + SLICE;
        }
        let slice = &mut self.slices[self.current];
        slice.seat_secs += f64::from(taken) * secs;
        slice.ticket_secs += waiting as f64 * secs;
        if waiting > 0 {
            slice.line_secs += secs;
        }
    }

    /// A seat was given back.
    pub fn departed(&mut self) {
        self.slices[self.current].departures += 1;
    }

    /// Tickets left the line before their call.
    pub fn abandoned(&mut self, tickets: u64) {
        self.slices[self.current].abandoned += tickets;
    }

    /// A call was taken.
    pub fn called_in(&mut self) {
        self.slices[self.current].calls += 1;
    }

    /// A visitor to whom `estimate` was promised came in after `actual`.
    pub fn score(&mut self, estimate: Span, actual: Span) {
        let ratio = (actual.as_secs_f64() / (estimate + self.margin).as_secs_f64()) as f32;
        if self.scores.len() < SCORES {
            self.scores.push(ratio);
        } else {
            self.scores[self.score_at] = ratio;
        }
        self.score_at = (self.score_at + 1) % SCORES;
    }

    /// Computes the rates anew; cheap enough for once a second. `None` while too little is known.
    ///
    /// `pace`: calls per second that are made at most, however many seats are free.
    pub fn refresh(&mut self, seats: u32, taken: u32, pace: f64) {
        self.q = self.learnt_q();
        let long = self.sum(LONG);
        if long.departures < DEPARTURES_MIN || long.seat_secs <= 0.0 {
            self.rates = None;
            return;
        }
        let short = self.sum(SHORT);
        let visit_secs = (long.seat_secs / long.departures as f64).max(0.001);
        let little = (f64::from(seats) / visit_secs).min(pace);
        let calls = (short.calls as f64 + PRIOR_SECS * little) / (short.line_secs + PRIOR_SECS);
        let over = f64::from(taken.saturating_sub(seats));
        self.rates = Some(Rates {
            calls,
            giving_up: long.abandoned as f64 / long.ticket_secs.max(1.0),
            visit_secs,
            drain_secs: over * visit_secs / f64::from(taken.max(1)),
        });
    }

    /// The promise for `place`; `None` while nobody can honestly say.
    pub fn promise(&self, place: u64) -> Option<Promise> {
        let low = self.rates?.wait(place);
        let high = (low + self.margin.as_secs_f64()) * self.q;
        Some(Promise {
            low: Span::from_secs_f64(low),
            high: Span::from_secs_f64(high),
        })
    }

    /// The rates in force, if known.
    pub fn rates(&self) -> Option<Rates> {
        self.rates
    }

    /// The learnt factor between the estimate and the upper bound.
    pub fn q(&self) -> f64 {
        self.q
    }

    fn learnt_q(&self) -> f64 {
        let mut scores = self.scores.clone();
        scores.extend([PRIOR_Q; PRIOR_SCORES]);
        let ninth = scores.len() * 9 / 10;
        let (_, q, _) = scores.select_nth_unstable_by(ninth, f32::total_cmp);
        f64::from(q.max(Q_MIN))
    }

    fn sum(&self, slices: usize) -> Slice {
        let mut sum = Slice::default();
        for back in 0..slices {
            let slice = &self.slices[(self.current + LONG - back) % LONG];
            sum.seat_secs += slice.seat_secs;
            sum.departures += slice.departures;
            sum.ticket_secs += slice.ticket_secs;
            sum.abandoned += slice.abandoned;
            sum.line_secs += slice.line_secs;
            sum.calls += slice.calls;
        }
        sum
    }
}

impl Rates {
    /// Seconds until `place` is called. Source of the formula: see the module.
    pub fn wait(&self, place: u64) -> f64 {
        let straight = place as f64 / self.calls;
        let bent = self.giving_up * straight;
        // Below this the logarithm and the straight line agree to a part in a million.
        let wait = if bent < 1e-6 {
            straight
        } else {
            bent.ln_1p() / self.giving_up
        };
        wait + self.drain_secs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(departures: u64, secs_each: u64, seats: u32) -> Estimator {
        let mut estimator = Estimator::new(Span::secs(5), Millis(0));
        // A steady state: `seats` taken all the time, one departure each secs_each / seats.
        let step = secs_each * 1000 / u64::from(seats);
        let mut now = 0;
        for _ in 0..departures {
            now += step;
            estimator.elapse(seats, 100, Millis(now));
            estimator.departed();
            estimator.called_in();
        }
        estimator.refresh(seats, seats, 1e9);
        estimator
    }

    #[test]
    fn unknown_until_ten_departures() {
        assert_eq!(learnt(9, 60, 10).promise(5), None);
        assert!(learnt(10, 60, 10).promise(5).is_some());
    }

    #[test]
    fn a_steady_room_is_place_over_rate() {
        let estimator = learnt(1_000, 600, 300);
        let promise = estimator.promise(300).unwrap();
        let secs = promise.low.as_secs_f64();
        assert!((570.0..=630.0).contains(&secs), "{secs}");
        assert!(promise.high > promise.low);
    }

    #[test]
    fn those_who_give_up_shorten_the_wait() {
        let mut estimator = learnt(1_000, 600, 300);
        let before = estimator.promise(3_000).unwrap().low;
        estimator.abandoned(200);
        estimator.refresh(300, 300, 1e9);
        assert!(estimator.promise(3_000).unwrap().low < before);
    }

    #[test]
    fn draining_seats_lengthen_it() {
        let mut estimator = learnt(1_000, 600, 300);
        let before = estimator.promise(1).unwrap().low;
        estimator.refresh(150, 300, 1e9);
        let after = estimator.promise(1).unwrap().low;
        assert!(after.as_secs_f64() > before.as_secs_f64() + 299.0);
    }

    #[test]
    fn q_follows_what_happened() {
        let mut estimator = Estimator::new(Span::secs(5), Millis(0));
        for _ in 0..SCORES * 2 {
            estimator.score(Span::secs(95), Span::secs(200));
        }
        estimator.refresh(1, 1, 1e9);
        assert!((1.9..=2.1).contains(&estimator.q()), "{}", estimator.q());
    }

    #[test]
    fn a_clock_that_leaps_forgets_instead_of_looping() {
        let mut estimator = learnt(100, 60, 10);
        estimator.elapse(10, 0, Millis(u64::MAX / 2));
        estimator.elapse(10, 0, Millis(u64::MAX / 2 + 60_000));
        estimator.refresh(10, 10, 1e9);
        assert_eq!(estimator.promise(1), None);
    }
}
