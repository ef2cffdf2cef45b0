//! The promise: how long a visitor will wait, as a range that is meant to be kept.
//!
//! The estimate is ŵ = ln(1 + θ·n/r) / θ, which tends to n/r as θ → 0, plus
//! max(0, A − S)·D/A while seats are draining, where
//!
//! - n is the place, less those of whom we have not noticed yet that they have left (of each
//!   ticket-second, the part that was spent so: Little's law again), and less those who will not come
//!   when they are called (of calls, the part that was not taken);
//! - r, calls taken per second, is (calls + 600·min(S/D, pace)) / (T + 600): what was seen while
//!   somebody waited during the last ten minutes (T ≤ 600 s; no more calls than people have left: those
//!   that fill a room which grows will not come again), and 600 seconds' worth of what
//!   Little's law expects, at most the pace of calls. With a line for ten minutes this is the
//!   formula of the design; with a fresh one it does not mistake "nobody had to be called" for
//!   "nobody can be called";
//! - D, the length of a visit, is seat-seconds ÷ departures over 30 minutes (Little's law: no
//!   survivorship bias), of people who are there: whoever has gone without saying so holds no seat
//!   that others could not have ([`absence`](super::absence)). Departures are what came in less what
//!   is there more than before, so that they are known before the first pass has lapsed;
//! - θ, the rate of giving up, is tickets abandoned ÷ ticket-seconds over 30 minutes.
//!
//! The range goes from ŵ to q·(ŵ + m), with m the longest time between two polls near the turn (one
//! hears of one's turn by polling). Three things are uncertain: when the n departures ahead will be, and
//! the rate, which was seen over N departures, both as in a Poisson process; and what the rate will
//! be, as the laws of capacity never rest (d = 5 %, as seen in simulation). So the relative error has
//! about the standard deviation σ = √(1/n + 1/N + d²), and q = 1 + z·σ, with z the learnt 90th
//! percentile of (actual ÷ (ŵ + m) − 1) ÷ σ: one number serves short and long lines, small and large
//! rooms, and learns what is particular to this one.

use super::scores::{Figures, Score, Scores};
use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Departures that must have been seen before anything is promised.
const DEPARTURES_MIN: f64 = 10.0;
/// One slice of the memory.
const SLICE: Span = Span::mins(1);
/// Slices of the long memory (visits, giving up): 30 minutes.
const LONG: usize = 30;
/// Slices of the short memory (calls): 10 minutes.
const SHORT: usize = 10;
/// Seconds' worth of Little's law mixed into the rate.
const PRIOR_SECS: f64 = 600.0;
/// Scores that z is learnt from: the last so many.
const Z_SCORES: usize = 512;
/// What z is before anything was scored (a little more than chance explains), and the number of
/// scores that this belief weighs.
const PRIOR_Z: f32 = 2.0;
const PRIOR_SCORES: usize = 20;
/// z never falls below this, the 90th percentile of the normal distribution: people in one line share
/// their luck, so that even many scores may tell of one lucky hour only.
const Z_MIN: f32 = 1.28;
/// By this part of itself a rate moves on the way, whatever has been seen of it.
const DRIFT: f64 = 0.05;
/// Calls that were taken, as it were, before any was made: one no-show is not the half of all.
const ABSENT_PRIOR: u64 = 10;
/// The part of a line that may have left without our knowledge, at most.
const GONE_MAX: f64 = 0.5;
/// A rate below this part of what it was is slower.
const SLOWED: f64 = 0.95;

/// The range of waiting time we stand by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The estimate; half of the visitors are in about then.
    pub low: Span,
    /// The learnt 90th percentile above it: at least nine in ten are in by then.
    pub high: Span,
}

impl Promise {
    /// Of two things that somebody waits for, whichever is later.
    pub fn or_later(self, other: Promise) -> Promise {
        Promise {
            low: self.low.max(other.low),
            high: self.high.max(other.high),
        }
    }
}

