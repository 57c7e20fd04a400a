//! `timeline.png`: what clients, queues and counters did, on one time axis; one column a cell.

use plotters::style::RGBColor;

mod column;
mod notes;

use super::page::{Align, Drawn, FAINT, INK, LABEL, Page, Stroke, fitted};
use super::palette::{BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILLION};
use super::panel::{Frame, Panel};
use super::scale::Scale;
use super::{BODY, MARGIN, NOTHING, Sketch, datagrams, shown, strips};
use crate::measure::Metric;
use crate::measure::result::{CellResult, RunResult};
use column::{Column, Count};

/// Room for the labels of a column's vertical axes.
const AXIS: i32 = 130;
/// Height of a row's heading.
const HEADING: i32 = 70;
/// Height of all rows together, down to the labels of the time axis.
const ROWS: i32 = 1144;
const GAP: i32 = 22;

type Values = Vec<Option<f64>>;

/// States of sockets that are being closed, each with its colour.
const CLOSING: [(&str, RGBColor, Count); 4] = [
    ("TIME_WAIT", BLUE, |states| states.time_wait),
    ("CLOSE_WAIT", VERMILLION, |states| states.close_wait),
    ("FIN_WAIT2", GREEN, |states| states.fin_wait2),
    ("LAST_ACK", PURPLE, |states| states.last_ack),
];

/// A row of plots, one for each cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Clients,
    AcceptQueue,
    SynQueue,
    Closing,
    Counters,
}

impl Row {
    /// Those that have something to show: sockets are seldom half-open or slow to close.
    fn all(columns: &[Column]) -> Vec<Self> {
        let syn = any(columns, |c| &c.syn);
        let closing = (0..CLOSING.len()).any(|state| closes(columns, state));
        let rows = [
            (Self::Clients, true),
            (Self::AcceptQueue, true),
            (Self::SynQueue, syn),
            (Self::Closing, closing),
            (Self::Counters, true),
        ];
        rows.into_iter().filter(|(_, shown)| *shown).map(|(row, _)| row).collect()
    }
}

/// Whether a series of any cell is ever above 0.
fn any(columns: &[Column], series: fn(&Column) -> &Values) -> bool {
    highest(columns.iter().map(series)) > 0.0
}

/// Whether any socket of either end was ever in this state of [`CLOSING`].
fn closes(columns: &[Column], state: usize) -> bool {
    highest(columns.iter().flat_map(|column| &column.closing[state])) > 0.0
}

/// The picture.
pub fn sketch(result: &RunResult) -> Sketch<'_> {
    let (cells, remark) = shown(result);
    of_cells(&result.scenario.name, &cells, &remark)
}

/// The picture of some cells.
pub fn of_cells<'r>(scenario: &str, cells: &[&'r CellResult], remark: &str) -> Sketch<'r> {
    let cells = cells.to_vec();
    let column = if cells.len() > 1 { "one column a cell, one time axis" } else { "one time axis" };
    let note = format!("{column}{remark}");
    if !cells.is_empty() && cells.iter().all(|cell| cell.datagrams.is_some()) {
        return of_datagrams(scenario, cells, note);
    }
    let title = format!("{scenario}: where clients waited, and when");
    Sketch::new(title, note, move |page| match cells.is_empty() {
        true => page.words((0, BODY), (page.width, page.height), NOTHING),
        false => {
            let steps = page.steps(page.width) / cells.len();
            let columns: Vec<_> = cells.iter().map(|cell| Column::new(cell, steps)).collect();
            body(page, &columns)
        }
    })
}

fn of_datagrams<'r>(scenario: &str, cells: Vec<&'r CellResult>, note: String) -> Sketch<'r> {
    let title = format!("{scenario}: what came, what was lost, and when");
    let delay = match cells[0].main_metric() {
        Metric::Rtt => "Round trip, from the intended instant:",
        _ => "One-way delay, from the intended instant:",
    };
    Sketch::new(title, note, move |page| datagrams::timeline(page, &cells, delay))
}

fn body(page: &Page, columns: &[Column]) -> Drawn {
    let end = columns.iter().map(Column::end).fold(0.0, f64::max);
    let x = Scale::linear(0.0, end);
    let width = (page.width - 2 * MARGIN) / columns.len() as i32;
    let ticks = x.count_ticks(if columns.len() > 2 { 5 } else { 10 });
    let rows = Row::all(columns);
    let height = ROWS / rows.len() as i32;
    for (index, row) in rows.iter().enumerate() {
        let top = BODY + 48 + index as i32 * height;
        strips::legend(page, (MARGIN, top + 24), &heading(*row, columns))?;
        for (index, column) in columns.iter().enumerate() {
            let left = MARGIN + index as i32 * width;
            let frame = Frame {
                left: left + AXIS,
                top: top + HEADING,
                right: left + width - 24,
                bottom: top + height - GAP,
            };
            if *row == Row::Clients {
                let name = fitted(&column.name, LABEL + 6, true, width - AXIS - 24);
                page.text((frame.left, BODY + 14), Align::Left, &name, (LABEL + 6, true), INK)?;
            }
            let scale = scale(*row, column, columns);
            let panel = Panel::new(page, frame, x, scale);
            panel.columns(&ticks, *row == Row::Counters)?;
            panel.rows(&scale.count_ticks(3))?;
            plot(*row, column, &panel)?;
            panel.floor()?;
            if *row == Row::Counters {
                notes::steps(page, &panel, column)?;
            }
        }
    }
    let below = (page.width / 2, page.height - 36);
    page.text(below, Align::Centre, "seconds since the start", (LABEL, true), INK)
}

