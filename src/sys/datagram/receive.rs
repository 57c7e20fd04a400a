//! Receiving: `recvmmsg(2)`, what the kernel tells beside each datagram, and what a socket's buffer
//! holds.

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::batch::{self, Message};
use crate::sys::options;

/// Most datagrams of one call.
pub const BATCH: usize = 64;
/// Buffers a power of two apart would all fall into the same few lines of the CPU's caches.
const STAGGER: usize = 64;
/// Room for what is told beside a datagram: two values of 4 bytes.
const CONTROL: usize = 64;

/// Preallocated room for [`BATCH`] datagrams.
pub struct Inbox {
    bytes: Box<[u8]>,
    /// Bytes of each datagram that are kept.
    size: usize,
    sources: Option<Box<[libc::sockaddr_storage]>>,
    controls: Box<[Control]>,
    parts: Box<[libc::iovec]>,
    messages: Box<[Message]>,
    /// Datagrams that the last call brought.
    filled: usize,
}

/// Aligned as a `cmsghdr` is.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

// SAFETY: its pointers are set before each call of the kernel, to what the inbox itself owns, and
// are followed by nobody else.
#[allow(unsafe_code)]
unsafe impl Send for Inbox {}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Inbox").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A datagram, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// Its bytes, as far as there was room.
    pub bytes: &'a [u8],
    /// Its whole length in bytes (MSG_TRUNC).
    pub length: usize,
    /// Datagrams that its socket had dropped when this one was queued (SO_RXQ_OVFL); `None` where
    /// there were none, or nobody asked.
    pub dropped: Option<u32>,
    /// Length of the datagrams that it is made of (UDP_GRO), the last of which may be shorter;
    /// `None` for one alone.
    pub segment: Option<usize>,
}

impl<'a> Arrived<'a> {
    /// Each datagram in it: one, or those that the kernel merged.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let step = self.segment.filter(|size| *size > 0).unwrap_or(self.bytes.len());
        let (mut rest, mut first) = (self.bytes, true);
        std::iter::from_fn(move || {
            // One without any bytes is a datagram as well.
            if rest.is_empty() && !std::mem::take(&mut first) {
                return None;
            }
            first = false;
            let (datagram, after) = rest.split_at(step.min(rest.len()));
            rest = after;
            Some(datagram)
        })
    }
}

impl Inbox {
    /// Keeps `size` bytes of each datagram, and where it came from if `sources`.
    pub fn new(size: usize, sources: bool) -> Self {
        // SAFETY: plain data of C, for which zeroes are valid: null pointers, lengths of zero.
        #[allow(unsafe_code)]
        let (part, source) = unsafe {
            (std::mem::zeroed::<libc::iovec>(), std::mem::zeroed::<libc::sockaddr_storage>())
        };
        Self {
            bytes: vec![0; BATCH * (size + STAGGER)].into_boxed_slice(),
            size,
            sources: sources.then(|| vec![source; BATCH].into_boxed_slice()),
            controls: vec![Control([0; CONTROL]); BATCH].into_boxed_slice(),
            parts: vec![part; BATCH].into_boxed_slice(),
            messages: vec![batch::empty(); BATCH].into_boxed_slice(),
            filled: 0,
        }
    }

    /// Takes what waits at the socket, at most `most` (and [`BATCH`]) datagrams; how many they are.
    /// It does not block.
    ///
    /// # Errors
    /// EAGAIN where nothing waits, ECONNREFUSED and others that wait at a connected socket; the
    /// inbox is empty then.
    pub fn receive(&mut self, socket: &Socket, most: usize) -> io::Result<usize> {
        self.filled = 0;
        let most = most.min(BATCH);
        self.prepare(most);
        // SAFETY: each of the first `most` messages points to memory of this inbox that nobody else
        // refers to during the call, with its length.
        #[allow(unsafe_code)]
        let count = unsafe {
            let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
            batch::receive(socket.as_raw_fd(), &mut self.messages[..most], flags)
        };
        self.filled = count?;
        Ok(self.filled)
    }

    fn prepare(&mut self, most: usize) {
        let rooms = self.bytes.chunks_exact_mut(self.size + STAGGER);
        let rest = self.controls.iter_mut().zip(&mut self.parts).zip(&mut self.messages);
        for (place, (room, ((control, part), message))) in rooms.zip(rest).take(most).enumerate() {
            part.iov_base = room.as_mut_ptr().cast();
            part.iov_len = self.size;
            let header = &mut message.msg_hdr;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL as _;
            header.msg_flags = 0;
            if let Some(sources) = &mut self.sources {
                header.msg_name = (&raw mut sources[place]).cast();
                header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            }
        }
    }

