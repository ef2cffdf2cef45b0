//! What goes into a room and what comes out: the words between it and whoever asks.

use super::Room;
use super::counts::Counts;
use super::given::Given;
use super::hours::Hours;
use super::opening::Told;
use super::promise::Promise;
use super::rules::Mode;
use super::scores::Figures;
use super::seats::Firsts;
use super::shadow::Observed;
use crate::time::{Millis, Span};
use serde::Serialize;

/// Who asks, as far as a signed cookie tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// Nobody we know.
    Newcomer,
    /// Holds a place in the line.
    Ticket(Ticket),
    /// Was let in.
    Pass(Pass),
}

/// A numbered place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The number.
    pub number: u64,
    /// When it was given out.
    pub issued: Millis,
    /// What its holder was promised, once something was.
    pub promised: Option<Given>,
}

/// The right to be inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The visitor's number: the same as the ticket's, if there was one.
    pub number: u64,
    /// When the visitor was let in.
    pub issued: Millis,
}

/// A program at an address, which may be many visitors'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Tells it from others.
    pub key: u64,
}

/// What is asked, as far as it matters to the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The request renews a seat (not a page's own keep-alive).
    pub renews: bool,
    /// The request may carry somebody's work: POST, PUT, PATCH, DELETE.
    pub work: bool,
    /// A browser's guess (prefetch, prerender): takes neither ticket nor seat.
    pub guess: bool,
    /// Nobody is there who wants to come in: a picture beside a page, the preview of a link, a
    /// monitor's look. It takes neither ticket nor seat, but passes while there is room.
    pub passing: bool,
    /// A one-time answer of a sign-on: it is never held, repeated or turned away. (Not together
    /// with `guess` or `passing`, of which nothing comes.)
    pub callback: bool,
    /// Whose request it is, as far as that can be told of somebody who shows no cookie at all, and
    /// could; `None`: not at all, or of a browser, which keeps cookies.
    pub client: Option<Client>,
    /// The lane that a newcomer belongs to: an index into [`super::Rules::lanes`].
    pub lane: usize,
}

impl Ask {
    /// An ordinary page.
    pub const PAGE: Ask = Ask {
        renews: true,
        work: false,
        guess: false,
        passing: false,
        callback: false,
        client: None,
        lane: 0,
    };

    /// Whether it is no reason to give a ticket or a seat, or to take a call: nobody is there
    /// who wants to come in (also a forgotten page's own keep-alive).
    pub fn takes_nothing(self) -> bool {
        self.guess || self.passing || !self.renews
    }
}

/// What to do with a request.
#[allow(
    clippy::large_enum_variant,
    reason = "it is handed on at once, and a box would cost a request an allocation"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Forward it; [`super::Room::finish`] must be called once when it has ended.
    Forward {
        /// The visitor's number.
        number: u64,
        /// How the visitor comes to be inside.
        entry: Entry,
    },
    /// Give the waiting answer.
    Wait {
        /// What to tell.
        waiting: Waiting,
        /// The ticket to hold from now on.
        ticket: Ticket,
        /// The visitor does not have this ticket yet.
        fresh: bool,
    },
    /// Neither a place nor a seat.
    Refuse(Refusal),
}

/// How a visitor comes to be inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Was inside already.
    Inside,
    /// The room was not saturated.
    Straight,
    /// Was called and came.
    Called,
    /// Takes up again a seat that lapsed, or was lost with a crash, a moment ago; or is inside
    /// and holds only the ticket still.
    Again,
    /// Comes from a client that seems to keep no cookies, on the seat that is held for it.
    Lent {
        /// What the pass says: nobody is given the number of another.
        own: u64,
    },
    /// Answers a sign-on, and takes a seat of the reserve for that.
    Callback,
    /// Only this one request passes, without a seat: an answer of a sign-on, or work of somebody whose
    /// pass has just lapsed, while even the reserve is taken.
    Unseated,
    /// The same for what takes nothing, while there is room.
    Passing,
}

/// Why there is neither a place nor a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The room is closed.
    Closed,
    /// `line_max` tickets wait already.
    LineFull,
    /// No number may be given out before the store has confirmed more of them.
    NoNumber,
    /// A browser's guess, or a page's own keep-alive: not worth a place.
    Guess,
}

/// How a visitor stands, for `/.preau/status`.
#[allow(
    clippy::large_enum_variant,
    reason = "it is handed on at once, and a box would cost a poll an allocation"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither in line nor inside.
    Outside,
    /// In line, or called.
    Waiting {
        /// What to tell.
        waiting: Waiting,
        /// The ticket to hold from now on.
        ticket: Ticket,
        /// The visitor does not have this ticket yet.
        fresh: bool,
    },
    /// Inside.
    Inside,
}

/// What a visitor in line is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The ticket's number; it never changes.
    pub number: u64,
    /// Living tickets ahead in its lane, plus one; 1 for a called one.
    pub place: u64,
    /// The ticket's lane: an index into [`super::Rules::lanes`], or beyond them for a lane that was
    /// taken out of the rules.
    pub lane: usize,
    /// What is left of the promise in force; `None` while nobody can honestly say.
    pub promise: Option<Promise>,
    /// When the server wants to hear from this visitor again.
    pub poll_after: Span,
    /// The ticket is called: what is left of its claim window.
    pub called: Option<Span>,
    /// Why things are as they are, where there is something to say.
    pub reason: Option<Reason>,
    /// When the ticket's lane is let in next, by the clock on the wall: if it is not let in now, or
    /// perhaps no longer when the turn comes, and the calendar says when.
    pub enters_from: Option<Millis>,
    /// The place is drawn by lot then, by the clock on the wall; until then `place` is the last that
    /// it can be.
    pub drawn_at: Option<Millis>,
    /// When somebody goes in again, if nobody does now and the calendar says when; by the clock on
    /// the wall.
    pub reopens: Option<Millis>,
}

