//! Visits out of an access log in the combined format: what would have happened then.
//!
//! A visit is what one address and one user agent asked for without a pause longer than `idle`; it
//! lasts from the first request to the last. That takes two people of one school with the same
//! browser for one: the log knows no better.

use crate::config::scene::Recorded;
use crate::time::Span;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// Bytes of a line, at most.
pub const LINE_MAX: usize = 64 * 1024;
/// Kinds of broken lines that are kept to be named.
const NAMED_MAX: usize = 10;
/// Visits, at most: what fits into memory on an ordinary machine.
const VISITS_MAX: usize = 50_000_000;
/// A log covers no more: a scene lasts two days at most.
const COVERS_MAX: i64 = 47 * 3_600;
/// A log in which one address asked for this part of all lines is told so …
const MOSTLY: f64 = 0.6;
/// … if it has so many lines at least.
const MOSTLY_LINES_MIN: u64 = 100;
const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A log that is being read.
pub struct Log {
    idle: i64,
    /// Visits that may go on: first and last request.
    open: HashMap<u64, (i64, i64)>,
    done: Vec<(i64, i64)>,
    /// Seconds that the log's clock is ahead of UTC, as of its first line.
    offset: Option<i64>,
    lines: u64,
    broken: u64,
    named: Vec<BrokenLine>,
    majority: Majority,
}

/// The address that most lines are of, if there is one: the vote of Boyer and Moore (1981). One line for it
/// and one against it cancel out; what is left over is a lower bound of its share.
#[derive(Default)]
struct Majority {
    address: Vec<u8>,
    left: u64,
}

impl Majority {
    fn count(&mut self, address: &[u8]) {
        if self.left == 0 {
            self.address.clear();
            self.address.extend_from_slice(address);
        }
        match self.address == address {
            true => self.left += 1,
            false => self.left -= 1,
        }
    }
}

/// Lines that are not of the combined format, all for the same reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenLine {
    /// The first, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: &'static str,
    /// How many there are.
    pub count: u64,
}

/// Why a whole log is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is no line of the combined format in it.
    Nothing,
    /// It covers so many hours.
    TooLong(i64),
    /// There are more visits in it than fit into memory.
    TooMany,
}

/// A request of a log.
struct Line<'l> {
    address: &'l [u8],
    /// Address and user agent.
    who: u64,
    /// Seconds since 1970.
    at: i64,
    offset: i64,
}

impl Log {
    /// An empty log, in which visits end after a pause of `idle`.
    pub fn new(idle: Span) -> Log {
        Log {
            idle: i64::try_from(idle.ceil_secs()).unwrap_or(i64::MAX),
            open: HashMap::new(),
            done: Vec::new(),
            offset: None,
            lines: 0,
            broken: 0,
            named: Vec::new(),
            majority: Majority::default(),
        }
    }

    /// The next line, with or without its line break.
    pub fn line(&mut self, bytes: &[u8]) {
        self.lines += 1;
        let bytes = bytes.trim_ascii_end();
        if bytes.is_empty() || self.done.len() > VISITS_MAX {
            return;
        }
        let line = match read(bytes) {
            Ok(line) => line,
            Err(why) => {
                self.broken += 1;
                match self.named.iter().position(|it| it.why == why) {
                    Some(known) => self.named[known].count += 1,
                    None if self.named.len() < NAMED_MAX => self.named.push(BrokenLine {
                        line: self.lines,
                        why,
                        count: 1,
                    }),
                    None => {}
                }
                return;
            }
        };
        self.offset.get_or_insert(line.offset);
        self.majority.count(line.address);
        let idle = self.idle;
        let visit = self.open.entry(line.who).or_insert((line.at, line.at));
        // Lines are written when requests end: not quite in order.
        if line.at > visit.1 + idle || line.at < visit.0 - idle {
            self.done.push(*visit);
            *visit = (line.at, line.at);
        }
        *visit = (visit.0.min(line.at), visit.1.max(line.at));
    }

