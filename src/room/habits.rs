//! How visitors behave: how long they stay, and how long they pause.

use super::histogram::Histogram;
use crate::time::Span;

/// Shorter pauses are those between the parts of one page.
pub const PAUSE_MIN: Span = Span::secs(2);

/// What was seen of visitors who keep cookies, since the start.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// From coming in to the last request.
    pub visits: Histogram,
    /// Between two requests of one visitor, from [`PAUSE_MIN`] on. Whoever pauses for longer than
    /// `idle` is not inside any more and not counted.
    pub pauses: Histogram,
    /// The time that ended visits have held seats, in all.
    pub held: Span,
    /// Most people inside at once.
    pub peak: u32,
}

impl Habits {
    /// A request, so long after the last one was answered.
    pub fn pause(&mut self, pause: Span) {
        if pause >= PAUSE_MIN {
            self.pauses.add(pause);
        }
    }
}
