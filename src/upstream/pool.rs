//! Connections to one server, kept by the thread that uses them.
//!
//! *HTTP/1.1*: the most recently used connection is taken first, so that the others grow old and
//! are closed before the server closes them (its own keep-alive must be longer than ours). Idle
//! connections are bounded by the slots: no more than were in flight at once are ever kept.
//!
//! *HTTP/2*: a request goes on the first connection that has a stream left; only one at a time is
//! made, so that a rush on an empty pool does not make one each.
//!
//! *With the PROXY protocol* a connection belongs to one visitor's address, and is not kept: to
//! keep some for each visitor would hold the server's workers idle.

use super::connect::{Connection, Connector, Http1, Http2, NoConnection, OpenStream};
use super::upload::RequestBody;
use crate::config::ServerAddress;
use crate::host;
use crate::time::{Millis, Span};
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request that must not be sent twice goes on a kept connection only if it has been idle for
/// less than this: the longer, the likelier the server is closing it at this very moment.
const FRESH: Span = Span::secs(1);

/// Connections of one thread to one server.
pub struct Pool {
    connector: Connector,
    keep_alive: Span,
    connect_timeout: Span,
    idle: Mutex<Idle>,
    /// Held while an HTTP/2 connection is made.
    making: tokio::sync::Mutex<()>,
    /// The server spoke HTTP/2 when it was last asked.
    http2: AtomicBool,
}

#[derive(Default)]
struct Idle {
    one: VecDeque<(Millis, Http1)>,
    /// Not only idle: all that are open.
    two: Vec<Http2>,
}

/// What a request wants of its connection.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// On whose behalf; our own, if nobody's.
    pub visitor: Option<IpAddr>,
    /// HTTP/1.1, whatever the server speaks beside it.
    pub http1: bool,
    /// The request can be sent a second time, should the server have closed the connection.
    pub again: bool,
}

/// A connection in use, or one stream of one.
pub struct Sender {
    carrier: Carrier,
    /// It served a request before this one.
    pub reused: bool,
    pool: Arc<Pool>,
}

enum Carrier {
    One(Http1),
    Two {
        connection: Http2,
        _stream: OpenStream,
    },
}

impl Pool {
    pub fn new(connector: Connector, keep_alive: Span, connect_timeout: Span) -> Arc<Pool> {
        // Until it has been asked, a server is taken to speak what it may.
        let http2 = connector.tls.as_ref().is_some_and(|tls| tls.offers_http2());
        Arc::new(Pool {
            connector,
            keep_alive,
            connect_timeout,
            idle: Mutex::default(),
            making: tokio::sync::Mutex::default(),
            http2: AtomicBool::new(http2),
        })
    }

    /// The server.
    pub fn address(&self) -> &ServerAddress {
        &self.connector.address
    }

    /// An open connection if there is one that still lives, or a new one.
    pub async fn take(self: &Arc<Pool>, wanted: Wanted) -> Result<Sender, NoConnection> {
        if self.http2.load(Ordering::Relaxed) && !wanted.http1 {
            if let Some(sender) = self.stream() {
                return Ok(sender);
            }
            // Whoever makes one may be in vain: nobody waits for more than one such attempt.
            let alone = tokio::time::timeout(self.connect_timeout.into(), self.making.lock());
            let _alone = alone.await;
            return match self.stream() {
                Some(sender) => Ok(sender),
                None => Box::pin(self.connect(wanted)).await,
            };
        }
        let idle_max = if wanted.again { self.keep_alive } else { FRESH };
        // A connection may not be ready for long: the last request's bytes may still be on
        // their way to a server that does not take them.
        let kept = tokio::time::timeout(self.connect_timeout.into(), self.kept(idle_max));
        match kept.await {
            Ok(Some(sender)) => Ok(sender),
            // A box: it is rare, and every request would hold room for it.
            Ok(None) | Err(_) => Box::pin(self.connect(wanted)).await,
        }
    }

