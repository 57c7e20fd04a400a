//! Half-open clients: how many the SYN queue holds, and that they never leave the lab.

use std::process::Command;

use super::common::{
    Bench, Folder, grown, lab_or_skip, measure, number, programs_or_skip, skipped,
};

fn flood(lab: &str, cookies: u32) -> String {
    format!(
        r#"
name = "flood"
[lab]
{lab}
[lab.sysctl]
net.ipv4.tcp_syncookies = {cookies}
[target]
backlog = 200
accept = "never"
[[load]]
client = "half-open"
arrivals = "burst"
size = 250
hold = "700ms"
[sweep]
lab.sysctl."net.ipv4.tcp_max_syn_backlog" = [16, 64, 128]
"#
    )
}

/// The longest SYN queue that was sampled in each cell.
fn longest(result: &Folder) -> Vec<u64> {
    let rows = result.table("timeline.csv");
    let of = |name: &str| {
        let cell = rows.iter().filter(|row| row["cell"] == name);
        cell.filter_map(|row| row["syn_recv"].parse().ok()).max().unwrap_or(0)
    };
    result.cells().iter().map(|cell| of(cell["name"].as_str().expect("a name"))).collect()
}

fn three_quarters_and_one(name: &str, lab: &str) {
    if !lab_or_skip(name) {
        return;
    }
    let (_bench, result) = measure(&flood(lab, 0), &["--lab", "require"]);
    assert_eq!(longest(&result), [13, 49, 97], "sampled SYN_RECV");
    for (cell, held) in result.cells().iter().zip([13, 49, 97]) {
        let load = &cell["loads"][0];
        assert_eq!(number(load, "outcomes.half_open"), 250, "{load}");
        assert!(grown(cell, "ListenDrops") >= 250 - held);
        assert_eq!(number(cell, "ledger.established"), 0);
        assert_eq!(cell["ledger"]["unexplained"], 0);
    }
}

#[test]
fn without_cookies_three_quarters_of_the_setting_and_one_are_kept_ipv4() {
    three_quarters_and_one("half_open::three_quarters_ipv4", "");
}

#[test]
fn without_cookies_three_quarters_of_the_setting_and_one_are_kept_ipv6() {
    let lab = "family = \"ipv6\"\nlink = \"veth\"";
    three_quarters_and_one("half_open::three_quarters_ipv6_veth", lab);
}

#[test]
fn with_cookies_the_queue_ends_at_the_backlog_and_one() {
    if !lab_or_skip("half_open::cookies") {
        return;
    }
    let (_bench, result) = measure(&flood("", 1), &["--lab", "require"]);
    assert_eq!(longest(&result), [201; 3], "sampled SYN_RECV");
    for cell in result.cells() {
        assert!(grown(&cell, "SyncookiesSent") >= 49, "{}", cell["name"]);
        assert_eq!(grown(&cell, "TCPReqQFullDrop"), 0);
    }
}

/// The runner is started in a namespace of its own, whose loopback nobody else uses.
#[test]
fn no_packet_leaves_the_lab() {
    let name = "half_open::no_packet_leaves_the_lab";
    if !lab_or_skip(name) || !programs_or_skip(name, &["unshare", "ip"]) {
        return;
    }
    let bench = Bench::new(&flood("", 1));
    let script = "ip link set lo up && \"$@\" >/dev/null 2>&1; echo status $?; cat /proc/net/dev";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", script, "sh"])
        .args([env!("CARGO_BIN_EXE_loadgen"), "run", &bench.scenario(), "--out", &bench.out()])
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("status") {
        return skipped(name, "there are no user namespaces");
    }
    assert!(text.contains("status 0"), "{text}");
    let lo = text.lines().find(|line| line.trim_start().starts_with("lo:")).expect("loopback");
    assert!(lo.split_whitespace().skip(1).all(|count| count == "0"), "{lo}");
    let all = bench.result().cells();
    let sent: u64 = all.iter().map(|cell| number(&cell["loads"][0], "outcomes.half_open")).sum();
    assert_eq!(sent, 750);
}

#[test]
fn half_open_clients_exist_only_in_a_lab() {
    let scenario =
        "name = \"x\"\n[[load]]\nclient = \"half-open\"\nrate = \"10/s\"\nduration = \"1s\"\n";
    let bench = Bench::new(scenario);
    bench.run(&["--lab", "off"]).exits(&[2, 3]).tells(&["lab"]);
    let outside = format!("{scenario}[target]\naddress = \"127.0.0.1:9\"\n");
    Bench::new(&outside).run(&[]).exits(&[2]).tells(&["half-open clients exist only inside a lab"]);
    assert!(bench.wrote_nothing());
}
