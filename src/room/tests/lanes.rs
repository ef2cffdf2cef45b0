//! Several lanes: shares, reserves, order within each, and what a restart keeps of them.

use super::restart::stored;
use super::*;
use proptest::prelude::*;

/// The lane of the teachers in these tests.
const TEACHERS: usize = 1;

fn lane(name: &str, weight: u32, seats: u32) -> LaneRules {
    LaneRules {
        name: name.to_owned(),
        weight,
        seats,
        block: 1,
    }
}

fn with_lanes(seats: u32, lanes: Vec<LaneRules>) -> Room {
    let rules = Rules {
        lanes,
        ..rules(seats)
    };
    let mut room = Room::new("test", rules, 0, Millis(0));
    room.reserve(u64::MAX);
    room
}

/// Pupils, and teachers with three calls of four and `reserve` seats.
fn school(seats: u32, reserve: u32) -> Room {
    let lanes = vec![lane("", 1, 0), lane("teachers", 3, reserve)];
    with_lanes(seats, lanes)
}

fn come_to(room: &mut Room, lane: usize, secs: u64) -> Decision {
    let ask = Ask { lane, ..Ask::PAGE };
    room.arrive(Visitor::Newcomer, ask, at(secs))
}

#[test]
fn a_number_tells_its_lane_and_lane_0_is_as_if_there_were_no_others() {
    let mut room = school(1, 0);
    assert_eq!(number_inside(come_to(&mut room, 0, 0)), 0);
    assert_eq!(ticket_of(come_to(&mut room, 0, 0)).number, 1);
    let teacher = ticket_of(come_to(&mut room, TEACHERS, 0));
    assert_eq!(teacher.number, 1 << 58);
    let waiting = told(&mut room, teacher, 1);
    assert_eq!((waiting.lane, waiting.place), (TEACHERS, 1));
    // A lane that the rules do not have is the first.
    assert_eq!(ticket_of(come_to(&mut room, 7, 1)).number, 2);
}

#[test]
fn nobody_has_a_place_in_a_lane_that_is_not_there() {
    let mut room = school(1, 0);
    let strange = Ticket {
        number: 9 << 58 | 5,
        issued: at(0),
        promised: None,
    };
    assert!(!room.knows(Visitor::Ticket(strange), at(0)));
    room.leave(strange.number, at(0));
    number_inside(room.arrive(Visitor::Ticket(strange), Ask::PAGE, at(1)));
    clean(&mut room, 1);
}

#[test]
fn a_seat_that_another_lane_waits_for_is_not_a_newcomers() {
    let mut room = school(60, 0);
    let inside: Vec<u64> = (0..60)
        .map(|_| number_inside(come_to(&mut room, 0, 0)))
        .collect();
    let pupils: Vec<Ticket> = (0..9)
        .map(|_| ticket_of(come_to(&mut room, 0, 0)))
        .collect();
    inside.iter().for_each(|number| room.leave(*number, at(10)));
    assert!(room.status(at(10)).waiting > 0, "calls are paced");
    // Nobody waits in the lane of the teachers, and seats are free; but they are the pupils'.
    let teacher = ticket_of(come_to(&mut room, TEACHERS, 10));
    for second in 11..20 {
        for ticket in &pupils {
            room.poll(Visitor::Ticket(*ticket), at(second));
        }
        room.poll(Visitor::Ticket(teacher), at(second));
    }
    assert!(told(&mut room, teacher, 20).called.is_some());
    clean(&mut room, 20);
}

#[test]
fn reserved_seats_stay_free_for_their_lane() {
    let mut room = school(4, 2);
    number_inside(come_to(&mut room, 0, 0));
    number_inside(come_to(&mut room, 0, 0));
    let pupil = ticket_of(come_to(&mut room, 0, 0));
    assert_eq!(room.idle_reserve(), 2);
    assert!(told(&mut room, pupil, 5).called.is_none());
    number_inside(come_to(&mut room, TEACHERS, 6));
    number_inside(come_to(&mut room, TEACHERS, 6));
    let teacher = ticket_of(come_to(&mut room, TEACHERS, 6));
    assert_eq!(told(&mut room, teacher, 7).place, 1);
    clean(&mut room, 7);
}

