//! The ledger of datagrams: what was sent, what came, and where the rest was lost.
//!
//! `wanted` = `unsent` + `sent`; `sent` x copies = `received` + `late` + `lost`; `lost` = the sum of the
//! causes but those of [`Side::Sender`], whose sum is `unsent`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::scenario::plan::Datagrams;

/// What one load's datagrams were.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SentResult {
    /// Sockets that sent.
    pub streams: u32,
    /// Bytes of payload in what was sent.
    pub bytes: u64,
    /// `per-datagram`, or `gso`: bulk, where losses come in bursts of many.
    pub sending: String,
    /// Calls of the kernel that sent something.
    pub calls: u64,
    /// Replies, counted once each; 0 where none are due.
    pub replies: u64,
    /// Replies that came again.
    pub reply_duplicates: u64,
    /// Replies that came after the load's timeout.
    pub reply_late: u64,
    /// What came and was no reply to this run's datagrams.
    pub reply_foreign: u64,
}

/// The ledger of a cell's datagrams.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DatagramsResult {
    /// Datagrams that the schedules handed out.
    pub wanted: u64,
    /// Of these, those that the sender's kernel did not take.
    pub unsent: u64,
    /// Of these, those that it took.
    pub sent: u64,
    /// Receivers that each datagram is meant for: above 1 for multicast and broadcast.
    pub copies: u32,
    /// Whether the target counted. A server of the user counts nothing: then `received` and `lost` are
    /// those of the replies, where replies are due, and else unknown (0).
    pub counted: bool,
    /// `sent` x `copies`: what should have come.
    pub expected: u64,
    /// What came, each counted once.
    pub received: u64,
    /// What came only after its stream's closing marker.
    pub late: u64,
    /// `expected` - `received` - `late`.
    pub lost: u64,
    /// What came again.
    pub duplicates: u64,
    /// What came after a later one of its stream (RFC 4737).
    pub reordered: u64,
    /// What came so long after later ones that it is not known whether it had come before. Each may be
    /// a duplicate, or one of `lost`.
    pub outside: u64,
    /// What was not of this run.
    pub foreign: u64,
    /// What was of ours and damaged.
    pub corrupt: u64,
    /// What `received` exceeds `expected` by, stream by stream: 0 where the books are whole.
    pub surplus: u64,
    /// Where datagrams were lost; those that are zero are left out, but for `unexplained`.
    pub causes: Vec<LossCause>,
    /// The target's receivers, in order.
    pub receivers: Vec<ReceiverResult>,
    /// Each stream at each receiver, in order; at most [`DatagramsResult::MOST_STREAMS`] of them.
    pub streams: Vec<StreamResult>,
    /// What the kernel charges a receive buffer for datagrams of the loads' sizes.
    pub charges: Vec<Charge>,
    /// What the lab did on the way.
    pub impairments: Vec<ImpairmentResult>,
    /// Restarts of the receivers.
    pub restarts: Vec<ReceiverRestart>,
}

impl DatagramsResult {
    /// Most streams that are kept one by one.
    pub const MOST_STREAMS: usize = Datagrams::MOST_STREAMS;

    /// The count of one cause, 0 where it is not among them.
    pub fn of(&self, cause: Cause) -> u64 {
        let counts = self.causes.iter().filter(|one| one.cause == cause).map(|one| one.count);
        counts.fold(0, u64::saturating_add)
    }

    /// Whether it is known of each datagram that it came or was lost: the target counted, or replies
    /// tell. Else `lost` is what somebody told of, and there may be more.
    pub fn is_known(&self) -> bool {
        let told = self.received.saturating_add(self.late).saturating_add(self.lost);
        self.counted || self.expected > 0 && told == self.expected
    }

