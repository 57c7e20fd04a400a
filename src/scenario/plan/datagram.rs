//! Loads of datagrams, and the target that receives them.

use serde::{Deserialize, Serialize};

use super::{AcceptPace, Window};
use crate::units::{Bytes, Ratio, Span, Transport};

/// What the clients of kind `datagram` send. An attempt is one datagram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Datagrams {
    /// Sizes of the payload, in bytes; at least [`Datagrams::SMALLEST`].
    pub sizes: Sizes,
    /// Sockets that send, each with a sequence of its own. They take turns by the attempt's number.
    pub streams: u32,
    /// What comes back.
    pub reply: DatagramReply,
    /// Many datagrams in one call of the kernel, at one instant.
    pub bulk: Option<Bulk>,
}

impl Datagrams {
    /// Bytes of the header that every datagram of ours begins with.
    pub const SMALLEST: u16 = 40;
    /// Most streams, times the receivers that each goes to, of which books are kept one by one.
    pub const MOST_STREAMS: usize = 16_384;
}

/// Sizes of payloads, in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "distribution")]
pub enum Sizes {
    /// Always the same.
    Fixed {
        /// That size.
        bytes: u16,
    },
    /// One after the other, and again from the first.
    Turns {
        /// At least two sizes.
        bytes: Vec<u16>,
    },
    /// Uniform between the two.
    Uniform {
        /// Smallest.
        min: u16,
        /// Largest.
        max: u16,
    },
    /// Exponential above `min`, and never above `max`.
    Exponential {
        /// Smallest.
        min: u16,
        /// Mean of what is above `min`, before the cut at `max`.
        mean: u16,
        /// Largest.
        max: u16,
    },
}

impl Sizes {
    /// The largest.
    pub fn largest(&self) -> u16 {
        match self {
            Self::Fixed { bytes } => *bytes,
            Self::Turns { bytes } => bytes.iter().copied().max().unwrap_or(0),
            Self::Uniform { max, .. } | Self::Exponential { max, .. } => *max,
        }
    }

    /// Sizes that stand for all: each of a few, or smallest and largest.
    pub fn examples(&self) -> Vec<u16> {
        match self {
            Self::Fixed { bytes } => vec![*bytes],
            Self::Turns { bytes } => bytes.clone(),
            Self::Uniform { min, max } | Self::Exponential { min, max, .. } => vec![*min, *max],
        }
    }
}

/// What comes back for a datagram.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DatagramReply {
    /// Nothing.
    #[default]
    None,
    /// The datagram.
    Echo,
}

/// How many datagrams go in one call of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bulk {
    /// UDP_SEGMENT: one large datagram that is cut as late as possible, and that our own target
    /// takes whole (UDP_GRO). For throughput; losses come in bursts of the whole.
    Gso,
}

/// How `loadgen serve` receives datagrams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receive {
    /// UDP or AF_UNIX.
    pub transport: Transport,
    /// Receivers, 1 to 64. With [`Cast::Unicast`] each has a port (or name) of its own, and
    /// streams are dealt out to them in turn; else all have the one port, and each gets every
    /// datagram.
    pub receivers: u16,
    /// To whom a datagram goes.
    pub cast: Cast,
    /// Sockets at the address of each receiver (SO_REUSEPORT), each with a thread; 1 but for
    /// [`Cast::Unicast`] over UDP. At most 64 over all receivers.
    pub readers: u16,
    /// SO_RCVBUF, before the kernel doubles it; `None` leaves the kernel's default.
    pub rcvbuf: Option<Bytes>,
    /// How fast datagrams are read, over all readers of a receiver.
    pub drain: AcceptPace,
    /// Windows of time, from the start of the cell's schedule, in which nothing is read.
    pub stalls: Vec<Window>,
    /// What is sent back.
    pub reply: DatagramReply,
    /// Whether what was sent in bulk is taken whole (UDP_GRO).
    pub gro: bool,
    /// When all sockets are closed and bound anew.
    pub restart: Option<Rebind>,
    /// Period of the samples of the receive queues.
    pub sample: Span,
}

impl Receive {
    /// Receivers that each datagram is meant for.
    pub fn copies(&self) -> u16 {
        match self.cast {
            Cast::Unicast => 1,
            Cast::Multicast | Cast::Broadcast => self.receivers,
        }
    }
}

impl Default for Receive {
    /// What a scenario gets that says nothing but `transport = "udp"`.
    fn default() -> Self {
        Self {
            transport: Transport::Udp,
            receivers: 1,
            cast: Cast::Unicast,
            readers: 1,
            rcvbuf: None,
            drain: AcceptPace::Asap,
            stalls: Vec::new(),
            reply: DatagramReply::None,
            gro: false,
            restart: None,
            sample: Span::from_millis(5),
        }
    }
}

/// A restart of the receivers: what waits in their buffers is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebind {
    /// When, from the start of the cell's schedule.
    pub at: Span,
    /// How long nobody is bound to the addresses.
    pub gap: Span,
}

/// To whom a datagram goes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cast {
    /// To one receiver.
    #[default]
    Unicast,
    /// To all receivers, by a multicast group of the lab.
    Multicast,
    /// To all receivers, by the lab's broadcast address; IPv4 only.
    Broadcast,
}

/// What the lab does to packets on their way to the target: datagrams, or segments of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Impair {
    /// Which of them are dropped, by a rule of nftables where they arrive.
    pub loss: Option<Loss>,
    /// Bits a second of the link's sending side (`tbf`), headers included; veth only.
    pub rate: Option<u64>,
    /// Bytes that may wait for that rate.
    pub queue: Option<Bytes>,
    /// How long each is held (`netem`), and by how much that varies; veth only.
    pub delay: Option<Delay>,
    /// Share that is sent twice (`netem`); veth only.
    pub duplicate: Option<Ratio>,
    /// Share that overtakes those before it, `delay` being above zero (`netem`); veth only.
    pub reorder: Option<Ratio>,
}

impl Impair {
    /// Whether the kernel needs `netem` for it.
    pub fn needs_netem(&self) -> bool {
        self.delay.is_some() || self.duplicate.is_some() || self.reorder.is_some()
    }
}

/// How long datagrams are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// On average.
    pub mean: Span,
    /// Uniformly more or less by so much.
    pub jitter: Span,
}

/// Which datagrams are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Each with this probability.
    Random(Ratio),
    /// Every so manyth, 1 to 2^32 - 1: the last of each so many.
    Every(u32),
}
