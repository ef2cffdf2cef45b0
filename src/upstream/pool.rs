//! Connections to the servers, kept by the thread that uses them.
//!
//! The most recently used connection is taken first, so that the others grow old and are
//! closed before the server closes them (its own keep-alive must be longer than ours). Idle
//! connections are bounded by the slots: no more than were in flight at once are ever kept.

use super::body::RequestBody;
use crate::config::ServerAddress;
use crate::host;
use crate::time::{Millis, Span};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpStream, lookup_host};

/// Bytes buffered for a portal's answer head and body chunk, at most.
const BUFFER_MAX: usize = 64 * 1024;

/// What a connection fails with when we, not the server, have run out of something.
const OURS: [Errno; 5] = [
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOBUFS,
    Errno::NOMEM,
    // No local port is left.
    Errno::ADDRNOTAVAIL,
];

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoConnection {
    /// No descriptor, port or memory of ours is left: nothing that the server is to blame for.
    Exhausted,
    /// The server has no address, refuses, or does not answer.
    Unreachable,
}

impl From<io::Error> for NoConnection {
    fn from(error: io::Error) -> NoConnection {
        match Errno::from_io_error(&error) {
            Some(errno) if OURS.contains(&errno) => NoConnection::Exhausted,
            _ => NoConnection::Unreachable,
        }
    }
}

/// Idle connections of one thread to one server.
pub struct Pool {
    address: ServerAddress,
    keep_alive: Span,
    connect_timeout: Span,
    idle: Mutex<VecDeque<(Millis, SendRequest<RequestBody>)>>,
}

/// A connection in use.
pub struct Sender {
    /// hyper's end of it.
    pub inner: SendRequest<RequestBody>,
    /// It served a request before this one.
    pub reused: bool,
    pool: Arc<Pool>,
}

impl Pool {
    pub fn new(address: ServerAddress, keep_alive: Span, connect_timeout: Span) -> Arc<Pool> {
        Arc::new(Pool {
            address,
            keep_alive,
            connect_timeout,
            idle: Mutex::default(),
        })
    }

    /// The server.
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// An idle connection if there is one that still lives, or a new one.
    pub async fn take(self: &Arc<Pool>) -> Result<Sender, NoConnection> {
        while let Some(mut inner) = self.pop() {
            if inner.ready().await.is_ok() {
                return Ok(self.sender(inner, true));
            }
        }
        self.connect().await
    }

    /// A new connection.
    pub async fn connect(self: &Arc<Pool>) -> Result<Sender, NoConnection> {
        let stream = tokio::time::timeout(self.connect_timeout.into(), self.reach())
            .await
            .map_err(|_| NoConnection::Unreachable)??;
        stream.set_nodelay(true)?;
        let (inner, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| NoConnection::Unreachable)?;
        tokio::spawn(connection.with_upgrades());
        Ok(self.sender(inner, false))
    }

    /// The first of the server's addresses that answers.
    async fn reach(&self) -> Result<TcpStream, NoConnection> {
        let target = (self.address.host.as_str(), self.address.port);
        let mut failure = None;
        for address in lookup_host(target).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                // `localhost` may have an IPv6 address where there is no IPv6, which looks as if
                // we had no port left: what the other addresses say counts for more.
                Err(error) => failure = failure.max(Some(NoConnection::from(error))),
            }
        }
        Err(failure.unwrap_or(NoConnection::Unreachable))
    }

    /// Closes what has been idle for longer than the keep-alive.
    pub fn prune(&self) {
        let oldest = host::now() - self.keep_alive;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.front().is_some_and(|(since, _)| *since <= oldest) {
            idle.pop_front();
        }
    }

    fn pop(&self) -> Option<SendRequest<RequestBody>> {
        self.prune();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, inner)) = idle.pop_back() {
            if !inner.is_closed() {
                return Some(inner);
            }
        }
        None
    }

    fn sender(self: &Arc<Pool>, inner: SendRequest<RequestBody>, reused: bool) -> Sender {
        Sender {
            inner,
            reused,
            pool: self.clone(),
        }
    }
}

impl Sender {
    /// The connection may be used again.
    pub fn put_back(self) {
        if self.inner.is_closed() {
            return;
        }
        let mut idle = self
            .pool
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        idle.push_back((host::now(), self.inner));
    }
}
