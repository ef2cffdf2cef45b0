//! Whose turn it is to have a slot.
//!
//! Requests wait in turns between visitors: whoever asks for much at once waits as if they had asked for
//! one thing after the other. All who wait stand in one line by the time since which they do; a visitor
//! stands there once, with the first of their requests. When that has its slot, the next stands behind
//! all who are there, and behind those who come within the time for which the slot is held: who holds a
//! slot for two seconds has their next turn as if they had come in two seconds. That is what deficit
//! round robin is for, which counts what each flow had and lets the others catch up (Shreedhar &
//! Varghese 1995); here the debt is a moment of the clock instead of a balance (as in start-time fair
//! queueing with several servers: Jin, Chase & Kaur 2004), so that whoever asks for one thing at a time is
//! served first come first served, and each step costs O(log n), however long an answer takes.
//!
//! How many slots one visitor, and what is heavy, may hold is said in [`holding`](super::holding).
//! Whoever holds all they may is passed over. What has no pass (open paths, other servers, newcomers)
//! stands for itself: nobody knows whose it is, and a school behind one address is not one visitor.
//!
//! *In order*, unless the first of those inside has waited for longer than [`LONG_WAIT`]: then the
//! last comes first. Whoever has waited for so long is about to give up; to begin with them would be
//! work for nobody, and a queue that never gets shorter (adaptive LIFO: Maurer, "Fail at Scale", 2015).
//!
//! Claims come one before the other ([`Claim`]); turns are within each.

use super::asking::{Asking, Waits};
use super::claim::Claim;
use super::holding::{Holding, Share};
use super::weights::Weight;
use crate::time::{Millis, Span};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// See the module.
pub const LONG_WAIT: Span = Span::secs(8);

/// Who asks for a slot, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asker {
    /// By which claim.
    pub claim: Claim,
    /// The number of the pass, if there is one.
    pub visitor: Option<u64>,
    /// What it is to cost.
    pub weight: Weight,
}

/// Where a request waits.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    asker: Asker,
    since: Millis,
    number: u64,
}

/// Somebody whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    line: (Claim, bool),
    key: Key,
    /// Of a visitor's requests, the last.
    last: bool,
}

/// Whoever had the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served<T> {
    /// What they left when they began to wait.
    pub what: T,
    /// Who.
    pub asker: Asker,
    /// What it says that they had to wait.
    pub waits: Waits,
}

/// The line for a portal's slots. See the module.
#[derive(Debug)]
pub struct Turns<T> {
    holding: Holding,
    asking: Asking,
    /// By claim; for what is not heavy, and for what is.
    lines: [[Line<T>; 2]; Claim::ALL.len()],
    flows: HashMap<(Claim, bool, u64), Flow<T>>,
    waiting: [usize; Claim::ALL.len()],
    /// How many have ever stood in a line.
    numbers: u64,
}

/// Since when somebody stands in the line; among equals, in order.
type Key = (Millis, u64);
type Line<T> = BTreeMap<Key, Stands<T>>;

#[derive(Debug)]
enum Stands<T> {
    Alone(Waiter<T>),
    /// The first of this visitor's flow.
    Visitor(u64),
}

/// Requests of one visitor that wait, of one claim and weight.
#[derive(Debug)]
struct Flow<T> {
    stands: Key,
    waiters: VecDeque<Waiter<T>>,
}

#[derive(Debug)]
struct Waiter<T> {
    number: u64,
    since: Millis,
    asker: Asker,
    waits: Waits,
    what: T,
}

impl<T> Turns<T> {
    /// Nobody asks for anything.
    pub fn new() -> Turns<T> {
        Turns {
            holding: Holding::default(),
            asking: Asking::new(),
            lines: Default::default(),
            flows: HashMap::new(),
            waiting: Default::default(),
            numbers: 0,
        }
    }

    /// Whether a request may have one of so many slots without standing in the line: nobody does before
    /// it, and it is within what its visitor may have.
    pub fn is_free(&self, asker: Asker, slots: u32, now: Millis) -> bool {
        let line = (asker.claim, asker.weight.heavy);
        let before = &self.waiting[..=asker.claim as usize];
        let share = || match asker.visitor {
            Some(visitor) => self.holding.share(visitor, line.1, slots, now),
            None => Share::Within,
        };
        before.iter().all(|it| *it == 0) && self.is_open(line, slots, now) && share() != Share::Full
    }

    /// It has one at once.
    pub fn goes(&mut self, asker: Asker, slots: u32, now: Millis) {
        self.asking.begins(asker.visitor);
        self.holding.asks(asker.visitor, asker.weight, slots, now);
        self.holding.begins(asker.visitor, asker.weight, now);
    }

