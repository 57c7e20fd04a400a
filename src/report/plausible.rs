//! Whether runs that anybody may have written are runs at all: what the types cannot say of them.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::Value;

use crate::measure::result::{CellResult, LoadResult, MetricResult, Validity};
use crate::measure::{Summary, decode};

/// No count of a run is larger: JSON's readers keep integers exactly up to here (RFC 8259, 6), and
/// sums over a thousand runs stay within 64 bits.
const LARGEST: u64 = 1 << 53;

/// Something that cannot be in a run.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Absurd {
    /// Where, such as `cells[3].loads[0].outcomes`.
    pub place: String,
    /// What is wrong with it.
    pub why: String,
}

impl Absurd {
    /// At this place, for this reason.
    pub fn new(place: impl Display, why: impl Display) -> Self {
        Self { place: place.to_string(), why: why.to_string() }
    }
}

/// Looks at runs that were read from `place`, such as `cells`, before anything is computed from them.
///
/// # Errors
/// The first thing that cannot be: two runs of one name, counts that contradict one another, a
/// histogram that is none or not that of its figures, a number beyond all measure.
pub fn judge(place: &str, runs: &[CellResult]) -> Result<(), Absurd> {
    let mut seen = BTreeSet::new();
    for (index, run) in runs.iter().enumerate() {
        let place = format!("{place}[{index}]");
        if !seen.insert((&run.name, run.trial.map(|trial| (trial.arm, trial.run)))) {
            return Err(Absurd::new(place, format!("the run `{}` is there twice", run.name)));
        }
        judge_run(&place, run)?;
    }
    Ok(())
}

fn judge_run(place: &str, run: &CellResult) -> Result<(), Absurd> {
    for (index, metric) in run.metrics.iter().enumerate() {
        judge_metric(&format!("{place}.metrics[{index}]"), metric)?;
    }
    for (index, load) in run.loads.iter().enumerate() {
        judge_load(&format!("{place}.loads[{index}]"), load)?;
    }
    not_negative(place, &[("duration_s", run.duration_s)])?;
    judge_validity(&format!("{place}.validity"), &run.validity)?;
    let essence = serde_json::to_value(run.essence())
        .map_err(|error| Absurd::new(place, format!("it cannot be written: {error}")))?;
    measured(place, &essence)
}

fn judge_metric(place: &str, metric: &MetricResult) -> Result<(), Absurd> {
    let Some(histogram) = decode(&metric.histogram) else {
        let why = "it is no histogram of loadgen (HdrHistogram V2, deflated, base64)";
        return Err(Absurd::new(format!("{place}.histogram"), why));
    };
    let ranks = |summary: &Summary| {
        let Summary { count, min, p50, p90, p99, p999, p9999, max, .. } = *summary;
        [count, min, p50, p90, p99, p999, p9999, max]
    };
    let (told, held) = (metric.summary, Summary::of(&histogram));
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
    let same =
        ranks(&told) == ranks(&held) && near(told.mean, held.mean) && near(told.stdev, held.stdev);
    same.then_some(()).ok_or_else(|| {
        let why = format!(
            "its figures are not those of its histogram (count {}, p50 {}, p99 {}, max {})",
            held.count, held.p50, held.p99, held.max
        );
        Absurd::new(format!("{place}.summary"), why)
    })
}

fn judge_load(place: &str, load: &LoadResult) -> Result<(), Absurd> {
    let each = load.outcomes.values().map(|count| u128::from(*count));
    let sum: u128 = each.sum();
    if sum != u128::from(load.attempts) {
        let why = format!("they sum to {sum}, and there were {} attempts", load.attempts);
        return Err(Absurd::new(format!("{place}.outcomes"), why));
    }
    not_negative(
        place,
        &[
            ("offered_rate", load.offered_rate),
            ("achieved_rate", load.achieved_rate),
            ("achieved_ratio", load.achieved_ratio),
        ],
    )
}

fn judge_validity(place: &str, validity: &Validity) -> Result<(), Absurd> {
    not_negative(
        place,
        &[
            ("achieved_ratio", validity.achieved_ratio),
            ("steal_s", validity.steal_s),
            ("run_delay_s", validity.run_delay_s),
            ("cpu_s", validity.cpu_s.0),
            ("cpu_s", validity.cpu_s.1),
            ("sampler_lost", validity.sampler_lost),
        ],
    )
}

fn not_negative(place: &str, figures: &[(&str, f64)]) -> Result<(), Absurd> {
    match figures.iter().find(|(_, figure)| *figure < 0.0) {
        Some((name, figure)) => {
            Err(Absurd::new(format!("{place}.{name}"), format!("{figure} is below 0")))
        }
        None => Ok(()),
    }
}

/// Every number is one that can have been measured.
fn measured(place: &str, value: &Value) -> Result<(), Absurd> {
    match value {
        Value::Object(map) => {
            map.iter().try_for_each(|(key, value)| measured(&format!("{place}.{key}"), value))
        }
        Value::Array(all) => all
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| measured(&format!("{place}[{index}]"), value)),
        Value::Number(number) if number.as_f64().is_none_or(|n| n.abs() > LARGEST as f64) => {
            Err(Absurd::new(place, format!("{number} is more than anything that is measured")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Outcome;
    use crate::report::sample;

    fn told(change: impl FnOnce(&mut CellResult)) -> String {
        let mut runs = sample::sweep(&[5, 128]).cells;
        change(&mut runs[1]);
        judge("cells", &runs).expect_err("absurd").to_string()
    }

    #[test]
    fn what_was_measured_is_plausible() {
        for result in [sample::backlog(), sample::churn(), sample::datagrams(), sample::empty()] {
            judge("cells", &result.cells).expect("plausible");
        }
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        let twice = told(|run| run.name = "backlog=5".to_owned());
        assert_eq!(twice, "cells[1]: the run `backlog=5` is there twice");
        let sum = told(|run| *run.loads[0].outcomes.get_mut(&Outcome::Ok).expect("there") += 1);
        assert!(sum.starts_with("cells[1].loads[0].outcomes: they sum to"), "{sum}");
        let most = told(|run| {
            run.loads[0].outcomes.values_mut().for_each(|count| *count = u64::MAX);
        });
        assert!(most.contains("they sum to"), "{most}");
        let none = told(|run| run.metrics[0].histogram = "AAAA".to_owned());
        assert!(none.starts_with("cells[1].metrics[0].histogram: it is no"), "{none}");
        let other = told(|run| run.metrics[0].summary.p99 += 1);
        assert!(other.starts_with("cells[1].metrics[0].summary: its figures"), "{other}");
        let below = told(|run| run.duration_s = -1.0);
        assert_eq!(below, "cells[1].duration_s: -1 is below 0");
        let huge = told(|run| run.validity.lag_p99 = u64::MAX);
        assert!(huge.starts_with("cells[1].validity.lag_p99: 18446744073709551615"), "{huge}");
        let huge = told(|run| run.validity.steal_s = 1e300);
        assert!(huge.contains("validity.steal_s: 1e+300 is more than"), "{huge}");
    }
}
