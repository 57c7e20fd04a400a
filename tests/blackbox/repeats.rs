//! `run --repeat` and `run --versus`: many runs in one folder, in turn.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{Bench, Folder, PROGRAM, WATCHDOG, call, children, number, skipped, until};

/// Requests at random instants; a run of 0.3 s.
const SHORT: &str = "name = \"short\"\n[target]\nservice = \"2ms\"\n\
     [[load]]\nclient = \"request\"\nrate = \"100/s\"\narrivals = \"poisson\"\n\
     duration = \"300ms\"\n";
const SLOWER: &str = "target.service=20ms";

/// The cells in the order in which they ran.
fn in_turn(folder: &Folder) -> Vec<Value> {
    let mut cells = folder.cells();
    cells.sort_by_key(|cell| number(cell, "turn.place"));
    cells
}

fn names(cells: &[Value]) -> Vec<String> {
    cells.iter().map(|cell| cell["name"].as_str().unwrap().to_owned()).collect()
}

/// Runs that the machine's noise has spoilt.
fn invalid_runs(folder: &Folder) -> usize {
    let reasons = |cell: &Value| cell["validity"]["reasons"].as_array().unwrap().len();
    folder.cells().iter().filter(|cell| reasons(cell) > 0).count()
}

/// Attempts that the schedule of a run wanted.
fn offered(folder: &Folder, name: &str) -> u64 {
    let cells = folder.cells();
    let cell = cells.iter().find(|cell| cell["name"] == name).unwrap_or_else(|| panic!("{name}"));
    number(cell, "loads.0.offered")
}

#[test]
fn repeated_runs_are_cells_with_arrivals_of_their_own() {
    let bench = Bench::new(SHORT);
    let said = bench.run(&["--repeat", "3"]);
    said.exits(&[0, 4]).tells(&["warm-up: base", "run 3 of 3: base,run=3"]);
    let folder = bench.result();
    let run = folder.json();
    assert_eq!(run["status"]["status"], "complete");
    let expected = ["base,run=1", "base,run=2", "base,run=3"];
    assert_eq!(names(&folder.cells()), expected);
    assert_eq!(names(run["scenario"]["cells"].as_array().unwrap()), expected);
    assert_eq!(run["cells"][1]["trial"], serde_json::json!({"arm": "base", "run": 2}));
    let repeats = &run["repeats"];
    assert_eq!((number(repeats, "wanted"), number(repeats, "warm_ups")), (3, 1));
    assert_eq!((&repeats["candidate"], &repeats["comparison"]), (&Value::Null, &Value::Null));
    assert_eq!(repeats["base"]["cells"][0]["name"], "all");
    let counts: BTreeSet<u64> = expected.iter().map(|name| offered(&folder, name)).collect();
    assert!(counts.len() > 1, "each has draws of its own: {counts:?}");
    for entry in fs::read_dir(folder.0.join("histograms")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with("base,run="), "nothing is kept of the warm-up: {name}");
    }
    let tables: BTreeSet<String> =
        folder.table("summary.csv").iter().map(|row| row["cell"].clone()).collect();
    assert_eq!(tables, expected.map(str::to_owned).into());

    let (scenario, out) = (bench.scenario(), bench.out());
    let resumed = call(&["run", &scenario, "--resume", &out]);
    resumed.exits(&[2]).tells(&["a series of repeated runs, which has to be made anew"]);
}

#[test]
fn a_slower_candidate_in_turn_with_its_base_fails() {
    let bench = Bench::new(SHORT);
    let said = bench.run(&["--versus-set", SLOWER, "--pairs", "8"]);
    said.exits(&[1, 4]).tells(&["warm-up: candidate", "pair 8 of 8"]);
    let folder = bench.result();
    let repeats = &folder.json()["repeats"];
    if said.code == 1 {
        assert_eq!(repeats["comparison"]["verdict"]["change"], "worse");
        said.tells(&["verdict: fail"]);
    } else {
        let invalid = invalid_runs(&folder);
        assert!(invalid > 2, "so clear a difference is seen: {said}");
        skipped("a slower candidate", &format!("{invalid} of 16 runs were invalid"));
    }
    assert_eq!(repeats["comparison"]["candidate"]["name"], SLOWER);
    assert_eq!(repeats["comparison"]["base"]["name"], "short");
    let arms: Vec<String> =
        in_turn(&folder).iter().map(|cell| cell["trial"]["arm"].to_string()).collect();
    assert_eq!(arms.len(), 16);
    for block in arms.chunks(4) {
        assert!(block[0] == block[3] && block[1] == block[2] && block[0] != block[1], "{arms:?}");
    }
    for run in 1..=8 {
        let of = |arm: &str| offered(&folder, &format!("{arm},run={run}"));
        assert_eq!(of("base"), of("candidate"), "both sides of a pair have the same arrivals");
    }
}

