//! The senders of a cell: worker threads, and the collector of what they count.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use hdrhistogram::Histogram;

use super::side::run_number;
use crate::engine::Stop;
use crate::engine::datagram::{
    self, DatagramHandover, DatagramPart, DatagramShare, Gate, SenderReport, Snapshot, StreamPart,
    Tallies,
};
use crate::load::seed_of;
use crate::measure::Metric;
use crate::measure::sent::{SentBook, SentCounts};
use crate::report::files::FolderError;
use crate::runner::RunError;
use crate::runner::collect::{Logs, Seen};
use crate::runner::engines::by_rate;
use crate::runner::ground::{Ground, Start};
use crate::runner::side::{Identity, no_threads};
use crate::scenario::plan::{Client, Datagrams, Load};
use crate::sys::clock;
use crate::sys::permit::PermittedAddr;

/// What the senders of a cell are to do.
pub struct Sending<'a> {
    /// Where they run.
    pub ground: &'a Ground<'a>,
    /// Identity and seed of the run.
    pub identity: Identity,
    /// Where datagrams go: streams are dealt out to these in turn.
    pub addresses: &'a [PermittedAddr],
    /// Start of the schedule.
    pub start: Start,
    /// Whether datagrams carry CLOCK_REALTIME, since the target has another clock.
    pub realtime: bool,
}

/// The senders at work. They end with it: without a [`Senders::finish`] before, it stops them.
pub struct Senders {
    /// What they have done so far.
    pub seen: Arc<Mutex<Seen>>,
    stop: Arc<Stop>,
    gate: Arc<Gate>,
    epoch: u64,
    /// `None` once it was waited for.
    collector: Option<JoinHandle<(SentBook, Option<FolderError>)>>,
    threads: Vec<JoinHandle<io::Result<SenderReport>>>,
}

/// What the senders leave.
pub struct Left {
    /// The books.
    pub book: SentBook,
    /// What each said.
    pub reports: Vec<SenderReport>,
    /// The first error of writing a histogram log.
    pub failed_log: Option<FolderError>,
    /// The first error of any of their own system calls.
    pub failed: Option<io::Error>,
    /// When the last of them was done, in nanoseconds since the schedule's start.
    pub ended_at: u64,
}

