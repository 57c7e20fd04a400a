//! `comparison.png`: by how much a candidate differs from its base, and every run of both.

use plotters::style::RGBColor;

mod forest;
mod runs;

use super::page::{FAINT, Page};
use super::palette::{BLUE, GREEN, VERMILLION};
use super::panel::Frame;
use super::{BODY, HEIGHT, MARGIN, Sketch};
use crate::measure::comparison::{Change, ComparedMetric, ComparisonResult};
use crate::report::card::clean;
use crate::report::comparison::words::{headline, word};

/// Rows that are legible in a picture of this size, and in a page's.
const FEW: usize = 7;
const MOST: usize = 24;
/// Plots of single runs beside each other.
const PLOTS: usize = 4;
/// Height of a metric's row, and of what stands around the rows.
const ROW: i32 = 74;
const AROUND: i32 = 240;

/// Both parts on one page.
pub fn sketch(found: &ComparisonResult) -> Sketch<'_> {
    let metrics = shown(found, FEW);
    let (title, note) = words(found, metrics.len());
    Sketch::new(title, note, move |page| {
        if metrics.is_empty() {
            return page.words((0, BODY), (page.width, page.height), NOTHING);
        }
        let split = BODY + (metrics.len() as i32 * ROW + AROUND).min(780);
        forest::draw(page, frame(page, BODY, split), &metrics)?;
        runs::draw(page, frame(page, split + 20, page.height - 30), &plotted(&metrics))
    })
}

/// The effects alone; and the picture's height.
pub fn effects(found: &ComparisonResult) -> (Sketch<'_>, u32) {
    let metrics = shown(found, MOST);
    let (title, note) = words(found, metrics.len());
    let height = BODY + metrics.len().max(1) as i32 * ROW + AROUND;
    let sketch = Sketch::new(title, note, move |page| match metrics.is_empty() {
        true => page.words((0, BODY), (page.width, page.height), NOTHING),
        false => forest::draw(page, frame(page, BODY, page.height - 10), &metrics),
    });
    (sketch, height as u32)
}

/// Every run of what matters most; and the picture's height.
pub fn each_run(found: &ComparisonResult) -> (Sketch<'_>, u32) {
    let metrics = plotted(&shown(found, MOST));
    let title = "Every run, in the order in which they ran".to_owned();
    let note = "a dot a run, a line at each side's median: what drifts is no property of a side";
    let sketch = Sketch::new(title, note.to_owned(), move |page| match metrics.is_empty() {
        true => page.words((0, BODY), (page.width, page.height), NOTHING),
        false => runs::draw(page, frame(page, BODY, page.height - 20), &metrics),
    });
    (sketch, HEIGHT / 2)
}

const NOTHING: &str = "No metric was compared: there is nothing to show.";

fn words(found: &ComparisonResult, shown: usize) -> (String, String) {
    let headline = headline(found);
    let title = format!("{}: {}", clean(&found.scenario), headline.trim_end_matches('.'));
    let all = found.metrics.len();
    let more =
        if shown < all { format!(" · first {shown} of {all} metrics") } else { String::new() };
    let note = "candidate against base, with the interval; shaded: too small an effect to matter";
    (title, format!("{note}{more}"))
}

/// What is shown where there is room for some: what changed comes first, of what counts.
fn shown(found: &ComparisonResult, most: usize) -> Vec<&ComparedMetric> {
    let mut metrics: Vec<_> = found.metrics.iter().collect();
    if metrics.len() > most {
        metrics.sort_by_key(|metric| (!metric.counts, !changed(metric)));
        metrics.truncate(most);
    }
    metrics
}

/// What single runs are shown of.
fn plotted<'c>(metrics: &[&'c ComparedMetric]) -> Vec<&'c ComparedMetric> {
    let mut metrics: Vec<_> = metrics.to_vec();
    metrics.retain(|metric| !(metric.base.is_empty() && metric.candidate.is_empty()));
    metrics.sort_by_key(|metric| (!metric.counts, !changed(metric)));
    metrics.truncate(PLOTS);
    metrics
}

fn changed(metric: &ComparedMetric) -> bool {
    matches!(metric.change, Change::Worse | Change::Better)
}

fn frame(page: &Page, top: i32, bottom: i32) -> Frame {
    Frame { left: MARGIN, top, right: page.width - MARGIN, bottom }
}

/// Of a judgement, in shapes and in its word.
fn colour(change: &Change) -> RGBColor {
    match change {
        Change::Worse => VERMILLION,
        Change::Better => GREEN,
        Change::Same => BLUE,
        Change::Inconclusive { .. } | Change::Incomparable { .. } => FAINT,
    }
}

/// The judgement's word; of what does not count in brackets.
fn judged(metric: &ComparedMetric) -> String {
    let word = word(&metric.change);
    if metric.counts { word.to_owned() } else { format!("({word})") }
}

#[cfg(test)]
#[path = "comparison/tests.rs"]
mod tests;
