//! Why each attempt took as long as it did, or failed: one class for each attempt.

use serde::{Deserialize, Serialize};

/// Why an attempt took as long as it did, or failed. Every attempt has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Established with the first SYN, accepted at once: nothing held it up.
    Clean,
    /// Established with the first SYN, then waited in the accept queue (AF_UNIX: or for a place
    /// in it).
    Queued,
    /// Accepted, then waited for its reply.
    Service,
    /// The load generator issued it late, saw its end late, or had no means for it (`no_fd`,
    /// `no_buffer`).
    Generator,
    /// Its SYN met a full accept queue and was dropped.
    AcceptQueueFull,
    /// Its SYN met a full SYN queue and was dropped.
    SynQueueFull,
    /// The handshake was made by SYN cookie: the target kept nothing of its SYN.
    Cookie,
    /// The client was established and the target was not: the final ACK met a full accept queue
    /// and was ignored.
    AckDropped,
    /// The client was established, and the target answered its final ACK by RST
    /// (`tcp_abort_on_overflow`).
    OverflowReset,
    /// The target closed its listener while the connection waited there.
    ListenerClosed,
    /// Nobody listened: RST in answer to the SYN (AF_UNIX: ECONNREFUSED).
    Refused,
    /// AF_UNIX: the queue was full, and the client does not wait (EAGAIN).
    NoPlace,
    /// The client had no local port left (EADDRNOTAVAIL).
    NoPort,
    /// A packet of the handshake was lost, and no queue of the target dropped it.
    NetworkLoss,
    /// The client leaves its handshake half-open, as planned.
    HalfOpen,
    /// Still connecting when the run ended, with nothing amiss until then.
    Cut,
    /// Something held it up, and nothing that was observed tells what.
    Unexplained,
}

impl Class {
    /// Every class, in the order in which reports list them.
    pub const ALL: [Self; 17] = [
        Self::Clean,
        Self::Queued,
        Self::Service,
        Self::Generator,
        Self::AcceptQueueFull,
        Self::SynQueueFull,
        Self::Cookie,
        Self::AckDropped,
        Self::OverflowReset,
        Self::ListenerClosed,
        Self::Refused,
        Self::NoPlace,
        Self::NoPort,
        Self::NetworkLoss,
        Self::HalfOpen,
        Self::Cut,
        Self::Unexplained,
    ];

    /// As files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Queued => "queued",
            Self::Service => "service",
            Self::Generator => "generator",
            Self::AcceptQueueFull => "accept_queue_full",
            Self::SynQueueFull => "syn_queue_full",
            Self::Cookie => "cookie",
            Self::AckDropped => "ack_dropped",
            Self::OverflowReset => "overflow_reset",
            Self::ListenerClosed => "listener_closed",
            Self::Refused => "refused",
            Self::NoPlace => "no_place",
            Self::NoPort => "no_port",
            Self::NetworkLoss => "network_loss",
            Self::HalfOpen => "half_open",
            Self::Cut => "cut",
            Self::Unexplained => "unexplained",
        }
    }

    /// In words, short enough for a table.
    pub fn label(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Queued => "waited in the accept queue",
            Self::Service => "waited for the reply",
            Self::Generator => "slow in the generator itself",
            Self::AcceptQueueFull => "SYN dropped: accept queue full",
            Self::SynQueueFull => "SYN dropped: SYN queue full",
            Self::Cookie => "handshake by SYN cookie",
            Self::AckDropped => "final ACK dropped: accept queue full",
            Self::OverflowReset => "reset by overflow",
            Self::ListenerClosed => "listener closed",
            Self::Refused => "refused: nobody listens",
            Self::NoPlace => "no place in the queue (EAGAIN)",
            Self::NoPort => "out of ports",
            Self::NetworkLoss => "lost in the network",
            Self::HalfOpen => "left half-open, as planned",
            Self::Cut => "cut by the end of the run",
            Self::Unexplained => "unexplained",
        }
    }
}

/// The classes of a cell's attempts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassesResult {
    /// Load by load, in the order of the plan, each class that has an attempt, in the order of
    /// [`Class::ALL`]. The counts of a load sum to its attempts.
    pub classes: Vec<ClassResult>,
    /// SYNs that brought nothing, by why, over all loads; causes without one are missing. An
    /// attempt may have lost several.
    pub lost_syns: Vec<LostSyns>,
    /// Which packet the attempts of class `network_loss` lost, over all loads; missing in older
    /// results.
    #[serde(default)]
    pub network: NetworkLosses,
    /// Established attempts that were found again among the connections that the target held.
    pub joined: u64,
    /// Of these, those whose handshake was made by SYN cookie, whatever their class.
    pub by_cookie: u64,
    /// Whether the target named the connections that it held, so that each could be found.
    pub named: bool,
}

/// Attempts that lost a packet in the network, by what was lost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NetworkLosses {
    /// Their SYN, or the answer to it.
    pub syn: u64,
    /// The final ACK, so that only the client believed in the connection.
    pub ack: u64,
    /// What was sent over the established connection.
    pub data: u64,
}

/// Attempts of one load and class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassResult {
    /// Name of the load.
    pub load: String,
    /// The class.
    pub class: Class,
    /// Attempts.
    pub count: u64,
    /// Sum of their latencies, in seconds: from the intended instant to the first whole reply, or
    /// where none was wanted to the end of connecting, or until the attempt failed.
    pub latency_s: f64,
}

/// SYNs that brought nothing, for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LostSyns {
    /// Why.
    pub class: Class,
    /// How many.
    pub count: u64,
    /// How many of these something else may have dropped: the kernel counts final ACKs together with
    /// SYNs, and the path all packets.
    #[serde(default)]
    pub doubtful: u64,
    /// Seconds from the schedule's start to the first and to the last.
    pub span_s: (f64, f64),
}

impl ClassesResult {
    /// Attempts of a class, over all loads.
    pub fn count(&self, class: Class) -> u64 {
        self.of(class).map(|one| one.count).fold(0, u64::saturating_add)
    }

    /// The sum of the latencies of a class, over all loads, in seconds.
    pub fn latency_s(&self, class: Class) -> f64 {
        self.of(class).map(|one| one.latency_s).sum()
    }

    /// All attempts.
    pub fn attempts(&self) -> u64 {
        self.classes.iter().map(|one| one.count).fold(0, u64::saturating_add)
    }

    /// The sum of all latencies, in seconds.
    pub fn whole_latency_s(&self) -> f64 {
        self.classes.iter().map(|one| one.latency_s).sum()
    }

    /// SYNs that were lost for a reason.
    pub fn lost(&self, class: Class) -> Option<&LostSyns> {
        self.lost_syns.iter().find(|one| one.class == class)
    }

    fn of(&self, class: Class) -> impl Iterator<Item = &ClassResult> {
        self.classes.iter().filter(move |one| one.class == class)
    }
}
