//! What an accept queue holds, from trials with many values of the backlog.

use std::collections::BTreeMap;

use super::rules::{Fit, Unfit, fit};
use super::{count, flag};
use crate::measure::card::{Confidence, Experiment, Missing, Observation, Value};

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

/// `capacity`, `limit`, `rule`, `clamp`, `least`, `zero` and `negative` of clients that come one by one.
pub fn conclude(experiment: &mut Experiment) {
    let trials: Vec<_> = trials(experiment).collect();
    for (number, seen) in experiment.observations.iter().enumerate() {
        if flag(seen, "filled") == Some(false) {
            let backlog = count(seen, "backlog").unwrap_or_default();
            let clients = count(seen, "clients").unwrap_or_default();
            let why = format!(
                "listen({backlog}) still had places after {clients} clients (observation {number}), \
                 and there are no descriptors or ports for more"
            );
            let remedy = "raise RLIMIT_NOFILE (ulimit -n), or lower the system's own limit";
            experiment.missing.push(Missing::all(why, remedy).of("capacity"));
        }
    }
    if trials.is_empty() {
        return;
    }
    let points: BTreeMap<i64, i64> = trials.iter().map(|t| (t.backlog, t.accepted)).collect();
    let points: Vec<_> = points.into_iter().collect();
    experiment.infer("capacity", table(points.clone()), &numbers(&trials), agreed(experiment));
    limits(experiment);
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

/// `limit` that the listener itself tells, where it does.
fn limits(experiment: &mut Experiment) {
    let told = experiment.observations.iter().enumerate().filter_map(|(number, seen)| {
        Some((number, (count(seen, "backlog")?, count(seen, "limit")?)))
    });
    let (from, mut points): (Vec<_>, Vec<_>) = told.unzip();
    points.sort_unstable();
    points.dedup();
    if points.is_empty() {
        let missing = Missing::all("listeners do not tell it here", "none is known");
        experiment.missing.push(missing.of("limit"));
    } else {
        let sure = (Confidence::High, "TCP_INFO of the listener");
        experiment.infer("limit", table(points), &from, sure);
    }
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

/// `capacity` of clients that come all at once; `beyond_sequential` and `without_place` where some
/// round showed it. That none did is no proof: chance decides which handshakes meet.
pub fn conclude_concurrent(experiment: &mut Experiment) {
    let trials: Vec<_> = trials(experiment).collect();
    if trials.is_empty() {
        not_told(experiment, "capacity");
        return;
    }
    let mut by_backlog: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for Trial { backlog, accepted, .. } in &trials {
        let (least, most) = by_backlog.entry(*backlog).or_insert((*accepted, *accepted));
        (*least, *most) = ((*least).min(*accepted), (*most).max(*accepted));
    }
    let sure = match by_backlog.values().all(|(least, most)| least == most) {
        true if trials.len() > by_backlog.len() => (Confidence::High, "each round gave the same"),
        true => (Confidence::Medium, "one round each"),
        false => (Confidence::Medium, "rounds differ; so many had a place in each of them"),
    };
    let points = by_backlog.iter().map(|(backlog, (least, _))| (*backlog, *least)).collect();
    experiment.infer("capacity", table(points), &numbers(&trials), sure);
    let beyond = |seen: &Observation| count(seen, "accepted") > count(seen, "sequential");
    let believing =
        |seen: &Observation| count(seen, "without_place").is_some_and(|count| count > 0);
    sometimes(experiment, "beyond_sequential", beyond);
    sometimes(experiment, "without_place", believing);
}

/// What chance brings about: `sometimes`, by the rounds that showed it.
fn sometimes(experiment: &mut Experiment, name: &str, shows: impl Fn(&Observation) -> bool) {
    let all = experiment.observations.iter().enumerate();
    let from: Vec<_> = all.filter(|(_, seen)| shows(seen)).map(|(number, _)| number).collect();
    let sure = match from.len() {
        0 => {
            let why = format!("none of {} rounds showed it", experiment.observations.len());
            let missing = Missing::all(why, "try more rounds (--full), on more processors");
            return experiment.missing.push(missing.of(name));
        }
        1 => (Confidence::Medium, "one round showed it"),
        _ => (Confidence::High, "several rounds showed it"),
    };
    experiment.infer(name, Value::word("sometimes"), &from, sure);
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
