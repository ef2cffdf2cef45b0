//! What the records of a crowd say.

use crate::visit::{End, Record};
use serde::Serialize;

/// One contestant under one load, over the seconds that were counted.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Visits that were completed, a minute.
    pub completed_per_minute: f64,
    /// … as a share of what the portal can complete.
    pub share_of_capacity: f64,
    /// The same in each of the parts of the time before: the way from cold.
    pub before: Vec<f64>,
    /// Visits that were broken off after the first answer of the portal.
    pub broken_off: usize,
    /// … as a share of those and the completed ones.
    pub broken_off_share: f64,
    /// Visits that ended without an answer of the portal.
    pub never_in: usize,
    /// Seconds from the first click to the first answer of the portal, for those who got one.
    pub wait_p50: Option<f64>,
    pub wait_p90: Option<f64>,
    /// Seconds for a page inside; a failure counts as long as it took.
    pub page_p50: Option<f64>,
    pub page_p90: Option<f64>,
    /// Promises of which it is known by now whether they were kept, and those that were.
    pub promises: usize,
    pub promises_kept: usize,
    /// Those whose turn came more than a minute late, or has not come by then.
    pub promises_minute_late: usize,
    /// Requests in flight in the portal: the most.
    pub in_flight_most: u32,
}

/// Seconds that are counted.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: f64,
    pub to: f64,
}

/// Parts of the time before.
const PARTS: usize = 3;

impl Figures {
    /// `capacity`: visits a minute that the portal can complete.
    pub fn of(records: &[Record], span: Span, capacity: f64, in_flight_most: u32) -> Figures {
        let ended = |span: Span, how: End| {
            let so =
                |record: &&Record| record.ended.is_some_and(|it| span.has(it.0) && it.1 == how);
            records.iter().filter(so).count()
        };
        let share = |span: Span| ended(span, End::Completed) as f64 / span.minutes() / capacity;
        let completed = ended(span, End::Completed);
        let broken_off = ended(span, End::BrokenOff);
        let entered = |record: &Record| record.entered.filter(|at| span.has(*at));
        let waits = sorted(
            records
                .iter()
                .filter_map(|it| Some(entered(it)? - it.arrived)),
        );
        let pages = records.iter().flat_map(|it| &it.pages);
        let pages = sorted(pages.filter(|it| span.has(it.0)).map(|it| it.1));
        let part = span.from / PARTS as f64;
        let parts = (0..PARTS).map(|at| Span {
            from: part * at as f64,
            to: part * (at + 1) as f64,
        });
        let promises: Vec<Promise> = (records.iter())
            .filter_map(|record| Promise::of(record, span.to))
            .collect();
        let count = |so: fn(&Promise) -> bool| promises.iter().filter(|it| so(it)).count();
        Figures {
            completed_per_minute: completed as f64 / span.minutes(),
            share_of_capacity: share(span),
            before: parts.map(share).collect(),
            broken_off,
            broken_off_share: broken_off as f64 / (broken_off + completed).max(1) as f64,
            never_in: ended(span, End::NeverIn),
            wait_p50: at(&waits, 0.5),
            wait_p90: at(&waits, 0.9),
            page_p50: at(&pages, 0.5),
            page_p90: at(&pages, 0.9),
            promises: promises.len(),
            promises_kept: count(|it| it.late_secs <= 0.0),
            promises_minute_late: count(|it| it.late_secs > 60.0),
            in_flight_most,
        }
    }
}

/// A promise that was kept, or can no longer be.
struct Promise {
    late_secs: f64,
}

impl Promise {
    /// None if it can still be kept at `now`.
    fn of(record: &Record, now: f64) -> Option<Promise> {
        let (given, wait) = record.promise?;
        let late_secs = record.called.unwrap_or(now) - (given + wait);
        (record.called.is_some() || late_secs > 0.0).then_some(Promise { late_secs })
    }
}

impl Span {
    fn has(self, at: f64) -> bool {
        (self.from..self.to).contains(&at)
    }

    fn minutes(self) -> f64 {
        (self.to - self.from) / 60.0
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn at(sorted: &[f64], share: f64) -> Option<f64> {
    let index = (sorted.len() as f64 * share) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
}
