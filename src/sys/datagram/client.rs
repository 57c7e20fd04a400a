//! Sockets that send datagrams to one permitted address.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use socket2::Socket;

use super::bind::index_of;
use crate::sys::endpoint::Endpoint;
use crate::sys::permit::{PermittedAddr, group};
#[cfg(target_os = "linux")]
use crate::sys::socket::set_int;
use crate::sys::socket::{bind_without_port, limit_ports};
use crate::units::{Ports, Transport};

/// A non-blocking socket that is connected to a permitted address, so that nothing can be sent
/// elsewhere, and nothing is received from elsewhere.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    destination: Endpoint,
}

impl Client {
    /// Connects to `destination` from the address `source` (the kernel's choice without one), from local
    /// `ports` if given. ICMP errors and ENOBUFS are told (IP_RECVERR, `ip(7)`); over AF_UNIX the client
    /// has a name, so that replies can come back. To a group of multicast it goes by the interface of
    /// `source`.
    ///
    /// # Errors
    /// Of socket(2), bind(2) and connect(2): EADDRNOTAVAIL where the host does not have `source`;
    /// ENODEV where no interface has it.
    pub fn open(
        destination: PermittedAddr,
        source: Option<IpAddr>,
        ports: Option<Ports>,
    ) -> io::Result<Self> {
        let destination = destination.get();
        let socket = destination.socket()?;
        match destination.socket_addr() {
            Some(address) => prepare(&socket, address, source, ports)?,
            None => {
                let unspecified = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                let unnamed = Endpoint::to_bind(Transport::UnixDgram, unspecified);
                socket.bind(&unnamed.sock_addr())?;
            }
        }
        socket.connect(&destination.sock_addr())?;
        Ok(Self { socket, destination })
    }

    /// Whether it leads to an AF_UNIX socket: errors of sending are its own then, never news of
    /// earlier datagrams.
    pub fn is_unix(&self) -> bool {
        matches!(self.destination, Endpoint::Unix(..))
    }

    /// Connects anew. A socket of AF_UNIX loses its peer when that is closed, even where another
    /// takes its name (`net/unix/af_unix.c`, unix_dgram_sendmsg).
    ///
    /// # Errors
    /// ECONNREFUSED or ENOENT: nobody has the name.
    pub fn reconnect(&self) -> io::Result<()> {
        self.socket.connect(&self.destination.sock_addr())
    }

    /// Sends one datagram, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` or ENOBUFS where there is no room, and as of `send(2)`.
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.socket.send(datagram)
    }

    /// Takes the next datagram that came, as far as it fits: the number of bytes.
    ///
    /// # Errors
    /// `WouldBlock` where none waits; a pending ICMP error, once.
    pub fn receive(&self, head: &mut [u8]) -> io::Result<usize> {
        (&self.socket).read(head)
    }
}

impl AsRawFd for Client {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Everything that is set on a socket of UDP before it is connected.
fn prepare(
    socket: &Socket,
    destination: SocketAddr,
    source: Option<IpAddr>,
    ports: Option<Ports>,
) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    match destination {
        SocketAddr::V4(_) => set_int(socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1)?,
        SocketAddr::V6(_) => set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?,
    }
    // Whether another address means all hosts of a network, only the kernel knows: it refuses those.
    if group::is_broadcast(destination.ip()) {
        socket.set_broadcast(true)?;
    }
    if destination.ip().is_multicast() {
        send_by_multicast(socket, destination.ip(), source)?;
    }
    if let Some(ports) = ports {
        limit_ports(socket, ports)?;
    }
    match source {
        Some(source) => bind_without_port(socket, &SocketAddr::new(source, 0).into()),
        None => Ok(()),
    }
}

/// Chooses the interface of `source`, and lets receivers on this host have the datagrams as well.
fn send_by_multicast(socket: &Socket, group: IpAddr, source: Option<IpAddr>) -> io::Result<()> {
    match (group, source) {
        (IpAddr::V4(_), source) => {
            socket.set_multicast_loop_v4(true)?;
            match source {
                Some(IpAddr::V4(source)) => socket.set_multicast_if_v4(&source),
                _ => Ok(()),
            }
        }
        (IpAddr::V6(_), source) => {
            socket.set_multicast_loop_v6(true)?;
            source.map_or(Ok(()), |source| socket.set_multicast_if_v6(index_of(source)?))
        }
    }
}
