//! Who is inside and has gone without saying so: most people never log out.
//!
//! A pass lives for `idle` after the last page, because whoever comes back within it is still
//! inside. Its seat need not stand empty for so long: what is bounded is the work that those inside
//! are expected to bring, and whoever has not asked for anything for minutes brings little of it.
//! How little is learnt, from all who pause: with *h(a)* the part of those quiet for *a* seconds who
//! ask again within the next,
//!
//! ```text
//! R(a) = 1 − Π (1 − h(b))  over b from a on       will ask again
//! absent = Σ (1 − R(a))    over all who are quiet  have gone
//! ```
//!
//! That is a life table with a cured fraction (Kaplan & Meier 1958; Maller & Zhou, *Survival
//! Analysis with Long-Term Survivors*, 1996): those who never come back are never seen to, and
//! pauses that still last count for as long as they have lasted. Before anything is seen, the prior
//! says [`PRIOR_AT_ONCE`] of whoever falls quiet asks again, and half as many of those who have been
//! quiet for [`PRIOR_HALF_SECS`]; or for [`PAUSES`] times the mean pause of those who did, as soon as many
//! have: nobody has been quiet for five minutes in the first, but where all ask again within ten seconds
//! or so, that is what to expect of the others as well.

use crate::time::{Millis, Span};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Whoever is quiet for longer is as one who is quiet for so long, in seconds.
const OLDEST: u32 = 3_600;
/// Ages, in seconds, that have a row of their own; then there are [`PER_OCTAVE`] rows a doubling.
const SINGLE: u32 = 8;
const PER_OCTAVE: f64 = 4.0;
/// Rows up to [`OLDEST`].
const ROWS: usize = 45;
/// Seat-seconds that the prior weighs in each row.
const PRIOR_SECS: f64 = 20.0;
/// See the module.
const PRIOR_AT_ONCE: f64 = 0.98;
const PRIOR_HALF_SECS: f64 = 300.0;
const PAUSES: f64 = 4.0;
/// The same at least; and how many returns the prior weighs.
const HALF_SECS_MIN: f64 = 10.0;
/// Shorter pauses are those between a page and what belongs to it.
const PAUSE_SECS_MIN: usize = 2;
const PRIOR_RETURNS: f64 = 20.0;
/// After this many seconds, what was seen counts half.
const MEMORY_SECS: f64 = 1_800.0;

/// One row of the life table.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Row {
    /// Seconds that anybody was quiet at this age.
    secs: f64,
    /// How often one of them asked again.
    back: f64,
}

/// How likely it is that somebody who is quiet asks again. See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Returns {
    rows: Vec<Row>,
    /// Of those inside, the part that had gone when last looked.
    absent: f64,
}

impl Default for Returns {
    fn default() -> Returns {
        Returns {
            rows: vec![Row::default(); ROWS],
            absent: 0.0,
        }
    }
}

impl Returns {
    /// Whether it can be what was learnt: what was stored may be damaged.
    pub fn is_sound(&self) -> bool {
        let sound = |row: &Row| row.secs >= 0.0 && row.back >= 0.0 && row.secs.is_finite();
        (0.0..=1.0).contains(&self.absent) && self.rows.len() == ROWS && self.rows.iter().all(sound)
    }

    /// For how long all who are inside would have to be quiet, for as many to have gone as when last
    /// looked.
    pub fn age_of_all(&self, idle_secs: u32) -> Span {
        let returns = self.by_row(idle_secs);
        let gone = |at: &usize| 1.0 - returns[*at] >= self.absent;
        Span::secs(begin((0..ROWS).find(gone).unwrap_or(0)).into())
    }

    /// One second at each age, with so many quiet at it.
    fn elapse(&mut self, quiet: impl Iterator<Item = (u32, u32)>) {
        let kept = (-std::f64::consts::LN_2 / MEMORY_SECS).exp();
        for row in &mut self.rows {
            row.secs *= kept;
            row.back *= kept;
        }
        for (age, people) in quiet {
            self.rows[row(age)].secs += f64::from(people);
        }
    }

    fn came_back(&mut self, age: u32) {
        self.rows[row(age)].back += 1.0;
    }

    /// For each row: the part of those in the middle of it who ask again within `idle_secs`.
    fn by_row(&self, idle_secs: u32) -> [f64; ROWS] {
        let half = self.half_secs();
        let mut stay = 1.0;
        let mut returns = [0.0; ROWS];
        for at in (0..ROWS).rev() {
            let (from, to) = (begin(at), begin(at + 1).min(idle_secs));
            let Row { secs, back } = self.rows[at];
            let prior = prior(from, half) * PRIOR_SECS;
            let hazard = ((back + prior) / (secs + PRIOR_SECS)).min(0.99);
            let half = (1.0 - hazard).powf(f64::from(to.saturating_sub(from)) / 2.0);
            returns[at] = 1.0 - stay * half;
            stay *= half * half;
        }
        returns
    }

