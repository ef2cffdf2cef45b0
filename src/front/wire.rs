//! The visitor's socket, with three things that hyper does not know, and a limit to patience.
//!
//! *Words*: hyper answers what is not HTTP with a bare status. Such an answer is known by its
//! exact form, at a moment when no answer of ours is under way, and goes out with a page.
//!
//! *A soft close*: closing a socket while bytes of the visitor are unread makes the kernel send
//! a reset, which can destroy the answer that is still on its way (RFC 9112 §9.6). So after our
//! last byte we read on for a moment.
//!
//! *Our version*: to a request by HTTP/1.0 hyper answers as HTTP/1.0, which we are not (RFC 9112
//! §2.3). The first bytes of such an answer are its version; they are written anew. hyper sends
//! nothing in it that HTTP/1.0 does not know.
//!
//! *Patience*: an answer holds a slot of the portal until the visitor has taken it. Whoever takes
//! nothing for [`STALL_MAX`] is disconnected by the kernel, which sees progress byte by byte where
//! we would see it by the buffer.

use super::page::{Lang, Pages, RefusalKind, RefusalView};
use super::stream::Stream;
use http::{StatusCode, Version};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long we read on after our last byte.
const LINGER: Duration = Duration::from_secs(5);
/// Bytes read on at most: a refused upload is to hear why.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// A visitor who takes no byte of an answer for this long is let go.
const STALL_MAX: Duration = Duration::from_secs(60);

/// Bytes of hyper's bare answers at most.
const BARE_MAX: usize = 256;

/// The visitor's socket.
pub struct Wire {
    stream: Stream,
    pages: Arc<[Words; 3]>,
    state: Arc<State>,
    /// Words that go out before anything else.
    words: Option<(bytes::Bytes, usize)>,
    lingering: Option<Pin<Box<Sleep>>>,
    lingered: usize,
}

/// Nothing of ours is under way: what is written now is hyper's.
const IDLE: u8 = 0;
/// An answer is under way.
const ANSWERING: u8 = 1;
/// An answer has ended, and its last bytes may not have gone out yet.
const ENDED: u8 = 2;
/// The wire is a tunnel for good.
const TUNNEL: u8 = 3;

/// What hyper writes first in an answer to an old request, and what goes out instead.
const OLD: &[u8] = b"HTTP/1.0 ";
const OURS: &[u8] = b"HTTP/1.1 ";

/// What goes on on a wire.
#[derive(Default)]
struct State {
    phase: AtomicU8,
    /// The next bytes are the beginning of an answer to a request by HTTP/1.0.
    old: AtomicBool,
}

/// What a wire carries, as the service that answers on it sees it.
#[derive(Clone)]
pub struct Mark(Arc<State>);

/// Held while an answer of ours is under way.
pub struct Busy(Arc<State>);

/// An answer with words for one of hyper's bare ones.
pub struct Words {
    status: StatusCode,
    answer: bytes::Bytes,
}

impl Words {
    /// The whole answer, head and page.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }
}

impl Wire {
    pub fn new(stream: Stream, pages: Arc<[Words; 3]>) -> Wire {
        bound_stalls(&stream, STALL_MAX);
        Wire {
            stream,
            pages,
            state: Arc::default(),
            words: None,
            lingering: None,
            lingered: 0,
        }
    }

    /// The mark that the service sets while it answers.
    pub fn mark(&self) -> Mark {
        Mark(self.state.clone())
    }

    fn words_for(&self, bare: &[u8]) -> Option<bytes::Bytes> {
        let bare_form =
            bare.len() < BARE_MAX && bare.starts_with(b"HTTP/1.1 4") && bare.ends_with(b"\r\n\r\n");
        if !bare_form || self.state.phase.load(Ordering::Relaxed) != IDLE {
            return None;
        }
        let status = StatusCode::from_bytes(bare.get(9..12)?).ok()?;
        let words = self.pages.iter().find(|words| words.status == status)?;
        Some(words.answer.clone())
    }

    /// Writes what is left of the words.
    fn poll_words(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((answer, sent)) = &mut self.words {
            if *sent == answer.len() {
                self.words = None;
                break;
            }
            let wrote = Pin::new(&mut self.stream).poll_write(context, &answer[*sent..]);
            *sent += ready!(wrote)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if sleep.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                _ => return Poll::Ready(()),
            }
            if self.lingered > LINGER_BYTES {
                return Poll::Ready(());
            }
        }
    }
}

impl Mark {
    /// An answer begins, to a request by `version`.
    pub fn begin(&self, version: Version) -> Busy {
        // If the wire is not idle, bytes of the answer before may go out first.
        let idle = self.0.phase.swap(ANSWERING, Ordering::Relaxed) == IDLE;
        let old = idle && version < Version::HTTP_11;
        self.0.old.store(old, Ordering::Relaxed);
        Busy(self.0.clone())
    }
}

