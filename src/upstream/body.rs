//! Bodies on their way to and from a portal, and what is held until they end.
//!
//! *Trailers* (RFC 9110 §6.5) go on without the fields that frame a message, route it, or say who
//! somebody is: those of an answer to visitors who asked for them, those of a request if it has
//! announced them.

use super::Portal;
use super::answer;
use super::pool::Sender;
use super::slots::Slot;
use super::taken::{Reader, Readers};
use super::upload::Progress;
use crate::time::Span;
use bytes::Bytes;
use http::header::{
    ALT_SVC, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    MAX_FORWARDS, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::time::Sleep;

/// What has no place in trailers (RFC 9110 §6.5.1): framing, routing, authentication, and whatever
/// must be known before the body.
const NOT_IN_TRAILERS: [HeaderName; 22] = [
    ALT_SVC,
    AUTHORIZATION,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    FORWARDED,
    HOST,
    MAX_FORWARDS,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    VIA,
    WWW_AUTHENTICATE,
];

/// Why a body did not come to its end.
#[derive(Debug)]
pub enum BodyError {
    /// The connection that it came over broke, or it was not HTTP.
    Broken(hyper::Error),
    /// Over HTTP/2, its stream was reset "without an error" before its end, which hyper takes for
    /// the end; or its trailers are malformed.
    BrokenOff,
    /// Nothing came for too long.
    Stalled,
    /// The server has answered without waiting for the end.
    NotWanted,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Broken(error) => error.fmt(f),
            BodyError::BrokenOff => f.write_str("the body broke off"),
            BodyError::Stalled => f.write_str("the body stood still for too long"),
            BodyError::NotWanted => f.write_str("the server has answered already"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Broken(error) => Some(error),
            BodyError::BrokenOff | BodyError::Stalled | BodyError::NotWanted => None,
        }
    }
}

/// Whether a field may stand in trailers.
pub fn is_trailer(name: &HeaderName) -> bool {
    !NOT_IN_TRAILERS.contains(name) && !name.as_str().starts_with("x-forwarded-")
}

/// Whether a value has white space around it, which HTTP/2 takes for malformed (RFC 9113 §8.2.1).
pub fn has_blanks(headers: &HeaderMap) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let mut values = headers.values().map(HeaderValue::as_bytes);
    values.any(|value| is_blank(value.first()) || is_blank(value.last()))
}

/// What an answer holds until its body has ended: the slot, and the connection, which goes back
/// to the pool only if both bodies ended well.
pub(super) struct Lease {
    pub portal: Arc<Portal>,
    /// None once the answer has become a long one.
    pub slot: Option<Slot>,
    /// Where slow readers are looked for, and this one as soon as a piece is not the last.
    pub readers: Arc<Readers>,
    pub reader: Option<Arc<Reader>>,
    pub sender: Sender,
    /// The connection may be used again.
    pub keep: bool,
    pub request: Arc<Progress>,
}

/// A portal's answer. Dropping it early closes the connection to the portal.
pub struct ResponseBody {
    incoming: Incoming,
    /// It comes over HTTP/2.
    http2: bool,
    lease: Option<Box<Lease>>,
    leaves_upload: bool,
    empty: bool,
    trailers: bool,
    /// How long the server may say nothing.
    patience: Span,
    silence: Option<Pin<Box<Sleep>>>,
    /// The server is silent since `silence` was set.
    silent: bool,
    /// Seconds that such an answer takes with little to do.
    usual: Option<f64>,
}

impl ResponseBody {
    pub(super) fn new(answer: http::Response<Incoming>, mut lease: Lease) -> http::Response<Self> {
        lease.keep &= answer::keeps_connection(&answer);
        let http2 = answer.version() == Version::HTTP_2;
        answer.map(|incoming| {
            let mut body = ResponseBody {
                empty: incoming.is_end_stream(),
                patience: lease.portal.config().response_timeout,
                incoming,
                http2,
                leaves_upload: lease.request.is_held(),
                lease: Some(Box::new(lease)),
                trailers: false,
                silence: None,
                silent: false,
                usual: None,
            };
            if body.empty {
                body.release();
            }
            body
        })
    }

