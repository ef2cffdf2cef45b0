//! The law of slots: how many requests may be in flight (`reference`: admission laws, "L").
//!
//! A window closes at 20 answers or 5 failures, after at least 1 s and at most 10 s. Without data
//! there is no decision. Whoever leaves before the answer, and had waited too long already, counts as
//! an answer that took at least that long. With *ρ* the median of answers' times, each divided by the baseline of its
//! class; *e* the share of failures that no one class, part, host or visitor explains
//! ([`window`](super::window)); *binding* if 0.8·L were in flight on the mean (the reference
//! takes the most; so L would rise for as long as chance fills it now and then, far beyond what was
//! ever tried); and *ε* the elasticity of work done per second to the number in flight ([`Curve`]),
//! with its standard error σ:
//!
//! ```text
//! e > max(5 %, 1.5·e₀)         L = 0.7·L
//! binding and ε < 0 and ρ > 2  L = L − 0.2·√L
//! binding, ε < −0.2, ε < −2·σ  the same, and at most 0.95 of where most work was done, but at least
//!                              0.8·L; then no growth beyond that for 40 windows, for 80 and 160 if it
//!                              is the same again
//! ρ > 2 or binding             g = clamp(2 ÷ ρ, 0.5, 1);  L = 0.8·L + 0.2·(L·g + [binding]·√L)
//! swift and binding            the same with L ÷ 2 in place of √L
//! otherwise                    L stays
//! ```
//!
//! Beyond the reference: the third line, for a portal that does less and less before it is twice as
//! slow (one that swaps; the simulator's workers: 0.62 of its capacity without, 0.84 with it); *e₀*, a
//! share of failures below one half that six cuts in a row did not change, is something broken and not
//! load; answers that mostly take 10 s and more are slow (ρ = 4) whatever is usual; and while no ρ is
//! known, L does not grow beyond 32.
//!
//! Sources of the parts: Envoy's gradient controller (headroom √L, clamp), Netflix's Gradient2
//! (nothing is learnt while the application is the limit; smoothing), Uber's auto-tuner, Protego
//! and failsafe-go (a veto by throughput).

use super::classes::{Classes, Load};
use super::curve::Curve;
use super::window::{Came, FAILURES_MIN, Lately, Ratio, Window};
use super::{Answer, Class, Limit, Move, Seen, Sent, What, Why};
use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};

/// Slots to begin with, if nothing is known, and after the portal was down.
const START: f64 = 8.0;
const START_AGAIN: f64 = 4.0;
/// What closes a window.
const ANSWERS: u32 = 20;
const FAILURES: u32 = 5;
const SHORTEST: Span = Span::secs(1);
const LONGEST: Span = Span::secs(10);
/// A share of failures that is too much.
const ERRORS_MAX: f64 = 0.05;
/// Cuts for failures that changed nothing, after which what fails is taken for something else.
const VAIN: u32 = 6;
/// Without a baseline there are no more slots than this, unless there were.
const BLIND_MAX: f64 = 32.0;
/// Seconds that are far too long whatever is usual, and how slow that is.
const FAR_TOO_LONG_SECS: f64 = 10.0;
const FAR_TOO_SLOW: f64 = 4.0;
/// Slots that are few for every portal.
const FLOOR_MAX: u32 = 8;
/// Times as slow as usual that are too slow, and that are hardly slower.
const SLOW: f64 = 2.0;
const SWIFT: f64 = 1.3;
/// Headroom, as a part of L, while nothing has slowed the portal down.
const SWIFT_HEADROOM: f64 = 0.5;
/// An elasticity that is a loss without doubt, however soon answers come: so far below zero, and by so
/// many of its standard errors (by one it is so every few minutes, by chance).
const LOSS: f64 = -0.2;
const LOSS_SIGMAS: f64 = 2.0;
/// Of the slots, what must have been in use for them to be the limit.
const BINDING: f64 = 0.8;
/// Windows after a loss in which L does not grow beyond where most was done.
const HOLD: u32 = 40;
/// … and twice as many for each loss that follows near the same number (by the logarithm of their
/// ratio), at most so often.
const SAME_LOG: f64 = 0.15;
const LOSSES_MAX: u32 = 2;
/// What is in flight goes up and down: so much below where most was done it seldom does harm.
const BEST_PART: f64 = 0.95;
/// At most this part of L is taken away for a loss.
const LOSS_CUT_MAX: f64 = 0.2;
/// Little is in flight: this part of the slots, or this many.
const IDLE_PART: f64 = 0.5;
const IDLE: u32 = 2;

