//! `[[portal]]`: servers, slots, times.

use super::capacity::{self, SLOTS};
use super::health;
use super::parse::overlaps;
use super::table::Table;
use super::values::{boolean, choice, example_name, list, name, number, parsed, span};
use super::{Authorities, ErrorPages, Portal, PortalTls, ServerAddress, pem};
use crate::room::Limit;
use crate::time::Span;
use http::Uri;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// How long a request may wait for a slot.
const SLOT_WAIT: RangeInclusive<Span> = Span(1)..=Span::mins(10);
const DEFAULT_SLOT_WAIT: Span = Span::secs(10);
/// Requests that may wait for a slot.
const SLOT_QUEUE: RangeInclusive<u32> = 0..=1_000_000;
const DEFAULT_SLOT_QUEUE: u32 = 1_000;
/// Time to connect to a server.
const CONNECT: RangeInclusive<Span> = Span(10)..=Span::mins(5);
const DEFAULT_CONNECT: Span = Span::secs(3);
/// Time to the head of a response.
const RESPONSE: RangeInclusive<Span> = Span(100)..=Span::mins(60);
const DEFAULT_RESPONSE: Span = Span::secs(60);
/// How long an idle connection is kept; Apache's own default is 5 s.
const KEEP_ALIVE: RangeInclusive<Span> = Span(100)..=Span::mins(60);
const DEFAULT_KEEP_ALIVE: Span = Span::secs(4);
/// How long any connection is kept, however busy.
const KEEP_AGE: RangeInclusive<Span> = Span(100)..=Span::mins(24 * 60);
const DEFAULT_KEEP_AGE: Span = Span::mins(5);
/// How often the names of servers are looked up.
const RESOLVE_EVERY: RangeInclusive<Span> = Span(100)..=Span::mins(60);
const DEFAULT_RESOLVE_EVERY: Span = Span::secs(30);
/// Bytes of a file of authorities; those of a whole system have a quarter of it.
const MAX_CA_BYTES: u64 = 1024 * 1024;

const SERVER_EXAMPLE: &str = "write it as \"http://10.0.0.5:8080\" or \"https://ent.example.fr\"";

/// A portal as far as it could be read.
pub(super) struct Read {
    /// Its name, if it has a good one.
    pub(super) name: Option<String>,
    /// Whether the file gives that name.
    pub(super) named: bool,
    /// The portal, if all of it is good enough to be one.
    pub(super) portal: Option<Portal>,
}

/// Reads every `[[portal]]`; at least one must be there. `listen` is where we listen
/// ourselves: a server there would be us.
pub(super) fn read(top: &mut Table<'_>, listen: &[SocketAddr]) -> Vec<Read> {
    let tables = top.tables("portal");
    if !top.has("portal") {
        top.sink().doubtful(
            0..0,
            "there is no [[portal]]",
            "",
            "say what to protect: a [[portal]] with `servers = [\"http://127.0.0.1:9000\"]`",
        );
        top.sink().about_missing("portal");
    } else if tables.is_empty() {
        let message = "there is no [[portal]]";
        let sink = top.sink();
        sink.doubtful(top.span(&["portal"]), message, "none here", SERVER_EXAMPLE);
        sink.about_missing("portal");
    }
    let only = tables.len() == 1;
    let mut portals: Vec<Read> = Vec::new();
    for (nth, table) in tables.into_iter().enumerate() {
        let (sink, at) = (table.sink(), table.span(&["name"]));
        let portal = portal(table, (only, nth), listen);
        let same = |other: &Read| other.name.is_some() && other.name == portal.name;
        if portals.iter().any(same) {
            sink.wrong(
                at,
                "two portals have the same name",
                "taken by a portal above",
                "give each portal a name of its own",
            );
        }
        portals.push(portal);
    }
    portals
}

