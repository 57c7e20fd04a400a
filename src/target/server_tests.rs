//! Servers with real sockets.

use super::*;
use crate::measure::TargetEnding;
use crate::measure::decode;
use crate::scenario::plan::{AcceptPace, Closer, Reply, Restart, Succession};
use crate::units::{Backlog, Bytes, Span};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

fn door(serve: &Serve) -> Arc<Door> {
    Door::open(SocketAddr::from(([127, 0, 0, 1], 0)), serve, true).expect("a listener")
}

fn start(door: &Arc<Door>, serve: &Serve) -> Server {
    let epoch = crate::sys::clock::monotonic();
    let occasion = Occasion { epoch, run: 1, seed: 1, one_clock: true, expected: 0, names: true };
    Server::start(door, serve, occasion).expect("a server")
}

/// Where a door of TCP is.
fn place(door: &Door) -> SocketAddr {
    door.address.inet().expect("an address of TCP")
}

fn connect(door: &Door) -> TcpStream {
    let client = TcpStream::connect(place(door)).expect("a connection");
    client.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    client
}

fn reset(client: TcpStream) {
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("an option");
}

fn until(what: &str, mut met: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !met() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Stops the server; every connection that it accepted must have come to some end.
fn totals(server: Server) -> Totals {
    let totals = server.stop().expect("totals");
    let ended: u64 = totals.endings.values().sum();
    assert_eq!(ended, totals.outcomes[&TargetOutcome::Accepted], "{totals:?}");
    totals
}

fn restarting(at_ms: u64, succession: Succession) -> Serve {
    let restart = Restart { at: Span::from_millis(at_ms), succession };
    Serve { restart: Some(restart), ..Serve::default() }
}

#[test]
fn only_an_empty_queue_ends_the_count_in_silence() {
    let failed = |errno| Err(io::Error::from_raw_os_error(errno));
    let run = |last| {
        let mut script = vec![
            Ok(TargetOutcome::QueuedAtEnd),
            failed(libc::EINTR),
            failed(libc::ECONNABORTED),
            Ok(TargetOutcome::QueuedAtEnd),
            failed(last),
        ]
        .into_iter();
        let mut outcomes = BTreeMap::new();
        let notice = count_queue(&mut outcomes, || script.next().expect("no more calls"));
        assert_eq!(outcomes[&TargetOutcome::QueuedAtEnd], 2);
        assert_eq!(outcomes[&TargetOutcome::ResetInQueue], 1);
        notice
    };
    assert_eq!(run(libc::EAGAIN), None);
    assert!(run(libc::EMFILE).is_some_and(|notice| notice.contains("EMFILE")));
}

#[test]
fn clients_that_flood_starve_nobody() {
    let serve = Serve { backlog: Backlog(16), ..Serve::default() };
    let door = door(&serve);
    let server = start(&door, &serve);
    let flood = |mut client: TcpStream| {
        std::thread::spawn(move || while client.write_all(&[7; 1 << 18]).is_ok() {})
    };
    let mut floods = Vec::new();
    for _ in 0..2 {
        let client = TcpStream::connect(place(&door)).expect("a connection");
        // Two threads for each: the acceptor must not find the connection drained.
        floods.push(flood(client.try_clone().expect("a clone")));
        floods.push(flood(client));
    }
    for _ in 0..5 {
        let mut other = TcpStream::connect(place(&door)).expect("a connection");
        other.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        other.shutdown(Shutdown::Write).expect("a close");
        assert_eq!(other.read(&mut [0]).expect("served"), 0);
    }
    let began = Instant::now();
    let totals = server.stop().expect("totals");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(totals.accepted_by, [7]);
    floods.into_iter().for_each(|flood| flood.join().expect("an end"));
}

#[test]
fn every_accepted_connection_has_its_end() {
    let serve = Serve { reply: Reply::Echo, ..Serve::default() };
    for at in LOOPBACKS {
        let door = Door::open(SocketAddr::from((at, 0)), &serve, true).expect("a listener");
        let server = start(&door, &serve);
        let open = connect(&door);
        (0..2).for_each(|_| drop(connect(&door)));
        (0..3).for_each(|_| reset(connect(&door)));
        until("most connections", || server.tally().accepted() >= 3);
        std::thread::sleep(Duration::from_millis(20));
        let totals = totals(server);
        let count = |ending| totals.endings[&ending];
        assert_eq!(count(TargetEnding::Done), 2);
        // A reset that is faster than accept() is one in the queue.
        let in_queue = totals.outcomes[&TargetOutcome::ResetInQueue];
        assert_eq!(count(TargetEnding::Reset) + in_queue, 3);
        assert_eq!(count(TargetEnding::OpenAtEnd), 1);
        drop(open);
    }
}

#[test]
fn who_closes_first_waits_for_the_other_and_measures_it() {
    let serve = Serve { reply: Reply::Bytes(Bytes(3)), close: Closer::Server, ..Serve::default() };
    let door = door(&serve);
    let server = start(&door, &serve);
    let mut client = connect(&door);
    client.write_all(b"x").expect("sent");
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).expect("a reply and a FIN");
    assert_eq!(reply.len(), 3);
    // Bytes that nobody reads must not turn the target's close into a reset.
    client.write_all(&[7; 5000]).expect("sent");
    std::thread::sleep(Duration::from_millis(30));
    drop(client);
    let mut closed = 0;
    until("the client's FIN", || {
        let tally = server.tally();
        let values = tally.metrics.get(&Metric::Close).and_then(|text| decode(text));
        closed += values.map_or(0, |values| {
            assert!(values.min() >= 29_000_000, "{}", values.min());
            values.len()
        });
        closed == 1
    });
    assert_eq!(totals(server).endings[&TargetEnding::Done], 1);
}

