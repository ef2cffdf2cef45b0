//! One-time answers of sign-ons: they pass, and nobody in line pays for it.

use super::*;

const CALLBACK: Ask = Ask {
    callback: true,
    ..Ask::PAGE
};

/// One inside, one waiting, two seats for callbacks.
fn saturated() -> (Room, u64, Ticket) {
    let (mut room, inside, tickets) = full(1);
    room.rules.callback_reserve = 2;
    (room, inside, tickets[0])
}

fn call_back(room: &mut Room, who: Visitor, secs: u64) -> (u64, Entry) {
    match room.arrive(who, CALLBACK, at(secs)) {
        Decision::Forward { number, entry } => (number, entry),
        other => panic!("a callback is held or turned away: {other:?}"),
    }
}

/// Ordinary seats taken, and those of callbacks.
fn taken(room: &mut Room, secs: u64) -> (u32, u32) {
    let status = room.status(at(secs));
    (status.taken, status.callbacks)
}

fn pass(number: u64, secs: u64) -> Visitor {
    Visitor::Pass(Pass {
        number,
        issued: at(secs),
    })
}

#[test]
fn a_callback_of_somebody_inside_is_as_any_request() {
    let (mut room, inside, _) = saturated();
    let answer = call_back(&mut room, pass(inside, 0), 1);
    assert_eq!(answer, (inside, Entry::Inside));
    assert_eq!(taken(&mut room, 1), (1, 0));
}

#[test]
fn an_unsaturated_room_takes_a_callback_as_anybody() {
    let mut room = room(1);
    let (_, entry) = call_back(&mut room, Visitor::Newcomer, 0);
    assert_eq!((entry, taken(&mut room, 0)), (Entry::Straight, (1, 0)));
}

#[test]
fn a_callback_takes_a_seat_of_its_reserve_and_then_passes_without_one() {
    let (mut room, _, ticket) = saturated();
    let (number, entry) = call_back(&mut room, Visitor::Newcomer, 1);
    assert_eq!((entry, taken(&mut room, 1)), (Entry::Callback, (1, 1)));
    let page = room.arrive(pass(number, 1), Ask::PAGE, at(2));
    assert!(matches!(
        page,
        Decision::Forward {
            entry: Entry::Inside,
            ..
        }
    ));
    assert_eq!(
        call_back(&mut room, Visitor::Newcomer, 2).1,
        Entry::Callback
    );
    assert_eq!(
        call_back(&mut room, Visitor::Newcomer, 3).1,
        Entry::Unseated
    );
    let status = room.status(at(4));
    assert_eq!((status.taken, status.callbacks), (1, 2));
    assert_eq!(
        (status.counts.callbacks, status.counts.callbacks_only),
        (2, 1)
    );
    // The one in line has not moved, neither back nor forth.
    assert_eq!(told(&mut room, ticket, 4).place, 1);
    clean(&mut room, 4);
}

#[test]
fn who_waits_keeps_the_place_when_there_is_no_seat_and_needs_none_with_one() {
    let (mut room, _, ticket) = saturated();
    room.rules.callback_reserve = 1;
    let second = ticket_of(come(&mut room, 1));
    assert_eq!(
        call_back(&mut room, Visitor::Newcomer, 2).1,
        Entry::Callback
    );
    assert_eq!(
        call_back(&mut room, Visitor::Ticket(second), 3).1,
        Entry::Unseated
    );
    assert_eq!(told(&mut room, second, 4).place, 2);
    room.rules.callback_reserve = 2;
    let answer = call_back(&mut room, Visitor::Ticket(second), 5);
    assert_eq!(answer, (second.number, Entry::Callback));
    assert_eq!(room.status(at(5)).waiting, 1);
    assert_eq!(told(&mut room, ticket, 5).place, 1);
    clean(&mut room, 5);
}

/// However many callbacks come, the seat that falls free is for the first in line.
#[test]
fn callbacks_take_no_seat_from_those_who_wait() {
    let (mut room, inside, ticket) = saturated();
    for second in 1..4 {
        call_back(&mut room, Visitor::Newcomer, second);
    }
    room.leave(inside, at(4));
    for second in 4..7 {
        call_back(&mut room, Visitor::Newcomer, second);
    }
    assert!(told(&mut room, ticket, 7).called.is_some());
    assert_eq!(taken(&mut room, 7), (0, 2));
    number_inside(room.arrive(Visitor::Ticket(ticket), Ask::PAGE, at(8)));
    assert_eq!(taken(&mut room, 8), (1, 2));
    clean(&mut room, 8);
}

