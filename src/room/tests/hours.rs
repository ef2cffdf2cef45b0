//! Lanes that are let in at certain hours: who is called when, what is promised, what is kept free.

use super::restart::stored;
use super::*;

/// The lane of the collèges in these tests; lane 0 is for all others.
const GROUP: usize = 1;
/// Let in from 8 to 11 of a day whose hours have a thousand seconds.
const BEGINS: u64 = 8_000;
const ENDS: u64 = 11_000;
/// And again on the next.
const NEXT: u64 = 32_000;

fn slots(now: u64) -> Hours {
    let changes = [BEGINS, ENDS, NEXT, NEXT + ENDS - BEGINS];
    let past = changes.iter().filter(|change| **change <= now).count();
    let to_come = changes.into_iter().skip(past);
    Hours::new(past % 2 == 1, to_come.map(at))
}

fn tell(room: &mut Room, secs: u64) {
    let hours = |lane| match lane {
        GROUP => slots(secs),
        _ => Hours::default(),
    };
    room.set_hours(hours, at(secs), at(secs));
}

fn school(seats: u32, kept: u32) -> Room {
    let lane = |name: &str, seats| LaneRules {
        name: name.to_owned(),
        seats,
        ..LaneRules::default()
    };
    let rules = Rules {
        lanes: vec![lane("", 0), lane("colleges", kept)],
        ..rules(seats)
    };
    let mut room = Room::new("test", rules, 0, Millis(0));
    room.reserve(u64::MAX);
    tell(&mut room, 0);
    room
}

fn come(room: &mut Room, lane: usize, secs: u64) -> Decision {
    let ask = Ask { lane, ..Ask::PAGE };
    room.arrive(Visitor::Newcomer, ask, at(secs))
}

fn waits(room: &mut Room, lane: usize, secs: u64) -> Ticket {
    ticket_of(come(room, lane, secs))
}

/// Everybody in `tickets` polls as they are told, until `until`, and comes in when called; returns the
/// second in which each was.
fn live(room: &mut Room, tickets: &[Ticket], from: u64, until: u64) -> Vec<Option<u64>> {
    let mut tickets = tickets.to_vec();
    let mut next = vec![from; tickets.len()];
    let mut called = vec![None; tickets.len()];
    for second in from..until {
        tell(room, second);
        for (index, held) in tickets.iter_mut().enumerate() {
            if next[index] > second || called[index].is_some() {
                continue;
            }
            let standing = room.poll(Visitor::Ticket(*held), at(second));
            let Standing::Waiting {
                waiting, ticket, ..
            } = standing
            else {
                panic!("{held:?} has lost its place: {standing:?}");
            };
            *held = ticket;
            next[index] = second + waiting.poll_after.ceil_secs();
            if waiting.called.is_some() {
                called[index] = Some(second);
                number_inside(room.arrive(Visitor::Ticket(ticket), Ask::PAGE, at(second)));
            }
        }
    }
    called
}

#[test]
fn a_member_waits_for_the_hours_beside_free_seats_and_others_walk_in() {
    let mut room = school(100, 0);
    let tickets: Vec<Ticket> = (0..5).map(|_| waits(&mut room, GROUP, 100)).collect();
    let waiting = told(&mut room, tickets[4], 101);
    assert_eq!((waiting.place, waiting.called), (5, None));
    assert_eq!(waiting.reason, Some(Reason::Hours));
    assert_eq!(waiting.enters_from, Some(at(BEGINS)));
    number_inside(come(&mut room, 0, 102));
    let called = live(&mut room, &tickets, 103, BEGINS + 120);
    let called: Vec<u64> = called.into_iter().flatten().collect();
    assert_eq!(called.len(), 5, "nobody's place has lapsed: {called:?}");
    assert!(called.iter().all(|second| *second >= BEGINS));
    // They hear of it soon: within a claim window they must, and they are.
    assert!(
        called.iter().all(|second| *second <= BEGINS + 60),
        "{called:?}"
    );
    number_inside(come(&mut room, GROUP, BEGINS + 121));
    clean(&mut room, BEGINS + 121);
}

#[test]
fn they_are_called_in_order_and_not_at_once() {
    let mut room = school(60, 0);
    let tickets: Vec<Ticket> = (0..40).map(|_| waits(&mut room, GROUP, 7_900)).collect();
    let mut called = Vec::new();
    for second in 7_900..BEGINS + 40 {
        tell(&mut room, second);
        tickets.iter().for_each(|ticket| {
            room.poll(Visitor::Ticket(*ticket), at(second));
        });
        let now: Vec<u64> = (tickets.iter().map(|ticket| ticket.number))
            .filter(|number| room.calls.has(*number) && !called.contains(number))
            .collect();
        assert!(now.len() <= 3, "two a second: {now:?}");
        called.extend(now);
    }
    assert_eq!(called.len(), 40);
    assert!(called.is_sorted());
    clean(&mut room, BEGINS + 40);
}

