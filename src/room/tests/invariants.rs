//! What must never happen, over ten thousand crowds with faults: the portal fails, seats come and go,
//! we are killed or suspended. Each crowd is a seed; what is found names it.
//!
//! The room's own counts are not believed: who may go before whom, whose place is kept and whose
//! seat is over is worked out here from what visitors were told.

use super::restart::stored;
use super::*;

/// Crowds of a run, and what happens in each.
const SEEDS: u64 = 10_000;
const STEPS: u32 = 160;
const PEOPLE: usize = 24;

/// How the room is made to fail, to see that it would be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// A newcomer takes a free seat although others wait.
    Barging,
    /// A seat once taken is never given back.
    NoExpiry,
    /// Seats are given beyond the limit.
    Overshoot,
    /// Places are forgotten with a restart.
    Forgets,
    /// Lanes are let in at any hour.
    AnyHour,
}

/// Somebody who does what the page says.
#[derive(Clone, Copy, Debug)]
struct Person {
    holds: Visitor,
    /// When they ask next.
    next: Millis,
    /// Inside: when they were last heard of.
    heard: Millis,
    /// They come when told, and click on while inside; others may stop at any moment.
    faithful: bool,
    gone: bool,
}

struct World {
    room: Room,
    saved: Saved,
    people: Vec<Person>,
    now: Millis,
    dice: fastrand::Rng,
    mutant: Mutant,
    /// Times in which we were not there are nobody's fault.
    away: Millis,
    /// Lanes that are not let in now.
    shut: Vec<bool>,
}

/// Often one lane; else a few, of which some have seats kept for them.
fn lanes(dice: &mut fastrand::Rng) -> Vec<LaneRules> {
    let many = [1, 1, 2, 3][dice.usize(..4)];
    let lane = |index: usize| LaneRules {
        name: format!("lane{index}"),
        weight: dice.u32(1..5),
        seats: dice.u32(0..3),
        block: dice.u32(1..4),
    };
    (0..many).map(lane).collect()
}

type Checked = Result<(), String>;

fn run(seed: u64, mutant: Mutant) -> Checked {
    let mut world = World::new(seed, mutant);
    for step in 0..STEPS {
        (world.step()).map_err(|what| format!("seed {seed}, step {step}: {what}"))?;
    }
    Ok(())
}

impl World {
    fn new(seed: u64, mutant: Mutant) -> World {
        let mut dice = fastrand::Rng::with_seed(seed);
        let rules = Rules {
            idle: Span::secs(60),
            visit_max: Span::mins(60 * 24 * 30),
            callback_reserve: 0,
            lanes: lanes(&mut dice),
            ..rules(dice.u32(1..8))
        };
        let shut = vec![false; rules.lanes.len()];
        let room = Room::new("test", rules, 0, Millis(0));
        let mut world = World {
            room,
            saved: Saved::default(),
            people: Vec::new(),
            now: Millis(0),
            dice,
            mutant,
            away: Millis(0),
            shut,
        };
        world.commit();
        world
    }

    fn step(&mut self) -> Checked {
        let next = self.people.iter().filter(|it| !it.gone).map(|it| it.next);
        let pause = Span(self.dice.u64(100..4_000));
        self.now = next.fold(self.now + pause, Millis::min).max(self.now);
        let (mut before, seats) = (self.room.committed(), self.room.limit());
        let (mut called, shut) = (self.called(), self.shut.clone());
        self.room.tick(self.now);
        let seats = seats.max(self.room.limit());
        let due = self
            .people
            .iter()
            .position(|it| !it.gone && it.next <= self.now);
        match due {
            Some(at) => self.act(at)?,
            None => match self.dice.u8(..40) {
                0 => {
                    self.kill();
                    // A seat that was given back after the last commit is taken again, and so is
                    // a call.
                    before = self.room.committed();
                    called.extend(self.saved.calls.iter().map(|(number, _)| *number));
                }
                1 => self.suspend(),
                2..=4 => self.room.set_portal(self.dice.u8(..3) > 0, self.now),
                5..=7 => self.room.set_seats(self.dice.u32(1..8), self.now),
                8..=11 => self.change_hours(),
                _ if self.people.len() < PEOPLE => self.come()?,
                _ => {}
            },
        }
        if self.mutant == Mutant::NoExpiry {
            let inside: Vec<u64> = self.room.seats.iter().map(|(number, _)| number).collect();
            for number in inside {
                self.room.seats.begin(number, true, self.now);
            }
        }
        self.nobody_is_called(&called, &shut)?;
        self.look(before, seats)
    }

