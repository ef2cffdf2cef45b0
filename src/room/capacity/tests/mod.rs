//! The laws before a portal that cannot tell its capacity, and what others met.

mod broken;
mod scene;
mod turns;

use super::*;
use scene::{Run, Scene};

/// Runs on for so many minutes; the share of what the portal can complete meanwhile.
fn go_on(run: &mut Run, count: u64) -> f64 {
    let before = run.completed;
    run.until(run.now + Span::mins(count));
    run.share(before, Span::mins(count))
}

/// Means of slots, seats and the baseline over an hour, looked at once a minute.
fn hour(run: &mut Run) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for _ in 0..60 {
        go_on(run, 1);
        let usual = run.law.baselines().map(|(_, secs)| secs).sum::<f64>();
        let now = [
            f64::from(run.law.slots()),
            f64::from(run.law.seats()),
            usual,
        ];
        sums.iter_mut()
            .zip(now)
            .for_each(|(sum, now)| *sum += now / 60.0);
    }
    sums
}

/// Whether a portal is used and nobody inside broken off, from cold, after five minutes.
fn is_good(crowd: f64, slots: Limit, seats: Limit) -> Result<(), String> {
    let mut used = 0.0;
    for seed in 0..4 {
        let scene = Scene {
            crowd,
            ..Scene::reference()
        };
        let mut run = Run::new(scene, slots, seats, seed);
        go_on(&mut run, 5);
        used += go_on(&mut run, 25) / 4.0;
        if run.broken > 0 {
            return Err(format!("seed {seed}: {} visits broken off", run.broken));
        }
    }
    match used >= 0.94 {
        true => Ok(()),
        false => Err(format!("{used:.3} is used")),
    }
}

const AT_ONCE: Waited = Waited::ForAll(Span::ZERO);
const SLOTS: Limit = Limit::Auto { min: 4, max: 500 };
const SEATS: Limit = Limit::Auto {
    min: 5,
    max: 100_000,
};

#[test]
fn a_portal_is_used_whatever_the_load_and_nobody_inside_is_broken_off() {
    assert_eq!(is_good(2.0, SLOTS, SEATS), Ok(()));
    assert_eq!(is_good(10.0, SLOTS, SEATS), Ok(()));
}

#[test]
fn a_law_that_does_not_look_is_found_out() {
    let frozen = (Limit::Fixed(8), Limit::Fixed(20));
    let most = (Limit::Fixed(500), Limit::Fixed(100_000));
    let least = (Limit::Fixed(4), Limit::Fixed(5));
    let seats_only = (Limit::Fixed(500), SEATS);
    for (slots, seats) in [frozen, most, least, seats_only] {
        let good = is_good(10.0, slots, seats);
        assert!(good.is_err(), "{slots:?} {seats:?}");
    }
}

#[test]
fn wrong_beginnings_are_left() {
    for slots in [4.0, 20.0, 50.0, 200.0] {
        let mut run = Run::auto(Scene::reference(), 7);
        run.law.slots.set(slots);
        go_on(&mut run, 12);
        let used = go_on(&mut run, 18);
        assert!(used >= 0.9, "from {slots} slots {used:.3} is used");
        assert!((10..=44).contains(&run.law.slots()), "{}", run.law.slots());
    }
}

#[test]
fn half_of_a_portal_is_noticed_and_so_is_the_other_half() {
    for seed in 0..4 {
        let mut run = Run::auto(Scene::reference(), seed);
        go_on(&mut run, 15);
        let seats = run.law.seats();
        (run.scene.cores, run.scene.thrash) = (4.0, 16.0);
        run.until(run.now + Span::secs(90));
        let fewer = run.law.seats();
        assert!(
            f64::from(fewer) < 0.7 * f64::from(seats),
            "{seats} → {fewer}"
        );
        go_on(&mut run, 8);
        (run.scene.cores, run.scene.thrash) = (8.0, 32.0);
        go_on(&mut run, 2);
        let used = go_on(&mut run, 5);
        assert!(used >= 0.85, "seed {seed}: {used:.3}");
        assert!(f64::from(run.law.seats()) > 0.8 * f64::from(seats));
        assert_eq!(run.broken, 0, "seed {seed}");
    }
}

#[test]
fn nothing_drifts_in_six_hours() {
    let mut run = Run::auto(Scene::reference(), 3);
    go_on(&mut run, 30);
    let first = hour(&mut run);
    go_on(&mut run, 4 * 60);
    let last = hour(&mut run);
    for (what, (first, last)) in ["L", "S", "baseline"].iter().zip(first.iter().zip(last)) {
        let ratio = last / first;
        assert!(
            (0.8..=1.2).contains(&ratio),
            "{what}: {first:.3} → {last:.3}"
        );
    }
}

