//! What labs do to datagrams: what is lost is counted, to the last one.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use loadgen::lab::{Impairments, Lab, Privacy, Towards};
use loadgen::measure::datagram::{Header, Kind};
use loadgen::measure::result::{Cause, ImpairmentResult};
use loadgen::scenario::plan::{Cast, Delay, Family, Impair, Link, Loss};
use loadgen::sys::permit::Policy;
use socket2::{Domain, Protocol, Socket, Type};

use super::linux::{NO_NETEM, SKIPPED, wanted};

/// Few enough to fit any receive buffer.
const BATCH: u64 = 50;

/// A socket of the target's, and one of a client's that is connected to it.
struct Pair {
    receiver: UdpSocket,
    sender: UdpSocket,
}

impl Pair {
    fn new(lab: &Lab) -> Self {
        let bind = |ip| UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
        let receiver = lab.target().run(|| bind(lab.target_address())).unwrap();
        let sender = lab.client().run(|| bind(lab.client_addresses()[0])).unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        receiver.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        Self { receiver, sender }
    }

    fn port(&self) -> u16 {
        self.receiver.local_addr().unwrap().port()
    }

    /// Sends one of ours, of `size` bytes.
    fn send(&self, kind: Kind, sequence: u64, size: usize) {
        let mut datagram = vec![0; size];
        let header = Header { kind, run: 1, stream: 0, sequence, intended: 0, sent: 0 };
        header.write(&mut datagram);
        self.sender.send(&datagram).unwrap();
    }

    /// Reads all that waits.
    fn arrived(&self) -> Vec<u64> {
        let (mut sequences, mut buffer) = (Vec::new(), [0; 65_536]);
        self.receiver.set_nonblocking(true).unwrap();
        while let Ok(length) = self.receiver.recv(&mut buffer) {
            match Header::read(&buffer[..length]) {
                loadgen::measure::datagram::Content::Ours(header) => {
                    sequences.push(header.sequence)
                }
                other => panic!("{other:?}"),
            }
        }
        sequences
    }

    /// Sends so many of the data, so that none waits long, and returns those that arrive.
    fn exchange(&self, count: u64) -> Vec<u64> {
        let mut arrived = Vec::new();
        for sequence in 0..count {
            self.send(Kind::Data, sequence, 100);
            if sequence % BATCH == BATCH - 1 {
                arrived.extend(self.arrived());
            }
        }
        arrived.extend(self.arrived());
        arrived
    }
}

fn of(impairments: &Impairments, cause: Cause) -> ImpairmentResult {
    let all = impairments.read().unwrap();
    all.into_iter().find(|one| one.cause == cause).expect("one of this cause")
}

fn every_link(mut each: impl FnMut(Link, Family)) {
    for link in [Link::Loopback, Link::Veth] {
        for family in [Family::Ipv4, Family::Ipv6] {
            each(link, family);
        }
    }
}

pub fn random_loss(privacy: Privacy) {
    const SENT: u64 = 20_000;
    every_link(|link, family| {
        let lab = Lab::create(&privacy, &wanted(link, family, 1, &[])).unwrap();
        let pair = Pair::new(&lab);
        let loss = Some(Loss::Random("3%".parse().unwrap()));
        let impair = Impair { loss, ..Impair::default() };
        let impairments = lab.impair(&impair, Towards::Udp(&[1, pair.port(), 2])).unwrap();
        let arrived = pair.exchange(SENT).len() as u64;
        let counted = of(&impairments, Cause::LabLoss);
        assert_eq!(counted.dropped, SENT - arrived, "{link:?} {family:?}");
        assert_eq!((counted.what.as_str(), counted.seen), ("loss 3%", Some(SENT)));
        // Six standard deviations: 145 of the 600.
        assert!(counted.dropped.abs_diff(600) < 145, "{counted:?}");
        assert_eq!(of(&impairments, Cause::Link).dropped, 0);
        assert_eq!(impairments.queued().unwrap(), 0);
    });
}