/// The law of slots. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlotLaw {
    slots: f64,
    classes: Classes,
    #[serde(skip, default = "Limit::unbounded")]
    limit: Limit,
    #[serde(skip)]
    window: Window,
    #[serde(skip)]
    lately: Lately,
    /// Of the last binding windows.
    #[serde(skip)]
    curve: Curve,
    /// Where most was done before the last loss, and windows for which that is remembered.
    #[serde(skip)]
    best: f64,
    #[serde(skip)]
    hold: u32,
    /// Losses in a row near the same number.
    #[serde(skip)]
    losses: u32,
    /// Of the last window that told.
    #[serde(skip)]
    slowness: Option<f64>,
    /// More slots have made the portal slow, or not faster: L is about as high as it goes.
    #[serde(skip)]
    found: bool,
    /// Too many requests failed in the last window, or most of them, whatever explains it.
    #[serde(skip)]
    failing: bool,
    /// A share of failures that fewer slots do not change: something else is broken.
    #[serde(skip)]
    accepted: f64,
    #[serde(skip)]
    errors_before: f64,
    /// Cuts in a row after which as many failed as before.
    #[serde(skip)]
    vain: u32,
}

impl super::Capacity {
    /// Seconds that an answer of this class takes with little to do, if that is known; of those that take
    /// long by nature, nothing is too long.
    pub fn usual(&self, class: Class) -> Option<f64> {
        match self.is_apart(class) {
            true => Some(f64::INFINITY),
            false => self.slots.classes.usual(class),
        }
    }
}

impl SlotLaw {
    /// Knows nothing.
    pub fn new(limit: Limit, now: Millis) -> SlotLaw {
        SlotLaw {
            slots: limit.hold(START),
            classes: Classes::new(),
            limit,
            window: Window::at(now),
            lately: Lately::default(),
            curve: Curve::default(),
            best: 0.0,
            hold: 0,
            losses: 0,
            slowness: None,
            found: false,
            failing: false,
            accepted: 0.0,
            errors_before: 0.0,
            vain: 0,
        }
    }

    /// Whether it can be what was found.
    pub fn is_sound(&self) -> bool {
        self.slots.is_finite() && self.slots >= 1.0 && self.classes.is_sound()
    }

    /// Whether too many requests failed when last looked.
    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// Whether nothing has slowed the portal down yet, and answers come as soon as with little to do:
    /// it bears more than is tried.
    pub fn is_swift(&self) -> bool {
        !self.found && self.slowness.is_some_and(|it| it <= SWIFT)
    }

    /// Goes on where it was, under the limit of now.
    pub fn resume(&mut self, limit: Limit, now: Millis) {
        self.limit = limit;
        self.slots = limit.hold(self.slots);
        self.found = self.slots > START;
        self.window = Window::at(now);
        self.classes.resume(now);
    }

    /// Begins elsewhere.
    #[cfg(test)]
    pub fn set(&mut self, slots: f64) {
        self.slots = slots;
    }

    /// Requests in flight at most.
    pub fn limit(&self) -> u32 {
        self.slots.round() as u32
    }

    /// A request goes to the portal.
    pub fn sent(&mut self, in_flight: u32) {
        self.window.sent(in_flight);
    }

    /// Its answer came, or will not come.
    pub fn answered(&mut self, sent: Sent, class: Class, answer: Answer, now: Millis) {
        match answer {
            // Nor does a long poll that comes to nothing say more than one that comes to its end.
            Answer::Failed if self.classes.is_long(class) => {}
            Answer::Left => self.left(sent, class, now),
            Answer::Failed => {
                let secs = now.since(sent.at).as_secs_f64();
                self.classes.failed(class, secs, now);
                self.window.heard(class, sent.heaps, Came::Failed);
            }
            Answer::Good | Answer::Odd => {
                self.classes.came(class, answer == Answer::Good, now);
                match answer {
                    Answer::Good => self.page(sent, class, now),
                    _ => self.window.heard(class, sent.heaps, Came::Odd),
                }
            }
        }
    }

