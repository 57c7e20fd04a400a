//! Sockets of clients that connect only to a permitted address.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{SockAddr, Socket};

use super::endpoint::Endpoint;
pub use super::listener::{accept, listen};
use super::options;
use super::permit::PermittedAddr;
use super::tcp_info::TcpInfo;
use crate::measure::held::Peer;
use crate::units::{Ports, UnixKind};

/// Room for what a read of a stream brings.
const STREAM_READ: usize = 64 * 1024;
/// Room for a whole packet, the rest of which would be lost: the largest that a sender's buffer
/// of twice `net.core.wmem_max`, as it is by default, lets out.
const PACKET_READ: usize = 512 * 1024;
/// The other side sends nothing more.
#[cfg(target_os = "linux")]
const NO_MORE: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);
#[cfg(not(target_os = "linux"))]
const NO_MORE: PollFlags = PollFlags::POLLHUP;

/// The client's end of a connection; unknown over AF_UNIX. One `getsockname`.
pub fn local_peer(socket: &Socket) -> Peer {
    socket.local_addr().ok().and_then(|own| own.as_socket()).map_or(Peer::UNKNOWN, Peer::of)
}

/// Makes non-blocking sockets towards one permitted address.
#[derive(Debug, Clone)]
pub struct Dialer {
    endpoint: Endpoint,
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
        let endpoint = address.get();
        Self {
            endpoint,
            address: endpoint.sock_addr(),
            sources: sources.iter().map(|ip| SocketAddr::new(*ip, 0).into()).collect(),
            ports,
            reset_on_close,
        }
    }

    /// A socket for attempt `number`, not yet connected.
    pub fn socket(&self, number: u64) -> io::Result<Socket> {
        let socket = self.endpoint.socket()?;
        if let Some(ports) = self.ports {
            limit_ports(&socket, ports)?;
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
    #[cfg(target_os = "linux")]
    pub(super) fn address(&self) -> &SockAddr {
        &self.address
    }

    /// Starts connecting. A connection in progress is no error.
    ///
    /// # Errors
    /// As of `connect(2)`; EAGAIN where the queue of an AF_UNIX listener is full.
    pub fn connect(&self, socket: &Socket) -> io::Result<()> {
        match socket.connect(&self.address) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
            done => done,
        }
    }

    /// As [`Dialer::connect`], with `data` in the SYN as far as it fits (TCP Fast Open, RFC 7413):
    /// the bytes that the kernel took. It takes none without a cookie from an earlier connection,
    /// and asks for one then.
    ///
    /// # Errors
    /// As of `connect(2)`; EOPNOTSUPP where `net.ipv4.tcp_fastopen` does not permit clients.
    #[cfg(target_os = "linux")]
    pub fn connect_sending(&self, socket: &Socket, data: &[u8]) -> io::Result<usize> {
        let data = [io::IoSlice::new(data)];
        let message = socket2::MsgHdr::new().with_addr(&self.address).with_buffers(&data);
        match socket.sendmsg(&message, libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(0),
            done => done,
        }
    }

    /// As on Linux; nothing goes with the SYN elsewhere.
    ///
    /// # Errors
    /// As of `connect(2)`.
    #[cfg(not(target_os = "linux"))]
    pub fn connect_sending(&self, socket: &Socket, _: &[u8]) -> io::Result<usize> {
        self.connect(socket).map(|()| 0)
    }

    /// Connects as an ordinary blocking client does: waits while the queue of an AF_UNIX listener
    /// is full, at most for `patience`. The socket is non-blocking again afterwards.
    ///
    /// # Errors
    /// ETIMEDOUT after `patience`, EINTR by a signal, and as of `connect(2)`.
    pub fn connect_waiting(&self, socket: &Socket, patience: Duration) -> io::Result<()> {
        // Zero would be for ever.
        socket.set_write_timeout(Some(patience.max(Duration::from_micros(1))))?;
        socket.set_nonblocking(false)?;
        let connected = socket.connect(&self.address);
        socket.set_nonblocking(true)?;
        connected.map_err(|error| match error.raw_os_error() {
            // `unix_stream_connect`, `net/unix/af_unix.c`: no time is left.
            Some(libc::EAGAIN) => io::Error::from_raw_os_error(libc::ETIMEDOUT),
            _ => error,
        })
    }

    /// What the kernel knows of a connection that was begun.
    ///
    /// # Errors
    /// As of `getsockopt(2)`.
    pub fn look(&self, socket: &Socket) -> io::Result<TcpInfo> {
        match self.endpoint {
            Endpoint::Inet(_) => TcpInfo::of(socket),
            // Its connect() is over when it returns.
            Endpoint::Udp(_) | Endpoint::Unix(..) => Ok(TcpInfo::unknown()),
        }
    }

    /// Whether it leads to an AF_UNIX listener, so that `connect()` is over when it returns.
    pub fn is_unix(&self) -> bool {
        matches!(self.endpoint, Endpoint::Unix(..))
    }

    /// Whether reads see the boundaries between writes; see [`has_ended`].
    pub fn keeps_packets(&self) -> bool {
        matches!(self.endpoint, Endpoint::Unix(UnixKind::Seqpacket, _))
    }
}

/// Bytes of a buffer that no read overflows.
pub const fn read_size(packets: bool) -> usize {
    if packets { PACKET_READ } else { STREAM_READ }
}

/// Whether a read of no bytes was the end of a connection that keeps packets: it may as well have
/// been an empty one.
pub fn has_ended(socket: &Socket) -> bool {
    let mut one = [PollFd::new(socket.as_fd(), NO_MORE)];
    let closed = poll(&mut one, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    // What the other side sent before it closed is still to be read.
    closed && socket.peek(&mut [std::mem::MaybeUninit::uninit()]).is_ok_and(|count| count == 0)
}

/// Binds the address alone (IP_BIND_ADDRESS_NO_PORT): the kernel chooses the port at `connect()`,
/// when it knows the destination, so that ports are shared between sources.
///
/// # Errors
/// EADDRNOTAVAIL: the host does not have the address.
pub fn bind_without_port(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    // Elsewhere the port is chosen now, and belongs to this socket alone.
    if options::BIND_NO_PORT.is_some() {
        options::set(socket, options::BIND_NO_PORT, 1)?;
    }
    socket.bind(address)
}

/// Lets the kernel choose a local port only among these (IP_LOCAL_PORT_RANGE).
///
/// # Errors
/// ENOPROTOOPT before Linux 6.3, and elsewhere.
pub(super) fn limit_ports(socket: &Socket, ports: Ports) -> io::Result<()> {
    let range = u32::from(ports.last()) << 16 | u32::from(ports.first());
    options::set(socket, options::PORT_RANGE, range as libc::c_int)
}

/// An address that resets a connection and frees its port (`net/ipv4/tcp.c`, tcp_disconnect).
pub(super) static UNSPECIFIED: libc::sockaddr = libc::sockaddr {
    #[cfg(not(target_os = "linux"))]
    sa_len: size_of::<libc::sockaddr>() as u8,
    sa_family: libc::AF_UNSPEC as libc::sa_family_t,
    sa_data: [0; 14],
};

/// Resets the connection and frees the port, so that the same socket can connect again
/// (`net/ipv4/tcp.c`, tcp_disconnect).
pub fn disconnect(socket: &Socket) -> io::Result<()> {
    // SAFETY: the address is a whole `sockaddr` that outlives the call, and its size is given.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::connect(
            socket.as_raw_fd(),
            &raw const UNSPECIFIED,
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
