//! A lab's link, listened to: each packet once, and what does not fit is counted.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};

use loadgen::lab::{Lab, Privacy, Tap};
use loadgen::scenario::plan::{Family, Link};

use super::linux::wanted;

/// More small packets than the ring holds.
const TOO_MANY: u32 = 400_000;

/// Sends so many numbered datagrams over a link that is listened to, and reads the ring when all
/// are sent: how often each number was seen, and how many packets were dropped.
fn heard(privacy: &Privacy, link: Link, family: Family, count: u32) -> (BTreeMap<u32, u32>, u64) {
    let lab = Lab::create(privacy, &wanted(link, family, 1, &[])).unwrap();
    let bind = |ip| UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
    // What a full buffer drops has been on the wire.
    let receiver = lab.target().run(|| bind(lab.target_address())).unwrap();
    let sender = lab.client().run(|| bind(lab.client_addresses()[0])).unwrap();
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let mut tap = Tap::open(&lab).unwrap();
    for number in 0..count {
        sender.send(&[b"number: ".as_slice(), &number.to_be_bytes()].concat()).unwrap();
    }
    let mut seen = BTreeMap::new();
    loop {
        tap.ring.wait(loadgen::sys::packet::Ring::PATIENCE).unwrap();
        let read = tap.ring.read(|frame| {
            let payload = frame.bytes.windows(8).position(|bytes| bytes == b"number: ");
            if let Some(at) = payload {
                let number = frame.bytes[at + 8..].first_chunk().copied();
                *seen.entry(number.map(u32::from_be_bytes).unwrap()).or_default() += 1;
                assert_eq!(frame.length as usize, at + 12, "all of it is kept");
            }
        });
        if !read {
            return (seen, tap.ring.dropped().unwrap());
        }
    }
}

/// Over each link and family every packet is seen once.
pub fn once(privacy: Privacy) {
    for link in [Link::Loopback, Link::Veth] {
        for family in [Family::Ipv4, Family::Ipv6] {
            let (seen, dropped) = heard(&privacy, link, family, 5000);
            assert_eq!(dropped, 0, "{link} {family}");
            assert_eq!(seen.len(), 5000, "{link} {family}");
            assert!(seen.values().all(|times| *times == 1), "{link} {family}");
        }
    }
}

/// What the full ring does not take is counted to the last packet.
pub fn full(privacy: Privacy) {
    let (seen, dropped) = heard(&privacy, Link::Loopback, Family::Ipv4, TOO_MANY);
    assert!(dropped > 0, "the ring is larger than it was");
    assert_eq!(seen.len() as u64 + dropped, u64::from(TOO_MANY));
}
