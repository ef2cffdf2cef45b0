//! What a portal bears: what its requests tell the laws of [`room::Capacity`](crate::room::Capacity),
//! and what those decide.

use super::Failure;
use super::client::Wants;
use super::slots::Slot;
use crate::host;
use crate::room::{
    Answer, Capacity, CapacityRules, Class, Heads, Load, Move, Outlook, People, Sent, Waited,
    Weight, Whose, Why,
};
use crate::room::{Part, PartAnswer, PartChange, PartFailure, Parts};
use crate::time::Millis;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Moves that the desk can show.
const SHOWN_MAX: usize = 20;

/// A portal's capacity, shared by all threads.
pub struct Bearing {
    law: Mutex<Capacity>,
    shown: Mutex<VecDeque<Move>>,
    load: Mutex<Load>,
    parts: Mutex<Parts>,
    /// Something has failed lately, so that a page is news.
    ailing: AtomicBool,
    /// For each [`Why`], how often a limit was moved for it.
    moves: [AtomicU64; Why::NAMES.len()],
    rules: CapacityRules,
}

/// A request on its way, as the law sees it.
pub(super) struct OnItsWay {
    sent: Sent,
    class: Class,
    /// When the answer is expected.
    pub expected: Millis,
    /// It is not to hold a slot.
    pub apart: bool,
}

impl Bearing {
    /// What was `found` before a restart is where it begins.
    pub fn new(rules: CapacityRules, found: Option<Capacity>) -> Bearing {
        let now = host::now();
        let law = match found {
            Some(mut law) => {
                law.resume(&rules, now);
                law
            }
            None => Capacity::new(&rules, now),
        };
        Bearing {
            law: Mutex::new(law),
            shown: Mutex::default(),
            load: Mutex::default(),
            parts: Mutex::default(),
            ailing: AtomicBool::new(false),
            moves: Default::default(),
            rules,
        }
    }

    /// Requests in flight at most.
    pub fn slots(&self) -> u32 {
        self.law().slots()
    }

    /// What is to be expected of seats.
    pub fn outlook(&self) -> Outlook {
        self.law().outlook()
    }

    /// People inside at most, over all rooms whose seats are found.
    pub fn seats(&self) -> u32 {
        self.law().seats()
    }

    /// Whether the seats are found.
    pub fn finds_seats(&self) -> bool {
        !self.rules.seats.is_fixed()
    }

    /// Whether the slots are found.
    pub fn finds_slots(&self) -> bool {
        !self.rules.slots.is_fixed()
    }

    /// What is known by now, to be stored.
    pub fn found(&self) -> Capacity {
        self.law().clone()
    }

    /// Answers so far, by load; without those that take long by nature.
    pub fn load(&self) -> Load {
        self.answers().clone()
    }

    /// The last moves of the limits, the newest last.
    pub fn last_moves(&self) -> Vec<Move> {
        self.shown().iter().copied().collect()
    }