/// What happened within one slice of time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Slice {
    seat_secs: f64,
    departures: f64,
    ticket_secs: f64,
    abandoned: u64,
    /// Ticket-seconds of those who had left already.
    gone_secs: f64,
    line_secs: f64,
    calls: u64,
    /// Calls that nobody took.
    lapsed: u64,
    /// The rate in force at its end, in calls per second.
    rate: f64,
}

/// Learns the rates of a room and makes its promises. See the module for the formula.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Estimator {
    slices: [Slice; LONG],
    current: usize,
    slice_end: Millis,
    updated: Millis,
    scores: Scores,
    margin: Span,
    rates: Option<Rates>,
    z: f64,
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
    /// The part of those in line who have left, and we have not noticed yet.
    pub gone: f64,
    /// Departures that this is known from.
    pub seen: f64,
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
            scores: Scores::default(),
            margin,
            rates: None,
            z: f64::from(PRIOR_Z),
        }
    }

    /// Goes on after a restart: the time in between did not happen.
    pub fn resume(&mut self, margin: Span, now: Millis) {
        self.margin = margin;
        self.updated = now;
        self.slice_end = now + SLICE;
    }

    /// Time has passed with so many people there (or called) and tickets waiting.
    pub fn elapse(&mut self, present: f64, waiting: u64, now: Millis) {
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
        slice.seat_secs += present * secs;
        slice.ticket_secs += waiting as f64 * secs;
        if waiting > 0 {
            slice.line_secs += secs;
        }
    }

    /// So many have gone; fewer than none if some of them were not gone after all.
    pub fn departed(&mut self, people: f64) {
        self.slices[self.current].departures += people;
    }

    /// Tickets left the line before their call, and counted for so long after that.
    pub fn abandoned(&mut self, tickets: u64, unnoticed: Span) {
        let slice = &mut self.slices[self.current];
        slice.abandoned += tickets;
        slice.gone_secs += tickets as f64 * unnoticed.as_secs_f64();
    }

    /// A ticket that had left the line is back in its place.
    pub fn came_back(&mut self) {
        let slice = &mut self.slices[self.current];
        slice.abandoned = slice.abandoned.saturating_sub(1);
    }

    /// A call was taken.
    pub fn called_in(&mut self) {
        self.slices[self.current].calls += 1;
    }

    /// A call was not taken.
    pub fn lapsed(&mut self) {
        self.slices[self.current].lapsed += 1;
    }

    /// What a first promise of ours has come to. `told`: what was in force at the end was kept.
    pub fn score(&mut self, promise: Promise, actual: Span, told: bool) -> Score {
        let low = promise.low.as_secs_f64();
        let sigma = self.rates.map_or(1.0, |rates| rates.sigma(low));
        let expected = low + self.margin.as_secs_f64();
        let score = Score {
            low: low as f32,
            high: promise.high.as_secs_f64() as f32,
            actual: actual.as_secs_f64() as f32,
            told,
            error: ((actual.as_secs_f64() / expected.max(0.001) - 1.0) / sigma) as f32,
        };
        self.scores.add(score);
        score
    }

    /// How well promises were kept lately.
    pub fn figures(&self) -> Option<Figures> {
        self.scores.figures()
    }

    /// The longest time between two polls near the turn.
    pub fn margin(&self) -> Span {
        self.margin
    }

    /// Polls are spaced differently from now on.
    pub fn set_margin(&mut self, margin: Span) {
        self.margin = margin;
    }

    /// Whether fewer are called per second than at `then`, by more than chance explains; or fewer
    /// than seats are to be taken.
    pub fn slowed_since(&self, then: Millis) -> bool {
        let Some(rates) = self.rates else {
            return false;
        };
        let back = self.updated.since(then).0 / SLICE.0;
        let back = usize::try_from(back).unwrap_or(LONG).min(LONG - 1);
        let rate = self.slices[(self.current + LONG - back) % LONG].rate;
        rates.drain_secs > 0.0 || rates.calls < rate * SLOWED
    }

    /// Computes the rates anew; cheap enough for once a second. `None` while too little is known.
    ///
    /// `pace`: calls per second that are made at most, however many seats are free.
    pub fn refresh(&mut self, seats: u32, present: f64, pace: f64) {
        self.z = self.learnt_z();
        let long = self.sum(0..LONG);
        if long.departures < DEPARTURES_MIN || long.seat_secs <= 0.0 {
            self.rates = None;
            return;
        }
        let short = self.sum(0..SHORT);
        let visit_secs = (long.seat_secs / long.departures).max(0.001);
        let little = (f64::from(seats) / visit_secs).min(pace);
        let taken = (short.calls as f64).min(short.departures.max(0.0));
        let calls = (taken + PRIOR_SECS * little) / (short.line_secs + PRIOR_SECS);
        let (giving_up, gone) = self.giving_up(&long);
        let absent = long.lapsed as f64 / (long.lapsed + long.calls + ABSENT_PRIOR) as f64;
        let gone = (1.0 - (1.0 - gone) * (1.0 - absent)).min(GONE_MAX);
        let over = (present - f64::from(seats)).max(0.0);
        self.slices[self.current].rate = calls;
        self.rates = Some(Rates {
            calls,
            giving_up,
            gone,
            seen: long.departures,
            visit_secs,
            drain_secs: over * visit_secs / present.max(1.0),
        });
    }

    /// The promise for `place`; `None` while nobody can honestly say.
    pub fn promise(&self, place: u64) -> Option<Promise> {
        let rates = self.rates?;
        let low = rates.wait(place);
        let high = (low + self.margin.as_secs_f64()) * self.q(place)?;
        Some(Promise {
            low: Span::from_secs_f64(low),
            high: Span::from_secs_f64(high),
        })
    }

    /// The promise for a wait that is all but certain, by a bound on newcomers: what is left to chance
    /// is when one hears of one's turn, and comes.
    pub fn nearly(&self, secs: f64) -> Promise {
        let high = (secs + 2.0 * self.margin.as_secs_f64()) * (1.0 + self.z * DRIFT);
        Promise {
            low: Span::from_secs_f64(secs),
            high: Span::from_secs_f64(high),
        }
    }

    /// The rates in force, if known.
    pub fn rates(&self) -> Option<Rates> {
        self.rates
    }

    /// q for `place`, once known.
    pub fn q(&self, place: u64) -> Option<f64> {
        let rates = self.rates?;
        Some(1.0 + self.z * rates.sigma(rates.wait(place)))
    }

    fn learnt_z(&self) -> f64 {
        let latest = self.scores.latest().take(Z_SCORES);
        let mut errors: Vec<f32> = latest.map(|score| score.error).collect();
        errors.extend([PRIOR_Z; PRIOR_SCORES]);
        let ninth = errors.len() * 9 / 10;
        let (_, z, _) = errors.select_nth_unstable_by(ninth, f32::total_cmp);
        f64::from(z.max(Z_MIN))
    }

    /// Tickets given up per ticket and second, and the part of those in line who have left without
    /// our knowledge. What has been noticed by now happened to those who waited that long ago.
    fn giving_up(&self, long: &Slice) -> (f64, f64) {
        let lag = long.gone_secs / long.abandoned.max(1) as f64;
        let slices = (lag / SLICE.as_secs_f64()).round() as usize;
        let waited = self.sum(slices.min(LONG)..LONG).ticket_secs;
        if waited <= 0.0 {
            return (0.0, 0.0);
        }
        let rate = long.abandoned as f64 / waited;
        let gone = (rate * lag).min(GONE_MAX);
        (rate / (1.0 - gone), gone)
    }

    /// The sum of slices, counted back from the current one.
    fn sum(&self, slices: Range<usize>) -> Slice {
        let mut sum = Slice::default();
        for back in slices {
            let slice = &self.slices[(self.current + LONG - back) % LONG];
            sum.seat_secs += slice.seat_secs;
            sum.departures += slice.departures;
            sum.ticket_secs += slice.ticket_secs;
            sum.abandoned += slice.abandoned;
            sum.gone_secs += slice.gone_secs;
            sum.line_secs += slice.line_secs;
            sum.calls += slice.calls;
            sum.lapsed += slice.lapsed;
        }
        sum
    }
}

