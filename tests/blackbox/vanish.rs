//! Clients that leave without a word: the others are served on, and the ledgers add up.

use super::common::{ledgers_add_up, measure, nothing_unexplained, number};

fn leavers(after: &str, how: &str) {
    let (_bench, result) = measure(
        &format!(
            r#"
name = "rude"
[target]
service = "2ms"
[[load]]
client = "request"
rate = "400/s"
attempts = 600
vanish = {{ ratio = "20%", after = "{after}", how = "{how}" }}
"#
        ),
        &[],
    );
    let cell = result.cell();
    assert_eq!(ledgers_add_up(&cell), 600);
    nothing_unexplained(&cell);
    let load = &cell["loads"][0];
    let vanished = number(load, "endings.vanished");
    assert!((90..=150).contains(&vanished), "{vanished} of 600 are about a fifth");
    assert_eq!(number(load, "endings.done"), 600 - vanished, "the others are served: {load}");
    assert_eq!(number(load, "replies"), 600 - vanished);
    let target = &cell["ledger"]["target_endings"];
    let reset_in_queue = number(&cell, "ledger.target.reset_in_queue");
    match how {
        "rst" => assert_eq!(number(target, "reset") + reset_in_queue, vanished, "{target}"),
        _ => assert_eq!(number(target, "open_at_end"), vanished, "{target}"),
    }
}

#[test]
fn they_leave_by_rst_when_connected() {
    leavers("connect", "rst");
}

#[test]
fn they_leave_by_rst_behind_their_request() {
    leavers("request", "rst");
}

#[test]
fn they_fall_silent_when_connected() {
    leavers("connect", "silent");
}

#[test]
fn they_fall_silent_behind_their_request() {
    leavers("request", "silent");
}

#[test]
fn the_same_seed_sends_the_same_clients_away() {
    let scenario = r#"
name = "rude"
[[load]]
rate = "500/s"
attempts = 300
vanish = { ratio = "10%" }
"#;
    let vanished = || {
        let (_bench, result) = measure(scenario, &["--seed", "5"]);
        number(&result.cell()["loads"][0], "endings.vanished")
    };
    assert_eq!(vanished(), vanished());
}
