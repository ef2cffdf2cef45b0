//! Who gets a slot, and when.

use super::*;
use crate::room::{Waited, Weight};
use oneshot::error::TryRecvError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

impl Place {
    fn try_recv(&mut self) -> Result<Slot, TryRecvError> {
        self.slot.try_recv()
    }
}

/// Never the same.
fn somebody() -> Option<u64> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    Some(NUMBERS.fetch_add(1, Ordering::Relaxed))
}

fn asker(claim: Claim, visitor: Option<u64>) -> Asker {
    Asker {
        claim,
        visitor,
        weight: Weight::default(),
    }
}

fn now(slots: &Arc<Slots>) -> Slot {
    match slots.ask(asker(Claim::Inside, somebody()), host::now()) {
        Ok(Turn::Now(slot)) => slot,
        _ => panic!("a slot was free"),
    }
}

fn later(slots: &Arc<Slots>) -> Place {
    match slots.ask(asker(Claim::Inside, somebody()), host::now()) {
        Ok(Turn::Later(place)) => place,
        _ => panic!("no slot was free"),
    }
}

#[test]
fn first_come_first_served_and_nobody_overtakes() {
    let slots = Slots::new(1, Some(1), 10, 1);
    let first = now(&slots);
    let (mut second, mut third) = (later(&slots), later(&slots));
    drop(first);
    let held = second.try_recv().unwrap();
    assert!(third.try_recv().is_err());
    drop(held);
    assert!(third.try_recv().is_ok());
    assert_eq!(slots.usage().in_flight, 0);
}

#[test]
fn a_back_channel_does_not_wait_for_the_requests_that_wait_for_it() {
    let slots = Slots::new(1, Some(1), 10, 1);
    let page = now(&slots);
    let mut next_page = later(&slots);
    let call = slots.ask(asker(Claim::BackChannel, somebody()), host::now());
    let Ok(Turn::Now(call)) = call else {
        panic!("it has a slot of its own");
    };
    let Ok(Turn::Later(mut second_call)) =
        slots.ask(asker(Claim::BackChannel, somebody()), host::now())
    else {
        panic!("there is one");
    };
    drop(call);
    assert!(next_page.try_recv().is_err(), "one page at a time");
    let second_call = second_call.try_recv().unwrap();
    drop(page);
    assert!(next_page.try_recv().is_err(), "the limit holds for all");
    drop(second_call);
    assert!(next_page.try_recv().is_ok());
    assert_eq!(slots.usage().in_flight, 0);
}

#[test]
fn those_inside_come_before_those_who_are_not() {
    let slots = Slots::new(4, Some(4), 10, 1);
    let outside = || slots.ask(asker(Claim::Outside, somebody()), host::now());
    let held: Vec<_> = (0..3).map(|_| outside()).collect();
    assert!(held.iter().all(|turn| matches!(turn, Ok(Turn::Now(_)))));
    let Ok(Turn::Later(mut outside)) = outside() else {
        panic!("the last one is not for them");
    };
    let last = now(&slots);
    let mut inside = later(&slots);
    drop(held);
    assert!(inside.try_recv().is_ok() && outside.try_recv().is_ok());
    drop(last);
    assert_eq!(slots.usage().in_flight, 0);
}

#[test]
fn whoever_takes_an_answer_slowly_holds_nobody_up() {
    let slots = Slots::new(1, Some(1), 10, 1);
    let mut slow: Vec<Slot> = Vec::new();
    for _ in 0..LENT_PER_SLOT {
        let mut slot = now(&slots);
        slot.lend();
        slot.lend();
        slow.push(slot);
    }
    let mut slot = now(&slots);
    let mut waiting = later(&slots);
    slot.lend();
    assert!(waiting.try_recv().is_err(), "there is a bound");
    slow.pop();
    slot.lend();
    assert!(waiting.try_recv().is_ok());
    let usage = slots.usage();
    assert_eq!((usage.in_flight, usage.lent), (0, LENT_PER_SLOT));
    drop((slow, slot));
    assert_eq!(slots.usage().lent, 0);
}

