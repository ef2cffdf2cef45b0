//! Listening: one socket per worker and address, or a clear error before anything runs.

use super::{StartError, again};
use crate::config::{self, Config, Listener};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

/// Connections that the kernel holds for us until we accept them.
const BACKLOG: i32 = 4_096;

/// One worker's listeners, each with what the configuration says of it.
pub type Listeners = Vec<(Listener, TcpListener)>;

/// For each worker, a listener on each address.
pub fn workers(config: &Config) -> Result<Vec<Listeners>, StartError> {
    let mut workers: Vec<Listeners> = (0..config.threads).map(|_| Vec::new()).collect();
    for wanted in &config.listeners {
        let mut address = wanted.address;
        let failed = |error| StartError::Listen("listen", wanted.address, error);
        // Alone first: with `SO_REUSEPORT`, a second preau would silently share the port.
        drop(patiently(address, false).map_err(failed)?);
        for worker in &mut workers {
            let listener = patiently(address, true).map_err(failed)?;
            // Port 0 is chosen once.
            address = listener.local_addr().map_err(failed)?;
            worker.push((wanted.clone(), listener));
        }
    }
    Ok(workers)
}

/// What of our addresses cannot be listened on: each with its key in the file, and why.
pub fn trials(config: &Config) -> Vec<(String, StartError)> {
    let visitors = config.listeners.iter().map(|it| ("listen", it.address));
    let desk = ("admin", config.admin);
    // Held until the end: two of ours may be in each other's way.
    let mut held = Vec::new();
    let mut failed = Vec::new();
    for (key, address) in visitors.chain([desk]) {
        match listener(address, false) {
            Ok(listener) => held.push(listener),
            Err(error) => {
                let place = config::place_of_address(key, address);
                failed.push((place, StartError::Listen(key, address, error)));
            }
        }
    }
    failed
}

/// The desk's listener.
pub fn desk(address: SocketAddr) -> Result<TcpListener, StartError> {
    patiently(address, false).map_err(|error| StartError::Listen("admin", address, error))
}

/// As [`listener`]; an address that somebody holds for a moment is waited for.
fn patiently(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let in_use = |error: &io::Error| error.kind() == ErrorKind::AddrInUse;
    again::while_in_use(in_use, || listener(address, shared))
}

fn listener(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` beside `0.0.0.0` on the same port, whatever the system's default is.
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn an_address_that_is_held_for_a_moment_is_waited_for() {
        let held = listener(SocketAddr::from(([127, 0, 0, 1], 0)), false).unwrap();
        let address = held.local_addr().unwrap();
        let waiting = thread::spawn(move || desk(address));
        thread::sleep(Duration::from_millis(100));
        drop(held);
        assert_eq!(
            waiting.join().unwrap().unwrap().local_addr().unwrap(),
            address
        );
        let _held = listener(address, false).unwrap();
        assert!(desk(address).is_err());
    }

    #[test]
    fn both_protocols_share_a_port() {
        let v4 = listener(SocketAddr::from(([0, 0, 0, 0], 0)), false).unwrap();
        let port = v4.local_addr().unwrap().port();
        let text = format!("listen = [\"0.0.0.0:{port}\", \"[::]:{port}\"]\nthreads = 2");
        let config = crate::config::parse(crate::config::Source {
            name: "test",
            text: &text,
            overrides: &["portal.servers=http://127.0.0.1:9".to_owned()],
        })
        .unwrap();
        drop(v4);
        let workers = workers(&config).unwrap();
        assert!(workers.iter().all(|listeners| listeners.len() == 2));
    }
}
