//! All cells of a run beside each other.

use std::collections::BTreeSet;

use super::{Sheet, Tone, resolved};
use crate::measure::result::{CellResult, DatagramsResult, LoadResult};
use crate::measure::{Metric, Outcome, Summary};
use crate::report::text::{columns, shorten, thousands};

const NAME: usize = 20;

/// Writes all cells: those of datagrams and those of connections in tables of their own.
pub fn table(sheet: &mut Sheet, cells: &[CellResult]) {
    connections(sheet, cells);
    datagrams(sheet, cells);
    if cells.iter().any(|cell| !cell.validity.is_valid()) {
        sheet.say(Tone::Bad, "  ", "! the cell is invalid: see why above");
    }
}

/// Writes one row a cell and load. Loads that connect nothing have none.
fn connections(sheet: &mut Sheet, cells: &[CellResult]) {
    if cells.iter().all(|cell| connecting(cell).is_empty()) {
        return;
    }
    let head = ["p50", "p99", "retried", "errors", "queue", "overflows"].map(str::to_owned);
    sheet.row(Tone::Heading, &row("all cells", "  ", head));
    for cell in cells.iter().filter(|cell| cell.datagrams.is_none()) {
        let (mark, tone) = mark(cell);
        let (loads, long) = (connecting(cell), columns(&cell.name) > NAME);
        let alone = loads.len() == 1;
        if long || !alone {
            sheet.say(tone, mark, &cell.name);
        }
        for load in loads {
            let name = match (alone, long) {
                (true, false) => cell.name.clone(),
                (true, true) => String::new(),
                (false, _) => format!("  {}", load.name),
            };
            sheet.row(tone, &row(&name, mark, fields(cell, load)));
        }
    }
    sheet.say(
        Tone::Plain,
        "  ",
        "connect latency; shares of attempts; longest accept queue / limit; ListenOverflows",
    );
}

fn mark(cell: &CellResult) -> (&'static str, Tone) {
    if cell.validity.is_valid() { ("  ", Tone::Plain) } else { (" !", Tone::Bad) }
}

/// Writes one row a cell: what was sent, and where most of it was lost.
fn datagrams(sheet: &mut Sheet, cells: &[CellResult]) {
    let mut delays = BTreeSet::new();
    for cell in cells {
        let Some(ledger) = &cell.datagrams else { continue };
        if delays.is_empty() {
            let head = ["sent", "lost", "most by", "p99", "burst"].map(str::to_owned);
            sheet.row(Tone::Heading, &datagram_row("all cells", "  ", head));
        }
        delays.insert(cell.main_metric());
        let (mark, tone) = mark(cell);
        let mut name = cell.name.as_str();
        if columns(name) > NAME {
            sheet.say(tone, mark, name);
            name = "";
        }
        sheet.row(tone, &datagram_row(name, mark, lost(cell, ledger)));
    }
    if !delays.is_empty() {
        let delays: Vec<_> = delays.iter().map(|metric| metric.name()).collect();
        let text = format!(
            "share of datagrams; {} p99; longest loss burst, in datagrams",
            delays.join(" or ")
        );
        sheet.say(Tone::Plain, "  ", &text);
    }
}

fn datagram_row(name: &str, mark: &str, fields: [String; 5]) -> String {
    let [sent, lost, cause, delay, burst] = fields.map(|field| shorten(&field, 15));
    let name = shorten(name, NAME);
    let gap = " ".repeat(NAME.saturating_sub(columns(&name)));
    format!("{mark}{name}{gap}{sent:>13} {lost:>9} {cause:>15} {delay:>8} {burst:>8}")
}

fn lost(cell: &CellResult, ledger: &DatagramsResult) -> [String; 5] {
    let none = || "-".to_owned();
    let share = ledger.lost_of(None).filter(|(_, of)| *of > 0);
    let share = share.map(|(lost, of)| format!("{:.3} %", lost as f64 / of as f64 * 100.0));
    let most = ledger.causes.iter().filter(|one| one.count > 0).max_by_key(|one| one.count);
    let largest = |metric: Metric, of: fn(&Summary) -> u64| {
        let measured = cell.metrics.iter().filter(|m| m.metric == metric && m.summary.count > 0);
        measured.map(|m| of(&m.summary)).max()
    };
    let delay = largest(cell.main_metric(), |s| s.p99);
    [
        thousands(ledger.sent),
        share.unwrap_or_else(none),
        most.map_or_else(none, |one| one.cause.name().to_owned()),
        delay.map_or_else(none, |p99| resolved(p99, cell.validity.resolution)),
        largest(Metric::LossBurst, |s| s.max).map_or_else(none, thousands),
    ]
}

/// The loads whose attempts are to be established.
fn connecting(cell: &CellResult) -> Vec<&LoadResult> {
    if cell.datagrams.is_some() {
        return Vec::new();
    }
    let half_open = |load: &LoadResult| load.outcomes.get(&Outcome::HalfOpen).copied();
    cell.loads.iter().filter(|load| half_open(load).unwrap_or(0) == 0).collect()
}

fn row(name: &str, mark: &str, fields: [String; 6]) -> String {
    let [p50, p99, retried, errors, queue, overflows] = fields.map(|field| shorten(&field, 13));
    let name = shorten(name, NAME);
    let gap = " ".repeat(NAME.saturating_sub(columns(&name)));
    format!(
        "{mark}{name}{gap}{p50:>8} {p99:>8} {retried:>8} {errors:>7} {queue:>13} {overflows:>9}"
    )
}

fn fields(cell: &CellResult, load: &LoadResult) -> [String; 6] {
    let connect = cell.metric(&load.name, Metric::Connect).filter(|m| m.summary.count > 0);
    let latency = |value: Option<u64>| {
        value.map_or("-".to_owned(), |v| resolved(v, cell.validity.resolution))
    };
    let longest = cell.timeline.target.iter().filter_map(|t| t.accept_queue).max();
    let queue = match (longest, cell.target.backlog_effective) {
        (Some(longest), Some(limit)) => format!("{}/{}", thousands(longest), thousands(limit)),
        _ => "-".to_owned(),
    };
    [
        latency(connect.map(|m| m.summary.p50)),
        latency(connect.map(|m| m.summary.p99)),
        share(load, |class| class == Outcome::OkRetried),
        share(load, Outcome::failed),
        queue,
        cell.counter("ListenOverflows").map_or("-".to_owned(), thousands),
    ]
}

/// Share of a load's attempts in the wanted classes.
fn share(load: &LoadResult, wanted: impl Fn(Outcome) -> bool) -> String {
    let sum = |of: &dyn Fn(Outcome) -> bool| -> f64 {
        load.outcomes.iter().filter(|(class, _)| of(**class)).map(|(_, n)| *n as f64).sum()
    };
    let all = sum(&|_| true);
    if all == 0.0 { "-".to_owned() } else { format!("{:.1} %", sum(&wanted) / all * 100.0) }
}
