//! A request's body on its way to a portal, and whom we wait for meanwhile.
//!
//! *Asked first* (`Expect: 100-continue`, RFC 9110 §10.1.1): the portal is told that the visitor
//! asks, and nothing of the body is read before it has said 100, so that a 401 or a 413 comes before
//! a large upload does. A portal that says nothing is not waited for longer than [`SILENCE_MAX`].
//!
//! *Trailers*: those that the request has announced, if they may stand there.

use super::Failure;
use super::body::{BodyError, has_blanks};
use super::pace::Pace;
use crate::host;
use crate::time::{Millis, Span};
use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// How long a visitor who asks first waits for a portal that says neither yes nor no.
const SILENCE_MAX: Span = Span::secs(1);

/// Who is told of interim answers (RFC 9110 §15.2) that nobody has asked for.
pub trait Interim: Send + Sync {
    /// There was one.
    fn told(&self, status: StatusCode, headers: &HeaderMap);
}

/// A request's body: the visitor's, streamed; one that was read already; or none.
pub struct RequestBody {
    incoming: Option<Incoming>,
    read: Option<Bytes>,
    /// It came over HTTP/2, which says where a body ends and nothing else does.
    http2: bool,
    /// Nothing of it is read before the server wants it.
    asks: bool,
    /// The trailers that are handed on.
    trailers: Vec<HeaderName>,
    progress: Arc<Progress>,
}

impl RequestBody {
    /// The visitor's body, which came over `version`; whoever sends it more slowly than `pace` bears
    /// is taken to have gone.
    pub fn streamed(incoming: Incoming, version: Version, pace: Pace) -> RequestBody {
        let new = RequestBody::new(incoming.is_end_stream(), pace);
        RequestBody {
            http2: version == Version::HTTP_2,
            incoming: Some(incoming),
            ..new
        }
    }

    /// A body that was read already, to be sent as it came.
    pub fn read(bytes: Bytes, pace: Pace) -> RequestBody {
        let ended = bytes.is_empty();
        RequestBody {
            read: (!ended).then_some(bytes),
            ..RequestBody::new(ended, pace)
        }
    }

    /// No body.
    pub fn none() -> RequestBody {
        RequestBody::new(true, Pace::new(Span::ZERO, 1))
    }

    /// No body, for the same request once more.
    pub(super) fn none_again(&self) -> RequestBody {
        let again = RequestBody::none();
        match &self.progress.interim {
            Some(interim) => again.telling(interim.clone()),
            None => again,
        }
    }

    fn new(ended: bool, pace: Pace) -> RequestBody {
        RequestBody {
            incoming: None,
            read: None,
            http2: false,
            asks: false,
            trailers: Vec::new(),
            progress: Arc::new(Progress::new(ended, pace)),
        }
    }

    /// The same, of which the server is asked whether it wants it. It must be told so by a field.
    pub fn asking_first(mut self) -> RequestBody {
        self.asks = true;
        self.progress.lock().held = true;
        self
    }

    /// The same with these trailers.
    pub fn with_trailers(self, trailers: Vec<HeaderName>) -> RequestBody {
        RequestBody { trailers, ..self }
    }

