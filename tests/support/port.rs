//! Free ports.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

/// Below the range from which the system takes the ports of outgoing connections, so that
/// nothing takes a port between our look and the server's bind, nor while a server is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A loopback address that nothing listens on, never given twice in one process.
pub fn free_port() -> SocketAddr {
    let mut given = GIVEN.lock().expect("nothing panics while it holds this");
    let given = given.get_or_insert_default();
    for _ in 0..1_000 {
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(PORTS)));
        if !given.contains(&address.port()) && TcpListener::bind(address).is_ok() {
            given.insert(address.port());
            return address;
        }
    }
    panic!("no free port in {PORTS:?}");
}

/// Whether something accepts connections at `address`.
pub fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}
