//! A portal of workers, as Apache with PHP or a servlet container: each takes one request after the
//! other, those that find none free wait in the order of their coming, and beyond the backlog they
//! are refused.
//!
//! Service is lognormal. A page may then need the database, which has connections of its own and
//! its own queue, while the worker waits. With b busy workers, beyond s of them the machine swaps:
//! service that begins then takes 1 + ((b − s) ÷ (s ÷ 3))² times as long, so that it does less the
//! more workers are busy.

use crate::config::scene::{Model, Visit};
use crate::sim::chance::Dice;
use crate::time::Span;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Spread of service and database times (standard deviation of the logarithm).
const SPREAD: f64 = 0.5;

pub(super) struct Workers {
    workers: u32,
    swap_above: f64,
    backlog_max: usize,
    /// Means in microseconds.
    service: f64,
    database: f64,
    database_share: f64,
    connections: u32,
    speed: f64,
    slow: f64,
    busy: u32,
    connected: u32,
    backlog: VecDeque<Job>,
    for_database: VecDeque<Job>,
    /// What each is at, and until when.
    stages: BinaryHeap<Reverse<(u64, u32, Stage)>>,
}

#[derive(Clone, Copy)]
struct Job {
    id: u32,
    service: f64,
    /// The database's work for it; 0 if it needs none.
    database: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// With a worker; then so many microseconds of the database.
    Service(u64),
    Database,
}

impl Workers {
    /// # Panics
    /// If the model is another one.
    pub(super) fn new(model: &Model) -> Workers {
        let Model::Workers {
            workers,
            swap_above,
            backlog,
            service,
            database_share,
            database,
            connections,
        } = *model
        else {
            panic!("not a model of workers");
        };
        Workers {
            workers,
            swap_above: f64::from(swap_above),
            backlog_max: backlog as usize,
            service: service.0 as f64 * 1_000.0,
            database: database.0 as f64 * 1_000.0,
            database_share,
            connections,
            speed: 1.0,
            slow: 0.0,
            busy: 0,
            connected: 0,
            backlog: VecDeque::new(),
            for_database: VecDeque::new(),
            stages: BinaryHeap::new(),
        }
    }

    /// Visits per second with as many workers busy as is best.
    pub(super) fn capacity(&self, visit: &Visit) -> f64 {
        let speed = |busy: u32| f64::from(busy) / self.swapping(busy);
        let best = (1..=self.workers).map(speed).fold(0.0, f64::max);
        let database = self.database_share * self.database * visit.pages;
        let service = self.service * (visit.pages + visit.login_cost);
        let by_workers = best / (service + database);
        let by_database = f64::from(self.connections) / database.max(1.0);
        by_workers.min(by_database) * 1e6
    }

    pub(super) fn begin(
        &mut self,
        id: u32,
        cost: f64,
        database: bool,
        dice: &mut Dice,
        now: u64,
    ) -> bool {
        if self.backlog.len() >= self.backlog_max && self.busy >= self.workers {
            return false;
        }
        let database = match database {
            true => dice.lognormal(self.database + self.slow, SPREAD),
            false => 0.0,
        };
        self.backlog.push_back(Job {
            id,
            service: dice.lognormal(self.service * cost, SPREAD),
            database,
        });
        self.serve(now);
        true
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.stages.peek().map(|Reverse((at, ..))| *at)
    }

    /// Goes on until a request is done, at the latest until `now`.
    pub(super) fn done(&mut self, now: u64) -> Option<u32> {
        while let Some(Reverse((at, id, stage))) = self.stages.peek().copied()
            && at <= now
        {
            self.stages.pop();
            match stage {
                Stage::Service(0) => {
                    self.busy -= 1;
                    self.serve(at);
                    return Some(id);
                }
                Stage::Service(database) => {
                    self.for_database.push_back(Job {
                        id,
                        service: 0.0,
                        database: database as f64,
                    });
                    self.connect(at);
                }
                Stage::Database => {
                    self.connected -= 1;
                    self.busy -= 1;
                    self.connect(at);
                    self.serve(at);
                    return Some(id);
                }
            }
        }
        None
    }

    pub(super) fn set_speed(&mut self, speed: f64) {
        self.speed = speed;
    }

    pub(super) fn set_slow(&mut self, slow: Span) {
        self.slow = slow.0 as f64 * 1_000.0;
    }

    pub(super) fn kill(&mut self, cut: &mut Vec<u32>) {
        cut.extend(self.stages.drain().map(|Reverse((_, id, _))| id));
        let waiting = self.backlog.drain(..).chain(self.for_database.drain(..));
        cut.extend(waiting.map(|job| job.id));
        (self.busy, self.connected) = (0, 0);
    }

    /// How many times as long service takes with so many workers busy.
    fn swapping(&self, busy: u32) -> f64 {
        let over = (f64::from(busy) - self.swap_above).max(0.0);
        1.0 + (over / (self.swap_above / 3.0)).powi(2)
    }

    fn serve(&mut self, now: u64) {
        while self.busy < self.workers
            && let Some(job) = self.backlog.pop_front()
        {
            self.busy += 1;
            let takes = job.service * self.swapping(self.busy) / self.speed;
            let stage = Stage::Service(job.database as u64);
            self.stages
                .push(Reverse((now + takes as u64, job.id, stage)));
        }
    }

    fn connect(&mut self, now: u64) {
        while self.connected < self.connections
            && let Some(job) = self.for_database.pop_front()
        {
            self.connected += 1;
            let end = now + job.database as u64;
            self.stages.push(Reverse((end, job.id, Stage::Database)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portal(database_share: f64) -> Workers {
        Workers::new(&Model::Workers {
            workers: 40,
            swap_above: 24,
            backlog: 10,
            service: Span(400),
            database_share,
            database: Span(100),
            connections: 8,
        })
    }

    /// Requests done in a minute with always `running` of them.
    fn throughput(running: u32, database: bool) -> u32 {
        let (mut portal, mut dice) = (portal(1.0), Dice::new(1));
        for id in 0..running {
            assert!(portal.begin(id, 1.0, database, &mut dice, 0));
        }
        let mut count = 0;
        while let Some(at) = portal.next().filter(|at| *at < 60_000_000) {
            if let Some(id) = portal.done(at) {
                portal.begin(id, 1.0, database, &mut dice, at);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn it_is_quickest_just_before_it_swaps() {
        let near =
            |found: u32, wanted: u32| assert!(found.abs_diff(wanted) < wanted / 8, "{found}");
        near(throughput(12, false), 12 * 150);
        near(throughput(24, false), 24 * 150);
        near(throughput(40, false), 8 * 150);
    }

    #[test]
    fn the_database_is_a_limit_of_its_own() {
        let found = throughput(40, true);
        assert!(
            found <= 8 * 600 && throughput(12, true) > 12 * 110,
            "{found}"
        );
    }

    #[test]
    fn beyond_the_backlog_it_refuses() {
        let (mut portal, mut dice) = (portal(0.0), Dice::new(1));
        let taken = (0..100).filter(|id| portal.begin(*id, 1.0, false, &mut dice, 0));
        assert_eq!(taken.count(), 50);
        let mut cut = Vec::new();
        portal.kill(&mut cut);
        assert_eq!((cut.len(), portal.next()), (50, None));
    }
}
