//! Questions to `NETLINK_SOCK_DIAG` (`sock_diag(7)`) and their answers, for every family of sockets.
//!
//! Needs no privilege. It sees the network namespace in which it was opened.

use std::io;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_MULTIPART, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN,
    NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

/// The kernel fills dumps in pieces of at most 32 KiB (`netlink_dump`, `net/netlink/af_netlink.c`).
const PIECE: usize = 64 * 1024;

/// A socket to ask with, and its buffers.
#[derive(Debug)]
pub struct Questions {
    socket: Socket,
    buffer: Vec<u8>,
    request: Vec<u8>,
    sequence: u32,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The one socket that the request names.
    One,
    /// Every socket that the request describes.
    All,
}

impl Questions {
    /// For the calling thread's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` where the kernel was built without it, `EMFILE`.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, buffer: vec![0; PIECE], request: Vec::new(), sequence: 0 })
    }

    /// Asks, and gives each entry of the answer to `each`.
    ///
    /// # Errors
    /// The kernel's own, by errno (`ENOENT`: no such socket, or no module for this family).
    pub fn ask(
        &mut self,
        question: SockDiagMessage,
        extent: Extent,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.send(question, extent)?;
        loop {
            let length = match self.socket.recv(&mut &mut self.buffer[..], 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let mut rest = &self.buffer[..length.min(PIECE)];
            while !rest.is_empty() {
                let message = NetlinkBuffer::new_checked(rest).map_err(rubbish)?;
                let size = message.length() as usize;
                // What is left of an earlier answer that was given up is passed over.
                if message.sequence_number() == self.sequence {
                    let Some(entry) = entry(message.message_type(), message.payload())? else {
                        return Ok(());
                    };
                    each(entry)?;
                    // The answer for one socket is not followed by an end.
                    if message.flags() & NLM_F_MULTIPART == 0 {
                        return Ok(());
                    }
                }
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or(&[]);
            }
        }
    }

    fn send(&mut self, question: SockDiagMessage, extent: Extent) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = match extent {
            Extent::One => NLM_F_REQUEST,
            Extent::All => NLM_F_REQUEST | NLM_F_DUMP,
        };
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
        message.finalize();
        self.request.resize(message.buffer_len(), 0);
        message.serialize(&mut self.request);
        self.socket.send(&self.request, 0)?;
        Ok(())
    }
}

/// The entry in a message; `None` when it was the end.
pub(super) fn entry(kind: u16, payload: &[u8]) -> io::Result<Option<&[u8]>> {
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

/// The error of an entry that is not what the kernel writes.
pub(super) fn rubbish(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a socket dump is not readable: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_message_carries_its_errno() {
        let payload = (-2i32).to_ne_bytes();
        for kind in [NLMSG_ERROR, NLMSG_DONE] {
            let error = entry(kind, &payload).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(2));
        }
        assert_eq!(entry(NLMSG_DONE, &0i32.to_ne_bytes()).unwrap(), None);
        assert!(entry(NLMSG_OVERRUN, &[]).is_err());
        assert!(entry(NLMSG_ERROR, &[]).is_err());
    }
}
