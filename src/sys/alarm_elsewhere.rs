//! Other systems have no timer that a poll can wait for by its descriptor alone.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// Never made.
#[derive(Debug)]
pub enum Alarm {}

impl Alarm {
    /// As where there is `timerfd`.
    ///
    /// # Errors
    /// `Unsupported`, always.
    pub fn new() -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this operating system has no timerfd; Linux and FreeBSD have",
        ))
    }

    /// # Errors
    /// None.
    pub fn set(&mut self, _: u64) -> io::Result<()> {
        match *self {}
    }

    /// Nothing.
    pub fn rang(&mut self) {
        match *self {}
    }
}

impl AsRawFd for Alarm {
    fn as_raw_fd(&self) -> RawFd {
        match *self {}
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}
