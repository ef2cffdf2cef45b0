//! What is counted for each lane: its share, its order, and its draw.

use super::crowd::Visitor;
use super::outcome::{Promises, Waits};
use super::scored::Scored;
use crate::config::scene::Scene;
use crate::room::{LaneStatus, Lot, Status};
use crate::time::Millis;
use serde::Serialize;

/// The figures of one lane. A room without lanes has one, without a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LaneFigures {
    /// Its name.
    pub name: String,
    /// Its weight by all weights.
    pub weight: f64,
    /// People who came.
    pub people: u64,
    /// People who went straight in.
    pub straight: u64,
    /// People who were called and came.
    pub called_in: u64,
    /// Must be 0: went straight in while others waited in this lane.
    pub queue_jumps: u64,
    /// Its share of the calls while somebody waited in each lane; `None` if there never was such a
    /// second.
    pub share: Option<f64>,
    /// The longest time that the first of the lane stood there without a call, by the mean of these
    /// times; seconds without any call in the room do not count. `None` without a call.
    pub longest_turn: Option<f64>,
    /// How long those who were called in had waited.
    pub waits: Waits,
    /// What became of promises.
    pub promises: Promises,
    /// The draw of those who came early for the opening.
    pub draw: Option<DrawFigures>,
}

/// What came of a draw. Correlations are from -1 to 1, and 0 where nothing can be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DrawFigures {
    /// Numbers that were drawn; after a restart, also those that nobody was given.
    pub drawn: u64,
    /// People of them who were called and came.
    pub came_in: u64,
    /// Of these: the order of coming, with the order of going in: near 0.
    pub by_arrival: f64,
    /// Of these: the rank that was drawn, with the order of going in: near 1.
    pub by_rank: f64,
    /// Those who came after the opening and were called: the order of coming, with the order of
    /// going in: near 1.
    pub after: f64,
}

/// One second of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LaneSecond {
    /// Living tickets in line.
    pub line: u32,
    /// Tickets called.
    pub calls: u32,
    /// What somebody who came now was promised at most, in seconds; -1 if nothing.
    pub promised: i32,
}

/// A lane, second by second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneRun {
    /// Its name.
    pub name: String,
    /// Its seconds.
    pub seconds: Vec<LaneSecond>,
}

impl LaneRun {
    /// Every `step` seconds: the calls, summed, and how things stood at the end.
    pub fn thinned(&self, step: usize) -> Vec<LaneSecond> {
        let chunks = self.seconds.chunks(step.max(1));
        let sum = |chunk: &[LaneSecond]| LaneSecond {
            calls: chunk.iter().map(|it| it.calls).sum(),
            ..chunk.last().copied().unwrap_or_default()
        };
        chunks.map(sum).collect()
    }
}

/// The lanes while a run goes on.
pub(super) struct LaneTallies {
    lanes: Vec<LaneTally>,
    /// In the second before, somebody waited in each lane.
    all_waited: bool,
}

impl LaneTallies {
    pub(super) fn new(scene: &Scene) -> LaneTallies {
        let rules = &scene.rules.lanes;
        let weights: u32 = rules.iter().map(|lane| lane.weight).sum();
        let lanes = rules.iter().map(|lane| LaneTally {
            run: LaneRun {
                name: lane.name.clone(),
                seconds: Vec::new(),
            },
            weight: f64::from(lane.weight) / f64::from(weights.max(1)),
            ..LaneTally::default()
        });
        LaneTallies {
            lanes: lanes.collect(),
            all_waited: false,
        }
    }

    pub(super) fn comes(&mut self, lane: usize) {
        self.lanes[lane].people += 1;
    }

    pub(super) fn straight(&mut self, lane: usize, jumped: bool) {
        self.lanes[lane].straight += 1;
        self.lanes[lane].queue_jumps += u64::from(jumped);
    }

    pub(super) fn called_in(&mut self, who: &Visitor, lot: Option<&Lot>, now: Millis) {
        let lane = &mut self.lanes[who.lane()];
        lane.scored.called_in(who, now);
        let number = who.number();
        match lot.and_then(|lot| Some((lot.range(number)?.start, lot.rank(number)?))) {
            Some((first, rank)) => {
                let order = lane.by_rank.count as f64;
                lane.by_arrival.add((number - first) as f64, order);
                lane.by_rank.add(rank as f64, order);
            }
            None => {
                // As many as fit into a number of 53 bits: scenes have fewer.
                let within = number & ((1 << 53) - 1);
                let order = lane.after.count as f64;
                lane.after.add(within as f64, order);
            }
        }
    }

    /// How the room stands at the end of a second.
    pub(super) fn standing(&mut self, status: &Status) {
        let now = || status.lanes.iter();
        let any = (now().zip(&self.lanes)).any(|(it, lane)| it.calls_total > lane.called_before);
        let all_wait = now().all(|lane| lane.waiting > 0);
        let shared = all_wait && self.all_waited;
        for (it, lane) in now().zip(&mut self.lanes) {
            let calls = lane.standing(it, any);
            lane.shared += u64::from(calls) * u64::from(shared);
        }
        self.all_waited = all_wait;
    }

