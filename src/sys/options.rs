//! Options of sockets that not every system has.

use std::io;

use libc::c_int;
use socket2::Socket;

use super::listener::get;
use super::socket::set_int;

/// Level and name of an option; `None` where the system has none such.
pub(super) type Number = Option<(c_int, c_int)>;

#[cfg(target_os = "linux")]
mod here {
    use super::Number;

    pub const DEFER_ACCEPT: Number = Some((libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT));
    pub const FASTOPEN: Number = Some((libc::IPPROTO_TCP, libc::TCP_FASTOPEN));
    pub const MEMINFO: Number = Some((libc::SOL_SOCKET, libc::SO_MEMINFO));
    pub const RXQ_OVFL: Number = Some((libc::SOL_SOCKET, libc::SO_RXQ_OVFL));
    pub const GRO: Number = Some((libc::SOL_UDP, libc::UDP_GRO));
    pub const SEGMENT: Number = Some((libc::SOL_UDP, libc::UDP_SEGMENT));
    pub const BIND_NO_PORT: Number = Some((libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT));
    /// IP_LOCAL_PORT_RANGE, `include/uapi/linux/in.h`, since Linux 6.3.
    pub const PORT_RANGE: Number = Some((libc::IPPROTO_IP, 51));
}

#[cfg(not(target_os = "linux"))]
mod here {
    use super::Number;

    pub const DEFER_ACCEPT: Number = None;
    /// Others have a flag by this name, and no queue whose length is asked for.
    pub const FASTOPEN: Number = None;
    pub const MEMINFO: Number = None;
    pub const RXQ_OVFL: Number = None;
    pub const GRO: Number = None;
    pub const SEGMENT: Number = None;
    pub const BIND_NO_PORT: Number = None;
    pub const PORT_RANGE: Number = None;
}

pub(super) use here::*;

/// Sets an option whose value is an int.
///
/// # Errors
/// As of `setsockopt`; ENOPROTOOPT where the system has none such.
pub(super) fn set(socket: &Socket, number: Number, value: c_int) -> io::Result<()> {
    let (level, name) = known(number)?;
    set_int(socket, level, name, value)
}

/// The value of an option as so many words; zeroes where the kernel has fewer.
///
/// # Errors
/// As of `getsockopt`; ENOPROTOOPT where the system has none such.
pub(super) fn read<const N: usize>(socket: &Socket, number: Number) -> io::Result<[u32; N]> {
    let (level, name) = known(number)?;
    get(socket, level, name)
}

fn known(number: Number) -> io::Result<(c_int, c_int)> {
    number.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOPROTOOPT))
}
