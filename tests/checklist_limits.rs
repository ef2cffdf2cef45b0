//! The checklist, where it is about limits: who leaves, who is slow, and how many may come.

mod support;

use preau::host;
use preau::time::Millis;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{PATIENCE, Preau, Process, Scripted, get, one_room, raw, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const ROOM: &str = "seats = 5000\nidle = \"10m\"";
const GET: &[u8] = b"GET /gut HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST: &[u8] = b"GET /gut HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
/// What takes a second or two is over by then, on a busy machine, too.
const SOON: Duration = Duration::from_secs(12);
/// Bytes of the answer to `/grand`.
const LARGE: usize = 8 << 20;

/// A portal that answers, or never does (`/muet`), or with very much (`/grand`), or reads a body
/// first (`/post`). It counts the requests that the other side gave up.
fn portal() -> (Scripted, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(0));
    let count = left.clone();
    let portal = Scripted::start(move |heard, stream| {
        let gone = || {
            count.fetch_add(1, Ordering::SeqCst);
            false
        };
        let mut rest = vec![0; heard.length()];
        let read = std::io::Read::read_exact(stream, &mut rest);
        if read.is_err() {
            return gone();
        }
        match heard.path().as_str() {
            "/muet" => {
                let _ = std::io::Read::read(stream, &mut [0]);
                gone()
            }
            "/grand" => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
                let body = vec![b'a'; LARGE];
                let sent = stream.write_all(head.as_bytes());
                match sent.and_then(|()| stream.write_all(&body)) {
                    Ok(()) => true,
                    Err(_) => gone(),
                }
            }
            _ => stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .is_ok(),
        }
    });
    (portal, left)
}

async fn with_limits(portal: &Scripted, limits: &str) -> Preau {
    let tables = one_room(&portal.url(), ROOM);
    Preau::start(&format!("limits = {{ {limits} }}\n{tables}")).await
}

async fn connect(preau: &Preau) -> TcpStream {
    let connected = TcpStream::connect(preau.address()).await;
    connected.expect("the proxy listens")
}

/// Everything that comes until the other side closes, and how long that took.
async fn rest(stream: &mut TcpStream) -> (String, Duration) {
    let began = host::now();
    let mut bytes = Vec::new();
    // A reset ends it as well as an end does; what came is what counts.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    (String::from_utf8_lossy(&bytes).into_owned(), since(began))
}

fn since(began: Millis) -> Duration {
    host::now().since(began).into()
}

/// Reads one answer of the portal's.
async fn answered(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\nok") {
        let read = timeout(PATIENCE, stream.read_exact(&mut byte)).await;
        read.expect("in time").expect("an answer");
        answer.push(byte[0]);
    }
}

