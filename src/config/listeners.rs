//! Where visitors connect: `listen` for plain addresses, `[[listener]]` for whatever needs to say
//! more.

use super::table::Table;
use super::trust::{NETWORK_EXAMPLE, network};
use super::values::{boolean, list, parsed};
use super::{Listener, Speaks};
use std::net::SocketAddr;
use std::ops::Range;

/// Where browsers go for `https://host/`.
const HTTPS: u16 = 443;
const REDIRECT_EXAMPLE: &str = "write \"https\", or \"https:8443\" for another port than 443";
const EXAMPLE: &str = "write an address and a port, such as \"0.0.0.0:8080\" or \"[::]:8080\"";
/// Where visitors connect when nothing is written.
const DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Reads `listen` and every `[[listener]]`.
pub(super) fn read(top: &mut Table<'_>) -> Vec<Listener> {
    let tables = top.tables("listener");
    let default = match tables.is_empty() {
        true => vec![DEFAULT],
        false => Vec::new(),
    };
    let plain = top.read_or("listen", list(parsed(address, EXAMPLE)), default);
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

/// An address with its port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "not an address with a port".into())
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
    let address = table.required("address", parsed(address, EXAMPLE), "\"0.0.0.0:443\"");
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
