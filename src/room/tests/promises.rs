//! Promises against what happens, in rooms with visitors by chance: M/M/c, with impatience and with
//! a portal that becomes slower and recovers.

use super::*;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

const MINUTE: f64 = 60.0;

/// What happens in a simulated room. Lengths in seconds.
#[derive(Clone)]
struct Scene {
    seats: u32,
    /// Mean visit.
    visit: f64,
    /// Arrivals ÷ what the seats bear, and until when.
    load: f64,
    rush_end: f64,
    /// Mean patience.
    patience: Option<f64>,
    /// Visits take so many times as long as usual …
    slow: f64,
    /// … from here to there.
    slow_from: f64,
    slow_to: f64,
    /// The seats while it is slow; none if it does not answer at all.
    seats_slow: u32,
    end: f64,
}

impl Scene {
    /// A steady overload with 2.5 times as many as the seats bear.
    fn rush(seats: u32) -> Scene {
        Scene {
            seats,
            visit: 10.0 * MINUTE,
            load: 2.5,
            rush_end: 30.0 * MINUTE,
            patience: None,
            slow: 1.0,
            slow_from: 0.0,
            slow_to: 0.0,
            seats_slow: seats,
            end: 180.0 * MINUTE,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive,
    Poll(u64),
    GiveUp(u64),
    Leave(u64),
    Slow,
    Recover,
}

/// A simulation, and what is checked while it runs.
struct Sim {
    scene: Scene,
    dice: fastrand::Rng,
    room: Room,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    tickets: HashMap<u64, Ticket>,
    /// The upper bound that was shown last, and when it ends.
    shown: HashMap<u64, Millis>,
    raised_silently: u64,
    now: u64,
}

impl Sim {
    fn new(scene: &Scene, seed: u64) -> Sim {
        let rules = Rules {
            idle: Span::mins(600),
            first_idle: Span::mins(600),
            visit_max: Span::mins(600),
            ..rules(scene.seats)
        };
        let mut room = Room::new("test", rules, 0, Millis(0));
        room.reserve(u64::MAX);
        let mut sim = Sim {
            scene: scene.clone(),
            dice: fastrand::Rng::with_seed(seed),
            room,
            events: BinaryHeap::new(),
            tickets: HashMap::new(),
            shown: HashMap::new(),
            raised_silently: 0,
            now: 0,
        };
        sim.after(0.0, Event::Arrive);
        if scene.slow_to > scene.slow_from {
            sim.after(scene.slow_from, Event::Slow);
            sim.after(scene.slow_to, Event::Recover);
        }
        sim
    }

    fn run(mut self) -> Sim {
        while let Some(Reverse((at, event))) = self.events.pop()
            && at as f64 <= self.scene.end * 1_000.0
        {
            // The room hears of the time at least once a second, as from the server.
            while self.now + 1_000 < at {
                self.now += 1_000;
                self.room.tick(Millis(self.now));
            }
            self.now = at;
            self.happens(event);
        }
        self
    }

    fn happens(&mut self, event: Event) {
        let now = Millis(self.now);
        match event {
            Event::Arrive => {
                let rate = self.scene.load * f64::from(self.scene.seats) / self.scene.visit;
                let next = self.exponential(1.0 / rate);
                if self.now as f64 / 1_000.0 + next < self.scene.rush_end {
                    self.after(next, Event::Arrive);
                }
                let decision = self.room.arrive(Visitor::Newcomer, Ask::PAGE, now);
                if let Decision::Wait { ticket, .. } = decision
                    && let Some(mean) = self.scene.patience
                {
                    let patience = self.exponential(mean);
                    self.after(patience, Event::GiveUp(ticket.number));
                }
                self.decided(decision);
            }
            Event::Poll(number) => {
                let Some(ticket) = self.tickets.get(&number).copied() else {
                    return;
                };
                match self.room.poll(Visitor::Ticket(ticket), now) {
                    Standing::Waiting {
                        waiting, ticket, ..
                    } if waiting.called.is_none() => self.told(waiting, ticket),
                    Standing::Waiting { ticket, .. } => {
                        let decision = self.room.arrive(Visitor::Ticket(ticket), Ask::PAGE, now);
                        self.decided(decision);
                    }
                    other => panic!("{other:?}"),
                }
            }
            Event::GiveUp(number) => {
                self.tickets.remove(&number);
            }
            Event::Leave(number) => {
                // They were asking for something all the time.
                self.room.finish(number, true, now);
                self.room.leave(number, now);
            }
            Event::Slow if self.scene.seats_slow == 0 => self.room.set_portal(false, now),
            Event::Slow => self.room.set_seats(self.scene.seats_slow, now),
            Event::Recover => {
                self.room.set_portal(true, now);
                self.room.set_seats(self.scene.seats, now);
            }
        }
    }

    fn decided(&mut self, decision: Decision) {
        match decision {
            Decision::Forward { number, .. } => {
                self.tickets.remove(&number);
                let secs = self.now as f64 / 1_000.0;
                let slow = (self.scene.slow_from..self.scene.slow_to).contains(&secs);
                let mean = self.scene.visit * if slow { self.scene.slow } else { 1.0 };
                let visit = self.exponential(mean);
                self.after(visit, Event::Leave(number));
            }
            Decision::Wait {
                waiting, ticket, ..
            } => self.told(waiting, ticket),
            other => panic!("{other:?}"),
        }
    }

    fn told(&mut self, waiting: Waiting, ticket: Ticket) {
        if let Some(promise) = waiting.promise {
            let end = Millis(self.now) + promise.high;
            let before = self.shown.insert(ticket.number, end);
            let left = before.map(|before| before.since(Millis(self.now)));
            let raised = left.is_some_and(|left| promise.high > left);
            self.raised_silently += u64::from(raised && waiting.reason.is_none());
        }
        self.tickets.insert(ticket.number, ticket);
        let next = waiting.poll_after.ceil_secs() as f64;
        self.after(next, Event::Poll(ticket.number));
    }

    fn after(&mut self, secs: f64, event: Event) {
        let at = self.now + (secs * 1_000.0) as u64;
        self.events.push(Reverse((at, event)));
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.dice.f64()).ln()
    }
}

/// How promises were kept over some seeds.
struct Outcome {
    coverage: f64,
    /// Of the last [`scores::SCORES_MAX`] of each seed.
    late: f64,
    told: f64,
    raised: f64,
}

fn outcome(scene: &Scene, seeds: std::ops::Range<u64>) -> Outcome {
    let each = 1.0 / (seeds.end - seeds.start) as f64;
    let (mut late, mut told) = (0.0, 0.0);
    let mut sum = Counts::default();
    for seed in seeds {
        let mut sim = Sim::new(scene, seed).run();
        let status = sim.room.status(Millis(sim.now));
        let counts = status.counts;
        assert_eq!(sim.raised_silently, 0, "seed {seed}");
        assert_eq!((counts.queue_jumps, counts.seat_overshoot), (0, 0));
        assert_eq!(counts.stalled_millis, 0);
        let figures = status.promises.expect("some were scored");
        late += figures.late * each;
        told += figures.told * each;
        sum.promises_scored += counts.promises_scored;
        sum.promises_kept += counts.promises_kept;
        sum.promises_raised += counts.promises_raised;
        sum.promises_made += counts.promises_made;
    }
    let outcome = Outcome {
        coverage: sum.promises_kept as f64 / sum.promises_scored as f64,
        late,
        told,
        raised: sum.promises_raised as f64 / sum.promises_made as f64,
    };
    println!(
        "{:.3} of {} kept, {late:.3} late, {told:.3} told, {:.3} raised",
        outcome.coverage, sum.promises_scored, outcome.raised
    );
    outcome
}

/// The upper bound is meant to be kept for 88 to 95 %. With sixty seeds each (30, 100, 300 seats) it is
/// 94.0, 93.8 and 92.1 %, and 3 % are late by more than a minute; people in one line share their luck,
/// so ten seeds tell it to a few parts in 100 only.
#[test]
fn nine_in_ten_promises_are_kept_in_a_rush() {
    for seats in [30, 100, 300] {
        let outcome = outcome(&Scene::rush(seats), 0..10);
        assert!((0.85..=0.98).contains(&outcome.coverage));
        assert!(outcome.late <= 0.06);
        assert!(outcome.told >= 0.95);
    }
}

#[test]
fn also_when_many_give_up_and_those_count_too() {
    let scene = Scene {
        patience: Some(40.0 * MINUTE),
        ..Scene::rush(100)
    };
    let outcome = outcome(&scene, 0..10);
    assert!(outcome.coverage >= 0.88 && outcome.late <= 0.05);
    let sim = Sim::new(&scene, 0).run();
    let counts = sim.room.counts;
    let left = counts.promises_made - counts.called_in;
    assert!(left > 100, "{counts:?}");
    assert_eq!(counts.promises_scored, counts.promises_made, "each once");
}

#[test]
fn a_portal_that_becomes_slower_breaks_promises_but_not_without_a_word() {
    let slow = Scene {
        slow: 2.0,
        slow_from: 20.0 * MINUTE,
        slow_to: 60.0 * MINUTE,
        ..Scene::rush(100)
    };
    let fewer_seats = Scene {
        seats_slow: 50,
        slow: 1.0,
        ..slow
    };
    for scene in [slow, fewer_seats] {
        let outcome = outcome(&scene, 0..10);
        assert!(outcome.told >= 0.9);
        assert!(outcome.raised <= 4.0);
    }
}

#[test]
fn the_range_widens_when_the_portal_slows_and_narrows_when_it_has_recovered() {
    let scene = Scene {
        load: 1.2,
        rush_end: 400.0 * MINUTE,
        patience: Some(40.0 * MINUTE),
        slow: 2.0,
        slow_from: 100.0 * MINUTE,
        slow_to: 140.0 * MINUTE,
        ..Scene::rush(100)
    };
    let q_after = |minutes: f64| {
        let scene = Scene {
            end: minutes * MINUTE,
            ..scene.clone()
        };
        let q = Sim::new(&scene, 7)
            .run()
            .room
            .estimator
            .q(50)
            .expect("known");
        println!("after {minutes} min: {q:.2}");
        q
    };
    let [before, slow, recovered] = [99.0, 150.0, 390.0].map(q_after);
    assert!(slow > before + 0.1);
    assert!(recovered < slow - 0.1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_upper_bound_rises_without_a_reason(
        seed: u64,
        seats in 1..40u32,
        seats_slow in 0..60u32,
        slow in 0.3..4.0,
        load in 1.0..6.0,
        patience in prop::option::of(1.0..60.0),
        slow_from in 5.0..20.0,
    ) {
        let scene = Scene {
            seats,
            visit: 3.0 * MINUTE,
            load,
            patience: patience.map(|minutes| minutes * MINUTE),
            slow,
            slow_from: slow_from * MINUTE,
            slow_to: (slow_from + 10.0) * MINUTE,
            seats_slow,
            end: 60.0 * MINUTE,
            ..Scene::rush(seats)
        };
        prop_assert_eq!(Sim::new(&scene, seed).run().raised_silently, 0);
    }
}
