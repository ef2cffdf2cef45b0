//! Bodies of our answers, and what is held until they end: the visit and the line in the log.

use super::access::Entry;
use super::door::Door;
use super::lasting::Lasting;
use super::mark::Busy;
use crate::host;
use crate::room::Fare;
use crate::time::{Millis, Span};
use crate::upstream::{BodyError, ResponseBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Sleep;

/// The body of an answer.
pub struct Body {
    content: Content,
    /// Dropped, and so given back, when the answer has ended or the visitor has gone.
    visit: Option<Visit>,
    lasting: Option<Lasting>,
    /// When it ends, whatever is still to come.
    end: Option<Pin<Box<Sleep>>>,
    entry: Option<Entry>,
    busy: Option<Busy>,
}

enum Content {
    Ours(Bytes),
    /// A portal's, and its first frame if that was looked at.
    Portal(Option<Frame<Bytes>>, ResponseBody),
}

/// A forwarded request of somebody inside, until it ends.
pub struct Visit {
    door: Arc<Door>,
    number: u64,
    renews: bool,
    began: Millis,
    /// None while there is no answer.
    fare: Option<Fare>,
}

impl Body {
    /// A body of our own.
    pub fn ours(bytes: impl Into<Bytes>) -> Body {
        Body::new(Content::Ours(bytes.into()))
    }

    /// A portal's body, streamed.
    pub fn portal(body: ResponseBody) -> Body {
        Body::new(Content::Portal(None, body))
    }

    /// A portal's body whose first frame was taken out already.
    pub fn begun(first: Frame<Bytes>, rest: ResponseBody) -> Body {
        Body::new(Content::Portal(Some(first), rest))
    }

    fn new(content: Content) -> Body {
        Body {
            content,
            visit: None,
            lasting: None,
            end: None,
            entry: None,
            busy: None,
        }
    }

    /// Whether it is an answer of our own.
    pub fn is_ours(&self) -> bool {
        matches!(self.content, Content::Ours(_))
    }

    /// Whether nobody reads the body of the request: the answer is our own, or the portal's, which
    /// was asked whether it wants it and has answered instead.
    pub fn leaves_upload(&self) -> bool {
        match &self.content {
            Content::Ours(_) => true,
            Content::Portal(_, portal) => portal.leaves_upload(),
        }
    }

    /// The visit, and a stream of events, last until this body has ended.
    pub fn hold(&mut self, visit: Option<Visit>, lasting: Option<Lasting>) {
        self.visit = visit;
        self.lasting = lasting;
    }

    /// It ends within `most`, as if there were no more: a stream of events for somebody who does not
    /// stay.
    pub fn end_within(&mut self, most: Span) {
        self.end = Some(Box::pin(tokio::time::sleep(most.into())));
    }

    /// The line is written when this body has ended; the wire is busy until then.
    pub(super) fn log(&mut self, entry: Option<Entry>, busy: Option<Busy>) {
        self.entry = entry;
        self.busy = busy;
    }
}

impl Visit {
    /// The visit of `number`.
    pub fn new(door: Arc<Door>, number: u64, renews: bool) -> Visit {
        Visit {
            door,
            number,
            renews,
            began: host::now(),
            fare: None,
        }
    }

    /// Its answer, or why there is none, is known.
    pub fn fares(&mut self, fare: Fare) {
        self.fare = Some(fare);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let now = host::now();
        let given_up = || Fare::given_up(now.since(self.began));
        let fare = self.fare.unwrap_or_else(given_up);
        let mut room = self.door.room();
        room.fared(self.number, self.renews, fare, now);
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = &mut *self;
        if let Some(end) = &mut body.end
            && end.as_mut().poll(context).is_ready()
        {
            body.content = Content::Ours(Bytes::new());
            body.end = None;
        }
        let polled = match &mut body.content {
            Content::Ours(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Ours(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Portal(first, portal) => match first.take() {
                Some(first) => Poll::Ready(Some(Ok(first))),
                None => Pin::new(portal).poll_frame(context),
            },
        };
        if let (Poll::Ready(Some(Ok(frame))), Some(entry)) = (&polled, &mut body.entry) {
            entry.add(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Ours(bytes) => bytes.is_empty(),
            Content::Portal(first, portal) => first.is_none() && portal.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Ours(bytes) => SizeHint::with_exact(bytes.len() as u64),
            // What is left; the first frame comes on top, so only the unbounded hint is true.
            Content::Portal(Some(_), _) => SizeHint::default(),
            Content::Portal(None, portal) => portal.size_hint(),
        }
    }
}
