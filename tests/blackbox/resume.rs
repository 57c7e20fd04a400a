//! Sweeps: their order, and taking one up again that was cut short.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::common::{Bench, Folder, Said, call, narrow, number, until};

const SWEEP: &str = r#"
name = "four"
seed = 5
[target]
accept = "200/s"
[[load]]
name = "a"
rate = "100/s"
duration = "500ms"
greet = true
[sweep]
target.backlog = [16, 64]
load.rate = ["50/s", "100/s", "150/s"]
"#;

fn resume(bench: &Bench, arguments: &[&str]) -> Said {
    let (scenario, out) = (bench.scenario(), bench.out());
    let said = call(&[&["run", &scenario, "--resume", &out], arguments].concat());
    narrow(&said.stdout);
    said
}

fn names(cells: &[Value]) -> Vec<&str> {
    cells.iter().map(|cell| cell["name"].as_str().unwrap()).collect()
}

/// Names of cells in the order in which they ran.
fn as_run(cells: &[Value]) -> Vec<String> {
    let mut cells = cells.to_vec();
    cells.sort_by_key(|cell| number(cell, "turn.place"));
    names(&cells).into_iter().map(str::to_owned).collect()
}

fn logs(folder: &Folder) -> BTreeSet<String> {
    let entries = fs::read_dir(folder.0.join("histograms")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A run whose third cell was under way when it got this signal.
fn cut_short(signal: Signal) -> Bench {
    let bench = Bench::new(SWEEP);
    let mut runner = bench.start(&[]);
    let folder = bench.result();
    until("the third cell", Duration::from_secs(30), || {
        assert!(runner.is_alive(), "it ended by itself");
        let done = fs::read(folder.0.join("run.json")).ok()?;
        let run: Value = serde_json::from_slice(&done).ok()?;
        let done = run["cells"].as_array()?.len();
        let begun: BTreeSet<_> = logs(&folder).iter().map(|log| cell_of(log)).collect();
        (done == 2 && begun.len() == 3).then_some(())
    });
    runner.signal(signal);
    let said = runner.finish();
    said.exits(&[128 + signal as i32, 130]);
    assert_eq!(folder.json()["status"]["status"], "partial");
    bench
}

fn cell_of(log: &str) -> String {
    log.split(".a.").next().unwrap().split(".target.").next().unwrap().to_owned()
}

/// The resumed run is as one that was never cut short.
fn is_whole_again(bench: &Bench) {
    let whole = Bench::new(SWEEP);
    whole.run(&[]).exits(&[0, 4]);
    let said = resume(bench, &[]);
    said.exits(&[0, 4]).tells(&["resuming: 2 of 6 cells are done", "cell 3 of 6", "resumed: at"]);
    let (expected, found) = (whole.result(), bench.result());
    let (run, other) = (found.json(), expected.json());
    assert_eq!(run["status"]["status"], "complete", "{}", run["status"]);
    assert_eq!(run["scenario"], other["scenario"]);
    let (cells, others) = (found.cells(), expected.cells());
    assert_eq!(names(&cells), names(&others), "the plan's order");
    assert_eq!(as_run(&cells), as_run(&others), "the seed's order");
    assert_ne!(as_run(&cells), names(&cells), "which is another");
    for (cell, other) in cells.iter().zip(&others) {
        assert_eq!(cell["status"]["status"], "complete");
        assert_eq!(number(cell, "ledger.attempts"), number(other, "ledger.attempts"));
        let part = number(cell, "turn.part");
        assert_eq!(part, u64::from(number(cell, "turn.place") > 2), "{}", cell["turn"]);
    }
    assert_eq!(run["resumed"].as_array().unwrap().len(), 1);
    assert_eq!(found.files(), expected.files());
    assert_eq!(logs(&found), logs(&expected));
    for log in logs(&found) {
        let text = fs::read_to_string(found.0.join("histograms").join(&log)).unwrap();
        assert_eq!(text.matches("#[StartTime").count(), 1, "{log} was begun anew");
    }
    for table in ["summary.csv", "outcomes.csv"] {
        let cells = |folder: &Folder| -> Vec<_> {
            folder.table(table).into_iter().map(|row| row["cell"].clone()).collect()
        };
        assert_eq!(cells(&found), cells(&expected), "{table}");
    }
}

#[test]
fn a_sweep_that_was_killed_is_resumed() {
    is_whole_again(&cut_short(Signal::SIGKILL));
}

#[test]
fn a_sweep_that_was_interrupted_is_resumed() {
    let bench = cut_short(Signal::SIGINT);
    is_whole_again(&bench);
    // Once it is complete, there is nothing to do.
    let before = fs::read(bench.result().0.join("run.json")).unwrap();
    resume(&bench, &[]).exits(&[0, 4]).tells(&["nothing to resume", "verdict:"]);
    assert_eq!(fs::read(bench.result().0.join("run.json")).unwrap(), before);
}

#[test]
fn only_the_same_run_is_resumed() {
    let bench = cut_short(Signal::SIGKILL);
    let before = bench.result().files();
    for (arguments, told) in [
        (&["--seed", "6"][..], "seed was 5, and is 6"),
        (&["--set", "load.timeout=3s"], "cells[].loads[].timeout was"),
        (&["--set", "target.backlog=16"], "cells was a list of 6, and is a list of 3"),
        (&["--out", "/tmp/x"], "cannot be used with"),
    ] {
        resume(&bench, arguments).exits(&[2]).tells(&[told]);
    }
    assert_eq!(bench.result().files(), before, "nothing was touched");
    let run = bench.result().0.join("run.json");
    for rubbish in ["", "{", "[]", "{\"schema_version\": 99}", &"[".repeat(100_000)] {
        fs::write(&run, rubbish).unwrap();
        resume(&bench, &[]).exits(&[2]).tells(&["run.json"]);
    }
    fs::remove_file(&run).unwrap();
    resume(&bench, &[]).exits(&[2]).tells(&["there is no run to resume"]);
}

#[test]
fn a_run_under_way_is_not_resumed_nor_replaced() {
    let bench = Bench::new("name = \"long\"\n[[load]]\nrate = \"50/s\"\nduration = \"20s\"\n");
    let mut runner = bench.start(&[]);
    super::common::until_connecting(&bench, &mut runner);
    resume(&bench, &[]).exits(&[2]).tells(&["a run is still writing there"]);
    bench.run(&["--force"]).exits(&[2]).tells(&["a run is still writing there"]);
    runner.signal(Signal::SIGINT);
    runner.finish().exits(&[130]);
}

#[test]
fn the_written_order_can_be_had() {
    let bench = Bench::new(SWEEP);
    let said = bench.run(&["--order", "written", "--set", "load.duration=100ms"]);
    said.exits(&[0, 4]).tells(&["cell 1 of 6: backlog=16,rate=50_s; ", "s left"]);
    let cells = bench.result().cells();
    assert_eq!(as_run(&cells), names(&cells));
}