    /// A page came.
    fn page(&mut self, sent: Sent, class: Class, now: Millis) {
        let secs = now.since(sent.at).as_secs_f64();
        self.lately.well(sent.heaps, now);
        self.window.work += self.classes.usual(class).unwrap_or(0.0);
        let ratio = self.classes.ratio(class, secs).map(Ratio::new);
        let far = secs >= FAR_TOO_LONG_SECS && !self.classes.is_long(class);
        let page = Came::Page { ratio, far };
        self.window.heard(class, sent.heaps, page);
        let few = (IDLE_PART * self.slots).max(f64::from(IDLE));
        let load = Load {
            idle: sent.inside && f64::from(sent.in_flight) <= few,
            calm: self.slowness.is_none_or(|slowness| slowness <= SLOW),
            healthy: self.slowness.is_some_and(|slowness| slowness <= SLOW),
        };
        self.classes.heard(class, secs, load, now);
    }

    /// Whoever leaves before the answer is not the portal's error. But it would have taken at least
    /// as long as they have waited: if that is too long already, it counts.
    fn left(&mut self, sent: Sent, class: Class, now: Millis) {
        let secs = now.since(sent.at).as_secs_f64();
        if let Some(ratio) = self.classes.ratio(class, secs).filter(|it| *it > SLOW) {
            let left = Came::Left(Ratio::new(ratio));
            self.window.heard(class, sent.heaps, left);
        }
    }

    /// Decides, if there is enough to decide from.
    pub fn decide(&mut self, now: Millis) -> Option<Move> {
        let age = now.since(self.window.began);
        let failed = self.window.failed();
        let enough = self.window.answers() - failed >= ANSWERS || failed >= FAILURES;
        let last = age >= LONGEST;
        if age < SHORTEST || !(enough || last) {
            return None;
        }
        let most = self.errors_max();
        let errors = (self.window).errors(&self.classes, &self.lately, most, (now, last))?;
        let window = std::mem::replace(&mut self.window, Window::at(now));
        self.classes.refresh();
        if window.answers() == 0 {
            return None;
        }
        self.accepted *= 0.99;
        let seen = self.seen(&window, errors, age);
        self.hold = self.hold.saturating_sub(1);
        let from = self.limit();
        let too_many = failed >= FAILURES_MIN && errors > self.errors_max();
        // Nobody new for what most cannot have, be it load or not.
        self.failing = too_many || window.mostly_fails(&self.classes);
        let why = self.move_by(&seen, too_many, self.is_binding(&window))?;
        self.at_the_floor(&seen, age);
        Some(Move {
            at: now,
            what: What::Slots,
            from,
            to: self.limit(),
            why,
            seen,
        })
    }

    /// The portal is back.
    pub fn back(&mut self, now: Millis) -> Option<Move> {
        let from = self.limit();
        self.slots = self.limit.hold(self.slots.min(START_AGAIN));
        self.window = Window::at(now);
        self.curve.clear();
        (self.hold, self.losses, self.found) = (0, 0, false);
        self.slowness = None;
        (!self.limit.is_fixed()).then_some(Move {
            at: now,
            what: What::Slots,
            from,
            to: self.limit(),
            why: Why::Back,
            seen: Seen::NOTHING,
        })
    }

    /// How long an answer of this class is to take now, or what comes in its place; none at all if
    /// nothing is known.
    pub fn expected(&self, class: Class) -> Span {
        let slowness = self.slowness.unwrap_or(1.0).max(1.0);
        let answer = self.classes.usual(class).unwrap_or(0.0) * slowness;
        Span::from_secs_f64(answer.max(self.classes.fails_after(class)))
    }

    /// Whether requests of this class are to hold no slots: their answers take long by nature.
    pub fn is_apart(&self, class: Class) -> bool {
        self.classes.is_long(class)
    }

    /// Whether requests of this class are to hold few slots.
    pub fn is_stuck(&self, class: Class, now: Millis) -> bool {
        self.classes.is_stuck(class, now)
    }

    /// The class of a request.
    pub fn class(&mut self, method: &str, path: &str) -> Class {
        self.classes.class(method, path, self.window.began)
    }

