//! Load workers: pacing, the hot loop, and what they hand over.

mod attempt;
mod connecting;
pub mod datagram;
mod descriptors;
mod engines;
mod pacing;
mod parking;
mod reactor;
mod room;
mod slots;
#[cfg(test)]
mod tests;
mod waiting;
mod worker;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use serde::{Deserialize, Serialize};
use socket2::Socket;

use crate::clients::Script;
use crate::lab::HalfOpen;
use crate::load::Schedule;
use crate::measure::Record;
use crate::scenario::plan::{Lifecycle, WhenFull};
use crate::sys::socket::Dialer;
use crate::sys::tcp_info::TcpInfo;

pub use descriptors::Descriptors;
pub use engines::{IoUringEngine, MioEngine};
pub use worker::RECORDS;

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
    /// Whether the target tells of the connections that it held, so that clients' ends are asked for.
    pub names: bool,
    /// The parts of the loads.
    pub parts: Vec<Part>,
    /// Most attempts of this share that may be in progress at once.
    pub slots: usize,
    /// Where the descriptors for them come from; shared by the workers.
    pub descriptors: Arc<Descriptors>,
    /// How often records are handed over, in nanoseconds.
    pub interval: u64,
}

/// A worker's part of one load.
#[derive(Debug)]
pub struct Part {
    /// Index of the load in its cell.
    pub load: u16,
    /// What a connection does.
    pub script: Script,
    /// How a connection is made.
    pub way: Way,
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

/// How the connections of a load are made.
#[derive(Debug, Clone)]
pub enum Way {
    /// To the end of the handshake.
    Whole(Dialer),
    /// Not to its end; the socket is kept for so many nanoseconds.
    Half(HalfOpen, u64),
}

impl Way {
    fn socket(&self, number: u64) -> io::Result<Socket> {
        match self {
            Self::Whole(dialer) => dialer.socket(number),
            Self::Half(half_open, _) => half_open.socket(number),
        }
    }

    fn connect(&self, socket: &Socket) -> io::Result<()> {
        match self {
            Self::Whole(dialer) => dialer.connect(socket),
            Self::Half(half_open, _) => half_open.connect(socket),
        }
    }

    /// What the kernel knows of a connection that was begun.
    fn look(&self, socket: &Socket) -> io::Result<TcpInfo> {
        match self {
            Self::Whole(dialer) => dialer.look(socket),
            Self::Half(..) => TcpInfo::of(socket),
        }
    }

    /// Whether reads see the boundaries between writes.
    fn keeps_packets(&self) -> bool {
        matches!(self, Self::Whole(dialer) if dialer.keeps_packets())
    }
}

impl Part {
    /// Whether connecting is one call that no reactor can make: over AF_UNIX, where it is over when
    /// it returns, and where the first message goes along.
    fn connects_by_itself(&self) -> bool {
        self.fast_open || matches!(&self.way, Way::Whole(dialer) if dialer.is_unix())
    }

    /// Starts connecting; bytes of the first message that went along.
    ///
    /// # Errors
    /// As [`Dialer::connect`] and [`Dialer::connect_sending`].
    fn connect(&self, socket: &Socket) -> io::Result<usize> {
        match &self.way {
            Way::Whole(dialer) if self.fast_open => {
                dialer.connect_sending(socket, self.script.first_message())
            }
            way => way.connect(socket).map(|()| 0),
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
    /// Connections whose clients left without a word. They stay open, so that the target does not
    /// see them end before it has reported.
    pub left_open: Vec<Socket>,
    /// CPU seconds (user, system) of the worker's own process; 0 for a thread of the runner.
    pub cpu_s: (f64, f64),
    /// Why it ended early, if one of the engine's own system calls failed.
    pub failed: Option<io::Error>,
}

/// What became of a worker's part of a load's schedule. Counted where the schedule hands attempts
/// out, apart from their records, so that a record that went missing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
