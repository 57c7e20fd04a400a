//! A run that was made once, and others made of it by hand: what is compared and kept.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::common::{Bench, PROGRAM, Running, Said, loadgen, narrow};

const SCENARIO: &str = "
name = \"small\"
[target]
backlog = 64
[[load]]
rate = \"400/s\"
duration = \"250ms\"
";

/// The result of a short run, made once; noise that made it invalid is taken out.
pub fn result() -> Value {
    static RUN: OnceLock<Value> = OnceLock::new();
    let make = || {
        let bench = Bench::new(SCENARIO);
        bench.run(&[]).exits(&[0, 4]);
        let mut run = bench.result().json();
        run["cells"][0]["validity"]["reasons"] = json!([]);
        run["verdict"] = json!({"verdict": "pass"});
        run
    };
    RUN.get_or_init(make).clone()
}

/// The same as if it had been run at another time.
pub fn another(number: usize) -> Value {
    let mut run = result();
    let at = format!("2026-11-23T09:{:02}:{:02}.000Z", number / 60, number % 60);
    run["environment"]["started_at"] = json!(at);
    run["cells"][0]["turn"]["started_at"] = json!(at);
    run
}

/// The same as if each connect had taken so long, evenly spread by a tenth.
pub fn taking(number: usize, millis: f64) -> Value {
    let mut run = another(number);
    let metrics = run["cells"][0]["metrics"].as_array_mut().unwrap();
    for metric in metrics.iter_mut().filter(|m| m["metric"] == "connect") {
        let count = metric["summary"]["count"].as_u64().unwrap();
        let mut made = Histogram::<u64>::new_with_bounds(1, 180_000_000_000, 3).unwrap();
        for index in 0..count {
            let spread = 0.95 + 0.1 * index as f64 / count as f64;
            made.record((millis * spread * 1e6) as u64).unwrap();
        }
        let at = |percent: f64| {
            let rank = (percent * count as f64 / 100.0 + 0.5).floor().max(1.0);
            made.value_at_quantile((rank - 0.5) / count as f64)
        };
        metric["summary"] = json!({
            "count": count, "min": made.min(), "mean": made.mean(), "stdev": made.stdev(),
            "p50": at(50.0), "p90": at(90.0), "p99": at(99.0), "p999": at(99.9),
            "p9999": at(99.99), "max": made.max()});
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&made, &mut bytes).unwrap();
        metric["histogram"] = json!(STANDARD.encode(bytes));
    }
    run
}

/// A folder for what a case writes.
pub struct Desk(pub TempDir);

impl Desk {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The folder of a run with this result.
    pub fn run(&self, name: &str, result: &Value) -> String {
        self.put(&format!("{name}/run.json"), result.to_string());
        self.path(name)
    }

    /// A folder of the folders of so many runs, whose connects took about so long.
    pub fn runs(&self, name: &str, count: usize, millis: f64) -> String {
        for number in 0..count {
            let noise = 1.0 + 0.004 * number as f64;
            self.run(&format!("{name}/{number:02}"), &taking(number, millis * noise));
        }
        self.path(name)
    }

    /// `loadgen baseline` with the baselines of this desk.
    pub fn baseline(&self, arguments: &[&str]) -> Said {
        self.shelved("baseline", arguments)
    }

    /// `loadgen compare`, likewise.
    pub fn compare(&self, arguments: &[&str]) -> Said {
        self.shelved("compare", arguments)
    }

    fn shelved(&self, command: &str, arguments: &[&str]) -> Said {
        let mut loadgen =
            loadgen(&[&[command, "--baselines", &self.path("shelf")], arguments].concat());
        // What a job that runs these tests says of itself.
        for name in ["GITHUB_STEP_SUMMARY", "GITHUB_SHA", "CI_COMMIT_SHA"] {
            loadgen.env_remove(name);
        }
        let said = Running::start(&mut loadgen).finish();
        // Formats for others are as wide as they are, and a path cannot be wrapped.
        let others = arguments.contains(&"--format");
        let path = |line: &&str| !others && !line.starts_with("baseline: ") && !line.contains('/');
        narrow(&said.stdout.lines().filter(path).collect::<Vec<_>>().join("\n"));
        assert!(!said.stderr.contains('\u{1b}') && !said.stdout.contains('\u{1b}'), "{said}");
        said
    }
}

/// The program with as much memory, in KiB of address space.
pub fn within(memory: u64, arguments: &[&str]) -> Said {
    let mut command = std::process::Command::new("sh");
    let script = format!("ulimit -v {memory}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, PROGRAM]).args(arguments).env("NO_COLOR", "1");
    Running::start(&mut command).finish()
}
