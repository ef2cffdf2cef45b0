//! The room as its visitors live it: promises of the design, one by one.

mod callbacks;
mod faceless;
mod hours;
mod invariants;
mod lanes;
mod newcomers;
mod observing;
mod opening;
mod promises;
mod random;
mod restart;
mod stalls;

use super::*;

const SECOND: u64 = 1_000;

fn rules(seats: u32) -> Rules {
    Rules {
        seats,
        idle: Span::secs(600),
        claim: Span::secs(90),
        keep: Span::mins(5),
        ..Rules::default()
    }
}

fn room(seats: u32) -> Room {
    let mut room = Room::new("test", rules(seats), 0, Millis(0));
    room.reserve(u64::MAX);
    room
}

fn at(secs: u64) -> Millis {
    Millis(secs * SECOND)
}

fn come(room: &mut Room, secs: u64) -> Decision {
    room.arrive(Visitor::Newcomer, Ask::PAGE, at(secs))
}

fn ticket_of(decision: Decision) -> Ticket {
    match decision {
        Decision::Wait { ticket, .. } => ticket,
        other => panic!("expected a ticket, got {other:?}"),
    }
}

fn number_inside(decision: Decision) -> u64 {
    match decision {
        Decision::Forward { number, .. } => number,
        other => panic!("expected to be forwarded, got {other:?}"),
    }
}

fn told(room: &mut Room, ticket: Ticket, secs: u64) -> Waiting {
    match room.poll(Visitor::Ticket(ticket), at(secs)) {
        Standing::Waiting { waiting, .. } => waiting,
        other => panic!("expected to wait, got {other:?}"),
    }
}

/// One inside, `n` waiting.
fn full(n: usize) -> (Room, u64, Vec<Ticket>) {
    let mut room = room(1);
    let inside = number_inside(come(&mut room, 0));
    let tickets = (0..n).map(|_| ticket_of(come(&mut room, 0))).collect();
    (room, inside, tickets)
}

fn clean(room: &mut Room, secs: u64) {
    let counts = room.status(at(secs)).counts;
    assert_eq!((counts.queue_jumps, counts.seat_overshoot), (0, 0));
    assert_eq!(counts.stalled_millis, 0);
}

#[test]
fn an_unsaturated_room_is_invisible() {
    let mut room = room(2);
    assert!(matches!(
        come(&mut room, 0),
        Decision::Forward {
            entry: Entry::Straight,
            ..
        }
    ));
    assert_eq!(room.status(at(0)).taken, 1);
}

#[test]
fn a_full_room_gives_places_in_order_of_arrival() {
    let (mut room, _, tickets) = full(3);
    let places: Vec<u64> = tickets
        .iter()
        .map(|t| told(&mut room, *t, 1).place)
        .collect();
    assert_eq!(places, [1, 2, 3]);
}

#[test]
fn a_freed_seat_goes_to_the_first_in_line_and_not_to_a_newcomer() {
    let (mut room, inside, tickets) = full(2);
    room.leave(inside, at(5));
    // The newcomer arrives at the very instant the seat frees.
    ticket_of(come(&mut room, 5));
    assert!(told(&mut room, tickets[0], 5).called.is_some());
    assert!(told(&mut room, tickets[1], 5).called.is_none());
    let came = room.arrive(Visitor::Ticket(tickets[0]), Ask::PAGE, at(6));
    assert!(matches!(
        came,
        Decision::Forward {
            entry: Entry::Called,
            ..
        }
    ));
    clean(&mut room, 6);
}

#[test]
fn a_call_reserves_its_seat() {
    let (mut room, inside, _) = full(0);
    let ticket = ticket_of(come(&mut room, 0));
    room.leave(inside, at(5));
    for second in 5..15 {
        ticket_of(come(&mut room, second));
    }
    let status = room.status(at(15));
    assert_eq!((status.taken, status.called), (0, 1));
    number_inside(room.arrive(Visitor::Ticket(ticket), Ask::PAGE, at(16)));
    clean(&mut room, 16);
}