#[test]
fn a_lane_that_takes_nobody_keeps_no_seats() {
    let mut room = school(4, 2);
    number_inside(come_to(&mut room, 0, 0));
    number_inside(come_to(&mut room, 0, 0));
    let pupil = ticket_of(come_to(&mut room, 0, 0));
    room.set_open_lanes(|lane| lane != TEACHERS, at(5));
    assert!(told(&mut room, pupil, 6).called.is_some());
    assert!(!room.status(at(6)).lanes[TEACHERS].open);
    clean(&mut room, 6);
}

#[test]
fn reserves_are_at_most_half_of_what_there_is() {
    let mut room = school(100, 40);
    assert_eq!(room.status(at(0)).lanes[TEACHERS].reserve, 40);
    room.set_seats(20, at(1));
    assert_eq!(room.status(at(1)).lanes[TEACHERS].reserve, 10);
    room.set_seats(1, at(2));
    assert_eq!(room.status(at(2)).lanes[TEACHERS].reserve, 0);
    number_inside(come_to(&mut room, 0, 3));
}

#[test]
fn the_wait_of_a_lane_is_that_of_its_share() {
    let mut room = school(10, 0);
    let inside: Vec<u64> = (0..10)
        .map(|_| number_inside(come_to(&mut room, 0, 0)))
        .collect();
    for _ in 0..30 {
        come_to(&mut room, 0, 0);
    }
    for _ in 0..300 {
        come_to(&mut room, TEACHERS, 0);
    }
    for (second, number) in inside.into_iter().enumerate() {
        room.leave(number, at(second as u64 + 1));
    }
    room.tick(at(12));
    // Ticket 10 of the pupils comes after 30 teachers; ticket 10 of the teachers after 3 pupils.
    assert_eq!(room.calls_until(0, 10), 40);
    assert_eq!(room.calls_until(TEACHERS, 9), 12);
    // After 30 pupils, and those who will have come by then, teachers have all calls.
    let calls = room.calls_until(TEACHERS, 200);
    assert!((230..=270).contains(&calls), "{calls}");
    let promise = |lane, place| room.promise_in(lane, place).unwrap().low;
    assert!(promise(0, 10) > promise(TEACHERS, 10).scale(2.0));
}

#[test]
fn a_restart_finds_lanes_by_name_and_forgets_none() {
    let rules = |names: &[&str]| {
        let lanes = names.iter().map(|name| lane(name, 1, 0)).collect();
        Rules { lanes, ..rules(1) }
    };
    let mut room = Room::new("test", rules(&["", "teachers", "old"]), 0, at(0));
    room.reserve(u64::MAX);
    number_inside(come_to(&mut room, 0, 0));
    let mut tickets = Vec::new();
    for lane in [0, 1, 2, 1, 2, 0] {
        tickets.push(ticket_of(come_to(&mut room, lane, 1)));
    }
    let mut saved = Saved::default();
    stored(&mut room, &mut saved, 3);
    let names = &["pupils", "new", "teachers"];
    let mut room = Room::restore("test", rules(names), saved.clone(), at(4));
    room.reserve(u64::MAX);
    let stands: Vec<(usize, u64)> = (tickets.iter())
        .map(|ticket| told(&mut room, *ticket, 5))
        .map(|waiting| (waiting.lane, waiting.place))
        .collect();
    assert_eq!(stands, [(0, 1), (2, 1), (3, 1), (2, 2), (3, 2), (0, 2)]);
    let new = ticket_of(come_to(&mut room, 1, 6));
    assert_eq!(new.number >> 58, 3, "an id that nobody had");
    // The lane that is no more is called out, too.
    let mut called = Vec::new();
    room.set_seats(60, at(7));
    for second in 7..30 {
        for ticket in tickets.iter().chain([&new]) {
            if told(&mut room, *ticket, second).called.is_some() && !called.contains(ticket) {
                called.push(*ticket);
            }
        }
    }
    assert_eq!(called.len(), 7);
    stored(&mut room, &mut saved, 31);
    assert_eq!(saved.lanes.len(), 4);
    clean(&mut room, 31);
}

