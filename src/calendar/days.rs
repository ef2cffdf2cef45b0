//! Which days: `daily`, `mon`, `mon-fri`, `mon,wed,fri`, `2026-09-01`, `2026-12-19..2027-01-03`.

use jiff::civil::Date;
use std::fmt;

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Days that are looked at, from yesterday on or from a first date.
const SIGHT: usize = 2 * NAMES.len() + 2;
const EVERY: u8 = 0b111_1111;

/// Days of the week, or from one date to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// One bit for each day of the week, Monday the lowest; never none.
    Week(u8),
    /// From the first to the second, both included; the second is not before the first.
    Dates(Date, Date),
}

impl Days {
    /// Reads days as an operator writes them.
    ///
    /// # Errors
    /// What is wrong, in words that follow the value.
    pub fn parse(text: &str) -> Result<Days, String> {
        if text == "daily" {
            return Ok(Days::Week(EVERY));
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let (first, last) = text.split_once("..").unwrap_or((text, text));
            let (first, last) = (date(first)?, date(last)?);
            if last < first {
                return Err(format!("{last} is before {first}"));
            }
            return Ok(Days::Dates(first, last));
        }
        let mut week = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut day, last) = (weekday(first)?, weekday(last)?);
            week |= 1 << day;
            while day != last {
                day = (day + 1) % NAMES.len();
                week |= 1 << day;
            }
        }
        Ok(Days::Week(week))
    }

    /// Whether `date` is one of them.
    pub fn has(self, date: Date) -> bool {
        match self {
            Days::Week(week) => week & (1 << date.weekday().to_monday_zero_offset()) != 0,
            Days::Dates(first, last) => (first..=last).contains(&date),
        }
    }

    /// Those of them from `date` on, within [`SIGHT`] days: something of each week, even when the
    /// clocks pass over its hour.
    pub(super) fn from(self, date: Date) -> impl Iterator<Item = Date> {
        let (first, last) = match self {
            Days::Week(_) => (date, Date::MAX),
            Days::Dates(first, last) => (date.max(first), last),
        };
        let next = |date: &Date| date.tomorrow().ok();
        std::iter::successors(Some(first), next)
            .take_while(move |date| *date <= last)
            .take(SIGHT)
            .filter(move |date| self.has(*date))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Days::Week(EVERY) => f.write_str("daily"),
            Days::Week(week) => {
                let named = (0..).zip(NAMES).filter(|(day, _)| week & (1 << day) != 0);
                let names: Vec<&str> = named.map(|(_, name)| name).collect();
                f.write_str(&names.join(","))
            }
            Days::Dates(first, last) if first == last => first.fmt(f),
            Days::Dates(first, last) => write!(f, "{first}..{last}"),
        }
    }
}

fn weekday(text: &str) -> Result<usize, String> {
    let found = NAMES.iter().position(|name| *name == text);
    found.ok_or_else(|| format!("{text:?} is not a day: mon, tue, wed, thu, fri, sat, sun, daily"))
}

fn date(text: &str) -> Result<Date, String> {
    let plain = text.len() == "2026-09-01".len();
    let parsed = text.parse().ok().filter(|_| plain);
    parsed.ok_or_else(|| format!("{text:?} is not a date such as 2026-09-01"))
}