    /// How often a limit was moved, by reason.
    pub fn moves(&self) -> impl Iterator<Item = (Why, u64)> + '_ {
        let counts = Why::NAMES.iter().zip(&self.moves);
        counts.map(|((_, why, _), count)| (*why, count.load(Ordering::Relaxed)))
    }

    /// What is known of such requests as this is.
    pub(super) fn class<B>(&self, request: &Request<B>) -> (Class, Weight) {
        let (method, path) = (request.method().as_str(), request.uri().path());
        let mut law = self.law();
        let class = law.class(method, path);
        (class, law.weight(class))
    }

    /// A request of this class and of the visitor with this number goes to the portal with this slot, after one who is
    /// inside has `waited`, as far as that counts. Not so if the slot is to be one of the
    /// [few](Slot::is_of_few).
    pub(super) fn sent<B>(
        &self,
        slot: &Slot,
        waited: Option<Waited>,
        class: Class,
        visitor: u64,
        request: &Request<B>,
    ) -> Option<OnItsWay> {
        let host = request.headers().get(HOST);
        let host = host.map_or(&b""[..], HeaderValue::as_bytes);
        let whose = Whose::new(visitor, host);
        let now = host::now();
        let mut law = self.law();
        if !slot.is_of_few() && law.is_stuck(class, now) {
            return None;
        }
        let sent = law.sent(slot.in_flight(), waited, whose, now);
        Some(OnItsWay {
            sent,
            class,
            expected: law.expected(sent, class),
            apart: law.is_apart(class),
        })
    }

    /// The head of its answer came, or will not come. `since`: the portal had all of the request. Gives
    /// the seconds that it [usually](Capacity::usual) takes.
    pub(super) fn answered(
        &self,
        request: &OnItsWay,
        since: Millis,
        answer: Answer,
    ) -> Option<f64> {
        let mut sent = request.sent;
        sent.at = sent.at.max(since);
        let now = host::now();
        let mut law = self.law();
        let usual = law.usual(request.class);
        law.answered(sent, request.class, answer, now);
        drop(law);
        if answer == Answer::Good && !request.apart {
            self.answers().add(sent.in_flight, now.since(sent.at));
        }
        usual
    }

    /// The same of a request that `wants` so much, as far as it says something of a part of the portal.
    pub(super) fn heard(&self, wants: &Wants<'_>, sent: Result<StatusCode, Failure>) {
        let Some(fate) = fate(sent) else {
            return;
        };
        let parts = match fate {
            PartAnswer::Failed(_) => Some(self.parts()),
            _ if !self.ailing.load(Ordering::Relaxed) => None,
            // One more page is no news worth waiting for.
            _ => self.parts.try_lock().ok(),
        };
        let Some(mut parts) = parts else {
            return;
        };
        parts.heard(wants.host, wants.path, wants.number(), fate, host::now());
        self.ailing.store(!parts.is_empty(), Ordering::Relaxed);
    }

    /// Once a second: parts of the portal that fail from now on, and those that are well again.
    pub(super) fn parts_changed(&self) -> Vec<PartChange> {
        let mut parts = self.parts();
        let changes = parts.tick(host::now());
        self.ailing.store(!parts.is_empty(), Ordering::Relaxed);
        changes
    }

    /// The parts of the portal that fail.
    pub fn failing_parts(&self) -> Vec<Part> {
        self.parts().failing().cloned().collect()
    }

    /// Once a second: what [`Slots::pressure`](super::slots::Slots::pressure) says, and how many people
    /// are inside. Gives what was decided.
    pub(super) fn tick(&self, heads: Heads, in_flight: u32, people: People) -> Vec<Move> {
        let mut law = self.law();
        law.tick(heads, in_flight, people, host::now());
        let moves = law.take_moves();
        drop(law);
        let mut shown = self.shown();
        for moved in &moves {
            self.moves[moved.why as usize].fetch_add(1, Ordering::Relaxed);
            if shown.len() == SHOWN_MAX {
                shown.pop_front();
            }
            shown.push_back(*moved);
        }
        moves
    }

    /// The portal does not answer any more.
    pub(super) fn down(&self) {
        self.law().down(host::now());
    }

    /// The portal answers again.
    pub(super) fn back(&self, inside: u32) {
        self.law().back(inside, host::now());
    }

    fn law(&self) -> MutexGuard<'_, Capacity> {
        // Nothing panics while it is held; each sample and each move is whole.
        self.law.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, VecDeque<Move>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer says about the portal's load. A 500 may be one broken page, and what is not a page
/// (a redirect, a 404) takes another time than one.
pub(super) fn judge(status: StatusCode) -> Answer {
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Answer::Failed,
        status if status.is_success() => Answer::Good,
        _ => Answer::Odd,
    }
}

/// What an answer, or none, says of the part of the portal that was asked: a 500 is a failure, here. That a
/// server cannot be reached is no part's.
fn fate(sent: Result<StatusCode, Failure>) -> Option<PartAnswer> {
    match sent {
        Ok(status) if status.is_success() || status == StatusCode::NOT_MODIFIED => {
            Some(PartAnswer::Page)
        }
        Ok(status) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Some(PartAnswer::Failed(PartFailure::Status(status.as_u16())))
        }
        Err(Failure::Slow) => Some(PartAnswer::Failed(PartFailure::Late)),
        Err(Failure::Broken) => Some(PartAnswer::Failed(PartFailure::Broken)),
        Ok(_) => Some(PartAnswer::Odd),
        Err(Failure::Down | Failure::Busy | Failure::Left) => None,
    }
}
