//! The visitor's socket over HTTP/1.1, with what hyper does not know: a guard, manners, patience.
//!
//! *A guard*: hyper gets one whole request at a time, after [`super::guard`] has read it; never a
//! part of a head, nor a byte of the next request while an answer is under way. Until then what
//! comes is read ahead, up to [`READ_AHEAD`], so that a visitor who leaves is seen to leave:
//! the answer is dropped, slot and server are free. Whoever sends more than that behind a request
//! has the rest of it wait in the kernel, which is asked now and then whether they are still there.
//! Who closes their sending side is taken to have left: browsers do not, and it looks like leaving.
//!
//! *Words*: what the guard refuses or what comes too slowly is told why, with a page, before the
//! connection ends; as long as nothing of another answer has gone out. So are hyper's own bare
//! answers, known by their exact form at a moment when no answer of ours is under way. Without
//! words ends a connection on which no request has begun (it is idle, or its first byte does not
//! come: browsers open such in advance and expect just that), one whose visitor has left, and
//! one whose answer was begun and is not taken: nothing could be said there.
//!
//! *Rest*: hyper holds 17 KiB for a connection, whether it is used or not, and a browser keeps
//! its connections for minutes. So a wire is without hyper until the whole head of a request is
//! here, and takes leave of it again when it has been idle for [`REST_AFTER`].
//!
//! *Our version*: to a request by HTTP/1.0 hyper answers as HTTP/1.0, which we are not (RFC 9112
//! §2.3). The first bytes of such an answer are its version; they are written anew. hyper sends
//! nothing in it that HTTP/1.0 does not know.
//!
//! *Patience*: a body that is waited for and an answer that is not taken hold a slot of the
//! portal. Whoever sends or takes too slowly, by what the kernel has seen of it ([`Counted`],
//! [`Taker`]), is taken to have left.

use super::awaited::{Awaited, Stage};
use super::clock::Clock;
use super::farewell::Farewells;
use super::guard::{Guard, TLS_HANDSHAKE, Verdict};
use super::held::Held;
use super::lingering::Lingering;
use super::mark::{self, ANSWERING, ENDED, IDLE, Mark, State, TUNNEL};
use super::page::RefusalKind;
use super::stream::Stream;
use super::taker::{Counted, Taker};
use super::watch::Watch;
use crate::config::Limits;
use crate::host;
use crate::time::Span;
use crate::upstream::Pace;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Bytes read ahead behind a request whose answer is under way.
pub const READ_AHEAD: usize = 64 * 1024;
/// A connection that has been idle for so long rests.
const REST_AFTER: Span = Span::secs(1);
/// What hyper asks for a body with.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Bytes of hyper's bare answers at most.
const BARE_MAX: usize = 256;

/// The visitor's socket.
pub struct Wire {
    stream: Stream,
    farewells: Arc<Farewells>,
    state: Arc<State>,
    guard: Guard,
    held: Held,
    clock: Clock,
    head: Awaited,
    body: Counted,
    taker: Taker,
    /// Whether the visitor is still there, while nothing of theirs is read.
    watch: Watch,
    /// hyper has let go of a tunnel.
    tunnels: bool,
    /// Its end has been said, and what still came has been read.
    shut: bool,
    /// Something of the answer to the current request has gone out.
    begun: bool,
    /// No more requests, and how that is told.
    end: Option<End>,
    /// Words that go out before anything else.
    words: Option<(bytes::Bytes, usize)>,
    lingering: Lingering,
}

/// How a connection ends that we end, as hyper sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// For hyper only: the wire rests.
    Rest,
    /// With words in place of whatever else would be said.
    Words,
    /// Without: nobody has asked for anything.
    Silent,
}

/// What hyper writes first in an answer to an old request, and what goes out instead.
const OLD: &[u8] = b"HTTP/1.0 ";
const OURS: &[u8] = b"HTTP/1.1 ";

impl Wire {
    /// A wire on which the first byte is awaited from now on.
    pub fn new(stream: Stream, farewells: Arc<Farewells>, limits: &Limits) -> Wire {
        stream.bound_stalls(Taker::longest(limits).into());
        Wire {
            stream,
            farewells,
            state: Arc::default(),
            guard: Guard::new(limits.header_bytes),
            held: Held::default(),
            clock: Clock::default(),
            head: Awaited::first(limits, host::now()),
            body: Counted::new(Pace::new(limits.body_timeout, limits.body_rate)),
            taker: Taker::new(limits),
            watch: Watch::default(),
            tunnels: false,
            shut: false,
            begun: false,
            end: None,
            words: None,
            lingering: Lingering::default(),
        }
    }

    /// The mark that the service sets while it answers.
    pub fn mark(&self) -> Mark {
        Mark::on(self.state.clone())
    }

