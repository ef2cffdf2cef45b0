//! One connection of a visitor, from its first byte to its last.

use super::door::House;
use super::handshake::{self, Session};
use super::http2;
use super::origin::Peer;
use super::request;
use super::serve::{Phase, Reception};
use super::stream::Stream;
use super::wire::Wire;
use crate::config::Speaks;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;

/// Bytes that hyper buffers for one connection at most.
const BUFFER_MAX: usize = 64 * 1024;

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
    socket: TcpStream,
    address: SocketAddr,
) {
    let peer = Peer {
        address: address.ip(),
        secure: reception.listener.speaks == Speaks::Https,
    };
    if !peer.secure {
        return http1(&reception, Stream::Plain(socket), peer, None).await;
    }
    // Boxes, so that a plain connection does not take as much memory as the largest of these.
    let shaken = Box::pin(handshake::shake(&reception, socket)).await;
    match shaken {
        None => {}
        Some((stream, session)) if session.http2 => {
            Box::pin(http2::serve(reception, stream, peer, session)).await;
        }
        Some((stream, session)) => http1(&reception, stream, peer, Some(&session)).await,
    }
}

async fn http1(reception: &Reception, stream: Stream, peer: Peer, session: Option<&Session>) {
    let thread = &reception.thread;
    let limits = &thread.house.config.limits;
    let wire = Wire::new(stream, reception.words.clone());
    let mark = wire.mark();
    let service = service_fn(|request| {
        let busy = mark.begin();
        async move {
            let response = request::answer(reception, peer, session, request, Some(busy)).await;
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
