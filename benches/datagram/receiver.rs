//! The receiving ends: threads on a CPU of their own.

use std::hint::black_box;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use loadgen::measure::datagram::{Content, Header, Kind};
use loadgen::measure::stream::{Arrival, Periods, StreamLedger};
use loadgen::measure::{empty, record};
use loadgen::sys::clock;
use loadgen::sys::datagram::receive::Inbox;
use loadgen::sys::endpoint::Endpoint;
use loadgen::sys::permit::{PermittedAddr, Policy};
use socket2::Socket;

use super::cost::{Cpus, cpu_time, pin};
use super::{Ran, SIZE, bare};

/// What reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    /// recvmmsg(2), and nothing else.
    Bare,
    /// Headers, ledger and delays of each datagram.
    Ledger,
    /// The same of those that the kernel has not cut (UDP_GRO).
    Bulk,
}

/// Between two looks at a buffer that was empty, in nanoseconds. Being woken would cost the sender's
/// CPU several microseconds for each call, or none when the receiver happens to be awake, and drown
/// what is compared.
const PERIOD: u64 = 50_000;

/// Lets some datagrams come.
pub fn rest() {
    clock::sleep_until(clock::monotonic() + PERIOD);
}

/// Runs a sender on its CPU against a receiver on the other.
pub fn measure(
    kind: Receiver,
    cpus: &Cpus,
    send: impl FnOnce(&PermittedAddr) -> anyhow::Result<u64>,
) -> anyhow::Result<Ran> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
    if kind == Receiver::Bulk {
        let on: libc::c_int = 1;
        // SAFETY: the value is an int that outlives the call, and its size is given.
        let set = unsafe {
            let value = (&raw const on).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, value, 4)
        };
        anyhow::ensure!(set == 0, "UDP_GRO: {}", std::io::Error::last_os_error());
    }
    let address = Policy::default().permit(Endpoint::Udp(socket.local_addr()?))?;
    let (over, cpu) = (AtomicBool::new(false), cpu_time()?);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            pin(cpus.target)?;
            clock::tighten_timer_slack();
            let end = || over.load(Ordering::Relaxed);
            match kind {
                Receiver::Bare => Ok(bare::receive(socket.as_raw_fd(), end)?),
                Receiver::Ledger => keep_ledger(socket.try_clone()?.into(), usize::from(SIZE), end),
                Receiver::Bulk => keep_ledger(socket.try_clone()?.into(), 1 << 16, end),
            }
        });
        let sent = pin(cpus.generator).map_err(anyhow::Error::from).and_then(|()| send(&address));
        over.store(true, Ordering::Relaxed);
        let delivered = reader.join().ok().context("the receiver panicked")??;
        Ok(Ran { sent: sent?, delivered, cpu_s: cpu_time()? - cpu })
    })
}

/// Reads headers, keeps the ledger of the one stream, and records delays by both instants and the
/// variation of one.
fn keep_ledger(socket: Socket, room: usize, end: impl Fn() -> bool) -> anyhow::Result<u64> {
    let mut inbox = Inbox::new(room, false);
    let mut ledger = StreamLedger::new(0);
    let (mut bursts, mut gaps) = (empty(), empty());
    let (mut owd, mut service, mut variation) = (empty(), empty(), empty());
    let (mut delivered, mut last) = (0, 0);
    loop {
        if inbox.receive(&socket, usize::MAX).is_err() {
            if end() {
                break;
            }
            rest();
            continue;
        }
        let now = clock::monotonic();
        for datagram in inbox.arrived().flat_map(|arrived| arrived.datagrams()) {
            let Content::Ours(header) = Header::read(datagram) else { continue };
            if header.kind != Kind::Data {
                continue;
            }
            delivered += 1;
            let mut periods = Periods { bursts: &mut bursts, gaps: &mut gaps };
            if let Arrival::New { .. } = ledger.receive(header.sequence, &mut periods) {
                let delay = now.saturating_sub(header.intended);
                record(&mut owd, delay);
                record(&mut service, now.saturating_sub(header.sent));
                record(&mut variation, delay.abs_diff(last));
                last = delay;
            }
        }
    }
    black_box((ledger, owd, service, variation));
    Ok(delivered)
}
