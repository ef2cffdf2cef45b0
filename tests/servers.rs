//! Several servers of a portal, and the slots in front of them.

mod support;

use http::StatusCode;
use std::collections::HashSet;
use std::io::Write as _;
use std::sync::{Mutex, mpsc};
use support::{Portal, Preau, Scripted, get, one_room, until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// The tables of one portal with these servers, and one room.
fn tables(servers: &[&Portal], portal: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| server.url()).collect();
    format!(
        r#"
[[portal]]
name = "ent"
servers = {servers:?}
health = {{ path = "/sante", interval = "1s", timeout = "2s", fall = 2, probe_min = "1s", probe_max = "2s" }}
{portal}

[[room]]
name = "ent"
portal = "ent"
seats = 50
"#
    )
}

#[tokio::test]
async fn a_server_that_dies_is_left_out_and_taken_in_again() {
    let mut first = Portal::start().await;
    let second = Portal::start().await;
    let preau = Preau::start(&tables(&[&first, &second], "slots = 4")).await;
    let mut anna = preau.visitor("anna", "ent");
    for _ in 0..10 {
        assert_eq!(anna.get("/").await.status, StatusCode::OK);
    }
    assert!(!first.seen().is_empty() && !second.seen().is_empty());

    first.stop().await;
    // Not one request is lost: what cannot be sent to the one is sent to the other.
    for _ in 0..20 {
        assert_eq!(anna.get("/").await.status, StatusCode::OK);
    }
    let down = [("portal", "ent"), ("server", &*authority(&first))];
    until("the dead server is known to be down", async || {
        (preau.metric("preau_server_up", &down).await == 0.0).then_some(())
    })
    .await;
    assert_eq!(preau.metric("preau_portal_up", &[]).await, 1.0);

    first.start_again().await;
    let before = first.seen().len();
    until("the server is used again", async || {
        assert_eq!(anna.get("/").await.status, StatusCode::OK);
        (first.seen().len() > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn slots_bound_what_runs_and_the_others_wait_in_order() {
    let portal = Portal::start().await;
    let preau = Preau::start(&tables(&[&portal], "slots = 1\nslot_wait = \"20s\"")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.get("/").await;
    let slow = tokio::spawn(async move { anna.get("/lent?ms=1500").await });
    busy(&preau, 1.0, 0.0).await;
    let mut waiting = Vec::new();
    for place in 1..=3 {
        let mut visitor = preau.visitor(&format!("file{place}"), "ent");
        waiting.push(tokio::spawn(async move { visitor.get("/").await }));
        busy(&preau, 1.0, f64::from(place)).await;
    }
    assert_eq!(
        slow.await.expect("the slow page comes").status,
        StatusCode::OK
    );
    for answer in waiting {
        assert_eq!(answer.await.expect("it comes").status, StatusCode::OK);
    }
    let order: Vec<String> = (portal.seen().into_iter())
        .map(|seen| seen.agent)
        .filter(|agent| agent.starts_with("file"))
        .collect();
    assert_eq!(order, ["file1", "file2", "file3"]);
    busy(&preau, 0.0, 0.0).await;
}

#[tokio::test]
async fn whoever_finds_no_slot_in_time_is_told_so_and_stays_inside() {
    let portal = Portal::start().await;
    let bounds = "slots = 1\nslot_wait = \"200ms\"\nslot_queue = 1";
    let preau = Preau::start(&tables(&[&portal], bounds)).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.get("/").await;
    let slow = tokio::spawn(async move { anna.get("/lent?ms=2500").await });
    busy(&preau, 1.0, 0.0).await;
    let mut bilal = preau.visitor("bilal", "ent");
    let answer = bilal.get("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    answer.assert_words("no slot");
    assert_eq!(preau.metric("preau_portal_no_slot_total", &[]).await, 1.0);
    slow.await.expect("the slow page comes");
    assert_eq!(bilal.get("/").await.status, StatusCode::OK);
    assert_eq!(preau.metric("preau_room_straight_total", &[]).await, 2.0);
}

#[tokio::test]
async fn a_visitor_who_goes_frees_slot_and_server() {
    let portal = Portal::start().await;
    let preau = Preau::start(&tables(&[&portal], "slots = 1")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.get("/").await;
    let slow = tokio::spawn(async move { anna.get("/lent?ms=20000").await });
    busy(&preau, 1.0, 0.0).await;
    slow.abort();
    busy(&preau, 0.0, 0.0).await;
    assert_eq!(
        preau.visitor("bilal", "ent").get("/").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn whoever_leaves_the_queue_for_a_slot_is_not_in_it_and_never_reaches_the_portal() {
    let (let_go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let portal = Scripted::start(move |heard, stream| {
        if heard.path() == "/tenu" {
            let _ = held.lock().expect("one at a time").recv();
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nbonjour";
        stream.write_all(answer).is_ok()
    });
    let room = "mode = \"open\"";
    let tables = one_room(&portal.url(), room).replace(
        "slots = 6",
        "slots = 1\nslot_queue = 5\nslot_wait = \"10m\"",
    );
    let preau = Preau::start(&tables).await;
    let to = preau.address();
    let slow = tokio::spawn(async move { get(to, "/tenu").await });
    busy(&preau, 1.0, 0.0).await;
    let body = "x".repeat(3_000);
    let mut leaving = Vec::new();
    for (place, request) in (1..).zip([
        "GET /parti HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "POST /parti HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
        format!("POST /parti HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{body}"),
        format!(
            "PUT /parti HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{}",
            body.repeat(10)
        ),
        "POST /parti HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
            .to_owned(),
    ]) {
        let mut stream = TcpStream::connect(to).await.expect("the proxy listens");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is taken");
        busy(&preau, 1.0, f64::from(place)).await;
        leaving.push(stream);
    }
    // There is no room for another, until they have gone.
    let refused = get(to, "/trop").await.expect("an answer");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(leaving);
    busy(&preau, 1.0, 0.0).await;
    let patient = tokio::spawn(async move { get(to, "/reste").await });
    busy(&preau, 1.0, 1.0).await;
    let_go.send(()).expect("the portal waits for it");
    for answer in [slow, patient] {
        let answer = answer.await.expect("it does not panic").expect("an answer");
        assert_eq!(answer.status, StatusCode::OK);
    }
    let heard: Vec<String> = portal.heard().iter().map(|heard| heard.path()).collect();
    assert_eq!(heard, ["/tenu", "/reste"]);
}

#[tokio::test]
async fn rooms_of_one_host_are_told_apart_by_path_and_each_has_its_line() {
    let portal = Portal::start().await;
    let url = portal.url();
    let preau = Preau::start(&format!(
        r#"
[[portal]]
name = "ent"
servers = ["{url}"]

[[room]]
name = "espace"
path = ["/espace", "/connexion"]
seats = 1

[[room]]
name = "reste"
path = "/**"
seats = 50
"#
    ))
    .await;
    preau.visitor("anna", "espace").walk_in("/espace").await;
    let mut bilal = preau.visitor("bilal", "espace");
    bilal.line_up("/espace").await;
    // Written in another way, it is the same room.
    for path in ["/esp%61ce", "//espace", "/connexion?x=/"] {
        assert_eq!(
            bilal.get(path).await.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}"
        );
    }
    assert_eq!(
        bilal.get("/x/../espace").await.status,
        StatusCode::BAD_REQUEST
    );
    let home = bilal.get("/").await;
    assert_eq!(home.status, StatusCode::OK);
    let names: HashSet<String> = home.our_cookies().into_iter().collect();
    assert_eq!(names, HashSet::from(["preau-reste".to_owned()]));
}

async fn busy(preau: &Preau, in_flight: f64, waiting: f64) {
    until("the slots are used as expected", async || {
        let now = (
            preau.metric("preau_portal_in_flight", &[]).await,
            preau.metric("preau_portal_slot_queue", &[]).await,
        );
        (now == (in_flight, waiting)).then_some(())
    })
    .await;
}

fn authority(portal: &Portal) -> String {
    portal.url().trim_start_matches("http://").to_owned()
}
