//! The pace of calls: a token bucket, so that freed seats are never handed out in one burst.
//!
//! Signing on is the dearest request a portal knows; a hundred at the same second is how
//! portals fall. The rate is max(1, seats / 30) per second with a burst of one second, or seats / 10
//! while the portal has slots to spare and nobody waits for one (`reference`: admission laws, "S: seats",
//! "The first minutes"). After an outage it begins at one per second and
//! grows to the full rate over [`RAMP`].
//!
//! Where the number of seats is found, those who go straight in have a bucket as well, of the same rate:
//! after a restart, or a calm, all seats are free, and a rush would sign on in one second. It holds a
//! quarter of the seats ([`BURST`]), so that a class that comes at once walks in as always.

use crate::time::{Millis, Span};

/// Seats refill in no less than this many seconds.
const REFILL_SECS: f64 = 30.0;
/// The same while the portal has slots to spare.
const REFILL_FAST_SECS: f64 = 10.0;
/// After an outage, the time until the full rate is reached.
const RAMP: Span = Span::secs(30);

/// Of the seats, what may go straight in at once; at least so many.
const BURST: f64 = 0.25;
const BURST_MIN: f64 = 20.0;

/// Answers "may one more be called now, and if not, when?".
#[derive(Clone, Debug)]
pub struct Pace {
    seats: u32,
    fast: bool,
    tokens: f64,
    filled: Millis,
    resumed: Option<Millis>,
    /// What may go straight in, as it was then.
    straight: f64,
    straight_at: Millis,
}

impl Pace {
    /// A pace for `seats`, with one token to begin with.
    pub fn new(seats: u32, now: Millis) -> Pace {
        Pace {
            seats,
            fast: false,
            tokens: 1.0,
            filled: now,
            resumed: None,
            straight: f64::INFINITY,
            straight_at: now,
        }
    }

    /// The limit has changed.
    pub fn set_seats(&mut self, seats: u32) {
        self.seats = seats;
    }

    /// The portal has slots to spare, or has not.
    pub fn set_fast(&mut self, fast: bool) {
        self.fast = fast;
    }

    /// Calls begin again after an outage: gently, from one per second.
    pub fn resume(&mut self, now: Millis) {
        self.tokens = 0.0;
        self.filled = now;
        self.resumed = Some(now);
    }

    /// Takes a token if there is one.
    pub fn take(&mut self, now: Millis) -> bool {
        self.fill(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// Whether one more may go straight in.
    pub fn lets_straight(&self, now: Millis) -> bool {
        self.straight_by(now) >= 1.0
    }

    /// Somebody goes straight in.
    pub fn take_straight(&mut self, now: Millis) {
        self.straight = (self.straight_by(now) - 1.0).max(0.0);
        self.straight_at = now;
    }

    fn straight_by(&self, now: Millis) -> f64 {
        let most = (BURST * f64::from(self.seats)).max(BURST_MIN);
        let gained = now.since(self.straight_at).as_secs_f64() * self.full();
        (self.straight + gained).min(most)
    }

    /// When the next token will be there; `now` if there is one already.
    pub fn next(&self, now: Millis) -> Millis {
        let missing = (1.0 - self.tokens).max(0.0);
        let wait = Span::from_secs_f64(missing / self.rate(now));
        (self.filled + wait).max(now)
    }

    /// Calls per second at this moment.
    pub fn rate(&self, now: Millis) -> f64 {
        let Some(resumed) = self.resumed else {
            return self.full();
        };
        let part = now.since(resumed).as_secs_f64() / RAMP.as_secs_f64();
        1.0 + (self.full() - 1.0) * part.min(1.0)
    }

    /// Calls per second when nothing holds them back.
    pub fn full(&self) -> f64 {
        let refill = match self.fast {
            true => REFILL_FAST_SECS,
            false => REFILL_SECS,
        };
        (f64::from(self.seats) / refill).max(1.0)
    }

    fn fill(&mut self, now: Millis) {
        let rate = self.rate(now);
        let gained = now.since(self.filled).as_secs_f64() * rate;
        // Without a whole millisecond's gain the remainder would be lost to rounding.
        if gained > 0.0 {
            self.tokens = (self.tokens + gained).min(rate.max(1.0));
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_rate_and_one_second_of_burst() {
        let mut pace = Pace::new(300, Millis(0));
        let taken = (0..10_000u64).filter(|ms| pace.take(Millis(*ms))).count();
        assert!(
            (98..=110).contains(&taken),
            "{taken} in ten seconds at 10/s"
        );
    }

    #[test]
    fn a_class_goes_straight_in_and_a_rush_by_and_by() {
        let mut pace = Pace::new(400, Millis(0));
        let mut takes = |now: Millis| {
            let lets = pace.lets_straight(now);
            if lets {
                pace.take_straight(now);
            }
            lets
        };
        let at_once = (0..1_000).filter(|_| takes(Millis(0))).count();
        assert_eq!(at_once, 100, "a quarter of the seats");
        let then = (1..10_000u64).filter(|ms| takes(Millis(*ms))).count();
        assert!((130..=134).contains(&then), "{then} in ten seconds");
    }

    #[test]
    fn three_times_as_fast_while_slots_are_to_spare() {
        let mut pace = Pace::new(300, Millis(0));
        pace.set_fast(true);
        let taken = (0..10_000u64).filter(|ms| pace.take(Millis(*ms))).count();
        assert!(
            (295..=330).contains(&taken),
            "{taken} in ten seconds at 30/s"
        );
    }

    #[test]
    fn a_long_pause_saves_no_burst() {
        let mut pace = Pace::new(300, Millis(0));
        let later = Millis(3_600_000);
        let burst = (0..100).filter(|_| pace.take(later)).count();
        assert_eq!(burst, 10);
    }

    #[test]
    fn after_an_outage_it_begins_at_one_per_second() {
        let mut pace = Pace::new(3_000, Millis(0));
        pace.resume(Millis(0));
        assert!(!pace.take(Millis(300)));
        let first = (301..2_000u64).filter(|ms| pace.take(Millis(*ms))).count();
        assert!(first <= 8, "{first} in the first two seconds");
        assert!(pace.rate(Millis(30_000)) > 99.0);
    }

    #[test]
    fn next_says_when_to_ask_again() {
        let mut pace = Pace::new(1, Millis(0));
        assert!(pace.take(Millis(0)));
        let next = pace.next(Millis(0));
        assert!(!pace.take(next - Span(2)));
        assert!(pace.take(next));
    }
}
