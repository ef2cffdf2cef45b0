//! Mode `observe`, and what is seen of visitors.

use super::*;

#[test]
fn observing_holds_nobody_and_counts_who_would_have_waited() {
    let mut room = room(1);
    room.set_mode(Mode::Observe, at(0));
    let inside: Vec<u64> = (0..3).map(|n| number_inside(come(&mut room, n))).collect();
    let observed = room.observed().expect("it observes");
    assert_eq!((observed.taken, observed.waiting), (1, 2));
    (3..60).for_each(|second| room.tick(at(second)));
    for number in inside {
        room.leave(number, at(60));
    }
    for second in 61..200 {
        room.tick(at(second));
    }
    let observed = room.observed().expect("it observes");
    assert_eq!(
        (observed.taken, observed.waiting, observed.longest),
        (0, 0, 2)
    );
    // The second is in from 60 to 119, and so the third, who came at 2, would have waited 117.
    let [_, _, longest] = observed.waits.expect("all are in");
    assert!(
        (Span::secs(117)..=Span::secs(119)).contains(&longest),
        "{longest:?}"
    );
    assert_eq!(room.status(at(200)).counts.would_wait, 2);
    room.set_mode(Mode::Queue, at(201));
    room.tick(at(203));
    assert_eq!(room.observed(), None);
}

#[test]
fn habits_are_those_of_people_who_keep_cookies() {
    let mut room = room(10);
    number_inside(come(&mut room, 0));
    let number = number_inside(come(&mut room, 0));
    room.finish(number, true, at(0));
    let pass = Visitor::Pass(Pass {
        number,
        issued: at(0),
    });
    for (before, second) in [(0, 30), (30, 31), (31, 91)] {
        (before..second).for_each(|second| room.tick(at(second)));
        number_inside(room.arrive(pass, Ask::PAGE, at(second)));
        room.finish(number, true, at(second));
    }
    room.leave(number, at(100));
    let habits = room.habits();
    assert_eq!((habits.peak, habits.visits.count()), (2, 1));
    assert_eq!(habits.visits.max(), Span::secs(91));
    assert_eq!(habits.pauses.count(), 2, "a second is no pause");
    assert_eq!(habits.pauses.max(), Span::secs(60));
}
