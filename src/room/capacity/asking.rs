//! Who asks for how much at once, of the portal and in the queue for it.
//!
//! One visitor with sixty connections keeps all slots busy, and everybody else waits behind them. That
//! is no reason for fewer seats: whoever has come in stays inside, and those who would not come in are
//! not those who ask for so much. So waiting counts for the law of seats as if whoever asks for most
//! asked for one thing at a time ([`Asking::counted`]).
//!
//! Visitors are dealt into heaps, so that it costs the same however many there are: a heap with two
//! of them is taken for one.

use super::fnv::heap;
use crate::time::Span;

/// Heaps of visitors: many more than slots, as a rule.
const HEAPS_LOG: u32 = 10;

/// Requests at the portal and in the queue for it. See the module.
#[derive(Clone, Debug)]
pub struct Asking {
    heaps: Box<[u32]>,
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

impl Asking {
    /// Nobody asks for anything.
    pub fn new() -> Asking {
        Asking {
            heaps: vec![0; 1 << HEAPS_LOG].into(),
            all: 0,
        }
    }

    /// One more request of the visitor with this number.
    pub fn begins(&mut self, visitor: u64) {
        *self.of(visitor) += 1;
        self.all += 1;
    }

    /// One of them is over, or nobody waits for it any more.
    pub fn ends(&mut self, visitor: u64) {
        *self.of(visitor) -= 1;
        self.all -= 1;
    }

    /// Requests, if whoever asks for most asked for one thing at a time.
    pub fn counted(&self) -> u32 {
        self.all - self.most().saturating_sub(1)
    }

    /// Why a request of this visitor, which has begun, has to wait for one of so many slots.
    pub fn waits(&self, visitor: u64, slots: u32) -> Waits {
        match self.counted() > slots {
            true => Waits::ForAll,
            false if self.heaps[heap(visitor, HEAPS_LOG)] == self.most() => Waits::ForItsOwn,
            false => Waits::ForOne,
        }
    }

    fn of(&mut self, visitor: u64) -> &mut u32 {
        &mut self.heaps[heap(visitor, HEAPS_LOG)]
    }

    fn most(&self) -> u32 {
        self.heaps.iter().copied().max().unwrap_or(0)
    }
}

impl Default for Asking {
    fn default() -> Asking {
        Asking::new()
    }
}

impl Waits {
    /// For how long a request that `waited` counts as having waited, if it says anything.
    pub fn counts(self, waited: Span) -> Option<Span> {
        match self {
            Waits::ForAll => Some(waited),
            Waits::ForOne => Some(Span::ZERO),
            Waits::ForItsOwn => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: u32 = 8;
    const GREEDY: u64 = 1_000;

    fn asking(greedy: u32, others: u64) -> Asking {
        let mut asking = Asking::new();
        (0..greedy).for_each(|_| asking.begins(GREEDY));
        (1..=others).for_each(|it| asking.begins(it));
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
            assert_eq!(many.waits(1, SLOTS), Waits::ForAll);
        }
        assert_eq!(asking(60, 7).waits(1, SLOTS), Waits::ForOne);
        assert_eq!(asking(0, 0).counted(), 0);
    }

    #[test]
    fn nothing_is_left_of_what_is_over() {
        let mut asking = asking(60, 100);
        (0..60).for_each(|_| asking.ends(GREEDY));
        assert_eq!(asking.counted(), 100);
        (1..=100).for_each(|it| asking.ends(it));
        assert_eq!(asking.counted(), 0);
    }

    #[test]
    fn what_waits_for_one_counts_as_if_it_had_not() {
        let waited = Span::secs(2);
        assert_eq!(Waits::ForAll.counts(waited), Some(waited));
        assert_eq!(Waits::ForOne.counts(waited), Some(Span::ZERO));
        assert_eq!(Waits::ForItsOwn.counts(waited), None);
    }
}