/// Netflix' concurrency-limits #137, failsafe-go #127.
#[test]
fn answers_that_all_take_as_long_as_a_time_out_are_not_what_is_usual() {
    let mut run = Run::auto(Scene::reference(), 5);
    go_on(&mut run, 20);
    let before = run.law.slots();
    run.scene.always = Some(5.0);
    for minute in 5..30 {
        go_on(&mut run, 1);
        let slots = run.law.slots();
        assert!(
            minute < 10 || slots <= before / 2,
            "minute {minute}: {before} → {slots}"
        );
    }
    run.scene.always = None;
    go_on(&mut run, 12);
    let used = go_on(&mut run, 10);
    assert!(used > 0.85, "and afterwards all is well: {used:.3}");
}

/// brpc #1006.
#[test]
fn answers_that_take_no_time_do_not_close_the_door() {
    let quick = Scene {
        work: 25e-6,
        crowd: 0.001,
        ..Scene::reference()
    };
    let mut run = Run::auto(quick, 5);
    go_on(&mut run, 10);
    assert!(run.law.slots() >= 8, "{}", run.law.slots());
    assert_eq!(run.broken, 0);
}

/// concurrency-limits #171.
#[test]
fn a_slow_dependency_is_not_overload() {
    let mut run = Run::auto(
        Scene {
            fixed: 0.1,
            ..Scene::reference()
        },
        5,
    );
    go_on(&mut run, 10);
    let before = go_on(&mut run, 20);
    run.scene.fixed = 0.2;
    let after = go_on(&mut run, 20);
    assert!(after > 0.9 * before, "{before:.3} → {after:.3}");
}

/// Envoy #42243, Kubernetes #105409.
#[test]
fn long_polls_are_not_load() {
    let [mut without, mut with] = [0.0, 0.05].map(|share| {
        Run::auto(
            Scene {
                polls: (share, 25.0),
                ..Scene::reference()
            },
            5,
        )
    });
    let mut used = [&mut without, &mut with].map(|run| {
        go_on(run, 10);
        let before = run.answers;
        go_on(run, 20);
        (run.answers - before) as f64
    });
    // One in twenty of these is a poll, which is no work.
    used[1] *= 0.95;
    assert!(used[1] > 0.95 * used[0], "{used:?}");
}

/// Linkerd: fast failures attract load.
#[test]
fn refusals_that_come_at_once_are_not_speed() {
    let mut run = Run::auto(Scene::reference(), 5);
    go_on(&mut run, 10);
    run.scene.refuses = true;
    go_on(&mut run, 2);
    assert!(run.law.slots() <= 4, "{}", run.law.slots());
    let seats = run.law.seats();
    go_on(&mut run, 3);
    assert!(run.law.seats() <= seats, "and they let nobody in");
}

/// A program with sixty connections, or a browser with as many windows: all slots are busy, and everybody
/// waits behind it.
#[test]
fn one_visitor_who_asks_for_much_at_once_takes_nobodys_seat() {
    for seed in 0..4 {
        let scene = Scene {
            greedy: 60,
            ..Scene::reference()
        };
        let mut run = Run::auto(scene, seed);
        let begin = run.law.seats();
        for minute in 1..=5 {
            go_on(&mut run, 1);
            let seats = run.law.seats();
            assert!(seats >= begin, "minute {minute}: {begin} → {seats}");
        }
    }
}

/// A portal that is full, and one visitor who takes a hundred exports at once, each as much work as six
/// pages.
#[test]
fn in_a_full_portal_one_visitor_with_a_hundred_exports_costs_the_others_little() {
    let mut slow = [0.0; 2];
    for seed in 0..4 {
        let full = |greedy| {
            let scene = Scene {
                greedy,
                greedy_work: 6.0,
                ..Scene::reference()
            };
            let mut run = Run::auto(scene, seed);
            go_on(&mut run, 10);
            run.took.clear();
            let used = go_on(&mut run, 20);
            assert_eq!(run.broken, 0, "nobody is broken off");
            (used, f64::from(run.law.seats()), run.quantile(0.99))
        };
        let [alone, beside] = [0, 100].map(full);
        // It has what is idle, up to a quarter of the slots.
        assert!(beside.0 > 0.68 * alone.0, "{alone:?} {beside:?}");
        assert!(beside.1 > 0.6 * alone.1, "{alone:?} {beside:?}");
        slow = [slow[0] + alone.2, slow[1] + beside.2];
    }
    assert!(slow[1] < 1.2 * slow[0], "{slow:?}");
}

/// For each request that says something, so many that wait for one visitor.
#[test]
fn while_most_wait_for_one_visitor_no_seat_is_added() {
    let seats = |for_one: usize, at_once: usize| {
        let rules = CapacityRules {
            slots: SLOTS,
            seats: SEATS,
        };
        let mut law = Capacity::new(&rules, Millis(0));
        for second in 1..=60 {
            let now = Millis(1_000 * second);
            let waits = std::iter::repeat_n(Waited::ForOne(Span::secs(1)), for_one);
            for waited in waits.chain(std::iter::repeat_n(AT_ONCE, at_once)) {
                law.sent(1, Some(waited), Whose::default(), now);
            }
            law.tick(Heads::default(), 1, there(law.seats()), now);
        }
        law.seats()
    };
    assert!(seats(0, 10) > 40);
    assert_eq!(seats(9, 10), seats(0, 10));
    assert_eq!((seats(11, 10), seats(60, 0)), (20, 20));
    assert!(seats(0, 0) > 40, "nobody asks for anything");
}

