//! How a promise is rounded for people.

use super::promise::Promise;
use crate::time::Span;

/// A promise as people read it, rounded so that it does not claim to know more than it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Up to half a minute.
    Moment,
    /// Between `low` and `high` minutes, both of [`Shown::STEPS`]; `low == high` is "about that
    /// many", and a `low` of 0 is "less than `high`".
    Minutes {
        /// Whole minutes.
        low: u32,
        /// Whole minutes.
        high: u32,
    },
    /// At least `low` minutes, one of [`Shown::STEPS`], and perhaps more than an hour.
    AtLeast {
        /// Whole minutes.
        low: u32,
    },
    /// More than an hour.
    OverAnHour,
}

impl Promise {
    /// The promise as it is shown: `low` rounded down and `high` rounded up, so that a promise
    /// that was kept in seconds is also kept as shown.
    pub fn shown(self) -> Shown {
        let holds_from = Shown::STEPS
            .iter()
            .rev()
            .find(|step| minutes(**step) <= self.low);
        let holds_until = Shown::STEPS
            .iter()
            .find(|step| minutes(**step) >= self.high);
        let low = *holds_from.unwrap_or(&0);
        match holds_until {
            _ if self.high <= Span::secs(30) => Shown::Moment,
            Some(&high) => Shown::Minutes {
                low: low.min(high),
                high,
            },
            None if self.low >= Span::mins(60) => Shown::OverAnHour,
            None => Shown::AtLeast { low },
        }
    }
}

impl Shown {
    /// The minutes that are ever shown, rising: each one under 10, every fifth under 30, every
    /// tenth up to 60 (reference: `admission.md`, "The promise").
    pub const STEPS: [u32; 18] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60];
}

fn minutes(count: u32) -> Span {
    Span::mins(u64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(low: u64, high: u64) -> Shown {
        let (low, high) = (Span::secs(low), Span::secs(high));
        Promise { low, high }.shown()
    }

    #[test]
    fn rounds_as_people_speak() {
        assert_eq!(shown(0, 0), Shown::Moment);
        assert_eq!(shown(9, 30), Shown::Moment);
        assert_eq!(shown(10, 31), Shown::Minutes { low: 0, high: 1 });
        assert_eq!(shown(59, 60), Shown::Minutes { low: 0, high: 1 });
        assert_eq!(shown(10, 61), Shown::Minutes { low: 0, high: 2 });
        assert_eq!(shown(90, 119), Shown::Minutes { low: 1, high: 2 });
        assert_eq!(shown(30, 120), Shown::Minutes { low: 0, high: 2 });
        assert_eq!(shown(119, 121), Shown::Minutes { low: 1, high: 3 });
        assert_eq!(
            shown(8 * 60 + 59, 11 * 60),
            Shown::Minutes { low: 8, high: 15 }
        );
        assert_eq!(shown(300, 300), Shown::Minutes { low: 5, high: 5 });
        assert_eq!(
            shown(29 * 60, 31 * 60),
            Shown::Minutes { low: 25, high: 40 }
        );
        assert_eq!(
            shown(59 * 60, 60 * 60),
            Shown::Minutes { low: 50, high: 60 }
        );
        assert_eq!(shown(59 * 60, 60 * 60 + 1), Shown::AtLeast { low: 50 });
        assert_eq!(shown(60 * 60, 70 * 60), Shown::OverAnHour);
    }

    #[test]
    fn a_promise_kept_in_seconds_is_kept_as_shown() {
        for low in (0..5_000).step_by(7) {
            for high in (low..low + 1_500).step_by(61) {
                match shown(low, high) {
                    Shown::Moment => assert!(high <= 30),
                    Shown::Minutes {
                        low: from,
                        high: to,
                    } => {
                        assert!(u64::from(from) * 60 <= low && high <= u64::from(to) * 60);
                    }
                    Shown::AtLeast { low: from } => {
                        assert!(u64::from(from) * 60 <= low && low < 3_600 && high > 3_600);
                    }
                    Shown::OverAnHour => assert!(low >= 3_600),
                }
            }
        }
    }

    #[test]
    fn extremes_do_not_break_it() {
        assert_eq!(shown(u64::MAX, u64::MAX), Shown::OverAnHour);
        assert_eq!(shown(900, 300), Shown::Minutes { low: 5, high: 5 });
    }
}
