//! Latencies, by who measured them: each load, the target, the link.

use hdrhistogram::Histogram;

use super::Parts;
use crate::measure::result::MetricResult;
use crate::measure::{Metric, Summary, encode};
use crate::runner::capture::Captured;

/// Every metric of a cell, that has values.
pub(super) fn metrics(parts: &Parts) -> Vec<MetricResult> {
    let of_loads = parts.cell.loads.iter().zip(&parts.book.loads).flat_map(|(load, book)| {
        book.metrics().map(|(metric, values)| metric_result(&load.name, metric, values, false))
    });
    let two_clocks = !parts.side.one_clock();
    let of_target = parts.target.metrics.iter().filter(|(_, one)| !one.total.is_empty());
    let of_target = of_target.map(|(metric, recorder)| {
        let two_clocks = two_clocks && *metric == Metric::QueueWait;
        metric_result("target", *metric, &recorder.total, two_clocks)
    });
    let of_wire = parts.captured.as_ref().and_then(Captured::metric);
    of_loads.chain(of_target).chain(of_wire).collect()
}

/// A metric of a load, or of the target.
pub fn metric_result(
    load: &str,
    metric: Metric,
    values: &Histogram<u64>,
    two_clocks: bool,
) -> MetricResult {
    MetricResult {
        load: load.to_owned(),
        metric,
        summary: Summary::of(values),
        histogram: encode(values),
        two_clocks,
    }
}
