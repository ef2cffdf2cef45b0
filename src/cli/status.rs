//! `preau status`: how the rooms of a running preau stand.

use super::load::{LoadError, UNREADABLE, color, text};
use super::schedules::{self, plain};
use crate::admin::{FailingPart, HouseStatus, LaneStatus, MoveStatus, Range, RoomStatus};
use crate::config;
use crate::room::Mode;
use crate::time::Span;
use clap::Args;
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How long the desk may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the desk's answer at most.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

/// What the commands that ask the desk end with.
pub(super) const EXIT_STATUS: &str = "Exit status:\n  \
    0  shown\n  \
    1  no answer from the desk\n  \
    2  the file cannot be read, its `admin` is wrong, or the command line is";

/// Arguments of `preau status`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_STATUS)]
pub struct Status {
    #[command(flatten)]
    desk: DeskArgs,
    /// The JSON of /api/v1/status instead of a table.
    #[arg(long)]
    json: bool,
}

/// Where a running preau is asked.
#[derive(Args, Clone, Debug)]
pub(super) struct DeskArgs {
    /// The desk's address (`admin` in the file).
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9900",
        value_parser = config::desk_address
    )]
    admin: SocketAddr,
    /// The file from which preau runs: it says the desk's address.
    #[arg(long, value_name = "PATH", conflicts_with = "admin")]
    config: Option<PathBuf>,
}

impl DeskArgs {
    fn address(&self) -> Result<SocketAddr, LoadError> {
        match &self.config {
            Some(path) => {
                let name = path.display().to_string();
                config::desk(&name, &text(path)?).map_err(LoadError::Wrong)
            }
            None => Ok(self.admin),
        }
    }
}

/// Runs the command.
pub fn run(args: &Status) -> ExitCode {
    show(&args.desk, "/api/v1/status", args.json, tables)
}

/// Asks the desk for what is at `path`, and shows it: as it is, or laid out.
pub(super) fn show<T: DeserializeOwned>(
    desk: &DeskArgs,
    path: &str,
    json: bool,
    lay_out: fn(&T) -> String,
) -> ExitCode {
    let desk = match desk.address() {
        Ok(desk) => desk,
        Err(failure) => {
            eprint!("{}", failure.render(color()));
            return ExitCode::from(UNREADABLE);
        }
    };
    let answer = match ask(desk, path) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!(
                "no answer from the desk at {desk}: {error}. Does preau run there? \
                 Its log names the desk's address; --admin says another one, or --config the file \
                 from which it runs.",
            );
            return ExitCode::FAILURE;
        }
    };
    let shown = match json {
        true => answer + "\n",
        false => match serde_json::from_str(&answer) {
            Ok(answer) => lay_out(&answer),
            Err(error) => {
                eprintln!("{desk} answers, but not as preau's desk does: {error}");
                return ExitCode::FAILURE;
            }
        },
    };
    // Somebody who closes the pipe early has seen enough.
    let _ = io::stdout().write_all(shown.as_bytes());
    ExitCode::SUCCESS
}

/// One request, one answer: HTTP/1.0 needs no library on this side.
pub(super) fn ask(desk: SocketAddr, path: &str) -> io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&desk, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(socket, "GET {path} HTTP/1.0\r\nHost: {desk}\r\n\r\n")?;
    let mut answer = String::new();
    socket.take(ANSWER_MAX).read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        Some((head, _)) => Err(io::Error::other(
            head.lines().next().unwrap_or("").to_owned(),
        )),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether a preau's desk answers there.
pub(super) fn runs_at(desk: SocketAddr) -> bool {
    let answer = ask(desk, "/api/v1/status");
    answer.is_ok_and(|answer| serde_json::from_str::<HouseStatus>(&answer).is_ok())
}

/// The names of the certificates that a preau shows whose desk answers there.
pub(super) fn certificates_at(desk: SocketAddr) -> Vec<String> {
    let metrics = ask(desk, "/metrics").unwrap_or_default();
    let names = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix("preau_certificate_expiry_seconds{name=\"")?;
        rest.split('"').next().map(str::to_owned)
    });
    names.collect()
}

fn tables(house: &HouseStatus) -> String {
    let mut rooms = table(&[
        "room",
        "portal",
        "mode",
        "seats",
        "called",
        "waiting",
        "wait for a newcomer",
        "entered",
        "well served",
        "promises kept",
    ]);
    for room in &house.rooms {
        rooms.add_row(room_row(room));
    }
    let mut servers = table(&["portal", "server", "", "in flight", "slots", "queue"]);
    for portal in &house.portals {
        for server in &portal.servers {
            servers.add_row(vec![
                Cell::new(&portal.name),
                Cell::new(&server.address),
                Cell::new(if server.up { "up" } else { "DOWN" }),
                number(server.in_flight),
                number(portal.slots),
                number(portal.waiting),
            ]);
        }
    }
    let mut text = format!("{rooms}\n\n{servers}\n\n");
    for portal in &house.portals {
        for server in &portal.servers {
            if let Some(wrong) = &server.wrong {
                let _ = writeln!(text, "{}: {} {wrong}", portal.name, server.address);
            }
        }
    }
    text += &failing(house);
    text += &moved(house);
    for said in house.rooms.iter().filter_map(schedules::of_status) {
        let _ = writeln!(text, "{said}");
    }
    for room in &house.rooms {
        text += &bounded(room);
        text += &broken(room);
    }
    text += &lanes(house);
    let minutes = house.uptime_seconds / 60;
    let _ = writeln!(
        text,
        "preau {}, up {} h {:02} min, {} connections{}{}",
        house.version,
        minutes / 60,
        minutes % 60,
        house.connections,
        if house.store_ok {
            ""
        } else {
            ", THE STORE CANNOT BE WRITTEN"
        },
        if house.draining { ", stopping" } else { "" },
    );
    text
}

