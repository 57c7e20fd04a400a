//! Limits: judged with the measured value beside each.

use super::common::{Bench, Folder, Said};
use serde_json::Value;

/// Six of twenty get into the queue of a target that accepts nothing.
const CROWD: &str = r#"
name = "crowd"
[target]
accept = "never"
backlog = 5
[[load]]
name = "a"
arrivals = "burst"
size = 20
timeout = "300ms"
hold = "1s"
workers = 1
[[load]]
name = "b"
rate = "20/s"
attempts = 4
start = "2s"
timeout = "300ms"
"#;

/// A limit, whether it holds, and how the measured value is shown.
type Row = (&'static str, &'static str, bool, &'static str);

const LIMITS: &[Row] = &[
    ("outcomes.timeout", "<= 10%", false, "75.000% (18)"),
    ("outcomes.timeout", "== 0", false, "18"),
    ("outcomes.timeout", "<= 90%", true, "75.000% (18)"),
    ("outcomes.ok", ">= 7", false, "6"),
    ("outcomes.ok", "== 6", true, "6"),
    ("outcomes.refused", "!= 0", false, "0"),
    ("load.a.outcomes.timeout", "<= 13", false, "14"),
    ("load.a.outcomes.timeout", "<= 70%", true, "70.000% (14)"),
    ("load.b.outcomes.timeout", "< 100%", false, "100.000% (4)"),
    ("counters.ListenOverflows", "== 0", false, ""),
    ("counters.ListenOverflows", ">= 14", true, ""),
    ("connect.count", "> 6", false, "6"),
    ("load.a.connect.max", "<= 1ns", false, "s"),
    ("load.a.connect.p50", "<= 10s", true, "s"),
];

fn judged(limits: &[(&str, &str)]) -> (Said, Value) {
    let lines: Vec<String> =
        limits.iter().map(|(subject, bound)| format!("\"{subject}\" = \"{bound}\"\n")).collect();
    let bench = Bench::new(&format!("{CROWD}[limits]\n{}", lines.concat()));
    let said = bench.run(&[]);
    (said, Folder(bench.out().into()).json())
}

#[test]
fn each_limit_is_judged_with_its_measured_value() {
    // A table may not hold a key twice, so that a second bound goes into a second run.
    let mut runs: [Vec<&Row>; 2] = Default::default();
    for row in LIMITS {
        let second = usize::from(runs[0].iter().any(|(subject, ..)| *subject == row.0));
        match runs[second].iter().any(|(subject, ..)| *subject == row.0) {
            false => runs[second].push(row),
            true => runs[0].retain(|other| other.0 != row.0),
        }
    }
    for rows in runs {
        let limits: Vec<_> = rows.iter().map(|(subject, bound, ..)| (*subject, *bound)).collect();
        let (said, run) = judged(&limits);
        // 4: the machine's noise made the run invalid; the limits are judged all the same.
        said.exits(&[1, 4]);
        let results = run["limits"].as_array().unwrap();
        for (subject, bound, holds, shown) in rows {
            let short = subject.trim_start_matches("load.a.").trim_start_matches("load.b.");
            let found =
                results.iter().filter(|r| r["subject"] == short && r["condition"] == *bound);
            let found: Vec<_> = found.filter(|r| r["measured"] != Value::Null).collect();
            assert!(!found.is_empty(), "{subject} {bound} in {results:?}");
            for result in found {
                assert_eq!(result["holds"], *holds, "{result}");
                let measured = result["measured"].as_str().unwrap();
                assert!(measured.contains(shown), "{result}");
                said.tells(&[short, bound]);
                if !holds {
                    said.tells(&[measured]);
                }
            }
        }
    }
}

#[test]
fn a_limit_on_what_was_not_measured_is_inconclusive() {
    let (said, run) = judged(&[("counters.NoSuchCounter", "== 0")]);
    said.exits(&[4]).tells(&["counters.NoSuchCounter"]);
    assert_eq!(run["limits"][0]["holds"], Value::Null);
    assert_eq!(run["limits"][0]["measured"], Value::Null);
}

#[test]
fn limits_of_a_sweep_are_judged_in_each_cell() {
    let sweep = "[limits]\n\"outcomes.ok\" = \">= 7\"\n[sweep]\ntarget.backlog = [5, 9]\n";
    let bench = Bench::new(&format!("{CROWD}{sweep}"));
    bench.run(&[]).exits(&[1, 4]);
    let run = bench.result().json();
    let holds: Vec<_> = run["limits"].as_array().unwrap().iter().map(|l| &l["holds"]).collect();
    assert_eq!(holds, [false, true], "{}", run["limits"]);
}