#[test]
fn a_client_that_closes_first_is_no_close_of_ours() {
    let serve = Serve {
        service: crate::scenario::plan::ServiceTime::Constant { time: Span::from_millis(20) },
        close: Closer::Server,
        ..Serve::default()
    };
    let door = door(&serve);
    let server = start(&door, &serve);
    drop(connect(&door));
    std::thread::sleep(Duration::from_millis(60));
    assert!(!server.tally().metrics.contains_key(&Metric::Close));
    assert_eq!(totals(server).endings[&TargetEnding::Done], 1);
}

#[test]
fn a_target_that_forgets_to_close_does_so_later() {
    let serve = Serve { close_delay: Span::from_millis(80), ..Serve::default() };
    let door = door(&serve);
    let server = start(&door, &serve);
    let mut client = connect(&door);
    let began = Instant::now();
    client.shutdown(Shutdown::Write).expect("a FIN");
    assert_eq!(client.read(&mut [0]).expect("the target's FIN"), 0);
    assert!(began.elapsed() >= Duration::from_millis(79), "{:?}", began.elapsed());
    let forgotten = connect(&door);
    forgotten.shutdown(Shutdown::Write).expect("a FIN");
    until("an accept", || server.tally().accepted() == 2);
    let totals = totals(server);
    assert_eq!(totals.endings[&TargetEnding::Done], 1);
    assert_eq!(totals.endings[&TargetEnding::OpenAtEnd], 1);
}

#[test]
fn listeners_of_a_group_have_their_own_queues_and_acceptors() {
    let serve = Serve { listeners: 4, acceptors: 2, backlog: Backlog(64), ..Serve::default() };
    let door = door(&serve);
    let server = start(&door, &serve);
    let clients: Vec<_> = (0..64).map(|_| connect(&door)).collect();
    until("all", || server.tally().accepted() == 64);
    let spread = server.tally().accepted;
    assert_eq!(spread.len(), 4);
    assert!(spread.iter().filter(|count| **count > 0).count() >= 2, "{spread:?}");
    drop(clients);
    let totals = totals(server);
    assert_eq!(totals.accepted_by.len(), 8);
    let by_listener: Vec<u64> = totals.accepted_by.chunks(2).map(|two| two.iter().sum()).collect();
    assert_eq!(by_listener, spread);
}

