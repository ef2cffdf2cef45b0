//! Pictures of a run, as SVG: for a report, and readable when printed without colours.

use super::outcome::{Outcome, Second};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::fmt;

const SIZE: (u32, u32) = (1_000, 440);
/// Points of a line, at most: more cannot be seen.
const POINTS_MAX: usize = 1_000;
/// Beyond this many seconds, time is told in hours of the day.
const HOURS_FROM: usize = 3 * 3_600;
/// Blue and vermilion (Okabe & Ito, "Color Universal Design"): also told apart in grey, and the
/// second line is dashed besides.
const INK: [RGBColor; 2] = [RGBColor(0, 90, 160), RGBColor(213, 94, 0)];

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
    let per_minute = |count: u32| f64::from(count) * 60.0 / step as f64;
    let draw =
        |title: &str, unit: &str, lines: &[Line]| over_time(outcome, step, title, unit, lines);
    let line = |name, of: &dyn Fn(&Second) -> f64| Line {
        name,
        values: thin.iter().map(of).collect(),
    };
    let people = [
        line("inside", &|it| f64::from(it.inside)),
        line("seats", &|it| f64::from(it.seats)),
    ];
    let waiting = [line("in line", &|it| f64::from(it.line))];
    let flow = [
        line("come", &|it| per_minute(it.arrivals)),
        line("visits completed", &|it| per_minute(it.completed)),
    ];
    let slots = [
        line("in flight", &|it| f64::from(it.in_flight)),
        line("slots", &|it| f64::from(it.slots)),
    ];
    let wait = [line("promised at most to a newcomer", &|it| {
        f64::from(it.promised.max(0)) / 60.0
    })];
    Ok(vec![
        ("inside", draw("People inside", "people", &people)?),
        ("line", draw("The line", "people", &waiting)?),
        (
            "flow",
            draw("Who comes, and who is done", "people per minute", &flow)?,
        ),
        ("wait", draw("The wait", "minutes", &wait)?),
        ("slots", draw("Requests at the portal", "requests", &slots)?),
        ("promise", promise(outcome)?),
    ])
}

/// A line of a picture, one value for each step.
struct Line {
    name: &'static str,
    values: Vec<f64>,
}

fn over_time(
    outcome: &Outcome,
    step: usize,
    title: &str,
    unit: &str,
    lines: &[Line],
) -> Result<String> {
    let clock = outcome.clock.as_secs_f64() / 3_600.0;
    let length = outcome.seconds.len();
    let hours = length > HOURS_FROM;
    let at = |index: usize| {
        let secs = (index * step) as f64;
        match hours {
            true => clock + secs / 3_600.0,
            false => secs / 60.0,
        }
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
        let span = at(0)..at(length.div_ceil(step)).max(at(0) + 1e-3);
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
            values: vec![0.0, highest],
        };
        draw_line(&mut chart, &even, 1, &|index| index as f64 * highest)?;
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
        .build_cartesian_2d(x, 0.0..(highest * 1.08).max(1.0))
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
    line: &Line,
    index: usize,
    at: &dyn Fn(usize) -> f64,
) -> Result<()> {
    let points = line.values.iter().enumerate();
    let points = points.map(|(index, value)| (at(index), *value));
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
