//! Which lane a free seat is for, and what a lane's share means for the wait.
//!
//! Seats that are reserved for a lane stay free until somebody of that lane comes: for as long as the
//! lane takes newcomers, or somebody waits in it, within the hours in which it is let in. The first seats that a lane takes are those. The
//! reserves together are at most half of the limit in force; when that is lower than the rules
//! expected, each reserve shrinks in proportion. All other seats are for all lanes, by weight.

use super::*;

/// Rounds in which the calls ahead of a ticket and the arrivals meanwhile are brought together.
const ROUNDS: u32 = 3;

impl Room {
    /// Lanes for which this says no get no newcomers from now on, and their reserve is free when
    /// nobody waits in them. By their index in [`Rules::lanes`].
    pub fn set_open_lanes(&mut self, open: impl Fn(usize) -> bool, wall: Millis) {
        let now = self.advance(wall);
        self.line.set_open(open);
        self.call(now);
    }

    /// A visitor in line goes over to another lane, with a new ticket at its end; the old one is over.
    /// `None` if the ticket is none that waits, is called already or in that lane, or if no number
    /// may be given out.
    pub fn change_lane(&mut self, ticket: Ticket, lane: usize, wall: Millis) -> Option<Ticket> {
        let now = self.advance(wall);
        let old = ticket.number;
        let waits = self.mark(old, now) != Mark::Over && !self.calls.has(old);
        let (lane, old_lane) = (self.line.ruled(lane), self.lane_of(old));
        if !waits || self.seats.holds(old) || lane == old_lane || !self.line.may_number(lane) {
            return None;
        }
        self.line.end(old);
        let due = self.second(now + self.rules.poll_min + POLL_SLACK);
        let number = self.line.push(lane, due);
        self.counts.tickets += 1;
        self.call(now);
        Some(Ticket {
            number,
            promised: None,
            ..ticket
        })
    }

    /// The lane that somebody in line or inside belongs to: an index into [`Rules::lanes`], or beyond.
    pub fn lane_with(&self, who: Visitor) -> Option<usize> {
        match who {
            Visitor::Newcomer => None,
            Visitor::Ticket(Ticket { number, .. }) | Visitor::Pass(Pass { number, .. }) => {
                Some(self.lane_of(number))
            }
        }
    }

    /// Seats that are kept for lanes and free: nobody else may take them.
    pub fn idle_reserve(&self) -> u32 {
        (0..self.line.len()).map(|lane| self.held(lane)).sum()
    }

    /// People who wait in `lane`, an index into [`Rules::lanes`].
    pub fn waiting_in(&self, lane: usize) -> u64 {
        self.lane(self.line.ruled(lane)).living()
    }

    /// The lane that a number belongs to.
    pub(super) fn lane_of(&self, number: u64) -> usize {
        self.line.lane_of(number).min(self.line.len() - 1)
    }

    /// Seats that somebody of `lane` could take.
    pub(super) fn free_for(&self, lane: usize) -> u32 {
        let free = self.free();
        if free == 0 || self.line.len() == 1 {
            return free;
        }
        free.saturating_sub(self.held_beside(lane))
    }

    /// Whether seats were given to `lane` that it must not have: beyond the limit, or out of what is
    /// kept for others.
    pub(super) fn overshot_by(&self, lane: usize) -> bool {
        self.committed().saturating_add(self.held_beside(lane)) > self.limit()
    }

    /// The lane whose turn it is, if there is a seat for one that waits.
    pub(super) fn next_lane(&self) -> Option<usize> {
        self.line.next(|lane| self.wants(lane))
    }

    /// Whether somebody of `lane` who comes now has a seat that is nobody else's by right.
    pub(super) fn has_room(&self, lane: usize) -> bool {
        if self.shut(lane) || self.lane(lane).living() > 0 || self.free_for(lane) == 0 {
            return false;
        }
        // Where newcomers are bounded, a seat of one's own is not all that others wait for.
        let own = self.held(lane) > 0 && !self.newcomers.bounded();
        own || !(0..self.line.len()).any(|other| self.wants(other))
    }

    /// Whether somebody of `lane` waits and could be called.
    pub(super) fn wants(&self, lane: usize) -> bool {
        self.lane(lane).living() > 0 && !self.shut(lane) && self.free_for(lane) > 0
    }

