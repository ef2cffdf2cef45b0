//! The law of seats: how many people may be inside (`reference`: admission laws, "S: seats").
//!
//! Every five seconds, over the last ten: *pw*, the share of requests that waited for a slot for
//! more than a millisecond, and *h*, the smoothed age of the head of that queue. Both are absolute:
//! no baseline can be wrong. Both leave out what one visitor alone is the cause of
//! ([`asking`](super::asking)), and *pw* whoever is inside and asks for what [never comes](super::few).
//! It is one that is left out: two who ask for much count as what they are.
//!
//! ```text
//! h > 1 s or pw > 0.95       S = max(0.95·S, 0.9·A); head > 3 s: S ≤ 0.95·A; slow start ends
//! pw > 0.75                  S = max(0.985·S, 0.9·A); slow start ends
//! pw < 0.5 and A ≥ 0.9·S     S = 1.12·S in slow start, else (1 + 0.03·((0.5 − pw)/0.5)²)·S
//! ```
//!
//! with A the people inside; the last not while too many requests fail, or more than half whatever
//! explains it (refusals that come at once make no queue), and not while more requests wait for one
//! visitor than say anything: what is left to be seen is not how those inside fare. It is bolder than the
//! reference. With its growth (1.08, and 0.02 without the square) a portal that was restored after its capacity was halved took 3 minutes to be used again; this takes
//! 2. With its shares (0.9, 0.6, 0.4) slots that must all be busy stood idle now and then; a queue of
//! some tens of milliseconds is what it costs to use one hundredth more. Nobody inside is ever sent
//! away: fewer seats come about by attrition.

use super::{Limit, Move, Portal, Seen, Waited, What, Why};
use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};

/// Seats to begin with, if nothing is known.
pub const START: f64 = 20.0;
/// A decision is made this often …
const EVERY: Span = Span::secs(5);
/// … over so many slices of this length.
const SLICES: usize = 2;
/// A request that got its slot within this much time did not wait.
const WAITED: Span = Span(1);
/// Requests in ten seconds below which their share says nothing.
const REQUESTS_MIN: u32 = 5;
/// Shares of requests that waited: nearly all, many, few.
const NEARLY_ALL: f64 = 0.95;
const MANY: f64 = 0.75;
const FEW: f64 = 0.5;
/// The age of the queue's head: too long, and far too long.
const HEAD_LONG: f64 = 1.0;
const HEAD_FAR_TOO_LONG: f64 = 3.0;
/// Weight of the newest second in the smoothed age.
const SMOOTHING: f64 = 0.3;

/// The law of seats. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeatLaw {
    seats: f64,
    slow_start: bool,
    #[serde(skip, default = "Limit::unbounded")]
    limit: Limit,
    #[serde(skip)]
    slices: [Slice; SLICES],
    #[serde(skip)]
    head_secs: f64,
    #[serde(skip)]
    decided: Millis,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    /// Requests that say something, and those of them that waited.
    sent: u32,
    waited: u32,
    /// Beside these, those that waited for one visitor alone.
    for_one: u32,
}

impl SeatLaw {
    /// Knows nothing.
    pub fn new(limit: Limit, now: Millis) -> SeatLaw {
        SeatLaw {
            seats: limit.hold(START),
            slow_start: true,
            limit,
            slices: Default::default(),
            head_secs: 0.0,
            decided: now,
        }
    }

    /// Goes on where it was, under the limit of now.
    pub fn resume(&mut self, limit: Limit, now: Millis) {
        self.limit = limit;
        // Fewer than there may be is what is left of a number that was written before.
        let found = self.seats >= FLOOR;
        self.seats = limit.hold(if found { self.seats } else { START });
        self.decided = now;
    }

    /// Whether it can be what was found.
    pub fn is_sound(&self) -> bool {
        self.seats.is_finite() && self.seats >= 0.0
    }

    /// People inside at most.
    pub fn limit(&self) -> u32 {
        self.seats as u32
    }

    /// A request goes to the portal after it has `waited`.
    pub fn sent(&mut self, waited: Waited) {
        let slice = &mut self.slices[0];
        let waited = match waited {
            Waited::ForOne(waited) if waited > WAITED => {
                slice.for_one = slice.for_one.saturating_add(1);
                return;
            }
            Waited::ForOne(waited) | Waited::ForAll(waited) => waited,
        };
        slice.sent = slice.sent.saturating_add(1);
        slice.waited = slice.waited.saturating_add(u32::from(waited > WAITED));
    }

    /// Once a second: how old the queue's head is, how the portal does, and how many people are
    /// inside.
    pub fn tick(&mut self, head: Span, portal: Portal, inside: u32, now: Millis) -> Option<Move> {
        let head = head.as_secs_f64();
        self.head_secs += SMOOTHING * (head - self.head_secs);
        if now.since(self.decided) < EVERY {
            return None;
        }
        self.decided = now;
        let [newer, older] = self.slices;
        self.slices = [Slice::default(), newer];
        let sent = newer.sent.saturating_add(older.sent);
        if self.limit.is_fixed() {
            return None;
        }
        let waited = match sent < REQUESTS_MIN {
            // A portal that has all it may have and takes no more is not one without work.
            true => f64::from(u8::from(portal.busy)),
            false => f64::from(newer.waited + older.waited) / f64::from(sent),
        };
        let seen = Seen {
            waited,
            head_secs: self.head_secs,
            inside,
            ..Seen::NOTHING
        };
        let from = self.limit();
        let unseen = newer.for_one.saturating_add(older.for_one) > sent;
        let why = self.decide(head, portal.failing || unseen, &seen)?;
        Some(Move {
            at: now,
            what: What::Seats,
            from,
            to: self.limit(),
            why,
            seen,
        })
    }

    /// The portal is back: not more than are inside come to it at first.
    pub fn back(&mut self, inside: u32, now: Millis) -> Option<Move> {
        if self.limit.is_fixed() {
            return None;
        }
        let from = self.limit();
        self.seats = self.limit.hold(f64::from(inside).max(FLOOR));
        self.slow_start = true;
        self.slices = Default::default();
        self.head_secs = 0.0;
        self.decided = now;
        Some(Move {
            at: now,
            what: What::Seats,
            from,
            to: self.limit(),
            why: Why::Back,
            seen: Seen {
                inside,
                ..Seen::NOTHING
            },
        })
    }

    /// `no_more`: whatever is seen, seats are not added.
    fn decide(&mut self, head: f64, no_more: bool, seen: &Seen) -> Option<Why> {
        let inside = f64::from(seen.inside);
        let (seats, why) = if self.head_secs > HEAD_LONG || seen.waited > NEARLY_ALL {
            let less = (0.95 * self.seats).max(0.9 * inside);
            let less = match head > HEAD_FAR_TOO_LONG {
                true => less.min(0.95 * inside),
                false => less,
            };
            (less, Why::LongQueue)
        } else if seen.waited > MANY {
            ((0.985 * self.seats).max(0.9 * inside), Why::Queue)
        } else if !no_more && seen.waited < FEW && inside >= 0.9 * f64::from(self.limit()) {
            let more = match self.slow_start {
                true => 0.12,
                false => 0.03 * ((FEW - seen.waited) / FEW).powi(2),
            };
            (self.seats * (1.0 + more), Why::Taken)
        } else {
            return None;
        };
        self.slow_start &= why == Why::Taken;
        let seats = match why {
            Why::Taken => seats,
            _ => seats.min(self.seats),
        };
        self.seats = self.limit.hold(seats.max(FLOOR));
        Some(why)
    }
}

/// Seats below which it makes no sense to go.
const FLOOR: f64 = 5.0;
