//! What was possible: how much of a portal's work nobody in front of it could have had done.
//!
//! The portal does at best so many visits a minute, as it was measured (`main::sweep`). It cannot do more, and it
//! cannot answer what has not been asked for yet: whoever has just come reads the form. So in each
//! second the most is what all who have come would ask for if all were let in at once, up to
//! the capacity. From cold, at twice the capacity, the portal is busy after 18 s at the earliest.
//!
//! Work is counted in visits: a page is as much of a visit as it is of the milliseconds that a visit
//! takes in an idle portal. A visit that does not come to its end is no work that was done: whoever asked
//! for it has nothing.

use crate::figures::Span;
use crate::visit::Manners;

/// Seconds of one step of the sums.
const STEP: f64 = 0.5;

/// What people ask for, by how long they have been there.
pub struct Possible {
    /// Visits a second, at best.
    capacity: f64,
    /// Times the capacity come …
    load: f64,
    /// … and so many times came before.
    before: f64,
    /// What a visit costs the portal, in ms.
    whole: f64,
    /// Seconds after the first request, and the share of a visit that is asked for by then.
    asked: Vec<(f64, f64)>,
}

impl Possible {
    /// `capacity` in visits a minute; `load` and, before the first second, `before` are multiples of it.
    pub fn new(capacity: f64, load: f64, before: f64, manners: Manners) -> Possible {
        let whole = manners.cost();
        let mut sum = 0.0;
        let asked = manners.costs().into_iter().enumerate().map(|(at, cost)| {
            sum += cost;
            (at as f64 * manners.pause(), sum / whole)
        });
        Possible {
            capacity: capacity / 60.0,
            load,
            before,
            whole,
            asked: asked.collect(),
        }
    }

    /// Visits' worth of work, within a span that begins when the crowd comes.
    pub fn work(&self, span: Span) -> f64 {
        let steps = ((span.to - span.from) / STEP).round() as usize;
        let at = |step: usize| span.from + (step as f64 + 0.5) * STEP;
        (0..steps).map(|step| self.rate(at(step)) * STEP).sum()
    }

    /// Visits that can be completed in so many seconds from the first: less than the work that
    /// can be done, as all who are inside at the end have had a part of theirs.
    pub fn completed(&self, secs: f64) -> f64 {
        let steps = (self.visit_secs() / STEP) as usize;
        let asked: f64 = (0..steps)
            .map(|step| self.share(step as f64 * STEP) * STEP)
            .sum();
        self.work(Span {
            from: 0.0,
            to: secs,
        }) - (1.0 - self.before) * self.capacity * asked
    }

    /// Visits a minute, at best.
    pub fn per_minute(&self) -> f64 {
        60.0 * self.capacity
    }

    /// What a visit costs the portal, in ms.
    pub fn visit_ms(&self) -> f64 {
        self.whole
    }

    /// How long a visit takes at least, in seconds.
    fn visit_secs(&self) -> f64 {
        self.asked.last().map_or(0.0, |last| last.0)
    }

    fn rate(&self, at: f64) -> f64 {
        let share = self.share(at);
        self.capacity * (self.load * share + self.before * (1.0 - share)).min(1.0)
    }

    /// The share of a visit that is asked for within so many seconds.
    fn share(&self, secs: f64) -> f64 {
        let asked = self.asked.iter().take_while(|step| step.0 <= secs);
        asked.last().map_or(0.0, |step| step.1)
    }
}
