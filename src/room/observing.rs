//! Mode `observe`: what would have happened is followed beside the room.

use super::shadow::Observed;
use super::*;

impl Room {
    /// What was seen of visitors since the start.
    pub fn habits(&self) -> &Habits {
        self.seats.habits()
    }

    /// What would have happened since the room observes; `None` if it does not.
    pub fn observed(&self) -> Option<Observed> {
        self.shadow.as_ref().map(|shadow| shadow.observed())
    }

    /// Somebody is about to take a seat.
    pub(super) fn shadow_comes(&mut self, number: u64, now: Millis) {
        if self.rules.mode != Mode::Observe {
            self.shadow = None;
            return;
        }
        let seats = self.rules.seats;
        let inside = || Box::new(Shadow::new(self.seats.iter(), &self.rules, now));
        let shadow = self.shadow.get_or_insert_with(inside);
        self.counts.would_wait += u64::from(shadow.come(number, seats, now));
    }

    /// Somebody has given a seat back.
    pub(super) fn shadow_leaves(&mut self, number: u64, now: Millis) {
        if let Some(shadow) = &mut self.shadow {
            shadow.leave(number, self.rules.seats, now);
        }
    }

    /// A second has passed.
    pub(super) fn shadow_ticks(&mut self, now: Millis) {
        match &mut self.shadow {
            Some(shadow) if self.rules.mode == Mode::Observe => {
                shadow.tick(self.rules.seats, now);
            }
            _ => self.shadow = None,
        }
    }
}
