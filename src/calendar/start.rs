//! When something begins: days, and a time of these days.

use super::rule::{minute, moment};
use super::{Days, millis, plain, timestamp};
use crate::time::{Millis, Span};
use jiff::tz::TimeZone;
use std::fmt;

/// A moment, once (`"2026-09-01T08:00"`) or again and again (`"mon-fri 08:00"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    days: Days,
    minute: u16,
    second: u8,
}

impl Start {
    /// Reads a moment as an operator writes it.
    ///
    /// # Errors
    /// What is wrong, in words that follow the value.
    pub fn parse(text: &str) -> Result<Start, String> {
        Start::read(text).map_err(|wrong| {
            let meant = plain(text).filter(|meant| Start::read(meant).is_ok());
            meant.map_or(wrong.clone(), |meant| {
                format!("{wrong}; did you mean \"{meant}\"?")
            })
        })
    }

    fn read(text: &str) -> Result<Start, String> {
        let Some((days, time)) = text.split_once([' ', 'T']) else {
            return Err("it needs a day and a time".to_owned());
        };
        let (time, second) = seconds(time.trim())?;
        let (days, minute) = (Days::parse(days)?, minute(time)?);
        if minute >= 24 * 60 {
            return Err("24:00 is 00:00 of the next day".to_owned());
        }
        Ok(Start {
            days,
            minute,
            second,
        })
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
            moment.ok().map(|at| millis(at) + self.after())
        });
        moments.filter(|moment| *moment > after).min()
    }
}

impl Start {
    fn after(&self) -> Span {
        Span::secs(u64::from(self.second))
    }
}

/// A time of day without its seconds, and these.
fn seconds(text: &str) -> Result<(&str, u8), String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [_, _, second] = parts[..] else {
        return Ok((text, 0));
    };
    let number = second.parse().ok().filter(|number| *number < 60);
    let plain = second.len() == 2 && second.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.filter(|_| plain);
    let wrong = || format!("{text:?} is not a time of day such as 08:00:00");
    Ok((&text[..text.len() - 3], number.ok_or_else(wrong)?))
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Start {
            days,
            minute,
            second,
        } = self;
        write!(f, "{days} {:02}:{:02}", minute / 60, minute % 60)?;
        match second {
            0 => Ok(()),
            second => write!(f, ":{second:02}"),
        }
    }
}