#[test]
fn a_block_is_called_in_a_row_and_paid_for_afterwards() {
    let mut classes = lane("classes", 1, 0);
    classes.block = 5;
    let mut room = with_lanes(1, vec![lane("", 1, 0), classes]);
    let mut last = number_inside(come_to(&mut room, 0, 0));
    let mut tickets: Vec<Ticket> = Vec::new();
    for index in 0..60 {
        tickets.push(ticket_of(come_to(&mut room, index % 2, 0)));
    }
    let mut called = String::new();
    for second in 1..=20 {
        tickets.iter().for_each(|it| {
            room.poll(Visitor::Ticket(*it), at(second));
        });
        room.leave(last, at(second));
        let at_door = tickets.iter().position(|it| room.calls.has(it.number));
        let ticket = tickets.remove(at_door.expect("one is called each second"));
        called.push(if room.lane_of(ticket.number) == 1 {
            'c'
        } else {
            '.'
        });
        last = number_inside(room.arrive(Visitor::Ticket(ticket), Ask::PAGE, at(second)));
    }
    assert_eq!(called, ".ccccc.....ccccc....");
    clean(&mut room, 21);
}

#[test]
fn whoever_changes_lanes_has_one_place() {
    let mut room = school(1, 0);
    let inside = number_inside(come_to(&mut room, 0, 0));
    let first = ticket_of(come_to(&mut room, 0, 0));
    let second = ticket_of(come_to(&mut room, 0, 0));
    let changed = room.change_lane(first, TEACHERS, at(1)).unwrap();
    assert_eq!(told(&mut room, changed, 1).lane, TEACHERS);
    assert_eq!(told(&mut room, second, 1).place, 1);
    assert_eq!(room.status(at(1)).waiting, 2);
    assert!(room.change_lane(first, TEACHERS, at(2)).is_none(), "over");
    assert!(
        room.change_lane(changed, TEACHERS, at(2)).is_none(),
        "there already"
    );
    room.leave(inside, at(3));
    let called = [second, changed];
    let called = called.iter().find(|it| room.calls.has(it.number)).unwrap();
    let other = 1 - room.lane_of(called.number);
    assert!(room.change_lane(*called, other, at(3)).is_none(), "called");
    clean(&mut room, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_lane_has_its_share_of_any_calls_in_a_row(
        weights in prop::collection::vec((1..20u32, 1..4u32), 2..7),
        sleeper in 0..7usize,
    ) {
        let (weights, blocks): (Vec<u32>, Vec<u32>) = weights.into_iter().unzip();
        let lanes = weights.iter().zip(&blocks).map(|(weight, block)| LaneRules {
            block: *block,
            ..lane("", *weight, 0)
        });
        let lanes = lanes.collect();
        let mut room = with_lanes(1, lanes);
        let sleeper = sleeper % weights.len();
        let inside = number_inside(come_to(&mut room, 0, 0));
        // One lane comes late: it has saved up nothing, and loses nothing.
        let mut tickets: Vec<Ticket> = Vec::new();
        for index in (0..weights.len()).filter(|index| *index != sleeper) {
            tickets.extend((0..200).map(|_| ticket_of(come_to(&mut room, index, 0))));
        }
        let mut called: Vec<usize> = Vec::new();
        let mut last = inside;
        for second in 1..=150 {
            if second == 50 {
                tickets.extend((0..200).map(|_| ticket_of(come_to(&mut room, sleeper, second))));
            }
            tickets.iter().for_each(|it| { room.poll(Visitor::Ticket(*it), at(second)); });
            room.leave(last, at(second));
            let at_door = tickets.iter().position(|it| room.calls.has(it.number));
            let ticket = tickets.remove(at_door.expect("one is called each second"));
            called.push(room.lane_of(ticket.number));
            last = number_inside(room.arrive(Visitor::Ticket(ticket), Ask::PAGE, at(second)));
        }
        let all: u32 = weights.iter().sum();
        for (index, weight) in weights.iter().enumerate() {
            let share = f64::from(*weight) / f64::from(all);
            let own = f64::from(blocks[index]);
            let slack = own + share * (f64::from(blocks.iter().sum::<u32>()) - own);
            let first = if index == sleeper { 50 } else { 0 };
            for from in first..called.len() {
                let mut got = 0;
                for (n, lane) in called[from..].iter().enumerate() {
                    got += u32::from(*lane == index);
                    let least = share * (n + 1) as f64 - slack;
                    prop_assert!(f64::from(got) >= least, "lane {index} from {from}: {got} of {}", n + 1);
                }
            }
        }
        clean(&mut room, 151);
    }

    #[test]
    fn a_crowd_in_lanes_breaks_nothing(seed in any::<u64>(), seats in 2..20u32) {
        crowd(seed, seats);
    }
}

/// People of several lanes who come, poll, come in, leave and get lost, with a portal that fails,
/// hours that begin and end, and restarts.
fn crowd(seed: u64, seats: u32) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let lanes: Vec<LaneRules> = (0..dice.usize(1..6))
        .map(|index| lane(&format!("lane{index}"), dice.u32(1..9), dice.u32(0..5)))
        .collect();
    let many = lanes.len();
    let mut room = with_lanes(seats, lanes);
    let mut saved = Saved::default();
    let mut tickets: Vec<Ticket> = Vec::new();
    let mut passes: Vec<Pass> = Vec::new();
    let mut now = Millis(0);
    let mut before = room.status(now);
    for _ in 0..800 {
        now = now + Span(dice.u64(0..1_500));
        let mut gives = true;
        // Time passes first: who is there is counted anew, and so is the limit. Whoever is back then
        // lowers it.
        let later = room.status(now);
        keeps_reserves(seed, &before, &later);
        before = later;
        let who = match dice.u8(..3) {
            0 if !tickets.is_empty() => Visitor::Ticket(tickets[dice.usize(..tickets.len())]),
            1 if !passes.is_empty() => Visitor::Pass(passes[dice.usize(..passes.len())]),
            _ => Visitor::Newcomer,
        };
        match dice.u8(..200) {
            0..=19 => match who {
                Visitor::Pass(Pass { number, .. }) | Visitor::Ticket(Ticket { number, .. }) => {
                    room.leave(number, now);
                }
                Visitor::Newcomer => {}
            },
            20..=24 => room.set_portal(dice.u8(..10) < 8, now),
            25..=29 => {
                let open = dice.u64(..);
                room.set_open_lanes(|lane| open >> lane & 1 == 0, now);
                gives = false;
            }
            30 => {
                room = restarted(room, &mut saved, &tickets, now);
                gives = false;
            }
            31..=90 => {
                room.poll(who, now);
            }
            _ => {
                let ask = Ask {
                    lane: dice.usize(..many),
                    callback: dice.u8(..) < 20,
                    ..Ask::PAGE
                };
                match room.arrive(who, ask, now) {
                    Decision::Forward { number, entry } => {
                        room.finish(number, true, now);
                        if entry != Entry::Unseated {
                            passes.push(Pass {
                                number,
                                issued: now,
                            });
                        }
                    }
                    Decision::Wait { ticket, .. } => tickets.push(ticket),
                    Decision::Refuse(_) => {}
                }
            }
        }
        let status = room.status(now);
        let broken = (status.counts.queue_jumps, status.counts.seat_overshoot);
        assert_eq!(broken, (0, 0), "seed {seed}");
        let committed: u32 = status.lanes.iter().map(|lane| lane.committed).sum();
        assert_eq!(committed, status.taken + status.called, "seed {seed}");
        if gives {
            keeps_reserves(seed, &before, &status);
        }
        before = status;
    }
}

