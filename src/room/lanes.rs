//! The lanes of a room: a line each, and whose turn it is among them.
//!
//! A number tells its lane in its highest bits: it never changes lanes, and what is kept of it needs
//! no more room. Lane 0 is for whoever belongs to no other. A room without lanes has it alone, and its
//! numbers are those of a room that knows of no lanes.
//!
//! Whose turn it is is decided by virtual time (start-time fair queueing: Goyal, Vin & Cheng, SIGCOMM
//! 1996): a call moves its lane on by 1 / weight, and the lane that is the least far on is the next. A
//! lane that had nobody to call, or no seat for them, begins anew where the others are: it has saved
//! up nothing. So of any n calls in a row that a lane waits for, it gets at least
//! n · weight / all weights, less one for itself and its own share of one for each other lane. A lane
//! with a block keeps its turn for as many calls, and the others have theirs afterwards: then its block
//! stands for its one.

mod by_number;

use super::hours::Hours;
use super::line::{Bits, Line};
use super::rules::Rules;
use crate::time::{Millis, Span};
use std::ops::Range;

/// Lanes that a room may have.
pub const LANES_MAX: usize = 16;
/// Lanes that numbers can tell apart: also those that were taken out of the rules while somebody
/// may still hold a ticket of them.
const IDS: usize = 64;
/// A number's lane stands above these bits.
const SHIFT: u32 = 64 - IDS.ilog2();
/// How far on a call moves a lane of weight 1.
const STRIDE: u64 = 1 << 24;
/// Arrivals are remembered for about as long.
const ARRIVALS_MEMORY: Span = Span::mins(5);

/// What a room's rules say of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRules {
    /// Its name; empty for the one lane of a room without lanes.
    pub name: String,
    /// Its share of the calls, beside the other lanes' weights; at least 1.
    pub weight: u32,
    /// Seats that are kept for it.
    pub seats: u32,
    /// Calls that it may get in a row once its turn has come, while it has somebody to call; at least
    /// 1. They come out of its share: afterwards the others have theirs.
    pub block: u32,
}

impl Default for LaneRules {
    fn default() -> LaneRules {
        LaneRules {
            name: String::new(),
            weight: 1,
            seats: 0,
            block: 1,
        }
    }
}

/// What is reserved of the numbers of one lane: what a store keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneNumbers {
    /// The lane's part of its numbers.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// The number that is given out next.
    pub next: u64,
    /// The first that may not be given out yet.
    pub limit: u64,
}

/// Something counted for each lane that numbers can tell apart.
#[derive(Clone, Debug)]
pub struct ByLane([u32; IDS]);

/// One lane.
pub struct Lane {
    id: usize,
    pub rules: LaneRules,
    line: Line,
    /// Newcomers may come into it now.
    pub open: bool,
    /// When it is let in.
    pub hours: Hours,
    /// When it was let in last after it had been shut, as far as we have seen it.
    pub let_in: Option<Millis>,
    /// Numbers below this one may be given out.
    limit: u64,
    front_saved: u64,
    /// How far on it is.
    at: u64,
    /// Tickets since arrivals were last reckoned, and how many there are a second.
    fresh: u32,
    pub arrivals: f64,
    pub tickets: u64,
    pub straight: u64,
    pub calls: u64,
}

/// The lanes of a room. See the module.
pub struct Lanes {
    /// Those of the rules in their order, then those that were taken out of them.
    lanes: Vec<Lane>,
    /// How many are of the rules.
    ruled: usize,
    /// How far on the lane was that was called last.
    now_at: u64,
    /// The lane that was called last, and the calls of its block that are left.
    block: (usize, u32),
}

/// The blocks of numbers that belong to the same lane as the block `front`, up to that one.
fn before(front: u64) -> Range<u64> {
    let lane = id(front * super::BLOCK) as u64;
    ((lane << SHIFT) / super::BLOCK)..front
}

/// The lane's part of a number.
fn id(number: u64) -> usize {
    (number >> SHIFT) as usize
}

/// The number in lane `id` that is `number` in lane 0.
fn in_lane(id: usize, number: u64) -> u64 {
    (id as u64) << SHIFT | number & ((1 << SHIFT) - 1)
}

impl ByLane {
    /// Of the lane of `number`.
    pub fn of(&self, number: u64) -> u32 {
        self.0[id(number)]
    }

    /// One more in the lane of `number`.
    pub fn add(&mut self, number: u64) {
        self.0[id(number)] += 1;
    }

