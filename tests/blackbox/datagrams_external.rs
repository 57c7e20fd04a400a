//! Datagrams to servers of other people.

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use super::common::{Bench, Running, number, programs_or_skip, until};
use super::datagrams::books_add_up;
use super::external::Network;

const SCENARIO: &str = r#"
name = "external"
[target]
transport = "udp"
[[load]]
rate = "500/s"
attempts = 250
timeout = "300ms"
"#;

/// A port that is free a moment before it is used.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn drive(network: &Network, sets: &[&str], port: u16) -> serde_json::Value {
    let bench = Bench::new(SCENARIO);
    let (scenario, out) = (bench.scenario(), bench.out());
    let address = format!("target.address=127.0.0.1:{port}");
    let mut words = vec![super::common::PROGRAM, "run", &scenario, "--out", &out];
    words.extend(["--set", &address]);
    words.extend(sets.iter().flat_map(|set| ["--set", set]));
    let said = Running::start(network.command(&words).env("NO_COLOR", "1")).finish();
    super::common::narrow(&said.stdout);
    said.exits(&[0, 4]);
    assert!(said.took < Duration::from_secs(20), "{said}");
    let cell = bench.result().cell();
    books_add_up(&cell);
    assert_eq!(cell["target"]["kind"], "external");
    assert_eq!(cell["datagrams"]["counted"], false);
    cell
}

/// Starts a server and waits until it is bound.
fn server(network: &Network, words: &[&str], port: u16, table: &str) -> Running {
    let mut server = Running::start(&mut network.command(words));
    let wanted = format!(":{port:04X} ");
    until("the server to be bound", Duration::from_secs(20), || {
        assert!(server.is_alive(), "{words:?} ended");
        let path = format!("/proc/{}/net/{table}", server.pid());
        let text = std::fs::read_to_string(path).ok()?;
        text.lines().any(|line| line.contains(&wanted)).then_some(())
    });
    server
}

#[test]
fn a_closed_port_refuses() {
    let network = Network::new("datagrams_external::a_closed_port_refuses");
    for reply in ["load.reply=none", "load.reply=echo"] {
        let cell = drive(&network, &[reply], free_port());
        let load = &cell["loads"][0];
        // Loopback limits no ICMP; one or two may come when all is over.
        assert!(number(load, "outcomes.refused") >= 248, "{load}");
        assert!(number(&cell["datagrams"], "lost") >= 248, "{}", cell["datagrams"]);
    }
}

#[test]
fn an_echo_that_adds_to_what_came_is_an_answer() {
    const NAME: &str = "datagrams_external::an_echo_that_adds";
    if !programs_or_skip(NAME, &["python3"]) {
        return;
    }
    let (network, port) = (Network::new(NAME), free_port());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/udp_echo.py");
    let port_text = port.to_string();
    let words = ["python3", script.to_str().unwrap(), &port_text, "5"];
    let _server = server(&network, &words, port, "udp");
    let cell = drive(&network, &["load.reply=echo"], port);
    let load = &cell["loads"][0];
    assert_eq!(number(load, "outcomes.ok"), 200, "{load}");
    assert_eq!(number(load, "outcomes.timeout"), 50, "{load}");
    assert_eq!(number(&cell["datagrams"], "lost"), 50, "{}", cell["datagrams"]);
}

#[test]
fn iperf3_takes_what_it_does_not_understand() {
    const NAME: &str = "datagrams_external::iperf3";
    if !programs_or_skip(NAME, &["iperf3"]) {
        return;
    }
    let (network, port) = (Network::new(NAME), free_port());
    let port_text = port.to_string();
    // Its UDP socket comes with a client's handshake over TCP: until then the port is closed.
    let words = ["iperf3", "-s", "-p", &port_text];
    let mut server = Running::start(&mut network.command(&words));
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.is_alive());
    let cell = drive(&network, &["load.reply=echo"], port);
    let outcomes = &cell["loads"][0]["outcomes"];
    assert_eq!(number(outcomes, "ok"), 0, "{outcomes}");
    assert!(number(outcomes, "refused") + number(outcomes, "timeout") == 250, "{outcomes}");
}
