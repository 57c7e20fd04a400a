//! Results to a judgement: limits, validity, verdict. Pure.

mod limits;
mod validity;

use crate::measure::result::{LimitResult, RunResult, Status, Verdict};

pub use limits::{Judged, judge};
pub use validity::{Offer, generator_limited, sampler_lossy};

/// The judgement over a run whose cells and limits are final.
pub fn verdict(run: &RunResult) -> Verdict {
    let several = run.cells.len() > 1;
    let invalid: Vec<String> = run
        .cells
        .iter()
        .flat_map(|cell| cell.validity.reasons.iter().map(|reason| (&cell.name, reason)))
        .map(|(cell, reason)| if several { format!("{cell}: {reason}") } else { reason.clone() })
        .collect();
    if !invalid.is_empty() {
        return Verdict::Invalid { reasons: invalid };
    }
    let mut doubts = Vec::new();
    if let Status::Partial { reason } = &run.status {
        doubts.push(format!("the run is partial: {reason}"));
    }
    doubts.extend(run.limits.iter().filter(|limit| limit.holds.is_none()).map(unjudged));
    if !doubts.is_empty() {
        return Verdict::Inconclusive { reasons: doubts };
    }
    if run.limits.iter().any(|limit| limit.holds == Some(false)) {
        return Verdict::Fail;
    }
    Verdict::Pass
}

fn unjudged(limit: &LimitResult) -> String {
    format!(
        "{} {} cannot be judged in {}: nothing was measured",
        limit.subject, limit.condition, limit.cell
    )
}