#[test]
fn whoever_waits_over_a_weekend_gets_a_new_ticket_for_the_old_place() {
    let mut room = school(4, 0);
    waits(&mut room, GROUP, 0);
    let mut held = waits(&mut room, GROUP, 0);
    let hours = |_| Hours::new(false, [at(70 * 3_600)]);
    let mut renewed = 0;
    for second in (0..70 * 3_600).step_by(60) {
        room.set_hours(hours, at(second), at(second));
        let standing = room.poll(Visitor::Ticket(held), at(second));
        let Standing::Waiting { ticket, fresh, .. } = standing else {
            panic!("{standing:?}");
        };
        let old = ticket.issued != held.issued;
        assert!(fresh || !old);
        assert!(at(second).since(ticket.issued) < Span::mins(13 * 60));
        assert_eq!(ticket.number, held.number);
        renewed += u32::from(old);
        held = ticket;
    }
    assert_eq!(renewed, 5, "every twelve hours");
    assert_eq!(told(&mut room, held, 70 * 3_600 - 1).place, 2);
}

#[test]
fn a_class_may_join_a_lane_before_its_hours() {
    let mut room = school(1, 0);
    number_inside(come(&mut room, 0, 0));
    let ticket = waits(&mut room, 0, 0);
    let moved = room.change_lane(ticket, GROUP, at(1)).unwrap();
    let waiting = told(&mut room, moved, 2);
    assert_eq!((waiting.lane, waiting.place), (GROUP, 1));
    assert_eq!(waiting.reason, Some(Reason::Hours));
    assert_eq!(waiting.enters_from, Some(at(BEGINS)));
}

#[test]
fn the_end_of_the_hours_sends_nobody_away() {
    let mut room = school(2, 0);
    tell(&mut room, ENDS - 10);
    let inside = number_inside(come(&mut room, GROUP, ENDS - 10));
    number_inside(come(&mut room, 0, ENDS - 10));
    let called = waits(&mut room, GROUP, ENDS - 9);
    let late = waits(&mut room, GROUP, ENDS - 9);
    room.leave(0, at(ENDS - 2));
    assert!(told(&mut room, called, ENDS - 1).called.is_some());
    tell(&mut room, ENDS);
    let pass = Visitor::Pass(Pass {
        number: inside,
        issued: at(ENDS - 10),
    });
    number_inside(room.arrive(pass, Ask::PAGE, at(ENDS + 1)));
    number_inside(room.arrive(Visitor::Ticket(called), Ask::PAGE, at(ENDS + 5)));
    // A seat falls free, and is for somebody else.
    room.leave(inside, at(ENDS + 6));
    let waiting = told(&mut room, late, ENDS + 7);
    assert_eq!((waiting.called, waiting.place), (None, 1));
    assert_eq!(waiting.enters_from, Some(at(NEXT)));
    number_inside(come(&mut room, 0, ENDS + 8));
    // Whose pass has lapsed is a newcomer.
    waits(&mut room, GROUP, ENDS + 9);
    clean(&mut room, ENDS + 9);
}

#[test]
fn seats_that_are_kept_for_a_lane_are_free_for_others_while_it_is_shut() {
    let mut room = school(4, 2);
    let first = waits(&mut room, GROUP, 0);
    assert_eq!(room.idle_reserve(), 0);
    let inside: Vec<u64> = (0..4)
        .map(|_| number_inside(come(&mut room, 0, 1)))
        .collect();
    let other = waits(&mut room, 0, 2);
    tell(&mut room, BEGINS);
    // What is kept from now on is taken by others yet: no more people than seats.
    assert_eq!((room.idle_reserve(), room.people().0.inside()), (2, 4));
    room.poll(Visitor::Ticket(first), at(BEGINS));
    room.poll(Visitor::Ticket(other), at(BEGINS));
    // From now on they are kept: the first two to fall free are the lane's.
    room.leave(inside[0], at(BEGINS + 1));
    assert!(told(&mut room, other, BEGINS + 2).called.is_none());
    assert!(told(&mut room, first, BEGINS + 2).called.is_some());
    clean(&mut room, BEGINS + 2);
}

