//! `[[room]]`: what is guarded, for whom it is open, and the rules.

use super::hosts::{self, HOST_EXAMPLE, HostPattern};
use super::keys::nearest;
use super::pattern::PathPattern;
use super::requests::path;
use super::table::Table;
use super::values::{choice, example_name, list, name, number, parsed, show, span};
use super::{LaneConfig, RoomConfig, Trust, capacity, flows, lanes, plans, portals};
use crate::room::{Limit, Mode, Rules};
use crate::time::Span;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use toml::de::DeTable;

/// A room's part of its portal's seats.
const WEIGHT: RangeInclusive<u32> = 1..=1_000;
/// Seats beyond the limit: for forms sent just after a pass has lapsed, and for callbacks.
const RESERVE: RangeInclusive<u32> = 0..=100_000;
/// Newcomers who go in within a minute.
const PER_MINUTE: RangeInclusive<u32> = 1..=10_000_000;
/// A seat without a renewing request.
const IDLE: RangeInclusive<Span> = Span::secs(1)..=Span::mins(24 * 60);
/// A visit in all.
const VISIT_MAX: RangeInclusive<Span> = Span::secs(1)..=Span::mins(7 * 24 * 60);
/// A called visitor's time to come in.
const CLAIM: RangeInclusive<Span> = Span::secs(1)..=Span::mins(60);
/// How long a place outlives its last poll.
/// The line's clock tells nine hours apart (see `room::Line`).
const KEEP: RangeInclusive<Span> = Span::secs(2)..=Span::mins(8 * 60);
/// Tickets that wait at once.
const LINE_MAX: RangeInclusive<u32> = 1..=100_000_000;
/// Time between two polls of one visitor.
const POLL: RangeInclusive<Span> = Span::secs(1)..=Span::mins(60);
/// Polls per second of all visitors.
const POLL_BUDGET: RangeInclusive<u32> = 1..=1_000_000;
/// A place must outlive the longest wait between two polls with its jitter.
const KEEP_PER_POLL: f64 = 1.25;

/// Whether the servers behind a room tell `/A` from `/a`.
const CASES: [(&str, bool); 2] = [("sensitive", false), ("insensitive", true)];

const DOMAIN_EXAMPLE: &str = "write the domain that the hosts share, such as \"example.fr\"";

/// Reads every `[[room]]`; one with defaults stands in front of a portal that is alone and has
/// none. `None` if a room could not be read.
pub(super) fn read(
    top: &mut Table<'_>,
    portals: &[portals::Read],
    trust: &Trust,
    zone: &TimeZone,
) -> Option<Vec<RoomConfig>> {
    let tables = top.tables("room");
    let sink = top.sink();
    if tables.is_empty() {
        if portals.len() == 1 && !top.has("room") {
            let defaults = DeTable::new();
            let defaults = Table::top(&defaults, sink);
            return room(defaults, portals, (trust, zone), Nth::Only).map(|room| vec![room]);
        }
        if !portals.is_empty() {
            sink.doubtful(
                top.span(&["room"]),
                "there is no [[room]]",
                "",
                "write a [[room]] with `portal = \"…\"` for each portal to guard",
            );
            sink.about_missing("room");
        }
        return None;
    }
    let only = tables.len() == 1;
    let mut covered = HashMap::new();
    let mut rooms: Vec<Option<RoomConfig>> = Vec::new();
    for (nth, table) in tables.into_iter().enumerate() {
        let name_at = table.span(&["name"]);
        let paths_at = table.span(&["path", "host"]);
        let room = room(
            table,
            portals,
            (trust, zone),
            if only { Nth::Only } else { Nth::Of(nth) },
        );
        if let Some(room) = &room {
            if rooms.iter().flatten().any(|other| other.name == room.name) {
                sink.wrong(
                    name_at,
                    "two rooms have the same name",
                    format!("`{}` is taken by a room above", room.name),
                    "give each room a name of its own",
                );
            }
            for (host, path, other) in overlap(room, &mut covered) {
                sink.doubtful(
                    paths_at.clone(),
                    "two rooms cover the same host and path",
                    format!("`{path}` on `{host}` is covered by room `{other}` already"),
                    "change `host` or `path` of one of them; the most specific room wins",
                );
                sink.about_missing("room");
            }
        }
        rooms.push(room);
    }
    rooms.into_iter().collect()
}