#[test]
fn a_second_tab_shares_the_place_and_the_seat() {
    let (mut room, inside, tickets) = full(1);
    room.leave(inside, at(5));
    let first = number_inside(room.arrive(Visitor::Ticket(tickets[0]), Ask::PAGE, at(6)));
    let second = number_inside(room.arrive(Visitor::Ticket(tickets[0]), Ask::PAGE, at(6)));
    assert_eq!(first, second);
    assert_eq!(room.status(at(6)).taken, 1);
}

#[test]
fn a_ticket_never_shown_again_is_gone_when_its_first_poll_is_overdue() {
    let (mut room, _, tickets) = full(2);
    for second in 0..30 {
        told(&mut room, tickets[1], second);
        room.tick(at(second));
    }
    assert_eq!(told(&mut room, tickets[1], 30).place, 1);
    assert_eq!(room.status(at(30)).counts.ghosts, 1);
    // Within the grace its holder finds the old place.
    assert_eq!(told(&mut room, tickets[0], 40).place, 1);
    assert_eq!(told(&mut room, tickets[1], 40).place, 2);
}

#[test]
fn a_place_is_kept_while_polls_are_missing_and_then_given_up() {
    let (mut room, _, tickets) = full(2);
    told(&mut room, tickets[0], 1);
    told(&mut room, tickets[1], 1);
    for second in (2..290).step_by(5) {
        assert_eq!(told(&mut room, tickets[1], second).place, 2);
    }
    assert_eq!(told(&mut room, tickets[0], 290).place, 1);
    for second in (290..690).step_by(5) {
        told(&mut room, tickets[1], second);
    }
    assert_eq!(told(&mut room, tickets[1], 690).place, 1);
    assert_eq!(
        room.poll(Visitor::Ticket(tickets[0]), at(690)),
        Standing::Outside
    );
}

#[test]
fn the_line_goes_on_when_the_next_ten_have_left() {
    let (mut room, inside, tickets) = full(11);
    told(&mut room, tickets[10], 1);
    for ticket in &tickets[..10] {
        told(&mut room, *ticket, 1);
    }
    for second in (5..60).step_by(5) {
        told(&mut room, tickets[10], second);
    }
    room.leave(inside, at(60));
    assert!(told(&mut room, tickets[10], 60).called.is_some());
    assert_eq!(room.status(at(60)).counts.passed_over, 10);
    // One of them comes back within the grace: first when the next seat frees.
    assert_eq!(told(&mut room, tickets[3], 61).place, 1);
    clean(&mut room, 61);
}

#[test]
fn a_latecomer_within_the_grace_goes_in_first() {
    let (mut room, inside, tickets) = full(3);
    let keep_alive = |room: &mut Room, from: u64, to: u64| {
        for second in (from..to).step_by(5) {
            told(room, tickets[1], second);
            told(room, tickets[2], second);
        }
    };
    told(&mut room, tickets[0], 4);
    room.leave(inside, at(5));
    keep_alive(&mut room, 5, 100);
    // The window of the first has passed: the second is called.
    assert!(told(&mut room, tickets[1], 100).called.is_some());
    let second = number_inside(room.arrive(Visitor::Ticket(tickets[1]), Ask::PAGE, at(101)));
    assert_eq!(told(&mut room, tickets[0], 102).place, 1);
    assert_eq!(told(&mut room, tickets[2], 102).place, 2);
    room.leave(second, at(103));
    assert!(told(&mut room, tickets[0], 104).called.is_some());
    assert!(told(&mut room, tickets[2], 104).called.is_none());
    clean(&mut room, 104);
}

#[test]
fn calls_are_paced_and_never_a_batch() {
    let mut room = room(60);
    let inside: Vec<u64> = (0..60).map(|_| number_inside(come(&mut room, 0))).collect();
    let tickets: Vec<Ticket> = (0..200).map(|_| ticket_of(come(&mut room, 0))).collect();
    for ticket in &tickets {
        told(&mut room, *ticket, 1);
    }
    for number in inside {
        room.leave(number, at(10));
    }
    assert!(room.status(at(10)).called <= 2);
    assert!(room.status(at(15)).called <= 12);
}

