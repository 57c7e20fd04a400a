//! `heatmap.png`: when attempts were made (datagrams sent) against how long they waited (were under
//! way), one panel a cell.

use std::collections::BTreeMap;

mod bands;

use super::page::{Align, Drawn, FAINT, INK, LABEL, Page, fitted};
use super::panel::{Frame, Panel};
use super::scale::Scale;
use super::wording::{self, Wording};
use super::{BODY, MARGIN, NOTHING, Sketch, label, palette, shown};
use crate::measure::result::{CellResult, Heat, RunResult};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// Room for the colour bar and its labels.
const BAR: i32 = 230;
/// Room for the labels of the latency axis, which the panels share.
const AXIS: i32 = 150;
const GAP: i32 = 50;

/// The picture.
pub fn sketch(result: &RunResult) -> Sketch<'_> {
    let (cells, remark) = shown(result);
    of_cells(&result.scenario.name, &cells, &remark)
}

/// The picture of some cells.
pub fn of_cells<'r>(scenario: &str, cells: &[&'r CellResult], remark: &str) -> Sketch<'r> {
    let cells = cells.to_vec();
    let words = wording::of(cells.iter().copied());
    let title = format!("{scenario}: {} over time", words.delay);
    let note = format!(
        "each place: {} by their intended instant and {}{}{remark}",
        words.things, words.delay, words.hint
    );
    let why = match cells.iter().any(|cell| readable(&cell.timeline.heat)) {
        true => return Sketch::new(title, note, move |page| body(page, &cells, words)),
        false if cells.is_empty() => NOTHING,
        false => words.nothing,
    };
    Sketch::new(title, note, move |page| page.words((0, BODY), (page.width, page.height), why))
}

fn readable(heat: &Heat) -> bool {
    heat.rows_per_decade > 0 && !heat.places.is_empty()
}

/// Latency in nanoseconds at which a row begins.
fn begin(heat: &Heat, row: u32) -> f64 {
    10f64.powf(f64::from(row) / f64::from(heat.rows_per_decade.max(1))).min(1e12)
}

fn body(page: &Page, cells: &[&CellResult], words: &Wording) -> Drawn {
    let heats: Vec<_> = cells.iter().map(|c| &c.timeline.heat).filter(|h| readable(h)).collect();
    let rows = || {
        heats
            .iter()
            .flat_map(|h| h.places.iter().map(|p| (begin(h, p.1), begin(h, p.1.saturating_add(1)))))
    };
    let low = rows().map(|r| r.0).fold(f64::MAX, f64::min);
    let high = rows().map(|r| r.1).fold(1.0, f64::max);
    let y = Scale::decades(low, high);
    let x = Scale::linear(0.0, cells.iter().map(|cell| end(cell)).fold(0.0, f64::max));
    let width = (page.width - 2 * MARGIN - AXIS - BAR) / cells.len() as i32;
    let most_steps = page.steps(width - GAP);
    let grouped: Vec<_> = cells.iter().map(|cell| group(cell, most_steps)).collect();
    let most = grouped.iter().flat_map(|g| g.1.values()).copied().max().unwrap_or(1);
    let left = |index: usize| MARGIN + AXIS + index as i32 * width;
    let (top, bottom) = (BODY + 110, page.height - 150);
    page.text((MARGIN, BODY + 14), Align::Left, words.delay, (LABEL, true), INK)?;
    for (index, cell) in cells.iter().enumerate() {
        let frame = Frame { left: left(index), top, right: left(index) + width - GAP, bottom };
        let name = fitted(&label(cell), LABEL + 6, true, width - GAP);
        let at = (frame.left, top - 36);
        page.text(at, Align::Left, &name, (LABEL + 6, true), INK)?;
        let panel = Panel::new(page, frame, x, y);
        let mut ticks = y.latency_ticks(true);
        panel.columns(&x.count_ticks(if cells.len() > 2 { 5 } else { 10 }), true)?;
        if index > 0 {
            ticks.iter_mut().for_each(|tick| tick.label.clear());
        }
        panel.rows(&ticks)?;
        let (step, places) = &grouped[index];
        if places.is_empty() {
            panel.words(words.none)?;
        }
        paint(page, &panel, &cell.timeline.heat, *step, places, most)?;
        panel.floor()?;
        bands::name(page, &panel, cell, cells.len() > 2)?;
        notes(page, &panel, &cell.timeline.heat, *step, places)?;
    }
    let below = ((left(0) + left(cells.len())) / 2, bottom + 96);
    page.text(
        below,
        Align::Centre,
        "intended instant, seconds since the start",
        (LABEL, true),
        INK,
    )?;
    let right = page.width - MARGIN;
    let bar = Frame { left: right - BAR + 60, top, right: right - BAR + 110, bottom };
    colour_bar(page, bar, most, words.things)
}

