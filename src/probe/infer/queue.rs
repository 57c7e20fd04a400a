//! What an accept queue holds, from trials with many values of the backlog.

use std::collections::BTreeMap;

use super::rules::{Fit, Unfit, fit};
use super::{count, flag};
use crate::measure::card::{Confidence, Experiment, Missing, Value};

/// One listener that was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Its observation.
    number: usize,
    /// The number given to listen(2).
    pub backlog: i64,
    /// What accept() gave.
    pub accepted: i64,
}

/// The trials in which the queue became full.
pub fn trials(experiment: &Experiment) -> impl Iterator<Item = Trial> {
    experiment.observations.iter().enumerate().filter_map(|(number, seen)| {
        let full = flag(seen, "filled") != Some(false);
        let (backlog, accepted) = (count(seen, "backlog")?, count(seen, "accepted")?);
        full.then_some(Trial { number, backlog, accepted })
    })
}

/// `capacity`, `rule`, `clamp`, `least`, `zero` and `negative` of clients that come one by one.
pub fn conclude(experiment: &mut Experiment) {
    let trials: Vec<_> = trials(experiment).collect();
    for (number, seen) in experiment.observations.iter().enumerate() {
        if flag(seen, "filled") == Some(false) {
            let backlog = count(seen, "backlog").unwrap_or_default();
            let clients = count(seen, "clients").unwrap_or_default();
            let why = format!(
                "listen({backlog}) still had places after {clients} clients (observation {number}), \
                 and there are no descriptors for more"
            );
            let remedy = "raise RLIMIT_NOFILE (ulimit -n)";
            experiment.missing.push(Missing::all(why, remedy).of("capacity"));
        }
    }
    if trials.is_empty() {
        return;
    }
    let points: BTreeMap<i64, i64> = trials.iter().map(|t| (t.backlog, t.accepted)).collect();
    let points: Vec<_> = points.into_iter().collect();
    experiment.infer("capacity", table(points.clone()), &numbers(&trials), agreed(experiment));
    let positive: Vec<_> = trials.iter().copied().filter(|trial| trial.backlog > 0).collect();
    let found = fit(&points);
    match found {
        Ok(fit) => name_rule(experiment, fit, &numbers(&positive)),
        Err(Unfit::None) if positive.len() < 2 => not_told(experiment, "rule"),
        Err(Unfit::None) => experiment.infer(
            "rule",
            Value::word("other"),
            &numbers(&positive),
            (Confidence::Medium, "none of the rules that are known gives these capacities"),
        ),
        Err(Unfit::Several) => not_told(experiment, "rule"),
    }
    edges(experiment, &trials, found.ok());
}

/// Whether all that was asked says the same as accept().
fn agreed(experiment: &Experiment) -> (Confidence, &'static str) {
    let mut witnesses = 0;
    for seen in &experiment.observations {
        let accepted = count(seen, "accepted");
        for name in ["established_by_tcp_info", "established_by_poll", "length"] {
            match count(seen, name) {
                Some(told) if Some(told) == accepted => witnesses += 1,
                Some(_) => return (Confidence::Medium, "accept() gave what others deny"),
                None => {}
            }
        }
    }
    match witnesses {
        0 => (Confidence::Medium, "accept() alone told"),
        _ => (Confidence::High, "accept() and all who were asked agree"),
    }
}

fn name_rule(experiment: &mut Experiment, fit: Fit, from: &[usize]) {
    let sure = match fit.exact {
        1 => (Confidence::Low, "it holds for one value of the backlog"),
        2 => (Confidence::Medium, "it holds for two values of the backlog"),
        _ => (Confidence::High, "it holds for three or more values of the backlog"),
    };
    experiment.infer("rule", Value::word(fit.rule), from, sure);
    if let Some((least, times)) = fit.least {
        let value = Value::count(least, "connections");
        experiment.infer("least", value, from, several(times, "small values are raised to it"));
    }
}

fn several(times: usize, because: &'static str) -> (Confidence, &'static str) {
    (if times > 1 { Confidence::High } else { Confidence::Medium }, because)
}

