//! What the records of a crowd say.

use crate::possible::Possible;
use crate::visit::{End, Record};
use serde::{Deserialize, Serialize};

/// Seconds of a point of the curve.
pub const POINT: f64 = 10.0;
/// Where the third minute begins.
const THIRD: f64 = 120.0;
/// A page that takes longer is not one as usual, in seconds: at best the portal takes 0.1 to 0.3.
const USUAL: f64 = 2.0;
/// The first minutes of somebody who was let in, in seconds.
const FIRST: f64 = 120.0;
/// Whoever has waited so long has been told how long it will be, in seconds.
const TOLD_WITHIN: f64 = 20.0;

/// One contestant under one load, over the seconds that were counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Work that was done, as a share of what was possible: of each minute, of the third and all after it,
    /// and of all.
    pub minutes: Vec<f64>,
    pub from_third_minute: f64,
    pub of_possible: f64,
    /// Work of each ten seconds, as a share of the capacity; and what was possible of it.
    pub curve: Vec<f64>,
    pub possible_curve: Vec<f64>,
    /// Visits that were completed; and as a share of what was possible.
    pub completed: usize,
    pub completed_of_possible: f64,
    /// Visits that the portal had answered, and that were broken off: also after the seconds that are counted.
    pub broken_off: usize,
    /// … as a share of those who were let in.
    pub broken_off_share: f64,
    /// Of those who came, those who gave up without an answer of the portal.
    pub never_in: usize,
    /// Of those who were let in, the share whose first two minutes were served: each page came at the first
    /// attempt, as a page and not as an error, within 2 s.
    pub served_share: f64,
    pub let_in: usize,
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
    /// Of those who waited 20 s, the share that had a promise by then.
    pub told_share: Option<f64>,
    /// Requests in flight in the portal: the most.
    pub in_flight_most: u32,
}

/// Seconds that are counted.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: f64,
    pub to: f64,
}

/// Work of the portal, when it was done, in visits.
struct Work(Vec<(f64, f64)>);

impl Figures {
    /// Of those seconds of a crowd's time, of which `possible` says what was.
    pub fn of(records: &[Record], span: Span, possible: &Possible, in_flight_most: u32) -> Figures {
        let work = Work::of(records, span, possible.visit_ms());
        let of = |part: Span| work.within(part) / possible.work(part);
        let secs = span.to - span.from;
        let all = Span {
            from: 0.0,
            to: secs,
        };
        let third = Span {
            from: if secs > THIRD { THIRD } else { 0.0 },
            to: secs,
        };
        let capacity = POINT / 60.0 * possible.per_minute();
        let points = all.parts(POINT);
        let let_in: Vec<&Record> = records.iter().filter(|it| it.let_in(span)).collect();
        let completed = |it: &&Record| {
            it.ended
                .is_some_and(|end| span.has(end.0) && end.1 == End::Completed)
        };
        let completed = records.iter().filter(completed).count();
        let broken_off = let_in.iter().filter(|it| it.has(End::BrokenOff)).count();
        let served = let_in.iter().filter(|it| it.served()).count();
        let waits = let_in
            .iter()
            .filter_map(|it| Some(it.entered? - it.arrived));
        let waits = sorted(waits);
        let pages = records.iter().flat_map(|it| &it.pages);
        let pages = sorted(pages.filter(|it| span.has(it.at)).map(|it| it.took));
        let newcomers = || records.iter().filter(|it| span.has(it.arrived));
        let promises: Vec<f64> = newcomers().filter_map(|it| it.late_secs(span.to)).collect();
        let told: Vec<bool> = newcomers().filter_map(|it| it.told(span.to)).collect();
        Figures {
            minutes: all.parts(60.0).into_iter().map(of).collect(),
            from_third_minute: of(third),
            of_possible: of(all),
            curve: points
                .iter()
                .map(|it| work.within(*it) / capacity)
                .collect(),
            possible_curve: points
                .iter()
                .map(|it| possible.work(*it) / capacity)
                .collect(),
            completed,
            completed_of_possible: completed as f64 / possible.completed(secs),
            broken_off,
            broken_off_share: broken_off as f64 / let_in.len().max(1) as f64,
            never_in: newcomers().filter(|it| it.has(End::NeverIn)).count(),
            served_share: served as f64 / let_in.len().max(1) as f64,
            let_in: let_in.len(),
            wait_p50: at(&waits, 0.5),
            wait_p90: at(&waits, 0.9),
            page_p50: at(&pages, 0.5),
            page_p90: at(&pages, 0.9),
            promises: promises.len(),
            promises_kept: promises.iter().filter(|late| **late <= 0.0).count(),
            promises_minute_late: promises.iter().filter(|late| **late > 60.0).count(),
            told_share: (!told.is_empty())
                .then(|| told.iter().filter(|told| **told).count() as f64 / told.len() as f64),
            in_flight_most,
        }
    }
}

impl Work {
    /// A visit that has not come to its end when everybody is cut off is no work that was done. `whole`: what a
    /// visit costs, in ms.
    fn of(records: &[Record], span: Span, whole: f64) -> Work {
        let done = records.iter().filter(|it| it.has(End::Completed));
        let answers = done.flat_map(|it| &it.answers);
        let answers = answers.map(|it| (it.0 - span.from, it.1 / whole));
        Work(answers.collect())
    }

    fn within(&self, span: Span) -> f64 {
        let done = self.0.iter().filter(|it| span.has(it.0));
        // A sum of nothing would be -0.
        done.fold(0.0, |sum, it| sum + it.1)
    }
}

impl Record {
    fn let_in(&self, span: Span) -> bool {
        self.entered.is_some_and(|at| span.has(at))
    }

    /// Whether it ended so.
    fn has(&self, end: End) -> bool {
        self.ended.is_some_and(|ended| ended.1 == end)
    }

    /// Whether the first minutes of a visit were as usual, as far as they have come.
    fn served(&self) -> bool {
        let until = self.entered.unwrap_or_default() + FIRST;
        let mut first = self.pages.iter().filter(|page| page.at - page.took < until);
        first.all(|page| page.served && page.took <= USUAL)
    }

    /// By how much the first promise was broken, in seconds; none if it can still be kept at `now`.
    fn late_secs(&self, now: f64) -> Option<f64> {
        let (given, wait) = self.promise?;
        let late = self.called.unwrap_or(now) - (given + wait);
        (self.called.is_some() || late > 0.0).then_some(late)
    }

    /// For somebody who has waited long enough by `now`: whether they were told in time.
    fn told(&self, now: f64) -> Option<bool> {
        let until = self.called.or(self.entered).or(self.ended.map(|it| it.0));
        let waited = until.unwrap_or(now) - self.arrived;
        let in_time = |(given, _): (f64, f64)| given - self.arrived <= TOLD_WITHIN;
        (waited > TOLD_WITHIN).then(|| self.promise.is_some_and(in_time))
    }
}

impl Span {
    fn has(self, at: f64) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// Parts of so many seconds, whole ones only; all of it if it has none.
    fn parts(self, secs: f64) -> Vec<Span> {
        let count = ((self.to - self.from) / secs) as usize;
        if count == 0 {
            return vec![self];
        }
        let part = |at: usize| Span {
            from: self.from + secs * at as f64,
            to: self.from + secs * (at + 1) as f64,
        };
        (0..count).map(part).collect()
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
