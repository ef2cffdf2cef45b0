//! Nobody is told what is not written down.
//!
//! A new ticket or pass is shown only after the store has it, so that a crash loses nobody who
//! was answered. Commits are grouped: whoever comes while one is under way waits for the next,
//! a few milliseconds; a pass waits while the portal works. If the store is slow or broken,
//! visitors are answered all the same: we are never the outage.
//!
//! *No call is lost*: which round somebody waits for, that it is wanted, and whether the keeper may
//! sleep are decided under one lock. If the keeper could begin between two of these, the round that
//! was called for would be one too late, and nobody would have called for the one that is waited for.

use prometheus::IntCounter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long an answer waits for the store at most.
const PATIENCE: Duration = Duration::from_millis(250);

/// The rounds of the store, as seen by requests (which wait) and by the keeper (who writes).
pub struct Written {
    rounds: Mutex<Rounds>,
    /// A round is wanted that has not begun, or the keeper is to end.
    called: Condvar,
    done: watch::Sender<u64>,
    works: AtomicBool,
    late: IntCounter,
}

#[derive(Default)]
struct Rounds {
    /// How many have begun.
    begun: u64,
    /// The highest that somebody waits for.
    wanted: u64,
    /// There is a keeper.
    kept: bool,
    /// The keeper is to end.
    ends: bool,
}

impl Written {
    /// Nothing written yet. `late` counts answers that did not wait long enough.
    pub fn new(late: IntCounter) -> Written {
        Written {
            rounds: Mutex::default(),
            called: Condvar::new(),
            done: watch::Sender::new(0),
            works: AtomicBool::new(true),
            late,
        }
    }

    /// The round after which everything is written down that rooms have decided before this
    /// call. The keeper begins it as soon as it may.
    pub fn round(&self) -> u64 {
        let mut rounds = self.rounds();
        // The round under way may have passed this room already: the next one has not.
        let next = rounds.begun + 1;
        if rounds.wanted < next {
            rounds.wanted = next;
            self.called.notify_one();
        }
        next
    }

    /// Returns when `round` has ended, or cannot for now.
    pub async fn wait(&self, round: u64) {
        if !self.works() || !self.rounds().kept {
            return;
        }
        if tokio::time::timeout(PATIENCE, self.ended(round))
            .await
            .is_err()
        {
            self.late.inc();
        }
    }

    async fn ended(&self, round: u64) {
        let mut done = self.done.subscribe();
        // The sender is ours: it cannot be gone.
        let _ = done.wait_for(|done| *done >= round).await;
    }

    /// Whether the last round succeeded.
    pub fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    /// From now on there is a keeper: it is worth while to wait.
    pub fn is_kept(&self) {
        self.rounds().kept = true;
    }

    /// The keeper is to end.
    pub fn end_keeping(&self) {
        let mut rounds = self.rounds();
        rounds.ends = true;
        self.called.notify_one();
    }

    /// The keeper sleeps between two rounds: for `least` whoever calls, then until somebody waits for
    /// a round, for `most` in all. Returns whether to go on.
    pub fn sleep(&self, least: Duration, most: Duration) -> bool {
        let rounds = self.rounds();
        let rest = |rounds: &mut Rounds| !rounds.ends;
        let slept = self.called.wait_timeout_while(rounds, least, rest);
        let (rounds, _) = slept.unwrap_or_else(PoisonError::into_inner);
        let idle = |rounds: &mut Rounds| !rounds.ends && rounds.wanted <= rounds.begun;
        let left = most.saturating_sub(least);
        let slept = self.called.wait_timeout_while(rounds, left, idle);
        let (rounds, _) = slept.unwrap_or_else(PoisonError::into_inner);
        !rounds.ends
    }

    /// The keeper begins a round: from now on it looks into the rooms.
    pub fn begin(&self) {
        self.rounds().begun += 1;
    }

    /// The round has ended. Returns whether that is a change.
    pub fn end(&self, works: bool) -> bool {
        let changed = self.works.swap(works, Ordering::Relaxed) != works;
        let begun = self.rounds().begun;
        self.done.send_replace(begun);
        changed
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        // Nothing panics while it is held; each change is whole.
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    /// As good as for ever: a call that is lost is not made up for.
    const NEVER: Duration = Duration::from_secs(3600);

    fn written() -> Arc<Written> {
        let late = IntCounter::new("late", "late").unwrap();
        let written = Arc::new(Written::new(late));
        written.is_kept();
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

    /// The keeper does nothing of itself, and is quick to begin: if it could begin between a call and
    /// the look at which round is waited for, nobody would call for that one any more.
    #[tokio::test]
    async fn the_round_that_is_waited_for_is_the_one_that_was_called() {
        let written = written();
        let keeper = written.clone();
        let keeping = thread::spawn(move || {
            while keeper.sleep(Duration::ZERO, NEVER) {
                keeper.begin();
                keeper.end(true);
            }
        });
        for newcomer in 0..20_000 {
            let ended = written.ended(written.round());
            let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
            assert!(
                ended.is_ok(),
                "newcomer {newcomer} waits for a round that nobody called"
            );
        }
        written.end_keeping();
        keeping.join().unwrap();
    }

    #[test]
    fn whoever_calls_while_a_round_is_under_way_has_the_next_begin_at_once() {
        let written = written();
        assert_eq!(written.round(), 1);
        written.begin();
        // The first round was called for, and has begun: a second one is wanted by whoever comes now.
        assert_eq!((written.round(), written.round()), (2, 2));
        written.end(true);
        assert!(
            written.sleep(Duration::ZERO, NEVER),
            "the keeper was called"
        );
        written.begin();
        assert_eq!(*written.done.borrow(), 1);
        written.end(true);
        assert_eq!(*written.done.borrow(), 2);
    }

    #[test]
    fn a_keeper_that_rests_after_a_failure_is_not_called_out_of_it_but_ends() {
        const REST: Duration = Duration::from_millis(50);
        let written = written();
        written.begin();
        written.end(false);
        written.round();
        let began = crate::host::now();
        assert!(written.sleep(REST, REST));
        assert!(crate::host::now().since(began) >= REST.into());
        written.end_keeping();
        assert!(!written.sleep(NEVER, NEVER));
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
