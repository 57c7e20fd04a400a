//! Questions to the kernel over netlink (`netlink(7)`) and their answers, for every protocol of it.
//!
//! A socket sees the network namespace in which it was opened.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_MULTIPART, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NLMSG_OVERRUN, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
pub use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use netlink_sys::{Socket, SocketAddr};

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
    /// To one protocol of netlink, for the calling thread's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` where the kernel was built without it, `EMFILE`.
    pub fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, buffer: vec![0; PIECE], request: Vec::new(), sequence: 0 })
    }

    /// Asks, and gives each entry of the answer to `each`.
    ///
    /// # Errors
    /// The kernel's own, by errno (`ENOENT`: no such thing, or no module for it).
    pub fn ask(
        &mut self,
        question: impl NetlinkSerializable,
        extent: Extent,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.begin();
        let flags = match extent {
            Extent::One => NLM_F_REQUEST,
            Extent::All => NLM_F_REQUEST | NLM_F_DUMP,
        };
        self.add(question, flags);
        self.socket.send(&self.request, 0)?;
        self.answers(|flags, entry| {
            let Some(entry) = entry else { return Ok(false) };
            each(entry)?;
            // The answer for one thing is not followed by an end.
            Ok(flags & NLM_F_MULTIPART != 0)
        })
    }

    /// Has the kernel make what the messages describe, and waits until it has. All travel
    /// together; `frame` comes before and after them, unacknowledged (the batches of nfnetlink).
    ///
    /// # Errors
    /// The first that the kernel reports, by errno.
    pub fn make<M: NetlinkSerializable>(
        &mut self,
        messages: impl IntoIterator<Item = M>,
        frame: Option<[M; 2]>,
    ) -> io::Result<()> {
        self.begin();
        let (before, after) = frame.map(|[before, after]| (before, after)).unzip();
        before.into_iter().for_each(|message| self.add(message, NLM_F_REQUEST));
        let mut waiting = 0;
        for message in messages {
            self.add(message, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE);
            waiting += 1;
        }
        after.into_iter().for_each(|message| self.add(message, NLM_F_REQUEST));
        self.socket.send(&self.request, 0)?;
        self.answers(|_, entry| {
            waiting -= usize::from(entry.is_none());
            Ok(waiting > 0)
        })
    }

    /// Empties the request; what is added belongs to one exchange.
    fn begin(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.request.clear();
    }

    fn add(&mut self, message: impl NetlinkSerializable, flags: u16) {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        message.finalize();
        let at = self.request.len();
        self.request.resize(at + message.buffer_len(), 0);
        message.serialize(&mut self.request[at..]);
    }

    /// Gives the flags and the entry of each message to `more`, `None` for an end or an
    /// acknowledgement, until it wants no more.
    fn answers(
        &mut self,
        mut more: impl FnMut(u16, Option<&[u8]>) -> io::Result<bool>,
    ) -> io::Result<()> {
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
                    let entry = entry(message.message_type(), message.payload())?;
                    if !more(message.flags(), entry)? {
                        return Ok(());
                    }
                }
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or(&[]);
            }
        }
    }
}

/// The entry in a message; `None` for the end of a dump, and for an acknowledgement.
pub(super) fn entry(kind: u16, payload: &[u8]) -> io::Result<Option<&[u8]>> {
    match kind {
        NLMSG_DONE => code(payload).map_or(Ok(None), Err),
        NLMSG_ERROR if payload.len() < 4 => Err(rubbish("an empty error")),
        NLMSG_ERROR => code(payload).map_or(Ok(None), Err),
        NLMSG_OVERRUN => Err(io::Error::other("the kernel lost messages of a dump")),
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
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("an answer of netlink is not readable: {error}"),
    )
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
        for kind in [NLMSG_ERROR, NLMSG_DONE] {
            assert_eq!(entry(kind, &0i32.to_ne_bytes()).unwrap(), None);
        }
        assert!(entry(NLMSG_OVERRUN, &[]).is_err());
        assert!(entry(NLMSG_ERROR, &[]).is_err());
    }
}
