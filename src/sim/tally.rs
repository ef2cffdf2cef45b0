//! What is counted while a run goes on.

use super::crowd::Visitor;
use super::lanes::LaneTallies;
use super::outcome::{Entered, Figures, FirstMinutes, Kept, Outcome, Polls, Second};
use super::scored::Scored;
use crate::config::scene::Scene;
use crate::room::{Counts, Lot, Mode, Promised, Room, Status};
use crate::time::{Millis, Span};

/// Promises and entries that are kept whole, for the plots: each has the same chance.
const KEPT_MAX: usize = 2_000;

/// Counts, second by second.
pub(super) struct Tally {
    name: String,
    clock: Span,
    warm_up: usize,
    metered: bool,
    /// The second that is being lived through.
    pub(super) second: Second,
    seconds: Vec<Second>,
    promises: Vec<Kept>,
    entered: Vec<Entered>,
    scored: Scored,
    lanes: LaneTallies,
    figures: Figures,
    pub(super) refused: u64,
    pub(super) no_shows: u64,
    pub(super) gave_up: u64,
    pub(super) overshoot: u64,
    /// What the room counted before it was restarted; and up to the second before.
    before: Counts,
    called_before: u64,
    /// How first minutes went: served, slow, failed.
    firsts: [u64; 3],
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
            promises: Vec::new(),
            entered: Vec::new(),
            scored: Scored::default(),
            lanes: LaneTallies::new(scene),
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
            firsts: [0; 3],
        }
    }

    /// A second begins.
    pub(super) fn open(&mut self) {
        self.second = Second {
            promised: -1,
            ..Second::default()
        };
    }

    /// Somebody comes who belongs to this lane.
    pub(super) fn comes(&mut self, lane: usize) {
        self.second.arrivals += 1;
        self.lanes.comes(lane);
    }

    /// Somebody goes straight in while so many wait in the same lane: barging, unless nobody does.
    pub(super) fn straight(&mut self, lane: usize, waiting: u64) {
        let jumped = self.metered && waiting > 0;
        self.figures.straight += 1;
        self.figures.queue_jumps += u64::from(jumped);
        self.lanes.straight(lane, jumped);
    }

    /// Somebody who was called comes in; `lot`: the draw in which the number took part.
    pub(super) fn called_in(&mut self, who: &Visitor, lot: Option<&Lot>, now: Millis) {
        self.scored.called_in(who, now);
        self.lanes.called_in(who, lot, now);
        let secs = |at: Millis| at.0 as f32 / 1_000.0;
        let entered = Entered {
            came: secs(who.issued()),
            entered: secs(now),
            drawn: lot.is_some(),
        };
        keep(&mut self.entered, entered, self.scored.called_in);
        if let Some(promised) = who.promised() {
            self.keep_promise(promised, now);
        }
    }

    fn keep_promise(&mut self, promised: Promised, now: Millis) {
        let secs = |span: Span| span.as_secs_f64() as f32;
        let kept = Kept {
            at: promised.at.0 as f32 / 1_000.0,
            low: secs(promised.promise.low),
            high: secs(promised.promise.high),
            actual: secs(now.since(promised.at)),
        };
        keep(&mut self.promises, kept, self.scored.made());
    }

    /// How the room stands at the end of a second.
    pub(super) fn standing(&mut self, status: &Status) {
        let second = &mut self.second;
        second.inside = status.there();
        second.seats = status.seats;
        second.line = u32::try_from(status.waiting).unwrap_or(u32::MAX);
        second.calls = (status.counts.calls - self.called_before) as u32;
        second.promised = status.promise.map_or(-1, |it| it.high.ceil_secs() as i32);
        self.called_before = status.counts.calls;
        self.lanes.standing(status);
    }

    /// There was no room in this second.
    pub(super) fn stood_still(&mut self) {
        self.lanes.stood_still();
    }

    /// A second is over.
    pub(super) fn close(&mut self) {
        self.seconds.push(self.second);
    }

    /// The room is about to be lost with its counts.
    pub(super) fn restarted(&mut self, status: &Status) {
        let counts = &status.counts;
        let firsts = self.firsts.iter_mut().zip(status.firsts.totals);
        firsts.for_each(|(all, these)| *all += these);
        self.before.queue_jumps += counts.queue_jumps;
        self.before.seat_overshoot += counts.seat_overshoot;
        self.before.stalled_millis += counts.stalled_millis;
        self.before.promises_raised += counts.promises_raised;
        self.before.promises_made += counts.promises_made;
        self.called_before = 0;
        self.lanes.restarted();
    }

    /// The end.
    pub(super) fn finish(mut self, mut room: Room) -> Outcome {
        let end = Millis(self.seconds.len() as u64 * 1_000);
        self.restarted(&room.status(end));
        let mut figures = self.figures;
        figures.queue_jumps += self.before.queue_jumps;
        figures.seat_overshoot = self.before.seat_overshoot + self.overshoot;
        figures.stalled_seconds = self.before.stalled_millis as f64 / 1_000.0;
        (figures.refused, figures.no_shows) = (self.refused, self.no_shows);
        figures.gave_up = self.gave_up;
        figures.first_minutes = FirstMinutes::of(self.firsts);
        figures.called_in = self.scored.called_in;
        figures.waits = self.scored.waits();
        figures.promises = self.scored.promises();
        let made = self.before.promises_made.max(1);
        figures.raised = self.before.promises_raised as f64 / made as f64;
        let (of_lanes, lanes) = self.lanes.finish(room.lot());
        figures.lanes = of_lanes;
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
            entered: self.entered,
            lanes,
        }
    }
}

/// Keeps the `so_far`th of its kind, or not: Algorithm R (Vitter 1985), with a fixed generator, so
/// that nothing else of the run depends on it.
fn keep<T>(kept: &mut Vec<T>, one: T, so_far: u64) {
    if kept.len() < KEPT_MAX {
        return kept.push(one);
    }
    let at = fastrand::Rng::with_seed(so_far).u64(..so_far.max(1)) as usize;
    if let Some(place) = kept.get_mut(at) {
        *place = one;
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