/// Whoever was given a seat was given none that is kept for another lane.
fn keeps_reserves(seed: u64, before: &Status, after: &Status) {
    for (index, lane) in after.lanes.iter().enumerate() {
        let was = &before.lanes[index];
        if lane.calls_total + lane.straight_total == was.calls_total + was.straight_total {
            continue;
        }
        let others = after.lanes.iter().enumerate();
        let kept: u32 = others
            .filter(|(other, it)| *other != index && it.open)
            .map(|(_, it)| it.reserve.saturating_sub(it.committed))
            .sum();
        assert!(
            after.taken + after.called + kept <= limit(after).max(limit(before)),
            "seed {seed}: {after:?}"
        );
    }
}

fn limit(status: &Status) -> u32 {
    status.seats + status.absent
}

/// The room after a restart: everybody who had a place has it still.
fn restarted(mut room: Room, saved: &mut Saved, tickets: &[Ticket], now: Millis) -> Room {
    let stands = |room: &Room| -> Vec<(u64, bool, u64)> {
        let known = tickets.iter().map(|ticket| ticket.number);
        let known = known.filter(|number| room.mark(*number, room.clock(now)) == Mark::Living);
        known
            .map(|number| (number, room.calls.has(number), room.line.place(number)))
            .collect()
    };
    let before = stands(&room);
    let rules = room.rules.clone();
    stored(&mut room, saved, now.0 / 1_000);
    let up = room.portal_up;
    let mut room = Room::restore("test", rules, saved.clone(), now);
    room.reserve(u64::MAX);
    room.set_portal(up, now);
    assert_eq!(stands(&room), before);
    room
}
