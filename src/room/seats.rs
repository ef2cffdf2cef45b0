//! Seats: who is inside, and until when.
//!
//! One entry per seat in a heap of times to look again; renewal only writes a time, and an
//! entry that comes up early is put back. A seat holds while a request of its visitor runs.

mod firsts;

use super::absence::{Absence, Returns};
use super::habits::Habits;
use super::lanes::ByLane;
use super::phase::phase;
use super::rules::Rules;
use crate::time::{Millis, Span};
pub use firsts::{Fare, Firsts, Outcome};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};

/// What is asked for within so long after somebody was sent away belongs to the page that they leave.
const LEFT_BEHIND: Span = Span::secs(5);
/// A program whose user signs on elsewhere is heard of within so long, as a rule.
const SIGNING_ON: Span = Span::mins(2);
/// Numbers remembered after their pass has lapsed, at most; beyond, the oldest is forgotten.
const LAPSED_MAX: usize = 1_000_000;

struct Seat {
    entered: Millis,
    renewed: Millis,
    /// Requests of this visitor that run now; if none does, since when.
    running: u32,
    quiet: Millis,
    /// The pass came back at least once.
    shown: bool,
    /// Since when the visitor signs on somewhere else, where nothing is seen of the pass.
    away: Option<Millis>,
    first: firsts::First,
    /// When the heap looks at this seat; an entry with another time is stale.
    wake: Millis,
}

/// Why a seat was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing was heard for `idle`.
    Idle,
    /// The pass was never shown again.
    Unshown,
    /// `visit_max` was reached.
    VisitMax,
}

/// Who is inside.
#[derive(Default)]
pub struct Seats {
    inside: HashMap<u64, Seat>,
    /// Those inside whose seats are of the reserve for callbacks.
    apart: BTreeSet<u64>,
    /// Ordinary seats taken.
    by_lane: ByLane,
    wakes: BinaryHeap<Reverse<(Millis, u64)>>,
    /// Passes that lapsed a short while ago, and when: their forms are still taken.
    lapsed: HashMap<u64, Millis>,
    lapsed_order: VecDeque<(Millis, u64)>,
    habits: Habits,
    absence: Absence,
    firsts: Firsts,
    first_ends: firsts::Ends,
    /// How often a seat was taken.
    takes: u64,
}

impl Seats {
    /// Ordinary seats taken.
    pub fn taken(&self) -> u32 {
        count(self.inside.len() - self.apart.len())
    }

    /// Ordinary seats taken in the lane of `number`.
    pub fn beside(&self, number: u64) -> u32 {
        self.by_lane.of(number)
    }

    /// Seats of the reserve for callbacks that are taken.
    pub fn apart(&self) -> u32 {
        count(self.apart.len())
    }

    /// Whether `number` is inside.
    pub fn holds(&self, number: u64) -> bool {
        self.inside.contains_key(&number)
    }

    /// What was seen of visitors.
    pub fn habits(&self) -> &Habits {
        &self.habits
    }

    /// Time has passed; called once a second.
    pub fn elapse(&mut self, rules: &Rules, now: Millis) {
        self.end_firsts(now);
        self.absence
            .elapse(self.inside.len(), super::secs(rules.idle), now);
    }

    /// Ordinary seats whose visitors have gone, for all that is known: others may have them.
    pub fn absent(&self) -> u32 {
        (self.absence.absent() as u32).min(self.taken())
    }

    /// People who are there, for all that is known, those on seats of the reserve for callbacks
    /// included.
    pub fn present(&self) -> f64 {
        (self.inside.len() as f64 - self.absence.absent()).max(0.0)
    }

    /// How often a seat was taken so far.
    pub fn takes(&self) -> u64 {
        self.takes
    }

    /// How likely it is that who is quiet asks again.
    pub fn returns(&self) -> &Returns {
        self.absence.returns()
    }

    /// Goes on after a restart, with what was learnt: as large a part as before of those inside has
    /// gone, though nobody can tell who.
    pub fn resume(&mut self, returns: Returns, rules: &Rules, now: Millis) {
        let quiet = now - returns.age_of_all(super::secs(rules.idle));
        self.absence = Absence::new(returns);
        for seat in self.inside.values_mut() {
            seat.quiet = quiet;
            self.absence.hush(quiet);
        }
        self.absence
            .elapse(self.inside.len(), super::secs(rules.idle), now);
    }

