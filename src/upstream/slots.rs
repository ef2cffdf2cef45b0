//! Slots: how many requests run against a portal at once, and in what order the others wait.
//!
//! One queue per portal, first come first served over all threads. A slot names the server it
//! is for: the one with the fewest requests in flight among those that are up. Dropping a slot
//! gives it back, and the next in the queue gets it.
//!
//! Whoever asks has a [`Claim`], and each claim its queue. Calls of other servers come first, and
//! have slots of their own beside the others: the portal makes such a call (to validate a ticket,
//! say) in the middle of a request that holds a slot. If it waited for one, all would wait for
//! each other. Then come those inside, then those who are not yet: of a rush or a flood at the
//! gate, those inside feel nothing as long as the last quarter of the slots is enough for them.
//!
//! *In order*, unless the first of those inside has waited for longer than [`LONG_WAIT`]: then the
//! last comes first. Whoever has waited for so long is about to give up; to begin with them would be
//! work for nobody, and a queue that never gets shorter (adaptive LIFO: Maurer, "Fail at Scale", 2015).
//!
//! *Who leaves the queue* is out of it at once: there is nobody in it who does not wait.
//!
//! *Who leaves before the answer* is worked for all the same: no portal stops at once. So their slot
//! is kept until the answer would have come, and no longer ([`Slots::free_on_time`]).
//!
//! A slot whose visitor takes the answer slowly can be [lent](Slot::lend): the portal has done its
//! work, and only its connection is still held.

mod claim;

pub use claim::Claim;

use crate::host;
use crate::time::{Millis, Span};
use claim::CLAIMS;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::sync::{Notify, oneshot};

/// A portal's slots.
pub struct Slots {
    state: Mutex<State>,
    /// A slot of somebody who left is to be freed, sooner than all others.
    sooner: Notify,
}

struct State {
    limit: u32,
    /// Nothing: as many as in all.
    server_limit: Option<u32>,
    queue_max: usize,
    in_flight: u32,
    lent: u32,
    servers: Vec<ServerState>,
    /// In the order in which they are served (see [`Claim`]); each by number.
    waiting: [VecDeque<Waiter>; CLAIMS.len()],
    /// How many have ever waited.
    numbers: u64,
    /// Slots of those who left: the server, and until when it works on.
    left: BinaryHeap<Reverse<(Millis, usize)>>,
    /// Where the search for a server begins, so that equals take turns.
    turn: usize,
}

/// See the module.
pub const LONG_WAIT: Span = Span::secs(8);
/// For each slot, so many more may be lent at a time.
pub const LENT_PER_SLOT: u32 = 4;
/// Connections to the portal at most, for each slot: those of back-channels and lent ones, too.
pub const CONNECTIONS_PER_SLOT: u64 = 2 + LENT_PER_SLOT as u64;

/// Somebody in the queue, and since when.
struct Waiter {
    number: u64,
    slot: oneshot::Sender<Slot>,
    since: Millis,
}

struct ServerState {
    up: bool,
    in_flight: u32,
}

/// The right to run one request against one server.
pub struct Slot {
    slots: Arc<Slots>,
    server: usize,
    lent: bool,
    in_flight: u32,
    /// When the answer is expected.
    expected: Millis,
    /// The server works on it.
    working: bool,
    /// Its place among the few that what is stuck may have.
    few: Option<Box<Slot>>,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSlot {
    /// No server is up.
    Down,
    /// Too many requests wait already.
    QueueFull,
}

/// How the slots are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The limit in force.
    pub limit: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// Answers beside them that the portal has begun and that are taken slowly.
    pub lent: u32,
    /// Requests that wait for a slot.
    pub waiting: usize,
    /// For each server: up, and its requests in flight.
    pub servers: Vec<(bool, u32)>,
}

/// A place in the queue, or the slot itself.
pub enum Turn {
    /// There was one free.
    Now(Slot),
    /// It is waited for.
    Later(Place),
}

/// A place in the queue: it becomes the slot, or nothing when no server is up any more. Dropping it
/// leaves the queue.
pub struct Place {
    slots: Arc<Slots>,
    claim: Claim,
    number: u64,
    slot: oneshot::Receiver<Slot>,
    /// It is in the queue, as far as it knows.
    waits: bool,
}

