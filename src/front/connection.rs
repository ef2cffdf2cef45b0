//! One connection of a visitor, from its first byte to its last.

use super::crowd::network;
use super::door::House;
use super::farewell;
use super::guard::LINE_MAX;
use super::handshake::{self, Session, Unshaken};
use super::http2;
use super::misdialled;
use super::origin::Peer;
use super::page::RefusalKind;
use super::proxy;
use super::request;
use super::serve::{Phase, Reception};
use super::stream::Stream;
use super::tunnel;
use super::wire::Wire;
use crate::config::Speaks;
use crate::host::Seldom;
use crate::time::Span;
use http::Request;
use hyper::body::Incoming;
use hyper::rt::Write as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// Bytes that hyper buffers for one connection at most.
const BUFFER_MAX: usize = 64 * 1024;
/// What holds for every connection is said in the log no more often than this.
const SAY_AGAIN: Span = Span::secs(10);

/// Connections beyond a limit that are told so at once: in all, over all threads …
pub const FAREWELLS_MAX: usize = 256;
/// … and to one address.
const FAREWELLS_PER_ADDRESS: usize = 64;

/// A connection, counted while it lasts.
pub struct Guest {
    house: Arc<House>,
    /// How many there were when it came, with it.
    number: usize,
    network: Option<u128>,
}

/// What a guest may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Welcome {
    /// To be served.
    Served,
    /// To hear that there are too many.
    Told,
    /// Nothing: even those who are told are too many.
    Dropped,
}

impl Guest {
    /// Counts one more.
    pub fn new(house: Arc<House>) -> Guest {
        house.metrics.connections.inc();
        Guest {
            number: house.crowd.enter(),
            house,
            network: None,
        }
    }

    /// Whether not even words can be spared for it.
    pub fn is_beyond(&self) -> bool {
        self.number > self.house.config.limits.connections + FAREWELLS_MAX
    }

    /// Counts it for its address, unless that is a proxy's of ours, which speaks for many.
    /// Returns how many there are from there, with it.
    pub fn comes_from(&mut self, address: IpAddr, proven: bool) -> usize {
        if self.network.is_some() || self.house.speaks_for_many(address, proven) {
            return 0;
        }
        let network = network(address);
        self.network = Some(network);
        self.house.crowd.enter_from(network)
    }

