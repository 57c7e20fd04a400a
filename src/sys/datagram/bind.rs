//! Sockets that receive datagrams, and what their buffers hold.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::Socket;

use crate::sys::endpoint::Endpoint;
use crate::sys::options;

/// What a receiver's socket is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Binding {
    /// SO_REUSEPORT: several sockets share the port, and each datagram goes to one of them.
    pub reuse_port: bool,
    /// SO_REUSEADDR: several sockets share the port, and each gets every datagram that is sent to a
    /// group or to all.
    pub reuse_address: bool,
    /// SO_RCVBUF, which the kernel caps (`net.core.rmem_max`) and doubles; `None` for its default.
    pub rcvbuf: Option<usize>,
    /// UDP_GRO: what was sent in bulk comes whole.
    pub gro: bool,
    /// Joins the group that it is bound to, on the interface with this address of the host.
    pub group_on: Option<IpAddr>,
}

/// A non-blocking socket that is bound to `endpoint`; the kernel tells of its drops with each
/// datagram (SO_RXQ_OVFL), where it can.
///
/// # Errors
/// As of `socket`, `setsockopt` and `bind`: EADDRINUSE, EADDRNOTAVAIL, EACCES; ENODEV where no
/// interface has the address of [`Binding::group_on`].
pub fn bind(endpoint: Endpoint, how: Binding) -> io::Result<Socket> {
    let socket = endpoint.socket()?;
    if how.reuse_address {
        socket.set_reuse_address(true)?;
    }
    if how.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if let Some(bytes) = how.rcvbuf {
        // The kernel takes an int; more than it can hold is capped by the kernel as well.
        socket.set_recv_buffer_size(bytes.min(libc::c_int::MAX as usize))?;
    }
    if options::RXQ_OVFL.is_some() {
        options::set(&socket, options::RXQ_OVFL, 1)?;
    }
    if how.gro {
        options::set(&socket, options::GRO, 1)?;
    }
    socket.bind(&scoped(endpoint, how.group_on)?.sock_addr())?;
    if let (Some(interface), Some(group)) = (how.group_on, endpoint.socket_addr()) {
        join(&socket, group.ip(), interface)?;
    }
    Ok(socket)
}

/// A group of the link is the group of one interface (RFC 4291, 2.7), which its address has to name.
fn scoped(endpoint: Endpoint, interface: Option<IpAddr>) -> io::Result<Endpoint> {
    match (endpoint, interface) {
        (Endpoint::Udp(SocketAddr::V6(mut group)), Some(interface)) => {
            group.set_scope_id(index_of(interface)?);
            Ok(Endpoint::Udp(group.into()))
        }
        _ => Ok(endpoint),
    }
}

/// Becomes a member of `group` (RFC 3376, RFC 3810) on the interface that has this address.
fn join(socket: &Socket, group: IpAddr, interface: IpAddr) -> io::Result<()> {
    match (group, interface) {
        (IpAddr::V4(group), IpAddr::V4(interface)) => socket.join_multicast_v4(&group, &interface),
        (IpAddr::V6(group), interface) => socket.join_multicast_v6(&group, index_of(interface)?),
        (IpAddr::V4(_), IpAddr::V6(_)) => Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    }
}

/// The index of the interface with this address, in the calling thread's network namespace.
pub(super) fn index_of(address: IpAddr) -> io::Result<u32> {
    let has = |one: &nix::ifaddrs::InterfaceAddress| {
        let found = one.address.as_ref().and_then(|found| match address {
            IpAddr::V4(_) => found.as_sockaddr_in().map(|at| IpAddr::V4(at.ip())),
            IpAddr::V6(_) => found.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())),
        });
        found == Some(address)
    };
    let interface = nix::ifaddrs::getifaddrs()?
        .find(has)
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    Ok(nix::net::if_::if_nametoindex(interface.interface_name.as_str())?)
}

/// What a socket's receive buffer holds (SO_MEMINFO, `include/uapi/linux/sock_diag.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemInfo {
    /// Bytes that are charged to it (SK_MEMINFO_RMEM_ALLOC). Those of datagrams that were read are
    /// given back by a quarter of the limit at a time, or when nothing waits any more
    /// (`net/ipv4/udp.c`, udp_rmem_release). AF_UNIX charges the sender.
    pub charged: u32,
    /// The limit of these (SK_MEMINFO_RCVBUF).
    pub limit: u32,
    /// Bytes of what it has sent and nobody has read (SK_MEMINFO_WMEM_ALLOC): of AF_UNIX.
    pub sending: u32,
    /// Packets that it has dropped since it was made (SK_MEMINFO_DROPS); begins anew after 2^32.
    pub drops: u32,
}

impl MemInfo {
    /// Asks the kernel.
    ///
    /// # Errors
    /// As of `getsockopt`; ENOPROTOOPT where only Linux could tell.
    pub fn of(socket: &Socket) -> io::Result<Self> {
        let info: [u32; 9] = options::read(socket, options::MEMINFO)?;
        Ok(Self { charged: info[0], limit: info[1], sending: info[2], drops: info[8] })
    }
}
