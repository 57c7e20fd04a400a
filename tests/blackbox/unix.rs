//! AF_UNIX: the same queues without a network.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::common::{
    Bench, Running, grown, lab_or_skip, ledgers_add_up, measure, metric, nothing_unexplained,
    number, programs_or_skip, until, until_connecting,
};

const TRANSPORTS: [&str; 2] = ["unix-stream", "unix-seqpacket"];

/// The only cell; its ledgers meet.
#[track_caller]
fn cell_of(scenario: &str, sets: &[&str]) -> Value {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let (_bench, result) = measure(scenario, &sets);
    let cell = result.cell();
    ledgers_add_up(&cell);
    assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
    assert!(metric(&cell, "load", "kernel_rtt").is_none(), "the kernel tells none");
    assert!(metric(&cell, "load", "observer_error").is_none());
    assert_eq!(number(&cell, "validity.resolution"), number(&cell, "validity.lag_p99"));
    cell
}

#[test]
fn a_queue_holds_one_more_than_its_backlog_and_then_says_again() {
    const SCENARIO: &str = r#"
name = "full"
[target]
accept = "never"
[[load]]
arrivals = "burst"
size = 30
hold = "100ms"
"#;
    for transport in TRANSPORTS {
        for backlog in [0, 5, 16] {
            let transport = format!("target.transport={transport}");
            let cell = cell_of(SCENARIO, &[&transport, &format!("target.backlog={backlog}")]);
            let load = &cell["loads"][0];
            assert_eq!(number(load, "outcomes.ok"), backlog + 1, "{load}");
            assert_eq!(number(load, "outcomes.again"), 29 - backlog, "{load}");
            assert_eq!(number(load, "errors.EAGAIN"), 29 - backlog, "{load}");
            assert_eq!(number(&cell, "ledger.target.queued_at_end"), backlog + 1);
            assert_eq!(number(&cell, "target.backlog_effective"), backlog);
            assert_eq!(cell["target"]["sampler"]["method"], "unix_diag");
            let seen = cell["timeline"]["target"].as_array().unwrap().iter();
            let longest = seen.filter_map(|interval| interval["accept_queue"].as_u64()).max();
            assert_eq!(longest, Some(backlog + 1), "the queue was sampled");
        }
    }
}

#[test]
fn the_kernel_clamps_a_backlog_of_unix_as_well() {
    if !lab_or_skip("unix::the_kernel_clamps_a_backlog_of_unix_as_well") {
        return;
    }
    let cell = cell_of(
        "name = \"clamp\"\n[lab.sysctl]\nnet.core.somaxconn = 4\n[target]\nbacklog = 16\n\
         accept = \"never\"\ntransport = \"unix-stream\"\n\
         [[load]]\narrivals = \"burst\"\nsize = 10\nhold = \"50ms\"\n",
        &[],
    );
    assert_eq!(number(&cell, "target.backlog_effective"), 4);
    assert_eq!(cell["target"]["clamped"], true);
    assert_eq!(number(&cell, "loads.0.outcomes.ok"), 5);
}

#[test]
fn whoever_comes_first_is_served_first() {
    const SCENARIO: &str = r#"
name = "fifo"
[target]
backlog = 64
serial = true
service = "1ms"
[[load]]
client = "request"
arrivals = "burst"
size = 40
exchanges = 2
"#;
    for transport in TRANSPORTS {
        let cell = cell_of(SCENARIO, &[&format!("target.transport={transport}")]);
        let load = &cell["loads"][0];
        assert_eq!(number(load, "endings.done"), 40, "{load}");
        assert_eq!(number(load, "replies"), 80, "{load}");
        assert_eq!(number(load, "order.served"), 40, "{load}");
        assert_eq!(number(load, "order.overtaken"), 0, "{load}");
        let waited = metric(&cell, "target", "queue_wait").expect("greetings arrived");
        assert_eq!(number(&waited, "summary.count"), 40);
        assert!(number(&waited, "summary.max") > 20_000_000, "39 before the last: {waited}");
    }
}

