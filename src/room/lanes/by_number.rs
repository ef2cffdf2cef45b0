//! What a line can do, with the lane found by the number.

use super::super::line::{Bits, Line, Mark, Swept};
use super::super::lot::Order;
use super::{Lane, Lanes};

impl Lanes {
    /// A new ticket at the end of lane `index`, living.
    pub fn push(&mut self, index: usize, due: u32) -> u64 {
        let lane = &mut self.lanes[index];
        lane.fresh += 1;
        lane.tickets += 1;
        lane.line.push(due)
    }

    /// A ticket of lane `index` that counts as soon as it is shown: see [`Line::pass_over`].
    pub fn push_absent(&mut self, index: usize, due: u32) -> u64 {
        let line = &mut self.lanes[index].line;
        let number = line.push(due);
        line.pass_over(number);
        number
    }

    /// A number of lane `index` that never waits.
    pub fn push_over(&mut self, index: usize) -> u64 {
        self.lanes[index].line.push_over()
    }

    /// Living tickets, in all lanes.
    pub fn living(&self) -> u64 {
        self.lanes.iter().map(Lane::living).sum()
    }

    /// The first living ticket of lane `index`.
    pub fn first(&mut self, index: usize) -> Option<u64> {
        self.lanes[index].line.first()
    }

    /// How `number` stands at second `now`.
    pub fn mark(&self, number: u64, now: u32) -> Mark {
        self.lane(number)
            .map_or(Mark::Over, |lane| lane.line.mark(number, now))
    }

    /// Living tickets before `number` in its lane, plus one.
    pub fn place(&self, number: u64) -> u64 {
        self.lane(number).map_or(1, |lane| lane.line.place(number))
    }

    /// See [`Line::overdue`].
    pub fn overdue(&self, number: u64, now: u32) -> Option<u64> {
        self.lane(number)
            .and_then(|lane| lane.line.overdue(number, now))
    }

    /// See [`Line::show`].
    pub fn show(&mut self, number: u64, due: u32) -> bool {
        self.lane_mut(number)
            .is_some_and(|lane| lane.line.show(number, due))
    }

    /// See [`Line::expect`].
    pub fn expect(&mut self, number: u64, due: u32) {
        self.with(number, |line| line.expect(number, due));
    }

    /// See [`Line::pass_over`].
    pub fn pass_over(&mut self, number: u64) {
        self.with(number, |line| line.pass_over(number));
    }

    /// See [`Line::call`].
    pub fn call(&mut self, number: u64, claim_end: u32) {
        self.with(number, |line| line.call(number, claim_end));
    }

    /// See [`Line::reopen`].
    pub fn reopen(&mut self, number: u64, now: u32) {
        self.with(number, |line| line.reopen(number, now));
    }

    /// See [`Line::end`].
    pub fn end(&mut self, number: u64) {
        self.with(number, |line| line.end(number));
    }

    /// See [`Line::sweep`]: what was found in lanes that are let in, and in those that are not.
    pub fn sweep(&mut self, now: u32) -> [Swept; 2] {
        let mut both = [Swept::default(), Swept::default()];
        for lane in &mut self.lanes {
            let swept = lane.line.sweep(now);
            let all = &mut both[usize::from(!lane.hours.entering())];
            all.ghosts += swept.ghosts;
            all.abandoned += swept.abandoned;
        }
        both
    }

    /// See [`Line::take_dirty`].
    pub fn take_dirty(&mut self, mut each: impl FnMut(u64, Bits, Bits)) {
        for lane in &mut self.lanes {
            lane.line.take_dirty(&mut each);
        }
    }

    /// See [`Line::mark_all_dirty`].
    pub fn mark_all_dirty(&mut self) {
        self.lanes
            .iter_mut()
            .for_each(|lane| lane.line.mark_all_dirty());
    }

    /// See [`Line::draw`].
    pub fn draw(&mut self, order: Order) {
        self.with(order.numbers().start, |line| line.draw(order));
    }

    /// See [`Line::was_drawn`].
    pub fn was_drawn(&mut self, order: Order) {
        self.with(order.numbers().start, |line| line.was_drawn(order));
    }

    pub(super) fn lane(&self, number: u64) -> Option<&Lane> {
        self.lanes.get(self.lane_of(number))
    }

    pub(super) fn lane_mut(&mut self, number: u64) -> Option<&mut Lane> {
        let index = self.lane_of(number);
        self.lanes.get_mut(index)
    }

    fn with(&mut self, number: u64, act: impl FnOnce(&mut Line)) {
        if let Some(lane) = self.lane_mut(number) {
            act(&mut lane.line);
        }
    }
}