    /// It has to wait.
    pub fn waits(&mut self, asker: Asker, slots: u32, now: Millis, what: T) -> Spot {
        let waits = match asker.claim.is_before_those_inside() {
            true => {
                self.asking.begins(asker.visitor);
                self.asking.waits(asker.visitor, slots)
            }
            false => Waits::default(),
        };
        self.holding.asks(asker.visitor, asker.weight, slots, now);
        self.numbers += 1;
        let number = self.numbers;
        let waiter = Waiter {
            number,
            since: now,
            asker,
            waits,
            what,
        };
        self.waiting[asker.claim as usize] += 1;
        let line = (asker.claim, asker.weight.heavy);
        match asker.visitor {
            None => {
                let stands = Stands::Alone(waiter);
                self.line(line).insert((now, number), stands);
            }
            Some(visitor) => {
                let flow = self.flows.entry((line.0, line.1, visitor));
                let flow = flow.or_insert_with(Flow::new);
                flow.waiters.push_back(waiter);
                if flow.waiters.len() == 1 {
                    self.stand(line, visitor);
                }
            }
        }
        Spot {
            asker,
            since: now,
            number,
        }
    }

    /// Whose turn by this claim it is, if there is a slot of so many.
    pub fn next(&self, claim: Claim, slots: u32, now: Millis) -> Option<Turn> {
        let first = self.first(claim, slots, now)?;
        if claim != Claim::Inside || now.since(first.key.0) <= LONG_WAIT {
            return Some(first);
        }
        let last = |heavy| {
            let line = self.lines[claim as usize][usize::from(heavy)].range(..=(now, u64::MAX));
            self.among(line.rev(), (claim, heavy), slots, now)
        };
        let last = [false, true].into_iter().filter_map(last);
        let last = last.max_by_key(|(beyond, turn)| (!beyond, turn.key));
        last.map(|(_, turn)| Turn { last: true, ..turn })
    }

    /// They have it.
    pub fn serve(&mut self, turn: Turn, now: Millis) -> Option<Served<T>> {
        let (key, line) = (turn.key, turn.line);
        let waiter = match self.line(line).remove(&key)? {
            Stands::Alone(waiter) => waiter,
            Stands::Visitor(visitor) => {
                let waiters = &mut self.flows.get_mut(&(line.0, line.1, visitor))?.waiters;
                match turn.last {
                    true => waiters.pop_back()?,
                    false => waiters.pop_front()?,
                }
            }
        };
        let asker = waiter.asker;
        self.waiting[line.0 as usize] -= 1;
        if !line.0.is_before_those_inside() {
            self.asking.begins(asker.visitor);
        }
        self.holding.begins(asker.visitor, asker.weight, now);
        if let Some(visitor) = asker.visitor {
            self.stand(line, visitor);
        }
        // What is heavy waits for its like, and whoever stood later than they asked for their own.
        let waits = match line.1 || key.0 > waiter.since {
            true => Waits::ForItsOwn,
            false => waiter.waits,
        };
        Some(Served {
            what: waiter.what,
            asker,
            waits,
        })
    }

    /// Whoever waits there waits no more.
    pub fn leave(&mut self, spot: Spot) -> Option<T> {
        let line = (spot.asker.claim, spot.asker.weight.heavy);
        let waiter = match spot.asker.visitor {
            None => match self.line(line).remove(&(spot.since, spot.number))? {
                Stands::Alone(waiter) => waiter,
                Stands::Visitor(_) => return None,
            },
            Some(visitor) => {
                let flow = self.flows.get_mut(&(line.0, line.1, visitor))?;
                let at = flow
                    .waiters
                    .binary_search_by_key(&spot.number, |it| it.number);
                let at = at.ok()?;
                let waiter = flow.waiters.remove(at)?;
                if at == 0 {
                    let stood = flow.stands;
                    self.line(line).remove(&stood);
                    self.stand(line, visitor);
                }
                waiter
            }
        };
        self.waiting[line.0 as usize] -= 1;
        self.gone(waiter.asker);
        Some(waiter.what)
    }

    /// A slot is given back.
    pub fn ends(&mut self, asker: Asker) {
        self.asking.ends(asker.visitor);
        self.holding.ends(asker.visitor, asker.weight);
    }

    /// Nobody waits any more.
    pub fn dismiss(&mut self) -> Vec<T> {
        self.waiting = Default::default();
        let lines = std::mem::take(&mut self.lines);
        let alone = lines.into_iter().flatten().flatten();
        let alone = alone.filter_map(|(_, stands)| match stands {
            Stands::Alone(waiter) => Some(waiter),
            Stands::Visitor(_) => None,
        });
        let flows = std::mem::take(&mut self.flows);
        let mut all: Vec<Waiter<T>> = (flows.into_values().flat_map(|it| it.waiters))
            .chain(alone)
            .collect();
        all.sort_unstable_by_key(|it| it.number);
        all.iter().for_each(|it| self.gone(it.asker));
        all.into_iter().map(|it| it.what).collect()
    }

