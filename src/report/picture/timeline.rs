//! `timeline.png`: what clients, queues and counters did, on one time axis; one column a cell.

use plotters::style::RGBColor;

use super::page::{Align, Drawn, FAINT, INK, LABEL, Page, Stroke, fitted, text_width};
use super::palette::{BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILLION};
use super::panel::{Frame, Panel};
use super::scale::Scale;
use super::{BODY, MARGIN, NOTHING, Picture, shown, titled};
use crate::measure::result::{CellResult, LoadInterval, QueueInterval, RunResult, TargetInterval};

/// Steps that can be told apart across the whole page.
const STEPS: usize = 400;
/// Room for the labels of a column's vertical axes.
const AXIS: i32 = 130;
/// Height of a row's heading.
const HEADING: i32 = 70;
/// Height of a row's plots.
const PLOT: i32 = 194;
const GAP: i32 = 22;

type Values = Vec<Option<f64>>;

/// The series of one cell, in steps of one length.
struct Column {
    name: String,
    step: f64,
    attempts: Values,
    ok: Values,
    retried: Values,
    errors: Values,
    queue: Values,
    limit: Values,
    /// The longest queue of each listener of a group; empty for a single one.
    each: Vec<Values>,
    /// When the target's listeners were closed.
    restarts: Vec<f64>,
    syn: Values,
    overflows: Values,
    drops: Values,
}

impl Column {
    fn new(cell: &CellResult, steps: usize) -> Self {
        let timeline = &cell.timeline;
        let loads = &timeline.loads;
        let longest = loads.iter().map(|l| l.intervals.len()).max().unwrap_or(0);
        let intervals = longest.max(timeline.target.len());
        let group = intervals.div_ceil(steps.max(1)).max(1);
        let step = timeline.interval_s.max(1e-9) * group as f64;
        let rate = |value: fn(&LoadInterval) -> u64| -> Values {
            let sum = |from: usize| -> f64 {
                let within = loads.iter().flat_map(|l| l.intervals.iter().skip(from).take(group));
                within.map(|i| value(i) as f64).sum()
            };
            (0..longest).step_by(group).map(|from| Some(sum(from) / step)).collect()
        };
        let target =
            |value: fn(&TargetInterval) -> Option<f64>, join: fn(f64, f64) -> f64| -> Values {
                let groups = timeline.target.chunks(group);
                groups.map(|g| g.iter().filter_map(value).reduce(join)).collect()
            };
        let growth = |value: fn(&TargetInterval) -> Option<f64>| -> Values {
            let sums = target(value, |a, b| a + b);
            sums.into_iter().map(|sum| sum.map(|sum| sum / step)).collect()
        };
        Self {
            name: cell.name.clone(),
            step,
            attempts: rate(|i| i.attempts),
            ok: rate(|i| i.ok),
            retried: rate(|i| i.ok_retried),
            errors: rate(|i| i.errors),
            queue: target(|t| t.accept_queue.map(f64::from), f64::max),
            limit: target(|t| t.accept_limit.map(f64::from), f64::max),
            each: each_queue(cell, group),
            restarts: restarts(cell, timeline.interval_s * intervals as f64),
            syn: target(|t| t.syn_recv.map(|v| v as f64), f64::max),
            overflows: growth(|t| t.listen_overflows.map(|v| v as f64)),
            drops: growth(|t| t.listen_drops.map(|v| v as f64)),
        }
    }

    fn end(&self) -> f64 {
        self.attempts.len().max(self.queue.len()) as f64 * self.step
    }
}

/// When listeners were closed, within the time that is shown.
fn restarts(cell: &CellResult, end: f64) -> Vec<f64> {
    let closed = cell.target.restarts.iter().filter_map(|restart| restart.closed_at_s);
    closed.filter(|at| (0.0..=end).contains(at)).collect()
}

/// The longest queue of each listener, of a group only.
fn each_queue(cell: &CellResult, group: usize) -> Vec<Values> {
    let longest = |intervals: &[QueueInterval]| {
        intervals.iter().filter_map(|seen| seen.accept_queue).max().map(f64::from)
    };
    let series = |one: &Vec<QueueInterval>| one.chunks(group).map(longest).collect();
    let queues = &cell.timeline.queues;
    if queues.len() > 1 { queues.iter().map(series).collect() } else { Vec::new() }
}

/// Draws the picture.
pub fn draw(result: &RunResult) -> Picture {
    let (cells, remark) = shown(result);
    let title = format!("{}: where clients waited, and when", result.scenario.name);
    let steps = STEPS / cells.len().max(1);
    let columns: Vec<_> = cells.iter().map(|cell| Column::new(cell, steps)).collect();
    let note = format!("one column a cell, one time axis{remark}");
    titled(&title, &note, |page| match columns.is_empty() {
        true => page.words((0, BODY), (page.width, page.height), NOTHING),
        false => body(page, &columns),
    })
}