/// Seconds that a cell's timeline covers.
fn end(cell: &CellResult) -> f64 {
    let timeline = &cell.timeline;
    let longest = timeline.loads.iter().map(|l| l.intervals.len()).max().unwrap_or(0);
    let last = timeline.heat.places.iter().map(|p| p.0 as usize + 1).max().unwrap_or(0);
    // Intervals in which nothing was intended any more would only make the picture narrower.
    let end = if last > 0 { last } else { longest };
    end as f64 * timeline.interval_s.max(1e-9)
}

/// Joins intervals until at most `most_steps` are left: seconds of one step, and the places.
fn group(cell: &CellResult, most_steps: usize) -> (f64, BTreeMap<(u32, u32), u64>) {
    let heat = &cell.timeline.heat;
    let mut places = BTreeMap::new();
    if !readable(heat) {
        return (1.0, places);
    }
    let last = heat.places.iter().map(|p| p.0).max().unwrap_or(0);
    let group = (last / most_steps.max(1) as u32).saturating_add(1);
    for (interval, row, count) in &heat.places {
        let place: &mut u64 = places.entry((interval / group, *row)).or_default();
        *place = place.saturating_add(*count);
    }
    (cell.timeline.interval_s.max(1e-9) * f64::from(group), places)
}

/// The colour scale is logarithmic: a band of few must be seen beside a floor of many.
fn shade(count: u64, most: u64) -> u32 {
    let share = (count as f64).ln() / (most.max(2) as f64).ln();
    (share.clamp(0.0, 1.0) * f64::from(palette::SHADES - 1)).round() as u32
}

/// Shade by shade; neighbours of one row and shade become one rectangle.
fn paint(
    page: &Page,
    panel: &Panel,
    heat: &Heat,
    step: f64,
    places: &BTreeMap<(u32, u32), u64>,
    most: u64,
) -> Drawn {
    let shaded = places.iter().map(|((at, row), count)| (shade(*count, most), *row, *at));
    let mut shaded: Vec<_> = shaded.collect();
    shaded.sort_unstable();
    let alike = |a: &(u32, u32, u32), b: &(u32, u32, u32)| {
        (a.0, a.1, a.2.saturating_add(1)) == (b.0, b.1, b.2)
    };
    for run in shaded.chunk_by(alike) {
        let (shade, row, first) = run[0];
        let from = panel.x(f64::from(first) * step);
        let to = panel.x((f64::from(first) + run.len() as f64) * step).max(from + 2);
        let bottom = panel.y(begin(heat, row));
        let top = panel.y(begin(heat, row.saturating_add(1))).min(bottom - 2);
        page.fill((from, top), (to, bottom), palette::shade(shade), 1.0)?;
    }
    Ok(())
}

/// How many were intended in each step, and how long they took.
fn notes(
    page: &Page,
    panel: &Panel,
    heat: &Heat,
    step: f64,
    places: &BTreeMap<(u32, u32), u64>,
) -> Drawn {
    let mut places = places.iter().peekable();
    while let Some(((at, low), count)) = places.next() {
        let (mut high, mut sum) = (*low, *count);
        while let Some(((_, row), more)) = places.next_if(|((next, _), _)| next == at) {
            (high, sum) = (*row, sum.saturating_add(*more));
        }
        let (from, to) = (f64::from(*at) * step, (f64::from(*at) + 1.0) * step);
        let nanos = |row| human_nanos(begin(heat, row) as u64);
        let text = format!(
            "{from:.1} s: {} that took {} to {}",
            thousands(sum),
            nanos(*low),
            nanos(high.saturating_add(1))
        );
        let Frame { top, bottom, .. } = panel.frame;
        page.note((panel.x(from), top), (panel.x(to), bottom), &text)?;
    }
    Ok(())
}

fn colour_bar(page: &Page, frame: Frame, most: u64, things: &str) -> Drawn {
    let scale = Scale::log(1.0, most.max(2) as f64);
    let height = f64::from(frame.bottom - frame.top);
    let edge = |shade: u32| {
        frame.bottom - (height * f64::from(shade) / f64::from(palette::SHADES)).round() as i32
    };
    for shade in 0..palette::SHADES {
        let (from, to) = ((frame.left, edge(shade + 1)), (frame.right, edge(shade)));
        page.fill(from, to, palette::shade(shade), 1.0)?;
    }
    let heading = (frame.left, frame.top - 36);
    page.text(heading, Align::Left, things, (LABEL, true), INK)?;
    let mut marks = scale.count_ticks(8);
    if scale.high() < 10.0 {
        marks.push(super::scale::Tick { at: scale.high(), label: most.max(2).to_string() });
    }
    for tick in marks {
        let y = frame.bottom - (scale.share(tick.at) * height) as i32;
        let at = (frame.right + 14, y);
        page.text(at, Align::Left, &tick.label, (LABEL, false), FAINT)?;
    }
    Ok(())
}
