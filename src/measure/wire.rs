//! What was seen on the wire of a lab whose link was captured.

use serde::{Deserialize, Serialize};

use super::Summary;

/// A capture, counted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WireResult {
    /// The capture's file in the run's folder.
    pub file: String,
    /// Packets in it.
    pub packets: u64,
    /// Packets that the kernel dropped before they could be read.
    pub missed: u64,
    /// Packets that are not in the file, because it had reached its bound; all counts include
    /// them.
    pub beyond: u64,
    /// First SYNs.
    pub syn: u64,
    /// SYNs sent again.
    pub syn_again: u64,
    /// First SYN+ACKs.
    pub syn_ack: u64,
    /// SYN+ACKs sent again.
    pub syn_ack_again: u64,
    /// RSTs, of either side.
    pub rst: u64,
    /// Handshakes of SYN, SYN+ACK and ACK.
    pub handshakes: u64,
    /// Time from the SYN that was answered to its first SYN+ACK, in nanoseconds; `None` without
    /// any.
    pub handshake_time: Option<Summary>,
    /// Connections drawn packet by packet: a typical one, the slowest, and one that was never
    /// answered; those that there were.
    pub ladders: Vec<Ladder>,
    /// What must be known to read the counts, such as where they differ from the clients' own; one
    /// sentence each.
    #[serde(default)]
    pub notices: Vec<String>,
}

/// One connection, packet by packet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ladder {
    /// Which one, such as `slowest of 4,800 handshakes`.
    pub title: String,
    /// The client's address.
    pub client: String,
    /// The target's address.
    pub target: String,
    /// The packets, in order.
    pub steps: Vec<Step>,
    /// Packets that were left out between or after those, so that the ladder stays readable: once
    /// it is long, only SYN, FIN and RST are still drawn.
    pub left_out: u64,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Step {
    /// Seconds since the connection's first packet.
    pub at_s: f64,
    /// Whether the client sent it.
    pub from_client: bool,
    /// Its flags, such as `SYN+ACK`.
    pub flags: String,
    /// Sequence number as it was sent.
    pub seq: u32,
    /// Acknowledgement number; `None` without the flag ACK.
    pub ack: Option<u32>,
    /// Bytes of payload.
    pub bytes: u32,
    /// Whether the same was sent before.
    pub again: bool,
}
