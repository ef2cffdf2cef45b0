//! How much a portal can bear, found from what is seen: slots by latency and errors, seats by the
//! queue for slots.
//!
//! Two laws, one above the other (`reference`: admission laws, where their figures come from):
//!
//! - [`SlotLaw`] moves the number of requests in flight, L, in seconds: down when answers take
//!   twice as long as with little to do, or fail; up when all slots were in use and they do not.
//! - [`SeatLaw`] moves the number of people inside, S, in minutes: down when requests wait for
//!   slots, up when all seats are taken and they do not.
//!
//! Pure: time comes in as a value. The server and the simulator call [`Capacity::sent`] and
//! [`Capacity::answered`] for each request, and [`Capacity::tick`] once a second. Every change is
//! explained ([`Move`]).

mod asking;
mod claim;
mod classes;
mod curve;
mod fnv;
mod forecast;
mod holding;
mod look;
mod parts;
mod seats;
mod share;
mod slots;
#[cfg(test)]
mod tests;
mod turns;
mod weights;
mod window;

pub use asking::{Asking, Waited, Waits};
pub use claim::Claim;
pub use classes::Class;
pub use holding::{few, quarter};
pub use look::{GROWTH, Heads, Outlook, People};
pub use parts::{Part, PartAnswer, PartChange, PartFailure, Parts};
use seats::SeatLaw;
pub use share::{Wish, settle, share};
use slots::SlotLaw;
pub use turns::{Asker, LONG_WAIT, Served, Spot, Turn, Turns};
pub use weights::Weight;
use weights::Weights;
use window::Heaps;
pub use window::Whose;

use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A portal is taken to work on for a visitor who has left for no longer than this.
const WORKS_ON_MAX: Span = Span::secs(10);
/// Moves that are kept to be told; beyond, the oldest is forgotten.
const MOVES_MAX: usize = 64;

/// Whether a limit is found, and within what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// This number, whatever is seen.
    Fixed(u32),
    /// Found, within these bounds.
    Auto {
        /// Never below.
        min: u32,
        /// Never above.
        max: u32,
    },
}

/// What the two laws may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityRules {
    /// Requests in flight.
    pub slots: Limit,
    /// People inside, over all rooms whose seats are found.
    pub seats: Limit,
}

/// A request on its way to the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it went.
    pub at: Millis,
    /// Requests in flight at that moment, itself included.
    pub in_flight: u32,
    /// It is of somebody inside.
    inside: bool,
    heaps: Heaps,
    epoch: u32,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The portal answered with a page.
    Good,
    /// The portal answered with something else (a redirect, a 404, a 500), or it is not known what
    /// the answer waited for: its time says nothing about load.
    Odd,
    /// The portal did not answer in time, broke off, or said that it is overloaded (429, 502, 503,
    /// 504).
    Failed,
    /// The visitor left: no error of the portal's, though perhaps it was slow.
    Left,
}

/// A limit that was moved, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// When.
    pub at: Millis,
    /// What.
    pub what: What,
    /// From.
    pub from: u32,
    /// To.
    pub to: u32,
    /// Why.
    pub why: Why,
    /// What was seen.
    pub seen: Seen,
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Requests in flight.
    Slots,
    /// People inside.
    Seats,
}

impl What {
    /// Its name, as in the status.
    pub fn name(self) -> &'static str {
        match self {
            What::Slots => "slots",
            What::Seats => "seats",
        }
    }
}

/// Why a limit was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Requests failed.
    Errors,
    /// More requests in flight gave fewer answers.
    NotFaster,
    /// Answers took much longer than with little to do.
    Slow,
    /// All slots were in use, and answers did not take long.
    InUse,
    /// Requests waited for slots for too long.
    LongQueue,
    /// Most requests waited for a slot.
    Queue,
    /// All seats were taken, and few requests waited for a slot.
    Taken,
    /// All seats were taken, and slots stood idle.
    Idle,
    /// The portal is back after it was down.
    Back,
}

/// What a decision was made from. What was not looked at is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Slots: median of answers' times, each divided by what is usual with little to do.
    pub slowness: f64,
    /// Slots: share of requests that failed.
    pub errors: f64,
    /// Slots: by how many per cent the work done per second rises when 1 % more are in flight.
    pub gain: f64,
    /// Seats: share of requests that waited for a slot.
    pub waited: f64,
    /// Seats: seconds that the head of the queue had waited, smoothed.
    pub head_secs: f64,
    /// Seats: people inside.
    pub inside: u32,
}

