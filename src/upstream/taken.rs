//! Visitors who take long answers, and the slots of those who take them slowly.
//!
//! An answer holds a slot of the portal until it has gone to the visitor. If the visitor has a
//! poor link, or takes it slowly on purpose, the portal has nothing to do meanwhile. So while
//! others wait for a slot, those of visitors who let the portal wait for most of the time are lent
//! to them (see [`Slot::lend`]).

use super::slots::Slot;
use crate::host;
use crate::time::{Millis, Span};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Of the time between two looks, the part beyond which it is the visitor who is slow.
const SLOW_PART: f64 = 0.5;

/// One thread's visitors who take long answers.
#[derive(Default)]
pub struct Readers(Mutex<Vec<Weak<Reader>>>);

/// A visitor who takes a long answer, with its slot.
pub struct Reader(Mutex<State>);

struct State {
    slot: Slot,
    /// Since when they have something to take, if they have.
    taking: Option<Millis>,
    /// For how long they had, since the last look, and when that was.
    taken: Span,
    looked: Millis,
}

impl Readers {
    /// A visitor gets the first piece of an answer that has more.
    pub fn enter(&self, slot: Slot) -> Arc<Reader> {
        let reader = Arc::new(Reader(Mutex::new(State {
            slot,
            taking: None,
            taken: Span::ZERO,
            looked: host::now(),
        })));
        self.list().push(Arc::downgrade(&reader));
        reader
    }

    /// Once a second: forgets who has gone and, if others are `short` of slots, lends those of the
    /// slow.
    pub fn look(&self, short: bool) {
        let now = host::now();
        self.list().retain(|reader| {
            let reader = reader.upgrade();
            if let Some(reader) = &reader {
                reader.state().look(short, now);
            }
            reader.is_some()
        });
    }

    fn list(&self) -> MutexGuard<'_, Vec<Weak<Reader>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// They have something to take from now on.
    pub fn takes(&self) {
        self.state().taking = Some(host::now());
    }

    /// They have taken it.
    pub fn waits_for_portal(&self) {
        let mut state = self.state();
        if let Some(since) = state.taking.take() {
            let from = since.max(state.looked);
            state.taken = state.taken + host::now().since(from);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&mut self, short: bool, now: Millis) {
        let taking = self.taking.map(|since| now.since(since.max(self.looked)));
        let taken = self.taken + taking.unwrap_or(Span::ZERO);
        let whole = now.since(self.looked).as_secs_f64();
        if short && taken.as_secs_f64() > SLOW_PART * whole {
            self.slot.lend();
        }
        (self.taken, self.looked) = (Span::ZERO, now);
    }
}
