//! A waiting room as a pure state machine: no I/O, no clock, no randomness, no async, no logging.
//!
//! It takes what happened and says what to do and when it wants to be woken. The server, the
//! simulator and the tests drive the same code. Calling early is a safe no-op.
//!
//! What must never happen, and what prevents it here:
//!
//! - *Barging*: a newcomer goes straight in only when nobody waits in their lane and no other
//!   lane that is let in waits for the seat, and the lowest living number of a lane is always called first
//!   ([`Counts::queue_jumps`] is counted independently).
//! - *Overshoot*: a call reserves its seat; seats taken plus calls never exceed the limit, nor
//!   take what is kept for a lane, and those of callbacks never exceed their reserve
//!   ([`Counts::seat_overshoot`]).
//! - *A stall*: whoever could be called is, within the second ([`Counts::stalled_millis`]).
//! - *A lost place*: a number outlives missed polls by `keep`, and its holder comes back to it.
//! - *Lost work*: a form of somebody whose pass has just lapsed is forwarded.
//! - *A broken sign-on*: a one-time answer passes, with a seat or without one.
//! - *A herd*: calls are paced, polls are spread by a phase from the number.
//!
//! Inside, time is the room's own: it stands still while we ourselves were not running (a
//! machine that was suspended), so that our silence is not held against anybody.

mod absence;
mod callbacks;
mod calling;
mod calls;
mod capacity;
mod counts;
mod entry;
mod faceless;
mod given;
mod habits;
mod histogram;
mod hours;
mod journal;
mod lanes;
mod leaving;
mod line;
mod load;
mod lot;
mod newcomers;
mod observing;
mod opening;
mod pace;
mod phase;
mod plan;
mod polling;
mod promise;
mod promised;
mod rates;
mod restart;
mod rules;
mod scores;
mod seats;
mod shadow;
mod sharing;
mod shown;
mod stops;
#[cfg(test)]
mod tests;
mod tree;
mod view;

pub use capacity::{
    Answer, Asker, Asking, Capacity, CapacityRules, Claim, Class, Heads, LONG_WAIT, Limit, Move,
    Outlook, Part, PartAnswer, PartChange, PartFailure, Parts, People, Seen, Sent, Served, Spot,
    Turn, Turns, Waited, Waits, Weight, What, Whose, Why, Wish, few, quarter, settle, share,
};
pub use counts::Counts;
pub use given::{Doubt, Given, Promised};
pub use habits::Habits;
pub use histogram::Histogram;
pub use hours::Hours;
pub use journal::{Change, Learnt, Saved};
pub use lanes::{LANES_MAX, LaneNumbers, LaneRules};
pub use leaving::LEAVING;
pub use line::{BLOCK, Bits, Line, Mark, Swept};
pub use load::{ANSWERS_MIN, Bears, Level, Load};
pub use lot::{Lot, Order, Seed, Stage};
pub use opening::{News, Told};
pub use plan::{Cause, InForce, Opening, Plan};
pub use promise::{Estimator, Promise};
pub use rates::Rates;
pub use rules::{Mode, Rules};
pub use scores::Figures;
pub use shadow::Observed;
pub use shown::Shown;
pub use view::{
    Ask, Client, Decision, Entry, LaneStatus, Pass, Reason, Refusal, Standing, Status, Ticket,
    Visitor, Waiting,
};

use crate::time::{Millis, Span};
use calls::Calls;
use faceless::Faceless;
use hours::Clock;
use lanes::{Lane, Lanes};
use leaving::Leaving;
use newcomers::Newcomers;
use opening::Calendar;
use pace::Pace;
use phase::phase;
use polling::margin;
use promise::Stand;
use restart::Restart;
use scores::Watch;
pub use seats::{Fare, Firsts, Outcome};
use seats::{Left, Seats};
use shadow::Shadow;

