//! The line: a sequence of numbers, each with a living/gone mark; not a list of visitors.
//!
//! A ticket costs two bytes for the second at which its next poll is due, and three bits:
//! *living* (it counts in everybody's place), *shown* (it came back at least once) and *over*
//! (it will never count again). What is neither living nor over is *absent*: it may come back
//! to its own place until it has been overdue for `keep`.
//!
//! Numbers are gathered in blocks of [`BLOCK`]. A [`Tree`] over the blocks' living counts gives a
//! place in O(log(n / BLOCK)); within a block it is a population count. Expiry looks at a block only
//! when something in it may be due, so its cost is a few checks per ticket and poll interval.
//!
//! Time is in whole seconds of the line's own clock, which stands still while we ourselves
//! are silent (see [`super::Room::advance`]): our absence is not held against anybody.

mod draw;

use super::lot::Order;
use super::tree::Tree;
use std::collections::VecDeque;

/// Tickets per block.
pub const BLOCK: u64 = 512;
const WORDS: usize = BLOCK as usize / 64;
/// Blocks visited by one sweep at most; the rest waits for the next second.
const SWEEP_MAX: usize = 2_048;
/// Retired blocks that the tree carries before it is built anew.
const SLACK_BLOCKS: u64 = 64;

/// One bit per ticket of a block.
pub type Bits = [u64; WORDS];

/// How a number stands in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It waits and counts in the places behind it.
    Living,
    /// It does not count, but may come back to its place.
    Absent,
    /// It will never count again, or is not ours.
    Over,
}

struct Block {
    due: [u16; BLOCK as usize],
    living: Bits,
    shown: Bits,
    over: Bits,
    dirty: bool,
}

/// What a sweep saw leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Tickets never shown again whose first poll is overdue; now absent.
    pub ghosts: u64,
    /// Tickets whose place was kept long enough; now over.
    pub abandoned: u64,
}

/// The tickets that wait, in order. See the module.
pub struct Line {
    /// Number of the first block held (block numbers are ticket numbers / BLOCK).
    front: u64,
    blocks: VecDeque<Box<Block>>,
    /// For each block held, no later than the first second at which it wants a look.
    wake: VecDeque<u32>,
    /// Living tickets of the blocks `tree_front..`.
    tree: Tree,
    tree_front: u64,
    /// No block before this one has a living ticket.
    head: u64,
    next: u64,
    living: u64,
    /// Seconds a place is kept after a poll was due.
    keep: u32,
    dirty: Vec<u64>,
    /// Where the numbers of a draw stand; all others stand where they say.
    orders: Vec<Order>,
}

impl Line {
    /// An empty line whose first ticket will be `next`.
    pub fn new(next: u64, keep: u32) -> Line {
        let front = next / BLOCK;
        let mut line = Line {
            front,
            blocks: VecDeque::new(),
            wake: VecDeque::new(),
            tree: Tree::new([]),
            tree_front: front,
            head: front,
            next: front * BLOCK,
            living: 0,
            keep,
            dirty: Vec::new(),
            orders: Vec::new(),
        };
        while line.next < next {
            let number = line.push(0);
            line.end(number);
        }
        line
    }

    /// The number the next ticket gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The smallest number the line still knows; everything before it is over.
    pub fn base(&self) -> u64 {
        self.front * BLOCK
    }

    /// Living tickets.
    pub fn living(&self) -> u64 {
        self.living
    }

