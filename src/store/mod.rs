//! What survives: an embedded ACID store beside the rooms (redb).
//!
//! The rooms live in memory; what they change is committed in groups, off the hot path. Numbers
//! are reserved in blocks ahead of use, so that none is given twice whatever is lost with the
//! last group. Nothing of this module's types is seen by `room`: a second kind of store has
//! only [`Store::load`] and [`Store::commit`] to provide.

mod tables;

use crate::host;
use crate::room::{BLOCK, Capacity, Change, LaneNumbers, Room, Saved};
use crate::time::Millis;
use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, ReadableDatabase as _, StorageBackend as _, TableDefinition};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tables::Tables;

/// Numbers reserved ahead of use: while the store cannot be written, at least half as many
/// newcomers can still be given one.
const AHEAD: u64 = 2_048 * BLOCK;
/// Bytes of the store's cache.
const CACHE: usize = 16 * 1024 * 1024;
/// Bytes of a file that is taken into memory because its disk cannot be written.
const IN_MEMORY_MAX: u64 = 1024 * 1024 * 1024;
/// Rights of the file.
const MODE: u32 = 0o600;
/// Bytes that are written to see whether a disk has room for a few commits.
const TRIAL_BYTES: usize = 64 * 1024;
/// Where they are written.
const TRIAL: TableDefinition<'_, (), &[u8]> = TableDefinition::new("trial");

/// The store of one installation; one process at a time may hold it.
pub struct Store {
    path: PathBuf,
    database: Database,
}

/// Why the store cannot be opened, read or written. The message says what to do.
#[derive(Debug)]
pub struct StoreError {
    path: PathBuf,
    cause: redb::Error,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            redb::Error::DatabaseAlreadyOpen => write!(
                f,
                "the store {path} is in use: another preau runs with the same `state` folder. Stop \
                 it, or give this one a folder of its own"
            ),
            redb::Error::Io(error) if error.kind() != ErrorKind::InvalidData => write!(
                f,
                "the store {path} cannot be read or written: {error}. {} (`state` in the configuration)",
                host::remedy(error)
            ),
            cause => write!(
                f,
                "the store {path} is damaged ({cause}). Restore it from a backup, or move it away: \
                 a new one is made at the next start, and everybody in line starts anew"
            ),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// The folder or the keys of the store at `path` cannot be written.
    pub fn unwritable(path: &Path, cause: io::Error) -> StoreError {
        error(path, redb::Error::Io(cause))
    }

    /// What the operating system has said.
    pub fn io(&self) -> Option<&io::Error> {
        match &self.cause {
            redb::Error::Io(error) => Some(error),
            _ => None,
        }
    }

    /// Whether another process holds the store.
    pub fn is_in_use(&self) -> bool {
        matches!(self.cause, redb::Error::DatabaseAlreadyOpen)
    }
}

/// What one room wants stored.
pub struct Group<'a> {
    /// The room's name.
    pub room: &'a str,
    /// Its changes, in order.
    pub changes: Vec<Change>,
    /// The lanes, each with the limit up to which numbers may be given out once the commit has
    /// succeeded.
    pub reserved: Vec<LaneNumbers>,
    /// When the changes were taken.
    pub taken: Millis,
}