    /// What the last call brought, in order.
    pub fn arrived(&self) -> impl Iterator<Item = Arrived<'_>> {
        let rooms = self.bytes.chunks_exact(self.size + STAGGER);
        let all = rooms.zip(&self.messages).zip(&self.controls).take(self.filled);
        all.map(|((room, message), control)| {
            let length = message.msg_len as usize;
            let told: usize = message.msg_hdr.msg_controllen as _;
            let beside = Beside::of(&control.0[..told.min(CONTROL)]);
            Arrived {
                bytes: &room[..length.min(self.size)],
                length,
                dropped: beside.dropped,
                segment: beside.segment,
            }
        })
    }

    /// Sends datagrams of the last call back to where they came from: those whose bit is set in
    /// `which`, each whole and alone. It does not block; `failed` is given the error of each that
    /// the kernel did not take. How many it took.
    ///
    /// Nothing is sent by an inbox without sources.
    pub fn send_back(
        &mut self,
        socket: &Socket,
        which: u64,
        mut failed: impl FnMut(io::Error),
    ) -> usize {
        let mut chosen = 0;
        for place in (0..self.filled).filter(|place| which >> place & 1 == 1) {
            let message = &mut self.messages[place];
            if message.msg_hdr.msg_namelen == 0 {
                failed(io::Error::from_raw_os_error(libc::EDESTADDRREQ));
                continue;
            }
            self.parts[place].iov_len = self.size.min(message.msg_len as usize);
            message.msg_hdr.msg_control = std::ptr::null_mut();
            message.msg_hdr.msg_controllen = 0;
            self.messages.swap(chosen, place);
            chosen += 1;
        }
        // The messages are out of order now.
        self.filled = 0;
        let (mut at, mut taken) = (0, 0);
        while at < chosen && self.sources.is_some() {
            // SAFETY: the messages up to `chosen` point to memory of this inbox, as the kernel
            // filled it, and the kernel only reads it.
            #[allow(unsafe_code)]
            let sent = unsafe {
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                batch::send(socket.as_raw_fd(), &mut self.messages[at..chosen], flags)
            };
            match sent {
                Ok(count) => {
                    taken += count;
                    at += count.max(1);
                }
                Err(error) => {
                    failed(error);
                    at += 1;
                }
            }
        }
        taken
    }
}

/// What is told beside a datagram.
#[derive(Default)]
struct Beside {
    dropped: Option<u32>,
    segment: Option<usize>,
}

