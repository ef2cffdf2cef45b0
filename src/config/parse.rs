//! From text to [`Config`]: the top level and its small tables. Portals and rooms have files
//! of their own.

use super::recover::{self, Readable};
use super::report::{Problems, Sink, Texts};
use super::table::Table;
use super::values::{boolean, choice, number, parsed, span, string};
use super::{
    AccessFormat, Addresses, Config, CookieConfig, Listener, LogConfig, LogFormat, Portal, Speaks,
    Written, acme, health, keys, limits, listeners, overrides, plans, portals, rooms, signs, tls,
    trust,
};
use crate::time::Span;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread::available_parallelism;
use toml::de::DeTable;
use tracing_subscriber::filter::LevelFilter;

/// Bytes of a file, at most.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Worker threads.
const MAX_THREADS: u32 = 256;
/// How long a stop may wait.
const MAX_DRAIN: Span = Span::mins(60);
/// How long a stop waits unless the file says otherwise.
const DRAIN: Span = Span::secs(25);

/// A configuration as text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What errors call it, such as `proxy.toml` or `command line`.
    pub name: &'a str,
    /// The TOML text.
    pub text: &'a str,
    /// Values that replace those of the text, such as `room.idle=30s`; later ones win.
    pub overrides: &'a [String],
}

/// Reads a configuration.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse(source: Source<'_>) -> Result<Config, Problems> {
    let sink = Sink::default();
    sink.knows(keys::of_config());
    let mut texts = Texts::default();
    texts.push(source.name, source.text);
    let config = read_text(source, &mut texts, &sink);
    let written = Written::new(texts.clone(), sink.take_values());
    match sink.problems(texts) {
        Some(problems) => Err(problems),
        None => Ok(Config {
            written,
            ..config.expect("what cannot be read was reported")
        }),
    }
}

/// The desk's address in the file `name`, whatever else is wrong with it: somebody who asks a running
/// preau may be in the middle of a change.
///
/// # Errors
/// What is wrong with that address, or the text if it may say one that cannot be read.
pub fn desk(name: &str, text: &str) -> Result<SocketAddr, Problems> {
    let mut texts = Texts::default();
    texts.push(name, text);
    let (of_text, of_desk) = (Sink::default(), Sink::default());
    let readable = readable(text, &of_text).filter(|_| !of_text.is_broken("admin"));
    let Some(readable) = readable else {
        return Err(of_text
            .problems(texts)
            .expect("what cannot be read was reported"));
    };
    let doc = readable.parse();
    let desk = admin(&mut Table::top(&doc, &of_desk), &[]);
    match of_desk.problems(texts) {
        Some(problems) => Err(problems),
        None => Ok(desk),
    }
}

fn read_text(source: Source<'_>, texts: &mut Texts, sink: &Sink) -> Option<Config> {
    let readable = readable(source.text, sink)?;
    let mut doc = readable.parse();
    overrides::apply(&mut doc, source.overrides, &overrides::LISTS, texts, sink);
    read(&doc, sink)
}

/// What of the text is TOML; the rest is reported.
pub(super) fn readable<'a>(text: &'a str, sink: &Sink) -> Option<Readable<'a>> {
    if text.len() > MAX_FILE_BYTES {
        let help = format!("a file has at most {MAX_FILE_BYTES} bytes");
        sink.wrong(0..0, "the file is too long", "", help);
        return None;
    }
    signs::look(text, 0, sink);
    Some(recover::readable(text, sink))
}

pub(super) fn read(doc: &DeTable<'_>, sink: &Sink) -> Option<Config> {
    let mut top = Table::top(doc, sink);
    let listeners = listeners::read(&mut top);
    let listen: Vec<SocketAddr> = listeners.iter().map(|it| it.address).collect();
    let admin = admin(&mut top, &listen);
    let state = top.read_or("state", string, "preau-state".to_owned());
    let cores = available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS as usize));
    let threads = top.read("threads", number(1..=MAX_THREADS));
    let drain = top.read_or("drain", span(Span::ZERO..=MAX_DRAIN), DRAIN);
    let waiting_status = top.read_or("waiting_status", number(100..=599), 503);
    if ![503, 200, 202, 429].contains(&waiting_status) {
        sink.wrong(
            top.span(&["waiting_status"]),
            "invalid value for `waiting_status`",
            "not a status for people who wait",
            "write 503 (recommended), 200, 202 or 429",
        );
    }
    let time_zone = plans::zone(&mut top);
    let mut trust = trust::read(&mut top);
    let tls = tls::read(&mut top, &listeners);
    let acme = acme::read(&mut top, &listeners);
    let cookie = cookie(&mut top, &listeners);
    let log = log(&mut top);
    let limits = limits::read(&mut top);
    let portals = portals::read(&mut top, &listen);
    let rooms = rooms::read(&mut top, &portals, &trust, &time_zone);
    // What makes somebody a teacher to us may make them one to the portal.
    let lanes = rooms.iter().flatten().flat_map(|room| &room.lanes);
    for header in lanes.filter_map(|lane| lane.members.header.as_ref()) {
        trust.names.guard(&header.name);
    }
    top.finish();
    let rooms = rooms?;
    let portals = portals.into_iter().map(|it| it.portal);
    let mut portals: Vec<Portal> = portals.collect::<Option<_>>()?;
    let https = |listener: &Listener| listener.speaks == Speaks::Https;
    let secure = cookie.secure || listeners.iter().any(https);
    health::like_visitors(&mut portals, &rooms, secure);
    Some(Config {
        written: Written::default(),
        listeners,
        admin,
        state: PathBuf::from(state),
        threads: threads.map_or(cores, |n| n as usize),
        drain,
        time_zone,
        waiting_status: u16::try_from(waiting_status).ok()?,
        trust,
        tls,
        acme,
        cookie,
        log,
        limits,
        portals,
        rooms,
    })
}

