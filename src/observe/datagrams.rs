//! Receive buffers of UDP sockets that anybody has bound, as sock_diag shows them.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;

use super::sampler::Sampling;
use super::ticker::Ticker;
use crate::measure::result::{Cause, DatagramInterval, ReceiverResult, SamplerResult};
use crate::sys::clock;
use crate::sys::netlink::{DatagramSocket, SockDiag};

/// The sockets that datagrams to an address reach. Sees the network namespace in which it was made.
#[derive(Debug)]
pub struct ExternalBuffer {
    kernel: SockDiag,
    at: SocketAddr,
    /// Drops as last told, by the inode of each socket.
    seen: BTreeMap<u32, u32>,
    /// Drops since the first look.
    drops: u64,
    peak: u64,
    limit: Option<u64>,
}

/// What one look has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BufferLook {
    /// Sockets at the address; 0 where nobody is bound.
    pub sockets: u32,
    /// Bytes that are charged to the fullest of them.
    pub charged: u64,
    /// The limit of that one; one more datagram may be begun below it (`__udp_enqueue_schedule_skb`,
    /// `net/ipv4/udp.c`).
    pub limit: u64,
    /// Datagrams that all of them have dropped since the look before.
    pub drops: u64,
}

impl ExternalBuffer {
    /// A first look at the sockets behind `at`, in the calling thread's network namespace: what they
    /// have dropped before it is not counted.
    ///
    /// # Errors
    /// Where the kernel has no `udp_diag`, or descriptors are out.
    pub fn look(at: SocketAddr) -> io::Result<(Self, BufferLook)> {
        let kernel = SockDiag::open()?;
        let mut buffer = Self { kernel, at, seen: BTreeMap::new(), drops: 0, peak: 0, limit: None };
        let mut first = buffer.sample()?;
        (first.drops, buffer.drops) = (0, 0);
        Ok((buffer, first))
    }

    /// Another look. Costs a walk over the table of all UDP sockets of the host.
    ///
    /// # Errors
    /// As [`SockDiag::datagram_sockets`].
    pub fn sample(&mut self) -> io::Result<BufferLook> {
        let Self { kernel, at, seen, .. } = self;
        let (wanted, mut look) = (at.ip().to_canonical(), BufferLook::default());
        // Sockets that are gone are forgotten: a server may have one for each client.
        let mut present = BTreeMap::new();
        kernel.datagram_sockets(at.port(), |socket| {
            if !receives(socket, wanted) {
                return;
            }
            let charged = u64::from(socket.charged);
            if look.sockets == 0 || charged > look.charged {
                (look.charged, look.limit) = (charged, u64::from(socket.limit));
            }
            look.sockets += 1;
            // A socket that was not there before has dropped since; the counter has 32 bits.
            let before = seen.get(&socket.inode).copied().unwrap_or(0);
            present.insert(socket.inode, socket.drops);
            look.drops += u64::from(socket.drops.wrapping_sub(before));
        })?;
        *seen = present;
        self.drops += look.drops;
        self.peak = self.peak.max(look.charged);
        if look.sockets > 0 {
            self.limit = Some(look.limit);
        }
        Ok(look)
    }

    /// What all looks together have seen.
    pub fn result(&self) -> ReceiverResult {
        ReceiverResult {
            address: self.at.to_string(),
            rcvbuf_effective: self.limit,
            drops: Some(self.drops),
            queue_peak: self.peak,
            ..ReceiverResult::default()
        }
    }
}

/// Looks at every tick until `stop`, and gives each interval to `each` when it is over: the bytes
/// that wait, and what was dropped. Belongs into a thread of its own, in the namespace of the sockets.
pub fn run(
    mut buffer: ExternalBuffer,
    when: Sampling,
    stop: &AtomicBool,
    mut each: impl FnMut(usize, DatagramInterval),
) -> (ReceiverResult, SamplerResult) {
    clock::tighten_timer_slack();
    let mut ticker = Ticker::new(when);
    let (mut tally, mut index, mut failed) = (Tally::default(), 0, 0);
    while let Some(now) = ticker.sleep(stop) {
        while ticker.is_over(index, now) {
            each(index, tally.finish());
            index += 1;
        }
        match buffer.sample() {
            Ok(look) => tally.enter(look),
            Err(_) => failed += 1,
        }
    }
    // What was dropped last is told without a tick.
    match buffer.sample() {
        Ok(look) => tally.enter(look),
        Err(_) => failed += 1,
    }
    each(index, tally.finish());
    (buffer.result(), ticker.result("sock_diag", failed))
}

/// The looks of one interval.
#[derive(Debug, Default)]
struct Tally {
    peak: Option<u64>,
    sum: u64,
    looks: u64,
    /// As it was last seen; kept over an interval without a look.
    limit: Option<u64>,
    drops: u64,
}

