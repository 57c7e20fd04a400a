//! Loss by nf_tables where packets arrive; rate by `tbf` and delay by `netem` where they leave.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::lab::links::NAME;
use crate::lab::{Lab, LabError, Towards, link_error};
use crate::measure::datagram::{Kind, MAGIC};
use crate::measure::result::{Cause, ImpairmentResult};
use crate::scenario::plan::{Delay, Impair, Loss};
use crate::sys::error_name;
use crate::sys::namespace::Namespace;
use crate::sys::nft::{Choice, Drops, Nft, Packets};
use crate::sys::traffic::{NetEm, QueueCounts, TokenBucket, Traffic};
use crate::units::{Bytes, Ratio};

/// What may wait for a rate where the plan does not say.
const QUEUE: Bytes = Bytes(64 * 1024);
/// Packets that `netem` holds at most: a second of 100,000/s. The kernel's own default is 1000.
const HELD: u32 = 100_000;
/// The kernel's smallest tick rate at which a burst still lasts for a tick, as `tc-tbf(8)` advises.
const TICKS: u64 = 250;
/// Ethernet's header: the disciplines count it.
const ETHERNET: u64 = 14;
/// The interface over which both sides meet in one namespace.
const LOOPBACK: &str = "lo";

const NO_NFT: &str = "Where this kernel has no nf_tables with numgen, load the modules nf_tables and \
                      nft_numgen, or leave `loss` out; rate works without them";
const NO_TBF: &str = "Where this kernel has no tbf, load the module sch_tbf, or leave `rate` out; loss works without it";
const NO_NETEM: &str = "Where this kernel has no netem, load the module sch_netem, or leave `delay`, \
                        `duplicate` and `reorder` out; loss and rate work without it";

/// Impairments of one lab that are in force, and its link. Can be read from any thread.
#[derive(Debug)]
pub struct Impairments {
    plan: Impair,
    kernel: Mutex<Kernel>,
}

/// Ways to the kernel, opened in the namespaces that they look at.
#[derive(Debug)]
struct Kernel {
    /// Where datagrams arrive; `None` where none is dropped on purpose.
    loss: Option<Nft>,
    /// Where they leave.
    sender: End,
    /// Where they arrive; `None` where that is the same link.
    target: Option<End>,
}

/// One end of the link.
#[derive(Debug)]
struct End {
    traffic: Traffic,
    name: &'static str,
    index: u32,
    mtu: u32,
    /// Packets that had been dropped before.
    before: u64,
}

impl Impairments {
    /// Puts `plan` into force in `lab`. Loss concerns what goes to the ports, and no replies: segments
    /// of TCP, or the datagrams of a run's streams without their closing markers.
    pub(in crate::lab) fn start(lab: &Lab, plan: &Impair, to: Towards) -> Result<Self, LabError> {
        let name = if lab.separate() { NAME } else { LOOPBACK };
        let mut sender = End::open(lab.client(), name)?;
        let target = lab.separate().then(|| End::open(lab.target(), name)).transpose()?;
        sender.shape(plan, lab.separate())?;
        let loss = plan.loss.map(|loss| lose(lab.target(), loss, to)).transpose()?;
        Ok(Self { plan: *plan, kernel: Mutex::new(Kernel { loss, sender, target }) })
    }

