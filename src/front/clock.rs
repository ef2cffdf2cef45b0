//! One timer for all that a connection waits for.
//!
//! Deadlines come and go with every request; a timer that followed each would cost more than
//! what it guards. So it is set only when it would ring too late, and whoever is woken looks at
//! the time: a ring that is too early is a moment's work, once in a while.

use crate::time::Millis;
use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use tokio::time::Sleep;

/// The timer of one task.
#[derive(Default)]
pub struct Clock {
    sleep: Option<Pin<Box<Sleep>>>,
    rings: Millis,
}

impl Clock {
    /// Sees to it that the task is woken at `deadline`, if not before.
    pub fn wake_by(&mut self, deadline: Millis, now: Millis, context: &mut Context<'_>) {
        let set = |sleep: &Pin<Box<Sleep>>| !sleep.is_elapsed() && self.rings <= deadline;
        if self.sleep.as_ref().is_some_and(set) {
            return;
        }
        self.rings = deadline;
        let fresh = tokio::time::sleep(deadline.since(now).into());
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().set(fresh),
            None => self.sleep = Some(Box::pin(fresh)),
        }
        let sleep = self
            .sleep
            .as_mut()
            .map(|sleep| sleep.as_mut().poll(context));
        if sleep.is_some_and(|rang| rang.is_ready()) {
            context.waker().wake_by_ref();
        }
    }
}
