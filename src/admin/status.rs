//! The state of the house as JSON: names are part of the public surface.

use super::Desk;
use super::advice::{self, WouldWait};
use crate::front;
use crate::host;
use crate::room::{self, Hours, Lot, Stage};
use crate::upstream::Portal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `/api/v1/status`.
#[derive(Debug, Serialize, Deserialize)]
pub struct HouseStatus {
    /// Version of the program.
    pub version: String,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// A stop has begun.
    pub draining: bool,
    /// The last commit to the store succeeded.
    pub store_ok: bool,
    /// Connections of visitors.
    pub connections: i64,
    /// The rooms, in the order of the file.
    pub rooms: Vec<RoomStatus>,
    /// The portals, in the order of the file.
    pub portals: Vec<PortalStatus>,
}

/// One room.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoomStatus {
    /// Its name.
    pub name: String,
    /// Its portal's name.
    pub portal: String,
    /// Whether the portal answers.
    pub portal_up: bool,
    /// Its mode.
    pub mode: room::Mode,
    /// Why it is in force: "mode" (the file's), "schedule", "not open yet", "opens soon".
    #[serde(default)]
    pub mode_why: String,
    /// When the calendar says another one; null if never.
    #[serde(default)]
    pub mode_until: Option<String>,
    /// When somebody goes in again, if nobody does now and the calendar says when.
    #[serde(default)]
    pub reopens: Option<String>,
    /// When the room opens next; null if no opening is to come.
    #[serde(default)]
    pub opens: Option<String>,
    /// The newest opening with a draw.
    #[serde(default)]
    pub draw: Option<DrawStatus>,
    /// The limit in force.
    pub seats: u32,
    /// Newcomers who go in within a minute at most, straight and called together; null if that is not
    /// bounded.
    #[serde(default)]
    pub per_minute: Option<u32>,
    /// Seats taken, without those of the reserve for callbacks.
    pub taken: u32,
    /// People on these seats who are there, for all that is known: the limit is for them. The others
    /// have gone without logging out; whoever of them comes back is still inside.
    pub there: u32,
    /// Seats taken of the reserve for callbacks of sign-ons.
    pub callbacks: u32,
    /// Tickets called and not yet in.
    pub called: u32,
    /// Living tickets.
    pub waiting: u64,
    /// What somebody who came now would be promised; null while unknown.
    pub wait_seconds: Option<Range>,
    /// Calls per second that the pace allows.
    pub pace_per_second: f64,
    /// The learnt factor between the estimate and the upper bound of that; null while unknown.
    pub promise_factor: Option<f64>,
    /// How well promises were kept lately; null while there is none to tell of.
    #[serde(default)]
    pub promises: Option<Promises>,
    /// How the first minutes of those who were let in went.
    #[serde(default)]
    pub first_minutes: FirstMinutes,
    /// What would have happened; null unless the mode is `observe`.
    #[serde(default)]
    pub observed: Option<WouldWait>,
    /// Mean time that a seat is held, over half an hour: a visit, and `idle` after it where nobody
    /// logs out. Null while unknown.
    pub visit_seconds: Option<f64>,
    /// Visitors let in since the start.
    pub entered_total: u64,
    /// The lanes; none if the room has but one line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<LaneStatus>,
    /// Everything that was counted since the start, by name.
    pub counts: BTreeMap<String, u64>,
}

/// How well promises were kept: the last thousand, of those who left the line as well.
#[derive(Debug, Serialize, Deserialize)]
pub struct Promises {
    /// How many this is about.
    pub scored: usize,
    /// Share of the upper bounds that were kept.
    pub coverage: f64,
    /// Share of the waits that ended by the upper bound that was shown last.
    pub told: f64,
    /// Sum of |wait − estimate| ÷ sum of waits.
    pub error: f64,
    /// Share of the waits that ended more than a minute after the upper bound.
    pub late: f64,
    /// How often a promise was raised, for each visitor to whom one was made.
    pub raised: f64,
    /// Mean of wait − estimate, for each tenth from the shortest estimates to the longest; empty
    /// while there are fewer than ten.
    pub bias_seconds: Vec<f64>,
}

/// How the first minutes of those who were let in went, since the start.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FirstMinutes {
    /// Without an error, and as soon as usual.
    pub served: u64,
    /// More than a quarter of their requests took more than four times as long as usual.
    pub slow: u64,
    /// An answer was 500 or above, or none came.
    pub failed: u64,
    /// The share of the last thousand that was served; null while there are none.
    pub share: Option<f64>,
}

