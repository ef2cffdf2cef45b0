//! One connection of a visitor, from its first byte to its last.

use super::access;
use super::door::House;
use super::origin::Peer;
use super::proxy;
use super::request;
use super::serve::{self, Phase, Reception};
use super::stream::Stream;
use super::wire::Wire;
use crate::host::Seldom;
use crate::time::Span;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;

/// Bytes that hyper buffers for one connection at most.
const BUFFER_MAX: usize = 64 * 1024;
/// What holds for every connection is said in the log no more often than this.
const SAY_AGAIN: Span = Span::secs(10);

/// A connection, counted while it lasts.
pub struct Guest {
    house: Arc<House>,
    number: usize,
}

impl Guest {
    /// Counts one more.
    pub fn new(house: Arc<House>) -> Guest {
        house.metrics.connections.inc();
        let number = house.connections.fetch_add(1, Ordering::Relaxed) + 1;
        Guest { house, number }
    }

    /// How many there were when it came, with it.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.house.connections.fetch_sub(1, Ordering::Relaxed);
        self.house.metrics.connections.dec();
    }
}

/// Serves a connection to its end.
pub async fn serve(
    reception: Arc<Reception>,
    _guest: Guest,
    mut socket: TcpStream,
    address: SocketAddr,
) {
    let mut peer = Peer {
        address: address.ip(),
        secure: false,
    };
    if !reception.listener.proxy_from.is_empty() {
        peer = match named(&reception, &mut socket, peer).await {
            Ok(peer) => peer,
            Err(_) => return serve::farewell(socket, reception.words[0].answer()).await,
        };
    }
    http1(&reception, Stream::Plain(socket), peer).await;
}

/// Whom a proxy in front of us names.
async fn named(
    reception: &Reception,
    socket: &mut TcpStream,
    peer: Peer,
) -> Result<Peer, proxy::Wrong> {
    let house = &reception.thread.house;
    let read = proxy::read(socket, peer, &reception.listener.proxy_from);
    let patience = Duration::from(house.config.limits.handshake_timeout);
    let named = tokio::time::timeout(patience, read).await;
    named
        .unwrap_or_else(|_| Err(proxy::Wrong::Lost(io::ErrorKind::TimedOut.into())))
        .inspect_err(|why| unnamed(house, peer.address, why))
}

/// Counts and, now and then, says that a connection names nobody: most likely one of two files is
/// wrong, and then all of them are.
fn unnamed(house: &House, address: IpAddr, why: &proxy::Wrong) {
    static SAID: Seldom = Seldom::new(SAY_AGAIN);
    house.metrics.connections_unnamed.inc();
    if SAID.now() {
        let address = access::written(address, house.config.log.addresses);
        tracing::warn!(%address, "no connection from here: {why}");
    }
}

async fn http1(reception: &Reception, stream: Stream, peer: Peer) {
    let thread = &reception.thread;
    let limits = &thread.house.config.limits;
    let wire = Wire::new(stream, reception.words.clone());
    let mark = wire.mark();
    let service = service_fn(|request| {
        let busy = mark.begin();
        async move {
            let response = request::answer(thread, peer, request, busy).await;
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from(limits.header_timeout))
        .max_buf_size(limits.header_bytes.max(BUFFER_MAX))
        .half_close(false)
        .serve_connection(wire, service)
        .with_upgrades();
    let mut phase = reception.phase.clone();
    let mut connection = std::pin::pin!(connection);
    let mut asked_to_close = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a visitor's connection broke");
                }
                return;
            }
            _ = phase.wait_for(|phase| *phase == Phase::Closing), if !asked_to_close => {
                asked_to_close = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
