//! What kind of address it is, by the IANA special-purpose registries (RFC 6890).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Kinds of addresses as far as load is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 127.0.0.0/8 and ::1, but for the broadcast address.
    Loopback,
    /// 0.0.0.0 and ::.
    Unspecified,
    /// 198.18.0.0/15 (RFC 2544) and 2001:2::/48 (RFC 5180).
    Lab,
    /// RFC 1918, 100.64.0.0/10 (RFC 6598) and fc00::/7 (RFC 4193).
    Private,
    /// 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291).
    LinkLocal,
    /// 224.0.0.0/4 and ff00::/8.
    Multicast,
    /// 255.255.255.255, and loopback's 127.255.255.255.
    Broadcast,
    /// 192.0.2.0/24 and its like (RFC 5737), 2001:db8::/32 (RFC 3849), 3fff::/20 (RFC 9637).
    Documentation,
    /// An IPv6 address that stands for an IPv4 address: `::a.b.c.d`, 6to4, NAT64, Teredo.
    Embedded,
    /// Set aside for something else.
    Reserved,
    /// Anything else: somebody's.
    Public,
}

/// IPv4 ranges by class; the first that matches counts.
const V4: &[(Ipv4Addr, u8, Class)] = &[
    (Ipv4Addr::new(127, 255, 255, 255), 32, Class::Broadcast),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Class::Loopback),
    (Ipv4Addr::new(0, 0, 0, 0), 32, Class::Unspecified),
    (Ipv4Addr::new(0, 0, 0, 0), 8, Class::Reserved),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Class::Lab),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Class::Private),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Class::Private),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Class::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Class::Private),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Class::LinkLocal),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Class::Documentation),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Class::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Class::Documentation),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Class::Reserved),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Class::Reserved),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Class::Multicast),
    (Ipv4Addr::new(255, 255, 255, 255), 32, Class::Broadcast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Class::Reserved),
];

/// IPv6 ranges by class; the first that matches counts, and outside 2000::/3 the rest is reserved.
const V6: &[(Ipv6Addr, u8, Class)] = &[
    (Ipv6Addr::LOCALHOST, 128, Class::Loopback),
    (Ipv6Addr::UNSPECIFIED, 128, Class::Unspecified),
    (Ipv6Addr::UNSPECIFIED, 96, Class::Embedded),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, Class::Embedded),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, Class::Embedded),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, Class::Embedded),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Class::Embedded),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Class::Embedded),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Class::Embedded),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, Class::Lab),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Class::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Class::LinkLocal),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Class::Multicast),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Class::Documentation),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Class::Documentation),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Class::Reserved),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Class::Public),
    (Ipv6Addr::UNSPECIFIED, 0, Class::Reserved),
];

impl Class {
    /// The class of an address in canonical form (see [`canonical`]).
    pub fn of(ip: IpAddr) -> Self {
        let found = match ip {
            IpAddr::V4(ip) => V4.iter().find(|(net, n, _)| within4(ip, *net, *n)).map(|r| r.2),
            IpAddr::V6(ip) => V6.iter().find(|(net, n, _)| within6(ip, *net, *n)).map(|r| r.2),
        };
        found.unwrap_or(Self::Public)
    }

    /// The class of all addresses of a range; `None` where they are of several.
    pub(super) fn of_range(net: IpAddr, prefix: u8) -> Option<Self> {
        let (class, covers) = match net {
            IpAddr::V4(ip) => {
                V4.iter().find(|(n, p, _)| within4(ip, *n, *p)).map(|r| (r.2, r.1 <= prefix))
            }
            IpAddr::V6(ip) => {
                V6.iter().find(|(n, p, _)| within6(ip, *n, *p)).map(|r| (r.2, r.1 <= prefix))
            }
        }
        .unwrap_or((Self::Public, true));
        covers.then_some(class)
    }

    /// What the user can do instead.
    pub(super) fn remedy(self, address: SocketAddr) -> String {
        let ip = address.ip();
        match self {
            Self::Private | Self::LinkLocal => {
                let bits = if ip.is_ipv4() { 32 } else { 128 };
                format!("If the host is yours, say so on the command line: --allow {ip}/{bits}")
            }
            Self::Unspecified => "Give the target's own address, such as 127.0.0.1".into(),
            Self::Lab => "It is reached only by a scenario that runs in its own lab".into(),
            Self::Embedded => "Give the IPv4 address itself".into(),
            Self::Public => "No option permits load on public hosts".into(),
            _ => "Give the address of one host that is yours".into(),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::Unspecified => "the unspecified address, which names no host",
            Self::Lab => "a benchmarking address outside of a lab that has it",
            Self::Private => "a private address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Documentation => "a documentation address",
            Self::Embedded => "an IPv6 address that carries an IPv4 address",
            Self::Reserved => "a reserved address",
            Self::Public => "a public address",
        })
    }
}

/// The address as it is really reached: IPv4-mapped IPv6 (`::ffff:a.b.c.d`, RFC 4291) is IPv4.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

pub(super) fn within4(ip: Ipv4Addr, net: Ipv4Addr, prefix: u8) -> bool {
    let shift = 32 - u32::from(prefix.min(32));
    (ip.to_bits() ^ net.to_bits()).checked_shr(shift).unwrap_or(0) == 0
}

pub(super) fn within6(ip: Ipv6Addr, net: Ipv6Addr, prefix: u8) -> bool {
    let shift = 128 - u32::from(prefix.min(128));
    (ip.to_bits() ^ net.to_bits()).checked_shr(shift).unwrap_or(0) == 0
}
