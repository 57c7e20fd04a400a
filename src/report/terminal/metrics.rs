//! The tables of metrics.

use super::cell::say;
use super::{Sheet, Tone, resolved};
use crate::measure::result::{CellResult, MetricResult};
use crate::measure::{Metric, Unit};
use crate::report::text::{shorten, thousands};
use crate::units::human_nanos;

/// Metrics that a reader at a terminal needs; all are in `summary.csv`.
const SHOWN: [Metric; 13] = [
    Metric::Connect,
    Metric::ConnectService,
    Metric::Owd,
    Metric::OwdService,
    Metric::Ipdv,
    Metric::Jitter,
    Metric::Rtt,
    Metric::RttService,
    Metric::Lag,
    Metric::QueueWait,
    Metric::Service,
    Metric::Request,
    Metric::RequestService,
];
/// Those that count datagrams.
const COUNTED: [Metric; 3] = [Metric::LossBurst, Metric::LossGap, Metric::ReorderExtent];

/// Writes the latencies, and below them what is counted in datagrams.
pub fn tables(sheet: &mut Sheet, cell: &CellResult) {
    let latencies = shown(cell, &SHOWN);
    if latencies.is_empty() {
        return say(sheet, Tone::Doubtful, "latency", "nothing was measured");
    }
    heading(sheet, "latency");
    let mut unresolved = false;
    for metric in latencies {
        let values = values(metric, cell.validity.resolution);
        unresolved |= values.iter().any(|value| value.starts_with('<'));
        line(sheet, cell, metric, values);
        if metric.two_clocks {
            say(sheet, Tone::Doubtful, "", "depends on how well two hosts' clocks agree");
        }
    }
    if unresolved {
        let limit = human_nanos(cell.validity.resolution);
        say(sheet, Tone::Plain, "", &format!("<{limit}: not resolved by this run"));
    }
    let counted = shown(cell, &COUNTED);
    if !counted.is_empty() {
        heading(sheet, "in datagrams");
    }
    for metric in counted {
        line(sheet, cell, metric, values(metric, 0));
    }
}

/// The metrics of the cell that have values, in the order wanted.
fn shown<'a>(cell: &'a CellResult, wanted: &[Metric]) -> Vec<&'a MetricResult> {
    wanted
        .iter()
        .flat_map(|wanted| cell.metrics.iter().filter(move |m| m.metric == *wanted))
        .filter(|m| m.summary.count > 0)
        .collect()
}

fn heading(sheet: &mut Sheet, word: &str) {
    let head = ["p50", "p90", "p99", "max"];
    sheet.row(Tone::Heading, &row(word, head.map(str::to_owned), "count"));
}

fn line(sheet: &mut Sheet, cell: &CellResult, metric: &MetricResult, values: [String; 4]) {
    let name = match cell.loads.len() {
        0 | 1 => metric.metric.name().to_owned(),
        _ => format!("{} {}", metric.metric, metric.load),
    };
    sheet.row(Tone::Plain, &row(&name, values, &thousands(metric.summary.count)));
}

fn row(name: &str, values: [String; 4], count: &str) -> String {
    let [p50, p90, p99, max] = values;
    let name = shorten(name, 24);
    format!("  {name:<24}{p50:>9}{p90:>9}{p99:>9}{max:>9}  {:>12}", shorten(count, 12))
}

/// The four values; those that the tool's own error touches are held against the resolution.
fn values(metric: &MetricResult, resolution: u64) -> [String; 4] {
    let own = matches!(
        metric.metric,
        Metric::Lag | Metric::KernelRtt | Metric::ObserverError | Metric::Service
    );
    let s = &metric.summary;
    [s.p50, s.p90, s.p99, s.max].map(|v| match metric.metric.unit() {
        Unit::Nanoseconds => resolved(v, if own { 0 } else { resolution }),
        Unit::Datagrams => thousands(v),
    })
}