    /// What was lost of what, by one cause or (`None`) between the senders' kernel and the readers;
    /// `None` where it is not known. What the senders' kernel did not take is held against what the
    /// schedules wanted, all else against what should have come.
    pub fn lost_of(&self, cause: Option<Cause>) -> Option<(u64, u64)> {
        let Some(cause) = cause else {
            return self.is_known().then_some((self.lost, self.expected));
        };
        let count = self.of(cause);
        let buffers = self.receivers.iter().any(|receiver| receiver.drops.is_some());
        let told = match cause {
            Cause::ReceiveBuffer => count > 0 || buffers,
            _ => count > 0,
        };
        match cause.side() {
            Side::Sender => Some((count, self.wanted)),
            _ => (self.is_known() || told).then_some((count, self.expected)),
        }
    }
}

/// A place where datagrams are lost, and how many were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossCause {
    /// Where on their way.
    pub side: Side,
    /// What lost them.
    pub cause: Cause,
    /// How many.
    pub count: u64,
    /// Who counted them: kernel counters and their values, as a short text.
    pub evidence: String,
}

/// Where on its way a datagram is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// At the sender's host.
    Sender,
    /// Between the hosts.
    Path,
    /// At the target's host.
    Receiver,
    /// Nobody knows.
    Unexplained,
}

/// What loses datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The sender's kernel took no more: EAGAIN, the socket's own buffer (or AF_UNIX receiver) was full.
    SendBuffer,
    /// ENOBUFS: the queue of the sending interface was full.
    SendQueue,
    /// Any other error of sending.
    SendError,
    /// Dropped by the lab's rule.
    LabLoss,
    /// Dropped by the lab's queue for its rate.
    LabRate,
    /// Dropped by the lab's `netem`, whose queue was full.
    LabDelay,
    /// Dropped by a link.
    Link,
    /// Nobody was bound to the port (`NoPorts`).
    NoSocket,
    /// The receiver's buffer was full (`RcvbufErrors`).
    ReceiveBuffer,
    /// No memory for UDP in the whole system (`MemErrors`).
    Memory,
    /// A wrong checksum (`InCsumErrors`).
    Checksum,
    /// In the buffer of a socket that was closed: a restart.
    Discarded,
    /// Still in the buffer when the run ended.
    Unread,
    /// Damaged on the way: read, and not countable as one of its stream.
    Corrupt,
    /// Lost, and no counter tells where.
    Unexplained,
}

impl Cause {
    /// Every cause, in the order of a datagram's way.
    pub const ALL: [Self; 15] = [
        Self::SendBuffer,
        Self::SendQueue,
        Self::SendError,
        Self::LabLoss,
        Self::LabRate,
        Self::LabDelay,
        Self::Link,
        Self::NoSocket,
        Self::ReceiveBuffer,
        Self::Memory,
        Self::Checksum,
        Self::Discarded,
        Self::Unread,
        Self::Corrupt,
        Self::Unexplained,
    ];

    /// The cause of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }

    /// Where it happens.
    pub const fn side(self) -> Side {
        match self {
            Self::SendBuffer | Self::SendQueue | Self::SendError => Side::Sender,
            Self::LabLoss | Self::LabRate | Self::LabDelay | Self::Link | Self::Corrupt => {
                Side::Path
            }
            Self::NoSocket
            | Self::ReceiveBuffer
            | Self::Memory
            | Self::Checksum
            | Self::Discarded
            | Self::Unread => Side::Receiver,
            Self::Unexplained => Side::Unexplained,
        }
    }

    /// The name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendBuffer => "send_buffer",
            Self::SendQueue => "send_queue",
            Self::SendError => "send_error",
            Self::LabLoss => "lab_loss",
            Self::LabRate => "lab_rate",
            Self::LabDelay => "lab_delay",
            Self::Link => "link",
            Self::NoSocket => "no_socket",
            Self::ReceiveBuffer => "receive_buffer",
            Self::Memory => "memory",
            Self::Checksum => "checksum",
            Self::Discarded => "discarded",
            Self::Unread => "unread",
            Self::Corrupt => "corrupt",
            Self::Unexplained => "unexplained",
        }
    }
}

