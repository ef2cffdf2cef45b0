//! The room over a restart: what was stored comes back.

use super::*;

/// What a store would hold after all changes up to now.
pub fn stored(room: &mut Room, saved: &mut Saved, secs: u64) {
    for change in room.take_changes() {
        match change {
            Change::Block(id, living, over) => {
                saved.blocks.retain(|(other, ..)| *other != id);
                saved.blocks.push((id, living, over));
                saved.blocks.sort_by_key(|(id, ..)| *id);
            }
            Change::Anew => *saved = Saved::default(),
            Change::Front(front) => saved.blocks.retain(|(id, ..)| !front.contains(id)),
            Change::Seat(number, since) => {
                saved.seats.retain(|(other, _)| *other != number);
                saved.seats.push((number, since));
            }
            Change::SeatFree(number) => saved.seats.retain(|(other, _)| *other != number),
            Change::Call(number, end) => saved.calls.push((number, end)),
            Change::CallEnd(number) => saved.calls.retain(|(other, _)| *other != number),
            Change::Lots(lots) => saved.lots = lots,
            Change::Learnt(learnt) => saved.learnt = Some(*learnt),
        }
    }
    saved.lanes = room.lane_numbers();
    for lane in &mut saved.lanes {
        lane.limit = lane.next + 4_096;
    }
    saved.committed = at(secs);
}

#[test]
fn a_restart_keeps_numbers_places_calls_and_passes() {
    let mut room = room(2);
    let passes: Vec<Pass> = (0..2)
        .map(|_| Pass {
            number: number_inside(come(&mut room, 0)),
            issued: at(0),
        })
        .collect();
    let tickets: Vec<Ticket> = (0..4).map(|_| ticket_of(come(&mut room, 1))).collect();
    for ticket in &tickets {
        told(&mut room, *ticket, 2);
    }
    room.leave(passes[0].number, at(3));
    assert!(told(&mut room, tickets[0], 3).called.is_some());
    let mut saved = Saved::default();
    stored(&mut room, &mut saved, 3);
    // After the last commit somebody joins, and the called one goes in.
    let unseen = ticket_of(come(&mut room, 4));
    number_inside(room.arrive(Visitor::Ticket(tickets[0]), Ask::PAGE, at(4)));
    let in_unseen = Pass {
        number: tickets[0].number,
        issued: at(4),
    };

    let mut room = Room::restore("test", rules(2), saved, at(10));
    room.reserve(8_192);
    let inside = room.arrive(Visitor::Pass(passes[1]), Ask::PAGE, at(11));
    assert!(matches!(
        inside,
        Decision::Forward {
            entry: Entry::Inside,
            ..
        }
    ));
    let again = room.arrive(Visitor::Pass(in_unseen), Ask::PAGE, at(11));
    assert!(matches!(
        again,
        Decision::Forward {
            entry: Entry::Again,
            ..
        }
    ));
    let places: Vec<u64> = (tickets[1..].iter().chain([&unseen]))
        .map(|ticket| told(&mut room, *ticket, 11).place)
        .collect();
    assert_eq!(places, [1, 2, 3, 4]);
    assert!(ticket_of(come(&mut room, 12)).number >= 4_096);
    clean(&mut room, 12);
}

/// The clock was an hour ahead, or days behind, and is put right with a crash: seats, places, and a
/// seat that nobody had written down.
#[test]
fn a_clock_that_is_put_right_takes_nothing_away() {
    const THEN: u64 = 1_000_000;
    for now in [THEN - 3_600, THEN + 3 * 86_400] {
        let mut room = Room::new("test", rules(3), 0, at(THEN));
        room.reserve(u64::MAX);
        let pass = |number, secs| {
            Visitor::Pass(Pass {
                number,
                issued: at(secs),
            })
        };
        let inside = number_inside(come(&mut room, THEN));
        number_inside(come(&mut room, THEN));
        let mut saved = Saved::default();
        stored(&mut room, &mut saved, THEN + 60);
        let unseen = number_inside(come(&mut room, THEN + 61));
        let tickets = [62, 62].map(|secs| ticket_of(come(&mut room, THEN + secs)));

        let mut room = Room::restore("test", rules(3), saved, at(now));
        room.reserve(8_192);
        for (number, issued) in [(inside, THEN), (unseen, THEN + 61)] {
            let who = pass(number, issued);
            assert!(room.keeps(who, at(now + 1)));
            assert_eq!(
                number_inside(room.arrive(who, Ask::PAGE, at(now + 1))),
                number
            );
        }
        for (place, ticket) in (1..).zip(tickets) {
            assert_eq!(told(&mut room, ticket, now + 2).place, place);
        }
        let Standing::Waiting { ticket, fresh, .. } =
            room.poll(Visitor::Ticket(tickets[0]), at(now + 2))
        else {
            panic!("in line");
        };
        // It is given anew, so that browsers keep it by the clock of now.
        assert!(fresh && ticket.issued == at(now + 2));
        // A second restart, and the visit is as long as it was.
        let mut saved = Saved::default();
        stored(&mut room, &mut saved, now + 3);
        let mut room = Room::restore("test", rules(3), saved, at(now + 10));
        assert!(room.seats.holds(inside) && room.seats.holds(unseen));
        clean(&mut room, now + 11);
    }
}
