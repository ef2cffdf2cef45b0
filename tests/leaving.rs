//! Visitors who are about to go, or are gone for a moment: to a sign-on elsewhere, and after logout.

mod support;

use http::{StatusCode, header};
use std::io::Write as _;
use support::{Answer, From, Portal, Preau, Scripted, State, Surfer, one_room, until};

fn waits(answer: &Answer) -> bool {
    answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.text().contains("file")
}

/// A service, and its CAS in a room of its own: while a password is typed there, nothing is seen of
/// the service's pass.
#[tokio::test]
async fn a_seat_outlasts_a_sign_on_in_another_room() {
    let portal = Portal::start().await;
    let room = |name: &str, host: &str, seats: u32| {
        format!(
            "[[room]]\nname = \"{name}\"\nhost = \"{host}\"\nseats = {seats}\nidle = \"1s\"\n\
             first_idle = \"1s\"\nsign_on = \"1m\"\npoll = {{ min = \"1s\", max = \"1s\" }}\n"
        )
    };
    let preau = Preau::start(&format!(
        "[[portal]]\nservers = \"{}\"\n{}{}",
        portal.url(),
        room("ent", "www.example.fr", 1),
        room("cas", "cas.example.fr", 9),
    ))
    .await;
    portal.knows_proxy(preau.address());
    let mut anna = Surfer::new(preau.address(), "anna");
    let sent = anna.get("www.example.fr/ent").await;
    let login = sent.header(header::LOCATION).expect("to CAS").to_owned();
    assert!(login.starts_with("http://cas.example.fr/"), "{login}");
    let login = login.replace("http://", "");
    assert_eq!(anna.get(&login).await.status, StatusCode::OK);
    let mut bilal = Surfer::new(preau.address(), "bilal");
    assert!(waits(&bilal.get("www.example.fr/ent").await));
    // Her seat at CAS, where she stays without a word, is over after a second.
    until("her seat at CAS is given back", async || {
        let cas = [("room", "cas")];
        let out = preau.metric("preau_room_unshown_out_total", &cas).await;
        (out == 1.0).then_some(())
    })
    .await;
    let ent = [("room", "ent")];
    assert_eq!(preau.metric("preau_room_seats_taken", &ent).await, 1.0);
    let ticket = anna.post(&login, "prenom=Anna", From::Here).await;
    let back = ticket
        .header(header::LOCATION)
        .expect("a ticket")
        .to_owned();
    let (_, page) = anna.follow(&back.replace("http://", "")).await;
    assert!(page.text().contains("Anna"), "{page:?}");
    preau.assert_nothing_forbidden().await;
}

/// Within one room a redirection is nothing special, and whoever stays away for too long is gone.
#[tokio::test]
async fn nobody_else_and_nothing_longer() {
    let portal = Portal::start().await;
    let room = "idle = \"1s\"\nfirst_idle = \"1s\"\nsign_on = \"3s\"\nseats = 9";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let mut anna = preau.visitor("anna", "ent");
    let here = anna.get("/espace").await;
    assert_eq!(here.header(header::LOCATION), Some("/connexion"));
    let mut bilal = preau.visitor("bilal", "ent");
    let away = bilal.get("/ent").await;
    let away = away.header(header::LOCATION).expect("to CAS").to_owned();
    assert!(away.starts_with("http://cas.example.fr/"), "{away}");
    let out = || preau.metric("preau_room_unshown_out_total", &[]);
    until("she is gone", async || (out().await == 1.0).then_some(())).await;
    assert_eq!(bilal.poll().await.state, State::Inside);
    until("so is he", async || {
        let taken = preau.metric("preau_room_seats_taken", &[]).await;
        (taken == 0.0).then_some(())
    })
    .await;
}