    /// Seconds of quiet after which half as many ask again, by the prior.
    fn half_secs(&self) -> f64 {
        let middle = |at: usize| f64::from(begin(at) + begin(at + 1)) / 2.0;
        let pauses = self.rows.iter().enumerate().skip(PAUSE_SECS_MIN);
        let (returns, secs) = pauses.fold((0.0, 0.0), |(returns, secs), (at, row)| {
            (returns + row.back, secs + row.back * middle(at))
        });
        let half = PRIOR_RETURNS * PRIOR_HALF_SECS + PAUSES * secs;
        (half / (PRIOR_RETURNS + returns)).clamp(HALF_SECS_MIN, PRIOR_HALF_SECS)
    }
}

/// Those inside for whom no request runs, by the second since when.
#[derive(Clone, Debug, Default)]
pub struct Absence {
    returns: Returns,
    /// Of each of the last seconds, the newest last: how many have been quiet since.
    since: VecDeque<u32>,
    /// The second of the first of these.
    first: u32,
    /// Those who are quiet for longer.
    longer: u32,
    /// How many have gone, for all that was known when last looked, of those who are quiet still.
    absent: f64,
    /// When that was, and what each counts for.
    looked: u32,
    gone: Vec<f64>,
}

impl Absence {
    /// Nobody is inside yet, and so much was learnt.
    pub fn new(returns: Returns) -> Absence {
        Absence {
            returns,
            ..Absence::default()
        }
    }

    /// Somebody falls quiet.
    pub fn hush(&mut self, since: Millis) {
        *self.of(since) += 1;
    }

    /// Somebody who was quiet asks again.
    pub fn stir(&mut self, since: Millis, now: Millis) {
        self.forget(since);
        self.returns
            .came_back(second(now).saturating_sub(second(since)));
    }

    /// A seat of somebody who was quiet is given back.
    pub fn forget(&mut self, since: Millis) {
        let people = self.of(since);
        *people = people.saturating_sub(1);
        if let Some(age) = self.looked.checked_sub(second(since)) {
            let gone = self.gone.get(row(age)).unwrap_or(&0.0);
            self.absent = (self.absent - gone).max(0.0);
        }
    }

    /// Time has passed; called once a second, with so many `inside`, whose passes end after
    /// `idle_secs` without a request.
    pub fn elapse(&mut self, inside: usize, idle_secs: u32, now: Millis) {
        let now = second(now);
        self.of_second(now);
        let last = self.first + self.since.len() as u32 - 1;
        let quiet = || {
            let ages = (self.since.iter().enumerate()).map(|(at, people)| {
                let age = last - self.first - at as u32;
                (age, *people)
            });
            ages.chain([(OLDEST, self.longer)])
        };
        self.returns.elapse(quiet());
        let returns = self.returns.by_row(idle_secs);
        let gone: Vec<f64> = returns.iter().map(|returns| 1.0 - returns).collect();
        let absent = quiet().map(|(age, people)| f64::from(people) * gone[row(age)]);
        self.absent = absent.sum();
        (self.looked, self.gone) = (now, gone);
        self.returns.absent = (self.absent / inside.max(1) as f64).min(1.0);
    }

    /// How many of those inside have gone, for all that is known.
    pub fn absent(&self) -> f64 {
        self.absent
    }

    /// What was learnt.
    pub fn returns(&self) -> &Returns {
        &self.returns
    }

    fn of(&mut self, since: Millis) -> &mut u32 {
        self.of_second(second(since))
    }

    fn of_second(&mut self, second: u32) -> &mut u32 {
        if self.since.is_empty() {
            self.first = second;
            self.since.push_back(0);
        }
        let last = self.first + self.since.len() as u32 - 1;
        if second > last {
            let more = second - last;
            if more > OLDEST {
                self.longer += self.since.drain(..).sum::<u32>();
                self.first = second;
                self.since.push_back(0);
            } else {
                self.since.extend(std::iter::repeat_n(0, more as usize));
            }
            while self.since.len() > OLDEST as usize {
                self.longer += self.since.pop_front().unwrap_or(0);
                self.first += 1;
            }
        }
        match second.checked_sub(self.first) {
            Some(at) => &mut self.since[at as usize],
            None => &mut self.longer,
        }
    }
}

/// The second that `at` belongs to; any beginning will do.
fn second(at: Millis) -> u32 {
    (at.0 / 1_000) as u32
}

/// The row of an age.
fn row(age: u32) -> usize {
    match age.min(OLDEST) {
        age if age < SINGLE => age as usize,
        age => {
            let octaves = (f64::from(age) / f64::from(SINGLE)).log2();
            (SINGLE as usize + (PER_OCTAVE * octaves) as usize).min(ROWS - 1)
        }
    }
}

