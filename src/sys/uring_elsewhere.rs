//! No io_uring here: only Linux has it.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use socket2::Socket;

use super::socket::Dialer;

/// As on Linux: nobody may.
///
/// # Errors
/// Always `Unsupported`.
pub fn available() -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has io_uring"))
}

/// As on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Bytes, or the other side's close.
    Arrival,
    /// Room for bytes to be sent.
    Room,
}

/// As on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    Look,
    /// So many nanoseconds.
    For(u64),
}

/// As on Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// The name that the request was given.
    pub name: u64,
    /// The error number; 0 where it succeeded.
    pub errno: i32,
}

/// As on Linux; none is ever made.
#[derive(Debug)]
pub struct Ring(Infallible);

impl Ring {
    /// Refuses.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn new(_: u32) -> io::Result<Self> {
        available().and_then(|()| Err(io::ErrorKind::Unsupported.into()))
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn connect(&mut self, _: &Socket, _: &Dialer, _: u64) -> io::Result<()> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn disconnect(&mut self, _: &Socket) -> io::Result<()> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn watch(&mut self, _: &impl AsRawFd, _: Readiness, _: u64) -> io::Result<()> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn cancel(&mut self, _: u64) -> io::Result<()> {
        match self.0 {}
    }

    /// As on Linux.
    pub fn park(&mut self, _: u32, _: Socket, _: u64) -> Result<(), Socket> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn unpark(&mut self, _: u32, _: u64) -> io::Result<Socket> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn enter(&mut self, _: Patience) -> io::Result<()> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn take(&mut self, _: u32, _: u64) -> io::Result<Socket> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn evict(&mut self, _: u32, _: u64) -> io::Result<()> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn submit(&mut self) -> io::Result<bool> {
        match self.0 {}
    }

    /// As on Linux.
    ///
    /// # Errors
    /// None: no ring is ever made.
    pub fn bell(&mut self) -> io::Result<OwnedFd> {
        match self.0 {}
    }

    /// As on Linux.
    pub fn completed(&mut self) -> Option<Completion> {
        match self.0 {}
    }
}

#[cfg(test)]
pub(crate) mod tests {
    /// As on Linux: there are no rings.
    pub(crate) fn can_run(case: &str) -> bool {
        println!("skipped: {case}: only Linux has io_uring");
        false
    }
}
