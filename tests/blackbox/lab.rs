//! Cells in private namespaces: full queues to the last place, and nothing left behind.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::common::{
    Bench, lab_or_skip, ledgers_add_up, measure, nothing_unexplained, number, target_of, until,
    until_connecting,
};

/// Nothing is accepted: the queue fills to its last place, and the rest is turned away.
fn never(lab: &str) -> String {
    format!(
        r#"
name = "never"
[lab]
{lab}
[lab.sysctl]
net.core.somaxconn = 64
[target]
accept = "never"
[[load]]
arrivals = "burst"
size = 90
timeout = "400ms"
hold = "2s"
workers = 1
[sweep]
target.backlog = [5, 37, 128]
"#
    )
}

fn full_queues(name: &str, lab: &str) {
    if !lab_or_skip(name) {
        return;
    }
    let host = || fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let before = host();
    let (_bench, result) = measure(&never(lab), &["--lab", "require"]);
    assert_eq!(host(), before, "the host's own setting");
    let cells = result.cells();
    for (cell, (asked, effective)) in cells.iter().zip([(5, 5), (37, 37), (128, 64)]) {
        let target = &cell["target"];
        assert_eq!(number(target, "backlog_asked"), asked);
        assert_eq!(number(target, "backlog_effective"), effective);
        assert_eq!(target["clamped"], asked > effective, "{target}");
        assert_eq!(cell["place"]["where"], "lab");
        assert_eq!(ledgers_add_up(cell), 90);
        nothing_unexplained(cell);
        assert_eq!(number(cell, "ledger.target.queued_at_end"), effective + 1, "{asked}");
        assert_eq!(number(cell, "ledger.target.accepted"), 0);
        let load = &cell["loads"][0];
        assert_eq!(number(load, "outcomes.ok"), effective + 1, "{load}");
        assert_eq!(number(load, "outcomes.timeout"), 90 - effective - 1, "{load}");
    }
    assert_eq!(cells.len(), 3);
    assert!(result.counter("ListenOverflows") >= 84 + 52 + 25, "each refused SYN is counted");
}

#[test]
fn a_queue_holds_its_limit_and_one_over_ipv4_loopback() {
    full_queues("lab::full_queues_ipv4_loopback", "");
}

#[test]
fn a_queue_holds_its_limit_and_one_over_ipv6_and_several_sources() {
    full_queues("lab::full_queues_ipv6_sources", "family = \"ipv6\"\nsources = 3");
}

#[test]
fn a_queue_holds_its_limit_and_one_over_veth() {
    full_queues("lab::full_queues_veth", "link = \"veth\"\nsources = 2");
}

#[test]
fn a_queue_holds_its_limit_and_one_over_veth_ipv6() {
    full_queues("lab::full_queues_veth_ipv6", "link = \"veth\"\nfamily = \"ipv6\"");
}

#[test]
fn a_clamped_backlog_is_said() {
    if !lab_or_skip("lab::a_clamped_backlog_is_said") {
        return;
    }
    let bench = Bench::new(
        "name = \"c\"\n[lab.sysctl]\nnet.core.somaxconn = 7\n[target]\nbacklog = 900\n\
         [[load]]\nrate = \"20/s\"\nattempts = 2\n",
    );
    bench.run(&["--lab", "require"]).exits(&[0, 4]).tells(&["asked 900", "effective 7", "CLAMPED"]);
}

#[test]
fn a_lab_that_is_needed_and_ruled_out_is_the_environments_fault() {
    for lab in ["[lab]\nlink = \"veth\"\n", "[lab.sysctl]\nnet.core.somaxconn = 7\n"] {
        let bench =
            Bench::new(&format!("name = \"c\"\n{lab}[[load]]\nrate = \"9/s\"\nattempts = 2\n"));
        bench.run(&["--lab", "off"]).exits(&[3]).tells(&["lab"]);
        assert!(bench.wrote_nothing());
    }
}

#[test]
fn without_a_lab_the_result_says_so() {
    let bench = Bench::new("name = \"h\"\n[[load]]\nrate = \"20/s\"\nattempts = 5\n");
    let said = bench.run(&["--lab", "off"]);
    said.exits(&[0, 4]).tells(&["host's network"]);
    assert_eq!(bench.result().cell()["place"]["where"], "host");
}

#[test]
fn nothing_is_left_after_the_runner_is_killed() {
    if !lab_or_skip("lab::nothing_is_left_after_the_runner_is_killed") {
        return;
    }
    let before = interfaces();
    let bench = Bench::new(
        "name = \"killed\"\n[lab]\nlink = \"veth\"\n[[load]]\nrate = \"200/s\"\nduration = \"30s\"\n",
    );
    let mut runner = bench.start(&["--lab", "require"]);
    let target = target_of(&runner);
    until_connecting(&bench, &mut runner);
    let private: BTreeSet<String> =
        [runner.pid(), target].into_iter().flat_map(namespaces_of).collect();
    assert!(!private.is_empty(), "the lab is in a namespace of its own");

    runner.signal(Signal::SIGKILL);
    assert_eq!(runner.finish().code, 128 + 9);
    until("target and namespaces to be gone", Duration::from_secs(2), || {
        let gone = !std::path::Path::new(&format!("/proc/{target}/ns/net")).exists()
            || namespaces_of(target).is_disjoint(&private);
        (gone && all_namespaces().is_disjoint(&private)).then_some(())
    });
    assert_eq!(interfaces(), before);
    // What was measured until then is on disk, and says that it is not all.
    let run = bench.result().json();
    assert_eq!(run["status"]["status"], "partial", "{}", run["status"]);
}

fn interfaces() -> BTreeSet<String> {
    let entries = fs::read_dir("/sys/class/net").unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Network namespaces in which a process's threads are or which it holds, but for our own.
fn namespaces_of(pid: i32) -> BTreeSet<String> {
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let links = |folder: String, tail: &'static str| {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(move |entry| fs::read_link(entry.path().join(tail)).ok())
    };
    let held = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let held = held.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links(format!("/proc/{pid}/task"), "ns/net")
        .chain(held)
        .filter(|link| *link != own)
        .map(|link| link.to_string_lossy().into_owned())
        .filter(|link| link.starts_with("net:["))
        .collect()
}

fn all_namespaces() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.flat_map(namespaces_of).collect()
}
