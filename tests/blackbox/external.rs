//! Servers of other people: nginx, redis, a few lines of Python.
//!
//! Each case has a network namespace of its own where one can be made, so that the kernel's
//! counters hold nobody else's connections and the ledger can be demanded to the last one.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::common::{
    Bench, Running, ledgers_add_up, narrow, nothing_unexplained, number, programs_or_skip, skipped,
    until,
};

/// A network of its own, or the host's where none can be made.
pub struct Network {
    holder: Option<Running>,
}

impl Network {
    pub fn new(name: &str) -> Self {
        let ready = "ip link set lo up && echo up > \"$0\" && exec sleep 300";
        let bench = Bench::new("");
        let mark = bench.path("up");
        let mut command = Command::new("unshare");
        command.args(["-rn", "sh", "-c", ready, &mark]);
        if !programs_or_skip(name, &["unshare", "nsenter", "ip"]) {
            return Self { holder: None };
        }
        let mut holder = Running::start(&mut command);
        let up = until("a private network", Duration::from_secs(10), || {
            if Path::new(&mark).exists() {
                Some(true)
            } else {
                (!holder.is_alive()).then_some(false)
            }
        });
        if !up {
            skipped(name, "no private network: unexplained is not demanded");
        }
        Self { holder: up.then_some(holder) }
    }

    pub fn is_private(&self) -> bool {
        self.holder.is_some()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let Some(holder) = &self.holder else {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]);
            return command;
        };
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "-U", "-n", "-t", &holder.pid().to_string(), "--"]);
        command.args(words);
        command
    }

    /// Starts a server and waits until it listens.
    pub fn server(&self, words: &[&str], port: u16) -> Running {
        let mut server = Running::start(&mut self.command(words));
        let wanted = format!(":{port:04X} ");
        until("the server to listen", Duration::from_secs(20), || {
            assert!(server.is_alive(), "{words:?} ended");
            // Its own view of the network, read by the file of its process.
            let table = fs::read_to_string(format!("/proc/{}/net/tcp", server.pid())).ok()?;
            table.lines().any(|l| l.contains(&wanted) && l.contains(" 0A ")).then_some(())
        });
        server
    }
}

/// A port that is free a moment before it is used.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs a scenario against the port in the network, and checks what holds for any server.
fn drive(network: &Network, bench: &Bench, scenario: &str, port: u16, backlog: u64) -> Value {
    let (out, set) = (bench.out(), format!("target.address=127.0.0.1:{port}"));
    let words = [super::common::PROGRAM, "run", scenario, "--out", &out, "--set", &set];
    let said = Running::start(network.command(&words).env("NO_COLOR", "1")).finish();
    narrow(&said.stdout);
    said.exits(&[0, 4]);
    let cell = bench.result().cell();
    let target = &cell["target"];
    assert_eq!(target["kind"], "external");
    assert_eq!(number(target, "backlog_effective"), backlog, "{target}");
    assert!(number(target, "sampler.ticks") > 10, "{target}");
    ledgers_add_up(&cell);
    assert_eq!(cell["ledger"]["target_source"], "kernel", "{}", cell["ledger"]);
    if network.is_private() {
        nothing_unexplained(&cell);
    }
    let rows = bench.result().table("timeline.csv");
    assert!(rows.iter().any(|row| !row["accept_queue"].is_empty()), "the queue was sampled");
    assert!(rows.iter().all(|row| row["accepted"].is_empty()), "nobody told us of accept()");
    let queues = bench.result().table("queues.csv");
    assert!(queues.iter().any(|row| !row["accept_queue"].is_empty()), "so was its listener's");
    assert!(queues.iter().all(|row| row["accepted"].is_empty()));
    cell
}

#[test]
fn nginx_answers_http() {
    const NAME: &str = "external::nginx_answers_http";
    if !programs_or_skip(NAME, &["nginx"]) {
        return;
    }
    let (network, port) = (Network::new(NAME), free_port());
    let bench = Bench::new(
        r#"
name = "nginx"
[[load]]
name = "http"
client = "request"
rate = "100/s"
attempts = 100
message = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
reply = "close"
"#,
    );
    let folder = bench.folder.path().display();
    let config = format!(
        "daemon off; user root; master_process off; pid {folder}/pid; error_log stderr;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;\n\
         fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;\n\
         server {{ listen 127.0.0.1:{port} backlog=77; return 200 \"hello\"; }} }}\n"
    );
    fs::write(bench.path("nginx.conf"), config).unwrap();
    let log = bench.path("error.log");
    let config = bench.path("nginx.conf");
    let _nginx = network.server(&["nginx", "-e", &log, "-c", &config], port);
    let cell = drive(&network, &bench, &bench.scenario(), port, 77);
    let load = &cell["loads"][0];
    assert_eq!(number(load, "endings.done"), 100, "{load}");
    assert_eq!(number(load, "replies"), 100, "{load}");
}

#[test]
fn redis_answers_pings() {
    const NAME: &str = "external::redis_answers_pings";
    if !programs_or_skip(NAME, &["redis-server"]) {
        return;
    }
    let (network, port) = (Network::new(NAME), free_port());
    let bench = Bench::new(
        r#"
name = "redis"
[[load]]
name = "ping"
client = "request"
rate = "50/s"
attempts = 50
message = "PING\r\n"
reply = { until = "\r\n" }
exchanges = 5
"#,
    );
    let (digits, folder) = (port.to_string(), bench.folder.path().display().to_string());
    let words = ["redis-server", "--port", &digits, "--bind", "127.0.0.1", "--save", ""];
    let more = ["--appendonly", "no", "--dir", &folder, "--tcp-backlog", "55"];
    let _redis = network.server(&[&words[..], &more].concat(), port);
    let cell = drive(&network, &bench, &bench.scenario(), port, 55);
    let load = &cell["loads"][0];
    assert_eq!(number(load, "endings.done"), 50, "{load}");
    assert_eq!(number(load, "replies"), 250, "{load}");
}