impl Sending<'_> {
    /// Starts them.
    ///
    /// # Errors
    /// Of creating threads, and where the clients' addresses are wanting.
    pub fn start(&self) -> Result<Senders, RunError> {
        let cell = self.ground.cell;
        let sources = match self.addresses.first() {
            Some(address) => self.ground.sources(*address)?,
            None => Vec::new(),
        };
        let workers: Vec<u16> = cell.loads.iter().map(workers).collect();
        let threads = workers.iter().copied().max().unwrap_or(1);
        let (filled, snapshots) = mpsc::channel();
        let names = cell.loads.iter().map(|load| load.name.clone()).collect();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let boxes: Vec<_> = (0..threads).map(|_| mpsc::channel()).collect();
        let (emptied, empty): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
        let collector = Collector {
            book: SentBook::new(self.interval(), cell.loads.len(), parts(&workers)),
            logs: self.ground.logs(self.start.realtime, names),
            emptied,
            seen: Arc::clone(&seen),
        };
        let collect = move || collector.run(&snapshots);
        let thread = std::thread::Builder::new().name("collector".to_owned()).spawn(collect);
        let mut senders = Senders {
            seen,
            stop: Arc::new(Stop::new()),
            gate: Arc::new(Gate::new()),
            epoch: self.start.epoch,
            collector: Some(thread.map_err(|error| no_threads(&error))?),
            threads: Vec::new(),
        };
        for (worker, emptied) in (0..threads).zip(empty) {
            let handover =
                DatagramHandover { worker: worker.into(), filled: filled.clone(), emptied };
            let share = self.share(worker, &workers, &sources);
            let (stop, gate) = (Arc::clone(&senders.stop), Arc::clone(&senders.gate));
            let run = move || send(share, handover, &stop, &gate);
            let thread = std::thread::Builder::new().name(format!("sender-{worker}")).spawn(run);
            senders.threads.push(thread.map_err(|error| no_threads(&error))?);
        }
        Ok(senders)
    }

    fn interval(&self) -> u64 {
        self.ground.setup.plan.interval.nanos()
    }

    fn share(&self, worker: u16, workers: &[u16], sources: &[IpAddr]) -> DatagramShare {
        let mut first = 0;
        let mut parts = Vec::new();
        let loads = (0..).zip(self.ground.cell.loads.iter().zip(workers));
        for (index, (load, workers)) in loads {
            let Client::Datagram { datagrams } = &load.client else { continue };
            if worker < *workers {
                let streams = self.streams(first, datagrams.streams, sources);
                let of_worker = streams.skip(worker.into()).step_by((*workers).into());
                parts.push(DatagramPart {
                    load: index,
                    streams: of_worker.collect(),
                    all_streams: datagrams.streams,
                    sizes: datagrams.sizes.clone(),
                    schedule: load.schedule.clone(),
                    seed: seed_of(self.identity.seed, index),
                    start: load.start.nanos(),
                    timeout: load.timeout.nanos(),
                    reply: datagrams.reply,
                    bulk: datagrams.bulk,
                    ports: load.ports,
                    index: u64::from(worker),
                    workers: u64::from(*workers),
                });
            }
            first += datagrams.streams;
        }
        DatagramShare {
            epoch: self.start.epoch,
            run: run_number(self.identity),
            interval: self.interval(),
            realtime: self.realtime,
            parts,
        }
    }

    /// So many streams of the cell from the `first` on, each with where it goes and comes from.
    fn streams(
        &self,
        first: u32,
        count: u32,
        sources: &[IpAddr],
    ) -> impl Iterator<Item = StreamPart> {
        (first..first + count).filter_map(|number| {
            let destination = self.addresses.get(number as usize % self.addresses.len().max(1));
            let source = sources.get(number as usize % sources.len().max(1)).copied();
            Some(StreamPart { number, destination: *destination?, source })
        })
    }
}

/// Every sender with each of its loads.
fn parts(workers: &[u16]) -> impl Iterator<Item = (usize, usize)> {
    let of_load =
        |(load, workers): (usize, &u16)| (0..usize::from(*workers)).map(move |w| (w, load));
    workers.iter().enumerate().flat_map(of_load)
}

/// Threads that a load gets; each has a stream at least.
fn workers(load: &Load) -> u16 {
    let streams = match &load.client {
        Client::Datagram { datagrams: Datagrams { streams, .. } } => *streams,
        _ => 1,
    };
    let most = u16::try_from(streams).unwrap_or(u16::MAX).max(1);
    load.workers.unwrap_or_else(|| by_rate(load)).clamp(1, most)
}

impl Senders {
    /// Nanoseconds since the start of the schedule; 0 before it.
    pub fn elapsed(&self) -> u64 {
        clock::monotonic().saturating_sub(self.epoch)
    }

    /// Ends them early.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// Whether they were told to stop.
    pub fn stopped(&self) -> bool {
        self.stop.requested()
    }

