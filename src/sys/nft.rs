//! A rule of nf_tables over netlink (`include/uapi/linux/netfilter/nf_tables.h`): it drops chosen
//! packets where they arrive, and counts them.
//!
//! Dropping at the hook `prerouting` tells the sender nothing; at `output` it would be EPERM.

use std::io;

use super::attributes::{Message, each, find};
use super::questions::{Extent, NETLINK_NETFILTER, Questions};

/// Name of our table, and of the set and the chain of the rule in it.
const NAME: &str = "loadgen";
/// Name of the chain to which chosen packets of TCP go: it counts the SYNs among them, and drops all.
const SYNS: &str = "syns";
/// Family that sees IPv4 and IPv6 (`NFPROTO_INET`).
const INET: u8 = 1;
/// `NFNL_SUBSYS_NFTABLES`: the upper byte of a message's type.
const SUBSYSTEM: u8 = 10;
const HOOK_PREROUTING: u32 = 0;
/// The register that every value passes through (`NFT_REG_1`).
const REGISTER: u32 = 1;

/// Messages of nf_tables (`enum nf_tables_msg_types`).
#[derive(Clone, Copy)]
enum Kind {
    NewTable = 0,
    NewChain = 3,
    NewRule = 6,
    GetRule = 7,
    NewSet = 9,
    NewElements = 12,
}

/// Which packets are dropped.
#[derive(Debug, Clone)]
pub struct Drops<'a> {
    /// Of those that go to one of these ports
    pub ports: &'a [u16],
    /// and are of this kind,
    pub kind: Packets,
    /// these.
    pub choice: Choice,
}

/// Kinds of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packets {
    /// Those of UDP whose payload begins with this.
    Udp([u8; 4]),
    /// All of TCP.
    Tcp,
}

/// Which ones of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Each with a probability of so many out of 2^32 - 1.
    Random(u32),
    /// The last of each so many; at least 1.
    Every(u32),
}

/// What the rule has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets with the port and of the kind.
    pub seen: u64,
    /// Of these, those that it dropped.
    pub dropped: u64,
    /// Of these again, SYNs, which begin a connection; `None` where the kind is not TCP.
    pub syns: Option<u64>,
}

/// A way to nf_tables of one network namespace. Needs CAP_NET_ADMIN there.
#[derive(Debug)]
pub struct Nft {
    questions: Questions,
    /// What the rule drops; `None` before there is one.
    kind: Option<Packets>,
}

impl Nft {
    /// Opens one for the calling thread's network namespace.
    ///
    /// # Errors
    /// As [`Questions::open`].
    pub fn open() -> io::Result<Self> {
        Ok(Self { questions: Questions::open(NETLINK_NETFILTER)?, kind: None })
    }

