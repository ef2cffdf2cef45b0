//! What `preau check` says of the hours in which lanes are let in.

use crate::calendar::{Rule, Timetable, reading, written};
use crate::config::{Config, RoomConfig};
use crate::time::Millis;
use jiff::tz::TimeZone;

/// Changes of the hours that are looked at, in search of some in which nobody is let in.
const CHANGES_MAX: usize = 256;

/// What is no error, but perhaps not meant: lanes whose hours are over for good, and the first hours
/// after `clock` in which nobody at all is let into a room.
pub fn doubts(config: &Config, clock: Millis) -> Vec<String> {
    let rooms = config.rooms.iter();
    rooms
        .flat_map(|room| {
            let zone = &config.time_zone;
            let doubts = over(room, zone, clock).into_iter();
            doubts
                .chain(gap(room, zone, clock))
                .chain(outside(room, zone, clock))
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

/// The first hours in which no lane is let in. Whoever belongs to none is let in at any hour, but when
/// lanes for everybody are open, nobody does.
fn gap(room: &RoomConfig, zone: &TimeZone, clock: Millis) -> Option<String> {
    let named = || room.lanes.iter().filter(|lane| !lane.name.is_empty());
    if room.lanes.is_empty() || named().any(|lane| lane.enters.is_empty()) {
        return None;
    }
    let mut entries = vec![named().flat_map(|lane| lane.enters.clone()).collect()];
    let others = has_others(room);
    if others {
        entries.push(for_everybody(room));
    }
    let table = Timetable::new(zone.clone(), entries);
    // Of the lanes that let in, none holds; and nobody is of no lane.
    let nobody = others.then_some(1);
    let changes = std::iter::successors(Some(clock), |at| table.change(*at));
    let from = { changes }
        .take(CHANGES_MAX)
        .find(|at| table.at(*at) == nobody)?;
    Some(format!(
        "room {}: nobody at all is let in from {} to {}: each lane has hours (`enters`), and none of \
         them holds then",
        room.name,
        shown(zone, from),
        until(&table, zone, from)
    ))
}

/// The first hours in which somebody who comes belongs to no lane, though lanes for everybody have
/// hours: they are let in at any hour, which is perhaps not meant.
fn outside(room: &RoomConfig, zone: &TimeZone, clock: Millis) -> Option<String> {
    let whens = for_everybody(room);
    let timed = room.lanes.iter().any(|lane| !lane.enters.is_empty());
    if !has_others(room) || whens.is_empty() || !timed {
        return None;
    }
    let table = Timetable::new(zone.clone(), vec![whens]);
    let from = match table.at(clock) {
        None => clock,
        Some(_) => table.change(clock)?,
    };
    Some(format!(
        "room {}: who comes from {} to {} belongs to no lane (`when`), and is let in at any hour; a last \
         lane without `when` is for them",
        room.name,
        shown(zone, from),
        until(&table, zone, from)
    ))
}

/// Whether somebody may belong to no lane of the file.
fn has_others(room: &RoomConfig) -> bool {
    (room.lanes.first()).is_some_and(|others| others.name.is_empty())
}

/// The hours in which everybody who comes belongs to some lane.
fn for_everybody(room: &RoomConfig) -> Vec<Rule> {
    let lanes = room.lanes.iter().filter(|lane| !lane.is_particular());
    lanes.flat_map(|lane| lane.when.clone()).collect()
}

fn shown(zone: &TimeZone, at: Millis) -> String {
    written(reading(zone, at))
}

fn until(table: &Timetable, zone: &TimeZone, from: Millis) -> String {
    let change = table.change(from);
    change.map_or("no end".to_owned(), |at| shown(zone, at))
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
        let words =
            "room ent: nobody at all is let in from Wed 2026-09-02 14:00 to Thu 2026-09-03 08:00:";
        assert!(gap[0].starts_with(words), "{gap:?}");
        // All others are let in at any hour.
        assert!(said(colleges).is_empty());
        assert!(said("{ name = \"b\", enters = \"daily 00:00-24:00\" }").is_empty());
        let later = said("{ name = \"b\", enters = \"wed 14:00-15:00\" }");
        assert!(later[0].contains("from Wed 2026-09-02 13:00 to Wed 2026-09-02 14:00"));
    }

    #[test]
    fn lanes_for_everybody_leave_nobody_to_the_lane_of_all_others() {
        let day = "{ name = \"a\", when = \"daily 00:00-12:00\", enters = \"daily 08:00-12:00\" }";
        let night =
            "{ name = \"b\", when = \"daily 12:00-24:00\", enters = \"daily 14:00-20:00\" }";
        let gap = said(&format!("{day}, {night}"));
        assert_eq!(gap.len(), 1, "{gap:?}");
        assert!(
            gap[0].contains("from Wed 2026-09-02 13:00 to Wed 2026-09-02 14:00"),
            "{gap:?}"
        );

        // From noon on, nobody is for it: then whoever comes belongs to no lane.
        let both = said(day);
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(
            both[0].contains("from Thu 2026-09-03 00:00 to Thu 2026-09-03 08:00"),
            "{both:?}"
        );
        assert!(
            both[1].contains(
                "who comes from Wed 2026-09-02 13:00 to Thu 2026-09-03 00:00 belongs to no lane"
            ),
            "{both:?}"
        );
        // A lane that is let in at any hour is somebody.
        let teachers = "{ name = \"t\", path = \"/t\" }";
        let with = said(&format!("{teachers}, {day}, {night}"));
        assert!(with.is_empty(), "{with:?}");
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