/// One lane of a room.
#[derive(Debug, Serialize, Deserialize)]
pub struct LaneStatus {
    /// Its name; empty for the lane of all others, if the file does not name it.
    pub name: String,
    /// Its share of the calls, beside the other lanes' weights.
    pub weight: u32,
    /// Seats that are kept for it.
    pub reserve: u32,
    /// Whether it takes newcomers at this hour.
    pub open: bool,
    /// Whether its members are let in at this hour.
    pub enters: bool,
    /// Until when they are, if that has an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enters_until: Option<String>,
    /// When they are let in next, if the calendar says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enters_from: Option<String>,
    /// Seats taken, or kept for somebody who was called.
    pub taken: u32,
    /// Living tickets.
    pub waiting: u64,
    /// What somebody who came into it now would be promised; null while unknown.
    pub wait_seconds: Option<Range>,
    /// Tickets called since the start.
    pub calls_total: u64,
    /// Visitors who went straight in since the start.
    pub straight_total: u64,
}

/// An opening whose early comers are drawn by lot.
#[derive(Debug, Serialize, Deserialize)]
pub struct DrawStatus {
    /// When.
    pub at: String,
    /// "gathering", "settled" or "drawn".
    pub stage: room::Stage,
    /// The SHA-256 of the seed, in hexadecimal.
    pub seed_sha256: String,
    /// The seed, in hexadecimal; null before the draw.
    pub seed: Option<String>,
    /// First and last of the numbers that are drawn among themselves; none before the draw.
    pub numbers: Vec<(u64, u64)>,
}

/// A range of seconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Range {
    /// At least.
    pub low: u64,
    /// At most.
    pub high: u64,
}

/// One portal.
#[derive(Debug, Serialize, Deserialize)]
pub struct PortalStatus {
    /// Its name.
    pub name: String,
    /// Whether any server is up.
    pub up: bool,
    /// The limit of requests in flight.
    pub slots: u32,
    /// Whether that limit is found.
    #[serde(default)]
    pub slots_found: bool,
    /// People inside at most, over its rooms whose seats are found; null if there are none.
    #[serde(default)]
    pub seats: Option<u32>,
    /// The last moves of both limits, the newest last.
    #[serde(default)]
    pub moves: Vec<MoveStatus>,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests that wait for a slot.
    pub waiting: usize,
    /// Its servers.
    pub servers: Vec<ServerStatus>,
    /// Its parts that fail for nearly everybody.
    #[serde(default)]
    pub failing: Vec<FailingPart>,
}

/// A part of a portal that fails.
#[derive(Debug, Serialize, Deserialize)]
pub struct FailingPart {
    /// Its host (none, where its room takes any) and the first name of its paths.
    pub part: String,
    /// Since when.
    pub since: String,
    /// Requests that have failed since then.
    pub failures: u64,
    /// What it does, in words that follow the part.
    pub wrong: String,
}

/// A limit that was moved, and why.
#[derive(Debug, Serialize, Deserialize)]
pub struct MoveStatus {
    /// When, in seconds since 1970.
    pub at: u64,
    /// `slots` or `seats`.
    pub what: String,
    /// From.
    pub from: u32,
    /// To.
    pub to: u32,
    /// Why, as in `preau_portal_moves_total`.
    pub why: String,
    /// The same in words.
    pub words: String,
    /// What was seen; null for what was not looked at.
    pub seen: serde_json::Value,
}

/// One server.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Host and port.
    pub address: String,
    /// Whether it is up.
    pub up: bool,
    /// What was wrong with it last, in words that follow its name; null while it is up.
    #[serde(default)]
    pub wrong: Option<String>,
    /// Requests in flight.
    pub in_flight: u32,
}

/// Everything.
pub fn house(desk: &Desk) -> HouseStatus {
    HouseStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: host::now().since(desk.began).0 / 1000,
        draining: desk.house.is_draining(),
        store_ok: desk.house.written.works(),
        connections: desk.house.metrics.connections.get(),
        rooms: rooms(desk),
        portals: portals(desk),
    }
}

/// The rooms.
pub fn rooms(desk: &Desk) -> Vec<RoomStatus> {
    desk.house
        .doors
        .iter()
        .map(|door| {
            let status = door.room().status(host::now());
            let moment = |at| front::moment(&desk.house, at);
            let portal = &desk.house.portals[door.config.portal];
            RoomStatus {
                portal: portal.config().name.clone(),
                portal_up: status.portal_up,
                mode: status.mode,
                mode_why: status.calendar.why.name().to_owned(),
                mode_until: status.calendar.until.map(moment),
                reopens: status.calendar.reopens.map(moment),
                opens: status.calendar.opens.map(moment),
                draw: status.calendar.lot.as_ref().map(|lot| draw(desk, lot)),
                seats: status.seats,
                per_minute: status.per_minute,
                taken: status.taken,
                there: status.there(),
                callbacks: status.callbacks,
                called: status.called,
                waiting: status.waiting,
                wait_seconds: range(status.promise),
                pace_per_second: status.pace,
                promise_factor: status.q,
                promises: promises(&status),
                first_minutes: first_minutes(&status),
                observed: advice::would_wait(&status),
                visit_seconds: status.visit_secs,
                entered_total: status.entered_total,
                lanes: lanes(desk, status.lanes),
                counts: room::Counts::SERIES
                    .map(|(name, _, read)| (name.to_owned(), read(&status.counts)))
                    .into(),
                name: status.name,
            }
        })
        .collect()
}

