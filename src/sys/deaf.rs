//! Sockets that hear nothing any more, as if their host had lost its power or its way.

use std::io;

use socket2::Socket;

/// Drops every packet that comes for this socket before TCP sees it, by the classic BPF program
/// `return 0` (SO_ATTACH_FILTER, `net/core/filter.c`): no privilege is needed. The socket still
/// sends. A listener that is deaf takes no SYN and no final ACK, so that its queue only shrinks
/// (`net/ipv4/tcp_ipv4.c`, tcp_filter).
///
/// # Errors
/// ENOMEM; `Unsupported` where there is no such filter.
#[cfg(target_os = "linux")]
pub fn deafen(socket: &Socket) -> io::Result<()> {
    /// `BPF_RET | BPF_K` of `include/uapi/linux/bpf_common.h`.
    const RETURN: u16 = 0x06;
    socket.attach_filter(&[socket2::SockFilter::new(RETURN, 0, 0, 0)])
}

/// Only Linux has the filter.
///
/// # Errors
/// `Unsupported`, always.
#[cfg(not(target_os = "linux"))]
pub fn deafen(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Lets a deaf socket hear again (SO_DETACH_FILTER).
///
/// # Errors
/// ENOENT: it was not deaf.
#[cfg(target_os = "linux")]
pub fn hear(socket: &Socket) -> io::Result<()> {
    socket.detach_filter()
}

/// Only Linux has the filter.
///
/// # Errors
/// `Unsupported`, always.
#[cfg(not(target_os = "linux"))]
pub fn hear(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
