//! What a room's estimator knows at a moment: how fast the line moves, and how sure that is.

use super::capacity::GROWTH;
use serde::{Deserialize, Serialize};

/// What is foretold of growth is off by about this part of its logarithm (seen in simulation, from cold).
const GROWTH_ERROR: f64 = 0.8;
/// By this part of itself a rate moves on the way, whatever has been seen of it.
pub const DRIFT: f64 = 0.05;

/// What is known, computed once a second so that a poll is one or two logarithms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Calls taken per second, once seats are taken as far as they will be.
    pub calls: f64,
    /// Tickets given up per ticket and second.
    pub giving_up: f64,
    /// Seconds of a visit.
    pub visit_secs: f64,
    /// The part of those in line who have left, and we have not noticed yet.
    pub gone: f64,
    /// Departures that this is known from, with those that a belief is worth.
    pub seen: f64,
    /// Seconds until more seats are free than the limit was lowered by.
    pub drain_secs: f64,
    /// Seats that are free, or will soon be added.
    pub free: f64,
    /// Calls per second that are made for these.
    pub pace: f64,
    /// How many times as many seats there will soon be as there are.
    pub growth: f64,
}

impl Rates {
    /// Seconds until `place` is called. Source of the formula: [`promise`](super::promise).
    pub fn wait(&self, place: u64) -> f64 {
        let people = place as f64 * (1.0 - self.gone);
        let at_once = people.min(self.free);
        let straight = self.filling(at_once) + (people - at_once) / self.calls;
        let bent = self.giving_up * straight;
        // Below this the logarithm and the straight line agree to a part in a million.
        let wait = if bent < 1e-6 {
            straight
        } else {
            bent.ln_1p() / self.giving_up
        };
        wait + self.drain_secs
    }

    /// Standard deviation of the relative error of an estimate of `secs`. Source: see there.
    pub fn sigma(&self, secs: f64) -> f64 {
        let ahead = (secs * self.calls).max(1.0);
        let grown = GROWTH_ERROR * self.growth.ln();
        (1.0 / ahead + 1.0 / self.seen.max(1.0) + DRIFT.powi(2) + grown.powi(2)).sqrt()
    }

    /// Seconds until so many have taken seats that are free, or come: as fast as calls are made, and faster
    /// as seats grow.
    fn filling(&self, people: f64) -> f64 {
        let evenly = people / self.pace;
        match self.growth > 1.0 {
            true => (GROWTH * evenly).ln_1p() / GROWTH,
            false => evenly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Rates = Rates {
        calls: 2.0,
        giving_up: 0.0,
        visit_secs: 100.0,
        gone: 0.0,
        seen: 1_000.0,
        drain_secs: 0.0,
        free: 0.0,
        pace: 10.0,
        growth: 1.0,
    };

    #[test]
    fn a_steady_line_is_place_over_rate() {
        assert_eq!(FULL.wait(300), 150.0);
    }

    #[test]
    fn seats_that_are_free_are_taken_as_fast_as_calls_are_made() {
        let free = Rates {
            free: 100.0,
            ..FULL
        };
        assert_eq!((free.wait(50), free.wait(300)), (5.0, 110.0));
        let growing = Rates {
            growth: 2.0,
            ..free
        };
        assert!(growing.wait(50) < 5.0 && growing.sigma(50.0) > free.sigma(50.0));
    }
}
