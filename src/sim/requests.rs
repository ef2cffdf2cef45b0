//! Requests that wait or run.

use super::portal::Kind;
use crate::room::Sent;

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Whose.
    pub visitor: u32,
    /// When it was made.
    pub asked: u64,
    /// For what.
    pub kind: Kind,
    /// Where it is.
    pub stage: Stage,
    /// Its visitor came in with it, straight: there is no answer with a pass yet.
    pub straight: bool,
    /// What the law knows of it, once it runs.
    pub sent: Option<Sent>,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In our queue.
    Waiting,
    /// At the portal, with a slot.
    Running,
    /// At the portal, without one: it is known to last.
    Lasting,
    /// Nobody waits for it; the portal, or the queue, does not know that yet.
    Forgotten,
}

/// All of them, by number.
#[derive(Default)]
pub struct Requests {
    all: Vec<Request>,
    free: Vec<u32>,
}

impl Requests {
    /// Adds one.
    pub fn add(&mut self, request: Request) -> u32 {
        match self.free.pop() {
            Some(id) => {
                self.all[id as usize] = request;
                id
            }
            None => {
                self.all.push(request);
                (self.all.len() - 1) as u32
            }
        }
    }

    /// The request of this number.
    pub fn get(&mut self, id: u32) -> &mut Request {
        &mut self.all[id as usize]
    }

    /// Its number may be used again.
    pub fn remove(&mut self, id: u32) {
        self.all[id as usize].stage = Stage::Forgotten;
        self.free.push(id);
    }

    /// Whether it is in our queue.
    pub fn waits(&self, id: u32) -> bool {
        self.all[id as usize].stage == Stage::Waiting
    }

    /// When it was made.
    pub fn asked(&self, id: u32) -> u64 {
        self.all[id as usize].asked
    }
}