#[test]
fn large_messages_and_replies_arrive_whole() {
    let message = "m".repeat(64 * 1024);
    let scenario = format!(
        "name = \"large\"\n[[load]]\nclient = \"request\"\nrate = \"50/s\"\nattempts = 5\n\
         exchanges = 3\nmessage = \"{message}\"\n"
    );
    for transport in TRANSPORTS {
        for reply in ["echo", "1MiB"] {
            let transport = format!("target.transport={transport}");
            let cell = cell_of(&scenario, &[&transport, &format!("target.reply={reply}")]);
            assert_eq!(number(&cell, "loads.0.replies"), 15, "{transport} {reply}");
            assert_eq!(number(&cell, "loads.0.endings.done"), 5, "{transport} {reply}");
        }
    }
}

#[test]
fn a_stall_turns_clients_away_or_makes_them_wait() {
    const SCENARIO: &str = r#"
name = "stall"
[target]
transport = "unix-stream"
backlog = 8
stall = [{ from = "0s", to = "500ms" }]
[[load]]
rate = "100/s"
duration = "1s"
timeout = "5s"
greet = true
"#;
    let cell = cell_of(SCENARIO, &[]);
    let again = number(&cell, "loads.0.outcomes.again");
    assert!((35..=45).contains(&again), "9 of the stall's 50 fit: {again} did not");
    assert_eq!(number(&cell, "loads.0.outcomes.ok"), 100 - again);

    let cell = cell_of(SCENARIO, &["load.when_full=wait"]);
    assert_eq!(number(&cell, "loads.0.outcomes.ok"), 100);
    let connect = metric(&cell, "load", "connect").expect("connects");
    let longest = number(&connect, "summary.max");
    assert!((300_000_000..1_000_000_000).contains(&longest), "the tenth waited {longest} ns");
}

#[test]
fn whoever_waits_in_vain_times_out() {
    for transport in TRANSPORTS {
        let cell = cell_of(
            "name = \"vain\"\n[target]\nbacklog = 5\naccept = \"never\"\n\
             [[load]]\narrivals = \"burst\"\nsize = 10\nwhen_full = \"wait\"\ntimeout = \"300ms\"\n\
             hold = \"500ms\"\n",
            &[&format!("target.transport={transport}")],
        );
        let load = &cell["loads"][0];
        assert_eq!(number(load, "outcomes.ok"), 6, "{load}");
        assert_eq!(number(load, "outcomes.timeout"), 4, "{load}");
    }
}

#[test]
fn an_interrupt_ends_those_that_wait() {
    let bench = Bench::new(
        "name = \"cut\"\n[target]\ntransport = \"unix-stream\"\nbacklog = 2\naccept = \"never\"\n\
         [[load]]\nrate = \"100/s\"\nduration = \"30s\"\nwhen_full = \"wait\"\ntimeout = \"1min\"\n",
    );
    let mut runner = bench.start(&[]);
    until_connecting(&bench, &mut runner);
    std::thread::sleep(Duration::from_millis(300));
    runner.signal(nix::sys::signal::Signal::SIGINT);
    let said = runner.finish();
    said.exits(&[130]);
    assert!(said.took < Duration::from_secs(20), "{said}");
    let cell = bench.result().cell();
    ledgers_add_up(&cell);
    assert_eq!(cell["ledger"]["unexplained"], 0, "{}", cell["ledger"]);
    assert_eq!(number(&cell, "loads.0.outcomes.ok"), 3);
    assert!(number(&cell, "loads.0.outcomes.cut") > 5, "{cell}");
}

/// A server of Python on this name, when it listens.
fn python(kind: &str, name: &str) -> Running {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/unix_echo.py");
    let mut command = Command::new("python3");
    let mut running = Running::start(command.arg(server).args([kind, name]));
    let listed = name.trim_start_matches('@').to_owned();
    until("the server to listen", Duration::from_secs(20), || {
        assert!(running.is_alive(), "the server ended");
        std::fs::read_to_string("/proc/net/unix").unwrap().contains(&listed).then_some(())
    });
    running
}

const EXTERNAL: &str = r#"
name = "external"
[[load]]
client = "request"
rate = "50/s"
attempts = 20
exchanges = 3
message = "hello\n"
reply = { until = "hello\n" }
"#;

