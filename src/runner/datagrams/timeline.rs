//! What happened to datagrams when.

use super::assemble::{Parts, series};
use crate::measure::Metric;
use crate::measure::result::{Cause, DatagramInterval, LoadSeries, Timeline};
use crate::measure::sent::SentInterval;

/// The timeline of a cell of datagrams, as long as its longest part.
pub fn timeline(parts: &Parts) -> Timeline {
    let loads: Vec<LoadSeries> = parts
        .ground
        .cell
        .loads
        .iter()
        .zip(&parts.book.loads)
        .map(|(load, book)| series(load, book))
        .collect();
    let longest = loads.iter().map(|series| series.intervals.len()).max().unwrap_or(0);
    let length = longest.max(parts.target.datagrams.len()).max(parts.path.lost.len());
    let external = parts.external.as_ref();
    let mut datagrams: Vec<DatagramInterval> = (0..length)
        .map(|index| match external {
            None => parts.target.datagrams.get(index).cloned().unwrap_or_default(),
            Some(told) => told.intervals.get(index).cloned().unwrap_or_default(),
        })
        .collect();
    for book in &parts.book.loads {
        for (interval, seen) in datagrams.iter_mut().zip(&book.intervals) {
            enter(interval, seen, external.is_some());
        }
    }
    for (interval, lost) in datagrams.iter_mut().zip(&parts.path.lost) {
        for (cause, count) in lost {
            *interval.lost.entry(*cause).or_default() += count;
        }
    }
    let owd = parts.target.metrics.contains_key(&Metric::Owd);
    let heat = if owd { &parts.target.heat } else { &parts.book.heat };
    Timeline {
        interval_s: parts.ground.setup.plan.interval.get().as_secs_f64(),
        loads,
        datagrams,
        heat: heat.clone(),
        ..Timeline::default()
    }
}

fn enter(interval: &mut DatagramInterval, seen: &SentInterval, external: bool) {
    interval.sent += seen.counts.sent;
    interval.bytes += seen.counts.bytes;
    interval.replies += seen.counts.replies;
    for (outcome, count) in &seen.counts.unsent {
        *interval.unsent.entry(*outcome).or_default() += count;
    }
    if external {
        let refused = seen.counts.of(crate::measure::Outcome::Refused);
        if refused > 0 {
            *interval.lost.entry(Cause::NoSocket).or_default() += refused;
        }
        interval.delay_p50 = interval.delay_p50.max(seen.rtt.p50);
        interval.delay_p99 = interval.delay_p99.max(seen.rtt.p99);
        interval.delay_max = interval.delay_max.max(seen.rtt.max);
    }
}
