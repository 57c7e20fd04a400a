//! What the target says of every connection that it held, so that each can be found again among
//! the clients' attempts.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Bytes of one connection in a batch.
const LENGTH: usize = 18;
/// Most connections in a batch.
pub const MOST: usize = 100_000;

/// The client's end of a connection, as a number that both ends compute alike: the address's low 48
/// bits and the port. Two clients of one run never share it, as a run has at most 4096 sources that
/// follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Peer(u64);

impl Peer {
    /// That of a client without an address, or whose address is not known.
    pub const UNKNOWN: Self = Self(0);

    /// That of a client at this address.
    pub fn of(address: SocketAddr) -> Self {
        let host = match address.ip().to_canonical() {
            IpAddr::V4(host) => u64::from(host.to_bits()),
            IpAddr::V6(host) => host.to_bits() as u64 & 0xffff_ffff_ffff,
        };
        Self(host << 16 | u64::from(address.port()))
    }

    /// Whether it says which client it is.
    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }
}

/// A connection that was in the target's accept queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The client's end.
    pub peer: Peer,
    /// When `accept()` returned, in nanoseconds since the start of the schedule.
    pub at: u64,
    /// SYN+ACKs that were sent again before the handshake was over (`tcpi_total_retrans` of a
    /// connection that was just accepted, `net/ipv4/tcp_minisocks.c`).
    pub retransmits: u8,
    /// Whether the handshake was made by SYN cookie: the kernel saved no SYN (TCP_SAVED_SYN).
    pub by_cookie: bool,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a connection in the accept queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was accepted.
    Accepted,
    /// Its client had reset it before.
    Reset,
    /// It was still there when the run ended.
    Left,
}

impl Fate {
    const ALL: [Self; 3] = [Self::Accepted, Self::Reset, Self::Left];
}

/// A batch as text: 18 bytes a connection (client, instant, retransmits, flags), base64.
pub fn encode(held: &[Held]) -> String {
    let mut bytes = Vec::with_capacity(held.len() * LENGTH);
    for one in held {
        bytes.extend_from_slice(&one.peer.0.to_be_bytes());
        bytes.extend_from_slice(&one.at.to_be_bytes());
        bytes.push(one.retransmits);
        bytes.push(u8::from(one.by_cookie) << 2 | one.fate as u8);
    }
    STANDARD.encode(bytes)
}

/// Reads what [`encode`] wrote: at most [`MOST`] connections; nothing where it is no such text.
pub fn decode(text: &str) -> Vec<Held> {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let (ones, rest) = bytes.as_chunks::<LENGTH>();
    if !rest.is_empty() {
        return Vec::new();
    }
    ones.iter().take(MOST).filter_map(one).collect()
}

fn one(bytes: &[u8; LENGTH]) -> Option<Held> {
    let number = |at: usize| bytes[at..].first_chunk().copied().map(u64::from_be_bytes);
    let flags = bytes[17];
    Some(Held {
        peer: Peer(number(0)?),
        at: number(8)?,
        retransmits: bytes[16],
        by_cookie: flags & 4 != 0,
        fate: *Fate::ALL.get(usize::from(flags & 3))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_survives_the_pipe(
            ones in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u8>(), any::<bool>(), 0..3usize), 0..50)
        ) {
            let held: Vec<Held> = ones.into_iter().map(|(peer, at, retransmits, by_cookie, fate)| {
                Held { peer: Peer(peer), at, retransmits, by_cookie, fate: Fate::ALL[fate] }
            }).collect();
            prop_assert_eq!(decode(&encode(&held)), held);
        }

        #[test]
        fn rubbish_is_no_batch(text in ".*") {
            let _ = decode(&text);
        }
    }

    #[test]
    fn both_ends_name_a_client_alike() {
        let of = |text: &str| Peer::of(text.parse().expect("an address"));
        assert_eq!(of("127.0.0.1:80"), of("[::ffff:127.0.0.1]:80"));
        assert_ne!(of("127.0.0.1:80"), of("127.0.0.2:80"));
        assert_ne!(of("[2001:2::1]:80"), of("[2001:2::2]:80"));
        assert!(of("127.0.0.1:1").is_known() && !Peer::UNKNOWN.is_known());
    }
}
