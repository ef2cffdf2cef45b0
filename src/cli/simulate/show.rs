//! The outcome of a run in words and numbers.

mod lanes;

use crate::config::scene::{Model, Scene};
use crate::sim::{Figures, Outcome};
use crate::time::Span;
use comfy_table::{Cell, CellAlignment, Table, presets};
use std::fmt::Write as _;

/// A table, and what it means.
pub(super) fn text(scene: &Scene, outcome: &Outcome) -> String {
    let figures = &outcome.figures;
    let mut table = plain_table();
    for (what, value, note) in rows(scene, figures) {
        table.add_row(vec![
            Cell::new(what),
            Cell::new(value).set_alignment(CellAlignment::Right),
            Cell::new(note),
        ]);
    }
    let length = scene.length.words();
    let mut text = format!("{}: {length}, seed {}\n{table}\n", scene.name, figures.seed);
    text += &lanes::text(&figures.lanes);
    if !figures.held() {
        let _ = writeln!(
            text,
            "A RULE WAS BROKEN: {} went in while others waited, {} seats beyond the limit, {} s in \
             which somebody could have been called.",
            count(figures.queue_jumps),
            count(figures.seat_overshoot),
            figures.stalled_seconds
        );
    }
    text
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

type Row = (&'static str, String, String);

fn rows(scene: &Scene, figures: &Figures) -> Vec<Row> {
    let whole = matches!(scene.portal.model, Model::Visits { .. });
    let mut rows = people(figures);
    rows.extend(promises(figures));
    rows.extend(polls(figures));
    rows.push((
        "seats",
        format!("{:.0}", figures.seats_mean),
        "on average".to_owned(),
    ));
    if !whole {
        let mean = format!("{:.1}", figures.slots_mean);
        rows.push(("slots", mean, "on average".to_owned()));
    }
    rows.push((
        "jumps · overshoot · stalled",
        format!(
            "{} · {} · {} s",
            figures.queue_jumps, figures.seat_overshoot, figures.stalled_seconds
        ),
        "must all be 0".to_owned(),
    ));
    rows
}

fn people(figures: &Figures) -> Vec<Row> {
    vec![
        ("people", count(figures.people), "came".to_owned()),
        (
            "straight in",
            count(figures.straight),
            format!("{} more were called", count(figures.called_in)),
        ),
        (
            "visits completed",
            count(figures.completed),
            format!(
                "{} of the {} that the portal can complete",
                percent(figures.share),
                count(figures.could_complete as u64)
            ),
        ),
        (
            "broken off",
            count(figures.broken_off),
            "after they were let in".to_owned(),
        ),
        (
            "well served",
            percent(figures.first_minutes.share),
            format!(
                "in their first minutes inside; {} had slow ones, {} an error",
                count(figures.first_minutes.slow),
                count(figures.first_minutes.failed)
            ),
        ),
        (
            "gave up waiting",
            count(figures.gave_up),
            format!(
                "{} did not come when called, {} were refused",
                count(figures.no_shows),
                count(figures.refused)
            ),
        ),
        (
            "in line, at most",
            count(u64::from(figures.line_most)),
            format!(
                "{} in line and {} inside at the end",
                count(u64::from(figures.line_at_end)),
                count(u64::from(figures.inside_at_end))
            ),
        ),
        (
            "wait, half of them",
            seconds(figures.waits.p50),
            format!(
                "nine in ten {}, the longest {}",
                seconds(figures.waits.p90),
                seconds(figures.waits.max)
            ),
        ),
    ]
}

fn promises(figures: &Figures) -> Vec<Row> {
    let promises = &figures.promises;
    if promises.made == 0 {
        return Vec::new();
    }
    vec![(
        "promises kept",
        percent(promises.kept),
        format!(
            "of {}; {} more than a minute late, {} by what was shown last, {} right within a minute or a fifth; \
             raised {:.2} times each",
            count(promises.made),
            percent(promises.late),
            percent(promises.told),
            percent(promises.near),
            figures.raised
        ),
    )]
}

fn polls(figures: &Figures) -> Vec<Row> {
    let polls = &figures.polls;
    vec![
        (
            "polls per second",
            count(u64::from(polls.most)),
            format!(
                "at most; {} over a minute; the budget is {}",
                count(polls.most_per_minute as u64),
                count(u64::from(polls.budget))
            ),
        ),
        (
            "calls per second",
            count(u64::from(figures.calls_most)),
            format!("at most; {} pages reloaded", count(polls.reloads)),
        ),
    ]
}

fn seconds(secs: u32) -> String {
    Span::secs(u64::from(secs)).words()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A number with a gap between thousands.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(13_000_000), "13 000 000");
        assert_eq!(percent(0.9432), "94.3 %");
        assert_eq!(seconds(61), "61 s");
        assert_eq!(seconds(600), "10 min 00 s");
        assert_eq!(seconds(7_260), "2 h 01 min");
    }
}