/// Without a word from the outside for this long, we were not running.
const SILENCE: Span = Span::secs(10);
/// Rates, sweeps and the poll budget are computed anew this often.
const REFRESH: Span = Span::secs(1);
/// What the promise has learnt is stored this often.
const LEARNT_EVERY: Span = Span::secs(10);
/// Tickets passed over in one go at most; the rest has to wait for the next.
const PASSED_OVER_MAX: u32 = 1_024;
/// A poll may be this late before its visitor counts as gone: slow phones on poor links.
const POLL_SLACK: Span = Span::secs(15);

/// A waiting room. See the module.
pub struct Room {
    name: String,
    rules: Rules,
    /// The line, in lanes.
    line: Lanes,
    seats: Seats,
    calls: Calls,
    pace: Pace,
    newcomers: Newcomers,
    outlook: Outlook,
    estimator: Estimator,
    /// People who were there, and seats that had been taken, a second ago.
    before: (f64, u64),
    /// One for each lane to which something was promised.
    watches: Vec<Watch>,
    shadow: Option<Box<Shadow>>,
    /// When calls last went on after a stop.
    resumed: Option<Millis>,
    portal_up: bool,
    counts: Counts,
    calendar: Calendar,
    /// The clock on the wall, once the room was told of it.
    clock: Option<Clock>,
    /// Second 0 of the line's clock.
    epoch: Millis,
    heard: Millis,
    silent: Span,
    refreshed: Millis,
    learnt_saved: Millis,
    faceless: Faceless,
    leaving: Leaving,
    restart: Option<Restart>,
    stretch: f64,
    /// For how long somebody could have been called.
    stalling: Span,
    changes: Vec<Change>,
}

impl Room {
    /// An empty room whose first number, in each lane, is `first`. It gives out none before [`Room::reserve`].
    pub fn new(name: &str, rules: Rules, first: u64, now: Millis) -> Room {
        Room {
            name: name.to_owned(),
            line: Lanes::new(&rules, first, secs(rules.keep)),
            seats: Seats::default(),
            calls: Calls::default(),
            pace: Pace::new(rules.seats, now),
            newcomers: Newcomers::new(rules.per_minute, now),
            outlook: Outlook::default(),
            estimator: Estimator::new(margin(&rules, 1.0), now),
            before: (0.0, 0),
            watches: Vec::new(),
            shadow: None,
            resumed: None,
            rules,
            portal_up: true,
            counts: Counts::default(),
            calendar: Calendar::default(),
            clock: None,
            epoch: now,
            heard: now,
            silent: Span::ZERO,
            refreshed: now,
            learnt_saved: now,
            faceless: Faceless::default(),
            leaving: Leaving::default(),
            restart: None,
            stretch: 1.0,
            stalling: Span::ZERO,
            changes: Vec::new(),
        }
    }

    /// The room's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Somebody stands at the door: what is to be done?
    pub fn arrive(&mut self, who: Visitor, ask: Ask, wall: Millis) -> Decision {
        let now = self.advance(wall);
        self.see(who, now);
        match who {
            Visitor::Pass(pass) => self.pass_shown(pass, ask, now, wall),
            Visitor::Ticket(ticket) => self.ticket_shown(ticket, ask, now, wall),
            Visitor::Newcomer => self.newcomer(ask, now, wall),
        }
    }

    /// A visitor asks how things stand. A poll renews a place, but not a seat.
    pub fn poll(&mut self, who: Visitor, wall: Millis) -> Standing {
        let now = self.advance(wall);
        self.counts.polls += 1;
        self.see(who, now);
        match who {
            Visitor::Newcomer => Standing::Outside,
            Visitor::Pass(pass) if self.seats.holds(pass.number) => {
                self.seats.show(pass.number);
                Standing::Inside
            }
            Visitor::Pass(_) => Standing::Outside,
            Visitor::Ticket(ticket) if self.seats.holds(ticket.number) => Standing::Inside,
            Visitor::Ticket(ticket) => match self.wait(ticket, now, wall) {
                Some((waiting, ticket, fresh)) => Standing::Waiting {
                    waiting,
                    ticket,
                    fresh,
                },
                None => Standing::Outside,
            },
        }
    }

    /// A forwarded request has ended. `renews` as it was asked.
    pub fn finish(&mut self, number: u64, renews: bool, wall: Millis) {
        self.fared(number, renews, Fare::Unknown, wall);
    }

