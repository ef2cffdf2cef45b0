//! Schedules and openings, as visitors see them.

mod support;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use preau::host;
use serde_json::Value;
use std::process::Command;
use support::{Portal, Preau, State, Visitor, one_room, until};

/// From the start of the proxy to the opening, in seconds: those who come early need the time.
const OPENS_IN: i64 = 15;
const EARLY: usize = 12;

#[tokio::test]
async fn those_who_come_early_are_drawn_and_a_crash_changes_no_rank() {
    let portal = Portal::start().await;
    let preau = Preau::start(&opening(&portal)).await;
    let mut early = Vec::new();
    for order in 0..EARLY {
        early.push(line_up(&preau, &format!("tot{order}")).await);
    }
    let before = draw(&mut early[0]).await;
    let promised = before["seed_sha256"].as_str().unwrap().to_owned();
    assert!(
        before["seed"].is_null() && before["rank"].is_null(),
        "{before}"
    );
    // The power goes while they come, and again after the draw.
    let preau = preau.kill9().await.start().await;
    early.push(line_up(&preau, "encore").await);
    assert_eq!(draw(&mut early[0]).await["seed_sha256"], promised.as_str());
    drawn(&preau).await;
    let late = line_up(&preau, "tard").await;
    let ranks = ranks(&mut early).await;
    let preau = preau.kill9().await.start().await;
    assert_eq!(self::ranks(&mut early).await, ranks);
    let room = preau.room("ent").await;
    assert_eq!(room["draw"]["seed_sha256"], promised.as_str());
    let own = draw(&mut early[0]).await;
    checked_by_anybody(&own, &room["draw"], &promised);
    in_the_order_of(&ranks, early, late).await;
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn a_schedule_closes_a_room_and_says_when_it_opens() {
    let portal = Portal::start().await;
    let today = TimeZone::UTC.to_datetime(now()).date();
    let (from, to) = (today.yesterday().unwrap(), today.tomorrow().unwrap());
    let rule = format!("{{ when = \"{from}..{to}\", mode = \"closed\", notice = \"Travaux.\" }}");
    let room = one_room(&portal.url(), &format!("schedule = [{rule}]"));
    let preau = Preau::start(&format!("time_zone = \"UTC\"\n{room}")).await;
    let mut anna = preau.visitor("anna", "ent");
    let answer = anna.get("/espace").await;
    let retry: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    let page = answer.text();
    assert!(page.contains("Travaux. Rouvre "), "{page}");
    // It opens in more than a day, and nobody is told to wait longer; all at another second.
    let day = 24 * 3_600;
    assert!((day..=day + 120).contains(&retry), "{retry}");
    // The page itself looks earlier: plans change.
    assert!(page.contains("data-retry=\"1800\""), "{page}");
    assert!(!page.contains("Réessayez dans"), "{page}");
    assert!(page.contains("à 0\u{a0}h."), "{page}");
    assert!(portal.seen().iter().all(|seen| seen.path != "/espace"));
    let room = preau.room("ent").await;
    assert_eq!(
        (&room["mode"], &room["mode_why"]),
        (&"closed".into(), &"schedule".into())
    );
    let until = to.tomorrow().unwrap();
    assert_eq!(room["mode_until"], format!("{until}T00:00:00+00:00"));
    assert_eq!(room["reopens"], room["mode_until"]);
    let shown = Command::new(env!("CARGO_BIN_EXE_preau"))
        .args(["status", "--admin", &preau.admin().to_string()])
        .output()
        .expect("the binary can be run");
    let shown = String::from_utf8_lossy(&shown.stdout);
    let day = until.strftime("%a %Y-%m-%d");
    let said = format!("ent: closed by its schedule, until {day} 00:00\n");
    assert!(shown.contains(&said), "{shown}");
    let series = preau.metric("preau_room_mode_until_seconds", &[]).await;
    assert!(series > now().as_second() as f64);
    assert!(
        preau
            .printed()
            .contains("is now closed, was queue (schedule)")
    );
}

/// One seat, in a room that opens soon.
fn opening(portal: &Portal) -> String {
    let at = now().as_second() + OPENS_IN;
    let at = TimeZone::UTC.to_datetime(Timestamp::from_second(at).unwrap());
    let opening = format!("opening = {{ at = \"{at}\", early = \"10m\" }}");
    let room = one_room(
        &portal.url(),
        &format!("seats = 1\nclaim = \"60s\"\n{opening}"),
    );
    format!("time_zone = \"UTC\"\n{room}")
}

async fn line_up(preau: &Preau, name: &str) -> Visitor {
    let mut visitor = preau.visitor(name, "ent");
    visitor.line_up("/espace").await;
    visitor
}

/// What the visitor's own status says of the draw.
async fn draw(visitor: &mut Visitor) -> Value {
    let status = visitor.get_json("/.preau/status?room=ent").await.json();
    status["draw"].clone()
}

async fn drawn(preau: &Preau) {
    until("the draw is made", async || {
        let room = preau.room("ent").await;
        (room["draw"]["stage"] == "drawn").then_some(())
    })
    .await;
}

async fn ranks(visitors: &mut [Visitor]) -> Vec<u64> {
    let mut ranks = Vec::new();
    for visitor in visitors {
        ranks.push(draw(visitor).await["rank"].as_u64().unwrap());
    }
    ranks
}

/// The command line says the same of the first visitor.
fn checked_by_anybody(own: &Value, published: &Value, promised: &str) {
    let [first, last] = [0, 1].map(|end| published["numbers"][0][end].to_string());
    let number = own["number"].to_string();
    let seed = published["seed"].as_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_preau"))
        .args(["draw", "--seed", seed, "--first", &first])
        .args(["--last", &last, "--number", &number])
        .output()
        .expect("the binary can be run");
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(words.contains(promised), "{words}");
    assert!(
        words.contains(&format!("number {number}: rank {} of", own["rank"])),
        "{words}"
    );
}

/// Who is not called yet stands in the order of the ranks, and who came late behind them all.
async fn in_the_order_of(ranks: &[u64], early: Vec<Visitor>, mut late: Visitor) {
    let mut line = Vec::new();
    for (rank, mut visitor) in ranks.iter().zip(early) {
        let status = visitor.poll().await;
        if status.state == State::Waiting {
            line.push((*rank, status.position.unwrap()));
        }
    }
    line.sort_unstable();
    assert!(line.len() >= EARLY, "one seat, and {line:?}");
    assert!(line.is_sorted_by_key(|(_, place)| *place), "{line:?}");
    let last = late.poll().await.position.unwrap();
    assert!(
        line.iter().all(|(_, place)| *place < last),
        "{last} {line:?}"
    );
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(host::wall().0 as i64).unwrap()
}
