//! Calling: whose turn has come, and whether anybody is kept waiting for nothing.

use super::*;

/// A call that could have been made for longer than this is a stall: the room is looked after once a
/// second, or when it wants to be.
const LATE_MAX: Span = Span::secs(2);

impl Room {
    /// Calls the lowest living numbers of the lanes whose turn it is, for the seats that are free, as
    /// fast as the pace allows.
    pub(super) fn call(&mut self, now: Millis) {
        if !self.calling() {
            return;
        }
        if self.waiting_to_enter() == 0
            && self.watches_pass()
            && self.free() > 0
            && self.may_enter(now)
        {
            self.score_passed(None, now);
        }
        let mut passed_over = 0;
        while self.free() > 0
            && passed_over < PASSED_OVER_MAX
            && let Some(lane) = self.next_lane()
            && let Some(number) = self.line.first(lane)
        {
            let second = self.second(now);
            if let Some(secs) = self.line.overdue(number, second) {
                // Most likely gone: nobody waits for it, and if it comes back, it goes first.
                self.line.pass_over(number);
                self.counts.passed_over += 1;
                passed_over += 1;
                let unnoticed = Span::secs(secs) + POLL_SLACK + self.rules.poll_min;
                self.estimator.abandoned(1, unnoticed);
                continue;
            }
            if !self.may_enter(now) || !self.pace.take(now) {
                return;
            }
            self.newcomers.take(now);
            self.stalling = Span::ZERO;
            let end = now + self.rules.claim;
            self.counts.queue_jumps += u64::from(self.line.place(number) != 1);
            self.line.call(number, self.second(end));
            self.line.move_on(lane);
            self.calls.add(number, end);
            self.changes.push(Change::Call(number, end + self.silent));
            self.counts.calls += 1;
            self.score_passed(Some(number), now);
            self.counts.seat_overshoot += u64::from(self.overshot_by(lane));
        }
    }

    /// Whether tickets are called at all.
    pub(super) fn calling(&self) -> bool {
        let calls = matches!(self.rules.mode, Mode::Queue | Mode::Open | Mode::Observe);
        calls && self.portal_up && !self.calendar.lots.is_due()
    }

    /// Between these two moments nothing has happened. If somebody waited who could have been called, for
    /// a seat that was free at a pace that allowed it, it was our fault: this is looked at from what is
    /// there, and not from what [`Room::call`] did.
    pub(super) fn note_stall(&mut self, before: Millis, now: Millis) {
        if now <= before {
            return;
        }
        let waits = self.calling() && (0..self.line.len()).any(|lane| self.wants(lane));
        let since = self.next_call(before);
        if !waits || since >= now {
            self.stalling = Span::ZERO;
            return;
        }
        if since > before {
            self.stalling = Span::ZERO;
        }
        let counted = |lasted: Span| if lasted > LATE_MAX { lasted.0 } else { 0 };
        let earlier = counted(self.stalling);
        self.stalling = self.stalling + now.since(since);
        self.counts.stalled_millis += counted(self.stalling) - earlier;
    }

    /// When the next may be called, as far as the pace and the bound on newcomers say.
    pub(super) fn next_call(&self, now: Millis) -> Millis {
        let newcomer = match self.open() {
            true => now,
            false => self.newcomers.next(now),
        };
        self.pace.next(now).max(newcomer)
    }
}
