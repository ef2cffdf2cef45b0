//! A soft close: closing a socket while bytes of the visitor are unread makes the kernel send a
//! reset, which can destroy the answer that is still on its way (RFC 9112 §9.6). So after our last
//! byte we read on for a moment.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// How long we read on after our last byte.
const LINGER: Duration = Duration::from_secs(5);
/// Bytes read on at most: a refused upload is to hear why.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// What is read after our last byte, and thrown away.
#[derive(Default)]
pub struct Lingering {
    until: Option<Pin<Box<Sleep>>>,
    read: usize,
}

impl Lingering {
    /// Whether it has begun: our last byte is out.
    pub fn has_begun(&self) -> bool {
        self.until.is_some()
    }

    /// Ready when `from` has ended, or has let us read for long enough.
    pub fn poll(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let sleep = self
            .until
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if sleep.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut *from).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.read += buffer.filled().len(),
                _ => return Poll::Ready(()),
            }
            if self.read > LINGER_BYTES {
                return Poll::Ready(());
            }
        }
    }
}
