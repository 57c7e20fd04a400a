//! The target's side of the timeline, as its messages come in. They may come from a program that
//! is not ours, and are bounded.

use std::collections::BTreeMap;

use super::collect::Logs;
use super::side::Told;
use crate::measure::held::Held;
use crate::measure::result::{DatagramInterval, Heat, QueueInterval, TargetInterval};
use crate::measure::{Metric, Recorder, decode};
use crate::report::files::FolderError;
use crate::target::protocol::Interval;

/// Intervals that a target's clock may be ahead of ours.
const AHEAD: usize = 20;
/// Most listeners of a target.
pub const MOST_LISTENERS: usize = 64;
/// What a target of connections measures.
const OF_CONNECTIONS: [Metric; 3] = [Metric::QueueWait, Metric::Service, Metric::Close];

/// What the target has told so far.
pub struct TargetSeries {
    interval: u64,
    logs: Logs,
    told: TargetTold,
    /// Connections that nobody has taken yet.
    held: Vec<Held>,
}

/// What the target told over the whole cell.
#[derive(Debug, Default)]
pub struct TargetTold {
    /// Its intervals.
    pub intervals: Vec<TargetInterval>,
    /// Each listener's queue, for each of the intervals.
    pub queues: Vec<Vec<QueueInterval>>,
    /// Its datagrams, for each of the intervals; empty where it accepts connections.
    pub datagrams: Vec<DatagramInterval>,
    /// One-way delay over time.
    pub heat: Heat,
    /// What it measured, over all loads.
    pub metrics: BTreeMap<Metric, Recorder>,
    /// Intervals that were not taken: their numbers did not increase, or were of the future.
    pub refused: u64,
}

impl TargetTold {
    /// How many listeners there were.
    pub fn listeners(&self) -> u32 {
        let most = self.queues.iter().map(Vec::len).max();
        u32::try_from(most.unwrap_or(0)).unwrap_or(u32::MAX)
    }

    /// One series of `length` for each listener; what came later is in the last interval.
    pub fn queues(&self, length: usize) -> Vec<Vec<QueueInterval>> {
        let series = |place: usize| {
            let mut intervals = vec![QueueInterval::default(); length];
            for (index, seen) in self.queues.iter().enumerate() {
                let Some(seen) = seen.get(place) else { continue };
                match intervals.get_mut(index) {
                    Some(interval) => *interval = *seen,
                    None => intervals.iter_mut().last().into_iter().for_each(|l| l.absorb(seen)),
                }
            }
            intervals
        };
        (0..self.listeners() as usize).map(series).collect()
    }
}

impl TargetSeries {
    /// Nothing yet; intervals are `interval` nanoseconds long.
    pub fn new(logs: Logs, interval: u64) -> Self {
        Self { interval: interval.max(1), logs, told: TargetTold::default(), held: Vec::new() }
    }

    /// Enters what came at `now`, in nanoseconds since the start of the schedule.
    pub fn enter(&mut self, told: Told, now: u64) {
        match told {
            Told::Interval(interval) => self.interval(*interval, now),
            Told::Held(held) => {
                // Nothing was held at an instant to come.
                let latest = now.saturating_add(self.interval.saturating_mul(AHEAD as u64));
                self.held.extend(held.into_iter().filter(|held| held.at <= latest));
            }
        }
    }

    /// The connections of which the target has told since the last time.
    pub fn take_held(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.held)
    }

    /// Each interval must have a higher number than those before it; what is refused is counted.
    pub fn interval(&mut self, interval: Interval, now: u64) {
        let index = interval.index;
        let intervals = &mut self.told.intervals;
        if index < intervals.len() || index > (now / self.interval) as usize + AHEAD {
            self.told.refused += 1;
            return;
        }
        // The series ends with the latest interval; those that were left out saw nothing.
        intervals.resize(index, TargetInterval::default());
        intervals.push(interval.seen);
        self.told.queues.resize(index, Vec::new());
        self.told.queues.push(interval.queues.into_iter().take(MOST_LISTENERS).collect());
        if let Some(datagrams) = interval.datagrams {
            self.told.datagrams.resize(index, DatagramInterval::default());
            self.told.datagrams.push(datagrams);
        }
        for metric in OF_CONNECTIONS.into_iter().chain(Metric::OF_RECEIVERS) {
            let Some(values) = interval.metrics.get(&metric).and_then(|text| decode(text)) else {
                continue;
            };
            self.logs.append(index, 0, metric, &values);
            if metric == Metric::Owd {
                self.told.heat.enter(index, &values);
            }
            let recorder = self.told.metrics.entry(metric).or_default();
            recorder.total.add(&values).expect("all histograms have one shape");
        }
    }

    /// The latest depth and limit of the accept queue.
    pub fn accept_queue(&self) -> Option<(u32, u32)> {
        let last = self.told.intervals.last()?;
        Some((last.accept_queue?, last.accept_limit?))
    }

    /// The bytes charged to the fullest receive buffer, and its limit.
    pub fn receive_queue(&self) -> Option<(u32, u32)> {
        let last = self.told.datagrams.last()?;
        let small = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        Some((small(last.queue_bytes?), small(last.queue_limit?)))
    }

    /// What was told, and the first error of writing its logs.
    pub fn finish(self) -> (Option<FolderError>, TargetTold) {
        (self.logs.failed, self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{empty, encode, record};
    use crate::report::files::Folder;
    use std::sync::Arc;
    use std::time::Duration;

    fn interval(index: usize) -> Interval {
        let mut values = empty();
        record(&mut values, 5);
        let seen = TargetInterval { accepted: Some(index as u64), ..TargetInterval::default() };
        let text = encode(&values);
        // A target does not measure how late a client is.
        let metrics = [(Metric::QueueWait, text.clone()), (Metric::Lag, text)].into();
        Interval {
            index,
            seen,
            queues: vec![QueueInterval::default(); 1000],
            metrics,
            datagrams: None,
        }
    }

    #[test]
    fn numbers_that_do_not_increase_are_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Arc::new(
            Folder::create(place.path(), "s", "2026-01-01T00:00:00Z", None, false)
                .expect("a folder"),
        );
        let logs = Logs::new(&folder, "cell", vec!["target".into()], 0.0, Duration::from_millis(1));
        let mut series = TargetSeries::new(logs, 1_000_000);
        for index in [0, 0, 2, 1, 2, 3 + AHEAD, usize::MAX, 3] {
            series.interval(interval(index), 2_000_000);
        }
        let (failed, told) = series.finish();
        assert!(failed.is_none());
        let accepted: Vec<_> = told.intervals.iter().map(|seen| seen.accepted).collect();
        assert_eq!(accepted, [Some(0), None, Some(2), Some(3)]);
        assert_eq!(told.metrics[&Metric::QueueWait].total.len(), 3);
        assert_eq!(told.metrics.len(), 1);
        let queues: Vec<_> = told.queues.iter().map(Vec::len).collect();
        assert_eq!(queues, [64, 0, 64, 64]);
        assert_eq!(told.refused, 5);
    }
}
