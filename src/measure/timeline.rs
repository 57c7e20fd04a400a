//! What happened when: the part of a cell's result that has a time axis.

use serde::{Deserialize, Serialize};

/// What happened when, in intervals of one length.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Length of an interval.
    pub interval_s: f64,
    /// One series for each load, in the order of the plan.
    pub loads: Vec<LoadSeries>,
    /// The target's side; as long as the longest load series, or empty.
    pub target: Vec<TargetInterval>,
    /// One series for each listener of the target, as long as `target`; empty where no queue could
    /// be seen.
    #[serde(default)]
    pub queues: Vec<Vec<QueueInterval>>,
    /// Connect latency over time, over all loads.
    pub heat: Heat,
}

/// The intervals of one load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadSeries {
    /// Name of the load.
    pub load: String,
    /// The intervals.
    pub intervals: Vec<LoadInterval>,
}

/// One interval of one load.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadInterval {
    /// Attempts issued in it.
    pub attempts: u64,
    /// Attempts established in it with the first SYN.
    pub ok: u64,
    /// Attempts established in it after a retransmit.
    pub ok_retried: u64,
    /// Attempts that failed in it (`cut` is no failure).
    pub errors: u64,
    /// Attempts issued and not yet established or failed at its end.
    pub in_flight: u64,
    /// `connect` of those established in it, in nanoseconds; 0 where there were none.
    pub connect_p50: u64,
    /// As above.
    pub connect_p99: u64,
    /// As above.
    pub connect_max: u64,
    /// `lag` of those issued in it and finished, in nanoseconds.
    pub lag_p99: u64,
    /// Whole replies received in it.
    pub replies: u64,
}

/// One interval at the target.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TargetInterval {
    /// Longest accept queue seen; `None` where there was no sample.
    pub accept_queue: Option<u32>,
    /// Mean over its samples.
    pub accept_queue_mean: Option<f64>,
    /// The queue's limit.
    pub accept_limit: Option<u32>,
    /// Half-open connections; sampled about once a second and carried on in between.
    pub syn_recv: Option<u64>,
    /// Connections accepted in it (our own target only).
    pub accepted: Option<u64>,
    /// Growth of the counter `ListenOverflows`.
    pub listen_overflows: Option<u64>,
    /// Growth of the counter `ListenDrops`.
    pub listen_drops: Option<u64>,
    /// Growth of the counter `SyncookiesSent`.
    pub syncookies_sent: Option<u64>,
    /// Growth of the counter `TCPReqQFullDrop`.
    pub req_q_full_drop: Option<u64>,
}

/// One interval of one listener's accept queue.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct QueueInterval {
    /// Longest accept queue seen; `None` where there was no sample, or no listener.
    pub accept_queue: Option<u32>,
    /// Mean over its samples.
    pub accept_queue_mean: Option<f64>,
    /// The queue's limit.
    pub accept_limit: Option<u32>,
    /// Connections accepted in it (our own target only).
    pub accepted: Option<u64>,
}

impl QueueInterval {
    /// As [`TargetInterval::absorb`].
    pub fn absorb(&mut self, late: &Self) {
        self.accept_queue = self.accept_queue.max(late.accept_queue);
        self.accept_limit = self.accept_limit.or(late.accept_limit);
        if let Some(more) = late.accepted {
            self.accepted = Some(self.accepted.unwrap_or(0).saturating_add(more));
        }
    }
}

impl TargetInterval {
    /// Adds what a later interval has counted and the longest queue that it saw: the target may
    /// see more after the clients' last interval, and it shall not be lost.
    pub fn absorb(&mut self, late: &Self) {
        let sum = |count: &mut Option<u64>, more: Option<u64>| {
            if let Some(more) = more {
                *count = Some(count.unwrap_or(0).saturating_add(more));
            }
        };
        self.accept_queue = self.accept_queue.max(late.accept_queue);
        self.accept_limit = self.accept_limit.or(late.accept_limit);
        sum(&mut self.accepted, late.accepted);
        sum(&mut self.listen_overflows, late.listen_overflows);
        sum(&mut self.listen_drops, late.listen_drops);
        sum(&mut self.syncookies_sent, late.syncookies_sent);
        sum(&mut self.req_q_full_drop, late.req_q_full_drop);
    }
}

/// A coarse two-dimensional histogram: time against the logarithm of the connect latency.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Heat {
    /// Rows a decade of latency; row `r` begins at `10^(r / rows_per_decade)` nanoseconds.
    pub rows_per_decade: u32,
    /// Occupied places as (interval, row, count), by the interval of the *intended* instant.
    pub places: Vec<(u32, u32, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_interval_loses_nothing_and_makes_no_zeros() {
        let count = |accepted, listen_overflows, accept_queue| TargetInterval {
            accepted,
            listen_overflows,
            accept_queue,
            ..TargetInterval::default()
        };
        let mut last = count(Some(3), None, Some(5));
        last.absorb(&count(Some(4), Some(1), Some(2)));
        last.absorb(&count(None, None, None));
        assert_eq!(last, count(Some(7), Some(1), Some(5)));
    }
}
