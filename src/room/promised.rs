//! The promise as the room keeps it: what a visitor is told, why it changes, what came of it.

use super::given::{Check, Given, Promised, Revision};
use super::*;

impl Room {
    /// What the holder of `ticket` is shown, with `estimate` as things stand. The first promise is
    /// written down; later ones change by the rules of [`Given`].
    pub(super) fn show(
        &mut self,
        ticket: &mut Ticket,
        estimate: Option<Promise>,
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
            reason: self.why_longer(given.last.at),
        };
        match given.check(check, wall) {
            Revision::None => {}
            Revision::Raised => self.counts.promises_raised += 1,
            Revision::Lowered => self.counts.promises_lowered += 1,
        }
        ticket.promised = Some(given);
        Some(given.last.left(wall))
    }

    /// Why things are as they are, for the holder of `ticket`.
    pub(super) fn reason(&self, ticket: &Ticket) -> Option<Reason> {
        if !self.portal_up {
            return Some(Reason::PortalDown);
        }
        if matches!(self.rules.mode, Mode::Hold | Mode::Closed) {
            return Some(Reason::Held);
        }
        ticket.promised?.raised
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
        self.score(given.first, came, told);
    }

    /// A call until `end` was not taken: its turn had come all the same.
    pub(super) fn score_lapse(&mut self, number: u64, end: Millis) {
        if let Some(promised) = self.watch(number).lapsed(number) {
            self.score_left(promised, self.called_at(end));
        }
    }

    /// The front of a lane comes to `number`, which is called; or past the end of a line in which
    /// nobody is left. Those who stood before it and have left would have been called by now.
    pub(super) fn score_passed(&mut self, called: Option<u64>, now: Millis) {
        let mut passed = Vec::new();
        match called {
            Some(number) => (self.watch(number)).called(number, |promised| passed.push(promised)),
            None => {
                for watch in &mut self.watches {
                    watch.pass(u64::MAX, |promised| passed.push(promised));
                }
            }
        }
        for promised in passed {
            self.score_left(promised, now + self.silent);
        }
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
    fn score_left(&mut self, promised: Promised, end: Millis) {
        let kept = end <= promised.at + promised.promise.high;
        self.score(promised, end, kept);
    }

    fn score(&mut self, promised: Promised, end: Millis, told: bool) {
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

/// The longest time between two polls of somebody whose turn is near: the interval is spread by
/// a quarter, stretched to the poll budget, and told in whole seconds.
pub(super) fn margin(rules: &Rules, stretch: f64) -> Span {
    let most = rules.claim.scale(entry::POLL_NEAR).max(Span::secs(1));
    Span::secs(rules.poll_min.scale(1.25 * stretch).min(most).ceil_secs())
}
