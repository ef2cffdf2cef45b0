//! Visitors over poor links, and such as read or send slowly: what has reached their machine, or has
//! come from it, is progress, wherever it lies.
//!
//! The patience of these tests is short, and so are the buffers of their visitors: what takes a
//! minute at home takes two seconds here.

mod support;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use preau::host;
use rustls::pki_types::ServerName;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use support::tls::{Authority, Client, https};
use support::{PATIENCE, Preau, Scripted, free_port, one_room};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Interval, interval, timeout};
use tokio_rustls::TlsConnector;

const HOST: &str = "ent.example.fr";
/// Bytes of an answer: more than all sockets on its way hold.
const LARGE: usize = 16 << 20;
/// Pieces in which a slow visitor reads or sends, a second.
const PIECES: usize = 10;
/// Several times as long as anybody may take nothing here.
const LONG: Duration = Duration::from_secs(25);
const LIMITS: &str = "limits = { take_timeout = \"2s\", take_rate = 500, \
                      body_timeout = \"2s\", body_rate = 500 }\n";

/// A portal that says much, and reads bodies, slowly on `/lent`.
fn portal() -> Scripted {
    Scripted::start(|heard, stream| {
        let mut rest = vec![0; heard.length()];
        for piece in rest.chunks_mut(heard.length() / 4 + 1) {
            if heard.path() == "/lent" {
                std::thread::sleep(Duration::from_secs(2));
            }
            if stream.read_exact(piece).is_err() {
                return false;
            }
        }
        let length = if heard.path() == "/grand" { LARGE } else { 2 };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let sent = stream.write_all(head.as_bytes());
        sent.and_then(|()| stream.write_all(&vec![b'o'; length]))
            .is_ok()
    })
}

/// The proxy in front of it, over TLS as well.
struct Scene {
    preau: Preau,
    client: Client,
    secure: SocketAddr,
    _portal: Scripted,
    _authority: Authority,
}

impl Scene {
    async fn start(limits: &str) -> Scene {
        let (portal, authority, secure) = (portal(), Authority::new(), free_port());
        let files = authority.issue("ent", &[HOST], 2100);
        let room = one_room(&portal.url(), "seats = 50\nopen = [\"/**\"]");
        let tables = room + &https(secure, &[&files]);
        Scene {
            preau: Preau::start(&format!("{limits}{tables}")).await,
            client: Client::new(&authority, &["http/1.1"]),
            secure,
            _portal: portal,
            _authority: authority,
        }
    }

    /// TLS over `stream`.
    async fn tls<S>(&self, stream: S, alpn: &str) -> tokio_rustls::client::TlsStream<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = self.client.config.clone();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let name = ServerName::try_from(HOST).expect("a name");
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let connected = timeout(PATIENCE, connected).await;
        connected.expect("in time").expect("TLS")
    }
}

/// A socket out of which so many bytes a second are read.
struct Slow {
    stream: TcpStream,
    piece: usize,
    ticks: Interval,
}

impl Slow {
    /// `buffer`: bytes that its machine holds unread; what is usual, if nothing.
    async fn connect(to: SocketAddr, rate: usize, buffer: Option<u32>) -> Slow {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes).expect("it may be small");
        }
        Slow {
            stream: socket.connect(to).await.expect("the proxy listens"),
            piece: rate / PIECES,
            ticks: interval(Duration::from_secs(1) / PIECES as u32),
        }
    }
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        ready!(self.ticks.poll_tick(context));
        let mut space = vec![0; self.piece.min(buffer.remaining())];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        buffer.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Asks for much over HTTP/1.1, and takes what comes; after how long it broke off, within `most`.
async fn download(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    most: Duration,
) -> Option<Duration> {
    let request = format!("GET /grand HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("taken");
    stream.flush().await.expect("taken");
    let began = host::now();
    let mut space = vec![0; 64 * 1024];
    let taken = async {
        while let Ok(1..) = stream.read(&mut space).await {}
        host::now().since(began).into()
    };
    timeout(most, taken).await.ok()
}

/// The same over HTTP/2.
async fn download_2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    most: Duration,
) -> Option<Duration> {
    let http2 = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut send, connection) = http2.await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::get(format!("https://{HOST}/grand"));
    let request = request.body(Empty::<Bytes>::new()).expect("well-formed");
    let answer = send.send_request(request).await.expect("a head");
    let mut body = answer.into_body();
    let began = host::now();
    let taken = async {
        while let Some(Ok(_)) = body.frame().await {}
        host::now().since(began).into()
    };
    timeout(most, taken).await.ok()
}

