//! Slots: how many requests run against a portal at once, and in what order the others wait.
//!
//! One line per portal, over all threads, in turns between visitors ([`Turns`]). A slot names the server
//! it is for: the one with the fewest requests in flight among those that are up. Dropping a slot
//! gives it back, and whoever's turn it is gets it.
//!
//! Whoever asks has a [`Claim`], and each claim its line. Calls of other servers come first, and
//! have slots of their own beside the others: the portal makes such a call (to validate a ticket,
//! say) in the middle of a request that holds a slot. If it waited for one, all would wait for
//! each other. Then come those inside, then those who are not yet: of a rush or a flood at the
//! gate, those inside feel nothing as long as the last quarter of the slots is enough for them.
//!
//! *Who leaves the queue* is out of it at once: there is nobody in it who does not wait.
//!
//! *Who leaves before the answer* is worked for all the same: no portal stops at once. So their slot
//! is kept until the answer would have come, and no longer ([`Slots::free_on_time`]).
//!
//! A slot whose visitor takes the answer slowly can be [lent](Slot::lend): the portal has done its
//! work, and only its connection is still held. One visitor has at most a quarter of what may be lent: an
//! export that takes long enough is taken for a long poll, and then holds no slot.

mod slot;

pub use crate::room::{Asker, Claim, LONG_WAIT};
pub use slot::{Place, Slot};

use crate::host;
use crate::room::{Heads, Served, Turns, Waits, quarter};
use crate::time::{Millis, Span};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
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
    queue_max: u32,
    in_flight: u32,
    lent: u32,
    /// Of these, by visitor.
    lent_by: HashMap<u64, u32>,
    /// Who has the slots, and who waits for them.
    turns: Turns<oneshot::Sender<Slot>>,
    servers: Vec<ServerState>,
    /// Slots of those who left: until when the server works on, which, and for whom.
    left: BinaryHeap<Reverse<(Millis, usize, Asker)>>,
    /// Where the search for a server begins, so that equals take turns.
    turn: usize,
}

/// For each slot, so many more may be lent at a time.
pub const LENT_PER_SLOT: u32 = 4;
/// Connections to the portal at most, for each slot: those of back-channels and lent ones, too.
pub const CONNECTIONS_PER_SLOT: u64 = 2 + LENT_PER_SLOT as u64;

/// One visitor may wait with this part of the requests that may wait.
const QUEUE_PART: u32 = 4;

