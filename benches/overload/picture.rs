//! The curves, as SVG: a panel for each load, and for the long turns one more. Readable on light and dark
//! ground, and without colours by their dashes.

use crate::figures::POINT;
use crate::report::{Report, Row};
use crate::turns::Start;
use std::fmt::Write as _;

const WIDTH: f64 = 880.0;
/// Of a panel: where its plot begins, and its size.
const LEFT: f64 = 56.0;
const TOP: f64 = 34.0;
const PLOT: (f64, f64) = (WIDTH - LEFT - 20.0, 190.0);
const PANEL: f64 = TOP + PLOT.1 + 42.0;
/// The highest share that is drawn.
const HIGHEST: f64 = 1.2;
/// A line of the legend; two entries stand on it.
const ENTRY: f64 = 20.0;

/// Beginnings of curves' names, and their colour and dash. Colours of Okabe & Ito ("Color Universal
/// Design") that are seen on both grounds.
const INKS: [(&str, &str, &str); 7] = [
    ("no proxy", "#808080", "2 3"),
    ("HAProxy", "#e69f00", "8 4"),
    ("nginx", "#cc79a7", "8 3 2 3"),
    ("preau, told", "#808080", "none"),
    ("preau after a calm", "#009e73", "6 3"),
    ("preau after a restart", "#d55e00", "6 3"),
    ("preau", "#0072b2", "none"),
];

const STYLE: &str = "<style>
svg{font:13px sans-serif}.ground{fill:#fff}text{fill:#24292f}.grid{stroke:#d0d7de}
.possible{fill:#eaeef2}path{fill:none;stroke-width:2.2;stroke-linejoin:round}
@media(prefers-color-scheme:dark){.ground{fill:#0d1117}text{fill:#e6edf3}.grid{stroke:#30363d}.possible{fill:#1c2430}}
</style>
";

/// The picture of all that was measured.
pub fn draw(report: &Report) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in report.rows.iter().map(name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let panels = panels(report);
    let legend = ENTRY * (names.len() + 1).div_ceil(2) as f64 + 14.0;
    let height = legend + PANEL * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>Work that an overrun portal did for visits that came to their end, by time</title>\n\
         {STYLE}<rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    draw_legend(&mut svg, &names);
    for (at, (title, rows)) in panels.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<g transform=\"translate(0 {})\">",
            legend + PANEL * at as f64
        );
        draw_panel(&mut svg, title, rows);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

/// Titles, and the curves under them.
fn panels(report: &Report) -> Vec<(String, Vec<&Row>)> {
    let mut panels = Vec::new();
    for (long, words) in [(false, ""), (true, ", and nobody logs out")] {
        for load in report.loads() {
            let here = |row: &&Row| row.load == load && (row.start == Start::Long) == long;
            let rows: Vec<&Row> = report.rows.iter().filter(here).collect();
            if !rows.is_empty() {
                let title = format!("{load} × what the portal can{words}: work done, of its best");
                panels.push((title, rows));
            }
        }
    }
    panels
}

/// What a curve is called.
fn name(row: &Row) -> String {
    match row.start {
        Start::Long => "preau from cold".to_owned(),
        start if row.contestant == "preau" => format!("preau {}", start.name()),
        _ => row.contestant.replace('`', ""),
    }
}

/// Colour and dash of a curve.
fn ink(name: &str) -> (&'static str, &'static str) {
    let mut inks = INKS.iter();
    let found = inks.find(|ink| name.starts_with(ink.0));
    found.map_or(("#808080", "none"), |ink| (ink.1, ink.2))
}

fn draw_legend(svg: &mut String, names: &[String]) {
    let place = |at: usize| {
        let x = LEFT + (at % 2) as f64 * WIDTH / 2.0;
        (x, 20.0 + (at / 2) as f64 * ENTRY)
    };
    for (at, name) in names.iter().enumerate() {
        let ((x, y), (colour, dash)) = (place(at), ink(name));
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {}h34\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\"/>\
             <text x=\"{}\" y=\"{y}\">{name}</text>",
            y - 4.0,
            x + 42.0
        );
    }
    let (x, y) = place(names.len());
    let _ = writeln!(
        svg,
        "<rect class=\"possible\" x=\"{x}\" y=\"{}\" width=\"34\" height=\"12\"/>\
         <text x=\"{}\" y=\"{y}\">what was possible</text>",
        y - 10.0,
        x + 42.0
    );
}

fn draw_panel(svg: &mut String, title: &str, rows: &[&Row]) {
    let points = rows.iter().map(|row| row.figures.curve.len()).max();
    let points = points.unwrap_or_default().max(1);
    let x = |point: f64| LEFT + PLOT.0 * point / points as f64;
    let y = |share: f64| TOP + PLOT.1 * (1.0 - share.min(HIGHEST) / HIGHEST);
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>",
        TOP - 12.0
    );
    if let Some(first) = rows.first() {
        let steps = first.figures.possible_curve.iter().enumerate();
        let steps = steps.map(|(at, share)| format!("V{:.1}H{:.1}", y(*share), x(at as f64 + 1.0)));
        let steps: String = steps.collect();
        let _ = writeln!(
            svg,
            "<path class=\"possible\" d=\"M{LEFT} {:.1}{steps}V{:.1}z\"/>",
            y(0.0),
            y(0.0)
        );
    }
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{share}</text>",
            LEFT + PLOT.0,
            y(share),
            y(share),
            LEFT - 8.0,
            y(share) + 4.0
        );
    }
    let minute = 60.0 / POINT;
    for at in 0..=(points as f64 / minute) as usize {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at} min</text>",
            x(at as f64 * minute),
            y(0.0) + 20.0
        );
    }
    for row in rows {
        let (colour, dash) = ink(&name(row));
        let curve = row.figures.curve.iter().enumerate();
        let curve: String = curve
            .map(|(at, share)| {
                format!(
                    "{}{:.0} {:.1}",
                    if at == 0 { 'M' } else { 'L' },
                    x(at as f64 + 0.5),
                    y(*share)
                )
            })
            .collect();
        let _ = writeln!(
            svg,
            "<path d=\"{curve}\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\"/>"
        );
    }
}
