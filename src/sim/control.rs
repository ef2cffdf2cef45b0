//! The two limits of a run: found as the server finds them, or given.

use super::portal::Kind;
use crate::config::scene::Scene;
use crate::time::{Millis, Span};

/// Which law moves the limits. All but the first are wrong on purpose: a test shows that what is
/// measured tells them from the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Law {
    /// The scene's: found where it says `"auto"`, else as given.
    #[default]
    Scene,
    /// Never moves from where it begins.
    Frozen,
    /// Always the most there may be.
    Maximum,
    /// Always the least there may be.
    Minimum,
}

/// The limits in force.
pub struct Control {
    slots: u32,
    seats: u32,
}

/// A request on its way, as the law knows it.
pub type Sent = ();

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Answered.
    Good,
    /// Failed.
    Failed,
    /// Given up by its visitor.
    Left,
}

impl Control {
    /// The limits of a scene to begin with.
    pub fn new(scene: &Scene, law: Law, _now: Millis) -> Control {
        let (slots, seats) = match law {
            Law::Scene => (scene.portal.slots.unwrap_or(32), scene.rules.seats),
            Law::Frozen => (8, 20),
            Law::Maximum => (500, 100_000),
            Law::Minimum => (4, 5),
        };
        Control { slots, seats }
    }

    /// Requests in flight at most.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// People inside at most.
    pub fn seats(&self) -> u32 {
        self.seats
    }

    /// A request goes to the portal.
    pub fn sent(&mut self, _in_flight: u32, _waited: Span, _now: Millis) -> Sent {}

    /// Its answer came, or will not come.
    pub fn answered(&mut self, _sent: Sent, _kind: Kind, _answer: Answer, _now: Millis) {}

    /// A second has passed.
    pub fn tick(&mut self, _head: Span, _inside: u32, _now: Millis) {}

    /// The portal is back.
    pub fn back(&mut self, _inside: u32, _now: Millis) {}

    /// Whether requests of this kind are known to last, and hold no slot.
    pub fn is_long(&self, kind: Kind) -> bool {
        kind == Kind::LongPoll
    }
}
