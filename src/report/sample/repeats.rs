//! Repeated runs of two sides.

use super::{comparison, sweep};
use crate::measure::result::Arm;
use crate::measure::result::{RepeatsResult, RunResult, Trial, Verdict};

/// So many pairs of runs, interleaved, and how their sides compare.
pub fn repeats(pairs: u32) -> RunResult {
    let mut result = sweep(&[128]);
    (result.limits, result.verdict) = (vec![], Verdict::Fail);
    result.scenario.sweep.clear();
    let plan = result.scenario.clone();
    let mut cell = result.cells.remove(0);
    cell.axes.clear();
    for run in 1..=pairs {
        let arms = [Arm::Base, Arm::Candidate];
        for arm in if run % 2 == 0 { [arms[1], arms[0]] } else { arms } {
            let name = match arm {
                Arm::Base => format!("base,run={run}"),
                Arm::Candidate => format!("candidate,run={run}"),
            };
            let trial = Some(Trial { arm, run });
            result.cells.push(crate::measure::result::CellResult { name, trial, ..cell.clone() });
        }
    }
    result.repeats = Some(RepeatsResult {
        base: plan.clone(),
        candidate: Some(plan),
        wanted: pairs,
        warm_ups: 1,
        lost: Vec::new(),
        comparison: Some(comparison::worse()),
    });
    result
}