fn portal(mut table: Table<'_>, (only, nth): (bool, usize), listen: &[SocketAddr]) -> Read {
    let named = table.has("name");
    let name = if only && !named {
        table.read("name", name);
        Some("portal".to_owned())
    } else {
        table.required("name", name, &example_name("ent", nth))
    };
    let servers = servers(&mut table, listen);
    let slots = capacity::slots(&mut table);
    let server_slots = server_slots(&mut table, slots);
    let error_pages = [("ours", ErrorPages::Ours), ("portal", ErrorPages::Portal)];
    let slot_wait = table.read_or("slot_wait", span(SLOT_WAIT), DEFAULT_SLOT_WAIT);
    let slot_queue = table.read_or("slot_queue", number(SLOT_QUEUE), DEFAULT_SLOT_QUEUE);
    let connect_timeout = table.read_or("connect_timeout", span(CONNECT), DEFAULT_CONNECT);
    let response_timeout = table.read_or("response_timeout", span(RESPONSE), DEFAULT_RESPONSE);
    let keep_alive = table.read_or("keep_alive", span(KEEP_ALIVE), DEFAULT_KEEP_ALIVE);
    let keep_age = table.read_or("keep_age", span(KEEP_AGE), DEFAULT_KEEP_AGE);
    let resolve_every = table.read_or("resolve_every", span(RESOLVE_EVERY), DEFAULT_RESOLVE_EVERY);
    let error_pages = table.read_or("error_pages", choice(&error_pages), ErrorPages::default());
    let secure = Secure::of(servers.as_deref());
    let health = health::read(&mut table, secure);
    let tls = tls(&mut table, secure);
    let send_proxy = send_proxy(&mut table);
    let http2 = http2(&mut table, secure, send_proxy);
    table.finish();
    let portal = name.clone().zip(servers).map(|(name, servers)| Portal {
        name,
        servers,
        slots,
        server_slots,
        slot_wait,
        slot_queue,
        connect_timeout,
        response_timeout,
        keep_alive,
        keep_age,
        resolve_every,
        health,
        error_pages,
        tls,
        http2,
        send_proxy,
    });
    Read {
        name,
        named,
        portal,
    }
}

/// Slots of one server; nothing if it may have all.
fn server_slots(table: &mut Table<'_>, slots: Limit) -> Option<u32> {
    let server_slots = table.read("server_slots", number(SLOTS))?;
    let most = slots.most();
    if server_slots > most {
        table.sink().wrong(
            table.span(&["server_slots"]),
            "`portal.server_slots` is more than `portal.slots`",
            "one server cannot have more than the whole portal",
            format!("write at most {most}, or raise `slots`"),
        );
    }
    Some(server_slots)
}

fn servers(table: &mut Table<'_>, listen: &[SocketAddr]) -> Option<Vec<ServerAddress>> {
    let read = list(parsed(ServerAddress::parse, SERVER_EXAMPLE));
    let servers = table.required("servers", read, "[\"http://127.0.0.1:9000\"]")?;
    let wrong = |label: String, help: &str| {
        let message = "invalid value for `portal.servers`";
        table
            .sink()
            .wrong(table.span(&["servers"]), message, label, help);
    };
    for (i, server) in servers.iter().enumerate() {
        if servers[..i].contains(server) {
            wrong(
                format!("{server} is listed twice"),
                "write each server once",
            );
        }
        let ours = |ip: IpAddr| {
            let target = SocketAddr::new(ip, server.port);
            listen.iter().any(|listen| overlaps(*listen, target))
        };
        let host = match server.host.as_str() {
            "localhost" => "127.0.0.1",
            host => host,
        };
        if host.parse().is_ok_and(ours) {
            wrong(
                format!("{server} is where visitors connect to us (`listen`)"),
                "write the address of the portal, or listen on another port",
            );
        }
    }
    Some(servers)
}

/// How many of the servers are behind TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secure {
    All,
    Some,
    None,
    /// The servers could not be read.
    Unknown,
}

impl Secure {
    fn of(servers: Option<&[ServerAddress]>) -> Secure {
        let Some(servers) = servers else {
            return Secure::Unknown;
        };
        match servers.iter().filter(|server| server.tls).count() {
            0 => Secure::None,
            n if n == servers.len() => Secure::All,
            _ => Secure::Some,
        }
    }
}

