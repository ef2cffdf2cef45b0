//! Connections to one server, kept by the thread that uses them.
//!
//! *HTTP/1.1*: the most recently used connection is taken first, so that the others grow old and
//! are closed before the server closes them (its own keep-alive must be longer than ours). Idle
//! connections are bounded by the slots: no more than were in flight at once are ever kept.
//!
//! *HTTP/2*: a request goes on the first connection that has a stream left; only one at a time is
//! made, so that a rush on an empty pool does not make one each.
//!
//! *An age*: a connection is not used for ever, however busy it is, so that a balancer behind the
//! server's address can do its work; nor once its address is none of the server's name any more.
//!
//! *With the PROXY protocol* a connection belongs to one visitor's address, and is not kept: to
//! keep some for each visitor would hold the server's workers idle.

use super::connect::{Connection, Connector, Http1, Http2, NoConnection, OpenStream};
use super::upload::RequestBody;
use crate::config::ServerAddress;
use crate::host;
use crate::time::{Millis, Span};
use http::header::{CONNECTION, EXPECT, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request that must not be sent twice goes on a kept connection only if it has been idle for
/// less than this: the longer, the likelier the server is closing it at this very moment.
const FRESH: Span = Span::secs(1);

/// The shortest life of a connection, as a part of the longest: those that were made together do
/// not end together.
const SHORTEST_LIFE: f64 = 0.75;

/// Connections of one thread to one server.
pub struct Pool {
    connector: Connector,
    keep: Keep,
    connect_timeout: Span,
    idle: Mutex<Idle>,
    /// Held while an HTTP/2 connection is made.
    making: tokio::sync::Mutex<()>,
    /// The server spoke HTTP/2 when it was last asked.
    http2: AtomicBool,
    /// It spoke HTTP/1.0 when it last answered.
    old: AtomicBool,
}

/// How long connections are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Without being used.
    pub idle: Span,
    /// In all, at most.
    pub age: Span,
}

struct Idle {
    /// Since when, until when at most, and what.
    one: VecDeque<(Millis, Life, Http1)>,
    /// Not only idle: all that are open.
    two: Vec<(Life, Http2)>,
    /// Changes of the server's addresses that are known here.
    changes: u64,
    dice: fastrand::Rng,
}

/// What a connection's life hangs on.
#[derive(Clone, Copy, Debug)]
struct Life {
    ends: Millis,
    address: SocketAddr,
    /// Changes of the server's addresses before it began.
    changes: u64,
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
    One(Http1, Life),
    Two {
        connection: Http2,
        _stream: OpenStream,
    },
}

impl Pool {
    pub fn new(connector: Connector, keep: Keep, connect_timeout: Span) -> Arc<Pool> {
        // Until it has been asked, a server is taken to speak what it may.
        let http2 = connector.tls.as_ref().is_some_and(|tls| tls.offers_http2());
        Arc::new(Pool {
            idle: Mutex::new(Idle {
                one: VecDeque::new(),
                two: Vec::new(),
                changes: connector.addresses.changes(),
                dice: fastrand::Rng::with_seed(host::seed()),
            }),
            connector,
            keep,
            connect_timeout,
            making: tokio::sync::Mutex::default(),
            http2: AtomicBool::new(http2),
            old: AtomicBool::new(false),
        })
    }

    /// The server.
    pub fn address(&self) -> &ServerAddress {
        self.connector.addresses.server()
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
        let idle_max = if wanted.again { self.keep.idle } else { FRESH };
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
        let now = host::now();
        let mut idle = self.idle();
        // Who is too old takes no more requests, and ends with those that it has.
        idle.two
            .retain(|(life, connection)| !connection.sender.is_closed() && self.lives(life, now));
        let opened =
            |(_, connection): &(Life, Http2)| Some((connection.clone(), connection.open()?));
        let (connection, _stream) = idle.two.iter().find_map(opened)?;
        let carrier = Carrier::Two {
            connection,
            _stream,
        };
        Some(self.sender(carrier, true))
    }

    async fn kept(self: &Arc<Pool>, idle_max: Span) -> Option<Sender> {
        while let Some((life, mut connection)) = self.pop(idle_max) {
            if connection.sender.ready().await.is_ok() && connection.socket.is_quiet() {
                return Some(self.sender(Carrier::One(connection, life), true));
            }
        }
        None
    }

