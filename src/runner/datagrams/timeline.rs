//! What happened to datagrams when.

use super::assemble::{Parts, series};
use crate::measure::attribution::sending_queue;
use crate::measure::result::{Cause, DatagramInterval, LoadSeries, Timeline};
use crate::measure::sent::SentInterval;
use crate::measure::{Metric, Outcome};
use crate::scenario::plan::Target;

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
    if parts.ground.lab.is_none() {
        // These count for the whole network namespace, which others share.
        for interval in &mut datagrams {
            interval.lost.retain(|cause, _| *cause == Cause::ReceiveBuffer);
        }
    }
    enter_path(&mut datagrams, parts);
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

/// What was lost on the way, less what the sender was told of and did not send.
fn enter_path(datagrams: &mut [DatagramInterval], parts: &Parts) {
    let queue = sending_queue(&parts.path.impairments);
    let copies = match &parts.ground.cell.target {
        Target::Receiver { receive, .. } => u64::from(receive.copies()),
        _ => 1,
    };
    let mut told: u64 = parts.book.loads.iter().map(|load| load.counts.told_drops()).sum();
    for (interval, lost) in datagrams.iter_mut().zip(&parts.path.lost) {
        for (cause, count) in lost {
            let known = if Some(*cause) == queue { told.min(*count) } else { 0 };
            told -= known;
            if *count > known {
                *interval.lost.entry(*cause).or_default() += (count - known) * copies;
            }
        }
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
        let refused = seen.counts.of(Outcome::Refused);
        if refused > 0 {
            *interval.lost.entry(Cause::NoSocket).or_default() += refused;
        }
        interval.delay_p50 = interval.delay_p50.max(seen.rtt.p50);
        interval.delay_p99 = interval.delay_p99.max(seen.rtt.p99);
        interval.delay_max = interval.delay_max.max(seen.rtt.max);
    }
}
