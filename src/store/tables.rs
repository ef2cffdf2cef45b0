//! The tables of one room, and how its changes are written into them.

use super::Group;
use crate::room::{Bits, Capacity, Change, LaneNumbers, Learnt, Saved};
use crate::time::Millis;
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, TableError, WriteTransaction};

/// Tickets' marks: living, then over, as little-endian words.
type Marks = [u8; 2 * size_of::<Bits>()];
const LEARNT: &str = "learnt";
const LOTS: &str = "lots";
/// The first number that was not reserved in lane 0.
const RESERVED: &str = "reserved";
/// The same and the name of each other lane, behind its number.
const LANE: &str = "lane/";
const COMMITTED: &str = "committed";

/// Names of a room's tables.
pub struct Tables {
    blocks: String,
    seats: String,
    calls: String,
    facts: String,
}

impl Tables {
    pub fn new(room: &str) -> Tables {
        Tables {
            blocks: format!("room/{room}/line"),
            seats: format!("room/{room}/seats"),
            calls: format!("room/{room}/calls"),
            facts: format!("room/{room}/facts"),
        }
    }

    fn blocks(&self) -> TableDefinition<'_, u64, &'static [u8]> {
        TableDefinition::new(&self.blocks)
    }

    fn seats(&self) -> TableDefinition<'_, u64, u64> {
        TableDefinition::new(&self.seats)
    }

    fn calls(&self) -> TableDefinition<'_, u64, u64> {
        TableDefinition::new(&self.calls)
    }

    fn facts(&self) -> TableDefinition<'_, &'static str, &'static [u8]> {
        TableDefinition::new(&self.facts)
    }

    /// Everything that was stored of the room.
    pub fn load(&self, read: &ReadTransaction) -> Result<Option<Saved>, redb::Error> {
        let facts = match read.open_table(self.facts()) {
            Ok(facts) => facts,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let number = |name| -> Result<u64, redb::Error> {
            let bytes = facts.get(name)?;
            Ok(bytes.map_or(0, |bytes| little_endian(bytes.value())))
        };
        let mut saved = Saved {
            lanes: vec![LaneNumbers {
                id: 0,
                name: String::new(),
                next: 0,
                limit: number(RESERVED)?,
            }],
            committed: Millis(number(COMMITTED)?),
            learnt: (facts.get(LEARNT)?).and_then(|bytes| read_learnt(bytes.value())),
            lots: (facts.get(LOTS)?)
                .and_then(|bytes| postcard::from_bytes(bytes.value()).ok())
                .unwrap_or_default(),
            ..Saved::default()
        };
        for id in 1..=u8::MAX {
            let Some(stored) = facts.get(format!("{LANE}{id}").as_str())? else {
                // They were numbered without gaps.
                break;
            };
            if let Ok((name, limit)) = postcard::from_bytes(stored.value()) {
                saved.lanes.push(LaneNumbers {
                    id,
                    name,
                    next: 0,
                    limit,
                });
            }
        }
        for row in read.open_table(self.blocks())?.iter()? {
            let (id, marks) = row?;
            let (living, over) = unpack(marks.value());
            saved.blocks.push((id.value(), living, over));
        }
        for row in read.open_table(self.seats())?.iter()? {
            let (number, since) = row?;
            saved.seats.push((number.value(), Millis(since.value())));
        }
        for row in read.open_table(self.calls())?.iter()? {
            let (number, end) = row?;
            saved.calls.push((number.value(), Millis(end.value())));
        }
        Ok(Some(saved))
    }

    /// Writes one group.
    pub fn store(&self, write: &WriteTransaction, group: &Group<'_>) -> Result<(), redb::Error> {
        let mut blocks = write.open_table(self.blocks())?;
        let mut seats = write.open_table(self.seats())?;
        let mut calls = write.open_table(self.calls())?;
        let mut facts = write.open_table(self.facts())?;
        for change in &group.changes {
            match change {
                Change::Block(id, living, over) => {
                    blocks.insert(id, pack(living, over).as_slice())?;
                }
                Change::Front(front) => blocks.retain_in(front.clone(), |_, _| false)?,
                Change::Anew => {
                    blocks.retain(|_, _| false)?;
                    seats.retain(|_, _| false)?;
                    calls.retain(|_, _| false)?;
                }
                Change::Seat(number, since) => {
                    seats.insert(number, since.0)?;
                }
                Change::SeatFree(number) => {
                    seats.remove(number)?;
                }
                Change::Call(number, end) => {
                    calls.insert(number, end.0)?;
                }
                Change::CallEnd(number) => {
                    calls.remove(number)?;
                }
                Change::Lots(lots) => {
                    if let Ok(bytes) = postcard::to_stdvec(lots) {
                        facts.insert(LOTS, bytes.as_slice())?;
                    }
                }
                Change::Learnt(learnt) => {
                    if let Ok(bytes) = postcard::to_extend(learnt, vec![LEARNT_VERSION]) {
                        facts.insert(LEARNT, bytes.as_slice())?;
                    }
                }
            }
        }
        for lane in &group.reserved {
            if lane.id == 0 {
                facts.insert(RESERVED, lane.limit.to_le_bytes().as_slice())?;
            } else if let Ok(bytes) = postcard::to_stdvec(&(&lane.name, lane.limit)) {
                facts.insert(format!("{LANE}{}", lane.id).as_str(), bytes.as_slice())?;
            }
        }
        facts.insert(COMMITTED, group.taken.0.to_le_bytes().as_slice())?;
        Ok(())
    }
}

