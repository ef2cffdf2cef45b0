//! Whether each answer begins where it should.
//!
//! hyper forgives empty lines before a status line. They belong to no answer, so whoever sends them
//! has lost count of what is whose (a length that was one line too short, a script that says a
//! line too much), and the next answer may be somebody else's. The answer itself is good: it goes
//! to the visitor. But its connection is not used again.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes before the first digit of a status: `HTTP/1.1 `.
const BEFORE_STATUS: u8 = 9;
/// In the head of an interim answer; another answer follows its end.
const INTERIM: u8 = 10;
/// The same, at the beginning of a line.
const INTERIM_LINE: u8 = 11;
/// Nothing is looked for: what comes belongs to an answer that has begun well.
const BEGUN: u8 = 12;
/// An answer has begun with something else.
const ODD: u8 = 13;

/// Where the answers on one connection begin, as far as it has been read. Below
/// [`BEFORE_STATUS`]: so many bytes of a status line have come.
#[derive(Clone)]
pub struct Beginning(Arc<AtomicU8>);

/// A connection whose answers are looked at.
pub struct Watched<S> {
    stream: S,
    beginning: Beginning,
}

impl Beginning {
    /// Of a new connection.
    pub fn new() -> Beginning {
        Beginning(Arc::new(AtomicU8::new(BEGUN)))
    }

    /// A request is sent: the next byte begins an answer.
    pub fn awaited(&self) {
        if !self.is_odd() {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// Whether an answer has begun with what belongs to none.
    pub fn is_odd(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ODD
    }

    /// These have come.
    fn heard(&self, bytes: &[u8]) {
        let mut at = self.0.load(Ordering::Relaxed);
        for &byte in bytes {
            at = match (at, byte) {
                (BEGUN | ODD, _) => break,
                (0, b'H') => 1,
                (0, _) => ODD,
                (BEFORE_STATUS, b'1') => INTERIM,
                (BEFORE_STATUS, _) => BEGUN,
                (..BEFORE_STATUS, _) => at + 1,
                (INTERIM_LINE, b'\r') => INTERIM_LINE,
                (INTERIM_LINE, b'\n') => 0,
                (_, b'\n') => INTERIM_LINE,
                (_, _) => INTERIM,
            };
        }
        self.0.store(at, Ordering::Relaxed);
    }
}

impl<S> Watched<S> {
    /// `stream`, looked at by `beginning`.
    pub fn new(stream: S, beginning: Beginning) -> Watched<S> {
        Watched { stream, beginning }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(new) = buffer.filled().get(before..) {
            self.beginning.heard(new);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 200 OK\r\n\r\n\r\n\nbody";
    const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";

    fn is_odd(heard: &str, piece: usize) -> bool {
        let beginning = Beginning::new();
        beginning.awaited();
        heard
            .as_bytes()
            .chunks(piece)
            .for_each(|it| beginning.heard(it));
        beginning.is_odd()
    }

    #[test]
    fn point_19_an_answer_begins_with_its_status_line_and_nothing_before() {
        let interim = format!("{EARLY}HTTP/1.1 100 Continue\n\n{GOOD}");
        for piece in [1, 3, 1_000] {
            for good in [GOOD, &interim, "HTTP/1.0 404 \r\n\r\n", EARLY, ""] {
                assert!(!is_odd(good, piece), "{good:?} by {piece}");
            }
            for before in ["\r\n", "\n", "\r", " ", "x"] {
                let odd = format!("{before}{GOOD}");
                assert!(is_odd(&odd, piece), "{odd:?} by {piece}");
                let odd = format!("{EARLY}{before}{GOOD}");
                assert!(is_odd(&odd, piece), "{odd:?} by {piece}");
            }
        }
    }

    #[test]
    fn what_was_odd_once_stays_odd() {
        let beginning = Beginning::new();
        beginning.heard(b"\r\n");
        assert!(!beginning.is_odd(), "nothing was asked");
        beginning.awaited();
        beginning.heard(b"\r\nHTTP/1.1 200 OK\r\n\r\n");
        beginning.awaited();
        beginning.heard(b"HTTP/1.1 200 OK\r\n\r\n");
        assert!(beginning.is_odd());
    }
}
