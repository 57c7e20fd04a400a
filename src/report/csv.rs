//! The tables of a run's folder; `reports/README.md` explains their columns to users.
//!
//! Latencies are microseconds with three decimals, which is exact for whole nanoseconds. A field
//! is empty where nothing was measured, never 0.

mod datagrams;
mod timeline;

pub use datagrams::streams;
pub use timeline::timeline;

use crate::measure::result::{CellResult, RunResult};
use crate::measure::{Ending, Outcome, TargetEnding, TargetOutcome, Unit};

/// Renders one table.
pub type Table = fn(&RunResult) -> Vec<u8>;

/// Every table with the name of its file.
pub const TABLES: [(&str, Table); 7] = [
    ("summary.csv", summary),
    ("outcomes.csv", outcomes),
    ("classes.csv", classes),
    ("counters.csv", counters),
    ("timeline.csv", timeline),
    ("queues.csv", queues),
    ("streams.csv", streams),
];

/// The load's name in rows that concern the target, which serves all loads.
const ALL_LOADS: &str = "all";

/// Rows of text fields into bytes.
fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).expect("memory takes every row");
    for row in rows {
        writer.write_record(&row).expect("rows have the header's length");
    }
    writer.into_inner().expect("memory takes every row")
}

/// Whole nanoseconds as exact microseconds.
fn micros(nanos: u64) -> String {
    format!("{}.{:03}", nanos / 1000, nanos % 1000)
}

/// Text of a value, empty where there is none.
fn maybe(value: Option<impl ToString>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// `summary.csv`: one row a metric of a load of a cell.
pub fn summary(result: &RunResult) -> Vec<u8> {
    let header = [
        "cell", "load", "metric", "unit", "count", "min", "mean", "stdev", "p50", "p90", "p99",
        "p999", "p9999", "max",
    ];
    let rows = result.cells.iter().flat_map(|cell| {
        cell.metrics.iter().map(|m| {
            let s = &m.summary;
            let (unit, scale, exact): (_, _, fn(u64) -> String) = match m.metric.unit() {
                Unit::Nanoseconds => ("us", 1e3, micros),
                Unit::Datagrams => ("datagrams", 1.0, |count| count.to_string()),
            };
            [
                cell.name.clone(),
                m.load.clone(),
                m.metric.to_string(),
                unit.to_owned(),
                s.count.to_string(),
                exact(s.min),
                format!("{:.3}", s.mean / scale),
                format!("{:.3}", s.stdev / scale),
                exact(s.p50),
                exact(s.p90),
                exact(s.p99),
                exact(s.p999),
                exact(s.p9999),
                exact(s.max),
            ]
        })
    });
    table(header, rows)
}

/// `outcomes.csv`: both ledgers; every class is a row. A count is empty where the target's side
/// cannot be seen. Cells have classes of connections or of datagrams.
pub fn outcomes(result: &RunResult) -> Vec<u8> {
    table(["cell", "load", "side", "outcome", "count"], result.cells.iter().flat_map(cell_outcomes))
}

fn cell_outcomes(cell: &CellResult) -> Vec<[String; 5]> {
    let row = |load: &str, side: &str, class: &str, count: String| {
        [cell.name.clone(), load.to_owned(), side.to_owned(), class.to_owned(), count]
    };
    let mut rows = Vec::new();
    for load in &cell.loads {
        rows.extend(Outcome::ALL.iter().map(|class| {
            let count = load.outcomes.get(class).copied().unwrap_or(0);
            row(&load.name, "client", class.name(), count.to_string())
        }));
        if cell.datagrams.is_some() {
            continue;
        }
        rows.extend(Ending::ALL.iter().map(|class| {
            let count = load.endings.get(class).copied().unwrap_or(0);
            row(&load.name, "session", class.name(), count.to_string())
        }));
    }
    if let Some(ledger) = &cell.datagrams {
        rows.extend(datagrams::outcomes(cell, ledger));
        return rows;
    }
    rows.extend(
        TargetOutcome::ALL.iter().map(|class| {
            row(ALL_LOADS, "target", class.name(), maybe(cell.ledger.target.get(class)))
        }),
    );
    rows.extend(TargetEnding::ALL.iter().map(|class| {
        let count = maybe(cell.ledger.target_endings.get(class));
        row(ALL_LOADS, "target_session", class.name(), count)
    }));
    rows
}

/// `classes.csv`: why the attempts of each load took as long as they did; one row a class that has
/// an attempt, with the sum of their latencies in seconds.
pub fn classes(result: &RunResult) -> Vec<u8> {
    let rows = result.cells.iter().flat_map(|cell| {
        let classes = cell.classes.iter().flat_map(|classes| &classes.classes);
        classes.map(|one| {
            [
                cell.name.clone(),
                one.load.clone(),
                one.class.name().to_owned(),
                one.count.to_string(),
                format!("{:.9}", one.latency_s),
            ]
        })
    });
    table(["cell", "load", "class", "count", "latency_s"], rows)
}

/// `counters.csv`: kernel counters that were read before and after each cell.
pub fn counters(result: &RunResult) -> Vec<u8> {
    let rows = result.cells.iter().flat_map(|cell| {
        cell.counters.iter().map(|c| {
            let delta = i128::from(c.after) - i128::from(c.before);
            [
                cell.name.clone(),
                c.namespace.clone(),
                c.counter.clone(),
                c.before.to_string(),
                c.after.to_string(),
                delta.to_string(),
            ]
        })
    });
    table(["cell", "namespace", "counter", "before", "after", "delta"], rows)
}

/// `queues.csv`: one row an interval and listener.
pub fn queues(result: &RunResult) -> Vec<u8> {
    let header = [
        "cell",
        "listener",
        "t_s",
        "accept_queue",
        "accept_queue_mean",
        "accept_limit",
        "accepted",
    ];
    table(header, result.cells.iter().flat_map(cell_queues))
}

fn cell_queues(cell: &CellResult) -> impl Iterator<Item = [String; 7]> {
    let timeline = &cell.timeline;
    timeline.queues.iter().enumerate().flat_map(move |(listener, intervals)| {
        intervals.iter().enumerate().map(move |(index, seen)| {
            [
                cell.name.clone(),
                listener.to_string(),
                format!("{:.3}", index as f64 * timeline.interval_s),
                maybe(seen.accept_queue),
                maybe(seen.accept_queue_mean.map(|mean| format!("{mean:.3}"))),
                maybe(seen.accept_limit),
                maybe(seen.accepted),
            ]
        })
    })
}

#[cfg(test)]
#[path = "csv/tests.rs"]
mod tests;
