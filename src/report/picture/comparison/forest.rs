//! A row a metric: its effect and the interval around it, against the effects that do not matter.

use super::super::page::{Align, Drawn, FAINT, GRID, INK, LABEL, Page, Stroke, fitted};
use super::super::panel::{Frame, Panel};
use super::super::scale::{Scale, Tick, number};
use super::{colour, judged};
use crate::measure::comparison::{ComparedMetric, Effect, Scale as Share};
use crate::report::comparison::words::{effect, place, subject};

/// Room for names to the left, and for figures to the right.
const NAMES: i32 = 620;
const FIGURES: i32 = 760;
/// Room for the judgement, at the right end of the figures.
const WORD: i32 = 270;
const ASIDE: i32 = 50;
const HEADING: i32 = 60;
const FOOT: i32 = 110;
/// The axis does not go further, however large an effect is: beyond it an arrow shows where it goes
/// on, so that effects about the size that matters are told apart.
const FURTHEST: f64 = 1.0;

/// Draws the rows.
pub fn draw(page: &Page, whole: Frame, metrics: &[&ComparedMetric]) -> Drawn {
    let frame = Frame {
        left: whole.left + NAMES,
        top: whole.top + HEADING,
        right: whole.right - FIGURES,
        bottom: whole.bottom - FOOT,
    };
    let x = scale(metrics);
    let panel = Panel::new(page, frame, x, Scale::linear(0.0, 1.0));
    let at = (frame.right + ASIDE, whole.top + 24);
    page.text(at, Align::Left, "effect [interval]", (LABEL, true), INK)?;
    page.text((whole.left, at.1), Align::Left, "metric", (LABEL, true), INK)?;
    let height = (frame.bottom - frame.top) / metrics.len().max(1) as i32;
    for (metric, index) in metrics.iter().zip(0..) {
        let top = frame.top + index * height;
        row(page, &panel, whole, metric, (top, top + height))?;
    }
    let percent = |tick: Tick| Tick { label: signed(tick.at), ..tick };
    panel.columns(&x.count_ticks(6).into_iter().map(percent).collect::<Vec<_>>(), true)?;
    let zero = panel.x(0.0);
    page.line((zero, frame.top), (zero, frame.bottom), Stroke::solid(INK, 3))?;
    panel.floor()?;
    for (metric, index) in metrics.iter().zip(0..) {
        let y = frame.top + index * height + height / 2;
        if let Some(found) = &metric.effect {
            interval(page, &panel, metric, found, y)?;
        }
    }
    let words = "candidate against base, in % (shares: in percentage points)";
    let at = ((frame.left + frame.right) / 2, whole.bottom - 24);
    page.text(at, Align::Centre, words, (LABEL, true), INK)
}

fn signed(percent: f64) -> String {
    let plus = if percent > 0.0 { "+" } else { "" };
    format!("{plus}{}", number(percent))
}

/// Percent from the lowest to the highest of what is to be seen, and 0.
fn scale(metrics: &[&ComparedMetric]) -> Scale {
    // What is only shown must not make what counts narrow.
    let counting: Vec<_> = metrics.iter().filter(|metric| metric.counts).collect();
    let metrics = if counting.is_empty() { metrics.iter().collect() } else { counting };
    let least = metrics.iter().map(|metric| metric.minimum_effect);
    let found = metrics.iter().filter_map(|metric| metric.effect.as_ref());
    let found = found.filter(|one| one.scale != Share::Difference);
    let ends = found.flat_map(|one| [one.low, one.high.unwrap_or(one.estimate), one.estimate]);
    let all: Vec<_> = ends.chain(least.flat_map(|least| [least, -least])).collect();
    let low = all.iter().copied().fold(-0.02, f64::min).max(-FURTHEST);
    let high = all.iter().copied().fold(0.02, f64::max).min(FURTHEST);
    let edge = (high - low) * 0.06;
    Scale::linear((low - edge) * 100.0, (high + edge) * 100.0)
}

/// The name, what does not matter, and the figures.
fn row(
    page: &Page,
    panel: &Panel,
    whole: Frame,
    metric: &ComparedMetric,
    (top, bottom): (i32, i32),
) -> Drawn {
    let Frame { left, right, .. } = panel.frame;
    let y = (top + bottom) / 2;
    page.line((whole.left, top), (whole.right, top), Stroke::solid(GRID, 2))?;
    let least = metric.minimum_effect.abs() * 100.0;
    page.fill((panel.x(-least), top + 4), (panel.x(least), bottom - 2), FAINT, 0.14)?;
    let (name, place) = (subject(metric), place(metric));
    let ink = if metric.counts { INK } else { FAINT };
    let offset = if place.is_empty() { 0 } else { 17 };
    let name = fitted(&name, LABEL, metric.counts, left - whole.left - 30);
    page.text((whole.left, y - offset), Align::Left, &name, (LABEL, metric.counts), ink)?;
    if !place.is_empty() {
        let place = fitted(&place, LABEL - 8, false, left - whole.left - 30);
        page.text((whole.left, y + 20), Align::Left, &place, (LABEL - 8, false), FAINT)?;
    }
    let told = metric.effect.as_ref();
    let told = told.map_or("not known".to_owned(), |found| effect(metric.unit, found));
    let told = fitted(&told, LABEL - 2, false, FIGURES - WORD - ASIDE);
    page.text((right + ASIDE, y), Align::Left, &told, (LABEL - 2, false), ink)?;
    let word = fitted(&judged(metric), LABEL, true, WORD);
    page.text((whole.right, y), Align::Right, &word, (LABEL, true), colour(&metric.change))
}

/// The interval as a line, open where it goes on beyond the axis, and the estimate as a disc.
fn interval(page: &Page, panel: &Panel, metric: &ComparedMetric, found: &Effect, y: i32) -> Drawn {
    let colour = colour(&metric.change);
    let line = Stroke::solid(colour, 8);
    // What is no ratio goes on for ever.
    let scaled = if found.scale == Share::Difference { f64::MAX } else { 1.0 };
    let x = |share: f64| panel.x((share * scaled).clamp(-1e9, 1e9) * 100.0);
    let (from, to) = (x(found.low), x(found.high.unwrap_or(f64::MAX)));
    page.line((from, y), (to, y), line)?;
    for x in [from, to] {
        // At an end of the axis it goes on.
        let back = if x <= panel.frame.left { 22 } else { -22 };
        if (panel.frame.left + 1..panel.frame.right).contains(&x) {
            page.line((x, y - 16), (x, y + 16), Stroke::solid(colour, 5))?;
        } else {
            page.path(&[(x + back, y - 16), (x, y), (x + back, y + 16)], line)?;
        }
    }
    page.disc((x(found.estimate), y), 14, colour)?;
    let text = format!("{}: {}", subject(metric), effect(metric.unit, found));
    page.note((from - 10, y - 20), (to + 10, y + 20), &text)
}
