//! Counts the sockets at one end of a cell's connections over time, at a pace that they allow.
//!
//! The kernel lists what is to be counted, one entry a socket, after a walk over all sockets of the
//! host. So looks become rarer where there is more to see: they take about 1 % of one CPU.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::cpu::thread_cpu;
use super::listen::Diag;
use crate::measure::result::{SocketStates, StatesResult, TargetInterval};
use crate::sys::clock;
use crate::sys::netlink::{End, Families};

/// Shortest time between two looks, in nanoseconds: floods of a tenth of a second are seen.
const SHORTEST: u64 = 50_000_000;
/// A look is followed by this many times its own CPU time, so that looks take 1 % of one CPU.
const THRIFT: u64 = 100;

/// Looks at work, in a thread of their own. They end with this.
#[derive(Debug)]
pub struct StateWatch {
    stop: Arc<AtomicBool>,
    seen: Seen,
    thread: Option<JoinHandle<StatesResult>>,
}

/// What was seen; shared with whoever makes intervals of it.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Latest>>);

#[derive(Debug, Default)]
struct Latest {
    states: Option<SocketStates>,
    /// Most half-open connections in the interval in progress.
    syn_recv: u64,
}

impl StateWatch {
    /// Starts to look at the sockets of the calling thread's network namespace.
    ///
    /// # Errors
    /// Where the kernel has no `sock_diag`, or no thread or descriptor can be had.
    pub fn start(end: End, families: Families) -> io::Result<Self> {
        let mut diag = Diag::open()?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Seen::default();
        let (stopping, noting) = (Arc::clone(&stop), seen.clone());
        let look = move || look(|| diag.states(end, families), &noting, &stopping);
        let thread = thread::Builder::new().name("states".to_owned()).spawn(look)?;
        Ok(Self { stop, seen, thread: Some(thread) })
    }

    /// What is seen, to be read interval by interval.
    pub fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Looks a last time and ends.
    pub fn finish(mut self) -> StatesResult {
        self.end().unwrap_or_default()
    }

    fn end(&mut self) -> Option<StatesResult> {
        let thread = self.thread.take()?;
        self.stop.store(true, Ordering::Relaxed);
        thread.thread().unpark();
        thread.join().ok()
    }
}

impl Drop for StateWatch {
    fn drop(&mut self) {
        self.end();
    }
}

impl Seen {
    fn enter(&self, states: SocketStates) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.states = Some(states);
        latest.syn_recv = latest.syn_recv.max(states.syn_recv);
    }

    /// What the interval in progress saw: most of `SYN_RECV`, the others as last seen. `None`
    /// before the first look. The next interval begins.
    pub fn interval(&self) -> Option<SocketStates> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states = latest.states?;
        states.syn_recv = states.syn_recv.max(mem::take(&mut latest.syn_recv));
        Some(states)
    }

    /// Enters what the interval in progress saw.
    pub fn complete(&self, interval: &mut TargetInterval) {
        interval.states = self.interval();
        interval.syn_recv = interval.states.map(|states| states.syn_recv);
    }
}

/// Looks until `stop`, and once more.
fn look(
    mut states: impl FnMut() -> io::Result<SocketStates>,
    seen: &Seen,
    stop: &AtomicBool,
) -> StatesResult {
    let mut account = Account::default();
    loop {
        let last = stop.load(Ordering::Relaxed);
        let (now, before) = (clock::monotonic(), thread_cpu().unwrap_or_default());
        let found = states();
        let cost = thread_cpu().unwrap_or_default().saturating_sub(before);
        account.enter(now, found.as_ref().ok(), cost);
        if let Ok(found) = found {
            seen.enter(found);
        }
        if last {
            return account.result(clock::monotonic());
        }
        let due = clock::monotonic() + pause(cost);
        while !stop.load(Ordering::Relaxed) && clock::monotonic() < due {
            thread::park_timeout(Duration::from_nanos(due - clock::monotonic().min(due)));
        }
    }
}

/// From the end of one look to the next, in nanoseconds.
fn pause(cost: Duration) -> u64 {
    let cost = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
    cost.saturating_mul(THRIFT).max(SHORTEST)
}

/// What looking has brought and cost.
#[derive(Debug, Default)]
struct Account {
    /// Instants of the first and the latest look.
    began: Option<u64>,
    latest: u64,
    longest: u64,
    cost: Duration,
    result: StatesResult,
}

impl Account {
    fn enter(&mut self, now: u64, found: Option<&SocketStates>, cost: Duration) {
        if self.began.is_some() {
            self.longest = self.longest.max(now.saturating_sub(self.latest));
        }
        self.began.get_or_insert(now);
        self.latest = now;
        self.cost += cost;
        self.result.looks += 1;
        match found {
            Some(states) => self.result.peak = self.result.peak.max(*states),
            None => self.result.failed += 1,
        }
    }

