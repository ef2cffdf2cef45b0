//! A visitor with a real browser, where a page is shown by something other than the window itself:
//! a service worker passes it on.

mod support;

use support::{Browser, JavaScript, Portal, Preau, Site, one_room, until};

/// A portal whose pages are passed on by a service worker.
const WORKED: Site = Site {
    pages: &[
        ("index.php", include_str!("portal/travailleur.php")),
        ("journal.php", include_str!("portal/journal.php")),
    ],
    workers: 8,
    keep_alive: true,
};

#[tokio::test]
async fn a_page_that_a_service_worker_passes_on_is_the_waiting_page() {
    let portal = Portal::serving(&WORKED).await;
    let room = "seats = 1\nidle = \"10m\"\nclaim = \"60s\"";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let of = |path: &str| format!("http://{}{path}", preau.address());
    let browser = Browser::start(JavaScript::On).await;
    browser.open(&of("/espace")).await;
    until("the service worker has taken over", async || {
        (browser.title().await? == "Passe par un travailleur").then_some(())
    })
    .await;
    browser.open(&of("/cours")).await;
    let seen = portal.seen();
    let passed_on = seen.iter().find(|seen| seen.path == "/cours");
    let signs = &passed_on.expect("it came through").headers;
    assert_eq!(signs["sec-fetch-dest"], "empty", "the worker has sent it");

    // Somebody else gets the seat, and the same page is passed on while there is a line.
    browser.open(&of("/deconnexion")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    browser.open(&of("/cours")).await;
    let place = until("the page shows the place", async || {
        browser.text("#place").await
    })
    .await;
    assert_eq!(place, "1");
    anna.log_out().await;
    until("the browser is inside again", async || {
        (browser.text("h1").await? == "/cours").then_some(())
    })
    .await;
    preau.assert_nothing_forbidden().await;
}