    /// The hours of a lane begin or end.
    fn change_hours(&mut self) {
        let lane = self.dice.usize(..self.shut.len());
        self.shut[lane] = !self.shut[lane];
        self.tell_hours();
    }

    fn tell_hours(&mut self) {
        let (shut, told) = (&self.shut, self.mutant != Mutant::AnyHour);
        let change = self.now + Span(self.dice.u64(..600_000));
        let hours = |lane: usize| Hours::new(!(told && shut[lane]), [change]);
        self.room.set_hours(hours, self.now, self.now);
    }

    fn called(&self) -> Vec<u64> {
        self.room.calls.iter().map(|(number, _)| number).collect()
    }

    /// Of a lane that was shut before this step, and still is, nobody was called in it.
    fn nobody_is_called(&self, before: &[u64], shut: &[bool]) -> Checked {
        let called = self.called();
        let wrong = |number: &u64| {
            let lane = self.room.lane_of(*number);
            shut[lane] && self.shut[lane] && !before.contains(number)
        };
        match called.into_iter().find(wrong) {
            Some(number) => Err(format!("{number} is called outside its hours")),
            None => Ok(()),
        }
    }

    fn come(&mut self) -> Checked {
        if self.mutant == Mutant::Barging && self.room.free() > 0
            || self.mutant == Mutant::Overshoot && self.dice.u8(..4) == 0
        {
            let number = self.room.line.push_over(0);
            self.room.take_seat(number, false, self.now);
            return self.may_enter(number);
        }
        let lane = self.dice.usize(..self.room.rules.lanes.len());
        let ask = Ask { lane, ..Ask::PAGE };
        let decision = self.room.arrive(Visitor::Newcomer, ask, self.now);
        self.commit();
        let mut person = Person {
            holds: Visitor::Newcomer,
            next: self.now,
            heard: self.now,
            faithful: self.dice.u8(..5) > 1,
            gone: false,
        };
        match decision {
            Decision::Forward { number, .. } if self.shut[lane] => {
                return Err(format!("{number} goes in outside its hours"));
            }
            Decision::Forward { number, .. } => {
                self.room.finish(number, true, self.now);
                self.may_enter(number)?;
                person.holds = self.pass(number);
                person.next = self.now + Span(self.dice.u64(500..30_000));
            }
            Decision::Wait {
                waiting, ticket, ..
            } => {
                person.holds = Visitor::Ticket(ticket);
                person.next = self.now + waiting.poll_after;
            }
            Decision::Refuse(_) => return Ok(()),
        }
        self.people.push(person);
        Ok(())
    }

    fn act(&mut self, at: usize) -> Checked {
        let person = self.people[at];
        if !person.faithful && self.dice.u8(..6) == 0 {
            self.people[at].gone = true;
            if let (Visitor::Pass(pass), true) = (person.holds, self.dice.bool()) {
                self.room.leave(pass.number, self.now);
                self.people.swap_remove(at);
            }
            return Ok(());
        }
        match person.holds {
            Visitor::Ticket(ticket) => self.poll(at, ticket),
            _ => self.click(at),
        }
    }

    fn poll(&mut self, at: usize, ticket: Ticket) -> Checked {
        let told = self.room.poll(Visitor::Ticket(ticket), self.now);
        match told {
            Standing::Waiting { waiting, .. } if waiting.called.is_none() => {
                self.people[at].next = self.now + waiting.poll_after;
                Ok(())
            }
            Standing::Waiting { .. } | Standing::Inside => self.enter(at, ticket),
            Standing::Outside => Err(format!("{ticket:?} has lost its place")),
        }
    }

    fn enter(&mut self, at: usize, ticket: Ticket) -> Checked {
        match self
            .room
            .arrive(Visitor::Ticket(ticket), Ask::PAGE, self.now)
        {
            Decision::Forward { number, .. } if number == ticket.number => {
                self.commit();
                self.room.finish(number, true, self.now);
                self.may_enter(number)?;
                self.people[at].holds = self.pass(number);
                self.people[at].heard = self.now;
                self.people[at].next = self.now + Span(self.dice.u64(500..30_000));
                Ok(())
            }
            Decision::Wait { waiting, .. } => {
                // The portal has just failed.
                self.people[at].next = self.now + waiting.poll_after;
                Ok(())
            }
            other => Err(format!(
                "{ticket:?} was called and is not let in: {other:?}"
            )),
        }
    }

