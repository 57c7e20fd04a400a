//! Datagrams: what was sent, what came, and where the rest was lost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::common::{
    Bench, PROGRAM, grown, lab_or_skip, measure, metric, number, programs_or_skip, sum, until,
};

/// Runs a scenario with these keys: its only cell, whose books add up.
#[track_caller]
pub fn cell_of(scenario: &str, sets: &[&str]) -> Value {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let (_bench, result) = measure(scenario, &sets);
    let cell = result.cell();
    books_add_up(&cell);
    cell
}

/// Wanted, sent, received and lost, in all and stream by stream; every loss has one cause.
#[track_caller]
pub fn books_add_up(cell: &Value) {
    let all = &cell["datagrams"];
    let n = |key: &str| number(all, key);
    let loads = cell["loads"].as_array().unwrap();
    for load in loads {
        assert_eq!(sum(&load["outcomes"]), number(load, "attempts"), "{load}");
    }
    let attempts: u64 = loads.iter().map(|load| number(load, "attempts")).sum();
    assert_eq!((attempts, n("wanted")), (n("wanted"), n("unsent") + n("sent")), "{all}");
    assert_eq!(n("expected"), n("sent") * n("copies"), "{all}");
    if all["counted"] == true {
        assert_eq!(n("expected"), n("received") + n("late") + n("lost"), "{all}");
    }
    let of = |sender: bool| {
        let causes = all["causes"].as_array().unwrap().iter();
        let wanted = causes.filter(|cause| (cause["side"] == "sender") == sender);
        wanted.map(|cause| number(cause, "count")).sum::<u64>()
    };
    assert_eq!((of(true), of(false)), (n("unsent"), n("lost")), "{all}");
    let streams = all["streams"].as_array().unwrap();
    let over = |key: &str| streams.iter().map(|stream| number(stream, key)).sum::<u64>();
    for key in ["received", "late", "duplicates", "reordered", "outside"] {
        assert_eq!(over(key), n(key), "{key}: {all}");
    }
    assert_eq!(n("surplus"), 0, "{all}");
}

/// What one cause lost.
#[track_caller]
pub fn lost_by(cell: &Value, cause: &str) -> u64 {
    let causes = cell["datagrams"]["causes"].as_array().unwrap().iter();
    causes.filter(|one| one["cause"] == cause).map(|one| number(one, "count")).sum()
}

/// The values of a metric of datagrams, when all of them are one.
#[track_caller]
fn only_value(cell: &Value, name: &str) -> (u64, u64) {
    let one = metric(cell, "target", name).unwrap_or_else(|| panic!("no {name}"));
    let (min, max) = (number(&one, "summary.min"), number(&one, "summary.max"));
    assert_eq!(min, max, "{name} varies: {one}");
    (min, number(&one, "summary.count"))
}

const NEVER: &str = r#"
name = "never"
[target]
transport = "udp"
rcvbuf = "65536B"
drain = "never"
[[load]]
rate = "20000/s"
attempts = 4000
payload = "100B"
"#;

#[test]
fn a_buffer_that_nobody_reads_loses_the_rest_to_the_last_datagram() {
    if !lab_or_skip("datagrams::a_buffer_that_nobody_reads") {
        return;
    }
    for (sets, ipv6) in [
        (&[][..], false),
        (&["target.rcvbuf=20000B", "load.attempts=1500", "load.payload=512B"], false),
        (&["lab.family=ipv6", "lab.link=veth", "load.payload=1400B", "load.streams=7"], true),
    ] {
        let cell = cell_of(NEVER, sets);
        let all = &cell["datagrams"];
        assert!(number(all, "received") > 5 && number(all, "lost") > 500, "{all}");
        let name = if ipv6 { "Udp6RcvbufErrors" } else { "RcvbufErrors" };
        let drops = number(&all["receivers"][0], "drops");
        let lost = number(all, "lost");
        assert_eq!((lost, lost), (lost_by(&cell, "receive_buffer"), grown(&cell, name)), "{all}");
        assert_eq!(drops, lost, "{all}");
        // What the kernel charges says how many fit.
        let charge = &all["charges"][0];
        let fits = number(charge, "fit");
        assert!(number(all, "received").abs_diff(fits) <= 1, "{charge} {all}");
        // The rest of each stream is one burst, known by its closing marker.
        assert!(all["streams"].as_array().unwrap().iter().all(|stream| stream["closed"] == true));
    }
}

