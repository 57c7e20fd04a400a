//! A search for the highest value of a key at which a limit still holds.

use serde::{Deserialize, Serialize};

use crate::scenario::plan::Limit;

/// The search and what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KneeResult {
    /// Path of the key that was varied, such as `load.rate`.
    pub over: String,
    /// The limit, such as `counters.ListenOverflows == 0`.
    pub until: String,
    /// The same, as it was judged.
    #[serde(default)]
    pub limit: Option<Limit>,
    /// Which values break the limit; `None` where that did not come out.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// Every value tried, in the order of trying.
    pub steps: Vec<KneeStep>,
    /// The highest value at which the limit held each time (the lowest, where lower ones break it);
    /// `None` where it never did.
    pub holds: Option<String>,
    /// The nearest value beyond it at which it broke each time; `None` where it never did.
    pub breaks: Option<String>,
    /// Whether the edges came as close as was asked, each tried as often as was asked.
    #[serde(default)]
    pub converged: bool,
    /// How sure that is, one sentence.
    pub confidence: String,
    /// What else should be known, one sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Which values of a key break a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// High ones, as of a rate.
    Rising,
    /// Low ones, as of a backlog.
    Falling,
}

/// One value that was tried, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KneeStep {
    /// Name of its cell in the run.
    pub cell: String,
    /// The value as a number, in the key's own unit.
    pub value: f64,
    /// The value as text.
    pub text: String,
    /// What was measured for the limit, as text.
    pub measured: Option<String>,
    /// The same as a number: nanoseconds, a count, or a share from 0 to 1.
    #[serde(default)]
    pub figure: Option<f64>,
    /// Whether the limit held; `None` where that run cannot tell.
    pub holds: Option<bool>,
    /// Why it cannot.
    #[serde(default)]
    pub doubt: Option<String>,
}
