//! No socket tables here: only Linux has `NETLINK_SOCK_DIAG`.

use std::io;

pub use super::socket_table::{
    DatagramSocket, End, Families, Listener, Passing, STATES, Stage, StateCounts,
};

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
    pub fn listeners(&mut self, _: u16, _: impl FnMut(&Listener)) -> io::Result<()> {
        Self::open().map(|_| ())
    }

    /// As on Linux.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn datagram_sockets(&mut self, _: u16, _: impl FnMut(&DatagramSocket)) -> io::Result<()> {
        Self::open().map(|_| ())
    }

    /// As on Linux.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn count(&mut self, _: End, _: Families) -> io::Result<StateCounts> {
        Self::open().map(|_| StateCounts::default())
    }

    /// As on Linux.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn passing(&mut self, _: End, _: Families, _: impl FnMut(&Passing)) -> io::Result<()> {
        Self::open().map(|_| ())
    }
}
