//! One connection of a visitor, from its first byte to its last.

use super::access;
use super::door::House;
use super::handshake::{self, Session, Unshaken};
use super::http2;
use super::origin::Peer;
use super::proxy;
use super::request;
use super::serve::{self, Phase, Reception};
use super::stream::Stream;
use super::wire::Wire;
use crate::config::Speaks;
use crate::host::Seldom;
use crate::time::Span;
use http::Request;
use hyper::body::Incoming;
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
        secure: reception.listener.speaks == Speaks::Https,
    };
    if !reception.listener.proxy_from.is_empty() {
        peer = match named(&reception, &mut socket, peer).await {
            Ok(peer) => peer,
            Err(_) => {
                let words = reception.words[0].answer();
                return serve::farewell(Stream::Plain(socket), words).await;
            }
        };
    }
    if reception.listener.speaks != Speaks::Https {
        return http1(&reception, Stream::Plain(socket), peer, None).await;
    }
    // Boxes, so that a plain connection does not take as much memory as the largest of these.
    let shaken = Box::pin(handshake::shake(&reception, socket)).await;
    match shaken {
        Ok((stream, session)) if session.http2 => {
            Box::pin(http2::serve(reception, stream, peer, session)).await;
        }
        Ok((stream, session)) => http1(&reception, stream, peer, Some(&session)).await,
        Err(Unshaken::Plain(socket)) => {
            let words = reception.words[0].answer();
            serve::farewell(Stream::Plain(socket), words).await;
        }
        Err(Unshaken::Gone) => {}
    }
}

/// A stream for a few words in HTTP/1.1 to a visitor who is not served; the caller bounds the
/// time.
///
/// # Errors
/// Nobody is there who would understand them.
pub async fn for_words(
    reception: &Reception,
    mut socket: TcpStream,
    peer: IpAddr,
) -> io::Result<Stream> {
    let listener = &reception.listener;
    if listener.speaks != Speaks::Https {
        return Ok(Stream::Plain(socket));
    }
    if !listener.proxy_from.is_empty() {
        let peer = Peer {
            address: peer,
            secure: true,
        };
        let named = named(reception, &mut socket, peer).await;
        named.map_err(|why| io::Error::other(why.to_string()))?;
    }
    handshake::for_words(reception, socket).await
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

async fn http1(reception: &Reception, stream: Stream, peer: Peer, session: Option<&Session>) {
    let thread = &reception.thread;
    let limits = &thread.house.config.limits;
    let wire = Wire::new(stream, reception.words.clone());
    let mark = wire.mark();
    let service = service_fn(|request: Request<Incoming>| {
        let busy = mark.begin(request.version());
        // A box: hyper moves what it is given several times for each request, and holds room for
        // it in each connection, idle or not.
        Box::pin(async move {
            let response = request::answer(reception, peer, session, request, Some(busy)).await;
            Ok::<_, Infallible>(response)
        })
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
