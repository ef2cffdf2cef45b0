//! Pictures of a run, as SVG: for a report, and readable when printed without colours.

use super::lanes::{LaneRun, LaneSecond};
use super::outcome::{Entered, Outcome, Second};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::fmt;

const SIZE: (u32, u32) = (1_000, 440);
/// Points of a line, at most: more cannot be seen.
const POINTS_MAX: usize = 500;
/// What is counted is counted over this many seconds at least: less would be noise.
const COUNTED: usize = 60;
/// Room above the highest value, for the legend.
const HEADROOM: f64 = 1.3;
/// Beyond this many seconds, time is told in hours of the day.
const HOURS_FROM: usize = 3 * 3_600;
/// Of Okabe & Ito, "Color Universal Design", the first two also told apart in grey; every second line
/// is dashed besides.
const INK: [RGBColor; 6] = [
    RGBColor(0, 90, 160),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Result<T> = std::result::Result<T, PlotError>;

/// A picture could not be drawn.
#[derive(Debug)]
pub struct PlotError(String);

impl fmt::Display for PlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the picture cannot be drawn: {}", self.0)
    }
}

impl std::error::Error for PlotError {}

/// The pictures of a run: a name for the file, and the SVG.
///
/// # Errors
/// When the drawing library refuses.
pub fn plots(outcome: &Outcome) -> Result<Vec<(&'static str, String)>> {
    let step = outcome.seconds.len().div_ceil(POINTS_MAX).max(1);
    let thin = outcome.thinned(step);
    let draw = |title: &str, unit: &str, lines: &[Line]| over_time(outcome, title, unit, lines);
    let line = |name, of: &dyn Fn(&Second) -> f64| Line {
        name,
        step: step as f64,
        values: thin.iter().map(of).collect(),
    };
    let people = [
        line("inside", &|it| f64::from(it.inside)),
        line("seats", &|it| f64::from(it.seats)),
    ];
    let waiting = [line("in line", &|it| f64::from(it.line))];
    let coarse = step.max(COUNTED);
    let counted = outcome.thinned(coarse);
    let flow = |name, of: fn(&Second) -> u32| Line {
        name,
        step: coarse as f64,
        values: (counted.iter())
            .map(|it| f64::from(of(it)) * 60.0 / coarse as f64)
            .collect(),
    };
    let flow = [
        flow("come", |it| it.arrivals),
        flow("visits completed", |it| it.completed),
    ];
    let slots = [
        line("in flight", &|it| f64::from(it.in_flight)),
        line("slots", &|it| f64::from(it.slots)),
    ];
    let wait = [line("promised at most to a newcomer", &|it| {
        f64::from(it.promised.max(0)) / 60.0
    })];
    let mut plots = vec![
        ("inside", draw("People inside", "people", &people)?),
        ("line", draw("The line", "people", &waiting)?),
        (
            "flow",
            draw("Who comes, and who is done", "people per minute", &flow)?,
        ),
        ("wait", draw("The wait", "minutes", &wait)?),
        ("promise", promise(outcome)?),
    ];
    // Whole visits have no requests.
    if thin.iter().any(|it| it.in_flight > 0) {
        plots.push(("slots", draw("Requests at the portal", "requests", &slots)?));
    }
    if outcome.lanes.len() > 1 {
        let line = |of: &dyn Fn(&LaneSecond) -> f64| by_lane(outcome, step, of);
        let waiting = line(&|it| f64::from(it.line));
        let called = by_lane(outcome, coarse, &|it| {
            f64::from(it.calls) * 60.0 / coarse as f64
        });
        plots.push(("lanes", draw("The line of each lane", "people", &waiting)?));
        let calls = draw("Calls of each lane", "calls per minute", &called)?;
        plots.push(("lane-calls", calls));
    }
    if outcome.entered.iter().any(|it| it.drawn) {
        plots.push(("draw", entered(outcome)?));
    }
    Ok(plots)
}

/// A line for each lane.
fn by_lane<'a>(
    outcome: &'a Outcome,
    step: usize,
    of: &dyn Fn(&LaneSecond) -> f64,
) -> Vec<Line<'a>> {
    let line = |lane: &'a LaneRun| Line {
        name: &lane.name,
        step: step as f64,
        values: lane.thinned(step).iter().map(of).collect(),
    };
    outcome.lanes.iter().map(line).collect()
}

/// When people came, and when they went in: a cloud where the order was drawn, a line where it is the
/// order of coming.
fn entered(outcome: &Outcome) -> Result<String> {
    let minutes = |secs: f32| f64::from(secs) / 60.0;
    let last = |of: fn(&Entered) -> f32| outcome.entered.iter().map(of).fold(0.0, f32::max);
    let (came, highest) = (minutes(last(|it| it.came)), minutes(last(|it| it.entered)));
    let mut svg = String::new();
    {
        let root = page(&mut svg)?;
        let title = "When people came, and when they went in";
        let mut chart = chart(&root, title, 0.0..came * 1.02, highest)?;
        let label = |x: &f64| format!("{x:.0}");
        mesh(&mut chart, "came, minutes", "went in, minutes", &label)?;
        let kinds = [(true, "drawn by lot"), (false, "in the order of coming")];
        for ((drawn, name), ink) in kinds.into_iter().zip(INK) {
            let those = outcome.entered.iter().filter(|it| it.drawn == drawn);
            let points = those.map(|it| {
                let at = (minutes(it.came), minutes(it.entered));
                Circle::new(at, 2, ink.mix(0.6).filled())
            });
            let mark = move |(x, y): (i32, i32)| Circle::new((x + 13, y), 4, ink.filled());
            let drawn = chart.draw_series(points).map_err(wrong)?;
            drawn.label(name).legend(mark);
        }
        legend(&mut chart)?;
        root.present().map_err(wrong)?;
    }
    Ok(svg)
}

