//! ENT of Rouen, 16 March 2020: "Merci de réessayer de vous connecter dans quelques minutes",
//! and everybody tries again, at once, for hours. Here: three times more people than seats;
//! everybody gets in, in the order of arrival, nobody reloads, and the promise is kept.

mod support;

use preau::host;
use std::collections::HashMap;
use std::time::Duration;
use support::{Portal, Preau, Seen, Turns, Visitor, one_room};
use tokio::task::JoinSet;

const SEATS: u64 = 15;
const PEOPLE: u64 = 3 * SEATS;

/// Seconds of a visit; with so many seats, calls are paced at one a second.
const VISIT_SECONDS: std::ops::Range<f64> = 3.0..9.0;

/// Chance is the same in each run.
const SEED: u64 = 16_032_020;

/// The share of first promises that must be kept.
const KEPT_MIN: f64 = 0.9;

/// What became of somebody.
struct Story {
    order: u64,
    /// The upper bound of the first promise and what it came to, both in seconds; none for
    /// those who came in before there was anything to learn a promise from.
    promise: Option<(f64, f64)>,
}

#[tokio::test]
async fn everybody_gets_in_in_order_and_the_promise_is_kept() {
    let portal = Portal::start().await;
    let room = format!("seats = {SEATS}\nidle = \"60s\"\nclaim = \"10s\"");
    let preau = Preau::start(&one_room(&portal.url(), &room)).await;
    let turns = Turns::default();
    let mut chance = fastrand::Rng::with_seed(SEED);
    let mut visits = JoinSet::new();
    for order in 1..=PEOPLE {
        let mut visitor = preau.visitor(&name(order), "ent");
        let length = VISIT_SECONDS.start + chance.f64() * (VISIT_SECONDS.end - VISIT_SECONDS.start);
        if order <= SEATS {
            visitor.walk_in("/connexion").await;
            visits.spawn(come_straight_in(visitor, order, length));
        } else {
            visitor.line_up("/connexion").await;
            visits.spawn(wait_and_come_in(visitor, order, length, turns.clone()));
        }
    }
    let mut promises = Vec::new();
    let mut orders = Vec::new();
    while let Some(story) = visits.join_next().await {
        let story = story.expect("everybody gets in");
        orders.push(story.order);
        promises.extend(story.promise);
    }
    orders.sort_unstable();
    assert_eq!(orders, (1..=PEOPLE).collect::<Vec<_>>());
    assert_kept(&promises);
    assert_came_in_order(&portal.seen());
    preau.assert_nothing_forbidden().await;
}

async fn come_straight_in(mut visitor: Visitor, order: u64, length: f64) -> Story {
    visit(&mut visitor, length).await;
    Story {
        order,
        promise: None,
    }
}

async fn wait_and_come_in(mut visitor: Visitor, order: u64, length: f64, turns: Turns) -> Story {
    let mut first = None;
    visitor
        .wait_for_turn(&turns, order, |status| {
            if let (None, Some(range)) = (first, status.wait_seconds) {
                first = Some((range.high, host::now()));
            }
        })
        .await;
    let promise = first.map(|(high, since)| (high, host::now().since(since).as_secs_f64()));
    visitor.walk_in("/connexion").await;
    visit(&mut visitor, length).await;
    Story { order, promise }
}

/// Signs on, reads two pages, and logs out.
async fn visit(visitor: &mut Visitor, length: f64) {
    visitor.sign_on().await;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs_f64(length / 2.0)).await;
        let page = visitor.get("/espace").await;
        assert!(page.text().contains(visitor.name()), "{page:?}");
    }
    visitor.log_out().await;
}

/// Each pair: the upper bound of what was first promised, and what it came to.
fn assert_kept(promises: &[(f64, f64)]) {
    let kept = promises.iter().filter(|(high, actual)| actual <= high);
    let share = kept.count() as f64 / promises.len() as f64;
    println!("{:.0} % of {} promises kept", 100.0 * share, promises.len());
    assert!(
        promises.len() as u64 >= SEATS,
        "too few promises: {promises:?}"
    );
    assert!(
        share >= KEPT_MIN,
        "{share} of the promises kept: {promises:?}"
    );
}

/// The portal's own log: everybody came, without a reload, and whoever came in had fewer than
/// all seats' worth of earlier people yet to come (those who were called with them).
fn assert_came_in_order(seen: &[Seen]) {
    let mut forms: HashMap<&str, u64> = HashMap::new();
    let mut entered: Vec<u64> = Vec::new();
    for request in seen {
        if request.path == "/connexion" && request.method == "GET" {
            let count = forms.entry(&request.agent).or_default();
            *count += 1;
            if *count == 1 {
                entered.push(order(&request.agent));
            }
        }
    }
    for (name, count) in forms {
        assert_eq!(count, 2, "{name}: the entry and the sign-on, not one more");
    }
    for (index, order) in entered.iter().enumerate() {
        let earlier = entered[index + 1..].iter().filter(|later| *later < order);
        let overtaken = earlier.count() as u64;
        assert!(
            overtaken < SEATS,
            "{order} went in before {overtaken} others"
        );
    }
}

fn name(order: u64) -> String {
    format!("eleve{order}")
}

fn order(name: &str) -> u64 {
    let digits = name.trim_start_matches("eleve");
    digits.parse().expect("all visitors are called eleveN")
}
