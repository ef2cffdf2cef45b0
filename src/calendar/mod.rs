//! Rules of the calendar: days and hours as the clock on the wall shows them.
//!
//! Pure: the moment and the time zone are arguments. A [`Rule`] holds whenever the wall clock
//! shows a time that is in it, so a change of the clocks needs no rule of its own: in the night
//! that has two 02:30, what is said of 02:30 holds twice, and in the night that has none it does
//! not hold. A [`Start`] is one moment of its day: the first of two, and as long after the gap as
//! it would have been after its beginning if there is none (as jiff and RFC 5545 do).

mod days;
mod meant;
mod rule;
mod start;
#[cfg(test)]
mod tests;

use meant::plain;

pub use days::Days;
pub use rule::Rule;
pub use start::Start;

use crate::time::Millis;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Steps from edge to edge in search of a change: rules that together always hold (or that take
/// turns every minute of a year) have an end here.
const STEPS_MAX: usize = 4_096;

/// What the clock on the wall shows at `moment`.
pub fn reading(zone: &TimeZone, moment: Millis) -> DateTime {
    zone.to_datetime(timestamp(moment))
}

/// A time on the clock as people write it, everywhere in the same way: "Wed 2026-09-02 18:00", with
/// seconds only if there are any.
pub fn written(at: DateTime) -> String {
    let form = match at.second() {
        0 => "%a %Y-%m-%d %H:%M",
        _ => "%a %Y-%m-%d %H:%M:%S",
    };
    at.strftime(form).to_string()
}

/// Several lists of rules, of which the first that holds counts.
#[derive(Clone, Debug)]
pub struct Timetable {
    zone: TimeZone,
    entries: Vec<Vec<Rule>>,
}

impl Timetable {
    /// A timetable in `zone`; one entry for each list of rules.
    pub fn new(zone: TimeZone, entries: Vec<Vec<Rule>>) -> Timetable {
        Timetable { zone, entries }
    }

    /// The lists of rules.
    pub fn entries(&self) -> impl Iterator<Item = &[Rule]> {
        self.entries.iter().map(Vec::as_slice)
    }

    /// The index of the entry that counts at `moment`, if one holds.
    pub fn at(&self, moment: Millis) -> Option<usize> {
        let reading = reading(&self.zone, moment);
        let holds = |rules: &Vec<Rule>| rules.iter().any(|rule| rule.holds(reading));
        self.entries.iter().position(holds)
    }

    /// When another entry counts for the first time after `moment`; `None` if none ever will, or
    /// none within 4,096 beginnings and ends of rules.
    pub fn change(&self, moment: Millis) -> Option<Millis> {
        let now = self.at(moment);
        let mut edge = moment;
        for _ in 0..STEPS_MAX {
            edge = self.edge(edge)?;
            if self.at(edge) != now {
                return Some(edge);
            }
        }
        None
    }

    /// The first moment after `moment` at which a rule may begin or cease to hold.
    fn edge(&self, moment: Millis) -> Option<Millis> {
        let after = timestamp(moment);
        let rules = self.entries.iter().flatten();
        let edges = rules.filter_map(|rule| rule.edge(&self.zone, after));
        let first = edges.min()?;
        // Where the clocks change, what they show changes without a beginning or an end.
        let turn = self.zone.following(after).next();
        let turn = turn.map_or(first, |turn| turn.timestamp().min(first));
        Some(millis(turn))
    }
}

fn timestamp(moment: Millis) -> Timestamp {
    let millis = i64::try_from(moment.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

fn millis(timestamp: Timestamp) -> Millis {
    Millis(u64::try_from(timestamp.as_millisecond()).unwrap_or(0))
}