/// The age at which a row begins.
fn begin(row: usize) -> u32 {
    match row.checked_sub(SINGLE as usize) {
        None => row as u32,
        Some(at) => (f64::from(SINGLE) * (at as f64 / PER_OCTAVE).exp2()).ceil() as u32,
    }
}

/// The part of those quiet for `age` who ask again within a second, before anything is seen: what
/// follows from R(a) = [`PRIOR_AT_ONCE`] ÷ (1 + a ÷ `half_secs`).
fn prior(age: u32, half_secs: f64) -> f64 {
    let aged = 1.0 + f64::from(age) / half_secs;
    let returns = PRIOR_AT_ONCE / aged;
    returns / aged / half_secs / (1.0 - returns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE_SECS: u32 = 600;

    fn at(secs: u64) -> Millis {
        Millis(secs * 1_000)
    }

    /// An hour in which somebody comes each second, reads a page every 8 s, ten in all, and is
    /// gone; the seat lapses ten minutes after. How many are inside, and how many have gone.
    fn hour(mut absence: Absence) -> (usize, Absence) {
        // Who is quiet: since when, pages still to be read.
        let mut quiet: Vec<(u64, u32)> = Vec::new();
        for now in 1..=3_600 {
            absence.hush(at(now));
            quiet.push((now, 10));
            for (since, pages) in &mut quiet {
                if *pages > 0 && now - *since == 8 {
                    absence.stir(at(*since), at(now));
                    absence.hush(at(now));
                    (*since, *pages) = (now, *pages - 1);
                }
            }
            quiet.retain(|(since, _)| {
                let stays = now - since < u64::from(IDLE_SECS);
                if !stays {
                    absence.forget(at(*since));
                }
                stays
            });
            absence.elapse(quiet.len(), IDLE_SECS, at(now));
        }
        (quiet.len(), absence)
    }

    #[test]
    fn who_does_not_come_back_is_known_to_have_gone_before_the_pass_lapses() {
        let (inside, absence) = hour(Absence::default());
        // Eighty seconds of reading, ten minutes of nobody.
        assert!((675..=685).contains(&inside), "{inside}");
        let there = inside as f64 - absence.absent();
        assert!((80.0..100.0).contains(&there), "{there} of 80");
    }

    #[test]
    fn without_much_to_learn_from_no_seat_is_lent_soon() {
        let mut few = Absence::default();
        (0..5).for_each(|_| few.hush(at(0)));
        (0..45).for_each(|second| few.elapse(5, IDLE_SECS, at(second)));
        assert!(few.absent() < 1.0, "{} of 5", few.absent());
        let mut one = Absence::default();
        one.hush(at(0));
        (0..600).for_each(|second| one.elapse(1, IDLE_SECS, at(second)));
        assert!(one.absent() < 1.0, "a single seat is never lent");
    }

    #[test]
    fn after_a_restart_as_many_have_gone_as_before() {
        let (inside, before) = hour(Absence::default());
        let returns = before.returns().clone();
        assert!(returns.is_sound());
        let since = at(10_000) - returns.age_of_all(IDLE_SECS);
        let mut after = Absence::new(returns);
        (0..inside).for_each(|_| after.hush(since));
        after.elapse(inside, IDLE_SECS, at(10_000));
        let part = after.absent() / before.absent();
        assert!((0.9..1.2).contains(&part), "{part}");
    }

    #[test]
    fn whoever_stirs_is_counted_no_more_and_nothing_runs_over() {
        let mut absence = Absence::default();
        absence.hush(at(1));
        absence.hush(at(1_000_000));
        absence.stir(at(1), at(1_000_000));
        absence.forget(at(1_000_000));
        absence.forget(at(5));
        absence.elapse(0, IDLE_SECS, at(1_000_001));
        assert_eq!(absence.absent(), 0.0);
        absence.elapse(0, u32::MAX, Millis(u64::MAX));
    }

    #[test]
    fn whoever_gives_a_seat_back_has_not_gone_any_more() {
        let mut absence = Absence::default();
        for _ in 0..3 {
            absence.hush(at(0));
        }
        absence.hush(at(595));
        absence.elapse(4, IDLE_SECS, at(595));
        let before = absence.absent();
        assert!((2.5..3.5).contains(&before), "{before}");
        absence.forget(at(0));
        assert!((absence.absent() - before * 2.0 / 3.0).abs() < 0.1);
        absence.stir(at(0), at(596));
        absence.forget(at(0));
        assert!(absence.absent() < 0.1, "before the next second");
    }

    #[test]
    fn rows_follow_each_other() {
        for age in 0..=OLDEST {
            let row = row(age);
            assert!(begin(row) <= age && row < ROWS, "{age} in {row}");
        }
        assert!((0..ROWS).all(|at| begin(at) <= begin(at + 1)));
    }
}
