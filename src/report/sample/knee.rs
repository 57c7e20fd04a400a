//! A search.

use super::sweep;
use crate::measure::result::{Direction, KneeResult, KneeStep, RunResult};
use crate::scenario::plan::{Bound, Comparison, Limit, Subject};

/// A search over a rate, which found its knee just below 500/s.
pub fn knee() -> RunResult {
    let mut result = sweep(&[5, 128, 1024]);
    let step = |(rate, drops): (f64, u64)| KneeStep {
        cell: format!("load.rate={rate}_s,run=1"),
        value: rate,
        text: format!("{rate}/s"),
        measured: Some(drops.to_string()),
        figure: Some(drops as f64),
        holds: (rate < 8e3).then_some(drops == 0),
        doubt: (rate >= 8e3).then(|| "the generator was late".to_owned()),
    };
    let steps = [
        (300.0, 0),
        (600.0, 912),
        (424.0, 0),
        (504.0, 12),
        (462.0, 0),
        (494.0, 0),
        (494.0, 0),
        (504.0, 14),
        (8000.0, 70_912),
    ];
    result.knee = Some(KneeResult {
        over: "load.rate".to_owned(),
        until: "counters.ListenOverflows == 0".to_owned(),
        limit: Some(Limit {
            subject: Subject::Counter("ListenOverflows".to_owned()),
            comparison: Comparison::Equal,
            bound: Bound::Count(0.0),
        }),
        direction: Some(Direction::Rising),
        steps: steps.into_iter().map(step).collect(),
        holds: Some("494/s".to_owned()),
        breaks: Some("504/s".to_owned()),
        converged: true,
        confidence: "held in 2 of 2 runs at 494/s, broke in 2 of 2 at 504/s".to_owned(),
        notes: vec!["the accept queue's 129 places take a surplus of 16.1/s".to_owned()],
    });
    result
}
