//! A request's body on its way to a portal, and whom we wait for meanwhile.

use super::Failure;
use super::body::{BodyError, has_blanks};
use super::pace::Pace;
use crate::host;
use crate::time::{Millis, Span};
use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A request's body: the visitor's, streamed; one that was read already; or none.
pub struct RequestBody {
    incoming: Option<Incoming>,
    read: Option<Bytes>,
    /// It came over HTTP/2, which says where a body ends and nothing else does.
    http2: bool,
    progress: Arc<Progress>,
}

impl RequestBody {
    /// The visitor's body, which came over `version`; whoever sends it more slowly than `pace` bears
    /// is taken to have gone.
    pub fn streamed(incoming: Incoming, version: Version, pace: Pace) -> RequestBody {
        RequestBody {
            http2: version == Version::HTTP_2,
            progress: Arc::new(Progress::new(incoming.is_end_stream(), pace)),
            incoming: Some(incoming),
            read: None,
        }
    }

    /// A body that was read already, to be sent as it came.
    pub fn read(bytes: Bytes) -> RequestBody {
        RequestBody {
            progress: Arc::new(Progress::new(bytes.is_empty(), Pace::new(Span::ZERO, 1))),
            incoming: None,
            http2: false,
            read: Some(bytes).filter(|bytes| !bytes.is_empty()),
        }
    }

    /// No body.
    pub fn none() -> RequestBody {
        RequestBody {
            incoming: None,
            read: None,
            http2: false,
            progress: Arc::new(Progress::new(true, Pace::new(Span::ZERO, 1))),
        }
    }

