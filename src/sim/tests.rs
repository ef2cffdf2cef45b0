//! The engine: what must hold whatever the scene, and that it sees what is wrong.

use super::*;
use crate::config::Source;
use crate::config::scene;
use proptest::prelude::*;

fn scene(text: &str) -> Scene {
    let source = Source {
        name: "test",
        text,
        overrides: &[],
    };
    scene::read(source).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Twice as many people as the portal can serve; half of them log out.
fn rush(more: &str) -> Scene {
    scene(&format!(
        "length = \"20m\"\nwarm_up = \"5m\"\n\
         [portal]\nmodel = \"cores\"\n\
         [visit]\nlogout = 0.5\n\
         [[arrivals]]\nload = 2.0\n{more}"
    ))
}

#[test]
fn the_figures_add_up() {
    let scene = scene(
        "length = \"60m\"\n[room]\nseats = 50\nidle = \"5m\"\n\
         [portal]\nmodel = \"cores\"\nslots = 12\n\
         [crowd]\nimpatient = 0.3\nimpatience = \"3m\"\ncome_back = 0.0\nno_show = 0.1\n\
         [[arrivals]]\nper_minute = 60\nuntil = \"20m\"\n",
    );
    let figures = run(&scene, 3).figures;
    assert_eq!((figures.line_at_end, figures.inside_at_end), (0, 0));
    assert!(figures.gave_up > 0 && figures.no_shows > 0 && figures.called_in > 0);
    let left = figures.completed + figures.gave_up + figures.no_shows + figures.broken_off;
    assert_eq!(left, figures.people, "{figures:?}");
    let came_in = figures.straight + figures.called_in;
    assert_eq!(
        came_in,
        figures.completed + figures.broken_off,
        "{figures:?}"
    );
}

#[test]
fn a_restart_costs_nobody_the_place_and_is_no_herd() {
    let calm = rush("");
    let killed = rush("[[event]]\nwhat = \"restart\"\nfrom = \"10m\"\nuntil = \"10m10s\"\n");
    let (calm, killed) = (run(&calm, 5), run(&killed, 5));
    let figures = &killed.figures;
    assert!(figures.held(), "{figures:?}");
    assert_eq!(figures.broken_off, 0);
    let line = |outcome: &Outcome| f64::from(outcome.seconds[11 * 60].line);
    let lost = (line(&calm) - line(&killed)) / line(&calm);
    assert!(lost.abs() < 0.1, "{lost} of the line are gone");
    let after = killed.between(Span::mins(10) + Span::secs(10), Span::mins(12));
    let polls = after.iter().map(|it| f64::from(it.polls));
    let (most, mean) = (
        polls.clone().fold(0.0, f64::max),
        polls.sum::<f64>() / 110.0,
    );
    assert!(
        most <= 2.0 * mean,
        "{most} polls in a second, {mean} on average"
    );
}

#[test]
fn a_portal_that_is_dead_stops_calls_and_keeps_the_line() {
    let dead = rush("[[event]]\nwhat = \"dead\"\nfrom = \"8m\"\nuntil = \"13m\"\n");
    let outcome = run(&dead, 2);
    let figures = &outcome.figures;
    assert!(figures.held(), "{figures:?}");
    let (before, after) = (outcome.seconds[8 * 60 - 1], outcome.seconds[13 * 60 - 1]);
    assert!(after.line > before.line, "{before:?} {after:?}");
    let seconds = outcome.between(Span::mins(9), Span::mins(13));
    assert!(seconds.iter().all(|it| it.calls == 0 && it.completed == 0));
    assert!(
        outcome.share(Span::mins(15), Span::mins(20)) > 0.5,
        "{figures:?}"
    );
}

#[test]
fn a_bound_on_newcomers_holds_in_every_minute_and_is_promised_from_the_first_on() {
    // Before seats are found, nobody knows how soon they will be.
    for (seats, near) in [("1000", 0.99), ("\"auto\"", 0.7)] {
        let bounded = scene(&format!(
            "length = \"20m\"\n[room]\nseats = {seats}\nper_minute = 120\n\
             [portal]\nmodel = \"cores\"\n[visit]\nlogout = 0.5\n\
             [crowd]\nno_show = 0.0\n[[arrivals]]\nper_minute = 200\nuntil = \"12m\"\n"
        ));
        let outcome = run(&bounded, 4);
        let figures = &outcome.figures;
        assert!(figures.held(), "{figures:?}");
        let calls = |window: &[Second]| window.iter().map(|it| it.calls).sum::<u32>();
        let minutes: Vec<u32> = outcome.seconds.windows(60).map(calls).collect();
        let most = minutes.iter().max();
        assert!(most <= Some(&122), "{seats}: {most:?} in a minute");
        // Nothing but the bound holds them up, once the seats are found.
        let least = minutes[5 * 60..11 * 60].iter().min();
        assert!(least >= Some(&119), "{seats}: {least:?} in a minute");
        let known = &outcome.seconds[1..12 * 60];
        assert!(known.iter().all(|it| it.promised >= 0), "{seats}");
        let promises = figures.promises;
        assert!(
            promises.kept >= 0.88 && promises.near >= near,
            "{promises:?}"
        );
    }
}

#[test]
fn whether_those_let_in_are_served_well_is_told() {
    let rush = rush("");
    let share = |law| {
        let twist = Twist {
            law,
            ..Twist::default()
        };
        let figures = run_twisted(&rush, 1, twist).figures;
        let first = figures.first_minutes;
        let told = first.served + first.slow + first.failed;
        let entered = figures.straight + figures.called_in;
        // The first three minutes of those who came last are not over.
        assert!(told > entered * 8 / 10 && told <= entered, "{figures:?}");
        first.share
    };
    let (found, everybody) = (share(Law::Scene), share(Law::Maximum));
    assert!(found > 0.85, "{found}");
    assert!(
        everybody < 0.5,
        "{everybody} though far too many are let in"
    );
}

/// What is wrong with a rush, before limits that are found and before limits that are given.
fn complaints(twist: Twist) -> Vec<String> {
    let mut found = Vec::new();
    for (room, portal) in [("", ""), ("seats = 350\n", "slots = 12\n")] {
        let rush = scene(&format!(
            "length = \"20m\"\nwarm_up = \"5m\"\n[room]\nidle = \"1m\"\n{room}\
             [portal]\nmodel = \"cores\"\n{portal}\
             [visit]\nlogout = 0.5\n[[arrivals]]\nload = 2.0\n"
        ));
        let figures = run_twisted(&rush, 1, twist).figures;
        let mut wanted = |holds: bool, what: &str| {
            if !holds {
                found.push(format!("{what}: {figures:?}"));
            }
        };
        wanted(figures.queue_jumps == 0, "barging");
        wanted(figures.seat_overshoot == 0, "overshoot");
        wanted(figures.stalled_seconds == 0.0, "stalled");
        wanted(figures.broken_off == 0, "broken off");
        wanted(figures.share > 0.8, "too few visits completed");
    }
    found
}

#[test]
fn what_is_wrong_is_seen() {
    assert_eq!(complaints(Twist::default()), Vec::<String>::new());
    let law = |law| Twist {
        law,
        ..Twist::default()
    };
    let barging = Twist {
        barging: true,
        ..Twist::default()
    };
    for twist in [
        law(Law::Frozen),
        law(Law::Maximum),
        law(Law::Minimum),
        barging,
    ] {
        assert!(!complaints(twist).is_empty(), "nobody sees {twist:?}");
    }
}

#[test]
fn seats_that_never_lapse_cost_nothing() {
    let no_expiry = Twist {
        no_expiry: true,
        ..Twist::default()
    };
    assert_eq!(complaints(no_expiry), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nobody_jumps_and_no_seat_is_given_twice(
        seed in any::<u64>(),
        seats in 5..60u32,
        dead in 60..400u64,
        killed in 60..400u64,
        shares in prop::array::uniform4(0.0..0.5f64),
    ) {
        let [no_show, impatient, reload, tabs] = shares;
        let text = format!(
            "length = \"10m\"\n[room]\nseats = {seats}\nidle = \"40s\"\nfirst_idle = \"20s\"\n\
             [portal]\nmodel = \"workers\"\nslots = 8\n\
             [visit]\nlogout = 0.6\npages = 4\n\
             [crowd]\nno_show = {no_show}\nimpatient = {impatient}\nimpatience = \"2m\"\n\
             reload = {reload}\ntabs = {tabs}\n\
             [[arrivals]]\nper_minute = [200, 20]\n\
             [[event]]\nwhat = \"dead\"\nfrom = \"{dead}s\"\nuntil = \"{}s\"\n\
             [[event]]\nwhat = \"restart\"\nfrom = \"{killed}s\"\nuntil = \"{}s\"\n",
            dead + 45,
            killed + 7,
        );
        let figures = run(&scene(&text), seed).figures;
        prop_assert!(figures.held(), "{figures:?}");
        prop_assert!(figures.polls.over_budget == 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn lanes_and_a_draw_keep_their_order_whatever_happens(
        seed in any::<u64>(),
        weight in 1..5u32,
        kept in 0..8u32,
        block in 1..10u32,
        killed in 20..300u64,
        dead in 20..300u64,
    ) {
        let text = format!(
            "length = \"10m\"\n[room]\nseats = 20\nidle = \"30s\"\n\
             [room.opening]\nat = \"2m\"\nearly = \"90s\"\n\
             [[room.lane]]\nname = \"a\"\nweight = {weight}\nseats = {kept}\n\
             [[room.lane]]\nname = \"b\"\nblock = {block}\n\
             [portal]\nmodel = \"visits\"\nvisit = \"20s\"\n\
             [crowd]\nno_show = 0.1\nreload = 0.2\n\
             [[arrivals]]\nlane = \"a\"\nper_minute = 60\nuntil = \"5m\"\n\
             [[arrivals]]\nper_minute = 60\nuntil = \"5m\"\n\
             [[event]]\nwhat = \"restart\"\nfrom = \"{killed}s\"\nuntil = \"{}s\"\n\
             [[event]]\nwhat = \"dead\"\nfrom = \"{dead}s\"\nuntil = \"{}s\"\n",
            killed + 7,
            dead + 20,
        );
        let outcome = run(&scene(&text), seed);
        let figures = &outcome.figures;
        prop_assert!(figures.held(), "{figures:?}");
        let before = outcome.between(Span::ZERO, Span::mins(2));
        prop_assert!(before.iter().all(|it| it.inside == 0));
        for lane in &figures.lanes {
            let draw = lane.draw.expect("it opened");
            prop_assert!(draw.came_in > 0 && draw.by_rank > 0.8, "{:?}", lane);
        }
    }
}
