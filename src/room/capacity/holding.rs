//! How many slots one visitor may hold, and how many what is heavy may.
//!
//! A slot that was given cannot be taken back. So that one visitor's long answers do not stand in the way
//! of all who come a moment later, what the others have needed within the last seconds is kept for them,
//! and one slot more:
//!
//! - whoever asks for more than there are slots holds no more than the others leave; always a quarter of
//!   the slots, and two;
//! - for what is heavy ([`weights`](super::weights)) nobody holds more than the others leave; always two;
//! - all that is heavy together holds no more than the rest leaves; always a third, and two;
//! - whoever has a quarter and asks for a few quick things more may have what is free, after everybody
//!   who has less ([`Share::Beyond`]).
//!
//! Where nobody else has asked for anything lately, there is no bound. Nobody's need counts for more than
//! they may always have: two who ask for everything leave each other half.

use super::weights::Weight;
use crate::time::{Millis, Span};
use std::collections::HashMap;

/// A visitor may always hold so many, and so may all that is heavy.
const ALWAYS: u32 = 2;
/// What is heavy may always hold this part of the slots.
const HEAVY_PART: u32 = 3;
/// What was needed within this, and up to twice as long ago, is kept …
const LATELY: Span = Span::secs(5);
/// … and so many slots for who comes next.
const SPARE: u32 = 1;
/// Whoever holds slots pays for them by waiting: for no longer than this, so that nobody is refused a page
/// because of a long answer; and before something heavy not for much longer than the others wait at worst
/// ([`LONG_WAIT`](super::LONG_WAIT)).
const OWED_MAX: [Span; 2] = [Span::secs(4), Span::secs(8)];

/// Who holds slots, and who asks for them. See the module.
#[derive(Debug, Default)]
pub struct Holding {
    visitors: HashMap<u64, Visitor>,
    /// Slots of what is heavy.
    heavy: u32,
    /// What everybody needs, and what all that is not heavy does.
    all: Need,
    light: Need,
}

/// What one visitor has and wants: as long as that is anything.
#[derive(Clone, Copy, Debug, Default)]
struct Visitor {
    holds: u32,
    /// The same with what is waited for.
    asks: u32,
    /// Of these, those that count as needed.
    needs: u32,
    /// Until then others come first: before what is not heavy, and before what is.
    owes: [Millis; 2],
}

/// How many slots are needed.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    now: u32,
    /// The most of this while, and of the one before.
    most: u32,
    before: u32,
    began: Millis,
}

/// What of the slots somebody may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// One more of their own.
    Within,
    /// One more, if nobody else wants it.
    Beyond,
    /// No more for now.
    Full,
}

/// Of so many slots, those that requests may hold that the portal works on in vain: it has to be seen
/// when they come again.
pub fn few(slots: u32) -> u32 {
    (slots / 4).max(1)
}

/// The slots of so many that are always one visitor's.
pub fn quarter(slots: u32) -> u32 {
    few(slots).max(ALWAYS)
}

impl Holding {
    /// One more request.
    pub fn asks(&mut self, visitor: Option<u64>, weight: Weight, slots: u32, now: Millis) {
        if !weight.heavy {
            self.light.more(now);
        }
        let Some(visitor) = visitor else {
            return self.all.more(now);
        };
        let visitor = self.visitors.entry(visitor).or_default();
        visitor.asks += 1;
        if visitor.needs < quarter(slots) {
            visitor.needs += 1;
            self.all.more(now);
        }
    }

    /// One of them has no slot, and waits no more.
    pub fn gone(&mut self, visitor: Option<u64>, weight: Weight) {
        if !weight.heavy {
            self.light.less();
        }
        let Some(number) = visitor else {
            return self.all.less();
        };
        let Some(visitor) = self.visitors.get_mut(&number) else {
            return;
        };
        visitor.asks -= 1;
        if visitor.asks < visitor.needs {
            visitor.needs -= 1;
            self.all.less();
        }
        if visitor.asks == 0 {
            self.visitors.remove(&number);
        }
    }

    /// One of them gets its slot.
    pub fn begins(&mut self, visitor: Option<u64>, weight: Weight, now: Millis) {
        self.heavy += u32::from(weight.heavy);
        if let Some(visitor) = visitor.and_then(|it| self.visitors.get_mut(&it)) {
            visitor.holds += 1;
            for (owes, most) in visitor.owes.iter_mut().zip(OWED_MAX) {
                *owes = ((*owes).max(now) + weight.cost).min(now + most);
            }
        }
    }

    /// A slot is given back.
    pub fn ends(&mut self, visitor: Option<u64>, weight: Weight) {
        self.heavy -= u32::from(weight.heavy);
        if let Some(visitor) = visitor.and_then(|it| self.visitors.get_mut(&it)) {
            visitor.holds -= 1;
        }
        self.gone(visitor, weight);
    }

    /// Slots of what is heavy.
    pub fn heavy(&self) -> u32 {
        self.heavy
    }

    /// Requests of this visitor that wait.
    pub fn waiting(&self, visitor: u64) -> u32 {
        let visitor = self.visitors.get(&visitor);
        visitor.map_or(0, |it| it.asks - it.holds)
    }

    /// Whether nobody holds or asks for anything.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let needed = self.all.now + self.light.now;
        self.visitors.is_empty() && needed + self.heavy == 0
    }

    /// Until when others come before this visitor, who asks for something heavy or not.
    pub fn owes(&self, visitor: u64, heavy: bool) -> Millis {
        let visitor = self.visitors.get(&visitor);
        visitor.map_or(Millis::default(), |it| it.owes[usize::from(heavy)])
    }

    /// Whether one more of so many slots may be for something heavy.
    pub fn may_be_heavy(&self, slots: u32, now: Millis) -> bool {
        let always = (slots / HEAVY_PART).max(ALWAYS);
        self.heavy < left(slots, self.light.lately(now), always)
    }

    /// What of so many slots this visitor may have for a request.
    pub fn share(&self, visitor: u64, heavy: bool, slots: u32, now: Millis) -> Share {
        let Some(visitor) = self.visitors.get(&visitor) else {
            return Share::Within;
        };
        let always = match heavy {
            true => ALWAYS,
            false => quarter(slots),
        };
        if visitor.holds < always {
            return Share::Within;
        }
        let much = heavy || visitor.asks > slots;
        let others = self.all.lately(now) - visitor.needs;
        match much && visitor.holds >= left(slots, others, always) {
            true => Share::Full,
            false => Share::Beyond,
        }
    }
}

/// What others who have needed so many of the slots leave.
fn left(slots: u32, others: u32, always: u32) -> u32 {
    match others {
        0 => slots,
        others => slots.saturating_sub(others + SPARE).max(always),
    }
}

impl Need {
    fn more(&mut self, now: Millis) {
        let passed = now.since(self.began);
        if passed >= LATELY {
            self.before = match passed < LATELY + LATELY {
                true => self.most,
                false => self.now,
            };
            (self.most, self.began) = (self.now, now);
        }
        self.now += 1;
        self.most = self.most.max(self.now);
    }

    fn less(&mut self) {
        self.now -= 1;
    }

    /// The most of the last seconds.
    fn lately(&self, now: Millis) -> u32 {
        let passed = now.since(self.began);
        let most = match passed {
            _ if passed < LATELY => self.most.max(self.before),
            _ if passed < LATELY + LATELY => self.most,
            _ => 0,
        };
        most.max(self.now)
    }
}
