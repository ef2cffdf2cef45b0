//! The table, in Markdown, and the same as JSON.

use crate::figures::Figures;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::Value;

/// Everything that was measured.
#[derive(Serialize)]
pub struct Report {
    /// Visits a minute that the portal completes at best, …
    pub capacity_per_minute: f64,
    /// … which is with so many requests at once; and with all others that were tried.
    pub best_in_flight: u32,
    pub tried: Vec<(u32, f64)>,
    pub rows: Vec<Row>,
}

/// One contestant under one load.
#[derive(Serialize)]
pub struct Row {
    /// Times the portal's capacity.
    pub load: f64,
    pub contestant: String,
    pub figures: Figures,
    /// What preau said of itself at the end.
    pub status: Option<Value>,
}

const HEADER: [&str; 10] = [
    "load",
    "",
    "completed/min",
    "of capacity",
    "broken off inside",
    "gave up outside",
    "wait p50 / p90 s",
    "page p90 s",
    "promises kept",
    "most in flight",
];

impl Report {
    /// The table.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(HEADER);
        for row in &self.rows {
            table.add_row(row.cells());
        }
        for at in 2..HEADER.len() {
            if let Some(column) = table.column_mut(at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }
}

impl Row {
    fn cells(&self) -> [String; HEADER.len()] {
        let it = &self.figures;
        let secs = |secs: Option<f64>| secs.map_or("-".to_owned(), |secs| format!("{secs:.1}"));
        let promises = match it.promises {
            0 => "-".to_owned(),
            all => format!(
                "{:.0} % of {all}",
                100.0 * it.promises_kept as f64 / all as f64
            ),
        };
        [
            format!("{} ×", self.load),
            self.contestant.clone(),
            format!("{:.0}", it.completed_per_minute),
            format!("{:.2}", it.share_of_capacity),
            format!("{} ({:.0} %)", it.broken_off, 100.0 * it.broken_off_share),
            it.never_in.to_string(),
            format!("{} / {}", secs(it.wait_p50), secs(it.wait_p90)),
            secs(it.page_p90),
            promises,
            it.in_flight_most.to_string(),
        ]
    }
}
