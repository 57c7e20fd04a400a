//! A target that restarts under load: who waited, who came meanwhile, and who was served on.

use serde_json::Value;

use super::common::{Bench, Folder, lab_or_skip, ledgers_add_up, measure, number};

/// 300/s against a target that takes 150/s, so that its queue is full when it restarts.
const BUSY: &str = r#"
name = "restart"
[target]
backlog = 64
accept = "150/s"
restart_at = "600ms"
[[load]]
client = "request"
rate = "300/s"
duration = "1200ms"
timeout = "1500ms"
"#;

/// The only cell of a run in a lab, whose ledgers meet, and its one restart.
fn restarted(scenario: &str, sets: &[&str]) -> (Bench, Folder, Value, Value) {
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let (bench, result) = measure(scenario, &arguments);
    let cell = result.cell();
    ledgers_add_up(&cell);
    assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
    let restarts = cell["target"]["restarts"].as_array().unwrap().clone();
    assert_eq!(restarts.len(), 1, "{restarts:?}");
    let restart = restarts[0].clone();
    let at = restart["closed_at_s"].as_f64().unwrap();
    assert!((0.6..1.1).contains(&at), "{restart}");
    (bench, result, cell, restart)
}

#[test]
fn who_waits_is_reset_and_who_comes_in_the_gap_is_refused() {
    if !lab_or_skip("restart::who_waits_is_reset") {
        return;
    }
    for family in ["ipv4", "ipv6"] {
        let sets = ["target.restart_gap=300ms", &format!("lab.family={family}")];
        let (bench, result, cell, restart) = restarted(BUSY, &sets);
        let gap = restart["gap_s"].as_f64().unwrap();
        assert!((0.3..0.5).contains(&gap), "{restart}");
        let reset = number(&restart, "queue_reset");
        assert!((50..=65).contains(&reset), "{restart}");
        assert_eq!(number(&cell, "ledger.target.reset_by_close"), reset);
        assert_eq!(number(&cell, "loads.0.endings.reset"), reset, "{}", cell["loads"][0]);
        let refused = number(&cell, "loads.0.outcomes.refused");
        assert!((60..=200).contains(&refused), "{}", cell["loads"][0]["outcomes"]);
        assert!(number(&cell, "loads.0.endings.done") > 100, "served before and after");
        let rows = result.table("outcomes.csv");
        let row = rows.iter().find(|row| row["outcome"] == "reset_by_close").unwrap();
        assert_eq!((row["side"].as_str(), &row["count"]), ("target", &reset.to_string()));
        // No listener, no queue.
        let queues = result.table("queues.csv");
        let in_gap = queues.iter().find(|row| row["t_s"] == "0.700").unwrap();
        assert_eq!((in_gap["accept_queue"].as_str(), in_gap["accept_limit"].as_str()), ("", ""));
        let said = bench.run(&["--force", "--set", "target.restart_gap=300ms"]);
        said.tells(&["listeners closed at 0.6", "nobody listened for 0.3", "reset in the queue"]);
    }
}

/// Clients that stay until long after the restart.
const HELD: &str = r#"
name = "held"
[target]
restart_at = "600ms"
reuse_address = false
[[load]]
rate = "50/s"
attempts = 20
hold = "500ms"
[[load]]
name = "late"
rate = "50/s"
start = "700ms"
attempts = 40
"#;

#[test]
fn without_reuse_of_the_address_old_connections_delay_the_new_listener() {
    if !lab_or_skip("restart::without_reuse_of_the_address") {
        return;
    }
    // The last of the 20 leaves at 880 ms.
    let (_bench, _, cell, restart) = restarted(HELD, &[]);
    let gap = restart["gap_s"].as_f64().unwrap();
    assert!((0.15..0.45).contains(&gap), "{restart}");
    let failed = number(&restart, "errors.EADDRINUSE");
    assert!((4..=20).contains(&failed), "{restart}");
    assert_eq!(number(&cell, "loads.0.endings.done"), 20);
    let late = &cell["loads"][1]["outcomes"];
    assert!(number(late, "refused") >= 5 && number(late, "ok") >= 20, "{late}");

    let (_bench, _, _, restart) = restarted(HELD, &["target.reuse_address=true"]);
    assert!(restart["gap_s"].as_f64().unwrap() < 0.1, "{restart}");
    assert_eq!(restart["errors"], serde_json::json!({}));

    // What the target itself closed first stays in TIME_WAIT for a minute.
    let sets = ["target.close=server", "load.load.hold=0s"];
    let (bench, _, cell, restart) = restarted(HELD, &sets);
    assert_eq!((&restart["gap_s"], &restart["listening_at_s"]), (&Value::Null, &Value::Null));
    assert_eq!(number(&cell, "loads.1.outcomes.refused"), 40);
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let said = bench.run(&[&["--force"][..], &arguments[..]].concat());
    said.tells(&["and nobody listened again", "EADDRINUSE"]);
}

#[test]
fn a_hand_over_refuses_nobody_and_moves_whom_it_may() {
    if !lab_or_skip("restart::a_hand_over_refuses_nobody") {
        return;
    }
    let (_bench, _, cell, restart) = restarted(BUSY, &["target.hand_over=true"]);
    assert_eq!(number(&cell, "loads.0.outcomes.refused"), 0);
    assert_eq!(restart["gap_s"], 0.0);
    assert!(number(&restart, "queue_reset") >= 50, "{restart}");

    let sets = ["target.hand_over=true", "lab.sysctl.net.ipv4.tcp_migrate_req=1"];
    let (_bench, _, cell, restart) = restarted(BUSY, &sets);
    assert_eq!(number(&restart, "queue_reset"), 0, "{restart}");
    assert!(number(&restart, "migrated") >= 50, "{restart}");
    assert_eq!(number(&cell, "loads.0.outcomes.refused"), 0);
    assert_eq!(number(&cell, "loads.0.endings.reset"), 0, "{}", cell["loads"][0]["endings"]);
}

#[test]
fn a_restart_between_two_namespaces_adds_up() {
    if !lab_or_skip("restart::a_restart_between_two_namespaces") {
        return;
    }
    for sets in [
        &["lab.link=veth", "target.restart_gap=100ms"][..],
        &["lab.link=veth", "target.listeners=4", "load.rate=1000/s", "lab.family=ipv6"],
        &["lab.link=veth", "target.accept=asap", "load.rate=2000/s", "load.client=connect"],
    ] {
        restarted(BUSY, sets);
    }
}
