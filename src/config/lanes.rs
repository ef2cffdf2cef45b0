//! `[[room.lane]]`: who waits in which lane of a room, and what each lane gets.

use super::pattern::PathSet;
use super::report::Sink;
use super::requests::path;
use super::table::{Field, Table};
use super::trust::{NETWORK_EXAMPLE, network};
use super::values::{boolean, example_name, list, name, number, parsed, prose, span};
use super::{Trust, within};
use crate::calendar::Rule;
use crate::room::{LANES_MAX, LaneRules, Limit, Rules};
use crate::time::Span;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use jiff::civil::DateTime;
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};

/// A lane's share beside the others'.
const WEIGHT: RangeInclusive<u32> = 1..=1_000;
/// Seats kept for a lane.
const SEATS: RangeInclusive<u32> = 0..=10_000_000;
/// Calls in a row.
const BLOCK: RangeInclusive<u32> = 1..=1_000;
/// How long a visitor's lane is remembered.
const REMEMBERED: RangeInclusive<Span> = Span::mins(1)..=Span::mins(366 * 24 * 60);
const REMEMBERED_DEFAULT: Span = Span::mins(30 * 24 * 60);
/// Characters of a title.
const TITLE_MAX: usize = 40;

const HEADER_EXAMPLE: &str = "{ name = \"X-Profile\", value = \"teacher\" }";
const RULE_EXAMPLE: &str =
    "write days and hours, such as \"mon-fri 07:30-08:15\" or \"daily 17:00-24:00\"";

/// One lane of a room.
#[derive(Clone, Debug, Default)]
pub struct LaneConfig {
    /// Its name in the store, metrics and answers; empty for the lane of all others, if that is not
    /// in the file.
    pub name: String,
    /// What visitors read; `None`: nothing is said of this lane.
    pub title: Option<Title>,
    /// Who belongs to it; nobody in particular if there is none.
    pub members: Members,
    /// The hours in which it takes newcomers; always if there are none.
    pub when: Vec<Rule>,
    /// The hours in which its members are let in; always if there are none.
    pub enters: Vec<Rule>,
    /// How its members are known again.
    pub hint: Option<Hint>,
    /// Those who type the code of a class belong to it.
    pub code: bool,
    /// Those of it who are inside may open codes for classes.
    pub class_codes: bool,
}

/// A lane's title for visitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    /// In French.
    pub fr: String,
    /// In English.
    pub en: String,
}

/// Who belongs to a lane: whoever one of these is true of. If none is written, everybody does.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// They ask for one of these paths.
    pub paths: PathSet,
    /// Their address is in one of these networks.
    pub networks: Vec<IpNet>,
    /// A trusted proxy says so.
    pub header: Option<Header>,
}

/// A field with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// The whole of its value.
    pub value: HeaderValue,
}

/// What an answer of the portal must be like for its visitor to be known as one of the lane.
#[derive(Clone, Debug)]
pub struct Hint {
    /// It is a success at one of these paths.
    pub paths: PathSet,
    /// Or it has this field.
    pub header: Option<Header>,
    /// For so long.
    pub remembered: Span,
}

/// What is known of a newcomer.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// Their address.
    pub address: IpAddr,
    /// Their fields, if a trusted proxy brings them.
    pub vouched: Option<&'a HeaderMap>,
    /// What the clock on the wall shows.
    pub clock: DateTime,
}

impl LaneConfig {
    /// Whether it takes newcomers when the clock on the wall shows `clock`.
    pub fn is_open(&self, clock: DateTime) -> bool {
        self.when.is_empty() || self.when.iter().any(|rule| rule.holds(clock))
    }

    /// Whether a newcomer belongs here. `asks` says whether they ask for one of these paths,
    /// `hinted` whether they are known from an earlier visit.
    pub fn takes(
        &self,
        newcomer: Newcomer<'_>,
        asks: impl FnOnce(&PathSet) -> bool,
        hinted: impl FnOnce() -> bool,
    ) -> bool {
        let Members {
            paths,
            networks,
            header,
        } = &self.members;
        let vouched = |header: &Header| newcomer.vouched.is_some_and(|fields| header.is_in(fields));
        let everybody = !self.is_particular();
        self.is_open(newcomer.clock)
            && (everybody
                || within(networks, newcomer.address)
                || header.as_ref().is_some_and(vouched)
                || (!paths.is_empty() && asks(paths))
                || (self.hint.is_some() && hinted()))
    }

    /// Whether not everybody belongs to it.
    pub fn is_particular(&self) -> bool {
        let Members {
            paths,
            networks,
            header,
        } = &self.members;
        !paths.is_empty()
            || !networks.is_empty()
            || header.is_some()
            || self.hint.is_some()
            || self.code
    }
}

