//! The law of seats: how many people may be inside (`reference`: admission laws, "S: seats").
//!
//! Every second, over the last three, and every five seconds, over the last ten: *pw*, the share of
//! requests that waited for a slot for more than a millisecond, and *h*, the smoothed age of the head
//! of that queue. Both are absolute: no baseline can be wrong. Both leave out what one visitor alone is
//! the cause of ([`asking`](super::asking)), and *pw* whoever is inside and asks for what
//! [never comes](super::few). It is one that is left out: two who ask for much count as what they are.
//! With A the people there or called, and *d* the smoothed age of the first
//! who waits at the door: those outside wait behind all who are inside, so they are the first to feel
//! that slots are short, and are better told to wait in line:
//!
//! ```text
//! each second  h, d < 0.3 s, pw < 0.3, A ≥ 0.9·S   S += min(S ÷ 10, (Ŝ − S) ÷ 5)
//! each 5 s     h > 1 s or pw > 0.95       S = max(0.95·S, 0.9·A); head > 3 s: S ≤ 0.95·A
//!              pw > 0.65                  S = max(0.985·S, 0.9·A)
//!              d > 1 s                    S = min(S, A)
//!              pw < 0.4 and A ≥ 0.9·S     S = (1 + 0.03·((0.4 − pw)/0.4)²)·S
//! ```
//!
//! with Ŝ the people for whom L slots are enough, at most twice those who are there and [`START`].
//!
//! As long as slots stand idle and somebody waits, the gate itself is the bottleneck, and idle slots are
//! seen within seconds: the first line grows by the second, up to what is foretold
//! ([`forecast`](super::forecast)), from cold as well as after a calm, when a portal is back or its
//! capacity is restored. The last line finds the rest. Neither grows while too many requests fail, or
//! more than half whatever explains it (refusals that come at once make no queue), nor while more requests
//! wait for one visitor than say anything: what is left to be seen is not how those inside fare. The first
//! two shares are bolder than the reference (0.9, 0.6): with those, slots that must all be busy stood idle now and
//! then; a queue of some tens of milliseconds is what it costs to use one hundredth more. Nobody inside
//! is ever sent away: fewer seats come about by attrition.

use super::forecast::Forecast;
use super::look::{GROWTH, GROWTH_MAX};
use super::{Heads, Limit, Move, Outlook, People, Portal, Seen, Waited, What, Why};
use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};

/// Seats to begin with, if nothing is known.
pub const START: f64 = 20.0;
/// The law looks this often …
const SLICE: Span = Span::secs(1);
/// … over so many slices of this length, and decides this often over so many.
const LATELY: usize = 3;
const EVERY: Span = Span::secs(5);
const SLICES: usize = 10;
/// A request that got its slot within this much time did not wait.
const WAITED: Span = Span(1);
/// Requests in ten seconds below which their share says nothing.
const REQUESTS_MIN: u32 = 5;
/// Shares of requests that waited: nearly all, many, few.
const NEARLY_ALL: f64 = 0.95;
const MANY: f64 = 0.65;
const FEW: f64 = 0.4;
/// The age of the queue's head: too long, and far too long.
const HEAD_LONG: f64 = 1.0;
const HEAD_FAR_TOO_LONG: f64 = 3.0;
/// Growth in a second is at most this part of what is foretold and not there yet, beside [`GROWTH`]: from
/// a call to what it costs it takes ten seconds and more.
const APPROACH: f64 = 0.2;
/// Of the people there, as many times as many may be let in, and those of the beginning.
const REACH: f64 = 2.0;
/// What has to be idle for growth by the second: few requests wait, and for a moment.
const IDLE_WAITED: f64 = 0.3;
const IDLE_HEAD: f64 = 0.3;
/// Weight of the newest second in the smoothed age, and in what is foretold.
const SMOOTHING: f64 = 0.3;
const SMOOTHING_GROWTH: f64 = 0.2;

