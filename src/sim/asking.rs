//! Inside, or on the way in: requests, answers, and giving up.

use super::calendar::SECOND;
use super::crowd::{Sort, State};
use super::portal::Kind;
use super::queue::Turn;
use super::requests::{Request, Stage};
use super::world::World;
use crate::config::scene::Model;
use crate::room::{Answer, Decision, Entry, Fare, Mode, Visitor as Who};
use crate::time::Span;
use crate::upstream::{LONG_WAIT, Outcome};

/// Our page for a portal that is down asks again by itself, after this and up to a quarter more.
const DOWN_RETRY: Span = Span::secs(30);
/// Who is refused comes back after a minute or so.
const REFUSED_RETRY: Span = Span::secs(60);
/// Of the newcomers, those who barge where that is wanted.
const BARGING: f64 = 0.1;

impl World<'_> {
    /// The visitor asks for a page.
    pub(super) fn asks(&mut self, visitor: u32) {
        if self.killed.is_some() {
            return self.finds_nobody(visitor);
        }
        let who = self.visitors[visitor as usize];
        let shows = who.shows();
        let barges = self.twist.barging && shows == Who::Newcomer && self.dice.happens(BARGING);
        let now = self.millis();
        let mode = self.room.rules().mode;
        if barges {
            self.room.set_mode(Mode::Open, now);
        }
        let decision = self.room.arrive(shows, who.ask(), now);
        if barges {
            self.room.set_mode(mode, now);
        }
        self.decided(visitor, decision);
    }

    /// What the room says to a request.
    pub(super) fn decided(&mut self, visitor: u32, decision: Decision) {
        let now = self.millis();
        match decision {
            Decision::Forward { number, entry } => self.enters(visitor, number, entry),
            Decision::Wait {
                waiting, ticket, ..
            } => {
                let who = &mut self.visitors[visitor as usize];
                who.take_ticket(ticket);
                who.state = State::Waiting;
                self.told(visitor, waiting);
            }
            Decision::Refuse(_) => {
                self.tally.refused += 1;
                self.visitors[visitor as usize].state = State::Away;
                let pause = REFUSED_RETRY;
                let pause = self.dice.between(pause, pause.scale(1.25));
                self.plan(visitor, now.0 * 1_000 + pause);
            }
        }
    }

    fn enters(&mut self, visitor: u32, number: u64, entry: Entry) {
        let now = self.millis();
        let who = &mut self.visitors[visitor as usize];
        match entry {
            Entry::Straight => {
                let waiting = self.room.waiting_in(who.lane());
                self.tally.straight(who.lane(), waiting);
            }
            Entry::Called => {
                let lot = self.room.lot_of(number);
                self.tally.called_in(who, lot, now);
            }
            Entry::Inside
            | Entry::Again
            | Entry::Lent { .. }
            | Entry::Callback
            | Entry::Unseated
            | Entry::Passing => {}
        }
        if entry != Entry::Inside {
            who.take_pass(number, now);
        }
        if self.whole_visits() {
            return self.visit_begins(visitor);
        }
        let kind = self.wants(visitor);
        let request = self.requests.add(Request {
            visitor,
            asked: self.now,
            kind,
            stage: Stage::Waiting,
            straight: entry == Entry::Straight,
            sent: None,
        });
        let who = &mut self.visitors[visitor as usize];
        who.state = State::Asking;
        who.request = request;
        if kind != Kind::LongPoll {
            self.plan(visitor, self.now + self.scene.visit.patience.0 * 1_000);
        }
        if !self.health.is_up() {
            return self.no_slot(request);
        }
        match self.queue.ask(request, entry != Entry::Straight) {
            Turn::Now => {
                self.dispatch(request);
                self.pump();
            }
            Turn::Later => {}
            Turn::Full => {
                self.requests.remove(request);
                self.failed(visitor, entry == Entry::Straight, Fare::Failed);
            }
        }
    }

    fn wants(&mut self, visitor: u32) -> Kind {
        if !self.visitors[visitor as usize].sort.is(Sort::SIGNED_ON) {
            return Kind::Login;
        }
        if self.dice.happens(self.long_polls) {
            return Kind::LongPoll;
        }
        match self.scene.portal.model {
            Model::Workers { database_share, .. } if self.dice.happens(database_share) => {
                Kind::DatabasePage
            }
            _ => Kind::Page,
        }
    }

    /// Gives free slots to those who wait.
    pub(super) fn pump(&mut self) {
        self.queue.settle(self.millis());
        let head = self.queue.head(|id| self.requests.waits(id));
        let head = head.map_or(0, |id| self.now - self.requests.asked(id));
        let long = Span(head / 1_000) > LONG_WAIT;
        while let Some((request, waits)) = self.queue.next(long, |id| self.requests.waits(id)) {
            match waits {
                true => self.dispatch(request),
                false => self.requests.remove(request),
            }
        }
    }

    /// A request that has a slot goes to the portal.
    fn dispatch(&mut self, id: u32) {
        let now = self.millis();
        let request = self.requests.get(id);
        let waited = match request.straight {
            // They wait so that those inside need not.
            true => None,
            false => Some(Span((self.now - request.asked) / 1_000)),
        };
        let kind = request.kind;
        let (in_flight, visitor) = (self.queue.in_flight(), request.visitor);
        request.sent = Some(self.control.sent(in_flight, waited, visitor, now));
        let lasting = self.control.is_apart(kind) && self.queue.lend();
        request.stage = match lasting {
            true => Stage::Lasting,
            false => Stage::Running,
        };
        if !self.portal.begin(id, kind, &mut self.dice, self.now) {
            self.portal_failed(id);
        }
    }

    /// The portal has answered.
    pub(super) fn answered(&mut self, id: u32) {
        let request = *self.requests.get(id);
        self.requests.remove(id);
        if request.stage == Stage::Forgotten {
            return;
        }
        self.ended(&request, Answer::Good);
        self.judged(Outcome::Answered);
        let visitor = request.visitor;
        let pages = self.scene.visit.pages;
        let who = &mut self.visitors[visitor as usize];
        match request.kind {
            Kind::Login => {
                who.sort.set(Sort::SIGNED_ON, true);
                who.pages = self.dice.geometric(pages);
            }
            Kind::Page | Kind::DatabasePage => who.pages -= 1,
            Kind::LongPoll => {}
        }
        let (number, done) = (who.number(), who.pages == 0);
        let usual = self.control.usual(request.kind);
        let fare = Fare::after(Span((self.now - request.asked) / 1_000), usual);
        self.room.fared(number, true, fare, self.millis());
        if done {
            self.completes(visitor);
        } else {
            self.reads(visitor);
        }
    }

    /// The visit is complete: some log out, the others just stop.
    fn completes(&mut self, visitor: u32) {
        self.tally.second.completed += 1;
        if self.dice.happens(self.scene.visit.logout) {
            let number = self.visitors[visitor as usize].number();
            self.room.leave(number, self.millis());
        }
        self.gone(visitor);
    }

    fn reads(&mut self, visitor: u32) {
        self.visitors[visitor as usize].state = State::Reading;
        let network = self.dice.between(Span::ZERO, self.scene.crowd.network);
        let think = self.dice.micros(self.scene.visit.think);
        self.plan(visitor, self.now + network + think);
    }

    /// The visitor has waited for an answer long enough.
    pub(super) fn gives_up_asking(&mut self, visitor: u32) {
        let id = self.visitors[visitor as usize].request;
        let request = *self.requests.get(id);
        if request.stage == Stage::Waiting {
            self.queue.gives_up();
        } else {
            self.ended(&request, Answer::Left);
        }
        // The portal works on, and the queue finds it gone.
        self.requests.get(id).stage = Stage::Forgotten;
        self.pump();
        let fare = Fare::given_up(Span((self.now - request.asked) / 1_000));
        self.failed(visitor, request.straight, fare);
    }

    /// The portal did not take the request, or broke it off.
    pub(super) fn portal_failed(&mut self, id: u32) {
        let request = *self.requests.get(id);
        self.requests.remove(id);
        if request.stage == Stage::Forgotten {
            return;
        }
        self.ended(&request, Answer::Failed);
        self.failed(request.visitor, request.straight, Fare::Failed);
        self.judged(Outcome::Unreachable);
    }

    /// What a request held is given back, and the law hears of it.
    fn ended(&mut self, request: &Request, answer: Answer) {
        match (request.stage, request.sent) {
            (Stage::Running, Some(sent)) if answer == Answer::Left => {
                let end = self.control.expected(sent, request.kind);
                self.queue.keep_until(end);
            }
            (Stage::Running, _) => self.queue.give_back(),
            (Stage::Lasting, _) => self.queue.end_lent(),
            (Stage::Waiting | Stage::Forgotten, _) => {}
        }
        if let Some(sent) = request.sent {
            let now = self.millis();
            self.control.answered(sent, request.kind, answer, now);
        }
    }

    /// A request of this visitor failed: some try again, some have had enough.
    fn failed(&mut self, visitor: u32, straight: bool, fare: Fare) {
        self.lets_go(visitor, straight, fare);
        let who = &mut self.visitors[visitor as usize];
        who.failures += 1;
        if who.failures < self.scene.visit.failures {
            return self.reads(visitor);
        }
        self.tally.second.broken += 1;
        self.gone(visitor);
    }

    /// There is no portal to ask: our page asks again by itself.
    pub(super) fn no_slot(&mut self, id: u32) {
        let request = *self.requests.get(id);
        self.requests.remove(id);
        self.lets_go(request.visitor, request.straight, Fare::Failed);
        self.visitors[request.visitor as usize].state = State::Reading;
        let pause = self.dice.between(DOWN_RETRY, DOWN_RETRY.scale(1.25));
        self.plan(request.visitor, self.now + pause);
    }

    /// The request has ended without an answer; a newcomer has no pass, and loses the seat.
    fn lets_go(&mut self, visitor: u32, straight: bool, fare: Fare) {
        let now = self.millis();
        let number = self.visitors[visitor as usize].number();
        self.room.fared(number, true, fare, now);
        if straight {
            self.room.leave(number, now);
            self.visitors[visitor as usize].forget();
        }
    }

    fn visit_begins(&mut self, visitor: u32) {
        let Model::Visits { length, spread } = self.scene.portal.model else {
            return;
        };
        if self.portal.is_dead() || !self.health.is_up() {
            self.judged(Outcome::Unreachable);
            self.lets_go(visitor, false, Fare::Failed);
            self.visitors[visitor as usize].state = State::Reading;
            let pause = self.dice.between(DOWN_RETRY, DOWN_RETRY.scale(1.25));
            return self.plan(visitor, self.now + pause);
        }
        self.judged(Outcome::Answered);
        let who = &mut self.visitors[visitor as usize];
        who.state = State::Visiting;
        let length = match who.sort.is(Sort::RECORDED) {
            true => u64::from(who.request) * SECOND,
            false => self.dice.lognormal(length.0 as f64 * 1_000.0, spread) as u64,
        };
        self.plan(visitor, self.now + length);
    }

    pub(super) fn visit_ends(&mut self, visitor: u32) {
        let number = self.visitors[visitor as usize].number();
        self.room.fared(number, true, Fare::Good, self.millis());
        self.completes(visitor);
    }
}
