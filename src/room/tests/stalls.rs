//! Seconds in which somebody waited who could have been called.

use super::*;

fn stalled(room: &mut Room, secs: u64) -> u64 {
    room.status(at(secs)).counts.stalled_millis
}

/// Two who wait, and two seats that are free from second 5 on.
fn freed() -> Room {
    let mut room = room(2);
    let inside = [0, 0].map(|second| number_inside(come(&mut room, second)));
    for _ in 0..2 {
        ticket_of(come(&mut room, 0));
    }
    for number in inside {
        room.leave(number, at(5));
    }
    room
}

#[test]
fn a_room_that_is_looked_after_has_none() {
    let mut room = freed();
    for second in 5..100 {
        room.tick(at(second));
        assert!(room.next_wake(at(second)) <= at(second + 1));
    }
    assert_eq!(room.status(at(100)).counts.calls, 2);
    assert_eq!(stalled(&mut room, 100), 0);
}

#[test]
fn one_that_nobody_wakes_for_the_next_call_has() {
    // One a second: the first was called at 5, the second could have been at 6.
    let mut room = freed();
    assert_eq!(room.next_wake(at(5)), at(6));
    assert_eq!(stalled(&mut room, 9), 3_000);
    assert_eq!(stalled(&mut room, 18), 3_000, "nobody waits any more");
    // Woken late, but not very.
    let mut room = freed();
    assert_eq!(stalled(&mut room, 8), 0);
}

#[test]
fn what_lasts_over_several_looks_is_one_stall() {
    let mut room = freed();
    // As if calls were forgotten.
    room.rules.mode = Mode::Hold;
    room.tick(at(6));
    room.rules.mode = Mode::Queue;
    room.note_stall(at(6), Millis(7_500));
    assert_eq!(room.counts.stalled_millis, 0);
    room.note_stall(Millis(7_500), at(9));
    assert_eq!(room.counts.stalled_millis, 3_000);
    room.note_stall(at(9), at(10));
    assert_eq!(room.counts.stalled_millis, 4_000);
}

#[test]
fn there_are_good_reasons_to_wait() {
    let held: [fn(&mut Room); 4] = [
        |room| room.set_mode(Mode::Hold, at(1)),
        |room| room.set_mode(Mode::Closed, at(1)),
        |room| room.set_portal(false, at(1)),
        |room| room.set_hours(|_| Hours::new(false, []), at(1), at(1)),
    ];
    for hold in held {
        let (mut room, inside, _) = full(2);
        hold(&mut room);
        room.leave(inside, at(2));
        room.tick(at(9));
        assert_eq!(room.status(at(9)).called, 0);
        assert_eq!(stalled(&mut room, 18), 0);
    }
    // Seats that are kept for others.
    let mut rules = rules(4);
    rules.lanes.push(LaneRules {
        name: "teachers".to_owned(),
        seats: 2,
        ..LaneRules::default()
    });
    let mut kept = Room::new("test", rules, 0, Millis(0));
    kept.reserve(u64::MAX);
    (0..2).for_each(|_| assert!(number_inside(come(&mut kept, 0)) < 9));
    ticket_of(come(&mut kept, 0));
    assert_eq!(stalled(&mut kept, 9), 0);
    // A machine that was suspended.
    let mut room = freed();
    assert_eq!(stalled(&mut room, 86_400), 0);
}
