//! Visitors who take long answers, and the slots of those who take them slowly.
//!
//! An answer holds a slot of the portal until it has gone to the visitor. If the visitor has a
//! poor link, or takes it slowly on purpose, the portal has nothing to do meanwhile. So while
//! others wait for a slot, those of such visitors are lent to them (see [`Slot::lend`]).

use super::slots::Slot;
use crate::host;
use crate::time::{Millis, Span};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Whoever has not asked for more after this much time is slow.
const SLOW: Span = Span::secs(1);
/// In place of a time: it is the portal that is waited for.
const PORTAL: u64 = u64::MAX;

/// One thread's visitors who take long answers.
#[derive(Default)]
pub struct Readers(Mutex<Vec<Weak<Reader>>>);

/// A visitor who takes a long answer, with its slot.
pub struct Reader {
    slot: Mutex<Slot>,
    /// Since when they have something to take.
    since: AtomicU64,
}

impl Readers {
    /// A visitor asks for the second piece of an answer.
    pub fn enter(&self, slot: Slot) -> Arc<Reader> {
        let reader = Arc::new(Reader {
            slot: Mutex::new(slot),
            since: AtomicU64::new(PORTAL),
        });
        self.list().push(Arc::downgrade(&reader));
        reader
    }

    /// Forgets who has gone and, if others are `short` of slots, lends those of the slow.
    pub fn look(&self, short: bool) {
        let now = host::now();
        self.list().retain(|reader| {
            let reader = reader.upgrade();
            if let Some(reader) = reader
                .as_ref()
                .filter(|reader| short && reader.is_slow(now))
            {
                reader.slot().lend();
            }
            reader.is_some()
        });
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Reader>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// They have something to take from now on.
    pub fn takes(&self) {
        self.since.store(host::now().0, Ordering::Relaxed);
    }

    /// They have taken it.
    pub fn waits_for_portal(&self) {
        self.since.store(PORTAL, Ordering::Relaxed);
    }

    fn is_slow(&self, now: Millis) -> bool {
        match self.since.load(Ordering::Relaxed) {
            PORTAL => false,
            since => now.since(Millis(since)) >= SLOW,
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
