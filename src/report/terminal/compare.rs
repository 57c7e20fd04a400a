//! All cells of a run beside each other.

use super::{Sheet, Tone, resolved};
use crate::measure::result::{CellResult, LoadResult};
use crate::measure::{Metric, Outcome};
use crate::report::text::{columns, shorten, thousands};

const NAME: usize = 20;

/// Writes one row a cell and load. Loads that connect nothing have none.
pub fn table(sheet: &mut Sheet, cells: &[CellResult]) {
    if cells.iter().all(|cell| connecting(cell).is_empty()) {
        return;
    }
    let head = ["p50", "p99", "retried", "errors", "queue", "overflows"].map(str::to_owned);
    sheet.row(Tone::Heading, &row("all cells", "  ", head));
    for cell in cells {
        let mark = if cell.validity.is_valid() { "  " } else { " !" };
        let tone = if cell.validity.is_valid() { Tone::Plain } else { Tone::Bad };
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
    if cells.iter().any(|cell| !cell.validity.is_valid()) {
        sheet.say(Tone::Bad, "  ", "! the cell is invalid: see why above");
    }
}

/// The loads whose attempts are to be established.
fn connecting(cell: &CellResult) -> Vec<&LoadResult> {
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
