//! Samples a listen queue at a steady period, and the counters that tell what it turned away.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use socket2::Socket;

use super::counters::Watch;
use super::listen::Diag;
pub use super::ticker::Sampling;
use super::ticker::Ticker;
use crate::measure::result::{QueueInterval, SamplerResult, TargetInterval};
use crate::sys::clock;
use crate::sys::tcp_info::TcpInfo;
use crate::sys::unix_diag::UnixDiag;
use crate::units::{UnixKind, UnixName};

const COUNTERS: [&str; 7] = [
    "ListenOverflows",
    "ListenDrops",
    "SyncookiesSent",
    "TCPReqQFullDrop",
    "TCPReqQFullDoCookies",
    "SyncookiesRecv",
    "SyncookiesFailed",
];

/// Where the depths of queues are read.
#[derive(Debug)]
pub enum Queue {
    /// Listeners of our own, by TCP_INFO.
    Own(Arc<dyn Listeners>),
    /// Anybody's listeners in our namespace, by sock_diag.
    Anybodys(Diag, SocketAddr),
    /// A listener of our own of AF_UNIX, by unix_diag where the kernel has it.
    OwnUnix(Option<UnixDiag>, Arc<dyn Listeners>),
    /// Anybody's listener of AF_UNIX, by unix_diag.
    AnybodysUnix(UnixDiag, UnixKind, UnixName),
}

/// Listeners of our own, each in its place. A place may be empty: nobody listens at the moment.
pub trait Listeners: std::fmt::Debug + Send + Sync {
    /// Shows each place to `look`.
    fn each(&self, look: &mut dyn FnMut(Option<&Socket>));

    /// Whether they are of AF_UNIX.
    fn are_unix(&self) -> bool;
}

impl Listeners for Socket {
    fn each(&self, look: &mut dyn FnMut(Option<&Socket>)) {
        look(Some(self));
    }

    fn are_unix(&self) -> bool {
        self.local_addr().is_ok_and(|own| own.is_unix())
    }
}

impl Queue {
    /// Those of listeners of our own, in the calling thread's network namespace.
    pub fn own(listeners: Arc<dyn Listeners>) -> Self {
        match listeners.are_unix() {
            true => Self::OwnUnix(UnixDiag::open().ok(), listeners),
            false => Self::Own(listeners),
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Own(_) => "tcp_info",
            Self::Anybodys(..) => "sock_diag",
            Self::OwnUnix(..) | Self::AnybodysUnix(..) => "unix_diag",
        }
    }

    /// Depth and limit of each listener's queue into `looks`.
    fn read(&mut self, looks: &mut Vec<io::Result<Option<(u32, u32)>>>) {
        looks.clear();
        match self {
            Self::Own(listeners) => listeners.each(&mut |listener| {
                let info = listener.map(TcpInfo::of).transpose();
                looks.push(info.map(|i| i.map(|i| (i.accept_queue(), i.accept_limit()))));
            }),
            Self::Anybodys(diag, address) => match diag.each_listener(*address) {
                Ok(queues) => {
                    looks.extend(queues.iter().map(|queue| Ok(Some((queue.depth, queue.limit)))));
                }
                Err(error) => looks.push(Err(error)),
            },
            Self::OwnUnix(None, _) => {}
            Self::OwnUnix(Some(diag), listeners) => listeners.each(&mut |listener| {
                let queue = listener.map(|listener| diag.listener(listener)).transpose();
                looks.push(queue.map(|queue| queue.map(|queue| (queue.depth, queue.limit))));
            }),
            Self::AnybodysUnix(diag, kind, name) => looks.push(
                diag.listeners(*kind, name)
                    .map(|queue| (queue.listeners > 0).then_some((queue.depth, queue.limit))),
            ),
        }
    }
}

/// Where the first interval of a sampler lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// At the epoch.
    Epoch,
    /// Now: there was no listener when the schedule began.
    Present,
}

