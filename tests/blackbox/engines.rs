//! What drives the clients: every engine keeps the same books, and more connections are kept than
//! a process may have descriptors.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::common::{
    Bench, Folder, PROGRAM, Running, children, lab_or_skip, ledgers_add_up, measure,
    nothing_unexplained, number, programs_or_skip, skipped, through, until, until_connecting,
};
use super::external::Network;

const ENGINES: [&str; 3] = ["mio", "io_uring", "processes"];

/// Fails unless the load was driven by `engine`; where io_uring is not to be had, by processes, and
/// told so.
#[track_caller]
fn driven_by(load: &Value, engine: &str) {
    let notices = load["notices"].as_array().expect("notices");
    if engine == "io_uring" && load["engine"] == "processes" {
        let told = notices[0].as_str().expect("a text");
        assert!(told.contains("io_uring cannot be used"), "{told}");
        return skipped("engines: io_uring", told);
    }
    assert_eq!(load["engine"], engine, "{load}");
    assert!(notices.is_empty(), "{notices:?}");
}

/// The same load by every engine: nothing but the engine differs. However late the acceptor is on a
/// busy machine, the queue has room.
fn by_every_engine(load: &str, attempts: u64) -> Vec<Value> {
    let scenario = format!(
        "name = \"engines\"\n[target]\nbacklog = 4096\n[[load]]\n{load}\nworkers = 2\n\
         [sweep]\nload.engine = {ENGINES:?}\n"
    );
    let (_bench, result) = measure(&scenario, &[]);
    let cells = result.cells();
    for (cell, engine) in cells.iter().zip(ENGINES) {
        assert_eq!(ledgers_add_up(cell), attempts);
        nothing_unexplained(cell);
        let load = &cell["loads"][0];
        driven_by(load, engine);
        assert_eq!(number(load, "workers"), 2);
        assert_eq!(through(load), attempts, "{engine}: {load}");
        assert_eq!(number(load, "endings.done"), attempts, "{engine}: {load}");
    }
    assert_eq!(cells.len(), ENGINES.len());
    cells
}

#[test]
fn connects_are_the_same_by_every_engine() {
    by_every_engine("rate = \"500/s\"\nattempts = 400\nhold = \"200ms\"", 400);
}

#[test]
fn requests_are_the_same_by_every_engine() {
    let load = "client = \"request\"\nexchanges = 3\nthink = \"150ms\"\nrate = \"400/s\"\n\
                attempts = 300";
    for cell in by_every_engine(load, 300) {
        assert_eq!(number(&cell["loads"][0], "replies"), 900);
    }
}

#[test]
fn held_connections_are_the_same_by_every_engine() {
    let load = "client = \"hold\"\nconnections = 1500\nrate = \"3000/s\"\nhold = \"1s\"\n\
                message = \"tick\"\nthink = \"300ms\"";
    for cell in by_every_engine(load, 1500) {
        let held = cell["timeline"]["loads"][0]["intervals"].as_array().expect("intervals");
        assert!(number(&cell["loads"][0], "replies") > 1500, "they talk");
        assert!(!held.is_empty());
        // Of worker processes as well.
        assert!(cell["memory"]["client_bytes"].as_i64().expect("memory") > 0, "{}", cell["memory"]);
    }
}

#[test]
fn every_engine_drives_its_own_loads_side_by_side() {
    let loads = ENGINES.map(|engine| {
        format!("[[load]]\nname = \"{engine}\"\nengine = \"{engine}\"\nrate = \"200/s\"\nattempts = 200\n")
    });
    let (_bench, result) = measure(&format!("name = \"mixed\"\n{}", loads.concat()), &[]);
    let cell = result.cell();
    assert_eq!(ledgers_add_up(&cell), 600);
    nothing_unexplained(&cell);
    for (load, engine) in cell["loads"].as_array().expect("loads").iter().zip(ENGINES) {
        driven_by(load, engine);
        assert_eq!(through(load), 200, "{load}");
    }
}

#[test]
fn clients_of_a_process_that_fell_silent_are_open_to_the_end() {
    let scenario = r#"
name = "silent"
[[load]]
client = "request"
rate = "400/s"
attempts = 400
engine = "processes"
workers = 2
vanish = { ratio = "20%", after = "request", how = "silent" }
"#;
    let (_bench, result) = measure(scenario, &[]);
    let cell = result.cell();
    assert_eq!(ledgers_add_up(&cell), 400);
    nothing_unexplained(&cell);
    let vanished = number(&cell["loads"][0], "endings.vanished");
    assert!(vanished > 40, "{vanished}");
    assert_eq!(number(&cell, "ledger.target_endings.open_at_end"), vanished);
}

/// Runs `words` where a process may open few descriptors.
fn with_few_descriptors(network: &Network, words: &[&str]) -> Command {
    let limited = ["sh", "-c", "ulimit -n 1000 && exec \"$@\"", "sh"];
    network.command(&[&limited[..], words].concat())
}

