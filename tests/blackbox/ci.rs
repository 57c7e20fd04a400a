//! `docs/ci/ci.sh`, as a CI system calls it: two servers, a verdict, and nobody left.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::common::{Bench, PROGRAM, Running, Said, programs_or_skip, skipped, until};

/// Requests to a server that the script names; a run of 0.3 s.
const SHORT: &str = r#"
name = "ci"
[target]
address = "127.0.0.1:1"
[[load]]
client = "request"
rate = "100/s"
duration = "300ms"
message = "ping\n"
reply = { length = 5 }
"#;

fn able(name: &str) -> bool {
    programs_or_skip(name, &["sh", "ss", "setsid"])
}

/// Two ports that are free a moment before they are used.
fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// A server as users write it: with a folder and a variable of its own, which take a shell.
fn server(service: &str) -> String {
    format!(
        "cd / && DELAY=5 \"$LOADGEN\" serve --listen \"127.0.0.1:$PORT\" --service {service} \
         >/dev/null 2>&1"
    )
}

/// The script for these two servers; what it writes lies in the bench's folder.
fn script(bench: &Bench, [base, candidate]: [u16; 2], servers: &[String; 2]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ci/ci.sh"));
    command.arg(bench.scenario()).args(servers).current_dir(bench.folder.path());
    command.env("LOADGEN", PROGRAM).env("OUT", bench.out()).env("NO_COLOR", "1");
    command.env("PORTS", format!("{base} {candidate}")).env("MOST_PAIRS", "6");
    for name in ["FAIL_ON", "GITHUB_ACTIONS"] {
        command.env_remove(name);
    }
    command
}

/// Processes whose command line names one of the ports: servers, and the program that measures.
fn at(ports: [u16; 2]) -> Vec<(i32, String)> {
    let ours = ports.map(|port| format!("127.0.0.1:{port}"));
    let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
    });
    entries.filter(|(_, line)| ours.iter().any(|address| line.contains(address))).collect()
}

/// Waits until both servers are measured.
fn until_measuring(bench: &Bench, running: &mut Running) {
    until("the measurement", Duration::from_secs(30), || {
        assert!(running.is_alive(), "it ended before anything was measured");
        Path::new(&bench.out()).exists().then_some(())
    });
}

#[track_caller]
fn nobody_at(ports: [u16; 2], said: &Said) {
    let left = at(ports);
    assert!(left.is_empty(), "{left:?} outlived the script: {said}");
}

/// Runs the script to its end, after which nobody is left.
#[track_caller]
fn finish(command: &mut Command, ports: [u16; 2]) -> Said {
    let said = Running::start(command).finish();
    nobody_at(ports, &said);
    said
}

/// Whether there is a verdict; the case is listed as skipped where noise has prevented it.
fn is_judged(name: &str, said: &Said) -> bool {
    let noisy = said.stderr.contains("these runs do not tell");
    if noisy {
        skipped(name, "this machine is too busy for a verdict");
    }
    !noisy
}

fn junit(bench: &Bench) -> String {
    let text = fs::read_to_string(bench.path("out.junit.xml")).expect("JUnit");
    assert!(text.contains("<testsuite"), "{text}");
    text
}

#[test]
fn a_slower_candidate_fails_the_job() {
    const NAME: &str = "ci::a_slower_candidate_fails_the_job";
    if !able(NAME) {
        return;
    }
    let (bench, ports) = (Bench::new(SHORT), free_ports());
    let servers = [server("2ms"), server("20ms")];
    let said = finish(&mut script(&bench, ports, &servers), ports);
    said.exits(&[0, 1]);
    let (report, text) = (junit(&bench), fs::read_to_string(bench.path("out.md")).unwrap());
    if is_judged(NAME, &said) {
        said.exits(&[1]);
        assert!(!said.stderr.contains("a limit of"), "{said}");
        assert!(report.contains("<failure"), "{report}");
        assert!(text.contains("request.p50"), "{text}");
    }
}

#[test]
fn an_equal_candidate_passes() {
    if !able("ci::an_equal_candidate_passes") {
        return;
    }
    let (bench, ports) = (Bench::new(SHORT), free_ports());
    let servers = [server("2ms"), server("2ms")];
    let mut command = script(&bench, ports, &servers);
    finish(command.env("FAIL_ON", "request.p50>50%"), ports).exits(&[0]);
    let report = junit(&bench);
    assert!(!report.contains("<failure"), "{report}");
    assert!(Path::new(&bench.path("out.md")).exists());
}

