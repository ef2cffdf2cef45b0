//! Slots: how many requests run against a portal at once, and in what order the others wait.
//!
//! One queue per portal, first come first served over all threads. A slot names the server it
//! is for: the one with the fewest requests in flight among those that are up. Dropping a slot
//! gives it back, and the next in the queue gets it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A portal's slots.
pub struct Slots {
    state: Mutex<State>,
}

struct State {
    limit: u32,
    server_limit: u32,
    queue_max: usize,
    in_flight: u32,
    servers: Vec<ServerState>,
    waiting: VecDeque<oneshot::Sender<Slot>>,
    /// Where the search for a server begins, so that equals take turns.
    turn: usize,
}

struct ServerState {
    up: bool,
    in_flight: u32,
}

/// The right to run one request against one server.
pub struct Slot {
    slots: Arc<Slots>,
    server: usize,
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
    /// Requests that wait for a slot.
    pub waiting: usize,
    /// For each server: up, and its requests in flight.
    pub servers: Vec<(bool, u32)>,
}

/// A place in the queue, or the slot itself.
pub enum Turn {
    /// There was one free.
    Now(Slot),
    /// It will come by this channel; dropping it leaves the queue.
    Later(oneshot::Receiver<Slot>),
}

impl Slots {
    /// `limit` in all, `server_limit` per server, at most `queue_max` waiting.
    pub fn new(limit: u32, server_limit: u32, queue_max: u32, servers: usize) -> Arc<Slots> {
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
                servers,
                waiting: VecDeque::new(),
                turn: 0,
            }),
        })
    }

    /// A slot, or a place in the queue.
    ///
    /// # Errors
    /// When no server is up or the queue is full.
    pub fn ask(self: &Arc<Slots>) -> Result<Turn, NoSlot> {
        let mut state = self.lock();
        if state.servers.iter().all(|server| !server.up) {
            return Err(NoSlot::Down);
        }
        if state.waiting.is_empty()
            && let Some(server) = state.take(None)
        {
            return Ok(Turn::Now(self.slot(server)));
        }
        state.waiting.retain(|waiter| !waiter.is_closed());
        if state.waiting.len() >= state.queue_max {
            return Err(NoSlot::QueueFull);
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        Ok(Turn::Later(receiver))
    }

    /// A server went down or came up. When the last one goes, those who wait are told at once.
    pub fn set_up(self: &Arc<Slots>, server: usize, up: bool) {
        let mut state = self.lock();
        state.servers[server].up = up;
        if state.servers.iter().all(|server| !server.up) {
            state.waiting.clear();
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
            waiting: state.waiting.iter().filter(|w| !w.is_closed()).count(),
            servers: (state.servers.iter())
                .map(|server| (server.up, server.in_flight))
                .collect(),
        }
    }

    /// Gives free slots to those who have waited longest.
    fn hand_on(self: &Arc<Slots>) {
        loop {
            let mut state = self.lock();
            while state.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                state.waiting.pop_front();
            }
            if state.waiting.is_empty() {
                return;
            }
            let Some(server) = state.take(None) else {
                return;
            };
            let waiter = state.waiting.pop_front();
            drop(state);
            let slot = self.slot(server);
            // If the visitor went in this very moment, the slot comes back by being dropped.
            if let Some(waiter) = waiter {
                drop(waiter.send(slot));
            }
        }
    }

    fn give_back(self: &Arc<Slots>, server: usize) {
        let mut state = self.lock();
        state.in_flight -= 1;
        state.servers[server].in_flight -= 1;
        let nobody = state.waiting.is_empty();
        drop(state);
        if !nobody {
            self.hand_on();
        }
    }

    fn slot(self: &Arc<Slots>, server: usize) -> Slot {
        Slot {
            slots: self.clone(),
            server,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if it did, the counts are still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a slot on the least loaded server that is up, other than `except`.
    fn take(&mut self, except: Option<usize>) -> Option<usize> {
        if self.in_flight >= self.limit {
            return None;
        }
        let count = self.servers.len();
        self.turn = (self.turn + 1) % count;
        let server = (0..count)
            .map(|step| (self.turn + step) % count)
            .filter(|server| Some(*server) != except)
            .filter(|server| self.servers[*server].up)
            .filter(|server| self.servers[*server].in_flight < self.server_limit)
            .min_by_key(|server| self.servers[*server].in_flight)?;
        self.in_flight += 1;
        self.servers[server].in_flight += 1;
        Some(server)
    }
}

impl Slot {
    /// The server it is for.
    pub fn server(&self) -> usize {
        self.server
    }

    /// A slot on another server in place of this one, if one is free at once.
    pub fn elsewhere(self) -> Option<Slot> {
        let except = self.server;
        let slots = self.slots.clone();
        drop(self);
        let server = slots.lock().take(Some(except))?;
        Some(slots.slot(server))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(self.server);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(slots: &Arc<Slots>) -> Slot {
        match slots.ask() {
            Ok(Turn::Now(slot)) => slot,
            _ => panic!("a slot was free"),
        }
    }

    fn later(slots: &Arc<Slots>) -> oneshot::Receiver<Slot> {
        match slots.ask() {
            Ok(Turn::Later(receiver)) => receiver,
            _ => panic!("no slot was free"),
        }
    }

    #[test]
    fn first_come_first_served_and_nobody_overtakes() {
        let slots = Slots::new(1, 1, 10, 1);
        let first = now(&slots);
        let (mut second, mut third) = (later(&slots), later(&slots));
        drop(first);
        let held = second.try_recv().unwrap();
        assert!(third.try_recv().is_err());
        drop(held);
        assert!(third.try_recv().is_ok());
        assert_eq!(slots.usage().in_flight, 0);
    }

    #[test]
    fn whoever_left_the_queue_holds_nobody_up() {
        let slots = Slots::new(1, 1, 10, 1);
        let first = now(&slots);
        let gone: Vec<_> = (0..5).map(|_| later(&slots)).collect();
        let mut last = later(&slots);
        drop(gone);
        drop(first);
        assert!(last.try_recv().is_ok());
        assert_eq!(slots.usage().in_flight, 0);
    }

    #[test]
    fn a_slot_nobody_received_comes_back() {
        let slots = Slots::new(1, 1, 10, 1);
        let first = now(&slots);
        let receiver = later(&slots);
        drop(first);
        assert_eq!(slots.usage().in_flight, 1);
        drop(receiver);
        assert_eq!(slots.usage().in_flight, 0);
    }

    #[test]
    fn the_least_loaded_server_that_is_up() {
        let slots = Slots::new(10, 2, 10, 3);
        slots.set_up(1, false);
        let held: Vec<Slot> = (0..4).map(|_| now(&slots)).collect();
        let mut servers: Vec<usize> = held.iter().map(Slot::server).collect();
        servers.sort_unstable();
        assert_eq!(servers, [0, 0, 2, 2]);
        let mut waiting = later(&slots);
        slots.set_up(1, true);
        assert_eq!(waiting.try_recv().unwrap().server(), 1);
    }

    #[test]
    fn a_full_queue_and_a_dead_portal_say_so() {
        let slots = Slots::new(1, 1, 1, 1);
        let _held = now(&slots);
        let mut waiting = later(&slots);
        assert!(matches!(slots.ask(), Err(NoSlot::QueueFull)));
        slots.set_up(0, false);
        assert!(matches!(slots.ask(), Err(NoSlot::Down)));
        assert_eq!(waiting.try_recv().err(), Some(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn elsewhere_is_another_server_or_nothing() {
        let slots = Slots::new(2, 1, 1, 2);
        let slot = now(&slots);
        let first = slot.server();
        assert_eq!(slot.elsewhere().map(|slot| slot.server()), Some(1 - first));
        let single = Slots::new(1, 1, 1, 1);
        assert!(now(&single).elsewhere().is_none());
        assert_eq!(single.usage().in_flight, 0);
    }
}