#[test]
fn a_random_loss_is_the_lab_s_to_the_last_datagram() {
    if !lab_or_skip("datagrams::a_random_loss") {
        return;
    }
    const SCENARIO: &str = r#"
name = "random"
[target]
transport = "udp"
rcvbuf = "4MiB"
[lab.impair]
loss = "3%"
[[load]]
rate = "20000/s"
attempts = 20000
"#;
    for (set, share) in [("lab.link=loopback", 0.03), ("lab.impair.loss=20%", 0.2)] {
        let cell = cell_of(SCENARIO, &[set]);
        let all = &cell["datagrams"];
        let (sent, lost) = (number(all, "sent") as f64, number(all, "lost") as f64);
        // 3.3 standard deviations: 99.9 % of the binomial distribution.
        let spread = 3.3 * (sent * share * (1.0 - share)).sqrt();
        assert!((lost - sent * share).abs() <= spread, "{lost} of {sent}");
        assert_eq!(lost_by(&cell, "lab_loss"), number(all, "lost"), "{all}");
        let counter = all["impairments"].as_array().unwrap().iter();
        let counted: u64 =
            counter.filter(|i| i["cause"] == "lab_loss").map(|i| number(i, "dropped")).sum();
        assert_eq!(counted, number(all, "lost"), "{all}");
        assert_eq!(lost_by(&cell, "unexplained"), 0, "{all}");
    }
}

#[test]
fn every_kth_makes_exact_bursts_and_gaps() {
    if !lab_or_skip("datagrams::every_kth") {
        return;
    }
    const SCENARIO: &str = r#"
name = "kth"
[target]
transport = "udp"
rcvbuf = "4MiB"
[lab]
link = "veth"
[lab.impair]
loss = { every = 10 }
[[load]]
rate = "10000/s"
attempts = 5000
"#;
    for (set, k) in [("seed=1", 10), ("lab.impair.loss={ every = 4 }", 4)] {
        let cell = cell_of(SCENARIO, &[set]);
        let all = &cell["datagrams"];
        assert_eq!(number(all, "lost"), 5000 / k, "{all}");
        assert_eq!(lost_by(&cell, "lab_loss"), 5000 / k, "{all}");
        assert_eq!(only_value(&cell, "loss_burst"), (1, 5000 / k));
        assert_eq!(only_value(&cell, "loss_gap"), (k - 1, 5000 / k - 1));
    }
}

#[test]
fn duplicates_and_reordering_of_a_proxy_are_counted_exactly() {
    const NAME: &str = "datagrams::duplicates_and_reordering";
    if !programs_or_skip(NAME, &["python3"]) {
        return;
    }
    let bench = Bench::new("");
    let proxy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/udp_proxy.py");
    let account = bench.path("account.json");
    let words = ["python3", proxy.to_str().unwrap(), &account, PROGRAM, "serve", "--stdio"];
    let scenario = format!(
        r#"
name = "proxy"
[target]
transport = "udp"
address = "127.0.0.1:65000"
rcvbuf = "4MiB"
command = {words:?}
[[load]]
rate = "1000/s"
attempts = 2000
"#
    );
    let cell = cell_of(&scenario, &[]);
    let all = &cell["datagrams"];
    // The proxy outlives its target by a moment.
    let told: Value = until("the proxy's account", Duration::from_secs(10), || {
        serde_json::from_str(&fs::read_to_string(&account).ok()?).ok()
    });
    assert_eq!(number(&told, "passed"), 2000, "the proxy lost some itself: {told}");
    assert_eq!((number(all, "received"), number(all, "lost")), (2000, 0), "{all}");
    assert_eq!(number(all, "duplicates"), number(&told, "doubled"), "{all}");
    assert_eq!(number(all, "reordered"), number(&told, "reordered"), "{all}");
    let extent = metric(&cell, "target", "reorder_extent").expect("reordering has an extent");
    assert_eq!(number(&extent, "summary.count"), number(&told, "reordered"));
}

