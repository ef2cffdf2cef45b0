//! Stops and crashes, as visitors see them.

mod support;

use http::StatusCode;
use std::time::Duration;
use support::{Broken, Portal, Preau, State, Turns, Visitor, one_room, until};
use tokio::task::JoinSet;

const SEATS: u64 = 4;
const LINE: u64 = 5;

/// Every answer that begins is whole, until nobody listens any more; each visitor checks that
/// it has words.
#[tokio::test]
async fn a_stop_cuts_nobody_off() {
    let portal = Portal::start().await;
    let preau = Preau::start(&rooms(&portal)).await;
    let (inside, line) = people(&preau).await;
    let mut traffic = JoinSet::new();
    for visitor in inside {
        traffic.spawn(until_refused(visitor, "/lent?ms=300"));
    }
    for visitor in line {
        traffic.spawn(until_refused(visitor, "/espace"));
    }
    let before = portal.seen().len();
    until("there is traffic", async || {
        (portal.seen().len() > before + 8).then_some(())
    })
    .await;
    preau.ask_to_stop();
    let _ = preau.stopped().await;
    while let Some(visitor) = traffic.join_next().await {
        let answers = visitor.expect("nobody is cut off");
        assert!(answers > 0, "a visitor that had no answer at all");
    }
}

/// What runs when the stop comes is finished, not cut.
#[tokio::test]
async fn a_stop_waits_for_what_runs() {
    let portal = Portal::start().await;
    let preau = Preau::start(&rooms(&portal)).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let slow = tokio::spawn(async move { anna.get("/lent?ms=2000").await });
    until("the portal works on it", async || {
        let seen = portal.seen();
        seen.iter().any(|seen| seen.path == "/lent").then_some(())
    })
    .await;
    let _ = preau.stop().await;
    let answer = slow.await.expect("it is finished");
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.text(), "enfin\n");
}

/// `cookie.secure` changes the names of our cookies: browsers come with the old ones.
#[tokio::test]
async fn a_change_of_the_cookies_form_loses_nothing() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), "seats = 1\nidle = \"10m\"")).await;
    let mut anna = preau.visitor("anna", "ent");
    anna.walk_in("/espace").await;
    let mut bilal = preau.visitor("bilal", "ent");
    let mut chloe = preau.visitor("chloe", "ent");
    for visitor in [&mut bilal, &mut chloe] {
        visitor.line_up("/espace").await;
    }
    let old = chloe.our_cookie().expect("a ticket").to_owned();
    let unstarted = preau.stop().await;
    let text = std::fs::read_to_string(unstarted.config()).expect("it is there");
    unstarted.configure(&format!("{text}\n[cookie]\nsecure = true\n"));
    let preau = unstarted.start().await;

    let in_new_form = |visitor: &Visitor| {
        assert_eq!(visitor.our_cookie(), None, "{}: cleared", visitor.name());
        visitor.cookie("__Host-preau-ent").is_some()
    };
    anna.walk_in("/espace").await;
    assert!(in_new_form(&anna));
    // A page that is open only polls; one that is loaded anew gets the new form.
    assert_eq!(chloe.poll().await.place(), 2);
    assert_eq!(bilal.line_up("/espace").await.place(), 1);
    assert!(in_new_form(&bilal));
    // What somebody else has put there does not count beside what they cannot have set.
    bilal.put_cookie("preau-ent", &old);
    assert_eq!(bilal.poll().await.place(), 1);
    assert_eq!(bilal.line_up("/espace").await.place(), 1);
    assert!(in_new_form(&bilal));
    // What lets somebody see the page after the logout is of the new form, too, and holds no seat.
    anna.log_out().await;
    assert!(in_new_form(&anna));
    bilal.wait_for_turn(&Turns::default(), 1, |_| ()).await;
    bilal.walk_in("/espace").await;
    assert_eq!(chloe.poll().await.place(), 1);
    let room = [("room", "ent")];
    assert_eq!(preau.metric("preau_room_seats_taken", &room).await, 1.0);
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn a_clean_restart_loses_nothing() {
    let portal = Portal::start().await;
    let preau = Preau::start(&rooms(&portal)).await;
    let (inside, line) = people(&preau).await;
    let preau = preau.stop().await.start().await;
    everything_goes_on(&preau, inside, line).await;
}

