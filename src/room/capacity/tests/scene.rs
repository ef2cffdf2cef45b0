//! A portal, a queue for its slots, and people who never stop coming: just enough to see what the
//! laws do. (`sim` has the real thing, with a room and people who wait.)
//!
//! The portal shares its cores among the requests in flight; above `thrash` of them it loses speed.
//! Its time is that of work done for each (processor sharing): requests end in the order of the
//! work that they need, counted from when they began.

use super::super::{
    Answer, Asker, Capacity, CapacityRules, Claim, Heads, Limit, Sent, Turns, Waits, Whose,
};
use super::there;
use crate::time::{Millis, Span};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Who waits longer for an answer gives up.
const PATIENCE: Span = Span::secs(10);
/// Who has given up this often leaves for good.
const FAILURES: u32 = 3;
/// Whoever asks for much at once.
const GREEDY: u64 = u64::MAX;

/// What is simulated.
#[derive(Clone)]
pub struct Scene {
    pub cores: f64,
    pub thrash: f64,
    /// Mean seconds of a core for one page.
    pub work: f64,
    /// Seconds of every answer that no core works on.
    pub fixed: f64,
    /// Answers take exactly this long, whatever is done.
    pub always: Option<f64>,
    /// Of the pages, the share of long polls, and their seconds.
    pub polls: (f64, f64),
    /// Requests are refused at once.
    pub refuses: bool,
    pub pages: f64,
    pub think: f64,
    /// People who want to come in, for each one the portal can serve; 0 for nobody.
    pub crowd: f64,
    /// Connections of one visitor who asks again as soon as there is an answer.
    pub greedy: u32,
    /// What each of these works for, in pages.
    pub greedy_work: f64,
}

impl Scene {
    /// The portal of the reference: 8 cores, thrashing above 32, 13 pages with 8 s between them.
    pub fn reference() -> Scene {
        Scene {
            cores: 8.0,
            thrash: 32.0,
            work: 0.2,
            fixed: 0.0,
            always: None,
            polls: (0.0, 0.0),
            refuses: false,
            pages: 13.0,
            think: 8.0,
            crowd: 2.0,
            greedy: 0,
            greedy_work: 1.0,
        }
    }

    /// Visits a second that the portal can complete.
    pub fn capacity(&self) -> f64 {
        self.cores / (self.work * self.pages)
    }
}

/// A run. Everything can be changed between two calls of [`Run::until`].
pub struct Run {
    pub scene: Scene,
    pub law: Capacity,
    pub now: Millis,
    pub completed: u64,
    pub broken: u64,
    pub answers: u64,
    /// Seconds from each question to its answer; of whoever asks for much, none.
    pub took: Vec<f64>,
    seed: u64,
    events: BinaryHeap<Reverse<(Millis, u64, Event)>>,
    serial: u64,
    visits: HashMap<u64, Visit>,
    turns: Turns<Millis>,
    /// In flight: by the work at which they end.
    working: BinaryHeap<Reverse<(u64, u64)>>,
    flights: HashMap<u64, Flight>,
    in_flight: u32,
    work: f64,
    worked: Millis,
    tokens: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask(u64),
    End(u64),
    Tick,
}

struct Flight {
    asker: Asker,
    asked: Millis,
    sent: Sent,
    poll: bool,
    /// It holds a slot.
    holds: bool,
}

struct Visit {
    pages: u32,
    failures: u32,
}

impl Run {
    pub fn new(scene: Scene, slots: Limit, seats: Limit, seed: u64) -> Run {
        let rules = CapacityRules { slots, seats };
        let mut run = Run {
            scene,
            law: Capacity::new(&rules, Millis(0)),
            now: Millis(0),
            completed: 0,
            broken: 0,
            answers: 0,
            took: Vec::new(),
            seed,
            events: BinaryHeap::new(),
            serial: 0,
            visits: HashMap::new(),
            turns: Turns::new(),
            working: BinaryHeap::new(),
            flights: HashMap::new(),
            in_flight: 0,
            work: 0.0,
            worked: Millis(0),
            tokens: 0.0,
        };
        run.plan(Span(100), Event::Tick);
        for _ in 0..run.scene.greedy {
            run.plan(Span::ZERO, Event::Ask(GREEDY));
        }
        run
    }

