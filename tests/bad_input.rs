//! What visitors send that they should not: cookies that are not ours, and bytes that are not
//! HTTP.

mod support;

use support::{Arrival, Portal, Preau, State, Visitor, one_room, raw, until};

/// One seat, taken; a line of one.
async fn full_room(portal: &Portal) -> (Preau, Visitor, Visitor) {
    let room = "seats = 1\nidle = \"10m\"\nclaim = \"60s\"";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let mut inside = preau.visitor("anna", "ent");
    inside.walk_in("/espace").await;
    let mut waiting = preau.visitor("bilal", "ent");
    assert_eq!(waiting.line_up("/espace").await.place(), 1);
    (preau, inside, waiting)
}

async fn rejected(preau: &Preau) -> f64 {
    preau.counted("preau_cookies_rejected_total").await
}

#[tokio::test]
async fn cookies_that_are_not_ours_are_none_and_are_counted() {
    let portal = Portal::start().await;
    let (preau, inside, waiting) = full_room(&portal).await;
    let pass = inside.our_cookie().expect("a pass").to_owned();
    let ticket = waiting.our_cookie().expect("a ticket").to_owned();
    let bad = [
        ("garbage", "garbage".to_owned()),
        ("no cookie value at all", "\"[]{}\\\"".to_owned()),
        ("a forged pass", forge(&pass)),
        ("a forged ticket", forge(&ticket)),
        ("a pass cut short", pass[..pass.len() - 1].to_owned()),
        ("a pass with more", format!("{pass}A")),
        ("a pass and a ticket", format!("{pass}{ticket}")),
        ("oversized", "A".repeat(5_000)),
    ];
    let seen = portal.seen().len();
    for (number, (what, value)) in (1..).zip(bad) {
        let before = rejected(&preau).await;
        let mut stranger = preau.visitor("stranger", "ent");
        stranger.put_cookie("preau-ent", &value);
        let Arrival::Waiting(status) = stranger.arrive("/espace").await else {
            panic!("{what}: went in");
        };
        assert_eq!(status.state, State::Waiting, "{what}");
        assert!(status.place() > 1, "{what}: nobody's place but a new one");
        assert!(
            rejected(&preau).await > before,
            "{what} ({number}) is counted"
        );
    }
    assert_eq!(
        portal.seen().len(),
        seen,
        "nothing of it reaches the portal"
    );
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn duplicates_do_not_cost_a_place_and_do_not_gain_one() {
    let portal = Portal::start().await;
    let (preau, _inside, mut waiting) = full_room(&portal).await;
    // Somebody on a sibling host sets a cookie of our name: the real one still counts.
    let before = rejected(&preau).await;
    waiting.strange_cookies = vec!["preau-ent=garbage".to_owned()];
    assert_eq!(waiting.poll().await.place(), 1);
    assert!(rejected(&preau).await > before);

    // A flood of them is not looked through.
    let mut flood = preau.visitor("flood", "ent");
    flood.strange_cookies = vec!["preau-ent=AAAA".to_owned(); 500];
    let before = rejected(&preau).await;
    assert!(matches!(flood.arrive("/espace").await, Arrival::Waiting(_)));
    let counted = rejected(&preau).await - before;
    assert!(counted > 0.0 && counted < 500.0, "{counted} looked at");
}

#[tokio::test]
async fn a_cookie_of_another_room_is_none() {
    let portal = Portal::start().await;
    let one = one_room(
        &portal.url(),
        "seats = 1\nidle = \"10m\"\npath = \"/espace\"",
    );
    let other = "[[room]]\nname = \"cours\"\nportal = \"ent\"\npath = \"/connexion\"\nseats = 1\n";
    let preau = Preau::start(&format!("{one}\n{other}")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    preau.visitor("bilal", "cours").walk_in("/connexion").await;

    let pass = anna.our_cookie().expect("a pass").to_owned();
    let mut stranger = preau.visitor("stranger", "cours");
    stranger.put_cookie("preau-cours", &pass);
    let before = rejected(&preau).await;
    assert!(matches!(
        stranger.arrive("/connexion").await,
        Arrival::Waiting(_)
    ));
    assert!(rejected(&preau).await > before);
}

#[tokio::test]
async fn an_expired_pass_is_none() {
    let portal = Portal::start().await;
    let room = "seats = 1\nidle = \"1s\"\nfirst_idle = \"1s\"\nvisit_max = \"1s\"";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let pass = anna.our_cookie().expect("a pass").to_owned();
    until("the seat is free again", async || {
        let taken = preau
            .metric("preau_room_seats_taken", &[("room", "ent")])
            .await;
        (taken == 0.0).then_some(())
    })
    .await;
    // Somebody is inside and busy, so that the pass would have to count for anna to get in.
    let mut bilal = preau.visitor("bilal", "ent");
    bilal.walk_in("/espace").await;
    anna.put_cookie("preau-ent", &pass);
    assert!(matches!(anna.arrive("/espace").await, Arrival::Waiting(_)));
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn only_who_holds_something_can_give_it_up() {
    let portal = Portal::start().await;
    let (preau, mut inside, mut waiting) = full_room(&portal).await;
    let leave = "/.preau/leave?room=ent";
    let elsewhere = vec![("sec-fetch-site", "cross-site".to_owned())];
    waiting.extra = elsewhere;
    let answer = waiting.post(leave, "").await;
    assert_eq!(
        answer.status.as_u16(),
        400,
        "another site asked: {answer:?}"
    );
    waiting.extra.clear();
    assert_eq!(waiting.poll().await.place(), 1);

    let mut stranger = preau.visitor("stranger", "ent");
    stranger.put_cookie("preau-ent", "garbage");
    let answer = stranger.post(leave, "").await;
    assert!(answer.set_cookies().is_empty(), "{answer:?}");

    inside.extra = vec![("sec-fetch-site", "same-origin".to_owned())];
    let answer = inside.post(leave, "").await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert_eq!(inside.our_cookie(), None, "nothing is held any more");
    until("the seat is given to the next", async || {
        (waiting.poll().await.state == State::Called).then_some(())
    })
    .await;
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn what_is_not_http_gets_words() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 9")).await;
    let seen = portal.seen().len();
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    let long_head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n",
        "a".repeat(100_000)
    );
    let many = "X-A: a\r\n".repeat(2_000);
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    let cases: [(&str, &[u16]); 14] = [
        ("NONSENSE\r\n\r\n", &[400]),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", &[400]),
        ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
        ("GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", &[400]),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
            &[400],
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            &[400, 501],
        ),
        (
            "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n",
            &[400, 405, 501],
        ),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", &[405, 501]),
        (&long_path, &[414, 431]),
        (&long_head, &[431]),
        (&many, &[431]),
    ];
    for (bytes, expected) in cases {
        let answer = raw(preau.address(), bytes.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let start: String = bytes.chars().take(60).collect();
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{start:?}: no answer: {answer:?}"));
        let status: u16 = head[9..12].parse().expect("a status");
        assert!(expected.contains(&status), "{start:?}: {answer}");
        assert!(
            body.chars().any(char::is_alphabetic),
            "{start:?}: no words: {answer}"
        );
    }
    assert_eq!(
        portal.seen().len(),
        seen,
        "nothing of it reaches the portal"
    );
}

/// A character of the middle is another one: neither length nor alphabet give it away.
fn forge(value: &str) -> String {
    let middle = value.len() / 2;
    let other = if &value[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    format!("{}{other}{}", &value[..middle], &value[middle + 1..])
}
