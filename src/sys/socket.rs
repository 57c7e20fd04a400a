//! Sockets: clients that connect only to a permitted address, and listeners whose backlog is the
//! one that was asked for.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

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
    pub fn socket(&self, number: u64) -> io::Result<Socket> {
        let socket = Socket::new(self.domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if let Some(ports) = self.ports {
            let range = u32::from(ports.last()) << 16 | u32::from(ports.first());
            set_int(&socket, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, range as libc::c_int)?;
        }
        if !self.sources.is_empty() {
            let source = &self.sources[(number % self.sources.len() as u64) as usize];
            bind_without_port(&socket, source)?;
        }
        if self.reset_on_close {
            socket.set_linger(Some(Duration::ZERO))?;
        }
        Ok(socket)
    }

    /// Where connections go to.
    pub(super) fn address(&self) -> &SockAddr {
        &self.address
    }

    /// Starts connecting. A connection in progress is no error.
    pub fn connect(&self, socket: &Socket) -> io::Result<()> {
        match socket.connect(&self.address) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
            done => done,
        }
    }
}

/// Binds the address alone (IP_BIND_ADDRESS_NO_PORT): the kernel chooses the port at `connect()`,
/// when it knows the destination, so that ports are shared between sources.
///
/// # Errors
/// EADDRNOTAVAIL: the host does not have the address.
pub fn bind_without_port(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    set_int(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    socket.bind(address)
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

/// A non-blocking listener on `address` with exactly the backlog asked for; the kernel may clamp
/// it, which `TcpInfo::accept_limit` tells.
///
/// # Errors
/// As of `socket`, `bind` and `listen`; EADDRINUSE when something listens there already.
pub fn listen(address: SocketAddr, backlog: i32) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// Takes a connection from the accept queue; it does not block.
///
/// # Errors
/// EAGAIN when the queue is empty, EMFILE and ENFILE without a descriptor, ECONNABORTED.
pub fn accept(listener: &Socket) -> io::Result<Socket> {
    #[cfg(target_os = "linux")]
    let connection = listener.accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)?.0;
    #[cfg(not(target_os = "linux"))]
    let connection = {
        let connection = listener.accept()?.0;
        connection.set_nonblocking(true)?;
        connection
    };
    Ok(connection)
}

fn set_int(
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
