//! Ranges of addresses that `--allow` names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::class::{Class, within4, within6};

/// A range of private, link-local or loopback addresses, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    net: IpAddr,
    prefix: u8,
}

/// Why a text is no such range; the text names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CidrError(String);

impl Cidr {
    /// Whether the range covers an address in canonical form.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (ip, self.net) {
            (IpAddr::V4(ip), IpAddr::V4(net)) => within4(ip, net, self.prefix),
            (IpAddr::V6(ip), IpAddr::V6(net)) => within6(ip, net, self.prefix),
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let form = || {
            CidrError(format!(
                "{text:?} is no range of addresses: write 10.0.0.0/8, fd00::/8 or a plain address"
            ))
        };
        let ip: IpAddr = address.parse().map_err(|_| form())?;
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(n) if n.is_empty() || !n.bytes().all(|b| b.is_ascii_digit()) => return Err(form()),
            Some(n) => n.parse().ok().filter(|n| *n <= bits).ok_or_else(|| {
                CidrError(format!("{text:?}: a prefix of {address} has 0 to {bits} bits"))
            })?,
        };
        let net = masked(ip, prefix);
        if net != ip {
            return Err(CidrError(format!(
                "{text:?} has bits set behind its prefix: write {net}/{prefix} for the range, \
                 or {ip} for the one address"
            )));
        }
        allowable(text, Self { net, prefix })
    }
}

/// Only ranges that a flag can grant.
fn allowable(text: &str, range: Cidr) -> Result<Cidr, CidrError> {
    match Class::of_range(range.net, range.prefix) {
        Some(Class::Private | Class::LinkLocal | Class::Loopback) => Ok(range),
        class => {
            let what = match class {
                Some(class) => class.to_string(),
                None => "a mixture of kinds of addresses".into(),
            };
            Err(CidrError(format!(
                "{text:?} cannot be allowed: it is {what}. --allow takes private ranges \
                 (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7) and \
                 link-local ones (169.254.0.0/16, fe80::/10), or parts of them"
            )))
        }
    }
}

fn masked(ip: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.net, self.prefix)
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(range: Cidr) -> Self {
        range.to_string()
    }
}
