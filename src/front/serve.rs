//! Connections of visitors on one thread: accepted, bounded, served, and let go gently.

use super::access::{self, Address};
use super::connection::{self, Guest};
use super::door::{House, Thread};
use super::farewell::Farewells;
use crate::config::{Listener, Speaks, within};
use crate::host::Seldom;
use crate::time::Span;
use http::HeaderValue;
use socket2::{SockFilter, SockRef};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// An accept that fails is said in the log no more often than this.
const SAY_AGAIN: Span = Span::secs(10);
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// At a stop, connections are still taken in until none came for this long …
const GATHER_LULL: Duration = Duration::from_millis(20);
/// … and for this long at most.
const GATHER_MAX: Duration = Duration::from_millis(500);

/// How far the house is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Open,
    /// No new connections; answers ask visitors to connect anew.
    Leaving,
    /// Connections without a request are closed.
    Closing,
}

/// One listener on one thread: what each of its connections needs.
pub(super) struct Reception {
    pub thread: Arc<Thread>,
    pub listener: Listener,
    pub farewells: Arc<Farewells>,
    pub phase: watch::Receiver<Phase>,
    /// `Strict-Transport-Security`, if it is to be said.
    pub hsts: Option<HeaderValue>,
    connections: TaskTracker,
}

impl Reception {
    /// The address of whoever has come here in a wrong way, as the log may say it.
    pub(super) fn written(&self, address: IpAddr) -> Address {
        let config = &self.thread.house.config;
        let named = config.trust.covers(address) || within(&self.listener.proxy_from, address);
        access::written_of_machine(address, named, config.log.addresses)
    }
}

/// Serves visitors until the phase says otherwise, and ends when the last has gone.
pub async fn serve(
    thread: Thread,
    listeners: Vec<(Listener, TcpListener)>,
    phase: watch::Receiver<Phase>,
) {
    let thread = Arc::new(thread);
    let (pages, metrics) = (&thread.house.pages, &thread.house.metrics);
    let farewells = Arc::new(Farewells::new(pages, metrics));
    let connections = TaskTracker::new();
    let acceptors: Vec<_> = listeners
        .into_iter()
        .map(|(listener, socket)| {
            let reception = Arc::new(Reception {
                hsts: hsts(&thread.house, &listener),
                thread: thread.clone(),
                listener,
                farewells: farewells.clone(),
                phase: phase.clone(),
                connections: connections.clone(),
            });
            tokio::spawn(accept(reception, socket))
        })
        .collect();
    let tunnels = thread.tunnels.clone();
    let pruner = tokio::spawn(prune(thread));
    for acceptor in acceptors {
        let _ = acceptor.await;
    }
    connections.close();
    connections.wait().await;
    // Whatever could become a tunnel has ended or has become one.
    tunnels.close();
    tunnels.wait().await;
    pruner.abort();
}

/// Closes portal connections that nobody used for a while, also when no request comes.
async fn prune(thread: Arc<Thread>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        thread.clients.iter().for_each(|client| client.prune());
    }
}

async fn accept(reception: Arc<Reception>, listener: TcpListener) {
    let mut phase = reception.phase.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase > Phase::Open) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => reception.welcome(socket, address),
            Err(error) => {
                static SAID: Seldom = Seldom::new(SAY_AGAIN);
                if SAID.now() {
                    let address = reception.listener.address;
                    tracing::warn!(%error, %address, "connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Whoever the kernel has already taken in is served: closing the listener would reset them.
    // So nobody new may be taken in meanwhile.
    if let Err(error) = hold_back(&listener) {
        tracing::debug!(%error, "newcomers cannot be held back");
    }
    let gathered = tokio::time::sleep(GATHER_MAX);
    let mut gathered = std::pin::pin!(gathered);
    while let Ok(Ok((socket, address))) = tokio::select! {
        accepted = tokio::time::timeout(GATHER_LULL, listener.accept()) => accepted,
        () = gathered.as_mut() => return,
    } {
        reception.welcome(socket, address);
    }
}

impl Reception {
    fn welcome(self: &Arc<Self>, socket: TcpStream, address: SocketAddr) {
        let house = &self.thread.house;
        let guest = Guest::new(house.clone());
        if guest.is_beyond() {
            house.metrics.connections_refused.inc();
            return;
        }
        let served = connection::serve(self.clone(), guest, socket, address);
        self.connections.spawn(served);
    }
}

/// From now on the kernel drops attempts to connect, as if they were lost on the way: they are
/// made again a second later, and meet a closed port, or whoever listens there by then.
///
/// The filter (classic BPF) sees the TCP header: a segment whose flags, in byte 13, have SYN and
/// not ACK is dropped. Connections inherit it, and never see such a segment again.
fn hold_back(listener: &TcpListener) -> io::Result<()> {
    const FLAGS_BYTE: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_OR_ACK: u32 = 0x12;
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_BYTE),
        SockFilter::new(AND, 0, 0, SYN_OR_ACK),
        SockFilter::new(IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// `Strict-Transport-Security`, where it may be said: not over plain HTTP (RFC 6797 §7.2).
fn hsts(house: &House, listener: &Listener) -> Option<HeaderValue> {
    if matches!(listener.speaks, Speaks::Redirect(_)) {
        return None;
    }
    let length = house.config.tls.hsts?;
    HeaderValue::try_from(format!("max-age={}", length.ceil_secs())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_was_taken_in_is_served_and_nobody_else_is_taken_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut early = TcpStream::connect(address).await.unwrap();
        hold_back(&listener).unwrap();
        let late = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address));
        assert!(late.await.is_err(), "neither taken in nor refused");

        let (mut socket, _) = listener.accept().await.unwrap();
        drop(listener);
        tokio::io::AsyncWriteExt::write_all(&mut socket, b"words")
            .await
            .unwrap();
        drop(socket);
        let mut heard = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut early, &mut heard)
            .await
            .unwrap();
        assert_eq!(heard, b"words");
    }
}
