//! Patience with visitors who do not take their answer, over HTTP/2.
//!
//! An answer holds a slot of the portal until the visitor has taken it. Over HTTP/1.1 the kernel
//! sees when nothing is taken; over HTTP/2 a visitor can keep the connection alive and just not
//! open the window of one answer (RFC 9113 §5.2). So a body is handed on in pieces, and a request
//! whose pieces are taken too slowly is dropped. What counts is the visitor's time alone:
//! while the portal has the word, or the answer has not begun, nothing is counted; nor while the
//! whole connection takes nothing, with which [`super::link`] has patience.

use super::body::Body;
use super::link::Jam;
use crate::host;
use crate::time::{Millis, Span};
use crate::upstream::{BodyError, Pace};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Bytes of a piece: even over a very slow link one is taken in seconds.
const PIECE_MAX: usize = 16 * 1024;

tokio::task_local! {
    /// The request that this task answers.
    static TAKING: Arc<Taking>;
}

/// How far a visitor has come with an answer.
struct Taking {
    turn: Mutex<Turn>,
    /// Of the connection that it goes over.
    jam: Arc<Jam>,
}

struct Turn {
    pace: Pace,
    /// It is the visitor that is waited for.
    visitors: bool,
    /// For how long the connection had taken nothing when this was last looked at.
    jammed: Span,
}

impl Taking {
    /// The visitor has taken `bytes`, and has the word.
    fn visitor(&self, bytes: usize) {
        let now = host::now();
        let mut turn = self.turn();
        self.excuse(&mut turn, now);
        turn.pace.moved(bytes, || now);
        turn.visitors = true;
        turn.pace.wait(now);
    }

    /// The visitor has taken `bytes`, and somebody else is waited for.
    fn elsewhere(&self, bytes: usize) {
        let now = host::now();
        let mut turn = self.turn();
        self.excuse(&mut turn, now);
        turn.pace.moved(bytes, || now);
        turn.visitors = false;
    }

    /// While the connection takes nothing, no answer on it can be taken.
    fn excuse(&self, turn: &mut Turn, now: Millis) {
        let jammed = self.jam.lasted(now);
        let before = std::mem::replace(&mut turn.jammed, jammed);
        turn.pace.excuse(Span(jammed.0.saturating_sub(before.0)));
    }

    /// Returns when the visitor has been too slow (seen up to twice as late).
    async fn stalled(&self) {
        loop {
            let pause = {
                let mut turn = self.turn();
                let now = host::now();
                self.excuse(&mut turn, now);
                match turn.visitors {
                    true => match turn.pace.wait(now) {
                        Some(until) => until.since(now),
                        None => return,
                    },
                    false => turn.pace.most(),
                }
            };
            tokio::time::sleep(pause.into()).await;
        }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `request` to its end, or until the visitor has been slower with it than `pace` bears,
/// without the time of `jam`.
pub async fn bounded(request: impl Future<Output = ()>, pace: Pace, jam: Arc<Jam>) {
    let turn = Mutex::new(Turn {
        pace,
        visitors: false,
        jammed: jam.lasted(host::now()),
    });
    let taking = Arc::new(Taking { turn, jam });
    let request = TAKING.scope(taking.clone(), request);
    tokio::select! {
        biased;
        () = request => {}
        () = taking.stalled() => {
            tracing::debug!("a visitor does not take an answer: it is taken back");
        }
    }
}

/// A body that tells how it is taken.
pub struct Taken {
    body: Body,
    rest: Bytes,
    /// Bytes of the piece that was handed on last.
    last: usize,
    taking: Option<Arc<Taking>>,
}

impl Taken {
    /// The body of an answer to the request of this task.
    pub fn by_this_task(body: Body) -> Taken {
        let taking = TAKING.try_with(Arc::clone).ok();
        // The head is on its way.
        taking.iter().for_each(|taking| taking.visitor(0));
        Taken {
            body,
            rest: Bytes::new(),
            last: 0,
            taking,
        }
    }

    /// The next piece of what is here already.
    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE_MAX);
        Frame::data(self.rest.split_to(length))
    }
}

impl http_body::Body for Taken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let taken = &mut *self;
        let polled = match taken.rest.is_empty() {
            false => Poll::Ready(Some(Ok(taken.piece()))),
            true => match Pin::new(&mut taken.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                    Ok(data) => {
                        taken.rest = data;
                        taken.piece()
                    }
                    Err(trailers) => trailers,
                }))),
                other => other,
            },
        };
        // Whoever asks for a piece has taken the one before.
        let before = std::mem::take(&mut taken.last);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            taken.last = frame.data_ref().map_or(0, Bytes::len);
        }
        if let Some(taking) = &taken.taking {
            match polled.is_ready() {
                true => taking.visitor(before),
                false => taking.elsewhere(before),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use std::future::poll_fn;

    use std::time::Duration;

    const MOST: Duration = Duration::from_millis(50);

    async fn take(body: &mut Taken) -> Option<usize> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        frame.map(|frame| frame.unwrap().into_data().unwrap().len())
    }

    #[tokio::test]
    async fn a_body_is_handed_on_in_pieces() {
        let mut body = Taken::by_this_task(Body::ours(vec![7; PIECE_MAX * 2 + 1]));
        let mut pieces = Vec::new();
        while !body.is_end_stream() {
            let left = body.size_hint().exact().unwrap() as usize;
            let taken: usize = pieces.iter().sum();
            assert_eq!(left + taken, PIECE_MAX * 2 + 1);
            pieces.extend(take(&mut body).await);
        }
        assert_eq!(pieces, [PIECE_MAX, PIECE_MAX, 1]);
    }

    #[tokio::test]
    async fn only_the_visitor_s_own_time_counts() {
        let (said, saying) = tokio::sync::oneshot::channel();
        // A portal that takes longer is waited for.
        let slow = async {
            tokio::time::sleep(MOST * 5).await;
            let mut body = Taken::by_this_task(Body::ours("words"));
            take(&mut body).await;
            said.send(()).unwrap();
            std::future::pending().await
        };
        tokio::time::timeout(
            MOST * 200,
            bounded(slow, Pace::new(MOST.into(), 1), Arc::default()),
        )
        .await
        .expect("a visitor who takes nothing is not");
        saying.await.expect("the answer had begun");
    }
}
