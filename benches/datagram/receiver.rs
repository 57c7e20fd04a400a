//! The receiving ends: threads on a CPU of their own.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use loadgen::observe::sampler::Sampling;
use loadgen::scenario::plan::Receive;
use loadgen::sys::clock;
use loadgen::sys::endpoint::Endpoint;
use loadgen::sys::permit::{PermittedAddr, Policy};
use loadgen::target::receiver::{self, Receivers, Reception};
use loadgen::units::{Bytes, Span};

use super::cost::{Cpus, cpu_time, pin};
use super::{Ran, bare};

/// What reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    /// epoll and recvmmsg(2), and nothing else.
    Bare,
    /// Our target: headers, ledger and delays of each datagram, and its sampler.
    Target,
    /// The same of those that the kernel has not cut (UDP_GRO).
    Bulk,
}

/// SO_RCVBUF of every receiver.
const BUFFER: u64 = 4 << 20;

/// Runs a sender on its CPU against a receiver on the other.
pub fn measure(
    kind: Receiver,
    cpus: &Cpus,
    send: impl FnOnce(&PermittedAddr) -> anyhow::Result<u64>,
) -> anyhow::Result<Ran> {
    // Threads inherit the CPU of the one that makes them.
    pin(cpus.target)?;
    match kind {
        Receiver::Bare => against_bare(cpus, send),
        Receiver::Target => against_target(cpus, false, send),
        Receiver::Bulk => against_target(cpus, true, send),
    }
}

fn against_bare(
    cpus: &Cpus,
    send: impl FnOnce(&PermittedAddr) -> anyhow::Result<u64>,
) -> anyhow::Result<Ran> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER as usize)?;
    let address = Policy::default().permit(Endpoint::Udp(socket.local_addr()?))?;
    let (over, cpu) = (AtomicBool::new(false), cpu_time()?);
    std::thread::scope(|scope| {
        let reader =
            scope.spawn(|| bare::receive(socket.as_raw_fd(), || over.load(Ordering::Relaxed)));
        let sent = pin(cpus.generator).map_err(anyhow::Error::from).and_then(|()| send(&address));
        over.store(true, Ordering::Relaxed);
        let delivered = reader.join().ok().context("the receiver panicked")??;
        Ok(Ran { sent: sent?, delivered, cpu_s: cpu_time()? - cpu })
    })
}

fn against_target(
    cpus: &Cpus,
    gro: bool,
    send: impl FnOnce(&PermittedAddr) -> anyhow::Result<u64>,
) -> anyhow::Result<Ran> {
    let receive = Receive { rcvbuf: Some(Bytes(BUFFER)), gro, ..Receive::default() };
    let any = Endpoint::Udp(([127, 0, 0, 1], 0).into());
    let receivers = Receivers::bind(any, &receive, None)?;
    let address = *receivers.addresses().first().context("a receiver")?;
    let address = Policy::default().permit(address)?;
    let (over, cpu) = (AtomicBool::new(false), cpu_time()?);
    let epoch = clock::monotonic();
    let mut readers = receivers.start(Reception { epoch, run: None, one_clock: true })?;
    let (places, shared) = (readers.places().to_vec(), readers.shared());
    let period = Span::from_millis(5).nanos();
    let when = Sampling { epoch, period, interval: Span::from_millis(100).nanos() };
    std::thread::scope(|scope| {
        scope.spawn(|| receiver::sample(&places, &shared, when, &over, |_| {}));
        let sent = pin(cpus.generator).map_err(anyhow::Error::from).and_then(|()| send(&address));
        over.store(true, Ordering::Relaxed);
        let totals = readers.halt()?;
        let delivered = totals.streams.iter().map(|(_, stream)| stream.received).sum();
        Ok(Ran { sent: sent?, delivered, cpu_s: cpu_time()? - cpu })
    })
}