    /// What each has done so far, and last the link itself ([`Cause::Link`]: full input queues of a
    /// CPU among it). Packets are counted, so that one that carries many datagrams (bulk), or one
    /// that many receivers were to get, counts once.
    ///
    /// # Errors
    /// The kernel's own, by errno.
    pub fn read(&self) -> io::Result<Vec<ImpairmentResult>> {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let mut results = Vec::new();
        let mut add = |what: String, cause, dropped, seen| {
            results.push(ImpairmentResult { what, cause, dropped, seen });
        };
        if let (Some(nft), Some(loss)) = (&mut kernel.loss, self.plan.loss) {
            let counts = nft.counts()?;
            add(loss_text(loss), Cause::LabLoss, counts.dropped, Some(counts.seen));
        }
        let queues = kernel.sender.queues()?;
        let of = |kind| queues.iter().find(|queue: &&QueueCounts| queue.kind == kind);
        let dropped = |queue: &QueueCounts| u64::from(queue.dropped);
        // What `tbf` drops, `netem` in front of it counts once more.
        let behind = of("tbf").map_or(0, dropped);
        if let Some(queue) = of("netem") {
            let own = dropped(queue).saturating_sub(behind);
            add(delay_text(&self.plan), Cause::LabDelay, own, Some(queue.seen()));
        }
        if let Some(queue) = of("tbf") {
            add(rate_text(&self.plan), Cause::LabRate, behind, Some(queue.seen()));
        }
        let mut dropped = kernel.sender.dropped()?;
        if let Some(target) = &mut kernel.target {
            dropped += target.dropped()?;
        }
        add("link".into(), Cause::Link, dropped, None);
        Ok(results)
    }

    /// SYNs among what the loss has dropped; `None` where it drops something else, or nothing.
    ///
    /// # Errors
    /// The kernel's own, by errno.
    pub fn lost_syns(&self) -> io::Result<Option<u64>> {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kernel.loss.as_mut().map(Nft::counts).transpose()?.and_then(|counts| counts.syns))
    }

    /// Packets that still wait in the lab's queues, whatever they carry.
    ///
    /// # Errors
    /// The kernel's own, by errno.
    pub fn queued(&self) -> io::Result<u64> {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let queues = kernel.sender.queues()?;
        Ok(queues.iter().filter(|queue| queue.root).map(|queue| u64::from(queue.waiting)).sum())
    }
}

impl End {
    fn open(place: &Namespace, name: &'static str) -> Result<Self, LabError> {
        let open = || {
            let mut traffic = Traffic::open()?;
            let link = traffic.link(name)?;
            let before = link.receive_dropped + link.send_dropped;
            Ok(Self { traffic, name, index: link.index, mtu: link.mtu, before })
        };
        place.run(open).flatten().map_err(|error| link_error("reading the link's counters", &error))
    }

    fn dropped(&mut self) -> io::Result<u64> {
        let link = self.traffic.link(self.name)?;
        Ok((link.receive_dropped + link.send_dropped).saturating_sub(self.before))
    }

    fn queues(&mut self) -> io::Result<Vec<QueueCounts>> {
        self.traffic.queues(self.index)
    }

    /// Puts the disciplines that a plan wants where packets leave.
    fn shape(&mut self, plan: &Impair, separate: bool) -> Result<(), LabError> {
        let netem = plan.needs_netem().then(|| netem(plan));
        let bucket = plan.rate.map(|bits| bucket(bits, plan.queue.unwrap_or(QUEUE), self.mtu));
        if !separate && (netem.is_some() || bucket.is_some()) {
            let reason = "over loopback they would wait on their way back as well";
            return Err(failed("hold datagrams", reason, "Use link = \"veth\""));
        }
        if let Some(netem) = netem {
            let added = self.traffic.add_netem(self.index, netem);
            added.map_err(|error| {
                failed("delay, double or reorder datagrams", &error_name(&error), NO_NETEM)
            })?;
        }
        if let Some(bucket) = bucket {
            let added = self.traffic.add_bucket(self.index, bucket, netem.is_some());
            added.map_err(|error| failed("limit a rate", &error_name(&error), NO_TBF))?;
        }
        Ok(())
    }
}

fn netem(plan: &Impair) -> NetEm {
    NetEm {
        delay: plan.delay.map_or(0, |delay| delay.mean.nanos()),
        jitter: plan.delay.map_or(0, |delay| delay.jitter.nanos()),
        duplicate: plan.duplicate.map_or(0, of_all),
        reorder: plan.reorder.map_or(0, of_all),
        queue: HELD,
    }
}