    /// Numbers inside and when they came in, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Millis)> + '_ {
        self.inside
            .iter()
            .map(|(number, seat)| (*number, seat.entered))
    }

    /// Takes a seat. `shown`: the visitor has already proven to keep cookies.
    pub fn take(&mut self, number: u64, entered: Millis, shown: bool, rules: &Rules, now: Millis) {
        let seat = Seat {
            entered,
            renewed: now,
            running: 0,
            quiet: now,
            shown,
            away: None,
            first: firsts::First::default(),
            wake: Millis(0),
        };
        match self.inside.insert(number, seat) {
            None => self.by_lane.add(number),
            Some(before) if before.running == 0 => self.absence.forget(before.quiet),
            Some(_) => {}
        }
        self.absence.hush(now);
        self.takes += 1;
        self.habits.peak = self.habits.peak.max(count(self.inside.len()));
        self.lapsed.remove(&number);
        self.arm(number, rules);
    }

    /// The seat of `number`, just taken, is one of the reserve for callbacks.
    pub fn set_apart(&mut self, number: u64) {
        if self.apart.insert(number) {
            self.by_lane.take(number);
        }
    }

    /// Counts at most `most` seats of the reserve for callbacks as ordinary ones from now on.
    pub fn take_over(&mut self, most: u32) {
        for _ in 0..most {
            let Some(number) = self.apart.pop_first() else {
                return;
            };
            self.by_lane.add(number);
        }
    }

    /// A request of somebody inside begins. One that does not renew the seat does not hold it
    /// either, however long it runs. Returns whether they are back from a sign-on.
    pub fn begin(&mut self, number: u64, renews: bool, now: Millis) -> bool {
        let Some(seat) = self.inside.get_mut(&number).filter(|_| renews) else {
            return false;
        };
        if seat.running == 0 {
            self.habits.pause(now.since(seat.renewed));
            self.absence.stir(seat.quiet, now);
        }
        seat.running = seat.running.saturating_add(1);
        seat.renewed = now;
        seat.away
            .is_some_and(|since| now.since(since) > LEFT_BEHIND)
    }

    /// For how long nothing was asked for on this seat; `None` if there is none, a request runs, or
    /// its visitor may be signing on elsewhere.
    pub fn quiet(&self, number: u64, now: Millis) -> Option<Span> {
        let seat = self.inside.get(&number)?;
        let signs_on = (seat.away).is_some_and(|since| now.since(since) < SIGNING_ON);
        (seat.running == 0 && !signs_on).then(|| now.since(seat.renewed))
    }

    /// Somebody inside is sent to a sign-on: their seat is kept for as long as that may last.
    pub fn send_away(&mut self, number: u64, now: Millis) {
        if let Some(seat) = self.inside.get_mut(&number) {
            seat.away = Some(now);
        }
    }

    /// They are back.
    pub fn come_back(&mut self, number: u64, rules: &Rules) {
        if let Some(seat) = self.inside.get_mut(&number) {
            seat.away = None;
            // It may be over sooner now.
            seat.wake = Millis(0);
            self.arm(number, rules);
        }
    }

    /// The pass came back: this visitor keeps cookies.
    pub fn show(&mut self, number: u64) {
        if let Some(seat) = self.inside.get_mut(&number) {
            seat.shown = true;
        }
    }

    /// A request of somebody inside has ended.
    pub fn end(&mut self, number: u64, renews: bool, fare: Fare, now: Millis) {
        if let Some(seat) = self.inside.get_mut(&number).filter(|_| renews) {
            seat.first.ended(fare);
            if seat.running == 0 {
                self.absence.forget(seat.quiet);
            }
            seat.running = seat.running.saturating_sub(1);
            seat.renewed = now;
            if seat.running == 0 {
                seat.quiet = now;
                self.absence.hush(now);
            }
        }
    }

    /// Whoever is inside leaves, and is there until then; returns whether there was a seat.
    pub fn leave(&mut self, number: u64, now: Millis) -> bool {
        if let Some(seat) = self.inside.get_mut(&number).filter(|it| it.running == 0) {
            self.absence.stir(seat.quiet, now);
            self.absence.hush(now);
            seat.quiet = now;
        }
        self.free(number, now)
    }

    /// Gives a seat back; returns whether there was one.
    pub fn free(&mut self, number: u64, now: Millis) -> bool {
        let apart = self.apart.remove(&number);
        let Some(seat) = self.inside.remove(&number) else {
            return false;
        };
        if !apart {
            self.by_lane.take(number);
        }
        if seat.running == 0 {
            self.absence.forget(seat.quiet);
        }
        self.firsts.over(seat.first);
        if seat.shown {
            self.habits.visits.add(seat.renewed.since(seat.entered));
        }
        self.habits.held = self.habits.held + now.since(seat.entered);
        true
    }

    /// The next seat whose time is up, given back; `None` when there is none (yet).
    pub fn expire(&mut self, rules: &Rules, now: Millis) -> Option<(u64, Left)> {
        while let Some(&Reverse((at, number))) = self.wakes.peek() {
            if at > now {
                return None;
            }
            self.wakes.pop();
            let Some(seat) = self.inside.get(&number).filter(|seat| seat.wake == at) else {
                continue;
            };
            let why = if now >= seat.entered + rules.visit_max {
                Left::VisitMax
            } else if seat.running > 0 || seat.idle_end(number, rules) > now {
                self.arm(number, rules);
                continue;
            } else if seat.shown {
                Left::Idle
            } else {
                Left::Unshown
            };
            self.free(number, now);
            self.remember(number, rules.keep, now);
            return Some((number, why));
        }
        None
    }

    /// Whether the pass `number` lapsed within the last `grace`.
    pub fn lapsed(&self, number: u64, grace: Span, now: Millis) -> bool {
        (self.lapsed.get(&number)).is_some_and(|at| now.since(*at) <= grace)
    }

    /// When a seat may have to be given back.
    pub fn next(&self) -> Option<Millis> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    /// Remembers a lapse for `grace`, and forgets those that are older.
    pub fn remember(&mut self, number: u64, grace: Span, now: Millis) {
        self.lapsed.insert(number, now);
        self.lapsed_order.push_back((now, number));
        while let Some(&(at, oldest)) = self.lapsed_order.front()
            && (now.since(at) > grace || self.lapsed_order.len() > LAPSED_MAX)
        {
            self.lapsed_order.pop_front();
            // It may have lapsed a second time since.
            if self.lapsed.get(&oldest) == Some(&at) {
                self.lapsed.remove(&oldest);
            }
        }
    }

    fn arm(&mut self, number: u64, rules: &Rules) {
        let Some(seat) = self.inside.get_mut(&number) else {
            return;
        };
        let last = seat.entered + rules.visit_max;
        let idle_end = seat.idle_end(number, rules);
        // A running request is looked at again after one more idle time.
        let idle_end = match seat.wake >= idle_end {
            true => seat.wake + rules.idle,
            false => idle_end,
        };
        seat.wake = idle_end.min(last);
        self.wakes.push(Reverse((seat.wake, number)));
    }
}

