//! What goes on on a wire, as its two ends see it: the wire, and the service that answers on it.

use super::interim::Interims;
use crate::upstream;
use http::{HeaderMap, StatusCode, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Nothing of ours is under way: what is written now is hyper's.
pub const IDLE: u8 = 0;
/// An answer is under way.
pub const ANSWERING: u8 = 1;
/// An answer has ended, and its last bytes may not have gone out yet.
pub const ENDED: u8 = 2;
/// The wire is a tunnel for good.
pub const TUNNEL: u8 = 3;

/// What goes on on a wire.
#[derive(Default)]
pub struct State {
    pub phase: AtomicU8,
    /// The next bytes are the beginning of an answer to a request by HTTP/1.0.
    pub old: AtomicBool,
    /// The head that went on last offered to become a WebSocket.
    pub websocket: AtomicBool,
    /// What goes out before the answer.
    pub interims: Interims,
    /// The answer may end with the connection, as HTTP/1.0 has it.
    open_end: AtomicBool,
}

impl State {
    /// Whether the connection ends in the middle of an answer that could end so.
    pub fn is_cut_open(&self) -> bool {
        let phase = self.phase.load(Ordering::Relaxed);
        self.open_end.load(Ordering::Relaxed) && matches!(phase, ANSWERING | ENDED)
    }
}

impl upstream::Interim for State {
    fn told(&self, status: StatusCode, headers: &HeaderMap) {
        self.interims.add(status, headers);
    }
}

/// What a wire carries, as the service that answers on it sees it.
#[derive(Clone)]
pub struct Mark(Arc<State>);

/// Held while an answer of ours is under way.
pub struct Busy(Arc<State>);

impl Mark {
    /// The mark of a wire in this state.
    pub fn on(state: Arc<State>) -> Mark {
        Mark(state)
    }

    /// Whether the request that has just come offers to become a WebSocket; told once.
    pub fn offers_websocket(&self) -> bool {
        self.0.websocket.swap(false, Ordering::Relaxed)
    }

    /// An answer begins, to a request by `version`.
    pub fn begin(&self, version: Version) -> Busy {
        // If the wire is not idle, bytes of the answer before may go out first.
        let idle = self.0.phase.swap(ANSWERING, Ordering::Relaxed) == IDLE;
        let old = idle && version < Version::HTTP_11;
        self.0.old.store(old, Ordering::Relaxed);
        let open_end = version < Version::HTTP_11;
        self.0.open_end.store(open_end, Ordering::Relaxed);
        Busy(self.0.clone())
    }
}

impl Busy {
    /// Who is to be told of interim answers, if the visitor knows of such.
    pub fn tells(&self) -> Option<Arc<State>> {
        let old = self.0.open_end.load(Ordering::Relaxed);
        (!old).then(|| self.0.clone())
    }

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

/// From `from` to `to`; another state stays as it is. Returns whether it was `from`.
pub fn step(state: &State, from: u8, to: u8) -> bool {
    let relaxed = Ordering::Relaxed;
    let stepped = state.phase.compare_exchange(from, to, relaxed, relaxed);
    stepped.is_ok()
}
