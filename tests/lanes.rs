//! Lanes, as visitors live them: who goes first is open to all, and kept.

mod support;

use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::process::Command;
use support::{Arrival, Portal, Preau, Status, Visitor, one_room};

/// Pupils, and teachers in a network of theirs; those who were seen in the teachers' corner of the
/// portal are known again.
const LANES: &str = r#"
seats = 4
idle = "10m"
claim = "60s"

[[room.lane]]
name = "teachers"
title = { fr = "Enseignants", en = "Teachers" }
weight = 3
seats = 2
network = "198.51.100.0/24"
header = { name = "X-Profile", value = "teacher" }
hint = { path = "/connexion", remembered = "7d" }

[[room.lane]]
name = "pupils"
title = "Élèves"

[trust]
proxies = "127.0.0.1"
"#;

const SCHOOL: &str = "198.51.100.7";
const HOME: &str = "203.0.113.7";

fn visitor(preau: &Preau, name: &str, from: &str) -> Visitor {
    let mut visitor = preau.visitor(name, "ent");
    visitor.extra.push(("x-forwarded-for", from.to_owned()));
    visitor
}

async fn lines_up(visitor: &mut Visitor, lane: &str, place: u64) -> Status {
    let status = visitor.line_up("/espace").await;
    assert_eq!(
        (status.lane.as_deref(), status.place()),
        (Some(lane), place)
    );
    status
}

async fn fill(preau: &Preau) -> Vec<Visitor> {
    let mut inside = Vec::new();
    for (name, from) in [
        ("anna", HOME),
        ("bilal", HOME),
        ("carla", SCHOOL),
        ("dina", SCHOOL),
    ] {
        let mut visitor = visitor(preau, name, from);
        visitor.walk_in("/espace").await;
        inside.push(visitor);
    }
    inside
}

#[tokio::test]
async fn each_lane_has_its_line_its_seats_and_its_words_over_a_crash() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), LANES)).await;
    let mut inside = Vec::new();
    for name in ["anna", "bilal"] {
        let mut pupil = visitor(&preau, name, HOME);
        pupil.walk_in("/espace").await;
        inside.push(pupil);
    }
    // Two seats are free, and kept for teachers.
    let mut pupil = visitor(&preau, "eleve", HOME);
    lines_up(&mut pupil, "pupils", 1).await;
    let page = pupil.get("/espace").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    let html = page.text();
    assert!(html.contains("id=\"lane\">Élèves</dd>"), "{html}");
    assert!(html.contains("Enseignants\u{a0}: 3 appels sur 4, 2 places gardées."));
    let problem = pupil.get_json("/espace").await.json();
    assert_eq!(problem["lane"], "pupils");
    for name in ["carla", "dina"] {
        let mut teacher = visitor(&preau, name, SCHOOL);
        teacher.walk_in("/espace").await;
        inside.push(teacher);
    }
    let mut teacher = visitor(&preau, "prof", SCHOOL);
    lines_up(&mut teacher, "teachers", 1).await;
    let mut vouched = visitor(&preau, "prof2", HOME);
    vouched.extra.push(("x-profile", "teacher".to_owned()));
    lines_up(&mut vouched, "teachers", 2).await;

    let lanes = preau.room("ent").await["lanes"].clone();
    let waiting = |name: &str| -> Option<&Value> {
        let lanes = lanes.as_array()?.iter();
        lanes
            .filter(|lane| lane["name"] == name)
            .find_map(|lane| lane.get("waiting"))
    };
    assert_eq!(
        (waiting("teachers"), waiting("pupils")),
        (Some(&2.into()), Some(&1.into()))
    );
    let table = Command::new(env!("CARGO_BIN_EXE_preau"))
        .args(["status", "--admin", &preau.admin().to_string()])
        .output()
        .expect("the binary can be run");
    let table = String::from_utf8_lossy(&table.stdout);
    let line = "ent, lane teachers: 2 waiting, 2 in, weight 3, 2 seats kept";
    assert!(table.contains(line), "{table}");
    let labels = [("lane", "teachers")];
    assert_eq!(preau.metric("preau_lane_waiting", &labels).await, 2.0);
    assert_eq!(
        preau.metric("preau_lane_straight_total", &labels).await,
        2.0
    );

    let preau = preau.kill9().await.start().await;
    for (visitor, lane, place) in [
        (&mut pupil, "pupils", 1),
        (&mut teacher, "teachers", 1),
        (&mut vouched, "teachers", 2),
    ] {
        let status = visitor.poll().await;
        assert_eq!(
            (status.lane.as_deref(), status.place()),
            (Some(lane), place)
        );
    }
    // A pupil's seat is for all: teachers have three calls of four, a teacher's own is theirs.
    inside[2].log_out().await;
    teacher
        .wait_for_turn(&support::Turns::default(), 1, |_| ())
        .await;
    teacher.walk_in("/espace").await;
    preau.assert_nothing_forbidden().await;
}

