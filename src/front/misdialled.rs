//! Who has dialled the wrong port: HTTP without TLS where TLS is spoken, and TLS where it is not.
//!
//! The first is answered, as other servers do: 400, in words, with the address that was meant where that
//! leads to a room of ours. (No redirect: whoever sends a secret in the clear is to notice.) The second
//! would need TLS to be told anything. Both stand in the log now and then: behind either may be a listener,
//! or a proxy of the operator's, that is set up wrongly, and then nobody gets through.

use super::canonical;
use super::door::is_near;
use super::farewell;
use super::origin::Peer;
use super::page::{Outlook, RefusalKind, RefusalView};
use super::reply::Manner;
use super::serve::Reception;
use crate::host::Seldom;
use crate::time::Span;
use http::header::{ACCEPT_LANGUAGE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Time for the head of a request that came in the clear, and its bytes at most.
const HEAR_MAX: Duration = Duration::from_secs(2);
const HEAD_MAX: usize = 8 * 1024;
const FIELDS_MAX: usize = 64;
/// The port that `https` means without saying.
const HTTPS: u16 = 443;
/// How often the log says so, of a machine near by and of anybody else: such as look for open doors all
/// over the world.
const SAY_AGAIN: [Span; 2] = [Span::mins(10), Span::mins(24 * 60)];

/// Answers what came without TLS, and ends the connection.
pub(super) async fn without_tls(reception: &Reception, mut socket: TcpStream, peer: Peer) {
    static SAID: [Seldom; 2] = [Seldom::new(SAY_AGAIN[0]), Seldom::new(SAY_AGAIN[1])];
    note(
        &SAID,
        reception,
        peer,
        "HTTP without TLS came to a listener that speaks TLS. A proxy in front of us must speak https to it (HAProxy: `ssl` in its `server` line), or come to a listener without `tls = true`",
    );
    let mut head = Vec::new();
    let hearing = tokio::time::timeout(HEAR_MAX, hear(&mut socket, &mut head)).await;
    let request = hearing.ok().and_then(|()| read(&head));
    let mut words = reception.farewells.say(RefusalKind::TlsPort);
    if let Some(request) = &request {
        let address = meant(reception, request);
        let view = RefusalView {
            kind: RefusalKind::TlsPort,
            retry_after_secs: None,
            room: None,
            again: None,
            secure: address.as_deref(),
            outlook: Outlook::default(),
        };
        let lang = Manner::of(request.method(), request.headers()).lang;
        words = farewell::answer(&reception.thread.house.pages, lang, &view);
    }
    farewell::say(async { Ok(socket) }, &words).await;
}

/// Says that TLS came to a listener that does not speak it.
pub(super) fn with_tls(reception: &Reception, peer: Peer) {
    static SAID: [Seldom; 2] = [Seldom::new(SAY_AGAIN[0]), Seldom::new(SAY_AGAIN[1])];
    note(
        &SAID,
        reception,
        peer,
        "TLS came to a listener that speaks HTTP without it. Is `tls = true` missing there, or does a proxy in front of us speak https where it should not?",
    );
}

fn note(said: &[Seldom; 2], reception: &Reception, peer: Peer, words: &str) {
    let near = is_near(peer.address);
    if !said[usize::from(!near)].now() {
        return;
    }
    let from = reception.written(peer.address);
    let listener = reception.listener.address;
    match near {
        true => tracing::warn!(%listener, %from, "{words}"),
        false => tracing::info!(%listener, %from, "{words}"),
    }
}

/// Reads to the end of a head, or as much as there may be of one.
async fn hear(socket: &mut TcpStream, head: &mut Vec<u8>) {
    let whole = |head: &[u8]| head.windows(4).any(|end| end == b"\r\n\r\n");
    while head.len() < HEAD_MAX && !whole(head) {
        match socket.read_buf(head).await {
            Ok(1..) => {}
            _ => return,
        }
    }
}

/// The request, with the fields that matter here.
fn read(head: &[u8]) -> Option<Request<()>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut read = httparse::Request::new(&mut fields);
    read.parse(head)
        .ok()
        .filter(httparse::Status::is_complete)?;
    let mut headers = HeaderMap::new();
    for field in read.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        if [HOST, ACCEPT_LANGUAGE].contains(&name) {
            headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
        }
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(read.method?.as_bytes()).ok()?;
    *request.uri_mut() = read.path?.parse::<Uri>().ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

/// The address that was meant, if a room of ours is there. What was to be sent there is not led to it
/// as if it were to be read.
fn meant(reception: &Reception, request: &Request<()>) -> Option<String> {
    let asked = canonical::read(request, false).ok()?;
    let house = &reception.thread.house;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    house.door(&asked.host, &asked.path).filter(|_| reads)?;
    let named = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let named = named.and_then(|named| Authority::try_from(named).ok());
    let authority = request.uri().authority().or(named.as_ref())?;
    // It is the port at which we were found, and not always the one that we know of.
    let port = match authority.port_u16() {
        None | Some(HTTPS) => String::new(),
        Some(port) => format!(":{port}"),
    };
    Some(format!("https://{}{port}{}", asked.host, asked.target))
}