    fn result(&self, now: u64) -> StatesResult {
        let wall = now.saturating_sub(self.began.unwrap_or(now)).max(1);
        StatesResult {
            cost_us: self.cost.as_secs_f64() * 1e6 / self.result.looks.max(1) as f64,
            cpu_share: self.cost.as_secs_f64() / (wall as f64 / 1e9),
            longest_period_us: self.longest as f64 / 1e3,
            ..self.result
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::deaf::deafen;
    use socket2::{Domain, Protocol, Socket, Type};
    use std::net::{SocketAddr, TcpListener, TcpStream};

    const MILLI: u64 = 1_000_000;

    fn half_open(syn_recv: u64) -> SocketStates {
        SocketStates { syn_recv, time_wait: syn_recv, ..SocketStates::default() }
    }

    #[test]
    fn looks_become_rarer_when_they_cost_more() {
        assert_eq!(pause(Duration::ZERO), SHORTEST);
        assert_eq!(pause(Duration::from_micros(400)), SHORTEST);
        assert_eq!(pause(Duration::from_millis(7)), 700 * MILLI);
        assert_eq!(pause(Duration::MAX), u64::MAX);
    }

    #[test]
    fn an_interval_has_the_most_half_open_and_the_last_of_the_others() {
        let seen = Seen::default();
        assert_eq!(seen.interval(), None);
        for syn_recv in [3, 9, 4] {
            seen.enter(half_open(syn_recv));
        }
        let both = |syn_recv, time_wait| SocketStates { syn_recv, time_wait, ..half_open(0) };
        assert_eq!(seen.interval(), Some(both(9, 4)));
        assert_eq!(seen.interval(), Some(both(4, 4)), "carried on");
        seen.enter(half_open(0));
        assert_eq!(seen.interval(), Some(both(0, 0)));
    }

    #[test]
    fn the_account_has_peaks_costs_and_gaps() {
        let mut account = Account::default();
        let cost = Duration::from_millis(1);
        account.enter(5 * MILLI, Some(&half_open(7)), cost);
        account.enter(105 * MILLI, None, cost);
        account.enter(405 * MILLI, Some(&half_open(2)), cost);
        let result = account.result(505 * MILLI);
        assert_eq!((result.peak, result.looks, result.failed), (half_open(7), 3, 1));
        assert_eq!((result.cost_us, result.longest_period_us), (1000.0, 300_000.0));
        assert!((result.cpu_share - 0.006).abs() < 1e-9, "{result:?}");
    }

    #[test]
    fn costly_looks_keep_to_their_share() {
        let burn = || {
            let until = thread_cpu().unwrap() + Duration::from_millis(4);
            while thread_cpu().unwrap() < until {}
            Ok(half_open(1))
        };
        let (seen, stop) = (Seen::default(), AtomicBool::new(false));
        let result = thread::scope(|scope| {
            let looking = scope.spawn(|| look(burn, &seen, &stop));
            thread::sleep(Duration::from_millis(1300));
            stop.store(true, Ordering::Relaxed);
            looking.thread().unpark();
            looking.join().unwrap()
        });
        // At 0, 404 and 808 ms, maybe at 1212, and at the end.
        assert!((3..=5).contains(&result.looks), "{result:?}");
        assert!(result.cpu_share < 0.02 && result.longest_period_us > 400_000.0, "{result:?}");
    }

    /// A client whose SYN-ACK is filtered away: it stays in SYN_SENT, its server in SYN_RECV.
    fn deaf(target: SocketAddr) -> Socket {
        let domain = Domain::for_address(target);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).unwrap();
        deafen(&socket).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&target.into());
        socket
    }

    #[test]
    fn each_end_is_counted_by_itself() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let at = listener.local_addr().unwrap();
            let families = Families::of(at);
            let half: Vec<_> = (0..3).map(|_| deaf(at)).collect();
            let mut open = Vec::new();
            // Closed first by the client, which the target does not follow.
            for _ in 0..2 {
                drop(TcpStream::connect(at).unwrap());
                open.push(listener.accept().unwrap());
            }
            // Closed first by the target, and then by the client.
            for _ in 0..4 {
                let client = TcpStream::connect(at).unwrap();
                drop(listener.accept().unwrap());
                drop(client);
            }
            // The FIN of those that are closed first may be acknowledged late.
            let seen = |end| {
                let mut diag = Diag::open().unwrap();
                let settled = |states: &SocketStates| states.fin_wait1 == 0;
                let mut tries = (0..100).map(|_| {
                    thread::sleep(Duration::from_millis(10));
                    diag.states(end, families).unwrap()
                });
                tries.find(settled).expect("settled")
            };
            let expected = SocketStates { syn_sent: 3, fin_wait2: 2, ..Default::default() };
            assert_eq!(seen(End::Remote(at.port())), expected, "clients of {address}");
            let expected =
                SocketStates { syn_recv: 3, close_wait: 2, time_wait: 4, ..Default::default() };
            assert_eq!(seen(End::Local(at.port())), expected, "target at {address}");
            let watch = StateWatch::start(End::Local(at.port()), families).unwrap();
            let looked = watch.seen();
            let result = watch.finish();
            assert_eq!((result.peak, looked.interval()), (expected, Some(expected)));
            assert_eq!((result.failed, result.looks > 0), (0, true));
            drop((half, open));
        }
    }
}