#[tokio::test]
async fn whoever_was_seen_as_a_teacher_is_one_from_elsewhere_too() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), LANES)).await;
    let mut inside = fill(&preau).await;
    assert_eq!(
        inside[2].cookie("preau-ent.lane"),
        None,
        "not seen there yet"
    );
    inside[2].get("/connexion").await;
    let remembered = inside[2].cookie("preau-ent.lane").map(str::to_owned);
    let remembered = remembered.expect("seen in the corner of the teachers");
    inside[2].get("/connexion").await;
    assert_eq!(
        inside[2].cookie("preau-ent.lane"),
        Some(remembered.as_str()),
        "said once"
    );

    let mut at_home = visitor(&preau, "prof", HOME);
    at_home.put_cookie("preau-ent.lane", &remembered);
    lines_up(&mut at_home, "teachers", 1).await;
    let mut forger = visitor(&preau, "malin", HOME);
    // One letter of the signature is another.
    let (signed, signature) = remembered.split_at(30);
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}{other}{}", &signature[1..]);
    forger.put_cookie("preau-ent.lane", &forged);
    forger.extra.push(("x-profile", "pupil".to_owned()));
    let Arrival::Waiting(status) = forger.arrive("/espace").await else {
        panic!("the room is full");
    };
    assert_eq!(status.lane.as_deref(), Some("pupils"));
    // The portal sees nothing of it.
    let seen = portal.seen();
    assert!(
        seen.iter()
            .all(|seen| !format!("{seen:?}").contains("preau-ent"))
    );
    preau.assert_nothing_forbidden().await;
}

/// Teachers who open codes, and a lane for those who type them.
const CLASSES: &str = r#"
seats = 2
idle = "10m"
claim = "60s"

[[room.lane]]
name = "teachers"
network = "198.51.100.0/24"
class_codes = true

[[room.lane]]
name = "classes"
title = "Classes"
code = true
block = 30

[[room.lane]]
name = "pupils"

[trust]
proxies = "127.0.0.1"
"#;

/// Collèges come in turn, everybody else at any hour; `HOURS` are theirs.
const GROUPS: &str = r#"
seats = 20
claim = "60s"

[[room.lane]]
name = "colleges"
title = { fr = "Collèges", en = "Middle schools" }
path = "/colleges/**"
enters = "HOURS"
"#;

/// The same, with hours of one day from today.
fn groups(portal: &Portal, days_from_today: i64) -> String {
    let now = Timestamp::from_millisecond(preau::host::wall().0 as i64).unwrap();
    let today = TimeZone::UTC.to_datetime(now).date();
    let day = |days| today.checked_add(jiff::Span::new().days(days)).unwrap();
    // Midnight may come while this runs.
    let hours = format!("{}..{}", day(days_from_today), day(days_from_today + 1));
    let room = one_room(&portal.url(), &GROUPS.replace("HOURS", &hours));
    format!("time_zone = \"UTC\"\n{room}")
}

