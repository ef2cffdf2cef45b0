//! Hours in which the members of a lane are let in: slots of the day for groups that come in turn.
//!
//! Outside them a lane is shut: its members take tickets, wait and keep their places, and nobody of it
//! is called or goes straight in. Nobody else waits for them meanwhile: the seats that are kept for
//! the lane are free for others, and what it does teaches the estimator nothing. When its hours begin,
//! it is called in its order, at the pace of calls; when they end, whoever is inside stays, and whoever
//! is called may still come in. A room that is open, or only observes, lets everybody in at any hour.
//!
//! The calendar is not asked here: the room is told whether a lane is let in, and when that changes
//! next, again and again, by the clock on the wall. Nothing of it is stored.

use super::*;

/// Changes that the room is told of in advance, at most: four days of one slot.
const CHANGES_MAX: usize = 8;

/// Longer than anybody waits: how far away hours are that never come, or that are not known.
const NEVER: Span = Span::mins(366 * 24 * 60);

/// When a lane is let in, by the clock on the wall. At all hours, unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    entering: bool,
    /// When that turns into its opposite, rising.
    changes: [Option<Millis>; CHANGES_MAX],
}

/// What the clock on the wall showed, and when that was to the room.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    shows: Millis,
    at: Millis,
}

impl Default for Hours {
    fn default() -> Hours {
        Hours::new(true, [])
    }
}

impl Hours {
    /// Let in now or not, until the first of `changes`, each of which turns that into its opposite.
    /// Those beyond the first 8 are not looked at.
    pub fn new(entering: bool, changes: impl IntoIterator<Item = Millis>) -> Hours {
        let mut known = changes.into_iter();
        Hours {
            entering,
            changes: [(); CHANGES_MAX].map(|()| known.next()),
        }
    }

    /// Whether the lane is let in now.
    pub fn entering(&self) -> bool {
        self.entering
    }

    /// When it is let in no longer, if it is now.
    pub fn until(&self) -> Option<Millis> {
        self.changes[0].filter(|_| self.entering)
    }

    /// When it is let in next: now, if it is not yet; else after the end of these hours.
    pub fn from(&self) -> Option<Millis> {
        self.changes[usize::from(self.entering)]
    }

    /// When any of this changes.
    pub fn change(&self) -> Option<Millis> {
        self.changes[0]
    }

    /// The moment by which the lane has been let in for as long as `span`, from `from` on; `None` if
    /// that never comes, or not within the changes that are known.
    fn after(&self, span: Span, from: Millis) -> Option<Millis> {
        let (mut entering, mut at, mut left) = (self.entering, from, span);
        for change in self.changes.into_iter().flatten() {
            let stretch = change.since(at);
            if entering && left < stretch {
                return Some(at + left);
            }
            if entering {
                left = Span(left.0 - stretch.0);
            }
            at = at.max(change);
            entering = !entering;
        }
        // Beyond the last change that is known nobody knows, unless there is none.
        let known = self.changes.iter().any(Option::is_none);
        (entering && known).then(|| at + left)
    }

    /// The part of the `span` after `from` in which the lane is let in: from 0 to 1.
    fn part(&self, from: Millis, span: Span) -> f64 {
        let end = from + span;
        let (mut entering, mut at, mut open) = (self.entering, from, Span::ZERO);
        for change in self.changes.into_iter().flatten() {
            let until = change.clamp(at, end);
            if entering {
                open = open + until.since(at);
            }
            (entering, at) = (!entering, until);
        }
        if entering {
            open = open + end.since(at);
        }
        open.as_secs_f64() / span.as_secs_f64().max(0.001)
    }
}

impl Room {
    /// Tells when each lane is let in, by its index in [`Rules::lanes`], while the clock on the wall
    /// shows `clock`. Wanted before anybody comes, at each change, and every second or so.
    pub fn set_hours(&mut self, hours: impl Fn(usize) -> Hours, clock: Millis, wall: Millis) {
        // Before any time passes: after a restart nobody shall be called outside their hours.
        self.line.set_hours(hours, wall);
        self.clock = Some(Clock {
            shows: clock,
            at: wall,
        });
        self.advance(wall);
    }

    /// Whether the members of `lane` wait for their hours.
    pub(super) fn shut(&self, lane: usize) -> bool {
        !self.lane(lane).hours.entering() && !self.open()
    }

    /// Living tickets of the lanes that are let in.
    pub(super) fn waiting_to_enter(&self) -> u64 {
        let lanes = (0..self.line.len()).filter(|lane| !self.shut(*lane));
        lanes.map(|lane| self.lane(lane).living()).sum()
    }

    /// How long it is until `lane` is let in: none if it is, and a year if that is not known.
    pub(super) fn until_let_in(&self, lane: usize) -> Span {
        if !self.shut(lane) {
            return Span::ZERO;
        }
        let from = self.lane(lane).hours.from();
        from.map_or(NEVER, |from| from.since(self.on_the_wall()))
    }

