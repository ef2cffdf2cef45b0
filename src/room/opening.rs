//! Openings: those who come early are held, drawn by lot, and called in that order.
//!
//! What must never happen here is that a rank changes after somebody has seen it, or that
//! somebody of the early ones stands outside the draw. So nothing is done before the store has
//! confirmed what it depends on: the hold begins when the seed and the first number are kept, and
//! the draw is made when the last number is. Whatever happens in between, a restart comes to the
//! same ranks. If the store cannot be written, the opening waits for it [`PATIENCE`] and no longer.

use super::lot::{Lot, Order, Seed, Stage};
use super::plan::{Cause, InForce};
use super::*;
use std::collections::VecDeque;

/// How long an opening waits for a store that cannot be written.
const PATIENCE: Span = Span::secs(5);
/// Draws whose numbers may be in line at once; an opening beyond has no draw.
const LOTS_MAX: usize = 16;

/// News that nobody has taken, at most; beyond, the oldest are forgotten.
const NEWS_MAX: usize = 64;

/// What the calendar has brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The room does something else.
    Mode {
        /// What it did.
        from: Mode,
        /// What it does.
        to: Mode,
        /// Cause.
        why: Cause,
        /// Until when, by the clock on the wall.
        until: Option<Millis>,
    },
    /// Those who come from now on take part in a draw, at this moment by the clock on the wall.
    Gathering(Millis),
    /// So many numbers were drawn.
    Drawn(u64),
}

/// What the calendar says of a room, for the desk. Its moments are by the clock on the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Why the mode is in force.
    pub why: Cause,
    /// When the calendar says another mode.
    pub until: Option<Millis>,
    /// When somebody goes in again, if nobody does now and the calendar says when.
    pub reopens: Option<Millis>,
    /// When the room opens next, if it has an opening to come.
    pub opens: Option<Millis>,
    /// The newest opening with a draw.
    pub lot: Option<Lot>,
}

/// What the room keeps of the calendar.
pub struct Calendar {
    pub lots: Lots,
    /// The mode that the calendar said last.
    scheduled: Option<Mode>,
    news: VecDeque<News>,
    told: Told,
    gathers: Option<Millis>,
}

impl Default for Calendar {
    fn default() -> Calendar {
        Calendar {
            lots: Lots::default(),
            scheduled: None,
            news: VecDeque::new(),
            told: Told {
                why: Cause::Ordinary,
                until: None,
                reopens: None,
                opens: None,
                lot: None,
            },
            gathers: None,
        }
    }
}

impl Calendar {
    /// What the desk is told.
    pub fn told(&self) -> Told {
        Told {
            lot: self.lots.last().cloned(),
            ..self.told.clone()
        }
    }

    /// When somebody goes in again, if nobody does now.
    pub fn reopens(&self) -> Option<Millis> {
        self.told.reopens
    }
}

/// The openings of a room that somebody may still ask about, the newest last.
#[derive(Default)]
pub struct Lots {
    list: Vec<Lot>,
    /// Since when the store does not have them as they are.
    changed: Option<Millis>,
    /// The store was told, and has not confirmed it yet.
    told: bool,
}

impl Lots {
    /// Lots as they were stored.
    pub fn restore(list: Vec<Lot>) -> Lots {
        Lots {
            list,
            ..Lots::default()
        }
    }

    /// What the store does not have yet.
    pub fn take_change(&mut self) -> Option<Change> {
        self.changed?;
        self.told = true;
        Some(Change::Lots(self.list.clone()))
    }

    /// Everything has to be told anew.
    pub fn forget_told(&mut self, now: Millis) {
        if !self.list.is_empty() {
            self.changed.get_or_insert(now);
        }
    }

    /// The newest.
    pub fn last(&self) -> Option<&Lot> {
        self.list.last()
    }

    /// The draw that is still to come in which `number` takes part.
    pub fn awaited(&self, number: u64) -> Option<&Lot> {
        self.last().filter(|lot| lot.awaits(number))
    }

    /// Those who take part are settled, and not yet drawn.
    pub fn is_due(&self) -> bool {
        self.stage() == Some(Stage::Settled)
    }

    fn stage(&self) -> Option<Stage> {
        self.last().map(|lot| lot.stage)
    }

    fn change(&mut self, now: Millis) {
        self.changed = Some(now);
        self.told = false;
    }

    fn is_kept(&self, now: Millis) -> bool {
        self.changed.is_none_or(|at| now.since(at) > PATIENCE)
    }

    /// Forgets draws whose numbers nobody holds any longer; but not the newest. `base` is the smallest
    /// number that is still known in the lane of a number.
    fn retire(&mut self, base: impl Fn(u64) -> u64) {
        let newest = self.list.len().saturating_sub(1);
        let mut index = 0;
        self.list.retain(|lot| {
            index += 1;
            index > newest || lot.ranges.iter().any(|range| range.end > base(range.start))
        });
    }
}