    /// Adds the table and its one rule.
    ///
    /// # Errors
    /// The kernel's own, by errno: `ENOENT` or `EOPNOTSUPP` without nf_tables or `numgen`, `EPERM`.
    pub fn add(&mut self, drops: &Drops) -> io::Result<()> {
        self.questions.make(messages(drops), Some([batch(0x10), batch(0x11)]))?;
        self.kind = Some(drops.kind);
        Ok(())
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// The kernel's own, by errno.
    pub fn counts(&mut self) -> io::Result<Counts> {
        let [seen, dropped] = self.read(NAME)?;
        let syns = match self.kind {
            Some(Packets::Tcp) => Some(self.read(SYNS)?[0]),
            _ => None,
        };
        Ok(Counts { seen, dropped, syns })
    }

    /// The first two counters of the rules in a chain.
    fn read(&mut self, chain: &str) -> io::Result<[u64; 2]> {
        let mut sums = [0u64; 2];
        let question = message(Kind::GetRule).with_text(1, NAME).with_text(2, chain);
        self.questions.ask(question, Extent::All, |entry| {
            // A kernel that knows no such filter shows the rules of all chains.
            if find(entry.get(4..).unwrap_or(&[]), 2).strip_suffix(b"\0") == Some(chain.as_bytes())
            {
                let counts = counters(entry)?;
                sums.iter_mut().zip(counts).for_each(|(sum, n)| *sum = sum.saturating_add(n));
            }
            Ok(())
        })?;
        Ok(sums)
    }
}

/// Beginning or end of a batch (`struct nfgenmsg` names the subsystem).
fn batch(kind: u16) -> Message {
    Message::new(kind, &[0, 0, 0, SUBSYSTEM])
}

fn message(kind: Kind) -> Message {
    Message::new(u16::from(SUBSYSTEM) << 8 | kind as u16, &[INET, 0, 0, 0])
}

fn messages(drops: &Drops) -> Vec<Message> {
    let table = message(Kind::NewTable).with_text(1, NAME);
    let chain =
        message(Kind::NewChain).with_text(1, NAME).with_text(3, NAME).with_text(7, "filter");
    let chain =
        chain.with_nest(4, &[], |hook| hook.with_number(1, HOOK_PREROUTING).with_number(2, 0));
    // Keys are of two bytes; their type means something to the program nft only (inet_service).
    let set = message(Kind::NewSet).with_text(1, NAME).with_text(2, NAME).with_number(3, 0);
    let set = set.with_number(4, 13).with_number(5, 2).with_number(10, 1);
    let elements = message(Kind::NewElements).with_text(1, NAME).with_text(2, NAME);
    let elements = elements.with_nest(3, &[], |list| {
        drops.ports.iter().fold(list, |list, port| {
            list.with_nest(1, &[], |one| {
                one.with_nest(1, &[], |key| key.with(1, &port.to_be_bytes()))
            })
        })
    });
    let rule = message(Kind::NewRule).with_text(1, NAME).with_text(2, NAME);
    let rule = rule.with_nest(4, &[], |list| expressions(list, drops));
    let before = match drops.kind {
        Packets::Udp(_) => Vec::new(),
        Packets::Tcp => counted_syns(),
    };
    std::iter::once(table).chain(before).chain([chain, set, elements, rule]).collect()
}

/// The chain [`SYNS`]: a rule that counts, and one that drops.
fn counted_syns() -> Vec<Message> {
    let chain = message(Kind::NewChain).with_text(1, NAME).with_text(3, SYNS);
    let rule = |expressions: fn(Message) -> Message| {
        let rule = message(Kind::NewRule).with_text(1, NAME).with_text(2, SYNS);
        rule.with_nest(4, &[], expressions)
    };
    let count = rule(|list| {
        let list = expression(transport(list, TCP_FLAGS, 1), "bitwise", |m| {
            m.with_number(1, REGISTER)
                .with_number(2, REGISTER)
                .with_number(3, 1)
                .with_nest(4, &[], |mask| mask.with(1, &[SYN | ACK]))
                .with_nest(5, &[], |xor| xor.with(1, &[0]))
        });
        expression(compare(list, EQUAL, &[SYN]), "counter", |m| m)
    });
    // A new rule comes before those that are there.
    vec![chain, rule(|list| decide(list, |verdict| verdict.with_number(1, DROP))), count]
}

/// A verdict on the packet.
fn decide(list: Message, verdict: impl FnOnce(Message) -> Message) -> Message {
    expression(list, "immediate", |m| {
        m.with_number(1, VERDICT).with_nest(2, &[], |data| data.with_nest(2, &[], verdict))
    })
}

/// What the rule does, step by step; a comparison that fails ends it.
fn expressions(list: Message, drops: &Drops) -> Message {
    let list = expression(list, "meta", |m| m.with_number(1, REGISTER).with_number(2, L4PROTO));
    let protocol = match drops.kind {
        Packets::Udp(_) => libc::IPPROTO_UDP,
        Packets::Tcp => libc::IPPROTO_TCP,
    };
    let list = compare(list, EQUAL, &[protocol as u8]);
    // The port of destination is among ours.
    let list = transport(list, 2, 2);
    let list = expression(list, "lookup", |m| m.with_text(1, NAME).with_number(2, REGISTER));
    let list = match drops.kind {
        // The payload begins behind the eight bytes of UDP's header.
        Packets::Udp(head) => compare(transport(list, 8, 4), EQUAL, &head),
        Packets::Tcp => list,
    };
    let list = chosen(expression(list, "counter", |m| m), drops.choice);
    let list = expression(list, "counter", |m| m);
    decide(list, |verdict| match drops.kind {
        Packets::Udp(_) => verdict.with_number(1, DROP),
        Packets::Tcp => verdict.with_number(1, JUMP).with_text(2, SYNS),
    })
}

/// `NFT_META_L4PROTO`.
const L4PROTO: u32 = 16;
/// `NFT_PAYLOAD_TRANSPORT_HEADER`.
const TRANSPORT: u32 = 2;
/// `NFT_CMP_EQ`, `NFT_CMP_LT`.
const EQUAL: u32 = 0;
const LESS: u32 = 2;
/// `NFT_NG_INCREMENTAL`, `NFT_NG_RANDOM`.
const INCREMENTAL: u32 = 0;
const RANDOM: u32 = 1;
/// `NFT_BYTEORDER_HTON`.
const TO_NETWORK: u32 = 1;
/// `NFT_REG_VERDICT`, `NF_DROP`, `NFT_JUMP`.
const VERDICT: u32 = 0;
const DROP: u32 = 0;
const JUMP: u32 = -3i32 as u32;
/// Where TCP's flags are, and two of them (RFC 9293, 3.1).
const TCP_FLAGS: u32 = 13;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

fn expression(list: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    list.with_nest(1, &[], |one| one.with_text(1, name).with_nest(2, &[], data))
}

/// Loads bytes of the transport's header and of what follows it. Ports are in the same place in UDP
/// and TCP.
fn transport(list: Message, offset: u32, length: u32) -> Message {
    expression(list, "payload", |m| {
        m.with_number(1, REGISTER)
            .with_number(2, TRANSPORT)
            .with_number(3, offset)
            .with_number(4, length)
    })
}

fn compare(list: Message, how: u32, with: &[u8]) -> Message {
    expression(list, "cmp", |m| {
        m.with_number(1, REGISTER).with_number(2, how).with_nest(3, &[], |data| data.with(1, with))
    })
}

/// A number for each packet, compared with that of the choice.
fn chosen(list: Message, choice: Choice) -> Message {
    let (kind, modulus) = match choice {
        Choice::Random(_) => (RANDOM, u32::MAX),
        Choice::Every(nth) => (INCREMENTAL, nth.max(1)),
    };
    let list = expression(list, "numgen", |m| {
        m.with_number(1, REGISTER).with_number(2, modulus).with_number(3, kind)
    });
    // The kernel compares bytes, so that numbers are made big-endian first.
    let list = expression(list, "byteorder", |m| {
        m.with_number(1, REGISTER)
            .with_number(2, REGISTER)
            .with_number(3, TO_NETWORK)
            .with_number(4, 4)
            .with_number(5, 4)
    });
    match choice {
        Choice::Random(below) => compare(list, LESS, &below.to_be_bytes()),
        Choice::Every(_) => compare(list, EQUAL, &(modulus - 1).to_be_bytes()),
    }
}

/// The packets of both counters in a dumped rule, in the order of its expressions.
fn counters(rule: &[u8]) -> io::Result<[u64; 2]> {
    let (mut counts, mut n) = ([0; 2], 0);
    each(find(rule.get(4..).unwrap_or(&[]), 4), |_, one| {
        if find(one, 1) == b"counter\0" {
            let packets = find(find(one, 2), 2).first_chunk().copied().map(u64::from_be_bytes);
            if let (Some(count), Some(packets)) = (counts.get_mut(n), packets) {
                *count = packets;
            }
            n += 1;
        }
        Ok(())
    })?;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counters_are_read_in_order() {
        let counter = |list: Message, packets: u64| {
            expression(list, "counter", |m| m.with(1, &[0; 8]).with(2, &packets.to_be_bytes()))
        };
        let rule = message(Kind::NewRule).with_text(1, NAME).with_nest(4, &[], |list| {
            counter(compare(counter(list, 5_000_000_000), EQUAL, &[1]), 7)
        });
        let mut bytes = vec![0; netlink_packet_core::NetlinkSerializable::buffer_len(&rule)];
        netlink_packet_core::NetlinkSerializable::serialize(&rule, &mut bytes);
        assert_eq!(counters(&bytes).unwrap(), [5_000_000_000, 7]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = counters(&bytes);
        }
    }
}
