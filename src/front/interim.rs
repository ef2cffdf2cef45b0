//! Interim answers of a portal (1xx, RFC 9110 §15.2) on their way to a visitor over HTTP/1.1.
//!
//! hyper's server cannot say them. So their heads are written here, and the wire sends them before it
//! sends anything else of the answer: while one is under way hyper holds no bytes of another one,
//! for it gets a request only when the answer before is out. 100 is not among them if the visitor
//! asked for it: hyper says it when the portal wants the body. Visitors of HTTP/1.0 know none of
//! this; over HTTP/2 hyper does not let us say it.

use super::fields;
use crate::cookie;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Interim answers to one request that are passed on; further ones are left out …
const ANSWERS_MAX: usize = 8;
/// … and bytes of those that have not gone out yet.
const BYTES_MAX: usize = 16 * 1024;

/// What a wire is to say before the answer.
#[derive(Default)]
pub struct Interims {
    /// There is something: so that mostly nobody has to look.
    any: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// How many there were for this request.
    answers: usize,
    /// Of the connection.
    waker: Option<Waker>,
}

impl Interims {
    /// A request has come; `waker` is of its connection.
    pub fn begin(&self, waker: &Waker) {
        let mut queue = self.queue();
        queue.answers = 0;
        if !queue.waker.as_ref().is_some_and(|it| it.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
    }

    /// What there is to say now.
    pub fn take(&self) -> Option<Vec<u8>> {
        let any = self.any.load(Ordering::Relaxed) && self.any.swap(false, Ordering::Relaxed);
        any.then(|| std::mem::take(&mut self.queue().bytes))
    }

    /// One more.
    pub fn add(&self, status: StatusCode, headers: &HeaderMap) {
        let head = head(status, headers);
        let mut queue = self.queue();
        if queue.answers >= ANSWERS_MAX || queue.bytes.len() + head.len() > BYTES_MAX {
            return;
        }
        queue.answers += 1;
        queue.bytes.extend_from_slice(&head);
        self.any.store(true, Ordering::Relaxed);
        if let Some(waker) = &queue.waker {
            waker.wake_by_ref();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The head of one, without what would be left out of an answer; none has a body (RFC 9110 §8.6).
fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut headers = headers.clone();
    fields::strip_answer(&mut headers);
    cookie::strip_response(&mut headers);
    headers.remove(CONTENT_LENGTH);
    let reason = status.canonical_reason().unwrap_or("");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn point_16_what_has_no_place_in_an_answer_has_none_in_an_interim_one() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("link", "</a.css>; rel=preload"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "preau-ent=1"),
            ("set-cookie", "a=1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let head = head(StatusCode::EARLY_HINTS, &headers);
        let expected = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\
                        set-cookie: a=1\r\n\r\n";
        assert_eq!(String::from_utf8(head).unwrap(), expected);
    }

    #[test]
    fn point_16_interim_answers_are_bounded() {
        let interims = Interims::default();
        let none = HeaderMap::new();
        interims.begin(Waker::noop());
        assert_eq!(interims.take(), None);
        for _ in 0..100 {
            interims.add(StatusCode::PROCESSING, &none);
        }
        let one = head(StatusCode::PROCESSING, &none);
        assert_eq!(interims.take(), Some(one.repeat(ANSWERS_MAX)));
        interims.add(StatusCode::PROCESSING, &none);
        assert_eq!(interims.take(), None, "they were counted");
        interims.begin(Waker::noop());
        let mut large = HeaderMap::new();
        large.insert("link", "x".repeat(BYTES_MAX).parse().unwrap());
        interims.add(StatusCode::EARLY_HINTS, &large);
        assert_eq!(interims.take(), None, "too large");
    }
}
