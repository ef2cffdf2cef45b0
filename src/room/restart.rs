//! The restart that a room came out of, and what it says of times that were written down before.
//!
//! They are those of another process, and perhaps of another clock: a machine that was ahead is put
//! right, one that woke up in 1970 learns the time. What lies between two of them is true; between
//! one of them and now there is whatever the clock has jumped.

use super::journal::{Change, Learnt, Saved};
use super::lanes::Lanes;
use super::polling::margin;
use super::rules::Rules;
use super::{POLL_SLACK, Room, secs};
use crate::time::{Millis, Span};

/// Times that have moved by less than this are left as they are written.
const JITTER: Span = Span::mins(1);

/// A restart.
pub(super) struct Restart {
    /// When it was.
    pub at: Millis,
    /// When the last change was stored before; whoever came in later is not among the seats.
    pub committed: Millis,
}

impl Restart {
    /// Since when somebody is inside who has `entered`, by the clock of now: as long as they were
    /// when that was stored. What lies between was not lived through.
    pub fn since(&self, entered: Millis) -> Millis {
        let since = self.at - self.committed.since(entered);
        let moved = since.since(entered).max(entered.since(since));
        if moved <= JITTER { entered } else { since }
    }

    /// Whether a pass was issued between the last commit and the restart, seen from `wall`.
    pub fn missed(&self, issued: Millis, wall: Millis) -> bool {
        // If the clock was put back, nothing of now is as late as that, for a while.
        let ahead = self.at < self.committed && wall < self.committed;
        self.committed <= issued && (issued < self.at || ahead)
    }
}

impl Room {
    /// A room as it was stored: everybody keeps number, place and seat, and has a fresh idle
    /// time and a fresh time to poll.
    pub fn restore(name: &str, rules: Rules, saved: Saved, now: Millis) -> Room {
        let mut room = Room::new(name, rules, 0, now);
        let due = secs(room.rules.poll_max.scale(1.25) + POLL_SLACK);
        let keep = secs(room.rules.keep);
        room.line = Lanes::restore(&room.rules, saved.lanes, saved.blocks, keep, due);
        room.line.mark_all_dirty();
        room.restore_lots(saved.lots);
        let restart = Restart {
            at: now,
            committed: saved.committed,
        };
        for (number, entered) in saved.seats {
            let since = restart.since(entered);
            room.seats.take(number, since, true, &room.rules, now);
            if since != entered {
                room.changes.push(Change::Seat(number, since));
            }
        }
        for (number, _) in saved.calls {
            // The whole window anew: whoever was called has not seen much of the first.
            room.calls.add(number, now + room.rules.claim);
        }
        if let Some(mut learnt) = saved.learnt {
            room.seats.resume(learnt.returns, &room.rules, now);
            learnt.waits.resume(margin(&room.rules, 1.0), now);
            learnt.waits.refresh(room.stand());
            room.estimator = learnt.waits;
        }
        room.before = (room.seats.present(), room.seats.takes());
        room.pace.resume(now);
        room.newcomers.resume(now);
        room.restart = Some(restart);
        room
    }

    /// What is worth keeping of what was learnt.
    pub(super) fn learnt(&self) -> Learnt {
        Learnt {
            waits: self.estimator.clone(),
            returns: self.seats.returns().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn restart(at: u64, committed: u64) -> Restart {
        Restart {
            at: Millis(at),
            committed: Millis(committed),
        }
    }

    #[test]
    fn a_visit_is_as_long_as_it_was_wherever_the_clock_has_jumped() {
        let entered = Millis(100 * HOUR);
        for at in [0, 50, 99, 101, 103, 200, 1_000_000] {
            let restart = restart(at * HOUR + 5_000, 101 * HOUR);
            let inside = restart.at.since(restart.since(entered));
            assert!(
                inside.0.abs_diff(HOUR.min(restart.at.0)) <= JITTER.0,
                "{at}"
            );
        }
        // From the future even of that clock; and a store that knows nothing of it.
        assert_eq!(restart(HOUR, HOUR).since(Millis(2 * HOUR)), Millis(HOUR));
        assert_eq!(restart(HOUR, 0).since(Millis(0)), Millis(HOUR));
    }

    #[test]
    fn a_pass_that_nobody_wrote_down_is_known_by_its_time() {
        let missed = |restart: Restart, issued, wall| restart.missed(Millis(issued), Millis(wall));
        assert!(missed(restart(200, 100), 100, 250) && missed(restart(200, 100), 199, 250));
        assert!(!missed(restart(200, 100), 99, 250) && !missed(restart(200, 100), 200, 250));
        // The clock was put back.
        assert!(missed(restart(50, 100), 101, 60) && !missed(restart(50, 100), 55, 60));
        assert!(!missed(restart(50, 100), 99, 60) && !missed(restart(50, 100), 110, 120));
    }
}