impl Seen {
    const NOTHING: Seen = Seen {
        slowness: f64::NAN,
        errors: f64::NAN,
        gain: f64::NAN,
        waited: f64::NAN,
        head_secs: f64::NAN,
        inside: 0,
    };
}

impl Why {
    /// Every reason, with its name and what is said of it.
    pub const NAMES: [(&str, Why, &str); 9] = [
        ("errors", Why::Errors, "requests failed"),
        (
            "not_faster",
            Why::NotFaster,
            "more requests at once gave fewer answers",
        ),
        (
            "slow",
            Why::Slow,
            "answers took much longer than with little to do",
        ),
        (
            "in_use",
            Why::InUse,
            "all slots were in use and answers came soon",
        ),
        (
            "long_queue",
            Why::LongQueue,
            "requests waited long for a slot",
        ),
        ("queue", Why::Queue, "most requests waited for a slot"),
        (
            "taken",
            Why::Taken,
            "all seats were taken and few requests waited",
        ),
        (
            "idle",
            Why::Idle,
            "all seats were taken and slots stood idle",
        ),
        ("back", Why::Back, "the portal is back"),
    ];

    /// Its name, as in metrics and the status.
    pub fn name(self) -> &'static str {
        self.named().0
    }

    /// In words.
    pub fn words(self) -> &'static str {
        self.named().2
    }

    fn named(self) -> &'static (&'static str, Why, &'static str) {
        &Why::NAMES[self as usize]
    }
}

/// How a portal does, as the law of seats sees it.
#[derive(Clone, Copy, Debug, Default)]
struct Portal {
    /// Requests that it has, and how many at most.
    in_flight: u32,
    slots: u32,
    /// Too many requests fail.
    failing: bool,
    /// Nothing has slowed it down yet ([`SlotLaw::is_swift`]).
    swift: bool,
}

/// What is learnt of one portal. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Capacity {
    slots: SlotLaw,
    seats: SeatLaw,
    #[serde(skip)]
    weights: Weights,
    #[serde(skip)]
    epoch: u32,
    #[serde(skip)]
    moves: VecDeque<Move>,
}

impl Capacity {
    /// Nothing is known yet.
    pub fn new(rules: &CapacityRules, now: Millis) -> Capacity {
        Capacity {
            slots: SlotLaw::new(rules.slots, now),
            seats: SeatLaw::new(rules.seats, now),
            weights: Weights::default(),
            epoch: 0,
            moves: VecDeque::new(),
        }
    }

    /// Goes on after a restart, under the rules of now: what was found is where it begins.
    pub fn resume(&mut self, rules: &CapacityRules, now: Millis) {
        self.slots.resume(rules.slots, now);
        self.seats.resume(rules.seats, now);
    }

    /// Whether it can be what was found: what was stored may be damaged.
    pub fn is_sound(&self) -> bool {
        self.slots.is_sound() && self.seats.is_sound()
    }

    /// Requests in flight at most.
    pub fn slots(&self) -> u32 {
        self.slots.limit()
    }

    /// People inside at most, over all rooms whose seats are found.
    pub fn seats(&self) -> u32 {
        self.seats.limit()
    }

    /// What is to be expected of seats.
    pub fn outlook(&self) -> Outlook {
        self.seats.outlook()
    }

    /// A request goes to the portal, with so many `in_flight` (itself included), after one who is
    /// inside has `waited` for a slot, as far as that [counts](Waits::counts); nothing for others, whose
    /// waiting says nothing.
    pub fn sent(
        &mut self,
        in_flight: u32,
        waited: Option<Waited>,
        whose: Whose,
        now: Millis,
    ) -> Sent {
        self.slots.sent(in_flight);
        self.seats.sent(in_flight, waited);
        Sent {
            at: now,
            in_flight,
            inside: waited.is_some(),
            heaps: whose.heaps(),
            epoch: self.epoch,
        }
    }

    /// The head of its answer came, or will not come.
    pub fn answered(&mut self, sent: Sent, class: Class, answer: Answer, now: Millis) {
        if answer == Answer::Good && !self.is_apart(class) {
            let secs = now.since(sent.at).as_secs_f64();
            self.weights.heard(class, secs);
        }
        if sent.epoch != self.epoch {
            // Sent before something changed: it tells how things were.
            return;
        }
        self.slots.answered(sent, class, answer, now);
        self.decide_slots(now);
    }