/// From an old name to the new one, which is the portal's own or not: nobody comes back. Nor does anybody
/// sign on between two names that the room knows.
#[tokio::test]
async fn whoever_is_sent_on_for_good_or_to_another_name_has_no_sign_on() {
    for answer in [
        "308 Permanent Redirect\r\nLocation: https://ent.example.fr/",
        "301 Moved Permanently\r\nLocation: https://ailleurs.example/",
        "302 Found\r\nLocation: https://ent.example.fr/",
        "303 See Other\r\nLocation: https://ENT.example.fr:443/accueil",
    ] {
        let portal = Scripted::saying(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n"));
        let preau = Preau::start(&format!(
            "[[portal]]\nservers = \"{}\"\n[[room]]\nname = \"ent\"\n\
             host = [\"ent.example.fr\", \"www.example.fr\"]\nseats = 9\nidle = \"1s\"\n\
             first_idle = \"1s\"\nsign_on = \"1h\"\n",
            portal.url()
        ))
        .await;
        let sent = Surfer::new(preau.address(), "anna")
            .get("www.example.fr/")
            .await;
        assert!(sent.status.is_redirection(), "{sent:?}");
        until("the seat is given back", async || {
            let out = preau.metric("preau_room_unshown_out_total", &[]).await;
            (out == 1.0).then_some(())
        })
        .await;
    }
}

/// Two hosts of one room that share no cookie: while a password is typed at the one, nothing is seen of
/// the pass for the other.
#[tokio::test]
async fn a_seat_outlasts_a_sign_on_at_another_host_of_the_room() {
    for (presets, sign_on, other) in [
        (
            "{ name = \"lemonldap\", host = \"sso.example.fr\" }",
            "sso.example.fr/?url=aHR0cHM6Ly93d3c",
            "auth.example.fr/",
        ),
        (
            "\"cas\"",
            "ent.example.fr/cas/login?service=https://www.example.fr/ent",
            "ent.example.fr/accueil",
        ),
        ("\"cas\"", "auth.example.fr/", "ent.example.fr/"),
    ] {
        let portal = Scripted::start(move |heard, stream| {
            let to = match heard.path().as_str() {
                "/ent" => sign_on,
                _ => other,
            };
            let head = format!("HTTP/1.1 302 Found\r\nLocation: https://{to}\r\n");
            let answer = format!("{head}Content-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).is_ok()
        });
        let preau = Preau::start(&format!(
            "[[portal]]\nservers = \"{}\"\n[[room]]\nname = \"ent\"\nhost = \
             [\"auth.example.fr\", \"ent.example.fr\", \"sso.example.fr\", \"www.example.fr\"]\n\
             presets = {presets}\nseats = 9\nidle = \"1s\"\nfirst_idle = \"1s\"\nsign_on = \"1h\"\n",
            portal.url()
        ))
        .await;
        let mut anna = Surfer::new(preau.address(), "anna");
        let mut bilal = Surfer::new(preau.address(), "bilal");
        for (surfer, path) in [(&mut anna, "ent"), (&mut bilal, "vieux")] {
            let sent = surfer.get(&format!("www.example.fr/{path}")).await;
            assert_eq!(sent.status, StatusCode::FOUND, "{sent:?}");
        }
        until("the seat of him who came last is given back", async || {
            let out = preau.metric("preau_room_unshown_out_total", &[]).await;
            (out >= 1.0).then_some(())
        })
        .await;
        let told = anna.get("www.example.fr/.preau/status").await;
        assert_eq!(told.json()["state"], "inside", "{presets}, {sign_on}");
    }
}

#[tokio::test]
async fn whoever_has_logged_out_sees_the_page_after_it_and_no_more() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let mut bilal = preau.visitor("bilal", "ent");
    bilal.line_up("/espace").await;
    anna.log_out().await;
    let taken = || preau.metric("preau_room_seats_taken", &[]);
    assert_eq!(taken().await, 0.0);
    let page = anna.get("/").await;
    assert!(page.text().contains("Bienvenue"), "{page:?}");
    assert!(page.our_cookies().is_empty(), "{page:?}");
    assert_eq!(anna.get("/assets/style.css").await.status, StatusCode::OK);
    assert_eq!(taken().await, 0.0, "the seat is his");
    until("he is called", async || {
        (bilal.poll().await.state == State::Called).then_some(())
    })
    .await;
    bilal.walk_in("/espace").await;
    // Not for ever.
    let mut seen = 2;
    while !waits(&anna.get("/").await) {
        seen += 1;
        assert!(seen <= 40, "{seen}");
    }
    assert_eq!(seen, 40);
    assert_eq!(anna.poll().await.place(), 1);
    assert_eq!(preau.metric("preau_room_seen_off_total", &[]).await, 40.0);
    preau.assert_nothing_forbidden().await;
}

/// Nothing is sent that way, and no newcomer goes with them.
#[tokio::test]
async fn after_logout_a_form_waits() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    preau.visitor("bilal", "ent").line_up("/espace").await;
    anna.log_out().await;
    let form = anna.post("/televersement", "a=1").await;
    assert!(waits(&form), "{form:?}");
    assert!(portal.seen().iter().all(|seen| seen.method == "GET"));
    // With a place in line, there is nothing more to see off.
    assert!(waits(&anna.get("/").await));
    let mut chloe = preau.visitor("chloe", "ent");
    assert!(waits(&chloe.get("/").await));
    preau.assert_nothing_forbidden().await;
}

/// A cookie that nobody can clear, because it lies at another path, costs files nothing: they stay
/// everybody's to keep.
#[tokio::test]
async fn what_an_old_configuration_has_left_is_cleared_with_pages_alone() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/").await;
    anna.put_cookie("__Secure-preau-ent", "x");
    for _ in 0..2 {
        let file = anna.get_json("/assets/style.css").await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(file.our_cookies().is_empty(), "{file:?}");
        let page = anna.get("/").await;
        let given = page.our_cookies();
        assert!(
            given.iter().any(|name| name == "__Secure-preau-ent"),
            "{given:?}"
        );
        anna.put_cookie("__Secure-preau-ent", "x");
    }
}
