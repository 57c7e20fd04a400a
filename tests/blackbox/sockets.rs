//! Sockets by state at both ends, and what connections take of memory.

use serde_json::Value;

use super::common::{lab_or_skip, measure, nothing_unexplained, number};

/// Clients that close first are left in TIME_WAIT, at their own end.
#[test]
fn time_wait_stands_where_closing_began() {
    if !lab_or_skip("time_wait_stands_where_closing_began") {
        return;
    }
    let scenario = r#"
name = "first"
lab = { link = "veth" }
[target]
reply = "none"
[[load]]
client = "churn"
rate = "300/s"
duration = "1s"
[sweep]
load.close = ["fin-client", "fin-server"]
"#;
    let (_bench, result) = measure(scenario, &["--lab", "require"]);
    let rows = result.table("timeline.csv");
    for cell in result.cells() {
        nothing_unexplained(&cell);
        let peak = |end: &str| number(&cell, &format!("sockets.{end}.peak.time_wait"));
        let clients_close = cell["name"].as_str().unwrap().ends_with("fin-client");
        let ends = if clients_close { ["client", "target"] } else { ["target", "client"] };
        // The kernel lets a new connection take the place of one that waits (TWRecycled).
        assert!((270..=300).contains(&peak(ends[0])), "{}", cell["sockets"]);
        assert_eq!(peak(ends[1]), 0, "{}", cell["sockets"]);
        let last = rows.iter().rfind(|row| cell["name"] == row["cell"].as_str()).unwrap();
        let column = |end: &str| last[&format!("{end}_time_wait")].clone();
        assert_eq!(column(ends[0]), peak(ends[0]).to_string());
        assert_eq!(column(ends[1]), "0");
        for end in ends {
            cheap(&cell["sockets"][end]);
        }
    }
}

/// Looks are frequent while they are cheap, and never take more than about 1 % of a CPU.
fn cheap(seen: &Value) {
    assert!(number(seen, "looks") >= 4 && number(seen, "failed") == 0, "{seen}");
    assert!(seen["cpu_share"].as_f64().unwrap() < 0.03, "{seen}");
}

/// What a thousand connections take is told; what a few take would be noise.
#[test]
fn memory_is_told_of_a_thousand_connections() {
    let held = |attempts| {
        format!(
            r#"
name = "held"
target = {{ backlog = 4096 }}
[[load]]
rate = "2000/s"
duration = "1s"
attempts = {attempts}
hold = "1500ms"
"#
        )
    };
    let memory = |attempts| measure(&held(attempts), &[]).1.cell()["memory"].clone();
    assert_eq!(memory(200), Value::Null);
    // The kernel's is the whole machine's, where others may free as much meanwhile.
    let plausible = (0..3).any(|_| {
        let memory = memory(1500);
        assert_eq!(number(&memory, "connections"), 1500);
        assert_eq!(memory["both_ends"], true);
        for own in ["client_bytes", "target_bytes"] {
            assert!((0..1 << 28).contains(&memory[own].as_i64().unwrap()), "{memory}");
        }
        (2_000..50_000).contains(&(memory["kernel_bytes"].as_i64().unwrap() / 1500))
    });
    assert!(plausible, "bytes of the kernel for each connection");
}
