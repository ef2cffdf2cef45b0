//! Where visitors connect: `listen` for plain addresses, `[[listener]]` for whatever needs to say
//! more.

use super::table::{Field, Table};
use super::trust::{NETWORK_EXAMPLE, network};
use super::values::{boolean, list, parsed, string};
use super::{Listener, Speaks};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use toml::de::DeValue;

/// Where browsers go for `https://host/`.
const HTTPS: u16 = 443;
const REDIRECT_EXAMPLE: &str = "write \"https\", or \"https:8443\" for another port than 443";
/// Where visitors connect when nothing is written.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Reads `listen` and every `[[listener]]`.
pub(super) fn read(top: &mut Table<'_>) -> Vec<Listener> {
    let tables = top.tables("listener");
    let default = match tables.is_empty() {
        true => vec![DEFAULT],
        false => Vec::new(),
    };
    let plain = top.read_or("listen", list(socket(From::Everywhere)), default);
    let mut seen: Vec<SocketAddr> = Vec::new();
    let mut listeners = Vec::new();
    for address in plain {
        once(top, top.span(&["listen"]), "listen", address, &mut seen);
        listeners.push(Listener {
            address,
            speaks: Speaks::Http,
            proxy_from: Vec::new(),
        });
    }
    for mut table in tables {
        if let Some(listener) = listener(&mut table) {
            let at = table.span(&["address"]);
            once(&table, at, "listener.address", listener.address, &mut seen);
            listeners.push(listener);
        }
        table.finish();
    }
    listeners
}

/// Who may reach an address of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Other machines, too.
    Everywhere,
    /// This machine alone.
    Here,
}

/// An address of ours with its port.
pub(super) fn socket(from: From) -> impl Fn(Field<'_>) -> Option<SocketAddr> {
    move |field| {
        let text = match field.item.get_ref() {
            DeValue::Integer(port) => port.as_str().to_owned(),
            _ => string(field)?,
        };
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let (label, help) = no_socket(&text, from);
                field.wrong(label, help)
            }
        }
    }
}

/// The desk's address, as it stands on a command line.
///
/// # Errors
/// What would be right.
pub fn desk_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let (wrong, help) = no_socket(text, From::Here);
        format!("{wrong}: {help}")
    })
}

/// What is wrong with `text`, which is no address with a port, and what would be right.
fn no_socket(text: &str, from: From) -> (&'static str, String) {
    let text = text.trim();
    let schemes = ["http://", "https://"];
    let rest = schemes.iter().find_map(|it| text.strip_prefix(it));
    let bare = rest.map_or(text, |rest| rest.trim_end_matches('/'));
    let (host, port) = match bare.rsplit_once(':') {
        _ if bare.parse::<Ipv6Addr>().is_ok() => (bare, ""),
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port),
        _ if bare.parse::<u16>().is_ok() => ("", bare),
        _ => (bare, ""),
    };
    let of_port = if port.is_empty() { "8080" } else { port };
    let here = format!("write \"127.0.0.1:{of_port}\" or \"[::1]:{of_port}\"");
    let all =
        format!("\"0.0.0.0:{of_port}\" or \"[::]:{of_port}\" for all addresses of this machine");
    let right = |from| match from {
        From::Here => here.clone(),
        From::Everywhere => format!("write {all}, \"127.0.0.1:{of_port}\" for itself alone"),
    };
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let part = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match (host, ip) {
        ("", _) if !port.is_empty() => ("an address is missing before the port", right(from)),
        ("*", _) => ("`*` is no address", right(from)),
        (_, Some(ip)) => {
            let address = SocketAddr::new(ip, of_port.parse().unwrap_or(DEFAULT.port()));
            let wrong = match () {
                () if rest.is_some() => "only an address and a port stand here",
                () if port.is_empty() => "a port is missing behind the address",
                () => "an address with colons stands in brackets",
            };
            (wrong, format!("write \"{address}\""))
        }
        (name, None) if !name.is_empty() && name.chars().all(part) => {
            let help = match name.eq_ignore_ascii_case("localhost") {
                true => here,
                false => right(from),
            };
            ("names are not taken here, only addresses", help)
        }
        _ => ("not an address with a port", right(from)),
    }
}

/// What an address of ours, that of visitors (`listen`) or of the desk (`admin`), is called among the
/// places of the file.
pub fn place_of_address(key: &str, address: SocketAddr) -> String {
    match key {
        "admin" => key.to_owned(),
        key => format!("{key} {address}"),
    }
}

fn listener(table: &mut Table<'_>) -> Option<Listener> {
    let address = table.required("address", socket(From::Everywhere), "\"0.0.0.0:443\"");
    let speaks = speaks(table);
    let networks = list(parsed(network, NETWORK_EXAMPLE));
    let proxy_from = table.read_or("proxy_from", networks, Vec::new());
    Some(Listener {
        address: address?,
        speaks,
        proxy_from,
    })
}
fn speaks(table: &mut Table<'_>) -> Speaks {
    let tls = table.read_or("tls", boolean, false);
    match table.read("redirect", parsed(redirect, REDIRECT_EXAMPLE)) {
        Some(_) if tls => {
            table.sink().wrong(
                table.span(&["redirect"]),
                "a listener with `tls = true` cannot have `redirect`",
                "visitors who come here speak TLS already",
                "remove one of the two: `redirect` is for a listener on port 80",
            );
            Speaks::Https
        }
        Some(port) => Speaks::Redirect(port),
        None if tls => Speaks::Https,
        None => Speaks::Http,
    }
}

/// The port that visitors are sent to.
fn redirect(text: &str) -> Result<u16, String> {
    match text.strip_prefix("https") {
        Some("") => Ok(HTTPS),
        Some(rest) => match rest.strip_prefix(':').map(str::parse) {
            Some(Ok(port)) if port > 0 => Ok(port),
            _ => Err("a port is a number from 1 to 65535".into()),
        },
        None => Err("visitors can be sent to https only".into()),
    }
}

/// Nobody can listen on an address twice; port 0 is another one each time.
fn once(
    table: &Table<'_>,
    at: Range<usize>,
    key: &str,
    address: SocketAddr,
    seen: &mut Vec<SocketAddr>,
) {
    if table.has(key.rsplit('.').next().unwrap_or(key)) {
        let place = place_of_address("listen", address);
        table.sink().note_value(&place, at.clone());
    }
    if address.port() != 0 && seen.contains(&address) {
        table.sink().wrong(
            at,
            format!("invalid value for `{key}`"),
            format!("{address} is listed twice"),
            "write each address once",
        );
    }
    seen.push(address);
}