    /// A promise to somebody of `lane` who would be called after so much time of being let in: by
    /// the hours of the lane. `None` if those come to an end before.
    pub(super) fn within_hours(&self, lane: usize, promise: Promise) -> Option<Promise> {
        let (hours, clock) = (self.lane(lane).hours, self.on_the_wall());
        if self.open() || hours == Hours::default() {
            return Some(promise);
        }
        let after = |span| Some(hours.after(span, clock)?.since(clock));
        Some(Promise {
            low: after(promise.low)?,
            high: after(promise.high)?,
        })
    }

    /// Whether the hours of `lane` keep somebody waiting who has this estimate, and when it is let in
    /// next.
    pub(super) fn kept_by_hours(
        &self,
        lane: usize,
        estimate: Option<Promise>,
    ) -> Option<(Reason, Option<Millis>)> {
        let hours = self.lane(lane).hours;
        if self.shut(lane) {
            return Some((Reason::Hours, hours.from()));
        }
        let left = hours.until()?.since(self.on_the_wall());
        let known = self.estimator.rates().is_some();
        // An estimate that is missing although all is known is one that the hours do not allow.
        let beyond = estimate.map_or(known, |estimate| estimate.high >= left);
        (beyond && self.moving()).then_some((Reason::NextHours, hours.from()))
    }

    /// Living tickets in `lane` after `secs`, when `calls` are called a second.
    pub(super) fn living_after(&self, lane: usize, secs: f64, calls: f64) -> f64 {
        let it = self.lane(lane);
        let calls = calls * self.share_of_calls(lane);
        (it.living() as f64 + (it.arrivals - calls) * secs).max(0.0)
    }

    /// The part of the `secs` after `ahead` (seconds from now) in which `lane` is let in.
    pub(super) fn part_let_in(&self, lane: usize, ahead: f64, secs: f64) -> f64 {
        let from = self.on_the_wall() + Span::from_secs_f64(ahead);
        let hours = self.lane(lane).hours;
        hours.part(from, Span::from_secs_f64(secs))
    }

    /// What was promised, and has come, without the time before the lane of this visitor was let
    /// in: that was certain, and tells nothing of how good the promise was.
    pub(super) fn since_let_in(&self, lane: usize, promised: Promised) -> Promised {
        let let_in = self.lane(lane).let_in;
        match let_in.filter(|at| *at > promised.at) {
            Some(at) => Promised {
                promise: promised.left(at),
                at,
            },
            None => promised,
        }
    }

    /// What the clock on the wall shows now, as far as the room was told.
    fn on_the_wall(&self) -> Millis {
        let told = |clock: Clock| clock.shows + self.heard.since(clock.at);
        self.clock.map_or(self.heard, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Millis {
        Millis(secs * 1_000)
    }

    /// Let in from 100 to 200, and from 1,100 to 1,200.
    fn slots(entering: bool) -> Hours {
        let changes = [100, 200, 1_100, 1_200].map(at);
        Hours::new(entering, changes.into_iter().skip(usize::from(entering)))
    }

    #[test]
    fn time_counts_while_the_lane_is_let_in() {
        let after = |hours: Hours, from, span| hours.after(Span::secs(span), at(from));
        let shut = slots(false);
        assert_eq!(after(shut, 0, 0), Some(at(100)));
        assert_eq!(after(shut, 40, 99), Some(at(199)));
        assert_eq!(after(shut, 40, 100), Some(at(1_100)), "not at the very end");
        assert_eq!(after(shut, 40, 150), Some(at(1_150)));
        assert_eq!(after(shut, 40, 200), None);
        let open = slots(true);
        assert_eq!(after(open, 150, 49), Some(at(199)));
        assert_eq!(after(open, 150, 60), Some(at(1_110)));
        // The room was not told anew yet.
        assert_eq!(after(open, 250, 60), Some(at(1_160)));
        assert_eq!(after(Hours::default(), 5, 60), Some(at(65)));
        assert_eq!(after(Hours::new(false, []), 5, 0), None);
    }

    #[test]
    fn a_part_of_the_time() {
        let part = |hours: Hours, from, span| hours.part(at(from), Span::secs(span));
        assert_eq!(part(slots(false), 0, 100), 0.0);
        assert_eq!(part(slots(false), 0, 200), 0.5);
        assert_eq!(part(slots(false), 150, 100), 0.5);
        assert_eq!(part(slots(true), 150, 1_000), 0.1);
        assert_eq!(part(Hours::default(), 150, 1_000), 1.0);
        assert_eq!(part(Hours::default(), 150, 0), 0.0);
    }

    #[test]
    fn the_end_and_the_next_beginning() {
        let shut = slots(false);
        assert_eq!((shut.until(), shut.from()), (None, Some(at(100))));
        let open = slots(true);
        assert_eq!(
            (open.until(), open.from()),
            (Some(at(200)), Some(at(1_100)))
        );
        assert_eq!(
            (Hours::default().until(), Hours::default().from()),
            (None, None)
        );
        let many = Hours::new(true, (1..100).map(at));
        assert_eq!(many.changes.iter().flatten().count(), CHANGES_MAX);
    }
}
