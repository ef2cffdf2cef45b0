//! A slot, and a place in the queue for one.

use super::{Asker, Slots};
use crate::room::{Spot, Waited, Waits};
use crate::time::Millis;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;

/// The right to run one request against one server.
pub struct Slot {
    pub(super) slots: Arc<Slots>,
    pub(super) server: usize,
    pub(super) asker: Asker,
    pub(super) waits: Waits,
    pub(super) lent: bool,
    pub(super) in_flight: u32,
    /// When the answer is expected.
    pub(super) expected: Millis,
    /// The server works on it.
    pub(super) working: bool,
    /// Its place among the few that what is stuck may have.
    pub(super) few: Option<Box<Slot>>,
}

/// A place in the queue: it becomes the slot, or nothing when no server is up any more. Dropping it
/// leaves the queue.
pub struct Place {
    pub(super) slots: Arc<Slots>,
    pub(super) spot: Spot,
    pub(super) slot: oneshot::Receiver<Slot>,
    /// It is in the queue, as far as it knows.
    pub(super) waits: bool,
}

impl Slot {
    /// The server it is for.
    pub fn server(&self) -> usize {
        self.server
    }

    /// For how long it was waited for, if it was asked for at that time: as far as that counts.
    pub fn waited(&self, asked: Millis, now: Millis) -> Option<Waited> {
        self.waits.counts(now.since(asked))
    }

    /// Whether it was waited for because its visitor, or what is as heavy, had others.
    pub fn was_held_back(&self) -> bool {
        self.waits == Waits::ForItsOwn
    }

    /// Requests in flight when it was taken, its own included.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// When the answer to its request is expected.
    pub fn expect(&mut self, answer: Millis) {
        self.expected = answer;
        if let Some(few) = &mut self.few {
            few.expect(answer);
        }
    }

    /// Whether the server works on its request.
    pub fn works(&mut self, working: bool) {
        self.working = working;
        if let Some(few) = &mut self.few {
            few.works(working);
        }
    }

    /// Makes it one of the few that what is stuck may have.
    pub fn join(&mut self, few: Slot) {
        self.few = Some(Box::new(few));
    }

    /// Whether it is one of the few that what is stuck may have.
    pub fn is_of_few(&self) -> bool {
        self.few.is_some()
    }

    /// Lets somebody else have it while its visitor takes an answer that the portal has begun.
    /// The portal then has one more connection open than there are slots: at most
    /// [`LENT_PER_SLOT`](super::LENT_PER_SLOT) for each.
    pub fn lend(&mut self) {
        let mut state = self.slots.lock();
        if self.lent || !state.may_lend(self.asker.visitor) {
            return;
        }
        self.lent = true;
        self.few = None;
        state.is_lent(self.asker.visitor);
        state.free(self.server, self.asker);
        drop(state);
        self.slots.hand_on();
    }

    /// A slot on another server in place of this one, if one is free at once.
    pub fn elsewhere(mut self) -> Option<Slot> {
        self.server = self.slots.lock().change(self.server, self.lent)?;
        self.slots.hand_on();
        Some(self)
    }
}

impl Future for Place {
    type Output = Option<Slot>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Slot>> {
        let slot = ready!(Pin::new(&mut self.slot).poll(context));
        self.waits = false;
        Poll::Ready(slot.ok())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.waits {
            let left = self.slots.lock().turns.leave(self.spot);
            drop(left);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(self);
    }
}