async fn until_left(left: &AtomicUsize, preau: &Preau, requests: usize) {
    until("the portal is let go", async || {
        (left.load(Ordering::SeqCst) == requests).then_some(())
    })
    .await;
    until("the slots are free", async || {
        let busy = preau.metric("preau_portal_in_flight", &[]).await;
        (busy == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn point_23_a_visitor_who_goes_frees_slot_and_server() {
    let (portal, left) = portal();
    let preau = with_limits(&portal, "").await;
    let request = b"GET /muet HTTP/1.1\r\nHost: x\r\n\r\n".as_slice();
    let post = b"POST /muet HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    // Alone; with another request behind; with half of one; with a body; with much behind.
    let behind = [request, GET].concat();
    let half = [request, b"GET /gut HT"].concat();
    let much = [request, &GET.repeat(1_000)].concat();
    let all = [request, &behind, &half, post, &much];
    for (number, bytes) in (1..).zip(all) {
        let mut visitor = connect(&preau).await;
        visitor.write_all(bytes).await.expect("it is taken");
        until("the portal works on it", async || {
            (portal.heard().len() == number).then_some(())
        })
        .await;
        drop(visitor);
        until_left(&left, &preau, number).await;
    }
    assert!(portal.heard().iter().all(|heard| heard.path() == "/muet"));
}

#[tokio::test]
async fn point_23_requests_behind_a_request_are_answered_in_order() {
    let (portal, _) = portal();
    let preau = with_limits(&portal, "").await;
    let answers = raw(preau.address(), &[GET.repeat(40), LAST.to_vec()].concat()).await;
    let answers = String::from_utf8_lossy(&answers).into_owned();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 41, "{answers}");
    assert_eq!(portal.heard().len(), 41);
    // Also when they come in pieces, and while another is answered.
    let mut visitor = connect(&preau).await;
    for piece in GET.repeat(3).chunks(7) {
        visitor.write_all(piece).await.expect("it is taken");
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        answered(&mut visitor).await;
    }
}

#[tokio::test]
async fn point_26_a_connection_without_a_request_is_closed() {
    let (portal, _) = portal();
    let preau = with_limits(
        &portal,
        "first_byte_timeout = \"1s\", idle_timeout = \"2s\"",
    )
    .await;
    let mut silent = connect(&preau).await;
    let (said, after) = rest(&mut silent).await;
    assert_eq!(said, "", "nothing was asked");
    assert!(after < SOON, "{after:?}");

    let mut idle = connect(&preau).await;
    for _ in 0..2 {
        idle.write_all(GET).await.expect("it is taken");
        answered(&mut idle).await;
    }
    let (said, after) = rest(&mut idle).await;
    assert_eq!(said, "", "nothing was asked");
    let allowed = Duration::from_millis(1_900)..SOON;
    assert!(allowed.contains(&after), "{after:?}");
}

#[tokio::test]
async fn point_26_a_head_that_takes_too_long_is_told_so() {
    let (portal, _) = portal();
    let preau = with_limits(&portal, "header_timeout = \"1s\"").await;
    // On a new connection, and behind a request.
    for first in [b"".as_slice(), GET] {
        let mut slow = connect(&preau).await;
        slow.write_all(first).await.expect("it is taken");
        if !first.is_empty() {
            answered(&mut slow).await;
        }
        let began = host::now();
        let mut head = GET.iter().cycle();
        let drip = async {
            loop {
                let byte = *head.next().expect("it goes round");
                let byte = if byte == b'\r' { b'x' } else { byte };
                if slow.write_all(&[byte]).await.is_err() {
                    return;
                }
                let mut answer = [0; 12];
                let wait = timeout(Duration::from_millis(100), slow.read_exact(&mut answer));
                if let Ok(read) = wait.await {
                    read.expect("words before the end");
                    assert_eq!(&answer, b"HTTP/1.1 408");
                    return;
                }
            }
        };
        timeout(PATIENCE, drip)
            .await
            .expect("it is not read for ever");
        let after = since(began);
        assert!(after > Duration::from_millis(900), "{after:?}");
        assert!(after < SOON, "{after:?}");
        let (words, _) = rest(&mut slow).await;
        assert!(words.contains("<html lang=\"fr\">"), "{words}");
    }
}

/// Sends a body of `length` bytes, `piece` bytes every `every`; what is answered and when.
async fn upload(preau: &Preau, length: usize, piece: usize, every: Duration) -> (String, Duration) {
    let head = format!(
        "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let (mut from, mut to) = connect(preau).await.into_split();
    to.write_all(head.as_bytes()).await.expect("it is taken");
    let send = tokio::spawn(async move {
        for piece in vec![b'a'; length].chunks(piece) {
            if to.write_all(piece).await.is_err() {
                break;
            }
            tokio::time::sleep(every).await;
        }
        to
    });
    let began = host::now();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, from.read_to_end(&mut answer)).await;
    let after = since(began);
    send.abort();
    (String::from_utf8_lossy(&answer).into_owned(), after)
}

#[tokio::test]
async fn point_26_a_body_that_stands_still_or_drips_is_told_so() {
    let (portal, left) = portal();
    let preau = with_limits(&portal, "body_timeout = \"1s\", body_rate = 500").await;
    let still = upload(&preau, 1_000, 500, Duration::from_secs(20));
    let drip = upload(&preau, 1_000, 1, Duration::from_millis(300));
    let (still, drip) = tokio::join!(still, drip);
    for (what, (answer, after)) in [("still", still), ("drip", drip)] {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{what}: {answer}");
        assert!(answer.contains("<html lang=\"fr\">"), "{what}: {answer}");
        assert!(after < SOON, "{what}: {after:?}");
    }
    until_left(&left, &preau, 2).await;
    assert_eq!(preau.metric("preau_portal_up", &[]).await, 1.0);
}

#[tokio::test]
async fn point_26_a_body_over_a_poor_link_arrives() {
    let (portal, _) = portal();
    let preau = with_limits(&portal, "body_timeout = \"3s\", body_rate = 500").await;
    // 2 kB a second, in lumps that let us wait: twice as long as patience lasts.
    let (answer, after) = upload(&preau, 14_000, 1_000, Duration::from_millis(500)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(after > Duration::from_secs(6), "{after:?}");
}

/// Asks for much and takes `piece` bytes every `every`, for at most `most`; how much was taken,
/// and whether the connection still stood.
async fn download(preau: &Preau, piece: usize, every: Duration, most: Duration) -> (usize, bool) {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    // A reader that does not read must not have the kernel read for it.
    socket.set_recv_buffer_size(4_096).expect("it may be small");
    let stream = socket.connect(preau.address()).await;
    let mut stream = stream.expect("the proxy listens");
    let request = b"GET /grand HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).await.expect("it is taken");
    let began = host::now();
    let (mut taken, mut space) = (0, vec![0; piece]);
    while since(began) < most {
        match stream.read(&mut space).await {
            Ok(0) | Err(_) => return (taken, false),
            Ok(bytes) => taken += bytes,
        }
        tokio::time::sleep(every).await;
    }
    (taken, true)
}

#[tokio::test]
async fn point_26_an_answer_that_is_taken_drop_by_drop_is_cut() {
    let (portal, left) = portal();
    let preau = with_limits(&portal, "take_timeout = \"2s\", take_rate = 8000").await;
    let (taken, stands) = download(
        &preau,
        50,
        Duration::from_millis(100),
        Duration::from_secs(25),
    )
    .await;
    assert!(!stands, "{taken} bytes were taken and it goes on");
    until_left(&left, &preau, 1).await;
}

#[tokio::test]
async fn point_26_an_answer_over_a_poor_link_is_not_cut() {
    let (portal, _) = portal();
    // A sixteenth of the usual patience, and a link with sixteen times 2 kB a second.
    let preau = with_limits(&portal, "take_timeout = \"4s\", take_rate = 8000").await;
    let (taken, stands) = download(
        &preau,
        3_200,
        Duration::from_millis(100),
        Duration::from_secs(10),
    )
    .await;
    assert!(stands, "cut after {taken} bytes");
    assert!(taken > 100_000, "{taken}");
}

#[tokio::test]
async fn point_26_who_takes_an_answer_slowly_holds_nobody_up() {
    let (portal, left) = portal();
    let one_slot = one_room(&portal.url(), ROOM).replace("slots = 6", "slots = 1");
    let preau = Preau::start(&one_slot).await;
    let lent = async |answers: f64| {
        until("the slot is lent", async || {
            (preau.metric("preau_portal_lent", &[]).await == answers).then_some(())
        })
        .await;
    };
    let mut slow = Vec::new();
    for answers in [1.0, 2.0] {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.set_recv_buffer_size(4_096).expect("it may be small");
        let stream = socket.connect(preau.address()).await;
        let mut stream = stream.expect("the proxy listens");
        let request = b"GET /grand HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.expect("it is taken");
        stream.read_exact(&mut [0]).await.expect("it has begun");
        slow.push(stream);
        // While nobody waits, it stays where it is.
        let mut other = connect(&preau).await;
        other.write_all(GET).await.expect("it is taken");
        answered(&mut other).await;
        lent(answers).await;
    }
    // What is lent comes to its end all the same.
    let mut first = slow.remove(0);
    let mut taken = 0;
    while taken < LARGE {
        let read = timeout(PATIENCE, first.read(&mut [0; 65_536])).await;
        taken += read.expect("in time").expect("it goes on");
    }
    lent(1.0).await;
    drop(slow);
    lent(0.0).await;
    until_left(&left, &preau, 1).await;
}

#[tokio::test]
async fn point_28_connections_from_one_address_have_a_limit_with_words() {
    let (portal, _) = portal();
    let preau = with_limits(&portal, "connections_per_address = 3").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&preau).await;
        stream.write_all(GET).await.expect("it is taken");
        answered(&mut stream).await;
        held.push(stream);
    }
    let answer = raw(preau.address(), LAST).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
    assert!(answer.contains("Trop de connexions"), "{answer}");

    let other = TcpSocket::new_v4().expect("there are sockets");
    let from: SocketAddr = "127.0.0.2:0".parse().expect("it is one");
    other.bind(from).expect("all of 127/8 is ours");
    let mut other = other.connect(preau.address()).await.expect("it listens");
    other.write_all(LAST).await.expect("it is taken");
    let (answer, _) = rest(&mut other).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "another address: {answer}"
    );

    held.pop();
    until("there is room again", async || {
        let answer = raw(preau.address(), LAST).await;
        answer.starts_with(b"HTTP/1.1 200 ").then_some(())
    })
    .await;
    let refused = preau.metric("preau_connections_refused_total", &[]).await;
    assert!(refused >= 1.0, "{refused}");
}

#[tokio::test]
async fn point_28_a_proxy_of_ours_speaks_for_many() {
    let (portal, _) = portal();
    let tables = one_room(&portal.url(), ROOM);
    let trust = "trust = { proxies = [\"127.0.0.1\"] }";
    let limits = "limits = { connections_per_address = 1 }";
    let preau = Preau::start(&format!("{limits}\n{trust}\n{tables}")).await;
    let _first = connect(&preau).await;
    let answer = raw(preau.address(), LAST).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

/// Runs Debian's `slowhttptest` with `arguments` for eight seconds.
fn flood(preau: &Preau, output: &std::path::Path, arguments: &[&str]) -> Process {
    let tool = "/usr/bin/slowhttptest";
    assert!(
        std::path::Path::new(tool).exists(),
        "{tool} is missing: install the Debian package slowhttptest"
    );
    let mut command = Command::new(tool);
    command
        .args(["-c", "800", "-r", "400", "-l", "8", "-i", "1", "-p", "2"])
        .args(arguments)
        .args(["-u", &format!("http://{}/grand", preau.address())]);
    Process::start("slowhttptest", &mut command, output)
}

/// What one kind of flood may do: those inside are answered meanwhile, connections and memory
/// are bounded, and afterwards everything is as before.
async fn withstands(arguments: &[&str]) {
    let (portal, _) = portal();
    let limits = "header_timeout = \"2s\", body_timeout = \"2s\", take_timeout = \"2s\", \
                  take_rate = 8000, connections_per_address = 400";
    let preau = with_limits(&portal, limits).await;
    let memory = async || preau.metric("process_resident_memory_bytes", &[]).await;
    let before = memory().await;
    let output = tempfile::NamedTempFile::new().expect("there is a temporary folder");
    let mut flood = flood(&preau, output.path(), arguments);
    until("the flood is there", async || {
        (preau.metric("preau_connections", &[]).await > 50.0).then_some(())
    })
    .await;
    let mut most = 0.0_f64;
    while flood.ended().is_none() {
        // From another address: the flood has used up what its own may use.
        let socket = TcpSocket::new_v4().expect("there are sockets");
        let from: SocketAddr = "127.0.0.9:0".parse().expect("it is one");
        socket.bind(from).expect("all of 127/8 is ours");
        let visit = async {
            let mut visitor = socket.connect(preau.address()).await.expect("it listens");
            visitor.write_all(GET).await.expect("it is taken");
            answered(&mut visitor).await;
        };
        timeout(Duration::from_secs(15), visit)
            .await
            .expect("a visitor is answered");
        most = most.max(preau.metric("preau_connections", &[]).await);
        assert!(
            get(preau.admin(), "/healthz").await.is_ok(),
            "the desk answers"
        );
    }
    // Those who are served, those who are told, and the visitor.
    assert!(most < 500.0, "{most} connections");
    until("the flood has gone", async || {
        (preau.metric("preau_connections", &[]).await < 2.0).then_some(())
    })
    .await;
    let grown = memory().await - before;
    assert!(grown < 64e6, "{grown} bytes more");
    let busy = preau.metric("preau_portal_in_flight", &[]).await;
    assert_eq!(busy, 0.0, "a slot is lost");
}

#[tokio::test]
async fn point_26_slow_heads_of_slowhttptest() {
    withstands(&["-H"]).await;
}

#[tokio::test]
async fn point_26_slow_bodies_of_slowhttptest() {
    withstands(&["-B", "-s", "100000"]).await;
}

#[tokio::test]
async fn point_26_slow_readers_of_slowhttptest() {
    withstands(&["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"]).await;
}
