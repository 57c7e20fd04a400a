//! Samples a listen queue at a steady period, and the counters that tell what it turned away.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::Socket;

use super::counters::Watch;
use super::listen::Diag;
use crate::measure::result::{SamplerResult, TargetInterval};
use crate::sys::clock;
use crate::sys::limits::thread_cpu;
use crate::sys::tcp_info::TcpInfo;
use crate::sys::unix_diag::UnixDiag;
use crate::units::{UnixKind, UnixName};

/// Longest sleep without a look at the wish to stop, in nanoseconds.
const NAP: u64 = 50_000_000;
const COUNTERS: [&str; 7] = [
    "ListenOverflows",
    "ListenDrops",
    "SyncookiesSent",
    "TCPReqQFullDrop",
    "TCPReqQFullDoCookies",
    "SyncookiesRecv",
    "SyncookiesFailed",
];

/// Where the depth of a queue is read.
#[derive(Debug)]
pub enum Queue {
    /// A listener of our own, by TCP_INFO.
    Own(Arc<Socket>),
    /// Anybody's listener in our namespace, by sock_diag.
    Anybodys(Diag, SocketAddr),
    /// A listener of our own of AF_UNIX, by unix_diag where the kernel has it.
    OwnUnix(Option<UnixDiag>, Arc<Socket>),
    /// Anybody's listener of AF_UNIX, by unix_diag.
    AnybodysUnix(UnixDiag, UnixKind, UnixName),
}

impl Queue {
    /// That of a listener of our own, in the calling thread's network namespace.
    pub fn own(listener: Arc<Socket>) -> Self {
        match listener.domain() {
            Ok(socket2::Domain::UNIX) => Self::OwnUnix(UnixDiag::open().ok(), listener),
            _ => Self::Own(listener),
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Own(_) => "tcp_info",
            Self::Anybodys(..) => "sock_diag",
            Self::OwnUnix(..) | Self::AnybodysUnix(..) => "unix_diag",
        }
    }

    /// Depth and limit; `None` where nobody listens.
    fn read(&mut self) -> io::Result<Option<(u32, u32)>> {
        match self {
            Self::Own(listener) => {
                let info = TcpInfo::of(&**listener)?;
                Ok(Some((info.accept_queue(), info.accept_limit())))
            }
            Self::Anybodys(diag, address) => {
                let queue = diag.listeners(*address)?;
                Ok((queue.listeners > 0).then_some((queue.depth, queue.limit)))
            }
            Self::OwnUnix(None, _) => Ok(None),
            Self::OwnUnix(Some(diag), listener) => {
                let queue = diag.listener(&**listener)?;
                Ok(Some((queue.depth, queue.limit)))
            }
            Self::AnybodysUnix(diag, kind, name) => {
                let queue = diag.listeners(*kind, name)?;
                Ok((queue.listeners > 0).then_some((queue.depth, queue.limit)))
            }
        }
    }
}

/// When to sample.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// Start of the cell's schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// From one sample to the next, in nanoseconds.
    pub period: u64,
    /// Length of a timeline interval, in nanoseconds.
    pub interval: u64,
}

/// Samples until `stop`, and gives each interval to `each` when it is over. Belongs into a thread
/// of its own, inside the target's network namespace. What cannot be read stays `None`, and what
/// others measure is theirs to enter.
pub fn run(
    queue: Queue,
    when: Sampling,
    stop: &AtomicBool,
    mut each: impl FnMut(usize, TargetInterval),
) -> SamplerResult {
    clock::tighten_timer_slack();
    let mut sampler = Sampler::new(queue, when);
    let cpu_before = thread_cpu().unwrap_or_default();
    let began = clock::monotonic();
    while let Some(now) = sampler.sleep(stop) {
        sampler.finish_intervals(now, &mut each);
        sampler.sample();
    }
    let now = clock::monotonic().saturating_sub(when.epoch);
    sampler.finish_intervals(now, &mut each);
    let last = sampler.interval_seen();
    each(sampler.index, last);
    let cpu = thread_cpu().unwrap_or_default().saturating_sub(cpu_before);
    let wall = clock::monotonic().saturating_sub(began).max(1);
    sampler.result(cpu, wall)
}

struct Sampler {
    queue: Queue,
    when: Sampling,
    watch: Option<Watch>,
    tick: u64,
    lost: u64,
    /// Samples at which the queue could not be read.
    failed: u64,
    /// The interval in progress.
    index: usize,
    depth_max: Option<u32>,
    depth_sum: u64,
    samples: u64,
    limit: Option<u32>,
    counters: [Option<u64>; COUNTERS.len()],
}

impl Sampler {
    fn new(queue: Queue, when: Sampling) -> Self {
        let mut sampler = Self {
            queue,
            when: Sampling { period: when.period.max(1), ..when },
            watch: Watch::open(&COUNTERS).ok(),
            tick: 0,
            lost: 0,
            failed: 0,
            index: 0,
            depth_max: None,
            depth_sum: 0,
            samples: 0,
            limit: None,
            counters: [None; COUNTERS.len()],
        };
        sampler.counters = sampler.read_counters();
        sampler
    }

