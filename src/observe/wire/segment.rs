//! From a frame to a TCP segment: Ethernet, IPv4 (RFC 791) or IPv6 (RFC 8200), TCP (RFC 9293). A
//! frame may hold anything, and may have been cut short.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Ethernet's header: two addresses and the type of what follows.
const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
/// Options (RFC 9293, 3.1; RFC 7323, 3.2).
const END: u8 = 0;
const NOTHING: u8 = 1;
const TIMESTAMPS: u8 = 8;

/// Flags of a segment.
pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

/// A TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; of no meaning without [`ACK`].
    pub ack: u32,
    /// Its flags.
    pub flags: u8,
    /// Bytes of payload.
    pub bytes: u32,
    /// TSval and TSecr, where it has them.
    pub timestamps: Option<(u32, u32)>,
}

impl Segment {
    /// Whether it has all of `flags`.
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// The sequence number that follows it: SYN and FIN count like a byte each.
    pub fn end(&self) -> u32 {
        let marks = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        self.seq.wrapping_add(self.bytes).wrapping_add(marks)
    }
}

/// The segment in a frame of `length` bytes, of which the first are known; `None` where it is
/// anything else, a fragment, or cut short within its header.
pub fn segment(frame: &[u8], length: u32) -> Option<Segment> {
    let packet = frame.get(ETHERNET..)?;
    let whole = length.checked_sub(ETHERNET as u32)?;
    let (source, destination, header, total) = match u16_at(frame, 12)? {
        IPV4 => ipv4(packet)?,
        IPV6 => ipv6(packet)?,
        _ => return None,
    };
    // What is to be cut into packets later may be too long for the field (`skb->len`).
    let total = if total == 0 { whole } else { total };
    let tcp = packet.get(header..)?;
    let offset = usize::from(tcp.get(12)? >> 4) * 4;
    let options = tcp.get(20..offset.max(20).min(tcp.len()))?;
    Some(Segment {
        from: SocketAddr::new(source, u16_at(tcp, 0)?),
        to: SocketAddr::new(destination, u16_at(tcp, 2)?),
        seq: u32_at(tcp, 4)?,
        ack: u32_at(tcp, 8)?,
        flags: *tcp.get(13)?,
        bytes: total.saturating_sub((header + offset) as u32),
        timestamps: timestamps(options),
    })
}

/// Addresses, length of the header, length of the whole packet or 0.
type Packet = (IpAddr, IpAddr, usize, u32);

fn ipv4(packet: &[u8]) -> Option<Packet> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let later_fragment = u16_at(packet, 6)? & 0x1fff != 0;
    if header < 20 || later_fragment || *packet.get(9)? != TCP {
        return None;
    }
    let address = |at: usize| {
        let octets: &[u8; 4] = packet.get(at..)?.first_chunk()?;
        Some(IpAddr::V4(Ipv4Addr::from(*octets)))
    };
    Some((address(12)?, address(16)?, header, u32::from(u16_at(packet, 2)?)))
}

fn ipv6(packet: &[u8]) -> Option<Packet> {
    const HEADER: usize = 40;
    if *packet.get(6)? != TCP {
        return None;
    }
    let address = |at: usize| {
        let octets: &[u8; 16] = packet.get(at..)?.first_chunk()?;
        Some(IpAddr::V6(Ipv6Addr::from(*octets)))
    };
    let total = match u32::from(u16_at(packet, 4)?) {
        0 => 0,
        payload => payload + HEADER as u32,
    };
    Some((address(8)?, address(24)?, HEADER, total))
}

