//! One part of a portal is broken, and the rest is not: the rest is served as if nothing were.
//!
//! The parts break as parts of real portals do: proxied to a port where nobody listens (502), taken
//! out of service (503, 504), limited (429), cut off, answering with what is not HTTP, or never. What
//! never comes holds workers of the portal meanwhile.

mod support;

use http::StatusCode;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use support::{Nginx, Preau, Scripted, Visitor, free_port, get, until};
use tokio::task::JoinSet;

/// Slots to begin with.
const START: u64 = 8;
/// People who read the pages that are fine, and those who ask for what is broken.
const READERS: usize = 6;
const STUBBORN: usize = 6;
/// Pages that each reader asks for, and the pause between two.
const PAGES: usize = 40;
const THINK: Duration = Duration::from_millis(100);

/// What needs no seat.
const OPEN: &str = "/ouvert/";

/// Pages that are fine.
const FINE: [&str; 4] = ["/", "/cours", "/notes/12", "/agenda/semaine"];

/// A portal with nothing but defaults, but for `keys`; one path needs no seat.
fn tables(url: &str, keys: &str) -> String {
    format!(
        "[[portal]]\nname = \"ent\"\nservers = [\"{url}\"]\n{keys}\n\
         [[room]]\nname = \"ent\"\nseats = 100\nopen = [\"{OPEN}**\"]\n"
    )
}

async fn portal_status(preau: &Preau) -> Value {
    let status = get(preau.admin(), "/api/v1/status").await;
    status.expect("the desk answers").json()["portals"][0].clone()
}

/// Reads pages that are fine; gives those that did not come.
async fn reads(mut reader: Visitor) -> Vec<String> {
    let mut failed = Vec::new();
    for page in 0..PAGES {
        let path = FINE[page % FINE.len()];
        let answer = reader.get(path).await;
        if answer.status != StatusCode::OK {
            failed.push(format!("{path}: {}", answer.status));
        }
        tokio::time::sleep(THINK).await;
    }
    failed
}

/// Asks for `paths` again and again, in vain, until this is dropped.
async fn insists(mut visitor: Visitor, paths: Arc<[String]>) {
    for path in paths.iter().cycle() {
        if let Ok(answer) = visitor.try_get(path).await {
            assert_ne!(answer.status, StatusCode::OK, "{path} is broken");
        }
        tokio::time::sleep(THINK / 4).await;
    }
}

async fn people_inside(preau: &Preau, name: &str, count: usize) -> Vec<Visitor> {
    let mut people = Vec::new();
    for number in 0..count {
        let mut visitor = preau.visitor(&format!("{name}{number}"), "ent");
        visitor.walk_in("/").await;
        people.push(visitor);
    }
    people
}

/// `broken` are asked for all the time, by people inside who each want all of them, or by somebody
/// who has not come in if that is open; the other pages all come, and neither health nor the laws have learnt anything.
async fn only_the_part_is_broken(url: &str, keys: &str, broken: &[&str]) {
    let preau = Preau::start(&tables(url, keys)).await;
    let readers = people_inside(&preau, "eleve", READERS).await;
    let stubborn = match broken.iter().all(|path| path.starts_with(OPEN)) {
        true => vec![preau.visitor("inconnu", "ent")],
        false => people_inside(&preau, "tetu", STUBBORN).await,
    };
    let paths: Arc<[String]> = broken.iter().map(|it| (*it).to_owned()).collect();
    let stubborn = stubborn.into_iter().map(|it| insists(it, paths.clone()));
    let mut stubborn: JoinSet<()> = stubborn.collect();
    let readers: JoinSet<Vec<String>> = readers.into_iter().map(reads).collect();
    let failed = readers.join_all().await.concat();
    let status = portal_status(&preau).await;
    stubborn.shutdown().await;
    let asked = READERS * PAGES;
    assert!(
        failed.is_empty(),
        "{broken:?}: {} of {asked}: {failed:?}",
        failed.len()
    );
    let falls = preau.metric("preau_portal_server_falls_total", &[]).await;
    assert_eq!(falls, 0.0, "{broken:?}: {status}");
    assert!(
        status["slots"].as_u64() >= Some(START),
        "{broken:?}: {status}"
    );
    let moves = status["moves"].as_array().expect("a list of moves");
    let cut = moves.iter().find(|it| it["why"] == "errors");
    assert!(cut.is_none(), "{broken:?}: {status}");
    preau.assert_nothing_forbidden().await;
}

