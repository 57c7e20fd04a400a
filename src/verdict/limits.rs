//! Limits: each with the value that was measured.

use hdrhistogram::Histogram;

use super::validity::{Judgement, lag_decides};
use crate::measure::result::{Cause, CellResult, LimitResult, MetricResult};
use crate::measure::{Metric, decode, empty, percentile};
use crate::scenario::plan::{Bound, Limit, Statistic, Subject};
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
    match &limit.subject {
        Subject::Metric { load, metric, statistic } => {
            by_metric(limit, cell, load.as_deref(), metric, *statistic)
        }
        Subject::Outcome { load, outcome } => {
            vec![by_outcome(limit, cell, load.as_deref(), outcome)]
        }
        Subject::Class { load, class } => {
            vec![by_class(limit, cell, load.as_deref(), class)]
        }
        Subject::Counter(name) => {
            let value = cell.counter(name).map(|grown| grown as f64);
            vec![plain(limit, cell, None, format!("counters.{name}"), value, value)]
        }
        Subject::Loss(cause) => vec![by_loss(limit, cell, cause.as_deref())],
    }
}

fn by_metric(
    limit: &Limit,
    cell: &CellResult,
    load: Option<&str>,
    metric: &str,
    statistic: Statistic,
) -> Vec<Judged> {
    let subject = format!("{metric}.{}", name(statistic));
    let measured = cell.metrics.iter().filter(|measured| {
        measured.metric.name() == metric && load.is_none_or(|load| measured.load == load)
    });
    let judged: Vec<Judged> = measured
        .filter_map(|measured| {
            let value = value(&measured.histogram, statistic)?;
            let mut judged =
                plain(limit, cell, Some(measured.load.clone()), subject.clone(), Some(value), None);
            judged.distrust = distrust(limit, cell, measured, statistic, value);
            if judged.result.holds == Some(true) && unresolved(limit, cell, measured, value) {
                judged.result.holds = None;
            }
            Some(judged)
        })
        .collect();
    if judged.is_empty() {
        let load = load.map(str::to_owned);
        return vec![plain(limit, cell, load, subject, None, None)];
    }
    judged
}

/// Whether value and bound are both below what the cell resolves: such a latency is "not
/// resolved", never "fast enough".
fn unresolved(limit: &Limit, cell: &CellResult, measured: &MetricResult, latency: f64) -> bool {
    let Bound::Time(bound) = limit.bound else { return false };
    // Each that the tool's own clock readings begin or end.
    let observed = matches!(
        measured.metric,
        Metric::Connect
            | Metric::ConnectService
            | Metric::Request
            | Metric::RequestService
            | Metric::Owd
            | Metric::OwdService
            | Metric::Ipdv
            | Metric::IpdvService
            | Metric::Jitter
            | Metric::JitterService
            | Metric::Rtt
            | Metric::RttService
    );
    observed && latency.max(bound.nanos() as f64) < cell.validity.resolution as f64
}

/// The same latency from the issued instant, for those that begin at the intended one.
fn without_lag(metric: Metric) -> Option<Metric> {
    match metric {
        Metric::Connect => Some(Metric::ConnectService),
        Metric::Request => Some(Metric::RequestService),
        Metric::Owd => Some(Metric::OwdService),
        Metric::Ipdv => Some(Metric::IpdvService),
        Metric::Jitter => Some(Metric::JitterService),
        Metric::Rtt => Some(Metric::RttService),
        _ => None,
    }
}

fn distrust(
    limit: &Limit,
    cell: &CellResult,
    measured: &MetricResult,
    statistic: Statistic,
    latency: f64,
) -> Option<String> {
    let Bound::Time(bound) = limit.bound else { return None };
    let bound = bound.nanos() as f64;
    let service = cell.metric(&measured.load, without_lag(measured.metric)?)?;
    let service = value(&service.histogram, statistic)?;
    let lag = lag(cell, &measured.load, statistic)?;
    let judgement = Judgement {
        value: latency,
        lag,
        holds: limit.comparison.holds(latency, bound),
        holds_without_lag: limit.comparison.holds(service, bound),
        bound,
    };
    lag_decides(&judgement).then(|| {
        format!(
            "schedule lag explains more than half of {}.{} of {}: {} of {}; use a quieter machine \
             or a lower rate",
            measured.metric,
            name(statistic),
            measured.load,
            human_nanos(lag as u64),
            human_nanos(latency as u64),
        )
    })
}

/// The statistic of a load's lag; of all loads' together, where the target measured over all.
fn lag(cell: &CellResult, load: &str, statistic: Statistic) -> Option<f64> {
    if let Some(own) = cell.metric(load, Metric::Lag) {
        return value(&own.histogram, statistic);
    }
    let mut all = empty();
    for lag in cell.metrics.iter().filter(|measured| measured.metric == Metric::Lag) {
        all.add(&decode(&lag.histogram)?).ok()?;
    }
    of(&all, statistic)
}

