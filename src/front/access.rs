//! The access log: one line per request, without query strings, cookies or whole addresses.

use crate::config::{AccessFormat, Addresses, LogConfig};
use crate::host;
use crate::time::Millis;
use http::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};
use http::{Method, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use tracing_appender::non_blocking::NonBlocking;

/// Bytes of a user agent or referrer that are written at most.
const FIELD_MAX: usize = 256;
/// Bytes of a path that are written at most.
const PATH_MAX: usize = 1_024;

/// Where lines go and how they look.
#[derive(Clone)]
pub struct AccessLog {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    format: AccessFormat,
    addresses: Addresses,
    zone: TimeZone,
    writer: NonBlocking,
}

/// The line of one request; written when it is dropped.
pub struct Entry {
    log: Arc<Shared>,
    began: Millis,
    address: IpAddr,
    method: Method,
    path: String,
    host: String,
    agent: String,
    referrer: String,
    room: Option<Arc<str>>,
    outcome: &'static str,
    status: u16,
    bytes: usize,
}

/// What the JSON line is made of: the names are part of the public surface.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    address: &'a str,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    status: u16,
    bytes: usize,
    ms: u64,
    room: Option<&'a str>,
    outcome: &'a str,
    agent: &'a str,
}

impl AccessLog {
    /// No log.
    pub fn off() -> AccessLog {
        AccessLog { shared: None }
    }

    /// Lines as `config` says go to `writer`, which drops lines rather than wait.
    pub fn new(config: &LogConfig, writer: NonBlocking) -> AccessLog {
        AccessLog {
            shared: Some(Arc::new(Shared {
                format: config.access,
                addresses: config.addresses,
                zone: TimeZone::system(),
                writer,
            })),
        }
    }

    /// Lines dropped because the writer was too slow.
    pub fn dropped_lines(&self) -> u64 {
        let dropped = |log: &Arc<Shared>| log.writer.error_counter().dropped_lines() as u64;
        self.shared.as_ref().map_or(0, dropped)
    }

    /// The line of a request that has just come.
    pub fn begin(
        &self,
        address: IpAddr,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Entry> {
        let log = self.shared.clone()?;
        let referrer = field(headers, &REFERER);
        Some(Entry {
            log,
            began: host::now(),
            address,
            method: method.clone(),
            path: bare(cut(path, PATH_MAX)),
            host: field(headers, &http::header::HOST).to_owned(),
            agent: field(headers, &USER_AGENT).to_owned(),
            referrer: bare(referrer),
            room: None,
            outcome: "refused",
            status: 0,
            bytes: 0,
        })
    }
}

impl Entry {
    /// The room and what it did.
    pub fn decided(&mut self, room: Option<&Arc<str>>, outcome: &'static str) {
        self.room = room.cloned();
        self.outcome = outcome;
    }

    /// The status of the answer.
    pub fn answered(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    /// Bytes of the body that went out.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    fn json(&self, address: &str) -> Vec<u8> {
        let line = Line {
            time: self
                .time()
                .map_or_else(String::new, |time| time.to_string()),
            address,
            method: self.method.as_str(),
            host: &self.host,
            path: &self.path,
            status: self.status,
            bytes: self.bytes,
            ms: host::now().since(self.began).0,
            room: self.room.as_deref(),
            outcome: self.outcome,
            agent: &self.agent,
        };
        serde_json::to_vec(&line).unwrap_or_default()
    }

    fn combined(&self, address: &str) -> Vec<u8> {
        let time = self.time().map_or_else(String::new, |time| {
            let zoned = time.to_zoned_datetime(self.log.zone.clone());
            zoned.strftime("%d/%b/%Y:%H:%M:%S %z").to_string()
        });
        let [path, agent, referrer] =
            [&self.path, &self.agent, &self.referrer].map(|text| quoted(text));
        let (method, status, bytes) = (&self.method, self.status, self.bytes);
        let line = format!(
            "{address} - - [{time}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"{referrer}\" \"{agent}\""
        );
        line.into_bytes()
    }

    fn time(&self) -> Option<Timestamp> {
        let millis = i64::try_from(self.began.0).ok()?;
        Timestamp::from_millisecond(millis).ok()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let address = written(self.address, self.log.addresses);
        let mut line = match self.log.format {
            AccessFormat::Off => return,
            AccessFormat::Json => self.json(&address),
            AccessFormat::Combined => self.combined(&address),
        };
        line.push(b'\n');
        // The writer never fails: it drops lines when its queue is full, and counts them.
        let _ = self.log.writer.clone().write_all(&line);
    }
}

/// An address as the operator wants it written.
pub fn written(address: IpAddr, how: Addresses) -> String {
    match (how, address.to_canonical()) {
        (Addresses::Hidden, _) => "-".to_owned(),
        (Addresses::Full, address) => address.to_string(),
        (Addresses::Truncated, IpAddr::V4(v4)) => {
            Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00).to_string()
        }
        (Addresses::Truncated, IpAddr::V6(v6)) => {
            Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80).to_string()
        }
    }
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name);
    let value = value.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    cut(value.unwrap_or(""), FIELD_MAX)
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// An address without what may be a secret: query, fragment, and the `;parameters` of its
/// segments, which is where Java portals put a session (`;jsessionid=…`).
fn bare(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or("");
    let mut bare = String::with_capacity(address.len());
    for segment in address.split_inclusive('/') {
        match segment.split_once(';') {
            Some((name, rest)) => {
                bare.push_str(name);
                bare.extend(rest.ends_with('/').then_some('/'));
            }
            None => bare.push_str(segment),
        }
    }
    bare
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

    fn line(format: AccessFormat) -> String {
        let (writer, guard) = tracing_appender::non_blocking(std::io::sink());
        let config = LogConfig {
            level: String::new(),
            format: Default::default(),
            access: format,
            access_file: None,
            addresses: Addresses::Truncated,
        };
        let log = AccessLog::new(&config, writer);
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, "Mozilla \"x\"".parse().unwrap());
        headers.insert(
            REFERER,
            "http://a/b;jsessionid=S1/c;S1?ticket=ST-1".parse().unwrap(),
        );
        headers.insert(http::header::COOKIE, "secret=1".parse().unwrap());
        let address = "192.0.2.77".parse().unwrap();
        let mut entry = log
            .begin(
                address,
                &Method::GET,
                "/espace;S1/a;jsessionid=S1",
                &headers,
            )
            .unwrap();
        entry.answered(StatusCode::OK);
        entry.add(12);
        let text = written(address, Addresses::Truncated);
        let bytes = match format {
            AccessFormat::Json => entry.json(&text),
            _ => entry.combined(&text),
        };
        drop((entry, guard));
        String::from_utf8(bytes).unwrap()
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
    fn a_combined_line_can_be_split_at_its_quotes() {
        let line = line(AccessFormat::Combined);
        assert_eq!(line.matches('"').count(), 6, "{line}");
        assert!(
            line.contains("] \"GET /espace/a HTTP/1.1\" 200 12 \"http://a/b/c\" \"Mozilla _x_\"")
        );
    }

    #[test]
    fn addresses_are_truncated_by_default() {
        let cut = |text: &str| written(text.parse().unwrap(), Addresses::Truncated);
        assert_eq!(cut("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
        assert_eq!(cut("::ffff:192.0.2.77"), "192.0.2.0");
    }
}