    /// Whether it carries nothing, so that the request could be sent again.
    pub fn is_none(&self) -> bool {
        self.read.is_none() && self.incoming.as_ref().is_none_or(Body::is_end_stream)
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
pub(super) struct Progress(Mutex<State>);

struct State {
    turn: Turn,
    since: Millis,
    /// Patience with the visitor.
    pace: Pace,
    /// The rest is not wanted any more.
    cut: bool,
    /// Of whoever waits for the visitor.
    waker: Option<Waker>,
}

impl Progress {
    fn new(ended: bool, pace: Pace) -> Progress {
        Progress(Mutex::new(State {
            turn: if ended { Turn::Answer } else { Turn::Server },
            since: Millis::default(),
            pace,
            cut: false,
            waker: None,
        }))
    }

    /// Whether the whole body was handed on.
    pub fn ended(&self) -> bool {
        self.lock().turn == Turn::Answer
    }

    /// Since when the server has had the whole body; nothing if it has not.
    pub fn handed_on(&self) -> Option<Millis> {
        let state = self.lock();
        (state.turn == Turn::Answer).then_some(state.since)
    }

    /// The request is being sent: from now on somebody is waited for.
    pub fn begin(&self, now: Millis) {
        self.lock().since = now;
    }

    /// What is still to come of the body is not wanted: its connection is closed.
    pub fn cut(&self) {
        let mut state = self.lock();
        state.cut = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// How long to wait before looking again, with `patience` for the server; or, when somebody
    /// has let us wait for too long, whose fault that is.
    pub fn wait(&self, patience: Span, now: Millis) -> Result<Span, Failure> {
        let mut state = self.lock();
        if state.turn == Turn::Visitor {
            let until = state.pace.wait(now).ok_or(Failure::Left)?;
            return Ok(until.since(now).min(patience));
        }
        let left = (state.since + patience).since(now);
        if left == Span::ZERO {
            return Err(Failure::Slow);
        }
        // The turn may change meanwhile, to one that lasts less long; the last one does not.
        Ok(match state.turn {
            Turn::Answer => left,
            _ => left.min(state.pace.most()),
        })
    }

    /// What the visitor's body has just said, `bytes` of it new; whether more of it is still
    /// wanted.
    fn polled<T>(
        &self,
        polled: &Poll<Option<T>>,
        bytes: usize,
        ended: bool,
        context: &Context<'_>,
        now: impl FnOnce() -> Millis,
    ) -> bool {
        let mut state = self.lock();
        let turn = match polled {
            _ if ended => Turn::Answer,
            Poll::Pending => Turn::Visitor,
            Poll::Ready(_) => Turn::Server,
        };
        // To be asked again without anything new is no progress.
        if turn != state.turn || turn == Turn::Server {
            (state.turn, state.since) = (turn, now());
            let since = state.since;
            match turn {
                Turn::Visitor => drop(state.pace.wait(since)),
                Turn::Server | Turn::Answer => state.pace.moved(bytes, || since),
            }
        }
        if polled.is_pending() {
            state.waker = Some(context.waker().clone());
        }
        !state.cut
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(read) = self.read.take() {
            let (polled, bytes) = (Poll::Ready(Some(())), read.len());
            let wanted = (self.progress).polled(&polled, bytes, true, context, host::now);
            let read = wanted.then(|| Frame::data(read));
            return Poll::Ready(Some(read.ok_or(BodyError::NotWanted)));
        }
        let http2 = self.http2;
        let Some(incoming) = self.incoming.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = match Pin::new(&mut *incoming).poll_frame(context) {
            Poll::Ready(None) if http2 && !incoming.is_end_stream() => broken_off(),
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => {
                match http2 && frame.trailers_ref().is_some_and(has_blanks) {
                    true => broken_off(),
                    false => Poll::Ready(None),
                }
            }
            polled => polled.map_err(BodyError::Broken),
        };
        let ended = matches!(polled, Poll::Ready(None)) || incoming.is_end_stream();
        let bytes = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        if !(self.progress).polled(&polled, bytes, ended, context, host::now) {
            return Poll::Ready(Some(Err(BodyError::NotWanted)));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.incoming, &self.read) {
            (Some(incoming), _) => incoming.size_hint(),
            (None, read) => SizeHint::with_exact(read.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

fn broken_off() -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    Poll::Ready(Some(Err(BodyError::BrokenOff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Span = Span::secs(30);
    /// What a frame has: enough to pay for any wait.
    const BYTES: usize = 1 << 20;
    const PATIENCE: Span = Span::secs(60);

    fn polled(body: &Progress, polled: Poll<Option<()>>, ended: bool, now: Millis) -> bool {
        body.polled(
            &polled,
            BYTES,
            ended,
            &Context::from_waker(Waker::noop()),
            || now,
        )
    }

    #[test]
    fn patience_for_the_answer_begins_when_the_body_has_ended() {
        let body = Progress::new(false, Pace::new(STALL, 500));
        body.begin(Millis(0));
        let mut now = Millis(0);
        for _ in 0..100 {
            now = now + Span::secs(29);
            polled(&body, Poll::Ready(Some(())), false, now);
            polled(&body, Poll::Pending, false, now);
            assert_eq!(body.wait(PATIENCE, now + Span::secs(29)), Ok(Span::secs(1)));
        }
        polled(&body, Poll::Ready(None), true, now);
        assert!(body.ended());
        assert_eq!(body.wait(PATIENCE, now), Ok(PATIENCE));
        assert_eq!(body.wait(PATIENCE, now + PATIENCE), Err(Failure::Slow));
    }

    #[test]
    fn a_visitor_who_stands_still_has_left() {
        let body = Progress::new(false, Pace::new(STALL, 500));
        body.begin(Millis(0));
        polled(&body, Poll::Pending, false, Millis(1));
        // Asked again and again, without a byte.
        polled(&body, Poll::Pending, false, Millis(20_000));
        assert_eq!(body.wait(PATIENCE, Millis(30_000)), Ok(Span(1)));
        assert_eq!(body.wait(PATIENCE, Millis(30_001)), Err(Failure::Left));
    }

    #[test]
    fn a_server_that_takes_no_more_of_the_body_is_slow() {
        let body = Progress::new(false, Pace::new(STALL, 500));
        body.begin(Millis(0));
        polled(&body, Poll::Ready(Some(())), false, Millis(5));
        assert_eq!(body.wait(PATIENCE, Millis(60_004)), Ok(Span(1)));
        assert_eq!(body.wait(PATIENCE, Millis(60_005)), Err(Failure::Slow));
    }

    #[test]
    fn point_14_what_is_not_wanted_any_more_is_cut() {
        let body = Progress::new(false, Pace::new(STALL, 500));
        assert!(polled(&body, Poll::Pending, false, Millis(1)));
        body.cut();
        assert!(!polled(&body, Poll::Pending, false, Millis(2)));
    }

    #[test]
    fn nobody_is_asked_again_and_again_for_a_body_that_is_none() {
        let progress = RequestBody::none().progress();
        progress.begin(Millis(5));
        assert_eq!(progress.wait(PATIENCE, Millis(5)), Ok(PATIENCE));
    }

    #[test]
    fn a_body_that_comes_drop_by_drop_is_not_waited_for_for_ever() {
        let body = Progress::new(false, Pace::new(STALL, 500));
        body.begin(Millis(0));
        let mut now = Millis(0);
        let ended = loop {
            let context = Context::from_waker(Waker::noop());
            body.polled::<()>(&Poll::Pending, 0, false, &context, || now);
            now = now + Span::secs(20);
            if let Err(failure) = body.wait(PATIENCE, now) {
                break failure;
            }
            body.polled(&Poll::Ready(Some(())), 1, false, &context, || now);
            assert!(now < Millis(120_000), "not for ever");
        };
        assert_eq!(ended, Failure::Left);
    }
}
