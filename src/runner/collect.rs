//! The collector: a thread that books the workers' records, interval by interval.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::Batch;
use crate::measure::book::Book;
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
    /// The first error of writing a histogram log.
    pub failed: Option<FolderError>,
}

/// A collector at work.
pub struct Collecting {
    /// What it has seen so far.
    pub seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<Collected>,
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
    book: Book,
    logs: Logs,
) -> std::io::Result<Collecting> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    let collector = Collector::new(emptied, book, logs, shared);
    let thread = std::thread::Builder::new()
        .name("collector".to_owned())
        .spawn(move || collector.run(&batches))?;
    Ok(Collecting { seen, thread })
}

impl Collecting {
    /// Waits for the end of every worker.
    ///
    /// # Panics
    /// Where the collector did.
    pub fn finish(self) -> Collected {
        self.thread.join().expect("the collector has no reason to panic")
    }
}

struct Collector {
    book: Book,
    logs: Logs,
    index: usize,
    workers: Vec<Worker>,
    seen: Arc<Mutex<Seen>>,
    /// The records of one interval, over all workers.
    present: Vec<Record>,
}

struct Worker {
    emptied: mpsc::Sender<Vec<Record>>,
    pending: Vec<Record>,
    upto: u64,
    in_progress: u32,
}

impl Collector {
    fn new(
        emptied: Vec<mpsc::Sender<Vec<Record>>>,
        book: Book,
        logs: Logs,
        seen: Arc<Mutex<Seen>>,
    ) -> Self {
        let worker = |emptied| Worker { emptied, pending: Vec::new(), upto: 0, in_progress: 0 };
        let workers = emptied.into_iter().map(worker).collect();
        Self { book, logs, index: 0, workers, seen, present: Vec::new() }
    }

    fn run(mut self, batches: &mpsc::Receiver<Batch>) -> Collected {
        while let Ok(mut batch) = batches.recv() {
            self.note(&batch);
            let worker = &mut self.workers[batch.worker];
            worker.pending.append(&mut batch.records);
            worker.upto = batch.upto;
            worker.in_progress = batch.in_progress;
            // A worker that has ended needs no more buffers.
            let _ = worker.emptied.send(batch.records);
            self.book_finished_intervals();
        }
        // A worker that died said no last word; what the others said counts.
        self.workers.iter_mut().for_each(|worker| worker.upto = u64::MAX);
        self.book_finished_intervals();
        Collected { book: self.book, failed: self.logs.failed }
    }

    fn note(&self, batch: &Batch) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for record in &batch.records {
            if let Event::Connect { outcome, .. } = record.event {
                seen.attempts += 1;
                seen.established += u64::from(outcome.established());
            }
        }
        let others = self.workers.iter().enumerate().filter(|(index, _)| *index != batch.worker);
        let others: u64 = others.map(|(_, worker)| u64::from(worker.in_progress)).sum();
        seen.in_progress = others + u64::from(batch.in_progress);
    }

    /// Books the intervals up to which every worker has handed over.
    fn book_finished_intervals(&mut self) {
        let upto = self.workers.iter().map(|worker| worker.upto).min().unwrap_or(u64::MAX);
        loop {
            let over = upto == u64::MAX;
            if over && self.workers.iter().all(|worker| worker.pending.is_empty()) {
                return;
            }
            let edge = self.book.edge();
            if upto < edge {
                return;
            }
            self.present.clear();
            for worker in &mut self.workers {
                let inside = worker.pending.partition_point(|record| record.at < edge);
                self.present.extend(worker.pending.drain(..inside));
            }
            self.present.sort_by_key(|record| record.at);
            for record in &self.present {
                self.book.enter(record);
            }
            let (logs, index) = (&mut self.logs, self.index);
            self.book.finish_interval(|load, metric, values| {
                logs.append(index, load, metric, values);
            });
            self.index += 1;
        }
    }
}