    /// Bytes held in all: what the bench divides by the tickets.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<Block>()
            + self.blocks.capacity() * size_of::<Box<Block>>()
            + self.wake.capacity() * size_of::<u32>()
            + self.tree.bytes()
    }

    /// A new ticket at the end, living, first poll due at `due`.
    pub fn push(&mut self, due: u32) -> u64 {
        let number = self.next;
        self.next += 1;
        if number / BLOCK >= self.front + self.blocks.len() as u64 {
            self.add_block();
        }
        self.set_living(number);
        self.set_due(number, due);
        number
    }

    /// A number that never waits (a visitor who goes straight in).
    pub fn push_over(&mut self) -> u64 {
        let number = self.push(0);
        self.end(number);
        number
    }

    /// How `number` stands at second `now`.
    pub fn mark(&self, number: u64, now: u32) -> Mark {
        let Some((block, at)) = self.find(self.slot(number)) else {
            return Mark::Over;
        };
        if get(&block.over, at) {
            Mark::Over
        } else if get(&block.living, at) {
            Mark::Living
        } else if until(block.due[at], now) + i64::from(self.keep) > 0 {
            Mark::Absent
        } else {
            Mark::Over
        }
    }

    /// Living tickets before `number`, plus one. O(log n), no allocation.
    pub fn place(&self, number: u64) -> u64 {
        let slot = self.slot(number);
        let Some((block, at)) = self.find(slot) else {
            return self.living + 1;
        };
        let mut before: u64 = block.living[..at / 64]
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum();
        let below = (1u64 << (at % 64)) - 1;
        before += u64::from((block.living[at / 64] & below).count_ones());
        before + self.tree.sum((slot / BLOCK - self.tree_front) as usize) + 1
    }

    /// The visitor showed the ticket: it lives (again), and its next poll is due at `due`.
    /// Returns whether it had been absent. The number must not be over.
    pub fn show(&mut self, number: u64, due: u32) -> bool {
        let slot = self.slot(number);
        let revived = self.set_living(slot);
        self.set_shown(slot);
        self.set_due(slot, due);
        revived
    }

    /// The next poll of a living ticket is due at `due`.
    pub fn expect(&mut self, number: u64, due: u32) {
        self.set_due(self.slot(number), due);
    }

    /// The first living ticket.
    pub fn first(&mut self) -> Option<u64> {
        if self.living == 0 {
            return None;
        }
        loop {
            let block = &self.blocks[(self.head - self.front) as usize];
            let found = (0..WORDS).find(|&word| block.living[word] != 0);
            if let Some(word) = found {
                let bit = u64::from(block.living[word].trailing_zeros());
                return Some(self.number(self.head * BLOCK + word as u64 * 64 + bit));
            }
            self.head += 1;
        }
    }

    /// Whether the visitor should have been heard of by `now`.
    pub fn overdue(&self, number: u64, now: u32) -> bool {
        self.find(self.slot(number))
            .is_some_and(|(block, at)| until(block.due[at], now) <= 0)
    }

    /// The ticket no longer counts, but may come back until it is `keep` seconds past what was
    /// due: it was passed over because nobody heard of it.
    pub fn pass_over(&mut self, number: u64) {
        self.clear_living(self.slot(number));
    }

    /// The ticket is called and no longer counts. It may come back until `keep` seconds after
    /// `claim_end`.
    pub fn call(&mut self, number: u64, claim_end: u32) {
        let slot = self.slot(number);
        self.clear_living(slot);
        self.set_due(slot, claim_end);
    }

    /// The number may come back to the line until `keep` seconds after `now`.
    pub fn reopen(&mut self, number: u64, now: u32) {
        let slot = self.slot(number);
        if let Some((block, at)) = self.find_mut(slot) {
            clear(&mut block.over, at);
            self.set_due(slot, now);
            self.touch(slot);
        }
    }

    /// The number is over for good: it came in, left, or never was in line.
    pub fn end(&mut self, number: u64) {
        self.end_slot(self.slot(number));
    }

    /// Lets go of those who stopped polling, and of blocks that nobody will ask for again.
    pub fn sweep(&mut self, now: u32) -> Swept {
        let mut swept = Swept::default();
        let mut visited = 0;
        for index in 0..self.wake.len() {
            if self.wake[index] <= now && visited < SWEEP_MAX {
                visited += 1;
                self.sweep_block(index, now, &mut swept);
            }
        }
        self.retire();
        swept
    }

    /// Every block changed since the last call: its number, who lives and who is over.
    pub fn take_dirty(&mut self, mut each: impl FnMut(u64, Bits, Bits)) {
        for number in std::mem::take(&mut self.dirty) {
            if let Some(block) = (number.checked_sub(self.front))
                .and_then(|index| self.blocks.get_mut(index as usize))
            {
                block.dirty = false;
                each(number, block.living, block.over);
            }
        }
    }

    /// Marks every block as changed: the next [`Line::take_dirty`] is a snapshot.
    pub fn mark_all_dirty(&mut self) {
        self.dirty.clear();
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.dirty = true;
            self.dirty.push(self.front + index as u64);
        }
    }

    /// A line as it was stored: blocks in order (gaps are over), then numbers up to `next`, of
    /// which nothing is known: absent, so that whoever holds one comes back to its place.
    /// Everybody's next poll is due at `due`.
    pub fn restore(
        blocks: impl IntoIterator<Item = (u64, Bits, Bits)>,
        next: u64,
        keep: u32,
        due: u32,
    ) -> Line {
        let mut blocks = blocks.into_iter().peekable();
        let front = blocks.peek().map_or(next / BLOCK, |(number, ..)| *number);
        let mut line = Line::new(front * BLOCK, keep);
        for (number, living, over) in blocks {
            while line.next < number * BLOCK {
                line.push_over();
            }
            for at in 0..BLOCK as usize {
                let ticket = line.push(due);
                line.set_shown(ticket);
                if get(&over, at) {
                    line.end(ticket);
                } else if !get(&living, at) {
                    line.clear_living(ticket);
                }
            }
        }
        while line.next < next {
            line.push_absent_block(due);
        }
        line
    }

    /// A block of numbers of which nothing is known.
    fn push_absent_block(&mut self, due: u32) {
        self.add_block();
        if let (Some(block), Some(wake)) = (self.blocks.back_mut(), self.wake.back_mut()) {
            block.due = [due as u16; BLOCK as usize];
            *wake = due.saturating_add(self.keep);
        }
        self.next += BLOCK;
    }

    fn set_shown(&mut self, slot: u64) {
        if let Some((block, at)) = self.find_mut(slot) {
            set(&mut block.shown, at);
        }
    }

    fn end_slot(&mut self, slot: u64) {
        self.clear_living(slot);
        if let Some((block, at)) = self.find_mut(slot) {
            set(&mut block.over, at);
            self.touch(slot);
        }
    }

    fn find(&self, slot: u64) -> Option<(&Block, usize)> {
        if slot >= self.next {
            return None;
        }
        let index = (slot / BLOCK).checked_sub(self.front)?;
        let block = self.blocks.get(index as usize)?;
        Some((block, (slot % BLOCK) as usize))
    }

    fn find_mut(&mut self, slot: u64) -> Option<(&mut Block, usize)> {
        if slot >= self.next {
            return None;
        }
        let index = (slot / BLOCK).checked_sub(self.front)?;
        let block = self.blocks.get_mut(index as usize)?;
        Some((block, (slot % BLOCK) as usize))
    }

    fn add_block(&mut self) {
        self.blocks.push_back(Block::empty());
        self.wake.push_back(u32::MAX);
        self.tree.push(0);
    }

    /// Returns whether it was not living before.
    fn set_living(&mut self, slot: u64) -> bool {
        match self.find_mut(slot) {
            Some((block, at)) if !get(&block.living, at) => set(&mut block.living, at),
            _ => return false,
        }
        self.living += 1;
        self.head = self.head.min(slot / BLOCK);
        self.tree
            .increase((slot / BLOCK - self.tree_front) as usize);
        self.touch(slot);
        true
    }

    fn clear_living(&mut self, slot: u64) -> bool {
        match self.find_mut(slot) {
            Some((block, at)) if get(&block.living, at) => clear(&mut block.living, at),
            _ => return false,
        }
        self.living -= 1;
        self.tree
            .decrease((slot / BLOCK - self.tree_front) as usize);
        self.touch(slot);
        true
    }

    /// The second at which the next poll is due. The block is looked at when something is to
    /// be done about it: at once for a ticket never shown again, after `keep` for the others.
    fn set_due(&mut self, slot: u64, due: u32) {
        let keep = self.keep;
        let Some((block, at)) = self.find_mut(slot) else {
            return;
        };
        block.due[at] = due as u16;
        let ghost = get(&block.living, at) && !get(&block.shown, at);
        let act = if ghost { due } else { due.saturating_add(keep) };
        let index = (slot / BLOCK - self.front) as usize;
        self.wake[index] = self.wake[index].min(act);
    }

    fn touch(&mut self, slot: u64) {
        let id = slot / BLOCK;
        if let Some((block, _)) = self.find_mut(slot)
            && !block.dirty
        {
            block.dirty = true;
            self.dirty.push(id);
        }
    }

    fn sweep_block(&mut self, index: usize, now: u32, swept: &mut Swept) {
        let first = (self.front + index as u64) * BLOCK;
        let keep = i64::from(self.keep);
        let mut wake = i64::from(u32::MAX);
        for at in 0..BLOCK as usize {
            let block = &self.blocks[index];
            if get(&block.over, at) || first + at as u64 >= self.next {
                continue;
            }
            let left = until(block.due[at], now);
            let living = get(&block.living, at);
            let ghost = living && !get(&block.shown, at);
            let act_in = if ghost { left } else { left + keep };
            if act_in > 0 {
                wake = wake.min(i64::from(now) + act_in);
                continue;
            }
            if ghost {
                swept.ghosts += 1;
                self.clear_living(first + at as u64);
                wake = wake.min(i64::from(now) + (left + keep).max(1));
            } else {
                swept.abandoned += u64::from(living);
                self.end_slot(first + at as u64);
            }
        }
        self.wake[index] = wake as u32;
    }

    /// Drops the blocks at the front in which every number is over.
    fn retire(&mut self) {
        while let Some(block) = self.blocks.front()
            && block.over.iter().all(|word| *word == u64::MAX)
        {
            self.blocks.pop_front();
            self.wake.pop_front();
            self.front += 1;
        }
        self.head = self.head.max(self.front);
        let retired = self.front - self.tree_front;
        if retired > SLACK_BLOCKS.max(self.blocks.len() as u64) {
            self.count_anew();
        }
        self.retire_orders();
    }
}

impl Block {
    fn empty() -> Box<Block> {
        Box::new(Block {
            due: [0; BLOCK as usize],
            living: [0; WORDS],
            shown: [0; WORDS],
            over: [0; WORDS],
            dirty: false,
        })
    }
}

/// Seconds from `now` until the 16-bit second `due`, within nine hours either way.
fn until(due: u16, now: u32) -> i64 {
    i64::from(due.wrapping_sub(now as u16) as i16)
}

fn get(bits: &Bits, at: usize) -> bool {
    bits[at / 64] & (1 << (at % 64)) != 0
}

fn set(bits: &mut Bits, at: usize) {
    bits[at / 64] |= 1 << (at % 64);
}

fn clear(bits: &mut Bits, at: usize) {
    bits[at / 64] &= !(1 << (at % 64));
}
