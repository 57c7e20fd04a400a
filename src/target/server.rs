//! The whole server: its door, its acceptors, and what they counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use mio::Waker;
use socket2::Socket;

use super::acceptor::{Acceptor, Duty, named};
use super::connection::Manners;
use super::counts::{Counts, Tally, Totals};
use super::crew::{Crew, Member};
use super::door::Door;
use super::keeping;
use super::pace::Pace;
use super::restart::Restarter;
use super::service::Service;
use crate::measure::held::Fate;
use crate::measure::result::RestartResult;
use crate::measure::{Metric, TargetOutcome, encode};
use crate::scenario::plan::Serve;
use crate::sys::clock;
use crate::sys::errno;
use crate::sys::listener;
use crate::sys::standing::Standing;
use crate::sys::tcp_info::TcpInfo;

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
    /// Connections that will be open at once.
    pub expected: u64,
    /// Whether every connection is named to the runner.
    pub names: bool,
}

/// A server with its acceptors at work.
#[derive(Debug)]
pub struct Server {
    door: Arc<Door>,
    /// Acceptors of each listener, as the plan counts them.
    acceptors_each: usize,
    /// Threads for each of these.
    crew: usize,
    /// How connections are kept, and why so.
    engine: &'static str,
    notice: Option<String>,
    restarter: Mutex<Option<Restarter>>,
    restarts: Mutex<Vec<RestartResult>>,
    stop: Arc<AtomicBool>,
    acceptors: Vec<Working>,
    occasion: Occasion,
    threads: Mutex<Vec<JoinHandle<io::Result<()>>>>,
}

/// An acceptor at work.
#[derive(Debug)]
struct Working {
    counts: Arc<Mutex<Counts>>,
    waker: Arc<Waker>,
}

