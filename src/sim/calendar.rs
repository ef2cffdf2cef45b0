//! When each visitor does something next: a bucket for each second, and a small heap for the
//! second that is being lived through.
//!
//! A large heap of millions of visitors would cost a walk through memory for each of them; a
//! bucket costs one push, and is sorted when its second comes. An entry is eight bytes. Nothing is
//! ever taken out: an entry whose `turn` is not its visitor's any longer is stale.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Microseconds in a second.
pub const SECOND: u64 = 1_000_000;
/// Turns that are told apart: so many entries of one visitor may be on their way at once.
const TURNS: u16 = 1 << 12;

/// The calendar. See the module. Times are microseconds from the beginning of the scene.
pub struct Calendar {
    /// Entries of the seconds to come; the index is the second.
    seconds: Vec<Vec<u64>>,
    second: u64,
    /// Entries of this second that were known when it began: sorted, the next one last.
    known: Vec<u64>,
    /// Entries that came to be within this second.
    fresh: BinaryHeap<Reverse<u64>>,
}

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: u64,
    /// By whom.
    pub visitor: u32,
    /// Valid if the visitor is at this turn.
    pub turn: u16,
}

impl Calendar {
    /// An empty calendar of so many seconds; what comes later is never done.
    pub fn new(seconds: u64) -> Calendar {
        Calendar {
            seconds: vec![Vec::new(); seconds as usize],
            second: 0,
            known: Vec::new(),
            fresh: BinaryHeap::new(),
        }
    }

    /// The next turn after `turn`.
    pub fn turn_after(turn: u16) -> u16 {
        (turn + 1) % TURNS
    }

    /// Adds an entry; one in the past is done next.
    pub fn add(&mut self, entry: Entry) {
        let from = self.second * SECOND;
        let at = entry.at.max(from);
        let packed = (at % SECOND) << 44 | u64::from(entry.turn) << 32 | u64::from(entry.visitor);
        if at < from + SECOND {
            self.fresh.push(Reverse(packed));
        } else if let Some(bucket) = self.seconds.get_mut((at / SECOND) as usize) {
            bucket.push(packed);
        }
    }

    /// Begins the second; those before it must be over.
    pub fn begin(&mut self, second: u64) {
        self.second = second;
        let bucket = self.seconds.get_mut(second as usize);
        self.known = bucket.map(std::mem::take).unwrap_or_default();
        self.known.sort_unstable_by_key(|packed| Reverse(*packed));
    }

    /// When the next entry of this second is due.
    pub fn next(&self) -> Option<u64> {
        self.first()
            .map(|packed| self.second * SECOND + (packed >> 44))
    }

    /// Takes the next entry of this second.
    pub fn pop(&mut self) -> Option<Entry> {
        let packed = self.first()?;
        if self.known.last() == Some(&packed) {
            self.known.pop();
        } else {
            self.fresh.pop();
        }
        Some(Entry {
            at: self.second * SECOND + (packed >> 44),
            visitor: packed as u32,
            turn: (packed >> 32) as u16 % TURNS,
        })
    }

    fn first(&self) -> Option<u64> {
        let fresh = self.fresh.peek().map(|Reverse(packed)| *packed);
        self.known.last().copied().into_iter().chain(fresh).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_their_order() {
        let mut calendar = Calendar::new(10);
        let mut dice = fastrand::Rng::with_seed(7);
        let mut wanted = Vec::new();
        for visitor in 0..1_000 {
            let entry = Entry {
                at: dice.u64(0..9 * SECOND),
                visitor,
                turn: dice.u16(..TURNS),
            };
            calendar.add(entry);
            wanted.push(entry);
        }
        let late = Entry {
            at: 5 * SECOND + 1,
            visitor: 5_000,
            turn: 3,
        };
        wanted.push(late);
        wanted.sort_by_key(|entry| (entry.at, entry.turn, entry.visitor));
        let mut found = Vec::new();
        for second in 0..10 {
            calendar.begin(second);
            if second == 5 {
                calendar.add(late);
            }
            while let Some(entry) = calendar.pop() {
                found.push(entry);
            }
        }
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_comes_after_the_end_is_not_kept() {
        let mut calendar = Calendar::new(2);
        calendar.add(Entry {
            at: 2 * SECOND,
            visitor: 1,
            turn: 0,
        });
        assert!(calendar.seconds.iter().all(Vec::is_empty));
    }
}