    /// A stream on an HTTP/2 connection that is open.
    fn stream(self: &Arc<Pool>) -> Option<Sender> {
        let mut idle = self.idle();
        idle.two.retain(|connection| !connection.sender.is_closed());
        let opened = |connection: &Http2| Some((connection.clone(), connection.open()?));
        let (connection, _stream) = idle.two.iter().find_map(opened)?;
        let carrier = Carrier::Two {
            connection,
            _stream,
        };
        Some(self.sender(carrier, true))
    }

    async fn kept(self: &Arc<Pool>, idle_max: Span) -> Option<Sender> {
        while let Some(mut connection) = self.pop(idle_max) {
            if connection.sender.ready().await.is_ok() && connection.socket.is_quiet() {
                return Some(self.sender(Carrier::One(connection), true));
            }
        }
        None
    }

    /// A new connection.
    pub async fn connect(self: &Arc<Pool>, wanted: Wanted) -> Result<Sender, NoConnection> {
        let connect = self.connector.connect(wanted.visitor, wanted.http1);
        let slow = |_| NoConnection::Unreachable("does not answer in time".to_owned());
        let connection = tokio::time::timeout(self.connect_timeout.into(), connect)
            .await
            .map_err(slow)??;
        let two = matches!(connection, Connection::Two(_));
        if !wanted.http1 {
            self.http2.store(two, Ordering::Relaxed);
        }
        match connection {
            Connection::One(connection) => Ok(self.sender(Carrier::One(connection), false)),
            Connection::Two(connection) => {
                let none = || NoConnection::Unreachable("allows no requests".to_owned());
                let _stream = connection.open().ok_or_else(none)?;
                self.idle().two.push(connection.clone());
                let carrier = Carrier::Two {
                    connection,
                    _stream,
                };
                Ok(self.sender(carrier, false))
            }
        }
    }

    /// Closes what has been idle for longer than the keep-alive.
    pub fn prune(&self) {
        let oldest = host::now() - self.keep_alive;
        let mut idle = self.idle();
        while idle.one.front().is_some_and(|(since, _)| *since <= oldest) {
            idle.one.pop_front();
        }
        idle.two
            .retain(|connection| !connection.is_idle_since(oldest));
    }

    /// Keeps nothing: what is in use ends with its requests.
    pub fn forget(&self) {
        *self.idle() = Idle::default();
    }

