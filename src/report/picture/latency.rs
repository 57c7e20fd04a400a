//! `latency.png`: percentiles of `connect` (of datagrams: `owd` or `rtt`), one line a cell and load.

use super::page::{Align, Drawn, FAINT, HATCH, INK, LABEL, Page, Stroke, fitted};
use super::panel::{Frame, Panel};
use super::scale::{Scale, Tick};
use super::wording::{self, Wording};
use super::{BODY, MARGIN, NOTHING, Sketch, label, palette};
use crate::measure::result::{CellResult, RunResult};
use crate::measure::{decode, percentile};
use crate::report::sides::sides;
use crate::units::human_nanos;

/// Lines that can be told apart, and whose labels fit below each other.
const LINES: usize = 14;
/// The axis ends at this many nines: 99.99 %.
const NINES: f64 = 4.0;
/// Marks of the axis.
const MARKS: [(f64, &str); 5] =
    [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
/// Room for the labels of the lines.
const LABELS: i32 = 560;

struct Line {
    name: String,
    /// (nines, nanoseconds), ascending.
    points: Vec<(f64, f64)>,
    /// Nanoseconds at each of [`MARKS`].
    exact: [u64; MARKS.len()],
    max: u64,
}

/// The picture.
pub fn sketch(result: &RunResult) -> Sketch<'_> {
    if result.repeats.is_some() {
        let sides = sides(result);
        let named: Vec<_> = sides.iter().map(|side| (side.name.clone(), &side.whole)).collect();
        return of_cells(&result.scenario.name, &named);
    }
    let named: Vec<_> = result.cells.iter().map(|cell| (label(cell), cell)).collect();
    of_cells(&result.scenario.name, &named)
}

/// The picture of cells of any runs, each with its name.
pub fn of_cells<'s>(scenario: &str, cells: &[(String, &CellResult)]) -> Sketch<'s> {
    let (lines, all) = lines(cells);
    let more =
        if all > LINES { format!(" · first {LINES} of {all} lines") } else { String::new() };
    let words = wording::of(cells.iter().map(|(_, cell)| *cell));
    let title = format!("{scenario}: {}", words.title);
    let note = format!("{}, from the intended instant, by percentile{more}", words.delay);
    let resolutions = cells.iter().map(|(_, cell)| cell.validity.resolution);
    let resolution = resolutions.max().unwrap_or(0);
    let why = if cells.is_empty() { NOTHING } else { words.nothing };
    Sketch::new(title, note, move |page| match lines.is_empty() {
        true => page.words((0, BODY), (page.width, page.height), why),
        false => body(page, &lines, resolution, words),
    })
}

fn lines(cells: &[(String, &CellResult)]) -> (Vec<Line>, usize) {
    let measured: Vec<_> = cells
        .iter()
        .flat_map(|(name, cell)| cell.metrics.iter().map(move |metric| (name, *cell, metric)))
        .filter(|(_, cell, m)| m.metric == cell.main_metric() && m.summary.count > 0)
        .collect();
    let all = measured.len();
    let lines = measured
        .into_iter()
        .take(LINES)
        .filter_map(|(name, cell, metric)| {
            let histogram = decode(&metric.histogram)?;
            let name = match cell.loads.len() {
                0 | 1 => name.clone(),
                _ => format!("{name} {}", metric.load),
            };
            let points = points(&histogram);
            let exact = MARKS.map(|(share, _)| percentile(&histogram, share * 100.0));
            Some(Line { name, points, exact, max: histogram.max() })
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

fn body(page: &Page, lines: &[Line], resolution: u64, words: &Wording) -> Drawn {
    let frame = Frame {
        left: MARGIN + 150,
        top: BODY + 60,
        right: page.width - MARGIN - LABELS,
        bottom: page.height - 150,
    };
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
    labels(page, &panel, lines)?;
    lines.iter().try_for_each(|line| notes(page, &panel, line))
}

fn nines() -> Vec<Tick> {
    let tick = |(share, label): &(f64, &str)| Tick {
        at: -(1.0 - share).log10(),
        label: (*label).to_owned(),
    };
    MARKS.iter().map(tick).collect()
}

/// Tells the exact value wherever a line crosses a mark.
fn notes(page: &Page, panel: &Panel, line: &Line) -> Drawn {
    let last = line.points.last().map_or(0.0, |end| end.0);
    for (tick, (exact, (_, label))) in nines().iter().zip(line.exact.iter().zip(MARKS)) {
        if tick.at <= last + 1e-9 {
            let (x, y) = (panel.x(tick.at), panel.y(*exact as f64));
            let text = format!("{}, {label}: {}", line.name, human_nanos(*exact));
            page.note((x - 24, y - 24), (x + 24, y + 24), &text)?;
        }
    }
    Ok(())
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
    let hatch = Stroke::solid(HATCH, 2);
    // Lines that begin left of the frame fill its upper left corner.
    for x in (left - height..right).step_by(28) {
        let (from, to) = ((left - x).max(0), height.min(right - x));
        page.line((x + from, bottom - from), (x + to, bottom - to), hatch)?;
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
