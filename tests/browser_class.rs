//! A class with real browsers: the teacher opens a code, a pupil types it on the waiting page and goes in
//! with the class; with JavaScript and without.

mod support;

use support::{Browser, JavaScript, Portal, Preau, Turns, one_room, until};

/// Whoever asks for the page that only teachers sign on by is one of them; three seats.
const CLASSES: &str = r#"
seats = 3
idle = "10m"
claim = "60s"

[[room.lane]]
name = "teachers"
path = "/connexion"
class_codes = true

[[room.lane]]
name = "classes"
title = "Classes"
code = true
block = 30

[[room.lane]]
name = "pupils"
title = "Élèves"
"#;

#[tokio::test]
async fn a_class_goes_in_by_a_code_that_is_typed_on_the_page() {
    a_class_goes_in(JavaScript::On).await;
}

#[tokio::test]
async fn a_class_goes_in_without_javascript_too() {
    a_class_goes_in(JavaScript::Off).await;
}

#[tokio::test]
async fn the_call_does_not_take_the_keyboard_from_whoever_types_a_code() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), CLASSES)).await;
    let names = ["anna", "bilal", "chloe"];
    let mut inside = names.map(|name| preau.visitor(name, "ent"));
    for visitor in &mut inside {
        visitor.walk_in("/espace").await;
    }
    let pupil = Browser::start(JavaScript::On).await;
    let address = format!("http://{}/espace", preau.address());
    pupil.open(&address).await;
    sees(&pupil, "#place", "1").await;
    pupil.type_into("#code", "bab").await;
    inside[0].log_out().await;
    sees(&pupil, "#turn h1", "C’est à vous").await;
    pupil.screenshot("class-typing").await;
    let focused = "return document.activeElement.id + ' ' + document.activeElement.value";
    assert_eq!(pupil.run(focused).await, "code bab");
    preau.assert_nothing_forbidden().await;
}

async fn a_class_goes_in(script: JavaScript) {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), CLASSES)).await;
    let suffix = format!("{script:?}").to_lowercase();
    let of = |path: &str| format!("http://{}{path}", preau.address());
    let teacher = Browser::start(script).await;
    teacher.open(&of("/connexion")).await;
    let mut inside = [preau.visitor("anna", "ent"), preau.visitor("bilal", "ent")];
    for visitor in &mut inside {
        visitor.walk_in("/espace").await;
    }
    let pupil = Browser::start(script).await;
    pupil.open(&of("/espace")).await;
    sees(&pupil, "#lane", "Élèves").await;
    let mut classmate = preau.visitor("chloe", "ent");
    assert_eq!(classmate.line_up("/espace").await.place(), 2);

    // The teacher opens a code, and tells it.
    teacher.open(&of("/.preau/class")).await;
    teacher.click("form[action='/.preau/class'] button").await;
    let code = until("the code is shown", async || teacher.text("p.place").await).await;
    teacher.screenshot(&format!("class-{suffix}")).await;

    if script == JavaScript::Off {
        // The page would load itself anew under the hands of whoever types.
        pupil.click("form[action='/.preau/pause'] button").await;
        until("the page is paused", async || {
            let shown = pupil.address().await;
            shown.contains("/.preau/pause?").then_some(())
        })
        .await;
    }
    // A code that is wrong costs nothing, and the page takes another attempt.
    joins(&pupil, "babebibo123").await;
    let alert = "[role=alert]";
    sees(&pupil, alert, "Ce code n’est pas ouvert").await;
    sees(&pupil, alert, "Votre place est gardée").await;
    pupil.screenshot(&format!("class-wrong-{suffix}")).await;
    joins(&pupil, &code).await;
    sees(&pupil, "#lane", "Classes").await;
    sees(&pupil, "#place", "1").await;
    assert_eq!(pupil.address().await, of("/espace"));
    pupil.screenshot(&format!("class-waiting-{suffix}")).await;
    let form = format!("room=ent&to=/espace&code={}", code.replace(' ', "+"));
    assert_eq!(classmate.post("/.preau/join", &form).await.status, 303);

    // The class goes in: the page by itself, to where the pupil wanted to go.
    for visitor in inside {
        let mut leaving = visitor;
        leaving.log_out().await;
    }
    classmate.wait_for_turn(&Turns::default(), 1, |_| ()).await;
    classmate.walk_in("/espace").await;
    until("the form of the portal is there", async || {
        (pupil.title().await? == "Connexion").then_some(())
    })
    .await;
    preau.assert_nothing_forbidden().await;
}

/// Types a code and sends it.
async fn joins(browser: &Browser, code: &str) {
    browser.type_into("#code", code).await;
    browser.click("form[action='/.preau/join'] button").await;
}

async fn sees(browser: &Browser, css: &str, words: &str) {
    until(&format!("{css} says {words}"), async || {
        browser.text(css).await?.contains(words).then_some(())
    })
    .await;
}
