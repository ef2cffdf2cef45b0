//! What lasts as long as a visitor stays, and so holds no slot: tunnels and streams of events.
//! They are counted, and bounded by `limits.tunnels`: a tunnel beyond it is refused, a stream
//! beyond it keeps its slot. They are for visitors who stay: of a request that passes by itself, without
//! a seat (a callback beyond its reserve, the page after logout, a check), an offered WebSocket is not
//! handed on, and a stream of events ends after `portal.response_timeout`. A long poll is no such thing: it is a request that waits for the head of
//! its answer, holds a slot meanwhile, and is given up after `portal.response_timeout`.

use super::door::House;
use prometheus::IntGauge;
use std::sync::Arc;

/// One of them, counted while it lasts.
pub struct Lasting(IntGauge);

impl Lasting {
    /// One more tunnel; `None` if there are as many as there may be.
    pub fn tunnel(house: &Arc<House>) -> Option<Lasting> {
        Lasting::new(house, &house.metrics.tunnels)
    }

    /// One more stream of events; `None` if there are as many as there may be.
    pub fn stream(house: &Arc<House>) -> Option<Lasting> {
        Lasting::new(house, &house.metrics.streams)
    }

    fn new(house: &House, gauge: &IntGauge) -> Option<Lasting> {
        gauge.inc();
        let one = Lasting(gauge.clone());
        let all = house.metrics.tunnels.get() + house.metrics.streams.get();
        (all <= i64::from(house.config.limits.tunnels)).then_some(one)
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