/// Samples until `stop`, and gives each interval to `each` when it is over. Belongs into a thread
/// of its own, inside the target's network namespace. What cannot be read stays `None`, and what
/// others measure is theirs to enter.
pub fn run(
    queue: Queue,
    (when, first): (Sampling, First),
    stop: &AtomicBool,
    each: impl FnMut(usize, TargetInterval, Vec<QueueInterval>),
) -> SamplerResult {
    clock::tighten_timer_slack();
    let (ticker, index) = match first {
        First::Epoch => (Ticker::new(when), 0),
        First::Present => {
            let ticker = Ticker::from_now(when);
            let index = ticker.now() / when.interval.max(1);
            (ticker, usize::try_from(index).unwrap_or(usize::MAX))
        }
    };
    Sampler::new(queue, ticker, index).run(stop, each)
}

struct Sampler {
    queue: Queue,
    ticker: Ticker,
    watch: Option<Watch>,
    /// Samples at which the queue could not be read.
    failed: u64,
    /// The interval in progress.
    index: usize,
    /// All queues together.
    whole: Depths,
    /// Samples at which a queue was above its limit.
    full: u64,
    /// Each listener's queue.
    each: Vec<Depths>,
    looks: Vec<io::Result<Option<(u32, u32)>>>,
    counters: [Option<u64>; COUNTERS.len()],
}

impl Sampler {
    /// Samples until `stop`.
    fn run(
        mut self,
        stop: &AtomicBool,
        mut each: impl FnMut(usize, TargetInterval, Vec<QueueInterval>),
    ) -> SamplerResult {
        while let Some(now) = self.ticker.sleep(stop) {
            self.finish_intervals(now, &mut each);
            self.sample();
        }
        self.finish_intervals(self.ticker.now(), &mut each);
        let (last, queues) = self.interval_seen();
        each(self.index, last, queues);
        self.ticker.result(self.queue.method(), self.failed)
    }

    /// `index` is the number of the first interval.
    fn new(queue: Queue, ticker: Ticker, index: usize) -> Self {
        let mut sampler = Self {
            queue,
            ticker,
            watch: Watch::open(&COUNTERS).ok(),
            failed: 0,
            index,
            whole: Depths::default(),
            full: 0,
            each: Vec::new(),
            looks: Vec::new(),
            counters: [None; COUNTERS.len()],
        };
        sampler.counters = sampler.read_counters();
        sampler
    }

    fn sample(&mut self) {
        self.queue.read(&mut self.looks);
        if self.looks.iter().any(Result::is_err) {
            self.failed += 1;
        } else {
            let seen = self.looks.iter().flatten().flatten();
            let sum = |(depth, limit): (u32, u32), more: &(u32, u32)| {
                (depth.saturating_add(more.0), limit.saturating_add(more.1))
            };
            let above = |look: &(u32, u32)| look.0 > look.1;
            self.full += u64::from(seen.clone().any(above));
            // Nobody listens: that is known, and there is no depth.
            self.whole.enter(seen.copied().reduce(|all, more| sum(all, &more)));
            self.each.resize_with(self.each.len().max(self.looks.len()), Depths::default);
            for (depths, look) in self.each.iter_mut().zip(&self.looks) {
                depths.enter(look.as_ref().ok().copied().flatten());
            }
        }
    }

    fn finish_intervals(
        &mut self,
        now: u64,
        each: &mut impl FnMut(usize, TargetInterval, Vec<QueueInterval>),
    ) {
        while self.ticker.is_over(self.index, now) {
            let (seen, queues) = self.interval_seen();
            each(self.index, seen, queues);
            self.index += 1;
        }
    }

    /// What the interval in progress has seen; the next one begins.
    fn interval_seen(&mut self) -> (TargetInterval, Vec<QueueInterval>) {
        let before = self.counters;
        self.counters = self.read_counters();
        let grown = |at: usize| Some(self.counters[at]?.saturating_sub(before[at]?));
        let samples = self.whole.samples;
        let full = std::mem::take(&mut self.full) as f64 / samples.max(1) as f64;
        let full = (samples > 0).then_some(full);
        let whole = self.whole.finish();
        let seen = TargetInterval {
            accept_queue: whole.accept_queue,
            accept_queue_mean: whole.accept_queue_mean,
            accept_limit: whole.accept_limit,
            accept_queue_full: full,
            listen_overflows: grown(0),
            listen_drops: grown(1),
            syncookies_sent: grown(2),
            req_q_full_drop: grown(3),
            req_q_full_do_cookies: grown(4),
            syncookies_recv: grown(5),
            syncookies_failed: grown(6),
            ..TargetInterval::default()
        };
        (seen, self.each.iter_mut().map(Depths::finish).collect())
    }