fn timestamps(mut options: &[u8]) -> Option<(u32, u32)> {
    loop {
        let length = match *options.first()? {
            END => return None,
            NOTHING => 1,
            TIMESTAMPS => return Some((u32_at(options, 2)?, u32_at(options, 6)?)),
            _ => usize::from(*options.get(1)?).max(2),
        };
        options = options.get(length..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame that carries a segment, with timestamps where it has them.
    pub fn framed(segment: &Segment) -> Vec<u8> {
        let options = if segment.timestamps.is_some() { 12 } else { 0 };
        let tcp = 20 + options + segment.bytes;
        let mut frame = vec![0; 12];
        match (segment.from.ip(), segment.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                frame.extend([0x08, 0x00, 0x45, 0]);
                frame.extend((20 + tcp as u16).to_be_bytes());
                frame.extend([0, 0, 0x40, 0, 64, TCP, 0, 0]);
                frame.extend(from.octets());
                frame.extend(to.octets());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                frame.extend((tcp as u16).to_be_bytes());
                frame.extend([TCP, 64]);
                frame.extend(from.octets());
                frame.extend(to.octets());
            }
            mixed => panic!("{mixed:?}"),
        }
        frame.extend(segment.from.port().to_be_bytes());
        frame.extend(segment.to.port().to_be_bytes());
        frame.extend(segment.seq.to_be_bytes());
        frame.extend(segment.ack.to_be_bytes());
        frame.extend([((20 + options) as u8 / 4) << 4, segment.flags, 0, 0, 0, 0, 0, 0]);
        if let Some((value, echo)) = segment.timestamps {
            frame.extend([NOTHING, NOTHING, TIMESTAMPS, 10]);
            frame.extend(value.to_be_bytes());
            frame.extend(echo.to_be_bytes());
        }
        frame.resize(frame.len() + segment.bytes as usize, b'x');
        frame
    }

    /// What is found in a frame of which all is kept.
    pub fn parsed(frame: &[u8]) -> Option<Segment> {
        segment(frame, frame.len() as u32)
    }

    fn a_segment() -> impl Strategy<Value = Segment> {
        let numbers = (any::<u32>(), any::<u32>(), any::<u8>(), 0u32..1000);
        let ports = (any::<u16>(), any::<u16>());
        let stamps = prop::option::of(any::<(u32, u32)>());
        (any::<bool>(), ports, numbers, stamps).prop_map(|(v6, ports, numbers, timestamps)| {
            let ip = if v6 { "2001:2::1" } else { "198.18.0.1" }.parse().unwrap();
            let (seq, ack, flags, bytes) = numbers;
            Segment {
                from: SocketAddr::new(ip, ports.0),
                to: SocketAddr::new(ip, ports.1),
                seq,
                ack,
                flags,
                bytes,
                timestamps,
            }
        })
    }

    #[test]
    fn what_is_no_tcp_is_nothing() {
        let segment = Segment {
            from: "127.0.0.1:1".parse().unwrap(),
            to: "127.0.0.1:2".parse().unwrap(),
            seq: u32::MAX,
            ack: 0,
            flags: SYN | FIN,
            bytes: 3,
            timestamps: None,
        };
        assert_eq!(segment.end(), 4, "numbers go round");
        let frame = framed(&segment);
        assert_eq!(parsed(&frame), Some(segment));
        // ARP, UDP, a later fragment, a header that is none, a version of IP that does not fit.
        for (at, byte) in [(13, 6), (23, 17), (21, 1), (14, 0x44), (12, 0x86)] {
            let mut other = frame.clone();
            other[at] = byte;
            assert_eq!(parsed(&other), None, "{at}");
        }
    }

    proptest! {
        #[test]
        fn a_segment_survives_its_frame(segment in a_segment(), kept in 66usize..90) {
            let frame = framed(&segment);
            prop_assert_eq!(parsed(&frame), Some(segment));
            // The first bytes say it all, but IPv6 with timestamps needs a few more of them.
            let kept = (kept + 20).min(frame.len());
            prop_assert_eq!(super::segment(&frame[..kept], frame.len() as u32), Some(segment));
        }

        #[test]
        fn no_frame_makes_it_panic(
            segment in a_segment(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..10),
            cut: prop::sample::Index,
            length: u32,
            rubbish in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut frame = framed(&segment);
            for (at, byte) in changes {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            super::segment(&frame[..cut.index(frame.len())], length);
            super::segment(&rubbish, length);
        }
    }
}
