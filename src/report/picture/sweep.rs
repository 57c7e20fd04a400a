//! `sweep.png`: how what was measured changes over the swept values.

use plotters::style::RGBColor;

mod datagrams;

use super::page::{Align, Drawn, FAINT, INK, LABEL, Page, Stroke, fitted, text_width};
use super::palette::{BLUE, ORANGE, VERMILLION};
use super::panel::{Frame, Panel};
use super::scale::{Scale, Tick, number};
use super::{BODY, MARGIN, NOTHING, Sketch};
use crate::measure::result::{CellResult, RunResult};
use crate::measure::{Outcome, decode, empty, percentile};
use crate::units::human_nanos;

const AXIS: i32 = 150;
const HEADING: i32 = 66;
const GAP: i32 = 26;
/// Values stand beside their points as long as there are at most so many cells.
const NAMED: usize = 8;
/// Least distance of two marks, in pixels, for a numeric axis to be of use.
const APART: f64 = 150.0;

/// One line: its name in the heading, its colour, and a value a cell.
struct Series {
    name: &'static str,
    stroke: Stroke,
    values: Vec<Option<f64>>,
}

/// One panel.
struct Row {
    heading: &'static str,
    series: Vec<Series>,
    scale: Scale,
    latency: bool,
    /// How a value of a cell is written.
    text: Text,
}

/// The picture.
pub fn sketch(result: &RunResult) -> Sketch<'_> {
    let paths: Vec<_> = result.scenario.sweep.iter().map(|axis| axis.path.as_str()).collect();
    let title = format!("{}: what {} changes", result.scenario.name, paths.join(" and "));
    Sketch::new(
        title,
        "one point a cell, over all of its loads; < marks what the run did not resolve".to_owned(),
        move |page| match result.cells.is_empty() {
            true => page.words((0, BODY), (page.width, page.height), NOTHING),
            false => body(page, &result.cells, &paths.join(" / ")),
        },
    )
}

fn body(page: &Page, cells: &[CellResult], paths: &str) -> Drawn {
    let depth = cells.iter().map(|cell| cell.axes.len()).max().unwrap_or(1).clamp(1, 3) as i32;
    let rows = rows(cells);
    let foot = 80 + 44 * depth;
    let height = (page.height - BODY - foot) / rows.len() as i32;
    let (left, right) = (MARGIN + AXIS, page.width - MARGIN - 110);
    let (x, marks) = positions(cells, f64::from(right - left));
    for (index, row) in rows.iter().enumerate() {
        let top = BODY + index as i32 * height;
        let frame = Frame { left, top: top + HEADING, right, bottom: top + height - GAP };
        heading(page, (MARGIN, top + 26), row)?;
        let panel = Panel::new(page, frame, x, row.scale);
        let lines: Vec<_> = marks.iter().map(|at| Tick { at: *at, label: String::new() }).collect();
        panel.columns(&lines, false)?;
        let ticks =
            if row.latency { row.scale.latency_ticks(false) } else { row.scale.count_ticks(6) };
        panel.rows(&thinned(ticks))?;
        panel.floor()?;
        draw_row(page, &panel, row, &marks)?;
        if index + 1 == rows.len() {
            names(page, &panel, cells, &marks)?;
        }
    }
    let words = fitted(paths, LABEL, true, right - left);
    page.text(((left + right) / 2, page.height - 36), Align::Centre, &words, (LABEL, true), INK)
}

/// Every second mark, where there is no room for all.
fn thinned(ticks: Vec<Tick>) -> Vec<Tick> {
    let skip = ticks.len().div_ceil(5).max(1);
    ticks.into_iter().step_by(skip).collect()
}

/// The horizontal scale and each cell's place on it: by the value of the one swept key where it
/// is a number and the cells do not crowd, else one after the other.
fn positions(cells: &[CellResult], width: f64) -> (Scale, Vec<f64>) {
    let numeric: Option<Vec<f64>> = cells
        .iter()
        .map(|cell| match cell.axes.as_slice() {
            [axis] => axis.value.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0),
            _ => None,
        })
        .collect();
    if let Some(values) = numeric
        && values.len() > 1
        && values.is_sorted_by(|a, b| a < b)
    {
        let scale = Scale::log(values[0] / 1.5, values[values.len() - 1] * 1.5);
        let places = values.windows(2);
        let near = |w: &[f64]| (scale.share(w[1]) - scale.share(w[0])) * width < APART;
        if !places.into_iter().any(near) {
            return (scale, values);
        }
    }
    let last = cells.len() as f64;
    (Scale::linear(-0.5, last - 0.5), (0..cells.len()).map(|n| n as f64).collect())
}