/// One receiver of the target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiverResult {
    /// Where it receives.
    pub address: String,
    /// SO_RCVBUF as asked for; `None` for the kernel's default, and for a server of the user.
    pub rcvbuf_asked: Option<u64>,
    /// The buffer's limit as the kernel counts it (SK_MEMINFO_RCVBUF), of each of its sockets.
    pub rcvbuf_effective: Option<u64>,
    /// Datagrams that each of its sockets delivered to its reader, of whatever kind.
    pub read_by: Vec<u64>,
    /// Datagrams that its sockets dropped since they were bound (SK_MEMINFO_DROPS).
    pub drops: Option<u64>,
    /// The same as last told with a datagram (SO_RXQ_OVFL): drops after the last one are not in it.
    pub rxq_ovfl: Option<u64>,
    /// Most bytes that were seen charged to one of its sockets.
    pub queue_peak: u64,
}

impl ReceiverResult {
    /// Whether the kernel granted less than was asked for: it doubles the wish, up to twice
    /// `net.core.rmem_max` (`socket(7)`).
    pub fn is_clamped(&self) -> bool {
        let (asked, effective) = (self.rcvbuf_asked, self.rcvbuf_effective);
        asked.zip(effective).is_some_and(|(asked, effective)| effective < asked.saturating_mul(2))
    }
}

/// One stream at one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamResult {
    /// Number of its load.
    pub load: u16,
    /// Its number in the cell.
    pub stream: u32,
    /// Number of the receiver.
    pub receiver: u16,
    /// Datagrams that the sender's kernel took.
    pub sent: u64,
    /// As in [`DatagramsResult`].
    pub received: u64,
    /// As in [`DatagramsResult`].
    pub late: u64,
    /// As in [`DatagramsResult`].
    pub lost: u64,
    /// As in [`DatagramsResult`].
    pub duplicates: u64,
    /// As in [`DatagramsResult`].
    pub reordered: u64,
    /// As in [`DatagramsResult`].
    pub outside: u64,
    /// Longest loss burst.
    pub longest_burst: u64,
    /// Whether its closing marker came, so that losses at its end are among the bursts.
    pub closed: bool,
}

/// What the kernel charges a receive buffer for one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Bytes of payload.
    pub size: u16,
    /// Bytes that are charged (`truesize`), as measured on the target's host.
    pub charged: u64,
    /// How many such datagrams fill a receiver's buffer; `None` where its limit is not known.
    pub fit: Option<u64>,
}

/// What one of the lab's impairments did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImpairmentResult {
    /// What it is, such as `loss 3%` or `one of 10 lost`.
    pub what: String,
    /// What it counts under.
    pub cause: Cause,
    /// Packets that it dropped.
    pub dropped: u64,
    /// Packets that it saw; `None` where the kernel does not tell.
    pub seen: Option<u64>,
}

/// A restart of the receivers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiverRestart {
    /// When the sockets were closed, in seconds since the start of the schedule.
    pub closed_s: f64,
    /// When they were bound again; `None` for never.
    pub bound_s: Option<f64>,
    /// Datagrams of the run that waited in their buffers and were lost with them.
    pub discarded: u64,
}

/// Datagrams in one interval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DatagramInterval {
    /// Sent in it.
    pub sent: u64,
    /// Bytes of payload in these.
    pub bytes: u64,
    /// Received in it for the first time.
    pub received: Option<u64>,
    /// Received in it again.
    pub duplicates: Option<u64>,
    /// Received in it after a later one.
    pub reordered: Option<u64>,
    /// Replies received in it.
    pub replies: u64,
    /// Lost in it, by cause, as far as somebody counted then.
    pub lost: BTreeMap<Cause, u64>,
    /// Not sent in it, by the error.
    pub unsent: BTreeMap<Outcome, u64>,
    /// Most bytes seen charged to any of the target's sockets; `None` without a sample.
    pub queue_bytes: Option<u64>,
    /// Mean over the samples, of the fullest socket.
    pub queue_mean: Option<f64>,
    /// The limit of that buffer.
    pub queue_limit: Option<u64>,
    /// `owd` of those received in it, in nanoseconds; 0 where there were none. Towards a server of
    /// the user: `rtt`.
    pub delay_p50: u64,
    /// As above.
    pub delay_p99: u64,
    /// As above.
    pub delay_max: u64,
}
