//! Clients that never bring a cookie back, and schools that look like one.

use super::*;
use std::collections::BTreeSet;

/// A program at some address; `0`: a browser, of which no more is known.
fn client(key: u64) -> Ask {
    Ask {
        client: (key > 0).then_some(Client { key }),
        ..Ask::PAGE
    }
}

const PROGRAM: u64 = 7;

fn pass(number: u64, secs: u64) -> Visitor {
    Visitor::Pass(Pass {
        number,
        issued: at(secs),
    })
}

/// The seat and the number on the pass.
fn seat_and_pass(decision: Decision) -> (u64, u64) {
    match decision {
        Decision::Forward {
            number,
            entry: Entry::Lent { own },
        } => (number, own),
        other => {
            let number = number_inside(other);
            (number, number)
        }
    }
}

fn knock(room: &mut Room, ask: Ask, secs: u64) -> Decision {
    let decision = room.arrive(Visitor::Newcomer, ask, at(secs));
    if let Decision::Forward { number, .. } = decision {
        room.finish(number, true, at(secs));
    }
    decision
}

#[test]
fn a_script_without_cookies_holds_one_seat() {
    let mut room = room(300);
    let mut seats = BTreeSet::new();
    let mut passes = BTreeSet::new();
    for second in 0..1_000 {
        let knock = knock(&mut room, client(PROGRAM), second * 10);
        let (seat, pass) = seat_and_pass(knock);
        assert!(passes.insert(pass), "nobody gets the number of another");
        if second >= 20 {
            seats.insert(seat);
        }
    }
    assert_eq!(seats.len(), 1, "one and the same");
    assert_eq!(room.status(at(10_000)).taken, 1);
    clean(&mut room, 10_000);
}

/// Each second, in front of a full room: its place grows old, and its turn comes.
#[test]
fn a_script_without_cookies_holds_one_place_and_is_called() {
    let mut room = room(1);
    let inside = number_inside(come(&mut room, 0));
    let held = Visitor::Pass(Pass {
        number: inside,
        issued: at(0),
    });
    let before = ticket_of(come(&mut room, 0));
    let mut given = BTreeSet::new();
    for second in 1..200 {
        given.insert(ticket_of(knock(&mut room, client(PROGRAM), second)).number);
        room.arrive(held, Ask::PAGE, at(second));
        room.finish(inside, true, at(second));
        told(&mut room, before, second);
    }
    assert_eq!(given.len(), 199, "nobody gets the number of another");
    assert_eq!(
        room.status(at(200)).waiting,
        2,
        "its own, and the one before"
    );
    // A newcomer stands behind it.
    let late = ticket_of(come(&mut room, 200));
    room.leave(before.number, at(200));
    room.leave(inside, at(201));
    let number = number_inside(knock(&mut room, client(PROGRAM), 203));
    assert_eq!(Some(&number), given.first(), "the first that it was given");
    let (seat, own) = seat_and_pass(knock(&mut room, client(PROGRAM), 204));
    assert!(seat == number && own != number);
    let status = room.status(at(204));
    assert_eq!((status.taken, status.waiting), (1, 1));
    assert!(told(&mut room, late, 205).called.is_none());
    // It goes away, and the next is called.
    for second in 205..320 {
        told(&mut room, late, second);
    }
    assert!(told(&mut room, late, 320).called.is_some());
    clean(&mut room, 320);
}

/// All in a minute, from one address, with one program; everybody's page asks for more.
#[test]
fn a_school_of_300_has_300_places() {
    for key in [0, PROGRAM] {
        let mut room = room(1);
        number_inside(come(&mut room, 0));
        let mut tickets: Vec<(u64, Ticket)> = Vec::new();
        for pupil in 0..300 {
            let now = pupil / 5;
            tickets.push((now, ticket_of(knock(&mut room, client(key), now))));
            // A poll follows after five seconds.
            for (_, ticket) in tickets.iter().filter(|(since, _)| now == since + 5) {
                told(&mut room, *ticket, now);
            }
        }
        let numbers: BTreeSet<u64> = tickets.iter().map(|(_, ticket)| ticket.number).collect();
        assert_eq!(numbers.len(), 300);
        assert_eq!(room.status(at(60)).waiting, 300);
        clean(&mut room, 60);
    }
}

/// A room that is not full: everybody's pictures show the pass within a second.
#[test]
fn a_school_of_300_has_300_seats() {
    for key in [0, PROGRAM] {
        let mut room = room(300);
        let mut numbers = BTreeSet::new();
        for pupil in 0..300 {
            let now = 1 + pupil / 5;
            let number = number_inside(knock(&mut room, client(key), now));
            numbers.insert(number);
            let pass = Visitor::Pass(Pass {
                number,
                issued: at(now),
            });
            room.arrive(pass, Ask::PAGE, at(now));
            room.finish(number, true, at(now));
        }
        assert_eq!(numbers.len(), 300);
        assert_eq!(room.status(at(60)).taken, 300);
    }
}

