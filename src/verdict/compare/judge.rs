//! What the values of a metric mean.

use super::Judging;
use super::more_runs::{Standing, fewest};
use super::values::Gathered;
use crate::measure::comparison::{Better, Change, ComparedMetric, Effect, Measure, Scale};
use crate::units::human_nanos;
use crate::verdict::statistics::{Difference, Interval, RankTest, holm, interval, least_p, median};

/// More than this share of a side's runs must not be unresolved.
const MOST_UNRESOLVED: f64 = 0.25;

/// Each metric with its effect and what it means, in the order given.
///
/// Those that count share alpha by Holm's correction; the others, which decide nothing, are shown
/// with their p as it is.
pub fn judged(gathered: Vec<Gathered>, how: &Judging) -> Vec<ComparedMetric> {
    let tests: Vec<Option<RankTest>> = gathered.iter().map(test).collect();
    let counting = gathered.iter().zip(&tests).map(|(one, test)| {
        // What could not raise an alarm takes no share of it.
        let test = test.as_ref().filter(|test| one.metric.counts && !test.hopeless)?;
        Some(test.p)
    });
    let counting: Vec<Option<f64>> = counting.collect();
    let shared_by = counting.iter().flatten().count();
    let corrected = holm(&counting);
    let each = gathered.into_iter().zip(tests).zip(corrected);
    each.map(|((one, test), corrected)| {
        let effect = test.and_then(|test| effect(&one, test.p, corrected.unwrap_or(test.p), how));
        let change = change(&one, effect.as_ref(), shared_by, how.alpha_now());
        ComparedMetric { effect, change, ..one.metric }
    })
    .collect()
}

fn test(one: &Gathered) -> Option<RankTest> {
    let (base, candidate) = (&one.metric.base, &one.metric.candidate);
    (!base.is_empty() && !candidate.is_empty()).then(|| RankTest::of(base, candidate))
}

fn effect(one: &Gathered, p: f64, p_corrected: f64, how: &Judging) -> Option<Effect> {
    let scale = one.scale();
    let (base, candidate) = (&one.metric.base, &one.metric.candidate);
    let of = |difference| interval(difference, base, candidate, 1.0 - how.alpha_now(), how.seed);
    let Interval { mut estimate, mut low, high, confidence } = of(Difference::of(scale))?;
    if estimate.is_infinite() || low.is_infinite() {
        // From nothing to something is no ratio: the difference is told, in the value's own unit.
        let plain = of(Difference::Plain)?;
        low = if low.is_infinite() { plain.low } else { low };
        estimate = if estimate.is_infinite() { plain.estimate.max(low) } else { estimate };
    }
    let high = high.is_finite().then_some(high);
    Some(Effect { scale, estimate, low, high, confidence, p, p_corrected })
}

/// The judgement; `shared_by` is the number of metrics among which `alpha` is divided.
fn change(one: &Gathered, effect: Option<&Effect>, shared_by: usize, alpha: f64) -> Change {
    let metric = &one.metric;
    let (base, candidate) = (metric.base.len(), metric.candidate.len());
    let minimum_effect = metric.minimum_effect;
    let metrics = if metric.counts { shared_by } else { 1 };
    let runs = base.min(candidate);
    let more_runs = Standing { runs, minimum_effect, alpha, metrics }.more_runs(effect);
    let unclear = |reason, more_runs| Change::Inconclusive { reason, more_runs };
    if let Some(reason) = unresolved(one) {
        return unclear(reason, None);
    }
    if runs == 0 {
        return unclear(absent(base, candidate), None);
    }
    let Some(effect) = effect.filter(|_| least_p(base, candidate) <= alpha) else {
        let reason = format!(
            "too few runs: {base} and {candidate}, where {} a side are the least",
            fewest(alpha, 1)
        );
        return unclear(reason, more_runs);
    };
    let beyond = match effect {
        Effect { low, .. } if *low > minimum_effect => Some(Better::Higher),
        Effect { high: Some(high), .. } if *high < -minimum_effect => Some(Better::Lower),
        _ => None,
    };
    let within =
        effect.low >= -minimum_effect && effect.high.is_some_and(|high| high <= minimum_effect);
    match beyond {
        Some(_) if effect.p_corrected > alpha => {
            let reason = format!(
                "too few runs: chance is not excluded (p = {:.3}) among {metrics} metrics",
                effect.p_corrected
            );
            unclear(reason, more_runs)
        }
        Some(_) if below_resolution(one) => unclear(below(one), None),
        Some(direction) if direction == metric.better => Change::Better,
        Some(_) => Change::Worse,
        None if within => Change::Same,
        None => unclear(noisy(effect, minimum_effect), more_runs),
    }
}

/// Why too many runs say nothing of it.
fn unresolved(one: &Gathered) -> Option<String> {
    let sides = [
        ("base", one.unresolved.0, one.metric.base.len()),
        ("candidate", one.unresolved.1, one.metric.candidate.len()),
    ];
    sides.into_iter().find_map(|(side, unresolved, resolved)| {
        let runs = unresolved + resolved;
        (unresolved as f64 > MOST_UNRESOLVED * runs as f64).then(|| {
            format!(
                "not resolved: in {unresolved} of the {side}'s {runs} runs the tool's own lag is \
                 more than half of it; use a quieter machine or a lower rate"
            )
        })
    })
}

fn absent(base: usize, candidate: usize) -> String {
    let whose = match (base, candidate) {
        (0, 0) => "in any run",
        (0, _) => "in the base's runs",
        _ => "in the candidate's runs",
    };
    format!("nothing was measured of it {whose}")
}

/// Whether both sides are below what the tool resolves: nobody knows what such a difference is of.
fn below_resolution(one: &Gathered) -> bool {
    let Some(resolution) = one.resolution else { return false };
    let middle = |values: &[f64]| median(values).unwrap_or(0.0);
    middle(&one.metric.base).max(middle(&one.metric.candidate)) < resolution
}

fn below(one: &Gathered) -> String {
    let resolution = one.resolution.unwrap_or_default();
    let resolution = match one.metric.unit {
        Measure::Nanoseconds => human_nanos(resolution as u64),
        Measure::Share | Measure::Count | Measure::PerSecond => resolution.to_string(),
    };
    format!("not resolved: both sides are below the tool's own error of {resolution}")
}

fn noisy(effect: &Effect, minimum_effect: f64) -> String {
    let unit = match effect.scale {
        Scale::Relative => "%",
        Scale::Points => "points",
    };
    let percent = |share: f64| format!("{:+.1}", share * 100.0);
    let high = effect.high.map_or("any height".to_owned(), percent);
    format!(
        "too noisy: {} to {high} {unit}, where {:.1} {unit} matter",
        percent(effect.low),
        minimum_effect * 100.0
    )
}
