//! Both ledgers of every shipped scenario, shortened.

use super::common::{Bench, Folder, ledgers_add_up, loadgen, nothing_unexplained, shipped};
use super::common::{Running, lab_or_skip};

/// What makes a scenario quick without taking its point away.
fn shortened(name: &str) -> &'static [&'static str] {
    match name {
        "backlog" => &["load.duration=1s", "load.timeout=1200ms"],
        "clean" => &["load.duration=1s"],
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
            assert!(ledgers_add_up(cell) > 0, "{name}");
            if in_labs {
                assert_eq!(cell["place"]["where"], "lab", "{name}");
                nothing_unexplained(cell);
            }
        }
    }
}
