//! What the values of a metric mean.

use super::Judging;
use super::more_runs::{Standing, fewest};
use super::values::{Gathered, Standing as Behind};
use crate::measure::Metric;
use crate::measure::comparison::{Better, Change, ComparedMetric, Effect, Scale};
use crate::units::human_nanos;
use crate::verdict::reading::without_lag;
use crate::verdict::statistics::{Difference, Interval, RankTest, holm, interval, least_p, median};

/// This share of the least effect that matters has to be certain before a change is one.
pub const SURE_OF: f64 = 0.5;

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
    let (scale, found) = match of(Difference::of(scale))? {
        found if found.estimate.is_infinite() => (Scale::Difference, of(Difference::Plain)?),
        found => (scale, found),
    };
    let Interval { estimate, low, high, confidence } = found;
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
    if let Some(reason) = absent(one) {
        return unclear(reason, None);
    }
    let Some(effect) = effect.filter(|_| least_p(base, candidate) <= alpha) else {
        let reason = format!(
            "too few runs: {base} and {candidate}, where {} a side are the least",
            fewest(alpha, metrics)
        );
        return unclear(reason, more_runs);
    };
    let beyond = beyond(effect, minimum_effect);
    // A bound from above leaves open how much better that side is, and never that it is worse.
    let (base_side, candidate_side) = &one.sides;
    let open = match beyond {
        Some(Better::Higher) => candidate_side.bounded.then_some(("candidate", candidate_side)),
        Some(Better::Lower) => base_side.bounded.then_some(("base", base_side)),
        None if base_side.bounded => Some(("base", base_side)),
        None => candidate_side.bounded.then_some(("candidate", candidate_side)),
    };
    if let Some((name, side)) = open {
        return unclear(unresolved(name, side, &metric.subject), None);
    }
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
        Some(_) if let Some(error) = covering(one) => unclear(below(error), None),
        Some(direction) if direction == metric.better => Change::Better,
        Some(_) => Change::Worse,
        None if within => Change::Same,
        None => unclear(noisy(effect, minimum_effect), more_runs),
    }
}

/// In which direction the effect matters: the estimate is past the least one that does, and the whole
/// interval past [`SURE_OF`] of it. To wait until the whole interval is past the least one would leave
/// a change of one and a half times what matters undecided on most machines.
fn beyond(effect: &Effect, minimum_effect: f64) -> Option<Better> {
    let sure = SURE_OF * minimum_effect;
    let Effect { estimate, low, high, .. } = *effect;
    if estimate > minimum_effect && low > sure {
        Some(Better::Higher)
    } else if estimate < -minimum_effect && high.is_some_and(|high| high < -sure) {
        Some(Better::Lower)
    } else {
        None
    }
}

/// Why a side's values say nothing: lag covers them.
fn unresolved(name: &str, side: &Behind, subject: &str) -> String {
    let (unresolved, runs) = (side.unresolved.len(), side.runs);
    let instead = subject.split_once('.').and_then(|(metric, statistic)| {
        let service = without_lag(Metric::from_name(metric)?)?;
        Some(format!(", or judge {}.{statistic}, which is without it", service.name()))
    });
    format!(
        "not resolved: in {unresolved} of the {name}'s {runs} runs the tool's own lag is more than half \
         of it; use a quieter machine, a lower rate{}",
        instead.unwrap_or_default()
    )
}

/// That too many runs of a side have no value: those that have one are a selection.
fn absent(one: &Gathered) -> Option<String> {
    let (base, candidate) = (one.metric.base.len(), one.metric.candidate.len());
    if base + candidate == 0 {
        return Some("nothing was measured of it in any run".to_owned());
    }
    let sides = [("base", &one.sides.0, base), ("candidate", &one.sides.1, candidate)];
    sides.into_iter().find_map(|(name, side, values)| {
        let (without, runs) = (side.lacking(values)?, side.runs);
        Some(match without == runs {
            true => format!("nothing was measured of it in the {name}'s runs"),
            false => format!("nothing was measured of it in {without} of the {name}'s {runs} runs"),
        })
    })
}

/// The tool's own error, where both sides are below it: nobody knows what such a difference is of.
fn covering(one: &Gathered) -> Option<f64> {
    let middle = |values: &[f64]| median(values).unwrap_or(0.0);
    let slower = middle(&one.metric.base).max(middle(&one.metric.candidate));
    median(&one.own_errors).filter(|error| slower < *error)
}

fn below(error: f64) -> String {
    let error = human_nanos(error as u64);
    format!("not resolved: both sides are below the tool's own error of {error}")
}

fn noisy(effect: &Effect, minimum_effect: f64) -> String {
    let unit = match effect.scale {
        Scale::Relative => "%",
        Scale::Points => "points",
        Scale::Difference => {
            return "too noisy, from nothing in most of the base's runs".to_owned();
        }
    };
    let percent = |share: f64| format!("{:+.1}", share * 100.0);
    let high = effect.high.map_or("any height".to_owned(), percent);
    format!(
        "too noisy: {} to {high} {unit}, where {:.1} {unit} matter",
        percent(effect.low),
        minimum_effect * 100.0
    )
}
