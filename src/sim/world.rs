//! The world of a run: one room, one portal, and everybody who wants in, second by second.

use super::calendar::{Calendar, Entry, SECOND};
use super::chance::Dice;
use super::control::{Control, Law};
use super::crowd::{Sort, State, Visitor};
use super::kept::Kept;
use super::outcome::Second;
use super::portal::{self, Portal};
use super::queue::Queue;
use super::requests::Requests;
use super::tally::Tally;
use crate::config::scene::{Happening, Model, Rate, Scene};
use crate::room::{Heads, LANES_MAX, Plan, Room};
use crate::time::{Millis, Span};
use crate::upstream::Health;
use jiff::tz::TimeZone;

/// The room is woken no more often than this, as by the server.
const WAKE_SHORTEST: u64 = 10_000;
/// Failures in a row that take the portal for dead, as by default.
const FALL: u32 = 5;
/// Visitors whose memory is fetched at once.
const LOOK_AHEAD: usize = 32;
/// So long that it never comes.
const NEVER: Span = Span::mins(366 * 24 * 60);

/// What is wrong on purpose, so that a test can show that somebody notices.
#[derive(Clone, Copy, Debug, Default)]
pub struct Twist {
    /// The law that moves the limits.
    pub law: Law,
    /// One newcomer in ten goes in past the line.
    pub barging: bool,
    /// No seat is ever given back but by logout.
    pub no_expiry: bool,
}

/// Everything. Times are microseconds from the beginning.
pub(super) struct World<'s> {
    pub(super) scene: &'s Scene,
    pub(super) twist: Twist,
    pub(super) dice: Dice,
    pub(super) now: u64,
    pub(super) room: Room,
    /// What the room does by the calendar, if it has an opening.
    plan: Option<Plan>,
    pub(super) calendar: Calendar,
    pub(super) visitors: Vec<Visitor>,
    free: Vec<u32>,
    pub(super) portal: Portal,
    pub(super) queue: Queue,
    pub(super) requests: Requests,
    pub(super) control: Control,
    pub(super) health: Health,
    pub(super) probe_at: u64,
    pub(super) tally: Tally,
    /// What was stored, if the scene has a restart.
    pub(super) kept: Option<Kept>,
    /// We were killed then, and are not there yet.
    pub(super) killed: Option<u64>,
    /// The share of pages after which there is a long poll.
    pub(super) long_polls: f64,
    pub(super) speed: f64,
    /// Visits per second that the portal can complete at full speed.
    capacity: f64,
    /// Recorded visits that have begun.
    recorded: usize,
    room_wake: u64,
    /// Entries until memory is fetched again.
    looked_ahead: usize,
    /// Seats taken or kept for the called, a second ago, and the limit of then.
    committed: u32,
    limit: u32,
}

