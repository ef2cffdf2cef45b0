//! Bytes of a visitor that have come and not gone on yet.
//!
//! A connection holds memory only while it holds bytes: mostly they go on in the same moment in
//! which they came, and the thread's one spare buffer serves all its connections in turn.

use hyper::rt::ReadBufCursor;
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// Bytes read at once.
const READ: usize = 16 * 1024;
/// A buffer that has grown beyond this is not kept.
const SPARE_MAX: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What is held of one connection.
#[derive(Default)]
pub struct Held {
    bytes: Vec<u8>,
    /// These have gone on.
    gone: usize,
    /// So many of the rest may go on.
    passed: usize,
}

impl Held {
    /// All that has not gone on.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    /// The same, to be changed where they stand.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.gone..]
    }

    /// Puts a byte in at this place of them.
    pub fn insert(&mut self, place: usize, byte: u8) {
        self.bytes.insert(self.gone + place, byte);
    }

    /// How many bytes that is.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.gone
    }

    /// Lets the first `bytes` go on.
    pub fn pass(&mut self, bytes: usize) {
        self.passed = bytes.min(self.len());
    }

    /// Takes the first `bytes` away.
    pub fn skip(&mut self, bytes: usize) {
        self.gone += bytes.min(self.len());
        self.give_back();
    }

    /// Takes these, which are in order, out of what has not gone on.
    pub fn cut(&mut self, ranges: &[Range<usize>]) {
        for range in ranges.iter().rev() {
            (self.bytes).drain(self.gone + range.start..self.gone + range.end);
        }
    }

    /// Hands over what may go on, as far as there is room. Returns whether that was anything.
    pub fn hand_over(&mut self, to: &mut ReadBufCursor<'_>) -> bool {
        self.hand_to(to.remaining(), |bytes| to.put_slice(bytes))
    }

    /// The same for whatever has `room`.
    pub fn hand_to(&mut self, room: usize, put: impl FnOnce(&[u8])) -> bool {
        let bytes = self.passed.min(room);
        if bytes == 0 {
            return false;
        }
        put(&self.bytes[self.gone..self.gone + bytes]);
        self.gone += bytes;
        self.passed -= bytes;
        self.give_back();
        true
    }

    /// Reads more, behind what is held; none means the end.
    pub fn fill(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.capacity() < READ {
            let held = std::mem::replace(&mut self.bytes, SPARE.take());
            self.bytes.extend_from_slice(&held[self.gone..]);
        } else {
            self.bytes.drain(..self.gone);
        }
        self.gone = 0;
        self.bytes.reserve(READ);
        let read = poll_read_buf(Pin::new(from), context, &mut self.bytes);
        if read.is_pending() {
            self.settle();
        }
        self.give_back();
        read
    }

    /// Holds no more memory than what waits for the rest of it needs.
    fn settle(&mut self) {
        if self.len() > 0 && self.bytes.capacity() >= READ {
            let bytes = self.bytes.as_slice().into();
            self.bytes.clear();
            self.give_back();
            self.bytes = bytes;
        }
    }

    fn give_back(&mut self) {
        if self.len() > 0 {
            return;
        }
        let mut spare = std::mem::take(&mut self.bytes);
        self.gone = 0;
        spare.clear();
        if spare.capacity() <= SPARE_MAX {
            SPARE.set(spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::rt::ReadBuf;

    fn handed(held: &mut Held, room: usize) -> Vec<u8> {
        let mut space = vec![0; room];
        let mut buffer = ReadBuf::new(&mut space);
        held.hand_over(&mut buffer.unfilled());
        buffer.filled().to_vec()
    }

    #[tokio::test]
    async fn what_waits_for_the_rest_holds_its_own_bytes_and_no_more() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let (mut theirs, mut ours) = tokio::io::duplex(64);
        let mut held = Held::default();
        for expected in ["GET /", "GET /GET /"] {
            tokio::io::AsyncWriteExt::write_all(&mut theirs, b"GET /")
                .await
                .unwrap();
            assert!(held.fill(&mut ours, &mut context).is_ready());
            assert!(held.fill(&mut ours, &mut context).is_pending());
            assert_eq!(held.bytes(), expected.as_bytes());
            assert_eq!(held.bytes.capacity(), expected.len());
        }
    }

    #[test]
    fn only_what_passed_goes_on_and_nothing_is_kept() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut held = Held::default();
        let mut source: &[u8] = b"abcdef";
        assert!(held.fill(&mut source, &mut context).is_ready());
        assert_eq!(handed(&mut held, 10), b"", "nothing has passed");
        held.skip(1);
        held.pass(3);
        assert_eq!(handed(&mut held, 2), b"bc");
        assert_eq!(handed(&mut held, 2), b"d");
        assert_eq!(held.bytes(), b"ef");
        let mut more: &[u8] = b"gh";
        assert!(held.fill(&mut more, &mut context).is_ready());
        held.pass(4);
        assert_eq!(handed(&mut held, 10), b"efgh");
        assert_eq!((held.len(), held.bytes.capacity()), (0, 0));
        assert!(SPARE.take().capacity() >= READ, "for the next");
    }
}