#[tokio::test]
async fn point_26_whoever_takes_twice_the_rate_is_never_cut() {
    let scene = Scene::start(LIMITS).await;
    let slow = async |to| Slow::connect(to, 1_000, Some(2_304)).await;
    let plain = download(slow(scene.preau.address()).await, LONG);
    let secure = async {
        let tls = scene.tls(slow(scene.secure).await, "http/1.1").await;
        download(tls, LONG).await
    };
    let http2 = async {
        let tls = scene.tls(slow(scene.secure).await, "h2").await;
        download_2(tls, LONG).await
    };
    let cut = tokio::join!(plain, secure, http2);
    assert_eq!(cut, (None, None, None), "plain, TLS, HTTP/2");
}

/// The machine takes at once what its program reads in ten seconds, and nothing meanwhile.
#[tokio::test]
async fn point_26_what_a_machine_has_taken_buys_the_time_to_read_it() {
    let scene = Scene::start(&LIMITS.replace("take_rate = 500", "take_rate = 8000")).await;
    let slow = async |to| Slow::connect(to, 16_000, None).await;
    let plain = download(slow(scene.preau.address()).await, LONG);
    let http2 = async {
        let tls = scene.tls(slow(scene.secure).await, "h2").await;
        download_2(tls, LONG).await
    };
    let cut = tokio::join!(plain, http2);
    assert_eq!(cut, (None, None), "plain, HTTP/2");
}

#[tokio::test]
async fn point_26_whoever_takes_a_fifth_of_the_rate_or_nothing_is_cut() {
    let scene = Scene::start(LIMITS).await;
    let address = scene.preau.address();
    let slow = async {
        let slow = Slow::connect(address, 100, Some(2_304)).await;
        download(slow, PATIENCE).await
    };
    let none = async {
        let mut none = Slow::connect(address, 0, Some(2_304)).await;
        let request = format!("GET /grand HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        none.write_all(request.as_bytes()).await.expect("taken");
        // Nothing is read, and the end is seen all the same.
        let ended = none.stream.ready(Interest::ERROR);
        timeout(PATIENCE, ended).await.is_ok()
    };
    let (slow, none) = tokio::join!(slow, none);
    assert!(none, "who takes nothing is let go");
    let slow = slow.expect("it is not borne for ever");
    assert!(slow > Duration::from_secs(2), "{slow:?}");
}

/// A record of TLS that comes at twice the rate takes eight times as long as a body may stand still.
#[tokio::test]
async fn point_26_what_has_come_of_a_record_is_progress() {
    const RECORD: usize = 16 * 1024;
    let scene = Scene::start(LIMITS).await;
    let upload = async |rate: usize| {
        let stream = TcpStream::connect(scene.secure).await.expect("it listens");
        let (mut stream, mut session) = scene.tls(stream, "http/1.1").await.into_inner();
        let head = format!(
            "POST /post HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\
             Content-Length: {RECORD}\r\n\r\n"
        );
        let mut sealed = Vec::new();
        for words in [head.into_bytes(), vec![b'o'; RECORD]] {
            session.writer().write_all(&words).expect("there is room");
            session.write_tls(&mut sealed).expect("there is room");
        }
        let mut ticks = interval(Duration::from_secs(1) / PIECES as u32);
        for piece in sealed.chunks(rate / PIECES) {
            ticks.tick().await;
            if stream.write_all(piece).await.is_err() {
                break;
            }
        }
        let mut heard = vec![0; RECORD];
        let mut words = Vec::new();
        while let Ok(Ok(bytes @ 1..)) = timeout(PATIENCE, stream.read(&mut heard)).await {
            let mut heard = &heard[..bytes];
            while session.read_tls(&mut heard).is_ok_and(|bytes| bytes > 0) {
                let state = session.process_new_packets().expect("TLS");
                let mut plain = vec![0; state.plaintext_bytes_to_read()];
                session.reader().read_exact(&mut plain).expect("it is here");
                words.extend(plain);
            }
        }
        String::from_utf8_lossy(&words).into_owned()
    };
    let (good, drip) = tokio::join!(upload(1_000), upload(200));
    assert!(good.starts_with("HTTP/1.1 200 "), "{good}");
    assert!(drip.starts_with("HTTP/1.1 408 "), "{drip}");
}

#[tokio::test]
async fn point_26_a_slow_portal_is_not_the_fault_of_whoever_uploads() {
    let scene = Scene::start(LIMITS).await;
    let length = 4 << 20;
    let head = format!(
        "POST /lent HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut visitor = TcpStream::connect(scene.preau.address())
        .await
        .expect("it listens");
    visitor.write_all(head.as_bytes()).await.expect("taken");
    visitor.write_all(&vec![b'o'; length]).await.expect("taken");
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, visitor.read_to_end(&mut answer)).await;
    read.expect("in time").expect("to the end");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
