//! Lanes and draws, told.

use super::{count, percent, plain_table, seconds};
use crate::sim::{DrawFigures, LaneFigures};
use comfy_table::{Cell, CellAlignment};
use std::fmt::Write as _;

const HEADINGS: [&str; 10] = [
    "lane",
    "people",
    "straight in",
    "called",
    "half waited",
    "nine in ten",
    "kept",
    "of the calls",
    "by weight",
    "jumps",
];

/// The lanes as a table, if there are several, and what came of a draw.
pub(super) fn text(lanes: &[LaneFigures]) -> String {
    let mut text = String::new();
    if lanes.len() > 1 {
        let _ = writeln!(text, "\n{}", table(lanes));
        text += &notes(lanes);
    }
    for lane in lanes {
        if let Some(draw) = &lane.draw {
            text += &drawn(&lane.name, draw);
        }
    }
    text
}

fn table(lanes: &[LaneFigures]) -> comfy_table::Table {
    let mut table = plain_table();
    table.set_header(HEADINGS);
    for lane in lanes {
        let promises = &lane.promises;
        let numbers = [
            count(lane.people),
            count(lane.straight),
            count(lane.called_in),
            seconds(lane.waits.p50),
            seconds(lane.waits.p90),
            known((promises.made > 0).then_some(promises.kept)),
            known(lane.share),
            percent(lane.weight),
            count(lane.queue_jumps),
        ];
        let mut row = vec![Cell::new(&lane.name)];
        let right = |text| Cell::new(text).set_alignment(CellAlignment::Right);
        row.extend(numbers.into_iter().map(right));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What the table does not say.
fn notes(lanes: &[LaneFigures]) -> String {
    let shared = match lanes.iter().any(|lane| lane.share.is_some()) {
        true => "The share of the calls is that of the time when people waited in each lane.",
        false => {
            "There was no moment when people waited in each lane: nobody had to share by weight."
        }
    };
    let turns = lanes.iter().filter_map(|lane| lane.longest_turn);
    let longest = turns.fold(1.0, f64::max);
    format!(
        "{shared}\nWhoever was the first of a lane waited for the call up to {longest:.0} times as \
         long as\nthe first of this lane did on average.\n"
    )
}

fn known(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), percent)
}

fn drawn(lane: &str, draw: &DrawFigures) -> String {
    let of = match lane {
        "" => String::new(),
        lane => format!(" in lane {lane}"),
    };
    format!(
        "\nThe draw{of}: {} numbers; {} people with one of them were called and came in.\n\
         Their order of coming and of going in: {:+.2} (0: who came earlier had nothing of it).\n\
         The order drawn and of going in: {:+.2} (1: the same).\n\
         Those who came later, order of coming and of going in: {:+.2} (1: the same).\n",
        count(draw.drawn),
        count(draw.came_in),
        draw.by_arrival,
        draw.by_rank,
        draw.after
    )
}