/// The newest ticket is a moment old when the power goes.
#[tokio::test]
async fn a_crash_loses_nothing() {
    let portal = Portal::start().await;
    let preau = Preau::start(&rooms(&portal)).await;
    let (inside, line) = people(&preau).await;
    let preau = preau.kill9().await.start().await;
    everything_goes_on(&preau, inside, line).await;
}

#[tokio::test]
async fn two_crashes_in_a_row_give_no_number_twice() {
    let portal = Portal::start().await;
    let preau = Preau::start(&rooms(&portal)).await;
    let (_inside, mut line) = people(&preau).await;
    let preau = preau.kill9().await.start().await;
    let mut late = preau.visitor("tard", "ent");
    late.line_up("/espace").await;
    line.push(late);
    let preau = preau.kill9().await.start().await;
    let mut later = preau.visitor("plustard", "ent");
    later.line_up("/espace").await;
    line.push(later);
    // Two tickets with one number would have one place.
    for (place, visitor) in (1..).zip(&mut line) {
        assert_eq!(visitor.poll().await.place(), place, "{}", visitor.name());
    }
}

fn rooms(portal: &Portal) -> String {
    let room = format!("seats = {SEATS}\nidle = \"10m\"\nclaim = \"60s\"");
    format!("drain = \"10s\"\n{}", one_room(&portal.url(), &room))
}

/// People inside, and people in line with places from 1.
async fn people(preau: &Preau) -> (Vec<Visitor>, Vec<Visitor>) {
    let mut inside = Vec::new();
    for order in 1..=SEATS {
        let mut visitor = preau.visitor(&format!("dedans{order}"), "ent");
        visitor.walk_in("/espace").await;
        visitor.sign_on().await;
        inside.push(visitor);
    }
    let mut line = Vec::new();
    for place in 1..=LINE {
        let mut visitor = preau.visitor(&format!("file{place}"), "ent");
        assert_eq!(visitor.line_up("/espace").await.place(), place);
        line.push(visitor);
    }
    (inside, line)
}

/// Asks again and again until nobody listens; says how many whole answers there were.
async fn until_refused(mut visitor: Visitor, path: &'static str) -> usize {
    for answers in 0.. {
        match visitor.try_get(path).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(Broken::Refused) => return answers,
            Err(broken) => panic!("{}: {broken:?}", visitor.name()),
        }
    }
    unreachable!("it counts for ever")
}

/// After a restart: those inside are inside, those in line have their places, a newcomer
/// comes after them, and all get in, in order.
async fn everything_goes_on(preau: &Preau, mut inside: Vec<Visitor>, mut line: Vec<Visitor>) {
    for visitor in &mut inside {
        assert_eq!(
            visitor.poll().await.state,
            State::Inside,
            "{}",
            visitor.name()
        );
        let page = visitor.get("/espace").await;
        assert_eq!(page.status, StatusCode::OK, "{}", visitor.name());
    }
    for (place, visitor) in (1..).zip(&mut line) {
        assert_eq!(visitor.poll().await.place(), place, "{}", visitor.name());
    }
    let mut newcomer = preau.visitor("nouveau", "ent");
    assert_eq!(newcomer.line_up("/espace").await.place(), LINE + 1);
    line.push(newcomer);

    for visitor in &mut inside {
        visitor.log_out().await;
    }
    let turns = Turns::default();
    let mut visits = JoinSet::new();
    for (order, mut visitor) in (1..).zip(line) {
        let turns = turns.clone();
        visits.spawn(async move {
            visitor.wait_for_turn(&turns, order, |_| ()).await;
            visitor.walk_in("/espace").await;
            visitor.log_out().await;
        });
    }
    while let Some(visit) = visits.join_next().await {
        visit.expect("everybody gets in");
    }
    preau.assert_nothing_forbidden().await;
}
