//! Load workers: pacing, the hot loop, and what they hand over.

mod attempt;
mod pacing;
mod room;
mod slots;
#[cfg(test)]
mod tests;
mod waiting;
mod worker;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use socket2::Socket;

use crate::clients::Script;
use crate::load::Schedule;
use crate::measure::Record;
use crate::scenario::plan::{Lifecycle, WhenFull};
use crate::sys::socket::Dialer;

pub use worker::{MioEngine, RECORDS};

/// A way of driving clients. Each worker thread runs one engine on its share of a cell's loads.
pub trait Engine: Send + Sync {
    /// The name in results.
    fn name(&self) -> &'static str;

    /// Drives the share until nothing is left to do, or until it is told to stop.
    ///
    /// # Errors
    /// Of setting the engine up (EMFILE, ENOMEM). What happens to an attempt is no error but an
    /// outcome, and what breaks later is part of the report.
    fn run(&self, share: Share, handover: Handover) -> io::Result<WorkerReport>;
}

/// What one worker is to do.
#[derive(Debug)]
pub struct Share {
    /// Start of the cell's schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// Identity of the run, for greetings.
    pub run: u64,
    /// The parts of the loads.
    pub parts: Vec<Part>,
    /// Most attempts of this share that may be in progress at once.
    pub slots: usize,
    /// Where the descriptors for them come from; shared by the workers.
    pub descriptors: Arc<Descriptors>,
    /// How often records are handed over, in nanoseconds.
    pub interval: u64,
}

/// Descriptors that clients' sockets may take. A worker takes one when it has more attempts in
/// progress than ever before and keeps it: no attempt touches it as a rule.
#[derive(Debug)]
pub struct Descriptors(AtomicU64);

impl Descriptors {
    /// So many of them.
    pub const fn new(count: u64) -> Self {
        Self(AtomicU64::new(count))
    }

    /// Takes one; whether there was one.
    pub fn take(&self) -> bool {
        let less = |count: u64| count.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// A worker's part of one load.
#[derive(Debug)]
pub struct Part {
    /// Index of the load in its cell.
    pub load: u16,
    /// What a connection does.
    pub script: Script,
    /// How a connection is made.
    pub dialer: Dialer,
    /// When attempts are wanted.
    pub schedule: Schedule,
    /// Seed of its arrivals.
    pub seed: u64,
    /// The load's start, in nanoseconds since the cell's start.
    pub start: u64,
    /// Longest wait for a connection, and for each whole reply, in nanoseconds.
    pub timeout: u64,
    /// What a client does when the queue of an AF_UNIX listener is full.
    pub when_full: WhenFull,
    /// Whether the first message goes with the SYN.
    pub fast_open: bool,
    /// Whether each attempt has a socket of its own.
    pub lifecycle: Lifecycle,
    /// This worker among those of the load.
    pub index: u64,
    /// The load's workers.
    pub workers: u64,
}

impl Part {
    /// Starts connecting; bytes of the first message that went along.
    ///
    /// # Errors
    /// As [`Dialer::connect`] and [`Dialer::connect_sending`].
    fn connect(&self, socket: &Socket) -> io::Result<usize> {
        match self.fast_open {
            true => self.dialer.connect_sending(socket, self.script.first_message()),
            false => self.dialer.connect(socket).map(|()| 0),
        }
    }

    /// Whether a client waits after this error.
    fn waits_after(&self, error: &io::Error) -> bool {
        self.when_full == WhenFull::Wait && error.kind() == io::ErrorKind::WouldBlock
    }
}

/// How a worker hands its records over: whole buffers, once an interval.
#[derive(Debug)]
pub struct Handover {
    /// Index of the worker.
    pub worker: usize,
    /// Takes filled buffers.
    pub filled: mpsc::Sender<Batch>,
    /// Gives emptied ones back.
    pub emptied: mpsc::Receiver<Vec<Record>>,
}

/// Records that a worker hands over.
#[derive(Debug)]
pub struct Batch {
    /// Index of the worker.
    pub worker: usize,
    /// Everything that happened before this instant is handed over, in nanoseconds since the
    /// cell's start; `u64::MAX` with a worker's last batch.
    pub upto: u64,
    /// The records, in the order of their instants.
    pub records: Vec<Record>,
    /// Attempts in progress, held connections included.
    pub in_progress: u32,
}

/// What a worker says when it is done.
#[derive(Debug, Default)]
pub struct WorkerReport {
    /// What became of each part's schedule.
    pub parts: Vec<PartReport>,
    /// Time that the thread was ready to run and had no CPU, in seconds; 0 where unknown.
    pub run_delay_s: f64,
    /// Why it ended early, if one of the engine's own system calls failed.
    pub failed: Option<io::Error>,
}

/// What became of a worker's part of a load's schedule. Counted where the schedule hands attempts
/// out, apart from their records, so that a record that went missing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartReport {
    /// Index of the load in its cell.
    pub load: u16,
    /// Attempts that the schedule handed out.
    pub taken: u64,
    /// Attempts that the schedule wanted and the worker did not get to.
    pub unissued: u64,
}

/// Tells workers to stop before their schedule ends.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// A wish that nobody has yet.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Workers notice within some 50 ms.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody wished so.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
