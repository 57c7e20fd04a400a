//! The collector: a thread that books the workers' records, interval by interval.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::Batch;
use crate::measure::attempts::Attempts;
use crate::measure::book::Book;
use crate::measure::held::Held;
use crate::measure::intervals::Intervals;
use crate::measure::{Event, Metric, Record};
use crate::report::files::{Folder, FolderError, HistogramLog};

/// What can be shown while a cell runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Attempts whose connecting has ended.
    pub attempts: u64,
    /// Of these, established.
    pub established: u64,
    /// Attempts in progress, held connections included.
    pub in_progress: u64,
}

/// What the collector leaves.
pub struct Collected {
    /// The books, closed.
    pub book: Book,
    /// The attempts, as far as they are joined.
    pub attempts: Attempts,
    /// The first error of writing a histogram log.
    pub failed: Option<FolderError>,
}

/// A collector at work.
pub struct Collecting {
    /// What it has seen so far.
    pub seen: Arc<Mutex<Seen>>,
    /// What the target says of connections.
    held: mpsc::Sender<Vec<Held>>,
    thread: JoinHandle<(Collected, mpsc::Receiver<Vec<Held>>)>,
}

/// Where histogram logs go.
pub struct Logs {
    folder: Arc<Folder>,
    cell: String,
    loads: Vec<String>,
    start: f64,
    interval: Duration,
    open: BTreeMap<(usize, Metric), HistogramLog>,
    /// The first error; after it nothing more is tried.
    pub failed: Option<FolderError>,
}

impl Logs {
    /// Logs of a cell whose schedule starts at `start`, in seconds since 1970.
    pub fn new(
        folder: &Arc<Folder>,
        cell: &str,
        loads: Vec<String>,
        start: f64,
        interval: Duration,
    ) -> Self {
        let (folder, cell) = (Arc::clone(folder), cell.to_owned());
        Self { folder, cell, loads, start, interval, open: BTreeMap::new(), failed: None }
    }

    /// Appends the values of interval `index`.
    pub fn append(
        &mut self,
        index: usize,
        load: usize,
        metric: Metric,
        values: &hdrhistogram::Histogram<u64>,
    ) {
        if self.failed.is_some() {
            return;
        }
        let log = self.open.entry((load, metric)).or_insert_with(|| {
            self.folder.histogram_log(&self.cell, &self.loads[load], metric, self.start)
        });
        self.failed = log.append(self.interval * index as u32, self.interval, values).err();
    }
}

/// Starts a collector for as many workers as `emptied` has senders; it ends when every worker has
/// handed over its last batch.
pub fn start(
    batches: mpsc::Receiver<Batch>,
    emptied: Vec<mpsc::Sender<Vec<Record>>>,
    books: (Book, Attempts),
    logs: Logs,
) -> std::io::Result<Collecting> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    let (sender, held) = mpsc::channel();
    let collector = Collector::new(emptied, books, (held, logs), shared);
    let thread = std::thread::Builder::new()
        .name("collector".to_owned())
        .spawn(move || collector.run(&batches))?;
    Ok(Collecting { seen, held: sender, thread })
}

impl Collecting {
    /// Hands on what the target says of connections.
    pub fn held(&self, held: Vec<Held>) {
        // A collector that has ended has panicked, which `finish` tells.
        let _ = self.held.send(held);
    }

    /// Waits for the end of every worker.
    ///
    /// # Panics
    /// Where the collector did.
    pub fn finish(self) -> Collected {
        let (mut collected, held) =
            self.thread.join().expect("the collector has no reason to panic");
        // What came after its last look.
        held.try_iter().for_each(|held| collected.attempts.held(&held));
        collected
    }
}

struct Collector {
    intervals: Intervals,
    held: mpsc::Receiver<Vec<Held>>,
    logs: Logs,
    workers: Vec<Worker>,
    seen: Arc<Mutex<Seen>>,
}

struct Worker {
    emptied: mpsc::Sender<Vec<Record>>,
    in_progress: u32,
}

impl Collector {
    fn new(
        emptied: Vec<mpsc::Sender<Vec<Record>>>,
        (book, attempts): (Book, Attempts),
        (held, logs): (mpsc::Receiver<Vec<Held>>, Logs),
        seen: Arc<Mutex<Seen>>,
    ) -> Self {
        let intervals = Intervals::new(book, attempts, emptied.len());
        let worker = |emptied| Worker { emptied, in_progress: 0 };
        Self { intervals, held, logs, workers: emptied.into_iter().map(worker).collect(), seen }
    }

    fn run(mut self, batches: &mpsc::Receiver<Batch>) -> (Collected, mpsc::Receiver<Vec<Held>>) {
        let logs = &mut self.logs;
        while let Ok(mut batch) = batches.recv() {
            note(&self.seen, &self.workers, &batch);
            self.intervals.hand_in(
                batch.worker,
                &mut batch.records,
                batch.upto,
                |index, load, metric, values| logs.append(index, load, metric, values),
            );
            self.held.try_iter().for_each(|held| self.intervals.held(held));
            let worker = &mut self.workers[batch.worker];
            worker.in_progress = batch.in_progress;
            // A worker that has ended needs no more buffers.
            let _ = worker.emptied.send(batch.records);
        }
        let (book, attempts) = self
            .intervals
            .finish(|index, load, metric, values| logs.append(index, load, metric, values));
        (Collected { book, attempts, failed: self.logs.failed }, self.held)
    }
}

fn note(seen: &Mutex<Seen>, workers: &[Worker], batch: &Batch) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    for record in &batch.records {
        if let Event::Connect { outcome, .. } = record.event {
            seen.attempts += 1;
            seen.established += u64::from(outcome.established());
        }
    }
    let others = workers.iter().enumerate().filter(|(index, _)| *index != batch.worker);
    let others: u64 = others.map(|(_, worker)| u64::from(worker.in_progress)).sum();
    seen.in_progress = others + u64::from(batch.in_progress);
}