#[test]
fn a_portal_that_is_down_stops_calls_and_keeps_places() {
    let (mut room, inside, tickets) = full(2);
    room.leave(inside, at(5));
    assert!(told(&mut room, tickets[0], 5).called.is_some());
    room.set_portal(false, at(6));
    for second in (6..600).step_by(10) {
        let waiting = told(&mut room, tickets[0], second);
        assert_eq!((waiting.place, waiting.called), (1, None));
        assert_eq!(
            (waiting.promise, waiting.reason),
            (None, Some(Reason::PortalDown))
        );
        assert_eq!(told(&mut room, tickets[1], second).place, 2);
    }
    assert_eq!(
        ticket_of(come(&mut room, 600)).number,
        tickets[1].number + 1
    );
    room.set_portal(true, at(601));
    assert_eq!(told(&mut room, tickets[0], 601).called, None, "gently");
    assert!(told(&mut room, tickets[0], 603).called.is_some());
    clean(&mut room, 603);
}

#[test]
fn a_guess_takes_neither_ticket_nor_seat() {
    let guess = Ask {
        guess: true,
        ..Ask::PAGE
    };
    let mut room = room(1);
    let answer = room.arrive(Visitor::Newcomer, guess, at(0));
    assert_eq!(answer, Decision::Refuse(Refusal::Guess));
    let inside = number_inside(come(&mut room, 1));
    let ticket = ticket_of(come(&mut room, 1));
    room.leave(inside, at(2));
    let answer = room.arrive(Visitor::Ticket(ticket), guess, at(3));
    assert!(matches!(answer, Decision::Wait { waiting, .. } if waiting.called.is_some()));
    assert_eq!(room.status(at(3)).taken, 0);
    // Where everybody goes in, it does as well, and is no visitor.
    room.set_mode(Mode::Observe, at(4));
    let answer = room.arrive(Visitor::Newcomer, guess, at(4));
    let Decision::Forward { number, entry } = answer else {
        panic!("{answer:?}");
    };
    room.finish(number, true, at(5));
    let status = room.status(at(5));
    assert_eq!((entry, status.taken), (Entry::Passing, 0));
    assert_eq!(status.counts.passed_by, 1);
}

#[test]
fn the_work_of_somebody_whose_pass_has_just_lapsed_passes() {
    let mut room = room(1);
    let pass = Pass {
        number: number_inside(come(&mut room, 0)),
        issued: at(0),
    };
    room.finish(pass.number, true, at(0));
    room.arrive(Visitor::Pass(pass), Ask::PAGE, at(1));
    room.finish(pass.number, true, at(1));
    for second in 0..70 {
        room.tick(at(second * 10));
    }
    number_inside(come(&mut room, 700));
    ticket_of(come(&mut room, 700));
    let work = Ask {
        work: true,
        ..Ask::PAGE
    };
    let answer = room.arrive(Visitor::Pass(pass), work, at(710));
    assert!(matches!(
        answer,
        Decision::Forward {
            entry: Entry::Again,
            ..
        }
    ));
    clean(&mut room, 710);
    // But not for ever.
    room.leave(pass.number, at(711));
    for second in 71..160 {
        room.tick(at(second * 10));
    }
    let answer = room.arrive(Visitor::Pass(pass), work, at(1_600));
    assert!(!matches!(
        answer,
        Decision::Forward {
            entry: Entry::Again,
            ..
        }
    ));
}

#[test]
fn closed_takes_nobody_and_hold_keeps_the_line() {
    let (mut room, inside, tickets) = full(1);
    room.set_mode(Mode::Hold, at(1));
    room.leave(inside, at(2));
    let waiting = told(&mut room, tickets[0], 3);
    assert_eq!((waiting.called, waiting.reason), (None, Some(Reason::Held)));
    ticket_of(come(&mut room, 3));
    room.set_mode(Mode::Closed, at(4));
    assert_eq!(come(&mut room, 4), Decision::Refuse(Refusal::Closed));
    assert_eq!(told(&mut room, tickets[0], 5).place, 1);
    room.set_mode(Mode::Open, at(6));
    number_inside(come(&mut room, 6));
    number_inside(room.arrive(Visitor::Ticket(tickets[0]), Ask::PAGE, at(7)));
}

