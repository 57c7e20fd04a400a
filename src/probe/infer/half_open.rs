//! SYN queues: how many half-open connections a listener keeps, and what becomes of the next one.

use super::{count, of_way, word};
use crate::measure::card::{Confidence, Experiment, Value};

/// What follows for a SYN queue whose trials varied `of`: `backlog`, or a setting's name.
pub fn syn_queue(experiment: &mut Experiment, of: &str) {
    let deferred = points(experiment, "deferred", of);
    let deaf = points(experiment, "deaf", of);
    let both = [(&deferred, "capacity"), (&deaf, "capacity_deaf")];
    let differ =
        |point: &Point| deaf.iter().any(|other| other.of == point.of && other.kept != point.kept);
    let agree = !deferred.iter().any(differ);
    let unconfirmed = deferred.iter().any(|point| point.listed.is_some_and(|n| n != point.kept));
    let sure = match (agree && !unconfirmed, deaf.is_empty()) {
        (true, false) => (Confidence::High, "two kinds of clients give the same"),
        (true, true) => (Confidence::Medium, "one kind of clients"),
        (false, _) if agree => (Confidence::Low, "sock_diag lists another number of requests"),
        (false, _) => (Confidence::Low, "two kinds of clients give different numbers"),
    };
    for (points, name) in both.iter().filter(|(points, _)| !points.is_empty()) {
        let from: Vec<_> = points.iter().map(|point| point.number).collect();
        let counts = points.iter().map(|point| (point.of, point.kept)).collect();
        let (of, unit) = (of.to_owned(), "half-open connections".to_owned());
        experiment.infer(name, Value::Counts { of, unit, points: counts }, &from, sure);
    }
    let best = if deferred.is_empty() { &deaf } else { &deferred };
    let from: Vec<_> = best.iter().map(|point| point.number).collect();
    if let Some(rule) = rule(best) {
        experiment.infer("rule", Value::word(rule), &from, sure);
    }
    let beyond: Vec<_> = deferred.iter().filter_map(|point| point.beyond.as_deref()).collect();
    if let Some(first) = beyond.first() {
        let word = if beyond.iter().all(|one| one == first) { first } else { "differs" };
        let from: Vec<_> = deferred.iter().map(|point| point.number).collect();
        experiment.infer("beyond", Value::word(word), &from, sure);
    }
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Point {
    number: usize,
    of: i64,
    kept: i64,
    /// As the kernel lists them.
    listed: Option<i64>,
    beyond: Option<String>,
}

/// Trials in which the queue's end was met.
fn points(experiment: &Experiment, way: &str, of: &str) -> Vec<Point> {
    let point = |(number, one): (usize, &crate::measure::card::Observation)| {
        let beyond = word(one, "beyond").filter(|beyond| *beyond != "not_met");
        let listed = count(one, "syn_recv");
        let kept = match way {
            "deaf" => listed.filter(|_| word(one, "beyond") != Some("not_met")),
            _ => count(one, "kept").filter(|_| beyond.is_some()),
        };
        let beyond = beyond.map(str::to_owned);
        Some(Point { number, of: count(one, of)?, kept: kept?, listed, beyond })
    };
    let mut points: Vec<_> = of_way(&experiment.observations, way).filter_map(point).collect();
    points.sort_by_key(|point| point.of);
    points
}

/// The rule that all points fit; of several that of the least words.
fn rule(points: &[Point]) -> Option<&'static str> {
    type Rule = (&'static str, fn(i64) -> i64);
    const RULES: &[Rule] = &[
        ("0", |_| 0),
        ("n", |n| n),
        ("n + 1", |n| n + 1),
        ("floor(3n/2) + 1", |n| n * 3 / 2 + 1),
        ("n - floor(n/4) + 1", |n| n - n / 4 + 1),
        ("n - floor(n/4)", |n| n - n / 4),
    ];
    let fits = |(_, rule): &&Rule| points.iter().all(|point| rule(point.of) == point.kept);
    // Any rule fits one point.
    let rule = RULES.iter().filter(|_| points.len() > 1).find(fits);
    rule.map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::card::{Instrument, Method, Observation};

    fn trials(all: &[(&str, i64, i64, &str)]) -> Experiment {
        let method = Method { instrument: Instrument::Accept, how: String::new() };
        let mut experiment = Experiment::new("tcp.syn_queue.cookies", "", method);
        for (way, n, kept, beyond) in all {
            let one = Observation::new().given("way", *way).given("backlog", *n);
            let kept_as = if *way == "deaf" { "syn_recv" } else { "kept" };
            experiment.saw(one.seen(kept_as, *kept).seen("beyond", *beyond));
        }
        syn_queue(&mut experiment, "backlog");
        experiment
    }

    fn word_of(experiment: &Experiment, name: &str) -> String {
        experiment.value(name).map_or_else(String::new, ToString::to_string)
    }

    #[test]
    fn two_ways_that_agree_are_sure_and_others_are_not() {
        // Linux 6.18.
        let seen = trials(&[
            ("deferred", 5, 6, "cookie"),
            ("deferred", 37, 38, "cookie"),
            ("deaf", 5, 6, "cookie"),
            ("deaf", 37, 38, "cookie"),
        ]);
        assert_eq!(word_of(&seen, "capacity"), "5 -> 6, 37 -> 38");
        assert_eq!(word_of(&seen, "rule"), "n + 1");
        assert_eq!(word_of(&seen, "beyond"), "cookie");
        assert!(seen.inferred.iter().all(|one| one.confidence == Confidence::High));
        assert_eq!(seen.inferred[0].from, [0, 1]);
        assert_eq!(seen.inferred[1].from, [2, 3]);
        let differ = trials(&[("deferred", 5, 6, "cookie"), ("deaf", 5, 5, "cookie")]);
        assert!(differ.inferred.iter().all(|one| one.confidence == Confidence::Low));
    }

    #[test]
    fn rules_of_other_systems_are_told() {
        for (points, expected) in [
            ([(5, 8), (16, 25)], "floor(3n/2) + 1"),
            ([(16, 13), (128, 97)], "n - floor(n/4) + 1"),
            ([(5, 5), (16, 16)], "n"),
            ([(5, 0), (16, 0)], "0"),
            ([(5, 7), (16, 16)], ""),
        ] {
            let all = points.map(|(n, kept)| ("deferred", n, kept, "dropped"));
            assert_eq!(word_of(&trials(&all), "rule"), expected);
        }
    }

    #[test]
    fn a_queue_whose_end_was_not_met_has_no_capacity() {
        let seen = trials(&[("deferred", 5, 40, "not_met"), ("deaf", 5, 40, "not_met")]);
        assert_eq!(seen.inferred, []);
        let mixed = trials(&[("deferred", 5, 6, "cookie"), ("deferred", 9, 10, "dropped")]);
        assert_eq!(word_of(&mixed, "beyond"), "differs");
    }
}
