//! How slots are waited for; and the few that what is stuck may have.
//!
//! A request that does not come in time keeps a worker of the portal busy until then, or for longer: its
//! slot cannot be lent. So if nothing else comes of its class, while others come
//! ([`Capacity::is_stuck`](crate::room::Capacity::is_stuck)), such requests hold no more than a
//! [`few`] of the slots, and the others wait: first to be one of these, then for a slot like
//! everybody else, and for no longer than everybody else.

use super::bearing::OnItsWay;
use super::client::Wants;
use super::slots::{Asker, Claim, NoSlot, Slot, Slots, Turn};
use super::upload::RequestBody;
use super::{Failure, Portal};
use crate::host;
use crate::room::few;
use crate::time::Millis;
use http::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The few of so many slots: one queue of its own, beside that for the slots.
pub(super) fn of(slots: u32, queue_max: u32) -> Arc<Slots> {
    Slots::new(few(slots), None, queue_max, 1)
}

impl Portal {
    /// A slot for a request, which from now on is on its way to the portal.
    pub(super) async fn way(
        &self,
        request: &Request<RequestBody>,
        wants: Wants<'_>,
    ) -> Result<(Slot, OnItsWay), Failure> {
        let asked = host::now();
        let until = asked + self.config.slot_wait;
        let (class, weight) = self.bearing.class(request);
        let asker = Asker {
            claim: wants.claim,
            visitor: wants.pass,
            weight,
        };
        let mut slot = self.slot(asker, until).await?;
        if slot.was_held_back() {
            self.counts.held_back.fetch_add(1, Ordering::Relaxed);
        }
        let bearing = &self.bearing;
        let on_its_way = loop {
            // Others wait so that those inside need not, and what is stuck waits for its like.
            let counts = wants.claim == Claim::Inside && !slot.is_of_few();
            let waited = counts.then(|| slot.waited(asked, host::now())).flatten();
            if let Some(on_its_way) = bearing.sent(&slot, waited, class, wants.number(), request) {
                break on_its_way;
            }
            // A box: it is rare.
            slot = Box::pin(self.slot_of_few(slot, asker, until)).await?;
        };
        slot.expect(on_its_way.expected);
        if on_its_way.apart {
            slot.lend();
        }
        Ok((slot, on_its_way))
    }

    /// A slot, waited for in order.
    async fn slot(&self, asker: Asker, until: Millis) -> Result<Slot, Failure> {
        let turn = self.slots.ask(asker, host::now());
        self.turn(turn, until).await
    }

    /// One of the few in place of this `slot`, which others have meanwhile if that is waited for.
    async fn slot_of_few(
        &self,
        mut slot: Slot,
        asker: Asker,
        until: Millis,
    ) -> Result<Slot, Failure> {
        let few = match self.few.ask(asker, host::now()) {
            Ok(Turn::Now(few)) => few,
            later => {
                drop(slot);
                let few = self.turn(later, until).await?;
                slot = self.slot(asker, until).await?;
                few
            }
        };
        slot.join(few);
        Ok(slot)
    }

    /// So many slots, and so few of them for what is stuck.
    pub(super) fn set_slots(&self, slots: u32) {
        self.slots.set_limit(slots);
        self.few.set_limit(few(slots));
    }

    async fn turn(&self, turn: Result<Turn, NoSlot>, until: Millis) -> Result<Slot, Failure> {
        let busy = || {
            self.counts.no_slot.fetch_add(1, Ordering::Relaxed);
            Failure::Busy
        };
        match turn {
            Ok(Turn::Now(slot)) => Ok(slot),
            Ok(Turn::Later(turn)) => {
                let patience = until.since(host::now());
                match tokio::time::timeout(patience.into(), turn).await {
                    Ok(Some(slot)) => Ok(slot),
                    Ok(None) => Err(Failure::Down),
                    Err(_) => Err(busy()),
                }
            }
            Err(NoSlot::Down) => Err(Failure::Down),
            Err(NoSlot::QueueFull) => Err(busy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::portal;
    use super::*;
    use crate::time::Span;
    use std::net::{IpAddr, Ipv4Addr};
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    /// Requests for open paths, say, of those inside.
    #[tokio::test]
    async fn sixty_visitors_at_one_address_are_sixty() {
        let passes = |pass: fn(u64) -> Option<u64>| (1..=60).map(pass);
        for (passes, presses) in [
            (passes(Some), true),
            (passes(|_| None), true),
            (passes(|_| Some(7)), false),
        ] {
            let portal = portal("[\"http://127.0.0.1:9\"]", "slots = 8");
            let request = Request::new(RequestBody::none());
            let wants = |pass| Wants {
                host: "",
                path: "/",
                once: false,
                claim: Claim::Inside,
                visitor: IpAddr::V4(Ipv4Addr::LOCALHOST),
                pass,
                upgrade: false,
            };
            let mut ways: Vec<_> = passes
                .map(|pass| Box::pin(portal.way(&request, wants(pass))))
                .collect();
            let mut context = Context::from_waker(Waker::noop());
            let goes = |way: &mut _| match Future::poll(Pin::as_mut(way), &mut context) {
                Poll::Ready(sent) => Some(sent),
                Poll::Pending => None,
            };
            let sent: Vec<_> = ways.iter_mut().filter_map(goes).collect();
            assert_eq!(sent.len(), 8);
            let (head, _) = portal.slots.pressure(host::now() + Span::secs(5));
            assert_eq!(head.inside >= Span::secs(4), presses, "{head:?}");
        }
    }
}
