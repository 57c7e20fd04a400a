//! Each run as a dot, the base's beside the candidate's of the same number.

use super::super::page::{Align, Drawn, INK, LABEL, Page, Stroke, fitted, text_width};
use super::super::palette::{BLUE, VERMILLION};
use super::super::panel::{Frame, Panel};
use super::super::scale::{Scale, Tick};
use crate::measure::comparison::ComparedMetric;
use crate::report::comparison::words::{figure, median, place, subject};

/// Room for the labels of the vertical axis.
const AXIS: i32 = 170;
const GAP: i32 = 40;
const LEGEND: i32 = 60;
const HEADING: i32 = 60;
const FOOT: i32 = 120;
/// More runs are not told apart.
const RUNS: usize = 200;

/// Draws a plot for each metric, beside each other.
pub fn draw(page: &Page, whole: Frame, metrics: &[&ComparedMetric]) -> Drawn {
    let mut x = whole.left;
    for (text, colour) in [("Each run:", INK), ("base", BLUE), ("candidate", VERMILLION)] {
        page.text((x, whole.top + 20), Align::Left, text, (LABEL, true), colour)?;
        x += text_width(text, LABEL, true) + 40;
    }
    let width = (whole.right - whole.left) / metrics.len().max(1) as i32;
    for (metric, index) in metrics.iter().zip(0..) {
        let left = whole.left + index * width;
        let frame = Frame {
            left: left + AXIS,
            top: whole.top + LEGEND + HEADING,
            right: left + width - GAP,
            bottom: whole.bottom - FOOT,
        };
        plot(page, frame, left, metric)?;
    }
    let at = ((whole.left + whole.right) / 2, whole.bottom - 24);
    page.text(at, Align::Centre, "number of the run, of its side", (LABEL, true), INK)
}

fn plot(page: &Page, frame: Frame, left: i32, metric: &ComparedMetric) -> Drawn {
    let place = place(metric);
    let name = match place.is_empty() {
        true => subject(metric),
        false => format!("{} ({place})", subject(metric)),
    };
    let name = fitted(&name, LABEL, true, frame.right - left);
    page.text((left, frame.top - 36), Align::Left, &name, (LABEL, true), INK)?;
    let runs = metric.base.len().max(metric.candidate.len()).clamp(1, RUNS);
    let x = Scale::linear(0.4, runs as f64 + 0.6);
    let panel = Panel::new(page, frame, x, vertical(metric));
    panel.rows(&ticks(metric, frame))?;
    let step = runs.div_ceil(if runs > 9 { 4 } else { 9 });
    let number = |run: usize| Tick { at: run as f64, label: run.to_string() };
    panel.columns(&(1..=runs).step_by(step).map(number).collect::<Vec<_>>(), true)?;
    for (values, colour, aside) in
        [(&metric.base, BLUE, -0.12), (&metric.candidate, VERMILLION, 0.12)]
    {
        if let Some(middle) = median(values) {
            let y = panel.y(middle);
            page.line((frame.left, y), (frame.right, y), Stroke::dashed(colour, 3))?;
        }
        for (value, run) in values.iter().zip(1..=RUNS as u32) {
            let (at, y) = (panel.x(f64::from(run) + aside), panel.y(*value));
            page.disc((at, y), 11, colour)?;
            let text = format!("run {run}: {}", figure(metric.unit, *value));
            page.note((at - 14, y - 14), (at + 14, y + 14), &text)?;
        }
    }
    panel.floor()
}

fn all(metric: &ComparedMetric) -> impl Iterator<Item = f64> + '_ {
    let values = metric.base.iter().chain(&metric.candidate).copied();
    values.filter(|value| value.abs() < 1e18)
}

/// A little more than all runs take: what matters is how they lie to each other.
fn vertical(metric: &ComparedMetric) -> Scale {
    let (low, high) = ends(metric);
    let edge = ((high - low) * 0.12).max(high.abs() * 0.01).max(1e-9);
    Scale::linear(low - edge, high + edge)
}

fn ends(metric: &ComparedMetric) -> (f64, f64) {
    let low = all(metric).fold(f64::MAX, f64::min);
    let high = all(metric).fold(f64::MIN, f64::max);
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// The lowest and the highest run, and what is between, each with its unit.
fn ticks(metric: &ComparedMetric, frame: Frame) -> Vec<Tick> {
    let (low, high) = ends(metric);
    let few = high - low <= f64::EPSILON * high.abs() || frame.bottom - frame.top < 120;
    let values = if few { vec![high] } else { vec![low, (low + high) / 2.0, high] };
    let mut ticks: Vec<_> =
        values.into_iter().map(|at| Tick { at, label: figure(metric.unit, at) }).collect();
    for tick in &mut ticks {
        tick.label = fitted(&tick.label, LABEL, false, AXIS - 20);
    }
    ticks
}
