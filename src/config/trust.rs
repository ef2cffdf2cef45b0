//! `[trust]`: whose word about visitors we take.

use super::table::Table;
use super::values::{choice, list, parsed};
use super::{Trust, TrustedField};
use ipnet::IpNet;
use std::net::IpAddr;

pub(super) const NETWORK_EXAMPLE: &str =
    "write an address or a network, such as \"10.0.0.5\" or \"10.1.0.0/16\"";

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
    fn an_address_is_the_same_in_both_forms() {
        let networks = [network("10.0.0.0/8").unwrap()];
        assert!(within(&networks, "10.2.3.4".parse().unwrap()));
        assert!(within(&networks, "::ffff:10.2.3.4".parse().unwrap()));
        assert!(!within(&networks, "11.0.0.1".parse().unwrap()));
    }
}
