//! What a restart of the target did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One restart: the listeners were closed, and others took their place. Times are seconds since
/// the start of the cell's schedule.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RestartResult {
    /// When it was wanted.
    pub at_s: f64,
    /// When the old listeners were closed; `None` where a hand-over found no successors.
    pub closed_at_s: Option<f64>,
    /// When all of the new ones listened; `None` for never again.
    pub listening_at_s: Option<f64>,
    /// Time without a listener: 0 in a hand-over, `None` where nobody listened any more.
    pub gap_s: Option<f64>,
    /// Errors of `bind` and `listen` on the way, by name; each was followed by another try.
    pub errors: BTreeMap<String, u64>,
    /// Connections that waited in the accept queues and that the kernel reset.
    pub queue_reset: u64,
    /// Connections that waited there and that the kernel moved to the new listeners
    /// (`net.ipv4.tcp_migrate_req`).
    pub migrated: u64,
    /// Half-open connections at that instant, most of which the kernel drops.
    pub half_open: u64,
    /// Packets that came while the queues were counted and were dropped: clients send them again.
    pub dropped: u64,
}
