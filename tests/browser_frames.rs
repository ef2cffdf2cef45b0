//! A visitor with a real browser, where a page is shown by something other than the window itself:
//! a service worker passes it on, or it stands in a frame of another page.

mod support;

use support::tls::{Authority, https};
use support::{Browser, JavaScript, Portal, Preau, Site, Unstarted, free_port, one_room, until};

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
    browser.forget_cookies().await;
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

/// A portal with a page that has a frame.
const FRAMING: Site = Site {
    pages: &[
        ("index.php", include_str!("portal/cadre.php")),
        ("journal.php", include_str!("portal/journal.php")),
    ],
    workers: 8,
    keep_alive: true,
};

/// The room under two hosts, and a site of somebody else's.
const HOSTS: [&str; 3] = ["ent.example.fr", "www.example.fr", "www.example.org"];

#[tokio::test]
async fn siblings_frame_the_waiting_page_and_strangers_get_a_link() {
    let portal = Portal::serving(&FRAMING).await;
    let authority = Authority::new();
    let files = authority.issue("ent", &HOSTS, 2100);
    let (address, plain) = (free_port(), free_port());
    let room = "host = [\"ent.example.fr\", \"www.example.fr\", \"127.0.0.1\"]\nopen = [\"/cadre\"]\n\
                seats = 1\nidle = \"10m\"";
    let unstarted = Unstarted::new("");
    unstarted.configure(&format!(
        "admin = \"{}\"\nstate = {:?}\nthreads = 2\n{}{}\
         [[room]]\nname = \"autre\"\nportal = \"ent\"\nhost = \"www.example.org\"\nopen = [\"/**\"]\n\
         [[listener]]\naddress = \"{plain}\"\n",
        unstarted.admin(),
        unstarted.state(),
        one_room(&portal.url(), room),
        https(address, &[&files]),
    ));
    let preau = unstarted.start().await;
    let waiting = async || {
        let room = [("room", "ent")];
        preau.metric("preau_room_waiting", &room).await
    };
    let mut anna = support::Visitor::new(plain, "anna", "ent");
    anna.walk_in("/espace").await;
    let of = |host: &str| {
        let port = address.port();
        format!("https://{host}:{port}/cadre?de=https://ent.example.fr:{port}/espace")
    };

    let browser = Browser::start(JavaScript::On).await;
    browser.open(&of("www.example.org")).await;
    browser.enter_frame().await;
    let said = until("the frame says something", async || {
        browser.text("h1").await
    })
    .await;
    assert_eq!(said, "Ce site a une file d’attente");
    browser.screenshot("frame-strange").await;
    assert_eq!(waiting().await, 0.0, "nobody could keep a ticket there");
    browser.click("a.go").await;
    browser.enter_new_window().await;
    let place = async || {
        until("the page shows the place", async || {
            browser.text("#place").await
        })
        .await
    };
    assert_eq!(place().await, "1");
    let inside = format!("https://ent.example.fr:{}/espace", address.port());
    assert_eq!(browser.address().await, inside);

    browser.open(&of("www.example.fr")).await;
    browser.enter_frame().await;
    assert_eq!(
        place().await,
        "1",
        "the same place, in a frame of a sibling's"
    );
    browser.screenshot("frame-sibling").await;
    assert_eq!(waiting().await, 1.0);
    preau.assert_nothing_forbidden().await;
}