/// The burst lasts for a tick, and holds two packets of the link.
fn bucket(bits: u64, queue: Bytes, mtu: u32) -> TokenBucket {
    let rate = (bits / 8).max(1);
    let packets = 2 * (u64::from(mtu) + ETHERNET);
    TokenBucket {
        rate,
        burst: u32::try_from(packets.max(rate / TICKS)).unwrap_or(u32::MAX),
        queue: u32::try_from(queue.0).unwrap_or(u32::MAX),
    }
}

fn lose(place: &Namespace, loss: Loss, to: Towards) -> Result<Nft, LabError> {
    let choice = match loss {
        Loss::Random(ratio) => Choice::Random(of_all(ratio)),
        Loss::Every(nth) => Choice::Every(nth),
    };
    let [a, b, c] = MAGIC;
    let (ports, kind) = match to {
        Towards::Udp(ports) => (ports, Packets::Udp([a, b, c, Kind::Data.byte()])),
        Towards::Tcp(ports) => (ports, Packets::Tcp),
    };
    let drops = Drops { ports, kind, choice };
    let added = place.run(|| Nft::open().and_then(|mut nft| nft.add(&drops).map(|()| nft)));
    added.flatten().map_err(|error| failed("lose packets", &error_name(&error), NO_NFT))
}

/// A share as a number out of 2^32 - 1.
fn of_all(ratio: Ratio) -> u32 {
    (ratio.get() * f64::from(u32::MAX)).round() as u32
}

fn failed(what: &'static str, reason: &str, remedy: &'static str) -> LabError {
    LabError::Impairment { what, reason: reason.to_owned(), remedy }
}

fn loss_text(loss: Loss) -> String {
    match loss {
        Loss::Random(ratio) => format!("loss {ratio}"),
        Loss::Every(nth) => format!("one of {nth} lost"),
    }
}

fn delay_text(plan: &Impair) -> String {
    let mut parts = Vec::new();
    if let Some(Delay { mean, jitter }) = plan.delay {
        let jitter = if jitter.is_zero() { String::new() } else { format!(" +- {jitter}") };
        parts.push(format!("delay {mean}{jitter}"));
    }
    parts.extend(plan.duplicate.map(|ratio| format!("duplicate {ratio}")));
    parts.extend(plan.reorder.map(|ratio| format!("reorder {ratio}")));
    parts.join(", ")
}

fn rate_text(plan: &Impair) -> String {
    let bits = plan.rate.unwrap_or_default();
    format!("rate {bits} bit/s, {} may wait", plan.queue.unwrap_or(QUEUE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_all_packets() {
        let of = |text: &str| of_all(text.parse().unwrap());
        assert_eq!(of("100%"), u32::MAX);
        assert_eq!(of("50%"), 1 << 31);
        assert_eq!(of("3%"), 128_849_019);
    }

    #[test]
    fn a_burst_is_two_packets_or_a_tick() {
        let of = |bits| bucket(bits, QUEUE, 1500);
        assert_eq!(of(1_000_000), TokenBucket { rate: 125_000, burst: 3028, queue: 65_536 });
        assert_eq!(of(1_000_000_000).burst, 500_000);
        assert_eq!(of(1), TokenBucket { rate: 1, ..of(8) });
        assert_eq!(of(u64::MAX).burst, u32::MAX);
    }

    #[test]
    fn impairments_are_named() {
        assert_eq!(loss_text(Loss::Random("3%".parse().unwrap())), "loss 3%");
        assert_eq!(loss_text(Loss::Every(10)), "one of 10 lost");
        let delay = Delay { mean: "10ms".parse().unwrap(), jitter: "2ms".parse().unwrap() };
        let plan = Impair {
            delay: Some(delay),
            duplicate: Some("1%".parse().unwrap()),
            rate: Some(1000),
            ..Impair::default()
        };
        assert_eq!(delay_text(&plan), "delay 10ms +- 2ms, duplicate 1%");
        assert_eq!(rate_text(&plan), "rate 1000 bit/s, 64KiB may wait");
    }
}
