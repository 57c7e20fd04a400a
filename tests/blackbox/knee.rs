//! Searches: the knee that is known, the one that is none, and bad questions.

use serde_json::Value;

use super::common::{Bench, Running, Said, loadgen, narrow};

fn knee(bench: &Bench, arguments: &[&str]) -> Said {
    let (scenario, out) = (bench.scenario(), bench.out());
    let mut command = loadgen(&["knee", &scenario, "--out", &out, "--force"]);
    let said = Running::start(command.args(arguments)).finish();
    narrow(&said.stdout);
    said
}

/// The value of an edge without its unit.
fn edge(run: &Value, name: &str) -> Option<f64> {
    let text = run["knee"][name].as_str()?;
    text.trim_end_matches("/s").parse().ok()
}

/// Searches until the edge that holds is near `expected`: a machine may be busy for a moment.
fn finds(bench: &Bench, arguments: &[&str], expected: f64, share: f64) -> Value {
    let near = |run: &Value| {
        let holds = edge(run, "holds").unwrap_or(0.0);
        let breaks = edge(run, "breaks").unwrap_or(0.0);
        [holds, breaks].iter().all(|edge| (edge / expected - 1.0).abs() <= share)
    };
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(knee(bench, arguments));
        let run = bench.result().json();
        if said.last().unwrap().code == 0 && near(&run) {
            return run;
        }
    }
    let said: Vec<String> = said.iter().map(Said::to_string).collect();
    panic!("never within {share} of {expected}:\n{}", said.join("\n"));
}

