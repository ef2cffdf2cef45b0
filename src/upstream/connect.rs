//! A new connection to a server: the socket, what is said before anything else, TLS, and which
//! HTTP is spoken.

use super::addresses::Addresses;
use super::beginning::{Beginning, Watched};
use super::race::Race;
use super::socket::{Socket, Stream};
use super::tls::Tls;
use super::upload::RequestBody;
use crate::config::ServerAddress;
use crate::host;
use crate::time::{Millis, Span};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use proxy_header::{ProxiedAddress, ProxyHeader};
use rustix::io::Errno;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Bytes buffered for a portal's answer head and body chunk, at most; the same for what waits to
/// be sent on an HTTP/2 connection.
const BUFFER_MAX: usize = 64 * 1024;
/// Bytes of one answer, and of all answers on one HTTP/2 connection, that a server may send before
/// visitors have taken them.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of the fields of an answer over HTTP/2.
const FIELDS_MAX: u32 = 64 * 1024;
/// An HTTP/2 server that is silent for this long is asked whether it lives …
const PING_EVERY: Duration = Duration::from_secs(20);
/// … and has this long to say so.
const PING_PATIENCE: Duration = Duration::from_secs(10);

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoConnection {
    /// No descriptor, port or memory of ours is left: nothing that the server is to blame for.
    Exhausted,
    /// The server has no address, refuses, does not answer, or is not who it should be; in words
    /// that follow its name.
    Unreachable(String),
}

impl NoConnection {
    /// No socket could be connected to `address`.
    pub fn to(address: SocketAddr, error: io::Error) -> NoConnection {
        let ports = Errno::from_io_error(&error) == Some(Errno::ADDRNOTAVAIL);
        match ports && !is_on_the_way(address) {
            true => unanswered(&error),
            false => error.into(),
        }
    }
}

impl From<io::Error> for NoConnection {
    fn from(error: io::Error) -> NoConnection {
        match Errno::from_io_error(&error) {
            Some(errno) if OURS.contains(&errno) => NoConnection::Exhausted,
            _ => unanswered(&error),
        }
    }
}

fn unanswered(error: &io::Error) -> NoConnection {
    NoConnection::Unreachable(format!("does not answer ({error})"))
}

/// Whether this machine has an address to come from. If it has none (no IPv6, say), that looks as if no
/// port were left: but UDP has ports of its own, and sends nothing to connect.
fn is_on_the_way(address: SocketAddr) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let asked = UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(address));
    !asked.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}

/// How connections to one server are made.
pub struct Connector {
    pub addresses: Arc<Addresses>,
    pub tls: Option<Arc<Tls>>,
    /// Each connection begins with the visitor's address (PROXY protocol, version 2).
    pub send_proxy: bool,
}

/// A connection that speaks.
pub enum Connection {
    /// One request after the other.
    One(Http1),
    /// Several at once.
    Two(Http2),
}

/// An HTTP/1.1 connection.
pub struct Http1 {
    pub sender: http1::SendRequest<RequestBody>,
    pub socket: Socket,
    pub beginning: Beginning,
}

/// An HTTP/2 connection, shared by the requests on it.
#[derive(Clone)]
pub struct Http2 {
    pub sender: http2::SendRequest<RequestBody>,
    /// The one who knows how many streams the server allows now; gone once it has ended, for what
    /// waits in it learns of the end by that.
    connection: Arc<Mutex<Option<Driver>>>,
    streams: Arc<Streams>,
}

type Driver = http2::Connection<TokioIo<Stream>, RequestBody, TokioExecutor>;

struct Streams {
    open: AtomicUsize,
    /// When the last one ended.
    used: AtomicU64,
}

/// One stream of an HTTP/2 connection, counted while it lasts.
pub struct OpenStream(Arc<Streams>);

impl Connector {
    /// A new connection, on behalf of `visitor` or, if there is none, of ourselves; `http1`: even
    /// if the server speaks HTTP/2. With the address that it leads to.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(
        &self,
        visitor: Option<IpAddr>,
        http1: bool,
    ) -> Result<(Connection, SocketAddr), NoConnection> {
        if let Some(address) = self.addresses.literal() {
            let stream = TcpStream::connect(address).await;
            let stream = stream.map_err(|error| NoConnection::to(address, error))?;
            return Ok((self.speak(stream, visitor, http1).await?, address));
        }
        let mut race = Race::among(&self.addresses).await?;
        loop {
            let (address, stream) = race.next().await?;
            match self.speak(stream, visitor, http1).await {
                Ok(connection) => {
                    race.won(address);
                    return Ok((connection, address));
                }
                Err(why) => race.failed(address, why),
            }
        }
    }

    /// Looks the server's name up again and again, and tries those of its addresses that did not
    /// answer, each for up to `patience`.
    pub async fn follow(self: Arc<Connector>, every: Span, patience: Span) {
        let answers = |address| {
            let connector = self.clone();
            async move {
                let speaks = async {
                    let stream = TcpStream::connect(address).await?;
                    connector.speak(stream, None, true).await
                };
                let tried = tokio::time::timeout(patience.into(), speaks).await;
                matches!(tried, Ok(Ok(_)))
            }
        };
        self.addresses.follow(every, answers).await;
    }

    /// What is said over `stream` before the first request.
    async fn speak(
        &self,
        mut stream: TcpStream,
        visitor: Option<IpAddr>,
        http1: bool,
    ) -> Result<Connection, NoConnection> {
        stream.set_nodelay(true)?;
        if self.send_proxy {
            let header = introduction(visitor, stream.peer_addr()?);
            stream.write_all(&header).await?;
        }
        let socket = Socket::new(stream);
        let Some(tls) = &self.tls else {
            return first(Stream::Plain(socket.clone()), socket).await;
        };
        let host = &self.addresses.server().host;
        let shaken = tls.shake_hands(socket.clone(), host, http1);
        let (stream, http2) = shaken.await.map_err(NoConnection::Unreachable)?;
        let stream = Stream::Secure(Box::new(stream));
        match http2 {
            true => second(stream).await,
            false => first(stream, socket).await,
        }
    }
}