/// Envoy #11579.
#[test]
fn what_was_sent_before_a_change_says_nothing_about_it() {
    let rules = CapacityRules {
        slots: SLOTS,
        seats: Limit::Fixed(10),
    };
    let mut law = Capacity::new(&rules, Millis(0));
    let early: Vec<Sent> = (1..20)
        .map(|n| law.sent(n, Some(AT_ONCE), Whose::default(), Millis(0)))
        .collect();
    law.back(10, Millis(2_000));
    assert_eq!(law.slots(), 4);
    for sent in early {
        law.answered(sent, Class::OTHER, Answer::Failed, Millis(9_000));
    }
    law.tick(Heads::default(), 0, there(10), Millis(30_000));
    assert_eq!((law.slots(), law.seats()), (4, 10));
}

#[test]
fn a_visitor_who_leaves_is_not_the_portals_error() {
    let rules = CapacityRules {
        slots: SLOTS,
        seats: Limit::Fixed(10),
    };
    let mut law = Capacity::new(&rules, Millis(0));
    for second in 1..60 {
        for _ in 0..20 {
            let now = Millis(second * 1_000);
            let sent = law.sent(8, Some(AT_ONCE), Whose::default(), now);
            law.answered(sent, Class::OTHER, Answer::Left, now);
            let sent = law.sent(8, Some(AT_ONCE), Whose::default(), now);
            law.answered(sent, Class::OTHER, Answer::Odd, now);
        }
    }
    assert!(law.slots() >= 8);
}

/// Some of the requests fail, whatever the load: a part of the portal is broken.
#[test]
fn what_fails_at_any_load_is_not_load() {
    let rules = CapacityRules {
        slots: SLOTS,
        seats: Limit::Fixed(10),
    };
    let mut law = Capacity::new(&rules, Millis(0));
    for second in 0..600 {
        let now = Millis(second * 1_000);
        for request in 0..30 {
            let slots = law.slots();
            let sent = law.sent(slots, Some(AT_ONCE), Whose::default(), now);
            let failed = request % 13 == 0;
            let answer = if failed { Answer::Failed } else { Answer::Good };
            law.answered(sent, Class::OTHER, answer, now + Span(100));
        }
    }
    assert!(law.slots() >= 8, "{}", law.slots());
}

/// Fixed seats, a cold start in the middle of a rush: nothing tells what is usual.
#[test]
fn without_a_baseline_slots_do_not_grow_blindly() {
    let mut run = Run::new(Scene::reference(), SLOTS, Limit::Fixed(320), 5);
    for _ in 0..10 {
        go_on(&mut run, 1);
        assert!(run.law.slots() <= 48, "{}", run.law.slots());
    }
    let used = go_on(&mut run, 10);
    assert!(used > 0.85, "{used:.3}");
}

#[test]
fn numbers_switch_the_laws_off() {
    let mut run = Run::new(Scene::reference(), Limit::Fixed(12), Limit::Fixed(250), 5);
    go_on(&mut run, 10);
    assert_eq!((run.law.slots(), run.law.seats()), (12, 250));
    assert!(run.law.take_moves().is_empty());
}

#[test]
fn bounds_hold_and_every_move_is_explained() {
    let within = |min, max| Limit::Auto { min, max };
    let mut run = Run::new(Scene::reference(), within(10, 14), within(50, 120), 5);
    for _ in 0..10 {
        go_on(&mut run, 1);
        assert!((10..=14).contains(&run.law.slots()));
        assert!((50..=120).contains(&run.law.seats()));
        let moves = run.law.take_moves();
        assert!(moves.len() <= MOVES_MAX && moves.iter().all(|it| it.from != it.to));
        let told = |it: &Move| it.why != Why::Slow || it.to < it.from;
        assert!(moves.iter().all(told), "a rise is not for slowness");
    }
    assert_eq!(run.law.seats(), 120, "the portal could bear more");
}

#[test]
fn what_was_found_outlives_a_restart() {
    let mut run = Run::auto(Scene::reference(), 5);
    go_on(&mut run, 20);
    let bytes = postcard::to_stdvec(&run.law).unwrap();
    let mut restored: Capacity = postcard::from_bytes(&bytes).unwrap();
    let rules = CapacityRules {
        slots: SLOTS,
        seats: Limit::Auto { min: 5, max: 100 },
    };
    restored.resume(&rules, run.now);
    assert_eq!((restored.slots(), restored.seats()), (run.law.slots(), 100));
    assert_eq!(restored.baselines().count(), run.law.baselines().count());
    assert!(bytes.len() < 200_000, "{} bytes", bytes.len());
}

#[test]
fn reasons_are_named_in_their_order() {
    for (at, (_, why, words)) in Why::NAMES.iter().enumerate() {
        assert_eq!(*why as usize, at);
        assert!(!words.is_empty());
    }
}

/// So many people, all of them there.
fn there(there: u32) -> People {
    People { there, called: 0 }
}
