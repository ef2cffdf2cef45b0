//! The tables of a scene.

use super::lanes::member;
use super::{Crowd, Event, Happening, Model, Piece, Portal, Rate, Visit};
use crate::config::capacity;
use crate::config::report::Sink;
use crate::config::table::{Field, Table};
use crate::config::values::{choice, number, span};
use crate::room::{LaneRules, Limit};
use crate::time::Span;
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Requests that wait, for us or for the portal.
const QUEUE: RangeInclusive<u32> = 0..=1_000_000;
/// Workers, connections, requests.
const COUNT: RangeInclusive<u32> = 1..=100_000;
/// Work, service, database: for one page.
const WORK: RangeInclusive<Span> = Span(1)..=Span::mins(1);
/// What takes people's time.
const PEOPLE_TIME: RangeInclusive<Span> = Span(1)..=Span::mins(24 * 60);
/// A share.
const SHARE: RangeInclusive<f64> = 0.0..=1.0;
/// People per minute.
const PER_MINUTE: RangeInclusive<f64> = 0.0..=10_000_000.0;
/// Multiples of what the portal can complete.
const LOAD: RangeInclusive<f64> = 0.0..=1_000.0;

/// A number, with a fraction or without, within `range`.
fn fraction(range: RangeInclusive<f64>) -> impl Fn(Field<'_>) -> Option<f64> {
    move |field| {
        let (min, max) = (range.start(), range.end());
        let text = match field.item.get_ref() {
            DeValue::Float(value) => value.as_str(),
            DeValue::Integer(value) if value.radix() == 10 => value.as_str(),
            _ => {
                let help = format!("write a number from {min} to {max}, such as {max}");
                return field.wrong_type("a number", help);
            }
        };
        match text.parse::<f64>() {
            Ok(value) if range.contains(&value) => Some(value),
            _ => field.wrong(
                format!("must be from {min} to {max}"),
                format!("write a number from {min} to {max}"),
            ),
        }
    }
}

