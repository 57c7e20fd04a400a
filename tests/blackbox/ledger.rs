//! Both ledgers of every shipped scenario, shortened.

use super::common::{Bench, Folder, ledgers_add_up, loadgen, nothing_unexplained, shipped};
use super::common::{Running, lab_or_skip, measure, number};

/// What makes a scenario quick without taking its point away.
fn shortened(name: &str) -> &'static [&'static str] {
    match name {
        "backlog" => &["load.duration=1s", "load.timeout=1200ms"],
        "synflood" => &[
            "target.backlog=64",
            "load.ordinary.duration=3s",
            "load.flood.start=500ms",
            "load.flood.duration=1s",
        ],
        "hold" => &["load.held.connections=2000", "load.held.hold=1s", "load.ordinary.duration=1s"],
        "clean" => &["load.duration=1s"],
        "udp-rcvbuf" | "udp-many" => &["load.duration=1s"],
        "udp-loss" => &["load.attempts=20000"],
        "serial-chat" => &["load.think=20ms"],
        "stall" => &["load.duration=1s", "target.stall=[{ from = \"0s\", to = \"0.8s\" }]"],
        _ => &[],
    }
}

#[test]
fn both_ledgers_of_every_shipped_scenario_add_up() {
    let in_labs = lab_or_skip("ledger::unexplained_of_shipped_scenarios");
    assert!(shipped().len() >= 4);
    for scenario in shipped() {
        let name = scenario.file_stem().unwrap().to_str().unwrap().to_owned();
        let bench = Bench::new("");
        let mut command = loadgen(&["run", scenario.to_str().unwrap(), "--out", &bench.out()]);
        let sets = shortened(&name).iter();
        command.args(sets.flat_map(|set| ["--set", set]));
        let said = Running::start(&mut command).finish();
        super::common::narrow(&said.stdout);
        said.exits(&[0, 1, 4]);
        let result = Folder(bench.out().into());
        let cells = result.cells();
        assert!(!cells.is_empty(), "{name}");
        for cell in &cells {
            if !cell["datagrams"].is_null() {
                super::datagrams::books_add_up(cell);
                assert!(!in_labs || super::datagrams::lost_by(cell, "unexplained") == 0, "{name}");
                continue;
            }
            assert!(ledgers_add_up(cell) > 0, "{name}");
            if in_labs {
                assert_eq!(cell["place"]["where"], "lab", "{name}");
                nothing_unexplained(cell);
            }
        }
    }
}

/// Every kind of arrivals, both client kinds and both lifecycles, against a target that is slow,
/// accepts in a stop-and-go and closes first.
const MIXED: &str = r#"
name = "mixed"
[target]
backlog = 5
acceptors = 2
accept = "300/s"
stall = [{ from = "0.4s", to = "0.8s" }]
service = { distribution = "log-normal", median = "5ms", sigma = 1.0 }
close = "server"
[[load]]
name = "ask"
client = "request"
reply = "close"
rate = "200/s"
duration = "1s"
timeout = "700ms"
[[load]]
name = "burst"
arrivals = "burst"
size = 20
every = "400ms"
start = "100ms"
duration = "800ms"
hold = "50ms"
timeout = "1200ms"
[[load]]
name = "ramp"
arrivals = "ramp"
from = "10/s"
to = "300/s"
duration = "1s"
lifecycle = "recycle"
timeout = "1s"
[[load]]
name = "step"
arrivals = "step"
stages = [{ rate = "50/s", span = "500ms" }, { rate = "150/s", span = "500ms" }]
close = "rst"
timeout = "1s"
[[load]]
name = "turns"
arrivals = "closed"
clients = 4
attempts = 40
pause = "5ms"
timeout = "300ms"
"#;

#[test]
fn loads_of_all_kinds_side_by_side_add_up() {
    let (_bench, result) = measure(MIXED, &[]);
    let cell = result.cell();
    ledgers_add_up(&cell);
    let attempts = |index: usize| number(&cell, &format!("loads.{index}.attempts"));
    assert_eq!([attempts(0), attempts(1), attempts(3), attempts(4)], [200, 40, 100, 40]);
    assert!((150..=160).contains(&attempts(2)), "the ramp's area: {}", attempts(2));
    if cell["place"]["where"] == "lab" {
        nothing_unexplained(&cell);
    }
}