    /// Ready when the head of a request is here; not true when none will come. What there is to
    /// say about that is said while the wire is shut down.
    pub fn poll_begun(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        loop {
            match self.sift() {
                Ok(Some(bytes)) => {
                    self.pass(bytes, true);
                    return Poll::Ready(true);
                }
                Ok(None) => {}
                Err(kind) => return self.refuse(kind).map(|_| false),
            }
            match self.held.fill(&mut self.stream, context) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending => return self.poll_patience(context),
            }
        }
    }

    /// Whether no head will come because what came is TLS.
    pub fn heard_tls(&self) -> bool {
        self.end == Some(End::Words) && self.held.bytes().first() == Some(&TLS_HANDSHAKE)
    }

    /// Ready when a head has not come in time.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let now = host::now();
        let until = self.head.until(self.held.len() > 0, now);
        if now < until {
            self.clock.wake_by(until, now, context);
            return Poll::Pending;
        }
        if self.head.stage == Stage::Begun {
            return self.refuse(RefusalKind::TooSlow).map(|_| false);
        }
        self.end = Some(End::Silent);
        Poll::Ready(false)
    }

    /// Whether it rests, now that hyper has let go of it; then it can begin anew.
    pub fn rests(&mut self) -> bool {
        self.end.take_if(|end| *end == End::Rest).is_some()
    }

    /// Whether it became a tunnel, now that hyper has let go of it; then bytes go both ways as
    /// they come.
    pub fn tunnels(&mut self) -> bool {
        self.tunnels = self.state() == TUNNEL;
        if self.tunnels {
            // Nobody bears with whoever takes nothing there.
            self.stream.bound_stalls(self.taker.unheard_max().into());
        }
        self.tunnels
    }

    fn state(&self) -> u8 {
        self.state.phase.load(Ordering::Relaxed)
    }

    /// Takes out of what is held what does not go on, and tells how much of it may; nothing if it
    /// does not tell yet.
    fn sift(&mut self) -> Result<Option<usize>, RefusalKind> {
        loop {
            match self.guard.judge(self.held.bytes())? {
                Verdict::More => return Ok(None),
                Verdict::Skip(bytes) => self.held.skip(bytes),
                Verdict::Cut(ranges) => self.held.cut(&ranges),
                Verdict::Pass(bytes) => return Ok(Some(bytes)),
            }
        }
    }

    /// A part of a request may go on to hyper.
    fn pass(&mut self, bytes: usize, was_head: bool) {
        self.held.pass(bytes);
        if was_head {
            self.begun = false;
            self.body.renew();
            self.taker.renew();
            self.head.stage = Stage::Next;
            let offers = self.guard.offers_websocket();
            self.state.websocket.store(offers, Ordering::Relaxed);
        } else {
            self.body.moved(bytes);
        }
    }

    /// Whoever is on the other end has not sent what we wait for: for how long yet?
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = host::now();
        let until = if self.guard.in_body() {
            let received = || self.stream.known().map(|known| known.received);
            match self.body.waits(now, received) {
                Some(until) => until,
                None => return self.refuse(RefusalKind::TooSlow),
            }
        } else if self.state() == IDLE {
            let until = self.head.until(self.held.len() > 0, now);
            let rest = until.min(self.head.since + REST_AFTER);
            match self.head.stage {
                Stage::Begun if now < until => until,
                Stage::Begun => return self.refuse(RefusalKind::TooSlow),
                Stage::First | Stage::Next if now < rest => rest,
                Stage::First | Stage::Next => {
                    self.end = Some(End::Rest);
                    return Poll::Ready(Ok(()));
                }
            }
        } else {
            // The portal is waited for, which is not this visitor's fault.
            return Poll::Pending;
        };
        self.clock.wake_by(until, now, context);
        Poll::Pending
    }

    /// No more of this visitor's bytes are read as requests, and words say why. To hyper this is
    /// the end of the connection, or of a body that broke off.
    fn refuse(&mut self, kind: RefusalKind) -> Poll<io::Result<()>> {
        let in_body = self.guard.in_body();
        if !(in_body && self.begun) {
            self.words = Some((self.farewells.say(kind), 0));
            self.end = Some(End::Words);
        }
        Poll::Ready(match in_body {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, kind.name())),
            false => Ok(()),
        })
    }

    /// The answer is out: the next request may come, or is here already.
    fn rest(&mut self, context: &mut Context<'_>) {
        let now = host::now();
        self.head.since = now;
        match self.held.len() {
            // hyper looks again only when it is woken.
            1.. => context.waker().wake_by_ref(),
            0 => self.clock.wake_by(now + REST_AFTER, now, context),
        }
    }

    fn words_for(&self, bare: &[u8]) -> Option<bytes::Bytes> {
        let bare_form =
            bare.len() < BARE_MAX && bare.starts_with(b"HTTP/1.1 4") && bare.ends_with(b"\r\n\r\n");
        if !bare_form || self.state() != IDLE {
            return None;
        }
        self.farewells.say_status(bare.get(9..12)?)
    }

    /// Writes what is left of the words.
    fn poll_words(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.words.is_none()
            && let Some(interim) = self.state.interims.take()
        {
            self.words = Some((interim.into(), 0));
        }
        while let Some((answer, sent)) = &mut self.words {
            if *sent == answer.len() {
                self.words = None;
                break;
            }
            match Pin::new(&mut self.stream).poll_write(context, &answer[*sent..]) {
                Poll::Ready(wrote) => *sent += wrote?,
                Poll::Pending => return self.out(Poll::Pending, context),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What became of an attempt to have everything go out that was written.
    fn out(
        &mut self,
        out: Poll<io::Result<()>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match out {
            Poll::Pending => ready!(self.poll_taken(context))?,
            Poll::Ready(_) => self.taker.pause(),
        }
        out
    }

    /// What became of an attempt to write.
    fn wrote(
        &mut self,
        wrote: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                self.begun = true;
                self.taker.wrote(bytes);
            }
            Poll::Pending => ready!(self.poll_taken(context))?,
            Poll::Ready(Err(_)) => {}
        }
        wrote
    }

    /// The visitor has to take something first: ready with an error when they have let us wait for
    /// too long.
    fn poll_taken(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state() == TUNNEL {
            return Poll::Pending;
        }
        let woken = (&mut self.clock, context);
        self.taker.poll_taken(host::now(), &self.stream, woken)
    }
}