    /// Calls until the ticket at `place` of `lane` is called: those ahead of it, and those of other
    /// lanes that are called in between, whether they wait already or will have come by then; of a lane
    /// that is shut, from when it is let in.
    pub(super) fn calls_until(&self, lane: usize, place: u64) -> u64 {
        let per_second = self.calls_per_second().filter(|_| self.line.len() > 1);
        let Some(per_second) = per_second else {
            return place;
        };
        let own = place as f64;
        let weight = |index| f64::from(self.lane(index).rules.weight);
        let ahead = self.until_let_in(lane).as_secs_f64();
        let mut calls = own;
        for _ in 0..ROUNDS {
            let secs = calls / per_second.max(f64::MIN_POSITIVE);
            let between = |other: usize| {
                let waiting = self.living_after(other, ahead, per_second);
                let coming = self.lane(other).arrivals * secs;
                let part = self.part_let_in(other, ahead, secs);
                (waiting + coming).min(own * part * weight(other) / weight(lane))
            };
            let others = (0..self.line.len()).filter(|other| *other != lane);
            calls = own + others.map(between).sum::<f64>();
        }
        // Its own seats alone turn over so fast.
        let reserved = f64::from(self.reserve_of(lane));
        if let Some(rates) = self.estimator.rates()
            && reserved > 0.0
            && !self.newcomers.bounded()
        {
            let turnover = reserved / rates.visit_secs;
            calls = calls.min((own * per_second / turnover).max(own));
        }
        calls.round() as u64
    }

    /// The lane at `index`, former ones included.
    pub(super) fn lane(&self, index: usize) -> &Lane {
        self.line.get(index)
    }

    /// The part of all calls that `lane` gets now: by its weight, beside the others that wait.
    pub(super) fn share_of_calls(&self, lane: usize) -> f64 {
        let weight = |index: usize| match self.shut(index) || self.lane(index).living() == 0 {
            true => 0,
            false => self.lane(index).rules.weight,
        };
        let all: u32 = (0..self.line.len()).map(weight).sum();
        f64::from(weight(lane)) / f64::from(all.max(1))
    }

    /// Of the seats that are free, those that are kept for lanes: a reserve that has just begun may be
    /// taken by others.
    pub(super) fn kept_free(&self) -> u32 {
        self.idle_reserve().min(self.free())
    }

    /// Ordinary seats that somebody of `lane` has, or is called to.
    pub(super) fn committed_to(&self, lane: usize) -> u32 {
        let number = self.lane(lane).any_number();
        self.seats.beside(number) + self.calls.beside(number)
    }

    /// Seats that are kept for other lanes than this one, and free.
    fn held_beside(&self, lane: usize) -> u32 {
        let others = (0..self.line.len()).filter(|other| *other != lane);
        others.map(|other| self.held(other)).sum()
    }

    /// Seats of the reserve of `lane` that are free, while they are kept.
    fn held(&self, lane: usize) -> u32 {
        let it = self.lane(lane);
        if it.rules.seats == 0 || self.shut(lane) || !(it.open || it.living() > 0) {
            return 0;
        }
        self.reserve_of(lane)
            .saturating_sub(self.committed_to(lane))
    }

    /// The reserve of `lane` under the limit in force.
    fn reserve_of(&self, lane: usize) -> u32 {
        let wanted = u64::from(self.lane(lane).rules.seats);
        if wanted == 0 {
            return 0;
        }
        let all: u64 = (self.line.iter()).map(|it| u64::from(it.rules.seats)).sum();
        let most = u64::from(self.rules.seats / 2);
        let kept = if all <= most {
            wanted
        } else {
            wanted * most / all
        };
        u32::try_from(kept).unwrap_or(u32::MAX)
    }

    /// How each lane stands.
    pub(super) fn lane_statuses(&self) -> Vec<LaneStatus> {
        let status = |(index, lane): (usize, &Lane)| LaneStatus {
            name: lane.rules.name.clone(),
            weight: lane.rules.weight,
            reserve: self.reserve_of(index),
            open: lane.open,
            hours: lane.hours,
            committed: self.committed_to(index),
            waiting: lane.living(),
            promise: self.promise_in(index, lane.living() + 1),
            tickets_total: lane.tickets,
            straight_total: lane.straight,
            calls_total: lane.calls,
        };
        self.line.iter().enumerate().map(status).collect()
    }
}
