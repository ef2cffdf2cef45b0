//! What is valid in a file, and most likely not meant.

use super::hours;
use crate::config::{Config, PathPattern, RoomConfig};
use crate::room::Limit;
use crate::time::Millis;

/// More slots than this are never found: few portals work on more at once.
const SLOTS_PLAUSIBLE: u32 = 500;

/// All of it, in words; what the calendar says, it says at `clock` on the wall.
pub(super) fn doubts(config: &Config, clock: Millis) -> Vec<String> {
    let mut doubts = endless_slots(config);
    doubts.extend(config.rooms.iter().flat_map(lone_addresses));
    doubts.extend(hours::doubts(config, clock));
    doubts
}

/// Paths of a room or a lane that mean one address alone, where all below it is more likely meant.
fn lone_addresses(room: &RoomConfig) -> Vec<String> {
    let doubt = |whose: &str, paths: &[PathPattern]| {
        let covered = |below: &str| paths.iter().any(|it| it.matches(below));
        let lone = paths.iter().filter_map(|path| {
            let all = path.with_all_below()?;
            let below = all.to_string().replace("**", "x");
            (!covered(&below)).then(|| {
                format!(
                    "{whose}: the path `{path}` means that address alone, and nothing below it; if all \
                     below it is meant, write \"{all}\""
                )
            })
        });
        lone.collect::<Vec<String>>()
    };
    let mut doubts = doubt(&format!("room {}", room.name), &room.paths);
    for lane in &room.lanes {
        let whose = format!("room {}, lane {}", room.name, lane.name);
        doubts.extend(doubt(&whose, lane.members.paths.patterns()));
        let hinted = lane
            .hint
            .iter()
            .flat_map(|hint| doubt(&whose, hint.paths.patterns()));
        doubts.extend(hinted);
    }
    doubts
}

/// Seats are found from how long requests wait for a slot: with more slots than any portal works on
/// at once, none ever waits, and seats would grow without an end. (The other way round, seats that
/// are given and slots that are found, is no trap.)
fn endless_slots(config: &Config) -> Vec<String> {
    let found = |room: &&RoomConfig| matches!(room.seats, Limit::Auto { .. });
    let rooms = config.rooms.iter().filter(found);
    let warning = |room: &RoomConfig| {
        let portal = &config.portals[room.portal];
        match portal.slots {
            Limit::Fixed(slots) if slots > SLOTS_PLAUSIBLE => Some(format!(
                "room {}: its seats are found from how long requests wait for a slot of portal {}, \
                 and with {slots} slots hardly any will; write `slots = \"auto\"`, or a number of \
                 `seats`",
                room.name, portal.name
            )),
            _ => None,
        }
    };
    rooms.filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::valid;

    #[test]
    fn slots_without_an_end_are_a_trap_for_seats_that_are_found() {
        let warned = |slots: &str, seats: &str| {
            let portal = "{ servers = \"http://10.0.0.5\", slots = SLOTS }";
            let text = format!("portal = [{portal}]\nroom = [{{ seats = {seats} }}]");
            endless_slots(&valid(&text.replace("SLOTS", slots))).len()
        };
        assert_eq!(warned("2_000", "\"auto\""), 1);
        assert_eq!(warned("2_000", "300"), 0);
        assert_eq!(warned("40", "\"auto\""), 0);
        assert_eq!(warned("\"auto\"", "300"), 0);
    }

    #[test]
    fn a_path_without_stars_is_one_address() {
        let doubts = |room: &str| {
            let text = format!("portal = [{{ servers = \"http://a\" }}]\nroom = [{{ {room} }}]");
            doubts(&valid(&text), Millis(0))
        };
        for (path, meant) in [
            ("\"/espace\"", "\"/espace/**\""),
            ("[\"/a/**\", \"/b/c/\"]", "\"/b/c/**\""),
            ("\"/\"", "\"/**\""),
        ] {
            let said = doubts(&format!("path = {path}"));
            assert_eq!(said.len(), 1, "{path}: {said:?}");
            assert!(
                said[0].starts_with("room room: ") && said[0].ends_with(meant),
                "{said:?}"
            );
            let said = doubts(&format!("case = \"insensitive\", path = {path}"));
            assert_eq!(said.len(), 1, "{path}: {said:?}");
            let said = doubts(&format!("lane = [{{ name = \"a\", path = {path} }}]"));
            assert_eq!(said.len(), 1, "{path}: {said:?}");
            assert!(said[0].starts_with("room room, lane a: "), "{said:?}");
        }
        for path in [
            "\"/espace/**\"",
            "[\"/espace\", \"/espace/**\"]",
            "\"/index.php\"",
            "\"/*\"",
        ] {
            assert_eq!(doubts(&format!("path = {path}")), [""; 0], "{path}");
        }
    }
}
