//! The access log: one line per request, without query strings, cookies or whole addresses.

use super::digits;
use super::json::Json;
use super::lines::Lines;
use crate::config::{AccessFormat, Addresses, LogConfig};
use crate::host;
use crate::time::Millis;
use http::header::{HOST, HeaderMap, HeaderName, REFERER, USER_AGENT};
use http::{Method, Request, StatusCode, Version};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cell::RefCell;
use std::fmt::{self, Display};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Bytes of a user agent or referrer that are written at most.
const FIELD_MAX: usize = 256;
/// Bytes of a path that are written at most.
const PATH_MAX: usize = 1_024;
/// The outcome of what got an answer of ours, and of what got a refusal.
const OWN: &str = "own";
const REFUSED: &str = "refused";

thread_local! {
    /// The line that this thread is writing.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// The second that this thread has written last, and how.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Where lines go and how they look.
#[derive(Clone)]
pub struct AccessLog {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    format: AccessFormat,
    addresses: Addresses,
    zone: TimeZone,
    lines: Lines,
}

/// The line of one request; written when it is dropped.
pub struct Entry {
    log: Arc<Shared>,
    began: Millis,
    address: IpAddr,
    method: Method,
    version: Version,
    texts: Texts,
    room: Option<Arc<str>>,
    outcome: &'static str,
    /// Why the visitor got a refusal of ours, if they did.
    reason: Option<&'static str>,
    /// It is not written.
    left_out: bool,
    status: u16,
    bytes: usize,
}

/// What a request says, in one piece of memory: path, host, agent and referrer, one behind the
/// other.
struct Texts {
    all: String,
    ends: [usize; 3],
}

impl AccessLog {
    /// No log.
    pub fn off() -> AccessLog {
        AccessLog { shared: None }
    }

    /// Lines as `config` says go to `lines`.
    pub fn new(config: &LogConfig, lines: Lines) -> AccessLog {
        AccessLog {
            shared: Some(Arc::new(Shared {
                format: config.access,
                addresses: config.addresses,
                zone: TimeZone::system(),
                lines,
            })),
        }
    }

    /// Lines dropped because they could not be written, or not fast enough.
    pub fn dropped_lines(&self) -> u64 {
        self.shared.as_ref().map_or(0, |log| log.lines.dropped())
    }

    /// The line of a request that has just come.
    pub fn begin<B>(&self, address: IpAddr, request: &Request<B>) -> Option<Entry> {
        let log = self.shared.clone()?;
        Some(Entry {
            texts: Texts::of(request, log.format),
            log,
            began: host::now(),
            address,
            method: request.method().clone(),
            version: request.version(),
            room: None,
            outcome: OWN,
            reason: None,
            left_out: false,
            status: 0,
            bytes: 0,
        })
    }
}

impl Texts {
    fn of<B>(request: &Request<B>, format: AccessFormat) -> Texts {
        let (target, headers) = (request.uri(), request.headers());
        let path = cut(target.path(), PATH_MAX);
        // HTTP/2 has no field for it, and an absolute target overrides the field.
        let host = target.host().unwrap_or_else(|| field(headers, &HOST));
        let host = cut(host, FIELD_MAX);
        let agent = field(headers, &USER_AGENT);
        let referrer = match format {
            AccessFormat::Combined => field(headers, &REFERER),
            AccessFormat::Json | AccessFormat::Off => "",
        };
        let length = path.len() + host.len() + agent.len() + referrer.len();
        let mut all = String::with_capacity(length);
        push_bare(&mut all, path);
        let mut ends = [all.len(); 3];
        for (end, text) in ends[1..].iter_mut().zip([host, agent]) {
            all.push_str(text);
            *end = all.len();
        }
        push_bare(&mut all, referrer);
        Texts { all, ends }
    }

    fn path(&self) -> &str {
        &self.all[..self.ends[0]]
    }

    fn host(&self) -> &str {
        &self.all[self.ends[0]..self.ends[1]]
    }

    fn agent(&self) -> &str {
        &self.all[self.ends[1]..self.ends[2]]
    }

    fn referrer(&self) -> &str {
        &self.all[self.ends[2]..]
    }
}

impl Entry {
    /// The room and what it did.
    pub fn decided(&mut self, room: Option<&Arc<str>>, outcome: &'static str) {
        self.room = room.cloned();
        self.outcome = outcome;
    }

    /// The status of the answer and, if that is a refusal of ours, its reason: whatever was decided
    /// before, that is what the visitor gets.
    pub fn answered(&mut self, status: StatusCode, refused: Option<&'static str>) {
        self.status = status.as_u16();
        if refused.is_some() {
            (self.outcome, self.reason) = (REFUSED, refused);
        }
    }

    /// Nobody wants to read of it.
    pub fn leave_out(&mut self) {
        self.left_out = true;
    }

    /// Bytes of the body that went out.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    fn write(&self, line: &mut Vec<u8>) {
        match self.log.format {
            AccessFormat::Off => return,
            AccessFormat::Json => self.json(line),
            AccessFormat::Combined => self.combined(line),
        }
        line.push(b'\n');
    }

    /// The names are part of the public surface.
    fn json(&self, line: &mut Vec<u8>) {
        let mut json = Json::begin(line);
        json.text("time", |line| written_time(self.began, line));
        json.text("address", |line| match self.address().0 {
            Some(address) => digits::address(address, line),
            None => line.push(b'-'),
        });
        json.word("method", Some(self.method.as_str()));
        json.word("host", Some(self.texts.host()));
        json.word("path", Some(self.texts.path()));
        json.number("status", self.status.into());
        json.number("bytes", self.bytes as u64);
        json.number("ms", host::now().since(self.began).0);
        json.word("room", self.room.as_deref());
        json.word("outcome", Some(self.outcome));
        if self.reason.is_some() {
            json.word("reason", self.reason);
        }
        json.word("agent", Some(self.texts.agent()));
        json.end();
    }

    fn combined(&self, line: &mut Vec<u8>) {
        let time = timestamp(self.began).to_zoned_datetime(self.log.zone.clone());
        let time = time.strftime("%d/%b/%Y:%H:%M:%S %z");
        let texts = &self.texts;
        let [path, agent, referrer] = [texts.path(), texts.agent(), texts.referrer()].map(quoted);
        let (address, method, version) = (self.address(), &self.method, self.version);
        let (status, bytes) = (self.status, self.bytes);
        let _ = write!(
            line,
            "{address} - - [{time}] \"{method} {path} {version:?}\" {status} {bytes} \"{referrer}\" \"{agent}\""
        );
    }

    fn address(&self) -> Address {
        written(self.address, self.log.addresses)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.left_out {
            return;
        }
        // Written here first, so that the other threads are not held up meanwhile.
        LINE.with_borrow_mut(|line| {
            line.clear();
            self.write(line);
            self.log.lines.put(line);
        });
    }
}