impl Busy {
    /// The wire becomes a tunnel: nothing on it will ever be an answer again.
    pub fn for_good(self) {
        self.0.phase.store(TUNNEL, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // The answer may still be in hyper's buffer: the wire is idle once that is flushed.
        step(&self.0, ANSWERING, ENDED);
    }
}

fn step(state: &State, from: u8, to: u8) {
    // Another phase than `from` stays as it is.
    let relaxed = Ordering::Relaxed;
    let _ = state.phase.compare_exchange(from, to, relaxed, relaxed);
}

/// Has the kernel end the connection when data stays untaken for `most` (RFC 5482).
fn bound_stalls(stream: &Stream, most: Duration) {
    if let Err(error) = stream.socket().set_tcp_user_timeout(Some(most)) {
        tracing::debug!(%error, "a visitor's connection has no bound for stalls");
    }
}

/// The answers for 400, 414 and 431, whole. In both languages' stead: whoever sends what is not
/// HTTP has not told us a language.
pub fn words(pages: &Pages) -> Arc<[Words; 3]> {
    let kinds = [
        RefusalKind::BadRequest,
        RefusalKind::UriTooLong,
        RefusalKind::HeadersTooLarge,
    ];
    Arc::new(kinds.map(|kind| {
        let view = RefusalView {
            kind,
            retry_after_secs: None,
            room: None,
            again: None,
        };
        let page = pages.refusal(Lang::Fr, &view);
        let status = kind.status();
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nconnection: close\r\n\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Refused"),
            page.len(),
        )
        .into_bytes();
        answer.extend_from_slice(&page);
        Words {
            status,
            answer: answer.into(),
        }
    }))
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut TokioIo::new(&mut self.stream)).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_words(context))?;
        if let Some(answer) = self.words_for(bytes) {
            self.words = Some((answer, 0));
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.state.old.swap(false, Ordering::Relaxed) && bytes.starts_with(OLD) {
            self.words = Some((bytes::Bytes::from_static(OURS), 0));
            return Poll::Ready(Ok(OLD.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_words(context))?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // hyper flushes a wire only after it has written all that it holds.
        step(&self.state, ENDED, IDLE);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(self.poll_words(context))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        if self.state.phase.load(Ordering::Relaxed) == TUNNEL {
            // The other direction goes on: what still comes is not ours to throw away.
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_linger(context));
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_words(context))?;
        match buffers {
            [only] => return self.poll_write(context, only),
            [first, ..] if self.state.old.load(Ordering::Relaxed) => {
                return self.poll_write(context, first);
            }
            _ => {}
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    async fn wire(patience: Duration) -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let visitor = TcpStream::connect(listener.local_addr().unwrap());
        let (visitor, accepted) = tokio::join!(visitor, listener.accept());
        let wire = Wire::new(Stream::Plain(accepted.unwrap().0), words(&Pages::new()));
        let bound = wire.stream.socket().tcp_user_timeout();
        assert_eq!(bound.unwrap(), Some(STALL_MAX), "every wire is bound");
        bound_stalls(&wire.stream, patience);
        (wire, visitor.unwrap())
    }

    #[tokio::test]
    async fn an_answer_that_has_ended_is_ours_until_it_is_flushed() {
        let (mut wire, _visitor) = wire(STALL_MAX).await;
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let flush = |wire: &mut Wire| {
            let mut context = Context::from_waker(std::task::Waker::noop());
            assert!(Pin::new(wire).poll_flush(&mut context).is_ready());
        };
        assert!(wire.words_for(bare).is_some(), "hyper's own");
        let busy = wire.mark().begin(Version::HTTP_11);
        flush(&mut wire);
        assert!(wire.words_for(bare).is_none(), "while it is under way");
        drop(busy);
        assert!(wire.words_for(bare).is_none(), "before it went out");
        flush(&mut wire);
        assert!(wire.words_for(bare).is_some(), "after it went out");
        wire.mark().begin(Version::HTTP_11).for_good();
        flush(&mut wire);
        assert!(wire.words_for(bare).is_none(), "in a tunnel");
        assert_eq!(Arc::strong_count(&wire.state), 1, "nothing is left behind");
    }

    #[tokio::test]
    async fn a_visitor_who_takes_nothing_is_let_go() {
        let (mut wire, visitor) = wire(Duration::from_secs(1)).await;
        let chunk = vec![0; 64 * 1024];
        let send = async {
            loop {
                let write =
                    |context: &mut Context<'_>| Pin::new(&mut wire).poll_write(context, &chunk);
                if let Err(error) = std::future::poll_fn(write).await {
                    return error.kind();
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(20), send).await;
        assert_eq!(ended.expect("not for ever"), io::ErrorKind::TimedOut);
        drop(visitor);
    }
}
