//! Portals: machines that answer requests, each in its own way of getting slow.
//!
//! Times are microseconds from the beginning of the scene. A portal does not know who has given
//! up: it works on, which is how an overrun portal does nothing but work for nobody.

mod cores;
mod workers;

use super::chance::Dice;
use crate::config::scene::{Model, Visit};
use crate::time::Span;
use cores::Cores;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use workers::Workers;

/// How long a long poll is held.
pub const LONG_POLL: Span = Span::secs(25);

/// What is asked of a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Signing on.
    Login,
    /// A page.
    Page,
    /// A page that needs what stands behind the portal.
    DatabasePage,
    /// A request that is held for [`LONG_POLL`] and costs nothing.
    LongPoll,
}

/// A portal that runs.
pub struct Portal {
    machine: Machine,
    /// Answers that only have to wait: when, and for which request.
    later: BinaryHeap<Reverse<(u64, u32)>>,
    login_cost: f64,
    dead: bool,
    /// What something behind the portal adds to each page.
    slow: Span,
}

enum Machine {
    Cores(Cores),
    Workers(Workers),
    /// Whole visits: nothing runs here.
    None,
}

impl Portal {
    /// A portal of this model, healthy.
    pub fn new(model: &Model, visit: &Visit) -> Portal {
        let machine = match *model {
            Model::Cores {
                cores,
                thrash_above,
                work,
            } => Machine::Cores(Cores::new(cores, thrash_above, work)),
            Model::Workers { .. } => Machine::Workers(Workers::new(model)),
            Model::Visits { .. } => Machine::None,
        };
        Portal {
            machine,
            later: BinaryHeap::new(),
            login_cost: visit.login_cost,
            dead: false,
            slow: Span::ZERO,
        }
    }

    /// A request reaches the portal. Returns whether it is taken.
    pub fn begin(&mut self, id: u32, kind: Kind, dice: &mut Dice, now: u64) -> bool {
        if self.dead {
            return false;
        }
        let cost = match kind {
            Kind::LongPoll => {
                self.later.push(Reverse((now + LONG_POLL.0 * 1_000, id)));
                return true;
            }
            Kind::Login => self.login_cost,
            Kind::Page | Kind::DatabasePage => 1.0,
        };
        match &mut self.machine {
            Machine::Cores(cores) => cores.begin(id, cost, dice, now),
            Machine::Workers(workers) => {
                let database = kind == Kind::DatabasePage;
                return workers.begin(id, cost, database, dice, now);
            }
            Machine::None => {}
        }
        true
    }

    /// When the next answer comes, or something else happens inside.
    pub fn next(&self) -> Option<u64> {
        let machine = match &self.machine {
            Machine::Cores(cores) => cores.next(),
            Machine::Workers(workers) => workers.next(),
            Machine::None => None,
        };
        let later = self.later.peek().map(|Reverse((at, _))| *at);
        machine.into_iter().chain(later).min()
    }

    /// The next request that is answered by `now`.
    pub fn answer(&mut self, now: u64) -> Option<u32> {
        while let Some(id) = match &mut self.machine {
            Machine::Cores(cores) => cores.done(now),
            Machine::Workers(workers) => workers.done(now),
            Machine::None => None,
        } {
            let behind = matches!(self.machine, Machine::Cores(_)) && self.slow > Span::ZERO;
            if !behind {
                return Some(id);
            }
            self.later.push(Reverse((now + self.slow.0 * 1_000, id)));
        }
        let due = self.later.peek().is_some_and(|Reverse((at, _))| *at <= now);
        due.then(|| self.later.pop())
            .flatten()
            .map(|Reverse((_, id))| id)
    }

    /// From now on it works at `factor` of its speed.
    pub fn set_speed(&mut self, factor: f64, now: u64) {
        match &mut self.machine {
            Machine::Cores(cores) => cores.set_speed(factor, now),
            Machine::Workers(workers) => workers.set_speed(factor),
            Machine::None => {}
        }
    }

    /// From now on something behind it adds this: to each page, or to each use of the database.
    pub fn set_slow(&mut self, slow: Span) {
        self.slow = slow;
        if let Machine::Workers(workers) = &mut self.machine {
            workers.set_slow(slow);
        }
    }

    /// It stops to answer; the requests that ran are returned.
    pub fn kill(&mut self) -> Vec<u32> {
        self.dead = true;
        let mut cut: Vec<u32> = self.later.drain().map(|Reverse((_, id))| id).collect();
        match &mut self.machine {
            Machine::Cores(cores) => cores.kill(&mut cut),
            Machine::Workers(workers) => workers.kill(&mut cut),
            Machine::None => {}
        }
        cut.sort_unstable();
        cut
    }

    /// It answers again.
    pub fn revive(&mut self) {
        self.dead = false;
    }

    /// Whether it does not answer.
    pub fn is_dead(&self) -> bool {
        self.dead
    }
}

/// Visits per second that the portal can complete at full speed, when as much runs as is best for
/// it; of whole visits, those that `seats` give.
pub fn capacity(model: &Model, visit: &Visit, seats: u32) -> f64 {
    let pages = visit.pages + visit.login_cost;
    match *model {
        Model::Cores { cores, work, .. } => cores / (work.as_secs_f64() * pages),
        Model::Workers { .. } => Workers::new(model).capacity(visit),
        Model::Visits { length, .. } => f64::from(seats) / length.as_secs_f64(),
    }
}