/// A connection to whichever address of `host` answers first, for what is not a portal's.
///
/// # Errors
/// Why there is none, in words.
pub async fn reach(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = Addresses::new(ServerAddress {
        host: host.to_owned(),
        port,
        tls: false,
    });
    let reached = async {
        let mut race = Race::among(&addresses).await?;
        race.next().await
    };
    match reached.await {
        Ok((_, stream)) => Ok(stream),
        Err(NoConnection::Unreachable(why)) => Err(why),
        Err(NoConnection::Exhausted) => Err("no open files or ports are left".to_owned()),
    }
}

/// HTTP/1.1.
async fn first(stream: Stream, socket: Socket) -> Result<Connection, NoConnection> {
    let beginning = Beginning::new();
    let watched = Watched::new(stream, beginning.clone());
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER_MAX)
        .handshake(TokioIo::new(watched))
        .await
        .map_err(unspoken)?;
    tokio::spawn(connection.with_upgrades());
    Ok(Connection::One(Http1 {
        sender,
        socket,
        beginning,
    }))
}

/// HTTP/2.
async fn second(stream: Stream) -> Result<Connection, NoConnection> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(FIELDS_MAX)
        .max_send_buf_size(BUFFER_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(unspoken)?;
    let connection = Arc::new(Mutex::new(Some(connection)));
    let driven = connection.clone();
    tokio::spawn(poll_fn(move |context| {
        let mut connection = driven.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(driver) = connection.as_mut() else {
            return Poll::Ready(());
        };
        if let Err(error) = ready!(Pin::new(driver).poll(context)) {
            tracing::debug!(%error, "an HTTP/2 connection to a server broke");
        }
        *connection = None;
        Poll::Ready(())
    }));
    Ok(Connection::Two(Http2 {
        sender,
        connection,
        streams: Arc::new(Streams {
            open: AtomicUsize::new(0),
            used: AtomicU64::new(host::now().0),
        }),
    }))
}

fn unspoken(error: hyper::Error) -> NoConnection {
    NoConnection::Unreachable(format!("does not speak HTTP ({error})"))
}

impl Http2 {
    /// One more stream, if the server allows it.
    pub fn open(&self) -> Option<OpenStream> {
        let connection = self.connection.lock();
        let connection = connection.unwrap_or_else(PoisonError::into_inner);
        let most = connection.as_ref()?.current_max_send_streams();
        let one_more = |open| (open < most).then_some(open + 1);
        let (load, store) = (Ordering::Relaxed, Ordering::Relaxed);
        self.streams.open.fetch_update(store, load, one_more).ok()?;
        Some(OpenStream(self.streams.clone()))
    }

    /// Whether nobody has used it since `oldest`.
    pub fn is_idle_since(&self, oldest: Millis) -> bool {
        let Streams { open, used, .. } = &*self.streams;
        open.load(Ordering::Relaxed) == 0 && used.load(Ordering::Relaxed) <= oldest.0
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.used.store(host::now().0, Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The header of the PROXY protocol, version 2: `visitor` came for `server`. Ports are not known
/// of the visitor's address alone: 0. Without a visitor the connection is our own (`LOCAL`).
fn introduction(visitor: Option<IpAddr>, server: SocketAddr) -> Vec<u8> {
    let header = match visitor.map(|it| it.to_canonical()) {
        None => ProxyHeader::with_local(),
        Some(visitor) => {
            let (source, target) = match (visitor, server.ip().to_canonical()) {
                // One header has one family: the other address is written as IPv6.
                (IpAddr::V4(v4), target @ IpAddr::V6(_)) => (v4.to_ipv6_mapped().into(), target),
                (source @ IpAddr::V6(_), IpAddr::V4(v4)) => (source, v4.to_ipv6_mapped().into()),
                same => same,
            };
            ProxyHeader::with_address(ProxiedAddress::stream(
                SocketAddr::new(source, 0),
                SocketAddr::new(target, server.port()),
            ))
        }
    };
    let mut bytes = Vec::new();
    let encoded = header.encode_v2(&mut bytes);
    encoded.expect("a header of one family without extensions fits");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_missing_only_where_there_is_a_way() {
        let none = io::Error::from(Errno::ADDRNOTAVAIL);
        let near = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        assert_eq!(NoConnection::to(near, none), NoConnection::Exhausted);
    }

    #[test]
    fn the_introduction_is_what_the_specification_says() {
        let server: SocketAddr = "10.0.0.9:443".parse().unwrap();
        let introduced = introduction(Some("192.0.2.1".parse().unwrap()), server);
        let expected = [
            &b"\r\n\r\n\0\r\nQUIT\n"[..],
            &[0x21, 0x11, 0, 12, 192, 0, 2, 1, 10, 0, 0, 9, 0, 0, 1, 187],
        ];
        assert_eq!(introduced, expected.concat());
        let local = introduction(None, server);
        assert_eq!(local[12..], [0x20, 0, 0, 0]);
        let mixed = introduction(Some("2001:db8::1".parse().unwrap()), server);
        assert_eq!(mixed[12..16], [0x21, 0x21, 0, 36]);
        assert_eq!(mixed[42..48], [0xff, 0xff, 10, 0, 0, 9]);
    }
}
