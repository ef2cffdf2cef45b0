//! What the laws are told once a second, and what they say of what is to come.

use crate::time::Span;

/// How long the first in each queue for a slot has waited: nothing if nobody waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Of those inside; nothing for one visitor alone.
    pub inside: Span,
    /// Of those who are not, yet.
    pub outside: Span,
}

/// Who is inside, over all rooms whose seats are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Who is there.
    pub there: u32,
    /// Who is called and has not come yet, and seats that are kept free.
    pub called: u32,
}

impl People {
    /// Seats that they take.
    pub fn inside(self) -> u32 {
        self.there.saturating_add(self.called)
    }

    /// Both together.
    pub fn and(self, other: People) -> People {
        People {
            there: self.there.saturating_add(other.there),
            called: self.called.saturating_add(other.called),
        }
    }
}

/// What is to be expected of the number of seats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Slots stand idle, so that calls may follow each other fast.
    pub fast: bool,
    /// How many times as many there will soon be: 1 to [`GROWTH_MAX`].
    pub growth: f64,
}

/// Seats grow by this part of themselves in a second, at most, while slots stand idle.
pub const GROWTH: f64 = 0.1;

/// What is foretold of growth, at most: an idle portal foretells no end.
pub(super) const GROWTH_MAX: f64 = 20.0;

impl Default for Outlook {
    fn default() -> Outlook {
        Outlook {
            fast: false,
            growth: 1.0,
        }
    }
}
