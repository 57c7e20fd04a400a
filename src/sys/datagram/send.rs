//! Sending many datagrams in one call.

use std::fmt;
use std::io;
use std::mem::{size_of, zeroed};
use std::ops::Range;
use std::os::fd::AsRawFd;

use super::batch::{self, Message};
use super::client::Client;
use crate::sys::options;

/// Most datagrams that one bulk is cut into: UDP_MAX_SEGMENTS, `include/linux/udp.h`, before 6.9.
pub const MOST_SEGMENTS: usize = 64;
/// Most payload of one datagram, or bulk of them, over IPv4: 65,535 less the headers of IPv4 and UDP.
pub const MOST_BYTES: usize = 65_507;

/// Buffers a power of two apart would all fall into the same few lines of the CPU's caches.
const STAGGER: usize = 64;

/// Datagrams that are to be sent, in buffers that are made once.
pub struct Outbox {
    /// Room for each.
    largest: usize,
    bytes: Box<[u8]>,
    /// Each names the used part of a datagram's room.
    parts: Box<[libc::iovec]>,
    /// Each names one of `parts`.
    messages: Box<[Message]>,
}

/// A control message of two bytes, aligned as a `cmsghdr` is.
#[repr(C, align(8))]
struct Control([u8; 32]);

impl Outbox {
    /// Room for `capacity` datagrams of at most `largest` bytes.
    pub fn new(capacity: usize, largest: usize) -> Self {
        // SAFETY: plain data of C, for which zeroes are valid: null pointers, lengths of zero.
        #[allow(unsafe_code)]
        let part = unsafe { zeroed::<libc::iovec>() };
        Self {
            largest,
            bytes: vec![0; capacity * (largest + STAGGER)].into_boxed_slice(),
            parts: vec![part; capacity].into_boxed_slice(),
            messages: vec![batch::empty(); capacity].into_boxed_slice(),
        }
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
        &mut self.bytes[index * (self.largest + STAGGER)..][..size]
    }

    /// Sends datagrams, each by itself: how many of them the kernel took. It stops at the first that
    /// it does not take, and says why only where that is the first of all (`sendmmsg(2)`).
    ///
    /// # Errors
    /// Of the first of them; or of an earlier datagram that ICMP brought back, see
    /// [`super::complaints::next`].
    pub fn send(&mut self, client: &Client, which: Range<usize>) -> io::Result<usize> {
        self.name_rooms(which.clone());
        for (message, part) in
            self.messages[which.clone()].iter_mut().zip(&mut self.parts[which.clone()])
        {
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        let messages = &mut self.messages[which];
        // SAFETY: the messages name parts, and these name rooms of `self.bytes`; all have just been
        // set, and nobody else refers to them during the call.
        #[allow(unsafe_code)]
        unsafe {
            batch::send(client.as_raw_fd(), messages, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
        }
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
        self.name_rooms(which.clone());
        let parts = &mut self.parts[which];
        let mut control = Control([0; 32]);
        // SAFETY: a msghdr of zeros is one without name, parts and control.
        #[allow(unsafe_code)]
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_iov = parts.as_mut_ptr();
        message.msg_iovlen = parts.len() as _;
        if parts.len() > 1 {
            message.msg_control = control.0.as_mut_ptr().cast();
            write_segment(&mut message, segment)?;
        }
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        // SAFETY: as in `send`; the control message is whole and outlives the call.
        #[allow(unsafe_code)]
        let sent = unsafe { libc::sendmsg(client.as_raw_fd(), &raw const message, flags) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Lets each part name its room, no more of which than there is.
    fn name_rooms(&mut self, which: Range<usize>) {
        let rooms = self.bytes.chunks_exact_mut(self.largest + STAGGER);
        for (room, part) in rooms.zip(&mut self.parts).take(which.end).skip(which.start) {
            part.iov_base = room.as_mut_ptr().cast();
            part.iov_len = part.iov_len.min(room.len());
        }
    }
}

/// Writes the size of the segments to the control buffer that the message names, of 32 bytes.
fn write_segment(message: &mut libc::msghdr, segment: u16) -> io::Result<()> {
    let (level, name) =
        options::SEGMENT.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOPROTOOPT))?;
    // SAFETY: CMSG_SPACE(2) is 24 bytes at most, and the buffer is longer and aligned.
    #[allow(unsafe_code)]
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size_of::<u16>() as u32) as _;
        let control = libc::CMSG_FIRSTHDR(message);
        (*control).cmsg_level = level;
        (*control).cmsg_type = name;
        (*control).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(control).cast::<u16>().write_unaligned(segment);
    }
    Ok(())
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
