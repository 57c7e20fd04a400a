//! The kernel's socket tables over `NETLINK_SOCK_DIAG` (`sock_diag(7)`, `net/ipv4/inet_diag.c`).
//!
//! Needs no privilege. A socket stays bound to the network namespace in which it was opened.

use std::io;

use netlink_packet_core::Parseable;
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, INET_DIAG_SKMEMINFO, INET_DIAG_SKV6ONLY, IPPROTO_TCP, IPPROTO_UDP,
    TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN, TCP_SYN_RECV, TCP_TIME_WAIT,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};

use super::attributes::{find, number};
use super::questions::{Extent, NETLINK_SOCK_DIAG, Questions, rubbish};
pub use super::socket_table::{
    DatagramSocket, End, Families, Listener, Passing, STATES, Stage, StateCounts,
};

/// Length of `struct inet_diag_msg`; attributes follow.
const ENTRY: usize = 72;

/// Asks for the sockets of TCP.
#[derive(Debug)]
pub struct SockDiag(Questions);

impl SockDiag {
    /// Opens one for the calling thread's network namespace.
    ///
    /// # Errors
    /// As [`Questions::open`].
    pub fn open() -> io::Result<Self> {
        Questions::open(NETLINK_SOCK_DIAG).map(Self)
    }

    /// Calls `each` for every TCP listener of IPv4 and IPv6 at this port.
    ///
    /// # Errors
    /// The kernel's own, by errno (`ENOENT`: no `tcp_diag`).
    pub fn listeners(&mut self, port: u16, mut each: impl FnMut(&Listener)) -> io::Result<()> {
        for family in [AF_INET, AF_INET6] {
            let asked = Asked::tcp(family, StateFlags::LISTEN, End::Local(port));
            self.dump(asked, |entry| {
                let (at, listener) = parse(entry)?;
                if at == port {
                    each(&listener);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Calls `each` for every UDP socket of IPv4 and IPv6 at this port. The walk is over the table of
    /// all UDP sockets of the host.
    ///
    /// # Errors
    /// The kernel's own, by errno (`ENOENT`: no `udp_diag`).
    pub fn datagram_sockets(
        &mut self,
        port: u16,
        mut each: impl FnMut(&DatagramSocket),
    ) -> io::Result<()> {
        for family in [AF_INET, AF_INET6] {
            self.dump(Asked::udp(family, port), |entry| {
                let (at, socket) = datagram_socket(entry)?;
                if at == port {
                    each(&socket);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Counts the TCP sockets at one end of their connection, by state. The kernel compares ports
    /// and states itself, and lists what is counted: listeners and what is `ESTABLISHED` are left
    /// out, since there may be a hundred thousand of these. The walk is over the connection table
    /// of the whole host (`tcp_diag_dump`): under 1 ms while there are few sockets of anybody, and
    /// several at 100,000.
    ///
    /// # Errors
    /// As [`SockDiag::listeners`].
    pub fn count(&mut self, end: End, families: Families) -> io::Result<StateCounts> {
        let mut counts = StateCounts::default();
        for family in asked(families) {
            self.dump(Asked::tcp(*family, passing_states(), end), |entry| {
                // The state is the second byte of `struct inet_diag_msg`.
                let state = entry.get(1).copied().unwrap_or(TCP_CLOSE);
                counts[usize::from(state) % STATES] += 1;
                Ok(())
            })?;
        }
        // Of a handshake that ended after the kernel had chosen it.
        counts[usize::from(TCP_ESTABLISHED)] = 0;
        Ok(counts)
    }

    /// Calls `each` for the TCP sockets at one end of their connection that are being opened or
    /// closed, with what is left on their timers. Costs as much as [`SockDiag::count`].
    ///
    /// # Errors
    /// As [`SockDiag::listeners`].
    pub fn passing(
        &mut self,
        end: End,
        families: Families,
        mut each: impl FnMut(&Passing),
    ) -> io::Result<()> {
        for family in asked(families) {
            self.dump(Asked::tcp(*family, passing_states(), end), |entry| {
                each(&passing(entry)?);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Gives each entry of a dump to `each`.
    fn dump(&mut self, asked: Asked, each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Asked { family, protocol, states, extensions, end } = asked;
        let mut socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
        match end {
            End::Local(port) => socket_id.source_port = port,
            End::Remote(port) => socket_id.destination_port = port,
        }
        let request = InetRequest { family, protocol, extensions, states, socket_id };
        self.0.ask(SockDiagMessage::InetRequest(request), Extent::All, each)
    }
}

/// What a dump is to show.
struct Asked {
    family: u8,
    protocol: u8,
    states: StateFlags,
    extensions: ExtensionFlags,
    end: End,
}

impl Asked {
    fn tcp(family: u8, states: StateFlags, end: End) -> Self {
        Self { family, protocol: IPPROTO_TCP, states, extensions: ExtensionFlags::empty(), end }
    }

    /// Connected or not, with their buffers.
    fn udp(family: u8, port: u16) -> Self {
        let (states, extensions) = (StateFlags::all(), ExtensionFlags::SKMEMINFO);
        Self { family, protocol: IPPROTO_UDP, states, extensions, end: End::Local(port) }
    }
}

fn asked(families: Families) -> &'static [u8] {
    match families {
        Families::V4 => &[AF_INET],
        Families::V6 => &[AF_INET6],
        Families::Both => &[AF_INET, AF_INET6],
    }
}

/// Reads a `struct inet_diag_msg` of a listener: its port, and the rest.
fn parse(entry: &[u8]) -> io::Result<(u16, Listener)> {
    let header = InetResponseHeader::parse(entry).map_err(rubbish)?;
    let v6_only = header.state == TCP_LISTEN && find(rest(entry), INET_DIAG_SKV6ONLY) == [1];
    let listener = Listener {
        local: header.socket_id.source_address.to_canonical(),
        queue: header.recv_queue,
        limit: header.send_queue,
        v6_only,
    };
    Ok((header.socket_id.source_port, listener))
}

/// Reads a `struct inet_diag_msg` of a UDP socket: its port, and the rest.
fn datagram_socket(entry: &[u8]) -> io::Result<(u16, DatagramSocket)> {
    let header = InetResponseHeader::parse(entry).map_err(rubbish)?;
    // Numbers by their places in `enum sk_meminfo` (`include/uapi/linux/sock_diag.h`).
    let memory = find(rest(entry), INET_DIAG_SKMEMINFO);
    let socket = DatagramSocket {
        local: header.socket_id.source_address.to_canonical(),
        inode: header.inode,
        charged: number(memory, 0),
        limit: number(memory, 1),
        drops: number(memory, 8),
        v6_only: find(rest(entry), INET_DIAG_SKV6ONLY) == [1],
    };
    Ok((header.socket_id.source_port, socket))
}

/// All but listeners and what is `ESTABLISHED` or closed.
fn passing_states() -> StateFlags {
    StateFlags::all() - StateFlags::LISTEN - StateFlags::ESTABLISHED - StateFlags::CLOSE
}

/// Reads a `struct inet_diag_msg` of a connection; the timer of TIME_WAIT as well, which the
/// crate's own reader leaves out (`include/uapi/linux/inet_diag.h`: state, timer and retransmits
/// are single bytes from 1, `idiag_expires` stands behind 4 + 48 bytes).
fn passing(entry: &[u8]) -> io::Result<Passing> {
    let header = InetResponseHeader::parse(entry).map_err(rubbish)?;
    Ok(Passing {
        stage: match header.state {
            TCP_SYN_RECV => Stage::SynReceived,
            TCP_TIME_WAIT => Stage::TimeWait,
            _ => Stage::Other,
        },
        local_port: header.socket_id.source_port,
        remote_port: header.socket_id.destination_port,
        retransmits: entry.get(3).copied().unwrap_or(0),
        expires_ms: number(entry, 52 / 4),
    })
}

/// The attributes behind a `struct inet_diag_msg`.
fn rest(entry: &[u8]) -> &[u8] {
    entry.get(ENTRY..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::super::questions::entry;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_socket_that_passes_has_its_retransmits_and_its_timer() {
        let mut entry = [0u8; 72];
        entry[..4].copy_from_slice(&[AF_INET, TCP_TIME_WAIT, 3, 5]);
        entry[4..6].copy_from_slice(&40_000u16.to_be_bytes());
        entry[6..8].copy_from_slice(&80u16.to_be_bytes());
        entry[52..56].copy_from_slice(&59_996u32.to_ne_bytes());
        let seen = passing(&entry).unwrap();
        let (local_port, remote_port) = (40_000, 80);
        let (stage, expires_ms) = (Stage::TimeWait, 59_996);
        assert_eq!(seen, Passing { stage, local_port, remote_port, retransmits: 5, expires_ms });
        entry[1] = TCP_SYN_RECV;
        assert_eq!(passing(&entry).unwrap().stage, Stage::SynReceived);
        assert!(passing(&entry[..60]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in 0u16..24, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(entry)) = entry(kind, &bytes) {
                let _ = parse(entry);
                let _ = datagram_socket(entry);
                let _ = passing(entry);
            }
        }

        #[test]
        fn no_inet6_listener_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 72..200)) {
            bytes[0] = AF_INET6;
            bytes[1] = TCP_LISTEN;
            let _ = parse(&bytes);
            let _ = datagram_socket(&bytes);
        }
    }
}
