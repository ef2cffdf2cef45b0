//! One-time answers of sign-ons that come without a seat.
//!
//! A ticket of CAS, a response of SAML, a code of OAuth is good once and for seconds: whoever holds
//! it back, repeats it or turns it away breaks a sign-on that somebody has begun elsewhere. So it
//! passes. While its reserve lasts, it brings a seat of that reserve, counted apart from all others:
//! people who sign on neither take seats from those who wait, nor wait in a line that they could
//! not have seen. Beyond the reserve the one request passes, and the next page waits.
//!
//! A seat of the reserve becomes an ordinary one as soon as one of those is free and nobody waits
//! for it, or with a restart of ours. While somebody waits it does not: else a steady stream of
//! callbacks would take every seat that falls free, and the line would stand still.

use super::*;

impl Room {
    /// The seat that a callback has taken as `number` is given back: its visitor had one already,
    /// which could not be seen because browsers send no cookies with a form from another site.
    pub fn give_back(&mut self, number: u64, wall: Millis) {
        let now = self.advance(wall);
        if self.seats.free(number, now) {
            self.shadow_leaves(number, now);
            self.counts.callbacks_known += 1;
            self.newcomers.give_back(now);
            self.changes.push(Change::SeatFree(number));
        }
        self.line.end(number);
        self.call(now);
    }

    /// A callback was one too many from its address, and arrives as any other request.
    pub fn limited_callback(&mut self) {
        self.counts.callbacks_limited += 1;
    }

    /// A callback passes, with a seat of its reserve if one is left. `number`: that of the visitor's
    /// ticket, which keeps its place if there is no seat.
    pub(super) fn called_back(&mut self, number: Option<u64>, ask: Ask, now: Millis) -> Decision {
        let inviting = self.rules.mode == Mode::Queue && self.portal_up;
        let lane = self.line.ruled(ask.lane);
        let numbered = number.is_some() || self.line.may_number(lane);
        if !inviting || !numbered || self.seats.apart() >= self.rules.callback_reserve {
            self.counts.callbacks_only += 1;
            return self.unseated(Entry::Unseated);
        }
        self.counts.callbacks += 1;
        match number.filter(|number| self.calls.remove(*number)) {
            // They need no second seat.
            Some(number) => self.changes.push(Change::CallEnd(number)),
            None => self.newcomers.owe(now),
        }
        let shown = number.is_some();
        let number = number.unwrap_or_else(|| self.line.push_over(lane));
        self.line.end(number);
        self.take_seat(number, shown, now);
        self.seats.watch(number, now);
        self.seats.set_apart(number);
        let over = self.seats.apart() > self.rules.callback_reserve;
        self.counts.seat_overshoot += u64::from(over);
        self.forward(number, Entry::Callback, ask, now)
    }

    /// Seats of the reserve become ordinary ones while nobody waits for those.
    pub(super) fn take_over_callbacks(&mut self) {
        if self.waiting_to_enter() == 0 {
            self.seats
                .take_over(self.free().saturating_sub(self.idle_reserve()));
        }
    }
}