/// nginx with the pages that are fine, and parts that are not.
async fn nginx() -> Nginx {
    let nobody = free_port();
    let parts = format!(
        "location /mort/ {{ proxy_pass http://{nobody}; }}\n\
         location /ferme/ {{ return 503; }}\n\
         location /tard/ {{ return 504; }}\n\
         location /trop/ {{ return 429; }}\n\
         location /coupe/ {{ return 444; }}\n\
         location /ouvert/ {{ return 429; }}\n"
    );
    Nginx::start("", None, &parts).await
}

#[tokio::test]
async fn a_part_that_is_proxied_to_a_dead_port_breaks_itself_alone() {
    let portal = nginx().await;
    let url = format!("http://{}", portal.address());
    only_the_part_is_broken(&url, "", &["/mort/x"]).await;
}

#[tokio::test]
async fn a_part_of_many_addresses_breaks_itself_alone() {
    let portal = nginx().await;
    let url = format!("http://{}", portal.address());
    let pages = ["/mort/un", "/mort/deux", "/mort/trois", "/mort/quatre/a"];
    only_the_part_is_broken(&url, "", &pages).await;
}

#[tokio::test]
async fn a_part_that_is_out_of_service_late_or_limited_breaks_itself_alone() {
    let portal = nginx().await;
    let url = format!("http://{}", portal.address());
    for path in ["/ferme/x", "/tard/x", "/trop/x"] {
        only_the_part_is_broken(&url, "", &[path]).await;
    }
}

#[tokio::test]
async fn a_part_that_cuts_connections_breaks_itself_alone() {
    let portal = nginx().await;
    let url = format!("http://{}", portal.address());
    only_the_part_is_broken(&url, "", &["/coupe/x"]).await;
}

#[tokio::test]
async fn whoever_hammers_an_open_page_teaches_nothing() {
    let portal = nginx().await;
    let url = format!("http://{}", portal.address());
    only_the_part_is_broken(&url, "", &["/ouvert/x"]).await;
}

/// All of it at once: the pages that are fine are the only ones that are.
#[tokio::test]
async fn several_parts_that_are_broken_break_themselves_alone() {
    let portal = nginx().await;
    let url = format!("http://{}", portal.address());
    let paths = ["/mort/x", "/ferme/x", "/tard/x", "/trop/x", "/coupe/x"];
    only_the_part_is_broken(&url, "", &paths).await;
}

#[tokio::test]
async fn a_part_that_answers_with_garbage_or_never_breaks_itself_alone() {
    let portal = Scripted::start(|heard, stream| {
        match heard.path().as_str() {
            "/ordures/x" => drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")),
            "/export/x" => std::thread::sleep(Duration::from_secs(3)),
            _ => {
                let page = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                return stream.write_all(page).is_ok();
            }
        }
        false
    });
    let keys = "response_timeout = \"500ms\"";
    for path in ["/ordures/x", "/export/x"] {
        only_the_part_is_broken(&portal.url(), keys, &[path]).await;
    }
}

