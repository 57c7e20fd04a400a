//! What a load worker says of an attempt: small, plain records, made without allocation.
//!
//! All instants are nanoseconds since the start of the cell's schedule.

use serde::{Deserialize, Serialize};

use super::held::Peer;
use super::outcome::{Ending, Outcome};

/// One event in the life of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Index of the load in its cell.
    pub load: u16,
    /// Number of the attempt in its load.
    pub attempt: u64,
    /// When it happened.
    pub at: u64,
    /// What happened.
    pub event: Event,
}

/// What happened to an attempt. Each attempt has exactly one [`Event::Connect`]; an established
/// one has exactly one [`Event::End`] after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The connection was established, or failed to be.
    Connect {
        /// When the schedule wanted it.
        intended: u64,
        /// When `connect()` was called; never before `intended`.
        issued: u64,
        /// The kernel's SYN to SYN-ACK time (`tcpi_rtt`), in microseconds; 0 where unknown.
        kernel_rtt_us: u32,
        /// SYN retransmits (`tcpi_total_retrans`).
        retransmits: u8,
        /// Whether the target took the data that went with the SYN (TCP Fast Open).
        syn_data: bool,
        /// The client's own end.
        peer: Peer,
        /// How it ended.
        outcome: Outcome,
        /// The error number where `outcome` is an error, else 0.
        errno: i32,
    },
    /// A whole reply was received.
    Reply {
        /// When the schedule wanted the exchange: the attempt's own intended instant for the
        /// first one, else the previous reply plus the think time.
        intended: u64,
        /// When `connect()` (first exchange) or `send()` was called.
        issued: u64,
        /// Segments sent again between establishment and the first reply; 0 for later replies. Some
        /// mean that the target did not hold the connection at first.
        resent: u8,
    },
    /// The target's FIN came after the client's.
    Closed {
        /// When FIN was sent.
        sent: u64,
    },
    /// The established connection came to its end at the client.
    End {
        /// How.
        ending: Ending,
        /// The error number where `ending` is an error, else 0.
        errno: i32,
    },
}
