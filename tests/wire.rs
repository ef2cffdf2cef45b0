//! The visitor's wire, byte by byte: what stands behind a request, who has left, and how an answer
//! reaches who is still sending.

mod support;

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use support::tls::{Authority, Client, https};
use support::{PATIENCE, Preau, Scripted, free_port, one_room, until};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const HOST: &str = "ent.example.fr";
const ROOM: &str = "seats = 5000\nopen = [\"/**\"]";
/// Requests of a kilobyte: several times what is read ahead.
const BEHIND: usize = 400;

/// A portal that says which path it was asked for. `/muet` never answers, and `/attend` only once
/// something comes out of what is given back first. What is given back last counts whom the other side gave up.
fn portal() -> (Scripted, mpsc::Sender<()>, Arc<AtomicUsize>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let left = Arc::new(AtomicUsize::new(0));
    let count = left.clone();
    let portal = Scripted::start(move |heard, stream| {
        let mut body = vec![0; heard.length()];
        stream.read_exact(&mut body).expect("the body comes");
        let path = heard.path();
        match path.as_str() {
            "/muet" => {
                let _ = stream.read(&mut [0]);
                count.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            "/attend" => {
                let wait = wait.lock().expect("nobody panics");
                wait.recv_timeout(PATIENCE).expect("the test says when");
            }
            _ => {}
        }
        let length = path.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{path}");
        stream.write_all(answer.as_bytes()).is_ok()
    });
    (portal, go, left)
}

fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

/// Many requests, of which the last ends the connection.
fn behind() -> String {
    let padding = format!("X-Padding: {}\r\n", "p".repeat(900));
    let numbered = (0..BEHIND).map(|number| request("GET", &format!("/{number}"), &padding));
    numbered.collect::<String>() + &request("GET", "/fin", "Connection: close\r\n")
}

/// The paths that are said in answers, in order.
fn said(answers: &str) -> Vec<String> {
    let bodies = answers.split("HTTP/1.1 200 OK\r\n").skip(1);
    let body = |answer: &str| answer.split("\r\n\r\n").nth(1).map(str::to_owned);
    bodies.filter_map(body).collect()
}

/// Says `first` and much behind it, lets the portal answer only when that was sent, and wants all
/// of it answered.
async fn all_is_answered(
    visitor: impl AsyncRead + AsyncWrite + Send + 'static,
    first: String,
    go: &mpsc::Sender<()>,
) {
    let (mut from, mut to) = tokio::io::split(visitor);
    let send = tokio::spawn(async move {
        let all = to.write_all((first + &behind()).as_bytes()).await;
        all.and(to.flush().await).expect("it is taken");
        to
    });
    let mut answers = Vec::new();
    let early = timeout(Duration::from_secs(2), from.read_buf(&mut answers)).await;
    assert!(early.is_err(), "nobody has answered, or cut: {answers:?}");
    go.send(()).expect("the portal waits");
    timeout(PATIENCE, from.read_to_end(&mut answers))
        .await
        .expect("in time")
        .expect("to the end");
    send.await.expect("all is sent");
    let answers = String::from_utf8_lossy(&answers).into_owned();
    let numbers = (0..BEHIND).map(|number| format!("/{number}"));
    let expected: Vec<String> = std::iter::once("/attend".to_owned())
        .chain(numbers)
        .chain(["/fin".to_owned()])
        .collect();
    assert_eq!(said(&answers), expected, "each, in order");
}

#[tokio::test]
async fn point_23_much_behind_a_request_is_answered_in_order() {
    let (portal, go, _) = portal();
    let preau = Preau::start(&one_room(&portal.url(), ROOM)).await;
    let body = "o".repeat(100_000);
    let length = format!("Content-Length: {}\r\n", body.len());
    for first in [
        request("GET", "/attend", ""),
        request("POST", "/attend", &length) + &body,
    ] {
        let visitor = TcpStream::connect(preau.address()).await;
        all_is_answered(visitor.expect("the proxy listens"), first, &go).await;
    }
}

#[tokio::test]
async fn point_23_much_behind_a_request_is_answered_over_tls() {
    let (portal, go, _) = portal();
    let (authority, address) = (Authority::new(), free_port());
    let files = authority.issue("ent", &[HOST], 2100);
    let tables = one_room(&portal.url(), ROOM) + &https(address, &[&files]);
    let _preau = Preau::start(&tables).await;
    let client = Client::new(&authority, &["http/1.1"]);
    let visitor = client.connect(address, HOST).await.expect("a connection");
    all_is_answered(visitor, request("GET", "/attend", ""), &go).await;
}

/// Whoever leaves with more behind a request than is read ahead is seen to leave: by ending both
/// sides or their own, or by a reset, also when there is more than the kernel holds for us.
#[tokio::test]
async fn point_23_who_leaves_with_much_behind_is_seen_to_leave() {
    let (portal, _, left) = portal();
    let preau = Preau::start(&one_room(&portal.url(), ROOM)).await;
    let ask = request("GET", "/muet", "");
    let behind = behind();
    let kept = &behind[..100 * 1024];
    for (gone, how) in (1..).zip(["end", "half", "reset"]) {
        let visitor = TcpStream::connect(preau.address()).await;
        let mut visitor = visitor.expect("the proxy listens");
        visitor.write_all(ask.as_bytes()).await.expect("taken");
        visitor.write_all(kept.as_bytes()).await.expect("taken");
        until("the portal works on it", async || {
            (portal.heard().len() == gone).then_some(())
        })
        .await;
        let mut half = None;
        match how {
            "end" => drop(visitor),
            "half" => {
                visitor.shutdown().await.expect("it is open");
                half = Some(visitor);
            }
            _ => {
                let pour = async { while visitor.write_all(behind.as_bytes()).await.is_ok() {} };
                let poured = timeout(Duration::from_secs(3), pour).await;
                assert!(poured.is_err(), "much is no reason to be cut");
                assert_eq!(left.load(Ordering::SeqCst), gone - 1, "nobody has left");
                let socket = socket2::SockRef::from(&visitor);
                let reset = socket.set_linger(Some(Duration::ZERO));
                reset.expect("it can be set");
                drop(visitor);
            }
        }
        until("the portal is let go", async || {
            (left.load(Ordering::SeqCst) == gone).then_some(())
        })
        .await;
        drop(half);
    }
    until("the slots are free", async || {
        let busy = preau.metric("preau_portal_in_flight", &[]).await;
        (busy == 0.0).then_some(())
    })
    .await;
    let asked = portal.heard();
    assert!(asked.iter().all(|heard| heard.path() == "/muet"));
}

/// What a client says that would rather speak something else.
const OFFERS: [&str; 4] = [
    "",
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Upgrade: TLS/1.0\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
];
/// Bytes of an upload that nobody reads: more than both sockets hold, less than is read away.
const UPLOAD: usize = 12 << 20;
/// Bytes of a large answer: more than sockets hold.
const LARGE: usize = 8 << 20;

/// A portal that answers an upload before it comes, and says much.
fn hasty() -> Scripted {
    Scripted::start(|heard, stream| {
        let large = "a".repeat(LARGE);
        let (status, body) = match heard.path().as_str() {
            "/trop" => ("413 Content Too Large", "non"),
            "/grand" => ("200 OK", large.as_str()),
            _ => ("404 Not Found", "rien"),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        let said = stream.write_all(answer.as_bytes());
        if heard.path() == "/trop" {
            let _ = std::io::copy(stream, &mut std::io::sink());
            return false;
        }
        said.is_ok()
    })
}

/// Reads the head of an answer and the body that it announces.
async fn answer(visitor: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(visitor.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.to_lowercase();
    let length = length.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    visitor.read_exact(&mut body).await?;
    Ok(head + &String::from_utf8_lossy(&body))
}

/// Whoever sends all of an upload before looking for an answer finds it, whole, though it was
/// answered early and most of it was read by nobody.
async fn upload_is_answered(mut visitor: TcpStream, head: &str, status: &str) {
    let body = vec![b'a'; 64 * 1024];
    let talk = async {
        visitor.write_all(head.as_bytes()).await?;
        for _ in 0..UPLOAD / body.len() {
            visitor.write_all(&body).await?;
        }
        answer(&mut visitor).await
    };
    let said = timeout(PATIENCE, talk).await.expect("in time");
    let said = said.unwrap_or_else(|error| panic!("{error} instead of {status}, after {head}"));
    assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
}

#[tokio::test]
async fn point_14_an_early_answer_reaches_who_offers_another_protocol() {
    let portal = hasty();
    let preau = Preau::start(&one_room(&portal.url(), ROOM)).await;
    let connect = async || {
        TcpStream::connect(preau.address())
            .await
            .expect("it listens")
    };
    for offer in OFFERS {
        for (path, more, status) in [("/trop", "", "413"), ("/", "Expect: tea\r\n", "417")] {
            let fields = format!("{offer}{more}Content-Length: {UPLOAD}\r\n");
            let head = request("POST", path, &fields);
            upload_is_answered(connect().await, &head, status).await;
        }
        // Also when it was offered with a request before, which was answered.
        let mut visitor = connect().await;
        let first = request("GET", "/", offer);
        visitor.write_all(first.as_bytes()).await.expect("taken");
        let said = answer(&mut visitor).await.expect("an answer");
        assert!(said.starts_with("HTTP/1.1 404 "), "{said}");
        let fields = format!("Content-Length: {UPLOAD}\r\n");
        let head = request("POST", "/trop", &fields);
        upload_is_answered(visitor, &head, "413").await;
    }
}

#[tokio::test]
async fn an_offer_that_is_not_taken_up_changes_nothing() {
    let portal = hasty();
    let preau = Preau::start(&one_room(&portal.url(), ROOM)).await;
    for offer in OFFERS {
        // A connection that rests meanwhile goes on.
        let mut visitor = TcpStream::connect(preau.address())
            .await
            .expect("it listens");
        for _ in 0..2 {
            let ask = request("GET", "/", offer);
            visitor.write_all(ask.as_bytes()).await.expect("taken");
            let said = answer(&mut visitor).await.expect("an answer");
            assert!(said.starts_with("HTTP/1.1 404 "), "{said}");
            assert!(!portal.last().text().contains("h2c"));
            let ended = timeout(Duration::from_secs(3), visitor.read_u8()).await;
            assert!(ended.is_err(), "{offer}: it is kept: {ended:?}");
        }
        // A last answer comes whole, however slowly it is taken.
        let ask = request("GET", "/grand", &format!("{offer}Connection: close\r\n"));
        visitor.write_all(ask.as_bytes()).await.expect("taken");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let said = timeout(PATIENCE, answer(&mut visitor)).await;
        let said = said.expect("in time").expect("to the end");
        assert!(said.len() > LARGE, "{offer}: {}", said.len());
        assert_eq!(visitor.read(&mut [0]).await.expect("an end"), 0);
    }
}
