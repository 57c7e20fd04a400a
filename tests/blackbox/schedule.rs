//! Open loop: a slow target changes neither the number nor the instants of attempts.

use std::collections::BTreeMap;

use super::common::{Bench, Folder, ledgers_add_up, measure, metric, number};

const POISSON: &str = r#"
name = "open"
[target]
backlog = 2000
[[load]]
name = "a"
arrivals = "poisson"
rate = "300/s"
duration = "3s"
timeout = "10s"
workers = 1
"#;
const STALL: &str = "target.stall=[{ from = \"0.5s\", to = \"2.5s\" }]";
const SMALL: &str = "target.backlog=16";

/// Attempts by the interval in which the schedule *wanted* them. The heat map holds each attempt
/// that was established, and here all are.
fn wanted(result: &Folder) -> BTreeMap<u64, u64> {
    let cell = result.cell();
    let attempts = ledgers_add_up(&cell);
    assert_eq!(number(&cell, "ledger.established"), attempts, "all get in");
    let mut by_interval = BTreeMap::new();
    for place in cell["timeline"]["heat"]["places"].as_array().unwrap() {
        *by_interval.entry(number(place, "0")).or_default() += number(place, "2");
    }
    assert_eq!(by_interval.values().sum::<u64>(), attempts);
    by_interval
}

/// Attempts that had been issued at the end of each interval.
fn issued(result: &Folder) -> Vec<u64> {
    let rows = result.table("timeline.csv");
    let counts = rows.iter().map(|row| row["attempts"].parse::<u64>().unwrap());
    counts
        .scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        })
        .collect()
}

fn longest_lag_in_intervals(result: &Folder) -> usize {
    let lag = metric(&result.cell(), "a", "lag").expect("lag");
    (number(&lag, "summary.max") / 100_000_000 + 1) as usize
}

#[test]
fn a_stalling_target_changes_no_attempt() {
    let (_a, calm) = measure(POISSON, &["--seed", "7"]);
    let (wanted_calm, issued_calm) = (wanted(&calm), issued(&calm));
    // A long queue that takes the stall's clients, and a short one that makes them retry.
    for sets in [&["--set", STALL][..], &["--set", STALL, "--set", SMALL]] {
        let (_b, stalled) = measure(POISSON, &[&["--seed", "7"], sets].concat());
        let worst = number(&metric(&stalled.cell(), "a", "connect").unwrap(), "summary.max");
        let short = sets.len() > 2;
        assert!(!short || worst > 900_000_000, "the stall is felt: {worst} ns");
        assert_eq!(wanted(&stalled), wanted_calm, "the instants are the schedule's");

        // What is issued trails what is wanted by the lag, which each run has measured.
        let issued_stalled = issued(&stalled);
        let lag = longest_lag_in_intervals(&calm).max(longest_lag_in_intervals(&stalled));
        for (one, other) in [(&issued_calm, &issued_stalled), (&issued_stalled, &issued_calm)] {
            for (index, count) in one.iter().enumerate() {
                let later = other.get(index + lag).or(other.last()).unwrap();
                assert!(later >= count, "interval {index}: {count} and, {lag} later, {later}");
            }
        }
    }
}

#[test]
fn a_seed_repeats_and_another_differs() {
    let short = ["--set", "load.duration=1s", "--seed"];
    let of = |seed: &str| {
        let (_bench, result) = measure(POISSON, &[&short[..], &[seed]].concat());
        wanted(&result)
    };
    let (one, again, other) = (of("3"), of("3"), of("4"));
    assert_eq!(one, again);
    assert_ne!(one, other);
}

#[test]
fn a_constant_rate_is_kept_to_the_attempt() {
    let (_bench, result) =
        measure("name = \"c\"\n[[load]]\nname = \"a\"\nrate = \"200/s\"\nduration = \"1s\"\n", &[]);
    assert!(wanted(&result).values().all(|count| *count == 20), "{:?}", wanted(&result));
}

#[test]
fn far_more_than_the_machine_can_do_is_the_generators_fault() {
    let bench = Bench::new(
        "name = \"much\"\n[[load]]\nname = \"a\"\nrate = \"400000/s\"\nduration = \"1s\"\nclose = \"rst\"\n",
    );
    let said = bench.run(&[]);
    said.exits(&[4]).tells(&["INVALID", "the generator was the limit"]);
    assert!(said.took.as_secs() < 20, "{said}");
    let run = bench.result().json();
    assert_eq!(run["verdict"]["verdict"], "invalid");
    let load = &run["cells"][0]["loads"][0];
    assert_eq!(number(load, "offered"), 400_000, "{load}");
    assert_eq!(number(load, "attempts") + number(load, "unissued"), 400_000);
    ledgers_add_up(&run["cells"][0]);
}
