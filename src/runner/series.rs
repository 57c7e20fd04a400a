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
}

impl TargetSeries {
    /// Nothing yet; intervals are `interval` nanoseconds long.
    pub fn new(logs: Logs, interval: u64) -> Self {
        Self { interval: interval.max(1), logs, told: TargetTold::default() }
    }

    /// Enters an interval that came at `now`, in nanoseconds since the start of the schedule.
    pub fn enter(&mut self, interval: Interval, now: u64) {
        let index = interval.index;
        if index > (now / self.interval) as usize + AHEAD {
            return;
        }
        let intervals = &mut self.told.intervals;
        if intervals.len() <= index {
            intervals.resize(index + 1, TargetInterval::default());
        }
        intervals[index] = interval.seen;
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