fn body(page: &Page, columns: &[Column]) -> Drawn {
    let end = columns.iter().map(Column::end).fold(0.0, f64::max);
    let x = Scale::linear(0.0, end);
    let width = (page.width - 2 * MARGIN) / columns.len() as i32;
    let ticks = x.count_ticks(if columns.len() > 2 { 5 } else { 10 });
    for (row, heading) in headings().iter().enumerate() {
        let top = BODY + 48 + row as i32 * (HEADING + PLOT + GAP);
        words(page, (MARGIN, top + 24), heading)?;
        for (index, column) in columns.iter().enumerate() {
            let left = MARGIN + index as i32 * width;
            let frame = Frame {
                left: left + AXIS,
                top: top + HEADING,
                right: left + width - 24,
                bottom: top + HEADING + PLOT,
            };
            if row == 0 {
                let name = fitted(&column.name, LABEL + 6, true, width - AXIS - 24);
                page.text((frame.left, BODY + 14), Align::Left, &name, (LABEL + 6, true), INK)?;
            }
            let panel = Panel::new(page, frame, x, scale(row, column, columns));
            panel.columns(&ticks, row == 3)?;
            panel.rows(&scale(row, column, columns).count_ticks(3))?;
            plot(page, row, column, &panel)?;
            panel.floor()?;
        }
    }
    let below = (page.width / 2, page.height - 36);
    page.text(below, Align::Centre, "seconds since the start", (LABEL, true), INK)
}

/// What each row shows: words in the colours of the lines stand for a legend.
fn headings() -> [Vec<(&'static str, RGBColor)>; 4] {
    [
        vec![
            ("Clients, per second:", INK),
            ("attempts", BLACK),
            ("ok", GREEN),
            ("ok after a SYN retry", ORANGE),
            ("errors", VERMILLION),
        ],
        vec![
            ("Accept queue:", INK),
            ("longest seen", BLUE),
            ("limit (dashed)", VERMILLION),
            ("shaded where full, dotted: restart, thin: each listener; own scale", FAINT),
        ],
        vec![("SYN queue:", INK), ("half-open connections (SYN_RECV)", PURPLE)],
        vec![
            ("Kernel counters, growth per second:", INK),
            ("ListenOverflows (bars)", VERMILLION),
            ("ListenDrops (line)", BLACK),
        ],
    ]
}

fn words(page: &Page, (mut x, y): (i32, i32), parts: &[(&str, RGBColor)]) -> Drawn {
    for (index, (text, colour)) in parts.iter().enumerate() {
        let bold = *colour != FAINT;
        page.text((x, y), Align::Left, text, (LABEL, bold), *colour)?;
        x += text_width(text, LABEL, bold) + if index == 0 { 18 } else { 40 };
    }
    Ok(())
}

fn highest<'a>(series: impl IntoIterator<Item = &'a Values>) -> f64 {
    series.into_iter().flatten().flatten().copied().fold(0.0, f64::max)
}

/// The vertical scale: the same for all cells but for the accept queue, whose limits differ by
/// orders of magnitude.
fn scale(row: usize, column: &Column, columns: &[Column]) -> Scale {
    let over = |of: fn(&Column) -> [&Values; 2]| highest(columns.iter().flat_map(of));
    match row {
        0 => {
            let rates = over(|c| [&c.attempts, &c.ok]).max(over(|c| [&c.retried, &c.errors]));
            Scale::from_zero(rates)
        }
        1 => Scale::from_zero(highest([&column.queue, &column.limit])),
        2 => Scale::from_zero(over(|c| [&c.syn, &c.syn])),
        _ => Scale::from_zero(over(|c| [&c.overflows, &c.drops])),
    }
}

fn plot(page: &Page, row: usize, c: &Column, panel: &Panel) -> Drawn {
    let unseen = |values: &Values| values.iter().all(Option::is_none);
    match row {
        0 if c.attempts.is_empty() => panel.words("no attempts"),
        0 => {
            panel.steps(c.step, &c.attempts, Stroke::solid(BLACK, 3))?;
            panel.steps(c.step, &c.ok, Stroke::solid(GREEN, 5))?;
            // A class that never occurs would only paint the floor.
            for (values, colour) in [(&c.retried, ORANGE), (&c.errors, VERMILLION)] {
                if highest([values]) > 0.0 {
                    panel.steps(c.step, values, Stroke::solid(colour, 5))?;
                }
            }
            Ok(())
        }
        1 if unseen(&c.queue) => panel.words("not observed"),
        1 => queue(page, c, panel),
        2 if unseen(&c.syn) => panel.words("not observed"),
        2 => panel.steps(c.step, &c.syn, Stroke::solid(PURPLE, 5)),
        _ if unseen(&c.overflows) && unseen(&c.drops) => panel.words("not observed"),
        _ => {
            panel.bars(c.step, &c.overflows, VERMILLION, 0.75)?;
            panel.steps(c.step, &c.drops, Stroke::solid(BLACK, 2))
        }
    }
}

fn queue(page: &Page, c: &Column, panel: &Panel) -> Drawn {
    let Frame { top, bottom, .. } = panel.frame;
    for (index, pair) in c.queue.iter().zip(&c.limit).enumerate() {
        if let (Some(queue), Some(limit)) = pair
            && queue >= limit
        {
            let from = panel.x(index as f64 * c.step);
            let to = panel.x((index + 1) as f64 * c.step).max(from + 1);
            page.fill((from, top), (to, bottom), ORANGE, 0.22)?;
        }
    }
    panel.bars(c.step, &c.queue, BLUE, 0.35)?;
    for one in &c.each {
        panel.steps(c.step, one, Stroke::solid(PURPLE, 2))?;
    }
    panel.steps(c.step, &c.queue, Stroke::solid(BLUE, 4))?;
    for at in &c.restarts {
        let x = panel.x(*at);
        page.line((x, top), (x, bottom), Stroke::dashed(BLACK, 3))?;
    }
    panel.steps(c.step, &c.limit, Stroke::dashed(VERMILLION, 4))
}
