//! Chance, from one seed: the same run each time.

use crate::time::Span;
use std::f64::consts::TAU;

/// A seeded generator and what is drawn from it.
pub struct Dice(fastrand::Rng);

impl Dice {
    /// The dice of `seed`.
    pub fn new(seed: u64) -> Dice {
        Dice(fastrand::Rng::with_seed(seed))
    }

    /// From 0 to 1, without 1.
    pub fn part(&mut self) -> f64 {
        self.0.f64()
    }

    /// Whether something of this share happens.
    pub fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.0.f64() < share
    }

    /// A whole number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.u64(..end.max(1))
    }

    /// Exponential.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.0.f64()).ln()
    }

    /// An exponential length of time, in microseconds.
    pub fn micros(&mut self, mean: Span) -> u64 {
        self.exponential(mean.0 as f64 * 1_000.0) as u64
    }

    /// Between `from` and `until`, evenly, in microseconds.
    pub fn between(&mut self, from: Span, until: Span) -> u64 {
        from.0 * 1_000 + self.below(until.0.saturating_sub(from.0) * 1_000)
    }

    /// Lognormal, by its mean and the standard deviation of its logarithm.
    pub fn lognormal(&mut self, mean: f64, spread: f64) -> f64 {
        mean * (spread * self.normal() - spread * spread / 2.0).exp()
    }

    /// A number of trials, at least 1, that has this mean (geometric).
    pub fn geometric(&mut self, mean: f64) -> u16 {
        if mean <= 1.0 {
            return 1;
        }
        let fails = (1.0 - 1.0 / mean).ln();
        // A cast of a float saturates.
        ((1.0 - self.0.f64()).ln() / fails) as u16 + 1
    }

    /// How many of many independent events happen (Poisson): by counting gaps where few are
    /// expected, else by the normal distribution, which is then near enough.
    pub fn poisson(&mut self, expected: f64) -> u64 {
        if expected > 50.0 {
            return (expected + expected.sqrt() * self.normal())
                .round()
                .max(0.0) as u64;
        }
        let (mut count, mut gap) = (0, self.exponential(1.0));
        while gap < expected {
            count += 1;
            gap += self.exponential(1.0);
        }
        count
    }

    /// Standard normal (Box & Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.f64()).ln()).sqrt();
        radius * (TAU * self.0.f64()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_means_are_what_they_should_be() {
        let mut dice = Dice::new(1);
        let mut mean = |draw: fn(&mut Dice) -> f64| {
            (0..100_000).map(|_| draw(&mut dice)).sum::<f64>() / 100_000.0
        };
        let near =
            |found: f64, wanted: f64| assert!((found / wanted - 1.0).abs() < 0.03, "{found}");
        near(mean(|dice| dice.exponential(8.0)), 8.0);
        near(mean(|dice| dice.lognormal(720.0, 0.6)), 720.0);
        near(mean(|dice| f64::from(dice.geometric(12.0))), 12.0);
        near(mean(|dice| dice.poisson(3.0) as f64), 3.0);
        near(mean(|dice| dice.poisson(300.0) as f64), 300.0);
        near(mean(|dice| dice.between(Span(2), Span(6)) as f64), 4_000.0);
    }
}
