//! Where a request comes from.

use crate::config::Config;
use std::net::IpAddr;

/// Who is at the other end of a connection, and how they came.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The other end's address.
    pub address: IpAddr,
    /// They came over TLS.
    pub secure: bool,
}

/// Where one request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The visitor's address, as far as we can know it.
    pub address: IpAddr,
    /// The visitor came over HTTPS.
    pub secure: bool,
}

impl Origin {
    /// The origin of a request that came over a connection with `peer`.
    pub fn of(peer: Peer, config: &Config) -> Origin {
        Origin {
            address: peer.address,
            secure: peer.secure || config.cookie.secure,
        }
    }
}