/// Writes each cell's values of the swept keys below its place, one a line.
fn names(page: &Page, panel: &Panel, cells: &[CellResult], marks: &[f64]) -> Drawn {
    let width = panel.frame.right - panel.frame.left;
    let room = (width / cells.len().max(1) as i32).max(90);
    // Marks of many cells would overlap: name each second, third, ...
    let skip = (cells.len() as i32 * 90).div_euclid(width.max(1)).max(0) as usize + 1;
    for (cell, mark) in cells.iter().zip(marks).step_by(skip) {
        let texts: Vec<_> = match cell.axes.is_empty() {
            true => vec![cell.name.as_str()],
            false => cell.axes.iter().take(3).map(|axis| axis.value.as_str()).collect(),
        };
        for (line, text) in texts.iter().enumerate() {
            let text = fitted(text, LABEL, false, room - 10);
            let at = (panel.x(*mark), panel.frame.bottom + 34 + 44 * line as i32);
            page.text(at, Align::Centre, &text, (LABEL, false), INK)?;
        }
    }
    Ok(())
}

fn heading(page: &Page, (mut x, y): (i32, i32), row: &Row) -> Drawn {
    page.text((x, y), Align::Left, row.heading, (LABEL, true), INK)?;
    x += text_width(row.heading, LABEL, true) + 18;
    for series in &row.series {
        page.text((x, y), Align::Left, series.name, (LABEL, true), series.stroke.colour)?;
        x += text_width(series.name, LABEL, true) + 40;
    }
    Ok(())
}

fn draw_row(page: &Page, panel: &Panel, row: &Row, marks: &[f64]) -> Drawn {
    if row.series.iter().all(|s| s.values.iter().all(Option::is_none)) {
        return panel.words("not observed in any cell");
    }
    for series in &row.series {
        let known = series.values.iter().zip(marks);
        let known: Vec<_> = known.filter_map(|(v, x)| v.map(|v| (*x, v))).collect();
        panel.curve(&known, series.stroke)?;
        for (x, value) in &known {
            page.disc((panel.x(*x), panel.y(*value)), 12, series.stroke.colour)?;
        }
    }
    if marks.len() > NAMED {
        return Ok(());
    }
    for (cell, mark) in marks.iter().enumerate() {
        values(page, panel, row, cell, *mark)?;
    }
    Ok(())
}

/// Writes a cell's values beside its points, moved apart where they would cover each other.
fn values(page: &Page, panel: &Panel, row: &Row, cell: usize, mark: f64) -> Drawn {
    let mut texts: Vec<(i32, f64, RGBColor)> = row
        .series
        .iter()
        .filter_map(|s| {
            let value = s.values.get(cell).copied().flatten()?;
            Some((panel.y(value), value, s.stroke.colour))
        })
        .collect();
    texts.sort_by_key(|(y, ..)| *y);
    let Frame { top, bottom, .. } = panel.frame;
    let step = 42;
    let mut lowest = bottom - 22;
    for text in texts.iter_mut().rev() {
        text.0 = (text.0 - 26).min(lowest);
        lowest = text.0 - step;
    }
    let mut highest = top;
    for text in &mut texts {
        text.0 = text.0.max(highest);
        highest = text.0 + step;
    }
    for (y, value, colour) in texts {
        let at = (panel.x(mark) + 24, y);
        page.label(at, Align::Left, &(row.text)(cell, value), true, colour)?;
    }
    Ok(())
}

/// The rows of all cells; of datagrams, where they have them.
fn rows(cells: &[CellResult]) -> Vec<Row> {
    let datagrams = cells.iter().all(|cell| cell.datagrams.is_some());
    let mut rows = vec![latency(cells, if datagrams { "Delay:" } else { "Connect latency:" })];
    rows.extend(if datagrams { datagrams::rows(cells) } else { connections(cells) });
    rows
}

/// A value of each cell.
fn each(cells: &[CellResult], value: impl Fn(&CellResult) -> Option<f64>) -> Vec<Option<f64>> {
    cells.iter().map(value).collect()
}

fn line(name: &'static str, stroke: Stroke, values: Vec<Option<f64>>) -> Series {
    Series { name, stroke, values }
}

