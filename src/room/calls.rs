//! Tickets that are called and not yet in: each keeps a seat until its claim window ends.

use super::lanes::ByLane;
use crate::time::Millis;
use std::collections::{BTreeMap, VecDeque};

/// The calls. See the module.
#[derive(Default)]
pub struct Calls {
    ends: BTreeMap<u64, Millis>,
    /// Ends in the order in which they come; an entry with another end than the call's is stale.
    lapses: VecDeque<(Millis, u64)>,
    by_lane: ByLane,
}

impl Calls {
    /// How many there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// How many there are in the lane of `number`.
    pub fn beside(&self, number: u64) -> u32 {
        self.by_lane.of(number)
    }

    /// Whether `number` is called.
    pub fn has(&self, number: u64) -> bool {
        self.ends.contains_key(&number)
    }

    /// The end of the claim window of `number`, if it is called.
    pub fn end(&self, number: u64) -> Option<Millis> {
        self.ends.get(&number).copied()
    }

    /// The called numbers and the ends of their windows.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Millis)> + '_ {
        self.ends.iter().map(|(number, end)| (*number, *end))
    }

    /// `number` is called until `end`, which is no earlier than the ends before.
    pub fn add(&mut self, number: u64, end: Millis) {
        if self.ends.insert(number, end).is_none() {
            self.by_lane.add(number);
        }
        self.lapses.push_back((end, number));
    }

    /// The call is taken, or taken back; returns whether there was one.
    pub fn remove(&mut self, number: u64) -> bool {
        let called = self.ends.remove(&number).is_some();
        if called {
            self.by_lane.take(number);
        }
        called
    }

    /// Takes all calls back.
    pub fn take_all(&mut self) -> Vec<u64> {
        let calls = std::mem::take(self);
        calls.ends.into_keys().collect()
    }

    /// The next call whose window has ended by `now`, taken back, and that end.
    pub fn lapse(&mut self, now: Millis) -> Option<(u64, Millis)> {
        while let Some(&(end, number)) = self.lapses.front()
            && end <= now
        {
            self.lapses.pop_front();
            if self.ends.get(&number) == Some(&end) {
                self.remove(number);
                return Some((number, end));
            }
        }
        None
    }

    /// When a window may end next.
    pub fn next(&self) -> Option<Millis> {
        self.lapses.front().map(|(end, _)| *end)
    }
}