/// As much of an address as is written.
pub struct Address(Option<IpAddr>);

/// An address as the operator wants it written.
pub fn written(address: IpAddr, how: Addresses) -> Address {
    Address(match (how, address.to_canonical()) {
        (Addresses::Hidden, _) => None,
        (Addresses::Full, address) => Some(address),
        (Addresses::Truncated, IpAddr::V4(v4)) => {
            Some(Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00).into())
        }
        (Addresses::Truncated, IpAddr::V6(v6)) => {
            Some(Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80).into())
        }
    })
}

/// The address of what may be a machine of the operator's, and may be a visitor's: whole if it is this
/// machine, or if the file names it.
pub fn written_of_machine(address: IpAddr, named: bool, how: Addresses) -> Address {
    match named || address.to_canonical().is_loopback() {
        true => written(address, Addresses::Full),
        false => written(address, how),
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// Writes a time as RFC 3339 has it, in UTC and with milliseconds.
fn written_time(time: Millis, line: &mut Vec<u8>) {
    let (second, millis) = (time.0 / 1_000, time.0 % 1_000);
    SECOND.with_borrow_mut(|(known, text)| {
        if *known != second || text.is_empty() {
            *known = second;
            *text = timestamp(Millis(second * 1_000)).to_string();
        }
        line.extend_from_slice(text.trim_end_matches('Z').as_bytes());
    });
    line.push(b'.');
    line.extend([millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8));
    line.push(b'Z');
}

fn timestamp(time: Millis) -> Timestamp {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name);
    let value = value.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    cut(value.unwrap_or(""), FIELD_MAX)
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Adds an address without what may be a secret: query, fragment, and the `;parameters` of its
/// segments, which is where Java portals put a session (`;jsessionid=…`).
fn push_bare(text: &mut String, address: &str) {
    let address = address.split(['?', '#']).next().unwrap_or("");
    if !address.contains(';') {
        text.push_str(address);
        return;
    }
    for segment in address.split_inclusive('/') {
        match segment.split_once(';') {
            Some((name, rest)) => {
                text.push_str(name);
                text.extend(rest.ends_with('/').then_some('/'));
            }
            None => text.push_str(segment),
        }
    }
}

/// Nobody ends the field early, or begins a line.
fn quoted(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.replace(['"', '\\'], "_")
        .replace(char::is_control, "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    #[test]
    fn a_pupil_on_the_network_of_a_school_is_a_visitor() {
        let said = |address: &str, named, how| {
            written_of_machine(address.parse().unwrap(), named, how).to_string()
        };
        let (truncated, full) = (Addresses::Truncated, Addresses::Full);
        assert_eq!(said("10.3.7.41", false, truncated), "10.3.7.0");
        assert_eq!(said("::ffff:192.168.1.9", false, truncated), "192.168.1.0");
        assert_eq!(said("fd00:1:2:3::9", false, truncated), "fd00:1:2::");
        assert_eq!(said("10.3.7.41", false, Addresses::Hidden), "-");
        assert_eq!(said("10.3.7.41", false, full), "10.3.7.41");
        assert_eq!(said("10.3.7.41", true, truncated), "10.3.7.41");
        assert_eq!(said("127.0.0.9", false, Addresses::Hidden), "127.0.0.9");
        assert_eq!(said("::ffff:127.0.0.9", false, truncated), "127.0.0.9");
        assert_eq!(said("::1", false, truncated), "::1");
    }

    fn line(format: AccessFormat) -> String {
        let (lines, _writing) = Lines::to(std::io::sink()).unwrap();
        let config = LogConfig {
            level: String::new(),
            format: Default::default(),
            access: format,
            access_file: None,
            addresses: Addresses::Truncated,
        };
        let log = AccessLog::new(&config, lines);
        let request = Request::get("/espace;S1/a;jsessionid=S1").body(());
        let mut request = request.unwrap();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, "Mozilla \"x\"".parse().unwrap());
        headers.insert(
            REFERER,
            "http://a/b;jsessionid=S1/c;S1?ticket=ST-1".parse().unwrap(),
        );
        headers.insert(http::header::COOKIE, "secret=1".parse().unwrap());
        let address = "192.0.2.77".parse().unwrap();
        let mut entry = log.begin(address, &request).unwrap();
        entry.answered(StatusCode::OK, None);
        entry.add(12);
        let mut line = Vec::new();
        entry.write(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn no_secret_and_no_person_in_a_line() {
        for format in [AccessFormat::Json, AccessFormat::Combined] {
            let line = line(format);
            assert!(
                line.contains("/espace") && line.contains("192.0.2.0"),
                "{line}"
            );
            assert!(!line.contains("ST-1") && !line.contains("secret"));
            assert!(!line.contains("192.0.2.77"), "{line}");
            assert!(
                !line.contains("S1") && !line.contains("jsessionid"),
                "{line}"
            );
        }
    }

    #[test]
    fn a_json_line_says_what_it_should_in_json() {
        let line = line(AccessFormat::Json);
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let members: Vec<&String> = said.as_object().unwrap().keys().collect();
        let names = [
            "address", "agent", "bytes", "host", "method", "ms", "outcome", "path", "room",
            "status", "time",
        ];
        assert!(members.into_iter().eq(names), "{line}");
        assert_eq!(
            (&said["address"], &said["bytes"]),
            (&"192.0.2.0".into(), &12.into())
        );
        assert_eq!(
            (&said["agent"], &said["room"]),
            (&"Mozilla \"x\"".into(), &().into())
        );
        let time: Timestamp = said["time"].as_str().unwrap().parse().unwrap();
        assert!(host::now().since(Millis(time.as_millisecond() as u64)) < Span::secs(60));
    }

    #[test]
    fn a_time_has_its_milliseconds_whole() {
        let written = |time| {
            let mut line = Vec::new();
            written_time(Millis(time), &mut line);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(written(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(written(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
        assert_eq!(written(1_700_000_000_120), "2023-11-14T22:13:20.120Z");
    }

    #[test]
    fn a_combined_line_can_be_split_at_its_quotes() {
        let line = line(AccessFormat::Combined);
        assert_eq!(line.matches('"').count(), 6, "{line}");
        assert!(
            line.contains("] \"GET /espace/a HTTP/1.1\" 200 12 \"http://a/b/c\" \"Mozilla _x_\"")
        );
    }

    #[test]
    fn addresses_are_truncated_by_default() {
        let cut = |text: &str| written(text.parse().unwrap(), Addresses::Truncated).to_string();
        assert_eq!(cut("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
        assert_eq!(cut("::ffff:192.0.2.77"), "192.0.2.0");
    }
}
