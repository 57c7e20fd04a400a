//! Repeated runs of one scenario: what a comparison takes, and what a baseline keeps.

use serde::{Deserialize, Serialize};

use super::result::{CellResult, Environment, RunResult};
use super::timeline::Timeline;
use super::trial::{Arm, LostRun};
use crate::scenario::plan::Plan;

/// Runs of one scenario in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Version of the program that measured them.
    pub loadgen_version: String,
    /// The scenario as resolved; each combination of its sweep once, under the name that it has
    /// without repetition.
    pub scenario: Plan,
    /// Where and how the first of them was made.
    pub environment: Environment,
    /// Runs that left no result; a baseline has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostRun>,
    /// Every run of every combination, in the order in which they ran, with what a comparison can
    /// judge; see [`CellResult::essence`].
    pub runs: Vec<CellResult>,
}

impl Sample {
    /// The runs of one side of a result; `None` where it has no such side, or is a search. A result
    /// without repetition is one run of its base.
    pub fn of(result: &RunResult, arm: Arm) -> Option<Self> {
        let scenario = match (&result.repeats, arm) {
            _ if result.knee.is_some() => return None,
            (None, Arm::Base) => &result.scenario,
            (Some(repeats), Arm::Base) => &repeats.base,
            (Some(repeats), Arm::Candidate) => repeats.candidate.as_ref()?,
            (None, Arm::Candidate) => return None,
        };
        let of_arm = |cell: &&CellResult| match cell.trial {
            None => arm == Arm::Base,
            Some(trial) => trial.arm == arm,
        };
        let mut runs: Vec<_> = result.cells.iter().filter(of_arm).collect();
        runs.sort_by_key(|cell| cell.turn.as_ref().map(|turn| turn.place));
        let runs = runs.into_iter().map(|cell| {
            let planned = scenario.cells.iter().find(|planned| planned.axes == cell.axes);
            let name = planned.map_or(&cell.name, |planned| &planned.name).clone();
            CellResult { name, ..cell.essence() }
        });
        let lost = result.repeats.iter().flat_map(|repeats| &repeats.lost);
        let lost = lost.filter(|lost| lost.trial.arm == arm).cloned().collect();
        Some(Self {
            lost,
            loadgen_version: result.loadgen_version.clone(),
            scenario: scenario.clone(),
            environment: result.environment.clone(),
            runs: runs.collect(),
        })
    }
}

impl CellResult {
    /// What is kept of a cell where it is one of many: its metrics with whole histograms, counts,
    /// ledgers and counters, and neither timeline nor findings.
    pub fn essence(&self) -> Self {
        Self {
            timeline: Timeline::default(),
            prediction: None,
            wire: None,
            findings: Vec::new(),
            ..self.clone()
        }
    }
}
