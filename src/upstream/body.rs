//! Bodies on their way to and from a portal, and what is held until they end.

use super::Failure;
use super::pool::Sender;
use super::slots::Slot;
use crate::host;
use crate::time::{Millis, Span};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A visitor's body may stand still for this long; then the visitor is taken to have gone.
const STALL: Span = Span::secs(30);

/// A request's body: the visitor's, streamed, or none.
pub struct RequestBody {
    incoming: Option<Incoming>,
    progress: Arc<Progress>,
}

impl RequestBody {
    /// The visitor's body.
    pub fn streamed(incoming: Incoming) -> RequestBody {
        RequestBody {
            progress: Arc::new(Progress::new(incoming.is_end_stream())),
            incoming: Some(incoming),
        }
    }

    /// No body.
    pub fn none() -> RequestBody {
        RequestBody {
            incoming: None,
            progress: Arc::new(Progress::new(true)),
        }
    }

    /// Whether it carries nothing, so that the request could be sent again.
    pub fn is_none(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    /// How far it has come, also after it was handed on.
    pub(super) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }
}

/// Whom we wait for while a request is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The visitor, for more of the body.
    Visitor,
    /// The server, to take more of the body.
    Server,
    /// The server, to answer: the whole body was handed on.
    Answer,
}

/// How far a request's body has come.
pub(super) struct Progress(Mutex<(Turn, Millis)>);

impl Progress {
    fn new(ended: bool) -> Progress {
        let turn = if ended { Turn::Answer } else { Turn::Server };
        Progress(Mutex::new((turn, Millis::default())))
    }

    /// Whether the whole body was handed on.
    pub fn ended(&self) -> bool {
        self.lock().0 == Turn::Answer
    }

    /// The request is being sent: from now on somebody is waited for.
    pub fn begin(&self, now: Millis) {
        self.lock().1 = now;
    }

    /// How long to wait before looking again, with `patience` for the server; or, when somebody
    /// has let us wait for too long, whose fault that is.
    pub fn wait(&self, patience: Span, now: Millis) -> Result<Span, Failure> {
        let (turn, since) = *self.lock();
        let (most, failure) = match turn {
            Turn::Visitor => (STALL, Failure::Left),
            Turn::Server | Turn::Answer => (patience, Failure::Slow),
        };
        let left = (since + most).since(now);
        if left == Span::ZERO {
            return Err(failure);
        }
        // The turn may change meanwhile, to one that lasts less long.
        Ok(left.min(patience).min(STALL))
    }

    /// What the visitor's body has just said.
    fn polled<T>(&self, polled: &Poll<Option<T>>, ended: bool, now: impl FnOnce() -> Millis) {
        let mut state = self.lock();
        let turn = match polled {
            _ if ended => Turn::Answer,
            Poll::Pending => Turn::Visitor,
            Poll::Ready(_) => Turn::Server,
        };
        // To be asked again without anything new is no progress.
        if turn != state.0 || turn == Turn::Server {
            *state = (turn, now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Turn, Millis)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = self.incoming.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(&mut *incoming).poll_frame(context);
        let ended = matches!(polled, Poll::Ready(None)) || incoming.is_end_stream();
        self.progress.polled(&polled, ended, host::now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// What an answer holds until its body has ended: the slot, and the connection, which goes back
/// to the pool only if both bodies ended well.
pub(super) struct Lease {
    pub slot: Slot,
    pub sender: Sender,
    pub request: Arc<Progress>,
}

/// A portal's answer. Dropping it early closes the connection to the portal.
pub struct ResponseBody {
    incoming: Incoming,
    lease: Option<Lease>,
    empty: bool,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> ResponseBody {
        let mut body = ResponseBody {
            empty: incoming.is_end_stream(),
            incoming,
            lease: Some(lease),
        };
        if body.empty {
            body.release();
        }
        body
    }

    /// Whether there is nothing in it, as far as its head tells.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// The slot, for a tunnel that holds it longer; the connection is not used again.
    pub fn into_slot(mut self) -> Option<Slot> {
        self.lease.take().map(|lease| lease.slot)
    }

    /// The body has ended well: slot and connection are free for the next.
    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            if lease.request.ended() {
                lease.sender.put_back();
            }
            drop(lease.slot);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.release();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Span = Span::secs(60);

    #[test]
    fn patience_for_the_answer_begins_when_the_body_has_ended() {
        let body = Progress::new(false);
        body.begin(Millis(0));
        let mut now = Millis(0);
        for _ in 0..100 {
            now = now + Span::secs(29);
            body.polled(&Poll::Ready(Some(())), false, || now);
            body.polled::<()>(&Poll::Pending, false, || now);
            assert_eq!(body.wait(PATIENCE, now + Span::secs(29)), Ok(Span::secs(1)));
        }
        body.polled::<()>(&Poll::Ready(None), true, || now);
        assert!(body.ended());
        assert_eq!(body.wait(PATIENCE, now), Ok(STALL));
        assert_eq!(body.wait(PATIENCE, now + PATIENCE), Err(Failure::Slow));
    }

    #[test]
    fn a_visitor_who_stands_still_has_left() {
        let body = Progress::new(false);
        body.begin(Millis(0));
        body.polled::<()>(&Poll::Pending, false, || Millis(1));
        // Asked again and again, without a byte.
        body.polled::<()>(&Poll::Pending, false, || Millis(20_000));
        assert_eq!(body.wait(PATIENCE, Millis(30_000)), Ok(Span(1)));
        assert_eq!(body.wait(PATIENCE, Millis(30_001)), Err(Failure::Left));
    }

    #[test]
    fn a_server_that_takes_no_more_of_the_body_is_slow() {
        let body = Progress::new(false);
        body.begin(Millis(0));
        body.polled(&Poll::Ready(Some(())), false, || Millis(5));
        assert_eq!(body.wait(PATIENCE, Millis(60_004)), Ok(Span(1)));
        assert_eq!(body.wait(PATIENCE, Millis(60_005)), Err(Failure::Slow));
    }
}
