//! When those in line ask again: an eighth of the wait, within bounds, spread by a phase that depends
//! on the ticket, and stretched as far as the poll budget needs it.
//!
//! Nobody's interval is stretched beyond what they must hear in time: their turn, well within the claim
//! window, if it is near; else that they are still there, well before their place lapses. So those near
//! their turn ask at their own pace, whatever the stretch, and the others make up for it: the stretch is
//! the one with which all together stay within the budget, found by bisection over the whole line once
//! a second ([`stretch`]).

use super::*;

/// Longest time between two polls when nothing is promised, as a multiple of `poll_min`.
const POLL_UNKNOWN: u64 = 2;
/// The next poll is due after this part of the promised wait.
const POLLS_PER_WAIT: f64 = 8.0;
/// Part of the claim window within which somebody near the turn polls at least once.
const POLL_NEAR: f64 = 0.6;
/// Claim windows: whoever waits no longer is near the turn.
const NEAR_CLAIMS: f64 = 4.0;
/// Spread of the poll interval to both sides.
const POLL_JITTER: f64 = 0.25;
/// By which polls come more often than the mean interval says: the mean of 1 ÷ u for u from 0.75 to
/// 1.25 is 2·ln(5/3).
const JITTER_MORE: f64 = 1.022;
/// The next part of a line that is looked at as one is by so much further from its front.
const PARTS: f64 = 1.25;
/// A stretch beyond which all ask as seldom as they may.
const STRETCH_MAX: f64 = 1_000.0;
/// Those who ask do not know of each other, and come as in a Poisson process: so many of its standard
/// deviations (√budget) below the budget, a second is above it less than once in eight hours …
const BUDGET_SIGMAS: f64 = 4.0;
/// … but a small budget is not halved by this.
const PLANNED_MIN: f64 = 0.5;
/// Halvings of the logarithm of the stretch: 1,000 is met to half a per cent.
const HALVINGS: u32 = 11;

/// People who ask equally often.
#[derive(Clone, Copy, Debug)]
struct Askers {
    people: f64,
    /// Seconds between two polls, unstretched, and at most.
    base: f64,
    most: f64,
}

impl Room {
    /// When the next poll of the holder of `number` is wanted.
    pub(super) fn poll_after(&self, number: u64, place: u64, promise: Option<Promise>) -> Span {
        let lane = self.lane_of(number);
        let ahead = self.until_let_in(lane);
        // Where hours come to an end nothing is promised, but what is expected is known.
        let expected = || self.expected(self.calls_until(lane, place));
        let expected = || Some(ahead + Span::from_secs_f64(expected()?));
        let moving = self.moving();
        let wait = promise.map(|it| it.low);
        let wait = wait.or_else(|| moving.then(expected).flatten());
        let (base, most) = self.interval(place, wait, ahead);
        let spread = 1.0 - POLL_JITTER + 2.0 * POLL_JITTER * phase(number);
        base.scale(self.stretch * spread)
            .min(most)
            .max(Span::secs(1))
    }

    /// The stretch of all intervals that keeps the line within its poll budget.
    pub(super) fn poll_stretch(&self) -> f64 {
        let mut askers = Vec::new();
        self.ask_from(self.waiting_to_enter(), Span::ZERO, &mut askers);
        for lane in (0..self.line.len()).filter(|lane| self.shut(*lane)) {
            let ahead = self.until_let_in(lane);
            self.ask_from(self.lane(lane).living(), ahead, &mut askers);
        }
        stretch(&askers, planned(f64::from(self.rules.poll_budget)))
    }

    /// Adds a line of `living` that is let in after `ahead`, part by part.
    fn ask_from(&self, living: u64, ahead: Span, askers: &mut Vec<Askers>) {
        let moving = self.moving();
        let mut first = 0;
        while first < living {
            let end = (first + 1).max((first as f64 * PARTS) as u64).min(living);
            let middle = (first + end) / 2;
            let wait = moving.then(|| self.expected(middle)).flatten();
            let wait = wait.map(|secs| ahead + Span::from_secs_f64(secs));
            let (base, most) = self.interval(middle, wait, ahead);
            askers.push(Askers {
                people: (end - first) as f64,
                base: base.as_secs_f64(),
                most: most.as_secs_f64(),
            });
            first = end;
        }
    }