/// The largest capacity, and what zero and negative values mean.
fn edges(experiment: &mut Experiment, trials: &[Trial], fit: Option<Fit>) {
    let top = trials.iter().map(|trial| trial.accepted).max().unwrap_or_default();
    let cut = |trial: &&Trial| {
        let beyond = fit.is_none_or(|fit| (fit.of)(trial.backlog) > top);
        trial.accepted == top && (trial.backlog < 0 || (beyond && trial.backlog > 0))
    };
    let cut: Vec<_> = match fit {
        // Without a rule, nobody knows whether the largest value was cut.
        None => Vec::new(),
        Some(_) => trials.iter().filter(cut).copied().collect(),
    };
    let positive = trials.iter().any(|trial| trial.backlog > 0 && trial.accepted < top);
    if !cut.is_empty() && positive {
        let value = Value::count(top, "connections");
        let sure = several(cut.len(), "no value of the backlog gives more");
        experiment.infer("clamp", value, &numbers(&cut), sure);
    } else {
        not_told(experiment, "clamp");
    }
    let word = |trial: &Trial| {
        let zero = trials.iter().find(|other| other.backlog == 0);
        let by_rule = fit.map(|fit| (fit.of)(0));
        match trial.accepted {
            0 => "none",
            held if trial.backlog == 0 && Some(held) == by_rule => "by_rule",
            held if held == top && positive => "as_maximum",
            held if fit.and_then(|fit| fit.least).is_some_and(|(least, _)| least == held) => {
                "as_least"
            }
            held if trial.backlog < 0 && zero.is_some_and(|zero| zero.accepted == held) => {
                "as_zero"
            }
            _ => "other",
        }
    };
    for (name, of) in [("zero", 0..=0), ("negative", i64::MIN..=-1)] {
        let of: Vec<_> =
            trials.iter().filter(|trial| of.contains(&trial.backlog)).copied().collect();
        let Some(first) = of.first().filter(|_| positive) else { continue };
        let same = of.iter().all(|trial| word(trial) == word(first));
        let word = if same { word(first) } else { "other" };
        let sure = (Confidence::Medium, "compared with the capacities of positive values");
        experiment.infer(name, Value::word(word), &numbers(&of), sure);
    }
}

fn not_told(experiment: &mut Experiment, what: &str) {
    let missing = Missing::all(
        "the values of the backlog that were tried do not tell",
        "try more of them: small ones, some beyond the system's limit, and -1",
    );
    experiment.missing.push(missing.of(what));
}

/// `capacity`, `beyond_sequential` and `without_place` of clients that come all at once.
pub fn conclude_concurrent(experiment: &mut Experiment) {
    let trials: Vec<_> = trials(experiment).collect();
    if trials.is_empty() {
        return;
    }
    let mut by_backlog: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for trial in &trials {
        by_backlog.entry(trial.backlog).or_default().push(trial.accepted);
    }
    let same = by_backlog.values().all(|held| held.iter().all(|one| *one == held[0]));
    let sure = match same {
        true if trials.len() > by_backlog.len() => (Confidence::High, "each round gave the same"),
        true => (Confidence::Medium, "one round each"),
        false => (Confidence::Low, "rounds differ; this is what most gave"),
    };
    let points = by_backlog.iter().map(|(backlog, held)| (*backlog, usual(held))).collect();
    experiment.infer("capacity", table(points), &numbers(&trials), sure);
    let beyond = |seen| count(seen, "accepted") > count(seen, "sequential");
    let believing = |seen| count(seen, "without_place").is_some_and(|count| count > 0);
    let chance = (Confidence::Medium, "chance decides: another round may differ");
    let seen = &experiment.observations;
    let (beyond, believing) = (seen.iter().any(beyond), seen.iter().any(believing));
    for (name, sometimes) in [("beyond_sequential", beyond), ("without_place", believing)] {
        let word = if sometimes { "sometimes" } else { "never" };
        experiment.infer(name, Value::word(word), &numbers(&trials), chance);
    }
}

/// What was found most often; the smaller of two.
fn usual(held: &[i64]) -> i64 {
    let times = |one: &i64| held.iter().filter(|other| *other == one).count();
    let best = held.iter().max_by_key(|one| (times(one), std::cmp::Reverse(**one)));
    best.copied().unwrap_or_default()
}

fn table(points: Vec<(i64, i64)>) -> Value {
    Value::Counts { of: "backlog".to_owned(), unit: "connections".to_owned(), points }
}

fn numbers(trials: &[Trial]) -> Vec<usize> {
    trials.iter().map(|trial| trial.number).collect()
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
