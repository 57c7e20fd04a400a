//! What is to be seen in a picture, in numbers.

use super::compare::{longest, lost};
use super::parts;
use crate::measure::Metric;
use crate::measure::result::{CellResult, Heat, LoadInterval, RunResult};
use crate::report::text::thousands;
use crate::units::human_nanos;

/// So many cells are told one by one.
const TOLD: usize = 24;

/// The lines of latency by percentile.
pub fn latency_of(name: &str, cell: &CellResult) -> Option<String> {
    let metrics = cell.metrics.iter().filter(|m| m.metric == cell.main_metric());
    let values = metrics.filter(|m| m.summary.count > 0).map(|m| {
        let s = &m.summary;
        let [p50, p99, p999] = [s.p50, s.p99, s.p999].map(|nanos| parts::latency(nanos, cell));
        format!("{name}: p50 {p50}, p99 {p99}, p99.9 {p999}, max {}", human_nanos(s.max))
    });
    let values: Vec<_> = values.collect();
    (!values.is_empty()).then(|| values.join("; "))
}

/// The lines of several cells.
pub fn latency<'a>(cells: impl Iterator<Item = (&'a str, &'a CellResult)>) -> String {
    let lines: Vec<_> =
        cells.take(TOLD).filter_map(|(name, cell)| latency_of(name, cell)).collect();
    match lines.is_empty() {
        true => "Nothing was measured.".to_owned(),
        false => format!("Latency by percentile. {}.", lines.join("; ")),
    }
}

/// What changes over the swept values.
pub fn sweep(result: &RunResult) -> String {
    let lines = result.cells.iter().take(TOLD).map(|cell| match &cell.datagrams {
        Some(ledger) => format!("{}: {} lost", cell.title(), lost(ledger)),
        None => format!(
            "{}: ListenOverflows {}",
            latency_of(&cell.title(), cell).unwrap_or_else(|| cell.title()),
            cell.counter("ListenOverflows").map_or("not observed".to_owned(), thousands)
        ),
    });
    format!("{}.", lines.collect::<Vec<_>>().join("; "))
}

/// What clients, queues and counters did over time.
pub fn timeline(cell: &CellResult) -> String {
    let intervals = || cell.timeline.loads.iter().flat_map(|load| &load.intervals);
    let sum =
        |of: fn(&LoadInterval) -> u64| thousands(intervals().map(of).fold(0, u64::saturating_add));
    let mut text = format!(
        "Over {:.1} s: {} attempts, {} established with the first SYN, {} after a retry, {} errors.",
        cell.duration_s,
        sum(|i| i.attempts),
        sum(|i| i.ok),
        sum(|i| i.ok_retried),
        sum(|i| i.errors)
    );
    let limit = cell.timeline.target.iter().filter_map(|seen| seen.accept_limit).max();
    if let (Some(longest), Some(limit)) = (longest(cell), limit) {
        let (longest, limit) = (thousands(longest), thousands(limit));
        text.push_str(&format!(" Longest accept queue {longest}, its limit {limit}."));
    }
    let overflowed = |seen: &&crate::measure::result::TargetInterval| {
        seen.listen_overflows.is_some_and(|count| count > 0)
    };
    let intervals = cell.timeline.target.len();
    let over = cell.timeline.target.iter().filter(overflowed).count();
    if over > 0 {
        text.push_str(&format!(" It overflowed in {over} of {intervals} intervals."));
    }
    text
}

/// Where the attempts are in time and latency.
pub fn heatmap(cell: &CellResult) -> String {
    let Heat { rows_per_decade, places } = &cell.timeline.heat;
    let per_decade = f64::from((*rows_per_decade).max(1));
    let decade = |row: u32| (f64::from(row) / per_decade).floor() as u32;
    let mut decades = std::collections::BTreeMap::<u32, u64>::new();
    for (_, row, count) in places {
        let sum = decades.entry(decade(*row)).or_default();
        *sum = sum.saturating_add(*count);
    }
    if decades.is_empty() {
        return "Nothing was measured.".to_owned();
    }
    let nanos = |decade: u32| human_nanos(10u64.saturating_pow(decade));
    let told = decades.iter().take(TOLD).map(|(decade, count)| {
        format!(
            "{} took {} to {}",
            thousands(*count),
            nanos(*decade),
            nanos(decade.saturating_add(1))
        )
    });
    format!("{}.", told.collect::<Vec<_>>().join(", "))
}

/// Where and how datagrams were lost.
pub fn losses(cell: &CellResult) -> String {
    let Some(ledger) = &cell.datagrams else { return String::new() };
    let causes = ledger.causes.iter().filter(|one| one.count > 0);
    let causes = causes.map(|one| format!("{} by {}", thousands(one.count), one.cause.name()));
    let causes: Vec<_> = causes.collect();
    let bursts = cell.metrics.iter().filter(|m| m.metric == Metric::LossBurst);
    let burst = bursts.map(|m| m.summary.max).max().unwrap_or(0);
    format!(
        "{} of {} datagrams were lost: {}. The longest loss burst had {}.",
        thousands(ledger.lost),
        thousands(ledger.expected),
        if causes.is_empty() { "none".to_owned() } else { causes.join(", ") },
        thousands(burst)
    )
}
