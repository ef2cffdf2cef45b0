//! What the rooms change is brought to the store, in groups, on a thread of its own.

use crate::front::House;
use crate::host;
use crate::store::{self, Group, Store, StoreError};
use crate::time::{Millis, Span};
use std::path::PathBuf;
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
}

impl Keeping {
    /// Reserves the first numbers, then begins.
    ///
    /// # Errors
    /// When the first commit fails: without it, nobody could be let in.
    pub fn start(store: Store, house: Arc<House>) -> Result<Keeping, StoreError> {
        let mut keeper = Keeper {
            path: store.path().to_owned(),
            store: Some(store),
            house: house.clone(),
            snapshot: false,
            found_kept: host::now(),
        };
        keeper.commit()?;
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
        let result = self.commit();
        let changed = house.written.end(result.is_ok());
        let Err(error) = result else {
            if changed {
                tracing::info!("the store can be written again");
            }
            return (GAP, EVERY);
        };
        house.metrics.store_errors.inc();
        if changed {
            tracing::error!(%error, "the store cannot be written: places are kept in memory, and this is tried again");
        }
        self.snapshot = true;
        // After an error in the middle, only a fresh look at the file can be trusted.
        self.store = None;
        (AFTER_FAILURE, AFTER_FAILURE)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let store = match self.store.take() {
            Some(store) => self.store.insert(store),
            None => match Store::open(&self.path) {
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
