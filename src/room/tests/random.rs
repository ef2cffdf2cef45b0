//! The room and its line under steps chosen by chance.

use super::*;
use proptest::prelude::*;

/// A line kept as anybody would first write it.
#[derive(Default)]
struct Naive(Vec<(u64, Mark)>);

#[derive(Clone, Debug)]
enum Step {
    Push(u16),
    Show(usize),
    End(usize),
    Call,
    PassOver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..700u16).prop_map(Step::Push),
        3 => any::<usize>().prop_map(Step::Show),
        2 => any::<usize>().prop_map(Step::End),
        3 => Just(Step::Call),
        1 => Just(Step::PassOver),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn the_compact_line_says_what_a_list_would_say(steps in steps()) {
        let (mut line, mut naive) = (Line::new(0, 1_000), Naive::default());
        for (second, step) in steps.into_iter().enumerate() {
            let now = second as u32;
            match step {
                Step::Push(count) => for _ in 0..count {
                    naive.0.push((line.push(now + 10_000), Mark::Living));
                },
                Step::Show(pick) if !naive.0.is_empty() => {
                    let at = pick % naive.0.len();
                    let (number, mark) = &mut naive.0[at];
                    if *mark != Mark::Over {
                        line.show(*number, now + 10_000);
                        *mark = Mark::Living;
                    }
                }
                Step::End(pick) if !naive.0.is_empty() => {
                    let at = pick % naive.0.len();
                    line.end(naive.0[at].0);
                    naive.0[at].1 = Mark::Over;
                }
                Step::Call | Step::PassOver => {
                    let first = naive.0.iter_mut().find(|(_, mark)| *mark == Mark::Living);
                    prop_assert_eq!(line.first(), first.as_ref().map(|(number, _)| *number));
                    if let Some((number, mark)) = first {
                        line.pass_over(*number);
                        *mark = Mark::Absent;
                    }
                }
                _ => {}
            }
            line.sweep(now);
            let mut living = 0;
            for (number, mark) in &naive.0 {
                prop_assert_eq!(line.mark(*number, now), *mark);
                if *mark == Mark::Living {
                    living += 1;
                    prop_assert_eq!(line.place(*number), living);
                }
            }
            prop_assert_eq!(line.living(), living);
        }
    }

    #[test]
    fn nobody_jumps_and_no_seat_is_given_twice(
        seed in any::<u64>(),
        seats in 1..20u32,
        per_minute in prop::option::of(1..200u32),
    ) {
        crowd(seed, seats, per_minute);
    }
}

/// A crowd that comes, polls, gives up, comes late, leaves, sends forms and signs on at random,
/// with a portal that fails: the invariants of "What must never happen" hold throughout.
fn crowd(seed: u64, seats: u32, per_minute: Option<u32>) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let rules = Rules {
        per_minute,
        ..rules(seats)
    };
    let mut room = Room::new("test", rules, 0, Millis(0));
    room.reserve(u64::MAX);
    let mut bound = per_minute.map(Bound::new);
    // Callbacks that take a seat of their reserve cannot be held, whatever the bound.
    room.rules.callback_reserve = dice.u32(0..5) * u32::from(per_minute.is_none());
    let mut tickets: Vec<Ticket> = Vec::new();
    let mut passes: Vec<Pass> = Vec::new();
    let mut now = Millis(0);
    let mut before = Before {
        committed: 0,
        limit: seats,
    };
    for _ in 0..2_000 {
        now = now + Span(dice.u64(0..1_500));
        let ask = Ask {
            work: dice.u8(..) < 40,
            guess: dice.u8(..) < 10,
            renews: dice.u8(..) > 10,
            passing: dice.u8(..) < 10,
            callback: dice.u8(..) < 30,
            client: (dice.u8(..) < 60).then(|| Client { key: dice.u64(..4) }),
            lane: 0,
        };
        let callback = ask.callback && !ask.takes_nothing();
        let who = match dice.u8(..3) {
            0 => Visitor::Newcomer,
            1 if !tickets.is_empty() => Visitor::Ticket(tickets[dice.usize(..tickets.len())]),
            _ if !passes.is_empty() => Visitor::Pass(passes[dice.usize(..passes.len())]),
            _ => Visitor::Newcomer,
        };
        match dice.u8(..10) {
            0 => {
                if let Visitor::Pass(Pass { number, .. }) | Visitor::Ticket(Ticket { number, .. }) =
                    who
                {
                    room.leave(number, now);
                }
            }
            1 => room.set_portal(dice.u8(..10) < 8, now),
            2..=4 => {
                room.poll(who, now);
            }
            5 => {
                // What a callback has taken turns out to be the second seat of somebody.
                if let Visitor::Pass(pass) = who {
                    room.give_back(pass.number, now);
                }
            }
            _ => match room.arrive(who, ask, now) {
                Decision::Forward { number, entry } => {
                    room.finish(number, true, now);
                    if !matches!(entry, Entry::Unseated | Entry::Passing) {
                        passes.push(Pass {
                            number,
                            issued: now,
                        });
                    }
                }
                Decision::Wait { .. } | Decision::Refuse(_) if callback => {
                    panic!("seed {seed}: a callback is held or turned away: {ask:?} {who:?}")
                }
                Decision::Wait { ticket, .. } => tickets.push(ticket),
                Decision::Refuse(_) => {}
            },
        }
        let status = room.status(now);
        let committed = status.taken + status.called;
        let limit = before.limit.max(room.limit()) + room.rules().reserve;
        assert!(
            committed <= limit.max(before.committed),
            "seed {seed}: {status:?}"
        );
        before = Before {
            committed,
            limit: room.limit(),
        };
        assert!(
            status.callbacks <= room.rules().callback_reserve,
            "seed {seed}: {status:?}"
        );
        assert!(
            status.callbacks == 0 || status.waiting > 0 || status.taken + status.called >= seats,
            "seed {seed}: an ordinary seat is free, and nobody waits for it: {status:?}"
        );
        assert_eq!(status.counts.queue_jumps, 0, "seed {seed}");
        assert_eq!(status.counts.stalled_millis, 0, "seed {seed}");
        assert_eq!(status.counts.seat_overshoot, 0, "seed {seed}");
        assert!(room.next_wake(now) >= now);
        if let Some(bound) = &mut bound {
            bound.check(&status, now);
        }
    }
}

/// Newcomers so far, less what may have come in: wherever one begins to count, there are no more than a
/// bucket holds above.
struct Bound {
    per_second: f64,
    least: f64,
}

impl Bound {
    fn new(per_minute: u32) -> Bound {
        Bound {
            per_second: f64::from(per_minute) / 60.0,
            least: 0.0,
        }
    }

    fn check(&mut self, status: &Status, now: Millis) {
        let counts = &status.counts;
        let came = counts.straight + counts.called_in + u64::from(status.called);
        let newcomers = came as f64 - counts.callbacks_known as f64;
        let due = now.since(Millis(0)).as_secs_f64() * self.per_second;
        let above = newcomers - due;
        let most = self.per_second.max(1.0) + 0.01;
        assert!(
            above - self.least <= most,
            "{} since: {status:?}",
            above - self.least
        );
        self.least = self.least.min(above);
    }
}

/// A moment ago: seats taken or kept for the called, and how many might be.
struct Before {
    committed: u32,
    limit: u32,
}
