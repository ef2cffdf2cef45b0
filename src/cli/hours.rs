//! What `preau check` says of the hours in which lanes are let in.

use crate::calendar::{Timetable, reading};
use crate::config::{Config, RoomConfig};
use crate::time::Millis;
use jiff::tz::TimeZone;

/// What is no error, but perhaps not meant: lanes whose hours are over for good, and the first hours
/// after `clock` in which nobody at all is let into a room.
pub fn doubts(config: &Config, clock: Millis) -> Vec<String> {
    let rooms = config.rooms.iter();
    rooms
        .flat_map(|room| {
            let over = over(room, &config.time_zone, clock);
            over.into_iter().chain(gap(room, &config.time_zone, clock))
        })
        .collect()
}

/// Lanes that are let in no more.
fn over(room: &RoomConfig, zone: &TimeZone, clock: Millis) -> Vec<String> {
    let timed = room.lanes.iter().filter(|lane| !lane.enters.is_empty());
    timed
        .filter(|lane| {
            let table = Timetable::new(zone.clone(), vec![lane.enters.clone()]);
            table.at(clock).is_none() && table.change(clock).is_none()
        })
        .map(|lane| {
            format!(
                "room {}: the hours in `enters` of lane {} are over: it is let in no more",
                room.name, lane.name
            )
        })
        .collect()
}

/// The first hours in which no lane is let in.
fn gap(room: &RoomConfig, zone: &TimeZone, clock: Millis) -> Option<String> {
    let always = room.lanes.iter().any(|lane| lane.enters.is_empty());
    if always || room.lanes.is_empty() {
        return None;
    }
    let rules = room.lanes.iter().flat_map(|lane| lane.enters.clone());
    let table = Timetable::new(zone.clone(), vec![rules.collect()]);
    let from = match table.at(clock) {
        None => clock,
        Some(_) => table.change(clock)?,
    };
    let shown = |at| reading(zone, at).strftime("%Y-%m-%d %H:%M").to_string();
    let until = table.change(from).map_or("no end".to_owned(), shown);
    Some(format!(
        "room {}: nobody at all is let in from {} to {until}: each lane has hours (`enters`), and none of \
         them holds then",
        room.name,
        shown(from)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse};

    /// 2026-09-02, a Wednesday, at 13:00 in Paris.
    const ONE: Millis = Millis(1_788_346_800_000);

    fn said(lanes: &str) -> Vec<String> {
        let text = format!(
            "portal = [{{ servers = \"http://a\" }}]\nroom = [{{ name = \"ent\", lane = [{lanes}] }}]"
        );
        let source = Source {
            name: "test",
            text: &text,
            overrides: &[],
        };
        doubts(&parse(source).unwrap(), ONE)
    }

    #[test]
    fn the_first_hours_in_which_nobody_is_let_in_are_named() {
        let colleges = "{ name = \"a\", path = \"/a\", enters = \"mon-fri 08:00-11:00\" }";
        let lycees = "{ name = \"b\", enters = \"mon-fri 11:00-14:00\" }";
        let gap = said(&format!("{colleges}, {lycees}"));
        assert_eq!(gap.len(), 1, "{gap:?}");
        let words = "room ent: nobody at all is let in from 2026-09-02 14:00 to 2026-09-03 08:00:";
        assert!(gap[0].starts_with(words), "{gap:?}");
        // All others are let in at any hour.
        assert!(said(colleges).is_empty());
        assert!(said("{ name = \"b\", enters = \"daily 00:00-24:00\" }").is_empty());
        let later = said("{ name = \"b\", enters = \"wed 14:00-15:00\" }");
        assert!(later[0].contains("from 2026-09-02 13:00 to 2026-09-02 14:00"));
    }

    #[test]
    fn hours_that_are_over_for_good_are_named() {
        let over = said("{ name = \"a\", path = \"/a\", enters = \"2026-09-01 08:00-11:00\" }");
        assert_eq!(over.len(), 1, "{over:?}");
        assert!(over[0].contains("lane a are over"), "{over:?}");
        let still = "{ name = \"a\", path = \"/a\", enters = \"2026-09-02 08:00-14:00\" }";
        assert!(said(still).is_empty());
    }
}
