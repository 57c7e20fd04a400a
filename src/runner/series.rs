//! The target's side of the timeline, as its messages come in. They may come from a program that
//! is not ours, and are bounded.

use super::collect::Logs;
use crate::measure::result::TargetInterval;
use crate::measure::{Metric, Recorder, decode};
use crate::report::files::FolderError;
use crate::target::protocol::Interval;

/// Intervals that a target's clock may be ahead of ours.
const AHEAD: usize = 20;

/// What the target has told so far.
pub struct TargetSeries {
    interval: u64,
    logs: Logs,
    told: TargetTold,
}

/// What the target told over the whole cell.
#[derive(Debug, Default)]
pub struct TargetTold {
    /// Its intervals.
    pub intervals: Vec<TargetInterval>,
    /// `queue_wait` over all loads.
    pub queue_wait: Recorder,
    /// `service` over all loads.
    pub service: Recorder,
    /// Intervals that were not taken: their numbers did not increase, or were of the future.
    pub refused: u64,
}

impl TargetSeries {
    /// Nothing yet; intervals are `interval` nanoseconds long.
    pub fn new(logs: Logs, interval: u64) -> Self {
        Self { interval: interval.max(1), logs, told: TargetTold::default() }
    }

    /// Enters an interval that came at `now`, in nanoseconds since the start of the schedule. Each
    /// must have a higher number than those before it; what is refused is counted.
    pub fn enter(&mut self, interval: Interval, now: u64) {
        let index = interval.index;
        let intervals = &mut self.told.intervals;
        if index < intervals.len() || index > (now / self.interval) as usize + AHEAD {
            self.told.refused += 1;
            return;
        }
        // The series ends with the latest interval; those that were left out saw nothing.
        intervals.resize(index, TargetInterval::default());
        intervals.push(interval.seen);
        let metrics = [
            (Metric::QueueWait, interval.queue_wait, &mut self.told.queue_wait),
            (Metric::Service, interval.service, &mut self.told.service),
        ];
        for (metric, text, recorder) in metrics {
            let Some(values) = decode(&text) else { continue };
            self.logs.append(index, 0, metric, &values);
            recorder.total.add(&values).expect("all histograms have one shape");
        }
    }

    /// The latest depth and limit of the accept queue.
    pub fn accept_queue(&self) -> Option<(u32, u32)> {
        let last = self.told.intervals.last()?;
        Some((last.accept_queue?, last.accept_limit?))
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
        Interval { index, seen, queue_wait: encode(&values), service: String::new() }
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
            series.enter(interval(index), 2_000_000);
        }
        let (failed, told) = series.finish();
        assert!(failed.is_none());
        let accepted: Vec<_> = told.intervals.iter().map(|seen| seen.accepted).collect();
        assert_eq!(accepted, [Some(0), None, Some(2), Some(3)]);
        assert_eq!(told.queue_wait.total.len(), 3);
        assert_eq!(told.refused, 5);
    }
}
