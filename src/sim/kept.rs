//! What a store would hold: the changes of a room put together, as `store` does on disk.

use crate::room::{Bits, Change, LaneNumbers, Learnt, Lot, Room, Saved};
use crate::store;
use crate::time::Millis;
use std::collections::BTreeMap;

/// What was stored so far.
#[derive(Default)]
pub struct Kept {
    blocks: BTreeMap<u64, (Bits, Bits)>,
    seats: BTreeMap<u64, Millis>,
    calls: BTreeMap<u64, Millis>,
    learnt: Option<Learnt>,
    lanes: Vec<LaneNumbers>,
    lots: Vec<Lot>,
    committed: Millis,
}

impl Kept {
    /// Takes what has changed in the room, and lets it give out numbers.
    pub fn commit(&mut self, room: &mut Room, now: Millis) {
        for change in room.take_changes() {
            self.apply(change);
        }
        (self.lanes, _) = store::reservations(room);
        self.committed = now;
        (self.lanes.iter()).for_each(|lane| room.reserve(lane.limit));
        room.stored();
    }

    /// What a new process would read.
    pub fn saved(&self) -> Saved {
        let pairs = |map: &BTreeMap<u64, Millis>| map.iter().map(|(n, at)| (*n, *at)).collect();
        let block = |(id, (living, over)): (&u64, &(Bits, Bits))| (*id, *living, *over);
        Saved {
            blocks: self.blocks.iter().map(block).collect(),
            seats: pairs(&self.seats),
            calls: pairs(&self.calls),
            learnt: self.learnt.clone(),
            lanes: self.lanes.clone(),
            lots: self.lots.clone(),
            committed: self.committed,
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Anew => {
                self.blocks.clear();
                self.seats.clear();
                self.calls.clear();
            }
            Change::Block(id, living, over) => {
                self.blocks.insert(id, (living, over));
            }
            Change::Front(front) => {
                let gone: Vec<u64> = self.blocks.range(front).map(|(id, _)| *id).collect();
                for id in gone {
                    self.blocks.remove(&id);
                }
            }
            Change::Seat(number, since) => {
                self.seats.insert(number, since);
            }
            Change::SeatFree(number) => {
                self.seats.remove(&number);
            }
            Change::Call(number, end) => {
                self.calls.insert(number, end);
            }
            Change::CallEnd(number) => {
                self.calls.remove(&number);
            }
            Change::Lots(lots) => self.lots = lots,
            Change::Learnt(learnt) => self.learnt = Some(*learnt),
        }
    }
}
