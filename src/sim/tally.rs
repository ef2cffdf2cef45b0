//! What is counted while a run goes on.

use super::crowd::Visitor;
use super::outcome::{Figures, Kept, Outcome, Polls, Promises, Second, Waits};
use crate::config::scene::Scene;
use crate::room::{Counts, Mode, Room, Status};
use crate::time::{Millis, Span};

/// Promises that are kept whole, for the plot: each has the same chance.
const PROMISES_MAX: usize = 2_000;
/// A promise is late by more than this, or its lower bound right within it.
const MINUTE: Span = Span::mins(1);
/// Or within this part of the wait.
const NEAR: f64 = 0.2;

/// Counts, second by second.
pub(super) struct Tally {
    name: String,
    clock: Span,
    warm_up: usize,
    metered: bool,
    /// The second that is being lived through.
    pub(super) second: Second,
    seconds: Vec<Second>,
    /// How many waited so many seconds.
    waits: Vec<u32>,
    promises: Vec<Kept>,
    /// Promises made, kept, late, and near.
    scored: [u64; 4],
    figures: Figures,
    pub(super) refused: u64,
    pub(super) no_shows: u64,
    pub(super) gave_up: u64,
    pub(super) overshoot: u64,
    /// What the room counted before it was restarted; and up to the second before.
    before: Counts,
    called_before: u64,
}

impl Tally {
    pub(super) fn new(scene: &Scene, seed: u64) -> Tally {
        Tally {
            name: scene.name.clone(),
            clock: scene.clock,
            warm_up: (scene.warm_up.0 / 1_000) as usize,
            metered: scene.rules.mode == Mode::Queue,
            second: Second::default(),
            seconds: Vec::new(),
            waits: Vec::new(),
            promises: Vec::new(),
            scored: [0; 4],
            figures: Figures {
                seed,
                polls: Polls {
                    budget: scene.rules.poll_budget,
                    ..Polls::default()
                },
                ..Figures::default()
            },
            refused: 0,
            no_shows: 0,
            gave_up: 0,
            overshoot: 0,
            before: Counts::default(),
            called_before: 0,
        }
    }

    /// A second begins.
    pub(super) fn open(&mut self) {
        self.second = Second {
            promised: -1,
            ..Second::default()
        };
    }

    /// Somebody goes straight in while so many wait: barging, unless nobody does.
    pub(super) fn straight(&mut self, waiting: u64) {
        self.figures.straight += 1;
        self.figures.queue_jumps += u64::from(self.metered && waiting > 0);
    }

    /// Somebody who was called comes in.
    pub(super) fn called_in(&mut self, who: &Visitor, now: Millis) {
        self.figures.called_in += 1;
        let secs = (now.since(who.issued()).0 / 1_000) as usize;
        if self.waits.len() <= secs {
            self.waits.resize(secs + 1, 0);
        }
        self.waits[secs] += 1;
        let Some(promised) = who.promised() else {
            return;
        };
        let (low, high) = (promised.promise.low, promised.promise.high);
        let actual = now.since(promised.at);
        let near = MINUTE.0.max(actual.scale(NEAR).0);
        let [made, kept, late, right] = &mut self.scored;
        *made += 1;
        *kept += u64::from(actual <= high);
        *late += u64::from(actual > high + MINUTE);
        *right += u64::from(actual.0.abs_diff(low.0) <= near);
        let secs = |span: Span| span.as_secs_f64() as f32;
        self.keep(Kept {
            at: promised.at.0 as f32 / 1_000.0,
            low: secs(low),
            high: secs(high),
            actual: secs(actual),
        });
    }

    /// Algorithm R (Vitter 1985), with a fixed generator: nothing else of the run depends on it.
    fn keep(&mut self, promise: Kept) {
        if self.promises.len() < PROMISES_MAX {
            return self.promises.push(promise);
        }
        let made = self.scored[0];
        let at = fastrand::Rng::with_seed(made).u64(..made) as usize;
        if let Some(place) = self.promises.get_mut(at) {
            *place = promise;
        }
    }

    /// How the room stands at the end of a second.
    pub(super) fn standing(&mut self, status: &Status) {
        let second = &mut self.second;
        second.inside = status.taken;
        second.seats = status.seats;
        second.line = u32::try_from(status.waiting).unwrap_or(u32::MAX);
        second.calls = (status.counts.calls - self.called_before) as u32;
        second.promised = status.promise.map_or(-1, |it| it.high.ceil_secs() as i32);
        self.called_before = status.counts.calls;
    }

