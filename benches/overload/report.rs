//! The table, in Markdown, and the same as JSON.

use crate::contestants::{Bears, Found};
use crate::figures::Figures;
use crate::turns::Start;
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Everything that was measured.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// What the portal bears; …
    pub bears: Bears,
    /// … and the visits a minute with each number of requests at once that was tried.
    pub tried: Vec<(u32, f64)>,
    /// Who was told what.
    pub configurations: Vec<(String, String)>,
    pub rows: Vec<Row>,
}

/// One contestant under one load.
#[derive(Serialize, Deserialize)]
pub struct Row {
    /// Times the portal's capacity.
    pub load: f64,
    pub contestant: String,
    pub start: Start,
    /// The share of those who log out.
    pub log_out: f64,
    pub figures: Figures,
    /// What preau had found, in the course of it.
    pub found: Vec<Found>,
    /// What preau said of itself at the end.
    pub status: Option<Value>,
}

const HEADER: [&str; 14] = [
    "load",
    "",
    "begins",
    "minute 1",
    "2",
    "3 and on",
    "all",
    "completed",
    "broken off inside",
    "gave up outside",
    "served, of those let in",
    "wait p50 / p90 s",
    "page p90 s",
    "promises kept",
];
/// Those of words; the others are numbers.
const WORDS: usize = 3;

impl Report {
    /// What was written before, in parts; none if there are none.
    pub fn read(parts: &[PathBuf]) -> Option<Report> {
        let mut parts = parts.iter().map(|part| -> Report {
            let json = std::fs::read(part).expect("the JSON can be read");
            serde_json::from_slice(&json).expect("it is of this program")
        });
        let mut report = parts.next()?;
        report.rows.extend(parts.flat_map(|part| part.rows));
        Some(report)
    }

    /// Writes the JSON.
    pub fn write(&self, path: &Path) {
        let json = serde_json::to_vec_pretty(self).expect("numbers and words");
        std::fs::write(path, json).expect("the JSON can be written");
    }

    /// The table, by load.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(HEADER);
        for load in self.loads() {
            for row in self.rows.iter().filter(|row| row.load == load) {
                table.add_row(row.cells());
            }
        }
        for at in WORDS..HEADER.len() {
            if let Some(column) = table.column_mut(at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }

    /// What must never happen, as preau has counted it: jumps of the line, and seats beyond the limit.
    pub fn forbidden(&self) -> (u64, u64) {
        let count = |name: &str| {
            let of = |status: &Value| status["rooms"][0]["counts"][name].as_u64();
            let counts = self.rows.iter().filter_map(|row| row.status.as_ref());
            let counts = counts.map(|status| of(status).expect("preau counts them"));
            counts.sum()
        };
        (count("queue_jumps"), count("seat_overshoot"))
    }

    /// In the order in which they were measured.
    pub fn loads(&self) -> Vec<f64> {
        let mut loads = Vec::new();
        for row in &self.rows {
            if !loads.contains(&row.load) {
                loads.push(row.load);
            }
        }
        loads
    }
}

impl Row {
    /// On one line, while it is measured.
    pub fn words(&self) -> String {
        let curve: Vec<String> = (self.figures.curve.iter())
            .map(|share| format!("{share:.2}"))
            .collect();
        format!("{} | {}", self.cells().join(" | "), curve.join(" "))
    }

    fn cells(&self) -> [String; HEADER.len()] {
        let it = &self.figures;
        let secs = |secs: Option<f64>| secs.map_or("-".to_owned(), |secs| format!("{secs:.1}"));
        let minute = |at: usize| it.minutes.get(at).map_or("-".to_owned(), share);
        let promises = match it.promises {
            0 => "-".to_owned(),
            all => format!("{} of {all}", percent(it.promises_kept as f64 / all as f64)),
        };
        [
            format!("{} ×", self.load),
            self.contestant.clone(),
            self.start.name().to_owned(),
            minute(0),
            minute(1),
            share(&it.from_third_minute),
            share(&it.of_possible),
            format!("{} ({:.2})", it.completed, it.completed_of_possible),
            format!("{} ({})", it.broken_off, percent(it.broken_off_share)),
            it.never_in.to_string(),
            format!("{} of {}", percent(it.served_share), it.let_in),
            format!("{} / {}", secs(it.wait_p50), secs(it.wait_p90)),
            secs(it.page_p90),
            promises,
        ]
    }
}

fn share(share: &f64) -> String {
    format!("{share:.2}")
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}
