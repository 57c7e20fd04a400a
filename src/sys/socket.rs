//! Sockets of clients that connect only to a permitted address.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

pub use super::listener::{accept, listen};
use super::permit::PermittedAddr;
use crate::units::Ports;

/// `include/uapi/linux/in.h`, since Linux 6.3.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;

/// Makes non-blocking TCP sockets towards one permitted address.
#[derive(Debug, Clone)]
pub struct Dialer {
    domain: Domain,
    address: SockAddr,
    /// Taken in turn; empty where the kernel chooses.
    sources: Vec<SockAddr>,
    /// Local ports that may be used, both ends included.
    ports: Option<Ports>,
    reset_on_close: bool,
}

impl Dialer {
    /// Connects to `address` from the `sources` in turn (the kernel's choice when empty), from
    /// local `ports` if given.
    pub fn new(
        address: PermittedAddr,
        sources: &[IpAddr],
        ports: Option<Ports>,
        reset_on_close: bool,
    ) -> Self {
        let address = address.get();
        Self {
            domain: Domain::for_address(address),
            address: address.into(),
            sources: sources.iter().map(|ip| SocketAddr::new(*ip, 0).into()).collect(),
            ports,
            reset_on_close,
        }
    }

    /// A socket for attempt `number`, not yet connected.
    ///
    /// The source address is bound without a port (IP_BIND_ADDRESS_NO_PORT), so that the kernel
    /// chooses the port when it knows the destination, and ports are shared between sources.
    pub fn socket(&self, number: u64) -> io::Result<Socket> {
        let socket = Socket::new(self.domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if let Some(ports) = self.ports {
            let range = u32::from(ports.last()) << 16 | u32::from(ports.first());
            set_int(&socket, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, range as libc::c_int)?;
        }
        if !self.sources.is_empty() {
            let source = &self.sources[(number % self.sources.len() as u64) as usize];
            set_int(&socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
            socket.bind(source)?;
        }
        if self.reset_on_close {
            socket.set_linger(Some(Duration::ZERO))?;
        }
        Ok(socket)
    }

    /// Starts connecting. A connection in progress is no error.
    pub fn connect(&self, socket: &Socket) -> io::Result<()> {
        match socket.connect(&self.address) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
            done => done,
        }
    }
}

/// Resets the connection and frees the port, so that the same socket can connect again
/// (`net/ipv4/tcp.c`, tcp_disconnect).
pub fn disconnect(socket: &Socket) -> io::Result<()> {
    let unspecified =
        libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    // SAFETY: the address is a whole `sockaddr` that outlives the call, and its size is given.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::connect(
            socket.as_raw_fd(),
            &raw const unspecified,
            size_of::<libc::sockaddr>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets an option whose value is an int.
pub(super) fn set_int(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value is an int that outlives the call, and its size is given.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
