//! The lanes and the opening of a scene's room.

use crate::calendar::Start;
use crate::config::lanes::{check_name, check_number, check_seats, rules};
use crate::config::plans::{EARLY, EARLY_DEFAULT};
use crate::config::table::{Field, Table};
use crate::config::values::{example_name, name, span, string};
use crate::room::{LaneRules, Limit, Opening, Rules};
use crate::time::Span;

/// Reads the lanes into the rules. Who belongs to which is said where people come; the last lane is
/// that of all others, and comes first in the rules.
pub(super) fn read(room: &mut Table<'_>, rules_of_room: &mut Rules, seats: Limit) {
    let at = room.span(&["lane"]);
    let sink = room.sink();
    let mut lanes: Vec<LaneRules> = Vec::new();
    for (nth, mut table) in room.tables("lane").into_iter().enumerate() {
        let name_at = table.span(&["name"]);
        let name = table.required("name", name, &example_name("teachers", nth));
        let lane = rules(&mut table, name.unwrap_or_default());
        table.finish();
        let above = lanes.iter().map(|other| other.name.as_str());
        check_name(sink, &lane.name, name_at, above);
        lanes.push(lane);
    }
    if lanes.is_empty() {
        return;
    }
    check_number(sink, lanes.len(), at);
    lanes.rotate_right(1);
    rules_of_room.lanes = lanes;
    check_seats(room, rules_of_room, seats);
}

/// When the room opens, in the time of the scene.
pub(super) fn opening(room: &mut Table<'_>, end: Span) -> Option<Opening> {
    let mut table = room.table("opening")?;
    let at = table.required("at", span(Span::secs(1)..=end), "\"45m\"");
    let early = table.read_or("early", span(EARLY), EARLY_DEFAULT);
    table.finish();
    Some(Opening {
        at: start(at?)?,
        early,
    })
}

/// The lane that somebody belongs to, by its name.
pub(super) fn member(lanes: &[LaneRules]) -> impl Fn(Field<'_>) -> Option<usize> {
    move |field| {
        let wanted = string(field)?;
        let found = lanes.iter().position(|lane| lane.name == wanted);
        if found.is_none() {
            let names: Vec<&str> = lanes.iter().map(|lane| lane.name.as_str()).collect();
            let help = match names[..] {
                [""] => "the room has no lanes: write a [[room.lane]] with this name".to_owned(),
                _ => format!("the lanes of the room are: {}", names.join(", ")),
            };
            return field.wrong("no lane has this name", help);
        }
        found
    }
}

/// The moment that is `at` from the beginning of the scene: of the year 1970.
fn start(at: Span) -> Option<Start> {
    let secs = at.ceil_secs();
    let (day, hour) = (secs / 86_400 + 1, secs / 3_600 % 24);
    let (minute, second) = (secs / 60 % 60, secs % 60);
    Start::parse(&format!(
        "1970-01-{day:02}T{hour:02}:{minute:02}:{second:02}"
    ))
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Millis;
    use jiff::tz::TimeZone;

    #[test]
    fn a_scene_begins_with_the_year_1970() {
        for secs in [1, 59, 3_600, 86_399, 86_400, 2 * 86_400] {
            let start = start(Span::secs(secs)).unwrap();
            let next = start.next(&TimeZone::UTC, Millis(0));
            assert_eq!(next, Some(Millis(secs * 1_000)));
            assert!(start.is_once());
        }
    }
}