    /// Sleeps until the next tick; its instant since the epoch, or `None` to stop.
    fn sleep(&mut self, stop: &AtomicBool) -> Option<u64> {
        let due = self.when.epoch + self.tick * self.when.period;
        loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let now = clock::monotonic();
            if now >= due {
                break;
            }
            clock::sleep_until(due.min(now + NAP));
        }
        let now = clock::monotonic().saturating_sub(self.when.epoch);
        let present = now / self.when.period;
        self.lost += present - self.tick;
        self.tick = present + 1;
        Some(now)
    }

    fn sample(&mut self) {
        match self.queue.read() {
            Ok(Some((depth, limit))) => {
                self.depth_max = self.depth_max.max(Some(depth));
                self.depth_sum += u64::from(depth);
                self.samples += 1;
                self.limit = Some(limit);
            }
            // Nobody listens: that is known, and there is no depth.
            Ok(None) => {}
            Err(_) => self.failed += 1,
        }
    }

    fn finish_intervals(&mut self, now: u64, each: &mut impl FnMut(usize, TargetInterval)) {
        while now >= (self.index as u64 + 1) * self.when.interval {
            let seen = self.interval_seen();
            each(self.index, seen);
            self.index += 1;
        }
    }

    /// What the interval in progress has seen; the next one begins.
    fn interval_seen(&mut self) -> TargetInterval {
        let before = self.counters;
        self.counters = self.read_counters();
        let grown = |at: usize| Some(self.counters[at]?.saturating_sub(before[at]?));
        let seen = TargetInterval {
            accept_queue: self.depth_max,
            accept_queue_mean: self.depth_max.map(|_| self.depth_sum as f64 / self.samples as f64),
            accept_limit: self.limit,
            listen_overflows: grown(0),
            listen_drops: grown(1),
            syncookies_sent: grown(2),
            req_q_full_drop: grown(3),
            req_q_full_do_cookies: grown(4),
            syncookies_recv: grown(5),
            syncookies_failed: grown(6),
            ..TargetInterval::default()
        };
        (self.depth_max, self.depth_sum, self.samples) = (None, 0, 0);
        seen
    }

    fn read_counters(&mut self) -> [Option<u64>; COUNTERS.len()] {
        let read = self.watch.as_mut().and_then(|watch| watch.read().ok());
        read.and_then(|values| values.try_into().ok()).unwrap_or([None; COUNTERS.len()])
    }

    fn result(&self, cpu: Duration, wall: u64) -> SamplerResult {
        let taken = (self.tick - self.lost).max(1);
        SamplerResult {
            method: self.queue.method().to_owned(),
            period_us: self.when.period as f64 / 1e3,
            ticks: self.tick,
            lost: self.lost + self.failed,
            cost_us: cpu.as_secs_f64() * 1e6 / taken as f64,
            cpu_share: cpu.as_secs_f64() / (wall as f64 / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::endpoint::Endpoint;
    use crate::sys::socket::listen;
    use std::net::TcpStream;

    #[test]
    fn a_queue_that_cannot_be_read_is_lost() {
        let no_tcp = Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None);
        let queue = Queue::Own(Arc::new(no_tcp.expect("a socket")));
        let when = Sampling { epoch: clock::monotonic(), period: 1_000_000, interval: 20_000_000 };
        let stop = AtomicBool::new(false);
        let result = run(queue, when, &stop, |_, seen| {
            assert_eq!(seen.accept_queue, None);
            stop.store(true, Ordering::Relaxed);
        });
        assert!(result.ticks > 10, "{result:?}");
        assert_eq!(result.lost, result.ticks);
    }

    #[test]
    fn nobody_listening_is_no_loss() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let queue = Queue::Anybodys(Diag::open().expect("sock_diag"), address);
        let when = Sampling { epoch: 0, period: 1_000_000, interval: 20_000_000 };
        let mut sampler = Sampler::new(queue, when);
        (0..5).for_each(|_| sampler.sample());
        assert_eq!((sampler.lost, sampler.failed), (0, 0));
    }

    #[test]
    fn the_queue_of_a_unix_listener_is_seen_both_ways() {
        for kind in [UnixKind::Stream, UnixKind::Seqpacket] {
            let listener = listen(Endpoint::Unix(kind, UnixName::UNNAMED), 3).expect("a listener");
            let at = Endpoint::of(&listener).expect("an address");
            let Endpoint::Unix(_, name) = at else { panic!("{at}") };
            let waiting: Vec<_> = (0..6)
                .map_while(|_| {
                    let client = at.socket().expect("a socket");
                    client.connect(&at.sock_addr()).is_ok().then_some(client)
                })
                .collect();
            assert_eq!(waiting.len(), 4, "a limit of three holds four");
            let diag = UnixDiag::open().expect("unix_diag");
            let listener = Arc::new(listener);
            let own = Queue::own(Arc::clone(&listener));
            for mut queue in [own, Queue::AnybodysUnix(diag, kind, name)] {
                assert_eq!(queue.method(), "unix_diag");
                assert_eq!(queue.read().expect("a queue"), Some((4, 3)));
            }
        }
    }

    #[test]
    fn a_waiting_connection_is_seen_both_ways() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Arc::new(listen(address, 7).expect("a listener"));
        let at = listener.local_addr().ok().and_then(|a| a.as_socket()).expect("an address");
        let _waiting = TcpStream::connect(at).expect("a connection");
        let diag = Diag::open().expect("sock_diag");
        for queue in [Queue::Own(Arc::clone(&listener)), Queue::Anybodys(diag, at)] {
            let when =
                Sampling { epoch: clock::monotonic(), period: 1_000_000, interval: 20_000_000 };
            let stop = AtomicBool::new(false);
            let mut seen = Vec::new();
            let result = run(queue, when, &stop, |index, interval| {
                seen.push(interval);
                stop.store(index >= 2, Ordering::Relaxed);
            });
            assert!(seen.len() >= 3, "{}", seen.len());
            assert!(seen.iter().any(|s| s.accept_queue == Some(1) && s.accept_limit == Some(7)));
            assert!(result.ticks > 20 && result.lost < result.ticks, "{result:?}");
        }
    }
}