#[test]
fn runs_end_when_the_comparison_is_conclusive() {
    let bench = Bench::new(SHORT);
    let slower = bench.path("slower.toml");
    fs::write(&slower, SHORT.replace("2ms", "20ms")).unwrap();
    let said =
        bench.run(&["--versus", &slower, "--until-conclusive", "--max-pairs", "20", "--quiet"]);
    said.exits(&[1]);
    assert!(said.stdout.starts_with("verdict: fail"), "{said}");
    assert_eq!(said.stderr, "");
    let run = bench.result().json();
    let comparison = &run["repeats"]["comparison"];
    let pairs = run["cells"].as_array().unwrap().len() as u64 / 2;
    let at = number(comparison, "looks.at") as usize;
    let planned = comparison["looks"]["after"].as_array().unwrap();
    assert_eq!(planned[at - 1].as_u64(), Some(pairs));
    assert!(pairs < 20, "a tenfold service time is seen long before");
    assert_eq!(run["status"]["status"], "complete");
    assert_eq!(comparison["candidate"]["name"].as_str(), Some(slower.as_str()));

    let again = call(&["compare", &bench.out(), "--format", "json"]);
    again.exits(&[1]);
    assert_eq!(serde_json::from_str::<Value>(&again.stdout).unwrap(), *comparison, "not anew");
    // What was looked at in between stays so, whatever else is judged.
    let other = call(&["compare", &bench.out(), "--fail-on", "request.p50", "--format", "json"]);
    let other: Value = serde_json::from_str(&other.stdout).unwrap();
    assert_eq!(other["looks"], comparison["looks"]);
}

#[test]
fn each_run_makes_every_combination_of_a_sweep() {
    let sweep = format!("{SHORT}[sweep]\n\"target.backlog\" = [4, 64]\n");
    let bench = Bench::new(&sweep);
    bench.run(&["--repeat", "2"]).exits(&[0, 4]);
    let folder = bench.result();
    assert_eq!(
        names(&folder.cells()),
        [
            "backlog=4,base,run=1",
            "backlog=4,base,run=2",
            "backlog=64,base,run=1",
            "backlog=64,base,run=2"
        ]
    );
    let runs: Vec<u64> = in_turn(&folder).iter().map(|cell| number(cell, "trial.run")).collect();
    assert_eq!(runs, [1, 1, 2, 2]);
    let bench = Bench::new(&sweep);
    bench
        .run(&["--versus-set", "target.backlog=4"])
        .exits(&[2])
        .tells(&["the base has target.backlog = [4, 64], the candidate none", "same [sweep]"]);
    assert!(bench.wrote_nothing());
}

#[test]
fn an_interrupted_series_has_the_comparison_of_its_whole_pairs() {
    let bench = Bench::new(SHORT);
    let running = bench.start(&["--versus-set", SLOWER, "--pairs", "60"]);
    until("a whole pair", WATCHDOG, || {
        let text = fs::read_to_string(bench.result().0.join("run.json")).ok()?;
        (text.matches("\"trial\": {").count() > 4).then_some(())
    });
    running.signal(Signal::SIGINT);
    running.finish().exits(&[130]).tells(&["interrupted", "of 60 runs a side"]);
    let run = bench.result().json();
    assert_eq!(run["status"]["status"], "partial");
    let compared = &run["repeats"]["comparison"];
    for side in ["base", "candidate"] {
        let runs = number(compared, &format!("{side}.runs"));
        assert!((1..60).contains(&runs), "{compared}");
    }
}