impl Header {
    /// Whether `fields` have it, once and so.
    pub fn is_in(&self, fields: &HeaderMap) -> bool {
        let mut values = fields.get_all(&self.name).iter();
        values.next() == Some(&self.value) && values.next().is_none()
    }
}

/// Reads the lanes of a room into its rules, too. The first is that of all others; a room that has
/// none in the file has none at all.
pub(super) fn read(
    room: &mut Table<'_>,
    rules: &mut Rules,
    seats: Limit,
    trust: &Trust,
) -> Vec<LaneConfig> {
    let tables = room.tables("lane");
    if tables.is_empty() {
        return Vec::new();
    }
    let (first, sink) = (room.span(&["lane"]), room.sink());
    let mut others = (LaneConfig::default(), LaneRules::default());
    let mut lanes: Vec<(LaneConfig, LaneRules)> = Vec::new();
    let last = tables.len() - 1;
    for (index, mut table) in tables.into_iter().enumerate() {
        let at = table.span(&["name"]);
        let (lane, its_rules) = lane(&mut table, index, trust);
        table.finish();
        let above = lanes.iter().map(|(other, _)| other.name.as_str());
        check_name(sink, &lane.name, at.clone(), above);
        if lane.is_particular() || !lane.when.is_empty() {
            lanes.push((lane, its_rules));
        } else if index == last {
            others = (lane, its_rules);
        } else {
            sink.wrong(
                at,
                "a lane for everybody stands above others",
                "nobody would reach the lanes below",
                "write it last, or say who belongs to it: `path`, `network`, `header`, `hint` or `when`",
            );
        }
    }
    check_number(sink, lanes.len() + 1, first);
    let all = std::iter::once(others).chain(lanes);
    let (configs, of_lanes): (Vec<_>, Vec<_>) = all.unzip();
    rules.lanes = of_lanes;
    check_codes(room, &configs);
    check_seats(room, rules, seats);
    configs
}

/// What a lane gets.
pub(super) fn rules(table: &mut Table<'_>, name: String) -> LaneRules {
    LaneRules {
        name,
        weight: table.read_or("weight", number(WEIGHT), 1),
        seats: table.read_or("seats", number(SEATS), 0),
        block: table.read_or("block", number(BLOCK), 1),
    }
}

/// Reports a name that a lane above has already.
pub(super) fn check_name<'n>(
    sink: &Sink,
    name: &str,
    at: Range<usize>,
    mut above: impl Iterator<Item = &'n str>,
) {
    if !name.is_empty() && above.any(|other| other == name) {
        sink.wrong(
            at,
            "two lanes of a room have the same name",
            format!("`{name}` is taken by a lane above"),
            "give each lane of a room a name of its own",
        );
    }
}

/// Reports lanes beyond those that a room may have.
pub(super) fn check_number(sink: &Sink, lanes: usize, at: Range<usize>) {
    if lanes > LANES_MAX {
        let most = format!("at most {LANES_MAX}, with that of all others");
        sink.wrong(at, "too many lanes", most, "remove some");
    }
}

/// Reserves together are at most half of the seats: the others are never shut out.
pub(super) fn check_seats(room: &Table<'_>, rules: &Rules, seats: Limit) {
    let seats = match seats {
        Limit::Fixed(seats) => seats,
        Limit::Auto { max, .. } => max,
    };
    let kept: u64 = (rules.lanes.iter()).map(|lane| u64::from(lane.seats)).sum();
    let most = seats / 2;
    if kept > u64::from(most) {
        room.sink().wrong(
            room.span(&["lane"]),
            "the lanes of a room keep more than half of its seats",
            format!("they keep {kept} of {seats} together"),
            format!(
                "keep {most} or fewer: seats that are kept stay free when nobody comes for them"
            ),
        );
    }
}

/// Codes need somebody who opens them, and one lane for those who type them.
fn check_codes(room: &Table<'_>, lanes: &[LaneConfig]) {
    let typed = lanes.iter().filter(|lane| lane.code).count();
    let opened = lanes.iter().any(|lane| lane.class_codes);
    let wrong = match (typed, opened) {
        (0, true) => (
            "no lane is for them",
            "write `code = true` in the lane of the classes",
        ),
        (1, false) => (
            "nobody may open one",
            "write `class_codes = true` in the lane of the teachers",
        ),
        (2.., _) => (
            "several lanes are for them",
            "write `code = true` in one lane of the room",
        ),
        _ => return,
    };
    let message = "the room cannot use codes of classes";
    room.sink()
        .wrong(room.span(&["lane"]), message, wrong.0, wrong.1);
}

