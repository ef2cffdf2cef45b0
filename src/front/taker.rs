//! Patience with a visitor who sends or takes, by what the kernel has seen of it.
//!
//! What was written has only gone to the kernel. That takes what fits, and tells of room for more
//! by the tens of kilobytes: over a poor link there is none for minutes, though all goes well. And
//! TLS tells nothing of what has come until a whole record of it is here. So while we wait for a
//! visitor, the kernel is asked once a second how much has been acknowledged, or has come: that is
//! progress.
//!
//! A visitor's machine takes more than its programs have read, at once, and then nothing until
//! they have read a good part of it. So what it has taken buys time, also beyond
//! `limits.take_timeout`: for up to [`HIDDEN_MAX`] bytes at `limits.take_rate`. A machine that says
//! nothing at all of what is on its way to it has no such time.

use super::clock::Clock;
use super::stream::Stream;
use crate::config::Limits;
use crate::host;
use crate::time::{Millis, Span};
use crate::upstream::Pace;
use std::io;
use std::task::{Context, Poll};

/// Bytes that a visitor's machine may have taken and its programs not: twice what Linux begins
/// with. (Who reads fast may have more; who reads slowly never gets there.)
const HIDDEN_MAX: u64 = 256 * 1024;
/// How often the kernel is asked.
const LOOK_EVERY: Span = Span::secs(1);

/// Patience by a count that the kernel keeps.
pub struct Counted {
    pace: Pace,
    /// The count when it was last looked at, and when that was.
    count: u64,
    looked: Millis,
    /// The kernel does not know: what it gives and takes counts.
    blind: bool,
}

impl Counted {
    /// Nobody is waited for yet.
    pub fn new(pace: Pace) -> Counted {
        Counted {
            pace,
            count: 0,
            looked: Millis::default(),
            blind: false,
        }
    }

    /// Patience begins anew.
    pub fn renew(&mut self) {
        self.pace.renew();
    }

    /// The visitor is waited for: when to come again; nothing when that has been so for too long.
    /// `count` asks the kernel.
    pub fn waits(&mut self, now: Millis, count: impl FnOnce() -> Option<u64>) -> Option<Millis> {
        if now.since(self.looked) >= LOOK_EVERY || self.pace.wait(now).is_none() {
            self.looked = now;
            self.look(now, count());
        }
        let until = self.pace.wait(now)?;
        Some(until.min(now + LOOK_EVERY))
    }

    /// So many bytes have moved.
    pub fn moved(&mut self, bytes: usize) {
        if self.pace.waits() {
            self.pause();
            if self.blind {
                self.pace.earn(bytes as u64);
            }
        }
    }

    /// The visitor is not waited for.
    pub fn pause(&mut self) {
        if self.pace.waits() {
            self.pace.pause(host::now());
        }
    }

    fn look(&mut self, now: Millis, count: Option<u64>) {
        self.blind = count.is_none();
        let count = count.unwrap_or_default();
        let more = count.saturating_sub(std::mem::replace(&mut self.count, count));
        self.pace.pause(now);
        self.pace.earn(more);
    }
}

/// How far a visitor has come with what we send.
pub struct Taker {
    counted: Counted,
    /// For how long the visitor's machine may say nothing.
    unheard_max: Span,
}

impl Taker {
    /// One from whom nothing is wanted yet.
    pub fn new(limits: &Limits) -> Taker {
        Taker {
            counted: Counted::new(pace(limits)),
            unheard_max: limits.take_timeout,
        }
    }

    /// For how long at most nothing more may reach the visitor's machine, however slowly it is
    /// taken out of there.
    pub fn longest(limits: &Limits) -> Span {
        pace(limits).longest()
    }

    /// For how long at most a visitor's machine may say nothing.
    pub fn unheard_max(&self) -> Span {
        self.unheard_max
    }

    /// Something new is to be taken: patience begins anew.
    pub fn renew(&mut self) {
        self.counted.renew();
    }

    /// Something could not be written to `stream`: the task is woken to come again, or there is an
    /// error when that has been so for too long, and it is cut.
    pub fn poll_taken<T>(
        &mut self,
        now: Millis,
        stream: &Stream,
        (clock, context): (&mut Clock, &mut Context<'_>),
    ) -> Poll<io::Result<T>> {
        let mut unheard = Span::ZERO;
        let until = self.counted.waits(now, || {
            let known = stream.known()?;
            unheard = known.unheard;
            Some(known.acknowledged)
        });
        let until = until.filter(|_| unheard < self.unheard_max);
        let Some(until) = until else {
            // What the kernel still holds for them would be held for as long again.
            stream.cut();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        };
        clock.wake_by(until, now, context);
        Poll::Pending
    }

    /// So many bytes were written.
    pub fn wrote(&mut self, bytes: usize) {
        self.counted.moved(bytes);
    }

    /// Nothing waits to be written.
    pub fn pause(&mut self) {
        self.counted.pause();
    }
}

fn pace(limits: &Limits) -> Pace {
    Pace::new(limits.take_timeout, limits.take_rate).with_hidden(HIDDEN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Millis = Millis(1_000_000);

    /// Seconds for which we wait for a visitor of whom the kernel has counted `count` bytes after so
    /// many seconds; a thousand at most.
    fn lasts(count: impl Fn(f64) -> f64) -> u64 {
        let pace = Pace::new(Span::secs(2), 500).with_hidden(8_000);
        let mut counted = Counted::new(pace);
        let mut now = BEGAN;
        loop {
            let after = now.since(BEGAN);
            match counted.waits(now, || Some(count(after.as_secs_f64()) as u64)) {
                Some(next) if after < Span::secs(1_000) => now = next,
                _ => return after.0 / 1_000,
            }
        }
    }

    #[test]
    fn what_the_kernel_counts_is_progress() {
        assert_eq!(lasts(|after| after * 502.0), 1_000, "at the rate");
        assert_eq!(
            lasts(|after| (after / 10.0).ceil() * 5_020.0),
            1_000,
            "in lumps"
        );
        assert_eq!(lasts(|_| 0.0), 2, "nothing");
        assert_eq!(lasts(|after| after * 100.0), 2, "drop by drop");
    }

    #[test]
    fn what_was_taken_at_once_buys_time_within_bounds() {
        assert_eq!(lasts(|_| 5_000.0), 2 + 10);
        assert_eq!(lasts(|_| 1_000_000.0), 2 + 16, "no more than is hidden");
    }
}
