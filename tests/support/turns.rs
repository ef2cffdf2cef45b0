//! The order in which people are called, as they see it themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by those who wait in one line; orders of arrival start at 1.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    latest: Arc<AtomicU64>,
}

impl Turns {
    /// The latest arrival that is known to have been called; 0 if there is none.
    pub fn latest(&self) -> u64 {
        self.latest.load(Ordering::SeqCst)
    }

    /// Notes that `order` was called.
    pub fn called(&self, order: u64) {
        self.latest.fetch_max(order, Ordering::SeqCst);
    }

    /// Panics if somebody later than `order` was called while `order` waits. `latest` must be
    /// from before the poll that said so: then the two truths cannot have crossed.
    pub fn still_waiting(&self, order: u64, latest: u64) {
        assert!(order > latest, "{latest} was called while {order} waits");
    }
}
