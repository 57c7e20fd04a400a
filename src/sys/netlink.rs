//! The kernel's socket tables over `NETLINK_SOCK_DIAG` (`sock_diag(7)`, `net/ipv4/inet_diag.c`).
//!
//! Needs no privilege. A socket stays bound to the network namespace in which it was opened.

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN, NetlinkBuffer,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator, Parseable,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, INET_DIAG_SKV6ONLY, IPPROTO_TCP, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

pub use super::socket_table::{End, Families, Listener, STATES, StateCounts};

/// The kernel fills dumps in pieces of at most 32 KiB (`netlink_dump`, `net/netlink/af_netlink.c`).
const PIECE: usize = 64 * 1024;
/// Length of `struct inet_diag_msg`; attributes follow.
const ENTRY: usize = 72;

/// A connection to the kernel's socket tables, with its buffers.
#[derive(Debug)]
pub struct SockDiag {
    socket: Socket,
    buffer: Vec<u8>,
    request: Vec<u8>,
    sequence: u32,
}

impl SockDiag {
    /// Opens one for the calling thread's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` where the kernel was built without it, `EMFILE`.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, buffer: vec![0; PIECE], request: Vec::new(), sequence: 0 })
    }

    /// Calls `each` for every TCP listener of IPv4 and IPv6 at this port.
    ///
    /// # Errors
    /// The kernel's own, by errno (`ENOENT`: no `tcp_diag`).
    pub fn listeners(&mut self, port: u16, mut each: impl FnMut(&Listener)) -> io::Result<()> {
        for family in [AF_INET, AF_INET6] {
            self.dump(family, StateFlags::LISTEN, End::Local(port), |entry| {
                let (at, listener) = parse(entry)?;
                if at == port {
                    each(&listener);
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
        let listed =
            StateFlags::all() - StateFlags::LISTEN - StateFlags::ESTABLISHED - StateFlags::CLOSE;
        let mut counts = StateCounts::default();
        for family in asked(families) {
            self.dump(*family, listed.clone(), end, |entry| {
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

    /// Gives each entry of a dump to `each`.
    fn dump(
        &mut self,
        family: u8,
        states: StateFlags,
        end: End,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.ask(family, states, end)?;
        loop {
            let length = match self.socket.recv(&mut &mut self.buffer[..], 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let mut rest = &self.buffer[..length.min(PIECE)];
            while !rest.is_empty() {
                let message = NetlinkBuffer::new_checked(rest).map_err(rubbish)?;
                let size = message.length() as usize;
                // What is left of an earlier dump that was given up is passed over.
                if message.sequence_number() == self.sequence {
                    match step(message.message_type(), message.payload())? {
                        Some(entry) => each(entry)?,
                        None => return Ok(()),
                    }
                }
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or(&[]);
            }
        }
    }

    /// Sends the request for a dump.
    fn ask(&mut self, family: u8, states: StateFlags, end: End) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
        match end {
            End::Local(port) => socket_id.source_port = port,
            End::Remote(port) => socket_id.destination_port = port,
        }
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = self.sequence;
        let extensions = ExtensionFlags::empty();
        let request = InetRequest { family, protocol: IPPROTO_TCP, extensions, states, socket_id };
        let mut message = NetlinkMessage::new(
            header,
            NetlinkPayload::from(SockDiagMessage::InetRequest(request)),
        );
        message.finalize();
        self.request.resize(message.buffer_len(), 0);
        message.serialize(&mut self.request);
        self.socket.send(&self.request, 0)?;
        Ok(())
    }
}

fn asked(families: Families) -> &'static [u8] {
    match families {
        Families::V4 => &[AF_INET],
        Families::V6 => &[AF_INET6],
        Families::Both => &[AF_INET, AF_INET6],
    }
}

/// The entry in a message of a dump; `None` when it was the last.
fn step(kind: u16, payload: &[u8]) -> io::Result<Option<&[u8]>> {
    match kind {
        NLMSG_DONE => code(payload).map_or(Ok(None), Err),
        NLMSG_ERROR => Err(code(payload).unwrap_or_else(|| io::Error::other("an empty error"))),
        NLMSG_OVERRUN => Err(io::Error::other("the kernel lost messages of a socket dump")),
        _ => Ok(Some(payload)),
    }
}

/// The negative errno at the head of an error or an end; `None` for success.
fn code(payload: &[u8]) -> Option<io::Error> {
    let code = i32::from_ne_bytes(payload.get(..4)?.try_into().ok()?);
    (code < 0).then(|| io::Error::from_raw_os_error(code.wrapping_neg()))
}

/// Reads a `struct inet_diag_msg` of a listener: its port, and the rest.
fn parse(entry: &[u8]) -> io::Result<(u16, Listener)> {
    let header = InetResponseHeader::parse(entry).map_err(rubbish)?;
    let mut v6_only = false;
    if header.family == AF_INET6 && header.state == TCP_LISTEN {
        for attribute in NlasIterator::new(entry.get(ENTRY..).unwrap_or(&[])) {
            let attribute = attribute.map_err(rubbish)?;
            if attribute.kind() == INET_DIAG_SKV6ONLY {
                v6_only = attribute.value().first() == Some(&1);
            }
        }
    }
    let listener = Listener {
        local: header.socket_id.source_address.to_canonical(),
        queue: header.recv_queue,
        limit: header.send_queue,
        v6_only,
    };
    Ok((header.socket_id.source_port, listener))
}

fn rubbish(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a socket dump is not readable: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_error_message_carries_its_errno() {
        let payload = (-2i32).to_ne_bytes();
        for kind in [NLMSG_ERROR, NLMSG_DONE] {
            let error = step(kind, &payload).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(2));
        }
        assert_eq!(step(NLMSG_DONE, &0i32.to_ne_bytes()).unwrap(), None);
        assert!(step(NLMSG_OVERRUN, &[]).is_err());
        assert!(step(NLMSG_ERROR, &[]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in 0u16..24, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(entry)) = step(kind, &bytes) {
                let _ = parse(entry);
            }
        }

        #[test]
        fn no_inet6_listener_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 72..200)) {
            bytes[0] = AF_INET6;
            bytes[1] = TCP_LISTEN;
            let _ = parse(&bytes);
        }
    }
}
