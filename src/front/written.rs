//! Nobody is told what is not written down.
//!
//! A new ticket or pass is shown only after the store has it, so that a crash loses nobody who
//! was answered. Commits are grouped: whoever comes while one is under way waits for the next,
//! a few milliseconds; a pass waits while the portal works. If the store is slow or broken,
//! visitors are answered all the same: we are never the outage.

use prometheus::IntCounter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;
use tokio::sync::watch;

/// How long an answer waits for the store at most.
const PATIENCE: Duration = Duration::from_millis(250);

/// The rounds of the store, as seen by requests (which wait) and by the keeper (who writes).
pub struct Written {
    begun: AtomicU64,
    done: watch::Sender<u64>,
    works: AtomicBool,
    keeper: OnceLock<Thread>,
    late: IntCounter,
}

impl Written {
    /// Nothing written yet. `late` counts answers that did not wait long enough.
    pub fn new(late: IntCounter) -> Written {
        Written {
            begun: AtomicU64::new(0),
            done: watch::Sender::new(0),
            works: AtomicBool::new(true),
            keeper: OnceLock::new(),
            late,
        }
    }

    /// The round after which everything is written down that rooms have decided before this
    /// call. The keeper begins at once.
    pub fn round(&self) -> u64 {
        if let Some(keeper) = self.keeper.get() {
            keeper.unpark();
        }
        // The round under way may have passed this room already: the next one has not.
        self.begun.load(Ordering::SeqCst) + 1
    }

    /// Returns when `round` has ended, or cannot for now.
    pub async fn wait(&self, round: u64) {
        if self.keeper.get().is_none() || !self.works() {
            return;
        }
        let mut done = self.done.subscribe();
        let written = done.wait_for(|done| *done >= round);
        if tokio::time::timeout(PATIENCE, written).await.is_err() {
            self.late.inc();
        }
    }

    /// Whether the last round succeeded.
    pub fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    /// This thread is the keeper: it is unparked when somebody waits.
    pub fn kept_here(&self) {
        let _ = self.keeper.set(std::thread::current());
    }

    /// The keeper begins a round: from now on it looks into the rooms.
    pub fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// The round has ended. Returns whether that is a change.
    pub fn end(&self, works: bool) -> bool {
        let changed = self.works.swap(works, Ordering::Relaxed) != works;
        self.done.send_replace(self.begun.load(Ordering::SeqCst));
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn written() -> Arc<Written> {
        let late = IntCounter::new("late", "late").unwrap();
        let written = Arc::new(Written::new(late));
        written.kept_here();
        written
    }

    async fn is_waiting(wait: &mut tokio::task::JoinHandle<()>) -> bool {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        !wait.is_finished()
    }

    #[tokio::test]
    async fn a_round_that_had_begun_does_not_count() {
        let written = written();
        written.begin();
        let waiter = written.clone();
        let mut wait = tokio::spawn(async move { waiter.wait(waiter.round()).await });
        assert!(is_waiting(&mut wait).await);
        written.end(true);
        assert!(is_waiting(&mut wait).await);
        written.begin();
        written.end(true);
        wait.await.unwrap();
        assert_eq!(written.late.get(), 0);
    }

    #[tokio::test]
    async fn a_store_that_fails_holds_nobody_up() {
        let written = written();
        written.begin();
        assert!(written.end(false));
        written.wait(written.round()).await;
        assert_eq!(written.late.get(), 0);
    }

    #[tokio::test]
    async fn a_store_that_hangs_holds_nobody_up_for_long() {
        let written = written();
        written.begin();
        written.wait(written.round()).await;
        assert_eq!(written.late.get(), 1);
    }
}
