//! What of a room must outlive the process: changes going out, a saved room coming in.
//!
//! The seam between the pure room and whatever keeps its state. A change is an upsert keyed by
//! what it names, so replaying one twice does no harm. Times are wall-clock.

use super::lanes::LaneNumbers;
use super::line::Bits;
use super::promise::Estimator;
use crate::time::Millis;
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
    /// What the promise has learnt.
    Learnt(Box<Estimator>),
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
    /// What the promise had learnt.
    pub learnt: Option<Estimator>,
    /// The lanes; no number at or beyond the limit of one was ever given out in it.
    pub lanes: Vec<LaneNumbers>,
    /// When the last change was stored; whoever came in later is not among the seats.
    pub committed: Millis,
}
