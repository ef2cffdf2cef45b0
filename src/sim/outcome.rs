//! What a run has shown.

use super::lanes::{LaneFigures, LaneRun};
use crate::time::Span;
use serde::Serialize;

/// Points of the series in the JSON, at most.
const POINTS_MAX: usize = 600;

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Second {
    /// People who came.
    pub arrivals: u32,
    /// Visits completed.
    pub completed: u32,
    /// Visits that the portal could have completed, as it was.
    pub could: f32,
    /// Visits broken off after they were let in.
    pub broken: u32,
    /// Polls answered.
    pub polls: u32,
    /// Waiting pages loaded anew.
    pub reloads: u32,
    /// Tickets called.
    pub calls: u32,
    /// People who are there, for all that is known.
    pub inside: u32,
    /// Seats in force.
    pub seats: u32,
    /// Living tickets in line.
    pub line: u32,
    /// Slots in force.
    pub slots: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests that wait for a slot.
    pub queued: u32,
    /// What somebody who came now was promised at most, in seconds; -1 if nothing.
    pub promised: i32,
}

/// A promise and what became of it, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// When it was made, from the beginning of the scene.
    pub at: f32,
    /// Its lower bound.
    pub low: f32,
    /// Its upper bound.
    pub high: f32,
    /// The wait until the visitor was in.
    pub actual: f32,
}

/// Somebody who was called and came, in seconds from the beginning of the scene.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Entered {
    /// When they took their ticket.
    pub came: f32,
    /// When they went in.
    pub entered: f32,
    /// Their place was drawn by lot.
    pub drawn: bool,
}

/// A run, told.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The scene's name.
    pub name: String,
    /// The clock at its beginning, since midnight.
    pub clock: Span,
    /// The figures.
    pub figures: Figures,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// Some of the promises, evenly chosen.
    pub promises: Vec<Kept>,
    /// Some of those who were called and came, evenly chosen.
    pub entered: Vec<Entered>,
    /// The lanes, second by second.
    pub lanes: Vec<LaneRun>,
}

/// The figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The seed.
    pub seed: u64,
    /// People who came.
    pub people: u64,
    /// Visits completed after the warm-up.
    pub completed: u64,
    /// Visits that the portal could have completed after the warm-up.
    pub could_complete: f64,
    /// The one by the other.
    pub share: f64,
    /// Visits broken off after they were let in.
    pub broken_off: u64,
    /// People who went straight in.
    pub straight: u64,
    /// People who were called and came.
    pub called_in: u64,
    /// Times that somebody gave up waiting.
    pub gave_up: u64,
    /// People who were called and did not come.
    pub no_shows: u64,
    /// Times that somebody got neither a place nor a seat.
    pub refused: u64,
    /// People inside at the end.
    pub inside_at_end: u32,
    /// People in line at the end.
    pub line_at_end: u32,
    /// Most people in line.
    pub line_most: u32,
    /// Must be 0: went in while others waited.
    pub queue_jumps: u64,
    /// Must be 0: seats given beyond the limit.
    pub seat_overshoot: u64,
    /// Must be 0: seconds in which somebody waited, could have been called, and was not.
    pub stalled_seconds: f64,
    /// How the first minutes of those who were let in went.
    pub first_minutes: FirstMinutes,
    /// How long those who were called in had waited.
    pub waits: Waits,
    /// What became of promises.
    pub promises: Promises,
    /// How often a promise was raised, by how many were made: what is shown is to be calm.
    pub raised: f64,
    /// What visitors in line asked of us.
    pub polls: Polls,
    /// Tickets called in one second, at most.
    pub calls_most: u32,
    /// Mean of the slots in force after the warm-up.
    pub slots_mean: f64,
    /// Mean of the seats in force after the warm-up.
    pub seats_mean: f64,
    /// The lanes: that of all others first.
    pub lanes: Vec<LaneFigures>,
}

