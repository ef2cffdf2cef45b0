//! Whose turn it is: nobody starves, no slot stands idle, and shares hold.

use super::super::holding::quarter;
use super::super::turns::{Asker, LONG_WAIT, Turns};
use super::super::{Claim, Weight};
use crate::time::{Millis, Span};
use proptest::prelude::*;

/// Long enough for what was needed to be forgotten.
const CALM: Span = Span::secs(10);

fn light(visitor: u64) -> Asker {
    Asker {
        claim: Claim::Inside,
        visitor: (visitor > 0).then_some(visitor),
        weight: Weight::default(),
    }
}

fn heavy(visitor: u64, secs: u64) -> Asker {
    let weight = Weight {
        cost: Span::secs(secs),
        heavy: true,
    };
    Asker {
        weight,
        ..light(visitor)
    }
}

/// Slots, who has them, and who waits. Requests are known by a number.
struct Door {
    turns: Turns<u64>,
    slots: u32,
    now: Millis,
    asked: u64,
    runs: Vec<(u64, Asker)>,
    waits: Vec<(u64, Asker, super::super::turns::Spot)>,
    /// In the order in which they got their slots.
    served: Vec<u64>,
}

impl Door {
    fn new(slots: u32) -> Door {
        Door {
            turns: Turns::new(),
            slots,
            now: Millis(1_000_000),
            asked: 0,
            runs: Vec::new(),
            waits: Vec::new(),
            served: Vec::new(),
        }
    }

    fn ask(&mut self, asker: Asker) -> u64 {
        self.asked += 1;
        let number = self.asked;
        let (slots, now) = (self.slots, self.now);
        if (self.runs.len() as u32) < slots && self.turns.is_free(asker, slots, now) {
            self.turns.goes(asker, slots, now);
            self.runs.push((number, asker));
            self.served.push(number);
            return number;
        }
        let spot = self.turns.waits(asker, slots, now, number);
        self.waits.push((number, asker, spot));
        self.hand_on();
        number
    }

    fn hand_on(&mut self) {
        while (self.runs.len() as u32) < self.slots
            && let Some(turn) = self.turns.next(Claim::Inside, self.slots, self.now)
        {
            let served = self.turns.serve(turn, self.now).expect("they stand there");
            self.is_fair(served.asker);
            self.waits.retain(|(number, ..)| *number != served.what);
            self.runs.push((served.what, served.asker));
            self.served.push(served.what);
        }
    }

    fn end(&mut self, number: u64) {
        let at = self.runs.iter().position(|(it, _)| *it == number);
        let (_, asker) = self.runs.swap_remove(at.expect("it runs"));
        self.turns.ends(asker);
        self.hand_on();
    }

    fn leave(&mut self, at: usize) {
        let (number, _, spot) = self.waits.remove(at);
        assert_eq!(self.turns.leave(spot), Some(number));
        assert_eq!(self.turns.leave(spot), None, "they are gone");
        self.hand_on();
    }

    fn pass(&mut self, span: Span) {
        self.now = self.now + span;
        self.hand_on();
    }

    fn holds(&self, visitor: Option<u64>) -> u32 {
        let theirs = |it: &&(u64, Asker)| visitor.is_some() && it.1.visitor == visitor;
        self.runs.iter().filter(theirs).count() as u32
    }

    /// Whether somebody has a right to one more slot, whatever others need.
    fn has_a_right(&self, asker: Asker) -> bool {
        let heavy = self.runs.iter().filter(|it| it.1.weight.heavy).count() as u32;
        let third = (self.slots / 3).max(2);
        match asker.weight.heavy {
            true => self.holds(asker.visitor) < 2 && heavy < third,
            false => self.holds(asker.visitor) < quarter(self.slots),
        }
    }

    /// Whoever has their share has more only as long as nobody waits who has not.
    fn is_fair(&self, next: Asker) {
        let beyond = self.holds(next.visitor) >= quarter(self.slots);
        let other = self.waits.iter().find(|it| self.has_a_right(it.1));
        assert!(!beyond || other.is_none(), "{next:?} before {other:?}");
    }

