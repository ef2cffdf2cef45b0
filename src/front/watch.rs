//! Whether a visitor is still there, while nothing of theirs is read.
//!
//! An end is seen by whoever reads. hyper does not, as long as nobody wants more of a request's
//! body: while an upload waits for a slot, say. Nor does the wire when too much was sent ahead.

use super::clock::Clock;
use super::stream::Stream;
use crate::host;
use crate::time::{Millis, Span};
use std::io;
use std::task::{Context, Poll};

/// How often the kernel is asked.
const LOOK_EVERY: Span = Span::secs(1);

/// See the module.
#[derive(Default)]
pub struct Watch {
    /// Somebody reads, and will hear of an end.
    pub reads: bool,
    /// When the kernel is asked next.
    next: Millis,
}

impl Watch {
    /// Ready, with an error, when the visitor has left.
    pub fn left(
        &mut self,
        stream: &Stream,
        clock: &mut Clock,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let now = host::now();
        if now >= self.next {
            self.next = now + LOOK_EVERY;
            if stream.known().is_some_and(|known| known.left) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        clock.wake_by(self.next, now, context);
        Poll::Pending
    }
}
