//! `getsockopt(TCP_INFO)`: what the kernel itself knows of a connection or a listener.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd};

use super::standing::Standing;

/// States of `include/net/tcp_states.h` that matter here.
const TCP_ESTABLISHED: u8 = 1;
const TCP_SYN_SENT: u8 = 2;
const TCP_CLOSE: u8 = 7;
/// The data in the SYN was acknowledged (`include/uapi/linux/tcp.h`).
const TCPI_OPT_SYN_DATA: u8 = 32;

/// A few fields of `struct tcp_info` (`include/uapi/linux/tcp.h`).
#[derive(Debug, Clone, Copy)]
pub struct TcpInfo(libc::tcp_info);

impl TcpInfo {
    /// Asks the kernel; costs about 0.6 us.
    ///
    /// # Errors
    /// EBADF, ENOTSOCK, EOPNOTSUPP: not a TCP socket.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
        let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes into `info`, which is zeroed, so that
        // a kernel with a shorter structure leaves zeroes; every bit pattern is a valid value.
        #[allow(unsafe_code)]
        let (result, info) = unsafe {
            let result = libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &mut length,
            );
            (result, info.assume_init())
        };
        if result == 0 { Ok(Self(info)) } else { Err(io::Error::last_os_error()) }
    }

    /// That of a connection which has none, as those of AF_UNIX: it is established, and nothing
    /// else is known.
    pub fn unknown() -> Self {
        let info = MaybeUninit::<libc::tcp_info>::zeroed();
        // SAFETY: the structure holds integers only, for which zeroes are valid.
        #[allow(unsafe_code)]
        let mut info = unsafe { info.assume_init() };
        info.tcpi_state = TCP_ESTABLISHED;
        Self(info)
    }

    /// Whether the system filled in the state: one that leaves it out tells nothing.
    pub fn is_told(&self) -> bool {
        self.0.tcpi_state != 0
    }

    /// Where a connection stands.
    pub fn standing(&self) -> Standing {
        match self.0.tcpi_state {
            TCP_SYN_SENT => Standing::Connecting,
            TCP_CLOSE => Standing::Closed,
            _ => Standing::Established,
        }
    }

    /// Smoothed round-trip time in microseconds; after the handshake that of SYN and SYN-ACK.
    pub fn rtt_us(&self) -> u32 {
        self.0.tcpi_rtt
    }

    /// Retransmitted segments so far, SYNs included; at most 255 is told.
    pub fn retransmits(&self) -> u8 {
        u8::try_from(self.0.tcpi_total_retrans).unwrap_or(u8::MAX)
    }

    /// Whether the other side took the data that went with the SYN (RFC 7413).
    pub fn syn_data_acked(&self) -> bool {
        self.0.tcpi_options & TCPI_OPT_SYN_DATA != 0
    }

    /// Of a listener: connections in the accept queue (`net/ipv4/tcp.c`, tcp_get_info).
    pub fn accept_queue(&self) -> u32 {
        self.0.tcpi_unacked
    }

    /// Of a listener: the accept queue's limit as the kernel granted it.
    pub fn accept_limit(&self) -> u32 {
        self.0.tcpi_sacked
    }
}