impl Slots {
    /// `limit` in all, `server_limit` per server, at most `queue_max` waiting.
    pub fn new(
        limit: u32,
        server_limit: Option<u32>,
        queue_max: u32,
        servers: usize,
    ) -> Arc<Slots> {
        let servers = (0..servers)
            .map(|_| ServerState {
                up: true,
                in_flight: 0,
            })
            .collect();
        Arc::new(Slots {
            state: Mutex::new(State {
                limit,
                server_limit,
                queue_max: queue_max as usize,
                in_flight: 0,
                lent: 0,
                servers,
                waiting: Default::default(),
                numbers: 0,
                left: BinaryHeap::new(),
                turn: 0,
            }),
            sooner: Notify::new(),
        })
    }

    /// From now on `limit` in all. Whoever has a slot keeps it.
    pub fn set_limit(self: &Arc<Slots>, limit: u32) {
        self.lock().limit = limit;
        self.hand_on();
    }

    /// A slot, or a place in the queue.
    ///
    /// # Errors
    /// When no server is up or the queue is full.
    pub fn ask(self: &Arc<Slots>, claim: Claim, now: Millis) -> Result<Turn, NoSlot> {
        let mut state = self.lock();
        if state.settle(now) && !state.nobody_waits() {
            // What has become free is theirs who have waited for it.
            drop(state);
            self.hand_on();
            state = self.lock();
        }
        if state.servers.iter().all(|server| !server.up) {
            return Err(NoSlot::Down);
        }
        let before = &mut state.waiting[..=claim as usize];
        if before.iter().all(VecDeque::is_empty)
            && let Some(server) = state.take(claim)
        {
            let in_flight = state.in_flight;
            return Ok(Turn::Now(self.slot(server, in_flight)));
        }
        if state.waiting[claim as usize].len() >= state.queue_max {
            return Err(NoSlot::QueueFull);
        }
        state.numbers += 1;
        let number = state.numbers;
        let (sender, receiver) = oneshot::channel();
        state.waiting[claim as usize].push_back(Waiter {
            number,
            slot: sender,
            since: now,
        });
        Ok(Turn::Later(Place {
            slots: self.clone(),
            claim,
            number,
            slot: receiver,
            waits: true,
        }))
    }

    /// A server went down or came up. When the last one goes, those who wait are told at once.
    pub fn set_up(self: &Arc<Slots>, server: usize, up: bool) {
        let mut state = self.lock();
        state.servers[server].up = up;
        if state.servers.iter().all(|server| !server.up) {
            state.waiting.iter_mut().for_each(VecDeque::clear);
        }
        drop(state);
        self.hand_on();
    }

    /// How the slots are used now.
    pub fn usage(&self) -> Usage {
        let state = self.lock();
        Usage {
            limit: state.limit,
            in_flight: state.in_flight,
            lent: state.lent,
            waiting: state.waiting.iter().map(VecDeque::len).sum(),
            servers: (state.servers.iter())
                .map(|server| (server.up, server.in_flight))
                .collect(),
        }
    }

    /// Gives free slots to those who have waited longest.
    pub fn hand_on(self: &Arc<Slots>) {
        let now = host::now();
        loop {
            let Some((waiter, server, in_flight)) = self.lock().next(now) else {
                return;
            };
            // If the visitor went in this very moment, the slot comes back by being dropped.
            drop(waiter.send(self.slot(server, in_flight)));
        }
    }

    /// Frees each slot of somebody who left at the moment when the answer would have come; never
    /// ends.
    pub async fn free_on_time(self: &Arc<Slots>) {
        loop {
            let sooner = self.sooner.notified();
            let first = self.lock().left.peek().map(|it| it.0.0);
            let Some(first) = first else {
                sooner.await;
                continue;
            };
            let wait = first.since(host::now());
            if tokio::time::timeout(wait.into(), sooner).await.is_err() {
                self.hand_on();
            }
        }
    }

    /// Whether anybody waits.
    pub fn is_short(&self) -> bool {
        !self.lock().nobody_waits()
    }

    fn give_back(self: &Arc<Slots>, slot: &Slot) {
        let mut state = self.lock();
        if slot.lent {
            state.lent -= 1;
            return;
        }
        if slot.working && slot.expected > host::now() {
            let first = state.left.peek().map(|it| it.0.0);
            if first.is_none_or(|first| slot.expected < first) {
                self.sooner.notify_one();
            }
            state.left.push(Reverse((slot.expected, slot.server)));
            return;
        }
        state.free(slot.server);
        let nobody = state.nobody_waits();
        drop(state);
        if !nobody {
            self.hand_on();
        }
    }

