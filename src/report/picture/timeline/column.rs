//! The series of one cell, in steps that can be told apart.

use super::Values;
use crate::measure::result::{
    CellResult, LoadInterval, QueueInterval, SocketStates, TargetInterval,
};
use crate::report::picture::label;

/// The series of one cell, in steps of one length.
pub struct Column {
    pub name: String,
    /// Length of a step, in seconds.
    pub step: f64,
    pub attempts: Values,
    pub ok: Values,
    pub retried: Values,
    pub errors: Values,
    pub queue: Values,
    pub limit: Values,
    /// Whether the queue was seen above its limit, or the kernel counted that it was full.
    pub overflow: Vec<bool>,
    /// The longest queue of each listener of a group; empty for a single one.
    pub each: Vec<Values>,
    /// When the target's listeners were closed.
    pub restarts: Vec<f64>,
    pub syn: Values,
    /// Sockets in each state of [`super::CLOSING`], at the target and at the clients.
    pub closing: Vec<[Values; 2]>,
    pub overflows: Values,
    pub drops: Values,
    pub cookies: Values,
    pub full: Values,
}

/// How many sockets are in a state.
pub type Count = fn(&SocketStates) -> u64;

impl Column {
    /// At most `steps` of them, so that each has a width.
    pub fn new(cell: &CellResult, steps: usize) -> Self {
        let timeline = &cell.timeline;
        let loads = &timeline.loads;
        let longest = loads.iter().map(|l| l.intervals.len()).max().unwrap_or(0);
        let intervals = longest.max(timeline.target.len());
        let group = intervals.div_ceil(steps.max(1)).max(1);
        let step = timeline.interval_s.max(1e-9) * group as f64;
        let rate = |value: fn(&LoadInterval) -> u64| -> Values {
            let sum = |from: usize| -> f64 {
                let within = loads.iter().flat_map(|l| l.intervals.iter().skip(from).take(group));
                within.map(|i| value(i) as f64).sum()
            };
            (0..longest).step_by(group).map(|from| Some(sum(from) / step)).collect()
        };
        let target = |value: fn(&TargetInterval) -> Option<f64>| -> Values {
            joined(&timeline.target, group, value, f64::max)
        };
        let growth = |value: fn(&TargetInterval) -> Option<u64>| -> Values {
            let value = |seen: &TargetInterval| value(seen).map(|growth| growth as f64);
            let sums = joined(&timeline.target, group, value, |a, b| a + b);
            sums.into_iter().map(|sum| sum.map(|sum| sum / step)).collect()
        };
        let closing = |count: Count| -> [Values; 2] {
            let of = |states: Option<SocketStates>| states.map(|states| count(&states) as f64);
            [
                joined(&timeline.target, group, |seen| of(seen.states), f64::max),
                joined(&timeline.client_states, group, |seen| of(*seen), f64::max),
            ]
        };
        Self {
            name: label(cell),
            step,
            attempts: rate(|i| i.attempts),
            ok: rate(|i| i.ok),
            retried: rate(|i| i.ok_retried),
            errors: rate(|i| i.errors),
            queue: target(|t| t.accept_queue.map(f64::from)),
            limit: target(|t| t.accept_limit.map(f64::from)),
            overflow: timeline
                .target
                .chunks(group)
                .map(|seen| seen.iter().any(overflows))
                .collect(),
            each: each_queue(cell, group),
            restarts: restarts(cell, timeline.interval_s * intervals as f64),
            syn: target(|t| t.syn_recv.map(|v| v as f64)),
            closing: super::CLOSING.iter().map(|(_, _, count)| closing(*count)).collect(),
            overflows: growth(|t| t.listen_overflows),
            drops: growth(|t| t.listen_drops),
            cookies: growth(|t| t.syncookies_sent),
            full: growth(|t| t.req_q_full_drop),
        }
    }

    /// Where its time ends, in seconds.
    pub fn end(&self) -> f64 {
        self.attempts.len().max(self.queue.len()) as f64 * self.step
    }
}

/// Linux lets a queue grow to its limit plus one, and drops what comes then.
fn overflows(seen: &TargetInterval) -> bool {
    let above = seen.accept_queue.zip(seen.accept_limit).is_some_and(|(queue, most)| queue > most);
    above
        || seen.accept_queue_full.is_some_and(|share| share > 0.0)
        || seen.listen_overflows.is_some_and(|count| count > 0)
}

/// When listeners were closed, within the time that is shown.
fn restarts(cell: &CellResult, end: f64) -> Vec<f64> {
    let closed = cell.target.restarts.iter().filter_map(|restart| restart.closed_at_s);
    closed.filter(|at| (0.0..=end).contains(at)).collect()
}

/// The longest queue of each listener, of a group only.
fn each_queue(cell: &CellResult, group: usize) -> Vec<Values> {
    let depth = |seen: &QueueInterval| seen.accept_queue.map(f64::from);
    let queues = &cell.timeline.queues;
    if queues.len() < 2 {
        return Vec::new();
    }
    queues.iter().map(|one| joined(one, group, depth, f64::max)).collect()
}

/// One value for each `group` of intervals.
fn joined<T>(
    intervals: &[T],
    group: usize,
    value: impl Fn(&T) -> Option<f64>,
    join: fn(f64, f64) -> f64,
) -> Values {
    let groups = intervals.chunks(group);
    groups.map(|group| group.iter().filter_map(&value).reduce(join)).collect()
}