    /// Both limits found, from cold.
    pub fn auto(scene: Scene, seed: u64) -> Run {
        Run::new(scene, super::SLOTS, super::SEATS, seed)
    }

    /// Lets time pass.
    pub fn until(&mut self, end: Millis) {
        loop {
            let next = self.events.peek().map(|Reverse((at, ..))| *at);
            let done = self.next_done();
            let at = next.into_iter().chain(done).min();
            let Some(at) = at.filter(|at| *at <= end) else {
                self.advance(end);
                return;
            };
            self.advance(at);
            if done == Some(at) {
                self.finish_one();
            } else if let Some(Reverse((_, _, event))) = self.events.pop() {
                self.happen(event);
            }
        }
    }

    /// Share of what the portal can complete, over `span` from `completed` on.
    pub fn share(&self, completed: u64, span: Span) -> f64 {
        (self.completed - completed) as f64 / (self.scene.capacity() * span.as_secs_f64())
    }

    /// The time below which so many of the answers came.
    pub fn quantile(&mut self, part: f64) -> f64 {
        self.took.sort_unstable_by(f64::total_cmp);
        self.took[(part * self.took.len() as f64) as usize]
    }

    pub fn inside(&self) -> u32 {
        self.visits.len() as u32
    }

    fn chance(&mut self) -> f64 {
        // splitmix64, as elsewhere in the room.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        super::super::super::phase(self.seed)
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.chance()).ln()
    }

    fn plan(&mut self, after: Span, event: Event) {
        self.serial += 1;
        self.events
            .push(Reverse((self.now + after, self.serial, event)));
    }

    fn speed(&self) -> f64 {
        let n = self.working.len() as f64;
        let cores = match n > self.scene.thrash {
            true => self.scene.cores * (self.scene.thrash / n).powi(2),
            false => self.scene.cores,
        };
        (cores / n.max(1.0)).min(1.0)
    }

    fn advance(&mut self, to: Millis) {
        if !self.working.is_empty() {
            self.work += to.since(self.worked).as_secs_f64() * self.speed();
        }
        self.worked = to;
        self.now = to;
    }

    fn next_done(&self) -> Option<Millis> {
        let Reverse((work, _)) = self.working.peek()?;
        let left = (*work as f64 / 1e6 - self.work).max(0.0);
        Some(self.now + Span((left / self.speed() * 1e3).ceil() as u64))
    }

    fn finish_one(&mut self) {
        if let Some(Reverse((_, flight))) = self.working.pop() {
            let fixed = Span::from_secs_f64(self.scene.fixed);
            match fixed {
                Span::ZERO => self.end(flight),
                _ => self.plan(fixed, Event::End(flight)),
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask(visit) => self.ask(visit),
            Event::End(flight) => self.end(flight),
            Event::Tick => self.tick(),
        }
    }

    /// The class of what somebody asks for.
    fn path(&self, visit: u64, poll: bool) -> &'static str {
        match (poll, visit == GREEDY && self.scene.greedy_work > 1.0) {
            (true, _) => "/poll",
            (_, true) => "/export",
            _ => "/page",
        }
    }

    fn ask(&mut self, visit: u64) {
        let (slots, now) = (self.law.slots(), self.now);
        let class = self.law.class("GET", self.path(visit, false));
        let asker = Asker {
            claim: Claim::Inside,
            visitor: Some(visit),
            weight: self.law.weight(class),
        };
        if self.in_flight < slots && self.turns.is_free(asker, slots, now) {
            self.turns.goes(asker, slots, now);
            return self.go(asker, now, Waits::default());
        }
        self.turns.waits(asker, slots, now, now);
        self.send();
    }

    fn tick(&mut self) {
        self.plan(Span(100), Event::Tick);
        self.send();
        let seats = self.law.seats();
        if self.now.0.is_multiple_of(1_000) {
            let (counted, slots) = (self.turns.counted(), self.law.slots());
            let head = match counted > slots {
                true => self.turns.head(Claim::Inside, slots, self.now),
                false => Span::ZERO,
            };
            let in_flight = self.in_flight.min(counted);
            let heads = Heads {
                inside: head,
                ..Heads::default()
            };
            self.law
                .tick(heads, in_flight, there(self.inside()), self.now);
        }
        let pace = (f64::from(seats) / 30.0).max(1.0);
        let coming = self.scene.crowd * self.scene.capacity();
        self.tokens = (self.tokens + pace.min(coming) / 10.0).min(pace.max(1.0));
        while self.tokens >= 1.0 && self.inside() < self.law.seats() {
            self.tokens -= 1.0;
            self.serial += 1;
            let pages = 1 + self.exponential(self.scene.pages - 1.0).round() as u32;
            let visit = self.serial;
            self.visits.insert(visit, Visit { pages, failures: 0 });
            self.plan(Span::ZERO, Event::Ask(visit));
        }
    }

    fn send(&mut self) {
        let slots = self.law.slots();
        while self.in_flight < slots
            && let Some(turn) = self.turns.next(Claim::Inside, slots, self.now)
            && let Some(served) = self.turns.serve(turn, self.now)
        {
            self.go(served.asker, served.what, served.waits);
        }
    }

    /// Who asked then goes to the portal, unless they have given up.
    fn go(&mut self, asker: Asker, since: Millis, waits: Waits) {
        let (visit, waited) = (asker.visitor.unwrap_or_default(), self.now.since(since));
        if waited >= PATIENCE {
            self.turns.ends(asker);
            return self.answered(visit, false);
        }
        self.in_flight += 1;
        let poll = self.chance() < self.scene.polls.0;
        let whose = Whose::new(visit, b"");
        let waited = waits.counts(waited);
        let sent = self.law.sent(self.in_flight, waited, whose, self.now);
        let class = self.law.class("GET", self.path(visit, poll));
        let holds = !(poll && self.law.is_apart(class));
        if !holds {
            self.in_flight -= 1;
            self.turns.ends(asker);
        }
        self.serial += 1;
        let flight = self.serial;
        self.flights.insert(
            flight,
            Flight {
                asker,
                asked: since,
                sent,
                poll,
                holds,
            },
        );
        let exactly = self.scene.always.or(poll.then_some(self.scene.polls.1));
        let exactly = match self.scene.refuses {
            true => Some(0.0),
            false => exactly,
        };
        match exactly {
            Some(secs) => self.plan(Span::from_secs_f64(secs), Event::End(flight)),
            None => {
                let pages = match visit == GREEDY {
                    true => self.scene.greedy_work,
                    false => 1.0,
                };
                let work = self.work + self.exponential(self.scene.work * pages);
                self.working.push(Reverse(((work * 1e6) as u64, flight)));
            }
        }
    }

    fn end(&mut self, flight: u64) {
        let Some(Flight {
            asker,
            asked,
            sent,
            poll,
            holds,
        }) = self.flights.remove(&flight)
        else {
            return;
        };
        let visit = asker.visitor.unwrap_or_default();
        let class = self.law.class("GET", self.path(visit, poll));
        if holds {
            self.in_flight -= 1;
            self.turns.ends(asker);
        }
        let took = self.now.since(sent.at);
        let good = poll || (took < PATIENCE && !self.scene.refuses);
        let answer = match (self.scene.refuses, good) {
            (true, _) => Answer::Failed,
            (_, true) => Answer::Good,
            (_, false) => Answer::Left,
        };
        self.law.answered(sent, class, answer, self.now);
        self.answers += 1;
        if visit != GREEDY {
            self.took.push(self.now.since(asked).as_secs_f64());
        }
        self.answered(visit, good);
        self.send();
    }

    fn answered(&mut self, number: u64, good: bool) {
        if number == GREEDY {
            return self.plan(Span::ZERO, Event::Ask(GREEDY));
        }
        let Some(visit) = self.visits.get_mut(&number) else {
            return;
        };
        visit.pages -= u32::from(good);
        visit.failures += u32::from(!good);
        if visit.pages == 0 || visit.failures >= FAILURES {
            self.completed += u64::from(visit.pages == 0);
            self.broken += u64::from(visit.pages > 0);
            self.visits.remove(&number);
            return;
        }
        let think = self.exponential(self.scene.think);
        self.plan(Span::from_secs_f64(think), Event::Ask(number));
    }
}
