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

/// A request that must not be sent twice goes on a kept connection only if it has been idle for
/// less than this: the longer, the likelier the server is closing it at this very moment.
const FRESH: Span = Span::secs(1);

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

    /// An idle connection if there is one that still lives, or a new one. `again`: the request
    /// can be sent a second time, should the server have closed the connection meanwhile.
    pub async fn take(self: &Arc<Pool>, again: bool) -> Result<Sender, NoConnection> {
        let idle_max = if again { self.keep_alive } else { FRESH };
        // A connection may not be ready for long: the last request's bytes may still be on
        // their way to a server that does not take them.
        let kept = tokio::time::timeout(self.connect_timeout.into(), self.kept(idle_max));
        match kept.await {
            Ok(Some(sender)) => Ok(sender),
            Ok(None) | Err(_) => self.connect().await,
        }
    }

    async fn kept(self: &Arc<Pool>, idle_max: Span) -> Option<Sender> {
        while let Some(mut inner) = self.pop(idle_max) {
            if inner.ready().await.is_ok() {
                return Some(self.sender(inner, true));
            }
        }
        None
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

    fn pop(&self, idle_max: Span) -> Option<SendRequest<RequestBody>> {
        self.prune();
        let oldest = host::now() - idle_max;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.back().is_some_and(|(since, _)| *since > oldest) {
            let (_, inner) = idle.pop_back()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A pool of connections to a listener that takes whoever comes, and says nothing.
    async fn pool() -> (TcpListener, Arc<Pool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = ServerAddress {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
        };
        (listener, Pool::new(address, Span::secs(4), Span(100)))
    }

    #[tokio::test]
    async fn what_must_not_be_sent_twice_wants_a_fresh_connection() {
        let (_listener, pool) = pool().await;
        pool.connect().await.unwrap().put_back();
        let young = pool.take(false).await.unwrap();
        assert!(young.reused);
        let long_ago = host::now() - FRESH;
        pool.idle.lock().unwrap().push_back((long_ago, young.inner));
        assert!(!pool.take(false).await.unwrap().reused);
        assert!(pool.take(true).await.unwrap().reused);
    }

    #[tokio::test]
    async fn a_kept_connection_that_is_never_ready_holds_nobody_up() {
        let (_listener, pool) = pool().await;
        let (ours, _theirs) = tokio::io::duplex(64);
        // Nobody drives it.
        let (inner, _connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
        pool.idle.lock().unwrap().push_back((host::now(), inner));
        let taken = tokio::time::timeout(Span::secs(5).into(), pool.take(true)).await;
        assert!(!taken.expect("in time").unwrap().reused);
    }
}
