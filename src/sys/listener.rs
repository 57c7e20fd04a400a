//! Listeners whose backlog and options are those that were asked for, and how they are closed.

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::endpoint::Endpoint;
use super::options;
#[cfg(target_os = "linux")]
use super::socket::set_int;
use crate::measure::held::Peer;

/// What a listener is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// The number given to `listen(2)`; the kernel may clamp it, which
    /// [`super::tcp_info::TcpInfo::accept_limit`] tells.
    pub backlog: i32,
    /// SO_REUSEADDR: the port may be taken while connections of an earlier listener are there.
    pub reuse_address: bool,
    /// SO_REUSEPORT: several listeners share the port.
    pub reuse_port: bool,
    /// TCP_DEFER_ACCEPT, in seconds.
    pub defer_accept: Option<u32>,
    /// TCP_FASTOPEN: the longest queue of connections whose first data came with the SYN.
    pub fast_open: Option<u32>,
    /// Whether the kernel keeps the SYN of each connection, where it can ([`save_syns`]).
    pub save_syns: bool,
}

impl Listening {
    /// A plain listener.
    pub fn plain(backlog: i32) -> Self {
        Self {
            backlog,
            reuse_address: true,
            reuse_port: false,
            defer_accept: None,
            fast_open: None,
            save_syns: false,
        }
    }
}

/// As [`listen_so`], with nothing but a backlog.
///
/// # Errors
/// As there.
pub fn listen(address: impl Into<Endpoint>, backlog: i32) -> io::Result<Socket> {
    listen_so(address, Listening::plain(backlog))
}

/// A non-blocking listener on `address`.
///
/// # Errors
/// As of `socket`, `setsockopt`, `bind` and `listen`; EADDRINUSE when something listens there
/// already, or (without SO_REUSEADDR) connections of an earlier listener are still there.
pub fn listen_so(address: impl Into<Endpoint>, how: Listening) -> io::Result<Socket> {
    let endpoint = address.into();
    let socket = endpoint.socket()?;
    if let Endpoint::Inet(_) = endpoint {
        socket.set_reuse_address(how.reuse_address)?;
    }
    if how.reuse_port {
        socket.set_reuse_port(true)?;
    }
    let options = [(options::DEFER_ACCEPT, how.defer_accept), (options::FASTOPEN, how.fast_open)];
    for (option, value) in options {
        if let Some(value) = value {
            let value = libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX);
            options::set(&socket, option, value)?;
        }
    }
    if how.save_syns {
        save_syns(&socket);
    }
    socket.bind(&endpoint.sock_addr())?;
    socket.listen(how.backlog)?;
    Ok(socket)
}

/// Takes a connection from the accept queue, and the client's end of it (unknown over AF_UNIX); it
/// does not block.
///
/// # Errors
/// EAGAIN when the queue is empty, EMFILE and ENFILE without a descriptor, ECONNABORTED.
pub fn accept(listener: &Socket) -> io::Result<(Socket, Peer)> {
    #[cfg(target_os = "linux")]
    let (connection, client) = listener.accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)?;
    #[cfg(not(target_os = "linux"))]
    let (connection, client) = {
        let (connection, client) = listener.accept()?;
        connection.set_nonblocking(true)?;
        (connection, client)
    };
    Ok((connection, client.as_socket().map_or(Peer::UNKNOWN, Peer::of)))
}

/// Has the kernel keep the SYN of every connection until it is asked for it ([`has_saved_syn`]);
/// whether it does. Linux does since 4.3.
#[cfg(target_os = "linux")]
pub fn save_syns(listener: &Socket) -> bool {
    let option = (libc::IPPROTO_TCP, libc::TCP_SAVE_SYN);
    set_int(listener, option.0, option.1, 1).is_ok()
        && get(listener, option.0, option.1).is_ok_and(|[saves]| saves == 1)
}

/// As on Linux, where alone it can be.
#[cfg(not(target_os = "linux"))]
pub fn save_syns(_: &Socket) -> bool {
    false
}