pub fn regular_loss(privacy: Privacy) {
    every_link(|link, family| {
        for nth in [1, 2, 7, 1000] {
            let lab = Lab::create(&privacy, &wanted(link, family, 1, &[])).unwrap();
            let pair = Pair::new(&lab);
            let other = Pair::new(&lab);
            let impair = Impair { loss: Some(Loss::Every(nth)), ..Impair::default() };
            let impairments = lab.impair(&impair, Towards::Udp(&[pair.port()])).unwrap();
            // Neither closing markers, nor what goes elsewhere, nor what comes back.
            pair.send(Kind::Closing, 0, 40);
            assert_eq!(pair.arrived(), [0]);
            assert_eq!(other.exchange(10).len(), 10);
            let back = pair.sender.local_addr().unwrap();
            pair.receiver.send_to(b"\x89LDd and more", back).unwrap();
            assert_eq!(pair.sender.recv(&mut [0; 100]).unwrap(), 13);
            let arrived = pair.exchange(3000);
            let nth = u64::from(nth);
            let spared: Vec<u64> = (0..3000).filter(|n| n % nth != nth - 1).collect();
            assert_eq!(arrived, spared, "{link:?} {family:?} every {nth}th");
            let counted = of(&impairments, Cause::LabLoss);
            assert_eq!((counted.dropped, counted.seen), (3000 / nth, Some(3000)));
        }
    });
}

pub fn limited_rate(privacy: Privacy) {
    const SENT: u64 = 300;
    for family in [Family::Ipv4, Family::Ipv6] {
        let lab = Lab::create(&privacy, &wanted(Link::Veth, family, 1, &[])).unwrap();
        let pair = Pair::new(&lab);
        let impair = Impair { rate: Some(8_000_000), ..Impair::default() };
        let impairments = lab.impair(&impair, Towards::Udp(&[pair.port()])).unwrap();
        // 64 KiB may wait, and 4000 bytes go at once: 67 of the 300 at most, and what goes meanwhile.
        (0..SENT).for_each(|n| pair.send(Kind::Data, n, 1000));
        let mut arrived = Vec::new();
        while impairments.queued().unwrap() > 0 {
            arrived.extend(pair.arrived());
        }
        arrived.extend(pair.arrived());
        let counted = of(&impairments, Cause::LabRate);
        assert_eq!(counted.dropped, SENT - arrived.len() as u64, "{family:?}");
        assert!(counted.dropped > 50, "{counted:?}");
        assert!(counted.seen.unwrap() >= SENT, "{counted:?}");
        assert_eq!(of(&impairments, Cause::Link).dropped, 0);
    }
    let lab = Lab::create(&privacy, &wanted(Link::Loopback, Family::Ipv4, 1, &[])).unwrap();
    let impair = Impair { rate: Some(8_000_000), ..Impair::default() };
    let error = lab.impair(&impair, Towards::Udp(&[9])).unwrap_err().to_string();
    assert!(error.contains("link = \"veth\""), "{error}");
}

/// Where the kernel has netem, datagrams are delayed and doubled; elsewhere the error says what is
/// missing, and what works without it.
pub fn delay(privacy: Privacy) {
    let lab = Lab::create(&privacy, &wanted(Link::Veth, Family::Ipv4, 1, &[])).unwrap();
    let pair = Pair::new(&lab);
    let delay = Delay { mean: "300ms".parse().unwrap(), jitter: "0ms".parse().unwrap() };
    let impair = Impair {
        delay: Some(delay),
        duplicate: Some("100%".parse().unwrap()),
        rate: Some(8_000_000),
        ..Impair::default()
    };
    let impairments = match lab.impair(&impair, Towards::Udp(&[pair.port()])) {
        Ok(impairments) => impairments,
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("ENOENT") && text.contains("sch_netem"), "{text}");
            println!("{NO_NETEM}");
            std::process::exit(SKIPPED);
        }
    };
    (0..20).for_each(|n| pair.send(Kind::Data, n, 100));
    assert!(impairments.queued().unwrap() > 0);
    while impairments.queued().unwrap() > 0 {}
    let mut arrived = pair.arrived();
    arrived.sort_unstable();
    let twice: Vec<u64> = (0..40).map(|n| n / 2).collect();
    assert_eq!(arrived, twice);
    assert_eq!(of(&impairments, Cause::LabDelay).what, "delay 300ms, duplicate 100%");
    assert_eq!(of(&impairments, Cause::LabRate).dropped, 0);
}