#[test]
fn a_seat_that_falls_free_while_nobody_is_called_is_kept_for_the_line() {
    let (mut room, inside, ticket) = saturated();
    call_back(&mut room, Visitor::Newcomer, 1);
    room.set_mode(Mode::Hold, at(2));
    room.leave(inside, at(3));
    assert_eq!(taken(&mut room, 4), (0, 1));
    room.set_mode(Mode::Queue, at(5));
    assert!(told(&mut room, ticket, 5).called.is_some());
    clean(&mut room, 5);
}

#[test]
fn its_seat_becomes_an_ordinary_one_when_one_is_free_and_nobody_waits() {
    let (mut room, inside, ticket) = saturated();
    call_back(&mut room, Visitor::Newcomer, 1);
    room.leave(ticket.number, at(2));
    assert_eq!(taken(&mut room, 2), (1, 1), "no ordinary seat is free");
    room.leave(inside, at(3));
    assert_eq!(taken(&mut room, 3), (1, 0));
    ticket_of(come(&mut room, 4));
    clean(&mut room, 4);
}

#[test]
fn the_second_seat_of_a_visitor_goes_back_at_once() {
    let (mut room, inside, _) = saturated();
    let (spare, _) = call_back(&mut room, Visitor::Newcomer, 1);
    room.give_back(spare, at(2));
    let status = room.status(at(2));
    assert_eq!((status.taken, status.callbacks), (1, 0));
    assert_eq!(
        (status.counts.callbacks_known, status.counts.logouts),
        (1, 0)
    );
    assert!(room.holds_seat(pass(inside, 0)));
}

#[test]
fn a_callback_passes_whatever_the_room_does() {
    for mode in [Mode::Hold, Mode::Closed] {
        let (mut room, ..) = saturated();
        room.set_mode(mode, at(1));
        assert_eq!(
            call_back(&mut room, Visitor::Newcomer, 2).1,
            Entry::Unseated
        );
    }
    let (mut room, ..) = saturated();
    room.set_portal(false, at(1));
    assert_eq!(
        call_back(&mut room, Visitor::Newcomer, 2).1,
        Entry::Unseated
    );
    let mut room = Room::new("test", rules(1), 0, Millis(0));
    assert_eq!(
        call_back(&mut room, Visitor::Newcomer, 2).1,
        Entry::Unseated,
        "no number"
    );
}

#[test]
fn a_callback_of_a_lapsed_pass_passes_also_when_it_is_a_form() {
    let mut room = room(1);
    room.rules.reserve = 0;
    room.rules.callback_reserve = 1;
    let lapsed = number_inside(come(&mut room, 0));
    room.finish(lapsed, true, at(0));
    room.arrive(pass(lapsed, 0), Ask::PAGE, at(1));
    room.finish(lapsed, true, at(1));
    for second in 0..70 {
        room.tick(at(second * 10));
    }
    number_inside(come(&mut room, 700));
    let form = Ask {
        work: true,
        ..CALLBACK
    };
    let answer = room.arrive(pass(lapsed, 0), form, at(701));
    assert!(matches!(
        answer,
        Decision::Forward {
            entry: Entry::Callback,
            ..
        }
    ));
    clean(&mut room, 701);
}

#[test]
fn a_callback_with_an_old_pass_takes_the_call_with_it() {
    let (mut room, inside, tickets) = full(2);
    room.leave(inside, at(5));
    assert!(told(&mut room, tickets[0], 5).called.is_some());
    // An old tab still holds a pass of the same number.
    let answer = room.arrive(pass(tickets[0].number, 0), CALLBACK, at(6));
    number_inside(answer);
    room.set_portal(false, at(7));
    assert_eq!(
        told(&mut room, tickets[1], 8).place,
        1,
        "nobody stands before"
    );
    assert_eq!(room.status(at(8)).waiting, 1);
    clean(&mut room, 8);
}
