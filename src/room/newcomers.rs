//! How many newcomers go in a minute, where the rules bound it ([`Rules::per_minute`]): those who go
//! straight in and those who are called, together.
//!
//! A token bucket beside the [pace](super::pace) of calls. It fills evenly, and holds what comes in a
//! second, at least one: so however long it was calm, no minute has more than n + max(1, n / 60). A call
//! takes its token when it is made, and gives it back if nobody comes. A callback of a sign-on cannot
//! be held: it takes a token that is not there yet, and others wait for it, for a minute at most.
//!
//! Of a line that only this bound holds up it is known when each goes in, from the first second on. Where
//! seats hold it up as well, whichever is later counts: the seats that are free are for the first.

use super::*;

/// A minute's tokens come in so many seconds.
const MINUTE_SECS: f64 = 60.0;
/// What seems to be missing of a token by the rounding of numbers alone.
const ROUNDING: f64 = 1e-6;
/// The part of the tokens that callbacks took, is remembered for about so long.
const OWED_MEMORY_SECS: f64 = 120.0;
/// Callbacks leave those in line this part of the tokens, as far as the promise believes.
const LEFT_MIN: f64 = 0.1;

/// The bucket. See the module.
#[derive(Clone, Debug)]
pub(super) struct Newcomers {
    per_minute: Option<u32>,
    /// What was in it at `filled`; below zero, what is owed.
    tokens: f64,
    filled: Millis,
    /// Callbacks since `reckon`, and how many tokens they took a second lately.
    owed: u32,
    owed_per_second: f64,
}

impl Newcomers {
    /// A bucket for so many `per_minute`, if they are bounded, with one token to begin with.
    pub fn new(per_minute: Option<u32>, now: Millis) -> Newcomers {
        Newcomers {
            per_minute,
            tokens: 1.0,
            filled: now,
            owed: 0,
            owed_per_second: 0.0,
        }
    }

    /// After a restart: somebody may have gone in a moment before.
    pub fn resume(&mut self, now: Millis) {
        self.tokens = 0.0;
        self.filled = now;
    }

    /// Whether there is a bound.
    pub fn bounded(&self) -> bool {
        self.per_minute.is_some()
    }

    /// Whether one more may go in now.
    pub fn may(&self, now: Millis) -> bool {
        self.per_second()
            .is_none_or(|rate| self.tokens(rate, now) >= 1.0 - ROUNDING)
    }

    /// Takes a token, or what there is of it.
    pub fn take(&mut self, now: Millis) {
        self.spend(0.0, now);
    }

    /// Takes a token, also one that is not there yet: a minute's at most.
    pub fn owe(&mut self, now: Millis) {
        self.owed += 1;
        let most = self.per_minute.map_or(0.0, f64::from);
        self.spend(-most, now);
    }

    /// Whoever had taken a token does not go in.
    pub fn give_back(&mut self, now: Millis) {
        if let Some(rate) = self.per_second() {
            self.tokens = (self.tokens(rate, now) + 1.0).min(most(rate));
            self.filled = now;
        }
    }

    /// When the next may go in; `now` if one may already.
    pub fn next(&self, now: Millis) -> Millis {
        let Some(rate) = self.per_second().filter(|_| !self.may(now)) else {
            return now;
        };
        let missing = 1.0 - self.tokens(rate, now);
        now + Span((missing / rate * 1_000.0).ceil() as u64)
    }

    /// So many seconds have passed.
    fn reckon(&mut self, secs: f64) {
        let rate = f64::from(std::mem::take(&mut self.owed)) / secs.max(0.001);
        let weight = (secs / OWED_MEMORY_SECS).min(1.0);
        self.owed_per_second += weight * (rate - self.owed_per_second);
    }

    /// Newcomers a second, if they are bounded.
    fn per_second(&self) -> Option<f64> {
        Some(f64::from(self.per_minute?) / MINUTE_SECS)
    }

