//! CNED, 16 March 2020: a white page, "Le service est indisponible". Here: the portal answers
//! 503 without a word, then is stopped, then is back; nobody sees a blank page, every place
//! is kept, and calls resume by themselves, in order and not all at once.
//!
//! That no answer is blank is checked by each visitor on each answer.

mod support;

use http::StatusCode;
use std::time::Duration;
use support::{Portal, Preau, State, Turns, Visitor, one_room, until};
use tokio::task::JoinSet;

const SEATS: u64 = 3;
const LINE: u64 = 6;

#[tokio::test]
async fn the_portal_goes_and_comes_back_and_every_place_is_kept() {
    let mut portal = Portal::start().await;
    let room = format!("seats = {SEATS}\nidle = \"10m\"\nclaim = \"60s\"");
    let preau = Preau::start(&one_room(&portal.url(), &room)).await;
    let mut inside = people_inside(&preau).await;
    let mut line = people_in_line(&preau).await;
    let calls = calls(&preau).await;

    portal.break_with_503(true);
    portal_is(&preau, false).await;
    all_get_words(&preau, &mut inside, &mut line).await;
    portal.stop().await;
    all_get_words(&preau, &mut inside, &mut line).await;
    // Seats that become free meanwhile are kept for when there is something to see.
    for visitor in &mut inside {
        visitor.get("/deconnexion").await;
    }
    all_get_words(&preau, &mut [], &mut line).await;
    assert_eq!(
        self::calls(&preau).await,
        calls,
        "nobody is called to a portal that is down"
    );

    portal.break_with_503(false);
    portal.start_again().await;
    // Whoever logged out while nobody heard of it is still inside.
    portal_is(&preau, true).await;
    for visitor in &mut inside {
        if visitor.poll().await.state == State::Inside {
            visitor.get("/deconnexion").await;
        }
    }
    let burst = let_all_in(&preau, line).await;
    assert!(burst < SEATS as f64, "{burst} calls at once: not gentle");
    // Newcomers who asked once while the portal was down may have been called too: they may
    // still come. Those who came are the line.
    let came = preau.metric("preau_room_called_in_total", &[("room", "ent")]);
    assert_eq!(came.await, LINE as f64);
    preau.assert_nothing_forbidden().await;
}

/// An error of the portal that is none of ours: the words are ours where it has none.
#[tokio::test]
async fn an_empty_error_of_the_portal_gets_words() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 3")).await;
    let answer = preau.visitor("anna", "ent").get("/erreur").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// Machines boot in any order: the proxy may be there first.
#[tokio::test]
async fn a_portal_that_is_not_there_yet_is_waited_for() {
    let mut portal = Portal::start().await;
    portal.stop().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 3")).await;
    let mut anna = preau.visitor("anna", "ent");
    let early = anna.get("/espace").await;
    assert!(early.status.is_server_error(), "{early:?}");
    portal.start_again().await;
    until("anna is inside", async || {
        let answer = anna.get("/connexion").await;
        (answer.status == StatusCode::OK).then_some(())
    })
    .await;
}

async fn people_inside(preau: &Preau) -> Vec<Visitor> {
    let mut inside = Vec::new();
    for order in 1..=SEATS {
        let mut visitor = preau.visitor(&format!("dedans{order}"), "ent");
        visitor.walk_in("/espace").await;
        visitor.sign_on().await;
        inside.push(visitor);
    }
    inside
}

async fn people_in_line(preau: &Preau) -> Vec<Visitor> {
    let mut line = Vec::new();
    for place in 1..=LINE {
        let mut visitor = preau.visitor(&format!("file{place}"), "ent");
        assert_eq!(visitor.line_up("/espace").await.place(), place);
        line.push(visitor);
    }
    line
}

/// Everybody asks several times while the portal is down; each place stays what it is.
async fn all_get_words(preau: &Preau, inside: &mut [Visitor], line: &mut [Visitor]) {
    for _ in 0..3 {
        for visitor in inside.iter_mut() {
            let answer = visitor.get("/espace").await;
            assert!(answer.status.is_server_error(), "{answer:?}");
            let answer = visitor.get_json("/espace").await;
            assert!(answer.status.is_server_error(), "{answer:?}");
        }
        let mut wait = Duration::ZERO;
        for (place, visitor) in (1..).zip(line.iter_mut()) {
            let page = visitor.get("/espace").await;
            assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
            let status = visitor.poll().await;
            assert_eq!(status.state, State::Waiting, "{}", visitor.name());
            assert_eq!(status.place(), place, "{}", visitor.name());
            assert!(status.wait_seconds.is_none(), "nobody can know: {status:?}");
            wait = wait.max(status.until_next_poll());
        }
        let mut newcomer = preau.visitor("nouveau", "ent");
        let page = newcomer.get("/").await;
        assert!(page.status.is_server_error(), "{page:?}");
        tokio::time::sleep(wait).await;
    }
}

/// Lets the whole line in, each for a short visit, and says how many were called at once at
/// most, as seen by looking often.
async fn let_all_in(preau: &Preau, line: Vec<Visitor>) -> f64 {
    let turns = Turns::default();
    let mut visits = JoinSet::new();
    for (order, mut visitor) in (1..).zip(line) {
        let turns = turns.clone();
        visits.spawn(async move {
            visitor.wait_for_turn(&turns, order, |_| ()).await;
            visitor.walk_in("/espace").await;
            visitor.sign_on().await;
            visitor.log_out().await;
        });
    }
    let mut seen = calls(preau).await;
    let mut burst: f64 = 0.0;
    let mut look = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            visit = visits.join_next() => match visit {
                Some(visit) => visit.expect("everybody gets in"),
                None => return burst,
            },
            _ = look.tick() => {
                let now = calls(preau).await;
                burst = burst.max(now - seen);
                seen = now;
            }
        }
    }
}

async fn calls(preau: &Preau) -> f64 {
    preau
        .metric("preau_room_calls_total", &[("room", "ent")])
        .await
}

async fn portal_is(preau: &Preau, up: bool) {
    until("the desk says how the portal is", async || {
        let room = preau.room("ent").await;
        (room["portal_up"] == up).then_some(())
    })
    .await;
}