/// Three thousand connections by a runner that may open a thousand descriptors.
fn more_than_descriptors(name: &str, port: u16, engine: &str, expected: &str) {
    let network = Network::new(name);
    let address = format!("127.0.0.1:{port}");
    let server = [PROGRAM, "serve", "--listen", &address, "--backlog", "1024"];
    let _server = network.server(&server, port);
    let bench = Bench::new(&format!(
        "name = \"many\"\n[target]\naddress = \"{address}\"\n[[load]]\n\
         client = \"hold\"\nconnections = 3000\nrate = \"3000/s\"\nhold = \"1s\"\n{engine}\n"
    ));
    let run = [PROGRAM, "run", &bench.scenario(), "--out", &bench.out()];
    let said = Running::start(&mut with_few_descriptors(&network, &run)).finish();
    said.exits(&[0, 4]);
    let cell = Folder(bench.out().into()).cell();
    assert_eq!(ledgers_add_up(&cell), 3000);
    if network.is_private() {
        nothing_unexplained(&cell);
    }
    let load = &cell["loads"][0];
    driven_by(load, expected);
    assert_eq!(number(load, "endings.done"), 3000, "{said}");
    // 1000 less those that are not for clients.
    assert_eq!(number(load, "workers"), 4);
    assert!(number(&cell, "memory.connections") >= 3000, "all at once: {}", cell["memory"]);
}

#[test]
fn io_uring_keeps_more_than_a_process_may_open() {
    more_than_descriptors("engines::io_uring", 43111, "", "io_uring");
}

#[test]
fn processes_keep_more_than_one_may_open() {
    more_than_descriptors("engines::processes", 43112, "engine = \"processes\"", "processes");
}

#[test]
fn what_one_process_cannot_keep_is_refused_with_the_remedy() {
    let bench = Bench::new(
        "name = \"many\"\n[[load]]\nclient = \"hold\"\nconnections = 3000\nrate = \"3000/s\"\n\
         engine = \"mio\"\n",
    );
    let network = Network::new("engines::refused");
    let run = [PROGRAM, "run", &bench.scenario(), "--out", &bench.out()];
    let said = Running::start(&mut with_few_descriptors(&network, &run)).finish();
    said.exits(&[3]).tells(&["3000 connections", "1000 descriptors", "engine = \"io_uring\""]);
}

/// Runs a command without io_uring, as in many containers: the filter of system calls (seccomp)
/// answers EPERM to io_uring_setup, whose number is the same on all architectures.
const FORBID: &str = r#"
import ctypes, os, struct, sys
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
program = Program(len(lines), b"".join(struct.pack("HBBI", *line) for line in lines))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, "PR_SET_SECCOMP"
os.execvp(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn where_io_uring_is_forbidden_processes_take_its_place() {
    if !programs_or_skip("engines::forbidden", &["python3"]) {
        return;
    }
    let bench = Bench::new(
        "name = \"forbidden\"\n[[load]]\nclient = \"hold\"\nconnections = 500\n\
         rate = \"1000/s\"\nhold = \"500ms\"\nengine = \"io_uring\"\n",
    );
    let mut command = Command::new("python3");
    command.args(["-c", FORBID, PROGRAM, "run", &bench.scenario(), "--out", &bench.out()]);
    let said = Running::start(command.env("NO_COLOR", "1")).finish();
    let notice = "io_uring cannot be used, and worker processes took its place: io_uring_setup: \
                  EPERM: kernel.io_uring_disabled must be 0";
    said.exits(&[0, 4]).tells(&[notice, "seccomp", "1 x processes"]);
    let cell = bench.result().cell();
    assert_eq!(ledgers_add_up(&cell), 500);
    nothing_unexplained(&cell);
    let load = &cell["loads"][0];
    assert_eq!((number(load, "endings.done"), &load["engine"]), (500, &"processes".into()));
    assert!(load["notices"][0].as_str().is_some_and(|told| told.contains("EPERM")), "{load}");
}

/// Starts two worker processes, ends the runner, and waits until they are gone.
fn nobody_outlives(end: Signal, code: i32) {
    let bench = Bench::new(
        "name = \"long\"\n[[load]]\nrate = \"200/s\"\nduration = \"20s\"\nworkers = 2\n\
         engine = \"processes\"\n",
    );
    let mut runner = bench.start(&[]);
    until_connecting(&bench, &mut runner);
    let workers = children(runner.pid());
    // The target is one of them.
    assert_eq!(workers.len(), 3, "{workers:?}");
    kill(Pid::from_raw(runner.pid()), end).expect("it runs");
    let said = runner.finish();
    said.exits(&[code]);
    assert!(said.took < Duration::from_secs(15), "{said}");
    for worker in workers {
        until("the child to be gone", Duration::from_secs(3), || {
            let exe = format!("/proc/{worker}/exe");
            (std::fs::read_link(exe).is_err()).then_some(())
        });
    }
    if code == 130 {
        let cell = bench.result().cell();
        assert!(ledgers_add_up(&cell) > 0);
        assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
    }
}

#[test]
fn worker_processes_end_with_ctrl_c() {
    nobody_outlives(Signal::SIGINT, 130);
}

#[test]
fn worker_processes_do_not_outlive_a_killed_runner() {
    nobody_outlives(Signal::SIGKILL, 128 + 9);
}

#[test]
fn a_killed_worker_process_is_told() {
    if !lab_or_skip("engines::killed") {
        return;
    }
    let bench = Bench::new(
        "name = \"long\"\n[[load]]\nrate = \"200/s\"\nduration = \"2s\"\nworkers = 2\n\
         engine = \"processes\"\n",
    );
    let mut runner = bench.start(&[]);
    until_connecting(&bench, &mut runner);
    let worker = children(runner.pid()).into_iter().find(|child| {
        let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"work")
    });
    kill(Pid::from_raw(worker.expect("a worker")), Signal::SIGKILL).expect("it runs");
    let said = runner.finish();
    said.exits(&[3]).tells(&["a worker process failed: killed by signal 9"]);
    assert_eq!(bench.result().json()["status"]["status"], "partial");
}
