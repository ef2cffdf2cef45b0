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
//! A slot whose visitor takes the answer slowly can be [lent](Slot::lend): the portal has done its
//! work, and only its connection is still held.

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
    lent: u32,
    servers: Vec<ServerState>,
    /// In the order in which they are served; see [`Claim`].
    waiting: [VecDeque<oneshot::Sender<Slot>>; CLAIMS.len()],
    /// Where the search for a server begins, so that equals take turns.
    turn: usize,
}

/// Who asks for a slot: those further up come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Another server, on a back-channel: a quarter more slots are for these alone.
    BackChannel,
    /// Somebody inside.
    Inside,
    /// Anybody else: the last quarter of the slots is not for these.
    Outside,
}

const CLAIMS: [Claim; 3] = [Claim::BackChannel, Claim::Inside, Claim::Outside];
/// For each slot, so many more may be lent at a time.
const LENT_PER_SLOT: u32 = 4;

struct ServerState {
    up: bool,
    in_flight: u32,
}

/// The right to run one request against one server.
pub struct Slot {
    slots: Arc<Slots>,
    server: usize,
    lent: bool,
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
                lent: 0,
                servers,
                waiting: Default::default(),
                turn: 0,
            }),
        })
    }

    /// A slot, or a place in the queue.
    ///
    /// # Errors
    /// When no server is up or the queue is full.
    pub fn ask(self: &Arc<Slots>, claim: Claim) -> Result<Turn, NoSlot> {
        let mut state = self.lock();
        if state.servers.iter().all(|server| !server.up) {
            return Err(NoSlot::Down);
        }
        let before = &mut state.waiting[..=claim as usize];
        if before.iter().all(VecDeque::is_empty)
            && let Some(server) = state.take(claim)
        {
            return Ok(Turn::Now(self.slot(server)));
        }
        let queue_max = state.queue_max;
        let queue = &mut state.waiting[claim as usize];
        queue.retain(|waiter| !waiter.is_closed());
        if queue.len() >= queue_max {
            return Err(NoSlot::QueueFull);
        }
        let (sender, receiver) = oneshot::channel();
        queue.push_back(sender);
        Ok(Turn::Later(receiver))
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
            waiting: (state.waiting.iter().flatten())
                .filter(|waiter| !waiter.is_closed())
                .count(),
            servers: (state.servers.iter())
                .map(|server| (server.up, server.in_flight))
                .collect(),
        }
    }

    /// Gives free slots to those who have waited longest.
    fn hand_on(self: &Arc<Slots>) {
        loop {
            let Some((waiter, server)) = self.lock().next() else {
                return;
            };
            // If the visitor went in this very moment, the slot comes back by being dropped.
            drop(waiter.send(self.slot(server)));
        }
    }

    /// Whether anybody waits, as far as is known.
    pub fn is_short(&self) -> bool {
        !self.lock().waiting.iter().all(VecDeque::is_empty)
    }

    fn give_back(self: &Arc<Slots>, slot: &Slot) {
        let mut state = self.lock();
        if slot.lent {
            state.lent -= 1;
            return;
        }
        state.in_flight -= 1;
        state.servers[slot.server].in_flight -= 1;
        let nobody = state.waiting.iter().all(VecDeque::is_empty);
        drop(state);
        if !nobody {
            self.hand_on();
        }
    }

    fn slot(self: &Arc<Slots>, server: usize) -> Slot {
        Slot {
            slots: self.clone(),
            server,
            lent: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if it did, the counts are still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whoever is next, with a slot that was taken for them.
    fn next(&mut self) -> Option<(oneshot::Sender<Slot>, usize)> {
        for claim in CLAIMS {
            let queue = &mut self.waiting[claim as usize];
            while queue.front().is_some_and(oneshot::Sender::is_closed) {
                queue.pop_front();
            }
            if !queue.is_empty()
                && let Some(server) = self.take(claim)
            {
                let waiter = self.waiting[claim as usize].pop_front()?;
                return Some((waiter, server));
            }
        }
        None
    }

    /// Takes a slot on the least loaded server that is up.
    fn take(&mut self, claim: Claim) -> Option<usize> {
        if self.in_flight >= claim.of(self.limit) {
            return None;
        }
        let server = self.least_loaded(claim.of(self.server_limit), None)?;
        self.in_flight += 1;
        self.servers[server].in_flight += 1;
        Some(server)
    }

    /// Moves a slot to another server than `from`.
    fn change(&mut self, from: usize) -> Option<usize> {
        let server = self.least_loaded(self.server_limit, Some(from))?;
        self.servers[from].in_flight -= 1;
        self.servers[server].in_flight += 1;
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

impl Claim {
    /// How many of `slots` there are for this one.
    pub fn of(self, slots: u32) -> u32 {
        match self {
            Claim::BackChannel => slots.saturating_add(slots.div_ceil(4)),
            Claim::Inside => slots,
            Claim::Outside => slots - slots / 4,
        }
    }
}

impl Slot {
    /// The server it is for.
    pub fn server(&self) -> usize {
        self.server
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
        state.lent += 1;
        state.in_flight -= 1;
        state.servers[self.server].in_flight -= 1;
        drop(state);
        self.slots.hand_on();
    }

    /// A slot on another server in place of this one, if one is free at once.
    pub fn elsewhere(mut self) -> Option<Slot> {
        self.server = self.slots.lock().change(self.server)?;
        self.slots.hand_on();
        Some(self)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(slots: &Arc<Slots>) -> Slot {
        match slots.ask(Claim::Inside) {
            Ok(Turn::Now(slot)) => slot,
            _ => panic!("a slot was free"),
        }
    }

    fn later(slots: &Arc<Slots>) -> oneshot::Receiver<Slot> {
        match slots.ask(Claim::Inside) {
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
    fn a_back_channel_does_not_wait_for_the_requests_that_wait_for_it() {
        let slots = Slots::new(1, 1, 10, 1);
        let page = now(&slots);
        let mut next_page = later(&slots);
        let call = slots.ask(Claim::BackChannel);
        let Ok(Turn::Now(call)) = call else {
            panic!("it has a slot of its own");
        };
        let Ok(Turn::Later(mut second_call)) = slots.ask(Claim::BackChannel) else {
            panic!("there is one");
        };
        drop(call);
        assert!(next_page.try_recv().is_err(), "one page at a time");
        let second_call = second_call.try_recv().unwrap();
        drop(page);
        assert!(next_page.try_recv().is_err(), "the limit holds for all");
        drop(second_call);
        assert!(next_page.try_recv().is_ok());
        assert_eq!(slots.usage().in_flight, 0);
    }

    #[test]
    fn those_inside_come_before_those_who_are_not() {
        let slots = Slots::new(4, 4, 10, 1);
        let outside = || slots.ask(Claim::Outside);
        let held: Vec<_> = (0..3).map(|_| outside()).collect();
        assert!(held.iter().all(|turn| matches!(turn, Ok(Turn::Now(_)))));
        let Ok(Turn::Later(mut outside)) = outside() else {
            panic!("the last one is not for them");
        };
        let last = now(&slots);
        let mut inside = later(&slots);
        drop(held);
        assert!(inside.try_recv().is_ok() && outside.try_recv().is_ok());
        drop(last);
        assert_eq!(slots.usage().in_flight, 0);
    }

    #[test]
    fn whoever_takes_an_answer_slowly_holds_nobody_up() {
        let slots = Slots::new(1, 1, 10, 1);
        let mut slow: Vec<Slot> = Vec::new();
        for _ in 0..LENT_PER_SLOT {
            let mut slot = now(&slots);
            slot.lend();
            slot.lend();
            slow.push(slot);
        }
        let mut slot = now(&slots);
        let mut waiting = later(&slots);
        slot.lend();
        assert!(waiting.try_recv().is_err(), "there is a bound");
        slow.pop();
        slot.lend();
        assert!(waiting.try_recv().is_ok());
        let usage = slots.usage();
        assert_eq!((usage.in_flight, usage.lent), (0, LENT_PER_SLOT));
        drop((slow, slot));
        assert_eq!(slots.usage().lent, 0);
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
        assert!(matches!(slots.ask(Claim::Inside), Err(NoSlot::QueueFull)));
        slots.set_up(0, false);
        assert!(matches!(slots.ask(Claim::Inside), Err(NoSlot::Down)));
        assert_eq!(
            waiting.try_recv().err(),
            Some(oneshot::error::TryRecvError::Closed)
        );
    }

    #[test]
    fn elsewhere_is_another_server_or_nothing() {
        let slots = Slots::new(2, 1, 1, 2);
        let slot = now(&slots);
        let first = slot.server();
        assert_eq!(slot.elsewhere().map(|slot| slot.server()), Some(1 - first));
        // Nobody who waits can take it on the way.
        let slots = Slots::new(1, 1, 1, 2);
        let slot = now(&slots);
        let mut waiting = later(&slots);
        let slot = slot.elsewhere().unwrap();
        assert!(waiting.try_recv().is_err());
        drop(slot);
        assert!(waiting.try_recv().is_ok());
        let single = Slots::new(1, 1, 1, 1);
        assert!(now(&single).elsewhere().is_none());
        assert_eq!(single.usage().in_flight, 0);
    }
}
