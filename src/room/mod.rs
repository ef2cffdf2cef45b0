//! A waiting room as a pure state machine.

mod promise;
mod rules;

pub use promise::{Promise, Shown};
pub use rules::{Mode, Rules};

use crate::time::Span;

/// What a visitor in line is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The ticket's number; it never changes.
    pub number: u64,
    /// Living tickets ahead, plus one; 1 for a called one.
    pub place: u64,
    /// `None` while nobody can honestly say.
    pub promise: Option<Promise>,
    /// When the server wants to hear from this visitor again.
    pub poll_after: Span,
    /// The ticket is called: what is left of its claim window.
    pub called: Option<Span>,
    /// Why things are as they are, where there is something to say.
    pub reason: Option<Reason>,
}

/// Why the line does not move, or moves more slowly than was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The portal does not answer; calls have stopped and resume by themselves.
    PortalDown,
    /// The operators hold the room.
    Held,
    /// The portal is slower than it was when the promise was made.
    Slower,
}
