//! Where a server listens: an address of TCP or UDP, or the name of an AF_UNIX socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::units::{Transport, UnixKind, UnixName};

/// How the text of each kind of AF_UNIX endpoint begins.
const PREFIXES: [(&str, UnixKind); 3] = [
    ("unix:", UnixKind::Stream),
    ("unix-seqpacket:", UnixKind::Seqpacket),
    ("unix-dgram:", UnixKind::Datagram),
];
/// How the text of an address of UDP begins.
pub(super) const UDP: &str = "udp:";

/// Where a server listens. Its text is `127.0.0.1:80`, `[::1]:80`, `unix:/path`, `unix:@name`
/// (SOCK_STREAM), `unix-seqpacket:@name`, `unix-dgram:@name` or `udp:127.0.0.1:53`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// TCP.
    Inet(SocketAddr),
    /// UDP.
    Udp(SocketAddr),
    /// AF_UNIX.
    Unix(UnixKind, UnixName),
}

impl Endpoint {
    /// A listener's address that the kernel completes when it is bound: a free port of `inet`, or
    /// an abstract name, which belongs to the network namespace and leaves nothing behind.
    pub fn to_bind(transport: Transport, inet: SocketAddr) -> Self {
        match (transport, transport.unix()) {
            (Transport::Udp, _) => Self::Udp(inet),
            (_, Some(kind)) => Self::Unix(kind, UnixName::UNNAMED),
            (_, None) => Self::Inet(inet),
        }
    }

    /// The address of TCP; `None` for others.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Udp(_) | Self::Unix(..) => None,
        }
    }

    /// The IP address and port of TCP or UDP.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) | Self::Udp(address) => Some(*address),
            Self::Unix(..) => None,
        }
    }

    /// The port of TCP; `None` for others.
    pub fn port(&self) -> Option<u16> {
        self.inet().map(|address| address.port())
    }

    /// Where `socket` is bound, if it is of a kind and has a name that an endpoint can have.
    pub fn of(socket: &Socket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let unix = || {
            let kind = match socket.r#type().ok()? {
                Type::SEQPACKET => UnixKind::Seqpacket,
                Type::DGRAM => UnixKind::Datagram,
                _ => UnixKind::Stream,
            };
            let name = match (address.as_abstract_namespace(), address.as_pathname()) {
                (Some(name), _) => UnixName::of_abstract(name),
                (None, Some(path)) => path.to_str().and_then(|path| path.parse().ok()),
                (None, None) => None,
            };
            Some(Self::Unix(kind, name?))
        };
        let datagrams = socket.r#type().is_ok_and(|kind| kind == Type::DGRAM);
        let inet = if datagrams { Self::Udp } else { Self::Inet };
        let found = address.as_socket().map(inet).or_else(unix);
        found.ok_or_else(|| io::Error::other("the socket's address has no text"))
    }

    /// A socket that can connect or send to it, or be bound to it; non-blocking.
    pub fn socket(&self) -> io::Result<Socket> {
        match self {
            Self::Inet(address) => {
                let domain = Domain::for_address(*address);
                nonblocking(domain, Type::STREAM, Some(Protocol::TCP))
            }
            Self::Udp(address) => {
                let domain = Domain::for_address(*address);
                nonblocking(domain, Type::DGRAM, Some(Protocol::UDP))
            }
            Self::Unix(UnixKind::Datagram, _) => nonblocking(Domain::UNIX, Type::DGRAM, None),
            Self::Unix(UnixKind::Stream, _) => nonblocking(Domain::UNIX, Type::STREAM, None),
            Self::Unix(UnixKind::Seqpacket, _) => nonblocking(Domain::UNIX, Type::SEQPACKET, None),
        }
    }

    /// As the system calls want it.
    pub fn sock_addr(&self) -> SockAddr {
        let name = match self {
            Self::Inet(address) | Self::Udp(address) => return (*address).into(),
            Self::Unix(_, name) => name,
        };
        let unix = match name.abstract_name() {
            Some(name) => SockAddr::unix(format!("\0{name}")),
            None => SockAddr::unix(name.as_str()),
        };
        unix.expect("a name is no longer than sun_path")
    }
}

/// A non-blocking socket, in one call where the system has one for it.
///
/// # Errors
/// As of `socket(2)`.
pub fn nonblocking(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    #[cfg(not(target_vendor = "apple"))]
    return Socket::new(domain, kind.nonblocking(), protocol);
    #[cfg(target_vendor = "apple")]
    {
        let socket = Socket::new(domain, kind, protocol)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
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
            Self::Udp(address) => write!(f, "{UDP}{address}"),
            Self::Unix(UnixKind::Stream, name) => write!(f, "unix:{name}"),
            Self::Unix(UnixKind::Seqpacket, name) => write!(f, "unix-seqpacket:{name}"),
            Self::Unix(UnixKind::Datagram, name) => write!(f, "unix-dgram:{name}"),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Inet(address));
        }
        if let Some(Ok(address)) = text.strip_prefix(UDP).map(str::parse) {
            return Ok(Self::Udp(address));
        }
        for (prefix, kind) in PREFIXES {
            if let Some(name) = text.strip_prefix(prefix) {
                let name = name.parse().map_err(|error: crate::units::UnitError| error.to_string());
                return Ok(Self::Unix(kind, name?));
            }
        }
        Err(format!(
            "{text:?} is not an address: write 127.0.0.1:9000, [::1]:9000, udp:127.0.0.1:9000, \
             unix:/path or unix:@name"
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
        for text in [
            "127.0.0.1:80",
            "[::1]:80",
            "udp:[::1]:80",
            "unix:@a",
            "unix-seqpacket:/a b",
            "unix-dgram:@a",
            "unix:",
        ] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.to_string(), text);
            let json = serde_json::to_string(&endpoint).expect("a text");
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Endpoint>(&json).expect("an endpoint"), endpoint);
        }
        for text in ["localhost:80", "unix", "unix:80", "unix:@", "tcp:127.0.0.1:80", "udp:", ""] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bound_socket_tells_its_endpoint() {
        for transport in [
            Transport::Tcp,
            Transport::UnixStream,
            Transport::UnixSeqpacket,
            Transport::Udp,
            Transport::UnixDgram,
        ] {
            let wanted = Endpoint::to_bind(transport, SocketAddr::from(([127, 0, 0, 1], 0)));
            let socket = wanted.socket().expect("a socket");
            socket.bind(&wanted.sock_addr()).expect("bound");
            let bound = Endpoint::of(&socket).expect("an endpoint");
            assert_eq!(bound.inet().is_some(), transport.is_tcp(), "{bound}");
            assert_eq!(bound.socket_addr().is_some(), transport.is_ip(), "{bound}");
            assert_ne!(bound, wanted, "the kernel chose");
            assert_eq!(bound.to_string().parse(), Ok(bound));
        }
    }
}
