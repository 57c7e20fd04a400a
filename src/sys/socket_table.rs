//! What the kernel lists in its socket tables.

use std::net::{IpAddr, SocketAddr};

/// A listening TCP socket as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Local address; unspecified for a wildcard listener.
    pub local: IpAddr,
    /// Connections in its accept queue.
    pub queue: u32,
    /// The limit of its accept queue.
    pub limit: u32,
    /// Whether an IPv6 listener refuses IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
}

/// A UDP socket as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatagramSocket {
    /// Local address; unspecified for a wildcard.
    pub local: IpAddr,
    /// Tells it from others as long as it lives.
    pub inode: u32,
    /// Bytes that its receive buffer is charged (`SK_MEMINFO_RMEM_ALLOC`).
    pub charged: u32,
    /// The limit of that (`SK_MEMINFO_RCVBUF`).
    pub limit: u32,
    /// Datagrams that it has dropped (`SK_MEMINFO_DROPS`).
    pub drops: u32,
    /// Whether a socket of IPv6 refuses IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
}

/// A TCP socket that is being opened or closed, as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passing {
    /// Which of the states it is in.
    pub stage: Stage,
    /// Its own port.
    pub local_port: u16,
    /// Its peer's.
    pub remote_port: u16,
    /// How often its segment, or the SYN-ACK of its request, was sent again.
    pub retransmits: u8,
    /// Milliseconds until its timer runs out; 0 where it has none.
    pub expires_ms: u32,
}

/// States of RFC 9293 that pass by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// SYN-RECEIVED: a request in a listener's SYN queue.
    SynReceived,
    /// TIME-WAIT.
    TimeWait,
    /// Any other.
    Other,
}

/// Which end of their connection sockets are, told by the port of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Those at the server: the port is their own.
    Local(u16),
    /// Those of clients: the port is their peer's.
    Remote(u16),
}

/// Address families whose sockets are looked at; each costs a walk over the connection table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both: a server at `::` serves IPv4 with sockets of IPv6, and its half-open requests are
    /// of IPv4.
    Both,
}

impl Families {
    /// The families of sockets with this address at one end.
    pub fn of(address: SocketAddr) -> Self {
        match address.ip() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(ip) if ip.is_unspecified() || ip.to_ipv4_mapped().is_some() => Self::Both,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// Most states that a kernel numbers (`include/net/tcp_states.h`: 1 to 13).
pub const STATES: usize = 16;

/// How many sockets are in each state, by the kernel's number of the state.
pub type StateCounts = [u64; STATES];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_which_families_can_meet_there() {
        let of = |text: &str| Families::of(text.parse().unwrap());
        assert_eq!(of("0.0.0.0:1"), Families::V4);
        assert_eq!(of("127.0.0.1:1"), Families::V4);
        assert_eq!(of("[::1]:1"), Families::V6);
        assert_eq!(of("[::]:1"), Families::Both);
        assert_eq!(of("[::ffff:127.0.0.1]:1"), Families::Both);
    }
}
