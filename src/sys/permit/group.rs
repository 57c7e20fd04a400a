//! The addresses by which one datagram reaches several receivers of a lab. No others of their kind
//! are ever permitted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A multicast group of the local scope (RFC 2365, 6.1).
pub const MULTICAST_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 255, 18, 1));
/// A multicast group that is not well-known, of the scope of a site (RFC 4291, 2.7).
pub const MULTICAST_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 0x4c47));
/// The broadcast address of 198.18.0.0/15, the range for benchmarks (RFC 2544).
pub const BROADCAST: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 255, 255));
/// The broadcast address of loopback.
pub const BROADCAST_LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255));

const ALL: [IpAddr; 4] = [MULTICAST_V4, MULTICAST_V6, BROADCAST, BROADCAST_LOOPBACK];

/// Whether it is one of those by broadcast.
pub fn is_broadcast(ip: IpAddr) -> bool {
    [BROADCAST, BROADCAST_LOOPBACK].contains(&ip)
}

/// Whether it is one of them.
pub(super) fn is_one(ip: IpAddr) -> bool {
    ALL.contains(&ip)
}
