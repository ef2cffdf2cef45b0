//! From text to [`Scene`].

use super::lanes;
use super::tables::{arrivals, crowd, events, portal, visit};
use super::{Model, Piece, Rate, Scene};
use crate::config::Source;
use crate::config::capacity;
use crate::config::overrides;
use crate::config::parse::readable;
use crate::config::report::{Problems, Sink, Texts};
use crate::config::rooms::rules;
use crate::config::table::Table;
use crate::config::values::{parsed, span, string};
use crate::room::{Limit, Opening, Rules};
use crate::time::Span;
use std::ops::RangeInclusive;
use toml::de::DeTable;

/// How long a scene lasts.
const LENGTH: RangeInclusive<Span> = Span::mins(1)..=Span::mins(48 * 60);
/// People that a scene may bring: what fits into memory on an ordinary machine.
const PEOPLE_MAX: f64 = 50_000_000.0;

/// Reads a scene; the overrides are those of `--set`.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn read(source: Source<'_>) -> Result<Scene, Problems> {
    let sink = Sink::default();
    let mut texts = Texts::default();
    texts.push(source.name, source.text);
    let readable = readable(source.text, &sink);
    let scene = readable.as_ref().and_then(|readable| {
        let mut doc = readable.parse();
        overrides::apply(&mut doc, source.overrides, &[], &mut texts, &sink);
        top(&doc, &sink)
    });
    match sink.problems(texts) {
        Some(problems) => Err(problems),
        None => Ok(scene.expect("what cannot be read was reported")),
    }
}

fn top(doc: &DeTable<'_>, sink: &Sink) -> Option<Scene> {
    let mut top = Table::top(doc, sink);
    let name = top.read_or("name", string, "scene".to_owned());
    let help = "write hours and minutes, such as \"07:00\"";
    let clock = top.read_or("clock", parsed(clock, help), Span::ZERO);
    let length = top.required("length", span(LENGTH), "\"30m\"");
    let end = length.unwrap_or(*LENGTH.end());
    let warm_up = top.read_or("warm_up", span(Span::ZERO..=end), Span::ZERO);
    let portal = portal(&mut top, sink);
    let model = portal.as_ref().map(|it| &it.model);
    let whole = matches!(model, Some(Model::Visits { .. }));
    let (seats, rules, opening) = room(&mut top, whole, end);
    let visit = visit(&mut top);
    let crowd = crowd(&mut top);
    let arrivals = arrivals(&mut top, end, &rules.lanes);
    let events = events(&mut top, end, model);
    if arrivals.is_empty() && !top.has("arrivals") {
        sink.doubtful(
            0..0,
            "nobody comes in this scene",
            "",
            "write an [[arrivals]] with `per_minute = 100`, or with `load = 2.0` for twice what \
             the portal can complete",
        );
        sink.about_missing("arrivals");
    }
    let people: f64 = arrivals.iter().map(people).sum();
    if people > PEOPLE_MAX {
        sink.wrong(
            top.span(&["arrivals"]),
            "too many people come in this scene",
            format!("{people:.0} in all"),
            format!("at most {PEOPLE_MAX} fit"),
        );
    }
    top.finish();
    Some(Scene {
        name,
        clock,
        length: length?,
        warm_up,
        rules,
        opening,
        seats,
        portal: portal?,
        visit,
        crowd,
        arrivals,
        recorded: Vec::new(),
        events,
    })
}

/// Seats, rules and opening; `whole`: the portal is one of whole visits; `end`: of the scene.
fn room(top: &mut Table<'_>, whole: bool, end: Span) -> (Limit, Rules, Option<Opening>) {
    let nothing = DeTable::new();
    let sink = top.sink();
    let said = top.has("room");
    let mut table = match top.table("room") {
        Some(table) => table,
        None => Table::top(&nothing, sink),
    };
    let seats = capacity::seats(&mut table);
    if whole && !seats.is_fixed() {
        sink.doubtful(
            table.span(&["seats"]),
            "seats cannot be found where a portal has no single requests",
            "",
            "write `seats = 500`, or a portal of `model = \"cores\"`",
        );
        sink.about_missing("room.seats");
    }
    let mut rules = rules(&mut table, seats);
    lanes::read(&mut table, &mut rules, seats);
    let opening = lanes::opening(&mut table, end);
    if said {
        table.finish();
    }
    (seats, rules, opening)
}

/// People who come in a piece whose rate is one of people.
fn people(piece: &Piece) -> f64 {
    let minutes = piece.until.0.saturating_sub(piece.from.0) as f64 / 60_000.0;
    match piece.rate {
        Rate::PerMinute(first, last) => minutes * (first + last) / 2.0,
        Rate::Load(..) => 0.0,
    }
}

fn clock(text: &str) -> Result<Span, String> {
    let wrong = || "not a time of day".to_owned();
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    match (hours.parse::<u64>(), minutes.parse::<u64>()) {
        (Ok(hours @ 0..24), Ok(minutes @ 0..60)) => Ok(Span::mins(hours * 60 + minutes)),
        _ => Err(wrong()),
    }
}