#[test]
fn a_restart_resets_who_waits_and_serves_who_was_accepted() {
    for at in LOOPBACKS {
        let serve = Serve {
            accept: AcceptPace::Never,
            listeners: 2,
            ..restarting(150, Succession::Gap(Span::from_millis(100)))
        };
        let door = Door::open(SocketAddr::from((at, 0)), &serve, true).expect("a listener");
        let server = start(&door, &serve);
        let waiting: Vec<_> = (0..7).map(|_| connect(&door)).collect();
        for mut client in waiting {
            let error = client.read(&mut [0]).expect_err("a reset");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        let refused = TcpStream::connect(place(&door)).expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let mut after = None;
        until("new listeners", || {
            after = TcpStream::connect(place(&door)).ok();
            after.is_some()
        });
        let totals = totals(server);
        assert_eq!(totals.outcomes[&TargetOutcome::ResetByClose], 7);
        assert_eq!(totals.outcomes[&TargetOutcome::QueuedAtEnd], 1);
        let restart = &totals.restarts[0];
        assert!(restart.gap_s.is_some_and(|gap| (0.1..0.2).contains(&gap)), "{restart:?}");
        assert!(restart.errors.is_empty(), "{restart:?}");
    }
}

#[test]
fn without_reuse_of_the_address_old_connections_keep_new_listeners_out() {
    let serve = Serve {
        reuse_address: false,
        reply: Reply::Echo,
        ..restarting(50, Succession::Gap(Span::default()))
    };
    let door = door(&serve);
    let server = start(&door, &serve);
    let mut old = connect(&door);
    std::thread::sleep(Duration::from_millis(200));
    assert!(TcpStream::connect(place(&door)).is_err());
    old.write_all(b"still there").expect("sent");
    assert_eq!(old.read(&mut [0; 20]).expect("served on"), 11);
    drop(old);
    until("a listener", || TcpStream::connect(place(&door)).is_ok());
    let restarts = totals(server).restarts;
    let failed = restarts[0].errors["EADDRINUSE"];
    assert!((5..=12).contains(&failed), "{restarts:?}");
    assert!(restarts[0].gap_s.is_some_and(|gap| gap > 0.1), "{restarts:?}");
}

#[test]
fn a_hand_over_refuses_nobody() {
    let serve = restarting(50, Succession::HandOver);
    let door = door(&serve);
    let server = start(&door, &serve);
    let began = Instant::now();
    let mut connected = 0;
    while began.elapsed() < Duration::from_millis(150) {
        connected += u64::from(TcpStream::connect(place(&door)).is_ok());
    }
    let totals = totals(server);
    let restart = &totals.restarts[0];
    assert_eq!((restart.gap_s, restart.errors.len()), (Some(0.0), 0), "{restart:?}");
    // Whose final ACK comes while the old queue is counted believes to be connected.
    let got: u64 = totals.outcomes.values().sum();
    let unheard = restart.half_open + restart.dropped;
    assert!((got..=got + unheard).contains(&connected), "{connected}: {totals:?}");
}

#[test]
fn a_server_may_stop_while_nobody_listens() {
    let serve = restarting(20, Succession::Gap(Span::from_millis(3_600_000)));
    let door = door(&serve);
    let server = start(&door, &serve);
    until("a closed door", || TcpStream::connect(place(&door)).is_err());
    let restarts = totals(server).restarts;
    assert_eq!((restarts[0].listening_at_s, restarts[0].gap_s), (None, None));
    let early = Serve {
        restart: serve.restart.map(|r| Restart { at: Span::from_millis(9_000), ..r }),
        ..serve
    };
    let door = Door::open(SocketAddr::from(([127, 0, 0, 1], 0)), &early, true).expect("a listener");
    assert_eq!(totals(start(&door, &early)).restarts, []);
}

#[test]
fn who_says_nothing_to_a_deferring_target_is_not_accepted() {
    let serve = Serve { defer_accept: Some(Span::from_millis(900)), ..Serve::default() };
    let door = door(&serve);
    assert_eq!(door.defer_accept_s, Some(1));
    let server = start(&door, &serve);
    let silent = connect(&door);
    let mut talker = connect(&door);
    talker.write_all(b"x").expect("sent");
    until("the talker", || server.tally().accepted() == 1);
    // A FIN would say something.
    reset(silent);
    let outcomes = totals(server).outcomes;
    assert_eq!(outcomes.values().sum::<u64>(), 1, "{outcomes:?}");
}
