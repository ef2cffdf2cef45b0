//! The promise: how long a visitor will wait, as a range that is meant to be kept.
//!
//! The estimate is ŵ = ln(1 + θ·n/r) / θ, which tends to n/r as θ → 0, plus
//! max(0, A − S)·D/A while seats are draining, where
//!
//! - n is the place, less those of whom we have not noticed yet that they have left (of each
//!   ticket-second, the part that was spent so: Little's law again), and less those who will not come
//!   when they are called (of calls, the part that was not taken);
//! - r, calls taken per second, is (calls + 600·min(Ŝ/D, pace)) / (T + 600): what was seen while
//!   somebody waited during the last ten minutes (T ≤ 600 s; no more calls than people have left: those
//!   that fill a room which grows will not come again), and 600 seconds' worth of what
//!   Little's law expects, at most the pace of calls. With a line for ten minutes this is the
//!   formula of the design; with a fresh one it does not mistake "nobody had to be called" for
//!   "nobody can be called". Seats that are free, and those that the law of capacity is about to add
//!   (Ŝ − A), are for the first in line, who go in as fast as calls are made: n counts those behind them;
//! - D, the length of a visit, is seat-seconds ÷ departures over 30 minutes (Little's law: no
//!   survivorship bias), of people who are there: whoever has gone without saying so holds no seat
//!   that others could not have ([`absence`](super::absence)). Departures are what came in less what
//!   is there more than before, so that they are known before the first pass has lapsed. People in a
//!   room that has filled just now leave later than others (by half a visit if all were equally long, not
//!   at all if their length were exponential), so that a tenth of what has grown counts as departures that
//!   are late. Before any was seen there is the belief of two visits of eight minutes: a wide range, and
//!   narrower with each departure;
//! - θ, the rate of giving up, is tickets abandoned ÷ ticket-seconds over 30 minutes.
//!
//! The range goes from ŵ to q·(ŵ + m), with m the longest time between two polls near the turn (one
//! hears of one's turn by polling). Three things are uncertain: when the n departures ahead will be, and
//! the rate, which was seen over N departures, both as in a Poisson process; and what the rate will
//! be, as the laws of capacity never rest (d = 5 %, as seen in simulation), and growth that is foretold
//! (Ŝ ÷ S) may not come, or more. So the relative error has about the standard deviation
//! σ = √(1/n + 1/N + d² + (0.8·ln(Ŝ ÷ S))²), and q = 1 + z·σ, with z the learnt 90th
//! percentile of (actual ÷ (ŵ + m) − 1) ÷ σ, σ as it was when it was promised: one number serves short and
//! long lines, small and large
//! rooms, and learns what is particular to this one.

use super::rates::{DRIFT, Rates};
use super::scores::{Figures, Score, Scores};
use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What is believed before anything was seen: so many visits of so many seconds.
const PRIOR_VISITS: f64 = 2.0;
const PRIOR_VISIT_SECS: f64 = 480.0;
/// Visits seen and believed below which little is known.
const NEW: f64 = 20.0;
/// Of people who have filled a room, the part of whose departures is still missing.
const LATE_DEPARTURES: f64 = 0.1;
/// Seats are smoothed over so many seconds; in the beginning over a fourth of the time that has passed.
const SEATS_SECS: f64 = 60.0;
const SEATS_EARLY: f64 = 4.0;
/// Calls per second below which nobody can say anything.
const CALLS_MIN: f64 = 1e-6;
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
    /// By how many more people are there.
    grown: f64,
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
    /// Seats, smoothed, and how often they were looked at.
    seats: f64,
    looks: u32,
}

/// How a room stands, for [`Estimator::refresh`].
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    /// Seats, without those that are kept free for lanes.
    pub seats: u32,
    /// How many times as many there will soon be, as far as is foretold: 1 and more.
    pub growth: f64,
    /// People there, and those who are called.
    pub present: f64,
    pub called: f64,
    /// Calls per second that are made at most, however many seats are free.
    pub pace: f64,
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
            seats: 0.0,
            looks: 0,
        }
    }

    /// Goes on after a restart: the time in between did not happen.
    pub fn resume(&mut self, margin: Span, now: Millis) {
        self.looks = 0;
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

    /// So many have gone (fewer than none if some of them were not gone after all), and so many more are
    /// there.
    pub fn departed(&mut self, people: f64, grown: f64) {
        let slice = &mut self.slices[self.current];
        slice.departures += people;
        slice.grown += grown;
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
        let (low, high) = (promise.low.as_secs_f64(), promise.high.as_secs_f64());
        let expected = (low + self.margin.as_secs_f64()).max(0.001);
        // The range was z·σ wide.
        let sigma = ((high / expected - 1.0) / self.z).max(DRIFT);
        let score = Score {
            low: low as f32,
            high: high as f32,
            actual: actual.as_secs_f64() as f32,
            told,
            error: ((actual.as_secs_f64() / expected - 1.0) / sigma) as f32,
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

    /// Computes the rates anew; cheap enough for once a second. `None` while nobody is let in.
    pub fn refresh(&mut self, stand: Stand) {
        self.z = self.learnt_z();
        let long = self.sum(0..LONG);
        let short = self.sum(0..SHORT);
        let late = LATE_DEPARTURES * long.grown.min(long.departures).max(0.0);
        let departures = (long.departures + late).max(0.0);
        let visit_secs =
            (long.seat_secs + PRIOR_VISITS * PRIOR_VISIT_SECS) / (departures + PRIOR_VISITS);
        let seats = f64::from(stand.seats);
        let soon = seats * stand.growth;
        let little = (self.smooth(soon) / visit_secs).min(stand.pace);
        let taken = (short.calls as f64).min(short.departures.max(0.0));
        let calls = (taken + PRIOR_SECS * little) / (short.line_secs + PRIOR_SECS);
        let (giving_up, gone) = self.giving_up(&long);
        let absent = long.lapsed as f64 / (long.lapsed + long.calls + ABSENT_PRIOR) as f64;
        let gone = (1.0 - (1.0 - gone) * (1.0 - absent)).min(GONE_MAX);
        let over = (stand.present - seats).max(0.0);
        self.slices[self.current].rate = calls;
        self.rates = (calls > CALLS_MIN).then_some(Rates {
            calls,
            giving_up,
            gone,
            seen: departures + PRIOR_VISITS,
            visit_secs,
            drain_secs: over * visit_secs / stand.present.max(1.0),
            free: (soon - stand.present - stand.called).max(0.0),
            pace: stand.pace,
            growth: stand.growth,
        });
    }

    /// Seats go up and down while they are found; a promise is for longer than that.
    fn smooth(&mut self, seats: f64) -> f64 {
        self.looks = self.looks.saturating_add(1);
        let weight = (SEATS_EARLY / f64::from(self.looks)).clamp(1.0 / SEATS_SECS, 1.0);
        self.seats += weight * (seats - self.seats);
        self.seats
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

    /// Whether little more is known than what was believed before: a room may yet turn out to move
    /// much faster, and nobody is to hear of it late.
    pub fn is_new(&self) -> bool {
        self.rates.is_some_and(|rates| rates.seen < NEW)
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
            sum.grown += slice.grown;
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

#[cfg(test)]
mod tests;
