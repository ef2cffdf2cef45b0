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
mod slot;

pub use claim::Claim;
pub use slot::{Place, Slot};

use crate::host;
use crate::room::{Asking, Heads, Waits};
use crate::time::{Millis, Span};
use claim::CLAIMS;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Whose requests these are, and those that wait before somebody inside.
    asking: Asking,
    servers: Vec<ServerState>,
    /// In the order in which they are served (see [`Claim`]); each by number.
    waiting: [VecDeque<Waiter>; CLAIMS.len()],
    /// How many have ever waited.
    numbers: u64,
    /// Slots of those who left: until when the server works on, which, and for whom.
    left: BinaryHeap<Reverse<(Millis, usize, Option<u64>)>>,
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
    visitor: Option<u64>,
    waits: Waits,
    slot: oneshot::Sender<Slot>,
    since: Millis,
}

struct ServerState {
    up: bool,
    in_flight: u32,
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
                asking: Asking::new(),
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

    /// A slot for the visitor with the pass of this number, or a place in the queue.
    ///
    /// # Errors
    /// When no server is up or the queue is full.
    pub fn ask(
        self: &Arc<Slots>,
        claim: Claim,
        visitor: Option<u64>,
        now: Millis,
    ) -> Result<Turn, NoSlot> {
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
            state.asking.begins(visitor);
            let asker = (visitor, Waits::default());
            return Ok(Turn::Now(self.slot(asker, server, state.in_flight)));
        }
        if state.waiting[claim as usize].len() >= state.queue_max {
            return Err(NoSlot::QueueFull);
        }
        state.numbers += 1;
        let number = state.numbers;
        let (sender, receiver) = oneshot::channel();
        let waits = match claim.is_before_those_inside() {
            true => {
                state.asking.begins(visitor);
                state.asking.waits(visitor, state.most())
            }
            false => Waits::default(),
        };
        state.waiting[claim as usize].push_back(Waiter {
            number,
            visitor,
            waits,
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
            state.dismiss();
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
            let slot = self.slot((waiter.visitor, waiter.waits), server, in_flight);
            drop(waiter.slot.send(slot));
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
            let left = (slot.expected, slot.server, slot.visitor);
            state.left.push(Reverse(left));
            return;
        }
        state.free(slot.server, slot.visitor);
        let nobody = state.nobody_waits();
        drop(state);
        if !nobody {
            self.hand_on();
        }
    }

    /// How long the first who wait have waited, and how many requests are in flight; of those inside as
    /// if whoever asks for most asked for one thing at a time.
    pub fn pressure(&self, now: Millis) -> (Heads, u32) {
        let state = self.lock();
        let counted = state.asking.counted();
        let first = |claim: Claim| {
            let waiter = state.waiting[claim as usize].front();
            waiter.map_or(Span::ZERO, |waiter| now.since(waiter.since))
        };
        let heads = Heads {
            inside: match counted > state.most() {
                true => first(Claim::Inside),
                false => Span::ZERO,
            },
            outside: match counted >= Claim::Outside.of(state.most()) {
                true => first(Claim::Outside),
                false => Span::ZERO,
            },
        };
        (heads, state.in_flight.min(counted))
    }

    fn slot(
        self: &Arc<Slots>,
        (visitor, waited): (Option<u64>, Waits),
        server: usize,
        in_flight: u32,
    ) -> Slot {
        Slot {
            slots: self.clone(),
            server,
            visitor,
            waited,
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
    fn next(&mut self, now: Millis) -> Option<(Waiter, usize, u32)> {
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
                if !claim.is_before_those_inside() {
                    self.asking.begins(waiter.visitor);
                }
                return Some((waiter, server, self.in_flight));
            }
        }
        None
    }

    /// Requests that can be in flight for those inside, with the servers that are up.
    fn most(&self) -> u32 {
        let up = self.servers.iter().filter(|server| server.up).count() as u32;
        let of_each = self.server_limit.unwrap_or(self.limit);
        self.limit.min(of_each.saturating_mul(up))
    }

    fn nobody_waits(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }

    /// Whoever has this number waits no more.
    fn leave(&mut self, claim: Claim, number: u64) {
        let queue = &mut self.waiting[claim as usize];
        if let Ok(at) = queue.binary_search_by_key(&number, |waiter| waiter.number) {
            let gone = queue.remove(at);
            gone.into_iter().for_each(|it| self.gone(claim, &it));
        }
    }

    /// Whoever waits is told that there is nothing to wait for.
    fn dismiss(&mut self) {
        for (claim, queue) in CLAIMS.into_iter().zip(std::mem::take(&mut self.waiting)) {
            queue.iter().for_each(|it| self.gone(claim, it));
        }
    }

    /// Somebody waits no more, and has had no slot.
    fn gone(&mut self, claim: Claim, waiter: &Waiter) {
        if claim.is_before_those_inside() {
            self.asking.ends(waiter.visitor);
        }
    }

    /// Frees what need not be kept any longer. Returns whether there was anything.
    fn settle(&mut self, now: Millis) -> bool {
        let before = self.in_flight;
        while let Some(&Reverse((until, server, visitor))) = self.left.peek()
            && until <= now
        {
            self.left.pop();
            self.free(server, visitor);
        }
        self.in_flight < before
    }

    fn free(&mut self, server: usize, visitor: Option<u64>) {
        self.asking.ends(visitor);
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

#[cfg(test)]
mod tests;
