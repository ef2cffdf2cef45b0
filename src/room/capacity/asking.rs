//! Who asks for how much at once, of the portal and in the queue for it.
//!
//! One visitor with sixty connections keeps all slots busy, and everybody else waits behind them. That
//! is no reason for fewer seats: whoever has come in stays inside, and those who would not come in are
//! not those who ask for so much. So waiting counts for the law of seats as if whoever asks for most
//! asked for one thing at a time ([`Asking::counted`]).
//!
//! A visitor is known by the pass. What comes without one is everybody's, not one visitor's: a school
//! behind one address, everybody behind a proxy that is not named, another server.
//!
//! Visitors are dealt into heaps, so that it costs the same however many there are: a heap with two
//! of them is taken for one. Each of these functions takes a few steps, whatever there is in them.

use super::fnv::heap;
use crate::time::Span;

/// Heaps of visitors: many more than slots, as a rule.
const HEAPS_LOG: u32 = 10;
/// Requests of one visitor for which there is room from the beginning.
const USUAL: usize = 64;

/// Requests at the portal and in the queue for it. See the module.
#[derive(Clone, Debug)]
pub struct Asking {
    /// For each heap, the requests of its visitors.
    heaps: Box<[u32]>,
    /// How many heaps have more than none, more than one, and so on: as long as the fullest is full.
    fuller: Vec<u32>,
    all: u32,
}

/// Why a request waits for a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waits {
    /// More is asked for than there are slots, if it waits at all.
    #[default]
    ForAll,
    /// For one visitor: without them, there would be a slot.
    ForOne,
    /// It is of that visitor.
    ForItsOwn,
}

/// How long somebody inside has waited for a slot, as far as that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// If at all, then because more was asked for than there are slots.
    ForAll(Span),
    /// For one visitor alone.
    ForOne(Span),
}

impl Asking {
    /// Nobody asks for anything.
    pub fn new() -> Asking {
        Asking {
            heaps: vec![0; 1 << HEAPS_LOG].into(),
            fuller: Vec::with_capacity(USUAL),
            all: 0,
        }
    }

    /// One more request, of the visitor with the pass of this number.
    pub fn begins(&mut self, visitor: Option<u64>) {
        self.all += 1;
        let Some(visitor) = visitor else {
            return;
        };
        let requests = &mut self.heaps[heap(visitor, HEAPS_LOG)];
        match self.fuller.get_mut(*requests as usize) {
            Some(heaps) => *heaps += 1,
            None => self.fuller.push(1),
        }
        *requests += 1;
    }

    /// One of them is over, or nobody waits for it any more.
    pub fn ends(&mut self, visitor: Option<u64>) {
        self.all -= 1;
        let Some(visitor) = visitor else {
            return;
        };
        let requests = &mut self.heaps[heap(visitor, HEAPS_LOG)];
        *requests -= 1;
        let heaps = &mut self.fuller[*requests as usize];
        *heaps -= 1;
        if *heaps == 0 {
            // It was the fullest, alone.
            self.fuller.pop();
        }
    }

    /// Requests, if whoever asks for most asked for one thing at a time.
    pub fn counted(&self) -> u32 {
        self.all - self.most().saturating_sub(1)
    }

    /// Why a request of this visitor, which has begun, has to wait for one of so many slots.
    pub fn waits(&self, visitor: Option<u64>, slots: u32) -> Waits {
        let asks_for_most = |visitor| self.heaps[heap(visitor, HEAPS_LOG)] == self.most();
        match self.counted() > slots {
            true => Waits::ForAll,
            false if visitor.is_some_and(asks_for_most) => Waits::ForItsOwn,
            false => Waits::ForOne,
        }
    }

    /// Requests of whoever asks for most.
    fn most(&self) -> u32 {
        self.fuller.len() as u32
    }
}

impl Default for Asking {
    fn default() -> Asking {
        Asking::new()
    }
}

impl Waits {
    /// What it says that a request has waited for so long, if anything.
    pub fn counts(self, waited: Span) -> Option<Waited> {
        match self {
            Waits::ForAll => Some(Waited::ForAll(waited)),
            Waits::ForOne => Some(Waited::ForOne(waited)),
            Waits::ForItsOwn => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: u32 = 8;
    const GREEDY: Option<u64> = Some(1_000);

    fn asking(greedy: u32, others: u64) -> Asking {
        let mut asking = Asking::new();
        (0..greedy).for_each(|_| asking.begins(GREEDY));
        (1..=others).for_each(|it| asking.begins(Some(it)));
        asking
    }

    #[test]
    fn whoever_asks_for_most_is_one_of_many() {
        for greedy in [1, 8, 60] {
            let few = asking(greedy, 7);
            assert_eq!(few.counted(), 8);
            assert_eq!(few.waits(GREEDY, SLOTS), Waits::ForItsOwn);
            let many = asking(greedy, 8);
            assert_eq!(many.counted(), 9);
            assert_eq!(many.waits(GREEDY, SLOTS), Waits::ForAll);
            assert_eq!(many.waits(Some(1), SLOTS), Waits::ForAll);
        }
        assert_eq!(asking(60, 7).waits(Some(1), SLOTS), Waits::ForOne);
        assert_eq!(asking(0, 0).counted(), 0);
    }

    #[test]
    fn nothing_is_left_of_what_is_over() {
        let mut asking = asking(60, 100);
        (0..60).for_each(|_| asking.ends(GREEDY));
        assert_eq!(asking.counted(), 100);
        (1..=100).for_each(|it| asking.ends(Some(it)));
        assert_eq!(asking.counted(), 0);
        assert!(asking.fuller.is_empty());
    }

    /// A school behind one address, or another server.
    #[test]
    fn what_has_no_pass_is_not_of_one_visitor() {
        let mut asking = asking(3, 0);
        (0..60).for_each(|_| asking.begins(None));
        assert_eq!(asking.counted(), 61);
        assert_eq!(asking.waits(None, SLOTS), Waits::ForAll);
        (0..60).for_each(|_| asking.ends(None));
        assert_eq!(asking.counted(), 1);
    }

    #[test]
    fn the_most_is_known_without_looking_for_it() {
        let mut asking = Asking::new();
        let mut held = Vec::new();
        for step in 0..20_000u64 {
            let chance = super::super::super::phase(step);
            match held.is_empty() || chance < 0.5 + 0.4 * (step as f64 / 500.0).sin() {
                true => {
                    held.push((chance * 1e6) as u64 % 40);
                    asking.begins(held.last().copied());
                }
                false => {
                    let at = (chance * 1e6) as usize % held.len();
                    asking.ends(Some(held.swap_remove(at)));
                }
            }
            let most = asking.heaps.iter().copied().max();
            assert_eq!(Some(asking.most()), most, "step {step}");
        }
    }
}