impl Beside {
    /// Reads control messages (`cmsg(3)`): a length, a level and a type, then the value, each
    /// aligned to a word. Nothing is read beyond `control`.
    fn of(mut control: &[u8]) -> Self {
        const HEAD: usize = size_of::<libc::cmsghdr>();
        let mut beside = Self::default();
        while let Some(head) = control.first_chunk::<HEAD>() {
            let (length, kind) = head.split_at(HEAD - 8);
            // `size_t` on Linux; no other system tells any of these.
            let length = match length.try_into() {
                Ok(bytes) => usize::from_ne_bytes(bytes),
                Err(_) => return beside,
            };
            let half = |at: usize| {
                libc::c_int::from_ne_bytes([kind[at], kind[at + 1], kind[at + 2], kind[at + 3]])
            };
            let value = control.get(HEAD..HEAD + 4).filter(|_| length >= HEAD + 4);
            if let Some(&[a, b, c, d]) = value {
                let value = u32::from_ne_bytes([a, b, c, d]);
                match Some((half(0), half(4))) {
                    kind if kind == options::RXQ_OVFL => beside.dropped = Some(value),
                    kind if kind == options::GRO => beside.segment = Some(value as usize),
                    _ => {}
                }
            }
            let whole = length.max(HEAD).next_multiple_of(size_of::<usize>());
            control = control.get(whole..).unwrap_or_default();
        }
        beside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::datagram::bind::{Binding, MemInfo, bind};
    use crate::sys::endpoint::Endpoint;
    use std::net::UdpSocket;

    fn pair(at: &str, how: Binding) -> (Socket, UdpSocket) {
        let endpoint: Endpoint = format!("udp:{at}").parse().expect("an address");
        let receiver = bind(endpoint, how).expect("bound");
        let sender = UdpSocket::bind(at).expect("a sender");
        let to = Endpoint::of(&receiver).ok().and_then(|at| at.socket_addr()).expect("an address");
        sender.connect(to).expect("connected");
        (receiver, sender)
    }

    #[test]
    fn datagrams_come_in_order_with_their_lengths() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let (receiver, sender) = pair(at, Binding::default());
            for length in [0, 1, 63, 64, 65, 3000] {
                sender.send(&vec![length as u8; length]).expect("sent");
            }
            let mut inbox = Inbox::new(64, false);
            assert_eq!(inbox.receive(&receiver, 4).expect("some"), 4);
            let seen: Vec<_> = inbox.arrived().map(|one| (one.length, one.bytes.len())).collect();
            assert_eq!(seen, [(0, 0), (1, 1), (63, 63), (64, 64)]);
            assert_eq!(inbox.receive(&receiver, 1000).expect("the rest"), 2);
            let last = inbox.arrived().last().expect("two");
            assert_eq!((last.length, last.bytes), (3000, &[3000u64 as u8; 64][..]));
            assert_eq!(last.datagrams().count(), 1);
            let nothing = inbox.receive(&receiver, 64).expect_err("nothing waits");
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(inbox.arrived().count(), 0);
        }
    }

    #[test]
    fn a_full_buffer_drops_and_tells_with_the_next() {
        let (receiver, sender) =
            pair("127.0.0.1:0", Binding { rcvbuf: Some(8192), ..Binding::default() });
        for _ in 0..100 {
            sender.send(&[7; 100]).expect("sent");
        }
        let info = MemInfo::of(&receiver).expect("asked");
        assert_eq!(info.limit, 16_384);
        let mut inbox = Inbox::new(2048, false);
        let held = inbox.receive(&receiver, BATCH).expect("some");
        assert!(held > 1 && held < 50, "{held}");
        assert!(inbox.arrived().all(|one| one.dropped.is_none()), "queued before the first drop");
        assert_eq!(info.drops as usize, 100 - held);
        sender.send(&[7; 100]).expect("sent");
        inbox.receive(&receiver, BATCH).expect("one");
        assert_eq!(inbox.arrived().next().and_then(|one| one.dropped), Some(info.drops));
    }

    #[test]
    fn what_is_chosen_goes_back() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let (receiver, sender) = pair(at, Binding::default());
            for n in 0..10u8 {
                sender.send(&[n, n]).expect("sent");
            }
            let mut inbox = Inbox::new(2048, true);
            assert_eq!(inbox.receive(&receiver, BATCH).expect("all"), 10);
            let none = |error: io::Error| panic!("{error}");
            assert_eq!(inbox.send_back(&receiver, 0b10_1000_0101, none), 4);
            let mut back = [0; 10];
            for n in [0, 2, 7, 9] {
                assert_eq!(sender.recv(&mut back).expect("back"), 2);
                assert_eq!(back[..2], [n, n]);
            }
            sender.send(&[99]).expect("sent");
            assert_eq!(inbox.receive(&receiver, BATCH).expect("one"), 1);
            assert_eq!(inbox.arrived().next().expect("one").bytes, [99]);
        }
    }

    #[test]
    fn a_unix_client_without_a_name_gets_nothing_back() {
        let endpoint: Endpoint = "unix-dgram:".parse().expect("an address");
        let receiver = bind(endpoint, Binding::default()).expect("bound");
        let at = Endpoint::of(&receiver).expect("a name");
        let client = at.socket().expect("a socket");
        client.connect(&at.sock_addr()).expect("connected");
        client.send(b"x").expect("sent");
        let mut inbox = Inbox::new(64, true);
        assert_eq!(inbox.receive(&receiver, BATCH).expect("one"), 1);
        let mut errors = Vec::new();
        assert_eq!(inbox.send_back(&receiver, 1, |error| errors.push(error.raw_os_error())), 0);
        assert_eq!(errors, [Some(libc::EDESTADDRREQ)]);
    }

    #[test]
    fn what_was_sent_in_bulk_comes_whole_and_is_taken_apart() {
        let (receiver, sender) = pair("127.0.0.1:0", Binding { gro: true, ..Binding::default() });
        let sender = Socket::from(sender);
        crate::sys::socket::set_int(&sender, libc::SOL_UDP, libc::UDP_SEGMENT, 100).expect("GSO");
        sender.send(&[5; 350]).expect("sent");
        let mut inbox = Inbox::new(65_535, false);
        assert_eq!(inbox.receive(&receiver, BATCH).expect("one"), 1);
        let whole = inbox.arrived().next().expect("one");
        assert_eq!(whole.segment, Some(100));
        let lengths: Vec<usize> = whole.datagrams().map(<[u8]>::len).collect();
        assert_eq!(lengths, [100, 100, 100, 50]);
    }

    #[test]
    fn a_group_and_its_members_on_loopback() {
        for (group, member) in [("239.255.7.7", "127.0.0.1"), ("ff01::77", "::1")] {
            let member: std::net::IpAddr = member.parse().expect("an address");
            let group: std::net::IpAddr = group.parse().expect("an address");
            let how = Binding { reuse_address: true, group_on: Some(member), ..Binding::default() };
            let first = bind(Endpoint::Udp((group, 0).into()), how).expect("bound");
            let at = Endpoint::of(&first).expect("an address");
            let second = bind(at, how).expect("bound beside it");
            // Loopback has no route to groups of IPv6.
            let std::net::IpAddr::V4(member) = member else { continue };
            let sender = UdpSocket::bind("127.0.0.1:0").map(Socket::from).expect("a socket");
            sender.set_multicast_if_v4(&member).expect("an interface");
            sender.send_to(b"all", &at.sock_addr()).expect("sent");
            for receiver in [first, second] {
                let mut inbox = Inbox::new(64, false);
                assert_eq!(inbox.receive(&receiver, BATCH).expect("one"), 1);
            }
        }
    }
}