    /// A new connection.
    pub async fn connect(self: &Arc<Pool>, wanted: Wanted) -> Result<Sender, NoConnection> {
        let connect = self.connector.connect(wanted.visitor, wanted.http1);
        let slow = |_| NoConnection::Unreachable("does not answer in time".to_owned());
        let changes = self.connector.addresses.changes();
        let (connection, address) = tokio::time::timeout(self.connect_timeout.into(), connect)
            .await
            .map_err(slow)??;
        let life = Life {
            ends: host::now() + self.life(),
            address,
            changes,
        };
        let two = matches!(connection, Connection::Two(_));
        if !wanted.http1 {
            self.http2.store(two, Ordering::Relaxed);
        }
        match connection {
            Connection::One(connection) => Ok(self.sender(Carrier::One(connection, life), false)),
            Connection::Two(connection) => {
                let none = || NoConnection::Unreachable("allows no requests".to_owned());
                let _stream = connection.open().ok_or_else(none)?;
                self.idle().two.push((life, connection.clone()));
                let carrier = Carrier::Two {
                    connection,
                    _stream,
                };
                Ok(self.sender(carrier, false))
            }
        }
    }

    /// Closes what has been idle or open for too long, or leads where the server is no more.
    pub fn prune(&self) {
        let now = host::now();
        let oldest = now - self.keep.idle;
        let mut idle = self.idle();
        while (idle.one.front()).is_some_and(|(since, _, _)| *since <= oldest) {
            idle.one.pop_front();
        }
        let changes = self.connector.addresses.changes();
        if std::mem::replace(&mut idle.changes, changes) != changes {
            idle.one.retain(|(_, life, _)| self.lives(life, now));
        }
        idle.two.retain(|(life, connection)| {
            !connection.is_idle_since(oldest) && self.lives(life, now)
        });
    }

    /// Keeps nothing: what is in use ends with its requests.
    pub fn forget(&self) {
        let mut idle = self.idle();
        idle.one.clear();
        idle.two.clear();
    }

    fn pop(&self, idle_max: Span) -> Option<(Life, Http1)> {
        self.prune();
        let now = host::now();
        let oldest = now - idle_max;
        let mut idle = self.idle();
        while (idle.one.back()).is_some_and(|(since, _, _)| *since > oldest) {
            let (_, life, connection) = idle.one.pop_back()?;
            if !connection.sender.is_closed() && self.lives(&life, now) {
                return Some((life, connection));
            }
        }
        None
    }

    /// How long a new connection may live.
    fn life(&self) -> Span {
        let chance = self.idle().dice.f64();
        let part = SHORTEST_LIFE + (1.0 - SHORTEST_LIFE) * chance;
        self.keep.age.scale(part)
    }

    /// Whether a connection may go on.
    fn lives(&self, life: &Life, now: Millis) -> bool {
        let addresses = &self.connector.addresses;
        let led_there = || life.changes == addresses.changes() || addresses.has(life.address);
        now < life.ends && led_there()
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
            Carrier::One(connection, _) => {
                let old = &self.pool.old;
                let mut request = match old.load(Ordering::Relaxed) {
                    // It knows of no 100.
                    true => unasked(one(request)),
                    false => one(request),
                };
                listen(&mut request);
                if self.pool.connector.send_proxy {
                    let close = HeaderValue::from_static("close");
                    request.headers_mut().entry(CONNECTION).or_insert(close);
                }
                connection.beginning.awaited();
                let answer = connection.sender.try_send_request(request).await;
                if let Ok(answer) = &answer {
                    old.store(answer.version() < Version::HTTP_11, Ordering::Relaxed);
                }
                answer
            }
            Carrier::Two { connection, .. } => {
                let server = self.pool.address().to_string();
                // hyper does not say of interim answers over HTTP/2; a server that refuses takes no
                // more than a window of the body.
                let request = unasked(two(request, &server));
                connection.sender.try_send_request(request).await
            }
        }
    }

    /// Whether other requests go over the same connection at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self.carrier, Carrier::Two { .. })
    }

    /// The connection may be used again.
    pub fn put_back(self) {
        let Carrier::One(connection, life) = self.carrier else {
            return;
        };
        let (pool, now) = (&self.pool, host::now());
        let good = !connection.sender.is_closed() && !connection.beginning.is_odd();
        let kept = good && !pool.connector.send_proxy;
        if kept && pool.lives(&life, now) {
            pool.idle().one.push_back((now, life, connection));
        }
    }
}

/// The request to a server that is not asked whether it wants the body.
fn unasked(mut request: Request<RequestBody>) -> Request<RequestBody> {
    if request.headers_mut().remove(EXPECT).is_some() {
        request.body().progress().wanted();
    }
    request
}

/// Has the request's body told of interim answers, if anybody wants to know.
fn listen(request: &mut Request<RequestBody>) {
    let progress = request.body().progress();
    if progress.listens() {
        let asked = request.headers().contains_key(EXPECT);
        hyper::ext::on_informational(request, move |answer| {
            progress.told(answer.status(), answer.headers(), asked);
        });
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
mod tests;