impl Rates {
    /// Seconds until `place` is called. Source of the formula: see the module.
    pub fn wait(&self, place: u64) -> f64 {
        let straight = place as f64 * (1.0 - self.gone) / self.calls;
        let bent = self.giving_up * straight;
        // Below this the logarithm and the straight line agree to a part in a million.
        let wait = if bent < 1e-6 {
            straight
        } else {
            bent.ln_1p() / self.giving_up
        };
        wait + self.drain_secs
    }

    /// Standard deviation of the relative error of an estimate of `secs`. Source: see the module.
    pub fn sigma(&self, secs: f64) -> f64 {
        let ahead = (secs * self.calls).max(1.0);
        (1.0 / ahead + 1.0 / self.seen.max(1.0) + DRIFT.powi(2)).sqrt()
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
            estimator.elapse(f64::from(seats), 100, Millis(now));
            estimator.departed(1.0);
            estimator.called_in();
        }
        estimator.refresh(seats, f64::from(seats), 1e9);
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
        estimator.abandoned(200, Span::ZERO);
        estimator.refresh(300, 300.0, 1e9);
        assert!(estimator.promise(3_000).unwrap().low < before);
    }

    #[test]
    fn those_who_do_not_come_when_called_shorten_the_wait() {
        let mut estimator = learnt(1_000, 600, 300);
        let before = estimator.promise(300).unwrap().low;
        for _ in 0..estimator.sum(0..LONG).calls {
            estimator.lapsed();
        }
        estimator.refresh(300, 300.0, 1e9);
        let after = estimator.promise(300).unwrap().low;
        let part = after.as_secs_f64() / before.as_secs_f64();
        assert!((0.49..=0.52).contains(&part), "{part}");
    }

    #[test]
    fn draining_seats_lengthen_it() {
        let mut estimator = learnt(1_000, 600, 300);
        let before = estimator.promise(1).unwrap().low;
        estimator.refresh(150, 300.0, 1e9);
        let after = estimator.promise(1).unwrap().low;
        assert!(after.as_secs_f64() > before.as_secs_f64() + 299.0);
    }

    #[test]
    fn the_width_follows_what_happened() {
        let mut estimator = learnt(1_000, 600, 300);
        let promise = estimator.promise(300).unwrap();
        for _ in 0..Z_SCORES {
            estimator.score(promise, promise.low.scale(2.0), false);
        }
        estimator.refresh(300, 300.0, 1e9);
        let high = estimator.promise(300).unwrap().high;
        let twice = high.as_secs_f64() / promise.low.as_secs_f64();
        assert!((1.9..=2.1).contains(&twice), "{twice}");
    }

    #[test]
    fn a_range_is_wider_where_less_is_known() {
        let factor = |estimator: &Estimator, place| {
            let promise = estimator.promise(place).unwrap();
            promise.high.as_secs_f64() / (promise.low.as_secs_f64() + 5.0)
        };
        let [small, large] = [learnt(100, 600, 30), learnt(1_000, 600, 300)];
        assert!(factor(&large, 10) > factor(&large, 1_000));
        assert!(factor(&small, 1_000) > factor(&large, 1_000));
    }

    #[test]
    fn a_clock_that_leaps_forgets_instead_of_looping() {
        let mut estimator = learnt(100, 60, 10);
        estimator.elapse(10.0, 0, Millis(u64::MAX / 2));
        estimator.elapse(10.0, 0, Millis(u64::MAX / 2 + 60_000));
        estimator.refresh(10, 10.0, 1e9);
        assert_eq!(estimator.promise(1), None);
    }
}