#[test]
fn a_receiver_that_restarts_loses_what_waited_and_what_came_in_the_gap() {
    if !lab_or_skip("datagrams::a_receiver_that_restarts") {
        return;
    }
    const SCENARIO: &str = r#"
name = "restart"
[target]
transport = "udp"
rcvbuf = "1MiB"
drain = "1000/s"
restart_at = "500ms"
restart_gap = "200ms"
[[load]]
rate = "2000/s"
duration = "1s"
streams = 3
"#;
    let cell = cell_of(SCENARIO, &[]);
    let all = &cell["datagrams"];
    let restart = &all["restarts"][0];
    assert_eq!(all["restarts"].as_array().unwrap().len(), 1, "{all}");
    // Half of what came in the first 500 ms waited.
    assert!(number(restart, "discarded") > 200, "{restart}");
    assert_eq!(lost_by(&cell, "discarded"), number(restart, "discarded"), "{all}");
    assert!(lost_by(&cell, "no_socket") > 100, "{all}");
    assert!(lost_by(&cell, "unexplained") <= 5, "{all}");
    assert!(number(all, "received") > 500, "it goes on: {all}");
}

#[test]
fn echoes_come_back_and_are_measured() {
    const SCENARIO: &str = r#"
name = "echo"
[target]
transport = "udp"
[[load]]
rate = "1000/s"
duration = "500ms"
reply = "echo"
streams = 5
"#;
    for transport in ["udp", "unix-dgram"] {
        let cell = cell_of(SCENARIO, &[&format!("target.transport={transport}")]);
        let load = &cell["loads"][0];
        assert_eq!(number(load, "outcomes.ok"), 500, "{transport}: {load}");
        assert_eq!(number(load, "datagrams.replies"), 500, "{load}");
        for name in ["rtt", "rtt_service", "lag", "observer_error"] {
            let one = metric(&cell, "load", name).unwrap_or_else(|| panic!("no {name}"));
            assert_eq!(number(&one, "summary.count"), 500, "{name}: {one}");
        }
        for name in ["owd", "owd_service"] {
            let one = metric(&cell, "target", name).unwrap_or_else(|| panic!("no {name}"));
            assert_eq!(number(&one, "summary.count"), 500, "{name}: {one}");
        }
    }
}

#[test]
fn clients_that_take_turns_wait_for_their_echo() {
    const SCENARIO: &str = r#"
name = "turns"
[target]
transport = "udp"
[[load]]
arrivals = "closed"
clients = 4
pause = "5ms"
attempts = 200
reply = "echo"
"#;
    let cell = cell_of(SCENARIO, &[]);
    assert_eq!(number(&cell["loads"][0], "outcomes.ok"), 200);
    assert_eq!(cell["datagrams"]["streams"].as_array().unwrap().len(), 4);
}

#[test]
fn a_unix_receiver_holds_its_queue_and_the_sender_is_told() {
    const SCENARIO: &str = r#"
name = "dgram"
[target]
transport = "unix-dgram"
drain = "never"
[[load]]
rate = "1000/s"
attempts = 100
"#;
    let cell = cell_of(SCENARIO, &[]);
    let limit: u64 = fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen")
        .map_or(10, |text| text.trim().parse().unwrap());
    let load = &cell["loads"][0];
    assert_eq!(number(load, "outcomes.ok"), limit + 1, "{load}");
    assert_eq!(number(load, "outcomes.again"), 100 - limit - 1, "{load}");
    assert_eq!(lost_by(&cell, "send_buffer"), 100 - limit - 1);
    assert_eq!(number(&cell["datagrams"], "received"), limit + 1);
}

#[test]
fn what_goes_to_all_reaches_all() {
    if !lab_or_skip("datagrams::what_goes_to_all") {
        return;
    }
    const SCENARIO: &str = r#"
name = "all"
[target]
transport = "udp"
receivers = 3
[[load]]
rate = "1000/s"
attempts = 300
streams = 2
"#;
    for sets in [
        &["target.cast=multicast", "lab.link=veth"][..],
        &["target.cast=multicast", "lab.link=veth", "lab.family=ipv6"],
        &["target.cast=multicast"],
        &["target.cast=broadcast", "lab.link=veth"],
        &["target.cast=broadcast"],
    ] {
        let all = &cell_of(SCENARIO, sets)["datagrams"];
        assert_eq!(
            (number(all, "expected"), number(all, "received")),
            (900, 900),
            "{sets:?}: {all}"
        );
        assert_eq!(all["streams"].as_array().unwrap().len(), 6, "{sets:?}: {all}");
    }
}

