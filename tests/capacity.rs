//! `seats = "auto"` and `slots = "auto"` on real sockets: the limits move and are explained, are
//! kept, hold their bounds, and nothing that others have met upsets them.

mod support;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;
use support::{Portal, Preau, Scripted, Visitor, get, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// People who keep the portal busy: twice as many as it has slots to begin with.
const BUSY: usize = 16;
/// Answers after which it is known how long they usually take, and some more.
const USUAL: usize = 30;
/// Slots to begin with.
const START: u64 = 8;

/// Nothing but where the portal is, and `more` for the portal and for the room.
fn tables(url: &str, portal: &str, room: &str) -> String {
    format!(
        "[log]\nlevel = \"info,preau::upstream=debug\"\n\
         [[portal]]\nname = \"ent\"\nservers = [\"{url}\"]\n{portal}\n\
         health = {{ path = \"/sante\", interval = \"1s\", fall = 2, probe_min = \"1s\", probe_max = \"1s\" }}\n\
         [[room]]\nname = \"ent\"\n{room}\n"
    )
}

/// What the desk says of the portal.
async fn portal_status(preau: &Preau) -> Value {
    let status = get(preau.admin(), "/api/v1/status").await;
    status.expect("the desk answers").json()["portals"][0].clone()
}

async fn slots(preau: &Preau) -> u64 {
    let status = portal_status(preau).await;
    status["slots"].as_u64().expect("a number of slots")
}

/// The last move of `what` for that reason.
async fn moved(preau: &Preau, what: &str, why: &str) -> Option<Value> {
    let status = portal_status(preau).await;
    let moves = status["moves"].as_array().expect("a list of moves");
    let found = moves
        .iter()
        .rfind(|moved| moved["what"] == what && moved["why"] == why);
    found.cloned()
}

/// People inside who ask for one page after the other, each of which takes so many milliseconds,
/// until this is dropped.
struct Crowd {
    millis: Arc<AtomicU32>,
    _people: JoinSet<()>,
}

impl Crowd {
    /// One of them has been there alone, so that it is known what is usual.
    async fn enter(preau: &Preau, millis: u32) -> Crowd {
        let mut first = preau.visitor("seule", "ent");
        first.walk_in("/").await;
        for _ in 0..USUAL {
            first.get(&format!("/lent?ms={millis}")).await;
        }
        let speed = Arc::new(AtomicU32::new(millis));
        // All are in before anybody is busy: those inside come before those who are not yet.
        let mut visitors = Vec::new();
        for name in 0..BUSY {
            let mut visitor = preau.visitor(&format!("eleve{name}"), "ent");
            visitor.walk_in("/").await;
            visitors.push(visitor);
        }
        let people = visitors.into_iter();
        let people = people.map(|it| ask_again_and_again(it, speed.clone()));
        let people = people.collect();
        Crowd {
            millis: speed,
            _people: people,
        }
    }

    fn pages_take(&self, millis: u32) {
        self.millis.store(millis, Ordering::Relaxed);
    }
}

async fn ask_again_and_again(mut visitor: Visitor, millis: Arc<AtomicU32>) {
    loop {
        let path = format!("/lent?ms={}", millis.load(Ordering::Relaxed));
        let answer = visitor.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
}

#[tokio::test]
async fn limits_move_and_every_move_is_explained() {
    let portal = Portal::start().await;
    let preau = Preau::start(&tables(&portal.url(), "", "")).await;
    assert_eq!(slots(&preau).await, START);
    let crowd = Crowd::enter(&preau, 40).await;
    let rise = until("all slots in use are not enough", async || {
        moved(&preau, "slots", "in_use").await
    })
    .await;
    assert!(
        rise["to"].as_u64() > rise["from"].as_u64() && rise["words"].is_string(),
        "{rise}"
    );
    // Answers within a few milliseconds count as equal: these are slower by far.
    crowd.pages_take(400);
    let fall = until("slow answers take slots away", async || {
        let slow = moved(&preau, "slots", "slow").await;
        slow.filter(|it| it["to"].as_u64() < it["from"].as_u64())
    })
    .await;
    assert!(fall["seen"]["slowness"].as_f64() > Some(2.0), "{fall}");
    let seats = until("those who wait for slots take seats away", async || {
        let long = moved(&preau, "seats", "long_queue").await;
        long.filter(|it| it["to"].as_u64() < it["from"].as_u64())
    })
    .await;
    assert!(
        seats["seen"]["inside"].as_u64() >= Some(BUSY as u64),
        "{seats}"
    );
    drop(crowd);

    for why in ["in_use", "slow", "long_queue"] {
        let labels = [("why", why)];
        let count = preau.metric("preau_portal_moves_total", &labels).await;
        assert!(count >= 1.0, "{why}: {count}");
    }
    let (shown, status) = (
        preau.metric("preau_portal_slots", &[]).await,
        slots(&preau).await,
    );
    assert_eq!(shown, status as f64);
    let log = preau.printed();
    assert!(
        log.contains("a limit is moved: answers took much longer"),
        "{log}"
    );
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn what_was_found_outlives_a_kill_and_a_number_switches_it_off() {
    let portal = Portal::start().await;
    let tables_auto = tables(&portal.url(), "", "");
    let preau = Preau::start(&tables_auto).await;
    let crowd = Crowd::enter(&preau, 40).await;
    until("there are more slots", async || {
        (slots(&preau).await >= START + 6).then_some(())
    })
    .await;
    drop(crowd);
    let found = until("all answers are there", async || {
        let status = portal_status(&preau).await;
        (status["in_flight"] == 0).then_some(status)
    })
    .await;
    let commits = async || preau.metric("preau_store_commits_total", &[]).await;
    // The last window may still move it. One commit may be what the room has to keep; the other is what
    // was found.
    let found_slots = until("what was found stands still, and is stored", async || {
        let (found, before) = (slots(&preau).await, commits().await);
        until("it is stored", async || {
            (commits().await >= before + 2.0).then_some(())
        })
        .await;
        (slots(&preau).await == found).then_some(found)
    })
    .await;
    assert!(found_slots > START, "{found}");
    let preau = preau.kill9().await.start().await;
    assert_eq!(slots(&preau).await, found_slots);

    let home = preau.stop().await;
    let head = format!(
        "listen = \"{}\"\nadmin = \"{}\"\nstate = {:?}\n",
        home.address(),
        home.admin(),
        home.state()
    );
    home.configure(&format!(
        "{head}{}",
        tables(&portal.url(), "slots = 9", "seats = 40")
    ));
    let preau = home.start().await;
    let crowd = Crowd::enter(&preau, 5).await;
    answers(&preau, 400.0).await;
    drop(crowd);
    let status = portal_status(&preau).await;
    assert_eq!(status["slots"], 9, "{status}");
    assert_eq!(status["slots_found"], false);
    assert!(status["seats"].is_null() && status["moves"] == serde_json::json!([]));
    assert_eq!(preau.room("ent").await["seats"], 40);
}

/// Waits until the portal has given so many answers more.
async fn answers(preau: &Preau, more: f64) {
    let before = preau.metric("preau_portal_answered_total", &[]).await;
    until("the portal has answered", async || {
        let now = preau.metric("preau_portal_answered_total", &[]).await;
        (now >= before + more).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_portal_that_is_back_begins_with_four_slots() {
    let mut portal = Portal::start().await;
    let preau = Preau::start(&tables(&portal.url(), "", "")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/").await;
    assert_eq!(slots(&preau).await, START);
    portal.stop().await;
    until("it is known to be down", async || {
        (preau.metric("preau_portal_up", &[]).await == 0.0).then_some(())
    })
    .await;
    portal.start_again().await;
    let back = until("its coming back is told", async || {
        moved(&preau, "slots", "back").await
    })
    .await;
    assert_eq!(
        (back["from"].as_u64(), back["to"].as_u64()),
        (Some(START), Some(4))
    );
    assert_eq!(slots(&preau).await, 4);
    assert_eq!(
        anna.get("/").await.status,
        StatusCode::OK,
        "anna is still inside"
    );
}

#[tokio::test]
async fn bounds_hold() {
    let portal = Portal::start().await;
    let bounds = (
        "slots_min = 7\nslots_max = 9",
        "seats_min = 18\nseats_max = 30",
    );
    let preau = Preau::start(&tables(&portal.url(), bounds.0, bounds.1)).await;
    let crowd = Crowd::enter(&preau, 40).await;
    for (millis, at) in [(40, 9), (900, 7)] {
        crowd.pages_take(millis);
        until("a bound is reached", async || {
            let slots = slots(&preau).await;
            assert!((7..=9).contains(&slots), "{slots} slots");
            (slots == at).then_some(())
        })
        .await;
    }
    // It goes on to be slow: seats go down, too, but no further than they may.
    until("the bound of seats is reached", async || {
        assert_eq!(slots(&preau).await, 7);
        let seats = portal_status(&preau).await["seats"].as_u64()?;
        assert!((18..=30).contains(&seats), "{seats} seats");
        (seats == 18).then_some(())
    })
    .await;
}

#[tokio::test]
async fn rooms_share_the_seats_of_their_portal_by_weight() {
    let portal = Portal::start().await;
    let second = "host = \"a.test\"\n[[room]]\nname = \"profs\"\nhost = \"b.test\"\nweight = 3";
    let preau = Preau::start(&tables(&portal.url(), "", second)).await;
    until("they are shared", async || {
        let (one, other) = (preau.room("ent").await, preau.room("profs").await);
        (one["seats"] == 5 && other["seats"] == 15).then_some(())
    })
    .await;
}

/// A portal in whose answers nothing is slow but the visitors who take them.
fn library() -> Scripted {
    let large = Arc::new(vec![b'x'; 32 << 20]);
    Scripted::start(move |heard, stream| {
        let body: &[u8] = match heard.path().as_str() {
            "/gros" => &large,
            _ => b"ok",
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).is_ok() && stream.write_all(body).is_ok()
    })
}

#[tokio::test]
async fn slow_readers_starve_nobody_and_are_not_taken_for_slow_answers() {
    let portal = library();
    let preau = Preau::start(&tables(&portal.url(), "", "")).await;
    let mut readers = Vec::new();
    for _ in 0..2 * START {
        let mut stream = TcpStream::connect(preau.address())
            .await
            .expect("it listens");
        let request = b"GET /gros HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).await.expect("it is taken");
        let mut start = [0; 12];
        stream
            .read_exact(&mut start)
            .await
            .expect("the answer begins");
        assert_eq!(&start, b"HTTP/1.1 200");
        readers.push(stream);
    }
    let mut anna = preau.visitor("anna", "ent");
    for _ in 0..50 {
        assert_eq!(anna.get("/").await.status, StatusCode::OK);
    }
    assert!(preau.metric("preau_portal_lent", &[]).await >= 1.0);
    assert!(slots(&preau).await >= START);
    drop(readers);
}

/// A portal that says how many requests it ever had at once.
fn counting() -> (Scripted, Arc<AtomicUsize>) {
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let told = most.clone();
    let portal = Scripted::start(move |_, stream| {
        most.fetch_max(1 + now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        // What a page takes.
        std::thread::sleep(Duration::from_millis(5));
        now.fetch_sub(1, Ordering::SeqCst);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .is_ok()
    });
    (portal, told)
}

/// A limit of connections below what the pool keeps has locked up others (hyper-util #297).
#[tokio::test]
async fn five_hundred_at_once_do_not_lock_each_other_up() {
    for (slots, most) in [("slots = 64", 64), ("", 500)] {
        let (portal, seen) = counting();
        let preau = Preau::start(&tables(&portal.url(), slots, "seats = 1000")).await;
        let mut people = JoinSet::new();
        for _ in 0..512 {
            people.spawn(get_page(preau.address()));
        }
        while let Some(status) = people.join_next().await {
            assert_eq!(status.expect("no panic"), StatusCode::OK);
        }
        let seen = seen.load(Ordering::SeqCst);
        assert!(seen > 1 && seen <= most, "{seen} at once with {slots:?}");
        let usage = portal_status(&preau).await;
        assert_eq!(
            (&usage["in_flight"], &usage["waiting"]),
            (&0.into(), &0.into())
        );
    }
}

async fn get_page(proxy: SocketAddr) -> StatusCode {
    get(proxy, "/").await.expect("everybody is answered").status
}

/// Permits that idle connections keep have starved others (Vector #26457).
#[tokio::test]
async fn a_thousand_idle_connections_hold_no_slot() {
    let (portal, _) = counting();
    let preau = Preau::start(&tables(&portal.url(), "", "seats = 2000")).await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        let mut stream = TcpStream::connect(preau.address())
            .await
            .expect("it listens");
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .expect("it is taken");
        let mut start = [0; 12];
        stream
            .read_exact(&mut start)
            .await
            .expect("the answer begins");
        assert_eq!(&start, b"HTTP/1.1 200");
        idle.push(stream);
    }
    assert!(preau.metric("preau_connections", &[]).await >= 1_000.0);
    assert_eq!(portal_status(&preau).await["in_flight"], 0);
    let mut anna = preau.visitor("anna", "ent");
    for _ in 0..50 {
        assert_eq!(anna.get("/").await.status, StatusCode::OK);
    }
    drop(idle);
}

/// Until a visitor has sent all of a form, it is not the portal that is slow.
#[tokio::test]
async fn bodies_that_come_slowly_are_not_slow_answers() {
    let portal = Portal::start().await;
    let preau = Preau::start(&tables(&portal.url(), "", "")).await;
    let mut anna = preau.visitor("anna", "ent");
    for _ in 0..40 {
        let receipt = anna
            .upload("/televersement", Bytes::from_static(b"oui"))
            .await;
        assert_eq!(receipt.status, StatusCode::OK);
    }
    let mut people = JoinSet::new();
    for _ in 0..START {
        people.spawn(upload_slowly(preau.address()));
    }
    until("they have begun", async || {
        (portal_status(&preau).await["in_flight"].as_u64() >= Some(START / 2)).then_some(())
    })
    .await;
    while let Some(answers) = people.join_next().await {
        answers.expect("all of them are taken");
    }
    let status = portal_status(&preau).await;
    assert!(status["slots"].as_u64() >= Some(START), "{status}");
    for why in ["slow", "errors", "not_faster"] {
        assert!(
            moved(&preau, "slots", why).await.is_none(),
            "{why}: {status}"
        );
    }
}

/// Four forms in a row, each of which takes half a second to be sent: a hundred times as long as
/// the portal takes to answer.
async fn upload_slowly(proxy: SocketAddr) {
    let mut stream = TcpStream::connect(proxy).await.expect("it listens");
    let mut cookie = String::new();
    for _ in 0..4 {
        let head = format!(
            "POST /televersement HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n{cookie}\r\noui"
        );
        stream
            .write_all(head.as_bytes())
            .await
            .expect("it is taken");
        tokio::time::sleep(Duration::from_millis(500)).await;
        stream.write_all(b"oui").await.expect("it is taken");
        let answer = whole_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        if let Some((_, rest)) = answer.split_once("set-cookie: ") {
            let pass = rest.split(';').next().unwrap_or_default();
            cookie = format!("Cookie: {pass}\r\n");
        }
    }
}

/// Up to the brace that ends the receipt.
async fn whole_answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    while !answer.ends_with('}') {
        let mut space = [0; 4096];
        let read = stream.read(&mut space).await.expect("an answer");
        assert!(read > 0, "cut off: {answer}");
        answer.push_str(&String::from_utf8_lossy(&space[..read]));
    }
    answer
}
