//! Clients that leave handshakes half-open. They exist only inside a lab.
//!
//! Each is an ordinary `connect()` on a socket that is deaf: the SYN-ACK never reaches it, so that
//! the target's kernel keeps the request in its SYN queue and sends the SYN-ACK again (RFC 4987,
//! 2). No raw socket, no forged address, no privilege.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Lab;
use crate::sys::deaf::deafen;
use crate::sys::endpoint::nonblocking;
use crate::sys::socket::bind_without_port;

/// An address of a lab: only a lab gives it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabAddr(IpAddr);

impl LabAddr {
    /// The address.
    pub fn ip(self) -> IpAddr {
        self.0
    }

    fn with_port(self, port: u16) -> SockAddr {
        SocketAddr::new(self.0, port).into()
    }
}

/// Makes half-open connections to one port of a lab's target.
#[derive(Debug, Clone)]
pub struct HalfOpen {
    domain: Domain,
    target: SockAddr,
    /// Taken in turn.
    sources: Vec<SockAddr>,
}

impl HalfOpen {
    /// From the strangers among the addresses of `lab` to `port` of its target.
    pub fn new(lab: &Lab, port: u16) -> Self {
        let target = LabAddr(lab.addresses.target);
        let strangers = lab.addresses.strangers.iter().map(|ip| LabAddr(*ip));
        Self {
            domain: Domain::for_address(SocketAddr::new(target.ip(), port)),
            target: target.with_port(port),
            sources: strangers.map(|source| source.with_port(0)).collect(),
        }
    }

    /// A deaf socket for attempt `number`, not yet connected.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOBUFS, ENOMEM.
    pub fn socket(&self, number: u64) -> io::Result<Socket> {
        let socket = nonblocking(self.domain, Type::STREAM, Some(Protocol::TCP))?;
        deafen(&socket)?;
        if !self.sources.is_empty() {
            let source = &self.sources[(number % self.sources.len() as u64) as usize];
            bind_without_port(&socket, source)?;
        }
        Ok(socket)
    }

    /// Sends the SYN.
    ///
    /// # Errors
    /// EADDRNOTAVAIL without a free port. That the connection is in progress is none.
    pub fn connect(&self, socket: &Socket) -> io::Result<()> {
        match socket.connect(&self.target) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
            done => done,
        }
    }
}