/// Whether the kernel kept the SYN of an accepted connection, which it forgets when asked. It keeps
/// none of a handshake by SYN cookie (`net/ipv4/tcp_input.c`, tcp_conn_request).
///
/// # Errors
/// As of `getsockopt`.
#[cfg(target_os = "linux")]
pub fn has_saved_syn(connection: &Socket) -> io::Result<bool> {
    /// The longest header of IPv6, and of TCP.
    const LONGEST: usize = 60 + 60;
    let mut header = [0u8; 2 * LONGEST];
    let mut length = header.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `header`.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::getsockopt(
            connection.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_SAVED_SYN,
            header.as_mut_ptr().cast(),
            &mut length,
        )
    };
    if result == 0 { Ok(length > 0) } else { Err(io::Error::last_os_error()) }
}

/// As on Linux, where alone it can be.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn has_saved_syn(_: &Socket) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// For how many seconds the listener defers accept: what was asked for, as the kernel rounded it
/// to its retransmit times (`net/ipv4/tcp.c`, secs_to_retrans).
///
/// # Errors
/// As of `getsockopt`.
pub fn defer_accept(listener: &Socket) -> io::Result<u32> {
    options::read(listener, options::DEFER_ACCEPT).map(|[seconds]| seconds)
}

/// Defers accept no more; requests whose final ACK was put aside stay until their timer, or their
/// client's next packet.
///
/// # Errors
/// As of `setsockopt`.
pub fn defer_no_more(listener: &Socket) -> io::Result<()> {
    options::set(listener, options::DEFER_ACCEPT, 0)
}

/// Packets to the socket that it has dropped (`SO_MEMINFO`, `net/core/sock.c`).
///
/// # Errors
/// As of `getsockopt`.
pub fn dropped(socket: &Socket) -> io::Result<u32> {
    /// `SK_MEMINFO_DROPS`, `include/uapi/linux/sock_diag.h`.
    const DROPS: usize = 8;
    options::read(socket, options::MEMINFO).map(|info: [u32; DROPS + 1]| info[DROPS])
}

/// The value of an option as so many words; zeroes where the kernel has fewer.
pub(super) fn get<const N: usize>(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<[u32; N]> {
    let mut value = [0; N];
    let mut length = size_of::<[u32; N]>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `value`; every bit pattern is valid.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::deaf::deafen;
    use crate::sys::tcp_info::TcpInfo;
    use std::net::{SocketAddr, TcpStream};
    use std::time::Duration;

    fn address(listener: &Socket) -> SocketAddr {
        listener.local_addr().ok().and_then(|at| at.as_socket()).expect("an address")
    }

    #[test]
    fn nothing_enters_a_listener_that_is_deaf() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), 16).expect("a listener");
        let at = address(&listener);
        let _inside: Vec<_> = (0..3).map(|_| TcpStream::connect(at).expect("inside")).collect();
        deafen(&listener).expect("a filter");
        let late = TcpStream::connect_timeout(&at, Duration::from_millis(50));
        assert_eq!(late.expect_err("outside").kind(), io::ErrorKind::TimedOut);
        assert_eq!(TcpInfo::of(&listener).expect("info").accept_queue(), 3);
        assert!(dropped(&listener).expect("drops") >= 1);
    }

    #[test]
    fn the_kernel_rounds_a_deferred_accept_to_its_retransmit_times() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let how = Listening { defer_accept: Some(5), ..Listening::plain(4) };
            let listener =
                listen_so(at.parse::<SocketAddr>().expect("an address"), how).expect("a listener");
            assert_eq!(defer_accept(&listener).expect("an option"), 7);
        }
    }

    #[test]
    fn fast_open_has_the_queue_that_was_asked_for() {
        let how = Listening { fast_open: Some(256), ..Listening::plain(4) };
        let listener = listen_so(SocketAddr::from(([127, 0, 0, 1], 0)), how).expect("a listener");
        assert_eq!(get(&listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN).expect("read"), [256]);
    }

    #[test]
    fn a_group_shares_its_port_and_others_do_not() {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let group = Listening { reuse_port: true, ..Listening::plain(4) };
        let first = listen_so(anywhere, group).expect("a listener");
        let _second = listen_so(address(&first), group).expect("a listener beside it");
        let alone = listen(address(&first), 4).expect_err("not of the group");
        assert_eq!(alone.raw_os_error(), Some(libc::EADDRINUSE));
    }
}