impl Drop for Wire {
    /// An answer that ends with the connection, and was not ended, must not look as if it were.
    fn drop(&mut self) {
        if self.begun && self.state.is_cut_open() {
            self.stream.cut();
        }
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        wire.watch.reads = false;
        if wire.tunnels {
            wire.held.pass(wire.held.len());
        }
        loop {
            if wire.held.hand_over(&mut buffer) || wire.end.is_some() {
                return Poll::Ready(Ok(()));
            }
            let state = wire.state();
            if wire.tunnels {
                return Pin::new(&mut TokioIo::new(&mut wire.stream)).poll_read(context, buffer);
            }
            if state == TUNNEL {
                // What comes now is for the tunnel, once hyper has said that it is one.
                return Poll::Pending;
            }
            let in_body = wire.guard.in_body();
            if in_body || state == IDLE {
                match wire.sift() {
                    Ok(Some(bytes)) => {
                        wire.pass(bytes, !in_body);
                        continue;
                    }
                    Ok(None) => {}
                    Err(kind) => return wire.refuse(kind),
                }
            } else if wire.held.len() >= READ_AHEAD {
                return wire.watch.left(&wire.stream, &mut wire.clock, context);
            }
            match wire.held.fill(&mut wire.stream, context) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    wire.watch.reads = true;
                    return wire.wait(context);
                }
            }
        }
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_words(context))?;
        if self.end == Some(End::Words) {
            return Poll::Ready(Ok(bytes.len()));
        }
        // In one piece, for others like it may come between; it leaves the last word open.
        if bytes == INTERIM {
            self.words = Some((bytes::Bytes::from_static(INTERIM), 0));
            return Poll::Ready(Ok(bytes.len()));
        }
        if let Some(answer) = self.words_for(bytes) {
            self.words = Some((answer, 0));
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.state.old.swap(false, Ordering::Relaxed) && bytes.starts_with(OLD) {
            self.words = Some((bytes::Bytes::from_static(OURS), 0));
            self.begun = true;
            return Poll::Ready(Ok(OLD.len()));
        }
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(wrote, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_words(context))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        ready!(self.out(flushed, context))?;
        // hyper flushes a wire only after it has written all that it holds.
        if mark::step(&self.state, ENDED, IDLE) {
            self.rest(context);
        }
        let wire = &mut *self;
        if wire.state() == ANSWERING
            && !wire.watch.reads
            && let Poll::Ready(left) = wire.watch.left(&wire.stream, &mut wire.clock, context)
        {
            return Poll::Ready(left);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let handed_on = self.state() == TUNNEL && !self.tunnels;
        if self.shut || handed_on || self.end == Some(End::Rest) {
            return Poll::Ready(Ok(()));
        }
        if !self.lingering.has_begun() {
            ready!(self.poll_words(context))?;
            let shut = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.out(shut, context))?;
        }
        // In a tunnel the other direction goes on: what still comes is not ours to throw away.
        if self.end != Some(End::Silent) && self.state() != TUNNEL {
            let wire = &mut *self;
            ready!(wire.lingering.poll(&mut wire.stream, context));
        }
        self.shut = true;
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
        if self.end == Some(End::Words) {
            return Poll::Ready(Ok(buffers.iter().map(|buffer| buffer.len()).sum()));
        }
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.wrote(wrote, context)
    }
}

#[cfg(test)]
mod tests;