    /// Lines read so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// How many lines are broken, and the first of each kind.
    pub fn broken(&self) -> (u64, &[BrokenLine]) {
        (self.broken, &self.named)
    }

    /// The address that asked for nearly everything, if one did: most likely a proxy's, behind which
    /// nobody can be told from anybody.
    pub fn mostly(&self) -> Option<String> {
        let read = self.lines - self.broken;
        let part = self.majority.left as f64 / read.max(1) as f64;
        (read >= MOSTLY_LINES_MIN && part >= MOSTLY)
            .then(|| String::from_utf8_lossy(&self.majority.address).into_owned())
    }

    /// The visits in order, the clock at the first, and how long the log is.
    ///
    /// # Errors
    /// When there is nothing in it, or more than can be simulated.
    pub fn visits(mut self) -> Result<(Vec<Recorded>, Span, Span), Wrong> {
        self.done.extend(self.open.into_values());
        self.done.sort_unstable();
        if self.done.len() > VISITS_MAX {
            return Err(Wrong::TooMany);
        }
        let first = self.done.first().ok_or(Wrong::Nothing)?.0;
        let last = self.done.iter().map(|visit| visit.1).max();
        let covers = last.unwrap_or(first) - first;
        if covers > COVERS_MAX {
            return Err(Wrong::TooLong(covers / 3_600));
        }
        let secs = |secs: i64| u32::try_from(secs).unwrap_or(0);
        let visits = self.done.iter().map(|(from, until)| Recorded {
            at: secs(from - first),
            lasts: secs(until - from),
        });
        let clock = (first + self.offset.unwrap_or(0)).rem_euclid(24 * 3_600);
        let span = |secs: i64| Span::secs(secs.unsigned_abs());
        Ok((visits.collect(), span(clock), span(covers)))
    }
}

/// How many seats are taken at most if nobody waits: each from the first request until `idle` after
/// the last.
pub fn most_at_once(visits: &[Recorded], idle: Span) -> u32 {
    let idle = idle.ceil_secs();
    let from = |it: &Recorded| (u64::from(it.at), 1);
    let until = |it: &Recorded| (u64::from(it.at) + u64::from(it.lasts) + idle, -1);
    let mut changes: Vec<(u64, i64)> = visits.iter().map(from).collect();
    changes.extend(visits.iter().map(until));
    changes.sort_unstable();
    let mut inside = 0;
    let counts = changes.iter().map(|(_, change)| {
        inside += change;
        inside
    });
    u32::try_from(counts.max().unwrap_or(0)).unwrap_or(u32::MAX)
}

/// `address ident user [time] "request" status bytes "referrer" "agent"`, and whatever follows.
fn read(line: &[u8]) -> Result<Line<'_>, &'static str> {
    if line.len() > LINE_MAX {
        return Err("the line is too long");
    }
    if line.first() == Some(&b'{') {
        return Err(
            "this is JSON, not the combined format; preau writes that with log.access = \"combined\"",
        );
    }
    let space = line.iter().position(|byte| *byte == b' ');
    let (address, rest) = line.split_at(space.ok_or("no address at its beginning")?);
    if let Some(wrong) = no_address(address, &rest[1..]) {
        return Err(wrong);
    }
    let open = rest.windows(2).position(|pair| pair == b" [");
    let rest = &rest[open.ok_or("no time in brackets")? + 2..];
    let close = rest.iter().position(|byte| *byte == b']');
    let (clock, rest) = rest.split_at(close.ok_or("no time in brackets")?);
    let (at, offset) = time(clock).ok_or("its time is not as 16/Mar/2020:08:55:01 +0100")?;
    let (_, rest) = quoted(&rest[1..]).ok_or("no request in quotes")?;
    let (_, rest) = quoted(rest).ok_or("no referrer: is this the combined format?")?;
    let (agent, _) = quoted(rest).ok_or("no user agent: is this the combined format?")?;
    let mut hasher = DefaultHasher::new();
    (address, agent).hash(&mut hasher);
    Ok(Line {
        address,
        who: hasher.finish(),
        at,
        offset,
    })
}

