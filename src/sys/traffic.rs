//! Queueing disciplines and counters of a link, over rtnetlink (`include/uapi/linux/pkt_sched.h`,
//! `include/uapi/linux/if_link.h`).

use std::io;

use super::attributes::{Message, find, number};
use super::questions::{Extent, NETLINK_ROUTE, Questions, rubbish};

/// Messages of rtnetlink.
const GET_LINK: u16 = 18;
const NEW_QDISC: u16 = 36;
const GET_QDISC: u16 = 38;
/// The discipline that the link itself asks (`TC_H_ROOT`).
const ROOT: u32 = u32::MAX;
/// Handles of the first discipline, of its one class, and of a second in that.
const FIRST: u32 = 0x1_0000;
const CLASS: u32 = 0x1_0001;
const SECOND: u32 = 0x2_0000;
/// Length of `struct tcmsg` and of `struct ifinfomsg`.
const TC_FIXED: usize = 20;
const LINK_FIXED: usize = 16;

/// A link as the kernel counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkCounts {
    /// Its number.
    pub index: u32,
    /// Its largest packet, without its own header.
    pub mtu: u32,
    /// Packets that it dropped when they arrived: over loopback and veth, the CPU's queue of input
    /// was full (`net.core.netdev_max_backlog`).
    pub receive_dropped: u64,
    /// Packets that it dropped when they were to leave.
    pub send_dropped: u64,
}

/// Lets so many bytes through (`tbf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// Bytes a second, link headers included; above 0.
    pub rate: u64,
    /// Bytes that may go at once.
    pub burst: u32,
    /// Bytes that may wait.
    pub queue: u32,
}

/// Delays, doubles, reorders (`netem`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetEm {
    /// Nanoseconds by which each packet is held.
    pub delay: u64,
    /// Uniformly more or less by so many.
    pub jitter: u64,
    /// Out of 2^32 - 1, those that are doubled.
    pub duplicate: u32,
    /// Out of 2^32 - 1, those that are not held.
    pub reorder: u32,
    /// Packets that may be held.
    pub queue: u32,
}

/// What a discipline has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCounts {
    /// Its kind: `tbf`, `netem`.
    pub kind: String,
    /// Whether the link itself asks it.
    pub root: bool,
    /// Packets that it let out.
    pub sent: u64,
    /// Packets that it dropped; those that its inner discipline dropped are among them.
    pub dropped: u32,
    /// Packets that wait in it and in its inner discipline.
    pub waiting: u32,
}

impl QueueCounts {
    /// Packets that came to it.
    pub fn seen(&self) -> u64 {
        self.sent + u64::from(self.dropped) + u64::from(self.waiting)
    }
}

/// A way to the links of one network namespace. Changes need CAP_NET_ADMIN there.
#[derive(Debug)]
pub struct Traffic(Questions);

impl Traffic {
    /// Opens one for the calling thread's network namespace.
    ///
    /// # Errors
    /// As [`Questions::open`].
    pub fn open() -> io::Result<Self> {
        Questions::open(NETLINK_ROUTE).map(Self)
    }

    /// Reads a link's counters.
    ///
    /// # Errors
    /// `ENODEV` where there is none of this name.
    pub fn link(&mut self, name: &str) -> io::Result<LinkCounts> {
        let mut link = None;
        let question = Message::new(GET_LINK, &[0; LINK_FIXED]).with_text(3, name);
        self.0.ask(question, Extent::One, |entry| {
            link = Some(link_counts(entry)?);
            Ok(())
        })?;
        link.ok_or_else(|| rubbish("it has no link"))
    }

    /// Puts `netem` at the sending side of a link.
    ///
    /// # Errors
    /// The kernel's own, by errno: `ENOENT` where it has none.
    pub fn add_netem(&mut self, link: u32, netem: NetEm) -> io::Result<()> {
        self.0.make([netem.options(discipline(link, ROOT, FIRST, "netem"))], None)
    }

    /// Puts `tbf` at the sending side of a link, behind `netem` where that is there.
    ///
    /// # Errors
    /// As [`Traffic::add_netem`].
    pub fn add_bucket(&mut self, link: u32, bucket: TokenBucket, behind: bool) -> io::Result<()> {
        let (parent, handle) = if behind { (CLASS, SECOND) } else { (ROOT, FIRST) };
        self.0.make([bucket.options(discipline(link, parent, handle, "tbf"))], None)
    }

