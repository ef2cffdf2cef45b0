//! No lost work: what somebody has written is neither lost nor done twice.

mod support;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use support::{Browser, JavaScript, Portal, Preau, one_room, until};

const WORK: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Waits until so many seats are taken.
async fn taken(preau: &Preau, seats: f64) {
    until(&format!("{seats} seats are taken"), async || {
        let taken = preau.metric("preau_room_seats_taken", &[]).await;
        (taken == seats).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_kind_of_work_passes_once_after_a_lapse() {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"1s\"\nfirst_idle = \"1s\"\nreserve = 0";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    for (number, method) in WORK.into_iter().enumerate() {
        let mut anna = preau.visitor(method.as_str(), "ent");
        anna.walk_in("/espace").await;
        taken(&preau, 0.0).await;
        let mut bilal = preau.visitor("bilal", "ent");
        // He keeps the seat by a request that runs meanwhile.
        let slow = tokio::spawn(async move { bilal.get("/lent?ms=2000").await });
        taken(&preau, 1.0).await;
        let request = anna.request(method.clone(), "/televersement");
        let answer = anna.exchange(request, Bytes::from_static(b"travail")).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.json()["octets"], 7, "{method}: the work has come");
        let seen = portal.seen();
        let sent = seen.iter().filter(|seen| seen.method == method.as_str());
        assert_eq!(sent.count(), 1, "{method}: once");
        let only = preau.metric("preau_room_work_only_total", &[]).await;
        assert_eq!(only, number as f64 + 1.0, "{method}: counted");
        // The work is saved; the next page waits.
        let page = anna.get("/espace").await;
        assert_eq!(
            page.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{method}: {page:?}"
        );
        let free = anna.post("/.preau/leave?room=ent", "").await;
        assert_eq!(free.status, StatusCode::OK);
        assert_eq!(slow.await.expect("it ends").status, StatusCode::OK);
        taken(&preau, 0.0).await;
    }
    preau.assert_nothing_forbidden().await;
}

/// The form of a newcomer was not executed: the page says so, and nothing on it leads to the address
/// by GET, or sends the form by itself.
#[tokio::test]
async fn a_form_that_has_to_wait_is_neither_executed_nor_turned_into_a_get() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    preau.visitor("anna", "ent").walk_in("/espace").await;
    let mut bilal = preau.visitor("bilal", "ent");
    let answer = bilal.post("/connexion?page=2", "prenom=bilal").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    for name in ["location", "refresh"] {
        assert!(answer.headers.get(name).is_none(), "{answer:?}");
    }
    assert!(answer.header(header::RETRY_AFTER).is_some());
    let page = answer.text();
    assert!(page.contains("data-form=\"1\""), "{page}");
    assert!(
        !page.contains("connexion"),
        "no link leads to it by GET: {page}"
    );
    assert!(!page.contains("http-equiv"), "{page}");
    assert!(
        portal.seen().iter().all(|seen| seen.method == "GET"),
        "nothing was executed"
    );
}

/// In a real browser: the page waits for the turn, and then for the visitor; the form goes out once,
/// as it was written.
#[tokio::test]
async fn a_form_that_has_waited_is_sent_by_its_writer_once() {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"10m\"\nopen = { path = \"/connexion\", method = \"GET\" }";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let browser = Browser::start(JavaScript::On).await;
    browser
        .open(&format!("http://{}/connexion", preau.address()))
        .await;
    browser.type_into("input[name=prenom]", "Zoé").await;
    browser.click("button").await;
    until("there is a place", async || browser.text("#place").await).await;
    anna.log_out().await;
    until("the turn is shown", async || {
        let title = browser.title().await?.replace('’', "'");
        title.contains("C'est à vous").then_some(())
    })
    .await;
    assert_eq!(
        browser.text("#soon").await.as_deref(),
        Some(""),
        "nothing happens by itself"
    );
    assert_eq!(
        browser.text("#choice").await.as_deref(),
        Some(""),
        "nor could it"
    );
    let posts = || {
        portal
            .seen()
            .iter()
            .filter(|seen| seen.method == "POST")
            .count()
    };
    assert_eq!(posts(), 0);
    browser.click("#go").await;
    let name = until("the portal has the form", async || {
        browser.text("#prenom").await
    })
    .await;
    assert_eq!((name.as_str(), posts()), ("Zoé", 1));
    preau.assert_nothing_forbidden().await;
}
