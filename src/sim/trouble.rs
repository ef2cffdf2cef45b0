//! What happens to the portal, and to us.

use super::crowd::State;
use super::queue::Queue;
use super::requests::Stage;
use super::world::World;
use crate::config::scene::Happening;
use crate::room::{Ask, Room, Visitor as Who};
use crate::time::{Millis, Span};
use crate::upstream::Outcome;

/// A portal that is down is looked at after this, then twice as long each time, up to a minute.
const PROBE_MIN: Span = Span::secs(1);
const PROBE_MAX: Span = Span::secs(60);
/// A page that reaches nobody asks again after 2 s at least, and after up to 4, 8, 16, then 30 s.
const LOST_MIN: Span = Span::secs(2);
const LOST_MAX: Span = Span::secs(30);

impl World<'_> {
    /// What begins or ends at this second.
    pub(super) fn happen(&mut self, second: Span) {
        for event in &self.scene.events {
            let (begins, ends) = (second == whole(event.from), second == whole(event.until));
            match event.what {
                Happening::Capacity(factor) if begins => self.set_speed(factor),
                Happening::Capacity(_) if ends => self.set_speed(1.0),
                Happening::Dead if begins => {
                    for request in self.portal.kill() {
                        self.portal_failed(request);
                    }
                    self.pump();
                }
                Happening::Dead if ends => self.portal.revive(),
                Happening::Slow(_) if begins || ends => self.slows(second),
                Happening::LongPolls(share) if begins => self.long_polls = share,
                Happening::LongPolls(_) if ends => self.long_polls = 0.0,
                Happening::Restart if begins => self.is_killed(),
                Happening::Restart if ends => self.is_back(),
                _ => {}
            }
        }
    }

    /// What stands behind the portal is as slow as all that is going on there.
    fn slows(&mut self, second: Span) {
        let all = self
            .scene
            .events
            .iter()
            .filter_map(|event| match event.what {
                Happening::Slow(adds) => {
                    let on = whole(event.from) <= second && second < whole(event.until);
                    on.then_some(adds)
                }
                _ => None,
            });
        let sum = all.fold(Span::ZERO, |sum, adds| sum + adds);
        self.portal.set_slow(sum);
    }

    fn set_speed(&mut self, factor: f64) {
        self.speed = factor;
        self.portal.set_speed(factor, self.now);
    }

    /// The portal has answered, or has not: perhaps it is to be looked at.
    pub(super) fn judged(&mut self, outcome: Outcome) {
        if self.health.request(outcome) {
            self.probe_at = self.now;
            self.probe();
        }
    }

    /// Looks whether a portal that is in doubt or down is there.
    pub(super) fn probe(&mut self) {
        let wanted = !self.health.is_up() || self.health.is_doubted();
        if !wanted || self.now < self.probe_at || self.killed.is_some() {
            return;
        }
        let now = self.millis();
        let outcome = match self.portal.is_dead() {
            true => Outcome::Failed,
            false => Outcome::Answered,
        };
        let changed = self.health.probe(outcome, true, now);
        match (changed, self.health.is_up()) {
            (true, true) => {
                self.room.set_portal(true, now);
                let (inside, _) = self.room.people();
                self.control.back(inside.inside(), now);
            }
            (true, false) => {
                self.falls(now);
                self.look_again();
            }
            (false, true) => self.probe_at = self.now + PROBE_MIN.0 * 1_000,
            (false, false) => self.look_again(),
        }
    }

    /// The portal is down: nobody waits for a slot any longer.
    fn falls(&mut self, now: Millis) {
        self.room.set_portal(false, now);
        for request in self.queue.drain() {
            match self.requests.waits(request) {
                true => self.no_slot(request),
                false => self.requests.remove(request),
            }
        }
    }

    fn look_again(&mut self) {
        let chance = self.dice.part();
        let wait = self.health.next_wait(PROBE_MIN, PROBE_MAX, chance);
        self.probe_at = self.now + wait.0 * 1_000;
    }

    /// We are not there: the visitor tries again.
    pub(super) fn finds_nobody(&mut self, visitor: u32) {
        let gone = self.now - self.killed.unwrap_or(self.now);
        // As long as it has tried in vain: each pause up to twice the one before.
        let most = Span(gone / 1_000 * 2 + 4_000).clamp(LOST_MIN, LOST_MAX);
        let pause = self.dice.between(LOST_MIN, most);
        self.plan(visitor, self.now + pause);
    }

    /// We are killed: every connection is cut, and what was not stored is lost.
    fn is_killed(&mut self) {
        self.killed = Some(self.now);
        let status = self.room.status(self.millis());
        self.tally.restarted(&status);
        let slots = self.control.slots();
        self.queue = Queue::new(slots, self.scene.portal.slot_queue);
        for visitor in 0..self.visitors.len() as u32 {
            let who = self.visitors[visitor as usize];
            if who.state != State::Asking {
                continue;
            }
            let request = self.requests.get(who.request);
            match request.stage {
                Stage::Waiting => self.requests.remove(who.request),
                _ => request.stage = Stage::Forgotten,
            }
            self.visitors[visitor as usize].state = State::Reading;
            self.finds_nobody(visitor);
        }
    }

    /// We are there again, with what was stored.
    fn is_back(&mut self) {
        let Some(kept) = &mut self.kept else {
            return;
        };
        self.killed = None;
        let now = Millis(self.now / 1_000);
        let rules = self.room.rules().clone();
        self.room = Room::restore("room", rules, kept.saved(), now);
        kept.commit(&mut self.room, now);
        self.control.resume(now);
        if !self.health.is_up() {
            self.room.set_portal(false, now);
        }
        if !self.whole_visits() {
            return;
        }
        // A whole visit is one request to us; in truth it is many, and goes on with the next.
        for who in &self.visitors {
            if who.state == State::Visiting
                && let Who::Pass(_) = who.shows()
            {
                self.room.arrive(who.shows(), Ask::PAGE, now);
            }
        }
    }
}

/// The second in which something happens.
fn whole(at: Span) -> Span {
    Span::secs(at.0 / 1_000)
}
