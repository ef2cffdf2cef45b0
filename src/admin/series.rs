//! What rooms and portals know of themselves, as Prometheus series, read when asked.

use super::Desk;
use crate::host;
use crate::room::{Counts, Figures, Hours, LaneStatus, Observed, Outcome, Rules, Status};
use crate::time::Span;
use crate::upstream::{self, Portal};
use prometheus::core::Collector;
use prometheus::{Encoder as _, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A series' name, what it means, and how it is read from its subject.
type Series<T, V> = (&'static str, &'static str, fn(&T) -> V);
/// The same for something that is counted on the way of a request.
type CountSeries<T> = (&'static str, &'static str, fn(&T) -> &AtomicU64);
/// A room as it stands, and its rules.
type RoomView = (Status, Rules);

#[rustfmt::skip]
const ROOM_GAUGES: [Series<RoomView, f64>; 31] = [
    ("preau_seat_overshoot", "Old name of preau_seat_overshoot_total, for dashboards that know it", |(s, _)| s.counts.seat_overshoot as f64),
    ("preau_room_seats", "Seats: the limit in force", |(s, _)| f64::from(s.seats)),
    ("preau_room_seats_taken", "Seats taken", |(s, _)| f64::from(s.taken)),
    ("preau_room_people", "People there, for all that is known: the seats taken, without those of people who have gone and did not log out", |(s, _)| f64::from(s.there())),
    ("preau_room_seats_reserve", "Seats beyond the limit for forms of lapsed visits, at most", |(_, r)| f64::from(r.reserve)),
    ("preau_room_callback_seats_taken", "Seats taken of the reserve for callbacks of sign-ons", |(s, _)| f64::from(s.callbacks)),
    ("preau_room_callback_seats_reserve", "Seats beside all others for callbacks of sign-ons, at most", |(_, r)| f64::from(r.callback_reserve)),
    ("preau_room_called", "Tickets called and not yet in", |(s, _)| f64::from(s.called)),
    ("preau_room_waiting", "Tickets waiting", |(s, _)| s.waiting as f64),
    ("preau_room_per_minute", "Newcomers that go in within a minute at most, straight and called together; NaN if that is not bounded", |(_, r)| r.per_minute.map_or(f64::NAN, f64::from)),
    ("preau_room_line_max", "Tickets that may wait at most", |(_, r)| f64::from(r.line_max)),
    ("preau_room_promise_low_seconds", "What somebody who came now would be promised; NaN while unknown", |(s, _)| s.promise.map_or(f64::NAN, |p| p.low.as_secs_f64())),
    ("preau_room_promise_high_seconds", "Upper bound of what somebody who came now would be promised; NaN while unknown", |(s, _)| s.promise.map_or(f64::NAN, |p| p.high.as_secs_f64())),
    ("preau_room_promise_factor", "Learnt factor between estimate and upper bound; NaN while unknown", |(s, _)| s.q.unwrap_or(f64::NAN)),
    ("preau_room_promise_coverage", "Share of the last 1,024 upper bounds that were kept, also for those who left; NaN while unknown", |(s, _)| figure(s, |f| f.coverage)),
    ("preau_room_promise_told", "Share of the last 1,024 upper bounds that were kept, or raised with a reason before they broke; NaN while unknown", |(s, _)| figure(s, |f| f.told)),
    ("preau_room_promise_error", "Sum of |wait - estimate| divided by the sum of waits, over the last 1,024 promises; NaN while unknown", |(s, _)| figure(s, |f| f.error)),
    ("preau_room_promise_late", "Share of the last 1,024 upper bounds that were missed by more than a minute; NaN while unknown", |(s, _)| figure(s, |f| f.late)),
    ("preau_room_promise_raised", "Promises raised, for each that was made", |(s, _)| s.counts.raised_per_promise()),
    ("preau_room_let_in_served", "Share of the last thousand visitors let in whose first three minutes were served: without an error, and as soon as usual; NaN while unknown", |(s, _)| s.firsts.served().unwrap_or(f64::NAN)),
    ("preau_room_would_be_waiting", "In mode observe: people who would wait now; NaN in other modes", |(s, _)| observed(s, |o| Some(o.waiting as f64))),
    ("preau_room_would_be_longest", "In mode observe: the longest that the line would have been, in people; NaN in other modes", |(s, _)| observed(s, |o| Some(o.longest as f64))),
    ("preau_room_would_wait_half_seconds", "In mode observe: the wait within which half of all would have been in; NaN while unknown", |(s, _)| observed(s, |o| o.waits.map(|waits| waits[0].as_secs_f64()))),
    ("preau_room_would_wait_most_seconds", "In mode observe: the wait within which nine in ten would have been in; NaN while unknown", |(s, _)| observed(s, |o| o.waits.map(|waits| waits[1].as_secs_f64()))),
    ("preau_room_visit_seconds", "Mean time that a seat is held, over half an hour: a visit, and `idle` after it where nobody logs out; NaN while unknown", |(s, _)| s.visit_secs.unwrap_or(f64::NAN)),
    ("preau_room_pace_per_second", "Calls per second that the pace allows", |(s, _)| s.pace),
    ("preau_room_poll_stretch", "How much longer polls are spaced to keep the poll budget", |(s, _)| s.poll_stretch),
    ("preau_room_poll_budget_per_second", "Polls per second wanted at most", |(_, r)| f64::from(r.poll_budget)),
    ("preau_room_numbers_reserved", "Numbers that may still be given out before the next commit", |(s, _)| s.numbers.1.saturating_sub(s.numbers.0) as f64),
    ("preau_room_mode_until_seconds", "When the calendar says another mode, in seconds since 1970; NaN if never", |(s, _)| s.calendar.until.map_or(f64::NAN, |at| Span(at.0).as_secs_f64())),
    ("preau_room_portal_up", "Whether the room's portal answers", |(s, _)| flag(s.portal_up)),
];

#[rustfmt::skip]
const LANE_GAUGES: [Series<LaneStatus, f64>; 6] = [
    ("preau_lane_waiting", "Tickets waiting in the lane", |l| l.waiting as f64),
    ("preau_lane_seats_taken", "Seats taken by the lane, or kept for its called tickets", |l| f64::from(l.committed)),
    ("preau_lane_seats_reserve", "Seats kept for the lane", |l| f64::from(l.reserve)),
    ("preau_lane_open", "Whether the lane takes newcomers at this hour", |l| flag(l.open)),
    ("preau_lane_enters", "Whether members of the lane are let in at this hour", |l| flag(l.hours.entering())),
    ("preau_lane_promise_high_seconds", "Upper bound of what somebody who came into the lane now would be promised; NaN while unknown", |l| l.promise.map_or(f64::NAN, |p| p.high.as_secs_f64())),
];

#[rustfmt::skip]
const LANE_COUNTS: [Series<LaneStatus, u64>; 3] = [
    ("preau_lane_tickets_total", "Tickets given out in the lane", |l| l.tickets_total),
    ("preau_lane_calls_total", "Tickets of the lane called", |l| l.calls_total),
    ("preau_lane_straight_total", "Visitors of the lane who went straight in", |l| l.straight_total),
];

#[rustfmt::skip]
const PORTAL_GAUGES: [Series<Portal, f64>; 9] = [
    ("preau_portal_up", "Whether any server of the portal is up", |p| flag(p.is_up())),
    ("preau_portal_failing_parts", "Parts of the portal (host and first name of the path) that fail for nearly everybody", |p| p.bearing.failing_parts().len() as f64),
    ("preau_portal_slots", "Requests in flight at most", |p| f64::from(p.usage().limit)),
    ("preau_portal_seats", "People inside at most, over its rooms whose seats are found; NaN if there are none", found_seats),
    ("preau_portal_in_flight", "Requests in flight", |p| f64::from(p.usage().in_flight)),
    ("preau_portal_heavy", "Requests in flight of kinds that take far longer than others", |p| f64::from(p.usage().heavy)),
    ("preau_portal_lent", "Answers that the portal has begun and that are taken slowly, while others use their slot", |p| f64::from(p.usage().lent)),
    ("preau_portal_slot_queue", "Requests that wait for a slot", |p| p.usage().waiting as f64),
    ("preau_portal_slot_queue_max", "Requests that may wait for a slot at most", |p| f64::from(p.config().slot_queue)),
];

#[rustfmt::skip]
const PORTAL_COUNTS: [CountSeries<upstream::Counts>; 9] = [
    ("preau_portal_answered_total", "Requests that the portal answered", |c| &c.answered),
    ("preau_portal_errors_total", "Answers of 500 and above", |c| &c.errors),
    ("preau_portal_unreachable_total", "Requests for which no connection could be made", |c| &c.unreachable),
    ("preau_portal_timeouts_total", "Requests without an answer in time", |c| &c.timeouts),
    ("preau_portal_broken_total", "Requests that broke before an answer", |c| &c.broken),
    ("preau_portal_retries_total", "Requests sent again", |c| &c.retries),
    ("preau_portal_no_slot_total", "Requests that found no slot in time", |c| &c.no_slot),
    ("preau_portal_held_back_total", "Requests that waited for a slot because their visitor, or others as heavy, had their share", |c| &c.held_back),
    ("preau_portal_server_falls_total", "Times that a server went down", |c| &c.falls),
];

#[rustfmt::skip]
const HOUSE_GAUGES: [Series<Desk, f64>; 6] = [
    ("preau_connections_max", "Connections of visitors at most", |d| d.house.config.limits.connections as f64),
    ("preau_header_bytes_max", "Bytes of a request's head at most", |d| d.house.config.limits.header_bytes as f64),
    ("preau_newcomers_per_minute_max", "Newcomers from one address a minute at most", |d| f64::from(d.house.config.limits.tickets_per_minute)),
    ("preau_callbacks_per_minute_max", "Callbacks without a pass from one address a minute at most", |d| f64::from(d.house.config.limits.callbacks_per_minute)),
    ("preau_store_ok", "Whether the last commit succeeded", |d| flag(d.house.written.works())),
    ("preau_draining", "Whether a stop has begun", |d| flag(d.house.is_draining())),
];

/// Everything in the text format.
///
/// # Errors
/// When two series have the same name: a programming error that the tests see.
pub fn text(desk: &Desk) -> prometheus::Result<String> {
    let page = Page(Registry::new());
    let now = host::now();
    let rooms: Vec<RoomView> = (desk.house.doors.iter())
        .map(|door| (door.room().status(now), door.config.rules.clone()))
        .collect();
    page.rooms(&rooms)?;
    page.lanes(&rooms)?;
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
    fn rooms(&self, rooms: &[RoomView]) -> prometheus::Result<()> {
        for (name, help, read) in ROOM_GAUGES {
            let gauge = self.gauges(name, help, &["room"])?;
            for room in rooms {
                gauge.with_label_values(&[&room.0.name]).set(read(room));
            }
        }
        let mode = self.gauges(
            "preau_room_mode",
            "1 for the mode in force",
            &["room", "mode"],
        )?;
        for (status, _) in rooms {
            let labels = [status.name.as_str(), status.mode.name()];
            mode.with_label_values(&labels).set(1.0);
        }
        let help = "Mean of wait - estimate, by tenths from the shortest estimates (1) to the longest (10)";
        let bias = self.gauges("preau_room_promise_bias_seconds", help, &["room", "tenth"])?;
        for (status, _) in rooms {
            let tenths = status.promises.iter().flat_map(|figures| &figures.bias);
            for (tenth, seconds) in tenths.enumerate() {
                let labels = [status.name.clone(), (tenth + 1).to_string()];
                bias.with_label_values(&labels).set(*seconds);
            }
        }
        let help = "Visitors let in, by how their first three minutes went: `failed` if an answer was 500 or above or none came, `slow` if more than a quarter of them took more than four times as long as usual";
        let firsts = self.counters("preau_room_let_in_total", help, &["room", "outcome"])?;
        for (status, _) in rooms {
            for ((outcome, _), count) in Outcome::NAMES.iter().zip(status.firsts.totals) {
                let labels = [status.name.as_str(), outcome];
                firsts.with_label_values(&labels).inc_by(count);
            }
        }
        for (name, help, read) in Counts::SERIES {
            let counter = self.counters(&series_name(name), help, &["room"])?;
            for (status, _) in rooms {
                let labels = [&status.name];
                counter
                    .with_label_values(&labels)
                    .inc_by(read(&status.counts));
            }
        }
        Ok(())
    }

    /// Of rooms that have several, or hours for their one.
    fn lanes(&self, rooms: &[RoomView]) -> prometheus::Result<()> {
        let rooms = rooms.iter().map(|(status, _)| status);
        let lanes: Vec<([&str; 2], &LaneStatus)> = rooms
            .filter(|room| {
                let timed = |lane: &LaneStatus| lane.hours != Hours::default();
                room.lanes.len() > 1 || room.lanes.iter().any(timed)
            })
            .flat_map(|room| {
                room.lanes
                    .iter()
                    .map(|lane| ([&*room.name, &*lane.name], lane))
            })
            .collect();
        for (name, help, read) in LANE_GAUGES {
            let gauge = self.gauges(name, help, &["room", "lane"])?;
            for (labels, lane) in &lanes {
                gauge.with_label_values(labels).set(read(lane));
            }
        }
        for (name, help, read) in LANE_COUNTS {
            let counter = self.counters(name, help, &["room", "lane"])?;
            for (labels, lane) in &lanes {
                counter.with_label_values(labels).inc_by(read(lane));
            }
        }
        Ok(())
    }

    fn portals(&self, portals: &[Arc<Portal>]) -> prometheus::Result<()> {
        for (name, help, read) in PORTAL_GAUGES {
            let gauge = self.gauges(name, help, &["portal"])?;
            for portal in portals {
                gauge
                    .with_label_values(&[&portal.config().name])
                    .set(read(portal));
            }
        }
        for (name, help, read) in PORTAL_COUNTS {
            let counter = self.counters(name, help, &["portal"])?;
            for portal in portals {
                let count = read(&portal.counts).load(Ordering::Relaxed);
                counter
                    .with_label_values(&[&portal.config().name])
                    .inc_by(count);
            }
        }
        let help = "Times that a limit of slots or seats was moved, by reason";
        let moves = self.counters("preau_portal_moves_total", help, &["portal", "why"])?;
        for portal in portals {
            for (why, count) in portal.bearing.moves() {
                let labels = [portal.config().name.as_str(), why.name()];
                moves.with_label_values(&labels).inc_by(count);
            }
        }
        let labels = ["portal", "server"];
        let up = self.gauges("preau_server_up", "Whether the server is up", &labels)?;
        let help = "Requests in flight to the server";
        let busy = self.gauges("preau_server_in_flight", help, &labels)?;
        for portal in portals {
            let servers = &portal.config().servers;
            for (server, (is_up, in_flight)) in servers.iter().zip(portal.usage().servers) {
                let values = [portal.config().name.clone(), server.to_string()];
                up.with_label_values(&values).set(flag(is_up));
                busy.with_label_values(&values).set(f64::from(in_flight));
            }
        }
        Ok(())
    }

    fn house(&self, desk: &Desk) -> prometheus::Result<()> {
        let help = "Lines of the access log dropped because its writer was too slow";
        self.counters("preau_access_lines_dropped_total", help, &[])?
            .with_label_values::<&str>(&[])
            .inc_by(desk.house.access.dropped_lines());
        let help = "When the certificate expires, in seconds since 1970";
        let ends = self.gauges("preau_certificate_expiry_seconds", help, &["name"])?;
        for certificate in desk.house.tls.iter().flat_map(|it| it.shelf.certificates()) {
            let end = Span(certificate.not_after.0).as_secs_f64();
            ends.with_label_values(&[&certificate.name]).set(end);
        }
        let help = "1; the label says which version runs";
        let build = self.gauges("preau_build_info", help, &["version"])?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        for (name, help, read) in HOUSE_GAUGES {
            let gauge = self.gauges(name, help, &[])?;
            gauge.with_label_values::<&str>(&[]).set(read(desk));
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
        "queue_jumps" | "seat_overshoot" => format!("preau_{count}_total"),
        other => format!("preau_room_{other}_total"),
    }
}

fn found_seats(portal: &Portal) -> f64 {
    match portal.bearing.finds_seats() {
        true => f64::from(portal.bearing.seats()),
        false => f64::NAN,
    }
}

fn figure(status: &Status, read: fn(&Figures) -> f64) -> f64 {
    status.promises.as_ref().map_or(f64::NAN, read)
}

fn observed(status: &Status, read: fn(&Observed) -> Option<f64>) -> f64 {
    status.observed.as_ref().and_then(read).unwrap_or(f64::NAN)
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}
