//! What rooms and portals know of themselves, as Prometheus series, read when asked.

use super::Desk;
use crate::host;
use crate::room::Status;
use crate::upstream::Portal;
use prometheus::core::Collector;
use prometheus::{Encoder as _, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};
use std::sync::atomic::{AtomicU64, Ordering};

/// Everything in the text format.
///
/// # Errors
/// When two series have the same name: a programming error that the tests see.
pub fn text(desk: &Desk) -> prometheus::Result<String> {
    let page = Page(Registry::new());
    let now = host::now();
    let mut statuses = Vec::new();
    for door in &desk.house.doors {
        statuses.push((door.room().status(now), door.config.rules.clone()));
    }
    page.rooms(&statuses)?;
    page.portals(&desk.house.portals)?;
    page.house(desk)?;
    let mut families = desk.house.metrics.gather();
    families.extend(page.0.gather());
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A registry for one answer.
struct Page(Registry);

impl Page {
    fn rooms(&self, rooms: &[(Status, crate::room::Rules)]) -> prometheus::Result<()> {
        type Read = fn(&Status, &crate::room::Rules) -> f64;
        let gauges: [(&str, &str, Read); 15] = [
            ("preau_room_seats", "Seats: the limit in force", |s, _| {
                f64::from(s.seats)
            }),
            ("preau_room_seats_taken", "Seats taken", |s, _| {
                f64::from(s.taken)
            }),
            (
                "preau_room_seats_reserve",
                "Seats beyond the limit for forms of lapsed visits, at most",
                |_, r| f64::from(r.reserve),
            ),
            (
                "preau_room_called",
                "Tickets called and not yet in",
                |s, _| f64::from(s.called),
            ),
            ("preau_room_waiting", "Tickets waiting", |s, _| {
                s.waiting as f64
            }),
            (
                "preau_room_line_max",
                "Tickets that may wait at most",
                |_, r| f64::from(r.line_max),
            ),
            (
                "preau_room_promise_low_seconds",
                "What somebody who came now would be promised; NaN while unknown",
                |s, _| s.promise.map_or(f64::NAN, |p| p.low.as_secs_f64()),
            ),
            (
                "preau_room_promise_high_seconds",
                "Upper bound of the same",
                |s, _| s.promise.map_or(f64::NAN, |p| p.high.as_secs_f64()),
            ),
            (
                "preau_room_promise_factor",
                "Learnt factor between estimate and upper bound",
                |s, _| s.q,
            ),
            (
                "preau_room_visit_seconds",
                "Mean length of a visit; NaN while unknown",
                |s, _| s.visit_secs.unwrap_or(f64::NAN),
            ),
            (
                "preau_room_pace_per_second",
                "Calls per second that the pace allows",
                |s, _| s.pace,
            ),
            (
                "preau_room_poll_stretch",
                "How much longer polls are spaced to keep the poll budget",
                |s, _| s.poll_stretch,
            ),
            (
                "preau_room_poll_budget_per_second",
                "Polls per second wanted at most",
                |_, r| f64::from(r.poll_budget),
            ),
            (
                "preau_room_numbers_reserved",
                "Numbers that may still be given out before the next commit",
                |s, _| s.numbers.1.saturating_sub(s.numbers.0) as f64,
            ),
            (
                "preau_room_portal_up",
                "Whether the room's portal answers",
                |s, _| f64::from(u8::from(s.portal_up)),
            ),
        ];
        for (name, help, read) in gauges {
            let gauge = self.gauges(name, help, &["room"])?;
            for (status, rules) in rooms {
                gauge
                    .with_label_values(&[&status.name])
                    .set(read(status, rules));
            }
        }
        let mode = self.gauges(
            "preau_room_mode",
            "1 for the mode in force",
            &["room", "mode"],
        )?;
        for (status, _) in rooms {
            mode.with_label_values(&[&status.name, status.mode.name()])
                .set(1.0);
        }
        let names = crate::room::Counts::default().series();
        for (index, (name, help, _)) in names.iter().enumerate() {
            let counter = self.counters(&series_name(name), help, &["room"])?;
            for (status, _) in rooms {
                let count = status.counts.series()[index].2;
                counter.with_label_values(&[&status.name]).inc_by(count);
            }
        }
        Ok(())
    }

    fn portals(&self, portals: &[std::sync::Arc<Portal>]) -> prometheus::Result<()> {
        type Read = fn(&Portal) -> f64;
        let gauges: [(&str, &str, Read); 5] = [
            (
                "preau_portal_up",
                "Whether any server of the portal is up",
                |p| f64::from(u8::from(p.is_up())),
            ),
            ("preau_portal_slots", "Requests in flight at most", |p| {
                f64::from(p.usage().limit)
            }),
            ("preau_portal_in_flight", "Requests in flight", |p| {
                f64::from(p.usage().in_flight)
            }),
            (
                "preau_portal_slot_queue",
                "Requests that wait for a slot",
                |p| p.usage().waiting as f64,
            ),
            (
                "preau_portal_slot_queue_max",
                "Requests that may wait for a slot at most",
                |p| f64::from(p.config().slot_queue),
            ),
        ];
        for (name, help, read) in gauges {
            let gauge = self.gauges(name, help, &["portal"])?;
            for portal in portals {
                gauge
                    .with_label_values(&[&portal.config().name])
                    .set(read(portal));
            }
        }
        type Count = fn(&Portal) -> &AtomicU64;
        let counts: [(&str, &str, Count); 8] = [
            (
                "preau_portal_answered_total",
                "Requests that the portal answered",
                |p| &p.counts.answered,
            ),
            (
                "preau_portal_errors_total",
                "Answers of 500 and above",
                |p| &p.counts.errors,
            ),
            (
                "preau_portal_unreachable_total",
                "Requests for which no connection could be made",
                |p| &p.counts.unreachable,
            ),
            (
                "preau_portal_timeouts_total",
                "Requests without an answer in time",
                |p| &p.counts.timeouts,
            ),
            (
                "preau_portal_broken_total",
                "Requests that broke before an answer",
                |p| &p.counts.broken,
            ),
            ("preau_portal_retries_total", "Requests sent again", |p| {
                &p.counts.retries
            }),
            (
                "preau_portal_no_slot_total",
                "Requests that found no slot in time",
                |p| &p.counts.no_slot,
            ),
            (
                "preau_portal_server_falls_total",
                "Times that a server went down",
                |p| &p.counts.falls,
            ),
        ];
        for (name, help, read) in counts {
            let counter = self.counters(name, help, &["portal"])?;
            for portal in portals {
                let count = read(portal).load(Ordering::Relaxed);
                counter
                    .with_label_values(&[&portal.config().name])
                    .inc_by(count);
            }
        }
        let labels = ["portal", "server"];
        let up = self.gauges("preau_server_up", "Whether the server is up", &labels)?;
        let busy = self.gauges(
            "preau_server_in_flight",
            "Requests in flight to the server",
            &labels,
        )?;
        for portal in portals {
            let servers = &portal.config().servers;
            for (server, (is_up, in_flight)) in servers.iter().zip(portal.usage().servers) {
                let values = [portal.config().name.clone(), server.to_string()];
                up.with_label_values(&values)
                    .set(f64::from(u8::from(is_up)));
                busy.with_label_values(&values).set(f64::from(in_flight));
            }
        }
        Ok(())
    }

    fn house(&self, desk: &Desk) -> prometheus::Result<()> {
        let limits = &desk.house.config.limits;
        let dropped = desk.house.access.dropped_lines();
        self.counters(
            "preau_access_lines_dropped_total",
            "Lines of the access log that were dropped because its writer was too slow",
            &[],
        )?
        .with_label_values::<&str>(&[])
        .inc_by(dropped);
        let gauges: [(&str, &str, f64); 5] = [
            (
                "preau_connections_max",
                "Connections of visitors at most",
                limits.connections as f64,
            ),
            (
                "preau_header_bytes_max",
                "Bytes of a request's head at most",
                limits.header_bytes as f64,
            ),
            (
                "preau_newcomers_per_minute_max",
                "Newcomers from one address a minute at most",
                f64::from(limits.tickets_per_minute),
            ),
            (
                "preau_store_ok",
                "Whether the last commit succeeded",
                f64::from(u8::from(!desk.store_fails.load(Ordering::Relaxed))),
            ),
            (
                "preau_draining",
                "Whether a stop has begun",
                f64::from(u8::from(desk.house.is_draining())),
            ),
        ];
        for (name, help, value) in gauges {
            self.gauges(name, help, &[])?
                .with_label_values::<&str>(&[])
                .set(value);
        }
        Ok(())
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.register(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

/// The two that must stay at zero have names of their own.
fn series_name(count: &str) -> String {
    match count {
        "queue_jumps" => "preau_queue_jumps_total".to_owned(),
        "seat_overshoot" => "preau_seat_overshoot".to_owned(),
        other => format!("preau_room_{other}_total"),
    }
}
