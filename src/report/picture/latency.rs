//! `latency.png`: percentiles of `connect` (of datagrams: `owd` or `rtt`), one line a cell and load.

use super::page::{Align, Drawn, FAINT, INK, LABEL, Page, Stroke, fitted};
use super::panel::{Frame, Panel};
use super::scale::{Scale, Tick};
use super::{BODY, MARGIN, NOTHING, Sketch, palette, wording};
use crate::measure::result::RunResult;
use crate::measure::{decode, percentile};
use crate::units::human_nanos;

/// Lines that can be told apart, and whose labels fit below each other.
const LINES: usize = 14;
/// The axis ends at this many nines: 99.99 %.
const NINES: f64 = 4.0;
/// Room for the labels of the lines.
const LABELS: i32 = 560;

struct Line {
    name: String,
    /// (nines, nanoseconds), ascending.
    points: Vec<(f64, f64)>,
    max: u64,
}

/// The picture.
pub fn sketch(result: &RunResult) -> Sketch<'_> {
    let (lines, all) = lines(result);
    let more =
        if all > LINES { format!(" · first {LINES} of {all} lines") } else { String::new() };
    let words = wording::of(result);
    let title = format!("{}: {}", result.scenario.name, words.title);
    let note = format!("{}, from the intended instant, by percentile{more}", words.delay);
    Sketch::new(title, note, move |page| body(page, result, &lines))
}

fn lines(result: &RunResult) -> (Vec<Line>, usize) {
    let measured: Vec<_> = result
        .cells
        .iter()
        .flat_map(|cell| cell.metrics.iter().map(move |metric| (cell, metric)))
        .filter(|(cell, m)| m.metric == cell.main_metric() && m.summary.count > 0)
        .collect();
    let all = measured.len();
    let lines = measured
        .into_iter()
        .take(LINES)
        .filter_map(|(cell, metric)| {
            let histogram = decode(&metric.histogram)?;
            let name = match cell.loads.len() {
                0 | 1 => cell.name.clone(),
                _ => format!("{} {}", cell.name, metric.load),
            };
            let points = points(&histogram);
            Some(Line { name, points, max: histogram.max() })
        })
        .collect();
    (lines, all)
}

/// The curve as far as the number of values carries it.
fn points(histogram: &hdrhistogram::Histogram<u64>) -> Vec<(f64, f64)> {
    let end = (histogram.len() as f64).log10().clamp(0.302, NINES);
    let steps = 400;
    (0..=steps)
        .map(|step| {
            let nines = end * f64::from(step) / f64::from(steps);
            let share = 1.0 - 10f64.powf(-nines);
            (nines, percentile(histogram, share * 100.0).max(1) as f64)
        })
        .collect()
}

fn body(page: &Page, result: &RunResult, lines: &[Line]) -> Drawn {
    let frame = Frame {
        left: MARGIN + 150,
        top: BODY + 60,
        right: page.width - MARGIN - LABELS,
        bottom: page.height - 150,
    };
    if lines.is_empty() {
        let why = if result.cells.is_empty() { NOTHING } else { wording::of(result).nothing };
        return page.words((0, BODY), (page.width, page.height), why);
    }
    let words = wording::of(result);
    let resolution = result.cells.iter().map(|cell| cell.validity.resolution).max().unwrap_or(0);
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|(_, y)| *y));
    let low = values().fold(f64::MAX, f64::min);
    let high = values().fold(0.0, f64::max);
    // The band of what is not resolved needs room below the fastest line.
    let low = if resolution > 0 { low.min(resolution as f64 * 0.5) } else { low };
    let panel = Panel::new(page, frame, Scale::linear(0.0, NINES), Scale::decades(low, high));
    band(page, &panel, resolution)?;
    panel.rows(&Scale::decades(low, high).latency_ticks(true))?;
    panel.columns(&nines(), true)?;
    panel.floor()?;
    page.text((frame.left, BODY + 10), Align::Left, words.delay, (LABEL, true), INK)?;
    let below = ((frame.left + frame.right) / 2, frame.bottom + 92);
    let of = format!("percentile of {}", words.of);
    page.text(below, Align::Centre, &of, (LABEL, true), INK)?;
    for (index, line) in lines.iter().enumerate() {
        panel.curve(&line.points, palette::series(index))?;
    }
    labels(page, &panel, lines)
}

fn nines() -> Vec<Tick> {
    [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")]
        .into_iter()
        .map(|(share, label): (f64, &str)| Tick {
            at: -(1.0 - share).log10(),
            label: label.to_owned(),
        })
        .collect()
}

/// Hatches what the run could not resolve.
fn band(page: &Page, panel: &Panel, resolution: u64) -> Drawn {
    let Frame { left, right, bottom, .. } = panel.frame;
    let top = panel.y(resolution as f64);
    if resolution == 0 || top >= bottom {
        return Ok(());
    }
    page.fill((left, top), (right, bottom), FAINT, 0.12)?;
    let height = bottom - top;
    let hatch = Stroke::solid(plotters::style::RGBColor(205, 205, 205), 2);
    for x in (left..right).step_by(28) {
        let reach = height.min(right - x);
        page.line((x, bottom), (x + reach, bottom - reach), hatch)?;
    }
    let text = format!("not resolved by this run: below {}", human_nanos(resolution));
    let y = if height > 50 { bottom - 30 } else { top - 30 };
    page.label((right - 16, y), Align::Right, &text, false, FAINT)
}

/// Names each line at its end; names that would collide move apart.
fn labels(page: &Page, panel: &Panel, lines: &[Line]) -> Drawn {
    let height = 52;
    let Frame { top, right, bottom, .. } = panel.frame;
    let mut places: Vec<_> = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| line.points.last().map(|end| (panel.y(end.1), index, *end)))
        .collect();
    places.sort_by_key(|(y, ..)| *y);
    let mut free = top - height;
    for place in &mut places {
        place.0 = place.0.max(free);
        free = place.0 + height;
    }
    let mut limit = bottom;
    for place in places.iter_mut().rev() {
        place.0 = place.0.min(limit);
        limit = place.0 - height;
    }
    for (y, index, end) in places {
        let stroke = palette::series(index);
        let from = (panel.x(end.0), panel.y(end.1));
        page.disc(from, 9, stroke.colour)?;
        let thin = Stroke { width: 2, dashed: false, ..stroke };
        page.path(&[from, (right + 10, from.1), (right + 40, y), (right + 54, y)], thin)?;
        let max = format!("  max {}", human_nanos(lines[index].max));
        let room = LABELS - 64 - super::page::text_width(&max, LABEL, false);
        let name = fitted(&lines[index].name, LABEL, true, room);
        let at = (right + 64, y);
        page.text(at, Align::Left, &name, (LABEL, true), stroke.colour)?;
        let after = at.0 + super::page::text_width(&name, LABEL, true);
        page.text((after, y), Align::Left, &max, (LABEL, false), FAINT)?;
    }
    Ok(())
}
