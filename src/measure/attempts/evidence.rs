//! What the whole cell tells of its attempts.

use std::collections::BTreeMap;

use crate::measure::syn_retries;

/// What happened around the attempts of a cell. Instants are nanoseconds since the schedule's start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Length of an interval.
    pub interval: u64,
    /// What the kernel dropped, interval by interval.
    pub growth: Vec<Growth>,
    /// What it dropped that is in no interval.
    pub rest: Growth,
    /// Whether it is known which of the packets lost on the way were SYNs.
    pub path_syns: bool,
    /// Whether the target's counters were seen: what they do not tell did not happen there.
    pub counted: bool,
    /// Whether there is a network between clients and target in which packets can be lost without
    /// anybody's counting them; a lab has none.
    pub network: bool,
    /// When a client sends its SYNs ([`syn_schedule`]).
    pub syns: Vec<u64>,
    /// `tcp_abort_on_overflow`.
    pub aborts: bool,
    /// Whether the target defers accept until data comes.
    pub defers: bool,
    /// Packets whose SYN cookie the kernel did not accept.
    pub cookies_failed: u64,
    /// When listeners were closed, and what that cost.
    pub closes: Vec<Close>,
    /// Mean length of the accept queue, interval by interval; for a target that names nobody.
    pub queue: Vec<f64>,
}

/// Packets that were dropped in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Growth {
    /// By a full accept queue: SYNs and final ACKs (`ListenOverflows`).
    pub accept_queue: u64,
    /// By a full SYN queue: SYNs (`ListenDrops` that are no overflows).
    pub syn_queue: u64,
    /// On the way, on purpose or by a link.
    pub path: u64,
    /// SYNs among these, where that is known ([`Evidence::path_syns`]).
    pub path_syns: u64,
}

/// A listener's close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Close {
    /// When.
    pub at: u64,
    /// Connections that it reset in the accept queue, and half-open ones that it dropped.
    pub reset: u64,
    /// Packets that came while the queue was counted and were dropped.
    pub dropped: u64,
}

impl Evidence {
    /// Packets that a full accept queue turned away from `from` to `to`, the edges of intervals
    /// being a little off.
    pub fn overflows(&self, from: u64, to: u64) -> u64 {
        let all = self.growth[self.intervals(from, to)].iter().chain([&self.rest]);
        all.fold(0, |sum, growth| sum.saturating_add(growth.accept_queue))
    }

    /// Packets that were lost on the way.
    pub fn lost_on_the_way(&self) -> u64 {
        let all = self.growth.iter().chain([&self.rest]);
        all.fold(0, |sum, growth| sum.saturating_add(growth.path))
    }

    /// Mean length of the accept queue around an instant; 0 where it is not known.
    pub fn queue_at(&self, at: u64) -> f64 {
        self.queue.get((at / self.interval.max(1)) as usize).copied().unwrap_or(0.0)
    }

    /// The numbers of the intervals that may hold what happened from `from` to `to`.
    pub fn intervals(&self, from: u64, to: u64) -> std::ops::Range<usize> {
        /// How far counters and clients may disagree about an interval's edge: a sampler that gets no
        /// CPU reads late, and the path is looked at now and then only.
        const OFF: u64 = 100_000_000;
        let (length, all) = (self.interval.max(1), self.growth.len());
        let number = |at: u64| usize::try_from(at / length).unwrap_or(usize::MAX);
        let first = number(from.saturating_sub(OFF)).min(all);
        let last = number(to.saturating_add(OFF)).min(all.saturating_sub(1));
        first..(last + 1).max(first).min(all)
    }
}

/// When Linux sends a SYN and its retransmits, in nanoseconds after `connect()`.
pub fn syn_schedule(settings: &BTreeMap<String, String>) -> Vec<u64> {
    /// More than any kernel sends with a timeout of ours.
    const MOST: usize = 20;
    let linear = syn_retries::linear(settings).unwrap_or(0);
    [0].into_iter().chain(syn_retries::instants(linear).take(MOST)).collect()
}