impl<'s> World<'s> {
    pub(super) fn new(scene: &'s Scene, seed: u64, twist: Twist) -> World<'s> {
        let control = Control::new(scene, twist.law, Millis(0));
        let mut rules = scene.rules.clone();
        rules.seats = control.seats();
        if twist.no_expiry {
            (rules.idle, rules.first_idle, rules.visit_max) = (NEVER, NEVER, NEVER);
        }
        let mut room = Room::new("room", rules, 0, Millis(0));
        let restarts = |event: &crate::config::scene::Event| event.what == Happening::Restart;
        let mut kept = scene.events.iter().any(restarts).then(Kept::default);
        match &mut kept {
            // Its store lets it give out numbers.
            Some(kept) => kept.commit(&mut room, Millis(0)),
            None => room.reserve(u64::MAX),
        }
        let opening = |opening| Plan::new(TimeZone::UTC, Vec::new(), Some(opening));
        let model = &scene.portal.model;
        World {
            twist,
            dice: Dice::new(seed),
            now: 0,
            room,
            plan: scene.opening.map(opening),
            calendar: Calendar::new(scene.length.0 / 1_000),
            visitors: Vec::new(),
            free: Vec::new(),
            portal: Portal::new(model, &scene.visit),
            queue: Queue::new(control.slots(), scene.portal.slot_queue),
            requests: Requests::default(),
            control,
            health: Health::new(FALL),
            probe_at: 0,
            tally: Tally::new(scene, seed),
            kept,
            killed: None,
            long_polls: 0.0,
            speed: 1.0,
            capacity: portal::capacity(model, &scene.visit, scene.rules.seats),
            recorded: 0,
            room_wake: 0,
            looked_ahead: 0,
            committed: 0,
            limit: 0,
            scene,
        }
    }

    /// One second is lived through.
    pub(super) fn second(&mut self, second: u64) {
        self.now = second * SECOND;
        self.tally.open();
        self.calendar.begin(second);
        self.happen(Span::secs(second));
        self.follow();
        self.arrivals(second);
        let end = self.now + SECOND;
        while let Some(at) = self.next().filter(|at| *at < end) {
            self.now = self.now.max(at);
            if self.portal.next().is_some_and(|due| due <= self.now) {
                while let Some(request) = self.portal.answer(self.now) {
                    self.answered(request);
                }
                self.pump();
            } else if self.calendar.next().is_some_and(|due| due <= self.now) {
                self.look_ahead();
                if let Some(entry) = self.calendar.pop() {
                    self.act(entry);
                }
            } else {
                self.room.tick(self.millis());
                self.wake_room();
            }
        }
        self.now = end;
        self.close();
    }

    pub(super) fn finish(self) -> super::outcome::Outcome {
        self.tally.finish(self.room)
    }

    pub(super) fn millis(&self) -> Millis {
        Millis(self.now / 1_000)
    }

    /// The visitor does something next at `at`, and nothing else before.
    pub(super) fn plan(&mut self, visitor: u32, at: u64) {
        let who = &mut self.visitors[visitor as usize];
        who.turn = Calendar::turn_after(who.turn);
        let turn = who.turn;
        self.calendar.add(Entry { at, visitor, turn });
    }

    /// The visitor is gone for good.
    pub(super) fn gone(&mut self, visitor: u32) {
        let who = &mut self.visitors[visitor as usize];
        who.turn = Calendar::turn_after(who.turn);
        who.state = State::Away;
        self.free.push(visitor);
    }

    pub(super) fn whole_visits(&self) -> bool {
        matches!(self.scene.portal.model, Model::Visits { .. })
    }

    fn next(&self) -> Option<u64> {
        let portal = self.portal.next();
        let room = self.killed.is_none().then_some(self.room_wake);
        (portal.into_iter().chain(self.calendar.next()).chain(room)).min()
    }

    fn wake_room(&mut self) {
        let wake = self.room.next_wake(self.millis()).0 * 1_000;
        self.room_wake = wake.clamp(self.now + WAKE_SHORTEST, self.now + SECOND);
    }

    /// Has the memory of those who come next fetched all at once: one by one, each of millions would
    /// be waited for.
    fn look_ahead(&mut self) {
        if self.looked_ahead > 0 {
            self.looked_ahead -= 1;
            return;
        }
        self.looked_ahead = LOOK_AHEAD;
        let soon = self.calendar.soon(LOOK_AHEAD);
        let turns = soon.map(|visitor| u32::from(self.visitors[visitor as usize].turn));
        std::hint::black_box(turns.sum::<u32>());
    }

    fn act(&mut self, entry: Entry) {
        let who = self.visitors[entry.visitor as usize];
        if who.turn != entry.turn {
            return;
        }
        match who.state {
            State::Waiting => self.polls(entry.visitor),
            State::Away | State::Called | State::Reading => self.asks(entry.visitor),
            State::Asking => self.gives_up_asking(entry.visitor),
            State::Visiting => self.visit_ends(entry.visitor),
        }
    }

    /// The room does what the calendar says, as once a second in the server.
    fn follow(&mut self) {
        let Some(plan) = self.plan.as_ref().filter(|_| self.killed.is_none()) else {
            return;
        };
        let now = self.millis();
        let force = plan.at(self.scene.rules.mode, self.room.opened(), now);
        let dice = &mut self.dice;
        let seed = || std::array::from_fn(|_| dice.below(256) as u8);
        self.room.follow(&force, seed, now, now);
        drop(self.room.take_news());
    }

    /// Those who come in this second.
    fn arrivals(&mut self, second: u64) {
        let middle = Span(second * 1_000 + 500);
        let pieces = self.scene.arrivals.iter();
        let now = pieces.filter(|it| it.from <= middle && middle < it.until);
        let mut rates = [0.0; LANES_MAX];
        for piece in now {
            let length = (piece.until.0 - piece.from.0) as f64;
            let part = (middle.0 - piece.from.0) as f64 / length;
            let between = |first: f64, last: f64| first + (last - first) * part;
            rates[piece.lane] += match piece.rate {
                Rate::PerMinute(first, last) => between(first, last) / 60.0,
                Rate::Load(first, last) => between(first, last) * self.capacity,
            };
        }
        let lanes = self.scene.rules.lanes.len();
        for (lane, rate) in rates.into_iter().enumerate().take(lanes) {
            for _ in 0..self.dice.poisson(rate) {
                self.arrives(lane);
            }
        }
        while let Some(visit) = self.scene.recorded.get(self.recorded)
            && u64::from(visit.at) <= second
        {
            self.recorded += 1;
            let visitor = self.arrives(0);
            let who = &mut self.visitors[visitor as usize];
            who.sort.set(Sort::RECORDED, true);
            who.request = visit.lasts;
        }
    }

    /// Somebody new of this lane comes within this second.
    fn arrives(&mut self, lane: usize) -> u32 {
        let at = self.now + self.dice.below(SECOND);
        let visitor = self.free.pop();
        let turn = visitor.map_or(0, |it| self.visitors[it as usize].turn);
        let mut who = Visitor::new(&self.scene.crowd, lane, &mut self.dice, turn);
        who.settle(&self.scene.crowd, &mut self.dice, Millis(at / 1_000));
        self.tally.comes(lane);
        let visitor = match visitor {
            Some(visitor) => {
                self.visitors[visitor as usize] = who;
                visitor
            }
            None => {
                self.visitors.push(who);
                (self.visitors.len() - 1) as u32
            }
        };
        self.plan(visitor, at);
        visitor
    }

    /// The second is over: what the server does once a second, and what is written down.
    fn close(&mut self) {
        let now = self.millis();
        self.probe();
        if self.killed.is_none() {
            let limit = self.limit.max(self.room.limit());
            let status = self.room.status(now);
            let limit = limit.max(self.room.limit());
            self.look(now);
            match &mut self.kept {
                Some(kept) => kept.commit(&mut self.room, now),
                None => {
                    drop(self.room.take_changes());
                    self.room.stored();
                }
            }
            let committed = status.taken + status.called;
            // Whoever was let in within this second was so by one of the limits that it has seen.
            let most = (limit + self.room.rules().reserve).max(self.committed);
            self.tally.overshoot += u64::from(committed > most);
            (self.committed, self.limit) = (committed, self.room.limit());
            self.tally.standing(&status);
        } else {
            self.tally.stood_still();
        }
        let could = match self.portal.is_dead() {
            true => 0.0,
            false => self.capacity * self.speed,
        };
        let Second {
            slots,
            in_flight,
            queued,
            could: could_now,
            ..
        } = &mut self.tally.second;
        *slots = self.queue.limit();
        *in_flight = self.queue.in_flight();
        *queued = self.queue.waiting() as u32;
        *could_now = could as f32;
        self.tally.close();
    }

    /// The laws look, as once a second in the server.
    fn look(&mut self, now: Millis) {
        if self.health.is_up() {
            let since = |first: Option<u32>| {
                let asked = first.map_or(self.now, |id| self.requests.asked(id));
                Span((self.now - asked) / 1_000)
            };
            let heads = Heads {
                inside: since(self.queue.head(|id| self.requests.waits(id))),
                outside: since(self.queue.door(|id| self.requests.waits(id))),
            };
            let (people, _) = self.room.people();
            let in_flight = self.queue.in_flight();
            self.control.tick(heads, in_flight, people, now);
        }
        self.limits();
        self.pump();
    }

    fn limits(&mut self) {
        if !self.scene.seats.is_fixed() {
            let now = self.millis();
            self.room.set_outlook(self.control.outlook(), now);
        }
        if self.control.seats() != self.room.rules().seats {
            let now = self.millis();
            self.room.set_seats(self.control.seats(), now);
        }
        if self.control.slots() != self.queue.limit() {
            self.queue.set_limit(self.control.slots());
            self.pump();
        }
    }
}