/// A line of a picture: a value for each step along it.
struct Line<'n> {
    name: &'n str,
    step: f64,
    values: Vec<f64>,
}

fn over_time(outcome: &Outcome, title: &str, unit: &str, lines: &[Line<'_>]) -> Result<String> {
    let clock = outcome.clock.as_secs_f64() / 3_600.0;
    let length = outcome.seconds.len();
    let hours = length > HOURS_FROM;
    let at = |secs: f64| match hours {
        true => clock + secs / 3_600.0,
        false => secs / 60.0,
    };
    let highest = lines.iter().flat_map(|line| &line.values).copied();
    let highest = highest.fold(0.0, f64::max);
    let label = |x: &f64| match hours {
        true => format!(
            "{:02}:{:02}",
            *x as u64 % 24,
            (x.fract() * 60.0).round() as u64
        ),
        false => format!("{x:.0}"),
    };
    let axis = match hours {
        true => "time of day",
        false => "minutes",
    };
    let mut svg = String::new();
    {
        let root = page(&mut svg)?;
        let span = at(0.0)..at(length as f64);
        let mut chart = chart(&root, title, span, highest)?;
        mesh(&mut chart, axis, unit, &label)?;
        for (index, line) in lines.iter().enumerate() {
            draw_line(&mut chart, line, index, &at)?;
        }
        legend(&mut chart)?;
        root.present().map_err(wrong)?;
    }
    Ok(svg)
}

/// What was promised against what it was.
fn promise(outcome: &Outcome) -> Result<String> {
    let minutes = |secs: f32| f64::from(secs) / 60.0;
    let highest = outcome.promises.iter();
    let highest = highest.map(|it| minutes(it.high.max(it.actual)));
    let highest = highest.fold(1.0, f64::max) * 1.05;
    let mut svg = String::new();
    {
        let root = page(&mut svg)?;
        let mut chart = chart(
            &root,
            "Promises against waits",
            0.0..highest,
            highest / 1.05,
        )?;
        let label = |x: &f64| format!("{x:.0}");
        mesh(
            &mut chart,
            "promised at most, minutes",
            "waited, minutes",
            &label,
        )?;
        let points = outcome.promises.iter().map(|it| {
            let at = (minutes(it.high), minutes(it.actual));
            Circle::new(
                at,
                2,
                INK[usize::from(it.actual > it.high)].mix(0.5).filled(),
            )
        });
        chart.draw_series(points).map_err(wrong)?;
        let even = Line {
            name: "as promised; what lies above came later",
            step: highest,
            values: vec![0.0, highest],
        };
        draw_line(&mut chart, &even, 1, &|along| along)?;
        legend(&mut chart)?;
        root.present().map_err(wrong)?;
    }
    Ok(svg)
}

fn page(svg: &mut String) -> Result<DrawingArea<SVGBackend<'_>, Shift>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(wrong)?;
    Ok(root)
}

fn chart<'a, 'b>(
    root: &'a DrawingArea<SVGBackend<'b>, Shift>,
    title: &str,
    x: std::ops::Range<f64>,
    highest: f64,
) -> Result<Chart<'a, 'b>> {
    ChartBuilder::on(root)
        .caption(title, ("sans-serif", 24))
        .margin(14)
        .x_label_area_size(48)
        .y_label_area_size(84)
        .build_cartesian_2d(x, 0.0..(highest * HEADROOM).max(1.0))
        .map_err(wrong)
}

fn mesh(chart: &mut Chart<'_, '_>, x: &str, y: &str, label: &dyn Fn(&f64) -> String) -> Result<()> {
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc(x)
        .y_desc(y)
        .x_labels(13)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| grouped(*y))
        .label_style(("sans-serif", 16))
        .axis_desc_style(("sans-serif", 17))
        .draw()
        .map_err(wrong)
}

fn draw_line(
    chart: &mut Chart<'_, '_>,
    line: &Line<'_>,
    index: usize,
    at: &dyn Fn(f64) -> f64,
) -> Result<()> {
    let points = line.values.iter().enumerate();
    let points = points.map(|(index, value)| (at(index as f64 * line.step), *value));
    let ink = INK[index % INK.len()].stroke_width(2);
    let drawn = match index % 2 {
        0 => chart.draw_series(LineSeries::new(points, ink)),
        _ => chart.draw_series(DashedLineSeries::new(points, 7, 4, ink)),
    };
    let mark = move |(x, y): (i32, i32)| PathElement::new([(x, y), (x + 26, y)], ink);
    drawn.map_err(wrong)?.label(line.name).legend(mark);
    Ok(())
}

fn legend<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>) -> Result<()> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .legend_area_size(32)
        .label_font(("sans-serif", 16))
        .draw()
        .map_err(wrong)
}

/// A number with a thin gap between thousands.
fn grouped(value: f64) -> String {
    if value < 10.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join("\u{202f}")
}

fn wrong(error: impl fmt::Display) -> PlotError {
    PlotError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(grouped(0.5), "0.5");
        assert_eq!(grouped(12.0), "12");
        assert_eq!(grouped(13_000_000.0), "13\u{202f}000\u{202f}000");
    }
}