    /// For each class with a baseline: its seconds.
    pub fn baselines(&self) -> impl Iterator<Item = (Class, f64)> + '_ {
        self.classes.baselines()
    }

    fn seen(&mut self, window: &Window, errors: f64, age: Span) -> Seen {
        let median = window.slowness(SLOW, FAR_TOO_SLOW);
        self.slowness = median.or(self.slowness);
        if self.is_binding(window) {
            let work = window.work / age.as_secs_f64();
            self.curve.add(window.in_flight(), work);
        }
        Seen {
            slowness: median.unwrap_or(f64::NAN),
            errors,
            gain: self.curve.slope().map_or(f64::NAN, |it| it.gain),
            ..Seen::NOTHING
        }
    }

    fn is_binding(&self, window: &Window) -> bool {
        window.sent > 0 && window.in_flight() >= BINDING * self.slots.round()
    }

    /// More in flight do less, without doubt: where most was done, and a cut for it.
    fn lost(&mut self) -> Option<f64> {
        let slope = self.curve.slope()?;
        if slope.gain > LOSS || slope.gain > -LOSS_SIGMAS * slope.error {
            return None;
        }
        let (before, best) = (self.best, BEST_PART * self.curve.best());
        self.found = true;
        // The same again: whether there is more to be had is looked for less often.
        self.losses = match (before / best).ln().abs() < SAME_LOG {
            true => (self.losses + 1).min(LOSSES_MAX),
            false => 0,
        };
        (self.best, self.hold) = (best, HOLD << self.losses);
        self.curve.clear();
        let least = (1.0 - LOSS_CUT_MAX) * self.slots;
        Some(less(self.slots).min(self.best.max(least)))
    }

    /// Nothing is beyond where most was done, as long as that is remembered.
    fn may_grow(&self) -> bool {
        self.hold == 0 || self.slots < self.best
    }

    fn move_by(&mut self, seen: &Seen, too_many: bool, binding: bool) -> Option<Why> {
        let slots = self.slots;
        let slow = seen.slowness > SLOW;
        self.found |= slow || too_many;
        let (slots, why) = if too_many {
            self.in_vain(seen.errors);
            (0.7 * slots, Why::Errors)
        } else if let Some(slots) = binding.then(|| self.lost()).flatten() {
            (slots, Why::NotFaster)
        } else if binding && slow && seen.gain < 0.0 {
            (less(slots), Why::NotFaster)
        } else if slow || binding {
            let gradient = match seen.slowness.is_nan() {
                true => 1.0,
                false => (SLOW / seen.slowness).clamp(0.5, 1.0),
            };
            let headroom = match binding && self.may_grow() {
                false => 0.0,
                true if self.is_swift() => slots.sqrt().max(SWIFT_HEADROOM * slots),
                true => slots.sqrt(),
            };
            let slots = 0.8 * slots + 0.2 * (slots * gradient + headroom);
            // Without any baseline, growth is blind.
            let blind = !slow && seen.slowness.is_nan() && slots > BLIND_MAX.max(self.slots);
            if blind {
                return None;
            }
            // A little slow and all in use may still be worth one more.
            let why = match slots < self.slots {
                true => Why::Slow,
                false => Why::InUse,
            };
            (slots, why)
        } else {
            return None;
        };
        if !self.limit.is_fixed() {
            self.slots = self.limit.hold(slots);
        }
        Some(why)
    }

    /// The share of failures that is too much: what did not get less with fewer slots is not load.
    fn errors_max(&self) -> f64 {
        ERRORS_MAX.max(1.5 * self.accepted)
    }

    /// Counts cuts after which as many fail as before.
    fn in_vain(&mut self, errors: f64) {
        self.vain = match errors > 0.8 * self.errors_before {
            true => self.vain + 1,
            false => 0,
        };
        self.errors_before = errors;
        if self.vain >= VAIN && errors < 0.5 {
            (self.accepted, self.vain) = (errors, 0);
        }
    }

    /// With as few slots as there may be, what is slow may be what is usual by now.
    fn at_the_floor(&mut self, seen: &Seen, age: Span) {
        let Limit::Auto { min, .. } = self.limit else {
            return;
        };
        if seen.slowness > SLOW && self.limit() <= min.min(FLOOR_MAX) {
            self.classes.believe(seen.slowness, age.as_secs_f64());
        }
    }
}

/// A little less than `slots`.
fn less(slots: f64) -> f64 {
    slots - 0.2 * slots.sqrt()
}
