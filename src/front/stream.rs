//! What a visitor's bytes come over.

use super::known::{self, Known};
use socket2::SockRef;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Bytes of an answer that the kernel holds before it sends them. (It takes what is written in one
/// call, though, and that may be four times as much.)
const UNSENT_MAX: u32 = 16 * 1024;
/// Bytes in several pieces that are copied into one: for the kernel, a list of pieces is more work than
/// the copy (of a forwarded answer of 1 KiB, 8 % of the time in all).
const JOINED_MAX: usize = 8 * 1024;

thread_local! {
    /// The pieces that this thread is joining.
    static JOINED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The visitor's bytes, whatever they come over.
pub enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// Over TLS. In a box, so that plain connections do not pay for its size.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket underneath, for its options.
    pub fn socket(&self) -> SockRef<'_> {
        match self {
            Stream::Plain(socket) => SockRef::from(socket),
            Stream::Tls(stream) => SockRef::from(stream.get_ref().0),
        }
    }
}

impl Stream {
    /// What the kernel knows of it, if it says so.
    pub fn known(&self) -> Option<Known> {
        known::ask(&*self.socket())
    }

    /// Whoever is on the other end is to see that it was cut: what is still on its way is lost, and a
    /// reset says so.
    pub fn cut(&self) {
        // If the socket is gone already, there is nobody to tell.
        let _ = self.socket().set_linger(Some(Duration::ZERO));
    }

    /// Has the kernel end the connection when data stays untaken for `most` (RFC 5482), and tell
    /// us early how much it has sent. Linux takes a visitor whose machine has no room for more for one
    /// who takes nothing, even while there is now and then a little: `most` is to allow for that.
    pub fn bound_stalls(&self, most: Duration) {
        let socket = self.socket();
        let bound = socket.set_tcp_user_timeout(Some(most));
        if let Err(error) = bound.and_then(|()| socket.set_tcp_notsent_lowat(UNSENT_MAX)) {
            tracing::debug!(%error, "a visitor's connection has no bound for stalls");
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(socket) => socket.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(socket) if length(buffers) <= JOINED_MAX => {
                joined(buffers, |all| Pin::new(socket).poll_write(context, all))
            }
            Stream::Plain(socket) => Pin::new(socket).poll_write_vectored(context, buffers),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }
}

/// What `write` does with these pieces as one.
fn joined<T>(pieces: &[IoSlice<'_>], write: impl FnOnce(&[u8]) -> T) -> T {
    JOINED.with_borrow_mut(|all| {
        all.clear();
        for piece in pieces {
            all.extend_from_slice(piece);
        }
        write(all)
    })
}

fn length(pieces: &[IoSlice<'_>]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}
