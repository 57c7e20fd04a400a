//! Where a server listens: an address of TCP, or the name of an AF_UNIX socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::units::{Transport, UnixKind, UnixName};

/// How the text of each kind of AF_UNIX endpoint begins.
const PREFIXES: [(&str, UnixKind); 2] =
    [("unix:", UnixKind::Stream), ("unix-seqpacket:", UnixKind::Seqpacket)];

/// Where a server listens. Its text is `127.0.0.1:80`, `[::1]:80`, `unix:/path`, `unix:@name`
/// (SOCK_STREAM) or `unix-seqpacket:@name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// TCP.
    Inet(SocketAddr),
    /// AF_UNIX.
    Unix(UnixKind, UnixName),
}

impl Endpoint {
    /// A listener's address that the kernel completes when it is bound: a free port of `inet`, or
    /// an abstract name, which belongs to the network namespace and leaves nothing behind.
    pub fn to_bind(transport: Transport, inet: SocketAddr) -> Self {
        transport.unix().map_or(Self::Inet(inet), |kind| Self::Unix(kind, UnixName::UNNAMED))
    }

    /// The address of TCP; `None` for AF_UNIX.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(..) => None,
        }
    }

    /// The port of TCP; `None` for AF_UNIX.
    pub fn port(&self) -> Option<u16> {
        self.inet().map(|address| address.port())
    }

    /// Where `socket` is bound, if it is of a kind and has a name that an endpoint can have.
    pub fn of(socket: &Socket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let unix = || {
            let kind = if keeps_packets(socket) { UnixKind::Seqpacket } else { UnixKind::Stream };
            let name = match (address.as_abstract_namespace(), address.as_pathname()) {
                (Some(name), _) => UnixName::of_abstract(name),
                (None, Some(path)) => path.to_str().and_then(|path| path.parse().ok()),
                (None, None) => None,
            };
            Some(Self::Unix(kind, name?))
        };
        let found = address.as_socket().map(Self::Inet).or_else(unix);
        found.ok_or_else(|| io::Error::other("the socket's address has no text"))
    }

    /// A socket that can connect to it, or listen on it; non-blocking.
    pub fn socket(&self) -> io::Result<Socket> {
        match self {
            Self::Inet(address) => {
                let domain = Domain::for_address(*address);
                Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))
            }
            Self::Unix(UnixKind::Stream, _) => {
                Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
            }
            Self::Unix(UnixKind::Seqpacket, _) => {
                Socket::new(Domain::UNIX, Type::SEQPACKET.nonblocking(), None)
            }
        }
    }

    /// As the system calls want it.
    pub fn sock_addr(&self) -> SockAddr {
        let name = match self {
            Self::Inet(address) => return (*address).into(),
            Self::Unix(_, name) => name,
        };
        let unix = match name.abstract_name() {
            Some(name) => SockAddr::unix(format!("\0{name}")),
            None => SockAddr::unix(name.as_str()),
        };
        unix.expect("a name is no longer than sun_path")
    }
}

/// Whether the socket is one of packets, whose boundaries reads see.
pub fn keeps_packets(socket: &Socket) -> bool {
    socket.r#type().is_ok_and(|kind| kind == Type::SEQPACKET)
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(UnixKind::Stream, name) => write!(f, "unix:{name}"),
            Self::Unix(UnixKind::Seqpacket, name) => write!(f, "unix-seqpacket:{name}"),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Inet(address));
        }
        for (prefix, kind) in PREFIXES {
            if let Some(name) = text.strip_prefix(prefix) {
                let name = name.parse().map_err(|error: crate::units::UnitError| error.to_string());
                return Ok(Self::Unix(kind, name?));
            }
        }
        Err(format!(
            "{text:?} is not an address: write 127.0.0.1:9000, [::1]:9000, unix:/path or unix:@name"
        ))
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_survive_their_text() {
        for text in ["127.0.0.1:80", "[::1]:80", "unix:@a", "unix-seqpacket:/a b", "unix:"] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.to_string(), text);
            let json = serde_json::to_string(&endpoint).expect("a text");
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Endpoint>(&json).expect("an endpoint"), endpoint);
        }
        for text in ["localhost:80", "unix", "unix:80", "unix:@", "tcp:127.0.0.1:80", ""] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bound_socket_tells_its_endpoint() {
        for transport in [Transport::Tcp, Transport::UnixStream, Transport::UnixSeqpacket] {
            let wanted = Endpoint::to_bind(transport, SocketAddr::from(([127, 0, 0, 1], 0)));
            let socket = wanted.socket().expect("a socket");
            socket.bind(&wanted.sock_addr()).expect("bound");
            let bound = Endpoint::of(&socket).expect("an endpoint");
            assert_eq!(bound.inet().is_some(), transport.is_tcp(), "{bound}");
            assert_ne!(bound, wanted, "the kernel chose");
            assert_eq!(bound.to_string().parse(), Ok(bound));
        }
    }
}
