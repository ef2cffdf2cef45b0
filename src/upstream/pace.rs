//! How long somebody may let us wait for bytes: at a stretch, and in all when they come drop by
//! drop.
//!
//! A store of patience: waiting uses it up, each byte that moves gives some back, and it never
//! holds more than at the start. So whoever is faster than `rate` on the whole is waited for for
//! ever, and one byte every now and then buys nothing.

use crate::time::{Millis, Span};

/// The patience that is left with somebody.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    most: Span,
    /// Bytes a second.
    rate: u32,
    left: Span,
    /// Since when we have been waiting.
    since: Option<Millis>,
}

impl Pace {
    /// Patience for `most`; bytes that come at `rate` a second give back what they take. `rate`
    /// is at least 1.
    pub fn new(most: Span, rate: u32) -> Pace {
        Pace {
            most,
            rate,
            left: most,
            since: None,
        }
    }

    /// For how long at a stretch.
    pub fn most(&self) -> Span {
        self.most
    }

    /// Begins anew.
    pub fn renew(&mut self) {
        self.left = self.most;
        self.since = None;
    }

    /// We are waiting: until when. Nothing if that has been for too long.
    pub fn wait(&mut self, now: Millis) -> Option<Millis> {
        let until = *self.since.get_or_insert(now) + self.left;
        (now < until).then_some(until)
    }

    /// So many bytes have moved. The time is asked for only if they were waited for.
    pub fn moved(&mut self, bytes: usize, now: impl FnOnce() -> Millis) {
        let Some(since) = self.since.take() else {
            return;
        };
        let waited = now().since(since);
        let earned = (bytes as u64).saturating_mul(1_000) / u64::from(self.rate);
        let left = self.left.0.saturating_sub(waited.0).saturating_add(earned);
        self.left = Span(left).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Span = Span::secs(30);

    /// Seconds until patience ends with one who moves `bytes` every `every`; at most a day.
    fn lasts(bytes: usize, every: Span) -> u64 {
        let mut pace = Pace::new(MOST, 500);
        let mut now = Millis(0);
        while now < Millis(86_400_000) {
            let next = now + every;
            match pace.wait(now) {
                Some(until) if until > next => now = next,
                Some(until) => return until.0 / 1_000,
                None => return now.0 / 1_000,
            }
            pace.moved(bytes, || now);
        }
        now.0 / 1_000
    }

    #[test]
    fn standing_still_and_drop_by_drop_come_to_an_end() {
        assert_eq!(lasts(1_000_000, Span::secs(31)), 30, "nothing for too long");
        assert_eq!(lasts(1, Span::secs(29)), 30, "one byte buys nothing");
        assert!(lasts(1, Span::secs(1)) < 40);
        assert!(lasts(400, Span::secs(1)) < 160, "below the rate: a while");
    }

    #[test]
    fn a_poor_link_is_waited_for() {
        assert_eq!(lasts(2_000, Span::secs(1)), 86_400);
        assert_eq!(lasts(40_000, Span::secs(20)), 86_400, "in lumps, too");
        assert_eq!(lasts(501, Span::secs(1)), 86_400);
    }

    #[test]
    fn what_came_before_does_not_pay_for_what_comes() {
        let mut pace = Pace::new(MOST, 500);
        pace.wait(Millis(0));
        pace.moved(1_000_000_000, || Millis(10));
        assert_eq!(pace.wait(Millis(20)), Some(Millis(30_020)));
        assert_eq!(pace.wait(Millis(30_020)), None);
        pace.renew();
        assert_eq!(pace.wait(Millis(40_000)), Some(Millis(70_000)));
    }
}
