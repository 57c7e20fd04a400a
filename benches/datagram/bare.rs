//! The bare loops: no header, no clock, no ledger; readers sleep until something comes, as ours do.

use std::io;
use std::mem::zeroed;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use loadgen::sys::permit::PermittedAddr;

use super::{BATCH, SIZE};

/// Calls between two looks at the clock.
const CALLS: usize = 64;

/// Messages for one call, with a buffer each.
struct Messages {
    messages: Vec<libc::mmsghdr>,
    /// What the messages point to.
    _parts: Vec<libc::iovec>,
    _bytes: Vec<u8>,
}

impl Messages {
    fn new(count: usize, size: usize) -> Self {
        let mut bytes = vec![0_u8; count * size];
        let mut parts: Vec<libc::iovec> = bytes
            .chunks_exact_mut(size)
            .map(|room| libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: size })
            .collect();
        let message = |part: &mut libc::iovec| {
            // SAFETY: plain data of C, for which zeroes are valid.
            let mut message: libc::mmsghdr = unsafe { zeroed() };
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            message
        };
        Self { messages: parts.iter_mut().map(message).collect(), _parts: parts, _bytes: bytes }
    }
}

/// Sends as fast as it can; how many datagrams the kernel took.
pub fn send(address: &PermittedAddr, time: Duration) -> anyhow::Result<u64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let to = address.get().socket_addr().ok_or_else(|| anyhow::anyhow!("no address of UDP"))?;
    socket.connect(to)?;
    let mut messages = Messages::new(BATCH, usize::from(SIZE));
    let end = Instant::now() + time;
    let mut sent = 0;
    while Instant::now() < end {
        for _ in 0..CALLS {
            let batch = &mut messages.messages;
            // SAFETY: the messages point to parts and bytes that live as long as they do.
            let count =
                unsafe { libc::sendmmsg(socket.as_raw_fd(), batch.as_mut_ptr(), BATCH as u32, 0) };
            sent += u64::try_from(count).map_err(|_| io::Error::last_os_error())?;
        }
    }
    Ok(sent)
}

/// Waits for datagrams, and not for long: somebody may want an end.
fn wait(socket: RawFd) {
    let mut one = libc::pollfd { fd: socket, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    unsafe { libc::poll(&raw mut one, 1, 20) };
}

/// Reads what waits, again and again, until `end` is true of an empty buffer; how many datagrams.
pub fn receive(socket: RawFd, mut end: impl FnMut() -> bool) -> io::Result<u64> {
    const MOST: usize = 64;
    let mut messages = Messages::new(MOST, usize::from(SIZE));
    let mut delivered = 0;
    loop {
        let flags = libc::MSG_DONTWAIT as _;
        // SAFETY: as in `send`; without a timeout.
        let count = unsafe {
            let batch = messages.messages.as_mut_ptr();
            libc::recvmmsg(socket, batch, MOST as u32, flags, std::ptr::null_mut())
        };
        match u64::try_from(count) {
            Ok(count) => delivered += count,
            Err(_) if end() => return Ok(delivered),
            Err(_) => wait(socket),
        }
    }
}