    /// Whether there is nothing in it, as far as its head tells.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Whether the server has answered in place of saying that it wants the request's body.
    pub fn leaves_upload(&self) -> bool {
        self.leaves_upload
    }

    pub(super) fn usually_takes(&mut self, secs: Option<f64>) {
        self.usual = secs;
    }

    /// Seconds that such an answer takes with little to do, if that is known.
    pub fn usual(&self) -> Option<f64> {
        self.usual
    }

    /// The visitor wants its trailers.
    pub fn with_trailers(&mut self) {
        self.trailers = true;
    }

    /// It goes on for as long as the visitor stays: it holds no slot any more, and the server may
    /// be silent for `patience`.
    pub fn without_slot(&mut self, patience: Span) {
        self.patience = patience;
        if let Some(lease) = &mut self.lease {
            lease.slot = None;
            lease.reader = None;
        }
    }

    /// The visitor has taken what there was, and asks for more.
    fn asked(&mut self) {
        let Some(lease) = &mut self.lease else {
            return;
        };
        if let Some(reader) = &lease.reader {
            reader.waits_for_portal();
        }
    }

    /// The visitor has something to take.
    fn given(&mut self) {
        let Some(lease) = &mut self.lease else {
            return;
        };
        if let Some(slot) = lease.slot.take() {
            lease.reader = Some(lease.readers.enter(slot));
        }
        if let Some(reader) = &lease.reader {
            reader.takes();
        }
    }

    /// The body has ended well: slot and connection are free for the next.
    fn release(&mut self) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        if !lease.request.ended() {
            // The server has said all it will say; to go on sending is a waste.
            lease.request.cut();
        } else if lease.keep {
            lease.sender.put_back();
        }
    }

    /// Ready when the server has been silent for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience.into();
        let silence = match &mut self.silence {
            Some(silence) => {
                if !self.silent {
                    silence.set(tokio::time::sleep(patience));
                }
                silence
            }
            none => none.insert(Box::pin(tokio::time::sleep(patience))),
        };
        self.silent = true;
        silence.as_mut().poll(context)
    }

    /// The body has broken off.
    fn count(&self, error: &BodyError) {
        if let Some(lease) = &self.lease {
            let counts = &lease.portal.counts;
            let counter = match error {
                BodyError::Stalled => &counts.timeouts,
                BodyError::Broken(_) | BodyError::BrokenOff | BodyError::NotWanted => {
                    &counts.broken
                }
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.asked();
        let polled = match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Pending => {
                ready!(self.poll_silence(context));
                Some(Err(BodyError::Stalled))
            }
            Poll::Ready(None) if self.http2 && !self.incoming.is_end_stream() => {
                Some(Err(BodyError::BrokenOff))
            }
            Poll::Ready(polled) => polled.map(|frame| frame.map_err(BodyError::Broken)),
        };
        self.silent = false;
        if let Some(Err(error)) = &polled {
            self.count(error);
        }
        let last = match &polled {
            None => true,
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) => false,
        };
        if last || self.incoming.is_end_stream() {
            self.release();
        } else {
            self.given();
        }
        Poll::Ready(polled.and_then(|frame| {
            match frame.map(Frame::into_trailers) {
                Ok(Ok(trailers)) => self
                    .trailers
                    .then(|| Ok(Frame::trailers(allowed(trailers)))),
                Ok(Err(data)) => Some(Ok(data)),
                Err(error) => Some(Err(error)),
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Trailers without what has no place in them.
fn allowed(mut trailers: HeaderMap) -> HeaderMap {
    let names: Vec<HeaderName> = trailers.keys().cloned().collect();
    for name in names.iter().filter(|name| !is_trailer(name)) {
        trailers.remove(name);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_17_trailers_have_no_say_in_framing_routing_or_who_somebody_is() {
        let mut trailers = HeaderMap::new();
        for name in [
            "x-sum",
            "content-length",
            "set-cookie",
            "x-forwarded-for",
            "alt-svc",
        ] {
            trailers.insert(HeaderName::from_static(name), "1".parse().unwrap());
        }
        let left = allowed(trailers);
        let left: Vec<&str> = left.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-sum"]);
    }
}
