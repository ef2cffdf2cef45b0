//! When something holds: days, and the hours of these days.

use super::{Days, plain};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};
use std::fmt;

/// Minutes of a day on the clock.
const DAY: u16 = 24 * 60;

/// Days and hours: `"mon-fri 08:00-17:30"`, `"daily 17:30-07:30"` (over midnight: of the days on
/// which it begins), `"2026-12-24"` (all day).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    days: Days,
    /// First minute of the day.
    from: u16,
    /// The minute after the last: above `from` on the same day, else on the next.
    to: u16,
}

impl Rule {
    /// Reads a rule as an operator writes it.
    ///
    /// # Errors
    /// What is wrong, in words that follow the value.
    pub fn parse(text: &str) -> Result<Rule, String> {
        Rule::read(text).map_err(|wrong| {
            let meant = plain(text).filter(|meant| Rule::read(meant).is_ok());
            meant.map_or(wrong.clone(), |meant| {
                format!("{wrong}; did you mean \"{meant}\"?")
            })
        })
    }

    fn read(text: &str) -> Result<Rule, String> {
        let (days, hours) = text.split_once(' ').unwrap_or((text, "00:00-24:00"));
        let days = Days::parse(days)?;
        let Some((from, to)) = hours.trim().split_once('-') else {
            return Err(format!(
                "{hours:?} has no end: from-to, such as 08:00-17:30"
            ));
        };
        let (from, to) = (minute(from)?, minute(to)?);
        if from == DAY {
            return Err("a day begins at 00:00; 24:00 is its end".to_owned());
        }
        if from == to {
            return Err("it ends in the minute in which it begins".to_owned());
        }
        Ok(Rule { days, from, to })
    }

    /// Its days.
    pub fn days(&self) -> Days {
        self.days
    }

    /// The first minute of the day, and the one after the last: of the next day, unless it is above
    /// the first.
    pub fn hours(&self) -> (u16, u16) {
        (self.from, self.to)
    }

    /// Whether it holds while the clock on the wall shows `reading`.
    pub fn holds(&self, reading: DateTime) -> bool {
        let minute = minutes(reading.time());
        let today = self.days.has(reading.date());
        if self.from < self.to {
            return today && (self.from..self.to).contains(&minute);
        }
        let yesterday = || reading.date().yesterday().is_ok_and(|d| self.days.has(d));
        today && minute >= self.from || minute < self.to && yesterday()
    }

    /// Whether there is a minute in which both hold.
    pub fn overlaps(&self, other: &Rule) -> bool {
        self.begins_within(other) || other.begins_within(self)
    }

    /// Whether one of its beginnings lies in `other`. What happens in the midst of long dates
    /// happens at their ends, too, as far as days of the week can tell.
    fn begins_within(&self, other: &Rule) -> bool {
        let around = |date: Date, before: i64| date.checked_sub(Span::new().days(before)).ok();
        let anchors = [self.days, other.days].map(|days| match days {
            Days::Week(_) => [None, None],
            Days::Dates(first, last) => [around(first, 1), around(last, 8)],
        });
        let mut anchors: Vec<Date> = anchors.into_iter().flatten().flatten().collect();
        if anchors.is_empty() {
            anchors.push(jiff::civil::date(2024, 1, 1));
        }
        let day = |anchor: &Date, days: i64| anchor.checked_add(Span::new().days(days)).ok();
        let near = (anchors.iter()).flat_map(|anchor| (0..11).filter_map(move |n| day(anchor, n)));
        near.filter(|date| self.days.has(*date))
            .any(|date| other.holds(moment(date, self.from)))
    }

    /// The first moment after `after` at which the clock shows its beginning or its end. Those
    /// that the clock passes over when it changes are not among them.
    pub(super) fn edge(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let today = zone.to_datetime(after).date();
        let from = today.yesterday().unwrap_or(today);
        let over = if self.from < self.to { 0 } else { 1 };
        let mut first: Option<Timestamp> = None;
        for date in self.days.from(from) {
            let last = date.checked_add(Span::new().days(over)).unwrap_or(date);
            let ends = [moment(date, self.from), moment(last, self.to)];
            let shown = ends.iter().flat_map(|end| shown(zone, *end));
            let found = shown.filter(|at| *at > after).min();
            first = first.into_iter().chain(found).min();
            // The beginning of a day may come before the end of the one before.
            if first.is_some() && date > today {
                break;
            }
        }
        first
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { days, from, to } = self;
        let [from, to] = [from, to].map(|m| format!("{:02}:{:02}", m / 60, m % 60));
        write!(f, "{days} {from}-{to}")
    }
}

/// A minute of the day as `08:00` or `24:00`.
pub(super) fn minute(text: &str) -> Result<u16, String> {
    let wrong = || format!("{text:?} is not a time of day such as 08:00");
    let two = |part: &str| match part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) {
        true => part.parse::<u16>().ok(),
        false => None,
    };
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let parts = two(hour).zip(two(minute));
    let (hour, minute) = parts.ok_or_else(wrong)?;
    let minutes = hour * 60 + minute;
    match minute < 60 && minutes <= DAY {
        true => Ok(minutes),
        false => Err(wrong()),
    }
}

/// The reading of the clock at this minute of the day; the 1440th is the next day's first.
pub(super) fn moment(date: Date, minute: u16) -> DateTime {
    if minute >= DAY {
        return date
            .tomorrow()
            .unwrap_or(date)
            .to_datetime(Time::midnight());
    }
    date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0)
}

/// The moments at which the clock shows `reading`: one, two, or none.
fn shown(zone: &TimeZone, reading: DateTime) -> impl Iterator<Item = Timestamp> + use<> {
    let moment = zone.to_ambiguous_timestamp(reading);
    let (first, second) = match moment.offset() {
        AmbiguousOffset::Unambiguous { .. } => (moment.earlier().ok(), None),
        AmbiguousOffset::Fold { .. } => (moment.earlier().ok(), moment.later().ok()),
        AmbiguousOffset::Gap { .. } => (None, None),
    };
    first.into_iter().chain(second)
}

fn minutes(time: Time) -> u16 {
    time.hour() as u16 * 60 + time.minute() as u16
}
