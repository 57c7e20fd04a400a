//! Packets of the lab's link: tshark counts what we count.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::common::{
    Bench, lab_or_skip, ledgers_add_up, loadgen, measure, metric, number, programs_or_skip, until,
};

/// Lines that tshark prints of these packets.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(file).args(["-Y", filter, "-T", "fields"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let told = command.output().unwrap();
    let complaints = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "tshark {filter}: {complaints}");
    String::from_utf8(told.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn count(file: &Path, filter: &str) -> u64 {
    tshark(file, filter, &["frame.number"]).len() as u64
}

/// Streams with SYN, SYN+ACK and ACK, by tshark's own judgement.
fn handshakes(file: &Path) -> u64 {
    let all = tshark(file, "tcp.completeness", &["tcp.stream", "tcp.completeness"]);
    let mut whole: Vec<&str> = Vec::new();
    for line in &all {
        let (stream, marks) = line.split_once('\t').unwrap();
        if marks.parse::<u32>().unwrap() & 7 == 7 {
            whole.push(stream);
        }
    }
    whole.sort_unstable();
    whole.dedup();
    whole.len() as u64
}

/// Runs a scenario with recorded packets, counts them by tshark, and gives the cell.
fn agreed(name: &str, scenario: &str) -> Option<Value> {
    if !lab_or_skip(name) || !programs_or_skip(name, &["tshark"]) {
        return None;
    }
    let (bench, result) = measure(scenario, &["--lab", "require"]);
    let cell = result.cell();
    ledgers_add_up(&cell);
    let wire = &cell["wire"];
    let file = result.0.join(wire["file"].as_str().unwrap());
    let syn = "tcp.flags.syn==1 && tcp.flags.ack==0";
    let again = format!("{syn} && tcp.analysis.retransmission");
    let n = |key: &str| number(wire, key);
    assert_eq!((n("missed"), n("beyond")), (0, 0), "{wire}");
    assert_eq!(n("packets"), count(&file, "frame"));
    assert_eq!(n("syn") + n("syn_again"), count(&file, syn));
    assert_eq!(n("syn_again"), count(&file, &again));
    let answers = "tcp.flags.syn==1 && tcp.flags.ack==1";
    assert_eq!(n("syn_ack") + n("syn_ack_again"), count(&file, answers));
    assert_eq!(n("rst"), count(&file, "tcp.flags.reset==1"));
    assert_eq!(n("handshakes"), handshakes(&file));
    // The clients' own books say the same.
    let loads = cell["loads"].as_array().unwrap();
    let of = |key: &str| loads.iter().map(|load| number(load, key)).sum::<u64>();
    assert_eq!(n("syn"), of("attempts"), "each attempt sends a first SYN: {wire}");
    assert_eq!(n("syn_again"), of("syn_retransmits"), "{wire}");
    assert_eq!(n("handshakes"), number(&cell, "ledger.established"), "{wire}");
    let notices = wire["notices"].as_array().unwrap();
    assert_eq!(notices.len(), 1, "nothing but what it cost: {notices:?}");
    times_agree(&cell);
    drop(bench);
    Some(cell)
}

/// What the link saw lies within what the kernel saw, whose clock is one of microseconds.
fn times_agree(cell: &Value) {
    let wire = metric(cell, "wire", "wire_rtt").unwrap();
    let kernel = metric(cell, "load", "kernel_rtt").unwrap();
    let resolution = number(cell, "validity.resolution");
    assert_eq!(wire["summary"]["count"], kernel["summary"]["count"]);
    for statistic in ["min", "p50", "p90", "p99", "max"] {
        let of = |metric: &Value| number(&metric["summary"], statistic);
        let (wire, kernel) = (of(&wire), of(&kernel));
        // A histogram has three digits.
        let most = kernel + 1000 + kernel / 500;
        assert!(wire <= most, "{statistic}: {wire} on the wire, {kernel} by the kernel");
        let apart = kernel.saturating_sub(wire);
        assert!(statistic != "p50" || apart <= resolution, "{apart} above {resolution}");
    }
}

#[test]
fn requests_over_ipv4_loopback() {
    let scenario = r#"
name = "requests"
[lab]
capture = true
[[load]]
client = "request"
rate = "200/s"
duration = "2s"
"#;
    let Some(cell) = agreed("wire::requests", scenario) else { return };
    let wire = &cell["wire"];
    assert_eq!(wire["file"], "capture.pcapng");
    assert_eq!((number(wire, "handshakes"), number(wire, "rst")), (400, 0));
    for (ladder, title) in wire["ladders"].as_array().unwrap().iter().zip(["typical", "slowest"]) {
        assert!(ladder["title"].as_str().unwrap().starts_with(title), "{ladder}");
        let steps = ladder["steps"].as_array().unwrap();
        let flags: Vec<_> = steps.iter().map(|step| step["flags"].as_str().unwrap()).collect();
        assert_eq!(flags[..3], ["SYN", "SYN+ACK", "ACK"], "{ladder}");
        let ends = flags.iter().filter(|flags| flags.starts_with("FIN")).count();
        assert_eq!(ends, 2, "{ladder}");
        let (x, y) = (number(&steps[0], "seq"), number(&steps[1], "seq"));
        assert_eq!(number(&steps[1], "ack"), (x + 1) % (1 << 32));
        assert_eq!(number(&steps[2], "ack"), (y + 1) % (1 << 32));
    }
}

#[test]
fn a_full_queue_over_ipv6_and_veth() {
    let scenario = r#"
name = "overflow"
[lab]
link = "veth"
family = "ipv6"
sources = 2
capture = "8MiB"
[target]
backlog = 5
accept = "100/s"
[[load]]
arrivals = "poisson"
rate = "150/s"
duration = "2s"
timeout = "1500ms"
"#;
    let Some(cell) = agreed("wire::overflow", scenario) else { return };
    let wire = &cell["wire"];
    assert!(number(wire, "syn_again") > 0, "{wire}");
    let ladders = wire["ladders"].as_array().unwrap();
    let slowest = ladders.iter().find(|l| l["title"].as_str().unwrap().starts_with("slowest"));
    let steps = slowest.unwrap()["steps"].as_array().unwrap();
    assert_eq!((&steps[1]["flags"], &steps[1]["again"]), (&"SYN".into(), &true.into()));
}

#[test]
fn recycled_sockets_end_by_rst() {
    let scenario = r#"
name = "recycled"
[lab]
link = "veth"
capture = true
[[load]]
lifecycle = "recycle"
rate = "300/s"
duration = "1s"
"#;
    let Some(cell) = agreed("wire::recycled", scenario) else { return };
    assert!(number(&cell, "wire.rst") >= 300, "{}", cell["wire"]);
}

#[test]
fn what_is_lost_on_the_way_is_on_the_wire() {
    let scenario = r#"
name = "lossy"
[lab]
link = "veth"
capture = true
[lab.impair]
loss = "10%"
[[load]]
rate = "200/s"
duration = "1s"
timeout = "1500ms"
"#;
    let Some(cell) = agreed("wire::lossy", scenario) else { return };
    assert!(number(&cell, "wire.syn_again") > 0, "{}", cell["wire"]);
}

#[test]
fn a_full_file_is_no_end_of_counting_and_force_removes_it() {
    if !lab_or_skip("wire::full_file") {
        return;
    }
    let bench = Bench::new(
        "name = \"full\"\n[lab]\ncapture = \"64KiB\"\n[[load]]\nrate = \"500/s\"\nduration = \"1s\"\n",
    );
    let said = bench.run(&["--lab", "require"]);
    said.exits(&[0, 4]).tells(&["500 SYN", "500 handshakes", "capture.pcapng, which is full"]);
    let result = bench.result();
    let wire = &result.cell()["wire"];
    assert_eq!((number(wire, "syn"), number(wire, "handshakes")), (500, 500));
    assert!(number(wire, "beyond") > 1000, "{wire}");
    let file = result.0.join("capture.pcapng");
    let bytes = fs::metadata(&file).unwrap().len();
    assert!((60_000..=65_536).contains(&bytes), "{bytes}");
    if programs_or_skip("wire::full_file by tshark", &["tshark"]) {
        assert_eq!(count(&file, "frame"), number(wire, "packets"));
    }
    bench.run(&["--force", "--set", "lab.capture=false"]).exits(&[0, 4]);
    assert!(!file.exists());
    assert!(bench.result().cell()["wire"].is_null());
}

#[test]
fn cells_of_a_sweep_have_files_of_their_own() {
    if !lab_or_skip("wire::sweep") {
        return;
    }
    let scenario = "name = \"s\"\n[lab]\ncapture = true\n[[load]]\nrate = \"100/s\"\nattempts = 20\n\
                    [limits]\n\"wire_rtt.count\" = \"== 20\"\n[sweep]\nlab.link = [\"loopback\", \"veth\"]\n";
    let (_bench, result) = measure(scenario, &["--lab", "require"]);
    for (cell, name) in result.cells().iter().zip(["loopback", "veth"]) {
        assert_eq!(cell["wire"]["file"], format!("capture.link={name}.pcapng"));
        assert!(result.0.join(cell["wire"]["file"].as_str().unwrap()).is_file());
        assert_eq!(number(cell, "wire.handshakes"), 20);
    }
    let rows = result.table("summary.csv");
    assert_eq!(rows.iter().filter(|row| row["metric"] == "wire_rtt").count(), 2);
    let log = "histograms/link=veth.wire.wire_rtt.hlog";
    assert!(result.0.join(log).is_file());
}

#[test]
fn datagrams_are_counted() {
    const NAME: &str = "wire::datagrams";
    if !lab_or_skip(NAME) || !programs_or_skip(NAME, &["tshark"]) {
        return;
    }
    for link in ["loopback", "veth"] {
        let scenario = format!(
            "name = \"d\"\n[lab]\nlink = \"{link}\"\ncapture = true\n[target]\ntransport = \"udp\"\n\
             [[load]]\nrate = \"200/s\"\nduration = \"1s\"\n"
        );
        let (_bench, result) = measure(&scenario, &["--lab", "require"]);
        let cell = result.cell();
        let file = result.0.join("capture.pcapng");
        assert_eq!(number(&cell, "wire.packets"), count(&file, "frame"));
        // Ours have 100 bytes; closing markers are shorter.
        assert_eq!(count(&file, "udp.length==108"), number(&cell, "datagrams.sent"), "{link}");
    }
}

#[test]
fn a_killed_runner_leaves_a_file_that_is_read() {
    const NAME: &str = "wire::killed";
    if !lab_or_skip(NAME) || !programs_or_skip(NAME, &["tshark", "capinfos"]) {
        return;
    }
    let bench = Bench::new(
        "name = \"killed\"\n[lab]\ncapture = true\n[[load]]\nrate = \"300/s\"\nduration = \"30s\"\n",
    );
    let mut runner = bench.start(&["--lab", "require"]);
    let file = bench.result().0.join("capture.pcapng");
    until("packets in the file", std::time::Duration::from_secs(20), || {
        assert!(runner.is_alive());
        (fs::metadata(&file).ok()?.len() > 20_000).then_some(())
    });
    runner.signal(Signal::SIGKILL);
    assert_eq!(runner.finish().code, 128 + 9);
    let told = Command::new("capinfos").arg("-c").arg(&file).output().unwrap();
    assert!(told.status.success(), "{told:?}");
    assert!(count(&file, "tcp.flags.syn==1 && tcp.flags.ack==0") > 20);
}

#[test]
fn packets_are_recorded_in_a_lab_only() {
    let load = "[[load]]\nrate = \"9/s\"\nattempts = 2\n";
    for (target, told) in [
        ("transport = \"unix-stream\"", "there are no packets"),
        ("address = \"127.0.0.1:9\"", "only the lab's own link is recorded"),
    ] {
        let bench =
            Bench::new(&format!("name = \"c\"\n[lab]\ncapture = true\n[target]\n{target}\n{load}"));
        bench.run(&[]).exits(&[2]).tells(&[told]);
        assert!(bench.wrote_nothing());
    }
    let bench = Bench::new(&format!("name = \"c\"\n[lab]\ncapture = true\n{load}"));
    bench.run(&["--lab", "off"]).exits(&[3]).tells(&["needs a lab", "lab.capture"]);
    assert!(bench.wrote_nothing());
    for (capture, told) in [("\"1KiB\"", "no file of packets has this size"), ("7", "true, false")]
    {
        let set = format!("lab.capture={capture}");
        let mut command = loadgen(&["check", &bench.scenario(), "--set", &set]);
        let said = super::common::Running::start(&mut command).finish();
        said.exits(&[2]).tells(&[told]);
    }
}
