//! A portal of cores that all its requests share (processor sharing).
//!
//! With n requests in flight, each gets min(1, cores ÷ n) of a core, times min(1, t ÷ n) once there
//! are more than t of them: it thrashes, and at twice t does half the work. Work is exponential.
//!
//! Requests end in the order of the *virtual work* at which they will be done: the work that each
//! request present since the beginning would have got. So an event costs O(log n), however many
//! run (the virtual time of fair queueing: Parekh & Gallager 1993).

use crate::sim::chance::Dice;
use crate::time::Span;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub(super) struct Cores {
    cores: f64,
    thrash_above: f64,
    /// Mean work of a page, in microseconds of a core.
    work: f64,
    speed: f64,
    /// Virtual work done, in microseconds, at `updated`.
    done: f64,
    updated: u64,
    /// The virtual work at which each ends (bits of a positive float sort as it does).
    jobs: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Cores {
    pub(super) fn new(cores: f64, thrash_above: f64, work: Span) -> Cores {
        Cores {
            cores,
            thrash_above,
            work: work.0 as f64 * 1_000.0,
            speed: 1.0,
            done: 0.0,
            updated: 0,
            jobs: BinaryHeap::new(),
        }
    }

    pub(super) fn begin(&mut self, id: u32, cost: f64, dice: &mut Dice, now: u64) {
        self.work_until(now);
        let end = self.done + dice.exponential(self.work * cost);
        self.jobs.push(Reverse((end.to_bits(), id)));
    }

    pub(super) fn next(&self) -> Option<u64> {
        let Reverse((end, _)) = self.jobs.peek()?;
        let left = (f64::from_bits(*end) - self.done).max(0.0);
        Some(self.updated + (left / self.rate()).ceil() as u64)
    }

    pub(super) fn done(&mut self, now: u64) -> Option<u32> {
        if self.next()? > now {
            return None;
        }
        self.work_until(now);
        self.jobs.pop().map(|Reverse((_, id))| id)
    }

    pub(super) fn set_speed(&mut self, speed: f64, now: u64) {
        self.work_until(now);
        self.speed = speed;
    }

    pub(super) fn kill(&mut self, cut: &mut Vec<u32>) {
        cut.extend(self.jobs.drain().map(|Reverse((_, id))| id));
    }

    /// Work that each request gets in a microsecond.
    fn rate(&self) -> f64 {
        let running = self.jobs.len() as f64;
        let share = (self.cores / running).min(1.0);
        self.speed * share * (self.thrash_above / running).min(1.0)
    }

    fn work_until(&mut self, now: u64) {
        if !self.jobs.is_empty() {
            self.done += self.rate() * now.saturating_sub(self.updated) as f64;
        }
        self.updated = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests done in a hundred seconds with always `running` of them.
    fn throughput(running: u32) -> u32 {
        let mut cores = Cores::new(8.0, 32.0, Span(200));
        let mut dice = Dice::new(1);
        for id in 0..running {
            cores.begin(id, 1.0, &mut dice, 0);
        }
        let mut count = 0;
        while let Some(at) = cores.next().filter(|at| *at < 100_000_000) {
            let id = cores.done(at).unwrap();
            cores.begin(id, 1.0, &mut dice, at);
            count += 1;
        }
        count
    }

    #[test]
    fn all_cores_work_and_too_many_requests_slow_them_down() {
        let near =
            |found: u32, wanted: u32| assert!(found.abs_diff(wanted) < wanted / 8, "{found}");
        near(throughput(1), 500);
        near(throughput(8), 4000);
        near(throughput(32), 4000);
        near(throughput(64), 2000);
        near(throughput(320), 400);
    }
}