#[test]
fn a_lent_slot_goes_elsewhere_and_nothing_is_lost() {
    let slots = Slots::new(2, None, 10, 2);
    let mut slot = now(&slots);
    slot.lend();
    let slot = slot.elsewhere().unwrap();
    assert_eq!(slots.usage().lent, 1);
    drop(slot);
    let usage = slots.usage();
    assert_eq!((usage.in_flight, usage.lent), (0, 0));
    assert_eq!(usage.servers, [(true, 0), (true, 0)]);
}

#[test]
fn who_leaves_before_the_answer_is_worked_for_until_then() {
    let slots = Slots::new(1, None, 10, 1);
    let mut slot = now(&slots);
    slot.expect(host::now() + Span::mins(60));
    slot.works(true);
    drop(slot);
    assert_eq!(slots.usage().in_flight, 1);
    let mut waiting = later(&slots);
    assert!(waiting.try_recv().is_err());
    let later = host::now() + Span::mins(61);
    assert!(matches!(
        slots.ask(asker(Claim::BackChannel, somebody()), later),
        Ok(Turn::Now(_))
    ));
    slots.hand_on();
    let mut slot = waiting.try_recv().unwrap();
    slot.expect(host::now() + Span::mins(60));
    drop(slot);
    assert_eq!(slots.usage().in_flight, 0);
}

#[test]
fn a_long_queue_is_served_from_its_end() {
    let slots = Slots::new(1, None, 10, 1);
    let first = now(&slots);
    let ask = |at: Millis| match slots.ask(asker(Claim::Inside, somebody()), at) {
        Ok(Turn::Later(place)) => place,
        _ => panic!("no slot was free"),
    };
    let now = host::now();
    let mut old = ask(now - (LONG_WAIT + Span::secs(1)));
    let mut fresh = ask(now);
    drop(first);
    assert!(old.try_recv().is_err() && fresh.try_recv().is_ok());
    assert!(old.try_recv().is_ok());
}

#[test]
fn whoever_left_the_queue_is_not_in_it() {
    let slots = Slots::new(1, Some(1), 6, 1);
    let first = now(&slots);
    let mut gone: Vec<_> = (0..6).map(|_| later(&slots)).collect();
    let mut patient = gone.remove(3);
    assert_eq!((slots.usage().waiting, slots.is_short()), (6, true));
    drop(gone);
    assert_eq!(slots.usage().waiting, 1);
    // Their places are others' now.
    let others: Vec<_> = (0..5).map(|_| later(&slots)).collect();
    assert!(matches!(
        slots.ask(asker(Claim::Inside, somebody()), host::now()),
        Err(NoSlot::QueueFull)
    ));
    drop(others);
    drop(first);
    assert!(patient.try_recv().is_ok());
    assert_eq!((slots.usage().in_flight, slots.is_short()), (0, false));
}

#[test]
fn how_long_the_first_has_waited_is_not_how_long_the_dead_would_have() {
    let slots = Slots::new(1, None, 10, 1);
    let _held = now(&slots);
    let now = host::now();
    let ask = |at: Millis| match slots.ask(asker(Claim::Inside, somebody()), at) {
        Ok(Turn::Later(place)) => place,
        _ => panic!("no slot was free"),
    };
    let old = ask(now - Span::secs(60));
    let _fresh = ask(now - Span::secs(1));
    assert_eq!(slots.pressure(now).0.inside, Span::secs(60));
    drop(old);
    assert_eq!(slots.pressure(now).0.inside, Span::secs(1));
}

#[test]
fn whoever_asks_first_after_a_slot_is_free_does_not_keep_it_from_those_who_wait() {
    let slots = Slots::new(1, None, 10, 1);
    let mut slot = now(&slots);
    slot.expect(host::now() + Span(20));
    slot.works(true);
    drop(slot);
    let mut waiting = later(&slots);
    std::thread::sleep(Duration::from_millis(40));
    let mut last = later(&slots);
    assert!(waiting.try_recv().is_ok(), "it is free, and theirs");
    assert!(last.try_recv().is_ok());
}