/// What a line begins with instead of an address, if it does; `rest` comes after it. A name is one, where
/// the server looked it up, and so is "-", where it hides them.
fn no_address(first: &[u8], rest: &[u8]) -> Option<&'static str> {
    let address = |text: &[u8]| {
        let text = std::str::from_utf8(text).ok();
        text.is_some_and(|text| text.parse::<IpAddr>().is_ok())
    };
    let name = |text: &[u8]| {
        let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        text.iter().all(part)
    };
    let second = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
    match () {
        () if address(second) && !address(first) => Some(
            "it begins with a host, and the address comes second: this looks like Apache's \
             vhost_combined; take the first column away with: --log <(cut -d' ' -f2- FILE)",
        ),
        () if address(first) || name(first) && !is_month(first) => None,
        () if is_month(first) => Some(
            "it begins with a date, as syslog writes it; the combined format begins with the address",
        ),
        () => Some("what it begins with is no address: is this the combined format?"),
    }
}

fn is_month(text: &[u8]) -> bool {
    MONTHS.contains(&text)
}

/// What stands between the next quotes, and what comes after them.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = text.iter().position(|byte| *byte == b'"')? + 1;
    let mut escaped = false;
    for (index, byte) in text[start..].iter().enumerate() {
        match byte {
            b'"' if !escaped => {
                let (inside, rest) = text[start..].split_at(index);
                return Some((inside, &rest[1..]));
            }
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Seconds since 1970 and the offset, of `16/Mar/2020:08:55:01 +0100`.
fn time(text: &[u8]) -> Option<(i64, i64)> {
    let shape = b"00/aaa/0000:00:00:00 +0000";
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'a' => byte.is_ascii_alphabetic(),
        b'+' => matches!(byte, b'+' | b'-'),
        other => byte == other,
    };
    if text.len() != shape.len() || !text.iter().zip(shape).all(fits) {
        return None;
    }
    let number = |from: usize, until: usize| {
        let digits = text[from..until].iter();
        digits.fold(0i16, |sum, digit| sum * 10 + i16::from(digit - b'0'))
    };
    let small = |from: usize| i8::try_from(number(from, from + 2)).ok();
    let month = MONTHS.iter().position(|month| *month == &text[3..6])?;
    let month = i8::try_from(month + 1).ok()?;
    let (day, hour, minute, second) = (small(0)?, small(12)?, small(15)?, small(18)?);
    // A leap second is the one before it.
    let second = second.min(59);
    let civil = DateTime::new(number(7, 11), month, day, hour, minute, second, 0).ok()?;
    let ahead = i64::from(small(22)?) * 3_600 + i64::from(small(24)?) * 60;
    let ahead = if text[21] == b'-' { -ahead } else { ahead };
    let utc = Offset::UTC.to_timestamp(civil).ok()?;
    Some((utc.as_second() - ahead, ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: &str, time: &str, agent: &str) -> String {
        format!(
            "{address} - anna [16/Mar/2020:{time} +0100] \"GET /a?b HTTP/1.1\" 200 5 \"-\" \"{agent}\"\n"
        )
    }

    fn log(lines: &[String]) -> Log {
        let mut log = Log::new(Span::mins(10));
        lines.iter().for_each(|it| log.line(it.as_bytes()));
        log
    }

    #[test]
    fn a_visit_ends_with_a_pause() {
        let log = log(&[
            line("10.0.0.1", "08:55:00", "Firefox"),
            line("10.0.0.1", "08:55:30", "say \\\"hello\\\""),
            line("10.0.0.1", "09:04:59", "Firefox"),
            line("10.0.0.2", "08:56:00", "Firefox"),
            line("10.0.0.1", "09:15:00", "Firefox"),
        ]);
        assert_eq!(log.broken().0, 0);
        let (visits, clock, covers) = log.visits().unwrap();
        let found: Vec<_> = visits.iter().map(|it| (it.at, it.lasts)).collect();
        assert_eq!(found, [(0, 599), (30, 0), (60, 0), (1_200, 0)]);
        assert_eq!((clock, covers), (Span::mins(535), Span::mins(20)));
        assert_eq!(most_at_once(&visits, Span::mins(10)), 3);
        assert_eq!(most_at_once(&visits, Span::secs(10)), 2);
    }

    #[test]
    fn lines_that_are_a_little_late_belong_to_their_visit() {
        let log = log(&[
            line("10.0.0.1", "08:55:10", "Firefox"),
            line("10.0.0.1", "08:55:00", "Firefox"),
        ]);
        let (visits, ..) = log.visits().unwrap();
        assert_eq!(visits, [Recorded { at: 0, lasts: 10 }]);
    }

    #[test]
    fn broken_lines_are_counted_and_named() {
        let good = line("10.0.0.1", "08:55:00", "Firefox");
        let log = log(&[
            good.clone(),
            "\n".to_owned(),
            "nonsense".to_owned(),
            good.replace("Mar", "Mai"),
            good.replace("16/", "32/"),
            good.replace(" \"-\" \"Firefox\"", ""),
            good.replace("Firefox\"", ""),
            good.replace('[', "("),
            "x".repeat(LINE_MAX + 1),
        ]);
        let (count, named) = log.broken();
        assert_eq!((count, log.lines()), (7, 9));
        let lines: Vec<_> = named.iter().map(|it| (it.line, it.count)).collect();
        assert_eq!(lines, [(3, 1), (4, 2), (6, 1), (7, 1), (8, 1), (9, 1)]);
        assert!(named[2].why.contains("referrer") && named[3].why.contains("user agent"));
        assert_eq!(log.visits().unwrap().0.len(), 1);
    }

    #[test]
    fn what_is_no_address_is_told_from_what_is() {
        let good = line("192.0.2.1", "08:55:00", "Firefox");
        let cases = [
            (good.clone(), ""),
            (good.replace("192.0.2.1", "2001:db8::7"), ""),
            (good.replace("192.0.2.1", "pc-12.lycee.example.fr"), ""),
            (good.replace("192.0.2.1", "-"), ""),
            (format!("ent.example.fr:443 {good}"), "vhost_combined"),
            (format!("ent.example.fr {good}"), "vhost_combined"),
            (format!("Mar 16 08:55:01 proxy httpd: {good}"), "syslog"),
            (format!("[16/Mar/2020:08:55:01 +0100] {good}"), "no address"),
            ("{\"time\":\"08:55\"}".to_owned(), "JSON"),
        ];
        for (line, words) in cases {
            let log = log(std::slice::from_ref(&line));
            match (log.broken().1.first(), words) {
                (None, "") => {}
                (Some(broken), words) if !words.is_empty() => {
                    assert!(broken.why.contains(words), "{line}: {}", broken.why);
                }
                (found, _) => panic!("{line}: {found:?}"),
            }
        }
    }

    #[test]
    fn an_address_that_is_nearly_everybody_is_named() {
        let from = |address: &str| line(address, "08:55:00", "Firefox");
        let lines = |others: usize| -> Vec<String> {
            let others = (0..others).map(|it| from(&format!("10.0.0.{it}")));
            let proxy = (0..100).map(|_| from("192.0.2.9"));
            others.chain(proxy).collect()
        };
        assert_eq!(log(&lines(20)).mostly().as_deref(), Some("192.0.2.9"));
        assert_eq!(log(&lines(100)).mostly(), None);
        assert_eq!(log(&lines(0)[..99]).mostly(), None, "too few to tell");
    }

    #[test]
    fn a_log_of_nothing_or_of_a_week_is_refused() {
        assert_eq!(log(&[]).visits().err(), Some(Wrong::Nothing));
        let week = log(&[
            line("10.0.0.1", "08:55:00", "Firefox"),
            line("10.0.0.1", "08:55:00", "Firefox").replace("16/", "20/"),
        ]);
        assert_eq!(week.visits().err(), Some(Wrong::TooLong(96)));
    }
}