    /// The same, and how it fared.
    pub fn fared(&mut self, number: u64, renews: bool, fare: Fare, wall: Millis) {
        let now = self.advance(wall);
        self.seats.end(number, renews, fare, now);
    }

    /// The visitor leaves: logs out, or gives up the place.
    pub fn leave(&mut self, number: u64, wall: Millis) {
        let now = self.advance(wall);
        if self.seats.leave(number, now) {
            self.counts.logouts += 1;
            self.departed(number, now);
        } else if self.calls.has(number) || self.mark(number, now) != Mark::Over {
            self.counts.left_line += 1;
            if !self.shut(self.lane_of(number)) {
                self.estimator.abandoned(1, Span::ZERO);
            }
            if self.calls.remove(number) {
                self.uncalled(number, now);
            }
        }
        self.line.end(number);
        self.call(now);
    }

    /// The operators change the mode.
    pub fn set_mode(&mut self, mode: Mode, wall: Millis) {
        let now = self.advance(wall);
        let was_moving = self.moving();
        self.rules.mode = mode;
        self.note_stop(was_moving, wall);
        self.call(now);
    }

    /// What is foretold of seats has changed.
    pub fn set_outlook(&mut self, outlook: Outlook, wall: Millis) {
        let now = self.advance(wall);
        self.outlook = outlook;
        self.pace.set_fast(outlook.fast);
        self.call(now);
    }

    /// The limit changes. Nobody inside is sent away: fewer seats come about by attrition.
    pub fn set_seats(&mut self, seats: u32, wall: Millis) {
        let now = self.advance(wall);
        self.rules.seats = seats.max(1);
        self.pace.set_seats(self.rules.seats);
        self.call(now);
    }

    /// Who is inside, with the seats that are kept free for lanes among the called, and people in line
    /// who are let in at this hour, and within a minute.
    pub fn people(&self) -> (People, u64) {
        let inside = People {
            there: self.seats.taken() - self.seats.absent(),
            called: self.calls.len().saturating_add(self.kept_free()),
        };
        (inside, self.could_enter_soon())
    }

    /// Seats that may be taken now: as many as there are, and those of people who have gone without
    /// saying so. Whoever comes back is still inside.
    pub fn limit(&self) -> u32 {
        self.rules.seats.saturating_add(self.seats.absent())
    }