#[test]
fn servers_of_other_people_are_reached_by_path_and_by_name() {
    if !programs_or_skip("unix::servers_of_other_people", &["python3"]) {
        return;
    }
    for kind in ["stream", "seqpacket"] {
        let bench = Bench::new(EXTERNAL);
        for name in [bench.path("server.sock"), format!("@loadgen-test-{}", std::process::id())] {
            let _server = python(kind, &name);
            let address = format!("target.address=unix:{name}");
            let transport = format!("target.transport=unix-{kind}");
            let arguments = ["--force", "--set", &address, "--set", &transport];
            bench.run(&arguments).exits(&[0, 4]);
            let cell = bench.result().cell();
            assert_eq!(ledgers_add_up(&cell), 20);
            let load = &cell["loads"][0];
            assert_eq!(number(load, "endings.done"), 20, "{load}");
            assert_eq!(number(load, "replies"), 60, "{load}");
            assert_eq!(number(&cell, "target.backlog_effective"), 5, "{}", cell["target"]);
            assert_eq!(cell["ledger"]["target_source"], "none");

            let other = if kind == "stream" { "seqpacket" } else { "stream" };
            let wrong = format!("target.transport=unix-{other}");
            let arguments = ["--force", "--set", &address, "--set", &wrong];
            let remedy =
                format!("a server of the other kind listens there: transport = \"unix-{kind}\"");
            bench.run(&arguments).exits(&[4]).tells(&[&remedy]);
        }
    }
}

#[test]
fn redis_answers_pings_on_its_socket() {
    if !programs_or_skip("unix::redis_answers_pings_on_its_socket", &["redis-server"]) {
        return;
    }
    let bench = Bench::new(EXTERNAL);
    let (folder, socket) = (bench.folder.path().display().to_string(), bench.path("redis.sock"));
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--unixsocket", &socket, "--save", "", "--appendonly", "no"]);
    let _redis = Running::start(command.args(["--dir", &folder, "--tcp-backlog", "55"]));
    until("redis to listen", Duration::from_secs(20), || Path::new(&socket).exists().then_some(()));
    let address = format!("target.address=unix:{socket}");
    let sets = ["--set", &address, "--set", "load.message=\"PING\\r\\n\""];
    let reply = ["--set", "load.reply={ until = \"PONG\\r\\n\" }"];
    bench.run(&[&sets[..], &reply].concat()).exits(&[0, 4]);
    let cell = bench.result().cell();
    assert_eq!(ledgers_add_up(&cell), 20);
    assert_eq!(number(&cell, "loads.0.replies"), 60);
    assert_eq!(number(&cell, "target.backlog_effective"), 55);
}

#[test]
fn a_first_message_goes_with_its_syn() {
    if !lab_or_skip("unix::a_first_message_goes_with_its_syn") {
        return;
    }
    // 1027: servers may take data with a SYN, and every listener does so.
    const SCENARIO: &str = r#"
name = "fast-open"
[lab.sysctl]
net.ipv4.tcp_fastopen = 1027
[[load]]
client = "request"
rate = "100/s"
attempts = 100
fast_open = true
"#;
    for family in ["ipv4", "ipv6"] {
        let set = format!("lab.family={family}");
        let (_bench, result) = measure(SCENARIO, &["--lab", "require", "--set", &set]);
        let cell = result.cell();
        assert_eq!(ledgers_add_up(&cell), 100);
        nothing_unexplained(&cell);
        let load = &cell["loads"][0];
        assert_eq!(number(load, "replies"), 100, "{load}");
        // The first connection fetches the cookie.
        assert_eq!(number(load, "fast_open"), 99, "{load}");
        assert_eq!(grown(&cell, "TCPFastOpenActive"), 99);
        assert_eq!(grown(&cell, "TCPFastOpenPassive"), 99);
        assert_eq!(grown(&cell, "TCPFastOpenCookieReqd"), 1);
    }
    // Where the target takes none, the message follows, and nothing is lost.
    let sets = ["--lab", "require", "--set", "lab.sysctl.net.ipv4.tcp_fastopen=1"];
    let (_bench, result) = measure(SCENARIO, &sets);
    let cell = result.cell();
    assert_eq!(ledgers_add_up(&cell), 100);
    assert_eq!(number(&cell, "loads.0.replies"), 100);
    assert_eq!(number(&cell, "loads.0.fast_open"), 0);
}
