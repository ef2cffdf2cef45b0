//! A visitor's connection over which several answers go at once.
//!
//! When it takes no more, that is nobody's fault among them: patience with the connection is the
//! link's, and patience with one answer ([`super::taking`]) does not count the time meanwhile.

use super::clock::Clock;
use super::stream::Stream;
use super::taker::Taker;
use crate::config::Limits;
use crate::host;
use crate::time::{Millis, Span};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes of the connection.
pub struct Link {
    stream: Stream,
    taker: Taker,
    clock: Clock,
    jam: Arc<Jam>,
}

/// For how long, in all, a link has taken nothing.
#[derive(Default)]
pub struct Jam {
    /// Milliseconds, without what lasts.
    over: AtomicU64,
    /// Since when one lasts, in [`Millis`]; 0: none.
    since: AtomicU64,
}

impl Jam {
    /// In all, until now.
    pub fn lasted(&self, now: Millis) -> Span {
        let since = self.since.load(Ordering::Relaxed);
        let lasts = match since {
            0 => Span::ZERO,
            since => now.since(Millis(since)),
        };
        Span(self.over.load(Ordering::Relaxed)) + lasts
    }

    fn begin(&self, now: Millis) {
        if self.since.load(Ordering::Relaxed) == 0 {
            self.since.store(now.0, Ordering::Relaxed);
        }
    }

    fn end(&self) {
        if self.since.load(Ordering::Relaxed) != 0 {
            let lasted = self.lasted(host::now());
            self.over.store(lasted.0, Ordering::Relaxed);
            self.since.store(0, Ordering::Relaxed);
        }
    }
}

impl Link {
    /// Over `stream`.
    pub fn new(stream: Stream, limits: &Limits) -> Link {
        stream.bound_stalls(Taker::longest(limits).into());
        Link {
            stream,
            taker: Taker::new(limits),
            clock: Clock::default(),
            jam: Arc::default(),
        }
    }

    /// Where it is seen for how long nothing was taken.
    pub fn jam(&self) -> Arc<Jam> {
        self.jam.clone()
    }

    /// What became of an attempt to write, if `bytes` says how much was written.
    fn tried<T>(
        &mut self,
        tried: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = tried {
            self.jam.end();
            self.taker.wrote(result.as_ref().map_or(0, bytes));
            return Poll::Ready(result);
        }
        let now = host::now();
        self.jam.begin(now);
        let woken = (&mut self.clock, context);
        self.taker.poll_taken(now, &self.stream, woken)
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.tried(tried, |bytes| *bytes, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_flush(context);
        self.tried(tried, |()| 0, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_shutdown(context);
        self.tried(tried, |()| 0, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.tried(tried, |bytes| *bytes, context)
    }
}
