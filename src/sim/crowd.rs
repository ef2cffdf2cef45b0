//! Visitors, as small as they can be: a morning may have thirteen million of them.

use super::chance::Dice;
use crate::config::scene::Crowd;
use crate::room::{Pass, Promise, Promised, Ticket};
use crate::time::{Millis, Span};

/// No promise was made, or nobody gives up.
const NEVER: u32 = u32::MAX;
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
    number: u32,
    issued: u32,
    promised: u32,
    low: u32,
    high: u32,
    gives_up: u32,
    /// The request that runs for it.
    pub request: u32,
    /// Pages still to be read.
    pub pages: u16,
    /// Of its entries in the calendar, the valid one.
    pub turn: u16,
    /// Requests that failed.
    pub failures: u8,
    /// What it is at.
    pub state: State,
    /// What sort it is.
    pub sort: Sort,
}

impl Visitor {
    /// Somebody new, of a sort drawn by lot.
    pub fn new(crowd: &Crowd, dice: &mut Dice, turn: u16) -> Visitor {
        let mut sort = Sort::BARE;
        sort.set(Sort::NO_SHOW, dice.happens(crowd.no_show));
        sort.set(Sort::RELOADS, dice.happens(crowd.reload));
        sort.set(Sort::TABS, dice.happens(crowd.tabs));
        Visitor {
            number: 0,
            issued: 0,
            promised: NEVER,
            low: 0,
            high: 0,
            gives_up: NEVER,
            request: 0,
            pages: 0,
            turn,
            failures: 0,
            state: State::Away,
            sort,
        }
    }

    /// Somebody who does not know us.
    pub fn forget(&mut self) {
        self.sort.set(Sort::BARE, true);
        self.sort.set(Sort::PASS, false);
        self.promised = NEVER;
    }

    /// What it shows.
    pub fn shows(&self) -> crate::room::Visitor {
        use crate::room::Visitor as Who;
        match self.sort {
            sort if sort.is(Sort::BARE) => Who::Newcomer,
            sort if sort.is(Sort::PASS) => Who::Pass(Pass {
                number: u64::from(self.number),
                issued: Millis(u64::from(self.issued)),
            }),
            _ => Who::Ticket(self.ticket()),
        }
    }

    /// The ticket that it holds.
    pub fn ticket(&self) -> Ticket {
        Ticket {
            number: u64::from(self.number),
            issued: Millis(u64::from(self.issued)),
            promised: self.promised(),
        }
    }

    /// The first promise that was made to it, unless it has none yet.
    pub fn promised(&self) -> Option<Promised> {
        let span = |millis: u32| Span(u64::from(millis));
        (self.promised != NEVER).then(|| Promised {
            at: Millis(u64::from(self.promised)),
            promise: Promise {
                low: span(self.low),
                high: span(self.high),
            },
        })
    }

    /// It is given a ticket, or another version of the one it has.
    pub fn take_ticket(&mut self, ticket: Ticket) {
        self.sort.set(Sort::BARE, false);
        self.sort.set(Sort::PASS, false);
        self.number = short(ticket.number);
        self.issued = short(ticket.issued.0);
        self.promised = NEVER;
        if let Some(Promised { at, promise }) = ticket.promised {
            self.promised = short(at.0).min(NEVER - 1);
            (self.low, self.high) = (short(promise.low.0), short(promise.high.0));
        }
    }

    /// It is given a pass.
    pub fn take_pass(&mut self, number: u64, now: Millis) {
        self.sort.set(Sort::BARE, false);
        self.sort.set(Sort::PASS, true);
        self.number = short(number);
        self.issued = short(now.0);
    }

    /// The number of its ticket or pass.
    pub fn number(&self) -> u64 {
        u64::from(self.number)
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

/// Scenes last two days at most, and numbers begin with 0.
fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_small() {
        assert!(size_of::<Visitor>() <= 40, "{}", size_of::<Visitor>());
    }
}