/// A rate, or a list of two: at the beginning and at the end.
fn rate(range: RangeInclusive<f64>) -> impl Fn(Field<'_>) -> Option<(f64, f64)> {
    move |field| {
        let DeValue::Array(array) = field.item.get_ref() else {
            return fraction(range.clone())(field).map(|rate| (rate, rate));
        };
        let read = |at: usize| {
            let item = array.get(at)?;
            fraction(range.clone())(Field { item, ..field })
        };
        if array.len() != 2 {
            return field.wrong(
                "must be one number or two",
                "write `[0, 500]` for a rate that rises from 0 to 500",
            );
        }
        Some((read(0)?, read(1)?))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Cores,
    Workers,
    Visits,
}

const KINDS: [(&str, Kind); 3] = [
    ("cores", Kind::Cores),
    ("workers", Kind::Workers),
    ("visits", Kind::Visits),
];

pub(super) fn portal(top: &mut Table<'_>, sink: &Sink) -> Option<Portal> {
    let Some(mut table) = top.table("portal") else {
        if !top.has("portal") {
            sink.doubtful(
                0..0,
                "there is no [portal]",
                "",
                "write a [portal] with `model = \"cores\"`, \"workers\" or \"visits\"",
            );
            sink.about_missing("portal");
        }
        return None;
    };
    let kind = table.required("model", choice(&KINDS), "\"cores\"");
    let model = kind.map(|kind| match kind {
        Kind::Cores => cores(&mut table),
        Kind::Workers => workers(&mut table),
        Kind::Visits => Model::Visits {
            length: table.read_or("visit", span(PEOPLE_TIME), Span::mins(12)),
            spread: table.read_or("spread", fraction(0.0..=3.0), 0.6),
        },
    });
    let slots = match kind {
        // Whole visits run here, and no single requests.
        Some(Kind::Visits) => Limit::Fixed(1),
        _ => capacity::slots(&mut table),
    };
    let slot_queue = table.read_or("slot_queue", number(QUEUE), 1_024);
    if kind.is_some() {
        table.finish();
    }
    Some(Portal {
        model: model?,
        slots,
        slot_queue,
    })
}

fn cores(table: &mut Table<'_>) -> Model {
    Model::Cores {
        cores: table.read_or("cores", fraction(0.1..=10_000.0), 8.0),
        thrash_above: table.read_or("thrash_above", fraction(1.0..=100_000.0), 32.0),
        work: table.read_or("work", span(WORK), Span(200)),
    }
}

fn workers(table: &mut Table<'_>) -> Model {
    Model::Workers {
        workers: table.read_or("workers", number(COUNT), 40),
        swap_above: table.read_or("swap_above", number(COUNT), 24),
        backlog: table.read_or("backlog", number(QUEUE), 511),
        service: table.read_or("service", span(WORK), Span(400)),
        database_share: table.read_or("database_share", fraction(SHARE), 0.4),
        database: table.read_or("database", span(WORK), Span(100)),
        connections: table.read_or("connections", number(COUNT), 8),
    }
}

pub(super) fn visit(top: &mut Table<'_>) -> Visit {
    let mut visit = Visit {
        pages: 12.0,
        think: Span::secs(8),
        login_cost: 1.0,
        patience: Span::secs(10),
        failures: 3,
        logout: 0.15,
    };
    let Some(mut table) = top.table("visit") else {
        return visit;
    };
    visit.pages = table.read_or("pages", fraction(1.0..=10_000.0), visit.pages);
    visit.think = table.read_or("think", span(PEOPLE_TIME), visit.think);
    visit.login_cost = table.read_or("login_cost", fraction(0.0..=100.0), visit.login_cost);
    visit.patience = table.read_or("patience", span(PEOPLE_TIME), visit.patience);
    let failures = table.read_or("failures", number(1..=100), u32::from(visit.failures));
    visit.failures = u8::try_from(failures).unwrap_or(u8::MAX);
    visit.logout = table.read_or("logout", fraction(SHARE), visit.logout);
    table.finish();
    visit
}

pub(super) fn crowd(top: &mut Table<'_>) -> Crowd {
    let mut crowd = Crowd {
        no_show: 0.0,
        impatient: 0.0,
        impatience: Span::mins(20),
        come_back: 0.5,
        come_back_after: Span::mins(10),
        reload: 0.0,
        reload_every: Span::secs(10),
        tabs: 0.0,
        network: Span(300),
    };
    let Some(mut table) = top.table("crowd") else {
        return crowd;
    };
    let lengths: [(&'static str, &mut Span); 4] = [
        ("impatience", &mut crowd.impatience),
        ("come_back_after", &mut crowd.come_back_after),
        ("reload_every", &mut crowd.reload_every),
        ("network", &mut crowd.network),
    ];
    for (key, value) in lengths {
        *value = table.read_or(key, span(PEOPLE_TIME), *value);
    }
    let shares: [(&'static str, &mut f64); 5] = [
        ("no_show", &mut crowd.no_show),
        ("impatient", &mut crowd.impatient),
        ("come_back", &mut crowd.come_back),
        ("reload", &mut crowd.reload),
        ("tabs", &mut crowd.tabs),
    ];
    for (key, value) in shares {
        *value = table.read_or(key, fraction(SHARE), *value);
    }
    table.finish();
    crowd
}

pub(super) fn arrivals(top: &mut Table<'_>, end: Span, lanes: &[LaneRules]) -> Vec<Piece> {
    let read = |mut table: Table<'_>| {
        let (from, until) = between(&mut table, end)?;
        let per_minute = table.read("per_minute", rate(PER_MINUTE));
        let load = table.read("load", rate(LOAD));
        let lane = table.read_or("lane", member(lanes), 0);
        if table.has("per_minute") == table.has("load") {
            table.sink().doubtful(
                table.span(&["load"]),
                "an [[arrivals]] needs `per_minute` or `load`, one of the two",
                "",
                "write `per_minute = 100`, or `load = 2.0` for twice what the portal can complete",
            );
            table.sink().about_missing("arrivals");
        }
        table.finish();
        let rate = match (per_minute, load) {
            (Some((first, last)), None) => Rate::PerMinute(first, last),
            (None, Some((first, last))) => Rate::Load(first, last),
            _ => return None,
        };
        Some(Piece {
            from,
            until,
            rate,
            lane,
        })
    };
    top.tables("arrivals")
        .into_iter()
        .filter_map(read)
        .collect()
}

#[derive(Clone, Copy)]
enum What {
    Capacity,
    Dead,
    Slow,
    LongPolls,
    Restart,
}

const WHAT: [(&str, What); 5] = [
    ("capacity", What::Capacity),
    ("dead", What::Dead),
    ("slow", What::Slow),
    ("long_polls", What::LongPolls),
    ("restart", What::Restart),
];

pub(super) fn events(top: &mut Table<'_>, end: Span, model: Option<&Model>) -> Vec<Event> {
    let sink = top.sink();
    let read = |mut table: Table<'_>| {
        let (from, until) = between(&mut table, end)?;
        let at = table.span(&["what"]);
        let what = table.required("what", choice(&WHAT), "\"dead\"");
        let what = what.and_then(|what| happening(what, &mut table));
        if what.is_some() {
            table.finish();
        }
        let what = what?;
        let alone = matches!(what, Happening::Dead | Happening::Restart);
        if matches!(model, Some(Model::Visits { .. })) && !alone {
            let message = "this cannot happen to a portal of whole visits";
            let help = "it knows no single requests: write `model = \"cores\"`";
            sink.wrong(at, message, "", help);
        }
        Some(Event { from, until, what })
    };
    let tables = top.tables("event");
    tables.into_iter().filter_map(read).collect()
}

fn happening(what: What, table: &mut Table<'_>) -> Option<Happening> {
    Some(match what {
        What::Capacity => {
            let factor = table.required("factor", fraction(0.01..=100.0), "0.5");
            Happening::Capacity(factor?)
        }
        What::Slow => Happening::Slow(table.required("adds", span(WORK), "\"500ms\"")?),
        What::LongPolls => {
            Happening::LongPolls(table.required("share", fraction(SHARE), "0.05")?)
        }
        What::Dead => Happening::Dead,
        What::Restart => Happening::Restart,
    })
}

/// `from` and `until`, within the scene and in this order.
fn between(table: &mut Table<'_>, end: Span) -> Option<(Span, Span)> {
    let from = table.read_or("from", span(Span::ZERO..=end), Span::ZERO);
    let until = table.read_or("until", span(Span::ZERO..=end), end);
    if until > from {
        return Some((from, until));
    }
    table.sink().wrong(
        table.span(&["until", "from"]),
        "`until` is not after `from`",
        "",
        "times count from the beginning of the scene; write a later `until`",
    );
    None
}
