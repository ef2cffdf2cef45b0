//! What the others feel of one pass with a hundred requests at once: their p50 and p99 without it and
//! beside it, within one run, so that the ratio means something on any machine. Aim: p99 no more than
//! 1.2 times.
//!
//! `cargo bench --bench fair` (one short pass in test mode). The portal sleeps for as long as an answer
//! takes: what is measured is the line for its slots, and not what exports do to a machine.

#[path = "../tests/support/mod.rs"]
mod support;

use bytes::Bytes;
use http::Method;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Preau, Visitor, one_room};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const SLOTS: u32 = 12;
/// Requests at once of the one who asks for much.
const GREEDY: usize = 100;
/// An export; a page takes from one of these to another.
const EXPORT: Duration = Duration::from_secs(4);
const PAGE_MILLIS: [u64; 2] = [40, 200];
/// Between an answer and the next question of those who ask for one page at a time.
const THINKS: Duration = Duration::from_millis(240);
/// The others are there for so long before that one comes, which is when it is measured.
const BEFORE: Duration = Duration::from_secs(10);
/// So often the like was asked for before: how long it takes is known, as after any morning.
const KNOWN: usize = 6;

/// How many others there are, and how much of the slots they use.
const OTHERS: [(usize, &str); 3] = [(12, "a third"), (24, "two thirds"), (48, "all")];

fn main() {
    let whole = std::env::args().any(|argument| argument == "--bench");
    let (seconds, cases) = if whole { (15, OTHERS.len()) } else { (1, 1) };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(Duration::from_secs(seconds), cases));
}

async fn run(length: Duration, cases: usize) {
    let portal = portal().await;
    let slots = format!("slots = {SLOTS}");
    let tables = one_room(&format!("http://{portal}"), "seats = 200").replace("slots = 6", &slots);
    println!(
        "| slots in use | beside | p50 ms | p99 ms | p99 / alone | pages a second | not served | that one's a second |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (others, used) in OTHERS.into_iter().take(cases) {
        let preau = Preau::start(&tables).await;
        let alone = measure(&preau, (others, used), None, length, None).await;
        for path in ["/export", "/page"] {
            measure(&preau, (others, used), Some(path), length, Some(alone)).await;
        }
    }
}

/// Has `others` ask for pages beside one who asks for `much`, if anybody does; prints a line; gives the
/// p99.
async fn measure(
    preau: &Preau,
    (others, used): (usize, &str),
    much: Option<&'static str>,
    length: Duration,
    alone: Option<f64>,
) -> f64 {
    let mut inside = Vec::new();
    for name in 0..=others {
        let mut visitor = preau.visitor(&format!("eleve{name}"), "ent");
        visitor.walk_in("/").await;
        inside.push(Arc::new(visitor));
    }
    let greedy = inside.pop();
    let proxy = preau.address();
    let mut all = JoinSet::new();
    for visitor in inside {
        all.spawn(asks(proxy, visitor, length));
    }
    let mut much_at_once = JoinSet::new();
    let answers = Arc::new(AtomicU64::new(0));
    if let Some((path, visitor)) = much.zip(greedy) {
        for number in 0..GREEDY {
            much_at_once.spawn(asks_on(
                proxy,
                (visitor.clone(), number),
                path,
                answers.clone(),
            ));
        }
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some(seen) = all.join_next().await {
        let (took, not_served) = seen.expect("no panic");
        times.extend(took);
        failed += not_served;
    }
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times[index.min(times.len() - 1)].as_secs_f64() * 1e3
    };
    let (p50, p99) = (at(0.5), at(0.99));
    let ratio = alone.map_or("–".to_owned(), |alone| format!("{:.2}", p99 / alone));
    let beside = much.map_or("nobody".to_owned(), |path| format!("{GREEDY} × {path}"));
    let pages = times.len() as f64 / length.as_secs_f64();
    let answers = answers.load(Ordering::Relaxed) as f64 / length.as_secs_f64();
    println!(
        "| {used} | {beside} | {p50:.0} | {p99:.0} | {ratio} | {pages:.0} | {failed} | {answers:.1} |"
    );
    p99
}

/// One after the other; how long each took after the warm-up, and how many were not served.
#[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn asks(
    proxy: SocketAddr,
    visitor: Arc<Visitor>,
    length: Duration,
) -> (Vec<Duration>, usize) {
    let (mut times, mut failed) = (Vec::new(), 0);
    let began = Instant::now();
    while began.elapsed() < BEFORE + length {
        let asked = Instant::now();
        let served = ask(proxy, &visitor, "/page").await;
        if began.elapsed() >= BEFORE {
            match served {
                true => times.push(asked.elapsed()),
                false => failed += 1,
            }
        }
        tokio::time::sleep(THINKS).await;
    }
    (times, failed)
}

/// Again and again, as soon as there is an answer; the first few once before.
async fn asks_on(
    proxy: SocketAddr,
    (visitor, number): (Arc<Visitor>, usize),
    path: &'static str,
    answers: Arc<AtomicU64>,
) {
    let before = tokio::time::sleep(BEFORE);
    if number < KNOWN {
        ask(proxy, &visitor, path).await;
    }
    before.await;
    loop {
        let served = ask(proxy, &visitor, path).await;
        answers.fetch_add(u64::from(served), Ordering::Relaxed);
    }
}

async fn ask(proxy: SocketAddr, visitor: &Visitor, path: &str) -> bool {
    let request = visitor.request(Method::GET, path).body(Bytes::new());
    let answer = support::send(proxy, request.expect("it is well-formed")).await;
    answer.is_ok_and(|answer| answer.status.is_success())
}

/// A portal that answers after a while.
async fn portal() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(stream: TcpStream) -> std::io::Result<()> {
    static PAGES: AtomicU64 = AtomicU64::new(0);
    let mut stream = BufReader::new(stream);
    let mut path = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if let Some(asked) = line.strip_prefix("GET ") {
            path = asked.split(' ').next().unwrap_or_default().to_owned();
        }
        if line != "\r\n" {
            continue;
        }
        let [least, most] = PAGE_MILLIS;
        let page = || least + PAGES.fetch_add(17, Ordering::Relaxed) % (most - least);
        match path.as_str() {
            "/export" => tokio::time::sleep(EXPORT).await,
            "/page" => tokio::time::sleep(Duration::from_millis(page())).await,
            _ => {}
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nbonjour")
            .await?;
    }
}
