//! The simulator: the server's own room before a portal of numbers, with visitors of numbers, in
//! virtual time.
//!
//! [`run`] takes a [`Scene`] and a seed, and gives the same [`Outcome`] for the same two. What
//! decides is the real thing: [`crate::room::Room`], its rules and its promise, and the health of
//! a portal as [`crate::upstream`] judges it. What is simulated:
//!
//! - visitors ([`crate::config::scene::Crowd`]): they come, wait as their page tells them, give up,
//!   reload, stay away when called, sign on, read page after page, and leave;
//! - the portal ([`crate::config::scene::Model`]), which has only as much strength as it has, and
//!   works on for those who have given up;
//! - the network: a delay drawn by lot;
//! - the store: what was committed in the last second before we are killed is lost.
//!
//! No I/O, no clock: times are microseconds from the beginning of the scene.

mod asking;
mod calendar;
mod chance;
mod control;
mod crowd;
mod kept;
mod lanes;
mod log;
mod outcome;
mod plot;
mod portal;
mod queue;
mod requests;
mod scored;
mod tally;
#[cfg(test)]
mod tests;
mod trouble;
mod waiting;
mod world;

pub use control::Law;
pub use lanes::{DrawFigures, LaneFigures, LaneRun, LaneSecond};
pub use log::{BrokenLine, LINE_MAX as MOST_BYTES, Log, Wrong, most_at_once};
pub use outcome::{Entered, Figures, Kept, Outcome, Polls, Promises, Second, Waits};
pub use plot::{PlotError, plots};
pub use world::Twist;

use crate::config::scene::Scene;
use crate::time::Span;
use world::World;

/// Runs a scene.
pub fn run(scene: &Scene, seed: u64) -> Outcome {
    watch(scene, seed, |_| {})
}

/// Runs a scene, and tells after each second how far it is.
pub fn watch(scene: &Scene, seed: u64, told: impl FnMut(Span)) -> Outcome {
    play(scene, seed, Twist::default(), told)
}

/// Runs a scene with something wrong on purpose.
#[doc(hidden)]
pub fn run_twisted(scene: &Scene, seed: u64, twist: Twist) -> Outcome {
    play(scene, seed, twist, |_| {})
}

fn play(scene: &Scene, seed: u64, twist: Twist, mut told: impl FnMut(Span)) -> Outcome {
    let mut world = World::new(scene, seed, twist);
    for second in 0..scene.length.0 / 1_000 {
        world.second(second);
        told(Span::secs(second + 1));
    }
    world.finish()
}
