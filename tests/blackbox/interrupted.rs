//! What is cut short leaves a readable result that says so.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::common::{
    Bench, Said, ledgers_add_up, narrow, number, target_of, until, until_connecting,
};

const LONG: &str = r#"
name = "long"
[[load]]
name = "a"
rate = "200/s"
duration = "20s"
hold = "50ms"
"#;
const SWEEP: &str = "[sweep]\ntarget.backlog = [16, 64]\n";

/// Starts the long run and, once clients connect, does something to it.
fn in_the_middle(scenario: &str, act: impl FnOnce(i32, i32)) -> (Bench, Said) {
    let bench = Bench::new(scenario);
    let mut runner = bench.start(&[]);
    let target = target_of(&runner);
    until_connecting(&bench, &mut runner);
    act(runner.pid(), target);
    let said = runner.finish();
    narrow(&said.stdout);
    assert!(said.took < Duration::from_secs(30), "it ended at once: {said}");
    assert!(!std::path::Path::new(&format!("/proc/{target}/exe")).exists(), "the target is gone");
    (bench, said)
}

/// The partial result: tables, pictures, and ledgers of what ran.
fn partial(bench: &Bench, reason: &str) -> Value {
    let result = bench.result();
    let run = result.json();
    assert_eq!(run["status"]["status"], "partial", "{}", run["status"]);
    let told = run["status"]["reason"].as_str().unwrap();
    assert!(told.contains(reason), "{told}");
    assert_eq!(run["cells"].as_array().unwrap().len(), 1, "the second cell was not begun");
    assert!(ledgers_add_up(&run["cells"][0]) > 0);
    for table in ["summary.csv", "outcomes.csv", "timeline.csv"] {
        assert!(!result.table(table).is_empty(), "{table}");
    }
    for picture in ["latency.png", "timeline.png", "heatmap.png"] {
        result.is_picture(picture);
    }
    run
}

fn by_signal(signal: Signal) {
    let (bench, said) = in_the_middle(&format!("{LONG}{SWEEP}"), |runner, _| {
        kill(Pid::from_raw(runner), signal).unwrap()
    });
    said.exits(&[130]).tells(&["interrupted", "partial"]);
    let run = partial(&bench, "interrupted");
    assert_eq!(run["verdict"]["verdict"], "inconclusive", "{}", run["verdict"]);
    let cell = &run["cells"][0];
    assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
    assert!(!bench.result().table("counters.csv").is_empty());
}

#[test]
fn ctrl_c_leaves_a_partial_result() {
    by_signal(Signal::SIGINT);
}

#[test]
fn sigterm_is_as_ctrl_c() {
    by_signal(Signal::SIGTERM);
}

#[test]
fn a_second_ctrl_c_ends_the_run_at_once() {
    // A session of 20 s holds a run that is asked to end, if anything does.
    let bench = Bench::new(LONG);
    let mut runner = bench.start(&["--set", "load.hold=15s"]);
    until_connecting(&bench, &mut runner);
    runner.signal(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(20));
    runner.is_alive().then(|| runner.signal(Signal::SIGINT));
    let said = runner.finish();
    said.exits(&[130]);
    assert!(said.took < Duration::from_secs(20), "{said}");
}

#[test]
fn a_killed_target_is_told() {
    let (bench, said) =
        in_the_middle(LONG, |_, target| kill(Pid::from_raw(target), Signal::SIGKILL).unwrap());
    said.exits(&[4]).tells(&["partial", "the target ended early"]);
    let run = partial(&bench, "the target ended early");
    assert_eq!(run["verdict"]["verdict"], "inconclusive", "{}", run["verdict"]);
    assert!(number(&run["cells"][0], "ledger.established") > 0);
}

#[test]
fn a_target_that_hangs_does_not_hang_the_runner() {
    // Stopped, not dead: its pipes stay open and its listener goes on queueing.
    let bench = Bench::new(
        "name = \"hang\"\n[[load]]\nrate = \"100/s\"\nduration = \"2s\"\ntimeout = \"1s\"\n",
    );
    let mut runner = bench.start(&[]);
    let target = target_of(&runner);
    until_connecting(&bench, &mut runner);
    kill(Pid::from_raw(target), Signal::SIGSTOP).unwrap();
    let said = runner.finish();
    let _ = kill(Pid::from_raw(target), Signal::SIGKILL);
    said.exits(&[3, 4]);
    assert_eq!(bench.result().json()["status"]["status"], "partial");
    until("the target to be gone", Duration::from_secs(2), || {
        (!std::path::Path::new(&format!("/proc/{target}/exe")).exists()).then_some(())
    });
}
