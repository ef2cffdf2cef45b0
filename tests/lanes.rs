//! Lanes, as visitors live them: who goes first is open to all, and kept.

mod support;

use http::StatusCode;
use serde_json::Value;
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
    let forged = format!("{}A", &remembered[..remembered.len() - 1]);
    forger.put_cookie("preau-ent.lane", &forged.replace('_', "-"));
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
