//! A draw: the numbers of a range change places in the line, once.
//!
//! A number stands at the slot of the same number, unless it took part in a draw: then its order
//! says where. What the line keeps (who lives, who is over, when polls are due) it keeps by slots,
//! so that after a draw the line is as quick and as small as before.

use super::*;
use crate::room::lot::Order;
use std::collections::vec_deque::IterMut;

impl Line {
    /// Puts the numbers of `order`, all of them given out, into its order. Costs one step for each
    /// number and block in its range.
    pub fn draw(&mut self, order: Order) {
        let numbers = order.numbers();
        if numbers.is_empty() {
            return;
        }
        let first = numbers.start / BLOCK;
        self.reach_back(first);
        let last = (numbers.end - 1) / BLOCK;
        let within = (first - self.front) as usize..=(last - self.front) as usize;
        let old = take(self.blocks.range_mut(within.clone()));
        for (block, id) in old.iter().zip(first..) {
            for at in 0..BLOCK as usize {
                let number = id * BLOCK + at as u64;
                let slot = match order.has(number) {
                    true => order.slot(number),
                    false => number,
                };
                let target = &mut self.blocks[(slot / BLOCK - self.front) as usize];
                target.put((slot % BLOCK) as usize, block, at);
            }
        }
        for index in within {
            // Whatever is due there, the next sweep sees.
            self.wake[index] = 0;
            if !self.blocks[index].dirty {
                self.blocks[index].dirty = true;
                self.dirty.push(self.front + index as u64);
            }
        }
        self.head = self.front;
        self.count_anew();
        self.orders.push(order);
    }

    /// The line was stored after this draw: its slots are in this order already.
    pub fn was_drawn(&mut self, order: Order) {
        self.orders.push(order);
    }

    /// Where `number` stands.
    pub(super) fn slot(&self, number: u64) -> u64 {
        let order = self.orders.iter().find(|order| order.has(number));
        order.map_or(number, |order| order.slot(number))
    }

    /// Which number stands at `slot`.
    pub(super) fn number(&self, slot: u64) -> u64 {
        let order = self.orders.iter().find(|order| order.has(slot));
        order.map_or(slot, |order| order.number(slot))
    }

    /// Forgets the orders of numbers that nobody will ask for again.
    pub(super) fn retire_orders(&mut self) {
        let base = self.base();
        self.orders.retain(|order| order.numbers().end > base);
    }

    /// Counts the living anew, from the blocks.
    pub(super) fn count_anew(&mut self) {
        let living = |block: &Block| block.living.iter().map(|word| word.count_ones()).sum();
        self.tree = Tree::new(self.blocks.iter().map(|block| living(block)));
        self.tree_front = self.front;
    }

    /// Holds the blocks from `first` on again: those that were let go of are over.
    fn reach_back(&mut self, first: u64) {
        while self.front > first {
            let mut block = Block::empty();
            block.over = [u64::MAX; WORDS];
            self.blocks.push_front(block);
            self.wake.push_front(u32::MAX);
            self.front -= 1;
        }
    }
}

impl Block {
    /// Takes over what `other` says at `from`; nothing is said `at` yet.
    fn put(&mut self, at: usize, other: &Block, from: usize) {
        self.due[at] = other.due[from];
        let marks = [
            (&mut self.living, &other.living),
            (&mut self.shown, &other.shown),
            (&mut self.over, &other.over),
        ];
        for (own, bits) in marks {
            if get(bits, from) {
                set(own, at);
            }
        }
    }
}

/// The blocks as they are; empty ones stay behind, as dirty as those were.
fn take(blocks: IterMut<'_, Box<Block>>) -> VecDeque<Box<Block>> {
    let taken = blocks.map(|block| {
        let mut empty = Block::empty();
        empty.dirty = block.dirty;
        std::mem::replace(block, empty)
    });
    taken.collect()
}