/// The law of seats. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeatLaw {
    seats: f64,
    #[serde(skip, default = "Limit::unbounded")]
    limit: Limit,
    #[serde(skip)]
    slices: [Slice; SLICES],
    #[serde(skip)]
    head_secs: f64,
    #[serde(skip)]
    door_secs: f64,
    #[serde(skip)]
    forecast: Forecast,
    /// Few requests have waited lately.
    #[serde(skip)]
    idle: bool,
    /// How many times as many seats there will soon be, smoothed.
    #[serde(skip, default = "no_growth")]
    growth: f64,
    #[serde(skip)]
    looked: Millis,
    #[serde(skip)]
    decided: Millis,
    /// Seats when it was last decided.
    #[serde(skip)]
    before: u32,
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
            limit,
            slices: Default::default(),
            head_secs: 0.0,
            door_secs: 0.0,
            forecast: Forecast::default(),
            idle: false,
            growth: no_growth(),
            looked: now,
            decided: now,
            before: limit.hold(START) as u32,
        }
    }

    /// Goes on where it was, under the limit of now.
    pub fn resume(&mut self, limit: Limit, now: Millis) {
        self.limit = limit;
        // Fewer than there may be is what is left of a number that was written before.
        let found = self.seats >= FLOOR;
        self.seats = limit.hold(if found { self.seats } else { START });
        (self.looked, self.decided, self.before) = (now, now, self.limit());
    }

    /// Whether it can be what was found.
    pub fn is_sound(&self) -> bool {
        self.seats.is_finite() && self.seats >= 0.0
    }

    /// People inside at most.
    pub fn limit(&self) -> u32 {
        self.seats as u32
    }

    /// A request goes to the portal, one of so many in flight, after it has `waited`; nothing is said of
    /// the waiting of some.
    pub fn sent(&mut self, in_flight: u32, waited: Option<Waited>) {
        self.forecast.sent(in_flight);
        let Some(waited) = waited else {
            return;
        };
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

    /// Once a second: how old the queue's head is, how the portal does, and who is inside.
    pub fn tick(
        &mut self,
        heads: Heads,
        portal: Portal,
        people: People,
        now: Millis,
    ) -> Option<Move> {
        if now.since(self.looked) < SLICE {
            return None;
        }
        self.looked = now;
        let [head, door] = [heads.inside, heads.outside].map(Span::as_secs_f64);
        self.head_secs += SMOOTHING * (head - self.head_secs);
        self.door_secs += SMOOTHING * (door - self.door_secs);
        self.forecast.elapse(portal.in_flight, people.there);
        let lately = self.waited(LATELY, portal);
        let unseen = self.is_unseen();
        let foreseen = self.forecast.seats(portal.slots, portal.swift);
        let head = self.head_secs.max(self.door_secs);
        let calm = lately < IDLE_WAITED && head < IDLE_HEAD;
        self.idle = foreseen > self.seats && calm && !portal.failing && !unseen;
        self.grow(foreseen, people);
        let soon = match self.idle && !self.limit.is_fixed() {
            true => self.limit.hold(foreseen.max(self.seats)) / self.seats,
            false => no_growth(),
        };
        self.growth += SMOOTHING_GROWTH * (soon.min(GROWTH_MAX) - self.growth);
        let seen = Seen {
            waited: self.waited(SLICES, portal),
            head_secs: self.head_secs,
            inside: people.inside(),
            ..Seen::NOTHING
        };
        let no_more = portal.failing || unseen;
        self.slices.rotate_right(1);
        self.slices[0] = Slice::default();
        if now.since(self.decided) < EVERY || self.limit.is_fixed() {
            return None;
        }
        self.decided = now;
        let from = self.before;
        let why = self.decide(heads.inside.as_secs_f64(), no_more, &seen);
        let why = match why {
            None if self.limit() > from => Why::Idle,
            why => why?,
        };
        self.before = self.limit();
        Some(Move {
            at: now,
            what: What::Seats,
            from,
            to: self.limit(),
            why,
            seen,
        })
    }

    /// What is to be expected: calls may follow each other as fast as seats grow while few requests wait.
    pub fn outlook(&self) -> Outlook {
        Outlook {
            fast: self.idle,
            growth: self.growth,
        }
    }

    /// While slots stand idle and all seats are taken, more people may come, up to what is foretold.
    fn grow(&mut self, foreseen: f64, people: People) {
        let full = f64::from(people.inside()) >= 0.9 * f64::from(self.limit());
        if self.limit.is_fixed() || !self.idle || !full {
            return;
        }
        // What those do who are called is not seen before they have come.
        let seen = REACH * f64::from(people.there) + START;
        let room = foreseen.min(seen) - self.seats;
        let more = (GROWTH * self.seats).min(APPROACH * room).max(0.0);
        self.seats = self.limit.hold(self.seats + more);
    }

    /// Whether more requests waited for one visitor than say anything.
    fn is_unseen(&self) -> bool {
        let add = |(one, all): (u32, u32), it: &Slice| {
            (one.saturating_add(it.for_one), all.saturating_add(it.sent))
        };
        let (for_one, sent) = self.slices.iter().fold((0, 0), add);
        for_one > sent
    }

    /// The share of requests that waited, over so many seconds.
    fn waited(&self, slices: usize, portal: Portal) -> f64 {
        let slices = self.slices.iter().take(slices);
        let (sent, waited) = slices.fold((0u32, 0u32), |(sent, waited), it| {
            (
                sent.saturating_add(it.sent),
                waited.saturating_add(it.waited),
            )
        });
        match sent < REQUESTS_MIN {
            // A portal that has all it may have and takes no more is not one without work.
            true => f64::from(u8::from(portal.in_flight >= portal.slots)),
            false => f64::from(waited) / f64::from(sent),
        }
    }

    /// The portal is back: not more than are inside come to it at first.
    pub fn back(&mut self, inside: u32, now: Millis) -> Option<Move> {
        if self.limit.is_fixed() {
            return None;
        }
        let from = self.limit();
        self.seats = self.limit.hold(f64::from(inside).max(FLOOR));
        self.slices = Default::default();
        (self.head_secs, self.door_secs) = (0.0, 0.0);
        self.forecast = Forecast::default();
        (self.idle, self.growth) = (false, no_growth());
        (self.looked, self.decided, self.before) = (now, now, self.limit());
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
        } else if self.door_secs > HEAD_LONG && self.seats > inside {
            (inside, Why::LongQueue)
        } else if !no_more && seen.waited < FEW && inside >= 0.9 * f64::from(self.limit()) {
            let more = 0.03 * ((FEW - seen.waited) / FEW).powi(2);
            (self.seats * (1.0 + more), Why::Taken)
        } else {
            return None;
        };
        let seats = match why {
            Why::Taken => seats,
            _ => seats.min(self.seats),
        };
        self.seats = self.limit.hold(seats.max(FLOOR));
        Some(why)
    }
}

/// Seats will be as many as they are.
fn no_growth() -> f64 {
    1.0
}

/// Seats below which it makes no sense to go.
const FLOOR: f64 = 5.0;