impl Store {
    /// Opens the store, or makes one.
    ///
    /// # Errors
    /// When another process holds it, the folder is out of reach, or the file is damaged.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let new = fs::metadata(path).map_or(true, |it| it.is_file() && it.len() == 0);
        for_us_alone(path).map_err(|cause| error(path, redb::Error::Io(cause)))?;
        let database = Database::builder()
            .set_cache_size(CACHE)
            .create(path)
            .map_err(|cause| {
                let error = error(path, cause);
                // Half a store would be a damaged one to the next start. What is refused for another
                // reason may be that of somebody who was quicker.
                if new && error.io().is_some_and(host::is_of_disk) {
                    let _ = fs::remove_file(path);
                }
                error
            })?;
        Ok(Store {
            path: path.to_owned(),
            database,
        })
    }

    /// What the file at `path` says, in memory: nothing of it is changed. An empty store if there is
    /// none.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn in_memory(path: &Path) -> Result<Store, StoreError> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| {
            let mut file = file.take(IN_MEMORY_MAX);
            file.read_to_end(&mut bytes)
        });
        match read {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(error(path, redb::Error::Io(cause)));
            }
            _ => {}
        }
        let memory = InMemoryBackend::new();
        let filled = (memory.set_len(bytes.len() as u64)).and_then(|()| memory.write(0, &bytes));
        filled.map_err(|_| error(path, redb::Error::Io(ErrorKind::OutOfMemory.into())))?;
        let database = Database::builder()
            .set_cache_size(CACHE)
            .create_with_backend(memory)
            .map_err(|cause| error(path, cause))?;
        Ok(Store {
            path: path.to_owned(),
            database,
        })
    }

    /// Looks whether the file at `path` could be opened, and changes nothing.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn look(path: &Path) -> Result<(), StoreError> {
        let opened = File::options().read(true).write(true).open(path);
        opened.map_err(|cause| error(path, redb::Error::Io(cause)))?;
        match Database::builder().open_read_only(path) {
            // After a crash it is repaired when it is opened.
            Ok(_) | Err(DatabaseError::RepairAborted) => Ok(()),
            Err(cause) => Err(error(path, cause)),
        }
    }

    /// Writes something and takes it away: an open store may be on a disk without room.
    ///
    /// # Errors
    /// When the disk cannot be written.
    pub fn try_write(&self) -> Result<(), StoreError> {
        for some in [true, false] {
            let write = self.database.begin_write().map_err(|e| self.error(e))?;
            {
                let mut trial = write.open_table(TRIAL).map_err(|e| self.error(e))?;
                let written = match some {
                    true => trial.insert((), [0; TRIAL_BYTES].as_slice()).map(drop),
                    false => trial.remove(()).map(drop),
                };
                written.map_err(|e| self.error(e))?;
            }
            write.commit().map_err(|e| self.error(e))?;
        }
        Ok(())
    }

    /// The room `name` as it was stored; `None` if it never was.
    ///
    /// # Errors
    /// When the file is damaged or out of reach.
    pub fn load(&self, name: &str) -> Result<Option<Saved>, StoreError> {
        let read = self.database.begin_read().map_err(|e| self.error(e))?;
        Tables::new(name).load(&read).map_err(|e| self.error(e))
    }

    /// What was found of the portal `name`; `None` if nothing was, or under another version's form.
    ///
    /// # Errors
    /// When the file is damaged or out of reach.
    pub fn load_found(&self, name: &str) -> Result<Option<Capacity>, StoreError> {
        let read = self.database.begin_read().map_err(|e| self.error(e))?;
        tables::load_found(&read, name).map_err(|e| self.error(e))
    }

    /// Commits the groups of all rooms, and what was found of portals (by name), in one durable
    /// transaction.
    ///
    /// # Errors
    /// When the file cannot be written; then nothing of the groups is stored, and the rooms'
    /// snapshots are wanted next.
    pub fn commit(
        &self,
        groups: &[Group<'_>],
        found: &[(&str, Capacity)],
    ) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(|e| self.error(e))?;
        for group in groups {
            Tables::new(group.room)
                .store(&write, group)
                .map_err(|e| self.error(e))?;
        }
        for (portal, found) in found {
            tables::store_found(&write, portal, found).map_err(|e| self.error(e))?;
        }
        write.commit().map_err(|e| self.error(e))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, cause: impl Into<redb::Error>) -> StoreError {
        error(&self.path, cause)
    }
}

/// Makes the file if there is none, and closes it to everybody else: places and passes are nobody's
/// business. One that is not ours stays as it is.
fn for_us_alone(path: &Path) -> io::Result<()> {
    let made = File::options()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path);
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let open =
                fs::metadata(path).is_ok_and(|it| it.is_file() && it.mode() & !MODE & 0o777 != 0);
            if open {
                let _ = fs::set_permissions(path, Permissions::from_mode(MODE));
            }
            Ok(())
        }
        made => made.map(drop),
    }
}

fn error(path: &Path, cause: impl Into<redb::Error>) -> StoreError {
    StoreError {
        path: path.to_owned(),
        cause: cause.into(),
    }
}

/// The limit to reserve when `next` is the next number and `reserved` the limit in force; the
/// same again while half of it is left.
pub fn reservation(next: u64, reserved: u64) -> u64 {
    if next + AHEAD / 2 < reserved {
        return reserved;
    }
    (next + AHEAD).next_multiple_of(BLOCK)
}

/// What `room` wants reserved of the numbers of each lane, and whether that is more than it has.
pub fn reservations(room: &Room) -> (Vec<LaneNumbers>, bool) {
    let mut more = false;
    let mut lanes = room.lane_numbers();
    for lane in &mut lanes {
        let wanted = reservation(lane.next, lane.limit);
        more |= wanted != lane.limit;
        lane.limit = wanted;
    }
    (lanes, more)
}

