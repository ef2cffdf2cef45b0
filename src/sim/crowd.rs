//! Visitors, as small as they can be: a morning may have thirteen million of them.

use super::chance::Dice;
use crate::config::scene::Crowd;
use crate::room::{Ask, Doubt, Given, Pass, Promise, Promised, Reason, Ticket};
use crate::time::{Millis, Span};

/// No promise was made, or nobody gives up.
const NEVER: u32 = u32::MAX;
/// Bits of a number below those that tell its lane.
const ABOVE: u32 = 56;
/// Tabs of those who have several.
const TABS: u32 = 3;

/// What a visitor is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not here: before the first request, after giving up, or nobody at all.
    Away,
    /// In line: the next thing is a poll, or a reload.
    Waiting,
    /// Called: the next thing is to come in.
    Called,
    /// Has asked for something; the next thing is to give up asking.
    Asking,
    /// Inside, reading: the next thing is a request.
    Reading,
    /// Inside for as long as it lasts, then gone.
    Visiting,
}

/// What sort of visitor it is: one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort(u8);

impl Sort {
    /// Does not come in when called.
    pub const NO_SHOW: Sort = Sort(1);
    /// Reloads the waiting page.
    pub const RELOADS: Sort = Sort(2);
    /// Has several tabs.
    pub const TABS: Sort = Sort(4);
    /// Has signed on.
    pub const SIGNED_ON: Sort = Sort(8);
    /// Holds a pass; without this and with a number: a ticket.
    pub const PASS: Sort = Sort(16);
    /// Holds nothing of ours.
    pub const BARE: Sort = Sort(32);
    /// Its visit was recorded, and lasts as long as it did.
    pub const RECORDED: Sort = Sort(64);

    /// Whether it is also of that sort.
    pub fn is(self, other: Sort) -> bool {
        self.0 & other.0 != 0
    }

    /// Also of that sort, or not.
    pub fn set(&mut self, other: Sort, yes: bool) {
        match yes {
            true => self.0 |= other.0,
            false => self.0 &= !other.0,
        }
    }
}

/// A visitor. Times are milliseconds from the beginning of the scene.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// The lowest and the highest bits of the number: what is between is 0 for the numbers of a scene.
    number: u32,
    above_number: u8,
    /// The lane that it belongs to.
    lane: u8,
    issued: u32,
    /// The first promise, and the one in force: when it was made, its low and its high end.
    promised: [u32; 3],
    in_force: [u32; 3],
    /// Since when the estimate has been off.
    doubted: u32,
    gives_up: u32,
    /// The request that runs for it; of a recorded visit, its seconds.
    pub request: u32,
    /// Pages still to be read.
    pub pages: u16,
    /// Of its entries in the calendar, the valid one.
    pub turn: u16,
    /// Requests that failed.
    pub failures: u8,
    /// The estimate was off by being higher.
    above: bool,
    /// Why the promise in force was raised.
    raised: Option<Reason>,
    /// What it is at.
    pub state: State,
    /// What sort it is.
    pub sort: Sort,
}

impl Visitor {
    /// Somebody new, of a sort drawn by lot.
    pub fn new(crowd: &Crowd, lane: usize, dice: &mut Dice, turn: u16) -> Visitor {
        let mut sort = Sort::BARE;
        sort.set(Sort::NO_SHOW, dice.happens(crowd.no_show));
        sort.set(Sort::RELOADS, dice.happens(crowd.reload));
        sort.set(Sort::TABS, dice.happens(crowd.tabs));
        Visitor {
            number: 0,
            above_number: 0,
            lane: lane as u8,
            issued: 0,
            promised: [NEVER; 3],
            in_force: [NEVER; 3],
            doubted: NEVER,
            gives_up: NEVER,
            request: 0,
            pages: 0,
            turn,
            failures: 0,
            above: false,
            raised: None,
            state: State::Away,
            sort,
        }
    }

    /// Somebody who does not know us.
    pub fn forget(&mut self) {
        self.sort.set(Sort::BARE, true);
        self.sort.set(Sort::PASS, false);
        self.promised[0] = NEVER;
    }

    /// What it shows.
    pub fn shows(&self) -> crate::room::Visitor {
        use crate::room::Visitor as Who;
        match self.sort {
            sort if sort.is(Sort::BARE) => Who::Newcomer,
            sort if sort.is(Sort::PASS) => Who::Pass(Pass {
                number: self.number(),
                issued: Millis(u64::from(self.issued)),
            }),
            _ => Who::Ticket(self.ticket()),
        }
    }

    /// The ticket that it holds.
    pub fn ticket(&self) -> Ticket {
        Ticket {
            number: self.number(),
            issued: Millis(u64::from(self.issued)),
            promised: self.given(),
        }
    }

    /// The first promise that was made to it, unless it has none yet.
    pub fn promised(&self) -> Option<Promised> {
        (self.promised[0] != NEVER).then(|| unpacked(self.promised))
    }