/// A row with the scale that suits its largest value, and its smallest above 0.
fn row(
    heading: &'static str,
    series: Vec<Series>,
    scale: fn(f64, f64) -> Scale,
    text: Text,
) -> Row {
    let known = || series.iter().flat_map(|s| s.values.iter().flatten().copied());
    let low = known().filter(|v| *v > 0.0).fold(f64::MAX, f64::min);
    let scale = scale(known().fold(0.0, f64::max), low);
    Row { heading, series, scale, latency: false, text }
}

fn latency(cells: &[CellResult], heading: &'static str) -> Row {
    let (p50, p99): (Vec<_>, Vec<_>) = cells.iter().map(quantiles).unzip();
    let resolutions: Vec<_> = cells.iter().map(|cell| cell.validity.resolution).collect();
    let lines = vec![
        line("p50", Stroke::solid(BLUE, 6), p50),
        line("p99", Stroke::solid(VERMILLION, 6), p99),
    ];
    let scale = |high: f64, low: f64| Scale::decades(low.min(high.max(1.0)), high);
    let text = move |cell: usize, v| resolved(v, resolutions[cell]);
    Row { latency: true, ..row(heading, lines, scale, Box::new(text)) }
}

fn connections(cells: &[CellResult]) -> Vec<Row> {
    let retried = each(cells, |cell| share(cell, |class| class == Outcome::OkRetried));
    let errors = each(cells, |cell| share(cell, Outcome::failed));
    let limit = each(cells, |cell| cell.target.backlog_effective.map(f64::from));
    let overflows = each(cells, |cell| cell.counter("ListenOverflows").map(|n| n as f64));
    let shares = vec![
        line("ok after a SYN retry", Stroke::solid(ORANGE, 6), retried),
        line("errors", Stroke::solid(VERMILLION, 6), errors),
    ];
    let queues = vec![
        line("longest seen", Stroke::solid(BLUE, 6), each(cells, longest_queue)),
        line("limit (dashed)", Stroke::dashed(FAINT, 5), limit),
    ];
    let overflow = vec![line("ListenOverflows", Stroke::solid(VERMILLION, 6), overflows)];
    let percent: Text = Box::new(|_, v| format!("{v:.1} %"));
    vec![
        row("Share of attempts, %:", shares, |high, _| Scale::from_zero(high), percent),
        row("Accept queue:", queues, Scale::counts, Box::new(|_, v| number(v))),
        row("Kernel counter:", overflow, Scale::counts, Box::new(|_, v| number(v))),
    ]
}

/// How a value of a cell is written.
type Text = Box<dyn Fn(usize, f64) -> String>;

/// A latency, or that it is not resolved; see [`quantiles`].
fn resolved(value: f64, resolution: u64) -> String {
    let below = if value > resolution as f64 { "" } else { "<" };
    format!("{below}{}", human_nanos(value as u64))
}

/// p50 and p99 of the cell's main metric over all loads; never below the cell's resolution, under which
/// nothing is told apart.
fn quantiles(cell: &CellResult) -> (Option<f64>, Option<f64>) {
    let mut all = empty();
    let metrics = cell.metrics.iter().filter(|m| m.metric == cell.main_metric());
    for histogram in metrics.filter_map(|m| decode(&m.histogram)) {
        // Decoded histograms have one shape, so that adding cannot fail.
        let _ = all.add(&histogram);
    }
    let at = |p| percentile(&all, p).max(cell.validity.resolution) as f64;
    let at = |p| (!all.is_empty()).then(|| at(p));
    (at(50.0), at(99.0))
}

/// Percentage of the attempts in the wanted classes; those that were to stay half-open do not
/// count.
fn share(cell: &CellResult, wanted: impl Fn(Outcome) -> bool) -> Option<f64> {
    let counts = || {
        let all = cell.loads.iter().flat_map(|load| load.outcomes.iter());
        all.filter(|(class, _)| **class != Outcome::HalfOpen)
    };
    let all: f64 = counts().map(|(_, n)| *n as f64).sum();
    let some: f64 = counts().filter(|(class, _)| wanted(**class)).map(|(_, n)| *n as f64).sum();
    (all > 0.0).then(|| some / all * 100.0)
}

fn longest_queue(cell: &CellResult) -> Option<f64> {
    cell.timeline.target.iter().filter_map(|t| t.accept_queue).max().map(f64::from)
}