    fn welcome(&mut self, peer: Peer) -> Welcome {
        let limits = &self.house.config.limits;
        let most = limits.connections_per_address;
        let all_taken = self.number > limits.connections;
        match self.comes_from(peer.address, peer.proven) {
            near if near > most + FAREWELLS_PER_ADDRESS => Welcome::Dropped,
            near if near > most || all_taken => Welcome::Told,
            _ => Welcome::Served,
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.house.crowd.leave(self.network);
        self.house.metrics.connections.dec();
    }
}

/// Serves a connection to its end.
pub async fn serve(
    reception: Arc<Reception>,
    mut guest: Guest,
    mut socket: TcpStream,
    address: SocketAddr,
) {
    let secure = reception.listener.speaks == Speaks::Https;
    let mut peer = Peer {
        address: address.ip(),
        secure,
        proven: secure,
    };
    // Boxes, here and below, so that a connection does not take as much memory as the largest of
    // what it may never need.
    if !reception.listener.proxy_from.is_empty() {
        peer = match Box::pin(named(&reception, &mut socket, peer)).await {
            Ok(peer) => peer,
            Err(_) => return Box::pin(not_understood(&reception, socket)).await,
        };
    }
    let welcome = guest.welcome(peer);
    if welcome != Welcome::Served {
        guest.house.metrics.connections_refused.inc();
        if welcome == Welcome::Told {
            Box::pin(turn_away(&reception, socket)).await;
        }
        return;
    }
    if reception.listener.speaks != Speaks::Https {
        return http1(&reception, Stream::Plain(socket), peer, None).await;
    }
    let shaken = Box::pin(handshake::shake(&reception, socket)).await;
    match shaken {
        Ok((stream, session)) if session.http2 => {
            Box::pin(http2::serve(reception, stream, peer, session)).await;
        }
        Ok((stream, session)) => http1(&reception, stream, peer, Some(&session)).await,
        Err(Unshaken::Plain(socket)) => {
            Box::pin(misdialled::without_tls(&reception, socket, peer)).await;
        }
        Err(Unshaken::Gone) => {}
    }
}

/// Says that this is not what is spoken here.
async fn not_understood(reception: &Reception, socket: TcpStream) {
    let words = reception.farewells.say(RefusalKind::BadRequest);
    farewell::say(async { Ok(socket) }, &words).await;
}

/// Says that there are too many, over what the listener speaks.
async fn turn_away(reception: &Reception, socket: TcpStream) {
    let words = reception.farewells.say(RefusalKind::TooManyConnections);
    let stream = async {
        match reception.listener.speaks {
            Speaks::Https => handshake::for_words(reception, socket).await,
            _ => Ok(Stream::Plain(socket)),
        }
    };
    farewell::say(stream, &words).await;
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
        .inspect_err(|why| unnamed(reception, peer.address, why))
}

/// Counts and, now and then, says that a connection names nobody: most likely one of two files is
/// wrong, and then all of them are.
///
fn unnamed(reception: &Reception, address: IpAddr, why: &proxy::Wrong) {
    static SAID: Seldom = Seldom::new(SAY_AGAIN);
    let house = &reception.thread.house;
    house.metrics.connections_unnamed.inc();
    if SAID.now() {
        let (address, listener) = (reception.written(address), reception.listener.address);
        tracing::warn!(%address, %listener, "no connection from here: {why}");
    }
}

async fn http1(reception: &Reception, stream: Stream, peer: Peer, session: Option<&Session>) {
    let limits = &reception.thread.house.config.limits;
    let mut wire = Wire::new(stream, reception.farewells.clone(), limits);
    let mut phase = reception.phase.clone();
    loop {
        let begun = tokio::select! {
            biased;
            begun = poll_fn(|context| wire.poll_begun(context)) => begun,
            _ = phase.wait_for(|phase| *phase == Phase::Closing) => false,
        };
        if !begun {
            if wire.heard_tls() {
                misdialled::with_tls(reception, peer);
            }
            // Nobody is there who would miss what we could not say.
            let _ = poll_fn(|context| Pin::new(&mut wire).poll_shutdown(context)).await;
            return;
        }
        // A box, so that nothing of it is left while the wire rests.
        match Box::pin(requests(reception, wire, peer, session)).await {
            Some(rested) => wire = rested,
            None => return,
        }
    }
}

/// Answers requests until the wire rests and is given back, or the connection has ended.
async fn requests(
    reception: &Reception,
    wire: Wire,
    peer: Peer,
    session: Option<&Session>,
) -> Option<Wire> {
    let limits = &reception.thread.house.config.limits;
    let mark = wire.mark();
    let becoming = Mutex::new(None);
    let service = service_fn(|mut request: Request<Incoming>| {
        let busy = mark.begin(request.version());
        if mark.offers_websocket() {
            let waits = tunnel::offer(&mut request);
            *becoming.lock().unwrap_or_else(PoisonError::into_inner) = Some(waits);
        }
        // A box: hyper moves what it is given several times for each request.
        Box::pin(async move {
            let response = request::answer(reception, peer, session, request, Some(busy)).await;
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = http1::Builder::new()
        // The wire's guard and clock know what is a head and what is a pause; hyper does not.
        .header_read_timeout(None)
        .max_buf_size((LINE_MAX + limits.header_bytes).max(BUFFER_MAX))
        .half_close(false)
        .serve_connection(wire, service);
    let mut phase = reception.phase.clone();
    let mut asked_to_close = false;
    let ended = loop {
        tokio::select! {
            ended = &mut connection => break ended,
            _ = phase.wait_for(|phase| *phase == Phase::Closing), if !asked_to_close => {
                asked_to_close = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let mut wire = connection.into_parts().io;
    if let Err(error) = ended {
        tracing::debug!(%error, "a visitor's connection broke");
        return None;
    }
    if wire.rests() {
        return Some(wire);
    }
    if wire.tunnels() {
        let waits = becoming
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(waits) = waits {
            // Either side may be gone before the tunnel exists: then nobody waits for it.
            let _ = waits.send(wire);
        }
        return None;
    }
    // hyper does not close a connection on which somebody asked for a tunnel (CONNECT).
    let _ = poll_fn(|context| Pin::new(&mut wire).poll_shutdown(context)).await;
    None
}
