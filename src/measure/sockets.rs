//! What the kernel holds of a cell's connections: sockets by state, and memory.

use serde::{Deserialize, Serialize};

/// Sockets at one end of their connections that are being opened or closed, by state (RFC 9293,
/// section 3.3.2). What is `ESTABLISHED` is not among them: listing it would cost too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SocketStates {
    /// `SYN_RECV`: half-open connections, which wait in the SYN queue.
    pub syn_recv: u64,
    /// `SYN_SENT`: the SYN is not answered yet.
    pub syn_sent: u64,
    /// `FIN_WAIT1`: closed first, and the FIN is not acknowledged.
    pub fin_wait1: u64,
    /// `FIN_WAIT2`: closed first, and the peer has not closed.
    pub fin_wait2: u64,
    /// `CLOSE_WAIT`: the peer closed, and this side has not.
    pub close_wait: u64,
    /// `LAST_ACK`: closed second, and the FIN is not acknowledged.
    pub last_ack: u64,
    /// `CLOSING`: both closed at once, and the FIN is not acknowledged.
    pub closing: u64,
    /// `TIME_WAIT`: closed first; the pair of addresses and ports is kept for a while.
    pub time_wait: u64,
}

impl SocketStates {
    /// Each state by the kernel's name, in the order in which a connection lives through them.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("SYN_SENT", self.syn_sent),
            ("SYN_RECV", self.syn_recv),
            ("FIN_WAIT1", self.fin_wait1),
            ("FIN_WAIT2", self.fin_wait2),
            ("CLOSE_WAIT", self.close_wait),
            ("LAST_ACK", self.last_ack),
            ("CLOSING", self.closing),
            ("TIME_WAIT", self.time_wait),
        ]
    }

    /// The larger count of each state.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            syn_recv: self.syn_recv.max(other.syn_recv),
            syn_sent: self.syn_sent.max(other.syn_sent),
            fin_wait1: self.fin_wait1.max(other.fin_wait1),
            fin_wait2: self.fin_wait2.max(other.fin_wait2),
            close_wait: self.close_wait.max(other.close_wait),
            last_ack: self.last_ack.max(other.last_ack),
            closing: self.closing.max(other.closing),
            time_wait: self.time_wait.max(other.time_wait),
        }
    }
}

/// Looks at one end's sockets over a cell, and what they cost. Looks become rarer where there is
/// more to list, so that they take about 1 % of one CPU.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct StatesResult {
    /// Largest count seen of each state.
    pub peak: SocketStates,
    /// Looks that were taken.
    pub looks: u64,
    /// Looks that failed.
    pub failed: u64,
    /// CPU time of one look on average, in microseconds.
    pub cost_us: f64,
    /// Share of one CPU that looking took.
    pub cpu_share: f64,
    /// Longest time between two looks, in microseconds.
    pub longest_period_us: f64,
}

/// Both ends' sockets over a cell; `None` for an end that cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SocketsResult {
    /// Sockets of the target.
    pub target: Option<StatesResult>,
    /// Sockets of the clients.
    pub client: Option<StatesResult>,
}

/// What connections cost in memory: by how much it had grown when most were open.
///
/// Kernel memory is counted over the whole machine, and whatever else allocates at the same time
/// is in it; user memory grows by buffers and histograms too, once. So it is reported only where
/// [`MemoryResult::LEAST`] connections or more were open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemoryResult {
    /// Connections that were open, or being opened, at that instant.
    pub connections: u64,
    /// The interval of the timeline in which that was.
    pub interval: usize,
    /// Whether both ends of each connection are on this machine, and so in `kernel_bytes`.
    pub both_ends: bool,
    /// Growth of the kernel's objects (`Slab` of `/proc/meminfo`), in bytes: sockets, files,
    /// directory entries, and the heads of queued packets.
    pub kernel_bytes: i64,
    /// Growth of what the kernel charges to TCP for queued data (`mem` of `/proc/net/sockstat`),
    /// in bytes. Part of it lies in `kernel_bytes`, and it must not be added.
    pub queued_bytes: i64,
    /// Growth of the runner's resident memory, in bytes.
    pub client_bytes: i64,
    /// The same for our own target; `None` for others.
    pub target_bytes: Option<i64>,
}

impl MemoryResult {
    /// Fewest connections that are worth a figure. Slab moves by megabytes on an idle machine, and
    /// a cell's own histograms are about as large: at 1,000 connections, which take 8 MB, that is
    /// a good part of the figure already.
    pub const LEAST: u64 = 1000;

    /// A number of bytes shared by the connections.
    pub fn each(&self, bytes: i64) -> f64 {
        bytes as f64 / self.connections.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_each_state_stays() {
        let early = SocketStates { syn_recv: 5, time_wait: 1, ..Default::default() };
        let late = SocketStates { syn_recv: 2, time_wait: 9, last_ack: 1, ..Default::default() };
        let both = early.max(late);
        assert_eq!(both, late.max(early));
        let above: Vec<_> = both.named().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(above, [("SYN_RECV", 5), ("LAST_ACK", 1), ("TIME_WAIT", 9)]);
    }

    #[test]
    fn memory_is_shared_by_the_connections() {
        let memory = MemoryResult { connections: 2000, ..MemoryResult::default() };
        assert_eq!(memory.each(15_800_000), 7900.0);
        assert_eq!(MemoryResult::default().each(-5), -5.0);
    }
}
