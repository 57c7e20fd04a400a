//! What the kernel lists of AF_UNIX listeners.

/// The accept queue of an AF_UNIX name, summed over the listeners that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnixQueue {
    /// Connections that wait to be accepted.
    pub depth: u32,
    /// The limit; one more fits (`unix_recvq_full`, `net/unix/af_unix.c`).
    pub limit: u32,
    /// Listeners found.
    pub listeners: u32,
    /// Whether a listener of the other kind (stream or packets) has the name: connecting to it
    /// is EPROTOTYPE.
    pub other_kind: bool,
}
