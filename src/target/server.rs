//! The whole server: a bound listener, its acceptors, and what they counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use mio::Waker;
use socket2::Socket;

use super::acceptor::{Acceptor, Counts, Duty};
use super::connection::Manners;
use super::pace::Pace;
use super::service::Service;
use crate::measure::{Metric, TargetOutcome, encode};
use crate::scenario::plan::Serve;
use crate::sys::endpoint::Endpoint;
use crate::sys::errno;
use crate::sys::socket;
use crate::sys::tcp_info::{Standing, TcpInfo};
use crate::sys::unix_diag::UnixDiag;

/// A listener that nobody accepts from yet.
#[derive(Debug)]
pub struct Bound {
    listener: Arc<Socket>,
    /// Where it listens.
    pub address: Endpoint,
    /// The accept queue's limit as the kernel granted it; `None` where it does not tell.
    pub effective: Option<u32>,
}

impl Bound {
    /// Listens on `address` with exactly the backlog asked for.
    ///
    /// # Errors
    /// EADDRINUSE, EADDRNOTAVAIL, EACCES and what else `bind` and `listen` say.
    pub fn new(address: impl Into<Endpoint>, backlog: i32) -> io::Result<Self> {
        let listener = socket::listen(address, backlog)?;
        let bound = Endpoint::of(&listener)?;
        let effective = match bound {
            Endpoint::Inet(_) => TcpInfo::of(&listener).map(|info| info.accept_limit()),
            Endpoint::Unix(..) => {
                UnixDiag::open().and_then(|mut diag| diag.listener(&listener)).map(|q| q.limit)
            }
        };
        Ok(Self { listener: Arc::new(listener), address: bound, effective: effective.ok() })
    }

    /// The listener itself, to be sampled.
    pub fn listener(&self) -> Arc<Socket> {
        Arc::clone(&self.listener)
    }
}

/// When and for whom a server serves.
#[derive(Debug, Clone, Copy)]
pub struct Occasion {
    /// Start of the cell's schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// Identity of the run.
    pub run: u64,
    /// Seed of the service times.
    pub seed: u64,
    /// Whether the clients' monotonic clock is ours.
    pub one_clock: bool,
}

/// A server with its acceptors at work.
#[derive(Debug)]
pub struct Server {
    listener: Arc<Socket>,
    stop: Arc<AtomicBool>,
    acceptors: Vec<Working>,
    threads: Mutex<Vec<JoinHandle<io::Result<()>>>>,
}

/// An acceptor at work.
#[derive(Debug)]
struct Working {
    counts: Arc<Mutex<Counts>>,
    waker: Waker,
}

/// What the acceptors did in an interval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Connections accepted since the start.
    pub accepted: u64,
    /// `queue_wait` of the interval, encoded; empty for none.
    pub queue_wait: String,
    /// `service` of the interval, likewise.
    pub service: String,
}

/// What a server counted over its life.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Totals {
    /// Every class.
    pub outcomes: BTreeMap<TargetOutcome, u64>,
    /// Connections that each acceptor took.
    pub accepted_by: Vec<u64>,
    /// Errors of `accept()`, by name.
    pub accept_errors: BTreeMap<String, u64>,
    /// What clients did, by name.
    pub client_faults: BTreeMap<String, u64>,
    /// What could not be counted, and why.
    pub notices: Vec<String>,
}

impl Server {
    /// Starts the acceptors.
    ///
    /// # Errors
    /// Of `epoll_create`, `timerfd_create` and thread creation.
    pub fn start(bound: &Bound, serve: &Serve, occasion: Occasion) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut acceptors = Vec::new();
        let mut threads = Vec::new();
        for index in 0..serve.acceptors {
            let counts = Arc::new(Mutex::new(Counts::default()));
            let duty = Duty {
                listener: bound.listener(),
                pace: Pace::new(serve.accept, &serve.stalls, index, serve.acceptors),
                service: Service::new(serve.service, occasion.seed.wrapping_add(u64::from(index))),
                manners: Manners { reply: serve.reply, close: serve.close },
                serial: serve.serial,
                epoch: occasion.epoch,
                run: occasion.run,
                one_clock: occasion.one_clock,
            };
            let (mut acceptor, waker) = Acceptor::new(duty, Arc::clone(&counts))?;
            let stopping = Arc::clone(&stop);
            let thread = std::thread::Builder::new()
                .name(format!("acceptor-{index}"))
                .spawn(move || acceptor.run(&stopping))?;
            acceptors.push(Working { counts, waker });
            threads.push(thread);
        }
        Ok(Self { listener: bound.listener(), stop, acceptors, threads: Mutex::new(threads) })
    }

    /// Ends the acceptors' present interval.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut merged: BTreeMap<Metric, hdrhistogram::Histogram<u64>> = BTreeMap::new();
        for acceptor in &self.acceptors {
            let mut counts = acceptor.counts.lock().unwrap_or_else(PoisonError::into_inner);
            tally.accepted += counts.accepted();
            for (metric, recorder) in &mut counts.metrics {
                let merged = merged.entry(*metric).or_insert_with(crate::measure::empty);
                merged.add(&recorder.interval).expect("all histograms have one shape");
                recorder.finish_interval();
            }
        }
        let text = |metric| merged.get(&metric).filter(|h| !h.is_empty()).map(encode);
        tally.queue_wait = text(Metric::QueueWait).unwrap_or_default();
        tally.service = text(Metric::Service).unwrap_or_default();
        tally
    }

    /// Stops accepting and closes every connection: from here on the tally stands still.
    ///
    /// # Errors
    /// Of an acceptor's own system calls.
    pub fn halt(&self) -> io::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for acceptor in &self.acceptors {
            acceptor.waker.wake()?;
        }
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("an acceptor panicked")))?;
        }
        Ok(())
    }

    /// As [`Server::halt`], and empties the queue to count what is left.
    ///
    /// # Errors
    /// Of an acceptor's own system calls.
    pub fn stop(self) -> io::Result<Totals> {
        self.halt()?;
        let mut totals = Totals {
            outcomes: TargetOutcome::ALL.iter().map(|outcome| (*outcome, 0)).collect(),
            ..Totals::default()
        };
        for Working { counts, .. } in self.acceptors {
            let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            totals.accepted_by.push(counts.accepted());
            for (outcome, count) in &counts.outcomes {
                *totals.outcomes.entry(*outcome).or_default() += count;
            }
            for (error, count) in &counts.errors {
                *totals.accept_errors.entry(errno::name(*error)).or_default() += count;
            }
            for (fault, count) in &counts.faults {
                *totals.client_faults.entry(fault.clone()).or_default() += count;
            }
        }
        totals.notices.extend(empty_queue(&self.listener, &mut totals.outcomes));
        Ok(totals)
    }
}

