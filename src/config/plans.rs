//! What a room does by the calendar: `[[room.schedule]]` and `[room.opening]`.

use super::report::LINE;
use super::table::{Field, Table};
use super::values::{choice, list, parsed, prose, span};
use crate::calendar::{Rule, Start};
use crate::room::{Mode, Opening, Plan};
use crate::time::Span;
use jiff::tz::TimeZone;
use std::ops::{Range, RangeInclusive};

/// How long before an opening somebody may come and take part in the draw.
pub(super) const EARLY: RangeInclusive<Span> = Span::mins(1)..=Span::mins(24 * 60);
/// The same unless the file says otherwise.
pub(super) const EARLY_DEFAULT: Span = Span::mins(30);
/// Characters of a notice in one language: more would not be read.
const NOTICE_MAX: usize = 300;

const ZONE_EXAMPLE: &str = "write a name of the time zone database, such as \"Europe/Paris\", \
    \"America/Cayenne\" or \"Indian/Reunion\"";
const WHEN_EXAMPLE: &str = "write days and hours, such as \"mon-fri 08:00-17:30\", \"daily \
    17:30-07:30\", \"wed,sat 14:00-18:00\" or \"2026-09-01 07:30-09:00\"";
const START_EXAMPLE: &str = "write a day and a time, such as \"2026-09-01T08:00\", or \"mon 08:00\" \
    for every Monday";

/// What the operators say to visitors while a rule holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// In French.
    pub fr: String,
    /// In English; the French if it is not said.
    pub en: String,
}

/// One rule of a schedule that was read, and where it stands in the file.
struct Read {
    rule: Rule,
    mode: Mode,
    entry: usize,
    at: Range<usize>,
}

/// The time zone of all rules and of the clock on the waiting page.
pub(super) fn zone(top: &mut Table<'_>) -> TimeZone {
    let zone = |name: &str| TimeZone::get(name).map_err(|_| "not a time zone".to_owned());
    let paris = TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC);
    top.read_or("time_zone", parsed(zone, ZONE_EXAMPLE), paris)
}

/// Reads the schedule and the opening of a room: the plan, and a notice for each of its rules.
pub(super) fn read(table: &mut Table<'_>, zone: &TimeZone) -> (Plan, Vec<Option<Notice>>) {
    let mut rules: Vec<Read> = Vec::new();
    let mut schedule = Vec::new();
    let mut notices = Vec::new();
    for (entry, mut table) in table.tables("schedule").into_iter().enumerate() {
        let at = table.span(&["when"]);
        let when = table.required("when", list(parsed(Rule::parse, WHEN_EXAMPLE)), WHEN);
        let mode = table.required("mode", choice(&Mode::NAMES), "\"hold\"");
        notices.push(table.read("notice", notice));
        table.finish();
        let (when, mode) = (when.unwrap_or_default(), mode.unwrap_or_default());
        rules.extend(when.iter().map(|rule| Read {
            rule: *rule,
            mode,
            entry,
            at: at.clone(),
        }));
        schedule.push((when, mode));
    }
    overlaps(table, &rules);
    (Plan::new(zone.clone(), schedule, opening(table)), notices)
}

const WHEN: &str = "\"wed 14:00-18:00\"";

fn opening(table: &mut Table<'_>) -> Option<Opening> {
    let mut table = table.table("opening")?;
    let at = table.required(
        "at",
        parsed(Start::parse, START_EXAMPLE),
        "\"2026-09-01T08:00\"",
    );
    let early = table.read_or("early", span(EARLY), EARLY_DEFAULT);
    table.finish();
    Some(Opening { at: at?, early })
}

fn notice(field: Field<'_>) -> Option<Notice> {
    let Some(mut table) = field.table() else {
        return short(field).map(|fr| Notice { en: fr.clone(), fr });
    };
    let fr = table.required("fr", short, "\"Maintenance du mercredi.\"");
    let en = table.read("en", short);
    table.finish();
    let fr = fr?;
    Some(Notice {
        en: en.unwrap_or_else(|| fr.clone()),
        fr,
    })
}

fn short(field: Field<'_>) -> Option<String> {
    let text = prose(field)?;
    if text.chars().count() > NOTICE_MAX || text.chars().any(char::is_control) {
        let help = format!("one line of at most {NOTICE_MAX} characters");
        return field.wrong("too long, or more than one line", help);
    }
    Some(text)
}

/// Reports every two rules that say different modes for the same moment.
fn overlaps(table: &Table<'_>, rules: &[Read]) {
    for (index, rule) in rules.iter().enumerate() {
        let before = rules[..index].iter();
        let mut others =
            before.filter(|other| other.mode != rule.mode && other.entry != rule.entry);
        let Some(other) = others.find(|other| other.rule.overlaps(&rule.rule)) else {
            continue;
        };
        table.sink().at_odds(
            rule.at.clone(),
            other.at.start,
            "the schedule overlaps itself",
            format!(
                "`{}` is `{}` here, and `{}` by \"{}\" in line {LINE}",
                rule.rule,
                rule.mode.name(),
                other.mode.name(),
                other.rule
            ),
            "change the hours of one of them: at each moment, one mode holds",
        );
    }
}