/// What `room` covers that is covered already, and by whom; the rest is noted in `covered`.
fn overlap(
    room: &RoomConfig,
    covered: &mut HashMap<(String, String), String>,
) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for host in &room.hosts {
        for path in &room.paths {
            let key = (host.to_string(), path.to_string());
            match covered.get(&key) {
                Some(other) => found.push((key.0, key.1, other.clone())),
                None => {
                    covered.insert(key, room.name.clone());
                }
            }
        }
    }
    found
}

/// Which of the rooms one is.
#[derive(Clone, Copy)]
enum Nth {
    /// There is no other.
    Only,
    /// Of several, from 0.
    Of(usize),
}

fn room(
    mut table: Table<'_>,
    portals: &[portals::Read],
    (trust, zone): (&Trust, &TimeZone),
    nth: Nth,
) -> Option<RoomConfig> {
    let portal = portal(&mut table, portals);
    let portal_name = portal
        .and_then(|index| portals.get(index))
        .filter(|portal| portal.named)
        .and_then(|portal| portal.name.clone());
    let name = match (portal_name, nth) {
        (Some(default), _) => Some(table.read_or("name", name, default)),
        (None, Nth::Only) => Some(table.read_or("name", name, "room".to_owned())),
        (None, Nth::Of(nth)) => table.required("name", name, &example_name("ent", nth)),
    };
    let hosts = list(parsed(HostPattern::parse, HOST_EXAMPLE));
    let hosts = table.read_or("host", hosts, vec![HostPattern::any()]);
    let mut paths = table.read_or("path", list(path), vec![PathPattern::everything()]);
    let ignores_case = table.read_or("case", choice(&CASES), false);
    let cookie_domain = cookie_domain(&mut table, &hosts);
    let mut flows = flows::read(&mut table, &hosts);
    let seats = capacity::seats(&mut table);
    let weight = table.read_or("weight", number(WEIGHT), 1);
    let mut rules = rules(&mut table, seats);
    let mut lanes = lanes::read(&mut table, &mut rules, seats, trust);
    if ignores_case {
        paths = paths.iter().map(PathPattern::ignoring_case).collect();
        flows = flows.ignoring_case();
        lanes.iter_mut().for_each(LaneConfig::ignore_case);
    }
    let (plan, notices) = plans::read(&mut table, zone);
    table.finish();
    Some(RoomConfig {
        name: name?,
        portal: portal?,
        hosts,
        paths,
        cookie_domain,
        flows,
        rules,
        lanes,
        seats,
        weight,
        plan,
        notices,
    })
}

/// The index of the portal behind a room.
fn portal(table: &mut Table<'_>, portals: &[portals::Read]) -> Option<usize> {
    let names: Vec<&str> = portals.iter().filter_map(|p| p.name.as_deref()).collect();
    let unnamed = names.len() < portals.len();
    let known = names.join(", ");
    if portals.is_empty() {
        // That was said, and whatever the room says of it cannot be judged.
        table.read("portal", name);
        return None;
    }
    if !table.has("portal") && portals.len() == 1 {
        table.read("portal", name);
        return Some(0);
    }
    let example = format!("\"{}\"", names.first().unwrap_or(&"ent"));
    let wanted = table.required("portal", name, &example)?;
    let found = portals
        .iter()
        .position(|p| p.name.as_deref() == Some(&*wanted));
    // A portal whose own name is wrong may be the one that is meant.
    if found.is_none() && !unnamed {
        let near = nearest(&wanted, &names)
            .map(|near| format!("did you mean \"{near}\"? "))
            .unwrap_or_default();
        table.sink().doubtful(
            table.span(&["portal"]),
            "the room names a portal that does not exist",
            format!("no portal is named `{wanted}`"),
            format!("{near}the portals are: {known}"),
        );
        table.sink().about_missing("portal");
    }
    found
}

