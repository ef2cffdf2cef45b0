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

    /// The length as people say it: "95 s", "12 min 05 s", "3 h 05 min"; rounded up to what is shown last.
    pub fn words(self) -> String {
        let secs = self.ceil_secs();
        match secs {
            0..120 => format!("{secs} s"),
            120..7_200 => format!("{} min {:02} s", secs / 60, secs % 60),
            _ => {
                let mins = secs.div_ceil(60);
                format!("{} h {:02} min", mins / 60, mins % 60)
            }
        }
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

    #[test]
    fn a_length_is_said_in_one_way() {
        let cases = [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min 00 s"),
            (7_199, "119 min 59 s"),
            (7_200, "2 h 00 min"),
            (7_201, "2 h 01 min"),
            (10_799, "3 h 00 min"),
        ];
        for (secs, words) in cases {
            assert_eq!(Span::secs(secs).words(), words);
        }
        assert_eq!(Span(1).words(), "1 s");
    }
}
