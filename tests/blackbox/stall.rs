//! An acceptor that stalls: SYN retries are seen, counted and attributed.

use std::fs;

use super::common::{lab_or_skip, ledgers_add_up, measure, metric, nothing_unexplained, number};

/// Rows of the heat map lie this many to a decade of nanoseconds.
const ROWS_PER_DECADE: u64 = 20;

#[test]
fn syn_retries_have_their_modes_and_are_counted() {
    if !lab_or_skip("stall::syn_retries_have_their_modes_and_are_counted") {
        return;
    }
    let (_bench, result) = measure(
        r#"
name = "stall"
[target]
backlog = 16
stall = [{ from = "0s", to = "1.5s" }]
[[load]]
name = "a"
rate = "120/s"
duration = "2.5s"
timeout = "8s"
greet = true
"#,
        &["--lab", "require"],
    );
    let cell = result.cell();
    assert_eq!(ledgers_add_up(&cell), 300);
    nothing_unexplained(&cell);
    let load = &cell["loads"][0];
    let (ok, retried) = (number(load, "outcomes.ok"), number(load, "outcomes.ok_retried"));
    assert_eq!(ok + retried, 300, "nobody sees an error: {load}");

    // 17 get into the queue; the others of the 180 that arrive during the stall must retry. How
    // many more do hangs on how fast the queue is drained after it.
    assert!((160..=260).contains(&retried), "{retried} retried");
    assert_eq!(retried, number(load, "retransmitted_established"));

    // In a lab nothing else loses a SYN, so each retransmit answers one that a full queue dropped.
    // (A final ACK that meets a full queue is counted as well, hence not equal.)
    let retransmits = number(load, "syn_retransmits");
    assert!(retransmits >= retried);
    let overflows = result.counter("ListenOverflows");
    assert!(overflows >= retransmits, "{overflows} overflows, {retransmits} retransmits");
    assert!(result.counter("ListenDrops") >= overflows);
    let timeline: u64 = column(&result.table("timeline.csv"), "listen_overflows");
    assert_eq!(timeline, overflows, "the timeline holds each overflow once");

    modes_lie_where_this_kernel_retries(&cell, retried);
    let queue_wait = metric(&cell, "target", "queue_wait").expect("greeted");
    assert_eq!(number(&queue_wait, "summary.count"), 300);
    assert!(number(&queue_wait, "summary.max") > 1_000_000_000, "the first waited for 1.5 s");
    let longest =
        result.table("timeline.csv").iter().filter_map(|r| r["accept_queue"].parse().ok()).max();
    assert!(matches!(longest, Some(16u64 | 17)), "longest accept queue seen: {longest:?}");
}

fn column(rows: &[super::common::Row], name: &str) -> u64 {
    rows.iter().map(|row| row[name].parse::<u64>().unwrap_or(0)).sum()
}

/// Times of the SYN retries of the running kernel, in seconds, as far as they matter here.
fn retries() -> &'static [f64] {
    match fs::read_to_string("/proc/sys/net/ipv4/tcp_syn_linear_timeouts") {
        Ok(count) if count.trim() != "0" => &[1.0, 2.0, 3.0, 4.0],
        _ => &[1.0, 3.0],
    }
}

fn modes_lie_where_this_kernel_retries(cell: &serde_json::Value, retried: u64) {
    assert_eq!(number(cell, "timeline.heat.rows_per_decade"), ROWS_PER_DECADE);
    let (mut slow, mut in_a_mode) = (0, 0);
    for place in cell["timeline"]["heat"]["places"].as_array().unwrap() {
        let (row, count) = (number(place, "1"), number(place, "2"));
        let edge = |row: u64| 10f64.powf(row as f64 / ROWS_PER_DECADE as f64) / 1e9;
        let (from, to) = (edge(row), edge(row + 1));
        if to < 0.5 {
            continue;
        }
        slow += count;
        // Timers are late, by up to 4 %; a busy machine adds to it.
        if retries().iter().any(|mode| from <= mode * 1.12 && to >= *mode) {
            in_a_mode += count;
        }
    }
    assert!(slow >= retried, "{slow} slow, {retried} retried");
    assert!(in_a_mode * 100 >= slow * 95, "{in_a_mode} of {slow} in the kernel's modes");
}