fn count(seats: usize) -> u32 {
    u32::try_from(seats).unwrap_or(u32::MAX)
}

impl Seat {
    /// When idleness ends this visit: jittered by ±10 %, once per visit, so that people who
    /// came in together do not all fall out together.
    fn idle_end(&self, number: u64, rules: &Rules) -> Millis {
        let idle = if self.shown {
            rules.idle
        } else {
            rules.first_idle.min(rules.idle)
        };
        let end = self.renewed + idle.scale(0.9 + 0.2 * phase(number));
        self.away
            .map_or(end, |since| end.max(since + rules.sign_on))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            idle: Span::secs(100),
            first_idle: Span::secs(10),
            sign_on: Span::secs(300),
            visit_max: Span::secs(1_000),
            ..Rules::default()
        }
    }

    fn taken(shown: bool) -> Seats {
        let mut seats = Seats::default();
        seats.take(1, Millis(0), shown, &rules(), Millis(0));
        seats
    }

    #[test]
    fn idle_ends_a_visit_and_renewal_puts_it_off() {
        let mut seats = taken(true);
        seats.begin(1, true, Millis(80_000));
        seats.end(1, true, Fare::Unknown, Millis(80_000));
        assert_eq!(seats.expire(&rules(), Millis(111_000)), None);
        assert!(seats.expire(&rules(), Millis(191_000)).is_some());
        assert_eq!(seats.taken(), 0);
    }

    #[test]
    fn a_pass_never_shown_again_is_given_back_early() {
        let mut seats = taken(false);
        let (number, why) = seats.expire(&rules(), Millis(11_001)).unwrap();
        assert_eq!((number, why), (1, Left::Unshown));
    }

    #[test]
    fn a_running_request_holds_the_seat_but_not_for_ever() {
        let mut seats = taken(true);
        seats.begin(1, true, Millis(0));
        for second in 0..999 {
            assert_eq!(seats.expire(&rules(), Millis(second * 1000)), None);
        }
        let (_, why) = seats.expire(&rules(), Millis(1_000_000)).unwrap();
        assert_eq!(why, Left::VisitMax);
    }

    #[test]
    fn a_seat_is_kept_while_its_visitor_signs_on_elsewhere() {
        for shown in [false, true] {
            let mut seats = taken(shown);
            seats.begin(1, true, Millis(0));
            seats.send_away(1, Millis(500));
            seats.end(1, true, Fare::Unknown, Millis(600));
            // A picture of the page that they leave.
            assert!(!seats.begin(1, true, Millis(1_000)));
            seats.end(1, true, Fare::Unknown, Millis(1_000));
            assert_eq!(seats.expire(&rules(), Millis(300_499)), None);
            let (_, why) = seats.expire(&rules(), Millis(300_500)).unwrap();
            assert_eq!(why, if shown { Left::Idle } else { Left::Unshown });
        }
    }

    #[test]
    fn whoever_is_back_from_a_sign_on_has_no_more_than_their_idle_time() {
        let mut seats = taken(true);
        seats.send_away(1, Millis(0));
        assert_eq!(seats.expire(&rules(), Millis(150_000)), None);
        assert!(seats.begin(1, true, Millis(150_000)));
        seats.come_back(1, &rules());
        seats.end(1, true, Fare::Unknown, Millis(150_000));
        assert!(!seats.begin(1, true, Millis(150_001)));
        seats.end(1, true, Fare::Unknown, Millis(150_001));
        assert!(seats.expire(&rules(), Millis(261_000)).is_some());
    }

    #[test]
    fn a_lapsed_pass_is_remembered_for_the_grace() {
        let mut seats = taken(true);
        seats.expire(&rules(), Millis(111_000)).unwrap();
        assert!(seats.lapsed(1, Span::secs(60), Millis(171_000)));
        assert!(!seats.lapsed(1, Span::secs(60), Millis(171_001)));
    }

    #[test]
    fn a_second_lapse_is_remembered_as_well_as_the_first() {
        let mut seats = taken(true);
        seats.expire(&rules(), Millis(111_000)).unwrap();
        seats.take(1, Millis(120_000), true, &rules(), Millis(120_000));
        assert!(
            !seats.lapsed(1, Span::mins(5), Millis(121_000)),
            "it is inside"
        );
        seats.expire(&rules(), Millis(900_000)).unwrap();
        seats.take(2, Millis(900_000), true, &rules(), Millis(900_000));
        seats.expire(&rules(), Millis(1_100_000)).unwrap();
        assert!(seats.lapsed(1, Span::mins(5), Millis(1_150_000)));
    }

    #[test]
    fn lapses_are_forgotten_also_when_nobody_asks() {
        let mut seats = Seats::default();
        for number in 0..10_000 {
            let now = Millis(number * 1_000);
            seats.take(number, now, true, &rules(), now);
            while seats.expire(&rules(), now).is_some() {}
        }
        assert!(seats.lapsed.len() < 400 && seats.lapsed_order.len() < 400);
    }

    #[test]
    fn a_request_that_does_not_renew_does_not_hold_the_seat() {
        let mut seats = taken(true);
        seats.begin(1, false, Millis(1_000));
        assert!(seats.expire(&rules(), Millis(111_000)).is_some());
    }

    #[test]
    fn one_heap_entry_per_seat() {
        let mut seats = taken(true);
        for second in 0..10_000 {
            seats.begin(1, true, Millis(second * 90));
            seats.end(1, true, Fare::Unknown, Millis(second * 90));
            seats.expire(&rules(), Millis(second * 90));
        }
        assert_eq!(seats.wakes.len(), 1);
    }
}
