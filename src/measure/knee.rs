//! A search for the highest value of a key at which a limit still holds.

use serde::{Deserialize, Serialize};

/// The search and what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KneeResult {
    /// Path of the key that was varied, such as `load.rate`.
    pub over: String,
    /// The limit, such as `counters.ListenOverflows == 0`.
    pub until: String,
    /// Every value tried, in the order of trying.
    pub steps: Vec<KneeStep>,
    /// The highest value at which the limit held each time; `None` where it never did.
    pub holds: Option<String>,
    /// The lowest value above it at which it broke; `None` where it never did.
    pub breaks: Option<String>,
    /// How sure that is, one sentence.
    pub confidence: String,
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
    /// Whether the limit held; `None` where that run cannot tell.
    pub holds: Option<bool>,
}