    /// Those of them who wait in line.
    fn per_second_in_line(&self) -> Option<f64> {
        let rate = self.per_second()?;
        Some((rate - self.owed_per_second).max(LEFT_MIN * rate))
    }

    fn tokens(&self, rate: f64, now: Millis) -> f64 {
        let gained = now.since(self.filled).as_secs_f64() * rate;
        (self.tokens + gained).min(most(rate))
    }

    fn spend(&mut self, least: f64, now: Millis) {
        if let Some(rate) = self.per_second() {
            self.tokens = (self.tokens(rate, now) - 1.0).max(least);
            self.filled = now;
        }
    }
}

/// What a bucket holds.
fn most(rate: f64) -> f64 {
    rate.max(1.0)
}

impl Room {
    /// Whether whoever comes into `lane` goes straight in.
    pub(super) fn lets_in(&self, lane: usize, now: Millis) -> bool {
        let paced = self.rules.found && !self.open();
        self.unsaturated(lane) && self.may_enter(now) && (!paced || self.pace.lets_straight(now))
    }

    /// Somebody goes straight in.
    pub(super) fn goes_straight(&mut self, now: Millis) {
        self.newcomers.take(now);
        self.pace.take_straight(now);
    }

    /// Whether the bound on newcomers lets one more in.
    pub(super) fn may_enter(&self, now: Millis) -> bool {
        self.open() || self.newcomers.may(now)
    }

    /// A call is taken back, or was not taken: nobody goes in for it.
    pub(super) fn uncalled(&mut self, number: u64, now: Millis) {
        self.newcomers.give_back(now);
        self.changes.push(Change::CallEnd(number));
    }

    /// So much time has passed for the bound on newcomers.
    pub(super) fn reckon_newcomers(&mut self, span: Span) {
        self.newcomers.reckon(span.as_secs_f64());
    }

    /// Of those who wait, as many as could go in within a minute.
    pub(super) fn could_enter_soon(&self) -> u64 {
        let most = self.rules.per_minute.map_or(u64::MAX, u64::from);
        self.waiting_to_enter().min(most)
    }

    /// Calls per second, as far as they are known.
    pub(super) fn calls_per_second(&self) -> Option<f64> {
        let of_seats = self.estimator.rates().map(|rates| rates.calls);
        let of_minutes = self.newcomers.per_second_in_line();
        [of_seats, of_minutes]
            .into_iter()
            .flatten()
            .reduce(f64::min)
    }

    /// When whoever is called after so many `calls` (and theirs) is: seconds from now.
    pub(super) fn expected(&self, calls: u64) -> Option<f64> {
        let of_seats = |calls| Some(self.estimator.rates()?.wait(calls));
        let Some(bounded) = self.bounded_wait(calls) else {
            return of_seats(calls);
        };
        match calls.saturating_sub(self.vacant()) {
            0 => Some(bounded),
            behind => Some(bounded.max(of_seats(behind)?)),
        }
    }

    /// What is promised to whoever is called after so many `calls` (and theirs).
    pub(super) fn estimate(&self, calls: u64) -> Option<Promise> {
        let Some(bounded) = self.bounded_wait(calls) else {
            return self.estimator.promise(calls);
        };
        let bounded = self.estimator.nearly(bounded);
        match calls.saturating_sub(self.vacant()) {
            0 => Some(bounded),
            // Those who get the seats that are free are the first of them, for the estimator as well.
            _ => Some(bounded.or_later(self.estimator.promise(calls)?)),
        }
    }

    /// Seconds until whoever is called after so many `calls` (and theirs) is, as far as only the bound on
    /// newcomers holds them up; `None` if there is none.
    fn bounded_wait(&self, calls: u64) -> Option<f64> {
        let per_second = self.newcomers.per_second_in_line()?;
        let now = self.clock(self.heard);
        let first = self.newcomers.next(now).since(now).as_secs_f64();
        let others = calls.saturating_sub(1);
        let others = match self.estimator.rates() {
            Some(rates) => Rates {
                calls: per_second,
                drain_secs: 0.0,
                free: 0.0,
                ..rates
            }
            .wait(others),
            None => others as f64 / per_second,
        };
        Some(first + others)
    }

