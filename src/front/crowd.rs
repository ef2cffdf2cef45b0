//! How many connections there are: in all, and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The counts, over all threads. As large as the connections are many.
#[derive(Default)]
pub struct Crowd {
    all: AtomicUsize,
    networks: Mutex<HashMap<u128, usize>>,
}

impl Crowd {
    /// One more. Returns how many there are with it.
    pub fn enter(&self) -> usize {
        self.all.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// One of those that have entered comes from `network`. Returns how many do, with it.
    pub fn enter_from(&self, network: u128) -> usize {
        let mut networks = self.networks();
        let count = networks.entry(network).or_default();
        *count += 1;
        *count
    }

    /// One has gone.
    pub fn leave(&self, network: Option<u128>) {
        self.all.fetch_sub(1, Ordering::Relaxed);
        let Some(network) = network else { return };
        let mut networks = self.networks();
        if let Some(count) = networks.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                networks.remove(&network);
            }
        }
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<u128, usize>> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: an IPv4 address, an IPv6 /64.
pub fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> u128 {
        network(address.parse().unwrap())
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address() {
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_gone() {
        let crowd = Crowd::default();
        let school = of("192.0.2.1");
        assert_eq!((crowd.enter(), crowd.enter_from(school)), (1, 1));
        assert_eq!((crowd.enter(), crowd.enter_from(school)), (2, 2));
        assert_eq!(crowd.enter(), 3);
        crowd.leave(Some(school));
        crowd.leave(None);
        assert_eq!((crowd.enter(), crowd.enter_from(school)), (2, 2));
        crowd.leave(Some(school));
        crowd.leave(Some(school));
        assert!(crowd.networks().is_empty());
    }
}