impl Server {
    /// Starts the acceptors.
    ///
    /// # Errors
    /// Of `epoll_create`, `timerfd_create` and thread creation.
    pub fn start(door: &Arc<Door>, serve: &Serve, occasion: Occasion) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut acceptors = Vec::new();
        let mut ready = Vec::new();
        let mut threads = Vec::new();
        let all = serve.listeners.saturating_mul(serve.acceptors).max(1);
        let kept = keeping::decide(serve, occasion.expected);
        let places = (0..all).flat_map(|index| {
            let crew = (kept.room < usize::MAX).then(|| Crew::new(kept.crew, kept.room));
            (0..kept.crew).map(move |one| (index, crew.as_ref().map(|crew| Member::new(crew, one))))
        });
        for (number, (index, member)) in places.enumerate() {
            let counts = Arc::new(Mutex::new(Counts::default()));
            let duty = Duty {
                post: door.post(usize::from(index / serve.acceptors.max(1))),
                keeping: kept.keeping.clone(),
                member,
                pace: Pace::new(serve.accept, &serve.stalls, index, all),
                service: Service::new(serve.service, occasion.seed.wrapping_add(number as u64)),
                manners: Manners {
                    reply: serve.reply,
                    close: serve.close,
                    delay: serve.close_delay.nanos(),
                },
                serial: serve.serial,
                epoch: occasion.epoch,
                run: occasion.run,
                one_clock: occasion.one_clock,
                names: occasion.names,
            };
            let (acceptor, waker) = Acceptor::new(duty, Arc::clone(&counts))?;
            let bell = Arc::clone(&waker);
            // An acceptor that is not woken is not asleep, or is no more.
            door.ring(move || drop(bell.wake()));
            acceptors.push(Working { counts, waker });
            ready.push(acceptor);
        }
        // All are made before any runs: a thread that gets descriptors of its own has no others.
        for (number, mut acceptor) in ready.into_iter().enumerate() {
            let stopping = Arc::clone(&stop);
            let thread = std::thread::Builder::new()
                .name(format!("acceptor-{number}"))
                .spawn(move || acceptor.run(&stopping))?;
            threads.push(thread);
        }
        let restarter =
            serve.restart.map(|restart| Restarter::start(door, restart, occasion.epoch));
        Ok(Self {
            door: Arc::clone(door),
            acceptors_each: usize::from(serve.acceptors.max(1)),
            crew: kept.crew,
            engine: kept.engine(),
            notice: kept.notice,
            restarter: Mutex::new(restarter.transpose()?),
            restarts: Mutex::default(),
            stop,
            acceptors,
            occasion,
            threads: Mutex::new(threads),
        })
    }

    /// Ends the acceptors' present interval.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut merged: BTreeMap<Metric, hdrhistogram::Histogram<u64>> = BTreeMap::new();
        for of_listener in self.acceptors.chunks(self.acceptors_each * self.crew) {
            let mut accepted = 0;
            for acceptor in of_listener {
                let mut counts = lock(&acceptor.counts);
                accepted += counts.accepted();
                tally.held.append(&mut counts.held);
                for (metric, recorder) in &mut counts.metrics {
                    let merged = merged.entry(*metric).or_insert_with(crate::measure::empty);
                    merged.add(&recorder.interval).expect("all histograms have one shape");
                    recorder.finish_interval();
                }
            }
            tally.accepted.push(accepted);
        }
        merged.retain(|_, values| !values.is_empty());
        tally.metrics = merged.iter().map(|(metric, values)| (*metric, encode(values))).collect();
        tally
    }

    /// Stops accepting and closes every connection: from here on the tally stands still.
    ///
    /// # Errors
    /// Of an acceptor's own system calls.
    pub fn halt(&self) -> io::Result<()> {
        // Before the acceptors: it waits for them.
        let restarter = lock(&self.restarter).take();
        lock(&self.restarts).extend(restarter.and_then(Restarter::finish));
        self.stop.store(true, Ordering::Relaxed);
        for acceptor in &self.acceptors {
            acceptor.waker.wake()?;
        }
        for thread in lock(&self.threads).drain(..) {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("an acceptor panicked")))?;
        }
        Ok(())
    }

    /// As [`Server::halt`], and empties the queues to count what is left.
    ///
    /// # Errors
    /// Of an acceptor's own system calls.
    pub fn stop(mut self) -> io::Result<Totals> {
        self.halt()?;
        let mut totals = Totals::new();
        totals.engine = self.engine.to_owned();
        totals.notices.extend(self.notice.take());
        for crew in self.acceptors.chunks(self.crew) {
            crew.iter().for_each(|working| totals.add(&lock(&working.counts)));
            let took = crew.iter().map(|working| lock(&working.counts).accepted());
            totals.accepted_by.push(took.sum());
        }
        totals.restarts = std::mem::take(&mut lock(&self.restarts));
        let reset = totals.restarts.iter().map(|restart| restart.queue_reset).sum();
        totals.outcomes.insert(TargetOutcome::ResetByClose, reset);
        for listener in self.door.replace(Vec::new()) {
            let left = self.empty_queue(&listener, &mut totals);
            totals.notices.extend(left);
        }
        Ok(totals)
    }
}

impl Server {
    /// Takes out what is left in the queue. The queue is closed first: each place that an accept
    /// frees would otherwise let the next retransmitted SYN or ACK in.
    fn empty_queue(&self, listener: &Socket, totals: &mut Totals) -> Option<String> {
        // A listener that cannot be resized is still worth counting.
        let _ = listener.listen(0);
        let Totals { outcomes, held, .. } = totals;
        count_queue(outcomes, || {
            let (connection, peer) = listener::accept(listener)?;
            let info = TcpInfo::of(&connection).ok();
            let reset = info.is_some_and(|info| info.standing() == Standing::Closed);
            let (fate, outcome) = match reset {
                true => (Fate::Reset, TargetOutcome::ResetInQueue),
                false => (Fate::Left, TargetOutcome::QueuedAtEnd),
            };
            if self.occasion.names && peer.is_known() {
                let at = clock::monotonic().saturating_sub(self.occasion.epoch);
                held.push(named(&self.door, &connection, peer, at, fate, info.as_ref()));
            }
            Ok(outcome)
        })
    }
}

/// What a thread that panicked left is as good as it was before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
#[path = "server_tests.rs"]
mod tests;
