//! One connection on the wire, as the client's end of the link shows it.

use std::net::SocketAddr;

use super::segment::{ACK, FIN, PSH, RST, SYN, Segment};
use crate::measure::result::{Ladder, Step};

/// So many packets of a connection are kept, whatever they are.
const KEPT: usize = 20;
/// So many are kept that open or end it.
const KEPT_MARKS: usize = 28;
/// Flags by name, in the order in which they are written.
const NAMES: [(u8, &str); 5] =
    [(SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (ACK, "ACK")];

/// What a packet was to the connection that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A SYN like the one before.
    SynAgain,
    /// The first answer.
    SynAck(Answer),
    /// A SYN+ACK after the first.
    SynAckAgain,
    /// The handshake's third packet.
    Handshake,
    /// Anything else.
    Other,
}

/// A SYN+ACK, and the SYN that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Nanoseconds from the one to the other.
    pub time: u64,
    /// Whether SYNs had been sent again by then.
    pub retried: bool,
}

/// A connection from its first SYN on.
#[derive(Debug)]
pub struct Connection {
    client: SocketAddr,
    target: SocketAddr,
    /// Initial sequence number of the client.
    isn: u32,
    first: Syn,
    last: Syn,
    syns: u32,
    /// Initial sequence number of the target, once it has answered, and when it did.
    answer: Option<(u32, u64)>,
    shaken: bool,
    ended: Ended,
    /// What each side sends next, as far as it has sent.
    next_of_client: Option<u32>,
    next_of_target: Option<u32>,
    packets: Vec<Packet>,
    left_out: u64,
}

/// When a SYN passed, and its TSval.
#[derive(Debug, Clone, Copy)]
struct Syn {
    at: u64,
    stamp: Option<u32>,
}

/// Which sides have sent FIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    No,
    ByClient,
    ByTarget,
    Both,
}

/// A packet that is kept.
#[derive(Debug, Clone, Copy)]
struct Packet {
    at: u64,
    seq: u32,
    ack: u32,
    bytes: u32,
    flags: u8,
    from_client: bool,
    again: bool,
}

impl Connection {
    /// Opened by this SYN, in nanoseconds since 1970.
    pub fn new(at: u64, syn: &Segment) -> Self {
        let first = Syn { at, stamp: syn.timestamps.map(|(value, _)| value) };
        let mut new = Self {
            client: syn.from,
            target: syn.to,
            isn: syn.seq,
            first,
            last: first,
            syns: 1,
            answer: None,
            shaken: false,
            ended: Ended::No,
            next_of_client: Some(syn.end()),
            next_of_target: None,
            packets: Vec::with_capacity(4),
            left_out: 0,
        };
        new.keep(at, syn, false);
        new
    }

    /// The client's initial sequence number: another one is another connection.
    pub fn isn(&self) -> u32 {
        self.isn
    }

    /// SYNs that were sent.
    pub fn syns(&self) -> u32 {
        self.syns
    }

    /// Whether it was answered by a SYN+ACK.
    pub fn answered(&self) -> bool {
        self.answer.is_some()
    }

    /// Whether no more than stragglers are to come.
    pub fn has_ended(&self) -> bool {
        self.ended == Ended::Both
    }

    /// Nanoseconds from the first SYN to the first SYN+ACK of a handshake; `None` where there was
    /// none.
    pub fn took(&self) -> Option<u64> {
        let (_, at) = self.answer.filter(|_| self.shaken)?;
        Some(at.saturating_sub(self.first.at))
    }

    /// Enters one of its packets, a SYN with another number excepted.
    pub fn enter(&mut self, at: u64, segment: &Segment) -> Seen {
        let from_client = segment.from == self.client;
        let seen = match (from_client, segment.flags & (SYN | ACK | RST)) {
            (true, SYN) => self.syn_again(at, segment),
            (false, flags) if flags == SYN | ACK => self.syn_ack(at, segment),
            (true, ACK) => self.ack(segment),
            _ => Seen::Other,
        };
        let again = self.advance(from_client, segment);
        self.end(from_client, segment);
        self.keep(at, segment, again);
        seen
    }