#[test]
fn an_open_room_knows_no_hours_and_a_held_one_no_turn() {
    let mut room = school(4, 0);
    let ticket = waits(&mut room, GROUP, 0);
    room.set_mode(Mode::Hold, at(1));
    assert_eq!(told(&mut room, ticket, 2).reason, Some(Reason::Held));
    tell(&mut room, BEGINS);
    assert!(told(&mut room, ticket, BEGINS).called.is_none());
    tell(&mut room, ENDS);
    room.set_mode(Mode::Open, at(ENDS));
    number_inside(come(&mut room, GROUP, ENDS + 1));
}

#[test]
fn after_a_restart_nobody_is_called_outside_their_hours() {
    let mut room = school(4, 0);
    let tickets: Vec<Ticket> = (0..3).map(|_| waits(&mut room, GROUP, 10)).collect();
    let mut saved = Saved::default();
    stored(&mut room, &mut saved, 11);
    let mut room = Room::restore("test", room.rules.clone(), saved, at(20));
    room.reserve(u64::MAX);
    tell(&mut room, 20);
    for (place, ticket) in (1..).zip(&tickets) {
        let waiting = told(&mut room, *ticket, 21);
        assert_eq!((waiting.place, waiting.called), (place, None));
    }
    tell(&mut room, BEGINS);
    assert!(told(&mut room, tickets[0], BEGINS + 1).called.is_some());
}

#[test]
fn a_clock_that_is_set_changes_the_hours_and_no_place() {
    let mut room = school(1, 0);
    let [first, second] = [(); 2].map(|()| waits(&mut room, GROUP, 0));
    // The clock leaps to 8: one is called; then it is set back.
    room.set_hours(|_| slots(BEGINS), at(BEGINS), at(5));
    assert!(told(&mut room, first, 6).called.is_some());
    tell(&mut room, 7);
    number_inside(room.arrive(Visitor::Ticket(first), Ask::PAGE, at(8)));
    room.leave(first.number, at(9));
    let waiting = told(&mut room, second, 10);
    assert_eq!((waiting.place, waiting.called), (1, None));
    assert_eq!(waiting.reason, Some(Reason::Hours));
}

/// A room of 60 seats, all taken, that has seen ten minutes of visits of a minute.
fn practised(until: u64) -> Room {
    let mut room = school(60, 0);
    for second in until - 600..until {
        tell(&mut room, second);
        let oldest = room.seats.iter().min_by_key(|(_, since)| *since);
        if let Some((number, since)) = oldest
            && at(second).since(since + room.silent) >= Span::secs(60)
        {
            room.leave(number, at(second));
        }
        number_inside(come(&mut room, 0, second));
    }
    room
}

fn all_leave(room: &mut Room, secs: u64) {
    let inside: Vec<u64> = room.seats.iter().map(|(number, _)| number).collect();
    for number in inside {
        room.leave(number, at(secs));
    }
}

#[test]
fn the_promise_begins_where_the_hours_begin() {
    let mut room = practised(BEGINS - 1_000);
    all_leave(&mut room, BEGINS - 1_000);
    let ticket = waits(&mut room, GROUP, BEGINS - 1_000);
    let promise = told(&mut room, ticket, BEGINS - 1_000).promise.unwrap();
    let low = promise.low.as_secs_f64();
    assert!((1_000.0..1_010.0).contains(&low), "{promise:?}");
    assert!(promise.high < Span::secs(1_060), "{promise:?}");
    let called = live(&mut room, &[ticket], BEGINS - 999, BEGINS + 60)[0].unwrap();
    assert!(at(called).since(at(BEGINS - 1_000)) <= promise.high);
    assert_eq!(room.counts.promises_raised, 0);
    assert_eq!(room.counts.promises_scored, 1);
    assert_eq!(room.counts.promises_kept, 1);
}

#[test]
fn what_was_certain_is_not_scored() {
    let mut room = school(4, 0);
    (BEGINS - 2..BEGINS + 2).for_each(|second| tell(&mut room, second));
    let promised = |secs, low, high| Promised {
        at: at(secs),
        promise: Promise {
            low: Span::secs(low),
            high: Span::secs(high),
        },
    };
    let scored = room.since_let_in(GROUP, promised(BEGINS - 1_000, 1_001, 1_030));
    assert_eq!(scored, promised(BEGINS, 1, 30));
    let later = promised(BEGINS + 1, 10, 30);
    assert_eq!(room.since_let_in(GROUP, later), later);
    assert_eq!(room.since_let_in(0, later), later);
}

