//! Fair behind the door: one pass with a hundred requests at once does not stand in the line a hundred
//! times.

mod support;

use bytes::Bytes;
use http::{Method, StatusCode};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use support::{Answer, Preau, Scripted, Visitor, one_room, send, until};
use tokio::task::JoinSet;

const SLOTS: usize = 8;
/// Of these, what one visitor may always hold.
const QUARTER: usize = 2;
const EXPORTS: usize = 100;

/// Nobody is refused for having to wait.
fn tables(url: &str) -> String {
    let portal = format!("slots = {SLOTS}\nslot_wait = \"10m\"");
    one_room(url, "seats = 50").replace("slots = 6", &portal)
}

/// A portal that answers a request for `/export` or `/page` when it is let go.
struct Held {
    portal: Scripted,
    exports: mpsc::Sender<()>,
    pages: mpsc::Sender<()>,
}

impl Held {
    fn start() -> Held {
        let (exports, export) = mpsc::channel::<()>();
        let (pages, page) = mpsc::channel::<()>();
        let (export, page) = (Mutex::new(export), Mutex::new(page));
        let portal = Scripted::start(move |heard, stream| {
            let path = heard.path();
            let held = match path.as_str() {
                "/export" => Some(&export),
                "/page" => Some(&page),
                _ => None,
            };
            // At the end of the test nobody lets go of it any more.
            let let_go = held.map(|it| it.lock().expect("no script panics").recv());
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nbonjour";
            let_go.is_none_or(|it| it.is_ok()) && stream.write_all(answer).is_ok()
        });
        Held {
            portal,
            exports,
            pages,
        }
    }

    /// Who has asked for `path`, in the order in which the portal heard it.
    fn heard(&self, path: &str) -> Vec<String> {
        let heard = self.portal.heard();
        let these = heard.iter().filter(|heard| heard.path() == path);
        these.map(|heard| heard.field("user-agent")).collect()
    }

    /// Waits until the portal has heard so many of each.
    async fn has(&self, exports: usize, pages: usize) {
        until("the portal has heard them", async || {
            let heard = (self.heard("/export").len(), self.heard("/page").len());
            assert!(
                heard.0 <= exports && heard.1 <= pages,
                "{heard:?}, not {exports} and {pages}"
            );
            (heard == (exports, pages)).then_some(())
        })
        .await;
    }
}

async fn inside(preau: &Preau, name: &str) -> Visitor {
    let mut visitor = preau.visitor(name, "ent");
    visitor.walk_in("/").await;
    visitor
}

/// Asks for `path` on a connection of its own.
async fn ask(preau: std::net::SocketAddr, request: http::request::Builder) -> Answer {
    let request = request.body(Bytes::new()).expect("it is well-formed");
    send(preau, request).await.expect("an answer")
}

async fn waiting(preau: &Preau, count: usize) {
    until("they wait", async || {
        let now = preau.metric("preau_portal_slot_queue", &[]).await;
        (now == count as f64).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hundred_exports_of_one_pass_leave_the_others_their_turns() {
    let held = Held::start();
    let preau = Preau::start(&tables(&held.portal.url())).await;
    let to = preau.address();
    let greedy = inside(&preau, "tout").await;
    let mut others = Vec::new();
    for name in 0..24 {
        others.push(inside(&preau, &format!("eleve{name}")).await);
    }
    let mut answers = JoinSet::new();
    for _ in 0..EXPORTS {
        answers.spawn(ask(to, greedy.request(Method::GET, "/export")));
    }
    // What the others have needed lately is not theirs; as nobody else asks, the rest is.
    until("all have come", async || {
        let at_portal = held.heard("/export").len();
        let now = preau.metric("preau_portal_slot_queue", &[]).await;
        (at_portal as f64 + now == EXPORTS as f64 && at_portal >= QUARTER).then_some(())
    })
    .await;
    for visitor in &others {
        answers.spawn(ask(to, visitor.request(Method::GET, "/page")));
    }
    until("all others have come", async || {
        let heard = held.portal.heard().len() - others.len() - 1;
        let now = preau.metric("preau_portal_slot_queue", &[]).await;
        (heard as f64 + now == (EXPORTS + others.len()) as f64).then_some(())
    })
    .await;
    // From now on the slots that are given back are the others', until each has had their turn; but for a
    // quarter.
    let mut exports = held.heard("/export").len();
    let mut pages = SLOTS - exports;
    held.has(exports, pages).await;
    for _ in QUARTER..exports {
        held.exports.send(()).expect("the portal waits");
        pages += 1;
        held.has(exports, pages).await;
    }
    assert_eq!(pages, SLOTS - QUARTER);
    while pages < others.len() {
        held.pages.send(()).expect("the portal waits");
        pages += 1;
        held.has(exports, pages).await;
    }
    let mut names = held.heard("/page");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), others.len(), "each of them once");
    // And whoever asks for so much goes on, one after the other at least.
    assert!(preau.metric("preau_portal_in_flight", &[]).await <= SLOTS as f64);
    waiting(&preau, EXPORTS - exports).await;
    held.exports.send(()).expect("the portal waits");
    exports += 1;
    held.has(exports, pages).await;
    assert!(preau.metric("preau_portal_held_back_total", &[]).await >= 1.0);
    for _ in 0..EXPORTS + others.len() {
        let _ = (held.exports.send(()), held.pages.send(()));
    }
    while let Some(answer) = answers.join_next().await {
        let answer = answer.expect("no panic");
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
}

/// Such as a client of WebDAV that compares two folders: many requests, several at once. In a portal that
/// is never idle it comes to its end, and nobody else has less than half as much meanwhile.
#[tokio::test]
async fn a_client_with_many_connections_goes_on_and_others_with_one_keep_pace() {
    let portal = Scripted::start(|_, stream| {
        // What a page takes.
        std::thread::sleep(Duration::from_millis(5));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nbonjour")
            .is_ok()
    });
    let tables = tables(&portal.url()).replace("slots = 8", "slots = 4");
    let preau = Preau::start(&tables).await;
    let to = preau.address();
    // Before those who are inside have all slots.
    let client = inside(&preau, "davfs2").await;
    let over = Arc::new(AtomicBool::new(false));
    let mut others = JoinSet::new();
    let mut pupils = Vec::new();
    for name in 0..8 {
        pupils.push(inside(&preau, &format!("eleve{name}")).await);
    }
    for mut visitor in pupils {
        let over = over.clone();
        others.spawn(async move {
            let mut pages = 0;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(visitor.get("/page").await.status, StatusCode::OK);
                pages += 1;
            }
            pages
        });
    }
    let mut connections = JoinSet::new();
    for _ in 0..16 {
        let requests: Vec<_> = (0..5)
            .map(|_| client.request(Method::GET, "/dav/fichier"))
            .collect();
        connections.spawn(async move {
            for request in requests {
                assert_eq!(ask(to, request).await.status, StatusCode::OK);
            }
        });
    }
    while let Some(done) = connections.join_next().await {
        done.expect("it comes to its end");
    }
    over.store(true, Ordering::Relaxed);
    while let Some(pages) = others.join_next().await {
        let pages = pages.expect("no panic");
        assert!(pages >= 40, "{pages} pages beside 80 requests");
    }
}
