//! The sample portal's machine as a pure model: requests share its workers, and too many of
//! them at once make all of them slower.
//!
//! Up to [`WORKERS`] requests run at full speed; beyond, they share (processor sharing); beyond
//! [`KNEE`] they also get in each other's way, so that the machine does *less* in all the more
//! it is asked. That is how the portals of 2020 went down, and why seats help. Time is an
//! argument; nothing here sleeps.

use crate::time::{Millis, Span};
use std::collections::BTreeMap;

/// Requests that run at full speed at once.
pub const WORKERS: usize = 8;
/// Requests in flight beyond which the machine's efficiency falls.
pub const KNEE: usize = 32;
/// Requests in flight beyond which the machine refuses.
pub const QUEUE_MAX: usize = 200;
/// Refusing for this long makes the machine fall over.
pub const ENDURANCE: Span = Span::secs(5);
/// How long a machine that fell over stays down.
pub const REPAIR: Span = Span::secs(6);

/// Weight of the newest answer in the smoothed answer time.
const SMOOTHING: f64 = 0.05;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// There was no room for it, or the machine fell over while it ran.
    Failed,
}

/// What can be seen of the machine from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Requests running now.
    pub in_flight: usize,
    /// Requests answered so far.
    pub done: u64,
    /// Requests refused or lost so far.
    pub failed: u64,
    /// How often it fell over.
    pub breakdowns: u64,
    /// It fell over and is not back yet.
    pub broken: bool,
    /// Smoothed time from a request to its answer.
    pub answer_time: Span,
}

/// The machine; `T` is whatever the caller needs to find a request again when it ends.
pub struct Machine<T> {
    now: Millis,
    /// Microseconds of work that a request present since the machine was last idle has had.
    work: f64,
    /// Requests in flight, by the work mark at which each is done, then by number.
    jobs: BTreeMap<(u64, u64), Job<T>>,
    next_number: u64,
    refusing_since: Option<Millis>,
    broken_until: Option<Millis>,
    answer_millis: f64,
    gauges: Gauges,
}

struct Job<T> {
    arrived: Millis,
    token: T,
}

/// The share of one worker's speed that each of `in_flight` requests gets: in 0 to 1.
pub fn speed(in_flight: usize) -> f64 {
    let share = |limit: usize| (limit as f64 / in_flight.max(1) as f64).min(1.0);
    share(WORKERS) * share(KNEE)
}

impl<T> Machine<T> {
    /// An idle machine.
    pub fn new(now: Millis) -> Machine<T> {
        Machine {
            now,
            work: 0.0,
            jobs: BTreeMap::new(),
            next_number: 0,
            refusing_since: None,
            broken_until: None,
            answer_millis: 0.0,
            gauges: Gauges::default(),
        }
    }

    /// A request that needs `cost` of an undisturbed worker arrives. Returns every request that
    /// has ended by now, this one included if it is refused.
    pub fn arrive(&mut self, now: Millis, cost: Span, token: T) -> Vec<(T, Outcome)> {
        let mut ended = self.advance(now);
        if self.broken_until.is_none() && self.jobs.len() >= QUEUE_MAX {
            let since = *self.refusing_since.get_or_insert(self.now);
            if self.now.since(since) >= ENDURANCE {
                self.fall_over(&mut ended);
            }
        }
        if self.broken_until.is_some() || self.jobs.len() >= QUEUE_MAX {
            self.gauges.failed += 1;
            ended.push((token, Outcome::Failed));
        } else {
            let mark = self.work as u64 + cost.0.saturating_mul(1000);
            let arrived = self.now;
            self.jobs
                .insert((mark, self.next_number), Job { arrived, token });
            self.next_number += 1;
        }
        ended
    }

    /// Lets time pass up to `now`; returns the requests that ended on the way. A `now` that lies
    /// in the past changes nothing.
    pub fn advance(&mut self, now: Millis) -> Vec<(T, Outcome)> {
        let mut ended = Vec::new();
        let mut left = now.since(self.now).0 as f64 * 1000.0;
        loop {
            let speed = speed(self.jobs.len());
            let Some(first) = self.jobs.first_entry() else {
                break;
            };
            let mark = first.key().0 as f64;
            let needed = (mark - self.work).max(0.0) / speed;
            if needed > left {
                self.work += left * speed;
                break;
            }
            left -= needed;
            self.work = self.work.max(mark);
            let job = first.remove();
            let ended_at = now - Span((left / 1000.0) as u64);
            self.answered(ended_at.since(job.arrived));
            ended.push((job.token, Outcome::Done));
        }
        self.now = self.now.max(now);
        self.settle();
        ended
    }

    /// When the next request will end if nobody else comes; `None` while idle.
    pub fn wake(&self) -> Option<Millis> {
        let (&(mark, _), _) = self.jobs.first_key_value()?;
        let micros = (mark as f64 - self.work).max(0.0) / speed(self.jobs.len());
        Some(self.now + Span((micros / 1000.0).ceil() as u64))
    }

