//! What happened when: the part of a cell's result that has a time axis.

use serde::{Deserialize, Serialize};

use super::datagrams::DatagramInterval;
use super::sockets::SocketStates;

/// What happened when, in intervals of one length.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Length of an interval.
    pub interval_s: f64,
    /// One series for each load, in the order of the plan.
    pub loads: Vec<LoadSeries>,
    /// The target's side; as long as the longest load series, or empty.
    pub target: Vec<TargetInterval>,
    /// The clients' sockets, over all loads; as long as the longest load series, or empty.
    /// `None` where they were not seen yet.
    #[serde(default)]
    pub client_states: Vec<Option<SocketStates>>,
    /// One series for each listener of the target, as long as `target`; empty where no queue could
    /// be seen.
    #[serde(default)]
    pub queues: Vec<Vec<QueueInterval>>,
    /// Datagrams, over all loads; as long as the longest load series, or empty for connections.
    #[serde(default)]
    pub datagrams: Vec<DatagramInterval>,
    /// Connect latency over time (of datagrams: `owd`, or `rtt` towards a server of the user), over
    /// all loads.
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
    /// Half-open clients that gave up their sockets in it, as planned.
    #[serde(default)]
    pub half_open: u64,
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
#[serde(default)]
pub struct TargetInterval {
    /// Longest accept queue seen; `None` where there was no sample.
    pub accept_queue: Option<u32>,
    /// Mean over its samples.
    pub accept_queue_mean: Option<f64>,
    /// The queue's limit.
    pub accept_limit: Option<u32>,
    /// Share of its samples at which the queue was full, that is above its limit: from 0 to 1.
    pub accept_queue_full: Option<f64>,
    /// Most half-open connections seen; the count before, where nobody looked in the interval.
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
    /// Growth of the counter `TCPReqQFullDoCookies`.
    pub req_q_full_do_cookies: Option<u64>,
    /// Growth of the counter `SyncookiesRecv`.
    pub syncookies_recv: Option<u64>,
    /// Growth of the counter `SyncookiesFailed`.
    pub syncookies_failed: Option<u64>,
    /// The target's sockets: `syn_recv` as above, the others as last seen.
    pub states: Option<SocketStates>,
    /// Resident memory of our own target at the interval's end, in bytes.
    pub resident: Option<u64>,
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
        self.accept_queue_full = match (self.accept_queue_full, late.accept_queue_full) {
            (Some(here), Some(late)) => Some(here.max(late)),
            (here, late) => here.or(late),
        };
        self.syn_recv = self.syn_recv.max(late.syn_recv);
        // What is only looked at now and then is better known later.
        self.states = late.states.or(self.states);
        if let (Some(states), Some(syn_recv)) = (&mut self.states, self.syn_recv) {
            states.syn_recv = syn_recv;
        }
        sum(&mut self.accepted, late.accepted);
        sum(&mut self.listen_overflows, late.listen_overflows);
        sum(&mut self.listen_drops, late.listen_drops);
        sum(&mut self.syncookies_sent, late.syncookies_sent);
        sum(&mut self.req_q_full_drop, late.req_q_full_drop);
        sum(&mut self.req_q_full_do_cookies, late.req_q_full_do_cookies);
        sum(&mut self.syncookies_recv, late.syncookies_recv);
        sum(&mut self.syncookies_failed, late.syncookies_failed);
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

    #[test]
    fn the_last_look_at_the_sockets_counts() {
        let seen = |syn_recv, time_wait| TargetInterval {
            syn_recv: Some(syn_recv),
            states: Some(SocketStates { syn_recv, time_wait, ..SocketStates::default() }),
            ..TargetInterval::default()
        };
        let mut last = seen(7, 90);
        last.absorb(&seen(2, 100));
        last.absorb(&TargetInterval::default());
        assert_eq!(last, seen(7, 100));
    }

    #[test]
    fn an_older_timeline_is_read() {
        let older = r#"{"interval_s":0.1,"loads":[],"heat":{"rows_per_decade":1,"places":[]},
            "target":[{"accept_queue":5,"accept_queue_mean":null,"accept_limit":5,"syn_recv":2,
            "accepted":null,"listen_overflows":1,"listen_drops":1,"syncookies_sent":0,
            "req_q_full_drop":0}]}"#;
        let timeline: Timeline = serde_json::from_str(older).expect("a timeline");
        assert_eq!((timeline.target[0].syn_recv, timeline.target[0].states), (Some(2), None));
        assert!(timeline.client_states.is_empty());
    }
}