    /// A second is over.
    pub(super) fn close(&mut self) {
        self.seconds.push(self.second);
    }

    /// The room is about to be lost with its counts.
    pub(super) fn restarted(&mut self, counts: Counts) {
        self.before.queue_jumps += counts.queue_jumps;
        self.before.seat_overshoot += counts.seat_overshoot;
        self.called_before = 0;
    }

    /// The end.
    pub(super) fn finish(mut self, mut room: Room) -> Outcome {
        let end = Millis(self.seconds.len() as u64 * 1_000);
        self.restarted(room.status(end).counts);
        let mut figures = self.figures;
        figures.queue_jumps += self.before.queue_jumps;
        figures.seat_overshoot = self.before.seat_overshoot + self.overshoot;
        (figures.refused, figures.no_shows) = (self.refused, self.no_shows);
        figures.gave_up = self.gave_up;
        figures.waits = waits(&self.waits);
        let [made, kept, late, near] = self.scored;
        let share = |part: u64| part as f64 / made.max(1) as f64;
        figures.promises = Promises {
            made,
            kept: share(kept),
            late: share(late),
            near: share(near),
        };
        whole(&mut figures, &self.seconds);
        after(
            &mut figures,
            &self.seconds[self.warm_up.min(self.seconds.len())..],
        );
        Outcome {
            name: self.name,
            clock: self.clock,
            figures,
            seconds: self.seconds,
            promises: self.promises,
        }
    }
}

/// What is seen over all seconds.
fn whole(figures: &mut Figures, seconds: &[Second]) {
    let sum = |of: fn(&Second) -> u32| seconds.iter().map(|it| u64::from(of(it))).sum::<u64>();
    let most = |of: fn(&Second) -> u32| seconds.iter().map(of).max().unwrap_or(0);
    figures.people = sum(|it| it.arrivals);
    figures.broken_off = sum(|it| it.broken);
    figures.line_most = most(|it| it.line);
    figures.calls_most = most(|it| it.calls);
    let polls = &mut figures.polls;
    polls.all = sum(|it| it.polls);
    polls.most = most(|it| it.polls);
    polls.reloads = sum(|it| it.reloads);
    polls.over_budget = seconds.iter().filter(|it| it.polls > polls.budget).count() as u32;
    let minute = |minute: &[Second]| {
        minute.iter().map(|it| f64::from(it.polls)).sum::<f64>() / minute.len() as f64
    };
    polls.most_per_minute = seconds.chunks(60).map(minute).fold(0.0, f64::max);
    let last = seconds.last().copied().unwrap_or_default();
    (figures.inside_at_end, figures.line_at_end) = (last.inside, last.line);
}

/// What is seen after the warm-up.
fn after(figures: &mut Figures, seconds: &[Second]) {
    let count = seconds.len().max(1) as f64;
    let sum = |of: fn(&Second) -> f64| seconds.iter().map(of).sum::<f64>();
    figures.completed = sum(|it| f64::from(it.completed)) as u64;
    figures.could_complete = sum(|it| f64::from(it.could));
    figures.share = match figures.could_complete > 0.0 {
        true => figures.completed as f64 / figures.could_complete,
        false => 0.0,
    };
    figures.slots_mean = sum(|it| f64::from(it.slots)) / count;
    figures.seats_mean = sum(|it| f64::from(it.seats)) / count;
}

fn waits(counts: &[u32]) -> Waits {
    let all: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let within = |part: f64| {
        let wanted = (all as f64 * part).ceil() as u64;
        let mut sum = 0;
        let reached = counts.iter().position(|count| {
            sum += u64::from(*count);
            sum >= wanted
        });
        reached.unwrap_or(0) as u32
    };
    Waits {
        p50: within(0.5),
        p90: within(0.9),
        max: counts.len().saturating_sub(1) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_from_their_counts() {
        let mut counts = vec![0; 101];
        counts[0] = 5;
        counts[10] = 4;
        counts[100] = 1;
        let found = waits(&counts);
        assert_eq!((found.p50, found.p90, found.max), (0, 10, 100));
        assert_eq!(waits(&[]), Waits::default());
    }
}