fn first_minutes(status: &room::Status) -> FirstMinutes {
    let [served, slow, failed] = status.firsts.totals;
    FirstMinutes {
        served,
        slow,
        failed,
        share: status.firsts.served(),
    }
}

fn promises(status: &room::Status) -> Option<Promises> {
    let figures = status.promises.as_ref()?;
    Some(Promises {
        scored: figures.scored,
        coverage: figures.coverage,
        told: figures.told,
        error: figures.error,
        late: figures.late,
        raised: status.counts.raised_per_promise(),
        bias_seconds: figures.bias.clone(),
    })
}

/// A room's lanes, if there are several, or its one lane if that has hours.
fn lanes(desk: &Desk, lanes: Vec<room::LaneStatus>) -> Vec<LaneStatus> {
    let timed = lanes.iter().any(|lane| lane.hours != Hours::default());
    let moment = |at| front::moment(&desk.house, at);
    if lanes.len() < 2 && !timed {
        return Vec::new();
    }
    lanes
        .into_iter()
        .map(|lane| LaneStatus {
            weight: lane.weight,
            reserve: lane.reserve,
            open: lane.open,
            enters: lane.hours.entering(),
            enters_until: lane.hours.until().map(moment),
            enters_from: lane.hours.from().map(moment),
            taken: lane.committed,
            waiting: lane.waiting,
            wait_seconds: range(lane.promise),
            calls_total: lane.calls_total,
            straight_total: lane.straight_total,
            name: lane.name,
        })
        .collect()
}

fn range(promise: Option<room::Promise>) -> Option<Range> {
    promise.map(|promise| Range {
        low: promise.low.0 / 1000,
        high: promise.high.ceil_secs(),
    })
}

fn draw(desk: &Desk, lot: &Lot) -> DrawStatus {
    let drawn = lot.stage == Stage::Drawn;
    let ranges = lot.ranges.iter().filter(|range| drawn && !range.is_empty());
    DrawStatus {
        at: front::moment(&desk.house, lot.at),
        stage: lot.stage,
        seed_sha256: front::commitment(&lot.seed),
        seed: drawn.then(|| front::hex(&lot.seed)),
        numbers: ranges.map(|range| (range.start, range.end - 1)).collect(),
    }
}

fn move_status(moved: &room::Move) -> MoveStatus {
    MoveStatus {
        at: moved.at.0 / 1000,
        what: moved.what.name().to_owned(),
        from: moved.from,
        to: moved.to,
        why: moved.why.name().to_owned(),
        words: moved.why.words().to_owned(),
        seen: serde_json::json!(moved.seen),
    }
}

fn failing(desk: &Desk, portal: &Portal) -> Vec<FailingPart> {
    let parts = portal.bearing.failing_parts().into_iter();
    parts
        .map(|part| FailingPart {
            part: part.to_string(),
            since: front::moment(&desk.house, part.since),
            failures: part.failures,
            wrong: part.how.to_string(),
        })
        .collect()
}

fn portals(desk: &Desk) -> Vec<PortalStatus> {
    desk.house
        .portals
        .iter()
        .map(|portal| {
            let usage = portal.usage();
            let servers = portal.config().servers.iter().zip(&usage.servers);
            let servers = servers.zip(portal.wrongs());
            PortalStatus {
                name: portal.config().name.clone(),
                up: portal.is_up(),
                slots: usage.limit,
                slots_found: portal.bearing.finds_slots(),
                seats: portal.bearing.finds_seats().then(|| portal.bearing.seats()),
                moves: portal
                    .bearing
                    .last_moves()
                    .iter()
                    .map(move_status)
                    .collect(),
                in_flight: usage.in_flight,
                waiting: usage.waiting,
                failing: failing(desk, portal),
                servers: servers
                    .map(|((address, (up, in_flight)), wrong)| ServerStatus {
                        address: address.to_string(),
                        up: *up,
                        wrong,
                        in_flight: *in_flight,
                    })
                    .collect(),
            }
        })
        .collect()
}
