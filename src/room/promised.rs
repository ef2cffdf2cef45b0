//! The promise as the room keeps it: what a visitor is told, why it changes, what came of it.

use super::given::{Check, Given, Revision};
use super::*;

impl Room {
    /// What the holder of `ticket` is shown, with `estimate` as things stand. The first promise is
    /// written down; later ones change by the rules of [`Given`]. `hours`: those of the lane come in
    /// between.
    pub(super) fn show(
        &mut self,
        ticket: &mut Ticket,
        estimate: Option<Promise>,
        hours: Option<Reason>,
        wall: Millis,
    ) -> Option<Promise> {
        let estimate = estimate?;
        let Some(mut given) = ticket.promised else {
            let promised = Promised {
                at: wall,
                promise: estimate,
            };
            ticket.promised = Some(Given::first(promised));
            self.counts.promises_made += 1;
            self.watch(ticket.number).promised(ticket.number, promised);
            return Some(estimate);
        };
        let check = Check {
            estimate,
            grain: self.estimator.margin(),
            apart: self.rules.poll_min,
            resumed: self.resumed,
            reason: match hours {
                Some(_) => Reason::NextHours,
                None => self.why_longer(given.last.at),
            },
        };
        let before = given.last;
        let revision = given.check(check, wall);
        // What nobody sees is no news.
        let seen = || u64::from(given.last.left(wall).shown() != before.left(wall).shown());
        match revision {
            Revision::None => {}
            Revision::Raised => self.counts.promises_raised += seen(),
            Revision::Lowered => self.counts.promises_lowered += seen(),
        }
        ticket.promised = Some(given);
        Some(given.last.left(wall))
    }

    /// Why things are as they are, for the holder of `ticket`; `hours`: those of the lane come in
    /// between.
    pub(super) fn reason(&self, ticket: &Ticket, hours: Option<Reason>) -> Option<Reason> {
        if !self.portal_up {
            return Some(Reason::PortalDown);
        }
        if matches!(self.rules.mode, Mode::Hold | Mode::Closed) {
            return Some(Reason::Held);
        }
        hours.or(ticket.promised.and_then(|given| given.raised))
    }

    /// The holder of `ticket` comes in, called until `end` if that is known.
    pub(super) fn score_entry(&mut self, ticket: &Ticket, end: Option<Millis>, wall: Millis) {
        let first_turn = self.watch(ticket.number).came(ticket.number);
        let Some(given) = ticket.promised.filter(|_| first_turn) else {
            return;
        };
        // Who takes longer to come than it takes to hear of the call has not waited for us.
        let heard = end.map(|end| self.called_at(end) + self.estimator.margin());
        let came = heard.map_or(wall, |heard| heard.min(wall));
        let told = came <= given.last.at + given.last.promise.high;
        let lane = self.lane_of(ticket.number);
        self.score(lane, given.first, came, told);
    }

    /// A call until `end` was not taken: its turn had come all the same.
    pub(super) fn score_lapse(&mut self, number: u64, end: Millis) {
        if let Some(promised) = self.watch(number).lapsed(number) {
            self.score_left(self.lane_of(number), promised, self.called_at(end));
        }
    }

    /// The front of a lane comes to `number`, which is called; or past the end of the lanes that are let
    /// in, in which nobody is left. Those who stood before it and have left would have been called by now.
    pub(super) fn score_passed(&mut self, called: Option<u64>, now: Millis) {
        let mut passed = Vec::new();
        match called {
            Some(number) => {
                let lane = self.lane_of(number);
                (self.watch(number)).called(number, |promised| passed.push((lane, promised)));
            }
            None => {
                let shut: Vec<bool> = (0..self.watches.len())
                    .map(|lane| self.shut(lane))
                    .collect();
                let watches = self.watches.iter_mut().enumerate();
                for (lane, watch) in watches.filter(|(lane, _)| !shut[*lane]) {
                    watch.pass(u64::MAX, |promised| passed.push((lane, promised)));
                }
            }
        }
        for (lane, promised) in passed {
            self.score_left(lane, promised, now + self.silent);
        }
    }

    /// Whether somebody is watched in a lane that is let in.
    pub(super) fn watches_pass(&self) -> bool {
        let mut watches = self.watches.iter().enumerate();
        watches.any(|(lane, watch)| watch.waits() && !self.shut(lane))
    }

    /// Those of the lane of `number` to whom something was promised.
    pub(super) fn watch(&mut self, number: u64) -> &mut Watch {
        let lane = self.lane_of(number);
        if lane >= self.watches.len() {
            self.watches.resize_with(lane + 1, Watch::default);
        }
        &mut self.watches[lane]
    }

    /// Whoever has left was told nothing after the first promise that we would know of.
    fn score_left(&mut self, lane: usize, promised: Promised, end: Millis) {
        let kept = end <= promised.at + promised.promise.high;
        self.score(lane, promised, end, kept);
    }

    fn score(&mut self, lane: usize, promised: Promised, end: Millis, told: bool) {
        let promised = self.since_let_in(lane, promised);
        let actual = end.since(promised.at);
        let score = self.estimator.score(promised.promise, actual, told);
        self.counts.promises_scored += 1;
        self.counts.promises_kept += u64::from(score.kept());
    }

    /// The moment of the call whose claim window ends at `end`.
    fn called_at(&self, end: Millis) -> Millis {
        end + self.silent - self.rules.claim
    }

    /// Why more may have to be promised now than at `since`.
    fn why_longer(&self, since: Millis) -> Reason {
        match self.estimator.slowed_since(since - self.silent) {
            true => Reason::Slower,
            false => Reason::FewerLeft,
        }
    }
}
