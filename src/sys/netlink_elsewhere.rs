//! No socket tables here: only Linux has `NETLINK_SOCK_DIAG`.

use std::io;
use std::net::IpAddr;

/// As on Linux; none is ever made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Local address.
    pub local: IpAddr,
    /// Local port.
    pub port: u16,
    /// Connections in the accept queue.
    pub receive_queue: u32,
    /// Limit of the accept queue.
    pub send_queue: u32,
    /// Whether an IPv6 listener refuses IPv4.
    pub v6_only: bool,
}

/// As on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Listeners.
    Listen,
    /// Half-open connections.
    SynReceived,
}

/// As on Linux; none is ever made.
#[derive(Debug)]
pub struct SockDiag(());

impl SockDiag {
    /// Refuses.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn open() -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "listen queues of other processes can be seen on Linux only",
        ))
    }

    /// As on Linux.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn dump(&mut self, _: State, _: u16, _: impl FnMut(u32, &Entry)) -> io::Result<()> {
        Self::open().map(|_| ())
    }
}
