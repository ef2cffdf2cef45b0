//! What those who are inside feel of a flood: their p50 and p99 in a calm and during each kind,
//! within one run, so that the ratio means something on any machine. Aim: p99 no more than
//! doubled.
//!
//! `cargo bench --bench floods` (Debian's `slowhttptest` must be there; one pass in test mode).

#[path = "../tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Preau, Process, one_room, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Visitors inside, each with one connection.
const VISITORS: usize = 8;
/// Between two requests of one visitor.
const THINKS: Duration = Duration::from_millis(10);
/// Bytes of a page, and of what slow readers ask for.
const PAGE: usize = 1024;
const LARGE: usize = 4 << 20;
/// Connections of a flood, and how many are opened a second.
const FLOOD: [&str; 4] = ["-c", "4000", "-r", "1000"];

/// One kind of flood, by the arguments of slowhttptest; or one of our own.
enum Kind {
    Slow(&'static [&'static str]),
    /// Connections that open and close, or send garbage.
    Churn(&'static [u8]),
}

static KINDS: [(&str, Kind); 6] = [
    ("slow heads", Kind::Slow(&["-H", "-i", "1"])),
    (
        "slow bodies",
        Kind::Slow(&["-B", "-i", "1", "-s", "100000"]),
    ),
    (
        "slow readers",
        Kind::Slow(&["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"]),
    ),
    ("connections that say nothing", Kind::Churn(b"")),
    (
        "connections with garbage",
        Kind::Churn(b"\x16\x03\x01 garbage\r\n\r\n"),
    ),
    (
        "smuggling",
        Kind::Churn(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ),
];

fn main() {
    let whole = std::env::args().any(|argument| argument == "--bench");
    let (seconds, kinds) = if whole { (10, KINDS.len()) } else { (1, 1) };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(Duration::from_secs(seconds), kinds));
}

async fn run(length: Duration, kinds: usize) {
    let portal = portal().await;
    let limits = "limits = { connections_per_address = 3000 }";
    let room = one_room(&format!("http://{portal}"), "seats = 5000\nidle = \"10m\"");
    let preau = Preau::start(&format!("{limits}\n{room}")).await;
    println!("| meanwhile | p50 ms | p99 ms | p99 / calm | connections | MB |");
    println!("|---|---|---|---|---|---|");
    for (name, kind) in KINDS.iter().take(kinds) {
        let calm = measure(&preau, "calm", length, None).await;
        let flood = begin(&preau, kind, length).await;
        measure(&preau, name, length, Some(calm)).await;
        drop(flood);
        until("it is calm again", async || {
            (preau.metric("preau_connections", &[]).await < 2.0).then_some(())
        })
        .await;
    }
}

/// Has the visitors walk about for `length`; prints a line; gives their p99.
async fn measure(preau: &Preau, name: &str, length: Duration, calm: Option<f64>) -> f64 {
    let mut visitors = JoinSet::new();
    for _ in 0..VISITORS {
        visitors.spawn(walk(preau.address(), length));
    }
    let mut all = Vec::new();
    while let Some(times) = visitors.join_next().await {
        all.extend(times.expect("those inside are answered"));
    }
    all.sort_unstable();
    let at = |share: f64| {
        let index = (all.len() as f64 * share) as usize;
        all[index.min(all.len() - 1)].as_secs_f64() * 1e3
    };
    let (p50, p99) = (at(0.5), at(0.99));
    let connections = preau.metric("preau_connections", &[]).await;
    let memory = preau.metric("process_resident_memory_bytes", &[]).await / 1e6;
    let ratio = calm.map_or("–".to_owned(), |calm| format!("{:.2}", p99 / calm));
    println!("| {name} | {p50:.2} | {p99:.2} | {ratio} | {connections} | {memory:.0} |");
    p99
}

/// One visitor, who is inside after the first answer: how long each of the others took.
#[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn walk(proxy: SocketAddr, length: Duration) -> Vec<Duration> {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    // The flood comes from another address, as it would.
    let from: SocketAddr = "127.0.0.9:0".parse().expect("it is one");
    socket.bind(from).expect("all of 127/8 is ours");
    let mut stream = socket.connect(proxy).await.expect("the proxy listens");
    let mut cookie = String::new();
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < length {
        let sent = Instant::now();
        let request = format!("GET /page HTTP/1.1\r\nHost: x\r\n{cookie}\r\n");
        let head = exchange(&mut stream, request.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        match head
            .split_once("set-cookie: ")
            .filter(|_| cookie.is_empty())
        {
            Some((_, rest)) => {
                let pass = rest.split(';').next().unwrap_or_default();
                cookie = format!("Cookie: {pass}\r\n");
            }
            None => times.push(sent.elapsed()),
        }
        tokio::time::sleep(THINKS).await;
    }
    times
}

/// Sends a request and reads the whole answer; gives its head.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.expect("it is taken");
    let mut answer = Vec::new();
    let mut space = [0; 4096];
    loop {
        let read = stream.read(&mut space).await.expect("an answer");
        assert!(read > 0, "cut off");
        answer.extend_from_slice(&space[..read]);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end.filter(|end| answer.len() >= end + 4 + PAGE) {
            return String::from_utf8_lossy(&answer[..end + 4]).into_owned();
        }
    }
}

/// A flood, for as long as this is held.
enum Flood {
    Tool(#[expect(dead_code, reason = "held: it ends with us")] Process),
    /// In a thread of its own, so that visitors do not wait for it before the proxy.
    Ours(#[expect(dead_code, reason = "held: it ends with us")] oneshot::Sender<()>),
}

async fn begin(preau: &Preau, kind: &'static Kind, length: Duration) -> Flood {
    let address = preau.address();
    let before = preau.counted("preau_requests_total").await;
    let flood = match kind {
        Kind::Slow(arguments) => {
            let mut command = Command::new("slowhttptest");
            command
                .args(FLOOD)
                .args(["-l", &(length.as_secs() + 5).to_string(), "-p", "2"])
                .args(*arguments)
                .args(["-u", &format!("http://{address}/large")]);
            let output = std::env::temp_dir().join("preau-floods.log");
            Flood::Tool(Process::start("slowhttptest", &mut command, &output))
        }
        Kind::Churn(bytes) => {
            let (held, ended) = oneshot::channel();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let mut tasks = JoinSet::new();
                    (0..64).for_each(|_| drop(tasks.spawn(churn(address, bytes))));
                    let _ = ended.await;
                });
            });
            Flood::Ours(held)
        }
    };
    until("the flood is there", async || {
        // Or runs through: who is answered at once does not stay.
        let standing = preau.metric("preau_connections", &[]).await > 10.0;
        let passing = preau.counted("preau_requests_total").await > before + 100.0;
        (standing || passing).then_some(())
    })
    .await;
    flood
}

/// Connects, says it, does not listen, again and again.
async fn churn(proxy: SocketAddr, bytes: &'static [u8]) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(proxy).await {
            let _ = stream.write_all(bytes).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A portal that answers at once, in this thread.
async fn portal() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut space = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut space).await {
        head.extend_from_slice(&space[..read]);
        if !head.windows(4).any(|four| four == b"\r\n\r\n") {
            continue;
        }
        let length = if head.starts_with(b"GET /large") {
            LARGE
        } else {
            PAGE
        };
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + length, b'a');
        head.clear();
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
