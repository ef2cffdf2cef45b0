//! What an operator decides about a room; every bound with its name and unit.

use super::lanes::LaneRules;
use crate::time::Span;
use serde::{Deserialize, Serialize};

/// What a room does with those who come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Everybody goes straight through; nobody waits, no seat is counted against the limit.
    Open,
    /// As `open`, but counts who would have had to wait.
    Observe,
    /// The normal mode: a line forms when no seat is free.
    #[default]
    Queue,
    /// Nobody is called; those inside stay, those who come take a ticket and wait.
    Hold,
    /// Nobody new goes in or takes a ticket; those inside finish, those in line keep their place.
    Closed,
}

impl Mode {
    /// Every mode with its name, as written in configuration, metrics and logs.
    pub const NAMES: [(&'static str, Mode); 5] = [
        ("open", Mode::Open),
        ("observe", Mode::Observe),
        ("queue", Mode::Queue),
        ("hold", Mode::Hold),
        ("closed", Mode::Closed),
    ];

    /// The mode's name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

/// The rules of one room.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// What the room does.
    pub mode: Mode,
    /// Seats: how many visits may be inside at once; at least 1.
    pub seats: u32,
    /// The number of seats is found, and not written: whoever goes straight in is paced as well.
    pub found: bool,
    /// Newcomers who go in within a minute, straight and called together: at least 1; `None`: as many
    /// as there are seats for.
    pub per_minute: Option<u32>,
    /// A seat is given back after this long without a renewing request.
    pub idle: Span,
    /// The same for a visitor who never showed the pass again: a client that keeps no cookies.
    pub first_idle: Span,
    /// How long a seat is kept for a visitor who was sent to a sign-on elsewhere.
    pub sign_on: Span,
    /// A seat is given back after this long in any case.
    pub visit_max: Span,
    /// How long a called visitor has to come in before the seat goes to the next.
    pub claim: Span,
    /// How long a place is kept after the last poll, and how late a called visitor may be and
    /// still go in first.
    pub keep: Span,
    /// Tickets that may wait at once; beyond, newcomers are asked to come back later.
    pub line_max: u32,
    /// The shortest time between two polls of one visitor.
    pub poll_min: Span,
    /// The longest time between two polls of one visitor (before jitter and budget).
    pub poll_max: Span,
    /// Polls per second that the room wants to see at most; intervals stretch to keep it.
    pub poll_budget: u32,
    /// Seats beyond the limit, at most, for a form sent by somebody whose pass has just lapsed.
    pub reserve: u32,
    /// Seats beside all of these, at most, for callbacks of sign-ons that come without a pass.
    pub callback_reserve: u32,
    /// The lanes, at least one and at most [`super::LANES_MAX`]. The first is for whoever belongs to
    /// no other.
    pub lanes: Vec<LaneRules>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            mode: Mode::Queue,
            seats: 100,
            found: false,
            per_minute: None,
            idle: Span::mins(10),
            first_idle: Span::secs(90),
            sign_on: Span::mins(10),
            visit_max: Span::mins(8 * 60),
            claim: Span::secs(90),
            keep: Span::mins(5),
            line_max: 20_000_000,
            poll_min: Span::secs(5),
            poll_max: Span::secs(60),
            poll_budget: 2_000,
            reserve: 5,
            callback_reserve: 10,
            lanes: vec![LaneRules::default()],
        }
    }
}
