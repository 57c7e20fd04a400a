//! Other systems have no TCP_INFO, or another structure of that name with other numbers for states.

use std::io;
use std::os::fd::AsFd;

use super::standing::Standing;

/// That of a connection of which nothing is known but that it is established.
#[derive(Debug, Clone, Copy)]
pub struct TcpInfo(());

impl TcpInfo {
    /// As on Linux.
    ///
    /// # Errors
    /// `Unsupported`, always.
    pub fn of(_: &impl AsFd) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "TCP_INFO is known as that of Linux only"))
    }

    /// That of a connection which has none, as those of AF_UNIX.
    pub fn unknown() -> Self {
        Self(())
    }

    /// Nothing is.
    pub fn is_told(&self) -> bool {
        false
    }

    /// Where a connection stands.
    pub fn standing(&self) -> Standing {
        Standing::Established
    }

    /// Unknown: 0.
    pub fn rtt_us(&self) -> u32 {
        0
    }

    /// Unknown: 0.
    pub fn retransmits(&self) -> u8 {
        0
    }

    /// Unknown: none was.
    pub fn syn_data_acked(&self) -> bool {
        false
    }

    /// Unknown: 0.
    pub fn accept_queue(&self) -> u32 {
        0
    }

    /// Unknown: 0.
    pub fn accept_limit(&self) -> u32 {
        0
    }
}
