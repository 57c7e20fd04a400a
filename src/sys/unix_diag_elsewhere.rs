//! No socket tables here: only Linux has `NETLINK_SOCK_DIAG`.

use std::io;
use std::os::fd::AsFd;

pub use super::unix_table::UnixQueue;
use crate::units::{UnixKind, UnixName};

/// As on Linux; none is ever made.
#[derive(Debug)]
pub struct UnixDiag(());

impl UnixDiag {
    /// Refuses.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn open() -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "listen queues of AF_UNIX can be seen on Linux only",
        ))
    }

    /// As on Linux.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn listener(&mut self, _: &impl AsFd) -> io::Result<UnixQueue> {
        Self::open().map(|_| UnixQueue::default())
    }

    /// As on Linux.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn listeners(&mut self, _: UnixKind, _: &UnixName) -> io::Result<UnixQueue> {
        Self::open().map(|_| UnixQueue::default())
    }
}
