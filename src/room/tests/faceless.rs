//! Clients that never bring a cookie back, and schools that look like one.

use super::*;

fn client(browser: bool) -> Ask {
    Ask {
        client: Some(Client { key: 7, browser }),
        ..Ask::PAGE
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
    for browser in [false, true] {
        let mut room = room(300);
        let mut numbers = std::collections::BTreeSet::new();
        for second in 0..1_000 {
            let number = number_inside(knock(&mut room, client(browser), second * 10));
            if second >= 20 {
                numbers.insert(number);
            }
        }
        assert_eq!(numbers.len(), 1, "one and the same");
        assert_eq!(room.status(at(10_000)).taken, 1);
        clean(&mut room, 10_000);
    }
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
    let mut given = std::collections::BTreeSet::new();
    for second in 1..200 {
        given.insert(ticket_of(knock(&mut room, client(false), second)).number);
        room.arrive(held, Ask::PAGE, at(second));
        room.finish(inside, true, at(second));
        told(&mut room, before, second);
    }
    assert!(
        given.len() < 30,
        "those whose first poll was not due: {given:?}"
    );
    assert_eq!(
        room.status(at(200)).waiting,
        2,
        "its own, and the one before"
    );
    // A newcomer stands behind it.
    let late = ticket_of(come(&mut room, 200));
    room.leave(before.number, at(200));
    room.leave(inside, at(201));
    let number = number_inside(knock(&mut room, client(false), 203));
    assert_eq!(Some(&number), given.first(), "the first that it was given");
    assert_eq!(number_inside(knock(&mut room, client(false), 204)), number);
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
    for browser in [false, true] {
        let mut room = room(1);
        number_inside(come(&mut room, 0));
        let mut tickets: Vec<(u64, Ticket)> = Vec::new();
        for pupil in 0..300 {
            let now = pupil / 5;
            tickets.push((now, ticket_of(knock(&mut room, client(browser), now))));
            // A poll follows after five seconds.
            for (_, ticket) in tickets.iter().filter(|(since, _)| now == since + 5) {
                told(&mut room, *ticket, now);
            }
        }
        let numbers: std::collections::BTreeSet<u64> =
            tickets.iter().map(|(_, ticket)| ticket.number).collect();
        assert_eq!(numbers.len(), 300);
        assert_eq!(room.status(at(60)).waiting, 300);
        clean(&mut room, 60);
    }
}

/// A room that is not full: everybody's pictures show the pass within a second.
#[test]
fn a_school_of_300_has_300_seats() {
    for browser in [false, true] {
        let mut room = room(300);
        let mut numbers = std::collections::BTreeSet::new();
        for pupil in 0..300 {
            let now = 1 + pupil / 5;
            let number = number_inside(knock(&mut room, client(browser), now));
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
    let mut first = None;
    for second in 0..40 {
        let ticket = ticket_of(knock(&mut room, client(false), second));
        first.get_or_insert(ticket);
    }
    let held = ticket_of(knock(&mut room, client(false), 40));
    assert_eq!(Some(held.number), first.map(|ticket| ticket.number));
    told(&mut room, held, 41);
    let other = ticket_of(knock(&mut room, client(false), 42));
    assert_ne!(other.number, held.number);
    // What another client was given is nobody else's.
    let stranger = Ask {
        client: Some(Client {
            key: 8,
            browser: false,
        }),
        ..Ask::PAGE
    };
    assert_ne!(
        ticket_of(knock(&mut room, stranger, 42)).number,
        other.number
    );
}