/// What a row shows: words in the colours of the lines stand for a legend.
fn heading(row: Row, columns: &[Column]) -> Vec<(&'static str, RGBColor)> {
    match row {
        Row::Clients => vec![
            ("Clients, per second:", INK),
            ("attempts", BLACK),
            ("ok", GREEN),
            ("ok after a SYN retry", ORANGE),
            ("errors", VERMILLION),
        ],
        Row::AcceptQueue => vec![
            ("Accept queue:", INK),
            ("longest seen", BLUE),
            ("limit (dashed)", VERMILLION),
            ("shaded: overflow, dotted: restart, thin: each listener; own scale", FAINT),
        ],
        Row::SynQueue => {
            vec![("SYN queue:", INK), ("half-open connections (SYN_RECV)", PURPLE)]
        }
        Row::Closing => {
            let states = CLOSING.iter().enumerate().filter(|(state, _)| closes(columns, *state));
            let states = states.map(|(_, (name, colour, _))| (*name, *colour));
            let first = ("Sockets being closed (clients' dashed):", INK);
            std::iter::once(first).chain(states).collect()
        }
        Row::Counters => {
            let mut words = vec![
                ("Counters, per second:", INK),
                ("ListenOverflows (bars)", VERMILLION),
                ("ListenDrops", BLACK),
            ];
            let cookies = any(columns, |c| &c.cookies).then_some(("SyncookiesSent", BLUE));
            let full = any(columns, |c| &c.full).then_some(("TCPReqQFullDrop", PURPLE));
            words.extend(cookies.into_iter().chain(full));
            words
        }
    }
}

fn highest<'a>(series: impl IntoIterator<Item = &'a Values>) -> f64 {
    series.into_iter().flatten().flatten().copied().fold(0.0, f64::max)
}

/// The vertical scale: the same for all cells but for the accept queue, whose limits differ by
/// orders of magnitude.
fn scale(row: Row, column: &Column, columns: &[Column]) -> Scale {
    let over = |of: fn(&Column) -> [&Values; 4]| highest(columns.iter().flat_map(of));
    Scale::from_zero(match row {
        Row::Clients => over(|c| [&c.attempts, &c.ok, &c.retried, &c.errors]),
        Row::AcceptQueue => highest([&column.queue, &column.limit]),
        Row::SynQueue => highest(columns.iter().map(|c| &c.syn)),
        Row::Closing => highest(columns.iter().flat_map(|c| c.closing.iter().flatten())),
        Row::Counters => over(|c| [&c.overflows, &c.drops, &c.cookies, &c.full]),
    })
}

fn plot(row: Row, c: &Column, panel: &Panel) -> Drawn {
    let unseen = |values: &Values| values.iter().all(Option::is_none);
    // A series that never leaves 0 would only paint the floor.
    let steps = |values: &Values, stroke| match highest([values]) > 0.0 {
        true => panel.steps(c.step, values, stroke),
        false => Ok(()),
    };
    match row {
        Row::Clients if c.attempts.is_empty() => panel.words("no attempts"),
        Row::Clients => {
            panel.steps(c.step, &c.attempts, Stroke::solid(BLACK, 3))?;
            panel.steps(c.step, &c.ok, Stroke::solid(GREEN, 5))?;
            steps(&c.retried, Stroke::solid(ORANGE, 5))?;
            steps(&c.errors, Stroke::solid(VERMILLION, 5))
        }
        Row::AcceptQueue if unseen(&c.queue) => panel.words("not observed"),
        Row::AcceptQueue => queue(c, panel),
        Row::SynQueue if unseen(&c.syn) => panel.words("not observed"),
        Row::SynQueue => panel.steps(c.step, &c.syn, Stroke::solid(PURPLE, 5)),
        Row::Closing if c.closing.iter().flatten().all(unseen) => panel.words("not observed"),
        Row::Closing => {
            for ([target, client], (_, colour, _)) in c.closing.iter().zip(CLOSING) {
                steps(target, Stroke::solid(colour, 5))?;
                steps(client, Stroke::dashed(colour, 5))?;
            }
            Ok(())
        }
        Row::Counters if unseen(&c.overflows) && unseen(&c.drops) => panel.words("not observed"),
        Row::Counters => {
            panel.bars(c.step, &c.overflows, VERMILLION, 0.75)?;
            panel.steps(c.step, &c.drops, Stroke::solid(BLACK, 2))?;
            steps(&c.cookies, Stroke::solid(BLUE, 4))?;
            steps(&c.full, Stroke::solid(PURPLE, 4))
        }
    }
}

fn queue(c: &Column, panel: &Panel) -> Drawn {
    let overflow = |index| c.overflow.get(index).copied().unwrap_or(false);
    panel.depth(c.step, &c.queue, &c.limit, overflow)?;
    for one in &c.each {
        panel.steps(c.step, one, Stroke::solid(PURPLE, 2))?;
    }
    panel.instants(&c.restarts)
}
