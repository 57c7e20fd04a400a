//! Sending many datagrams in one call.

use std::fmt;
use std::io;
use std::mem::{size_of, zeroed};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr;

use super::client::Client;

/// Most datagrams that one bulk is cut into: UDP_MAX_SEGMENTS, `include/linux/udp.h`, before 6.9.
pub const MOST_SEGMENTS: usize = 64;
/// Most payload of one datagram, or bulk of them, over IPv4: 65,535 less the headers of IPv4 and UDP.
pub const MOST_BYTES: usize = 65_507;

/// Datagrams that are to be sent, in buffers that are made once.
pub struct Outbox {
    /// Room for each.
    largest: usize,
    buffers: Box<[u8]>,
    /// Each names the used part of a buffer.
    parts: Box<[libc::iovec]>,
    /// Each names one of `parts`.
    messages: Box<[libc::mmsghdr]>,
    /// One control message: UDP_SEGMENT, two bytes, aligned as control messages are.
    control: Box<[u64; 4]>,
}

impl Outbox {
    /// Room for `capacity` datagrams of at most `largest` bytes.
    pub fn new(capacity: usize, largest: usize) -> Self {
        let mut buffers = vec![0_u8; capacity * largest].into_boxed_slice();
        let base = buffers.as_mut_ptr();
        // The heap keeps its place when the outbox moves.
        let part = |index| libc::iovec {
            iov_base: base.wrapping_add(index * largest).cast(),
            iov_len: largest,
        };
        let mut parts: Box<[libc::iovec]> = (0..capacity).map(part).collect();
        let first = parts.as_mut_ptr();
        let message = |index| {
            // SAFETY: an mmsghdr of zeros is one without name, parts and control.
            #[allow(unsafe_code)]
            let mut message: libc::mmsghdr = unsafe { zeroed() };
            message.msg_hdr.msg_iov = first.wrapping_add(index);
            message.msg_hdr.msg_iovlen = 1;
            message
        };
        let messages = (0..capacity).map(message).collect();
        Self { largest, buffers, parts, messages, control: Box::new([0; 4]) }
    }

    /// How many datagrams fit.
    pub fn capacity(&self) -> usize {
        self.parts.len()
    }

    /// The bytes of one datagram, `size` of which are sent from now on.
    ///
    /// # Panics
    /// Where there is no room for it.
    pub fn datagram(&mut self, index: usize, size: usize) -> &mut [u8] {
        assert!(size <= self.largest, "{size} bytes do not fit in {}", self.largest);
        self.parts[index].iov_len = size;
        &mut self.buffers[index * self.largest..][..size]
    }

    /// Sends datagrams, each by itself: how many of them the kernel took. It stops at the first that
    /// it does not take, and says why only where that is the first of all (`sendmmsg(2)`).
    ///
    /// # Errors
    /// Of the first of them; or of an earlier datagram that ICMP brought back, see
    /// [`super::complaints::next`].
    pub fn send(&mut self, client: &Client, which: Range<usize>) -> io::Result<usize> {
        let messages = &mut self.messages[which];
        // SAFETY: the messages name parts, and these name buffers, which live as long as `self`; a
        // part is never longer than its buffer.
        #[allow(unsafe_code)]
        let sent = unsafe {
            libc::sendmmsg(
                client.as_raw_fd(),
                messages.as_mut_ptr(),
                messages.len() as libc::c_uint,
                (libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) as _,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
    }

    /// Sends datagrams as one that is cut into them as late as possible (UDP_SEGMENT, `udp(7)`): each
    /// is `segment` bytes long but the last, which may be shorter. All are taken, or none.
    ///
    /// # Errors
    /// EINVAL where a segment does not fit in the link's MTU; EMSGSIZE above [`MOST_BYTES`]; else as
    /// [`Outbox::send`].
    pub fn send_bulk(
        &mut self,
        client: &Client,
        which: Range<usize>,
        segment: u16,
    ) -> io::Result<()> {
        let parts = &mut self.parts[which];
        // SAFETY: a msghdr of zeros is one without name, parts and control.
        #[allow(unsafe_code)]
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_iov = parts.as_mut_ptr();
        message.msg_iovlen = parts.len() as _;
        if parts.len() > 1 {
            message.msg_control = ptr::from_mut(&mut *self.control).cast();
            write_segment(&mut message, segment);
        }
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        // SAFETY: as in `send`; the control message is whole and outlives the call.
        #[allow(unsafe_code)]
        let sent = unsafe { libc::sendmsg(client.as_raw_fd(), &raw const message, flags) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Writes the size of the segments to the control buffer that the message names, of 32 bytes.
fn write_segment(message: &mut libc::msghdr, segment: u16) {
    // SAFETY: CMSG_SPACE(2) is 24 bytes at most, and the buffer is longer and aligned.
    #[allow(unsafe_code)]
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size_of::<u16>() as u32) as _;
        let control = libc::CMSG_FIRSTHDR(message);
        (*control).cmsg_level = libc::SOL_UDP;
        (*control).cmsg_type = libc::UDP_SEGMENT;
        (*control).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(control).cast::<u16>().write_unaligned(segment);
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("capacity", &self.capacity())
            .field("largest", &self.largest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