    /// For how long the first by this claim has stood there, of those who may have a slot.
    pub fn head(&self, claim: Claim, slots: u32, now: Millis) -> Span {
        let first = self.first(claim, slots, now);
        first.map_or(Span::ZERO, |turn| now.since(turn.key.0))
    }

    /// Requests, if whoever asks for most asked for one thing at a time.
    pub fn counted(&self) -> u32 {
        self.asking.counted()
    }

    /// Requests that wait by this claim.
    pub fn waiting(&self, claim: Claim) -> usize {
        self.waiting[claim as usize]
    }

    /// Requests of one visitor that wait.
    pub fn waiting_of(&self, visitor: u64) -> u32 {
        self.holding.waiting(visitor)
    }

    /// Whether nobody waits.
    pub fn nobody_waits(&self) -> bool {
        self.waiting.iter().all(|it| *it == 0)
    }

    /// Slots of what is heavy.
    pub fn heavy(&self) -> u32 {
        self.holding.heavy()
    }

    /// Whether nothing is left of anybody.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let lines = self.lines.iter().flatten().all(BTreeMap::is_empty);
        lines && self.flows.is_empty() && self.holding.is_empty() && self.counted() == 0
    }

    fn line(&mut self, (claim, heavy): (Claim, bool)) -> &mut Line<T> {
        &mut self.lines[claim as usize][usize::from(heavy)]
    }

    /// Whether anybody in this line may have a slot. Other servers' calls always may.
    fn is_open(&self, (claim, heavy): (Claim, bool), slots: u32, now: Millis) -> bool {
        !heavy || claim == Claim::BackChannel || self.holding.may_be_heavy(slots, now)
    }

    /// The first by this claim who may have a slot.
    fn first(&self, claim: Claim, slots: u32, now: Millis) -> Option<Turn> {
        let first = |heavy| {
            let line = &self.lines[claim as usize][usize::from(heavy)];
            self.among(line.iter(), (claim, heavy), slots, now)
        };
        let first = [false, true].into_iter().filter_map(first);
        let first = first.min_by_key(|(beyond, turn)| (*beyond, turn.key));
        first.map(|(_, turn)| turn)
    }

    /// The first of these who may have a slot: one of those who have less than their share, if there is
    /// any. Those who are passed over hold slots already, so that they are few.
    fn among<'t>(
        &'t self,
        these: impl Iterator<Item = (&'t Key, &'t Stands<T>)>,
        line: (Claim, bool),
        slots: u32,
        now: Millis,
    ) -> Option<(bool, Turn)> {
        let mut beyond = None;
        let mut these = these.peekable();
        if these.peek().is_none() || !self.is_open(line, slots, now) {
            return None;
        }
        for (key, stands) in these {
            let share = match stands {
                Stands::Alone(_) => Share::Within,
                Stands::Visitor(it) => self.holding.share(*it, line.1, slots, now),
            };
            let (key, last) = (*key, false);
            let turn = Turn { line, key, last };
            match share {
                Share::Within => return Some((false, turn)),
                Share::Beyond => beyond = beyond.or(Some((true, turn))),
                Share::Full => {}
            }
        }
        beyond
    }

    /// The first of a visitor's requests stands in the line from now on, where their turn is.
    fn stand(&mut self, line: (Claim, bool), visitor: u64) {
        let place = (line.0, line.1, visitor);
        let Some(flow) = self.flows.get_mut(&place) else {
            return;
        };
        let Some(first) = flow.waiters.front() else {
            self.flows.remove(&place);
            return;
        };
        self.numbers += 1;
        flow.stands = (
            first.since.max(self.holding.owes(visitor, line.1)),
            self.numbers,
        );
        let stands = flow.stands;
        self.line(line).insert(stands, Stands::Visitor(visitor));
    }

    /// Somebody waits no more, and has had no slot.
    fn gone(&mut self, asker: Asker) {
        if asker.claim.is_before_those_inside() {
            self.asking.ends(asker.visitor);
        }
        self.holding.gone(asker.visitor, asker.weight);
    }
}

impl<T> Flow<T> {
    fn new() -> Flow<T> {
        Flow {
            stands: Key::default(),
            waiters: VecDeque::new(),
        }
    }
}

impl<T> Default for Turns<T> {
    fn default() -> Turns<T> {
        Turns::new()
    }
}
