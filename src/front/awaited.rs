//! How long a connection may let us wait for the head of its next request.

use crate::config::Limits;
use crate::time::{Millis, Span};

/// The head that is waited for.
pub struct Awaited {
    first_byte: Span,
    whole: Span,
    next: Span,
    pub stage: Stage,
    /// Since when.
    pub since: Millis,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection is new.
    First,
    /// It is idle, after a request.
    Next,
    /// The head has begun.
    Begun,
}

impl Awaited {
    /// That of a connection's first request.
    pub fn first(limits: &Limits, now: Millis) -> Awaited {
        Awaited {
            first_byte: limits.first_byte_timeout,
            whole: limits.header_timeout,
            next: limits.idle_timeout,
            stage: Stage::First,
            since: now,
        }
    }

    /// Until when it may take. `begun`: some bytes of it are here.
    pub fn until(&mut self, begun: bool, now: Millis) -> Millis {
        if begun && self.stage != Stage::Begun {
            (self.stage, self.since) = (Stage::Begun, now);
        }
        self.since
            + match self.stage {
                Stage::First => self.first_byte,
                Stage::Next => self.next,
                Stage::Begun => self.whole,
            }
    }
}