    /// Time passes: `heads` wait for slots, `in_flight` is how many requests the portal has (of whom has
    /// most, one: [`Asking::counted`]), and `people` who is inside.
    pub fn tick(&mut self, heads: Heads, in_flight: u32, people: People, now: Millis) {
        self.decide_slots(now);
        let portal = Portal {
            in_flight,
            slots: self.slots(),
            failing: self.slots.is_failing(),
            swift: self.slots.is_swift(),
        };
        if let Some(moved) = self.seats.tick(heads, portal, people, now) {
            self.note(moved);
        }
    }

    /// The portal does not answer any more: whoever comes first when it is back finds few slots.
    pub fn down(&mut self, now: Millis) {
        self.epoch = self.epoch.wrapping_add(1);
        if let Some(moved) = self.slots.back(now) {
            self.note(moved);
        }
    }

    /// The portal answers again after it was down: what is in flight is few, and rises.
    pub fn back(&mut self, inside: u32, now: Millis) {
        self.epoch = self.epoch.wrapping_add(1);
        let moved = [self.slots.back(now), self.seats.back(inside, now)];
        moved.into_iter().flatten().for_each(|it| self.note(it));
    }

    /// Whether requests of this class are to hold no slot: their answers take so long by nature
    /// (long polls) that they are none of the portal's load.
    pub fn is_apart(&self, class: Class) -> bool {
        self.slots.is_apart(class)
    }

    /// What a request of this class is to hold a slot for.
    pub fn weight(&self, class: Class) -> Weight {
        self.weights.of(class)
    }

    /// Whether requests of this class are to hold no more than a [`few`] slots: none of their answers
    /// comes in time, while those of others do.
    pub fn is_stuck(&self, class: Class, now: Millis) -> bool {
        self.slots.is_stuck(class, now)
    }

    /// When the answer to a request is to be expected, as far as is known: until then the portal works
    /// on it, also for a visitor who has left. No later than [`WORKS_ON_MAX`] after it was sent.
    pub fn expected(&self, sent: Sent, class: Class) -> Millis {
        sent.at + self.slots.expected(class).min(WORKS_ON_MAX)
    }

    /// What was decided since the last call.
    pub fn take_moves(&mut self) -> Vec<Move> {
        self.moves.drain(..).collect()
    }

    /// The class of a request: its method and the form of its path.
    pub fn class(&mut self, method: &str, path: &str) -> Class {
        self.slots.class(method, path)
    }

    /// For each class with a baseline: seconds that an answer takes with little to do.
    pub fn baselines(&self) -> impl Iterator<Item = (Class, f64)> + '_ {
        self.slots.baselines()
    }

    fn decide_slots(&mut self, now: Millis) {
        if let Some(moved) = self.slots.decide(now) {
            if moved.why == Why::Errors {
                // What is under way fails, too: it says nothing about the new limit.
                self.epoch = self.epoch.wrapping_add(1);
            }
            self.note(moved);
        }
    }

    fn note(&mut self, moved: Move) {
        if moved.from == moved.to {
            return;
        }
        if self.moves.len() == MOVES_MAX {
            self.moves.pop_front();
        }
        self.moves.push_back(moved);
    }
}

impl Limit {
    /// Until what was stored meets the rules of now.
    fn unbounded() -> Limit {
        Limit::Auto {
            min: 1,
            max: u32::MAX,
        }
    }

    /// Seats to begin with.
    pub fn start(self) -> u32 {
        self.hold(seats::START) as u32
    }

    /// The highest that it can be.
    pub fn most(self) -> u32 {
        match self {
            Limit::Fixed(number) => number,
            Limit::Auto { max, .. } => max,
        }
    }

    /// `value` within the bounds; the number itself if it is fixed.
    fn hold(self, value: f64) -> f64 {
        match self {
            Limit::Fixed(number) => f64::from(number),
            Limit::Auto { min, max } => value.clamp(f64::from(min), f64::from(max.max(min))),
        }
    }

    /// Whether it is a number, whatever is seen.
    pub fn is_fixed(self) -> bool {
        matches!(self, Limit::Fixed(_))
    }
}