    /// Whether all has been sent, and every echo come or been given up.
    pub fn have_sent(&self) -> bool {
        // The collector ends with the last snapshot of the last worker.
        self.collector.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Has them say the last word of each stream if `closing`, and waits for their end.
    ///
    /// # Panics
    /// Where the collector did.
    pub fn finish(mut self, closing: bool) -> Left {
        if !self.have_sent() {
            self.stop.request();
        }
        let collector = self.collector.take().map(JoinHandle::join);
        let (book, failed_log) =
            collector.and_then(Result::ok).expect("the collector has no reason to panic");
        match closing {
            true => self.gate.open(),
            false => self.gate.abandon(),
        }
        let mut left = Left { book, reports: Vec::new(), failed_log, failed: None, ended_at: 0 };
        for thread in self.threads.drain(..) {
            let lost = |_| Err(io::Error::other("a sender panicked"));
            match thread.join().unwrap_or_else(lost) {
                Ok(mut report) => {
                    left.failed = left.failed.or(report.failed.take());
                    for part in &report.parts {
                        let kept = metrics(&part.late);
                        left.book.enter_late(part.report.load.into(), &counts(&part.late), kept);
                    }
                    left.reports.push(report);
                }
                Err(error) => left.failed = left.failed.or(Some(error)),
            }
        }
        left.ended_at = clock::monotonic().saturating_sub(self.epoch);
        left
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.stop.request();
        self.gate.abandon();
    }
}

/// Books what the workers hand over.
struct Collector {
    book: SentBook,
    logs: Logs,
    emptied: Vec<mpsc::Sender<Box<Tallies>>>,
    seen: Arc<Mutex<Seen>>,
}

impl Collector {
    fn run(mut self, snapshots: &mpsc::Receiver<Snapshot>) -> (SentBook, Option<FolderError>) {
        let logs = &mut self.logs;
        while let Ok(snapshot) = snapshots.recv() {
            let Snapshot { worker, load, index, upto, mut tallies } = snapshot;
            let counts = counts(&tallies);
            note(&self.seen, &counts);
            self.book.enter(load.into(), index, &counts, metrics(&tallies));
            self.book.advance(
                (worker, load.into()),
                upto,
                |index, load, metric: Metric, values| {
                    logs.append(index, load, metric, values);
                },
            );
            tallies.clear();
            // A worker that has ended needs no more buffers.
            let _ = self.emptied[worker].send(tallies);
            // Senders stay, to say the last word of their streams.
            if self.book.is_over() {
                break;
            }
        }
        self.book.finish(|index, load, metric, values| logs.append(index, load, metric, values));
        (self.book, self.logs.failed)
    }
}

/// Sends a share.
fn send(
    share: DatagramShare,
    handover: DatagramHandover,
    stop: &Stop,
    gate: &Gate,
) -> io::Result<SenderReport> {
    let loads = share.parts.iter().map(|part| part.load).collect();
    let (worker, filled) = (handover.worker, handover.filled.clone());
    let mut last = LastWords { worker, loads, filled };
    let sent = datagram::run(share, handover, stop, gate);
    if sent.is_ok() {
        last.loads.clear();
    }
    sent
}

/// Says the last words of a sender that could not even begin, or that panicked: the books wait for
/// everybody's.
struct LastWords {
    worker: usize,
    /// Of which nobody has said them.
    loads: Vec<u16>,
    filled: mpsc::Sender<Snapshot>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        for load in self.loads.drain(..) {
            let (worker, tallies) = (self.worker, Box::default());
            // Where nobody listens, nobody waits for it.
            let _ = self.filled.send(Snapshot { worker, load, index: 0, upto: u64::MAX, tallies });
        }
    }
}

/// What a box counts.
fn counts(tallies: &Tallies) -> SentCounts {
    let unsent = tallies.unsent.iter();
    SentCounts {
        attempts: tallies.attempts,
        punctual: tallies.punctual,
        sent: tallies.sent,
        bytes: tallies.bytes,
        calls: tallies.calls,
        retried: tallies.retried,
        unsent: unsent.map(|(o, n)| (o, u64::try_from(n).unwrap_or(0))).collect(),
        outcomes: tallies.outcomes.iter().collect(),
        errors: tallies.errors.iter().collect(),
        replies: tallies.replies,
        reply_duplicates: tallies.reply_duplicates,
        reply_late: tallies.reply_late,
        reply_foreign: tallies.reply_foreign,
    }
}

/// What a box measures.
fn metrics(tallies: &Tallies) -> impl Iterator<Item = (Metric, &Histogram<u64>)> {
    [
        (Metric::Lag, &tallies.lag),
        (Metric::ObserverError, &tallies.observer_error),
        (Metric::Rtt, &tallies.rtt),
        (Metric::RttService, &tallies.rtt_service),
    ]
    .into_iter()
    .filter(|(_, values)| !values.is_empty())
}

fn note(seen: &Mutex<Seen>, counts: &SentCounts) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.attempts += counts.attempts;
    seen.established += counts.sent;
}