    /// Slots that are free are not for anybody who waits.
    fn is_used(&self) {
        assert_eq!(self.turns.waiting(Claim::Inside), self.waits.len());
        if (self.runs.len() as u32) < self.slots {
            let idle = self.waits.iter().find(|it| self.has_a_right(it.1));
            assert!(idle.is_none(), "a slot stands idle for {idle:?}");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(u64, bool),
    End(usize),
    Leave(usize),
    Pass(u64),
    Slots(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6u64, prop::bool::weighted(0.3)).prop_map(|(who, heavy)| Step::Ask(who, heavy)),
        2 => prop::bool::ANY.prop_map(|heavy| Step::Ask(1, heavy)),
        5 => (0..64usize).prop_map(Step::End),
        1 => (0..64usize).prop_map(Step::Leave),
        2 => (0..12_000u64).prop_map(Step::Pass),
        1 => (1..40u32).prop_map(Step::Slots),
    ]
}

proptest! {
    #[test]
    fn no_slot_stands_idle_shares_hold_and_nothing_is_left(
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut door = Door::new(8);
        for step in steps {
            match step {
                Step::Ask(who, true) => {
                    door.ask(heavy(who, 2));
                }
                Step::Ask(who, false) => {
                    door.ask(light(who));
                }
                Step::End(at) if !door.runs.is_empty() => {
                    let (number, _) = door.runs[at % door.runs.len()];
                    door.end(number);
                }
                Step::Leave(at) if !door.waits.is_empty() => door.leave(at % door.waits.len()),
                Step::Pass(millis) => door.pass(Span(millis)),
                Step::Slots(slots) => {
                    door.slots = slots;
                    door.hand_on();
                }
                Step::End(_) | Step::Leave(_) => {}
            }
            door.is_used();
        }
        // Everybody comes to their turn, if only others end; and what is kept is so for a while.
        while let Some((number, _)) = door.runs.first().copied() {
            door.pass(CALM);
            door.end(number);
        }
        prop_assert!(door.waits.is_empty());
        prop_assert!(door.turns.is_empty(), "{:?}", door.turns);
    }
}

#[test]
fn whoever_asks_for_much_waits_as_if_it_were_one_after_the_other() {
    let mut door = Door::new(1);
    let first = door.ask(light(1));
    let greedy: Vec<u64> = (0..100).map(|_| door.ask(light(1))).collect();
    let others: Vec<u64> = (2..5).map(|it| door.ask(light(it))).collect();
    door.end(first);
    for number in [greedy[0], others[0], others[1], others[2], greedy[1]] {
        assert_eq!(door.served.last(), Some(&number));
        door.end(number);
    }
    // Who comes between two of these waits for one.
    let late = door.ask(light(9));
    for number in [greedy[2], greedy[3]] {
        assert_eq!(door.served.last(), Some(&number));
        door.end(number);
    }
    assert_eq!(door.served.last(), Some(&late));
}

#[test]
fn who_comes_while_a_long_answer_is_awaited_goes_before_the_next_of_that_visitor() {
    let mut door = Door::new(2);
    let [export, page] = [door.ask(heavy(1, 2)), door.ask(light(7))];
    let second = door.ask(heavy(1, 2));
    for visitor in 2..8 {
        door.pass(Span(300));
        let other = door.ask(light(visitor));
        door.end(door.served[door.served.len() - 1]);
        assert_eq!(door.served.last(), Some(&other), "after {visitor}");
    }
    door.pass(Span(300));
    door.ask(light(8));
    door.end(door.served[door.served.len() - 1]);
    assert_eq!(door.served.last(), Some(&second), "two seconds are over");
    assert_ne!(export, page);
}

/// A film of an hour, and a page of the same visitor in a portal that is never idle.
#[test]
fn after_a_long_answer_nobody_waits_for_long() {
    let mut door = Door::new(2);
    door.ask(heavy(1, 3_600));
    let mut last = door.ask(light(2));
    let page = door.ask(light(1));
    let mut waited = Span::ZERO;
    for visitor in 3.. {
        door.ask(light(visitor));
        door.pass(Span(100));
        waited = waited + Span(100);
        door.end(last);
        last = door.served[door.served.len() - 1];
        if last == page {
            break;
        }
        assert!(waited < LONG_WAIT);
    }
    assert!(waited > Span::secs(1), "and others come first");
}

#[test]
fn alone_anybody_may_have_all_and_with_others_what_these_leave() {
    let mut door = Door::new(12);
    let exports: Vec<u64> = (0..100).map(|_| door.ask(heavy(1, 2))).collect();
    assert_eq!(door.holds(Some(1)), 12);
    // One after the other, as soon as others are there: down to two, and what they leave is theirs.
    let pages: Vec<u64> = (2..10).map(|it| door.ask(light(it))).collect();
    exports[..12].iter().for_each(|it| door.end(*it));
    assert_eq!(
        (door.holds(Some(1)), door.runs.len()),
        (3, 11),
        "one is spare"
    );
    pages.iter().for_each(|it| door.end(*it));
    door.pass(Span::secs(4));
    assert_eq!(door.holds(Some(1)), 3, "they may come again");
    let come = door.ask(light(2));
    assert_eq!(door.served.last(), Some(&come));
    door.end(come);
    door.pass(CALM);
    assert_eq!(door.holds(Some(1)), 12, "nobody else is there");
}

/// A page and all that belongs to it.
#[test]
fn a_browser_has_what_is_free_for_quick_things() {
    let mut door = Door::new(12);
    (2..6).for_each(|it| {
        door.ask(light(it));
    });
    (0..8).for_each(|_| {
        door.ask(light(1));
    });
    assert_eq!(door.runs.len(), 12);
    let (more, other) = (door.ask(light(1)), door.ask(light(6)));
    door.end(1);
    assert_eq!(door.served.last(), Some(&other), "whoever has less");
    door.end(2);
    assert_eq!(door.served.last(), Some(&more), "nobody else wants it");
}

/// Report cards, on the day on which they are due.
#[test]
fn what_is_heavy_has_a_third_whoever_asks_for_it() {
    let mut door = Door::new(12);
    (100..112).for_each(|it| {
        door.ask(light(it));
    });
    let exports: Vec<u64> = (1..31).map(|it| door.ask(heavy(it, 2))).collect();
    (1..=12).for_each(|it| door.end(it));
    assert_eq!((door.runs.len(), door.turns.heavy()), (4, 4));
    let page = door.ask(light(1));
    assert_eq!(
        door.served.last(),
        Some(&page),
        "not behind their own export"
    );
    door.end(exports[0]);
    assert_eq!(door.served.last(), Some(&exports[4]), "in turn");
    door.pass(CALM);
    assert_eq!(
        door.turns.heavy(),
        10,
        "what is asked for beside it is one page"
    );
}

/// Whoever has no pass is somebody else each time.
#[test]
fn a_school_behind_one_address_is_not_one_visitor() {
    let mut door = Door::new(4);
    let first = door.ask(light(5));
    let all: Vec<u64> = (0..40).map(|_| door.ask(light(0))).collect();
    assert_eq!(door.runs.len(), 4);
    let other = door.ask(light(6));
    door.end(first);
    assert_eq!(door.served.last(), Some(&all[3]));
    all[..36].iter().for_each(|it| door.end(*it));
    assert!(!door.served.contains(&other), "first come, first served");
}
