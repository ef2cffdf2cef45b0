//! What happened in a room, counted.

use serde::{Deserialize, Serialize};

/// What happened since the room was opened. All only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "each field is named and explained by [`Counts::SERIES`]"
)]
pub struct Counts {
    pub tickets: u64,
    pub straight: u64,
    pub calls: u64,
    pub called_in: u64,
    pub again: u64,
    pub work_only: u64,
    pub callbacks: u64,
    pub callbacks_only: u64,
    pub callbacks_known: u64,
    pub callbacks_limited: u64,
    pub no_shows: u64,
    pub passed_over: u64,
    pub faceless: u64,
    pub ghosts: u64,
    pub abandoned: u64,
    pub revived: u64,
    pub left_line: u64,
    pub idle_out: u64,
    pub unshown_out: u64,
    pub visit_max_out: u64,
    pub logouts: u64,
    pub seen_off: u64,
    pub polls: u64,
    pub guesses: u64,
    pub passed_by: u64,
    pub refused: u64,
    pub would_wait: u64,
    pub promises_made: u64,
    pub promises_raised: u64,
    pub promises_lowered: u64,
    pub promises_scored: u64,
    pub promises_kept: u64,
    pub queue_jumps: u64,
    pub seat_overshoot: u64,
    pub stalled_millis: u64,
}

/// A count's name in metrics, what it means, and how it is read.
pub type Series = (&'static str, &'static str, fn(&Counts) -> u64);

impl Counts {
    /// Every count.
    #[rustfmt::skip]
    pub const SERIES: [Series; 35] = [
        ("tickets", "Tickets given out", |counts| counts.tickets),
        ("straight", "Visitors who went straight in", |counts| counts.straight),
        ("calls", "Tickets called", |counts| counts.calls),
        ("called_in", "Called visitors who came in", |counts| counts.called_in),
        ("again", "Seats taken up again after a lapse or a crash", |counts| counts.again),
        ("work_only", "Forms passed without a seat after a lapse", |counts| counts.work_only),
        ("callbacks", "Callbacks of sign-ons that took a seat of their reserve", |counts| counts.callbacks),
        ("callbacks_only", "Callbacks of sign-ons passed without a seat", |counts| counts.callbacks_only),
        ("callbacks_known", "Seats of callbacks given back because their visitors had one already", |counts| counts.callbacks_known),
        ("callbacks_limited", "Callbacks of sign-ons beyond the rate of their address, treated as newcomers", |counts| counts.callbacks_limited),
        ("no_shows", "Calls that nobody took within the claim window", |counts| counts.no_shows),
        ("passed_over", "Tickets passed over because their poll was overdue", |counts| counts.passed_over),
        ("faceless", "Requests of clients that keep no cookie, taken for the holder of what they were given before", |counts| counts.faceless),
        ("ghosts", "Tickets never shown again", |counts| counts.ghosts),
        ("abandoned", "Tickets given up: no poll while the place was kept", |counts| counts.abandoned),
        ("revived", "Absent tickets that came back to their place", |counts| counts.revived),
        ("left_line", "Visitors who left the line by their own wish", |counts| counts.left_line),
        ("idle_out", "Seats given back after idleness", |counts| counts.idle_out),
        ("unshown_out", "Seats given back because the pass never came back", |counts| counts.unshown_out),
        ("visit_max_out", "Seats given back at the longest visit", |counts| counts.visit_max_out),
        ("logouts", "Seats given back at logout, or because a newcomer was gone before the first answer", |counts| counts.logouts),
        ("seen_off", "Requests of visitors who have just logged out, passed without a seat", |counts| counts.seen_off),
        ("polls", "Polls answered", |counts| counts.polls),
        ("guesses", "Prefetches, previews of links and what else takes nothing, turned away", |counts| counts.guesses),
        ("passed_by", "Previews of links and what else takes nothing, passed without a seat", |counts| counts.passed_by),
        ("refused", "Visitors who got neither a place nor a seat", |counts| counts.refused),
        ("would_wait", "Visitors who would have waited, in mode observe", |counts| counts.would_wait),
        ("promises_made", "Visitors to whom a wait was promised", |counts| counts.promises_made),
        ("promises_raised", "Promises raised, with a reason, because the wait had become longer", |counts| counts.promises_raised),
        ("promises_lowered", "Promises lowered because the wait had become shorter", |counts| counts.promises_lowered),
        ("promises_scored", "First promises compared with what happened", |counts| counts.promises_scored),
        ("promises_kept", "First promises kept by their upper bound", |counts| counts.promises_kept),
        ("queue_jumps", "Must stay 0: newcomers let in while a ticket waited", |counts| counts.queue_jumps),
        ("seat_overshoot", "Must stay 0: seats given beyond limit and reserves", |counts| counts.seat_overshoot),
        ("stalled_seconds", "Must stay 0: seconds in which somebody waited, a seat and the pace were free, and nobody was called", |counts| counts.stalled_millis / 1_000),
    ];

    /// How often a promise was raised, for each that was made; 0 before the first.
    pub fn raised_per_promise(&self) -> f64 {
        self.promises_raised as f64 / self.promises_made.max(1) as f64
    }
}
