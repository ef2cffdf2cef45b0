//! In line: polls, reloads, being called, and leaving.

use super::crowd::{Sort, State};
use super::world::World;
use crate::room::{Standing, Waiting};
use crate::time::Span;

/// Whoever is called comes in at the latest after this, by the page itself.
pub(super) const ENTERS_WITHIN: Span = Span::secs(10);

impl World<'_> {
    /// It is time to ask how things stand.
    pub(super) fn polls(&mut self, visitor: u32) {
        if self.killed.is_some() {
            return self.finds_nobody(visitor);
        }
        let now = self.millis();
        let who = self.visitors[visitor as usize];
        if who.gives_up(now) {
            return self.gives_up_waiting(visitor);
        }
        if who.sort.is(Sort::RELOADS) {
            self.tally.second.reloads += 1;
            let decision = self.room.arrive(who.shows(), who.ask(), now);
            return self.decided(visitor, decision);
        }
        for _ in 1..who.tabs() {
            self.tally.second.polls += 1;
            self.room.poll(who.shows(), now);
        }
        self.tally.second.polls += 1;
        match self.room.poll(who.shows(), now) {
            Standing::Waiting {
                waiting, ticket, ..
            } => {
                self.visitors[visitor as usize].take_ticket(ticket);
                self.told(visitor, waiting);
            }
            // The page loads anew.
            Standing::Inside | Standing::Outside => self.asks(visitor),
        }
    }

    /// What a visitor in line does with what it is told.
    pub(super) fn told(&mut self, visitor: u32, waiting: Waiting) {
        let sort = self.visitors[visitor as usize].sort;
        let network = self.dice.between(Span::ZERO, self.scene.crowd.network);
        let pause = match waiting.called {
            Some(_) if sort.is(Sort::NO_SHOW) => {
                self.tally.no_shows += 1;
                return self.gone(visitor);
            }
            Some(_) => {
                self.visitors[visitor as usize].state = State::Called;
                self.dice.between(Span::ZERO, ENTERS_WITHIN)
            }
            None if sort.is(Sort::RELOADS) => {
                let every = self.scene.crowd.reload_every;
                self.dice.between(every.scale(0.5), every.scale(1.5))
            }
            None => Span::secs(waiting.poll_after.ceil_secs()).0 * 1_000,
        };
        self.plan(visitor, self.now + pause + network);
    }

    /// The visitor has waited long enough; some come back later.
    fn gives_up_waiting(&mut self, visitor: u32) {
        self.tally.gave_up += 1;
        let crowd = &self.scene.crowd;
        if !self.dice.happens(crowd.come_back) {
            return self.gone(visitor);
        }
        let at = self.now + self.dice.micros(crowd.come_back_after);
        let who = &mut self.visitors[visitor as usize];
        who.state = State::Away;
        who.settle(crowd, &mut self.dice, crate::time::Millis(at / 1_000));
        self.plan(visitor, at);
    }
}
