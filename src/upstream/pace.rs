//! How long somebody may let us wait for bytes: at a stretch, and in all when they come drop by
//! drop.
//!
//! A store of patience: waiting uses it up, each byte that moves gives some back, and it never
//! holds more than at the start, or than [`Pace::with_hidden`] allows. So whoever is faster than
//! `rate` on the whole is waited for for ever, and one byte every now and then buys nothing.

use crate::time::{Millis, Span};

/// The patience that is left with somebody.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    most: Span,
    /// Bytes a second.
    rate: u32,
    /// Patience that bytes can buy beyond `most`.
    hidden: Span,
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
            hidden: Span::ZERO,
            left: most,
            since: None,
        }
    }

    /// So many bytes may have moved at once though they are used little by little: they buy time,
    /// at `rate`, beyond what there was at the start.
    pub fn with_hidden(mut self, bytes: u64) -> Pace {
        self.hidden = self.worth(bytes);
        self
    }

    /// For how long at a stretch, for who has never moved a byte.
    pub fn most(&self) -> Span {
        self.most
    }

    /// For how long at a stretch, whatever was moved before.
    pub fn longest(&self) -> Span {
        self.most + self.hidden
    }

    /// Begins anew.
    pub fn renew(&mut self) {
        self.left = self.left.max(self.most);
        self.since = None;
    }

    /// We are waiting: until when. Nothing if that has been for too long.
    pub fn wait(&mut self, now: Millis) -> Option<Millis> {
        let until = *self.since.get_or_insert(now) + self.left;
        (now < until).then_some(until)
    }

    /// Whether we are waiting.
    pub fn waits(&self) -> bool {
        self.since.is_some()
    }

    /// We do not wait any more, for now: what was waited is used up.
    pub fn pause(&mut self, now: Millis) {
        if let Some(since) = self.since.take() {
            self.left = Span(self.left.0.saturating_sub(now.since(since).0));
        }
    }

    /// So much of the waiting was not the fault of whom we wait for.
    pub fn excuse(&mut self, span: Span) {
        self.since = self.since.map(|since| since + span);
    }

    /// So many bytes have moved, whether they were waited for or not.
    pub fn earn(&mut self, bytes: u64) {
        let left = self.left.0.saturating_add(self.worth(bytes).0);
        self.left = Span(left).min(self.longest());
    }

    /// So many bytes have moved. The time is asked for only if they were waited for; otherwise they
    /// do not count.
    pub fn moved(&mut self, bytes: usize, now: impl FnOnce() -> Millis) {
        if self.waits() {
            self.pause(now());
            self.earn(bytes as u64);
        }
    }

    fn worth(&self, bytes: u64) -> Span {
        Span(bytes.saturating_mul(1_000) / u64::from(self.rate))
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

    #[test]
    fn what_moved_at_once_may_be_used_little_by_little() {
        let mut pace = Pace::new(MOST, 500).with_hidden(64_000);
        assert_eq!(pace.wait(Millis(0)), Some(Millis(30_000)), "nothing yet");
        // A program that reads 501 bytes a second out of 64 kB that its machine has taken.
        let mut now = Millis(0);
        for _ in 0..100 {
            pace.pause(now);
            pace.earn(64_000);
            assert!(
                pace.wait(now)
                    .is_some_and(|until| until > now + Span::secs(127))
            );
            now = now + Span(64_000 * 1_000 / 501);
            assert!(pace.wait(now).is_some());
        }
        // However much moved: no more than that is hidden.
        pace.pause(now);
        pace.earn(1_000_000_000);
        assert_eq!(pace.wait(now), Some(now + MOST + Span::secs(128)));
    }
}
