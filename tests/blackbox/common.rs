//! Running the program under a watchdog, and reading what it left.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_loadgen");
/// Longest life of a child; far above what any case needs.
pub const WATCHDOG: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Lists a case, or a part of one, that cannot run here.
pub fn skipped(name: &str, reason: &str) {
    let line = format!("skipped: {name}: {reason}\n");
    print!("{line}");
    if let Some(list) = std::env::var_os("LOADGEN_SKIPPED") {
        let mut file = OpenOptions::new().append(true).create(true).open(list).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// The scenarios that are shipped.
pub fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    all.sort();
    all
}

/// Waits until `met` gives something; panics at the deadline.
pub fn until<T>(what: &str, limit: Duration, mut met: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = met() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        std::thread::sleep(POLL);
    }
}

/// How a child ended and what it said.
#[derive(Debug)]
pub struct Said {
    /// Exit status; as shells say it (128 + number) after a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Said {
    /// Fails with all that was said unless the status is one of `codes`; and never on a panic.
    #[track_caller]
    pub fn exits(&self, codes: &[i32]) -> &Self {
        assert!(!self.stderr.contains("panicked"), "{self}");
        assert!(codes.contains(&self.code), "exit status not in {codes:?}: {self}");
        self
    }

    #[track_caller]
    pub fn tells(&self, parts: &[&str]) -> &Self {
        let all = format!("{}\n{}", self.stdout, self.stderr);
        // Texts are wrapped for the terminal.
        let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(flat.contains(part), "not told: {part}\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, took } = self;
        write!(f, "exit {code} after {took:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A child that does not outlive its test.
pub struct Running {
    child: Child,
    pipes: Option<[JoinHandle<String>; 2]>,
    started: Instant,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = listen_to(child.stdout.take().unwrap());
        let stderr = listen_to(child.stderr.take().unwrap());
        Self { child, pipes: Some([stdout, stderr]), started }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; the watchdog kills it and fails.
    pub fn finish(self) -> Said {
        self.finish_within(WATCHDOG)
    }

    /// As [`Running::finish`], with another watchdog.
    pub fn finish_within(mut self, limit: Duration) -> Said {
        use std::os::unix::process::ExitStatusExt;
        let deadline = self.started + limit;
        let (status, in_time) = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break (status, true);
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                break (self.child.wait().unwrap(), false);
            }
            std::thread::sleep(POLL);
        };
        let took = self.started.elapsed();
        let [stdout, stderr] = self.pipes.take().unwrap().map(|pipe| pipe.join().unwrap());
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        let said = Said { code, stdout, stderr, took };
        assert!(in_time, "the watchdog bit: {said}");
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen_to(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was said before a broken pipe is kept.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// `loadgen` with these arguments, away from the sources so that no result lands there.
pub fn loadgen(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(std::env::temp_dir()).env("NO_COLOR", "1");
    command
}

pub fn call(arguments: &[&str]) -> Said {
    Running::start(&mut loadgen(arguments)).finish()
}

/// A scenario in a folder of its own, and a place for its result.
pub struct Bench {
    pub folder: TempDir,
}

impl Bench {
    pub fn new(scenario: &str) -> Self {
        Self::of(scenario.as_bytes())
    }

    pub fn of(scenario: &[u8]) -> Self {
        let bench = Self { folder: TempDir::new().unwrap() };
        fs::write(bench.scenario(), scenario).unwrap();
        bench
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn scenario(&self) -> String {
        self.path("s.toml")
    }

    pub fn out(&self) -> String {
        self.path("out")
    }

    pub fn wrote_nothing(&self) -> bool {
        !Path::new(&self.out()).exists()
    }

    /// `loadgen run` of the scenario.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (scenario, out) = (self.scenario(), self.out());
        let mut command = loadgen(&["run", &scenario, "--out", &out]);
        command.args(arguments);
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        let said = self.start(arguments).finish();
        narrow(&said.stdout);
        said
    }

    pub fn result(&self) -> Folder {
        Folder(self.out().into())
    }
}

/// Runs a scenario text to its end; the machine's noise may make it invalid (4).
#[track_caller]
pub fn measure(scenario: &str, arguments: &[&str]) -> (Bench, Folder) {
    let bench = Bench::new(scenario);
    bench.run(arguments).exits(&[0, 4]);
    let result = bench.result();
    assert_eq!(result.json()["status"]["status"], "complete");
    (bench, result)
}

/// No line is wider than a terminal; a path cannot be wrapped.
#[track_caller]
pub fn narrow(text: &str) {
    let path = |line: &&str| ["results: ", "report: "].iter().any(|word| line.starts_with(word));
    for line in text.lines().filter(|line| !path(line)) {
        assert!(line.chars().count() <= 80, "wider than 80 columns:\n{line}\nin\n{text}");
    }
}

/// A run's folder.
pub struct Folder(pub PathBuf);

pub type Row = BTreeMap<String, String>;

impl Folder {
    pub fn json(&self) -> Value {
        let text = fs::read_to_string(self.0.join("run.json")).expect("run.json");
        serde_json::from_str(&text).expect("run.json is JSON")
    }

    /// The cells of `run.json`.
    pub fn cells(&self) -> Vec<Value> {
        self.json()["cells"].as_array().unwrap().clone()
    }

    /// The only cell.
    pub fn cell(&self) -> Value {
        let mut cells = self.cells();
        assert_eq!(cells.len(), 1);
        cells.remove(0)
    }

    pub fn header(&self, name: &str) -> String {
        let text = fs::read_to_string(self.0.join(name)).expect(name);
        text.lines().next().unwrap_or_default().to_owned()
    }

    pub fn table(&self, name: &str) -> Vec<Row> {
        let mut reader = csv::Reader::from_path(self.0.join(name)).expect(name);
        reader.deserialize().map(|row| row.expect("a row of the header's width")).collect()
    }

    /// By how much a counter grew in the target's namespace, over all cells.
    pub fn counter(&self, name: &str) -> u64 {
        let rows = self.table("counters.csv").into_iter();
        let grown = rows.filter(|row| row["namespace"] == "target" && row["counter"] == name);
        grown.map(|row| row["delta"].parse::<u64>().unwrap()).sum()
    }

    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Fails unless this is a PNG with more than a few pixels.
    pub fn is_picture(&self, name: &str) {
        let picture = image::open(self.0.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(picture.width() >= 400 && picture.height() >= 200, "{name} is too small to read");
    }
}

/// The number at `path` such as `ledger.attempts`; text digits index lists.
#[track_caller]
pub fn number(value: &Value, path: &str) -> u64 {
    let found = path.split('.').fold(value, |value, key| match key.parse::<usize>() {
        Ok(index) => &value[index],
        Err(_) => &value[key],
    });
    found.as_u64().unwrap_or_else(|| panic!("{path} is {found}"))
}

/// Sum of a table of counts.
pub fn sum(value: &Value) -> u64 {
    value.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// Attempts of a load that were established, at once or after a SYN that was sent again.
pub fn through(load: &Value) -> u64 {
    number(load, "outcomes.ok") + number(load, "outcomes.ok_retried")
}

/// Both ledgers of a cell and what hangs on them; returns the attempts.
#[track_caller]
pub fn ledgers_add_up(cell: &Value) -> u64 {
    let ledger = &cell["ledger"];
    let attempts = number(ledger, "attempts");
    let (mut made, mut established) = (0, 0);
    for load in cell["loads"].as_array().unwrap() {
        let through = through(load);
        assert_eq!(sum(&load["outcomes"]), number(load, "attempts"), "outcomes: {load}");
        assert_eq!(sum(&load["endings"]), through, "sessions: {load}");
        let retried = number(load, "outcomes.ok_retried");
        assert_eq!(retried, number(load, "retransmitted_established"), "{load}");
        let connects = metric(cell, load["name"].as_str().unwrap(), "connect");
        assert_eq!(connects.map_or(0, |m| number(&m, "summary.count")), through, "{load}");
        made += number(load, "attempts");
        established += through;
    }
    assert_eq!((attempts, attempts), (made, number(ledger, "classified")), "{ledger}");
    assert_eq!(established, number(ledger, "established"), "{ledger}");
    assert_eq!((&ledger["unended"], &ledger["unended_at_target"]), (&0.into(), &0.into()));
    if ledger["target_source"] == "own" {
        let ended = sum(&ledger["target_endings"]);
        assert_eq!(ended, number(ledger, "target.accepted"), "{ledger}");
    }
    attempts
}

/// The ledger's two sides meet; demanded where the namespace has no other traffic.
#[track_caller]
pub fn nothing_unexplained(cell: &Value) {
    assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
    // A step is a final ACK that a full queue dropped. ListenDrops counts these beside the SYNs
    // that were dropped, whichever queue was full; each SYN retransmit answers one of the latter.
    let loads = cell["loads"].as_array().unwrap().iter();
    // A half-open client sends its SYN again whatever became of the first.
    let loads = loads.filter(|load| load["client"] != "half-open");
    let retransmits: u64 = loads.map(|load| number(load, "syn_retransmits")).sum();
    let steps = cell["ledger"]["steps"].as_array().unwrap().iter();
    // A cookie that comes again, or is not accepted, is counted as such.
    let steps = steps.filter(|step| !step["why"].as_str().unwrap().contains("SYN cookie"));
    let explained: u64 = steps.map(|step| step["count"].as_i64().unwrap().unsigned_abs()).sum();
    // What a restart shuts out in its instant is in no counter of the kernel's.
    let restarts = cell["target"]["restarts"].as_array().into_iter().flatten();
    let shut_out: u64 = restarts.map(|restart| number(restart, "dropped")).sum();
    let drops = grown(cell, "ListenDrops") + shut_out;
    assert!(drops >= retransmits + explained, "{drops} drops; {}", cell["ledger"]);
}

/// By how much a counter grew in the target's namespace.
#[track_caller]
pub fn grown(cell: &Value, name: &str) -> u64 {
    let mut counters = cell["counters"].as_array().unwrap().iter();
    let found = counters.find(|c| c["namespace"] == "target" && c["counter"] == name);
    let found = found.unwrap_or_else(|| panic!("no counter {name}"));
    number(found, "after") - number(found, "before")
}

pub fn metric(cell: &Value, load: &str, name: &str) -> Option<Value> {
    let mut metrics = cell["metrics"].as_array().unwrap().iter();
    metrics.find(|m| m["load"] == load && m["metric"] == name).cloned()
}

/// Why no lab can be made here, if so.
fn no_lab() -> Option<&'static str> {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let probe = || {
        let bench = Bench::new("name = \"probe\"\n[[load]]\nrate = \"20/s\"\nattempts = 1\n");
        let said = bench.run(&["--lab", "require"]);
        (said.exits(&[0, 3, 4]).code == 3).then(|| said.stderr.trim().to_owned())
    };
    REASON.get_or_init(probe).as_deref()
}

/// Whether there are labs here; lists the case as skipped where not.
pub fn lab_or_skip(name: &str) -> bool {
    let reason = no_lab();
    reason.inspect(|reason| skipped(name, &format!("no lab: {reason}")));
    reason.is_none()
}

/// Whether all of these programs are here; lists the case as skipped where not.
pub fn programs_or_skip(name: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |program: &&&str| !std::env::split_paths(&path).any(|f| f.join(program).is_file());
    let missing = programs.iter().find(has);
    missing.inspect(|missing| skipped(name, &format!("no {missing} here")));
    missing.is_none()
}

/// Children of a process, by number.
pub fn children(pid: i32) -> Vec<i32> {
    processes().filter(|(_, parent)| *parent == pid).map(|(child, _)| child).collect()
}

/// Every process and its parent.
fn processes() -> impl Iterator<Item = (i32, i32)> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        (state != "Z").then_some((pid, parent))
    })
}

/// The `loadgen serve` that a runner has started.
pub fn target_of(runner: &Running) -> i32 {
    until("the target process", Duration::from_secs(20), || {
        children(runner.pid()).into_iter().find(|child| {
            let line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == b"serve")
        })
    })
}

/// Waits until clients have connected: the histogram log of `connect` has begun.
pub fn until_connecting(bench: &Bench, runner: &mut Running) {
    let folder = bench.result().0.join("histograms");
    until("the first connects", Duration::from_secs(20), || {
        assert!(runner.is_alive(), "the run ended before its first connect");
        let mut entries = fs::read_dir(&folder).ok()?.filter_map(Result::ok);
        entries.find(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let long = entry.metadata().is_ok_and(|about| about.len() > 300);
            name.ends_with(".connect.hlog") && long
        })
    });
}