    /// The same with somebody who is told of interim answers.
    pub fn telling(mut self, interim: Arc<dyn Interim>) -> RequestBody {
        let progress = Arc::get_mut(&mut self.progress);
        let progress = progress.expect("a body that is being made is nobody else's");
        progress.interim = Some(interim);
        self
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

/// How far a request's body has come, and what the server says meanwhile.
pub(super) struct Progress {
    state: Mutex<State>,
    interim: Option<Arc<dyn Interim>>,
}

struct State {
    turn: Turn,
    since: Millis,
    /// Patience with the visitor.
    pace: Pace,
    /// The rest is not wanted any more.
    cut: bool,
    /// The server was asked whether it wants it, and has not said so.
    held: bool,
    /// Of whoever waits for the visitor.
    waker: Option<Waker>,
}

impl Progress {
    fn new(ended: bool, pace: Pace) -> Progress {
        Progress {
            state: Mutex::new(State {
                turn: if ended { Turn::Answer } else { Turn::Server },
                since: Millis::default(),
                pace,
                cut: false,
                held: false,
                waker: None,
            }),
            interim: None,
        }
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
        state.wake();
    }

    /// The server wants the body, or cannot be asked.
    pub fn wanted(&self) {
        let mut state = self.lock();
        state.held = false;
        state.wake();
    }

    /// Whether the server was asked and has not said yes.
    pub fn is_held(&self) -> bool {
        self.lock().held
    }

    /// Whether anybody wants to know of interim answers.
    pub fn listens(&self) -> bool {
        self.interim.is_some() || self.is_held()
    }

    /// The server has given an interim answer. A 100 is told to whoever asked, in another way.
    pub fn told(&self, status: StatusCode, headers: &HeaderMap, asked: bool) {
        match (&self.interim, status) {
            (_, StatusCode::CONTINUE) if asked => self.wanted(),
            (_, StatusCode::SWITCHING_PROTOCOLS) | (None, _) => {}
            (Some(interim), _) => interim.told(status, headers),
        }
    }

    /// Ready when the body may be read.
    fn poll_wanted(&self, context: &Context<'_>) -> Poll<Result<(), BodyError>> {
        let mut state = self.lock();
        match (state.cut, state.held) {
            (true, _) => Poll::Ready(Err(BodyError::NotWanted)),
            (false, false) => Poll::Ready(Ok(())),
            (false, true) => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// How long to wait before looking again, with `patience` for the server; or, when somebody
    /// has let us wait for too long, whose fault that is.
    pub fn wait(&self, patience: Span, now: Millis) -> Result<Span, Failure> {
        let mut state = self.lock();
        if state.held {
            let left = (state.since + SILENCE_MAX).since(now);
            if left > Span::ZERO {
                return Ok(left.min(patience));
            }
            state.held = false;
            state.wake();
        }
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
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
        if self.asks {
            match ready!(self.progress.poll_wanted(context)) {
                Ok(()) => self.asks = false,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let body = &mut *self;
        let Some(incoming) = body.incoming.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = match Pin::new(&mut *incoming).poll_frame(context) {
            Poll::Ready(None) if body.http2 && !incoming.is_end_stream() => broken_off(),
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => {
                match frame.into_trailers().unwrap_or_default() {
                    trailers if body.http2 && has_blanks(&trailers) => broken_off(),
                    trailers => Poll::Ready(announced(&trailers, &body.trailers).map(Ok)),
                }
            }
            polled => polled.map_err(BodyError::Broken),
        };
        let bytes = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map(Bytes::len),
            _ => Some(0),
        };
        // Nothing comes behind trailers.
        let last = matches!(polled, Poll::Ready(None)) || bytes.is_none();
        let (ended, bytes) = (last || incoming.is_end_stream(), bytes.unwrap_or(0));
        if !(body.progress).polled(&polled, bytes, ended, context, host::now) {
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

/// Of these trailers those that were announced, if there are any.
fn announced(trailers: &HeaderMap, names: &[HeaderName]) -> Option<Frame<Bytes>> {
    let mut kept = HeaderMap::new();
    for name in names {
        for value in trailers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    (!kept.is_empty()).then(|| Frame::trailers(kept))
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
    fn point_15_a_portal_that_is_asked_first_is_not_waited_for_for_ever() {
        let body = Progress::new(false, Pace::new(STALL, 500));
        body.lock().held = true;
        body.begin(Millis(0));
        let context = Context::from_waker(Waker::noop());
        assert!(body.poll_wanted(&context).is_pending());
        assert_eq!(body.wait(PATIENCE, Millis(0)), Ok(SILENCE_MAX));
        body.told(StatusCode::CONTINUE, &HeaderMap::new(), true);
        assert!(body.poll_wanted(&context).is_ready());
        body.lock().held = true;
        body.wait(PATIENCE, Millis(0) + SILENCE_MAX).unwrap();
        assert!(body.poll_wanted(&context).is_ready());
        body.lock().held = true;
        body.cut();
        let cut = body.poll_wanted(&context);
        assert!(matches!(cut, Poll::Ready(Err(BodyError::NotWanted))));
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
