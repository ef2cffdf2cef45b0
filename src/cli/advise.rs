//! `preau advise`: what seats, slots and idle should be, by what a running preau has seen.

use super::status::{DeskArgs, EXIT_STATUS, number, show, table};
use crate::admin::{Advice, Lengths, Recommended, RoomAdvice, WouldWait};
use crate::time::Span;
use clap::Args;
use comfy_table::Cell;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Arguments of `preau advise`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_STATUS)]
pub struct Advise {
    #[command(flatten)]
    desk: DeskArgs,
    /// The JSON of /api/v1/advice instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Advise) -> ExitCode {
    show(&args.desk, "/api/v1/advice", args.json, tables)
}

fn tables(advice: &Advice) -> String {
    let minutes = advice.seen_seconds / 60;
    let mut text = format!("Seen in {} h {:02} min.\n", minutes / 60, minutes % 60);
    for room in &advice.rooms {
        one(room, &mut text);
    }
    text
}

fn one(room: &RoomAdvice, text: &mut String) {
    let mut numbers = table(&["", "now", "advised", "why"]);
    let rows = [
        ("seats", &room.seats, ""),
        ("slots", &room.slots, ""),
        ("idle", &room.idle_seconds, " s"),
    ];
    for (name, what, unit) in rows {
        numbers.add_row(row(name, what, unit));
    }
    // Writing to a text never fails.
    let _ = writeln!(
        text,
        "\n{} (portal {}, mode {})\n{numbers}",
        room.room,
        room.portal,
        room.mode.name()
    );
    let _ = writeln!(text, "\nMost people inside at once: {}", room.peak_inside);
    if let Some(held) = room.seat_seconds {
        let _ = writeln!(
            text,
            "A seat is held for {} in the mean: the visit, and `idle` after it where nobody logs out.",
            seconds(held)
        );
    }
    let mut lengths = table(&["", "seen", "half are under", "90 %", "99 %"]);
    lengths.add_row(length("visits", &room.visits));
    lengths.add_row(length("pauses from 2 s on", &room.pauses));
    let mut answers = table(&["in flight", "answers", "half are under", "90 %"]);
    for level in &room.answers {
        answers.add_row(vec![
            number(format!("≤ {}", level.in_flight)),
            number(level.count),
            number(format!("{:.0} ms", level.half * 1_000.0)),
            number(format!("{:.0} ms", level.most * 1_000.0)),
        ]);
    }
    let _ = writeln!(text, "{lengths}\n\n{answers}");
    if let Some(observed) = &room.observed {
        let _ = writeln!(text, "\n{}", would_wait(observed));
    }
    if room.mode.name() != "observe" && room.seats.advised.is_none() {
        let _ = writeln!(
            text,
            "\nMode `observe` holds nobody back, and so shows more."
        );
    }
}

fn row(name: &str, what: &Recommended, unit: &str) -> Vec<Cell> {
    vec![
        Cell::new(name),
        number(format!("{}{unit}", what.now)),
        number(
            what.advised
                .map_or("–".to_owned(), |it| format!("{it}{unit}")),
        ),
        Cell::new(&what.why),
    ]
}

fn length(name: &str, lengths: &Lengths) -> Vec<Cell> {
    let time = |secs: Option<f64>| number(secs.map_or("–".to_owned(), seconds));
    vec![
        Cell::new(name),
        number(lengths.count),
        time(lengths.half),
        time(lengths.most),
        time(lengths.nearly_all),
    ]
}

fn would_wait(observed: &WouldWait) -> String {
    let time = |secs: Option<f64>| secs.map_or("–".to_owned(), seconds);
    format!(
        "With {} seats, {} would have waited, {} of them still; the line would have been up to {} \
         long. Waits: half under {}, 90 % under {}, the longest {}.",
        observed.seats,
        observed.would_wait,
        observed.waiting,
        observed.longest_line,
        time(observed.half),
        time(observed.most),
        time(observed.longest),
    )
}

fn seconds(secs: f64) -> String {
    Span::from_secs_f64(secs).words()
}