    /// What it was shown last, unless nothing was promised.
    pub fn told(&self) -> Option<Promised> {
        Some(self.given()?.last)
    }

    /// What was promised to it, and has changed since.
    fn given(&self) -> Option<Given> {
        Some(Given {
            first: self.promised()?,
            last: unpacked(self.in_force),
            doubt: (self.doubted != NEVER).then(|| Doubt {
                since: Millis(u64::from(self.doubted)),
                above: self.above,
            }),
            raised: self.raised,
        })
    }

    /// It is given a ticket, or another version of the one it has.
    pub fn take_ticket(&mut self, ticket: Ticket) {
        self.sort.set(Sort::BARE, false);
        self.sort.set(Sort::PASS, false);
        self.take_number(ticket.number);
        self.issued = short(ticket.issued.0);
        self.promised[0] = NEVER;
        if let Some(given) = ticket.promised {
            self.promised = packed(given.first);
            self.in_force = packed(given.last);
            self.doubted = given.doubt.map_or(NEVER, |it| short(it.since.0));
            self.above = given.doubt.is_some_and(|doubt| doubt.above);
            self.raised = given.raised;
        }
    }

    /// It is given a pass.
    pub fn take_pass(&mut self, number: u64, now: Millis) {
        self.sort.set(Sort::BARE, false);
        self.sort.set(Sort::PASS, true);
        self.take_number(number);
        self.issued = short(now.0);
    }

    /// The number of its ticket or pass.
    pub fn number(&self) -> u64 {
        u64::from(self.above_number) << ABOVE | u64::from(self.number)
    }

    /// An ordinary page, asked for by somebody of its lane.
    pub fn ask(&self) -> Ask {
        Ask {
            lane: usize::from(self.lane),
            ..Ask::PAGE
        }
    }

    /// The lane that it belongs to.
    pub fn lane(&self) -> usize {
        usize::from(self.lane)
    }

    fn take_number(&mut self, number: u64) {
        self.number = short(number & ((1 << ABOVE) - 1));
        self.above_number = (number >> ABOVE) as u8;
    }

    /// When its ticket or pass was given to it.
    pub fn issued(&self) -> Millis {
        Millis(u64::from(self.issued))
    }

    /// It begins to wait, for as long as it likes.
    pub fn settle(&mut self, crowd: &Crowd, dice: &mut Dice, now: Millis) {
        self.gives_up = match dice.happens(crowd.impatient) {
            true => short(now.0 + dice.micros(crowd.impatience) / 1_000),
            false => NEVER,
        };
    }

    /// Whether it has had enough of waiting.
    pub fn gives_up(&self, now: Millis) -> bool {
        self.gives_up != NEVER && u64::from(self.gives_up) <= now.0
    }

    /// How many of its tabs ask.
    pub fn tabs(&self) -> u32 {
        if self.sort.is(Sort::TABS) { TABS } else { 1 }
    }
}

fn packed(promised: Promised) -> [u32; 3] {
    let Promised { at, promise } = promised;
    [
        short(at.0).min(NEVER - 1),
        short(promise.low.0),
        short(promise.high.0),
    ]
}

fn unpacked([at, low, high]: [u32; 3]) -> Promised {
    let span = |millis: u32| Span(u64::from(millis));
    Promised {
        at: Millis(u64::from(at)),
        promise: Promise {
            low: span(low),
            high: span(high),
        },
    }
}

/// Scenes last two days at most, and numbers begin with 0.
fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;
    use crate::config::scene;
    use crate::room::{Decision, LaneRules, Mode, Room, Rules};

    #[test]
    fn a_number_is_kept_with_its_lane() {
        let mut room = Room::new("room", two_lanes(), 0, Millis(0));
        room.reserve(u64::MAX);
        room.set_mode(Mode::Hold, Millis(0));
        let (crowd, mut dice) = (crowd(), Dice::new(1));
        for lane in [0, 1] {
            let mut who = Visitor::new(&crowd, lane, &mut dice, 0);
            let Decision::Wait { ticket, .. } = room.arrive(who.shows(), who.ask(), Millis(1))
            else {
                panic!("the room holds");
            };
            who.take_ticket(ticket);
            assert_eq!(who.ticket(), ticket);
            assert_eq!(room.lane_with(who.shows()), Some(lane));
            who.take_pass(ticket.number, Millis(2));
            assert_eq!(who.number(), ticket.number);
        }
    }

    fn two_lanes() -> Rules {
        Rules {
            lanes: vec![LaneRules::default(), LaneRules::default()],
            ..Rules::default()
        }
    }

    fn crowd() -> Crowd {
        let text = "length = \"1m\"\n[portal]\nmodel = \"cores\"\n[[arrivals]]\nload = 1\n";
        let source = Source {
            name: "test",
            text,
            overrides: &[],
        };
        scene::read(source).expect("it is valid").crowd
    }

    #[test]
    fn a_visitor_is_small() {
        assert!(size_of::<Visitor>() <= 56, "{}", size_of::<Visitor>());
    }
}
