//! What the rooms change is brought to the store, in groups, on a thread of its own.

use super::storage;
use crate::cookie::Keys;
use crate::front::House;
use crate::host;
use crate::store::{self, Group, Store, StoreError};
use crate::time::{Millis, Span};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What nobody waits for is written this often.
const EVERY: Duration = Duration::from_millis(100);
/// Pause between two rounds however many wait: the next group grows meanwhile.
const GAP: Duration = Duration::from_millis(4);
/// What was found of the portals is written this often.
const FOUND_EVERY: Span = Span::secs(10);
/// Pause after a commit that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// While the store cannot be written, that is said this often.
const SAID_EVERY: Span = Span::mins(1);

/// The store's thread.
pub struct Keeping {
    house: Arc<House>,
    thread: Option<JoinHandle<()>>,
}

struct Keeper {
    /// `None` after a failure, until the file could be opened again.
    store: Option<Store>,
    path: PathBuf,
    house: Arc<House>,
    /// Changes were lost with a failed commit: the next group is everything.
    snapshot: bool,
    /// When what was found of the portals was last written.
    found_kept: Millis,
    /// The keys, if nothing was written since the start: neither they nor any number.
    unwritten: Option<Arc<Keys>>,
    /// When it was last said that the store cannot be written.
    said: Millis,
}

impl Keeping {
    /// Reserves the first numbers, then begins. `unwritten` are the keys if `store` is in memory.
    ///
    /// # Errors
    /// When the first commit fails: without it, nobody could be let in.
    pub fn start(
        store: Store,
        unwritten: Option<Arc<Keys>>,
        house: Arc<House>,
    ) -> Result<Keeping, StoreError> {
        let in_memory = unwritten.is_some();
        let mut keeper = Keeper {
            path: store.path().to_owned(),
            store: (!in_memory).then_some(store),
            house: house.clone(),
            snapshot: in_memory,
            found_kept: host::now(),
            unwritten,
            said: host::now(),
        };
        match in_memory {
            true => {
                house.written.end(false);
                keeper.reserve_in_memory();
            }
            false => keeper.commit()?,
        }
        let keep = move || {
            loop {
                let (least, most) = keeper.round();
                if !keeper.house.written.sleep(least, most) {
                    break;
                }
            }
            keeper.round();
        };
        let thread = thread::Builder::new().name("store".into()).spawn(keep);
        if thread.is_ok() {
            // Before anybody comes: whoever is first waits like all others.
            house.written.is_kept();
        }
        Ok(Keeping {
            house,
            thread: thread
                .inspect_err(|error| tracing::error!(%error, "no thread for the store"))
                .ok(),
        })
    }

    /// Commits what is left, and ends.
    pub fn stop(&mut self) {
        self.house.written.end_keeping();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Keeper {
    /// One round; returns the pause until the next: the least, and the most.
    fn round(&mut self) -> (Duration, Duration) {
        let house = self.house.clone();
        house.written.begin();
        let result = self.commit().and_then(|()| self.save_keys());
        let changed = house.written.end(result.is_ok());
        let Err(error) = result else {
            if changed {
                tracing::info!("the store can be written again");
            }
            return (GAP, EVERY);
        };
        house.metrics.store_errors.inc();
        let now = host::now();
        if changed || now.since(self.said) >= SAID_EVERY {
            self.said = now;
            tracing::error!(%error, "the store cannot be written: places are kept in memory, and this is tried again");
        }
        self.reserve_in_memory();
        self.snapshot = true;
        // After an error in the middle, only a fresh look at the file can be trusted.
        self.store = None;
        (AFTER_FAILURE, AFTER_FAILURE)
    }

    /// Opens the file, or makes it; its folder as well, if it could not be made at the start.
    fn open(&self) -> Result<Store, StoreError> {
        if self.unwritten.is_some() {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let made = storage::make_folder(folder);
            made.map_err(|error| StoreError::unwritable(folder, error))?;
        }
        Store::open(&self.path)
    }

    /// Writes keys that could not be written at the start; only after the numbers that they have
    /// signed are reserved in the file.
    fn save_keys(&mut self) -> Result<(), StoreError> {
        if let Some(keys) = &self.unwritten {
            let (path, _) = storage::files(self.path.parent().unwrap_or(Path::new(".")));
            let saved = keys.save(&path);
            saved.map_err(|error| StoreError::unwritable(&path, error))?;
            self.unwritten = None;
        }
        Ok(())
    }

    /// Numbers for a server that has started in memory. They are signed with a key that is nowhere
    /// else: if this process ends, nobody holds one of them any more.
    fn reserve_in_memory(&self) {
        if self.unwritten.is_none() {
            return;
        }
        for door in &self.house.doors {
            let mut room = door.room();
            let (reserved, _) = store::reservations(&room);
            (reserved.iter()).for_each(|lane| room.reserve(lane.limit));
        }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let store = match self.store.take() {
            Some(store) => self.store.insert(store),
            None => match self.open() {
                Ok(store) => self.store.insert(store),
                Err(error) => {
                    // The next group is everything: what changes until then need not be kept.
                    let doors = self.house.doors.iter();
                    doors.for_each(|door| drop(door.room().take_changes()));
                    return Err(error);
                }
            },
        };
        let groups: Vec<Group<'_>> = (self.house.doors.iter())
            .filter_map(|door| {
                let mut room = door.room();
                let (reserved, more) = store::reservations(&room);
                let changes = match self.snapshot {
                    true => room.snapshot(),
                    false => room.take_changes(),
                };
                let needed = !changes.is_empty() || more;
                needed.then(|| Group {
                    room: &door.config.name,
                    changes,
                    reserved,
                    taken: host::now(),
                })
            })
            .collect();
        let now = host::now();
        let due = now.since(self.found_kept) >= FOUND_EVERY;
        let portals = self.house.portals.iter().filter(|_| due);
        let found: Vec<_> = portals
            .map(|portal| (portal.config().name.as_str(), portal.bearing.found()))
            .collect();
        if groups.is_empty() && found.is_empty() {
            return Ok(());
        }
        store.commit(&groups, &found)?;
        if due {
            self.found_kept = now;
        }
        self.house.metrics.store_commits.inc();
        for group in &groups {
            if let Some(door) = self.house.door_named(group.room) {
                let mut room = door.room();
                (group.reserved.iter()).for_each(|lane| room.reserve(lane.limit));
                room.stored();
            }
        }
        self.snapshot = false;
        Ok(())
    }
}