    /// Hands what has changed since the last call to the store. Must be called now and then.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(self.calendar.lots.take_change());
        self.line
            .take_dirty(|id, living, over| changes.push(Change::Block(id, living, over)));
        changes.extend(self.line.take_retired().into_iter().map(Change::Front));
        changes
    }

    /// Everything, as changes: for a store that has lost some.
    pub fn snapshot(&mut self) -> Vec<Change> {
        self.changes.clear();
        self.changes.push(Change::Anew);
        self.calendar.lots.forget_told(self.heard);
        self.line.mark_all_dirty();
        let mut changes = self.take_changes();
        let silent = self.silent;
        let seats = self
            .seats
            .iter()
            .map(|(n, since)| Change::Seat(n, since + silent));
        let calls = self
            .calls
            .iter()
            .map(|(n, end)| Change::Call(n, end + silent));
        changes.extend(seats.chain(calls));
        changes
    }

    /// When [`Room::tick`] is wanted next, at the latest.
    pub fn next_wake(&self, wall: Millis) -> Millis {
        let now = self.clock(wall);
        let mut wake = self.refreshed + REFRESH;
        if let Some(end) = self.calls.next() {
            wake = wake.min(end);
        }
        if let Some(at) = self.seats.next() {
            wake = wake.min(at);
        }
        if self.calling() && self.next_lane().is_some() {
            wake = wake.min(self.next_call(now));
        }
        wake.max(now) + self.silent
    }

    /// Time passes.
    pub fn tick(&mut self, wall: Millis) {
        self.advance(wall);
    }

    /// Brings the room up to `wall` and returns the room's own time.
    fn advance(&mut self, wall: Millis) -> Millis {
        let before = self.clock(self.heard);
        let gap = wall.since(self.heard);
        if gap > SILENCE {
            self.silent = self.silent + gap;
        }
        self.heard = self.heard.max(wall);
        let now = self.clock(wall);
        self.note_stall(before, now);
        while let Some((number, why)) = self.seats.expire(&self.rules, now) {
            self.seat_lapsed(number, why, now);
        }
        while let Some((number, end)) = self.calls.lapse(now) {
            self.uncalled(number, now);
            self.counts.no_shows += 1;
            self.score_lapse(number, end);
            self.estimator.lapsed();
        }
        if now >= self.refreshed + REFRESH {
            self.refresh(now);
        }
        self.draw(now);
        self.call(now);
        self.take_over_callbacks();
        now
    }

    fn refresh(&mut self, now: Millis) {
        let passed = now.since(self.refreshed);
        self.line.reckon_arrivals(passed.as_secs_f64());
        self.reckon_newcomers(passed);
        self.refreshed = now;
        self.shadow_ticks(now);
        let [swept, shut] = self.line.sweep(self.second(now));
        self.counts.ghosts += swept.ghosts + shut.ghosts;
        self.counts.abandoned += swept.abandoned + shut.abandoned;
        self.estimator.abandoned(swept.ghosts, POLL_SLACK);
        // Whoever leaves does so halfway between two polls.
        let unnoticed = self.rules.keep + POLL_SLACK + self.rules.poll_max.scale(0.5);
        self.estimator.abandoned(swept.abandoned, unnoticed);
        self.count_people(now);
        self.stretch = self.poll_stretch();
        self.estimator.set_margin(margin(&self.rules, self.stretch));
        if now.since(self.learnt_saved) >= LEARNT_EVERY {
            self.learnt_saved = now;
            self.changes.push(Change::Learnt(Box::new(self.learnt())));
        }
    }

    /// Who is there, and how many have gone.
    fn count_people(&mut self, now: Millis) {
        self.seats.elapse(&self.rules, now);
        let (present, takes) = (self.seats.present(), self.seats.takes());
        let (before, took) = std::mem::replace(&mut self.before, (present, takes));
        let departed = (takes - took) as f64 - (present - before);
        let called = f64::from(self.calls.len());
        self.estimator.departed(departed, present - before);
        (self.estimator).elapse(present + called, self.waiting_to_enter(), now);
        self.estimator.refresh(self.stand());
    }

    /// How things stand, for the promise.
    fn stand(&self) -> Stand {
        Stand {
            seats: self.rules.seats.saturating_sub(self.kept_free()),
            growth: self.outlook.growth,
            present: self.seats.present(),
            called: f64::from(self.calls.len()),
            pace: self.pace.full(),
        }
    }

    fn seat_lapsed(&mut self, number: u64, why: Left, now: Millis) {
        match why {
            Left::Idle => self.counts.idle_out += 1,
            Left::VisitMax => self.counts.visit_max_out += 1,
            Left::Unshown => {
                self.counts.unshown_out += 1;
                // Perhaps somebody who reads slowly: the number may come back to the line.
                let second = self.second(now);
                self.line.reopen(number, second);
            }
        }
        self.departed(number, now);
    }

    fn departed(&mut self, number: u64, now: Millis) {
        self.shadow_leaves(number, now);
        self.changes.push(Change::SeatFree(number));
    }

    /// Ordinary seats taken or reserved by a call.
    fn committed(&self) -> u32 {
        self.seats.taken().saturating_add(self.calls.len())
    }

    fn free(&self) -> u32 {
        self.limit().saturating_sub(self.committed())
    }

    fn mark(&self, number: u64, now: Millis) -> Mark {
        self.line.mark(number, self.second(now))
    }

    fn clock(&self, wall: Millis) -> Millis {
        self.heard.max(wall) - self.silent
    }

    /// The line's second at `now`.
    fn second(&self, now: Millis) -> u32 {
        secs(now.since(self.epoch))
    }
}

fn secs(span: Span) -> u32 {
    u32::try_from(span.ceil_secs()).unwrap_or(u32::MAX)
}