    fn click(&mut self, at: usize) -> Checked {
        let who = self.people[at].holds;
        match self.room.arrive(who, Ask::PAGE, self.now) {
            Decision::Forward { number, .. } => {
                self.room.finish(number, true, self.now);
                self.people[at].heard = self.now;
                self.people[at].next = self.now + Span(self.dice.u64(500..30_000));
                Ok(())
            }
            other => Err(format!("{who:?} was inside and is sent away: {other:?}")),
        }
    }

    /// Nobody with a smaller number of the same lane who has done all they were told to waits uncalled.
    fn may_enter(&self, number: u64) -> Checked {
        let waits = |person: &&Person| match person.holds {
            Visitor::Ticket(ticket) => {
                ticket.number < number
                    && self.room.lane_of(ticket.number) == self.room.lane_of(number)
                    && person.faithful
                    && !person.gone
                    && !self.room.calls.has(ticket.number)
                    && !self.room.seats.holds(ticket.number)
            }
            _ => false,
        };
        match self.people.iter().find(waits) {
            Some(before) => Err(format!("{number} goes in before {before:?}")),
            None => Ok(()),
        }
    }

    fn look(&self, before: u32, seats: u32) -> Checked {
        let (after, seats) = (self.room.committed(), self.room.limit().max(seats));
        if after > before && after > seats {
            return Err(format!("{after} seats of {seats} are taken or called"));
        }
        let counts = self.room.counts;
        if counts.queue_jumps > 0 || counts.seat_overshoot > 0 {
            return Err(format!("{counts:?}"));
        }
        // With its jitter, and a look every second.
        let idle = self.room.rules.idle.scale(1.2) + Span::secs(2);
        let over = |person: &&Person| match person.holds {
            Visitor::Pass(pass) => {
                let since = person.heard.max(self.away);
                person.gone && self.now.since(since) > idle && self.room.seats.holds(pass.number)
            }
            _ => false,
        };
        match self.people.iter().find(over) {
            Some(person) => Err(format!("{person:?} still holds a seat at {:?}", self.now)),
            None => Ok(()),
        }
    }

    fn pass(&self, number: u64) -> Visitor {
        Visitor::Pass(Pass {
            number,
            issued: self.now,
        })
    }

    fn commit(&mut self) {
        stored(&mut self.room, &mut self.saved, 0);
        self.saved.committed = self.now;
        for lane in &self.saved.lanes {
            self.room.reserve(lane.limit);
        }
    }

    /// As `kill -9` does: what was not written down is lost, and time has passed.
    fn kill(&mut self) {
        let down = Span(self.dice.u64(1..120_000));
        self.rest(down);
        let saved = match self.mutant {
            Mutant::Forgets => Saved {
                lanes: self.saved.lanes.clone(),
                ..Saved::default()
            },
            _ => self.saved.clone(),
        };
        let rules = self.room.rules.clone();
        self.room = Room::restore("test", rules, saved, self.now);
        self.tell_hours();
        self.commit();
    }

    fn suspend(&mut self) {
        let away = Span::secs(self.dice.u64(20..20_000));
        self.rest(away);
    }

    /// Nobody hears us meanwhile, and nobody's clock at home stands still.
    fn rest(&mut self, span: Span) {
        self.now = self.now + span;
        self.away = self.now;
        let now = self.now;
        for person in self.people.iter_mut().filter(|it| !it.gone) {
            person.next = person
                .next
                .max(now + Span(u64::from(self.dice.u16(..5_000))));
            person.heard = person.heard.max(now);
        }
    }
}

#[test]
fn what_must_never_happen_does_not() {
    for seed in 0..SEEDS {
        assert_eq!(run(seed, Mutant::None), Ok(()));
    }
}

#[test]
fn what_must_never_happen_would_be_seen() {
    for mutant in [
        Mutant::Barging,
        Mutant::NoExpiry,
        Mutant::Overshoot,
        Mutant::Forgets,
        Mutant::AnyHour,
    ] {
        let found = (0..200).filter(|seed| run(*seed, mutant).is_err()).count();
        assert!(found > 20, "{mutant:?} is found in {found} of 200 crowds");
    }
}