    /// How long the first of those inside who wait has waited.
    pub fn head(&self, now: Millis) -> Span {
        let state = self.lock();
        let first = state.waiting[Claim::Inside as usize].front();
        first.map_or(Span::ZERO, |waiter| now.since(waiter.since))
    }

    fn slot(self: &Arc<Slots>, server: usize, in_flight: u32) -> Slot {
        Slot {
            slots: self.clone(),
            server,
            in_flight,
            expected: Millis::default(),
            working: false,
            lent: false,
            few: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if it did, the counts are still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whoever is next, with a slot that was taken for them.
    fn next(&mut self, now: Millis) -> Option<(oneshot::Sender<Slot>, usize, u32)> {
        self.settle(now);
        for claim in CLAIMS {
            if !self.waiting[claim as usize].is_empty()
                && let Some(server) = self.take(claim)
            {
                let queue = &mut self.waiting[claim as usize];
                let long = (queue.front()).is_some_and(|it| now.since(it.since) > LONG_WAIT);
                let waiter = match long && claim == Claim::Inside {
                    true => queue.pop_back()?,
                    false => queue.pop_front()?,
                };
                return Some((waiter.slot, server, self.in_flight));
            }
        }
        None
    }

    fn nobody_waits(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }

    /// Whoever has this number waits no more.
    fn leave(&mut self, claim: Claim, number: u64) {
        let queue = &mut self.waiting[claim as usize];
        if let Ok(at) = queue.binary_search_by_key(&number, |waiter| waiter.number) {
            queue.remove(at);
        }
    }

    /// Frees what need not be kept any longer. Returns whether there was anything.
    fn settle(&mut self, now: Millis) -> bool {
        let before = self.in_flight;
        while let Some(Reverse((_, server))) = self.left.peek().filter(|it| it.0.0 <= now) {
            let server = *server;
            self.left.pop();
            self.free(server);
        }
        self.in_flight < before
    }

    fn free(&mut self, server: usize) {
        self.in_flight -= 1;
        self.servers[server].in_flight -= 1;
    }

    /// Takes a slot on the least loaded server that is up.
    fn take(&mut self, claim: Claim) -> Option<usize> {
        if self.in_flight >= claim.of(self.limit) {
            return None;
        }
        let server_limit = self.server_limit.unwrap_or(self.limit);
        let server = self.least_loaded(claim.of(server_limit), None)?;
        self.in_flight += 1;
        self.servers[server].in_flight += 1;
        Some(server)
    }

    /// Moves a slot, which may be `lent`, to another server than `from`.
    fn change(&mut self, from: usize, lent: bool) -> Option<usize> {
        let server_limit = self.server_limit.unwrap_or(self.limit);
        let server = self.least_loaded(server_limit, Some(from))?;
        if !lent {
            self.servers[from].in_flight -= 1;
            self.servers[server].in_flight += 1;
        }
        Some(server)
    }

    /// Among the servers that are up and have less than `limit` in flight, other than `except`.
    fn least_loaded(&mut self, limit: u32, except: Option<usize>) -> Option<usize> {
        let count = self.servers.len();
        self.turn = (self.turn + 1) % count;
        (0..count)
            .map(|step| (self.turn + step) % count)
            .filter(|server| Some(*server) != except)
            .filter(|server| self.servers[*server].up)
            .filter(|server| self.servers[*server].in_flight < limit)
            .min_by_key(|server| self.servers[*server].in_flight)
    }
}

impl Slot {
    /// The server it is for.
    pub fn server(&self) -> usize {
        self.server
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
    /// [`LENT_PER_SLOT`] for each.
    pub fn lend(&mut self) {
        let mut state = self.slots.lock();
        if self.lent || state.lent >= state.limit.saturating_mul(LENT_PER_SLOT) {
            return;
        }
        self.lent = true;
        self.few = None;
        state.lent += 1;
        state.free(self.server);
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
            self.slots.lock().leave(self.claim, self.number);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(self);
    }
}

#[cfg(test)]
mod tests;