#[test]
fn fewer_seats_come_about_by_attrition() {
    let mut room = room(3);
    let numbers: Vec<u64> = (0..3).map(|_| number_inside(come(&mut room, 0))).collect();
    room.set_seats(1, at(1));
    for number in &numbers {
        let pass = Pass {
            number: *number,
            issued: at(0),
        };
        number_inside(room.arrive(Visitor::Pass(pass), Ask::PAGE, at(2)));
    }
    let ticket = ticket_of(come(&mut room, 2));
    room.leave(numbers[0], at(3));
    room.leave(numbers[1], at(3));
    assert!(told(&mut room, ticket, 4).called.is_none());
    room.leave(numbers[2], at(5));
    assert!(told(&mut room, ticket, 6).called.is_some());
    clean(&mut room, 6);
}

#[test]
fn no_number_is_given_out_before_the_store_confirms_it() {
    let mut room = Room::new("test", rules(1), 0, Millis(0));
    assert_eq!(come(&mut room, 0), Decision::Refuse(Refusal::NoNumber));
    room.reserve(1);
    number_inside(come(&mut room, 0));
    assert_eq!(come(&mut room, 0), Decision::Refuse(Refusal::NoNumber));
}

#[test]
fn our_own_silence_is_not_held_against_anybody() {
    let (mut room, _, tickets) = full(2);
    told(&mut room, tickets[0], 1);
    // The machine was suspended for a day.
    let waiting = told(&mut room, tickets[1], 86_400);
    assert_eq!(waiting.place, 2);
    assert_eq!(room.status(at(86_401)).taken, 1);
}

#[test]
fn a_forgotten_page_takes_no_place_and_no_call() {
    let ping = Ask {
        renews: false,
        ..Ask::PAGE
    };
    let (mut room, inside, tickets) = full(1);
    let nobody = room.arrive(Visitor::Newcomer, ping, at(1));
    assert_eq!(nobody, Decision::Refuse(Refusal::Guess));
    room.leave(inside, at(2));
    let called = room.arrive(Visitor::Ticket(tickets[0]), ping, at(3));
    assert!(matches!(called, Decision::Wait { waiting, .. } if waiting.called.is_some()));
    assert_eq!(room.status(at(3)).taken, 0);
    number_inside(room.arrive(Visitor::Ticket(tickets[0]), Ask::PAGE, at(4)));
}

#[test]
fn what_passes_by_does_so_while_there_is_room() {
    let passing = Ask {
        passing: true,
        ..Ask::PAGE
    };
    let mut room = room(1);
    let answer = room.arrive(Visitor::Newcomer, passing, at(0));
    let passes = |answer| {
        matches!(
            answer,
            Decision::Forward {
                entry: Entry::Passing,
                ..
            }
        )
    };
    assert!(passes(answer));
    assert_eq!(room.status(at(0)).taken, 0);
    number_inside(come(&mut room, 1));
    let answer = room.arrive(Visitor::Newcomer, passing, at(1));
    assert_eq!(answer, Decision::Refuse(Refusal::Guess));
}

#[test]
fn a_dead_cookie_is_known_as_such() {
    let (mut room, inside, tickets) = full(1);
    let pass = Visitor::Pass(Pass {
        number: inside,
        issued: at(0),
    });
    assert!(!room.knows(Visitor::Newcomer, at(1)));
    assert!(room.knows(pass, at(1)) && room.knows(Visitor::Ticket(tickets[0]), at(1)));
    room.leave(inside, at(2));
    room.leave(tickets[0].number, at(2));
    assert!(!room.knows(pass, at(3)) && !room.knows(Visitor::Ticket(tickets[0]), at(3)));
}

#[test]
fn passing_over_has_a_bound() {
    let (mut room, inside, tickets) = full(5_000);
    for ticket in &tickets {
        told(&mut room, *ticket, 1);
    }
    // Nobody polls for a while, but we run.
    for second in 1..100 {
        room.tick(at(second));
    }
    room.leave(inside, at(100));
    assert_eq!(room.status(at(100)).counts.passed_over % 1_024, 0);
    assert!(room.status(at(100)).waiting > 0);
}