/// The form of what was learnt of a room; another is learnt anew.
const LEARNT_VERSION: u8 = 3;

fn read_learnt(bytes: &[u8]) -> Option<Learnt> {
    let (version, rest) = bytes.split_first()?;
    let learnt: Learnt = postcard::from_bytes(rest).ok()?;
    (*version == LEARNT_VERSION && learnt.returns.is_sound()).then_some(learnt)
}

/// What was found of portals, by name.
const FOUND: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("portals/found");

/// The form of what was found; another is learnt anew.
const FOUND_VERSION: u8 = 1;

/// What was found of the portal `name`.
pub fn load_found(read: &ReadTransaction, name: &str) -> Result<Option<Capacity>, redb::Error> {
    let found = match read.open_table(FOUND) {
        Ok(found) => found,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bytes = found.get(name)?;
    Ok(bytes.and_then(|bytes| read_found(bytes.value())))
}

fn read_found(bytes: &[u8]) -> Option<Capacity> {
    let (version, rest) = bytes.split_first()?;
    let found: Capacity = postcard::from_bytes(rest).ok()?;
    (*version == FOUND_VERSION && found.is_sound()).then_some(found)
}

/// Writes it.
pub fn store_found(
    write: &WriteTransaction,
    name: &str,
    found: &Capacity,
) -> Result<(), redb::Error> {
    if let Ok(bytes) = postcard::to_extend(found, vec![FOUND_VERSION]) {
        write.open_table(FOUND)?.insert(name, bytes.as_slice())?;
    }
    Ok(())
}

fn pack(living: &Bits, over: &Bits) -> Marks {
    let mut marks = [0; size_of::<Marks>()];
    for (bytes, word) in marks.chunks_exact_mut(8).zip(living.iter().chain(over)) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    marks
}

fn unpack(marks: &[u8]) -> (Bits, Bits) {
    let mut words = marks.chunks(8).map(little_endian);
    let mut bits = || std::array::from_fn(|_| words.next().unwrap_or(0));
    let living = bits();
    (living, bits())
}

fn little_endian(bytes: &[u8]) -> u64 {
    let mut padded = [0; 8];
    let length = bytes.len().min(8);
    padded[..length].copy_from_slice(&bytes[..length]);
    u64::from_le_bytes(padded)
}