impl Room {
    /// Does what the calendar says: `force`, as it holds at `clock` on the wall. `seed` is drawn
    /// when an early window begins. Wanted every second or so, and at each change.
    pub fn follow(
        &mut self,
        force: &InForce,
        seed: impl FnOnce() -> Seed,
        clock: Millis,
        wall: Millis,
    ) {
        let now = self.advance(wall);
        let opens = force.opens.filter(|_| force.why == Cause::Early);
        if self.calendar.lots.stage() == Some(Stage::Gathering) {
            self.keep_gathering(opens, force.opens, clock, now);
        } else if let Some(at) = opens
            && self.calendar.lots.list.len() < LOTS_MAX
            && !self.calendar.lots.is_due()
        {
            self.gather(at, seed(), now);
        }
        let gathering = self.calendar.lots.stage() == Some(Stage::Gathering);
        let holds = self.calendar.scheduled == Some(Mode::Hold) || self.calendar.lots.is_kept(now);
        let mode = match gathering && holds {
            true => Mode::Hold,
            false => force.unheld,
        };
        // What the operators decide by hand holds until the calendar says something new.
        if self.calendar.scheduled.replace(mode) != Some(mode) {
            let from = std::mem::replace(&mut self.rules.mode, mode);
            if from != mode {
                self.tell(News::Mode {
                    from,
                    to: mode,
                    why: force.why,
                    until: force.until,
                });
            }
        }
        self.calendar.told.why = force.why;
        self.calendar.told.until = force.until;
        self.calendar.told.reopens = force.reopens;
        self.calendar.told.opens = force.opens;
        self.calendar.gathers = force.gathers;
        self.advance(wall);
    }

    /// The newest opening.
    pub fn lot(&self) -> Option<&Lot> {
        self.calendar.lots.last()
    }

    /// The opening that was drawn last, or is about to be: it does not come a second time.
    pub fn opened(&self) -> Option<Millis> {
        let lots = self.calendar.lots.list.iter().rev();
        let settled = |lot: &&Lot| lot.stage != Stage::Gathering;
        lots.filter(settled).map(|lot| lot.at).next()
    }

    /// The opening in which `number` takes part, if somebody may still ask about it.
    pub fn lot_of(&self, number: u64) -> Option<&Lot> {
        let mut lots = self.calendar.lots.list.iter();
        lots.find(|lot| lot.range(number).is_some())
    }

    /// When somebody goes in again, if nobody does now and the calendar says when; by the clock on
    /// the wall.
    pub fn reopens(&self) -> Option<Millis> {
        self.calendar.told.reopens
    }

    /// When the calendar says another mode than one in which nobody goes in: whoever comes then can
    /// wait, or go in.
    pub fn takes_tickets(&self) -> Option<Millis> {
        let told = &self.calendar.told;
        // Until the seed of a draw is written down, nobody can take part; but soon.
        let soon = told.why == Cause::Early;
        told.reopens.and(told.until).filter(|_| !soon)
    }

    /// From when on those who come take part in a draw, if the room is closed until then.
    pub fn gathers(&self) -> Option<Millis> {
        self.calendar.gathers
    }

    /// What the calendar has brought about since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        self.calendar.news.drain(..).collect()
    }

    fn tell(&mut self, news: News) {
        self.calendar.news.push_back(news);
        if self.calendar.news.len() > NEWS_MAX {
            self.calendar.news.pop_front();
        }
    }

    /// The store has what [`Room::take_changes`] gave last.
    pub fn stored(&mut self) {
        if std::mem::take(&mut self.calendar.lots.told) {
            self.calendar.lots.changed = None;
        }
    }

    /// From now on, whoever takes a ticket takes part in the draw.
    fn gather(&mut self, at: Millis, seed: Seed, now: Millis) {
        self.calendar.lots.retire(|number| self.line.base(number));
        self.calendar.lots.list.push(Lot {
            at,
            seed,
            // Those of each lane are drawn among themselves.
            ranges: self.line.to_come().collect(),
            stage: Stage::Gathering,
        });
        self.calendar.lots.change(now);
        self.tell(News::Gathering(at));
    }

    /// The opening comes nearer; or it was moved, or put off, or the clock was.
    fn keep_gathering(
        &mut self,
        window: Option<Millis>,
        opens: Option<Millis>,
        clock: Millis,
        now: Millis,
    ) {
        let Some(lot) = self.calendar.lots.list.last_mut() else {
            return;
        };
        if clock < lot.at && opens == Some(lot.at) {
            return;
        }
        match window {
            Some(at) if clock < lot.at => lot.at = at,
            _ => {
                lot.stage = Stage::Settled;
                for range in &mut lot.ranges {
                    range.end = self.line.next_beside(range.start);
                }
            }
        }
        self.calendar.lots.change(now);
    }

    /// Draws, if it is time and the store knows who takes part.
    pub(super) fn draw(&mut self, now: Millis) {
        if !self.calendar.lots.is_due() || !self.calendar.lots.is_kept(now) {
            return;
        }
        let mut drawn = 0;
        if let Some(lot) = self.calendar.lots.list.last_mut() {
            lot.stage = Stage::Drawn;
            for range in &lot.ranges {
                self.line.draw(Order::new(&lot.seed, range.clone()));
                drawn += range.end - range.start;
            }
        }
        self.calendar.lots.change(now);
        self.tell(News::Drawn(drawn));
    }

    /// Takes up the draws of a room that was stored: a line that was drawn is in that order.
    pub(super) fn restore_lots(&mut self, list: Vec<Lot>) {
        for lot in list.iter().filter(|lot| lot.stage == Stage::Drawn) {
            for range in &lot.ranges {
                self.line.was_drawn(Order::new(&lot.seed, range.clone()));
            }
        }
        self.calendar.lots = Lots::restore(list);
        if self.calendar.lots.stage() == Some(Stage::Gathering) {
            self.rules.mode = Mode::Hold;
        }
    }

    /// The place that a ticket has in any case, before it is drawn.
    pub(super) fn place_at_worst(&self, lot: &Lot, number: u64) -> u64 {
        let end = lot.range(number).map_or(u64::MAX, |range| range.end);
        let ahead = self.line.places_before(number, end);
        ahead.max(1)
    }
}
