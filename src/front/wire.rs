//! The visitor's socket, with two kindnesses that hyper does not know.
//!
//! *Words*: hyper answers what is not HTTP with a bare status. Such an answer is known by its
//! exact form, at a moment when no answer of ours is under way, and goes out with a page.
//!
//! *A soft close*: closing a socket while bytes of the visitor are unread makes the kernel send
//! a reset, which can destroy the answer that is still on its way (RFC 9112 §9.6). So after our
//! last byte we read on for a moment.

use super::page::{Lang, Pages, RefusalKind, RefusalView};
use http::StatusCode;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long we read on after our last byte.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes read on at most.
const LINGER_BYTES: usize = 256 * 1024;

/// Bytes of hyper's bare answers at most.
const BARE_MAX: usize = 256;

/// The visitor's socket.
pub struct Wire {
    socket: TcpStream,
    pages: Arc<[Words; 3]>,
    busy: Arc<AtomicBool>,
    /// Everything of the last answer was handed to the kernel.
    clean: bool,
    /// Words that go out before anything else.
    words: Option<(bytes::Bytes, usize)>,
    lingering: Option<Pin<Box<Sleep>>>,
    lingered: usize,
}

/// Held while an answer of ours is under way.
pub struct Busy(Arc<AtomicBool>);

/// An answer with words for one of hyper's bare ones.
pub struct Words {
    status: StatusCode,
    answer: bytes::Bytes,
}

impl Wire {
    pub fn new(socket: TcpStream, pages: Arc<[Words; 3]>) -> Wire {
        Wire {
            socket,
            pages,
            busy: Arc::default(),
            clean: true,
            words: None,
            lingering: None,
            lingered: 0,
        }
    }

    /// The mark that the service sets while it answers.
    pub fn busy(&self) -> Arc<AtomicBool> {
        self.busy.clone()
    }

    fn words_for(&self, bare: &[u8]) -> Option<bytes::Bytes> {
        let bare_form =
            bare.len() < BARE_MAX && bare.starts_with(b"HTTP/1.1 4") && bare.ends_with(b"\r\n\r\n");
        if !bare_form || !self.clean || self.busy.load(Ordering::Relaxed) {
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
            let wrote = Pin::new(&mut self.socket).poll_write(context, &answer[*sent..]);
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
            match ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                _ => return Poll::Ready(()),
            }
            if self.lingered > LINGER_BYTES {
                return Poll::Ready(());
            }
        }
    }
}

impl Busy {
    /// An answer begins.
    pub fn begin(mark: &Arc<AtomicBool>) -> Busy {
        mark.store(true, Ordering::Relaxed);
        Busy(mark.clone())
    }

    /// The wire becomes a tunnel: nothing on it will ever be an answer again.
    pub fn for_good(self) {
        std::mem::forget(self);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
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
        Pin::new(&mut TokioIo::new(&mut self.socket)).poll_read(context, buffer)
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
            self.clean = false;
            return Poll::Ready(Ok(bytes.len()));
        }
        self.clean = false;
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_words(context))?;
        if !self.busy.load(Ordering::Relaxed) {
            self.clean = true;
        }
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(self.poll_words(context))?;
            ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
        }
        ready!(self.poll_linger(context));
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_words(context))?;
        if let [only] = buffers {
            return self.poll_write(context, only);
        }
        self.clean = false;
        Pin::new(&mut self.socket).poll_write_vectored(context, buffers)
    }
}