    /// The interval of somebody at `place` who is to wait for so long, if that is known, and who is
    /// let in `ahead` from now at the earliest: as wanted, and at most.
    fn interval(&self, place: u64, wait: Option<Span>, ahead: Span) -> (Span, Span) {
        let rules = &self.rules;
        let eighth = |span: Span| span.scale(1.0 / POLLS_PER_WAIT);
        let unknown = || {
            let least = Span(rules.poll_min.0 * POLL_UNKNOWN);
            eighth(ahead).min(rules.poll_max).max(least)
        };
        let base = match wait {
            Some(wait) => {
                let base = eighth(wait).clamp(rules.poll_min, rules.poll_max);
                match self.estimator.is_new() {
                    true => base.min(unknown()),
                    false => base,
                }
            }
            None => unknown(),
        };
        let soon = |span: Span| span <= rules.claim.scale(NEAR_CLAIMS);
        let near = match wait {
            Some(wait) => soon(wait),
            None => place <= u64::from(rules.seats) && soon(ahead),
        };
        // Whoever may be called soon must hear of it well within the claim window.
        let most = match near {
            true => rules.claim.scale(POLL_NEAR),
            false => rules.keep.scale(0.5),
        };
        (base, most)
    }
}

/// The longest time between two polls of somebody whose turn is near: the interval is spread by
/// a quarter, stretched to the poll budget, and told in whole seconds.
pub(super) fn margin(rules: &Rules, stretch: f64) -> Span {
    let most = rules.claim.scale(POLL_NEAR).max(Span::secs(1));
    let longest = rules.poll_min.scale((1.0 + POLL_JITTER) * stretch);
    Span::secs(longest.min(most).ceil_secs())
}

/// Polls per second, on average, that keep every single second within the budget.
fn planned(budget: f64) -> f64 {
    (budget - BUDGET_SIGMAS * budget.sqrt()).max(PLANNED_MIN * budget)
}

/// The least stretch, from one up, with which all of them together ask no more often than `budget` times
/// a second; [`STRETCH_MAX`] if none is enough.
fn stretch(askers: &[Askers], budget: f64) -> f64 {
    let polls = |stretch: f64| {
        let each = |it: &Askers| it.people / (it.base * stretch).min(it.most).max(1.0);
        JITTER_MORE * askers.iter().map(each).sum::<f64>()
    };
    if polls(1.0) <= budget {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, STRETCH_MAX.ln());
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        match polls(middle.exp()) > budget {
            true => low = middle,
            false => high = middle,
        }
    }
    high.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn askers(people: f64, base: f64, most: f64) -> Askers {
        Askers { people, base, most }
    }

    #[test]
    fn chance_is_left_room_below_the_budget() {
        assert_eq!(planned(10_000.0), 9_600.0);
        assert_eq!(planned(12.0), 6.0);
    }

    #[test]
    fn a_line_within_its_budget_is_not_stretched() {
        assert_eq!(stretch(&[], 1.0), 1.0);
        assert_eq!(stretch(&[askers(900.0, 10.0, 60.0)], 100.0), 1.0);
    }

    #[test]
    fn twice_as_many_as_the_budget_bears_ask_half_as_often() {
        let stretch = stretch(&[askers(2_000.0, 10.0, 60.0)], 100.0);
        assert!((2.0..=2.1).contains(&stretch), "{stretch}");
    }

    #[test]
    fn the_far_make_up_for_the_near_who_may_not_be_stretched() {
        let near = askers(1_000.0, 20.0, 20.0);
        let far = askers(2_000.0, 20.0, 600.0);
        // The near ask 50 times a second, whatever is done: 50 are left for the others.
        let stretch = stretch(&[near, far], 100.0);
        assert!((2.0..=2.2).contains(&stretch), "{stretch}");
    }

    #[test]
    fn a_budget_that_cannot_be_kept_is_missed_by_as_little_as_can_be() {
        let stretch = stretch(&[askers(1e6, 10.0, 20.0)], 10.0);
        assert!((2.0..=STRETCH_MAX).contains(&stretch), "{stretch}");
    }
}
