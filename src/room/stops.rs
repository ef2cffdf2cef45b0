//! The line stands still, and goes on.

use super::*;

impl Room {
    /// The portal has stopped or begun to answer. When it stops, calls that were not taken yet
    /// are taken back: nobody is sent to a door that is shut, and they are the first again.
    pub fn set_portal(&mut self, up: bool, wall: Millis) {
        let now = self.advance(wall);
        if up && !self.portal_up {
            self.pace.resume(now);
        }
        let was_moving = self.moving();
        self.portal_up = up;
        self.note_stop(was_moving, wall);
        if !up {
            let called: Vec<u64> = self.calls.take_all();
            for number in called.iter().rev() {
                self.watch(*number).take_back(*number);
            }
            let due = self.second(now + self.rules.poll_max.scale(1.25) + POLL_SLACK);
            for number in called {
                self.line.show(number, due);
                self.uncalled(number, now);
            }
        }
    }

    /// Calls stand still, or go on: what was promised before is void.
    pub(super) fn note_stop(&mut self, was_moving: bool, wall: Millis) {
        if !was_moving && self.moving() {
            self.resumed = Some(wall);
        }
    }

    /// Whether the line moves as promises expect it to.
    pub(super) fn moving(&self) -> bool {
        self.portal_up && self.rules.mode == Mode::Queue
    }
}
