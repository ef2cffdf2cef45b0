//! A bound on newcomers, as those who come live it.

use super::restart::stored;
use super::*;

fn bounded(seats: u32, per_minute: u32) -> Room {
    let rules = Rules {
        per_minute: Some(per_minute),
        ..rules(seats)
    };
    let mut room = Room::new("test", rules, 0, Millis(0));
    room.reserve(u64::MAX);
    room
}

fn claim(room: &mut Room, ticket: Ticket, secs: u64) -> u64 {
    number_inside(room.arrive(Visitor::Ticket(ticket), Ask::PAGE, at(secs)))
}

/// When each of these is called, while all ask every second and whoever is called comes in.
fn called_at(room: &mut Room, tickets: &[Ticket], secs: std::ops::Range<u64>) -> Vec<u64> {
    let mut called = Vec::new();
    let mut waiting = tickets.to_vec();
    for second in secs {
        room.tick(at(second));
        waiting.retain(|ticket| {
            let goes_in = told(room, *ticket, second).called.is_some();
            if goes_in {
                claim(room, *ticket, second);
                called.push(second);
            }
            !goes_in
        });
    }
    called
}

#[test]
fn people_wait_although_seats_are_free_and_go_in_one_by_one() {
    let mut room = bounded(1_000, 60);
    number_inside(come(&mut room, 0));
    let tickets: Vec<Ticket> = (0..20).map(|_| ticket_of(come(&mut room, 0))).collect();
    assert_eq!(
        called_at(&mut room, &tickets, 0..60),
        (1..21).collect::<Vec<_>>()
    );
    number_inside(come(&mut room, 61));
    clean(&mut room, 61);
}

#[test]
fn one_a_minute_and_nobody_goes_in_past_the_line() {
    let mut room = bounded(1_000, 1);
    number_inside(come(&mut room, 0));
    let tickets = [ticket_of(come(&mut room, 1)), ticket_of(come(&mut room, 2))];
    for second in 3..60 {
        for ticket in &tickets {
            told(&mut room, *ticket, second);
        }
    }
    // The minute is over at this very instant: the token is for the first in line.
    let third = ticket_of(come(&mut room, 60));
    assert!(told(&mut room, tickets[0], 60).called.is_some());
    assert_eq!(told(&mut room, third, 60).place, 2);
    assert_eq!(room.next_wake(at(60)), at(61), "at the next refresh");
    clean(&mut room, 60);
}

#[test]
fn the_room_wants_to_be_woken_when_the_next_may_go_in() {
    let mut room = bounded(1_000, 100);
    for _ in 0..2 {
        come(&mut room, 0);
    }
    assert_eq!(room.next_wake(at(0)), Millis(600));
}

#[test]
fn the_wait_is_promised_from_the_first_second_and_kept() {
    let mut room = bounded(1_000, 30);
    number_inside(come(&mut room, 0));
    let tickets: Vec<Ticket> = (0..40).map(|_| ticket_of(come(&mut room, 0))).collect();
    for (place, ticket) in (1..).zip(&tickets) {
        let promise = told(&mut room, *ticket, 0).promise.expect("it is known");
        assert_eq!(promise.low, Span::secs(2 * place));
        assert!(promise.high < Span::secs(2 * place).scale(1.11) + Span::secs(16));
    }
    let called = called_at(&mut room, &tickets, 0..90);
    assert_eq!(called, (1..=40).map(|place| 2 * place).collect::<Vec<_>>());
}

#[test]
fn beyond_the_free_seats_nobody_knows_before_somebody_has_left() {
    let mut room = bounded(5, 60);
    number_inside(come(&mut room, 0));
    let tickets: Vec<Ticket> = (0..6).map(|_| ticket_of(come(&mut room, 0))).collect();
    assert!(told(&mut room, tickets[3], 0).promise.is_some());
    assert!(told(&mut room, tickets[4], 0).promise.is_none());
}

#[test]
fn whoever_comes_back_to_a_pass_is_no_newcomer() {
    let mut room = bounded(1_000, 1);
    let pass = Pass {
        number: number_inside(come(&mut room, 0)),
        issued: at(0),
    };
    room.finish(pass.number, true, at(0));
    // Its seat is given back, as it was not shown; and then it is.
    for second in 0..50 {
        room.tick(at(second * 3));
    }
    number_inside(come(&mut room, 149));
    let again = room.arrive(Visitor::Pass(pass), Ask::PAGE, at(150));
    assert!(matches!(
        again,
        Decision::Forward {
            entry: Entry::Again,
            ..
        }
    ));
    assert!(!room.newcomers.may(at(150)));
}

