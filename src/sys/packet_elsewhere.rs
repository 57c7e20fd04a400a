//! Other systems have no labs whose packets could be recorded.

use std::io;
use std::time::Duration;

/// A packet with its link's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When the kernel saw it: nanoseconds since 1970.
    pub at: u64,
    /// Its whole length in bytes.
    pub length: u32,
    /// Its bytes, as far as they were kept.
    pub bytes: &'a [u8],
}

/// Which packets of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that it sends or receives.
    Both,
    /// What it sends.
    Sent,
}

/// Never opened.
#[derive(Debug)]
pub enum Ring {}

impl Ring {
    /// As on Linux.
    pub const PATIENCE: Duration = Duration::ZERO;

    /// # Errors
    /// `Unsupported`, always.
    pub fn open(_: &str, _: Which, _: u32) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// # Errors
    /// None.
    pub fn wait(&self, _: Duration) -> io::Result<()> {
        match *self {}
    }

    /// Nothing.
    pub fn read(&mut self, _: impl FnMut(Frame<'_>)) -> bool {
        match *self {}
    }

    /// # Errors
    /// None.
    pub fn dropped(&mut self) -> io::Result<u64> {
        match *self {}
    }
}
