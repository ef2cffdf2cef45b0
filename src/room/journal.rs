//! What of a room must outlive the process: changes going out, a saved room coming in.
//!
//! The seam between the pure room and whatever keeps its state. A change is an upsert keyed by
//! what it names, so replaying one twice does no harm. Times are wall-clock.

use super::Room;
use super::absence::Returns;
use super::lanes::LaneNumbers;
use super::line::Bits;
use super::lot::Lot;
use super::promise::Estimator;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One thing to be remembered.
#[derive(Clone, Debug)]
pub enum Change {
    /// What was stored of line, seats and calls is out of date: all of it follows.
    Anew,
    /// A block of the line: its number, who lives, who is over.
    Block(u64, Bits, Bits),
    /// These blocks need not be kept any longer.
    Front(Range<u64>),
    /// A seat is taken since then.
    Seat(u64, Millis),
    /// A seat was given back.
    SeatFree(u64),
    /// A ticket is called until then.
    Call(u64, Millis),
    /// A call was taken or has lapsed.
    CallEnd(u64),
    /// What the room has learnt.
    Learnt(Box<Learnt>),
    /// The openings whose draws are to come, or are still asked about: all of them.
    Lots(Vec<Lot>),
}

/// What a room has learnt of its visitors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Learnt {
    /// How long they wait.
    pub waits: Estimator,
    /// How likely it is that who is quiet asks again.
    pub returns: Returns,
}

/// A room as it was stored.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// Blocks of the line, in order.
    pub blocks: Vec<(u64, Bits, Bits)>,
    /// Seats taken and since when.
    pub seats: Vec<(u64, Millis)>,
    /// Calls and until when.
    pub calls: Vec<(u64, Millis)>,
    /// What the room had learnt.
    pub learnt: Option<Learnt>,
    /// The lanes; no number at or beyond the limit of one was ever given out in it.
    pub lanes: Vec<LaneNumbers>,
    /// Openings.
    pub lots: Vec<Lot>,
    /// When the last change was stored; whoever came in later is not among the seats.
    pub committed: Millis,
}

impl Room {
    /// Numbers below `limit` may be given out, in its lane: the store has confirmed them.
    /// `u64::MAX`, where there is no store: all numbers of all lanes.
    pub fn reserve(&mut self, limit: u64) {
        match limit {
            u64::MAX => self.line.reserve_all(),
            limit => self.line.reserve(limit),
        }
    }

    /// The next number, and the first that may not be given out yet, of the lane with the fewest
    /// in between.
    pub fn numbers(&self) -> (u64, u64) {
        let lanes = self.line.numbers();
        let fewest = lanes.min_by_key(|lane| lane.limit.saturating_sub(lane.next));
        fewest.map_or((0, 0), |lane| (lane.next, lane.limit))
    }

    /// The same for every lane, with what a store needs to know of it.
    pub fn lane_numbers(&self) -> Vec<LaneNumbers> {
        self.line.numbers().collect()
    }
}