#[test]
fn a_call_that_nobody_takes_is_for_the_next() {
    let mut room = bounded(1_000, 1);
    number_inside(come(&mut room, 0));
    let gone = ticket_of(come(&mut room, 1));
    let next = ticket_of(come(&mut room, 1));
    for second in 2..=60 {
        told(&mut room, gone, second);
        told(&mut room, next, second);
    }
    assert!(told(&mut room, gone, 60).called.is_some());
    // The next would be called at 120. Nobody has come by 150; so it is not a minute lost.
    for second in 61..=119 {
        assert!(told(&mut room, next, second).called.is_none());
    }
    assert!(told(&mut room, next, 120).called.is_some());
    room.leave(next.number, at(121));
    number_inside(come(&mut room, 121));
    ticket_of(come(&mut room, 121));
    clean(&mut room, 121);
}

#[test]
fn a_callback_passes_and_others_wait_for_it() {
    let callback = Ask {
        callback: true,
        ..Ask::PAGE
    };
    let mut room = bounded(1_000, 60);
    number_inside(come(&mut room, 0));
    let ticket = ticket_of(come(&mut room, 0));
    for _ in 0..3 {
        let passes = room.arrive(Visitor::Newcomer, callback, at(0));
        assert!(matches!(
            passes,
            Decision::Forward {
                entry: Entry::Callback,
                ..
            }
        ));
    }
    assert_eq!(called_at(&mut room, &[ticket], 0..10), [4]);
}

#[test]
fn a_lane_with_seats_of_its_own_goes_in_by_its_weight() {
    let mut rules = Rules {
        per_minute: Some(60),
        ..rules(100)
    };
    rules.lanes.push(LaneRules {
        name: "teachers".to_owned(),
        seats: 20,
        ..LaneRules::default()
    });
    let mut room = Room::new("test", rules, 0, Millis(0));
    room.reserve(u64::MAX);
    let teacher = Ask {
        lane: 1,
        ..Ask::PAGE
    };
    number_inside(come(&mut room, 0));
    let pupils: Vec<Ticket> = (0..10).map(|_| ticket_of(come(&mut room, 0))).collect();
    let mut went_in = 0;
    for second in 1..=10 {
        for pupil in &pupils {
            room.poll(Visitor::Ticket(*pupil), at(second));
        }
        let decision = room.arrive(Visitor::Newcomer, teacher, at(second));
        went_in += u32::from(matches!(decision, Decision::Forward { .. }));
    }
    let status = room.status(at(10));
    assert_eq!(went_in, 0, "they wait, too");
    assert_eq!(status.counts.calls, 10);
    assert!(
        (4..=6).contains(&status.lanes[1].calls_total),
        "{:?}",
        status.lanes
    );
    clean(&mut room, 10);
}

#[test]
fn a_restart_and_an_open_door_save_nothing_up() {
    let mut room = bounded(1_000, 60);
    number_inside(come(&mut room, 0));
    let tickets: Vec<Ticket> = (0..5).map(|_| ticket_of(come(&mut room, 0))).collect();
    let mut saved = Saved::default();
    stored(&mut room, &mut saved, 0);
    let mut room = Room::restore("test", room.rules().clone(), saved, at(100));
    assert_eq!(
        called_at(&mut room, &tickets, 100..110),
        [101, 102, 103, 104, 105]
    );

    // Whoever goes through an open door is counted, and owes nothing.
    let mut room = bounded(1_000, 60);
    room.set_mode(Mode::Open, at(0));
    for _ in 0..500 {
        number_inside(come(&mut room, 0));
    }
    room.set_mode(Mode::Queue, at(0));
    let ticket = ticket_of(come(&mut room, 0));
    assert_eq!(called_at(&mut room, &[ticket], 0..10), [1]);
}

#[test]
fn a_room_that_observes_counts_who_would_wait_for_it() {
    let mut room = bounded(1_000, 60);
    room.set_mode(Mode::Observe, at(0));
    for _ in 0..5 {
        number_inside(come(&mut room, 0));
    }
    assert_eq!(room.status(at(0)).counts.would_wait, 4);
    (0..5).for_each(|second| room.tick(at(second)));
    assert_eq!(room.observed().map(|it| it.waiting), Some(0));
}