    /// One less.
    pub fn take(&mut self, number: u64) {
        let count = &mut self.0[id(number)];
        *count = count.saturating_sub(1);
    }
}

impl Default for ByLane {
    fn default() -> ByLane {
        ByLane([0; IDS])
    }
}

impl Lane {
    fn new(id: usize, rules: LaneRules, line: Line) -> Lane {
        Lane {
            id,
            rules,
            open: true,
            hours: Hours::default(),
            let_in: None,
            limit: 0,
            front_saved: line.base() / super::BLOCK,
            line,
            at: 0,
            fresh: 0,
            arrivals: 0.0,
            tickets: 0,
            straight: 0,
            calls: 0,
        }
    }

    /// Some number of this lane.
    pub fn any_number(&self) -> u64 {
        in_lane(self.id, 0)
    }

    /// Living tickets.
    pub fn living(&self) -> u64 {
        self.line.living()
    }
}

impl Lanes {
    /// Empty lanes, each with `first` as its first number (within the lane).
    pub fn new(rules: &Rules, first: u64, keep: u32) -> Lanes {
        let lanes = rules.lanes.iter().take(LANES_MAX).enumerate();
        let lanes = lanes.map(|(id, rules)| {
            let line = Line::new(in_lane(id, first), keep);
            Lane::new(id, rules.clone(), line)
        });
        Lanes::of(lanes.collect())
    }

    /// The lanes as they were stored: each finds its tickets by its name, wherever it stands in the
    /// rules now. A lane that is no longer in the rules gets no newcomers, but its tickets are
    /// called as those of a lane of weight 1.
    pub fn restore(
        rules: &Rules,
        stored: Vec<LaneNumbers>,
        blocks: Vec<(u64, Bits, Bits)>,
        keep: u32,
        due: u32,
    ) -> Lanes {
        let line = |id: usize, next| {
            let own = (blocks.iter().copied()).filter(|(block, ..)| of_block(*block) == id);
            Line::restore(own, next, keep, due)
        };
        let first = (stored.iter().find(|lane| lane.id == 0)).map_or(0, |lane| lane.limit);
        let mut former = stored;
        let mut lanes: Vec<Lane> = Vec::new();
        let mut given: Vec<usize> = former.iter().map(|lane| lane.id.into()).collect();
        let mut new_id = || {
            let id = (0..IDS).find(|id| !given.contains(id))?;
            given.push(id);
            Some(id)
        };
        for (index, rules) in rules.lanes.iter().take(LANES_MAX).enumerate() {
            let known = (former.iter()).position(|it| match index {
                0 => it.id == 0,
                _ => it.id != 0 && it.name == rules.name,
            });
            let known = known.map(|at| former.remove(at));
            let new = known.is_none().then(&mut new_id).flatten();
            let (id, next) = match (known, new) {
                (Some(it), _) => (usize::from(it.id), it.limit),
                (None, Some(id)) => (id, in_lane(id, first)),
                // So many lanes were never meant: the newest former one is taken over.
                (None, None) => former
                    .pop()
                    .map_or((0, first), |it| (usize::from(it.id), it.limit)),
            };
            lanes.push(Lane::new(id, rules.clone(), line(id, next)));
        }
        let ruled = lanes.len();
        lanes.extend(former.into_iter().map(|lane| {
            let id = usize::from(lane.id).min(IDS - 1);
            let rules = LaneRules {
                name: lane.name,
                ..LaneRules::default()
            };
            Lane::new(id, rules, line(id, lane.limit))
        }));
        Lanes {
            ruled,
            ..Lanes::of(lanes)
        }
    }

    fn of(lanes: Vec<Lane>) -> Lanes {
        Lanes {
            ruled: lanes.len(),
            lanes,
            now_at: 0,
            block: (0, 0),
        }
    }

    /// The lanes: those of the rules in their order, then former ones.
    pub fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    /// How many lanes there are, former ones included.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// The lane at `index`, former ones included.
    pub fn get(&self, index: usize) -> &Lane {
        &self.lanes[index]
    }

    /// The index of the rules' lane that newcomers for `index` come into.
    pub fn ruled(&self, index: usize) -> usize {
        if index < self.ruled { index } else { 0 }
    }

    /// The index of the lane that `number` belongs to; that of no lane for a number of none.
    pub fn lane_of(&self, number: u64) -> usize {
        let id = id(number);
        match self.lanes.first() {
            Some(lane) if lane.id == id => 0,
            _ => (self.lanes.iter().position(|lane| lane.id == id)).unwrap_or(self.lanes.len()),
        }
    }

