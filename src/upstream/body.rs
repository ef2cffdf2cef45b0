//! Bodies on their way to and from a portal, and what is held until they end.

use super::pool::Sender;
use super::slots::Slot;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// A request's body: the visitor's, streamed, or none.
pub struct RequestBody {
    incoming: Option<Incoming>,
    ended: Arc<AtomicBool>,
}

impl RequestBody {
    /// The visitor's body.
    pub fn streamed(incoming: Incoming) -> RequestBody {
        let ended = Arc::new(AtomicBool::new(incoming.is_end_stream()));
        RequestBody {
            incoming: Some(incoming),
            ended,
        }
    }

    /// No body.
    pub fn none() -> RequestBody {
        RequestBody {
            incoming: None,
            ended: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Whether it carries nothing, so that the request could be sent again.
    pub fn is_none(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    /// Becomes true once the whole body was handed on.
    pub(super) fn ended(&self) -> Arc<AtomicBool> {
        self.ended.clone()
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
        if ended {
            self.ended.store(true, Ordering::Relaxed);
        }
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
    pub request_ended: Arc<AtomicBool>,
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
            if lease.request_ended.load(Ordering::Relaxed) {
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
