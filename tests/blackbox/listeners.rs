//! Groups of listeners, deferred accept, Fast Open, and how accepted connections end.

use super::common::{grown, lab_or_skip, ledgers_add_up, measure, metric, number};

const GROUP: &str = r#"
name = "group"
[target]
listeners = 4
acceptors = 2
backlog = 30
accept = "never"
[lab]
sources = 8
[[load]]
arrivals = "burst"
size = 80
attempts = 80
hold = "200ms"
timeout = "500ms"
"#;

#[test]
fn each_listener_of_a_group_has_its_own_queue() {
    if !lab_or_skip("listeners::each_listener_of_a_group") {
        return;
    }
    for family in ["lab.family=ipv4", "lab.family=ipv6"] {
        let (bench, result) = measure(GROUP, &["--set", family]);
        let cell = result.cell();
        ledgers_add_up(&cell);
        assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
        assert_eq!(number(&cell, "target.listeners"), 4);
        let rows = result.table("queues.csv");
        let longest = |listener: usize| {
            let of = rows.iter().filter(|row| row["listener"] == listener.to_string());
            let depths = of.filter_map(|row| row["accept_queue"].parse::<u64>().ok());
            depths.max().unwrap_or_else(|| panic!("no samples of listener {listener}"))
        };
        let each: Vec<u64> = (0..4).map(longest).collect();
        assert_eq!(each.iter().sum::<u64>(), number(&cell, "ledger.target.queued_at_end"));
        assert!(each.iter().all(|depth| (1..=31).contains(depth)), "{each:?}");
        assert!(
            rows.iter().all(|row| row["accept_limit"].is_empty() || row["accept_limit"] == "30")
        );
        // The columns of the timeline mean all of them.
        let timeline = result.table("timeline.csv");
        assert!(timeline.iter().any(|row| row["accept_limit"] == "120"));
        bench.run(&["--force", "--set", family]).tells(&["listeners 4; longest queue"]);
    }
}

#[test]
fn a_busy_group_accepts_with_every_listener() {
    let scenario = GROUP.replace("\"never\"", "\"asap\"");
    let (_bench, result) = measure(&scenario, &["--set", "load.hold=0s"]);
    let cell = result.cell();
    ledgers_add_up(&cell);
    let by_acceptor = cell["target"]["accepted_by"].as_array().unwrap();
    assert_eq!(by_acceptor.len(), 8);
    let accepted: Vec<u64> = by_acceptor.iter().map(|n| n.as_u64().unwrap()).collect();
    for (listener, two) in accepted.chunks(2).enumerate() {
        let rows = result.table("queues.csv").into_iter();
        let rows = rows.filter(|row| row["listener"] == listener.to_string());
        let sum: u64 = rows.filter_map(|row| row["accepted"].parse::<u64>().ok()).sum();
        assert_eq!(sum, two.iter().sum::<u64>());
    }
}

const SILENT: &str = r#"
name = "silent"
[target]
defer_accept = "5s"
[[load]]
name = "silent"
rate = "100/s"
attempts = 30
hold = "300ms"
close = "rst"
[[load]]
name = "talking"
client = "request"
rate = "100/s"
attempts = 20
"#;

#[test]
fn silent_clients_never_reach_a_target_that_defers_accept() {
    if !lab_or_skip("listeners::silent_clients") {
        return;
    }
    for family in ["lab.family=ipv4", "lab.family=ipv6"] {
        let (bench, result) = measure(SILENT, &["--set", family]);
        let cell = result.cell();
        ledgers_add_up(&cell);
        let ledger = &cell["ledger"];
        assert_eq!((&ledger["unexplained"], number(ledger, "target.accepted")), (&0.into(), 20));
        assert_eq!(ledger["steps"].as_array().unwrap().len(), 1, "{ledger}");
        assert_eq!(ledger["steps"][0]["count"], -30, "{ledger}");
        assert!(ledger["steps"][0]["why"].as_str().unwrap().contains("defers accept"));
        // The kernel's retransmit schedule knows no 5 s.
        assert_eq!(number(&cell, "target.defer_accept_s"), 7);
        assert_eq!(grown(&cell, "TCPDeferAcceptDrop"), 50, "each handshake's bare ACK");

        // A FIN says something: who leaves by it is accepted.
        let sets = ["--force", "--set", family, "--set", "load.silent.close=fin"];
        bench.run(&sets).exits(&[0, 4]);
        let cell = bench.result().cell();
        ledgers_add_up(&cell);
        assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
        assert_eq!(number(&cell, "ledger.target.accepted"), 50);
    }
}

const CLOSING: &str = r#"
name = "closing"
[target]
close = "server"
[[load]]
name = "leaves-by-fin"
rate = "100/s"
attempts = 30
[[load]]
name = "leaves-by-rst"
rate = "100/s"
attempts = 20
close = "rst"
"#;

#[test]
fn the_target_says_how_its_clients_left() {
    if !lab_or_skip("listeners::the_target_says_how_its_clients_left") {
        return;
    }
    let (bench, result) = measure(CLOSING, &[]);
    let cell = result.cell();
    ledgers_add_up(&cell);
    assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
    let endings = &cell["ledger"]["target_endings"];
    assert_eq!((number(endings, "done"), number(endings, "reset")), (30, 20), "{endings}");
    let close = metric(&cell, "target", "close").expect("measured");
    assert_eq!(number(&close, "summary.count"), 30, "only a FIN answers a FIN");
    let rows = result.table("outcomes.csv");
    let row = rows.iter().find(|r| r["side"] == "target_session" && r["outcome"] == "reset");
    assert_eq!(row.unwrap()["count"], "20");

    // A target that forgets to close keeps its clients waiting for nothing.
    let sets = ["--set", "target.close=client", "--set", "target.close_delay=10min"];
    bench.run(&[&["--force"][..], &sets[..]].concat()).exits(&[0, 4]).tells(&["30 open_at_end"]);
    let ledger = &bench.result().cell()["ledger"];
    assert_eq!(number(ledger, "target_endings.open_at_end"), 30, "{ledger}");
    let before_accept = number(ledger, "target.reset_in_queue");
    assert_eq!(number(ledger, "target_endings.reset") + before_accept, 20, "{ledger}");
}
