//! A visitor with a real browser: waits, sees the place fall, goes in and signs on; with
//! JavaScript and without.

mod support;

use support::{Browser, JavaScript, Portal, Preau, Turns, Visitor, one_room, until};

#[tokio::test]
async fn a_browser_waits_goes_in_and_signs_on() {
    waits_goes_in_and_signs_on(JavaScript::On).await;
}

#[tokio::test]
async fn a_browser_without_javascript_does_it_too() {
    waits_goes_in_and_signs_on(JavaScript::Off).await;
}

async fn waits_goes_in_and_signs_on(script: JavaScript) {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"10m\"\nclaim = \"60s\"";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let turns = Turns::default();
    let mut ahead = [preau.visitor("bilal", "ent"), preau.visitor("chloe", "ent")];
    for visitor in &mut ahead {
        visitor.line_up("/espace").await;
    }

    let browser = Browser::start(script).await;
    let suffix = format!("{script:?}").to_lowercase();
    let address = format!("http://{}/espace", preau.address());
    browser.open(&address).await;
    sees_place(&browser, 3).await;
    browser.screenshot(&format!("waiting-{suffix}")).await;

    if script == JavaScript::Off {
        pauses_and_resumes(&browser, &address).await;
    }
    let mut leaving = anna;
    for (order, mut visitor) in (1..).zip(ahead) {
        take_turns(leaving, &mut visitor, &turns, order).await;
        sees_place(&browser, 3 - order).await;
        leaving = visitor;
    }
    leaving.log_out().await;
    if script == JavaScript::On {
        until("the title says that it is their turn", async || {
            let title = browser.title().await?.replace('’', "'");
            title.contains("C'est à vous").then_some(())
        })
        .await;
        browser.screenshot(&format!("called-{suffix}")).await;
    }

    // Nobody touches anything: the page goes in by itself, to where the visitor wanted to go;
    // the portal then asks to sign on.
    until("the form of the portal is there", async || {
        let title = browser.title().await?;
        (title == "Connexion").then_some(())
    })
    .await;
    browser.type_into("input[name=prenom]", "Danièle").await;
    browser.click("button").await;
    let name = until("the name is shown", async || browser.text("#prenom").await).await;
    assert_eq!(name, "Danièle");
    assert_eq!(browser.address().await, address);
    browser.screenshot(&format!("inside-{suffix}")).await;
    preau.assert_nothing_forbidden().await;
}

/// What a browser on a machine with an odd network says, though every request is answered.
async fn says_that_it_is_offline(browser: &Browser) {
    let offline = "Object.defineProperty(navigator, 'onLine', { get: () => false })";
    browser.run(offline).await;
    assert_eq!(browser.run("return navigator.onLine").await, false);
}

#[tokio::test]
async fn a_browser_goes_in_although_it_says_that_it_is_offline() {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"10m\"\nclaim = \"60s\"";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let browser = Browser::start(JavaScript::On).await;
    browser
        .open(&format!("http://{}/espace", preau.address()))
        .await;
    sees_place(&browser, 1).await;
    says_that_it_is_offline(&browser).await;
    browser.run("document.getElementById('auto').focus()").await;
    anna.log_out().await;
    let announced = until("the call is looked at", async || {
        let focused = browser
            .run("return document.activeElement.textContent")
            .await;
        (focused != "").then_some(focused)
    })
    .await;
    assert_eq!(announced, "C’est à vous");
    browser.screenshot("called-focus").await;
    until("the form of the portal is there", async || {
        (browser.title().await? == "Connexion").then_some(())
    })
    .await;
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn a_page_of_refusal_tries_again_although_its_browser_says_that_it_is_offline() {
    let mut portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nopen = [\"/\"]")).await;
    portal.stop().await;
    let browser = Browser::start(JavaScript::On).await;
    browser.open(&format!("http://{}/", preau.address())).await;
    until("the page says when it tries again", async || {
        let soon = browser.text("#soon").await?;
        soon.contains("Nouvel essai dans").then_some(())
    })
    .await;
    says_that_it_is_offline(&browser).await;
    browser.screenshot("refused").await;
    portal.start_again().await;
    until("the portal is there", async || {
        (browser.title().await? == "Accueil").then_some(())
    })
    .await;
}

/// Without JavaScript the page reloads itself; that can be stopped, and the place stays.
async fn pauses_and_resumes(browser: &Browser, address: &str) {
    browser.click("form[action='/.preau/pause'] button").await;
    until("the page is paused", async || {
        let shown = browser.address().await;
        shown.contains("/.preau/pause?").then_some(())
    })
    .await;
    sees_place(browser, 3).await;
    browser.click("noscript a.go").await;
    until("the page is back", async || {
        (browser.address().await == address).then_some(())
    })
    .await;
}

/// `leaving` gives the seat back, and `coming`, whose turn it then is, takes it.
async fn take_turns(mut leaving: Visitor, coming: &mut Visitor, turns: &Turns, order: u64) {
    leaving.log_out().await;
    coming.wait_for_turn(turns, order, |_| ()).await;
    coming.walk_in("/espace").await;
}

async fn sees_place(browser: &Browser, place: u64) {
    until(&format!("the page shows place {place}"), async || {
        let text = browser.text("#place").await?;
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        (digits == place.to_string()).then_some(())
    })
    .await;
}