/// What each portal's limits were last moved by.
fn moved(house: &HouseStatus) -> String {
    let mut text = String::new();
    for portal in &house.portals {
        for what in ["slots", "seats"] {
            if let Some(last) = portal.moves.iter().rfind(|it| it.what == what) {
                let MoveStatus {
                    from, to, words, ..
                } = last;
                let _ = writeln!(text, "{}: {what} {from} → {to}, as {words}", portal.name);
            }
        }
    }
    text
}

/// A line for each part of a portal that fails.
fn failing(house: &HouseStatus) -> String {
    let mut text = String::new();
    for portal in &house.portals {
        for failing in &portal.failing {
            let FailingPart {
                part,
                failures,
                wrong,
                since,
            } = failing;
            let (name, since) = (&portal.name, plain(since));
            let _ = writeln!(
                text,
                "{name}: {part} {wrong}: {failures} requests failed since {since}"
            );
        }
    }
    text
}

/// The bound on newcomers of a room that has one, and whether it is what people wait for.
fn bounded(room: &RoomStatus) -> String {
    let Some(per_minute) = room.per_minute else {
        return String::new();
    };
    let waited_for = match room.waiting > 0 && room.there + room.called < room.seats {
        true => ": people wait for that, though seats are free",
        false => "",
    };
    format!(
        "{}: at most {per_minute} newcomers a minute{waited_for}\n",
        room.name
    )
}

/// What must be 0 in a room, and is not.
fn broken(room: &RoomStatus) -> String {
    let zeros = [
        ("queue_jumps", "went in while others waited"),
        ("seat_overshoot", "seats given beyond the limit"),
        (
            "stalled_seconds",
            "seconds in which somebody waited and could have been called",
        ),
    ];
    let said = zeros.map(|(name, words)| match room.counts.get(name) {
        None | Some(0) => String::new(),
        Some(count) => format!("{}: MUST BE 0: {count} {words}\n", room.name),
    });
    said.concat()
}

/// A line for each lane of rooms that have several.
fn lanes(house: &HouseStatus) -> String {
    let mut text = String::new();
    for room in &house.rooms {
        for lane in &room.lanes {
            let name = match lane.name.as_str() {
                "" => "all others",
                name => name,
            };
            let _ = writeln!(
                text,
                "{}, lane {name}: {} waiting, {} in, weight {}{}{}{}",
                room.name,
                lane.waiting,
                lane.taken,
                lane.weight,
                match lane.reserve {
                    0 => String::new(),
                    seats => format!(", {seats} seats kept"),
                },
                if lane.open {
                    ""
                } else {
                    ", closed at this hour"
                },
                entering(lane),
            );
        }
    }
    text
}

/// Whether a lane with hours is let in, and until when that holds.
fn entering(lane: &LaneStatus) -> String {
    match (lane.enters, &lane.enters_until, &lane.enters_from) {
        (true, None, _) => String::new(),
        (true, Some(until), _) => format!(", let in until {}", plain(until)),
        (false, _, Some(from)) => format!(", not let in before {}", plain(from)),
        (false, _, None) => ", let in no more".to_owned(),
    }
}

fn room_row(room: &RoomStatus) -> Vec<Cell> {
    vec![
        Cell::new(&room.name),
        Cell::new(&room.portal),
        Cell::new(room.mode.name()),
        number(format!("{}/{}", room.there, room.seats)),
        number(room.called),
        number(room.waiting),
        Cell::new(wait(room)),
        number(room.entered_total),
        number(percent(room.first_minutes.share)),
        number(percent(room.promises.as_ref().map(|it| it.coverage))),
    ]
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// What somebody who came now would have to wait.
fn wait(room: &RoomStatus) -> String {
    let free = room.waiting == 0 && room.there + room.called < room.seats;
    let length = |seconds| Span::secs(seconds).words();
    match (room.mode, &room.wait_seconds) {
        (Mode::Hold | Mode::Closed, _) => nobody(room.reopens.as_deref()),
        _ if !room.portal_up => "portal down".to_owned(),
        (Mode::Open, _) => "none".to_owned(),
        _ if let Some(observed) = &room.observed => {
            format!("none; {} would wait", observed.waiting)
        }
        _ if !room.lanes.is_empty() && room.lanes.iter().all(|lane| !lane.enters) => {
            // Moments of one zone are in the order of their texts, but for an hour a year.
            nobody(
                room.lanes
                    .iter()
                    .filter_map(|it| it.enters_from.as_deref())
                    .min(),
            )
        }
        _ if free => "none".to_owned(),
        (_, Some(Range { low, high })) => format!("{} to {}", length(*low), length(*high)),
        (_, None) => "not known yet".to_owned(),
    }
}

/// Nobody new goes in, and until when, if that is known.
fn nobody(until: Option<&str>) -> String {
    match until {
        Some(until) => format!("nobody is let in before {}", plain(until)),
        None => "nobody is let in".to_owned(),
    }
}

pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(header);
    table
}

pub(super) fn number(value: impl ToString) -> Cell {
    Cell::new(value.to_string()).set_alignment(CellAlignment::Right)
}