fn lane(table: &mut Table<'_>, nth: usize, trust: &Trust) -> (LaneConfig, LaneRules) {
    let lane_name = table.required("name", name, &example_name("teachers", nth));
    let title = table.read("title", title);
    let networks = list(parsed(network, NETWORK_EXAMPLE));
    let header_at = table.span(&["header"]);
    let members = Members {
        paths: PathSet::new(table.read_or("path", list(path), Vec::new())),
        networks: table.read_or("network", networks, Vec::new()),
        header: table.read("header", header),
    };
    if members.header.is_some() && trust.proxies.is_empty() {
        table.sink().doubtful(
            header_at,
            "a lane believes a field, but there is no proxy to trust",
            "anybody could send it",
            "name the proxy that sets it: `proxies` in `[trust]`",
        );
        table.sink().about_missing("trust.proxies");
    }
    let when = table.read_or("when", hours, Vec::new());
    let enters = table.read_or("enters", hours, Vec::new());
    let hint = table.read("hint", hint);
    let code = table.read_or("code", boolean, false);
    let class_codes = table.read_or("class_codes", boolean, false);
    let name = lane_name.unwrap_or_default();
    let rules = rules(table, name.clone());
    let plain = || Title {
        fr: name.clone(),
        en: name.clone(),
    };
    let lane = LaneConfig {
        title: Some(title.unwrap_or_else(plain)),
        name,
        members,
        when,
        enters,
        hint,
        code,
        class_codes,
    };
    (lane, rules)
}

impl LaneConfig {
    /// Case does not matter in its paths.
    pub(super) fn ignore_case(&mut self) {
        self.members.paths = self.members.paths.ignoring_case();
        if let Some(hint) = &mut self.hint {
            hint.paths = hint.paths.ignoring_case();
        }
    }
}

/// One text, or one in each language.
fn title(field: Field<'_>) -> Option<Title> {
    let help = "write a text, or { fr = \"Enseignants\", en = \"Teachers\" }";
    let text = |field: Field<'_>| match plain_title(&prose(field)?) {
        Ok(title) => Some(title),
        Err(wrong) => field.wrong(wrong, help),
    };
    let Some(mut table) = field.table() else {
        let text = text(field)?;
        return Some(Title {
            fr: text.clone(),
            en: text,
        });
    };
    let fr = table.required("fr", text, "\"Enseignants\"");
    let en = table.required("en", text, "\"Teachers\"");
    table.finish();
    Some(Title { fr: fr?, en: en? })
}

fn plain_title(text: &str) -> Result<String, String> {
    if text.chars().count() > TITLE_MAX || text.chars().any(char::is_control) {
        return Err(format!(
            "a title has 1 to {TITLE_MAX} characters in one line"
        ));
    }
    Ok(text.to_owned())
}

fn header(field: Field<'_>) -> Option<Header> {
    let Some(mut table) = field.table() else {
        return field.wrong_type("a table", format!("write {HEADER_EXAMPLE}"));
    };
    let read_name =
        |text: &str| HeaderName::try_from(text).map_err(|_| "not the name of a field".to_owned());
    let read_value =
        |text: &str| HeaderValue::try_from(text).map_err(|_| "not the value of a field".to_owned());
    let name = table.required("name", parsed(read_name, HEADER_EXAMPLE), "\"X-Profile\"");
    let value = table.required("value", parsed(read_value, HEADER_EXAMPLE), "\"teacher\"");
    table.finish();
    Some(Header {
        name: name?,
        value: value?,
    })
}

/// Hours, none of which is said twice.
fn hours(field: Field<'_>) -> Option<Vec<Rule>> {
    let rules = list(parsed(Rule::parse, RULE_EXAMPLE))(field)?;
    for (index, rule) in rules.iter().enumerate() {
        if let Some(other) = rules[..index].iter().find(|other| other.overlaps(rule)) {
            let label = format!("the schedule overlaps itself: \"{rule}\" and \"{other}\" overlap");
            return field.wrong(label, "say each hour once");
        }
    }
    Some(rules)
}

fn hint(field: Field<'_>) -> Option<Hint> {
    let help = "write { path = \"/teacher/**\", remembered = \"30d\" }: at which pages of the portal \
                a visitor is known to belong to the lane";
    let Some(mut table) = field.table() else {
        return field.wrong_type("a table", help);
    };
    let known = table.has("path") || table.has("header");
    let hint = Hint {
        paths: PathSet::new(table.read_or("path", list(path), Vec::new())),
        header: table.read("header", header),
        remembered: table.read_or("remembered", span(REMEMBERED), REMEMBERED_DEFAULT),
    };
    table.finish();
    if !known {
        return field.wrong("names neither a path nor a field", help);
    }
    Some(hint)
}
