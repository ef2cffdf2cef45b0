//! How well promises are kept: each one that was made is compared with what happened, also for those
//! who left the line.
//!
//! Of those who left, a bounded sample of numbers is watched: when the line's front passes one, its
//! turn would have come ("virtual wait"). Without them, only the patient would be heard.

use super::given::Promised;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Scores that the figures are made of: the last so many.
pub const SCORES_MAX: usize = 1_024;
/// Parts of the scores, by the length of what was promised, for which the bias is told.
pub const DECILES: usize = 10;
/// Promises that are watched at once, at most; of more, every second, fourth … one is.
const WATCHED_MAX: usize = 4_096;
/// A promise that is missed by more is counted as late.
const LATE_SECS: f32 = 60.0;

/// A promise and what came of it, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The estimate.
    pub low: f32,
    /// The upper bound.
    pub high: f32,
    /// The wait.
    pub actual: f32,
    /// What was in force at the end was kept: either the first promise was, or it was raised, with a
    /// reason, before it broke.
    pub told: bool,
    /// By how many standard deviations of chance the wait was longer than expected.
    pub error: f32,
}

/// The last [`SCORES_MAX`] scores.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scores {
    ring: Vec<Score>,
    next: usize,
}

/// What the last scores say.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Scores that this is made of.
    pub scored: usize,
    /// Share of the upper bounds that were kept: 0.88 to 0.95 is wanted.
    pub coverage: f64,
    /// Share of the waits that ended by the upper bound then in force: the others were late
    /// without a word.
    pub told: f64,
    /// Sum of |wait − estimate| ÷ sum of waits.
    pub error: f64,
    /// Share of the waits that ended more than a minute after the upper bound.
    pub late: f64,
    /// Mean of wait − estimate in seconds, for each tenth of the scores from the shortest estimates
    /// to the longest. Empty while there are fewer scores than tenths.
    pub bias: Vec<f64>,
}

/// Promises whose numbers have not been reached by the line's front.
#[derive(Debug, Default)]
pub struct Watch {
    waiting: BTreeMap<u64, Promised>,
    /// Called and not yet in, with what is to be scored if they do not come. Nothing is scored of
    /// those who were away when their turn came first.
    called: BTreeMap<u64, Turn>,
    /// Above the highest number that was called.
    front: u64,
    /// One in 2^`thinned` promises is watched.
    thinned: u32,
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    First(Promised),
    Again,
}

impl Score {
    /// Whether the upper bound was kept.
    pub fn kept(&self) -> bool {
        self.actual <= self.high
    }
}

impl Scores {
    /// One more; the oldest is forgotten.
    pub fn add(&mut self, score: Score) {
        if self.ring.len() < SCORES_MAX {
            self.ring.push(score);
        } else {
            self.ring[self.next] = score;
        }
        self.next = (self.next + 1) % SCORES_MAX;
    }

    /// The last scores, the newest first.
    pub fn latest(&self) -> impl Iterator<Item = &Score> {
        let (newer, older) = self.ring.split_at(self.next.min(self.ring.len()));
        newer.iter().rev().chain(older.iter().rev())
    }

    /// What they say; `None` if there are none.
    pub fn figures(&self) -> Option<Figures> {
        let scored = self.ring.len();
        if scored == 0 {
            return None;
        }
        let share = |count: usize| count as f64 / scored as f64;
        let sum = |of: fn(&Score) -> f32| self.ring.iter().map(|s| f64::from(of(s))).sum::<f64>();
        let late = |score: &&Score| score.actual > score.high + LATE_SECS;
        Some(Figures {
            scored,
            coverage: share(self.ring.iter().filter(|score| score.kept()).count()),
            told: share(self.ring.iter().filter(|score| score.told).count()),
            error: sum(|s| (s.actual - s.low).abs()) / sum(|s| s.actual).max(1.0),
            late: share(self.ring.iter().filter(late).count()),
            bias: self.bias(),
        })
    }

    fn bias(&self) -> Vec<f64> {
        let mut sorted = self.ring.clone();
        sorted.sort_unstable_by(|a, b| a.low.total_cmp(&b.low));
        let bound = |tenth: usize| sorted.len() * tenth / DECILES;
        if sorted.len() < DECILES {
            return Vec::new();
        }
        (0..DECILES)
            .map(|tenth| {
                let part = &sorted[bound(tenth)..bound(tenth + 1)];
                let sum: f64 = part.iter().map(|s| f64::from(s.actual - s.low)).sum();
                sum / part.len() as f64
            })
            .collect()
    }
}

impl Watch {
    /// A first promise was made to the holder of `number`.
    pub fn promised(&mut self, number: u64, promised: Promised) {
        if !self.wants(number) {
            return;
        }
        self.waiting.insert(number, promised);
        if self.waiting.len() > WATCHED_MAX {
            self.thinned += 1;
            let thinned = self.thinned;
            self.waiting.retain(|number, _| is_among(*number, thinned));
        } else if self.thinned > 0 && self.waiting.len() < WATCHED_MAX / 4 {
            self.thinned -= 1;
        }
    }

    /// `number` is called. Hands out what was promised to those before it, who have left: their
    /// turn would have come.
    pub fn called(&mut self, number: u64, passed: impl FnMut(Promised)) {
        let promised = self.waiting.remove(&number);
        let turn = match number < self.front {
            true => Some(Turn::Again),
            false => promised.map(Turn::First),
        };
        self.called.extend(turn.map(|turn| (number, turn)));
        self.front = self.front.max(number + 1);
        self.pass(number, passed);
    }