impl Tally {
    fn enter(&mut self, look: BufferLook) {
        self.drops += look.drops;
        self.limit = (look.sockets > 0).then_some(look.limit);
        if look.sockets > 0 {
            self.peak = self.peak.max(Some(look.charged));
            self.sum += look.charged;
            self.looks += 1;
        }
    }

    /// What the interval has seen; the next one begins.
    fn finish(&mut self) -> DatagramInterval {
        let Self { peak, sum, looks, limit, drops } =
            std::mem::replace(self, Self { limit: self.limit, ..Self::default() });
        let mut interval = DatagramInterval {
            queue_bytes: peak,
            queue_mean: peak.map(|_| sum as f64 / looks as f64),
            queue_limit: limit,
            ..DatagramInterval::default()
        };
        if drops > 0 {
            interval.lost.insert(Cause::ReceiveBuffer, drops);
        }
        interval
    }
}

/// Whether datagrams to `wanted` may reach this socket, which may be connected to somebody.
fn receives(socket: &DatagramSocket, wanted: IpAddr) -> bool {
    match (socket.local, wanted) {
        (_, any) if any.is_unspecified() => true,
        (IpAddr::V6(local), IpAddr::V4(_)) => local.is_unspecified() && !socket.v6_only,
        (IpAddr::V4(local), IpAddr::V4(_)) if local.is_unspecified() => true,
        (IpAddr::V6(local), IpAddr::V6(_)) if local.is_unspecified() => true,
        (local, wanted) => local == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::sync::atomic::Ordering;

    fn bound(at: &str) -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind(at).expect("a socket");
        let at = socket.local_addr().expect("its address");
        (socket, at)
    }

    fn fill(at: SocketAddr, datagrams: u32) {
        let own = if at.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let (sender, _) = bound(own);
        for _ in 0..datagrams {
            sender.send_to(&[0; 1000], at).expect("sent");
        }
    }

    #[test]
    fn what_waits_and_what_is_dropped_is_told_exactly() {
        for own in ["127.0.0.1:0", "[::1]:0"] {
            let (receiver, at) = bound(own);
            fill(at, 3);
            let (mut buffer, first) = ExternalBuffer::look(at).expect("udp_diag");
            assert_eq!((first.sockets, first.drops), (1, 0));
            assert!(first.charged >= 3000 && first.limit > first.charged, "{first:?}");
            fill(at, 5000);
            let full = buffer.sample().expect("a look");
            let mut read = 0;
            receiver.set_nonblocking(true).expect("set");
            while receiver.recv(&mut [0; 1000]).is_ok() {
                read += 1;
            }
            assert_eq!(full.drops, 5003 - read);
            assert!(full.drops > 0 && full.charged <= full.limit + 65_536, "{full:?}");
            let empty = buffer.sample().expect("a look");
            assert_eq!((empty.drops, empty.limit), (0, first.limit));
            // Connected ones count as well; those that are gone keep what they had dropped.
            let (other, _) = bound(own);
            receiver.connect(other.local_addr().expect("an address")).expect("connected");
            assert_eq!(buffer.sample().expect("a look").sockets, 1);
            drop(receiver);
            assert_eq!(buffer.sample().expect("a look"), BufferLook::default());
            let result = buffer.result();
            assert_eq!(result.drops, Some(full.drops));
            assert_eq!(result.queue_peak, full.charged);
            assert_eq!(result.rcvbuf_effective, Some(first.limit));
        }
    }

    #[test]
    fn drops_before_the_first_look_are_not_counted_and_a_wildcard_receives() {
        let (_receiver, at) = bound("[::]:0");
        fill(SocketAddr::from(([127, 0, 0, 1], at.port())), 5000);
        let v4 = SocketAddr::from(([127, 0, 0, 1], at.port()));
        let (mut buffer, first) = ExternalBuffer::look(v4).expect("udp_diag");
        assert_eq!((first.sockets, first.drops), (1, 0));
        assert_eq!(buffer.sample().expect("a look").drops, 0);
        assert_eq!(buffer.result().drops, Some(0));
    }

    #[test]
    fn every_drop_is_in_an_interval() {
        let (_receiver, at) = bound("127.0.0.1:0");
        let (buffer, _) = ExternalBuffer::look(at).expect("udp_diag");
        let when = Sampling { epoch: clock::monotonic(), period: 1_000_000, interval: 20_000_000 };
        let (stop, mut dropped, mut peak) = (AtomicBool::new(false), 0, None);
        let (result, sampler) = run(buffer, when, &stop, |index, interval| {
            dropped += interval.lost.get(&Cause::ReceiveBuffer).copied().unwrap_or(0);
            peak = peak.max(interval.queue_bytes);
            if index < 3 {
                fill(at, 2000);
            } else {
                stop.store(true, Ordering::Relaxed);
            }
        });
        assert!(dropped > 0);
        assert_eq!((result.drops, peak), (Some(dropped), Some(result.queue_peak)));
        assert_eq!(sampler.method, "sock_diag");
    }
}