    fn syn_again(&mut self, at: u64, segment: &Segment) -> Seen {
        self.syns = self.syns.saturating_add(1);
        self.last = Syn { at, stamp: segment.timestamps.map(|(value, _)| value) };
        Seen::SynAgain
    }

    fn syn_ack(&mut self, at: u64, segment: &Segment) -> Seen {
        let again = self.answer.is_some();
        // A cookie that answers another SYN is another number (RFC 4987, 3.6).
        let first = self.answer.map_or(at, |(_, first)| first);
        self.answer = Some((segment.seq, first));
        if again {
            return Seen::SynAckAgain;
        }
        // A delay above a second brings an answer to the first SYN after the second.
        let echoed = segment.timestamps.map(|(_, echo)| echo);
        let to_first = echoed.is_some() && echoed == self.first.stamp;
        let sent = if to_first { self.first.at } else { self.last.at };
        Seen::SynAck(Answer { time: at.saturating_sub(sent), retried: self.syns > 1 })
    }

    fn ack(&mut self, segment: &Segment) -> Seen {
        let Some((isn, _)) = self.answer.filter(|_| !self.shaken) else { return Seen::Other };
        // With TCP Fast Open the target may have sent data already.
        if after(segment.ack, isn) {
            self.shaken = true;
            return Seen::Handshake;
        }
        Seen::Other
    }

    /// Whether all of a segment had been sent before.
    fn advance(&mut self, from_client: bool, segment: &Segment) -> bool {
        let next = if from_client { &mut self.next_of_client } else { &mut self.next_of_target };
        let (begin, end, known) = (segment.seq, segment.end(), *next);
        if known.is_some_and(|known| !after(end, known)) {
            // What takes no place in the sequence, such as an ACK, is never the same.
            return end != begin;
        }
        *next = Some(end);
        // A second cookie has another number, and is a SYN+ACK again.
        known.is_some() && segment.has(SYN)
    }

    fn end(&mut self, from_client: bool, segment: &Segment) {
        self.ended = match (self.ended, from_client) {
            _ if segment.has(RST) => Ended::Both,
            (ended, _) if !segment.has(FIN) => ended,
            (Ended::No | Ended::ByClient, true) => Ended::ByClient,
            (Ended::No | Ended::ByTarget, false) => Ended::ByTarget,
            _ => Ended::Both,
        };
    }

    fn keep(&mut self, at: u64, segment: &Segment, again: bool) {
        let marks = segment.flags & (SYN | FIN | RST) != 0;
        if self.packets.len() >= if marks { KEPT_MARKS } else { KEPT } {
            self.left_out += 1;
            return;
        }
        let Segment { seq, ack, bytes, flags, .. } = *segment;
        let from_client = segment.from == self.client;
        self.packets.push(Packet { at, seq, ack, bytes, flags, from_client, again });
    }

    /// Packet by packet.
    pub fn ladder(&self, title: String) -> Ladder {
        let step = |packet: &Packet| Step {
            at_s: packet.at.saturating_sub(self.first.at) as f64 / 1e9,
            from_client: packet.from_client,
            flags: names(packet.flags),
            seq: packet.seq,
            ack: (packet.flags & ACK != 0).then_some(packet.ack),
            bytes: packet.bytes,
            again: packet.again,
        };
        Ladder {
            title,
            client: self.client.to_string(),
            target: self.target.to_string(),
            steps: self.packets.iter().map(step).collect(),
            left_out: self.left_out,
        }
    }
}

/// Whether a sequence number comes after another (RFC 9293, 3.4).
fn after(number: u32, other: u32) -> bool {
    (number.wrapping_sub(other) as i32) > 0
}

fn names(flags: u8) -> String {
    let some: Vec<_> =
        NAMES.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name).collect();
    some.join("+")
}
