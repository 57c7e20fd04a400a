//! A candidate's runs against a base's: better, worse, the same, or nobody knows. Pure.

use crate::measure::comparison::{ComparisonResult, Looks};
use crate::measure::sample::Sample;
use crate::scenario::plan::Subject;

/// What is judged, and how strictly.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    /// What counts; empty for the metrics that count by themselves.
    pub wanted: Vec<Wanted>,
    /// The least effect that matters, as a ratio's distance from 1.
    pub minimum_effect: f64,
    /// Wanted rate of false alarms over all metrics together.
    pub alpha: f64,
    /// Whether unlike sides are compared nevertheless.
    pub accept_unlike: bool,
    /// Which look this is, where several are taken.
    pub looks: Option<Looks>,
    /// Seed of the bootstrap's draws.
    pub seed: u64,
}

/// One thing that is to count.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What.
    pub subject: Subject,
    /// The least effect that matters for it, where it has its own.
    pub minimum_effect: Option<f64>,
}

impl Default for Judging {
    fn default() -> Self {
        Self {
            wanted: Vec::new(),
            minimum_effect: 0.1,
            alpha: 0.05,
            accept_unlike: false,
            looks: None,
            seed: 1,
        }
    }
}

/// A side and its name.
pub type Named<'a> = (&'a str, &'a Sample);

/// Compares a candidate with its base, whose runs are the units.
pub fn compare(base: Named, candidate: Named, how: &Judging) -> ComparisonResult {
    todo!("part A: {base:?} {candidate:?} {how:?}")
}
