//! What a sweep is looked at by: a row a measure, a value a cell.

use super::super::page::{FAINT, Stroke};
use super::super::palette::{BLUE, ORANGE, VERMILLION};
use super::super::scale::{Scale, number};
use super::datagrams;
use crate::measure::result::CellResult;
use crate::measure::{Outcome, decode, empty, percentile};
use crate::units::human_nanos;

/// One line: its name in the heading, its colour, and a value a cell.
pub struct Series {
    pub name: &'static str,
    pub stroke: Stroke,
    pub values: Vec<Option<f64>>,
}

/// One measure of all cells, on one scale.
pub struct Row {
    pub heading: &'static str,
    pub series: Vec<Series>,
    pub scale: Scale,
    pub latency: bool,
    /// How a value of a cell is written.
    pub text: Text,
    /// Whether a value of a cell is below what its run resolves.
    pub unresolved: Judged,
}

/// The rows of all cells; of datagrams, where they have them.
pub fn rows(cells: &[CellResult]) -> Vec<Row> {
    let datagrams = cells.iter().all(|cell| cell.datagrams.is_some());
    let mut rows = vec![latency(cells, if datagrams { "Delay:" } else { "Connect latency:" })];
    rows.extend(if datagrams { datagrams::rows(cells) } else { connections(cells) });
    rows
}

/// A value of each cell.
pub fn each(cells: &[CellResult], value: impl Fn(&CellResult) -> Option<f64>) -> Vec<Option<f64>> {
    cells.iter().map(value).collect()
}

pub fn line(name: &'static str, stroke: Stroke, values: Vec<Option<f64>>) -> Series {
    Series { name, stroke, values }
}

/// A row with the scale that suits its largest value, and its smallest above 0.
pub fn row(
    heading: &'static str,
    series: Vec<Series>,
    scale: fn(f64, f64) -> Scale,
    text: Text,
) -> Row {
    let known = || series.iter().flat_map(|s| s.values.iter().flatten().copied());
    let low = known().filter(|v| *v > 0.0).fold(f64::MAX, f64::min);
    let scale = scale(known().fold(0.0, f64::max), low);
    Row { heading, series, scale, latency: false, text, unresolved: Box::new(|_, _| false) }
}

fn latency(cells: &[CellResult], heading: &'static str) -> Row {
    let (p50, p99): (Vec<_>, Vec<_>) = cells.iter().map(quantiles).unzip();
    let resolutions: Vec<_> = cells.iter().map(|cell| cell.validity.resolution).collect();
    let lines = vec![
        line("p50", Stroke::solid(BLUE, 6), p50),
        line("p99", Stroke::solid(VERMILLION, 6), p99),
    ];
    let scale = |high: f64, low: f64| Scale::decades(low.min(high.max(1.0)), high);
    let of_text = resolutions.clone();
    let text = move |cell: usize, v| resolved(v, of_text[cell]);
    let unresolved = move |cell: usize, v| is_below(v, resolutions[cell]);
    let unresolved = Box::new(unresolved);
    Row { latency: true, unresolved, ..row(heading, lines, scale, Box::new(text)) }
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
pub type Text = Box<dyn Fn(usize, f64) -> String>;

/// Whether a value of a cell is one of some kind.
pub type Judged = Box<dyn Fn(usize, f64) -> bool>;

/// Whether a latency is not resolved; see [`quantiles`].
fn is_below(value: f64, resolution: u64) -> bool {
    value <= resolution as f64
}

/// A latency, or that it is not resolved; see [`quantiles`].
fn resolved(value: f64, resolution: u64) -> String {
    let below = if is_below(value, resolution) { "<" } else { "" };
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