pub fn groups(privacy: Privacy) {
    every_link(|link, family| {
        for cast in [Cast::Unicast, Cast::Multicast, Cast::Broadcast] {
            let lab = Lab::create(&privacy, &wanted(link, family, 3, &[])).unwrap();
            let Some(group) = lab.group(cast) else {
                assert!(
                    cast != Cast::Multicast && (cast == Cast::Unicast || family == Family::Ipv6)
                );
                continue;
            };
            let policy = lab.permits(Policy::default());
            let first = lab.target().run(|| member(&lab, group, 0)).unwrap();
            let port = first.local_addr().unwrap().port();
            let others = lab.target().run(|| [(); 2].map(|()| member(&lab, group, port))).unwrap();
            let at = SocketAddr::new(group, port);
            assert!(policy.permit(at).is_ok() && Policy::default().permit(at).is_err());
            for source in lab.client_addresses() {
                let send = || {
                    let socket = UdpSocket::bind(SocketAddr::new(*source, 0)).unwrap();
                    socket.set_broadcast(true).unwrap();
                    socket.connect(at).unwrap();
                    (0..10).for_each(|n| assert_eq!(socket.send(&[n]).unwrap(), 1));
                };
                lab.client().run(send).unwrap();
                for member in others.iter().chain([&first]) {
                    let mut buffer = [0; 10];
                    for n in 0..10 {
                        let (length, from) = member.recv_from(&mut buffer).unwrap();
                        assert_eq!((length, buffer[0], from.ip()), (1, n, *source));
                    }
                    member.set_nonblocking(true).unwrap();
                    assert!(member.recv(&mut buffer).is_err(), "once each: {link:?} {group}");
                    member.set_nonblocking(false).unwrap();
                }
            }
        }
    });
}

/// A socket of the target's at a group.
fn member(lab: &Lab, group: IpAddr, port: u16) -> UdpSocket {
    let at = SocketAddr::new(group, port);
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&at.into()).unwrap();
    let device = if lab.separate() { "lab" } else { "lo" };
    match group {
        IpAddr::V4(ip) if ip.is_multicast() => {
            let IpAddr::V4(own) = lab.target_address() else { panic!("of one family") };
            socket.join_multicast_v4(&ip, &own).unwrap();
        }
        IpAddr::V6(ip) => {
            let index = nix::net::if_::if_nametoindex(device).unwrap();
            socket.join_multicast_v6(&ip, index).unwrap();
        }
        IpAddr::V4(_) => {}
    }
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.into()
}

/// A whole run over a path that delays, doubles and reorders: every sum of its ledger holds.
pub fn netem_run(_: Privacy) {
    const SCENARIO: &str = r#"
        name = "netem"
        [target]
        transport = "udp"
        rcvbuf = "1MiB"
        [lab]
        link = "veth"
        [lab.impair]
        delay = "20ms"
        jitter = "5ms"
        duplicate = "20%"
        reorder = "20%"
        [[load]]
        rate = "500/s"
        attempts = 1000
        streams = 4
        payload = "100B"
    "#;
    let folder = tempfile::TempDir::new().unwrap();
    let (scenario, out) = (folder.path().join("netem.toml"), folder.path().join("out"));
    std::fs::write(&scenario, SCENARIO).unwrap();
    let said = std::process::Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["run", "--out"])
        .args([&out, &scenario])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    if said.status.code() == Some(3) && text.contains("sch_netem") {
        println!("{NO_NETEM}");
        std::process::exit(SKIPPED);
    }
    eprintln!("{}{text}", String::from_utf8_lossy(&said.stdout));
    let run = std::fs::read(out.join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
    let ledger = &run["cells"][0]["datagrams"];
    let of = |name: &str| ledger[name].as_u64().unwrap_or_else(|| panic!("{name}: {ledger}"));
    assert_eq!((of("sent"), of("expected"), of("late")), (1000, 1000, 0), "{ledger}");
    assert_eq!(of("lost"), of("expected") - of("received"));
    assert_eq!((of("outside"), of("foreign"), of("corrupt"), of("surplus")), (0, 0, 0, 0));
    // 200 are to be doubled, give or take six standard deviations.
    assert!((120..=280).contains(&of("duplicates")), "{ledger}");
    assert!(of("reordered") > 50, "{ledger}");
    assert_eq!(of("lost"), 0, "{ledger}");
    let streams = ledger["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 4);
    for stream in streams {
        assert_eq!(stream["closed"], true, "{stream}");
        let number = |name: &str| stream[name].as_u64().unwrap();
        assert_eq!(number("sent"), number("received") + number("lost"), "{stream}");
    }
    let causes = ledger["causes"].as_array().unwrap();
    let unexplained: u64 = causes
        .iter()
        .filter(|cause| cause["cause"] == "unexplained")
        .map(|cause| cause["count"].as_u64().unwrap())
        .sum();
    assert_eq!(unexplained, 0, "{ledger}");
}
