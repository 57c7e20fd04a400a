//! What labs do to datagrams: what is lost is counted, to the last one.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use loadgen::lab::{Impairments, Lab, Privacy};
use loadgen::measure::datagram::{Header, Kind};
use loadgen::measure::result::{Cause, ImpairmentResult};
use loadgen::scenario::plan::{Family, Impair, Link, Loss};

use super::linux::wanted;

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
        let impairments = lab.impair(&impair, &[1, pair.port(), 2]).unwrap();
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
            let impairments = lab.impair(&impair, &[pair.port()]).unwrap();
            // Neither closing markers, nor what goes elsewhere, nor what comes back.
            pair.send(Kind::Closing, 0, 40);
            assert_eq!(pair.arrived(), [0]);
            assert_eq!(other.exchange(10).len(), 10);
            let back = pair.sender.local_addr().unwrap();
            pair.receiver.send_to(b"\x89LDd and so on", back).unwrap();
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