    fn pop(&self, idle_max: Span) -> Option<Http1> {
        self.prune();
        let oldest = host::now() - idle_max;
        let mut idle = self.idle();
        while idle.one.back().is_some_and(|(since, _)| *since > oldest) {
            let (_, connection) = idle.one.pop_back()?;
            if !connection.sender.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn sender(self: &Arc<Pool>, carrier: Carrier, reused: bool) -> Sender {
        Sender {
            carrier,
            reused,
            pool: self.clone(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing panics while it is held; each change is whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    /// Sends a request and gives the head of its answer.
    ///
    /// # Errors
    /// Why there is none, with the request if nothing of it was sent.
    pub async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.carrier {
            Carrier::One(connection) => {
                let mut request = one(request);
                if self.pool.connector.send_proxy {
                    let close = HeaderValue::from_static("close");
                    request.headers_mut().entry(CONNECTION).or_insert(close);
                }
                connection.sender.try_send_request(request).await
            }
            Carrier::Two { connection, .. } => {
                let server = self.pool.connector.address.to_string();
                connection
                    .sender
                    .try_send_request(two(request, &server))
                    .await
            }
        }
    }

    /// Whether other requests go over the same connection at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self.carrier, Carrier::Two { .. })
    }

    /// The connection may be used again.
    pub fn put_back(self) {
        let Carrier::One(connection) = self.carrier else {
            return;
        };
        if !connection.sender.is_closed() && !self.pool.connector.send_proxy {
            self.pool.idle().one.push_back((host::now(), connection));
        }
    }
}

/// The request as HTTP/1.1 has it, should it have been meant for HTTP/2 before.
fn one(mut request: Request<RequestBody>) -> Request<RequestBody> {
    let target = request.uri();
    if let Some(host) = target.authority() {
        let host = HeaderValue::from_str(host.as_str());
        let path = target.path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
        if let Ok(host) = host {
            request.headers_mut().insert(HOST, host);
        }
    }
    *request.version_mut() = Version::HTTP_11;
    request
}

/// The request as HTTP/2 has it (RFC 9113 §8.3.1); `server` stands in for a host that was not
/// named.
fn two(mut request: Request<RequestBody>, server: &str) -> Request<RequestBody> {
    let host = request.headers_mut().remove(HOST);
    let named = host.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    let authority = Authority::try_from(named).or_else(|_| Authority::try_from(server));
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = authority.ok();
    if let Ok(target) = Uri::from_parts(parts) {
        *request.uri_mut() = target;
    }
    request.headers_mut().remove(CONNECTION);
    request.headers_mut().remove(TRANSFER_ENCODING);
    *request.version_mut() = Version::HTTP_2;
    request
}

#[cfg(test)]
mod tests {
    use super::super::socket::Socket;
    use super::*;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    const PLAIN: Wanted = Wanted {
        visitor: None,
        http1: false,
        again: true,
    };
    const FORM: Wanted = Wanted {
        again: false,
        ..PLAIN
    };

    /// A pool of connections to a listener that takes whoever comes, and says nothing.
    async fn pool() -> (TcpListener, Arc<Pool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = ServerAddress {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: false,
        };
        let connector = Connector {
            address,
            tls: None,
            send_proxy: false,
        };
        (listener, Pool::new(connector, Span::secs(4), Span(100)))
    }

    fn age(pool: &Pool, by: Span) {
        for (since, _) in &mut pool.idle().one {
            *since = host::now() - by;
        }
    }

    #[tokio::test]
    async fn what_must_not_be_sent_twice_wants_a_fresh_connection() {
        let (_listener, pool) = pool().await;
        pool.connect(PLAIN).await.unwrap().put_back();
        let young = pool.take(FORM).await.unwrap();
        assert!(young.reused);
        young.put_back();
        age(&pool, FRESH);
        assert!(!pool.take(FORM).await.unwrap().reused);
        assert!(pool.take(PLAIN).await.unwrap().reused);
    }

    #[tokio::test]
    async fn a_kept_connection_that_is_never_ready_holds_nobody_up() {
        let (listener, pool) = pool().await;
        let address = listener.local_addr().unwrap();
        let socket = Socket::new(TcpStream::connect(address).await.unwrap());
        let (ours, _theirs) = tokio::io::duplex(64);
        // Nobody drives it.
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(ours));
        let (sender, _connection) = handshake.await.unwrap();
        let stuck = Http1 { sender, socket };
        pool.idle().one.push_back((host::now(), stuck));
        let taken = tokio::time::timeout(Span::secs(5).into(), pool.take(PLAIN)).await;
        assert!(!taken.expect("in time").unwrap().reused);
    }

    #[tokio::test]
    async fn point_19_a_kept_connection_on_which_bytes_wait_is_not_used() {
        let (listener, pool) = pool().await;
        let sender = pool.connect(PLAIN).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let Carrier::One(connection) = &sender.carrier else {
            panic!("HTTP/1.1 was spoken");
        };
        let socket = connection.socket.clone();
        assert!(socket.is_quiet());
        server.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        sender.put_back();
        // The kernel has them at once; whether hyper has been told does not matter.
        assert!(!socket.is_quiet() || pool.idle().one[0].1.sender.is_closed());
        assert!(!pool.take(PLAIN).await.unwrap().reused);
    }

    #[tokio::test]
    async fn what_carries_one_visitors_address_is_never_kept() {
        let (_listener, pool) = pool().await;
        let mut pool = Arc::into_inner(pool).unwrap();
        pool.connector.send_proxy = true;
        let pool = Arc::new(pool);
        pool.connect(PLAIN).await.unwrap().put_back();
        assert!(pool.idle().one.is_empty());
    }
}
