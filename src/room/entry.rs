//! At the door: who goes in, who waits, and what they are told.

use super::*;

/// The number of a request that holds nothing; none is ever given out with it.
const NOBODY: u64 = u64::MAX;
/// A ticket lasts for a day; one that is older than this is given anew to whoever still waits.
const RENEWED_AFTER: Span = Span::mins(12 * 60);

impl Room {
    /// Whether this visitor has a place, a call or a seat, or had a seat a moment ago. Whoever
    /// has none of it would be given a new number. Only looks: time passes when they arrive.
    pub fn knows(&self, who: Visitor, wall: Millis) -> bool {
        let now = self.clock(wall);
        let (Visitor::Ticket(Ticket { number, .. }) | Visitor::Pass(Pass { number, .. })) = who
        else {
            return false;
        };
        self.keeps(who, wall) || self.just_lapsed(number, now)
    }

    /// Whether this visitor has a place, a call or a seat, however old what they show may be.
    pub fn keeps(&self, who: Visitor, wall: Millis) -> bool {
        let (Visitor::Ticket(Ticket { number, .. }) | Visitor::Pass(Pass { number, .. })) = who
        else {
            return false;
        };
        self.seats.holds(number)
            || self.calls.has(number)
            || self.mark(number, self.clock(wall)) != Mark::Over
    }

    /// Somebody shows what they hold.
    pub(super) fn see(&mut self, who: Visitor, now: Millis) {
        if let Visitor::Ticket(Ticket { number, .. }) | Visitor::Pass(Pass { number, .. }) = who {
            self.faceless.shown(number, now);
        }
    }

    /// Whether this visitor is inside.
    pub fn holds_seat(&self, who: Visitor) -> bool {
        match who {
            Visitor::Newcomer => false,
            Visitor::Ticket(Ticket { number, .. }) | Visitor::Pass(Pass { number, .. }) => {
                self.seats.holds(number)
            }
        }
    }

    pub(super) fn pass_shown(
        &mut self,
        pass: Pass,
        ask: Ask,
        now: Millis,
        wall: Millis,
    ) -> Decision {
        let number = pass.number;
        if self.seats.holds(number) {
            self.seats.show(number);
            return self.forward(number, Entry::Inside, ask, now);
        }
        if !ask.work && !ask.guess && !ask.callback && self.leaving.pass(number, now) {
            self.counts.seen_off += 1;
            return self.unseated(Entry::Unseated);
        }
        if ask.takes_nothing() {
            return self.newcomer(ask, now, wall);
        }
        if self.entered_unseen(pass, now) {
            return self.enter_again(number, true, ask, now);
        }
        if ask.work && self.just_lapsed(number, now) {
            if self.committed() < self.limit().saturating_add(self.rules.reserve) {
                return self.enter_again(number, true, ask, now);
            }
            if !ask.callback {
                // The work is saved; the next page waits.
                self.counts.work_only += 1;
                return self.unseated(Entry::Unseated);
            }
        }
        if self.mark(number, now) == Mark::Over {
            return self.newcomer(ask, now, wall);
        }
        // Given back because nobody showed the pass: the place in line is the first.
        if self.unsaturated(self.lane_of(number)) {
            return self.enter_again(number, true, ask, now);
        }
        if ask.callback {
            return self.called_back(Some(number), ask, now);
        }
        let ticket = Ticket {
            number,
            issued: pass.issued,
            promised: None,
        };
        match self.wait(ticket, now, wall) {
            Some((waiting, ticket, _)) => Decision::Wait {
                waiting,
                ticket,
                fresh: true,
            },
            None => self.newcomer(ask, now, wall),
        }
    }

    pub(super) fn ticket_shown(
        &mut self,
        ticket: Ticket,
        ask: Ask,
        now: Millis,
        wall: Millis,
    ) -> Decision {
        let number = ticket.number;
        if self.seats.holds(number) {
            // Another tab came in a moment ago, or the answer with the pass was lost on its way.
            return self.forward(number, Entry::Again, ask, now);
        }
        match self.in_line(ticket, ask, now, wall) {
            Some(decision) => decision,
            None => self.newcomer(ask, now, wall),
        }
    }

    /// The holder of `ticket`, who has no seat: waits, or is called and comes in. `None` if the
    /// number is over.
    fn in_line(&mut self, ticket: Ticket, ask: Ask, now: Millis, wall: Millis) -> Option<Decision> {
        let (waiting, told, fresh) = self.wait(ticket, now, wall)?;
        if ask.callback && waiting.called.is_none() {
            return Some(self.called_back(Some(ticket.number), ask, now));
        }
        if waiting.called.is_none() || ask.takes_nothing() {
            return Some(Decision::Wait {
                waiting,
                ticket: told,
                fresh,
            });
        }
        Some(self.claim(ticket, true, ask, now, wall))
    }