/// A program, say, or a browser with all its windows. All slots are busy with it and everybody waits
/// behind it, but those who read are few.
#[tokio::test]
async fn one_visitor_with_sixty_connections_takes_nobodys_seat() {
    let portal = Scripted::start(|heard, stream| {
        std::thread::sleep(Duration::from_millis(20));
        let answer: &[u8] = match heard.path().starts_with("/mort") {
            true => b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
            false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        stream.write_all(answer).is_ok()
    });
    for path in ["/cours", "/mort/x"] {
        let tables = tables(&portal.url(), &format!("slots = {START}"));
        let tables = tables.replace("seats = 100", "seats = \"auto\"");
        let preau = Preau::start(&tables).await;
        let readers = people_inside(&preau, "eleve", READERS).await;
        let mut greedy = preau.visitor("avide", "ent");
        greedy.walk_in("/").await;
        let pass = greedy.our_cookie().expect("a pass").to_owned();
        let connections = (0..60).map(|_| {
            let mut greedy = preau.visitor("avide", "ent");
            greedy.put_cookie("preau-ent", &pass);
            async move { while greedy.try_get(path).await.is_ok() {} }
        });
        let mut connections: JoinSet<()> = connections.collect();
        let readers: JoinSet<Vec<String>> = readers.into_iter().map(reads).collect();
        let failed = readers.join_all().await.concat();
        let status = portal_status(&preau).await;
        connections.shutdown().await;
        assert!(failed.is_empty(), "{path}: {failed:?}");
        let moves = status["moves"].as_array().expect("a list of moves");
        let seats = moves.iter().find(|it| it["what"] == "seats");
        assert!(seats.is_none(), "{path}: {status}");
        preau.assert_nothing_forbidden().await;
    }
}

/// People who wait to be one of the few do not wait for a slot: there are slots. (One more inside, and
/// seats would be added at first.)
#[tokio::test]
async fn who_waits_for_what_never_comes_takes_nobodys_seat() {
    const SLOTS: usize = 24;
    let portal = Scripted::start(|heard, stream| {
        if heard.path() == "/export/x" {
            // Until the time-out: then the connection is closed.
            let _ = stream.read(&mut [0]);
            return false;
        }
        let page = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(page).is_ok()
    });
    let keys = format!("slots = {SLOTS}\nresponse_timeout = \"1500ms\"");
    let tables = tables(&portal.url(), &keys).replace("seats = 100", "seats = \"auto\"");
    let preau = Preau::start(&tables).await;
    let mut reader = preau.visitor("eleve", "ent");
    reader.walk_in("/").await;
    let paths: Arc<[String]> = Arc::new(["/export/x".to_owned()]);
    let stubborn = people_inside(&preau, "tetu", 16).await;
    let stubborn = stubborn.into_iter().map(|it| insists(it, paths.clone()));
    let mut stubborn: JoinSet<()> = stubborn.collect();
    let mut waited = 0;
    for path in FINE.iter().cycle().take(9) {
        assert_eq!(reader.get(path).await.status, StatusCode::OK, "{path}");
        let status = portal_status(&preau).await;
        waited += status["waiting"].as_u64().expect("a number");
        tokio::time::sleep(20 * THINK).await;
    }
    let status = portal_status(&preau).await;
    stubborn.shutdown().await;
    assert!(waited > 0, "{status}");
    let moves = status["moves"].as_array().expect("a list of moves");
    let fewer = |it: &Value| it["to"].as_u64() < it["from"].as_u64();
    assert!(!moves.iter().any(fewer), "{status}");
    preau.assert_nothing_forbidden().await;
}

/// How many requests a portal works on, and how many it has worked on at most.
#[derive(Default)]
struct AtWork {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtWork {
    fn during(&self, work: impl FnOnce()) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        work();
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A portal of as many workers as it has slots, one kind of whose pages never comes.
#[tokio::test]
async fn a_part_that_never_comes_has_few_of_the_slots_and_no_more() {
    const SLOTS: usize = 8;
    const FEW: usize = 2;
    let hung = Arc::new(AtWork::default());
    let hangs = hung.clone();
    let portal = Scripted::start(move |heard, stream| {
        if heard.path() == "/export/x" {
            hangs.during(|| {
                // Until the time-out: then the connection is closed.
                let _ = stream.read(&mut [0]);
            });
            return false;
        }
        let page = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(page).is_ok()
    });
    let keys = format!("slots = {SLOTS}\nresponse_timeout = \"1500ms\"\nslot_wait = \"2s\"");
    let preau = Preau::start(&tables(&portal.url(), &keys)).await;
    let mut reader = preau.visitor("eleve", "ent");
    reader.walk_in("/").await;
    let mut stubborn = people_inside(&preau, "tetu", 3 * SLOTS).await;
    // It is known by three of them in a row.
    let first = stubborn.drain(..3).map(|mut it| async move {
        let answer = it.get("/export/x").await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
        it
    });
    let first: JoinSet<Visitor> = first.collect();
    stubborn.extend(first.join_all().await);
    hung.most.store(0, Ordering::SeqCst);
    let paths: Arc<[String]> = Arc::new(["/export/x".to_owned()]);
    let stubborn = stubborn.into_iter().map(|it| insists(it, paths.clone()));
    let mut stubborn: JoinSet<()> = stubborn.collect();
    let failed = reads(reader).await;
    let lent = preau.metric("preau_portal_lent", &[]).await;
    until("some of them wait in vain", async || {
        let no_slot = preau.metric("preau_portal_no_slot_total", &[]).await;
        (no_slot > 0.0).then_some(())
    })
    .await;
    stubborn.shutdown().await;
    assert!(failed.is_empty(), "{failed:?}");
    // One whose time is over may be seen to go when the next has come.
    let most = hung.most.load(Ordering::SeqCst);
    assert!((FEW..=2 * FEW).contains(&most), "{most} at once");
    assert_eq!(lent, 0.0);
}

/// Said once when it begins and once when it ends, and shown meanwhile; one visitor's trouble is none.
#[tokio::test]
async fn a_part_that_fails_for_everybody_is_told_to_the_operator() {
    const PEOPLE: usize = 4;
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let portal = Scripted::start(move |heard, stream| {
        let fails = heard.path().starts_with("/bulletins/") && is_broken.load(Ordering::SeqCst);
        let answer: &[u8] = match fails || heard.path() == "/casse" {
            true => b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
            false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        stream.write_all(answer).is_ok()
    });
    let preau = Preau::start(&tables(&portal.url(), "")).await;
    let mut people = people_inside(&preau, "eleve", PEOPLE).await;
    let lines = |what: &str| {
        let printed = preau.printed();
        let lines = printed.lines().filter(|line| line.contains(what));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut page = 0;
    let mut ask = async |path: &str| {
        page += 1;
        people[page % PEOPLE].get(&format!("{path}{page}")).await;
        people[page % PEOPLE].get("/cours").await;
        people[0].get("/casse").await;
    };
    until("the part is said to fail", async || {
        ask("/bulletins/").await;
        (!lines("fails for nearly everybody").is_empty()).then_some(())
    })
    .await;
    for _ in 0..20 {
        ask("/bulletins/").await;
    }
    let said = lines("fails for nearly everybody");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("/bulletins") && said[0].contains("answers 500"),
        "{said:?}"
    );
    let failing = portal_status(&preau).await["failing"].clone();
    assert_eq!(failing[0]["part"], "/bulletins", "{failing}");
    assert_eq!(failing.as_array().map(Vec::len), Some(1), "{failing}");
    assert_eq!(preau.metric("preau_portal_failing_parts", &[]).await, 1.0);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_preau"));
    let command = command.args(["status", "--admin", &preau.admin().to_string()]);
    let shown = command.output().expect("it runs").stdout;
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("ent: /bulletins answers 500: "), "{shown}");
    broken.store(false, Ordering::SeqCst);
    until("it is said to be well", async || {
        ask("/bulletins/").await;
        (!lines("is well again").is_empty()).then_some(())
    })
    .await;
    assert_eq!(lines("is well again").len(), 1);
    assert_eq!(preau.metric("preau_portal_failing_parts", &[]).await, 0.0);
    assert_eq!(
        portal_status(&preau).await["failing"],
        serde_json::json!([])
    );
}

/// On an open path, too, those inside are known by their passes, not by the address that they share.
#[tokio::test]
async fn an_open_part_that_fails_for_people_at_one_address_is_told_to_the_operator() {
    const PEOPLE: usize = 4;
    let portal = Scripted::start(|heard, stream| {
        let answer: &[u8] = match heard.path().starts_with(OPEN) {
            true => b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
            false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        stream.write_all(answer).is_ok()
    });
    let preau = Preau::start(&tables(&portal.url(), "")).await;
    let mut people = people_inside(&preau, "eleve", PEOPLE).await;
    let mut page = 0;
    until("the part is said to fail", async || {
        page += 1;
        people[page % PEOPLE].get(&format!("{OPEN}{page}")).await;
        let printed = preau.printed();
        printed.contains("fails for nearly everybody").then_some(())
    })
    .await;
}