    /// What the disciplines of a link have done, one by one.
    ///
    /// # Errors
    /// The kernel's own, by errno.
    pub fn queues(&mut self, link: u32) -> io::Result<Vec<QueueCounts>> {
        let mut queues = Vec::new();
        let question = Message::new(GET_QDISC, &[0; TC_FIXED]);
        self.0.ask(question, Extent::All, |entry| {
            if number(entry, 1) == link {
                queues.push(queue_counts(entry)?);
            }
            Ok(())
        })?;
        Ok(queues)
    }
}

/// `struct tcmsg`, and the kind.
fn discipline(link: u32, parent: u32, handle: u32, kind: &str) -> Message {
    let fixed: Vec<u8> =
        [0, link, handle, parent, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
    Message::new(NEW_QDISC, &fixed).with_text(1, kind)
}

impl TokenBucket {
    fn options(self, message: Message) -> Message {
        /// `TC_LINKLAYER_ETHERNET`: the kernel computes, and needs no table of ours.
        const ETHERNET: u8 = 1;
        let mut parameters = vec![0, ETHERNET, 0, 0, 0, 0, 0, 0];
        parameters.extend(u32::try_from(self.rate).unwrap_or(u32::MAX).to_ne_bytes());
        parameters.extend([0; 12]);
        // Bytes that may wait; the burst in ticks, which TCA_TBF_BURST overrides; a peak's MTU.
        parameters.extend([self.queue, 0, 0].into_iter().flat_map(u32::to_ne_bytes));
        message.with_nest(2, &[], |options| {
            options
                .with(1, &parameters)
                .with(4, &self.rate.to_ne_bytes())
                .with(6, &self.burst.to_ne_bytes())
        })
    }
}

impl NetEm {
    fn options(self, message: Message) -> Message {
        // With `gap` 1 each packet may overtake; latency and jitter follow in nanoseconds.
        let gap = u32::from(self.reorder > 0);
        let head: Vec<u8> = [0, self.queue, 0, gap, self.duplicate, 0]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        let reorder: Vec<u8> = [self.reorder, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
        message.with_nest(2, &head, |options| {
            let options =
                options.with(10, &self.delay.to_ne_bytes()).with(11, &self.jitter.to_ne_bytes());
            if self.reorder > 0 { options.with(3, &reorder) } else { options }
        })
    }
}

/// Reads `struct ifinfomsg`, IFLA_MTU and IFLA_STATS64.
fn link_counts(entry: &[u8]) -> io::Result<LinkCounts> {
    let attributes = entry.get(LINK_FIXED..).ok_or_else(|| rubbish("a link is cut"))?;
    let statistics = find(attributes, 23);
    let count = |n: usize| {
        let rest = statistics.get(8 * n..).and_then(|rest| rest.first_chunk());
        rest.map(|&bytes| u64::from_ne_bytes(bytes))
            .ok_or_else(|| rubbish("a link has no counters"))
    };
    Ok(LinkCounts {
        index: number(entry, 1),
        mtu: number(find(attributes, 4), 0),
        receive_dropped: count(6)?,
        send_dropped: count(7)?,
    })
}

/// Reads `struct tcmsg`, TCA_KIND and TCA_STATS2 (`include/uapi/linux/gen_stats.h`).
fn queue_counts(entry: &[u8]) -> io::Result<QueueCounts> {
    let attributes = entry.get(TC_FIXED..).ok_or_else(|| rubbish("a discipline is cut"))?;
    let kind = find(attributes, 1);
    let statistics = find(attributes, 7);
    // Packets follow 64 bits of bytes; where 32 bits do not do, there is a third attribute.
    let queue = find(statistics, 3);
    let packets = find(statistics, 8).first_chunk().map(|&bytes| u64::from_ne_bytes(bytes));
    Ok(QueueCounts {
        kind: String::from_utf8_lossy(kind.strip_suffix(&[0]).unwrap_or(kind)).into_owned(),
        root: number(entry, 3) == ROOT,
        sent: packets.unwrap_or(u64::from(number(find(statistics, 1), 2))),
        dropped: number(queue, 2),
        waiting: number(queue, 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn loopback_has_counters_and_what_is_not_there_is_an_error() {
        let mut traffic = Traffic::open().unwrap();
        let lo = traffic.link("lo").unwrap();
        assert_eq!(lo.index, 1);
        assert!(lo.mtu >= 1500, "{lo:?}");
        let error = traffic.link("no-such-link").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        traffic.queues(lo.index).unwrap();
        // The way is still open after an error.
        assert_eq!(traffic.link("lo").unwrap().index, 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = link_counts(&bytes);
            let _ = queue_counts(&bytes);
        }
    }
}
