//! When something begins: days, and a time of these days.

use super::rule::{minute, moment};
use super::{Days, millis, timestamp};
use crate::time::Millis;
use jiff::tz::TimeZone;
use std::fmt;

/// A moment, once (`"2026-09-01T08:00"`) or again and again (`"mon-fri 08:00"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    days: Days,
    minute: u16,
}

impl Start {
    /// Reads a moment as an operator writes it.
    ///
    /// # Errors
    /// What is wrong, in words that follow the value.
    pub fn parse(text: &str) -> Result<Start, String> {
        let Some((days, time)) = text.split_once([' ', 'T']) else {
            return Err("it needs a day and a time".to_owned());
        };
        let (days, minute) = (Days::parse(days)?, minute(time.trim())?);
        match minute < 24 * 60 {
            true => Ok(Start { days, minute }),
            false => Err("24:00 is 00:00 of the next day".to_owned()),
        }
    }

    /// Whether it comes on one day only.
    pub fn is_once(&self) -> bool {
        matches!(self.days, Days::Dates(first, last) if first == last)
    }

    /// The first such moment after `after`.
    pub fn next(&self, zone: &TimeZone, after: Millis) -> Option<Millis> {
        let today = zone.to_datetime(timestamp(after)).date();
        // Where the clocks change at midnight, yesterday's moment may still be to come.
        let from = today.yesterday().unwrap_or(today);
        let moments = self.days.from(from).filter_map(|date| {
            let reading = moment(date, self.minute);
            let moment = zone.to_ambiguous_timestamp(reading).compatible();
            moment.ok().map(millis)
        });
        moments.filter(|moment| *moment > after).min()
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Start { days, minute } = self;
        write!(f, "{days} {:02}:{:02}", minute / 60, minute % 60)
    }
}
