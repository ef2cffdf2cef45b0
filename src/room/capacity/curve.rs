//! What more requests in flight bring: the work done per second against the number in flight.
//!
//! Of the last [`PAIRS`] windows in which the slots were the limit, ln of the mean number in flight,
//! *n*, and ln of the work done per second, *x*. Work is counted in seconds of the portal with little
//! to do (each answer by the baseline of its class), so that ten sign-ons are not taken for ten style
//! sheets. The slope of the line through them (least squares) is the elasticity ε = d ln x ÷ d ln n:
//! one while there is work for all, zero where more bring nothing, below zero where they do harm.
//! Its standard error is √(Σ residual² ÷ (count − 2) ÷ Σ (ln n − mean)²).

use std::collections::VecDeque;

/// Windows that the elasticity is taken from, and is not without.
const PAIRS: usize = 30;
const PAIRS_MIN: usize = 10;
/// Variance of ln n below which nothing can be told.
const VARIANCE_MIN: f64 = 1e-4;

/// The last windows. See the module.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    pairs: VecDeque<(f64, f64)>,
}

/// How steep it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// The elasticity.
    pub gain: f64,
    /// Its standard error.
    pub error: f64,
}

impl Curve {
    /// A window with so many in flight, on the mean, and so much work done per second.
    pub fn add(&mut self, in_flight: f64, work: f64) {
        if !(in_flight > 0.0 && work > 0.0) {
            return;
        }
        if self.pairs.len() == PAIRS {
            self.pairs.pop_front();
        }
        self.pairs.push_back((in_flight.ln(), work.ln()));
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// None while it cannot be told.
    pub fn slope(&self) -> Option<Slope> {
        if self.pairs.len() < PAIRS_MIN {
            return None;
        }
        let (n, x) = (self.mean(|pair| pair.0), self.mean(|pair| pair.1));
        let variance = self.mean(|pair| (pair.0 - n).powi(2));
        if variance <= VARIANCE_MIN {
            return None;
        }
        let gain = self.mean(|pair| (pair.0 - n) * (pair.1 - x)) / variance;
        let residual = self.mean(|pair| (pair.1 - x - gain * (pair.0 - n)).powi(2));
        let error = (residual / variance / (self.pairs.len() - 2) as f64).sqrt();
        Some(Slope { gain, error })
    }

    /// How many were in flight in the better half of the windows (geometric mean).
    pub fn best(&self) -> f64 {
        let mut by_work: Vec<_> = self.pairs.iter().copied().collect();
        by_work.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
        by_work.truncate(by_work.len().div_ceil(2));
        let sum: f64 = by_work.iter().map(|pair| pair.0).sum();
        (sum / by_work.len().max(1) as f64).exp()
    }

    fn mean(&self, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        self.pairs.iter().map(of).sum::<f64>() / self.pairs.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows with 10 to 39 in flight and this much work.
    fn curve(work: impl Fn(f64) -> f64) -> Curve {
        let mut curve = Curve::default();
        for n in 10..40 {
            curve.add(f64::from(n), work(f64::from(n)));
        }
        curve
    }

    #[test]
    fn the_slope_of_a_power_is_its_exponent() {
        for exponent in [-1.5, 0.0, 1.0] {
            let slope = curve(|n| 7.0 * n.powf(exponent)).slope().unwrap();
            assert!((slope.gain - exponent).abs() < 1e-9, "{slope:?}");
            assert!(slope.error < 1e-6, "{slope:?}");
        }
    }

    #[test]
    fn noise_makes_the_error_large() {
        let noisy = curve(|n| {
            if (n as u32).is_multiple_of(2) {
                50.0
            } else {
                100.0
            }
        });
        let slope = noisy.slope().unwrap();
        assert!(slope.error > 0.1 && slope.gain.abs() < 3.0 * slope.error);
    }

    #[test]
    fn the_better_half_is_where_most_was_done() {
        let best = curve(|n| 100.0 - (n - 20.0).abs()).best();
        assert!((18.0..22.0).contains(&best), "{best}");
    }

    #[test]
    fn little_or_the_same_tells_nothing() {
        let mut curve = Curve::default();
        for n in 1..PAIRS_MIN {
            curve.add(n as f64, 1.0);
        }
        assert_eq!(curve.slope(), None);
        curve.clear();
        for _ in 0..PAIRS {
            curve.add(20.0, 3.0);
        }
        assert_eq!(curve.slope(), None);
        // What cannot be is not counted.
        curve.add(0.0, 1.0);
        curve.add(1.0, f64::NAN);
        assert!(curve.best() > 19.9);
    }
}
