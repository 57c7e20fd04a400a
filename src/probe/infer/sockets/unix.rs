//! Queues of AF_UNIX.

use super::{number, points, word};
use crate::measure::card::{Confidence, Datum, Experiment, Missing, Observation, Value};

/// A rule's name, and the capacity by what is given to listen(2).
type Rule = (&'static str, fn(i64) -> i64);

/// Rules of systems.
const RULES: [Rule; 3] =
    [("n + 1", |n| n + 1), ("n", |n| n), ("floor(3n/2) + 1", |n| 3 * n / 2 + 1)];

/// The word for an errno by name.
fn meaning(errno: &str) -> &'static str {
    match errno {
        "EAGAIN" => "again",
        "ECONNREFUSED" => "refused",
        "ENOBUFS" | "ENOMEM" => "no_buffer",
        "ETIMEDOUT" | "EINPROGRESS" => "waits",
        _ => "other",
    }
}

/// The observations of one trial by name, and their numbers.
fn of<'a>(experiment: &'a Experiment, trial: &str) -> Vec<(usize, &'a Observation)> {
    let all = experiment.observations.iter().enumerate();
    all.filter(|(_, one)| word(&one.given, "trial") == Some(trial)).collect()
}

/// Of listeners: capacity, its rule, what follows when it is full, and in which order they are
/// accepted.
pub fn queue(experiment: &mut Experiment) {
    let filled: Vec<(usize, i64, i64, String)> = of(experiment, "fill")
        .into_iter()
        .filter_map(|(at, one)| {
            let error = word(&one.seen, "error")?.to_owned();
            Some((at, number(&one.given, "backlog")?, number(&one.seen, "accepted")?, error))
        })
        .collect();
    let from: Vec<_> = filled.iter().map(|(at, ..)| *at).collect();
    if !filled.is_empty() {
        let mut held: Vec<_> = filled.iter().map(|(_, n, held, _)| (*n, *held)).collect();
        held.sort_unstable();
        held.dedup();
        let sure = (Confidence::High, "so many were accepted, and the next connect() failed");
        experiment.infer("capacity", points("backlog", "connections", held), &from, sure);
    }
    // What is negative or above the system's limit has rules of its own.
    let most = filled.iter().map(|(_, _, held, _)| *held).max();
    let plain: Vec<_> = filled
        .iter()
        .filter(|(_, n, held, _)| *n > 0 && (*held < most.unwrap_or(0) || *n < *held))
        .collect();
    let fits = RULES.iter().find(|(_, rule)| plain.iter().all(|(_, n, held, _)| rule(*n) == *held));
    if let Some((rule, _)) = fits.filter(|_| plain.len() > 1) {
        let from: Vec<_> = plain.iter().map(|(at, ..)| *at).collect();
        let sure = (Confidence::High, "every positive backlog obeys it, and no other rule fits");
        experiment.infer("rule", Value::word(*rule), &from, sure);
    }
    beyond(experiment, filled.iter().map(|(at, _, _, error)| (*at, meaning(error))).collect());
    blocking(experiment);
    order(experiment);
}

/// The word for the error beyond what fits.
fn beyond(experiment: &mut Experiment, seen: Vec<(usize, &'static str)>) {
    let Some((_, first)) = seen.first().copied() else { return };
    let from: Vec<_> = seen.iter().map(|(at, _)| *at).collect();
    let same = seen.iter().all(|(_, other)| *other == first);
    let (word, sure) = match same && seen.len() > 1 {
        true => (first, (Confidence::High, "each time")),
        false if same => (first, (Confidence::Medium, "seen once")),
        false => ("other", (Confidence::Low, "errors differ")),
    };
    experiment.infer("beyond", Value::word(word), &from, sure);
}

fn blocking(experiment: &mut Experiment) {
    let seen: Vec<_> = of(experiment, "blocking")
        .into_iter()
        .filter_map(|(at, one)| {
            let patience = measure(one.given.get("patience_s"))?;
            let took = measure(one.seen.get("took_s"))?;
            let error = word(&one.seen, "error")?;
            // A time-out that came at once was the answer that a full queue gives.
            let waited = took >= 0.9 * patience;
            let word = match meaning(error) {
                "waits" | "again" => {
                    if waited {
                        "waits"
                    } else {
                        "again"
                    }
                }
                other => other,
            };
            Some((at, word))
        })
        .collect();
    let Some((at, word)) = seen.first().copied() else { return };
    let sure = (Confidence::Medium, "one client, until SO_SNDTIMEO ended its wait or it failed");
    experiment.infer("blocking", Value::word(word), &[at], sure);
}

fn order(experiment: &mut Experiment) {
    let Some((at, accepted)) = of(experiment, "order").into_iter().find_map(|(at, one)| {
        let numbers: Option<Vec<i64>> =
            word(&one.seen, "accepted")?.split_whitespace().map(|n| n.parse().ok()).collect();
        Some((at, numbers?))
    }) else {
        return;
    };
    if accepted.len() < 3 {
        let why = format!("{} connections were accepted, too few to tell", accepted.len());
        return experiment.missing.push(Missing::all(why, "none is known").of("order"));
    }
    let word = match () {
        () if accepted.is_sorted() => "fifo",
        () if accepted.is_sorted_by(|a, b| a >= b) => "lifo",
        () => "other",
    };
    let sure = (Confidence::Medium, "by the number that each client had sent, seen once");
    experiment.infer("order", Value::word(word), &[at], sure);
}

fn measure(datum: Option<&Datum>) -> Option<f64> {
    match datum {
        Some(Datum::Measure(measure)) => Some(*measure),
        _ => None,
    }
}

/// Of datagrams that nobody reads: how many wait, and what follows.
pub fn datagrams(experiment: &mut Experiment) {
    let filled: Vec<(usize, i64, String)> = of(experiment, "fill")
        .into_iter()
        .filter_map(|(at, one)| {
            Some((at, number(&one.seen, "held")?, word(&one.seen, "error")?.to_owned()))
        })
        .collect();
    let Some((_, held, _)) = filled.first() else { return };
    let from: Vec<_> = filled.iter().map(|(at, ..)| *at).collect();
    let same = filled.iter().all(|(_, other, _)| other == held) && filled.len() > 1;
    let sure = match same {
        true => (Confidence::High, "so many were read, each time, and the next send() failed"),
        false => (Confidence::Low, "seen once, or not each time alike"),
    };
    experiment.infer("capacity", Value::count(*held, "datagrams"), &from, sure);
    beyond(experiment, filled.iter().map(|(at, _, error)| (*at, meaning(error))).collect());
}
