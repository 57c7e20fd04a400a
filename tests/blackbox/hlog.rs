//! Histogram logs are read by another implementation, which prints the same figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::common::{Running, measure, programs_or_skip, skipped};

const NAME: &str = "hlog::the_python_package_reads_the_same_figures";
/// Where pip puts the package if the system has none.
const PACKAGES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/python");

fn python(arguments: &[&str]) -> super::common::Said {
    Running::start(Command::new("python3").args(arguments).env("PYTHONPATH", PACKAGES)).finish()
}

/// Whether the package `hdrhistogram` is there or can be fetched.
fn package() -> bool {
    if python(&["-c", "import hdrh"]).code == 0 {
        return true;
    }
    let pip = python(&["-m", "pip", "install", "--quiet", "--target", PACKAGES, "hdrhistogram"]);
    pip.code == 0 && python(&["-c", "import hdrh"]).code == 0
}

#[test]
fn the_python_package_reads_the_same_figures() {
    if !programs_or_skip(NAME, &["python3"]) {
        return;
    }
    if !package() {
        return skipped(NAME, "no Python package hdrhistogram, and pip cannot fetch it");
    }
    let (_bench, result) = measure(
        r#"
name = "logs"
[target]
backlog = 8
stall = [{ from = "0.3s", to = "0.6s" }]
[[load]]
name = "talk"
client = "request"
rate = "100/s"
attempts = 100
exchanges = 2
[[load]]
name = "knock"
arrivals = "poisson"
rate = "200/s"
duration = "1s"
greet = true
[sweep]
target.backlog = [8, 512]
"#,
        &[],
    );
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/read_hlog.py");
    let folder = result.0.join("histograms");
    let said = python(&[reader.to_str().unwrap(), folder.to_str().unwrap()]);
    said.exits(&[0]);
    let read: BTreeMap<PathBuf, (u64, u64)> = serde_json::from_str(&said.stdout).unwrap();
    let rows = result.table("summary.csv");
    let mut compared = 0;
    for row in rows.iter().filter(|row| row["count"] != "0") {
        let name = format!("{}.{}.{}.hlog", row["cell"], row["load"], row["metric"]);
        let (count, p99) = read.get(Path::new(&name)).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(row["count"], count.to_string(), "{name}");
        assert_eq!(row["p99"], format!("{}.{:03}", p99 / 1000, p99 % 1000), "{name}");
        compared += 1;
    }
    assert_eq!(compared, read.len(), "each log has a row: {:?}", read.keys());
    // Two loads in two cells: connect, connect_service, kernel_rtt, lag, observer_error; and
    // request, request_service, queue_wait, service where they apply.
    assert!(compared >= 2 * (2 * 5 + 2 + 1), "{compared} logs");
}