impl Waiting {
    /// Whether the hours in which the lane is let in keep the visitor waiting, or may.
    pub fn kept_by_hours(&self) -> bool {
        match self.reason {
            Some(Reason::Hours) => true,
            Some(Reason::NextHours) => self.enters_from.is_some(),
            _ => false,
        }
    }
}

/// Why the line does not move, or why more is promised than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The portal does not answer; calls have stopped and resume by themselves.
    PortalDown,
    /// The operators hold the room.
    Held,
    /// Fewer are called than when the promise was made: the portal is slower.
    Slower,
    /// Fewer than expected have left the line, or some have come back to their places.
    FewerLeft,
    /// The line stood still for a while.
    Stopped,
    /// The ticket's lane is not let in at this hour.
    Hours,
    /// The hours in which the ticket's lane is let in may end before the turn comes.
    NextHours,
}

/// How a lane stands, for the desk.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneStatus {
    /// Its name.
    pub name: String,
    /// Its share of the calls, beside the other lanes' weights.
    pub weight: u32,
    /// Seats that are kept for it, under the limit in force.
    pub reserve: u32,
    /// Whether newcomers may come into it now.
    pub open: bool,
    /// When it is let in.
    pub hours: Hours,
    /// Seats taken by it or reserved by its calls.
    pub committed: u32,
    /// Living tickets.
    pub waiting: u64,
    /// What somebody who came into it now would be promised.
    pub promise: Option<Promise>,
    /// Tickets given out.
    pub tickets_total: u64,
    /// Visitors who went straight in.
    pub straight_total: u64,
    /// Tickets called.
    pub calls_total: u64,
}

/// How a room stands, for the desk.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The room's name.
    pub name: String,
    /// What it does.
    pub mode: Mode,
    /// The limit in force.
    pub seats: u32,
    /// Newcomers who go in within a minute at most, if that is bounded.
    pub per_minute: Option<u32>,
    /// Seats taken, without those of the reserve for callbacks.
    pub taken: u32,
    /// Of these, how many have gone for all that is known: others may come in beside them.
    pub absent: u32,
    /// Seats of the reserve for callbacks that are taken.
    pub callbacks: u32,
    /// Tickets called and not yet in.
    pub called: u32,
    /// Living tickets.
    pub waiting: u64,
    /// What somebody who came now, and belongs to no other lane than the first, would be promised.
    pub promise: Option<Promise>,
    /// Calls per second that the pace allows.
    pub pace: f64,
    /// The learnt factor between the estimate and the upper bound of that promise.
    pub q: Option<f64>,
    /// How well promises were kept lately, once there is one to tell of.
    pub promises: Option<Figures>,
    /// How the first minutes of those who were let in went.
    pub firsts: Firsts,
    /// What would have happened, while the room observes.
    pub observed: Option<Observed>,
    /// Seconds of a visit, once known.
    pub visit_secs: Option<f64>,
    /// Visitors let in since the room was opened.
    pub entered_total: u64,
    /// Whether the portal answers.
    pub portal_up: bool,
    /// How much longer polls are spaced than without a budget; 1 when the budget is not short.
    pub poll_stretch: f64,
    /// The next number to be given out, and the first that must not be without the store: of the
    /// lane with the fewest left.
    pub numbers: (u64, u64),
    /// The lanes: those of the rules in their order, then those taken out of them.
    pub lanes: Vec<LaneStatus>,
    /// What the calendar says.
    pub calendar: Told,
    /// What happened.
    pub counts: Counts,
}

impl Status {
    /// People who are there, for all that is known, on ordinary seats: what the limit is for.
    pub fn there(&self) -> u32 {
        self.taken.saturating_sub(self.absent)
    }
}

impl Room {
    /// How the room stands.
    pub fn status(&mut self, wall: Millis) -> Status {
        let now = self.advance(wall);
        Status {
            name: self.name.clone(),
            mode: self.rules.mode,
            seats: self.rules.seats,
            per_minute: self.rules.per_minute,
            taken: self.seats.taken(),
            absent: self.seats.absent(),
            callbacks: self.seats.apart(),
            called: self.calls.len(),
            waiting: self.line.living(),
            promise: self.promise_in(0, self.lane(0).living() + 1),
            pace: self.pace.rate(now),
            q: self.estimator.q(self.line.living() + 1),
            promises: self.estimator.figures(),
            firsts: *self.seats.firsts(),
            observed: self.observed(),
            visit_secs: self.estimator.rates().map(|rates| rates.visit_secs),
            entered_total: self.counts.straight + self.counts.called_in + self.counts.callbacks,
            portal_up: self.portal_up,
            poll_stretch: self.stretch,
            numbers: self.numbers(),
            lanes: self.lane_statuses(),
            calendar: self.calendar.told(),
            counts: self.counts,
        }
    }
}