#[test]
fn a_broken_limit_fails_the_job_and_is_told() {
    const NAME: &str = "ci::a_broken_limit_fails_the_job_and_is_told";
    if !able(NAME) {
        return;
    }
    let bench = Bench::new(&format!("{SHORT}[limits]\n\"request.p50\" = \"<= 1ms\"\n"));
    let ports = free_ports();
    let servers = [server("2ms"), server("2ms")];
    // So few pairs are never worse: what fails is the limit.
    let said = finish(script(&bench, ports, &servers).env("MOST_PAIRS", "2"), ports);
    said.exits(&[0, 1]);
    if is_judged(NAME, &said) {
        let told = format!("a limit of {} is broken: see the log above", bench.scenario());
        said.exits(&[1]).tells(&[&told]);
        assert!(!junit(&bench).contains("<failure"), "nothing is worse: {said}");
    }
}

#[test]
fn another_server_at_the_port_is_not_measured() {
    if !able("ci::another_server_at_the_port_is_not_measured") {
        return;
    }
    let bench = Bench::new(SHORT);
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().port();
    let [free, _] = free_ports();
    for ports in [[free, taken], [taken, free]] {
        let servers = [server("2ms"), server("2ms")];
        let said = finish(&mut script(&bench, ports, &servers), ports);
        said.exits(&[3]).tells(&[&format!("port {taken} is taken"), "in PORTS"]);
    }
    assert!(bench.wrote_nothing());
    stranger.set_nonblocking(true).unwrap();
    let visitor = stranger.accept().map(|(_, address)| address);
    assert_eq!(visitor.unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
}

#[test]
fn a_server_that_ends_at_once_is_told() {
    if !able("ci::a_server_that_ends_at_once_is_told") {
        return;
    }
    let (bench, ports) = (Bench::new(SHORT), free_ports());
    let servers = [server("2ms"), "exit 5".to_owned()];
    let said = finish(&mut script(&bench, ports, &servers), ports);
    let port = ports[1];
    said.exits(&[3]).tells(&[&format!("it ended without listening at port {port}: exit 5")]);
    assert!(bench.wrote_nothing());
}

#[test]
fn a_server_that_ends_meanwhile_is_told() {
    if !able("ci::a_server_that_ends_meanwhile_is_told") {
        return;
    }
    let (bench, ports) = (Bench::new(SHORT), free_ports());
    let servers = [server("2ms"), server("1ms")];
    let mut running = Running::start(script(&bench, ports, &servers).env("MOST_PAIRS", "4"));
    until_measuring(&bench, &mut running);
    let address = format!("--listen 127.0.0.1:{} ", ports[1]);
    let found = at(ports).into_iter().find(|(_, line)| line.contains(&address));
    kill(Pid::from_raw(found.expect("the candidate's server").0), Signal::SIGKILL).unwrap();
    // Whether attempts that failed are too many is the comparison's to say.
    let said = running.finish();
    let told = format!("it ended while it was measured: {}", servers[1]);
    said.exits(&[0, 1]).tells(&[&told]);
    assert!(!said.stderr.contains(&servers[0]), "the other one did not: {said}");
    nobody_at(ports, &said);
}

#[test]
fn a_cancelled_job_leaves_nobody_behind() {
    if !able("ci::a_cancelled_job_leaves_nobody_behind") {
        return;
    }
    let (bench, ports) = (Bench::new(SHORT), free_ports());
    let servers = [server("2ms"), server("2ms")];
    let mut running = Running::start(script(&bench, ports, &servers).env("MOST_PAIRS", "24"));
    until_measuring(&bench, &mut running);
    assert!(at(ports).len() >= 3, "two servers, and who measures them: {:?}", at(ports));
    let cancelled = Instant::now();
    running.signal(Signal::SIGTERM);
    let said = running.finish();
    said.exits(&[143]);
    assert!(cancelled.elapsed() < Duration::from_secs(10), "{said}");
    nobody_at(ports, &said);
    assert!(!Path::new(&bench.path("out.md")).exists(), "nothing was compared");
}
