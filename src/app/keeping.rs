//! What the rooms change is brought to the store, in groups, on a thread of its own.

use crate::front::House;
use crate::host;
use crate::store::{self, Group, Store, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What is younger than this may be lost with a crash; nobody's place is.
const EVERY: Duration = Duration::from_millis(100);
/// Pause after a commit that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The store's thread.
pub struct Keeping {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    fails: Arc<AtomicBool>,
}

struct Keeper {
    /// `None` after a failure, until the file could be opened again.
    store: Option<Store>,
    path: PathBuf,
    house: Arc<House>,
    /// Changes were lost with a failed commit: the next group is everything.
    snapshot: bool,
    fails: Arc<AtomicBool>,
}

impl Keeping {
    /// Reserves the first numbers, then begins.
    ///
    /// # Errors
    /// When the first commit fails: without it, nobody could be let in.
    pub fn start(store: Store, house: Arc<House>) -> Result<Keeping, StoreError> {
        let fails = Arc::new(AtomicBool::new(false));
        let mut keeper = Keeper {
            path: store.path().to_owned(),
            store: Some(store),
            house,
            snapshot: false,
            fails: fails.clone(),
        };
        keeper.commit()?;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("store".into()).spawn(move || {
            let mut pause = EVERY;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                pause = keeper.round();
            }
            keeper.round();
        });
        Ok(Keeping {
            stop: Some(stop),
            thread: thread
                .inspect_err(|error| tracing::error!(%error, "no thread for the store"))
                .ok(),
            fails,
        })
    }

    /// True while the last commit has failed.
    pub fn fails(&self) -> Arc<AtomicBool> {
        self.fails.clone()
    }

    /// Commits what is left, and ends.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Keeper {
    /// One round; returns the pause until the next.
    fn round(&mut self) -> Duration {
        let result = self.commit();
        let failed = self.fails.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Ok(()) => {
                if failed {
                    tracing::info!("the store can be written again");
                }
                EVERY
            }
            Err(error) => {
                self.house.metrics.store_errors.inc();
                if !failed {
                    tracing::error!(%error, "the store cannot be written; places are kept in memory and tried again");
                }
                self.snapshot = true;
                // After an error in the middle, only a fresh look at the file can be trusted.
                self.store = None;
                AFTER_FAILURE
            }
        }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.store.is_none() {
            self.store = Some(Store::open(&self.path)?);
        }
        let Some(store) = &self.store else {
            return Ok(());
        };
        let groups: Vec<Group<'_>> = (self.house.doors.iter())
            .filter_map(|door| {
                let mut room = door.room();
                let (next, reserved) = room.numbers();
                let wanted = store::reservation(next, reserved);
                let changes = match self.snapshot {
                    true => room.snapshot(),
                    false => room.take_changes(),
                };
                let needed = !changes.is_empty() || wanted != reserved;
                needed.then(|| Group {
                    room: &door.config.name,
                    changes,
                    reserved: wanted,
                    taken: host::now(),
                })
            })
            .collect();
        if groups.is_empty() {
            return Ok(());
        }
        store.commit(&groups)?;
        self.house.metrics.store_commits.inc();
        for group in &groups {
            if let Some(door) = self.house.door_named(group.room) {
                door.room().reserve(group.reserved);
            }
        }
        self.snapshot = false;
        Ok(())
    }
}