fn admin(top: &mut Table<'_>, listen: &[SocketAddr]) -> SocketAddr {
    let help = "write a loopback address and a port, such as \"127.0.0.1:9900\"";
    let default = SocketAddr::from(([127, 0, 0, 1], 9900));
    let admin = top.read_or("admin", listeners::socket(listeners::From::Here), default);
    let wrong = |label: &str, help: &str| {
        let message = "invalid value for `admin`";
        top.sink()
            .wrong(top.span(&["admin", "listen"]), message, label, help);
    };
    if !admin.ip().is_loopback() {
        wrong(
            "reachable from other machines, and the desk asks for no token yet",
            help,
        );
    } else if admin.port() != 0 && listen.iter().any(|a| overlaps(*a, admin)) {
        wrong(
            "visitors would reach the desk: `listen` has the same port",
            help,
        );
    }
    admin
}

/// Whether a listener on `listen` would take what is sent to `target`.
pub(super) fn overlaps(listen: SocketAddr, target: SocketAddr) -> bool {
    let unspecified = listen.ip().is_unspecified() && target.ip().is_loopback();
    listen.port() == target.port() && (listen.ip() == target.ip() || unspecified)
}

/// Browsers keep a `Secure` cookie only over HTTPS: that is the default where nobody is served
/// without.
fn cookie(top: &mut Table<'_>, listeners: &[Listener]) -> CookieConfig {
    let serves = |what| listeners.iter().any(|listener| listener.speaks == what);
    let mut cookie = CookieConfig {
        secure: serves(Speaks::Https) && !serves(Speaks::Http),
    };
    if let Some(mut table) = top.table("cookie") {
        cookie.secure = table.read_or("secure", boolean, cookie.secure);
        table.finish();
    }
    cookie
}

fn log(top: &mut Table<'_>) -> LogConfig {
    let mut log = LogConfig {
        level: "info".to_owned(),
        format: LogFormat::default(),
        access: AccessFormat::default(),
        access_file: None,
        addresses: Addresses::default(),
    };
    let Some(mut table) = top.table("log") else {
        return log;
    };
    let help = "write error, warn, info, debug or trace, or \"info,preau::upstream=debug\"";
    log.level = table.read_or("level", parsed(log_filter, help), log.level);
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    log.format = table.read_or("format", choice(&formats), log.format);
    let formats = [
        ("json", AccessFormat::Json),
        ("combined", AccessFormat::Combined),
        ("off", AccessFormat::Off),
    ];
    log.access = table.read_or("access", choice(&formats), log.access);
    log.access_file = table.read("access_file", string).map(PathBuf::from);
    let addresses = [
        ("truncated", Addresses::Truncated),
        ("full", Addresses::Full),
        ("hidden", Addresses::Hidden),
    ];
    log.addresses = table.read_or("addresses", choice(&addresses), log.addresses);
    table.finish();
    log
}

/// Checks a filter: levels, alone or for a module. (`tracing` itself would take a misspelt
/// level for the name of a module, and log nothing.)
fn log_filter(text: &str) -> Result<String, String> {
    for part in text.split(',') {
        let (target, level) = part.split_once('=').unwrap_or(("preau", part));
        let module = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
        if level.parse::<u8>().is_ok() || LevelFilter::from_str(level).is_err() {
            return Err(format!("{level:?} is not a level"));
        }
        if target.is_empty() || !target.chars().all(module) {
            return Err(format!("{target:?} is not a module"));
        }
    }
    Ok(text.to_owned())
}