struct ServerState {
    up: bool,
    in_flight: u32,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSlot {
    /// No server is up.
    Down,
    /// Too many requests wait already, or too many of this visitor.
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
    /// Of those in flight, the heavy ones.
    pub heavy: u32,
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
                queue_max,
                in_flight: 0,
                lent: 0,
                lent_by: HashMap::new(),
                turns: Turns::new(),
                servers,
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

    /// A slot for whoever asks, or a place in the line.
    ///
    /// # Errors
    /// When no server is up or too many wait.
    pub fn ask(self: &Arc<Slots>, asker: Asker, now: Millis) -> Result<Turn, NoSlot> {
        let mut state = self.lock();
        if state.settle(now) && !state.turns.nobody_waits() {
            // What has become free is theirs who have waited for it.
            drop(state);
            self.hand_on();
            state = self.lock();
        }
        let most = state.most();
        if most == 0 {
            return Err(NoSlot::Down);
        }
        if state.turns.is_free(asker, most, now)
            && let Some(server) = state.take(asker.claim)
        {
            state.turns.goes(asker, most, now);
            return Ok(Turn::Now(self.slot(
                (asker, Waits::default()),
                server,
                state.in_flight,
            )));
        }
        if state.is_full_for(asker) {
            return Err(NoSlot::QueueFull);
        }
        let (sender, receiver) = oneshot::channel();
        let spot = state.turns.waits(asker, most, now, sender);
        let has_slot = state.has_slot(asker.claim);
        drop(state);
        if has_slot {
            // Whoever is before them holds all they may.
            self.hand_on();
        }
        Ok(Turn::Later(Place {
            slots: self.clone(),
            spot,
            slot: receiver,
            waits: true,
        }))
    }

    /// A server went down or came up. When the last one goes, those who wait are told at once.
    pub fn set_up(self: &Arc<Slots>, server: usize, up: bool) {
        let mut state = self.lock();
        state.servers[server].up = up;
        let dismissed = match state.servers.iter().any(|server| server.up) {
            true => Vec::new(),
            false => state.turns.dismiss(),
        };
        drop((state, dismissed));
        self.hand_on();
    }

    /// How the slots are used now.
    pub fn usage(&self) -> Usage {
        let state = self.lock();
        Usage {
            limit: state.limit,
            in_flight: state.in_flight,
            lent: state.lent,
            waiting: Claim::ALL.map(|it| state.turns.waiting(it)).iter().sum(),
            heavy: state.turns.heavy(),
            servers: (state.servers.iter())
                .map(|server| (server.up, server.in_flight))
                .collect(),
        }
    }

    /// Gives free slots to those whose turn it is: to be called once a second, too, as what is kept for
    /// others is so only for a while.
    pub fn hand_on(self: &Arc<Slots>) {
        let now = host::now();
        loop {
            let Some((served, server, in_flight)) = self.lock().next(now) else {
                return;
            };
            // If the visitor went in this very moment, the slot comes back by being dropped.
            let slot = self.slot((served.asker, served.waits), server, in_flight);
            drop(served.what.send(slot));
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
        !self.lock().turns.nobody_waits()
    }

    fn give_back(self: &Arc<Slots>, slot: &Slot) {
        let mut state = self.lock();
        if slot.lent {
            state.is_back(slot.asker.visitor);
            return;
        }
        if slot.working && slot.expected > host::now() {
            let first = state.left.peek().map(|it| it.0.0);
            if first.is_none_or(|first| slot.expected < first) {
                self.sooner.notify_one();
            }
            let left = (slot.expected, slot.server, slot.asker);
            state.left.push(Reverse(left));
            return;
        }
        state.free(slot.server, slot.asker);
        let nobody = state.turns.nobody_waits();
        drop(state);
        if !nobody {
            self.hand_on();
        }
    }

    /// For how long the first whose turn it is have waited, and how many requests are in flight; of those
    /// inside as if whoever asks for most asked for one thing at a time.
    pub fn pressure(&self, now: Millis) -> (Heads, u32) {
        let state = self.lock();
        let (counted, most) = (state.turns.counted(), state.most());
        let first = |claim: Claim, presses| match presses {
            true => state.turns.head(claim, most, now),
            false => Span::ZERO,
        };
        let heads = Heads {
            inside: first(Claim::Inside, counted > most),
            outside: first(Claim::Outside, counted >= Claim::Outside.of(most)),
        };
        (heads, state.in_flight.min(counted))
    }

    fn slot(
        self: &Arc<Slots>,
        (asker, waits): (Asker, Waits),
        server: usize,
        in_flight: u32,
    ) -> Slot {
        Slot {
            slots: self.clone(),
            server,
            asker,
            waits,
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
    fn next(&mut self, now: Millis) -> Option<(Served<oneshot::Sender<Slot>>, usize, u32)> {
        self.settle(now);
        let most = self.most();
        for claim in Claim::ALL {
            if self.turns.waiting(claim) > 0
                && self.has_slot(claim)
                && let Some(turn) = self.turns.next(claim, most, now)
                && let Some(server) = self.take(claim)
            {
                let served = self.turns.serve(turn, now)?;
                return Some((served, server, self.in_flight));
            }
        }
        None
    }

    /// Whether there is a slot for this claim, if a server has room for it.
    fn has_slot(&self, claim: Claim) -> bool {
        self.in_flight < claim.of(self.limit)
    }

    /// Whether nobody more may wait by this claim, or this visitor with no more.
    fn is_full_for(&self, asker: Asker) -> bool {
        let own = asker.visitor.map_or(0, |it| self.turns.waiting_of(it));
        self.turns.waiting(asker.claim) >= self.queue_max as usize
            || own >= self.queue_max.div_ceil(QUEUE_PART)
    }

    /// Requests that can be in flight for those inside, with the servers that are up.
    fn most(&self) -> u32 {
        let up = self.servers.iter().filter(|server| server.up).count() as u32;
        let of_each = self.server_limit.unwrap_or(self.limit);
        self.limit.min(of_each.saturating_mul(up))
    }

    /// Frees what need not be kept any longer. Returns whether there was anything.
    fn settle(&mut self, now: Millis) -> bool {
        let before = self.in_flight;
        while let Some(&Reverse((until, server, asker))) = self.left.peek()
            && until <= now
        {
            self.left.pop();
            self.free(server, asker);
        }
        self.in_flight < before
    }

    /// Whether one more slot may be lent: to this visitor, a quarter of all that may be.
    fn may_lend(&self, visitor: Option<u64>) -> bool {
        let own = visitor.and_then(|it| self.lent_by.get(&it));
        let most = |slots: u32| slots.saturating_mul(LENT_PER_SLOT);
        self.lent < most(self.limit) && own.is_none_or(|own| *own < most(quarter(self.limit)))
    }

    /// A slot is lent.
    fn is_lent(&mut self, visitor: Option<u64>) {
        self.lent += 1;
        if let Some(visitor) = visitor {
            *self.lent_by.entry(visitor).or_default() += 1;
        }
    }

    /// What was lent is over.
    fn is_back(&mut self, visitor: Option<u64>) {
        self.lent -= 1;
        let Some(visitor) = visitor else {
            return;
        };
        if let Some(own) = self.lent_by.get_mut(&visitor) {
            *own -= 1;
            if *own == 0 {
                self.lent_by.remove(&visitor);
            }
        }
    }

    fn free(&mut self, server: usize, asker: Asker) {
        self.turns.ends(asker);
        self.in_flight -= 1;
        self.servers[server].in_flight -= 1;
    }

    /// Takes a slot on the least loaded server that is up.
    fn take(&mut self, claim: Claim) -> Option<usize> {
        if !self.has_slot(claim) {
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