#[test]
fn many_senders_share_several_readers() {
    const SCENARIO: &str = r#"
name = "many"
[target]
transport = "udp"
receivers = 2
readers = 3
rcvbuf = "4MiB"
[[load]]
arrivals = "poisson"
rate = "5000/s"
duration = "500ms"
streams = 40
payload = { distribution = "uniform", min = "64B", max = "1400B" }
[[load]]
name = "bulk"
bulk = "gso"
rate = "5000/s"
duration = "500ms"
payload = "200B"
"#;
    let cell = cell_of(SCENARIO, &[]);
    let all = &cell["datagrams"];
    assert_eq!(all["streams"].as_array().unwrap().len(), 41, "{all}");
    let readers = |receiver: &Value| receiver["read_by"].as_array().unwrap().len();
    let receivers = all["receivers"].as_array().unwrap();
    assert_eq!(receivers.iter().map(readers).collect::<Vec<_>>(), [3, 3], "{all}");
    assert_eq!(cell["loads"][1]["datagrams"]["sending"], "gso");
    assert_eq!(number(all, "lost"), 0, "{all}");
}

#[test]
fn a_target_that_is_killed_leaves_a_partial_result() {
    use super::common::{target_of, until};
    const SCENARIO: &str = r#"
name = "killed"
[target]
transport = "udp"
[[load]]
rate = "500/s"
duration = "20s"
"#;
    let bench = Bench::new(SCENARIO);
    let runner = bench.start(&[]);
    let target = target_of(&runner);
    let folder = bench.result().0.join("histograms");
    until("the first datagrams", Duration::from_secs(20), || {
        let mut entries = fs::read_dir(&folder).ok()?.filter_map(Result::ok);
        entries.find(|entry| entry.metadata().is_ok_and(|about| about.len() > 300))
    });
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(target), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    let said = runner.finish();
    said.exits(&[3, 4]).tells(&["ended early"]);
    assert!(said.took < Duration::from_secs(15), "{said}");
    let cell = bench.result().cell();
    assert_eq!(cell["status"]["status"], "partial");
    assert_eq!(cell["datagrams"]["counted"], false);
}

#[test]
fn a_schedule_that_ends_within_an_interval_was_kept() {
    const SCENARIO: &str = r#"
name = "short"
[target]
transport = "udp"
[[load]]
rate = "1000/s"
attempts = 450
"#;
    let cell = cell_of(SCENARIO, &[]);
    assert_eq!(cell["validity"]["achieved_ratio"], 1.0, "{}", cell["validity"]);
    assert_eq!(number(&cell["datagrams"], "received"), 450);
}

#[test]
fn receivers_of_a_group_that_restart_miss_what_came_meanwhile() {
    if !lab_or_skip("datagrams::receivers_of_a_group_that_restart") {
        return;
    }
    const SCENARIO: &str = r#"
name = "group"
[target]
transport = "udp"
receivers = 2
cast = "broadcast"
restart_at = "200ms"
restart_gap = "200ms"
[lab]
link = "veth"
[[load]]
rate = "1000/s"
duration = "600ms"
"#;
    let cell = cell_of(SCENARIO, &[]);
    assert!(lost_by(&cell, "no_socket") > 200, "{}", cell["datagrams"]);
    // One of the two may have been closed a little before the other.
    assert!(lost_by(&cell, "unexplained") <= 40, "{}", cell["datagrams"]);
}

#[test]
fn bursts_are_limited_by_number() {
    const SCENARIO: &str = r#"
name = "limits"
[target]
transport = "udp"
[[load]]
rate = "1000/s"
duration = "200ms"
[limits]
"loss" = "== 0"
"loss.receive_buffer" = "<= 0.1%"
"loss_burst.max" = "<= 3"
"#;
    let bench = Bench::new(SCENARIO);
    let said = bench.run(&[]);
    // Nothing was lost, so that there is no burst to judge.
    said.exits(&[4]).tells(&["loss == 0", "measured 0", "loss_burst.max"]);
}