impl RoomConfig {
    /// The host by which what happens here is told apart: where a visitor may say any, none.
    pub fn told_by<'h>(&self, host: &'h str) -> &'h str {
        match self.hosts.iter().any(HostPattern::is_any) {
            true => "",
            false => host,
        }
    }

    /// The domains that all hosts of the room lie in, the narrowest first.
    pub fn domains(&self) -> Vec<String> {
        hosts::shared(&self.hosts)
    }
}

/// The domain of the room's cookies; every host of the room must lie in it, or the room's cookies
/// would not reach the room.
fn cookie_domain(table: &mut Table<'_>, hosts: &[HostPattern]) -> Option<String> {
    let domain = table.read("cookie_domain", parsed(hosts::domain, DOMAIN_EXAMPLE))?;
    for host in hosts.iter().filter(|host| !host.is_within(&domain)) {
        table.sink().wrong(
            table.span(&["host", "cookie_domain"]),
            "`room.cookie_domain` does not cover every host of the room",
            format!("`{host}` is not at or below `{domain}`"),
            format!("write hosts such as \"{domain}\", \"cas.{domain}\" or \"*.{domain}\""),
        );
    }
    Some(domain)
}

/// The rules among a room's keys; what is not there has its default.
pub(super) fn rules(table: &mut Table<'_>, seats: Limit) -> Rules {
    let mut rules = Rules::default();
    (rules.seats, rules.found) = (seats.start(), !seats.is_fixed());
    rules.mode = table.read_or("mode", choice(&Mode::NAMES), rules.mode);
    rules.per_minute = table.read("per_minute", number(PER_MINUTE));
    rules.idle = table.read_or("idle", span(IDLE), rules.idle);
    let first_idle = rules.first_idle.min(rules.idle);
    rules.first_idle = table.read_or("first_idle", span(IDLE), first_idle);
    rules.sign_on = table.read_or("sign_on", span(IDLE), rules.sign_on);
    rules.visit_max = table.read_or("visit_max", span(VISIT_MAX), rules.visit_max);
    rules.claim = table.read_or("claim", span(CLAIM), rules.claim);
    rules.keep = table.read_or("keep", span(KEEP), rules.keep);
    rules.line_max = table.read_or("line_max", number(LINE_MAX), rules.line_max);
    rules.reserve = table.read_or("reserve", number(RESERVE), rules.reserve);
    let callback_reserve = table.read("callback_reserve", number(RESERVE));
    rules.callback_reserve = callback_reserve.unwrap_or(rules.callback_reserve);
    if let Some(mut poll) = table.table("poll") {
        rules.poll_min = poll.read_or("min", span(POLL), rules.poll_min);
        rules.poll_max = poll.read_or("max", span(POLL), rules.poll_max);
        rules.poll_budget = poll.read_or("budget", number(POLL_BUDGET), rules.poll_budget);
        poll.in_order(("min", rules.poll_min), ("max", rules.poll_max));
        poll.finish();
    }
    check_times(table, &rules);
    rules
}

/// What must hold between times of a room.
fn check_times(table: &Table<'_>, rules: &Rules) {
    if rules.visit_max < rules.idle {
        table.sink().wrong(
            table.span(&["visit_max", "idle"]),
            "`room.visit_max` is shorter than `room.idle`",
            format!(
                "visit_max is {}, idle is {}",
                show(rules.visit_max),
                show(rules.idle)
            ),
            format!(
                "write `visit_max = \"{}\"` or more, or shorten `idle`",
                show(rules.idle)
            ),
        );
    }
    let least = rules.poll_max.scale(KEEP_PER_POLL);
    if rules.keep < least {
        table.sink().wrong(
            table.span(&["keep", "poll"]),
            "`room.keep` is too short for `room.poll.max`",
            format!(
                "people are told to ask every {} or so, and would lose their place",
                show(rules.poll_max)
            ),
            format!(
                "write `keep = \"{}\"` or more, or shorten `poll.max`",
                show(least)
            ),
        );
    }
}
