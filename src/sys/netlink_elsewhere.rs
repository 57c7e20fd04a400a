//! No socket tables here: only Linux has `NETLINK_SOCK_DIAG`.

use std::io;

pub use super::socket_table::{Entry, State};

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
