//! Limits: each with the value that was measured.

use super::reading::{Reading, read};
use super::validity::{Judgement, lag_decides};
use crate::measure::result::{CellResult, LimitResult};
use crate::scenario::plan::{Bound, Limit};
use crate::units::human_nanos;

/// A limit on one cell, judged; with why the cell is invalid where lag decides the outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The limit and its measured value.
    pub result: LimitResult,
    /// The value as a number: nanoseconds, a count, or a share from 0 to 1.
    pub value: Option<f64>,
    /// Why the value cannot be trusted.
    pub distrust: Option<String>,
}

/// Judges one limit on one cell; a limit on a metric gives one result for each load that has it.
pub fn judge(limit: &Limit, cell: &CellResult) -> Vec<Judged> {
    read(&limit.subject, cell).into_iter().map(|reading| one(limit, cell, reading)).collect()
}

fn one(limit: &Limit, cell: &CellResult, reading: Reading) -> Judged {
    let value = reading.amount.and_then(|amount| match limit.bound {
        Bound::Share(_) => amount.share(),
        _ => Some(amount.count()),
    });
    let (bound, condition) = match limit.bound {
        Bound::Time(span) => (span.nanos() as f64, span.to_string()),
        Bound::Count(count) => (count, count.to_string()),
        Bound::Share(share) => (share, format!("{}%", share * 100.0)),
        Bound::Rate(per_second) => (per_second, format!("{per_second}/s")),
    };
    let measured = value.map(|value| match (limit.bound, reading.amount) {
        (Bound::Time(_), _) => human_nanos(value as u64),
        (Bound::Share(_), Some(amount)) => {
            format!("{:.3}% ({})", value * 100.0, amount.count())
        }
        (Bound::Rate(_), _) => format!("{value:.1}/s"),
        _ => value.to_string(),
    });
    let mut holds = value.map(|value| limit.comparison.holds(value, bound));
    // Such a latency is "not resolved", never "fast enough".
    let low = |value: f64| value.max(bound) < cell.validity.resolution as f64;
    let timed = matches!(limit.bound, Bound::Time(_));
    if holds == Some(true) && timed && reading.is_observed() && value.is_some_and(low) {
        holds = None;
    }
    let distrust = match timed {
        true => value.and_then(|value| distrust(limit, cell, &reading, value, bound)),
        false => None,
    };
    let condition = format!("{} {condition}", limit.comparison);
    let Reading { load, subject, .. } = reading;
    let result = LimitResult { cell: cell.name.clone(), load, subject, condition, measured, holds };
    Judged { result, value, distrust }
}

fn distrust(
    limit: &Limit,
    cell: &CellResult,
    reading: &Reading,
    latency: f64,
    bound: f64,
) -> Option<String> {
    let (lag, service) = (reading.lag(cell)?, reading.service(cell)?);
    let judgement = Judgement {
        value: latency,
        lag,
        holds: limit.comparison.holds(latency, bound),
        holds_without_lag: limit.comparison.holds(service, bound),
        bound,
    };
    lag_decides(&judgement).then(|| {
        format!(
            "schedule lag explains more than half of {} of {}: {} of {}; use a quieter machine \
             or a lower rate",
            reading.subject,
            reading.load.as_deref().unwrap_or("all"),
            human_nanos(lag as u64),
            human_nanos(latency as u64),
        )
    })
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
