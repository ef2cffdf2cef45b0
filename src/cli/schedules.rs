//! What a calendar says of a room, in plain words.

use crate::admin::RoomStatus;
use crate::calendar::{Rule, Timetable, reading, written};
use crate::config::{RoomConfig, show};
use crate::room::{Cause, Mode};
use crate::time::Millis;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The calendar of a room as the file has it, and what it says at `clock` on the wall: a line each;
/// none for a room without hours.
pub(super) fn of_file(room: &RoomConfig, zone: &TimeZone, clock: Millis) -> Vec<String> {
    let name = &room.name;
    let plan = &room.plan;
    let mut lines: Vec<String> = plan
        .schedule()
        .map(|(rules, mode)| format!("room {name}: {} on {}", mode.name(), hours(rules)))
        .collect();
    if let Some(opening) = plan.opening() {
        lines.push(format!(
            "room {name}: opens {}; who comes up to {} before is drawn by lot",
            opening.at,
            show(opening.early)
        ));
    }
    if !lines.is_empty() {
        lines.push(format!("room {name}: {}", now(room, zone, clock)));
    }
    let lanes = room.lanes.iter().filter(|lane| !lane.when.is_empty());
    lines.extend(lanes.map(|lane| {
        let hours = hours(&lane.when);
        let now = match lane.is_open(reading(zone, clock)) {
            true => "open",
            false => "closed",
        };
        format!("room {name}: lane {} on {hours}, now {now}", lane.name)
    }));
    let lanes = room.lanes.iter().filter(|lane| !lane.enters.is_empty());
    lines.extend(lanes.map(|lane| {
        let table = Timetable::new(zone.clone(), vec![lane.enters.clone()]);
        let change = table.change(clock).map(|at| written(reading(zone, at)));
        let now = match (table.at(clock), change) {
            (Some(_), Some(end)) => format!("yes, until {end}"),
            (Some(_), None) => "yes".to_owned(),
            (None, Some(begin)) => format!("no, next from {begin}"),
            (None, None) => "no, and never again".to_owned(),
        };
        let hours = hours(&lane.enters);
        format!(
            "room {name}: lane {} is let in on {hours}; now {now}",
            lane.name
        )
    }));
    lines
}

/// What the calendar says of a room that runs; `None` if it has nothing to say.
pub(super) fn of_status(room: &RoomStatus) -> Option<String> {
    let (reopens, opens) = (room.reopens.as_deref(), room.opens.as_deref());
    let why = match room.mode_why.as_str() {
        "" | "mode" => "",
        "schedule" => " by its schedule",
        "not open yet" => " because it has not opened yet",
        "opens soon" => " because it opens soon",
        _ => " by its calendar",
    };
    if why.is_empty() && room.mode_until.is_none() && opens.is_none() {
        return None;
    }
    let mut text = format!("{}: {}{why}", room.name, room.mode.name());
    if let Some(until) = &room.mode_until {
        text += &format!(", until {}", plain(until));
    }
    if let Some(reopens) = reopens.filter(|at| room.mode_until.as_deref() != Some(*at)) {
        text += &format!(", lets people in from {}", plain(reopens));
    }
    if let Some(opens) = opens {
        text += &format!(", opens at {}", plain(opens));
    }
    Some(text)
}

/// The mode in force, why, until when, and what comes then.
fn now(room: &RoomConfig, zone: &TimeZone, clock: Millis) -> String {
    let ordinary = room.rules.mode;
    let force = room.plan.at(ordinary, None, clock);
    let why = match force.why {
        Cause::Ordinary => "as nothing else is said",
        Cause::Schedule(_) => "by its schedule",
        Cause::Unopened => "because it has not opened yet",
        Cause::Early => "because it opens soon",
    };
    let shown = |at: Millis| written(reading(zone, at));
    let mut text = format!("now {} {why}", force.mode.name());
    match force.until {
        Some(until) => {
            let then: Mode = room.plan.at(ordinary, None, until).mode;
            text += &format!(", until {}, then {}", shown(until), then.name());
        }
        None => text += ", without an end",
    }
    if let Some(reopens) = force.reopens.filter(|at| force.until != Some(*at)) {
        text += &format!("; lets people in from {}", shown(reopens));
    }
    if let Some(opens) = force.opens.filter(|at| force.reopens != Some(*at)) {
        text += &format!("; opens {}", shown(opens));
    }
    text
}

fn hours(rules: &[Rule]) -> String {
    let texts: Vec<String> = rules.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// A moment of the JSON as people write it: what the clock there shows.
pub(super) fn plain(moment: &str) -> String {
    // jiff reads a local time out of one with an offset, but not out of one that ends in `Z`.
    let clock: Result<DateTime, _> = moment.trim_end_matches('Z').parse();
    clock.map_or_else(|_| moment.to_owned(), written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, parse};

    /// 2026-09-02, a Wednesday, at 15:00 in Paris.
    const THREE: Millis = Millis(1_788_354_000_000);

    fn lines(room: &str) -> Vec<String> {
        let text =
            format!("[[portal]]\nservers = \"http://10.0.0.5\"\n[[room]]\nname = \"ent\"\n{room}");
        let source = Source {
            name: "test",
            text: &text,
            overrides: &[],
        };
        let config = parse(source).unwrap();
        of_file(&config.rooms[0], &config.time_zone, THREE)
    }

    #[test]
    fn a_file_says_its_hours_and_what_holds_now() {
        assert_eq!(lines(""), Vec::<String>::new());
        let schedule = "schedule = [{ when = \"wed 14:00-18:00\", mode = \"hold\" }]\n\
             [[room.lane]]\nname = \"parents\"\nwhen = \"daily 17:00-24:00\"\n";
        assert_eq!(
            lines(schedule),
            [
                "room ent: hold on wed 14:00-18:00",
                "room ent: now hold by its schedule, until Wed 2026-09-02 18:00, then queue",
                "room ent: lane parents on daily 17:00-24:00, now closed",
            ]
        );
        let opening = "[room.opening]\nat = \"2026-09-03T08:00\"\nearly = \"30m\"\n";
        assert_eq!(
            lines(opening),
            [
                "room ent: opens 2026-09-03 08:00; who comes up to 30m before is drawn by lot",
                "room ent: now closed because it has not opened yet, until Thu 2026-09-03 07:30, \
                 then hold; lets people in from Thu 2026-09-03 08:00",
            ]
        );
    }

    #[test]
    fn moments_are_shown_as_people_write_them() {
        assert_eq!(plain("2026-09-02T18:00:00+02:00"), "Wed 2026-09-02 18:00");
        assert_eq!(plain("2026-09-02T18:00:05Z"), "Wed 2026-09-02 18:00:05");
        assert_eq!(plain("soon"), "soon");
    }
}