/// Takes out what is left in the queue. The queue is closed first: each place that an accept
/// frees would otherwise let the next retransmitted SYN or ACK in.
fn empty_queue(listener: &Socket, outcomes: &mut BTreeMap<TargetOutcome, u64>) -> Option<String> {
    // A listener that cannot be resized is still worth counting.
    let _ = listener.listen(0);
    count_queue(outcomes, || {
        let connection = socket::accept(listener)?;
        let closed = TcpInfo::of(&connection).is_ok_and(|i| i.standing() == Standing::Closed);
        Ok(if closed { TargetOutcome::ResetInQueue } else { TargetOutcome::QueuedAtEnd })
    })
}

/// Counts what `accept` gives until the queue is empty; the notice of an error that ended it.
fn count_queue(
    outcomes: &mut BTreeMap<TargetOutcome, u64>,
    mut accept: impl FnMut() -> io::Result<TargetOutcome>,
) -> Option<String> {
    loop {
        let outcome = match accept() {
            Ok(outcome) => outcome,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return None,
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::ConnectionAborted => TargetOutcome::ResetInQueue,
                _ => {
                    return Some(format!(
                        "what was left in the accept queue is not counted to its end: accept: {}",
                        errno::describe(&error)
                    ));
                }
            },
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::plan::{AcceptPace, Closer, Reply, ServiceTime, Transport};
    use crate::units::{Backlog, Span};
    use std::io::{Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpStream};
    use std::time::{Duration, Instant};

    #[test]
    fn only_an_empty_queue_ends_the_count_in_silence() {
        let failed = |errno| Err(io::Error::from_raw_os_error(errno));
        let run = |last| {
            let mut script = vec![
                Ok(TargetOutcome::QueuedAtEnd),
                failed(libc::EINTR),
                failed(libc::ECONNABORTED),
                Ok(TargetOutcome::QueuedAtEnd),
                failed(last),
            ]
            .into_iter();
            let mut outcomes = BTreeMap::new();
            let notice = count_queue(&mut outcomes, || script.next().expect("no more calls"));
            assert_eq!(outcomes[&TargetOutcome::QueuedAtEnd], 2);
            assert_eq!(outcomes[&TargetOutcome::ResetInQueue], 1);
            notice
        };
        assert_eq!(run(libc::EAGAIN), None);
        assert!(run(libc::EMFILE).is_some_and(|notice| notice.contains("EMFILE")));
    }

    #[test]
    fn clients_that_flood_starve_nobody() {
        let bound = Bound::new(SocketAddr::from(([127, 0, 0, 1], 0)), 16).expect("a listener");
        let serve = Serve {
            transport: Transport::Tcp,
            backlog: Backlog(16),
            acceptors: 1,
            accept: AcceptPace::Asap,
            stalls: Vec::new(),
            service: ServiceTime::Constant { time: Span::default() },
            serial: false,
            reply: Reply::None,
            close: Closer::Client,
            sample: Span::from_millis(5),
        };
        let at = bound.address.inet().expect("an address of TCP");
        let occasion = Occasion { epoch: clock(), run: 1, seed: 1, one_clock: true };
        let server = Server::start(&bound, &serve, occasion).expect("a server");
        let flood = |mut client: TcpStream| {
            std::thread::spawn(move || while client.write_all(&[7; 1 << 18]).is_ok() {})
        };
        let mut floods = Vec::new();
        for _ in 0..2 {
            let client = TcpStream::connect(at).expect("a connection");
            // Two threads for each: the acceptor must not find the connection drained.
            floods.push(flood(client.try_clone().expect("a clone")));
            floods.push(flood(client));
        }
        for _ in 0..5 {
            let mut other = TcpStream::connect(at).expect("a connection");
            other.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
            other.shutdown(Shutdown::Write).expect("a close");
            assert_eq!(other.read(&mut [0]).expect("served"), 0);
        }
        let began = Instant::now();
        let totals = server.stop().expect("totals");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(totals.accepted_by, [7]);
        floods.into_iter().for_each(|flood| flood.join().expect("an end"));
    }

    fn clock() -> u64 {
        crate::sys::clock::monotonic()
    }
}