#[tokio::test]
async fn the_slot_of_somebody_who_left_is_free_when_the_answer_would_have_come() {
    let slots = Slots::new(2, None, 10, 1);
    let left = |after: Span| {
        let mut slot = now(&slots);
        slot.expect(host::now() + after);
        slot.works(true);
        slot
    };
    let (late, soon) = (left(Span::mins(60)), left(Span(50)));
    let (first, second) = (later(&slots), later(&slots));
    let timer = slots.clone();
    let timer = tokio::spawn(async move { timer.free_on_time().await });
    drop(late);
    tokio::task::yield_now().await;
    // The timer waits for the late one by now: this one comes before.
    drop(soon);
    let slot = tokio::time::timeout(Duration::from_secs(30), first).await;
    drop(
        slot.expect("nobody else has it freed")
            .expect("the server is up"),
    );
    let slot = tokio::time::timeout(Duration::from_secs(30), second).await;
    assert!(slot.expect("it was given back").is_some());
    timer.abort();
}

#[test]
fn a_slot_nobody_received_comes_back() {
    let slots = Slots::new(1, Some(1), 10, 1);
    let first = now(&slots);
    let place = later(&slots);
    drop(first);
    assert_eq!(slots.usage().in_flight, 1);
    drop(place);
    assert_eq!(slots.usage().in_flight, 0);
}

#[test]
fn the_least_loaded_server_that_is_up() {
    let slots = Slots::new(10, Some(2), 10, 3);
    slots.set_up(1, false);
    let held: Vec<Slot> = (0..4).map(|_| now(&slots)).collect();
    let mut servers: Vec<usize> = held.iter().map(Slot::server).collect();
    servers.sort_unstable();
    assert_eq!(servers, [0, 0, 2, 2]);
    let mut waiting = later(&slots);
    let (head, in_flight) = slots.pressure(host::now() + Span::secs(1));
    assert!(
        head.inside > Span::ZERO && in_flight == 4,
        "there are four for now"
    );
    slots.set_up(1, true);
    assert_eq!(waiting.try_recv().unwrap().server(), 1);
}

#[test]
fn a_limit_that_moves_takes_nothing_away() {
    let slots = Slots::new(2, None, 10, 1);
    let held = [now(&slots), now(&slots)];
    let mut waiting = later(&slots);
    slots.set_limit(1);
    assert!(slots.pressure(host::now() + Span(50)).0.inside >= Span(50));
    let [one, other] = held;
    drop(one);
    assert!(waiting.try_recv().is_err());
    slots.set_limit(2);
    assert_eq!(waiting.try_recv().unwrap().in_flight(), 2);
    assert_eq!(slots.pressure(host::now() + Span(50)).0.inside, Span::ZERO);
    drop(other);
}

#[test]
fn a_full_queue_and_a_dead_portal_say_so() {
    let slots = Slots::new(1, Some(1), 1, 1);
    let _held = now(&slots);
    let mut waiting = later(&slots);
    assert!(matches!(
        slots.ask(asker(Claim::Inside, somebody()), host::now()),
        Err(NoSlot::QueueFull)
    ));
    slots.set_up(0, false);
    assert!(matches!(
        slots.ask(asker(Claim::Inside, somebody()), host::now()),
        Err(NoSlot::Down)
    ));
    assert_eq!(waiting.try_recv().err(), Some(TryRecvError::Closed));
}

#[test]
fn elsewhere_is_another_server_or_nothing() {
    let slots = Slots::new(2, Some(1), 1, 2);
    let slot = now(&slots);
    let first = slot.server();
    assert_eq!(slot.elsewhere().map(|slot| slot.server()), Some(1 - first));
    // Nobody who waits can take it on the way.
    let slots = Slots::new(1, Some(1), 1, 2);
    let slot = now(&slots);
    let mut waiting = later(&slots);
    let slot = slot.elsewhere().unwrap();
    assert!(waiting.try_recv().is_err());
    drop(slot);
    assert!(waiting.try_recv().is_ok());
    let single = Slots::new(1, Some(1), 1, 1);
    assert!(now(&single).elsewhere().is_none());
    assert_eq!(single.usage().in_flight, 0);
}

