//! HTTP/2 with visitors (RFC 9113).
//!
//! hyper and h2 do the frames; here is what they leave to us: what they do not see of them
//! ([`super::frame_guard`]), the bounds, an end for connections that nobody uses, a drain that ends, and
//! one `Cookie` field out of the many that a browser may send (RFC 9113 §8.2.3). WebSockets are not offered (RFC 8441): browsers open them over HTTP/1.1.

use super::frame_guard::{FRAME_MAX, Frames, MARK, Verdict};
use super::handshake::Session;
use super::held::Held;
use super::link::{Jam, Link};
use super::origin::Peer;
use super::request;
use super::serve::{Phase, Reception};
use super::stream::Stream;
use super::taker::Taker;
use super::taking::{self, Taken};
use crate::time::Span;
use crate::upstream::Pace;
use http::header::{COOKIE, HeaderMap};
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::sync::watch;

/// Bytes of a body that may be under way to us for one request, and for one connection.
const STREAM_WINDOW: u32 = 64 * 1024 - 1;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of an answer that wait for the visitor, for one request.
const SEND_MAX: usize = 64 * 1024;
/// Bytes of frames that go out together: h2 writes the head of a frame and what is in it apart,
/// and each write would be a record of TLS and a call to the kernel.
const TOGETHER: usize = 8 * 1024;
/// Requests that the visitor took back before we looked at them: more end the connection
/// ("rapid reset").
const RESETS_MAX: usize = 20;
/// Requests that we took back because the visitor broke the rules ("made you reset").
const OUR_RESETS_MAX: usize = 256;
/// A visitor from whom nothing was heard is asked after this long. The question stands behind what
/// is on its way already: there is as much time for an answer as to take that.
const PING_AFTER: Duration = Duration::from_secs(20);
/// Bytes before the question that may still be on our side: frames, what TLS holds (64 KiB), and what
/// the kernel holds.
const BEFORE_PING: u64 = 192 * 1024;
/// A connection without a request is cut if it is still there this long after we have said that
/// it is closed.
const GOODBYE: Duration = Duration::from_secs(5);
/// Fields may be this many times as large as we take before h2 refuses them without words.
const WORDS_UP_TO: u32 = 2;

/// Serves a connection to its end.
pub async fn serve(reception: Arc<Reception>, stream: Stream, peer: Peer, session: Session) {
    let mut phase = reception.phase.clone();
    let limits = &reception.thread.house.config.limits;
    let idle_timeout = limits.idle_timeout.into();
    let link = Link::new(stream, limits);
    let pace = Pace::new(limits.take_timeout, limits.take_rate);
    let streams = Streams::new(pace, link.jam());
    let builder = builder(&reception, streams.clone());
    let session = Arc::new(session);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (reception, session) = (reception.clone(), session.clone());
        // A box: what follows is moved several times before it is a task.
        Box::pin(async move {
            join_crumbs(request.headers_mut());
            let response = request::answer(&reception, peer, Some(&session), request, None).await;
            Ok::<_, Infallible>(response.map(Taken::by_this_task))
        })
    });
    let together = BufWriter::with_capacity(TOGETHER, Framed::new(link));
    let connection = builder.serve_connection(TokioIo::new(together), service);
    let mut connection = std::pin::pin!(connection);
    let mut leaving = false;
    loop {
        let patience = if leaving { GOODBYE } else { idle_timeout };
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a visitor's connection broke");
                }
                return;
            }
            _ = phase.wait_for(|phase| *phase == Phase::Closing), if !leaving => {}
            // A visitor who never began HTTP/2 would never hear a goodbye, either.
            () = streams.idle(patience) => if leaving { return },
        }
        leaving = true;
        connection.as_mut().graceful_shutdown();
    }
}

fn builder(reception: &Reception, streams: Streams) -> http2::Builder<Streams> {
    let limits = &reception.thread.house.config.limits;
    let before_pong = Span::secs(BEFORE_PING / u64::from(limits.take_rate));
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_MAX)
        .max_header_list_size(header_bytes.saturating_mul(WORDS_UP_TO))
        .max_send_buf_size(SEND_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(OUR_RESETS_MAX)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout((Taker::longest(limits) + before_pong).into());
    builder
}

/// The visitor's bytes, of which each frame is looked at before h2 reads it.
struct Framed {
    stream: Link,
    frames: Frames,
    held: Held,
}

impl Framed {
    fn new(stream: Link) -> Framed {
        Framed {
            stream,
            frames: Frames::default(),
            held: Held::default(),
        }
    }
}

impl AsyncRead for Framed {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let framed = self.get_mut();
        loop {
            let room = buffer.remaining();
            if framed.held.hand_to(room, |bytes| buffer.put_slice(bytes)) || room == 0 {
                return Poll::Ready(Ok(()));
            }
            match framed.frames.judge(framed.held.bytes_mut()) {
                Verdict::Pass(bytes) => framed.held.pass(bytes),
                Verdict::Mark(place) => framed.held.insert(place, MARK),
                Verdict::More => {
                    if ready!(framed.held.fill(&mut framed.stream, context))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Framed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}

/// One `Cookie` field out of all: everybody behind us reads one.
fn join_crumbs(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    headers.insert(
        COOKIE,
        joined.expect("parts that are valid are valid together"),
    );
}

/// The requests under way over one connection: hyper hands each to this.
#[derive(Clone)]
struct Streams {
    open: Arc<watch::Sender<usize>>,
    /// Patience with a visitor who does not take an answer.
    pace: Pace,
    /// Of the connection.
    jam: Arc<Jam>,
}

/// One of them, until it has ended.
struct Open(Streams);

impl Streams {
    fn new(pace: Pace, jam: Arc<Jam>) -> Streams {
        Streams {
            open: Arc::new(watch::Sender::new(0)),
            pace,
            jam,
        }
    }

    /// Returns when there has been no request for `most`.
    async fn idle(&self, most: Duration) {
        let mut open = self.open.subscribe();
        loop {
            // The sender is ours: it cannot be gone.
            let _ = open.wait_for(|open| *open == 0).await;
            if tokio::time::timeout(most, open.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, request: F) {
        self.open.send_modify(|open| *open += 1);
        let open = Open(self.clone());
        let (pace, jam) = (self.pace, self.jam.clone());
        tokio::spawn(async move {
            // Dropping a request takes it back: its stream is reset, its slot is free.
            taking::bounded(request, pace, jam).await;
            drop(open);
        });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_are_joined_byte_for_byte() {
        let mut headers = HeaderMap::new();
        for crumb in [&b"a=1"[..], b"b=\xe9", b"c=3; d=4"] {
            headers.append(COOKIE, HeaderValue::from_bytes(crumb).unwrap());
        }
        join_crumbs(&mut headers);
        let fields: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(fields, [&b"a=1; b=\xe9; c=3; d=4"[..]]);
        join_crumbs(&mut headers);
        assert_eq!(headers.len(), 1);
    }

    #[tokio::test]
    async fn a_connection_with_a_request_is_not_idle() {
        const MOST: Duration = Duration::from_millis(50);
        let streams = Streams::new(Pace::new(MOST.into(), 1), Arc::default());
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        streams.execute(async move { drop(ended.await) });
        let idle = streams.clone();
        let mut idle = tokio::spawn(async move { idle.idle(MOST).await });
        let long = tokio::time::timeout(MOST * 5, &mut idle).await;
        assert!(long.is_err(), "a request is under way");
        end.send(()).unwrap();
        idle.await.unwrap();
        assert_eq!(*streams.open.borrow(), 0);
    }
}
