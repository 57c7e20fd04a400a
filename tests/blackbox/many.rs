//! A target that holds more connections than it may have descriptors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::common::{ledgers_add_up, measure, number, skipped};
use super::serve::Served;

/// RLIMIT_NOFILE of the target.
const DESCRIPTORS: u32 = 200;
const CLIENTS: usize = 600;

/// Every client says hello before any listens, and is echoed.
fn all_are_echoed(clients: &mut [TcpStream]) {
    for client in &mut *clients {
        client.write_all(b"hello").unwrap();
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let mut heard = [0; 5];
        let read = client.read_exact(&mut heard);
        assert!(read.is_ok() && &heard == b"hello", "client {number}: {read:?}");
    }
}

fn reset(client: &TcpStream) {
    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO)).unwrap();
}

/// What a target said that held so many, talked with them, and saw them leave in three ways.
fn held(engine: &str) -> String {
    let flags = ["--engine", engine, "--connections", "600", "--backlog", "1000"];
    let served = Served::limited(DESCRIPTORS, &flags);
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| served.client()).collect();
    // All of them are parked, or spread, before the first word.
    std::thread::sleep(Duration::from_millis(300));
    all_are_echoed(&mut clients);
    all_are_echoed(&mut clients);
    let staying = clients.split_off(400);
    clients[..200].iter().for_each(reset);
    drop(clients);
    std::thread::sleep(Duration::from_millis(500));
    let said = served.stop();
    drop(staying);
    said
}

#[test]
fn rings_and_threads_hold_more_than_there_are_descriptors() {
    for (asked, got) in [("io_uring", "io_uring"), ("threads", "threads"), ("auto", "io_uring")] {
        let said = held(asked);
        let account = "ended: done 200, reset 200, timeout 0, open_at_end 200, other 0";
        assert!(said.contains("accepted 600, queued_at_end 0") && said.contains(account), "{said}");
        if said.contains("io_uring is not available") {
            assert!(said.contains("engine threads"), "{said}");
            skipped("many::rings_hold_more", "no io_uring");
            continue;
        }
        assert!(said.contains(&format!("engine {got}\n")), "{said}");
    }
}

#[test]
fn few_connections_are_kept_by_epoll() {
    let served = Served::limited(DESCRIPTORS, &["--connections", "50"]);
    all_are_echoed(&mut [served.client()]);
    assert!(served.stop().contains("engine epoll\n"));
}

/// A target with descriptors for less than half of what the plan holds.
#[test]
fn a_runner_tells_its_target_how_many_will_come() {
    let scenario = format!(
        r#"
name = "many"
[target]
command = ["sh", "-c", "ulimit -n {DESCRIPTORS}; exec {} serve --stdio"]
address = "127.0.0.1:0"
backlog = 1000
[[load]]
rate = "1000/s"
attempts = 450
hold = "1s"
"#,
        super::common::PROGRAM
    );
    let scenario = scenario.replace("127.0.0.1:0", &free_address());
    let (_bench, result) = measure(&scenario, &[]);
    let cell = result.cell();
    ledgers_add_up(&cell);
    assert_ne!(cell["target"]["engine"], "epoll", "{}", cell["target"]);
    assert_eq!(number(&cell, "ledger.target.accepted"), 450, "{}", cell["ledger"]);
    assert_eq!(number(&cell, "ledger.target_endings.done"), 450, "{}", cell["ledger"]);
    let notices = cell["target"]["notices"].to_string();
    assert!(notices.contains("450 connections at once are expected"), "{notices}");
}

/// A port that is free just now.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
