//! `[trust]`: whose word about visitors we take.

use super::names::{FieldName, FieldNames, Guarded};
use super::table::Table;
use super::values::{choice, list, parsed};
use super::{Trust, TrustedField};
use ipnet::IpNet;
use std::net::IpAddr;

pub(super) const NETWORK_EXAMPLE: &str =
    "write an address or a network, such as \"10.0.0.5\" or \"10.1.0.0/16\"";

const NAME_EXAMPLE: &str = "write the name of a field, such as \"X-Profile\", or \"x-profile-*\"";

/// What becomes of a field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Passes,
    /// It goes on, and asks for another method or address than the rules saw.
    Changes,
    /// Its name has an underscore or a dot: servers that know fields as variables (CGI, WSGI, PHP)
    /// read that as a dash, so that it would be another field.
    Alias,
    /// Whoever sends it may not say it.
    Guarded(Guarded),
}

/// Reads `[trust]`; nobody is trusted unless the file says so.
pub(super) fn read(top: &mut Table<'_>) -> Trust {
    let mut trust = Trust::default();
    let Some(mut table) = top.table("trust") else {
        return trust;
    };
    let networks = list(parsed(network, NETWORK_EXAMPLE));
    trust.proxies = table.read_or("proxies", networks, trust.proxies);
    let fields = [
        ("x-forwarded-for", TrustedField::XForwardedFor),
        ("forwarded", TrustedField::Forwarded),
    ];
    trust.field = table.read_or("field", choice(&fields), trust.field);
    let guard = list(parsed(FieldName::to_guard, NAME_EXAMPLE));
    let names = FieldNames::new(&table.read_or("guard", guard, Vec::new()));
    let to_pass = |text: &str| FieldName::to_pass(text, &names);
    let pass = table.read_or("pass", list(parsed(to_pass, NAME_EXAMPLE)), Vec::new());
    trust.names = names.letting(pass);
    let underscores = [("drop", false), ("pass", true)];
    trust.underscores = table.read_or("underscores", choice(&underscores), trust.underscores);
    table.finish();
    trust
}

/// A network, or one address as a network of its own.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| "neither an address nor a network".to_owned())?;
    if network.prefix_len() == 0 {
        return Err("everybody: then anybody could say whatever they like".to_owned());
    }
    if network.addr() != network.network() {
        return Err(format!("the network is written {}", network.trunc()));
    }
    Ok(network)
}

impl Trust {
    /// Whether `address` is one of the proxies.
    pub fn covers(&self, address: IpAddr) -> bool {
        within(&self.proxies, address)
    }

    /// What becomes of a field with this name, in lower case, in a request that a proxy of ours
    /// brings (`vouched`) or a stranger.
    pub fn fate(&self, name: &str, vouched: bool) -> Fate {
        if name.bytes().any(is_alias) {
            return self.fate_of_alias(name);
        }
        match self.names.listed(name) {
            None => Fate::Passes,
            Some(Guarded::Speaker) if vouched || self.names.lets_pass(name) => Fate::Passes,
            Some(Guarded::Override) if self.names.lets_pass(name) => Fate::Changes,
            Some(kind) => Fate::Guarded(kind),
        }
    }

    /// One that is read as a field which matters never passes.
    fn fate_of_alias(&self, name: &str) -> Fate {
        let read_as: String = (name.chars())
            .map(|c| {
                if c.is_ascii() && is_alias(c as u8) {
                    '-'
                } else {
                    c
                }
            })
            .collect();
        let matters = MATTERING.contains(&&*read_as) || self.names.listed(&read_as).is_some();
        match self.underscores && !matters {
            true => Fate::Passes,
            false => Fate::Alias,
        }
    }
}

/// Fields that frame a request, or say who somebody is or what is asked: none of them may have two
/// names.
const MATTERING: [&str; 16] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Whether a byte of a name is a dash to some servers: CGI and WSGI read `_` so, PHP dots as well.
fn is_alias(byte: u8) -> bool {
    matches!(byte, b'_' | b'.')
}

/// Whether `address` is in one of `networks`; an IPv4 address counts as such in any form.
pub fn within(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_in_one_way() {
        for good in ["10.0.0.5", "10.1.0.0/16", "::1", "2001:db8::/32"] {
            assert!(network(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "10.0.0",
            "10.1.2.3/16",
            "0.0.0.0/0",
            "::/0",
            "proxy.example.fr",
        ] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_field_passes_by_its_name_and_by_who_brings_it() {
        let read = |name| FieldName::parse(name).unwrap();
        let names = FieldNames::new(&[read("x-profile")]);
        let mut trust = Trust {
            names: names.letting(vec![read("x-http-method-override"), read("client-ip")]),
            ..Trust::default()
        };
        for (name, stranger, vouched) in [
            ("accept", Fate::Passes, Fate::Passes),
            (
                "proxy",
                Fate::Guarded(Guarded::Never),
                Fate::Guarded(Guarded::Never),
            ),
            (
                "x-remote-user",
                Fate::Guarded(Guarded::Speaker),
                Fate::Passes,
            ),
            ("x-profile", Fate::Guarded(Guarded::Speaker), Fate::Passes),
            ("client-ip", Fate::Passes, Fate::Passes),
            ("x-http-method-override", Fate::Changes, Fate::Changes),
            (
                "x-rewrite-url",
                Fate::Guarded(Guarded::Override),
                Fate::Guarded(Guarded::Override),
            ),
            ("app_version", Fate::Alias, Fate::Alias),
        ] {
            assert_eq!(trust.fate(name, false), stranger, "{name}");
            assert_eq!(trust.fate(name, true), vouched, "{name}");
        }
        trust.underscores = true;
        for name in ["app_version", "x.y"] {
            assert_eq!(trust.fate(name, false), Fate::Passes, "{name}");
        }
        for name in [
            "x_remote_user",
            "x.profile",
            "client_ip",
            "content_length",
            "x_forwarded-for",
        ] {
            assert_eq!(trust.fate(name, true), Fate::Alias, "{name}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_both_forms() {
        let networks = [network("10.0.0.0/8").unwrap()];
        assert!(within(&networks, "10.2.3.4".parse().unwrap()));
        assert!(within(&networks, "::ffff:10.2.3.4".parse().unwrap()));
        assert!(!within(&networks, "11.0.0.1".parse().unwrap()));
    }
}