    /// Whoever holds `ticket` is called, and comes in. `shown`: they keep cookies.
    pub(super) fn claim(
        &mut self,
        ticket: Ticket,
        shown: bool,
        ask: Ask,
        now: Millis,
        wall: Millis,
    ) -> Decision {
        let number = ticket.number;
        let call = self.calls.end(number);
        match self.calls.remove(number) {
            true => self.changes.push(Change::CallEnd(number)),
            false => self.newcomers.take(now),
        }
        self.score_entry(&ticket, call, wall);
        self.counts.called_in += 1;
        self.estimator.called_in();
        self.line.end(number);
        self.take_seat(number, shown, now);
        self.seats.watch(number, now);
        self.forward(number, Entry::Called, ask, now)
    }

    pub(super) fn newcomer(&mut self, ask: Ask, now: Millis, wall: Millis) -> Decision {
        let lane = self.line.ruled(ask.lane);
        let goes_in = self.lets_in(lane, now);
        if ask.takes_nothing() {
            if self.unsaturated(lane) && (ask.passing || self.open()) {
                self.counts.passed_by += 1;
                return self.unseated(Entry::Passing);
            }
            self.counts.guesses += 1;
            return Decision::Refuse(Refusal::Guess);
        }
        if let Some(decision) = self.once_more(ask, now, wall) {
            return decision;
        }
        if ask.callback && (!goes_in || self.refusal(lane, now).is_some()) {
            return self.called_back(None, ask, now);
        }
        if let Some(refusal) = self.refusal(lane, now) {
            self.counts.refused += 1;
            return Decision::Refuse(refusal);
        }
        if goes_in {
            let number = self.line.push_over(lane);
            self.counts.straight += 1;
            self.line.count_straight(lane);
            self.goes_straight(now);
            self.take_seat(number, false, now);
            self.seats.watch(number, now);
            self.note_given(ask.client, number, now);
            if !self.open() {
                self.counts.queue_jumps += u64::from(self.lane(lane).living() > 0);
                self.counts.seat_overshoot += u64::from(self.overshot_by(lane));
            }
            return self.forward(number, Entry::Straight, ask, now);
        }
        self.join(lane, false, ask, now, wall)
    }

    /// A new ticket at the end of a lane. `absent`: it counts as soon as it is shown.
    pub(super) fn join(
        &mut self,
        lane: usize,
        absent: bool,
        ask: Ask,
        now: Millis,
        wall: Millis,
    ) -> Decision {
        self.counts.tickets += 1;
        let number = match absent {
            true => self.line.push_absent(lane, 0),
            false => self.line.push(lane, 0),
        };
        self.note_given(ask.client, number, now);
        let mut ticket = Ticket {
            number,
            issued: wall,
            promised: None,
        };
        let waiting = self.told(&mut ticket, now, wall);
        let due = self.second(now + waiting.poll_after + POLL_SLACK);
        self.line.expect(number, due);
        Decision::Wait {
            waiting,
            ticket,
            fresh: true,
        }
    }

    /// A ticket is shown: it lives, and its holder is told how things stand. `None` if the
    /// number is over.
    pub(super) fn wait(
        &mut self,
        mut ticket: Ticket,
        now: Millis,
        wall: Millis,
    ) -> Option<(Waiting, Ticket, bool)> {
        let number = ticket.number;
        let promised = ticket.promised;
        ticket.promised = promised.map(|given| given.not_after(wall));
        if !self.live(number, now) {
            return None;
        }
        let waiting = self.told(&mut ticket, now, wall);
        if waiting.called.is_none() {
            let due = self.second(now + waiting.poll_after + POLL_SLACK);
            self.line.expect(number, due);
        }
        // One from the future was issued before the clock was put back.
        let old = wall.since(ticket.issued) > RENEWED_AFTER || ticket.issued > wall;
        if old {
            ticket.issued = wall;
        }
        let fresh = old || ticket.promised != promised;
        Some((waiting, ticket, fresh))
    }

    /// Somebody is there for `number`: it lives, and may be called at once. Whether it is not over.
    pub(super) fn live(&mut self, number: u64, now: Millis) -> bool {
        if self.calls.has(number) {
            return true;
        }
        if self.mark(number, now) == Mark::Over {
            return false;
        }
        let due = self.second(now + self.rules.poll_min + POLL_SLACK);
        if self.line.show(number, due) {
            self.counts.revived += 1;
            if !self.shut(self.lane_of(number)) {
                self.estimator.came_back();
            }
        }
        self.call(now);
        true
    }

