//! What a server counts.

use std::collections::BTreeMap;
use std::io;

use crate::measure::held::Held;
use crate::measure::{Metric, Recorder, TargetEnding, TargetOutcome};
use crate::sys::errno;

/// What an acceptor counts; read by the sampler at interval edges.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections taken from the queue, by what they were.
    pub outcomes: BTreeMap<TargetOutcome, u64>,
    /// Accepted connections that are over, by how they came to their end.
    pub endings: BTreeMap<TargetEnding, u64>,
    /// Errors of `accept()`, by number.
    pub errors: BTreeMap<i32, u64>,
    /// What clients did, by name.
    pub faults: BTreeMap<String, u64>,
    /// Connections that the runner is still to be told of.
    pub held: Vec<Held>,
    /// `queue_wait`, `service` and `close`.
    pub metrics: BTreeMap<Metric, Recorder>,
}

impl Counts {
    /// Connections that were returned by `accept()` alive.
    pub fn accepted(&self) -> u64 {
        self.outcomes.get(&TargetOutcome::Accepted).copied().unwrap_or(0)
    }

    /// An accepted connection is over.
    pub fn ended(&mut self, ending: TargetEnding) {
        *self.endings.entry(ending).or_default() += 1;
    }

    /// An accepted connection broke.
    pub fn broke(&mut self, error: &io::Error) {
        let number = errno::number(error);
        self.ended(errno::target_ending(number));
        let name = errno::name(number);
        match self.faults.get_mut(&name) {
            Some(count) => *count += 1,
            None => {
                self.faults.insert(name, 1);
            }
        }
    }

    /// A value of a metric, in nanoseconds.
    pub fn measured(&mut self, metric: Metric, nanos: u64) {
        crate::measure::record(&mut self.metrics.entry(metric).or_default().interval, nanos);
    }
}

/// What the acceptors did in an interval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Connections accepted since the start, by listener.
    pub accepted: Vec<u64>,
    /// The metrics of the interval, encoded; those without values are missing.
    pub metrics: BTreeMap<Metric, String>,
    /// Connections that came out of the queues.
    pub held: Vec<Held>,
}

impl Tally {
    /// Connections accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.accepted.iter().sum()
    }
}

/// What a server counted over its life.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Totals {
    /// Every class.
    pub outcomes: BTreeMap<TargetOutcome, u64>,
    /// Every class; the sum is what was accepted.
    pub endings: BTreeMap<TargetEnding, u64>,
    /// How connections were kept: `epoll`, `io_uring` or `threads`.
    pub engine: String,
    /// Connections that each acceptor took, listener by listener.
    pub accepted_by: Vec<u64>,
    /// Errors of `accept()`, by name.
    pub accept_errors: BTreeMap<String, u64>,
    /// What clients did, by name.
    pub client_faults: BTreeMap<String, u64>,
    /// The restart, if there was one.
    pub restarts: Vec<crate::measure::result::RestartResult>,
    /// Connections that were left in the queues.
    pub held: Vec<Held>,
    /// What could not be counted, and why.
    pub notices: Vec<String>,
}

impl Totals {
    /// Nothing, with every class.
    pub fn new() -> Self {
        Self {
            outcomes: TargetOutcome::ALL.iter().map(|outcome| (*outcome, 0)).collect(),
            endings: TargetEnding::ALL.iter().map(|ending| (*ending, 0)).collect(),
            ..Self::default()
        }
    }

    /// Adds what one acceptor counted, but for its share of the connections.
    pub fn add(&mut self, counts: &Counts) {
        for (outcome, count) in &counts.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        for (ending, count) in &counts.endings {
            *self.endings.entry(*ending).or_default() += count;
        }
        for (error, count) in &counts.errors {
            *self.accept_errors.entry(errno::name(*error)).or_default() += count;
        }
        for (fault, count) in &counts.faults {
            *self.client_faults.entry(fault.clone()).or_default() += count;
        }
    }
}
