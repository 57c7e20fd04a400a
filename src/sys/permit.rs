//! Where load may go: the one place that decides, on the resolved address.
//!
//! A [`PermittedAddr`] can only be had from [`Policy::permit`], and clients take nothing else.
//! Loopback and AF_UNIX are always permitted, a lab's addresses within that lab (its multicast group
//! and its broadcast address among them), and private and link-local ranges where `--allow` covers
//! them. Everything else is refused; public addresses without exception, whoever listens there.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use serde::{Deserialize, Serialize};

mod cidr;
mod class;
pub mod group;

pub use cidr::{Cidr, CidrError};
pub use class::{Class, canonical};

use super::endpoint::{Endpoint, UDP};

/// The longest `host:port` that is looked up: a DNS name (RFC 1035, 253 octets) and a port.
const LONGEST: usize = 300;

/// An address that load may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PermittedAddr(Endpoint);

impl PermittedAddr {
    /// The address, in canonical form: IPv4-mapped IPv6 has become IPv4.
    pub fn get(self) -> Endpoint {
        self.0
    }
}

impl fmt::Display for PermittedAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one run may reach. It may be written down and read again: a [`Cidr`] checks itself, a lab's
/// address must be of a lab's range or one of [`group`], and whoever reads one outside of a lab drops it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Policy {
    allow: Vec<Cidr>,
    lab: Vec<IpAddr>,
}

/// Why load may not go somewhere; the text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PermitError {
    /// The address is of a class that is not permitted.
    #[error("load may not go to {address}: {class}. {}", .class.remedy(*.address))]
    Refused {
        /// The address, in canonical form.
        address: SocketAddr,
        /// Its class.
        class: Class,
    },
    /// Port 0 is no port to connect to.
    #[error("load may not go to {0}: port 0 is reserved. Give the port that the target listens on")]
    NoPort(SocketAddr),
    /// A socket without a name cannot be connected to.
    #[error("load may not go to a socket without a name. Write unix:/path or unix:@name")]
    NoName,
    /// A name leads to such an address.
    #[error("{name:?} stands for {}: {error}", .error.address())]
    Named {
        /// What was looked up.
        name: String,
        /// Why its address is refused.
        error: Box<PermitError>,
    },
    /// The name has no address.
    #[error("{name:?} cannot be resolved: {error}. Write it as host:port, with [] around IPv6")]
    Unresolved {
        /// What was looked up.
        name: String,
        /// What the resolver said.
        error: io::Error,
    },
}

impl PermitError {
    /// The address that was refused, as text; empty where there was none.
    fn address(&self) -> String {
        match self {
            Self::Refused { address, .. } | Self::NoPort(address) => address.to_string(),
            Self::Named { error, .. } => error.address(),
            Self::NoName | Self::Unresolved { .. } => String::new(),
        }
    }
}

impl Policy {
    /// Loopback, and what `allow` covers of the private and link-local ranges.
    pub fn new(allow: Vec<Cidr>) -> Self {
        Self { allow, ..Self::default() }
    }

    /// Permits the addresses of a lab as well; those that no lab has, have no effect.
    pub(crate) fn with_lab(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.lab.extend(addresses);
        self
    }

    /// Without a lab's addresses.
    pub(crate) fn without_lab(self) -> Self {
        Self { lab: Vec::new(), ..self }
    }

    /// Checks one address. The result is canonical: IPv4-mapped IPv6 has become IPv4. A socket of
    /// AF_UNIX is on this host, and guarded by the file system or by its network namespace.
    ///
    /// # Errors
    /// Names the address, its class and the remedy.
    pub fn permit(&self, address: impl Into<Endpoint>) -> Result<PermittedAddr, PermitError> {
        match address.into() {
            Endpoint::Inet(address) => self.permit_ip(address).map(Endpoint::Inet),
            Endpoint::Udp(address) => self.permit_ip(address).map(Endpoint::Udp),
            Endpoint::Unix(_, name) if name.is_unnamed() => Err(PermitError::NoName),
            unix => Ok(unix),
        }
        .map(PermittedAddr)
    }

    fn permit_ip(&self, address: SocketAddr) -> Result<SocketAddr, PermitError> {
        let address = canonical(address);
        let ip = address.ip();
        let class = Class::of(ip);
        let permitted = match class {
            Class::Loopback => true,
            Class::Lab => self.lab.contains(&ip),
            Class::Multicast | Class::Broadcast => group::is_one(ip) && self.lab.contains(&ip),
            Class::Private | Class::LinkLocal => self.allow.iter().any(|range| range.contains(ip)),
            _ => false,
        };
        match (permitted, address.port()) {
            (false, _) => Err(PermitError::Refused { address, class }),
            (true, 0) => Err(PermitError::NoPort(address)),
            (true, _) => Ok(address),
        }
    }

    /// Resolves `host:port` and checks the first address, which is the one that is used. A name
    /// whose first address is refused is refused, whatever else it resolves to. The text of an
    /// AF_UNIX [`Endpoint`] is taken as it is; `udp:` before a host makes it an address of UDP.
    ///
    /// # Errors
    /// As [`Policy::permit`], and where the name has no address.
    pub fn resolve_and_permit(&self, host_port: &str) -> Result<PermittedAddr, PermitError> {
        if let Ok(unix @ Endpoint::Unix(..)) = host_port.parse() {
            return self.permit(unix);
        }
        let (host_port, datagrams) = match host_port.strip_prefix(UDP) {
            Some(rest) => (rest, true),
            None => (host_port, false),
        };
        let endpoint = if datagrams { Endpoint::Udp } else { Endpoint::Inet };
        let unresolved = |error| PermitError::Unresolved { name: host_port.into(), error };
        let addresses = resolve(host_port).map_err(unresolved)?;
        match addresses.first() {
            Some(first) => self.permit(endpoint(*first)).map_err(|error| match host_port.parse() {
                Ok::<SocketAddr, _>(_) => error,
                Err(_) => PermitError::Named { name: host_port.into(), error: Box::new(error) },
            }),
            None => Err(unresolved(io::Error::other("the name has no address"))),
        }
    }
}

/// Looks `host:port` up with the system's resolver, in the calling thread's network namespace.
/// IPv6 stands in brackets and may carry a zone: `[fe80::1%eth0]:80`. May block for seconds.
///
/// # Errors
/// What the resolver says; `InvalidInput` where it is not of that form.
pub fn resolve(host_port: &str) -> io::Result<Vec<SocketAddr>> {
    let bad = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    if host_port.len() > LONGEST {
        return Err(bad("it is longer than any name"));
    }
    if let Ok(address) = host_port.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    let (host, port) = host_port.rsplit_once(':').ok_or_else(|| bad("there is no port"))?;
    let port = port.parse::<u16>().map_err(|_| bad("the port is not a number up to 65535"))?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(|| bad("a ] is missing"))?,
        None if host.contains(':') => return Err(bad("IPv6 needs brackets")),
        None if host.is_empty() => return Err(bad("there is no host")),
        None => host,
    };
    Ok((host, port).to_socket_addrs()?.collect())
}

#[cfg(test)]
mod tests;