    /// The front has come to `number`. Hands out what was promised to those before it.
    pub fn pass(&mut self, number: u64, mut passed: impl FnMut(Promised)) {
        while let Some(first) = self.waiting.first_entry()
            && *first.key() < number
        {
            passed(first.remove());
        }
    }

    /// Whether anybody is watched who has not been called.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Calls are taken back, `lowest` the first of them: they were not the turn.
    pub fn take_back(&mut self, lowest: u64) {
        self.front = self.front.min(lowest);
        for (number, turn) in std::mem::take(&mut self.called) {
            if let Turn::First(promised) = turn {
                self.waiting.insert(number, promised);
            }
        }
    }

    /// The holder of `number` is in. Whether what was promised is to be scored: not if it was
    /// already.
    pub fn came(&mut self, number: u64) -> bool {
        self.waiting.remove(&number);
        !matches!(self.called.remove(&number), Some(Turn::Again))
    }

    /// The holder of `number` was called and did not come: what was promised, unless it was scored
    /// already.
    pub fn lapsed(&mut self, number: u64) -> Option<Promised> {
        match self.called.remove(&number)? {
            Turn::First(promised) => Some(promised),
            Turn::Again => None,
        }
    }

    fn wants(&self, number: u64) -> bool {
        is_among(number, self.thinned)
    }
}

/// Whether `number` is one of the one in 2^`thinned`.
fn is_among(number: u64, thinned: u32) -> bool {
    super::phase(number) * 2f64.powi(thinned as i32) < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Promise;
    use crate::time::{Millis, Span};

    fn promised(at: u64) -> Promised {
        Promised {
            at: Millis(at),
            promise: Promise {
                low: Span::secs(60),
                high: Span::secs(90),
            },
        }
    }

    fn score(low: f32, high: f32, actual: f32) -> Score {
        Score {
            low,
            high,
            actual,
            told: actual <= high,
            error: 0.0,
        }
    }

    #[test]
    fn the_figures_are_those_of_the_last_scores() {
        let mut scores = Scores::default();
        assert_eq!(scores.figures(), None);
        for _ in 0..SCORES_MAX {
            scores.add(score(1.0, 1.0, 1_000.0));
        }
        for index in 0..SCORES_MAX {
            // Three in four are kept, one in eight is late by more than a minute.
            let actual = match index % 8 {
                0 => 300.0,
                1 => 230.0,
                _ => 150.0,
            };
            scores.add(score(100.0, 200.0, actual));
        }
        let figures = scores.figures().unwrap();
        assert_eq!((figures.scored, figures.coverage), (SCORES_MAX, 0.75));
        assert_eq!(figures.late, 0.125);
        let error = (200.0 + 130.0 + 6.0 * 50.0) / (300.0 + 230.0 + 6.0 * 150.0);
        assert!((figures.error - error).abs() < 1e-9, "{}", figures.error);
    }

    #[test]
    fn the_bias_is_told_by_the_length_of_the_promise() {
        let mut scores = Scores::default();
        for index in (0..1_000).rev() {
            let low = index as f32;
            scores.add(score(low, low, low * 1.5));
        }
        let bias = scores.figures().unwrap().bias;
        assert_eq!(bias.len(), DECILES);
        assert!(
            (bias[0] - 24.75).abs() < 0.01 && (bias[9] - 474.75).abs() < 0.01,
            "{bias:?}"
        );
    }

    #[test]
    fn the_newest_come_first() {
        let mut scores = Scores::default();
        for index in 0..SCORES_MAX + 3 {
            scores.add(score(index as f32, 0.0, 0.0));
        }
        let latest: Vec<f32> = scores.latest().map(|score| score.low).collect();
        assert_eq!(latest.len(), SCORES_MAX);
        assert!(latest.windows(2).all(|pair| pair[0] == pair[1] + 1.0));
    }

    fn passed_by(watch: &mut Watch, number: u64) -> Vec<u64> {
        let mut passed = Vec::new();
        watch.called(number, |promised| passed.push(promised.at.0));
        passed
    }

    #[test]
    fn whoever_left_is_scored_when_the_front_passes_and_only_once() {
        let mut watch = Watch::default();
        for number in 0..6 {
            watch.promised(number, promised(number));
        }
        assert!(passed_by(&mut watch, 0).is_empty());
        assert_eq!(passed_by(&mut watch, 4), [1, 2, 3]);
        assert!(watch.came(0));
        assert_eq!(watch.lapsed(4), Some(promised(4)));
        assert_eq!(watch.lapsed(4), None);
        // 2 was away, and 4 did not come: both are back.
        for number in [2, 4] {
            assert!(passed_by(&mut watch, number).is_empty());
            assert!(!watch.came(number));
        }
        watch.pass(9, |last| assert_eq!(last, promised(5)));
        assert!(!watch.waits());
    }

    #[test]
    fn a_call_that_is_taken_back_was_not_the_turn() {
        let mut watch = Watch::default();
        watch.promised(3, promised(3));
        passed_by(&mut watch, 3);
        passed_by(&mut watch, 7);
        watch.take_back(3);
        passed_by(&mut watch, 3);
        passed_by(&mut watch, 7);
        assert_eq!(watch.lapsed(3), Some(promised(3)));
        assert!(watch.came(7));
    }

    #[test]
    fn a_long_line_is_sampled_evenly() {
        let mut watch = Watch::default();
        for number in 0..1_000_000 {
            watch.promised(number, promised(0));
            assert!(watch.waiting.len() <= WATCHED_MAX);
        }
        assert!(watch.waiting.len() > WATCHED_MAX / 4);
        let early = watch.waiting.range(..500_000).count() * 100 / watch.waiting.len();
        assert!(
            (45..=55).contains(&early),
            "{early} % are of the first half"
        );
    }
}
