//! Patience with visitors who do not take their answer, over HTTP/2.
//!
//! An answer holds a slot of the portal until the visitor has taken it. Over HTTP/1.1 the kernel
//! sees when nothing is taken; over HTTP/2 a visitor can keep the connection alive and just not
//! open the window of one answer (RFC 9113 §5.2). So a body is handed on in pieces, and a request
//! of which no piece was taken for too long is dropped. What counts is the visitor's time alone:
//! while the portal has the word, or the answer has not begun, nothing is counted.

use super::body::Body;
use crate::upstream::BodyError;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Bytes of a piece: even over a very slow link one is taken in seconds.
const PIECE_MAX: usize = 16 * 1024;

tokio::task_local! {
    /// The request that this task answers.
    static TAKING: Arc<Taking>;
}

/// How far a visitor has come with an answer.
#[derive(Default)]
struct Taking(AtomicU64);

impl Taking {
    /// It is not the visitor that is waited for.
    const ELSEWHERE: u64 = 0;

    /// The visitor has the word; `pieces` were taken before.
    fn visitor(&self, pieces: u64) {
        self.0.store(pieces + 1, Ordering::Relaxed);
    }

    fn elsewhere(&self) {
        self.0.store(Taking::ELSEWHERE, Ordering::Relaxed);
    }

    /// Returns when the visitor has taken nothing for `most` (up to twice as long).
    async fn stalled(&self, most: Duration) {
        let mut before = Taking::ELSEWHERE;
        loop {
            let now = self.0.load(Ordering::Relaxed);
            if now != Taking::ELSEWHERE && now == before {
                return;
            }
            before = now;
            tokio::time::sleep(most).await;
        }
    }
}

/// Runs `request` to its end, or until the visitor has taken nothing for `most`.
pub async fn bounded(request: impl Future<Output = ()>, most: Duration) {
    let taking = Arc::new(Taking::default());
    let request = TAKING.scope(taking.clone(), request);
    tokio::select! {
        biased;
        () = request => {}
        () = taking.stalled(most) => {
            tracing::debug!("a visitor does not take an answer: it is taken back");
        }
    }
}

/// A body that tells how it is taken.
pub struct Taken {
    body: Body,
    rest: Bytes,
    pieces: u64,
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
            pieces: 0,
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
        taken.pieces += 1;
        if let Some(taking) = &taken.taking {
            match polled.is_ready() {
                true => taking.visitor(taken.pieces),
                false => taking.elsewhere(),
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
        tokio::time::timeout(MOST * 200, bounded(slow, MOST))
            .await
            .expect("a visitor who takes nothing is not");
        saying.await.expect("the answer had begun");
    }
}
