//! The kernel's socket tables over `NETLINK_SOCK_DIAG` (`sock_diag(7)`, `net/ipv4/inet_diag.c`).
//!
//! Needs no privilege. A socket stays bound to the network namespace in which it was opened.

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN,
    NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator, Parseable,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, INET_DIAG_SKV6ONLY, IPPROTO_TCP, TCP_LISTEN,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

pub use super::socket_table::{Entry, State};

/// The kernel fills dumps in pieces of at most 32 KiB (`netlink_dump`, `net/netlink/af_netlink.c`).
const PIECE: usize = 64 * 1024;
/// Length of `struct inet_diag_msg`; attributes follow.
const ENTRY: usize = 72;
/// A dump that the kernel marks as interrupted is made again this often.
const TRIES: u32 = 4;

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

    /// Calls `each` for every TCP socket of IPv4 and IPv6 in this state at this local port. An
    /// interrupted dump is made again, so `each` also gets the number of the try; what an earlier
    /// try gave is then void.
    ///
    /// # Errors
    /// The kernel's own, by errno (`ENOENT`: no `tcp_diag`); `Interrupted` where no try was whole.
    pub fn dump(
        &mut self,
        state: State,
        port: u16,
        mut each: impl FnMut(u32, &Entry),
    ) -> io::Result<()> {
        for attempt in 0..TRIES {
            let whole = self.dump_family(AF_INET, state, port, |entry| each(attempt, entry))?
                && self.dump_family(AF_INET6, state, port, |entry| each(attempt, entry))?;
            if whole {
                return Ok(());
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the socket table changed during each dump"))
    }

    /// One dump; `false` where the kernel says that it was interrupted.
    fn dump_family(
        &mut self,
        family: u8,
        state: State,
        port: u16,
        mut each: impl FnMut(&Entry),
    ) -> io::Result<bool> {
        self.ask(family, state, port)?;
        let mut whole = true;
        loop {
            let length = match self.socket.recv(&mut &mut self.buffer[..], 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let mut rest = &self.buffer[..length.min(PIECE)];
            while !rest.is_empty() {
                let message = NetlinkBuffer::new_checked(rest).map_err(rubbish)?;
                let size = message.length() as usize;
                // A message of an earlier dump that was left in the middle.
                if message.sequence_number() == self.sequence {
                    whole &= message.flags() & NLM_F_DUMP_INTR == 0;
                    if !step(message.message_type(), message.payload(), port, &mut each)? {
                        return Ok(whole);
                    }
                }
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or(&[]);
            }
        }
    }

    /// Sends the request for a dump. The kernel compares the port itself (`inet_diag_dump_icsk`).
    fn ask(&mut self, family: u8, state: State, port: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
        socket_id.source_port = port;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = self.sequence;
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: match state {
                State::Listen => StateFlags::LISTEN,
                State::SynReceived => StateFlags::SYN_RECV,
            },
            socket_id,
        };
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

/// Takes one message of a dump; `false` when it was the last.
fn step(kind: u16, payload: &[u8], port: u16, each: &mut impl FnMut(&Entry)) -> io::Result<bool> {
    match kind {
        NLMSG_DONE => code(payload).map_or(Ok(false), Err),
        NLMSG_ERROR => Err(code(payload).unwrap_or_else(|| io::Error::other("an empty error"))),
        NLMSG_OVERRUN => Err(io::Error::other("the kernel lost messages of a socket dump")),
        _ => {
            let entry = parse(payload)?;
            if entry.port == port {
                each(&entry);
            }
            Ok(true)
        }
    }
}

/// The negative errno at the head of an error or an end; `None` for success.
fn code(payload: &[u8]) -> Option<io::Error> {
    let code = i32::from_ne_bytes(payload.get(..4)?.try_into().ok()?);
    (code < 0).then(|| io::Error::from_raw_os_error(code.wrapping_neg()))
}

/// Reads a `struct inet_diag_msg` and, of a listener, whether it is for IPv6 only.
fn parse(payload: &[u8]) -> io::Result<Entry> {
    let header = InetResponseHeader::parse(payload).map_err(rubbish)?;
    let mut v6_only = false;
    if header.family == AF_INET6 && header.state == TCP_LISTEN {
        for attribute in NlasIterator::new(payload.get(ENTRY..).unwrap_or(&[])) {
            let attribute = attribute.map_err(rubbish)?;
            if attribute.kind() == INET_DIAG_SKV6ONLY {
                v6_only = attribute.value().first() == Some(&1);
            }
        }
    }
    Ok(Entry {
        local: header.socket_id.source_address.to_canonical(),
        port: header.socket_id.source_port,
        receive_queue: header.recv_queue,
        send_queue: header.send_queue,
        v6_only,
    })
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
            let error = step(kind, &payload, 1, &mut |_| ()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(2));
        }
        assert!(!step(NLMSG_DONE, &0i32.to_ne_bytes(), 1, &mut |_| ()).unwrap());
        assert!(step(NLMSG_OVERRUN, &[], 1, &mut |_| ()).is_err());
        assert!(step(NLMSG_ERROR, &[], 1, &mut |_| ()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in 0u16..24, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = step(kind, &bytes, 1, &mut |_| ());
        }

        #[test]
        fn no_inet6_listener_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 72..200)) {
            bytes[0] = AF_INET6;
            bytes[1] = TCP_LISTEN;
            let _ = parse(&bytes);
        }
    }
}
