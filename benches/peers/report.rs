//! Medians of the rounds, as a table and as JSON.

use crate::Outcome;
use crate::cases::{Aim, Case, Figure, Sample};
use crate::contestants::Who;
use crate::load::Loaded;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::path::Path;

/// Everything that was measured.
#[derive(Default)]
pub struct Report(Vec<Row>);

/// One contestant in one case: medians over the rounds.
#[derive(Clone, Debug, Serialize)]
struct Row {
    case: &'static str,
    contestant: &'static str,
    unit: &'static str,
    figure: f64,
    /// The figure of each round.
    rounds: Vec<f64>,
    to_haproxy: Option<f64>,
    to_nginx: Option<f64>,
    aim: Option<f64>,
    requests_per_second: Option<f64>,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    resident_mib: f64,
}

impl Report {
    /// Takes in a case: who was measured, and what came of it in each round.
    pub fn add(&mut self, case: &Case, measured: &[(Who, Vec<Sample>)]) {
        let figure = |who: Who| {
            let (_, samples) = measured.iter().find(|(other, _)| *other == who)?;
            Some(median(samples.iter().map(|sample| sample.figure)))
        };
        for (who, samples) in measured {
            let ours = figure(*who).unwrap_or(f64::NAN);
            let to = |other| figure(other).filter(|_| other != *who).map(|it| ours / it);
            let loaded = |of: fn(&Loaded) -> f64| {
                let all: Vec<f64> = samples.iter().flat_map(|s| &s.loaded).map(of).collect();
                (!all.is_empty()).then(|| median(all))
            };
            self.0.push(Row {
                case: case.name,
                contestant: who.name(),
                unit: unit(case.figure()),
                figure: ours,
                rounds: samples.iter().map(|sample| sample.figure).collect(),
                to_haproxy: to(Who::Haproxy),
                to_nginx: to(Who::Nginx),
                aim: (*who == Who::Preau)
                    .then(|| aim(case.aim, &figure))
                    .flatten(),
                requests_per_second: loaded(|loaded| loaded.per_second),
                p50_us: loaded(|loaded| loaded.p50),
                p99_us: loaded(|loaded| loaded.p99),
                resident_mib: median(samples.iter().map(|s| s.resident as f64)) / 1_048_576.0,
            });
        }
    }

    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header([
            "case",
            "",
            "figure",
            "",
            "× HAProxy",
            "× nginx",
            "aim",
            "requests/s",
            "p50 µs",
            "p99 µs",
            "MiB",
        ]);
        let mut last = "";
        for row in &self.0 {
            let digits = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            };
            table.add_row([
                if row.case == last {
                    String::new()
                } else {
                    row.case.to_owned()
                },
                row.contestant.to_owned(),
                digits(Some(row.figure), 1),
                row.unit.to_owned(),
                digits(row.to_haproxy, 2),
                digits(row.to_nginx, 2),
                row.aim
                    .map_or_else(String::new, |aim| format!("≤ {aim:.1}")),
                digits(row.requests_per_second, 0),
                digits(row.p50_us, 0),
                digits(row.p99_us, 0),
                digits(Some(row.resident_mib), 1),
            ]);
            last = row.case;
        }
        for column in [2, 4, 5, 6, 7, 8, 9, 10] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }

    /// Writes all of it as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Outcome<()> {
        Ok(std::fs::write(path, serde_json::to_vec_pretty(&self.0)?)?)
    }
}

/// The aim in the unit of the figure; none if whoever it is measured by was not.
fn aim(aim: Aim, figure: &impl Fn(Who) -> Option<f64>) -> Option<f64> {
    match aim {
        Aim::Share(share, who) => figure(who).map(|figure| share * figure),
        Aim::Figure(figure) => Some(figure),
    }
}

fn unit(figure: Figure) -> &'static str {
    match figure {
        Figure::Cpu => "CPU µs a request",
        Figure::Slowest => "µs at p99",
        Figure::Memory => "KiB each",
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