    /// What can be seen from outside.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            in_flight: self.jobs.len(),
            broken: self.broken_until.is_some(),
            answer_time: Span(self.answer_millis as u64),
            ..self.gauges
        }
    }

    fn answered(&mut self, took: Span) {
        self.gauges.done += 1;
        self.answer_millis += SMOOTHING * (took.0 as f64 - self.answer_millis);
    }

    fn fall_over(&mut self, ended: &mut Vec<(T, Outcome)>) {
        self.gauges.breakdowns += 1;
        self.gauges.failed += self.jobs.len() as u64;
        let jobs = std::mem::take(&mut self.jobs);
        ended.extend(jobs.into_values().map(|job| (job.token, Outcome::Failed)));
        self.broken_until = Some(self.now + REPAIR);
        self.refusing_since = None;
    }

    fn settle(&mut self) {
        if self.jobs.is_empty() {
            self.work = 0.0;
        }
        if self.jobs.len() < QUEUE_MAX / 2 {
            self.refusing_since = None;
        }
        if self.broken_until.is_some_and(|until| until <= self.now) {
            self.broken_until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers in 60 s when `crowd` visitors ask, read for `think`, and ask again; a visitor who
    /// is refused asks again after a second.
    fn answers(crowd: usize, think: Span) -> Gauges {
        let start = Millis(1_000_000);
        let cost = Span(200);
        let mut machine = Machine::new(start);
        let mut asks: Vec<Millis> = (0..crowd).map(|i| start + Span(i as u64 * 7)).collect();
        for tick in 0..6_000 {
            let now = start + Span(tick * 10);
            let mut ended = machine.advance(now);
            for (visitor, ask) in asks.iter_mut().enumerate() {
                if *ask <= now {
                    *ask = Millis(u64::MAX);
                    ended.extend(machine.arrive(now, cost, visitor));
                }
            }
            for (visitor, outcome) in ended {
                asks[visitor] = now
                    + match outcome {
                        Outcome::Done => think,
                        Outcome::Failed => Span::secs(1),
                    };
            }
        }
        machine.gauges()
    }

    #[test]
    fn throughput_rises_to_the_knee_and_falls_beyond() {
        let throughput = |n: usize| n as f64 * speed(n);
        assert!(throughput(4) < throughput(8));
        assert_eq!(throughput(WORKERS), throughput(KNEE));
        assert!(throughput(64) < throughput(KNEE) / 1.9);
        assert!(throughput(QUEUE_MAX) < throughput(KNEE) / 6.0);
    }

    #[test]
    fn one_request_takes_its_cost_and_two_waves_share() {
        let mut machine = Machine::new(Millis(0));
        assert!(machine.arrive(Millis(0), Span(100), 0).is_empty());
        assert_eq!(machine.wake(), Some(Millis(100)));
        assert!(machine.advance(Millis(99)).is_empty());
        assert_eq!(machine.advance(Millis(100)), [(0, Outcome::Done)]);
        assert_eq!(machine.wake(), None);

        for token in 0..2 * WORKERS {
            machine.arrive(Millis(1_000), Span(100), token);
        }
        assert_eq!(machine.wake(), Some(Millis(1_200)));
        assert_eq!(machine.advance(Millis(1_200)).len(), 2 * WORKERS);
    }

    #[test]
    fn time_that_goes_backwards_changes_nothing() {
        let mut machine = Machine::new(Millis(1_000));
        machine.arrive(Millis(1_000), Span(100), ());
        assert!(machine.advance(Millis(0)).is_empty());
        assert_eq!(machine.wake(), Some(Millis(1_100)));
    }

    #[test]
    fn more_visitors_get_fewer_answers_once_it_is_overrun() {
        let few = answers(30, Span::secs(3));
        let many = answers(400, Span::secs(3));
        assert_eq!((few.failed, few.breakdowns), (0, 0));
        assert!(few.answer_time < Span(400), "{few:?}");
        assert!(many.done < few.done / 2, "{many:?} against {few:?}");
        assert!(many.failed > few.done, "{many:?}");
        assert!(many.breakdowns >= 2, "{many:?}");
    }

    #[test]
    fn it_falls_over_when_overrun_for_long_and_comes_back() {
        let mut machine = Machine::new(Millis(0));
        let mut now = Millis(0);
        for token in 0..QUEUE_MAX {
            assert!(machine.arrive(now, Span::secs(60), token).is_empty());
        }
        assert_eq!(machine.arrive(now, Span(1), 999), [(999, Outcome::Failed)]);
        assert!(!machine.gauges().broken);
        now = now + ENDURANCE;
        assert_eq!(machine.arrive(now, Span(1), 999).len(), QUEUE_MAX + 1);
        assert!(machine.gauges().broken);
        now = now + REPAIR;
        assert!(machine.arrive(now, Span(1), 999).is_empty());
        assert_eq!(machine.advance(now + Span(1)), [(999, Outcome::Done)]);
        assert_eq!(machine.gauges().breakdowns, 1);
    }
}