    /// Free seats that anybody may have.
    fn vacant(&self) -> u64 {
        self.free().saturating_sub(self.kept_free()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket(per_minute: u32) -> Newcomers {
        Newcomers::new(Some(per_minute), Millis(0))
    }

    fn takes(bucket: &mut Newcomers, now: Millis) -> bool {
        let may = bucket.may(now);
        if may {
            bucket.take(now);
        }
        may
    }

    #[test]
    fn two_hundred_a_minute_are_ten_in_three_seconds_and_never_a_minute_at_once() {
        let mut bucket = bucket(200);
        let mut at = |secs: u64| {
            let millis = secs * 1_000..(secs + 3) * 1_000;
            millis.filter(|ms| takes(&mut bucket, Millis(*ms))).count()
        };
        assert_eq!(at(0), 10);
        assert_eq!(at(3), 10);
        // After an hour of calm, one second's worth more.
        assert_eq!(at(3_600), 13);
    }

    #[test]
    fn one_a_minute_is_one_a_minute() {
        let mut bucket = bucket(1);
        let taken: Vec<u64> = (0..200)
            .filter(|s| takes(&mut bucket, Millis(s * 1_000)))
            .collect();
        assert_eq!(taken, [0, 60, 120, 180]);
    }

    #[test]
    fn next_says_when_to_ask_again() {
        for per_minute in [1, 7, 60, 199, 100_000] {
            let mut bucket = bucket(per_minute);
            let mut now = Millis(0);
            for _ in 0..1_000 {
                assert!(takes(&mut bucket, now), "{per_minute} {now:?}");
                let next = bucket.next(now);
                assert!(next <= now || !bucket.may(next - Span(2)));
                now = next;
            }
            let secs = now.since(Millis(0)).as_secs_f64();
            let minutes = f64::from(1_000 - most_whole(per_minute)) / f64::from(per_minute);
            assert!(
                (secs / 60.0 - minutes).abs() < 0.02 * minutes + 0.02,
                "{per_minute}: {secs}"
            );
        }
    }

    fn most_whole(per_minute: u32) -> u32 {
        (per_minute / 60).clamp(1, 1_000)
    }

    #[test]
    fn callbacks_are_let_in_and_others_wait_for_it_no_longer_than_a_minute() {
        let mut bucket = bucket(60);
        (0..1_000).for_each(|_| bucket.owe(Millis(0)));
        assert_eq!(bucket.next(Millis(0)), Millis(61_000));
        bucket.give_back(Millis(0));
        assert_eq!(bucket.next(Millis(0)), Millis(60_000));
    }

    #[test]
    fn without_a_bound_everybody_may() {
        let mut free = Newcomers::new(None, Millis(0));
        (0..1_000).for_each(|_| free.owe(Millis(0)));
        assert!(free.may(Millis(0)) && free.next(Millis(7)) == Millis(7));
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_it_may(
            per_minute in 1..2_000u32,
            steps in prop::collection::vec((0..4_000u64, 0..40u32, any::<bool>()), 1..200),
        ) {
            let mut bucket = bucket(per_minute);
            let mut now = Millis(0);
            let mut went_in: Vec<Millis> = Vec::new();
            for (pause, tries, back) in steps {
                now = now + Span(pause);
                if back && went_in.pop().is_some() {
                    bucket.give_back(now);
                }
                for _ in 0..tries {
                    if takes(&mut bucket, now) {
                        went_in.push(now);
                    }
                }
            }
            let most = f64::from(per_minute) + most(f64::from(per_minute) / MINUTE_SECS);
            for (index, first) in went_in.iter().enumerate() {
                let within = went_in[index..].iter().filter(|at| at.since(*first) < Span::mins(1));
                prop_assert!(within.count() as f64 <= most + 0.01);
            }
        }
    }
}