fn tls(table: &mut Table<'_>, secure: Secure) -> PortalTls {
    let help = "write the path of a file that begins with -----BEGIN CERTIFICATE-----";
    let ca = table.read("ca", parsed(authorities, help));
    let name = |text: &str| ServerName::try_from(text.to_owned()).map_err(|_| "not a name".into());
    let help = "write the name in the server's certificate, such as \"ent.example.fr\"";
    let name = table.read("tls_name", parsed(name, help));
    for (key, read) in [("ca", ca.is_some()), ("tls_name", name.is_some())] {
        if read && secure == Secure::None {
            table.sink().wrong(
                table.span(&[key]),
                format!("`portal.{key}` is of no use here"),
                "no server of this portal is behind TLS",
                "write the servers as \"https://…\", or remove the line",
            );
        }
    }
    PortalTls { ca, name }
}

/// Reads the certificates in the file `path`.
pub(super) fn authorities(path: &str) -> Result<Authorities, String> {
    let mut pem = Vec::new();
    let file = File::open(path).and_then(|file| file.take(MAX_CA_BYTES).read_to_end(&mut pem));
    file.map_err(|error| format!("the file cannot be read: {error}"))?;
    let broken = |line: usize, error: &dyn std::fmt::Display| {
        format!("the file holds a certificate that is broken, in its line {line}: {error}")
    };
    let read = pem::certificates(&pem).map_err(|error| broken(error.line, &error))?;
    let mut roots = RootCertStore::empty();
    let mut certificates = Vec::new();
    for pem::Found { line, der } in read.found {
        let added = roots.add(der.clone());
        added.map_err(|error| broken(line, &error))?;
        certificates.push(der);
    }
    match roots.is_empty() {
        true => Err("the file holds no certificate".into()),
        false => Ok(Authorities {
            roots: Arc::new(roots),
            certificates,
        }),
    }
}

fn http2(table: &mut Table<'_>, secure: Secure, send_proxy: bool) -> bool {
    let http2 = table.read_or("http2", boolean, false);
    let wrong = |label: &str, help: &str| {
        let message = "`portal.http2` cannot be true here";
        let at = table.span(&["http2"]);
        table.sink().wrong(at, message, label, help);
    };
    if http2 && matches!(secure, Secure::Some | Secure::None) {
        let help = "write the servers as \"https://…\", or remove the line";
        wrong("a server is asked for HTTP/2 as TLS begins", help);
    }
    if http2 && send_proxy {
        let help = "remove `http2` or `send_proxy`";
        wrong(
            "visitors would share a connection that names one of them",
            help,
        );
    }
    http2
}

fn send_proxy(table: &mut Table<'_>) -> bool {
    let versions = [("off", false), ("v2", true)];
    table.read_or("send_proxy", choice(&versions), false)
}

impl ServerAddress {
    /// Reads `http://host` or `http://host:port`, or the same with `https`.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<ServerAddress, String> {
        let not_address = || "not the address of a server".to_owned();
        let tls = text.starts_with("https://");
        if !tls && !text.starts_with("http://") {
            return Err("a server begins with `http://` or `https://`".into());
        }
        let uri: Uri = text.parse().map_err(|_| not_address())?;
        let authority = uri.authority().ok_or_else(not_address)?;
        if authority.as_str().contains('@') {
            return Err("a server has no user name or password".into());
        }
        if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
            return Err("a server has no path: requests keep their own".into());
        }
        let host = authority.host();
        let rest = &authority.as_str()[host.len()..];
        let port = match rest.strip_prefix(':') {
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err("a port is a number from 1 to 65535".into()),
            },
            None if tls => 443,
            None => 80,
        };
        let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(ip) => ip
                .parse::<Ipv6Addr>()
                .map_err(|_| not_address())?
                .to_string(),
            None if host.is_empty() || host.contains(':') => return Err(not_address()),
            None => host.to_ascii_lowercase(),
        };
        Ok(ServerAddress { host, port, tls })
    }
}
