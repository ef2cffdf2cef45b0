//! `[portal.health]`: how servers are tested.

use super::portals::Secure;
use super::table::{Field, Table};
use super::values::{choice, list, number, parsed, span};
use super::{Check, Health, Portal, RoomConfig};
use crate::time::Span;
use http::uri::Authority;
use http::{Method, Uri};
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Times of probes.
const PROBE: RangeInclusive<Span> = Span(100)..=Span::mins(60);
/// Failures in a row that take a server out.
const FALL: RangeInclusive<u32> = 1..=1_000;
/// Bytes of the path of a probe, and of its method.
const MAX_PATH_BYTES: usize = 1024;
const MAX_METHOD_BYTES: usize = 32;
/// What an answer can say.
const STATUS: RangeInclusive<u16> = 200..=599;
/// What is good unless the file says otherwise.
const GOOD: RangeInclusive<u16> = 200..=499;

const STATUS_HELP: &str =
    "write a number from 200 to 599, a range such as \"200-399\", or a list of these";

impl Default for Health {
    fn default() -> Health {
        Health {
            check: Check::Http,
            method: Method::GET,
            path: "/".to_owned(),
            host: None,
            secure: false,
            status: vec![GOOD],
            interval: Span::secs(5),
            timeout: Span::secs(5),
            fall: 5,
            probe_min: Span::secs(1),
            probe_max: Span::secs(60),
        }
    }
}

impl Health {
    /// Whether an answer with this status is good.
    pub fn is_good(&self, status: u16) -> bool {
        self.status.iter().any(|range| range.contains(&status))
    }
}

/// What a probe asks for, where the file does not say so: what visitors ask for. `secure`: they
/// come over HTTPS.
pub(super) fn like_visitors(portals: &mut [Portal], rooms: &[RoomConfig], secure: bool) {
    for (index, portal) in portals.iter_mut().enumerate() {
        let mut hosts = (rooms.iter())
            .filter(|room| room.portal == index)
            .flat_map(|room| &room.hosts);
        let host = || hosts.find_map(|host| host.exact()).map(str::to_owned);
        let given = portal.health.host.take();
        portal.health.host = given.or_else(host);
        portal.health.secure = secure;
    }
}

/// Reads the table, of a portal with so many servers behind TLS.
pub(super) fn read(portal: &mut Table<'_>, secure: Secure) -> Health {
    let mut health = Health::default();
    let Some(mut table) = portal.table("health") else {
        return health;
    };
    health.check = table.read_or("check", check, health.check);
    let help = "write a method in capitals, such as \"HEAD\" or \"OPTIONS\"";
    health.method = table.read_or("method", parsed(method, help), health.method);
    let help = "write a path such as \"/\" or \"/health?full=1\"";
    health.path = table.read_or("path", parsed(path, help), health.path);
    let help = "write the host that visitors ask for, such as \"ent.example.fr\"";
    health.host = table.read("host", parsed(host, help));
    health.status = table.read_or("status", list(status), health.status);
    health.interval = table.read_or("interval", span(PROBE), health.interval);
    health.timeout = table.read_or("timeout", span(PROBE), health.timeout);
    health.fall = table.read_or("fall", number(FALL), health.fall);
    health.probe_min = table.read_or("probe_min", span(PROBE), health.probe_min);
    health.probe_max = table.read_or("probe_max", span(PROBE), health.probe_max);
    table.in_order(
        ("probe_min", health.probe_min),
        ("probe_max", health.probe_max),
    );
    fits(&table, health.check, secure);
    table.finish();
    health
}

/// What is enough. Whoever writes there what is asked, or what is to be answered, means another key.
fn check(field: Field<'_>) -> Option<Check> {
    let checks = [
        ("http", Check::Http),
        ("tcp", Check::Tcp),
        ("tls", Check::Tls),
    ];
    let text = field.item.get_ref().as_str().unwrap_or_default();
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_method = |text: &str| text.len() > 2 && method(text).is_ok_and(|it| it.as_str() == text);
    let capitals = first.bytes().all(|byte| byte.is_ascii_uppercase());
    let meant = match () {
        () if text.starts_with('/') => format!("path = \"{text}\""),
        () if capitals && is_method(first) && rest.starts_with('/') => {
            format!("method = \"{first}\"` and `path = \"{rest}\"")
        }
        () if capitals && is_method(text) => format!("method = \"{text}\""),
        () if text.starts_with(|c: char| c.is_ascii_digit()) => format!("status = \"{text}\""),
        () => return choice(&checks)(field),
    };
    field.wrong(
        "not one of the words: how servers are tested, not with what",
        format!(
            "write `{meant}` in its place; the words of `check` are: \"http\", \"tcp\", \"tls\""
        ),
    )
}

/// What is asked of a server fits how it is asked.
fn fits(table: &Table<'_>, check: Check, secure: Secure) {
    if check == Check::Tls && secure == Secure::None {
        table.sink().wrong(
            table.span(&["check"]),
            "`portal.health.check` cannot be \"tls\" here",
            "no server of this portal is behind TLS",
            "write the servers as \"https://…\", or \"tcp\"",
        );
    }
    if check == Check::Http {
        return;
    }
    for key in ["method", "path", "host", "status"] {
        if table.has(key) {
            table.sink().wrong(
                table.span(&[key]),
                format!("`portal.health.{key}` is of no use here"),
                "nothing is asked: `check` says that a connection is enough",
                "remove the line, or write `check = \"http\"`",
            );
        }
    }
}

fn method(text: &str) -> Result<Method, String> {
    if text.len() > MAX_METHOD_BYTES {
        return Err(format!("longer than {MAX_METHOD_BYTES} bytes"));
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT) => Err("asks for a tunnel, not for an answer".into()),
        Ok(_) if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            Err("methods are told apart by case".into())
        }
        Ok(method) => Ok(method),
        Err(_) => Err("not a method".into()),
    }
}

fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a path begins with `/`".into());
    }
    if text.len() > MAX_PATH_BYTES {
        return Err(format!("longer than {MAX_PATH_BYTES} bytes"));
    }
    match text.parse::<Uri>() {
        Ok(_) if text.is_ascii() && !text.contains('#') => Ok(text.to_owned()),
        _ => Err("not the path of a request".into()),
    }
}

/// A host, perhaps with a port.
fn host(text: &str) -> Result<String, String> {
    if text.contains('/') {
        return Err("only the host, without `http://` and without a path".into());
    }
    let wild = text.contains(['*', '?', '{', ',', '@']);
    match text.parse::<Authority>() {
        Ok(authority) if !wild && !authority.host().is_empty() => Ok(text.to_ascii_lowercase()),
        _ => Err("not the name of one host".into()),
    }
}

/// `204` or `"200-399"`.
fn status(field: Field<'_>) -> Option<RangeInclusive<u16>> {
    let within = |text: &str| text.trim().parse().ok().filter(|it| STATUS.contains(it));
    let range = match field.item.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => {
            within(integer.as_str()).map(|it| it..=it)
        }
        DeValue::String(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            within(first)
                .zip(within(last))
                .map(|(first, last)| first..=last)
        }
        _ => None,
    };
    match range {
        Some(range) if range.is_empty() => {
            field.wrong("the range ends before it begins", STATUS_HELP)
        }
        Some(range) => Some(range),
        None => field.wrong("not the status of an answer", STATUS_HELP),
    }
}
