//! What the theory of queues says about a cell, beside what was measured.

use serde::{Deserialize, Serialize};

/// A prediction of an accept queue of finite length, and the measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionResult {
    /// `closed_form`, or `simulation`: a seeded discrete-event simulation of the same schedule.
    pub method: String,
    /// The queue in Kendall's notation, with a few words.
    pub model: String,
    /// Connections that the queue holds: the limit + 1, over all listeners.
    pub places: u64,
    /// Acceptors.
    pub acceptors: u32,
    /// Attempts a second that were offered.
    pub arrival_rate: f64,
    /// Connections a second that the acceptors can take together.
    pub accept_rate: f64,
    /// What is predicted.
    pub predicted: FlowResult,
    /// How far schedules of other seeds depart from it at most: what chance alone can do.
    #[serde(default)]
    pub spread: FlowResult,
    /// What was measured.
    pub measured: FlowResult,
    /// What is taken for granted, one sentence each.
    pub assumptions: Vec<String>,
}

/// How clients fare at a queue.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FlowResult {
    /// Share of the SYNs, repeated ones included, that found no place; from 0 to 1.
    pub blocking: f64,
    /// Mean wait in the queue of those accepted, in seconds; `None` where it was not measured.
    pub mean_wait_s: Option<f64>,
}