    /// What the holder of a living or called ticket is told; what is promised is written down.
    fn told(&mut self, ticket: &mut Ticket, now: Millis, wall: Millis) -> Waiting {
        let number = ticket.number;
        let called = match self.calls.end(number) {
            Some(end) => Some(end.since(now)),
            None => self.open().then_some(self.rules.claim),
        };
        let lot = self
            .calendar
            .lots
            .awaited(number)
            .filter(|_| called.is_none());
        let place = match (called, lot) {
            (Some(_), _) => 1,
            (None, Some(lot)) => self.place_at_worst(lot, number),
            (None, None) => self.line.place(number),
        };
        let lane = self.lane_of(number);
        let estimate = self.promise_in(lane, place).filter(|_| called.is_none());
        let drawn_at = lot.map(|lot| lot.at);
        let hours = self.kept_by_hours(lane, estimate);
        let (hours, enters_from) = hours.filter(|_| called.is_none()).unzip();
        Waiting {
            number,
            place,
            lane,
            promise: self.show(ticket, estimate, hours, wall),
            poll_after: self.poll_after(number, place, estimate),
            called,
            reason: self.reason(ticket, hours),
            enters_from: enters_from.flatten(),
            drawn_at,
            reopens: self.calendar.reopens().filter(|_| called.is_none()),
        }
    }

    /// The promise for `place` in `lane`, if calls go on at all.
    pub(super) fn promise_in(&self, lane: usize, place: u64) -> Option<Promise> {
        let calls = || self.calls_until(lane, place);
        let promise = (self.moving()).then(|| self.estimate(calls())).flatten()?;
        self.within_hours(lane, promise)
    }

    /// Why a newcomer to `lane` cannot even wait.
    pub(super) fn refusal(&self, lane: usize, now: Millis) -> Option<Refusal> {
        if self.rules.mode == Mode::Closed {
            Some(Refusal::Closed)
        } else if !self.line.may_number(lane) {
            Some(Refusal::NoNumber)
        } else if self.line.living() >= u64::from(self.rules.line_max) && !self.lets_in(lane, now) {
            Some(Refusal::LineFull)
        } else {
            None
        }
    }

    /// Whether everybody goes in.
    pub(super) fn open(&self) -> bool {
        matches!(self.rules.mode, Mode::Open | Mode::Observe)
    }

    /// Whether there is a seat for whoever comes into `lane`.
    pub(super) fn unsaturated(&self, lane: usize) -> bool {
        let queues = self.rules.mode == Mode::Queue && !self.calendar.lots.is_due();
        self.open() || (queues && self.portal_up && self.has_room(lane))
    }

    /// Came in after the last commit before a crash: the seat was taken, but nobody wrote it
    /// down.
    fn entered_unseen(&self, pass: Pass, now: Millis) -> bool {
        let unseen = |restart: &Restart| restart.missed(pass.issued, now + self.silent);
        self.restart.as_ref().is_some_and(unseen) && self.mark(pass.number, now) != Mark::Over
    }

    /// Whether the pass lapsed within `keep`. After a restart nobody remembers, so everybody is
    /// given the benefit of the doubt for as long.
    pub(super) fn just_lapsed(&self, number: u64, now: Millis) -> bool {
        let keep = self.rules.keep;
        let young = (self.restart.as_ref()).is_some_and(|restart| now.since(restart.at) < keep);
        young || self.seats.lapsed(number, keep, now)
    }

    /// This one request passes, and nothing is kept of it.
    pub(super) fn unseated(&self, entry: Entry) -> Decision {
        Decision::Forward {
            number: NOBODY,
            entry,
        }
    }

    /// Takes up a seat again, within limit and reserve. `shown`: they keep cookies.
    pub(super) fn enter_again(
        &mut self,
        number: u64,
        shown: bool,
        ask: Ask,
        now: Millis,
    ) -> Decision {
        self.counts.again += 1;
        if self.calls.remove(number) {
            self.changes.push(Change::CallEnd(number));
        }
        self.line.end(number);
        self.take_seat(number, shown, now);
        self.forward(number, Entry::Again, ask, now)
    }

    pub(super) fn take_seat(&mut self, number: u64, shown: bool, now: Millis) {
        self.shadow_comes(number, now);
        self.seats.take(number, now, shown, &self.rules, now);
        self.changes.push(Change::Seat(number, now + self.silent));
    }

    pub(super) fn forward(&mut self, number: u64, entry: Entry, ask: Ask, now: Millis) -> Decision {
        if self.seats.begin(number, ask.renews, now) {
            self.seats.come_back(number, &self.rules);
        }
        Decision::Forward { number, entry }
    }
}