#[test]
fn a_plain_python_server_gives_the_picture_of_serial_chat() {
    const NAME: &str = "external::a_plain_python_server";
    if !programs_or_skip(NAME, &["python3"]) {
        return;
    }
    let (network, port) = (Network::new(NAME), free_port());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let server = root.join("tests/servers/one_at_a_time.py");
    let words = ["python3", server.to_str().unwrap(), &port.to_string()];
    let _server = network.server(&words, port);
    let scenario = root.join("scenarios/serial-chat.toml");
    let six = Bench::new(&fs::read_to_string(&scenario).unwrap().replace("size = 12", "size = 6"));
    first_come_first_served(&drive(&network, &six, &six.scenario(), port, 5));
    let bench = Bench::new("");
    let cell = drive(&network, &bench, scenario.to_str().unwrap(), port, 5);
    serial_chat(&cell);
    let rows = bench.result().table("timeline.csv");
    let longest = rows.iter().filter_map(|row| row["accept_queue"].parse::<u64>().ok()).max();
    assert!(matches!(longest, Some(5 | 6)), "longest queue {longest:?}");
}

#[test]
fn our_own_target_gives_the_same_picture() {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/serial-chat.toml");
    let text = fs::read_to_string(scenario).unwrap();
    let (_bench, result) = super::common::measure(&text, &[]);
    ledgers_add_up(&result.cell());
    serial_chat(&result.cell());
    let (_bench, result) = super::common::measure(&text, &["--set", "load.size=6"]);
    first_come_first_served(&result.cell());
}

/// As many as the queue holds are served in their order.
fn first_come_first_served(cell: &Value) {
    let load = &cell["loads"][0];
    assert_eq!(number(load, "outcomes.ok"), 6, "{load}");
    assert_eq!(number(load, "order.served"), 6, "{load}");
    assert_eq!(number(load, "order.overtaken"), 0, "{load}");
}

/// One is served and six wait, or six wait before the first is served; the rest retries.
fn serial_chat(cell: &Value) {
    let load = &cell["loads"][0];
    let ok = number(load, "outcomes.ok");
    assert!(matches!(ok, 6 | 7), "{ok} got in with their first SYN: {load}");
    assert_eq!(number(load, "outcomes.ok_retried"), 12 - ok, "{load}");
    assert_eq!(number(load, "endings.done"), 12, "{load}");
    assert_eq!(number(load, "replies"), 48, "{load}");
    assert_eq!(number(load, "order.served"), 12, "{load}");
    // First in, first out; only who was not held, since the full queue dropped the final ACK, can
    // be overtaken.
    let resent = number(load, "order.overtaken_resent");
    assert_eq!(number(load, "order.overtaken"), resent, "{load}");
}

#[test]
fn nobody_listening_is_refused_and_told() {
    let port = free_port();
    let bench = Bench::new(&format!(
        "name = \"n\"\n[target]\naddress = \"127.0.0.1:{port}\"\n\
         [[load]]\nrate = \"50/s\"\nattempts = 5\n"
    ));
    bench.run(&[]).exits(&[0, 4]).tells(&["5 refused"]);
    let cell = bench.result().cell();
    assert_eq!(ledgers_add_up(&cell), 5);
    assert_eq!(number(&cell, "loads.0.errors.ECONNREFUSED"), 5);
    assert!(cell["target"]["notices"][0].as_str().unwrap().contains("nobody listens"), "{cell}");
}

#[test]
fn a_server_that_listens_later_is_sampled_from_then_on() {
    const NAME: &str = "external::a_server_that_listens_later";
    if !programs_or_skip(NAME, &["python3"]) {
        return;
    }
    let (network, port) = (Network::new(NAME), free_port());
    let bench = Bench::new(&format!(
        "name = \"late\"\n[target]\naddress = \"127.0.0.1:{port}\"\n\
         [[load]]\nrate = \"20/s\"\nduration = \"5s\"\ntimeout = \"1500ms\"\n"
    ));
    let (out, scenario) = (bench.out(), bench.scenario());
    let words = [super::common::PROGRAM, "run", &scenario, "--out", &out];
    let run = Running::start(network.command(&words).env("NO_COLOR", "1"));
    std::thread::sleep(Duration::from_millis(2000));
    // It never accepts: three find a place.
    let server = format!(
        "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', {port})); s.listen(2); \
         time.sleep(60)"
    );
    let _server = network.server(&["python3", "-c", &server], port);
    run.finish().exits(&[0, 4]);
    let cell = bench.result().cell();
    let target = &cell["target"];
    assert_eq!(number(target, "backlog_effective"), 2, "{target}");
    let notice = target["notices"][0].as_str().unwrap();
    assert!(notice.contains("sampled from then on"), "{notice}");
    assert!(number(&cell, "loads.0.outcomes.refused") > 5, "{cell}");
    assert!(number(&cell, "loads.0.outcomes.timeout") > 5, "{cell}");
    let rows = bench.result().table("timeline.csv");
    let first = rows.iter().find(|row| !row["accept_queue"].is_empty());
    let first = first.expect("the queue was sampled");
    assert!(first["t_s"].parse::<f64>().unwrap() >= 1.0, "not before it was there: {first:?}");
    if network.is_private() {
        nothing_unexplained(&cell);
        let full = cell["classes"]["classes"].as_array().unwrap();
        let full = full.iter().find(|one| one["class"] == "accept_queue_full");
        assert!(full.is_some_and(|one| number(one, "count") > 5), "{}", cell["classes"]);
    }
}