#[test]
fn a_target_that_dies_once_costs_one_run() {
    let bench = Bench::new(&SHORT.replace("300ms", "1s"));
    let running = bench.start(&["--repeat", "3"]);
    // Its only children are targets; that of the warm-up goes before the first result.
    until("the second run", WATCHDOG, || {
        let text = fs::read_to_string(bench.result().0.join("run.json")).ok()?;
        text.contains("\"name\": \"base,run=1\"").then_some(())
    });
    let target = until("its target", WATCHDOG, || children(running.pid()).first().copied());
    std::thread::sleep(Duration::from_millis(400));
    kill(Pid::from_raw(target), Signal::SIGKILL).unwrap();
    let said = running.finish();
    said.exits(&[0, 4]).tells(&["a run of the base failed: "]);
    let run = bench.result().json();
    assert_eq!(run["status"]["status"], "complete", "three runs were made");
    let cells = run["cells"].as_array().unwrap();
    let lost = run["repeats"]["lost"].as_array().unwrap().len();
    let partial = cells.iter().filter(|cell| cell["status"]["status"] == "partial").count();
    assert_eq!((cells.len() + lost, partial + lost), (3, 1), "{}", run["repeats"]["lost"]);
}

/// What starts our own target.
fn serve() -> String {
    format!("{} serve --stdio", PROGRAM)
}

/// A name for a target's socket that no other test has.
fn socket(name: &str) -> String {
    format!("target.address=unix:@loadgen-repeats-{name}-{}", std::process::id())
}

#[test]
fn a_target_that_does_not_start_any_more_is_given_up() {
    let bench = Bench::new(SHORT);
    let starts = bench.path("starts");
    // The warm-up and the first run have one.
    let script = format!(
        "echo >> {starts}; if [ $(wc -l < {starts}) -gt 2 ]; then exit 7; fi; exec {}",
        serve()
    );
    let command = format!("target.command=[\"sh\", \"-c\", \"{script}\"]");
    let said = bench.run(&["--repeat", "9", "--set", &command, "--set", &socket("once")]);
    said.exits(&[3]).tells(&["given up after 3 failed runs of the base in a row"]);
    let run = bench.result().json();
    assert_eq!(run["status"]["status"], "partial");
    assert_eq!(names(run["cells"].as_array().unwrap()), ["base,run=1"]);
    let lost: Vec<_> = run["repeats"]["lost"].as_array().unwrap().iter().collect();
    assert_eq!(lost.len(), 3);
    assert_eq!(lost[2]["cell"], "base,run=4");
    let reason = lost[2]["reason"].as_str().unwrap();
    assert!(reason.contains('7'), "its exit status is told: {reason}");
}

#[test]
fn what_cannot_be_repeated_is_refused_before_anything_starts() {
    let bench = Bench::new(SHORT);
    let cases: [(&[&str], &str); 12] = [
        (&["--repeat", "0"], "0 is not in 1..=1000"),
        (&["--repeat", "100000"], "100000 is not in 1..=1000"),
        (&["--repeat", "2", "--versus-set", SLOWER], "cannot be used with"),
        (&["--pairs", "3"], "--versus"),
        (&["--until-conclusive"], "--versus"),
        (&["--max-pairs", "3", "--versus-set", SLOWER], "--until-conclusive"),
        (&["--pairs", "3", "--until-conclusive", "--versus-set", SLOWER], "cannot be used with"),
        (&["--fail-on", "request.p99"], "--versus"),
        (&["--min-effect", "5%"], "--versus"),
        (&["--versus-set", "target.servise=2ms"], "--versus-set #1"),
        (&["--versus", "/nowhere.toml"], "/nowhere.toml"),
        (
            &["--pairs", "300", "--versus-set", SLOWER, "--set", "sweep.target.backlog=[4, 8]"],
            "300 runs of 2 sides with 2 combinations each are 1200 in all, and a result holds 1000",
        ),
    ];
    for (arguments, told) in cases {
        bench.run(arguments).exits(&[2]).tells(&[told]);
        assert!(bench.wrote_nothing(), "{arguments:?}");
    }
}

#[test]
fn two_target_commands_are_compared() {
    let bench = Bench::new(SHORT);
    let command =
        |shell: &str| format!("target.command=[\"{shell}\", \"-c\", \"exec {}\"]", serve());
    let (one, other) = (command("sh"), command("/bin/sh"));
    let address = socket("two");
    let said =
        bench.run(&["--set", &one, "--set", &address, "--versus-set", &other, "--pairs", "1"]);
    said.exits(&[0, 4]);
    let run = bench.result().json();
    let of = |side: &str| run["repeats"][side]["cells"][0]["target"]["command"][0].clone();
    assert_eq!((of("base"), of("candidate")), ("sh".into(), "/bin/sh".into()));
    let cells = run["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    for cell in cells {
        assert!(number(cell, "ledger.established") > 0, "both were reached: {}", cell["ledger"]);
    }
}