    fn read_counters(&mut self) -> [Option<u64>; COUNTERS.len()] {
        let read = self.watch.as_mut().and_then(|watch| watch.read().ok());
        read.and_then(|values| values.try_into().ok()).unwrap_or([None; COUNTERS.len()])
    }
}

/// The samples of one queue in one interval.
#[derive(Debug, Default)]
struct Depths {
    longest: Option<u32>,
    sum: u64,
    samples: u64,
    /// As it was last seen; kept over an interval without a sample.
    limit: Option<u32>,
}

impl Depths {
    fn enter(&mut self, look: Option<(u32, u32)>) {
        self.limit = look.map(|(_, limit)| limit);
        if let Some((depth, _)) = look {
            self.longest = self.longest.max(Some(depth));
            self.sum += u64::from(depth);
            self.samples += 1;
        }
    }

    /// What the interval has seen; the next one begins.
    fn finish(&mut self) -> QueueInterval {
        let seen = QueueInterval {
            accept_queue: self.longest,
            accept_queue_mean: self.longest.map(|_| self.sum as f64 / self.samples as f64),
            accept_limit: self.limit,
            accepted: None,
        };
        (self.longest, self.sum, self.samples) = (None, 0, 0);
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::endpoint::Endpoint;
    use crate::sys::socket::listen;
    use std::net::TcpStream;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_queue_that_cannot_be_read_is_lost() {
        let no_tcp = Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None);
        let queue = Queue::Own(Arc::new(no_tcp.expect("a socket")));
        let when = Sampling { epoch: clock::monotonic(), period: 1_000_000, interval: 20_000_000 };
        let stop = AtomicBool::new(false);
        let result = run(queue, (when, First::Epoch), &stop, |_, seen, _| {
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
        let mut sampler = Sampler::new(queue, Ticker::new(when), 0);
        (0..5).for_each(|_| sampler.sample());
        assert_eq!(sampler.failed, 0);
    }

    #[test]
    fn what_begins_late_has_lost_nothing_before() {
        let listener = Arc::new(listen(SocketAddr::from(([127, 0, 0, 1], 0)), 7).expect("one"));
        let epoch = clock::monotonic().saturating_sub(1_000_000_000);
        let when = Sampling { epoch, period: 1_000_000, interval: 20_000_000 };
        let stop = AtomicBool::new(false);
        let mut indices = Vec::new();
        let result = run(Queue::Own(listener), (when, First::Present), &stop, |index, _, _| {
            indices.push(index);
            stop.store(indices.len() > 1, Ordering::Relaxed);
        });
        assert!(indices[0] >= 50, "{indices:?}");
        assert!((1..500).contains(&result.ticks) && result.lost < result.ticks, "{result:?}");
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
            let own = Queue::own(Arc::clone(&listener) as _);
            for mut queue in [own, Queue::AnybodysUnix(diag, kind, name)] {
                assert_eq!(queue.method(), "unix_diag");
                let mut looks = Vec::new();
                queue.read(&mut looks);
                assert!(matches!(looks[..], [Ok(Some((4, 3)))]), "{looks:?}");
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
        for queue in [Queue::own(Arc::clone(&listener) as _), Queue::Anybodys(diag, at)] {
            let when =
                Sampling { epoch: clock::monotonic(), period: 1_000_000, interval: 20_000_000 };
            let stop = AtomicBool::new(false);
            let mut seen = Vec::new();
            let result = run(queue, (when, First::Epoch), &stop, |index, interval, queues| {
                assert!(queues.len() <= 1, "{queues:?}");
                assert!(queues.iter().all(|queue| queue.accept_queue == interval.accept_queue));
                seen.push(interval);
                stop.store(index >= 2, Ordering::Relaxed);
            });
            assert!(seen.len() >= 3, "{}", seen.len());
            assert!(seen.iter().any(|s| s.accept_queue == Some(1) && s.accept_limit == Some(7)));
            assert!(result.ticks > 20 && result.lost < result.ticks, "{result:?}");
        }
    }
}
