//! The queue for a portal's slots: the order and the claims of `upstream::slots`, without servers
//! and channels.

use crate::time::Millis;
use crate::upstream::{Claim, LENT_PER_SLOT};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Slots and who waits for them. Requests are known by their number.
pub struct Queue {
    limit: u32,
    queue_max: usize,
    in_flight: u32,
    lent: u32,
    /// Slots of those who have left: until when the portal works on for them.
    left: BinaryHeap<Reverse<Millis>>,
    /// Those inside, then the others.
    waiting: [VecDeque<u32>; 2],
    /// Of these, those that have given up and are still in the lists.
    gone: usize,
}

/// What became of who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Goes to the portal.
    Now,
    /// Waits.
    Later,
    /// Too many wait.
    Full,
}

impl Queue {
    /// So many slots; so many may wait of each claim.
    pub fn new(limit: u32, queue_max: u32) -> Queue {
        Queue {
            limit,
            queue_max: queue_max as usize,
            in_flight: 0,
            lent: 0,
            left: BinaryHeap::new(),
            waiting: Default::default(),
            gone: 0,
        }
    }

    /// A slot, or a place in the queue.
    pub fn ask(&mut self, request: u32, inside: bool) -> Turn {
        let list = usize::from(!inside);
        let nobody = self.waiting[..=list].iter().all(VecDeque::is_empty);
        if nobody && self.in_flight < self.limit_of(inside) {
            self.in_flight += 1;
            return Turn::Now;
        }
        if self.waiting[list].len() >= self.queue_max {
            return Turn::Full;
        }
        self.waiting[list].push_back(request);
        Turn::Later
    }

    /// A slot is given back.
    pub fn give_back(&mut self) {
        self.in_flight -= 1;
    }

    /// The visitor has left, and the portal works on until then.
    pub fn keep_until(&mut self, end: Millis) {
        self.left.push(Reverse(end));
    }

    /// Gives back what need not be kept any longer.
    pub fn settle(&mut self, now: Millis) {
        while self.left.peek().is_some_and(|Reverse(end)| *end <= now) {
            self.left.pop();
            self.in_flight -= 1;
        }
    }

    /// A slot is lent, if not too many are: its request runs on, and another may have it.
    pub fn lend(&mut self) -> bool {
        let lends = self.lent < self.limit.saturating_mul(LENT_PER_SLOT);
        self.lent += u32::from(lends);
        self.in_flight -= u32::from(lends);
        lends
    }

    /// A request that ran with a lent slot has ended.
    pub fn end_lent(&mut self) {
        self.lent -= 1;
    }

    /// Somebody in the queue has given up.
    pub fn gives_up(&mut self) {
        self.gone += 1;
    }

    /// Takes the next in the queue, with a slot if `waits` says that it still waits; otherwise it
    /// is returned as gone.
    ///
    /// `long`: the first has waited for so long that the last comes first.
    pub fn next(&mut self, long: bool, waits: impl Fn(u32) -> bool) -> Option<(u32, bool)> {
        for inside in [true, false] {
            let limit = self.limit_of(inside);
            let list = &mut self.waiting[usize::from(!inside)];
            let last_first = long && inside;
            let next = if last_first {
                list.back()
            } else {
                list.front()
            };
            let Some(&request) = next else {
                continue;
            };
            let waits = waits(request);
            if waits && self.in_flight >= limit {
                continue;
            }
            match last_first {
                true => list.pop_back(),
                false => list.pop_front(),
            };
            match waits {
                true => self.in_flight += 1,
                false => self.gone -= 1,
            }
            return Some((request, waits));
        }
        None
    }

    /// The first of those inside that still waits.
    pub fn head(&self, waits: impl Fn(u32) -> bool) -> Option<u32> {
        self.waiting[0].iter().copied().find(|it| waits(*it))
    }

    /// The first of those outside that still waits.
    pub fn door(&self, waits: impl Fn(u32) -> bool) -> Option<u32> {
        self.waiting[1].iter().copied().find(|it| waits(*it))
    }

    /// Empties the queue.
    pub fn drain(&mut self) -> Vec<u32> {
        self.gone = 0;
        self.waiting.iter_mut().flat_map(std::mem::take).collect()
    }

    /// The limit changes; whoever is in flight stays.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// The limit in force.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum::<usize>() - self.gone
    }

    fn limit_of(&self, inside: bool) -> u32 {
        let claim = match inside {
            true => Claim::Inside,
            false => Claim::Outside,
        };
        claim.of(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_and_those_inside_first() {
        let mut queue = Queue::new(4, 2);
        let asked: Vec<Turn> = (0..6).map(|it| queue.ask(it, false)).collect();
        use Turn::*;
        assert_eq!(asked, [Now, Now, Now, Later, Later, Full]);
        assert_eq!(queue.ask(6, true), Now, "the last is for those inside");
        assert_eq!(queue.ask(7, true), Later);
        queue.give_back();
        assert_eq!(queue.next(false, |_| true), Some((7, true)));
        assert_eq!(queue.next(false, |_| true), None);
        queue.give_back();
        queue.give_back();
        queue.gives_up();
        assert_eq!((queue.waiting(), queue.head(|_| true)), (1, None));
        assert_eq!(queue.next(false, |it| it != 3), Some((3, false)));
        assert_eq!(queue.next(false, |it| it != 3), Some((4, true)));
        assert_eq!((queue.waiting(), queue.in_flight()), (0, 3));
    }
}