    /// Whether lanes of the rules take newcomers now.
    pub fn set_open(&mut self, open: impl Fn(usize) -> bool) {
        for (index, lane) in self.lanes.iter_mut().take(self.ruled).enumerate() {
            lane.open = open(index);
        }
    }

    /// When lanes of the rules are let in, as it is now.
    pub fn set_hours(&mut self, hours: impl Fn(usize) -> Hours, now: Millis) {
        for (index, lane) in self.lanes.iter_mut().take(self.ruled).enumerate() {
            let shut = !std::mem::replace(&mut lane.hours, hours(index)).entering();
            if shut && lane.hours.entering() {
                lane.let_in = Some(now);
            }
        }
    }

    /// The lane that is called next, of those that may be; `None` if none may. Moves nobody on.
    pub fn next(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        if self.lanes.len() == 1 {
            return may(0).then_some(0);
        }
        let (last, left) = self.block;
        if left > 0 && may(last) {
            return Some(last);
        }
        (0..self.lanes.len())
            .filter(|index| may(*index))
            .min_by_key(|index| self.lanes[*index].at.max(self.now_at))
    }

    /// A ticket of lane `index` is called: the lane moves on.
    pub fn move_on(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        lane.calls += 1;
        let at = lane.at.max(self.now_at);
        lane.at = at + STRIDE / u64::from(lane.rules.weight.max(1));
        let left = match self.block {
            (last, left) if last == index && left > 0 => left,
            _ => {
                // Within a block, the others stay where they are.
                self.now_at = at;
                lane.rules.block.max(1)
            }
        };
        self.block = (index, left - 1);
    }

    /// Somebody goes straight in by lane `index`.
    pub fn count_straight(&mut self, index: usize) {
        self.lanes[index].straight += 1;
    }

    /// `secs` have passed: how many come a second, in each lane.
    pub fn reckon_arrivals(&mut self, secs: f64) {
        let forgotten = 1.0 - (-secs / ARRIVALS_MEMORY.as_secs_f64()).exp();
        for lane in &mut self.lanes {
            let now = f64::from(std::mem::take(&mut lane.fresh)) / secs.max(0.001);
            lane.arrivals += (now - lane.arrivals) * forgotten;
        }
    }

    /// What is given out and reserved of each lane's numbers.
    pub fn numbers(&self) -> impl Iterator<Item = LaneNumbers> + '_ {
        self.lanes.iter().map(|lane| LaneNumbers {
            id: lane.id as u8,
            name: lane.rules.name.clone(),
            next: lane.line.next(),
            limit: lane.limit,
        })
    }

    /// Whether one more number may be given out in lane `index`.
    pub fn may_number(&self, index: usize) -> bool {
        let lane = &self.lanes[index];
        lane.line.next() < lane.limit
    }

    /// Numbers below `limit` may be given out in the lane that it belongs to.
    pub fn reserve(&mut self, limit: u64) {
        if let Some(lane) = self.lane_mut(limit) {
            lane.limit = lane.limit.max(limit);
        }
    }

    /// All numbers may be given out.
    pub fn reserve_all(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.limit = u64::MAX);
    }

    /// The numbers that each lane is still to give out.
    pub fn to_come(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.lanes.iter().map(|lane| {
            let end = in_lane(lane.id, u64::MAX);
            lane.line.next()..end
        })
    }

    /// The number that is given out next in the lane of `number`.
    pub fn next_beside(&self, number: u64) -> u64 {
        self.lane(number).map_or(number, |lane| lane.line.next())
    }

    /// The smallest number that is still known in the lane of `number`.
    pub fn base(&self, number: u64) -> u64 {
        self.lane(number).map_or(u64::MAX, |lane| lane.line.base())
    }

    /// Living tickets before `end`, in the lane of `number`.
    pub fn places_before(&self, number: u64, end: u64) -> u64 {
        let places = self.lane(number).map(|lane| lane.line.place(end));
        places.map_or(0, |place| place.saturating_sub(1))
    }

    /// What no lane needs of its blocks any longer, since the last call.
    pub fn take_retired(&mut self) -> Vec<Range<u64>> {
        let mut retired = Vec::new();
        for lane in &mut self.lanes {
            let front = lane.line.base() / super::BLOCK;
            if std::mem::replace(&mut lane.front_saved, front) != front {
                retired.push(before(front));
            }
        }
        retired
    }
}

fn of_block(block: u64) -> usize {
    id(block.saturating_mul(super::BLOCK))
}