/// Datagrams that were lost, as a count or as a share of those that might have been.
fn by_loss(limit: &Limit, cell: &CellResult, name: Option<&str>) -> Judged {
    let subject = limit.subject.to_string();
    let cause = name.map(Cause::from_name);
    let lost = match (&cell.datagrams, cause) {
        (None, _) | (_, Some(None)) => None,
        (Some(datagrams), cause) => datagrams.lost_of(cause.flatten()),
    };
    let count = lost.map(|(count, _)| count as f64);
    let value = match limit.bound {
        Bound::Share(_) => lost.and_then(|(n, of)| (of > 0).then(|| n as f64 / of as f64)),
        _ => count,
    };
    plain(limit, cell, None, subject, value, count)
}

fn by_outcome(limit: &Limit, cell: &CellResult, load: Option<&str>, outcome: &str) -> Judged {
    let mut count = 0;
    let mut attempts = 0;
    for result in cell.loads.iter().filter(|result| load.is_none_or(|load| result.name == load)) {
        attempts += result.attempts;
        let connects = result.outcomes.iter().filter(|(class, _)| class.name() == outcome);
        let endings = result.endings.iter().filter(|(class, _)| class.name() == outcome);
        count += connects.map(|(_, n)| n).chain(endings.map(|(_, n)| n)).sum::<u64>();
    }
    let known = (attempts > 0).then_some((count, attempts));
    of_attempts(limit, cell, load, format!("outcomes.{outcome}"), known)
}

fn by_class(limit: &Limit, cell: &CellResult, load: Option<&str>, class: &str) -> Judged {
    let known = cell.classes.as_ref().and_then(|classes| {
        let own = classes.classes.iter().filter(|one| load.is_none_or(|load| one.load == load));
        let attempts = own.clone().map(|one| one.count).fold(0, u64::saturating_add);
        let count = own.filter(|one| one.class.name() == class).map(|one| one.count);
        (attempts > 0).then_some((count.fold(0, u64::saturating_add), attempts))
    });
    of_attempts(limit, cell, load, format!("classes.{class}"), known)
}

/// Some of all attempts, as a count or as a share; `None` where there were none, or nobody knows.
fn of_attempts(
    limit: &Limit,
    cell: &CellResult,
    load: Option<&str>,
    subject: String,
    known: Option<(u64, u64)>,
) -> Judged {
    let value = known.map(|(count, attempts)| match limit.bound {
        Bound::Share(_) => count as f64 / attempts as f64,
        _ => count as f64,
    });
    let count = known.map(|(count, _)| count as f64);
    plain(limit, cell, load.map(str::to_owned), subject, value, count)
}

/// A limit with its value; `count` is told beside a share.
fn plain(
    limit: &Limit,
    cell: &CellResult,
    load: Option<String>,
    subject: String,
    value: Option<f64>,
    count: Option<f64>,
) -> Judged {
    let (bound, condition) = match limit.bound {
        Bound::Time(span) => (span.nanos() as f64, span.to_string()),
        Bound::Count(count) => (count, count.to_string()),
        Bound::Share(share) => (share, format!("{}%", share * 100.0)),
    };
    let measured = value.map(|value| match (limit.bound, count) {
        (Bound::Time(_), _) => human_nanos(value as u64),
        (Bound::Share(_), Some(count)) => format!("{:.3}% ({count})", value * 100.0),
        _ => value.to_string(),
    });
    let holds = value.map(|value| limit.comparison.holds(value, bound));
    let condition = format!("{} {condition}", limit.comparison);
    let result = LimitResult { cell: cell.name.clone(), load, subject, condition, measured, holds };
    Judged { result, value, distrust: None }
}

/// The statistic of an encoded histogram, in the metric's unit (a count for `count`); `None`
/// without a value.
fn value(histogram: &str, statistic: Statistic) -> Option<f64> {
    of(&decode(histogram)?, statistic)
}

fn of(histogram: &Histogram<u64>, statistic: Statistic) -> Option<f64> {
    if histogram.is_empty() {
        return None;
    }
    Some(match statistic {
        Statistic::Count => histogram.len() as f64,
        Statistic::Min => histogram.min() as f64,
        Statistic::Mean => histogram.mean(),
        Statistic::Stdev => histogram.stdev(),
        Statistic::Max => histogram.max() as f64,
        Statistic::Percentile(p) => percentile(histogram, p) as f64,
    })
}

fn name(statistic: Statistic) -> String {
    match statistic {
        Statistic::Count => "count".to_owned(),
        Statistic::Min => "min".to_owned(),
        Statistic::Mean => "mean".to_owned(),
        Statistic::Stdev => "stdev".to_owned(),
        Statistic::Max => "max".to_owned(),
        Statistic::Percentile(p) => format!("p{p}"),
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
