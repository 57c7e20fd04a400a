//! Why a run's verdict is what it is.

use super::comparison::words;
use crate::measure::result::{RunResult, Verdict};

/// What the verdict rests upon, as parts of a sentence; empty for a run that simply passed.
pub fn grounds(result: &RunResult) -> Vec<String> {
    let compared = result.repeats.as_ref().and_then(|repeats| repeats.comparison.as_ref());
    match &result.verdict {
        Verdict::Pass => compared.map(words::told).into_iter().collect(),
        Verdict::Fail => compared.map(words::told).into_iter().chain(broken(result)).collect(),
        Verdict::Inconclusive { reasons } | Verdict::Invalid { reasons } => reasons.clone(),
    }
}

/// How many limits are broken; `None` where all hold.
fn broken(result: &RunResult) -> Option<String> {
    let broken = result.limits.iter().filter(|limit| limit.holds == Some(false)).count();
    let over = if result.repeats.is_some() { " over all runs" } else { "" };
    (broken > 0).then(|| format!("{broken} of {} limits broken{over}", result.limits.len()))
}