/// The first number of a room that was never stored. It grows with the clock, by more than a
/// room can give out, so that a new store beside old keys gives no number a second time.
pub fn first_number() -> u64 {
    (host::now().0 / 1000) << 20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{Ask, CapacityRules, Limit, Ticket};
    use crate::room::{Decision, Entry, LaneRules, Pass, Rules, Visitor};

    fn group<'a>(room: &mut Room, name: &'a str, at: u64) -> Group<'a> {
        Group {
            room: name,
            changes: room.take_changes(),
            reserved: reservations(room).0,
            taken: Millis(at),
        }
    }

    fn rules() -> Rules {
        Rules {
            seats: 1,
            ..Rules::default()
        }
    }

    #[test]
    fn a_room_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let mut room = Room::new("ent", rules(), 0, Millis(0));
        room.reserve(reservation(0, 0));
        let page = |room: &mut Room, who, at| room.arrive(who, Ask::PAGE, Millis(at));
        let Decision::Forward { number, .. } = page(&mut room, Visitor::Newcomer, 1) else {
            panic!("the first goes straight in")
        };
        let mut tickets: Vec<Ticket> = Vec::new();
        for at in 2..2_000 {
            if let Decision::Wait { ticket, .. } = page(&mut room, Visitor::Newcomer, at) {
                tickets.push(ticket);
            }
        }
        let store = Store::open(&path).unwrap();
        assert!(store.load("ent").unwrap().is_none());
        store
            .commit(&[group(&mut room, "ent", 2_000)], &[])
            .unwrap();
        drop(store);

        let store = Store::open(&path).unwrap();
        let saved = store.load("ent").unwrap().unwrap();
        assert_eq!(saved.committed, Millis(2_000));
        let mut room = Room::restore("ent", rules(), saved, Millis(3_000));
        room.reserve(1 << 40);
        let pass = Visitor::Pass(Pass {
            number,
            issued: Millis(1),
        });
        let inside = page(&mut room, pass, 3_001);
        assert!(matches!(
            inside,
            Decision::Forward {
                entry: Entry::Inside,
                ..
            }
        ));
        let Decision::Wait { waiting, .. } =
            page(&mut room, Visitor::Ticket(tickets[1_500]), 3_002)
        else {
            panic!("still in line")
        };
        assert_eq!(waiting.place, 1_501);
    }

    #[test]
    fn lanes_come_back_with_their_names_and_numbers() {
        let lane = |name: &str| LaneRules {
            name: name.to_owned(),
            ..LaneRules::default()
        };
        let rules = |names: [&str; 2]| Rules {
            lanes: names.map(lane).into(),
            ..rules()
        };
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.redb")).unwrap();
        let mut room = Room::new("ent", rules(["", "teachers"]), 0, Millis(0));
        for lane in reservations(&room).0 {
            room.reserve(lane.limit);
        }
        let mut come = |lane| {
            let ask = Ask { lane, ..Ask::PAGE };
            room.arrive(Visitor::Newcomer, ask, Millis(1))
        };
        come(0);
        let Decision::Wait { ticket, .. } = come(1) else {
            panic!("the seat is taken")
        };
        store.commit(&[group(&mut room, "ent", 1)], &[]).unwrap();
        let saved = store.load("ent").unwrap().unwrap();
        assert_eq!(saved.lanes[1].name, "teachers");
        assert!(saved.lanes[1].limit > ticket.number);
        let mut room = Room::restore("ent", rules(["", "others"]), saved, Millis(2));
        assert!(room.knows(Visitor::Ticket(ticket), Millis(2)));
        assert_eq!(room.status(Millis(2)).lanes.len(), 3);
    }

    #[test]
    fn what_was_found_of_a_portal_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.redb")).unwrap();
        assert!(store.load_found("ent").unwrap().is_none());
        let rules = CapacityRules {
            slots: Limit::Fixed(17),
            seats: Limit::Fixed(170),
        };
        let found = Capacity::new(&rules, Millis(0));
        store.commit(&[], &[("ent", found)]).unwrap();
        let found = store.load_found("ent").unwrap().unwrap();
        assert_eq!((found.slots(), found.seats()), (17, 170));
        assert!(store.load_found("cas").unwrap().is_none());
    }

    #[test]
    fn rooms_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.redb")).unwrap();
        let mut room = Room::new("a", rules(), 0, Millis(0));
        room.reserve(10);
        room.arrive(Visitor::Newcomer, Ask::PAGE, Millis(1));
        store.commit(&[group(&mut room, "a", 1)], &[]).unwrap();
        assert_eq!(store.load("a").unwrap().unwrap().seats.len(), 1);
        assert!(store.load("b").unwrap().is_none());
    }

    #[test]
    fn a_second_process_and_a_damaged_file_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        // Whoever came first holds the file before there is anything in it.
        let held = File::create(&path).unwrap();
        held.lock().unwrap();
        assert!(Store::open(&path).err().unwrap().is_in_use());
        assert!(path.exists(), "it is the first one's");
        drop(held);
        let first = Store::open(&path).unwrap();
        let error = Store::open(&path).err().unwrap().to_string();
        assert!(error.contains("another preau"), "{error}");
        drop(first);
        std::fs::write(
            &path,
            "not a store at all, but long enough to look at".repeat(100),
        )
        .unwrap();
        let error = Store::open(&path).err().unwrap().to_string();
        assert!(error.contains("move it away"), "{error}");
    }

    #[test]
    fn reservations_stay_ahead() {
        let mut reserved = 0;
        for next in 0..4_000_000u64 {
            if next % 300_000 == 0 {
                reserved = reservation(next, reserved);
            }
            assert!(next < reserved);
        }
    }
}
