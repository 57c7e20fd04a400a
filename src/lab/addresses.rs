//! Which addresses a lab has (pure).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::scenario::plan::{Family, Lab, Link};
use crate::sys::permit::group;

/// The addresses of one lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Source addresses of the clients; at least one.
    pub clients: Vec<IpAddr>,
    /// Source addresses of half-open clients: others, since the kernel treats peers that it knows
    /// better (`tcp_peer_is_proven`, `net/ipv4/tcp_metrics.c`).
    pub strangers: Vec<IpAddr>,
    /// The target's.
    pub target: IpAddr,
    /// A group that the target's sockets may join.
    pub multicast: IpAddr,
    /// What reaches all of the target's sockets at a port; IPv6 has none.
    pub broadcast: Option<IpAddr>,
}

impl Addresses {
    /// Those that a plan wants. Over loopback 127.0.0.1 and ::1, with further sources from
    /// 127.0.0.2 and 2001:2::1:1; over veth from the ranges for benchmarks (RFC 2544, RFC 5180).
    /// Strangers come from 127.18.0.1, 198.18.128.1 and 2001:2::1:8001 on.
    pub fn of(plan: &Lab) -> Self {
        let sources = u32::from(plan.sources.max(1));
        let strangers = match (plan.link, plan.family) {
            (Link::Loopback, Family::Ipv4) => Ipv4Addr::new(127, 18, 0, 1).into(),
            (Link::Veth, Family::Ipv4) => Ipv4Addr::new(198, 18, 128, 1).into(),
            (_, Family::Ipv6) => Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 1, 0x8001).into(),
        };
        let strangers = (0..u32::from(plan.strangers)).map(|n| beyond(strangers, n)).collect();
        let v4 =
            |first: Ipv4Addr| (0..sources).map(move |n| Ipv4Addr::from_bits(first.to_bits() + n));
        let v6 = (1..=sources).map(|n| {
            Ipv6Addr::from_bits(
                Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 1, 0).to_bits() + u128::from(n),
            )
        });
        let (clients, target): (Vec<IpAddr>, IpAddr) = match (plan.link, plan.family) {
            (Link::Loopback, Family::Ipv4) if sources == 1 => {
                (vec![Ipv4Addr::LOCALHOST.into()], Ipv4Addr::LOCALHOST.into())
            }
            (Link::Loopback, Family::Ipv6) if sources == 1 => {
                (vec![Ipv6Addr::LOCALHOST.into()], Ipv6Addr::LOCALHOST.into())
            }
            (Link::Loopback, Family::Ipv4) => (
                v4(Ipv4Addr::new(127, 0, 0, 2)).map(IpAddr::V4).collect(),
                Ipv4Addr::LOCALHOST.into(),
            ),
            (Link::Loopback, Family::Ipv6) => {
                (v6.map(IpAddr::V6).collect(), Ipv6Addr::LOCALHOST.into())
            }
            (Link::Veth, Family::Ipv4) => (
                v4(Ipv4Addr::new(198, 18, 0, 1)).map(IpAddr::V4).collect(),
                Ipv4Addr::new(198, 19, 0, 1).into(),
            ),
            (Link::Veth, Family::Ipv6) => {
                (v6.map(IpAddr::V6).collect(), Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 2, 1).into())
            }
        };
        let multicast = match plan.family {
            Family::Ipv4 => group::MULTICAST_V4,
            Family::Ipv6 => group::MULTICAST_V6,
        };
        let broadcast = match (plan.link, plan.family) {
            (Link::Loopback, Family::Ipv4) => Some(group::BROADCAST_LOOPBACK),
            (Link::Veth, Family::Ipv4) => Some(group::BROADCAST),
            (_, Family::Ipv6) => None,
        };
        Self { clients, strangers, target, multicast, broadcast }
    }

    /// Every address of the clients' side.
    pub fn sources(&self) -> impl Iterator<Item = &IpAddr> {
        self.clients.iter().chain(&self.strangers)
    }
}

/// The address `n` further on.
fn beyond(first: IpAddr, n: u32) -> IpAddr {
    match first {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() + n).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() + u128::from(n)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(link: Link, family: Family, sources: u16) -> Addresses {
        Addresses::of(&Lab {
            link,
            family,
            sources,
            strangers: 4096,
            sysctl: vec![],
            impair: None,
            capture: None,
        })
    }

    #[test]
    fn there_are_as_many_distinct_sources_as_wanted_and_none_is_the_target() {
        for link in [Link::Loopback, Link::Veth] {
            for family in [Family::Ipv4, Family::Ipv6] {
                for sources in [2, 254, 4096] {
                    let got = of(link, family, sources);
                    assert_eq!(got.clients.len(), usize::from(sources));
                    let distinct: std::collections::HashSet<_> = got.sources().collect();
                    assert_eq!(distinct.len(), usize::from(sources) + 4096);
                    assert!(!distinct.contains(&got.target));
                }
            }
        }
    }

    #[test]
    fn the_ranges_are_those_of_the_design() {
        let text = |lab: Addresses| {
            (
                lab.clients.last().map(ToString::to_string).unwrap_or_default(),
                lab.target.to_string(),
            )
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let cases = [
            (Link::Loopback, Family::Ipv4, 1, pair("127.0.0.1", "127.0.0.1")),
            (Link::Loopback, Family::Ipv4, 2, pair("127.0.0.3", "127.0.0.1")),
            (Link::Loopback, Family::Ipv6, 1, pair("::1", "::1")),
            (Link::Loopback, Family::Ipv6, 2, pair("2001:2::1:2", "::1")),
            (Link::Veth, Family::Ipv4, 1, pair("198.18.0.1", "198.19.0.1")),
            (Link::Veth, Family::Ipv4, 4096, pair("198.18.16.0", "198.19.0.1")),
            (Link::Veth, Family::Ipv6, 4096, pair("2001:2::1:1000", "2001:2::2:1")),
        ];
        for (link, family, sources, wanted) in cases {
            assert_eq!(text(of(link, family, sources)), wanted);
        }
    }
}