    /// The room does not stand at all: it is killed.
    pub(super) fn stood_still(&mut self) {
        for lane in &mut self.lanes {
            let last = lane.run.seconds.last().copied().unwrap_or_default();
            lane.run.seconds.push(LaneSecond { calls: 0, ..last });
        }
        self.all_waited = false;
    }

    /// The room is about to be lost with its counts.
    pub(super) fn restarted(&mut self) {
        (self.lanes.iter_mut()).for_each(|lane| lane.called_before = 0);
    }

    /// The end: figures and seconds of each lane. `drawn`: the room's draw.
    pub(super) fn finish(self, drawn: Option<&Lot>) -> (Vec<LaneFigures>, Vec<LaneRun>) {
        let shared: u64 = self.lanes.iter().map(|lane| lane.shared).sum();
        let finish = |(index, lane): (usize, LaneTally)| {
            let range = drawn.and_then(|lot| lot.ranges.get(index));
            (
                lane.figures(range.map(|it| it.end - it.start), shared),
                lane.run,
            )
        };
        self.lanes.into_iter().enumerate().map(finish).unzip()
    }
}

#[derive(Default)]
struct LaneTally {
    run: LaneRun,
    weight: f64,
    people: u64,
    straight: u64,
    queue_jumps: u64,
    /// Calls while somebody waited in each lane.
    shared: u64,
    called_before: u64,
    /// Seconds since the first of the lane came to stand there.
    turn: u32,
    longest_turn: u32,
    turns: u64,
    turn_secs: u64,
    scored: Scored,
    by_arrival: Correlation,
    by_rank: Correlation,
    after: Correlation,
}

impl LaneTally {
    /// Takes down a second; returns its calls. `any`: somebody was called in it, of whatever lane.
    fn standing(&mut self, lane: &LaneStatus, any: bool) -> u32 {
        let calls = lane.calls_total.saturating_sub(self.called_before) as u32;
        self.called_before = lane.calls_total;
        self.run.seconds.push(LaneSecond {
            line: u32::try_from(lane.waiting).unwrap_or(u32::MAX),
            calls,
            promised: lane.promise.map_or(-1, |it| it.high.ceil_secs() as i32),
        });
        if calls > 0 {
            self.turns += u64::from(calls);
            self.turn_secs += u64::from(self.turn.max(1));
            self.turn = 0;
        } else if lane.waiting == 0 {
            self.turn = 0;
        } else {
            self.turn += u32::from(any);
        }
        self.longest_turn = self.longest_turn.max(self.turn);
        calls
    }

    fn figures(&self, drawn: Option<u64>, shared: u64) -> LaneFigures {
        // No turn is seen to be shorter than a second.
        let mean = (self.turn_secs as f64 / self.turns.max(1) as f64).max(1.0);
        LaneFigures {
            name: self.run.name.clone(),
            weight: self.weight,
            people: self.people,
            straight: self.straight,
            called_in: self.scored.called_in,
            queue_jumps: self.queue_jumps,
            share: (shared > 0).then(|| self.shared as f64 / shared as f64),
            longest_turn: (self.turns > 0).then(|| f64::from(self.longest_turn) / mean),
            waits: self.scored.waits(),
            promises: self.scored.promises(),
            draw: drawn.map(|drawn| DrawFigures {
                drawn,
                came_in: self.by_rank.count,
                by_arrival: self.by_arrival.value(),
                by_rank: self.by_rank.value(),
                after: self.after.value(),
            }),
        }
    }
}

/// Pearson's correlation of pairs, computed as they come (Welford 1962).
#[derive(Clone, Copy, Debug, Default)]
struct Correlation {
    count: u64,
    mean: [f64; 2],
    squares: [f64; 2],
    products: f64,
}

impl Correlation {
    fn add(&mut self, x: f64, y: f64) {
        self.count += 1;
        let part = 1.0 / self.count as f64;
        let before = [x - self.mean[0], y - self.mean[1]];
        self.mean[0] += before[0] * part;
        self.mean[1] += before[1] * part;
        self.squares[0] += before[0] * (x - self.mean[0]);
        self.squares[1] += before[1] * (y - self.mean[1]);
        self.products += before[0] * (y - self.mean[1]);
    }

    fn value(&self) -> f64 {
        let spread = (self.squares[0] * self.squares[1]).sqrt();
        match spread > 0.0 {
            true => self.products / spread,
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
        let mut correlation = Correlation::default();
        pairs.for_each(|(x, y)| correlation.add(x, y));
        correlation.value()
    }

    #[test]
    fn a_correlation_is_what_it_says() {
        let numbers = || (0..100).map(f64::from);
        assert!((of(numbers().map(|x| (x, 3.0 * x + 7.0))) - 1.0).abs() < 1e-9);
        assert!((of(numbers().map(|x| (x, -x))) + 1.0).abs() < 1e-9);
        // Computed by hand: 0.8 for 1 2 3 4 against 1 2 4 3.
        let pairs = [(1.0, 1.0), (2.0, 2.0), (3.0, 4.0), (4.0, 3.0)];
        assert!((of(pairs.into_iter()) - 0.8).abs() < 1e-9);
        assert_eq!(of(numbers().map(|x| (x, 5.0))), 0.0);
        assert_eq!(of(std::iter::empty()), 0.0);
    }
}
