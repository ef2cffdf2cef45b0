//! Académie de Rennes, 16 March 2020: the home page comes up, the personal space cannot be
//! reached. Here: what is public stays open while the part behind the sign-on is full.

mod support;

use http::StatusCode;
use support::{Portal, Preau, one_room};
use tokio::task::JoinSet;

const CROWD: usize = 10;
const VISITS: usize = 20;

#[tokio::test]
async fn public_pages_stay_open_while_the_part_behind_the_sign_on_is_full() {
    let portal = Portal::start().await;
    let room = "seats = 2\nidle = \"10m\"\nopen = [\"/\", \"/assets/**\"]";
    let preau = Preau::start(&one_room(&portal.url(), room)).await;

    let mut inside = Vec::new();
    for name in ["anna", "bilal"] {
        let mut visitor = preau.visitor(name, "ent");
        visitor.walk_in("/espace").await;
        visitor.sign_on().await;
        inside.push(visitor);
    }
    let mut waiting = Vec::new();
    for place in 1..=3 {
        let mut visitor = preau.visitor("attend", "ent");
        assert_eq!(visitor.line_up("/espace").await.place(), place);
        waiting.push(visitor);
    }

    let home = portal.directly("/").await.body;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let mut passer_by = preau.visitor("passant", "ent");
        let home = home.clone();
        let style = portal.style();
        crowd.spawn(async move {
            for _ in 0..VISITS {
                for (path, bytes) in [("/", home.as_ref()), ("/assets/style.css", style)] {
                    let answer = passer_by.get(path).await;
                    assert_eq!(answer.status, StatusCode::OK, "{path}");
                    assert_eq!(answer.body, bytes, "{path}: the portal's own bytes");
                    assert!(answer.our_cookies().is_empty(), "{path}: {answer:?}");
                }
            }
        });
    }
    while let Some(visit) = crowd.join_next().await {
        visit.expect("public pages stay open");
    }

    // For those who wait, too; it does not cost them their place, and gives no other one.
    for (place, visitor) in (1..).zip(&mut waiting) {
        assert_eq!(visitor.get("/").await.body, home);
        assert_eq!(visitor.poll().await.place(), place);
    }
    // What is behind the sign-on still waits, by whatever way one comes.
    for path in ["/espace", "/connexion", "/lent?ms=1", "/assets/../espace"] {
        let answer = preau.visitor("tard", "ent").get(path).await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error());
    }
    let guarded = portal.seen();
    let strangers = guarded.iter().filter(|seen| seen.path != "/");
    for seen in strangers {
        assert!(["anna", "bilal"].contains(&seen.agent.as_str()), "{seen:?}");
    }
    for visitor in &mut inside {
        assert_eq!(visitor.get("/espace").await.status, StatusCode::OK);
    }
    preau.assert_nothing_forbidden().await;
}