/// One cookie that comes back clears all who are alike.
#[test]
fn whoever_shows_a_number_after_all_is_no_such_client() {
    let mut room = room(1);
    number_inside(come(&mut room, 0));
    for second in 0..80 {
        ticket_of(knock(&mut room, client(PROGRAM), second));
    }
    assert_eq!(room.status(at(80)).waiting, 1);
    let somebody = ticket_of(knock(&mut room, client(PROGRAM), 80));
    assert_eq!(
        told(&mut room, somebody, 81).place,
        2,
        "a place of their own"
    );
    for second in 82..130 {
        ticket_of(knock(&mut room, client(PROGRAM), second));
    }
    assert!(room.status(at(130)).waiting > 2, "nothing is held any more");
    // Nor was it ever for another client.
    let stranger = ticket_of(knock(&mut room, client(8), 130));
    assert!(told(&mut room, stranger, 131).place > 2);
}

/// Nobody who is alike is there twice: each shows a pass of their own, a minute later.
#[test]
fn those_who_sign_on_elsewhere_have_a_seat_each() {
    for key in [0, PROGRAM] {
        let mut room = room(30);
        let mut passes = Vec::new();
        for pupil in 0..30 {
            let (seat, own) = seat_and_pass(knock(&mut room, client(key), pupil * 2));
            assert_eq!(seat, own, "{pupil}");
            room.send_away(seat, at(pupil * 2));
            passes.push(own);
        }
        for (pupil, number) in (0..).zip(&passes) {
            let back = room.arrive(pass(*number, pupil * 2), Ask::PAGE, at(60 + pupil * 2));
            assert_eq!(number_inside(back), *number);
            room.finish(*number, true, at(60 + pupil * 2));
        }
        assert_eq!(room.status(at(120)).taken, 30);
        assert_eq!(room.status(at(120)).counts.faceless, 0);
        clean(&mut room, 120);
    }
}

/// Also if nothing is seen of where they are.
#[test]
fn those_who_are_taken_for_one_have_a_number_each_and_no_work_is_lost() {
    let mut room = room(3);
    let mut passes: Vec<u64> = (0..6)
        .map(|pupil| seat_and_pass(knock(&mut room, client(PROGRAM), pupil * 10)).1)
        .collect();
    assert_eq!(room.status(at(50)).taken, 2);
    passes.dedup();
    assert_eq!(passes.len(), 6);
    // What was typed meanwhile is taken, within the reserve or without a seat.
    let form = Ask {
        work: true,
        ..Ask::PAGE
    };
    for number in &passes {
        let sent = room.arrive(pass(*number, 50), form, at(60));
        let sent_by = number_inside(sent);
        if sent_by == *number {
            room.finish(*number, true, at(60));
        }
    }
    // One logs out: the others are where they were.
    let taken = room.status(at(61)).taken;
    room.leave(passes[0], at(61));
    assert_eq!(room.status(at(61)).taken, taken - 1);
    let inside = room.arrive(pass(passes[1], 50), Ask::PAGE, at(62));
    assert_eq!(number_inside(inside), passes[1]);
    clean(&mut room, 62);
}

#[test]
fn somebody_inside_speaks_for_all_who_are_alike() {
    let mut room = room(300);
    let first = number_inside(knock(&mut room, client(PROGRAM), 0));
    for second in (5..=1_000).step_by(5) {
        room.tick(at(second));
        // In between, whatever they do is of no concern to us.
        if [5, 500].contains(&second) {
            room.arrive(pass(first, 0), Ask::PAGE, at(second));
            room.finish(first, true, at(second));
        }
    }
    let mut numbers = BTreeSet::new();
    for second in 1_001..1_060 {
        numbers.insert(number_inside(knock(&mut room, client(PROGRAM), second)));
    }
    assert_eq!(numbers.len(), 59);
    assert_eq!(room.status(at(1_060)).counts.faceless, 0);
}

/// The first calls of an app, to a portal that takes half a minute to answer.
#[test]
fn of_those_who_have_no_answer_yet_nothing_is_missed() {
    let mut room = room(300);
    let mut passes = Vec::new();
    for second in 0..20 {
        let came = room.arrive(Visitor::Newcomer, client(PROGRAM), at(second));
        passes.push(number_inside(came));
    }
    for (second, number) in (0..).zip(&passes) {
        room.finish(*number, true, at(30 + second / 4));
    }
    let next = knock(&mut room, client(PROGRAM), 36);
    passes.push(number_inside(next));
    passes.dedup();
    assert_eq!(passes.len(), 21);
    assert_eq!(room.status(at(36)).taken, 21);
}

/// In front of a full room: one call lets one in, and those who keep cookies have their own places.
#[test]
fn one_call_is_one_seat_however_many_are_alike() {
    let mut room = room(1);
    let inside = number_inside(come(&mut room, 0));
    for second in 0..40 {
        ticket_of(knock(&mut room, client(PROGRAM), second));
    }
    let anna = ticket_of(knock(&mut room, client(PROGRAM), 40));
    let bilal = ticket_of(knock(&mut room, client(PROGRAM), 41));
    assert_ne!(anna.number, bilal.number);
    room.leave(inside, at(45));
    for second in 46..400 {
        let called = [anna, bilal].map(|ticket| told(&mut room, ticket, second).called);
        let called = called.iter().flatten().count();
        assert!(called <= 1);
        if called == 1 {
            assert_eq!(room.status(at(second)).taken, 0);
            clean(&mut room, second);
            return;
        }
    }
    panic!("the place that was held is nobody's");
}
