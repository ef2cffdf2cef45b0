//! What `preau check` says of a file that is valid: what guards what.

use super::schedules;
use crate::config::{self, Config, Flows, Portal, RoomConfig};
use crate::room::Limit;
use crate::time::Millis;
use std::fmt::{Display, Write as _};

/// What is in the file; what holds by the calendar, holds at `clock` on the wall.
pub(super) fn summary(config: &Config, clock: Millis) -> String {
    let mut out = String::new();
    for portal in &config.portals {
        let servers: Vec<String> = portal.servers.iter().map(ToString::to_string).collect();
        let Portal { name, slots, .. } = portal;
        let slots = limit(*slots);
        let _ = writeln!(out, "portal {name}: {} · {slots} slots", servers.join(", "));
    }
    for room in &config.rooms {
        let portal = &config.portals[room.portal].name;
        let RoomConfig { name, rules, .. } = room;
        let _ = writeln!(
            out,
            "room {name}: guards {} on {} in front of portal {portal} · {} · {} seats{} · \
             idle {}{}",
            join(&room.paths),
            join(&room.hosts),
            rules.mode.name(),
            limit(room.seats),
            per_minute(rules.per_minute),
            config::show(rules.idle),
            flows_of(&room.flows) + &lanes_of(room),
        );
        for line in schedules::of_file(room, &config.time_zone, clock) {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// A limit, or that it is found and within what.
fn limit(limit: Limit) -> String {
    match limit {
        Limit::Fixed(number) => number.to_string(),
        Limit::Auto { min, max } => format!("auto ({min} to {max})"),
    }
}

/// A bound on newcomers, if there is one.
fn per_minute(bound: Option<u32>) -> String {
    bound.map_or_else(String::new, |bound| {
        format!(" · {bound} newcomers a minute")
    })
}

/// What is special in a room, as far as there is something.
fn flows_of(flows: &Flows) -> String {
    let mut out = String::new();
    if !flows.presets.is_empty() {
        let _ = write!(out, " · presets {}", flows.presets.join(", "));
    }
    for (key, requests) in Flows::LISTS {
        if !requests(flows).is_empty() {
            let _ = write!(out, " · {key} {}", requests(flows).len());
        }
    }
    out
}

/// The lanes of a room that has some, with their weights and the hours in which they are let in.
fn lanes_of(room: &RoomConfig) -> String {
    if room.lanes.is_empty() {
        return String::new();
    }
    let lanes = room.lanes.iter().zip(&room.rules.lanes);
    let named = lanes.map(|(lane, rules)| {
        let name = match lane.name.as_str() {
            "" => "all others",
            name => name,
        };
        let hours = match lane.enters.is_empty() {
            true => String::new(),
            false => format!(" (enters {})", join(&lane.enters)),
        };
        format!("{name} {}{hours}", rules.weight)
    });
    format!(" · lanes {}", named.collect::<Vec<String>>().join(", "))
}

fn join(patterns: &[impl Display]) -> String {
    let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::valid;

    #[test]
    fn the_summary_says_what_guards_what() {
        let config = valid(
            "portal = [{ name = \"ent\", servers = \"http://10.0.0.5\" }]\n\
             room = [{ host = \"x.fr\", path = \"/cours/**\", seats = 7, per_minute = 200, open = \"/a\" }]",
        );
        let summary = summary(&config, Millis(0));
        assert!(
            summary.contains("portal ent: 10.0.0.5:80 · auto (4 to 500) slots"),
            "{summary}"
        );
        assert!(
            summary.contains(
                "room ent: guards /cours/** on x.fr in front of portal ent · queue · 7 seats · \
                 200 newcomers a minute · idle 10m · open 1"
            ),
            "{summary}"
        );
        let text = "portal = [{ servers = \"http://a\" }]\n\
             room = [{ lane = [{ name = \"a\", path = \"/a\", weight = 3, enters = \"mon 08:00-11:00\" }] }]";
        let summary = self::summary(&valid(text), Millis(0));
        assert!(
            summary.contains(" · lanes all others 1, a 3 (enters mon 08:00-11:00)"),
            "{summary}"
        );
    }
}