#[test]
fn hours_that_end_before_the_turn_are_said_with_the_next() {
    let mut room = practised(ENDS - 40);
    // Of some hundreds the last cannot be called within forty seconds.
    let mut tickets = Vec::new();
    for _ in 0..400 {
        if let Decision::Wait { ticket, .. } = come(&mut room, GROUP, ENDS - 40) {
            tickets.push(ticket);
        }
    }
    let [first, last] = [tickets[0], tickets[tickets.len() - 1]];
    let waiting = told(&mut room, last, ENDS - 39);
    let promise = waiting.promise.unwrap();
    assert_eq!(waiting.reason, Some(Reason::NextHours));
    assert_eq!(waiting.enters_from, Some(at(NEXT)));
    assert!(promise.low >= Span::secs(NEXT - ENDS), "{promise:?}");
    let waiting = told(&mut room, first, ENDS - 39);
    assert!(waiting.promise.unwrap().low < Span::secs(40));
}

#[test]
fn a_lane_that_is_let_in_no_more_is_promised_nothing() {
    let mut room = practised(BEGINS);
    let ticket = waits(&mut room, GROUP, BEGINS - 1);
    room.set_hours(|_| Hours::new(false, []), at(BEGINS), at(BEGINS));
    let waiting = told(&mut room, ticket, BEGINS + 1);
    assert_eq!((waiting.promise, waiting.enters_from), (None, None));
    assert_eq!(waiting.reason, Some(Reason::Hours));
    assert!(waiting.poll_after <= room.rules.keep.scale(0.5));
    let walks = room.arrive(Visitor::Newcomer, Ask::PAGE, at(BEGINS + 2));
    ticket_of(walks);
}

#[test]
fn a_line_that_waits_for_its_hours_teaches_nothing_and_wants_no_seats() {
    let mut room = practised(BEGINS - 1_000);
    all_leave(&mut room, BEGINS - 1_000);
    tell(&mut room, BEGINS - 999);
    let before = room.estimator.rates().unwrap();
    for _ in 0..500 {
        waits(&mut room, GROUP, BEGINS - 999);
    }
    assert_eq!(room.people().1, 0);
    // Nobody of them polls: they are given up.
    for second in BEGINS - 999..BEGINS - 300 {
        tell(&mut room, second);
    }
    assert_eq!(room.counts.ghosts, 500);
    // They would not have been called yet.
    assert_eq!(room.counts.promises_scored, 0);
    let after = room.estimator.rates().unwrap();
    assert_eq!(
        (after.giving_up, after.gone),
        (before.giving_up, before.gone)
    );
    assert!(after.calls > 0.9 * before.calls, "{before:?} {after:?}");
}

#[test]
fn those_who_wait_for_their_hours_keep_to_the_poll_budget() {
    let mut room = practised(BEGINS - 3_000);
    room.rules.poll_budget = 5;
    let tickets: Vec<Ticket> = (0..500)
        .map(|_| waits(&mut room, GROUP, BEGINS - 3_000))
        .collect();
    let before = room.counts.polls;
    let (from, until) = (BEGINS - 2_990, BEGINS - 1_990);
    live(&mut room, &tickets, from, until);
    // Everybody asks at once in the first second of this test; after that the budget holds.
    let polls = room.counts.polls - before - tickets.len() as u64;
    assert!(polls <= 1_000 * 6, "{polls} in 1,000 seconds");
    assert!(polls >= 1_000, "{polls}");
}

#[test]
fn those_whom_the_hours_that_are_known_cannot_hold_keep_to_the_poll_budget() {
    let mut room = practised(BEGINS - 10);
    // Those near their turn alone need seven.
    room.rules.poll_budget = 12;
    let tickets: Vec<Ticket> = (0..1_000)
        .map(|_| waits(&mut room, GROUP, BEGINS - 10))
        .collect();
    let last = |lane| match lane {
        GROUP => Hours::new(true, [at(BEGINS + 100)]),
        _ => Hours::default(),
    };
    room.set_hours(last, at(BEGINS), at(BEGINS));
    room.set_hours(last, at(BEGINS + 1), at(BEGINS + 1));
    let mut unpromised = 0;
    let mut polls = 0.0;
    for ticket in tickets {
        let standing = room.poll(Visitor::Ticket(ticket), at(BEGINS + 1));
        let Standing::Waiting { waiting, .. } = standing else {
            panic!("{standing:?}");
        };
        unpromised += u32::from(waiting.promise.is_none());
        polls += 1.0 / waiting.poll_after.as_secs_f64();
    }
    assert!(unpromised > 500, "{unpromised}");
    assert!(polls <= 12.5, "{polls} a second");
}
