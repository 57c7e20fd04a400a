//! What the kernel lists in its socket tables.

use std::net::IpAddr;

/// A TCP socket as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Local address; unspecified for a wildcard listener.
    pub local: IpAddr,
    /// Local port.
    pub port: u16,
    /// For a listener, connections in its accept queue.
    pub receive_queue: u32,
    /// For a listener, the limit of its accept queue.
    pub send_queue: u32,
    /// Whether an IPv6 listener refuses IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
}

/// Which sockets a dump lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Listeners.
    Listen,
    /// Half-open connections: the requests in the SYN queues.
    SynReceived,
}
