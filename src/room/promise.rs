//! The promise: how long a visitor will wait, as a range that is meant to be kept.

use crate::time::Span;

/// The range of waiting time we stand by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The estimate; half of the visitors are in about then.
    pub low: Span,
    /// The learnt 90th percentile above it: at least nine in ten are in by then.
    pub high: Span,
}

/// A promise as people read it, rounded so that it does not claim to know more than it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Under two minutes.
    Moment,
    /// Between `low` and `high` minutes; `low == high` is "about that many". At most 60.
    Minutes {
        /// Whole minutes.
        low: u32,
        /// Whole minutes.
        high: u32,
    },
    /// More than an hour.
    OverAnHour,
}