/// Sixty connections of one visitor, before and behind one more; those who are not inside wait behind
/// all of them.
#[test]
fn who_waits_for_one_visitor_alone_does_not_press() {
    let slots = Slots::new(2, None, 400, 1);
    let ask = |visitor| slots.ask(asker(Claim::Inside, Some(visitor)), host::now());
    let later = |visitor| match ask(visitor) {
        Ok(Turn::Later(place)) => place,
        _ => panic!("no slot was free"),
    };
    let held = [ask(1), ask(1)];
    let mut own = later(1);
    let mut other = later(2);
    let more: Vec<Place> = (0..60).map(|_| later(1)).collect();
    let outside = || slots.ask(asker(Claim::Outside, None), host::now());
    let mut outside: Vec<_> = (0..10).map(|_| outside()).collect();
    assert!(
        outside
            .iter()
            .all(|turn| matches!(turn, Ok(Turn::Later(_))))
    );
    let (now, asked) = (host::now() + Span::secs(5), host::now());
    let (heads, in_flight) = slots.pressure(now);
    assert_eq!((heads.inside, in_flight), (Span::ZERO, 2));
    assert!(heads.outside >= Span::secs(4), "two have both slots");
    let mut third = later(3);
    let (head, in_flight) = slots.pressure(now);
    assert!(head.inside >= Span::secs(4) && in_flight == 2, "{head:?}");
    let gone = outside.split_off(5);
    drop((held, more, gone));
    let own = own.try_recv().unwrap();
    assert_eq!(own.waited(asked, now), None);
    let other = other.try_recv().unwrap();
    let waited = now.since(asked);
    assert_eq!(other.waited(asked, now), Some(Waited::ForOne(waited)));
    drop((own, other));
    let third = third.try_recv().unwrap();
    assert_eq!(third.waited(asked, now), Some(Waited::ForAll(waited)));
    drop(third);
    // By now two of those who are not inside have the slots, and the others wait.
    assert_eq!(slots.lock().turns.counted(), 2);
    slots.set_up(0, false);
    drop(outside);
    assert_eq!(slots.lock().turns.counted(), 0);
}

/// Such as one whose exports take so long that they are taken for long polls.
#[test]
fn one_visitor_has_a_quarter_of_what_may_be_lent() {
    let slots = Slots::new(8, None, 10, 1);
    let lent = |visitor: u64| {
        let turn = slots.ask(asker(Claim::Inside, Some(visitor)), host::now());
        let Ok(Turn::Now(mut slot)) = turn else {
            panic!("a slot is free");
        };
        slot.lend();
        slot
    };
    let held: Vec<Slot> = (0..9).map(|_| lent(1)).collect();
    assert_eq!((slots.usage().lent, slots.usage().in_flight), (8, 1));
    let other = lent(2);
    assert_eq!((slots.usage().lent, slots.usage().in_flight), (9, 1));
    drop((held, other));
    assert_eq!((slots.usage().lent, slots.usage().in_flight), (0, 0));
    assert!(slots.lock().lent_by.is_empty());
}

/// A school behind one address, or a server that asks for everybody, is no one visitor.
#[test]
fn who_has_no_pass_is_not_one_with_all_others() {
    let slots = Slots::new(2, None, 100, 1);
    let ask = |claim| slots.ask(asker(claim, None), host::now());
    let held = [ask(Claim::Inside), ask(Claim::Inside)];
    let waiting = [ask(Claim::Inside), ask(Claim::BackChannel)];
    let (head, in_flight) = slots.pressure(host::now() + Span::secs(5));
    assert!(head.inside >= Span::secs(4) && in_flight == 3, "{head:?}");
    drop((held, waiting));
    assert_eq!(slots.lock().turns.counted(), 0);
}