/// People let in, by how their first minutes went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FirstMinutes {
    /// Without an error, and as soon as usual.
    pub served: u64,
    /// More than a quarter of their requests took far longer than usual, or were given up.
    pub slow: u64,
    /// An error came, or no answer.
    pub failed: u64,
    /// The first by all; 0 if there are none.
    pub share: f64,
}

impl FirstMinutes {
    /// Of so many who were served, had slow minutes, or failed.
    pub fn of(counts: [u64; 3]) -> FirstMinutes {
        let [served, slow, failed] = counts;
        FirstMinutes {
            served,
            slow,
            failed,
            share: served as f64 / (served + slow + failed).max(1) as f64,
        }
    }
}

/// Waits in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Waits {
    /// Half waited no longer.
    pub p50: u32,
    /// Nine in ten waited no longer.
    pub p90: u32,
    /// Nobody waited longer.
    pub max: u32,
}

/// First promises, of those who were called in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Promises {
    /// How many there were.
    pub made: u64,
    /// Share of them that were kept by their upper bound.
    pub kept: f64,
    /// Share of them that were late by more than a minute.
    pub late: f64,
    /// Share of those to whom they were made who were in by the upper bound they were shown last: what
    /// is raised is raised with a reason, before it breaks.
    pub told: f64,
    /// Share of them whose lower bound was right within a minute or 20 %.
    pub near: f64,
}

/// Polls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Polls {
    /// In all.
    pub all: u64,
    /// In one second, at most.
    pub most: u32,
    /// In one second, at most, over a minute: what the budget is about.
    pub most_per_minute: f64,
    /// The budget: polls per second.
    pub budget: u32,
    /// Seconds in which there were more.
    pub over_budget: u32,
    /// Waiting pages loaded anew, in all.
    pub reloads: u64,
}

impl Figures {
    /// Whether what must be 0 is.
    pub fn held(&self) -> bool {
        self.queue_jumps == 0 && self.seat_overshoot == 0 && self.stalled_seconds == 0.0
    }
}

impl Outcome {
    /// Completed visits by what the portal could have completed, from one moment to another.
    pub fn share(&self, from: Span, until: Span) -> f64 {
        let seconds = self.between(from, until);
        let could: f64 = seconds.iter().map(|it| f64::from(it.could)).sum();
        let completed: f64 = seconds.iter().map(|it| f64::from(it.completed)).sum();
        if could > 0.0 { completed / could } else { 0.0 }
    }

    /// The seconds from one moment to another.
    pub fn between(&self, from: Span, until: Span) -> &[Second] {
        let index = |at: Span| ((at.0 / 1_000) as usize).min(self.seconds.len());
        &self.seconds[index(from)..index(until).max(index(from))]
    }

    /// Everything as JSON: the figures, and at most 600 points of each series.
    pub fn json(&self) -> serde_json::Value {
        let step = self.seconds.len().div_ceil(POINTS_MAX).max(1);
        let lane =
            |lane: &LaneRun| serde_json::json!({ "lane": lane.name, "series": lane.thinned(step) });
        serde_json::json!({
            "scene": self.name,
            "seconds": self.seconds.len(),
            "figures": self.figures,
            "step_seconds": step,
            "series": self.thinned(step),
            "lanes": self.lanes.iter().map(lane).collect::<Vec<_>>(),
            "promises": self.promises,
            "entered": self.entered,
        })
    }

    /// Every `step` seconds: what came to be meanwhile, summed, and how things stood at the end.
    pub fn thinned(&self, step: usize) -> Vec<Second> {
        let chunks = self.seconds.chunks(step.max(1));
        let sum = |chunk: &[Second]| {
            let last = chunk.last().copied().unwrap_or_default();
            let add = |sum: Second, it: &Second| Second {
                arrivals: sum.arrivals + it.arrivals,
                completed: sum.completed + it.completed,
                could: sum.could + it.could,
                broken: sum.broken + it.broken,
                polls: sum.polls + it.polls,
                reloads: sum.reloads + it.reloads,
                calls: sum.calls + it.calls,
                ..last
            };
            chunk.iter().fold(Second::default(), add)
        };
        chunks.map(sum).collect()
    }
}