#[test]
fn the_rate_of_a_target_is_found() {
    let bench = Bench::new(
        "name = \"paced\"\n[target]\naccept = \"500/s\"\nbacklog = 16\n\
         [[load]]\nrate = \"400/s\"\nduration = \"2s\"\ntimeout = \"1s\"\n",
    );
    let arguments = [
        "--over",
        "load.rate",
        "--until",
        "counters.ListenOverflows == 0",
        "--within",
        "4%",
        "--repeats",
        "1",
        "--rising",
    ];
    let run = finds(&bench, &arguments, 500.0, 0.05);
    assert_eq!(run["verdict"]["verdict"], "pass");
    let knee = &run["knee"];
    assert_eq!(knee["direction"], "rising");
    let steps = knee["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["text"], &steps[1]["text"]), (&"400/s".into(), &"800/s".into()));
    let cells = run["cells"].as_array().unwrap();
    assert_eq!(cells.len(), steps.len(), "each run is a cell");
    let values: Vec<_> =
        cells.iter().map(|cell| cell["axes"][0]["value"].as_str().unwrap()).collect();
    let numbers: Vec<f64> =
        values.iter().map(|text| text.trim_end_matches("/s").parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "in order of the values: {numbers:?}");
    assert_eq!(cells[0]["name"], format!("load.rate={}_s,run=1", numbers[0]));
    assert_eq!(run["scenario"]["sweep"][0]["path"], "load.rate");
    // What each step says is what its cell measured.
    for step in steps {
        let cell = cells.iter().find(|cell| cell["name"] == step["cell"]).unwrap();
        let grown = super::common::grown(cell, "ListenOverflows");
        assert_eq!(step["figure"].as_f64(), Some(grown as f64));
        assert!(step["holds"].is_null() || step["holds"] == (grown == 0), "{step}");
    }
    let folder = bench.result();
    folder.is_picture("knee.png");
    assert!(!folder.files().contains(&"sweep.png".to_owned()));
    assert_eq!(
        folder.table("outcomes.csv").iter().filter(|row| row["outcome"] == "ok").count(),
        cells.len()
    );
}

#[test]
fn the_backlog_that_a_stall_needs_is_found_downwards() {
    // 30 clients come while nobody accepts: 30 places, which listen(29) has.
    let bench = Bench::new(
        "name = \"stall\"\n[target]\nbacklog = 8\nstall = [{ to = \"300ms\" }]\n\
         [[load]]\nrate = \"100/s\"\nduration = \"400ms\"\ntimeout = \"1500ms\"\n",
    );
    let arguments = [
        "--over",
        "target.backlog",
        "--until",
        "outcomes.ok_retried == 0",
        "--repeats",
        "1",
        "--falling",
        "--max",
        "64",
    ];
    let run = finds(&bench, &arguments, 29.0, 0.12);
    assert_eq!(run["knee"]["direction"], "falling");
    assert!(edge(&run, "holds") > edge(&run, "breaks"), "{}", run["knee"]);
}

#[test]
fn what_never_breaks_has_no_knee() {
    let bench = Bench::new("name = \"idle\"\n[[load]]\nrate = \"20/s\"\nduration = \"200ms\"\n");
    let limit = "outcomes.timeout == 0";
    let said =
        knee(&bench, &["--over", "load.rate", "--until", limit, "--max", "40/s", "--rising"]);
    said.exits(&[4]).tells(&["knee: none was found", "from 20/s to 40/s", "--max"]);
    assert_eq!(bench.result().json()["verdict"]["verdict"], "inconclusive");
    let said = knee(&bench, &["--over", "load.rate", "--until", limit, "--most-runs", "1"]);
    said.exits(&[4]).tells(&["the search ended after 1 runs"]);
    bench.result().is_picture("knee.png");
    // A search is no sweep that could be resumed.
    let (scenario, out) = (bench.scenario(), bench.out());
    let said = super::common::call(&["run", &scenario, "--resume", &out]);
    said.exits(&[2]).tells(&["it is a search"]);
}

#[test]
fn a_bad_question_is_told_where_and_what_would_be_right() {
    let bench = Bench::new(
        "name = \"q\"\n[target]\naccept = \"asap\"\n[[load]]\nrate = \"20/s\"\nduration = \"200ms\"\n",
    );
    let limit = "counters.ListenOverflows == 0";
    for (arguments, told) in [
        (
            &["--over", "target.accept", "--until", limit][..],
            &["s.toml:3", "\"asap\" is no number"][..],
        ),
        (
            &["--over", "load.rtae", "--until", limit],
            &["--over", "does not set `load.rtae`", "--from"],
        ),
        (&["--over", "load.rtae", "--from", "5/s", "--until", limit], &["did you mean `rate`"]),
        (&["--over", "name", "--until", limit], &["`name` is one for all cells"]),
        (&["--over", "load.rate", "--until", "connect.p99"], &["--until", "compares with nothing"]),
        (
            &["--over", "load.rate", "--until", "conect.p99 <= 5ms"],
            &["--until", "did you mean `connect`"],
        ),
        (&["--over", "load.rate", "--until", "connect.p99 <= 5"], &["--until", "with its unit"]),
        (&["--over", "load.rate", "--until", limit, "--max", "5ms"], &["--max", "another unit"]),
        (
            &["--over", "load.rate", "--until", limit, "--min", "90/s", "--max", "9/s"],
            &["no value lies between --min 90/s and --max 9/s"],
        ),
        (
            &["--over", "load.rate", "--until", limit, "--from", "-5/s"],
            &["--from", "write a value above 0"],
        ),
        (&["--over", "load.rate", "--until", limit, "--within", "0%"], &["is not a share"]),
        (
            &["--over", "load.rate", "--until", limit, "--set", "sweep.target.backlog=[5, 6]"],
            &["sweeps over `target.backlog` as well", "--set target.backlog"],
        ),
        (&["--over", "load.rate"], &["--until"]),
    ] {
        knee(&bench, arguments).exits(&[2]).tells(told);
        assert!(bench.wrote_nothing(), "{arguments:?}");
    }
}

#[test]
fn a_search_for_what_no_run_has_ends_with_the_first_one() {
    let bench = Bench::new("name = \"q\"\n[[load]]\nrate = \"20/s\"\nduration = \"200ms\"\n");
    let limit = "counters.ListenOverflow == 0";
    let told = ["no counter `ListenOverflow`", "did you mean `ListenOverflows`?", "`ListenDrops`"];
    knee(&bench, &["--over", "load.rate", "--until", limit]).exits(&[2]).tells(&told);
    let run = bench.result().json();
    assert_eq!(run["cells"].as_array().unwrap().len(), 1, "one run was made");
    assert_eq!(run["status"]["status"], "complete", "{}", run["status"]);
    assert!(run["knee"]["notes"][0].as_str().unwrap().contains("was ended"), "{}", run["knee"]);
}

#[test]
fn a_warning_is_given_once_for_all_runs_of_a_search() {
    // Each of so many attempts could be under way for a minute, and needs a port then.
    let bench = Bench::new(
        "name = \"w\"\n[[load]]\nrate = \"1000/s\"\nduration = \"50ms\"\ntimeout = \"60s\"\n\
         ports = \"40000-40010\"\n",
    );
    let limit = "outcomes.timeout == 0";
    let arguments =
        ["--over", "load.rate", "--until", limit, "--max", "4000/s", "--repeats", "1", "--rising"];
    let said = knee(&bench, &arguments);
    let warnings = said.stderr.lines().filter(|line| line.starts_with("warning:")).count();
    assert!(bench.result().json()["knee"]["steps"].as_array().unwrap().len() > 1, "{said}");
    assert_eq!(warnings, 1, "{said}");
}
