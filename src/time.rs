//! Time as a value: wall-clock milliseconds that can be stored and shared.
//!
//! `host` anchors them to the monotonic clock, so that within one process they never go
//! backwards; everything here saturates, so that no arithmetic on a hostile or broken time
//! can panic.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment: milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Millis(pub u64);

/// A length of time in milliseconds; never negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Span(pub u64);

impl Millis {
    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Millis) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// `secs` seconds.
    pub const fn secs(secs: u64) -> Span {
        Span(secs.saturating_mul(1000))
    }

    /// `mins` minutes.
    pub const fn mins(mins: u64) -> Span {
        Span::secs(mins.saturating_mul(60))
    }

    /// The length in seconds, with its fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// A length from seconds; negative and non-numbers become zero, the rest saturates.
    pub fn from_secs_f64(secs: f64) -> Span {
        Span((secs * 1000.0).round() as u64)
    }

    /// Whole seconds, rounded up: what `Retry-After` wants.
    pub const fn ceil_secs(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// This length times `factor`; negative and non-numbers become zero.
    pub fn scale(self, factor: f64) -> Span {
        Span((self.0 as f64 * factor).round() as u64)
    }
}

impl Add<Span> for Millis {
    type Output = Millis;
    fn add(self, span: Span) -> Millis {
        Millis(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Millis {
    type Output = Millis;
    fn sub(self, span: Span) -> Millis {
        Millis(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        Duration::from_millis(span.0)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Span {
        Span(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Millis(5).since(Millis(9)), Span::ZERO);
        assert_eq!(Millis(u64::MAX) + Span(1), Millis(u64::MAX));
        assert_eq!(Span::from_secs_f64(-1.0), Span::ZERO);
        assert_eq!(Span::from_secs_f64(f64::NAN), Span::ZERO);
        assert_eq!(Span(1).ceil_secs(), 1);
    }
}