#[tokio::test]
async fn a_group_waits_for_its_hours_beside_free_seats_and_comes_in_order() {
    let portal = Portal::start().await;
    let preau = Preau::start(&groups(&portal, 3)).await;
    let mut group = Vec::new();
    for (place, name) in (1..).zip(["anna", "bilal", "carla"]) {
        let mut pupil = preau.visitor(name, "ent");
        let status = pupil.line_up("/colleges/1").await;
        assert_eq!(
            (status.lane.as_deref(), status.place()),
            (Some("colleges"), place)
        );
        group.push(pupil);
    }
    // Seats are free, and whoever is of no group walks in.
    preau.visitor("dina", "ent").walk_in("/espace").await;
    let page = group[0].get("/colleges/1").await.text();
    for words in [
        "Votre groupe (Collèges) entre du ",
        "Votre file avancera ",
        "entrée du ",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let status = group[0].get_json("/.preau/status?room=ent").await.json();
    assert!(status["enters_from"].is_string(), "{status}");
    let note = status["text"]["note"].as_str().unwrap();
    assert!(note.contains("Votre place est gardée."), "{note}");
    let problem = group[1].get_json("/colleges/1").await.json();
    assert_eq!(problem["enters_from"], status["enters_from"]);
    let lanes = preau.room("ent").await["lanes"].clone();
    assert_eq!(
        (&lanes[0]["enters"], &lanes[1]["enters"]),
        (&true.into(), &false.into())
    );
    assert_eq!(lanes[1]["enters_from"], status["enters_from"]);
    let labels = [("lane", "colleges")];
    assert_eq!(preau.metric("preau_lane_enters", &labels).await, 0.0);
    let table = Command::new(env!("CARGO_BIN_EXE_preau"))
        .args(["status", "--admin", &preau.admin().to_string()])
        .output()
        .expect("the binary can be run");
    let table = String::from_utf8_lossy(&table.stdout);
    assert!(
        table.contains("lane colleges: 3 waiting, 0 in, weight 1, not let in before "),
        "{table}"
    );

    // The power goes; places and hours stay.
    let preau = preau.kill9().await.start().await;
    for (place, pupil) in (1..).zip(&mut group) {
        assert_eq!(pupil.poll().await.place(), place);
    }
    // The operators move the hours to now: all are called, and nobody else was before them.
    let stopped = preau.stop().await;
    let text = std::fs::read_to_string(stopped.config()).unwrap();
    let (ours, _) = text.split_once("time_zone").unwrap();
    stopped.configure(&format!("{ours}{}", groups(&portal, -1)));
    let preau = stopped.start().await;
    assert_eq!(preau.metric("preau_lane_enters", &labels).await, 1.0);
    for pupil in &mut group {
        pupil
            .wait_for_turn(&support::Turns::default(), 1, |_| ())
            .await;
        pupil.walk_in("/colleges/1").await;
    }
    preau.visitor("late", "ent").walk_in("/colleges/1").await;
    preau.assert_nothing_forbidden().await;
}

/// The code that a page shows.
fn code_in(page: &str) -> String {
    let (_, rest) = page.split_once("<p class=\"place\">").expect("a code");
    rest.split_once("</p>").expect("its end").0.to_owned()
}

#[tokio::test]
async fn a_class_goes_in_by_a_code() {
    let portal = Portal::start().await;
    let preau = Preau::start(&one_room(&portal.url(), CLASSES)).await;
    let mut teacher = visitor(&preau, "prof", SCHOOL);
    teacher.walk_in("/espace").await;
    let mut inside = visitor(&preau, "anna", HOME);
    inside.walk_in("/espace").await;
    let mut pupils = Vec::new();
    for (place, name) in (1..).zip(["bilal", "carla", "dina"]) {
        let mut pupil = visitor(&preau, name, HOME);
        lines_up(&mut pupil, "pupils", place).await;
        pupils.push(pupil);
    }
    let [first, second, third] = &mut pupils[..] else {
        panic!("three")
    };

    // Only whoever is inside, and of a lane that may, and from a page of ours.
    for nobody in [&mut inside, &mut *first] {
        assert_eq!(
            nobody.get("/.preau/class").await.status,
            StatusCode::FORBIDDEN
        );
        let answer = nobody.post("/.preau/class", "people=2&minutes=10").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    teacher
        .extra
        .push(("sec-fetch-site", "cross-site".to_owned()));
    let answer = teacher.post("/.preau/class", "people=2&minutes=10").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    teacher.extra.pop();
    let answer = teacher.post("/.preau/class", "people=0&minutes=10").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = teacher.get("/.preau/class").await;
    assert!(page.text().contains("action=\"/.preau/class\""));
    let answer = teacher.post("/.preau/class", "people=2&minutes=10").await;
    assert_eq!(answer.status, StatusCode::OK);
    let code = code_in(&answer.text());

    // A wrong code costs nothing but the attempt.
    let page = third.get("/espace").await;
    assert!(page.text().contains("action=\"/.preau/join\""));
    let answer = third
        .post("/.preau/join", "to=/espace&code=babebibo123")
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("Votre place est gardée."));
    assert_eq!(third.poll().await.place(), 3);
    let typed = code.to_uppercase().replace(' ', "+");
    let form = format!("room=ent&to=%2Fespace%3Fa%3D1&code={typed}");
    let answer = third.post("/.preau/join", &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    assert_eq!(answer.headers["location"], "/espace?a=1");
    let status = third.poll().await;
    assert_eq!(
        (status.lane.as_deref(), status.place()),
        (Some("classes"), 1)
    );
    assert!(!third.get("/espace").await.text().contains("/.preau/join"));
    // Once more changes nothing, and nobody is led elsewhere.
    let answer = third
        .post(
            "/.preau/join",
            &form.replace("to=%2F", "to=//evil.example/"),
        )
        .await;
    assert_eq!(answer.headers["location"], "/.//evil.example/espace?a=1");
    assert_eq!(third.poll().await.place(), 1);

    // Guessing ends soon, also with the right code.
    for _ in 0..6 {
        second.post("/.preau/join", "code=babebibo123").await;
    }
    let answer = second.post("/.preau/join", &form).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.text().contains("Votre place est gardée."));
    assert_eq!(second.poll().await.place(), 2);

    // With a restart, the place in the class stays.
    let preau = preau.kill9().await.start().await;
    let status = third.poll().await;
    assert_eq!(
        (status.lane.as_deref(), status.place()),
        (Some("classes"), 1)
    );
    inside.log_out().await;
    teacher.log_out().await;
    third
        .wait_for_turn(&support::Turns::default(), 1, |_| ())
        .await;
    third.walk_in("/espace").await;
    first
        .wait_for_turn(&support::Turns::default(), 1, |_| ())
        .await;
    preau.assert_nothing_forbidden().await;
}
