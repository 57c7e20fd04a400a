//! Workers that send datagrams: pacing as for connections, a header with true instants in each
//! datagram, replies matched by their sequence numbers, errors by what ICMP brings back.

mod gate;
mod lane;
mod returns;
mod sending;
mod sizes;
mod stream;
mod tallies;
#[cfg(test)]
mod tests;
mod wait;
mod worker;

use std::io;
use std::net::IpAddr;
use std::sync::mpsc;

use super::{PartReport, Stop};
use crate::load::Schedule;
use crate::scenario::plan::{Bulk, DatagramReply, Sizes};
use crate::sys::permit::PermittedAddr;
use crate::units::Ports;

pub use gate::Gate;
pub use tallies::{Counts, Errors, Tallies};

/// What one worker is to send.
#[derive(Debug)]
pub struct DatagramShare {
    /// Start of the cell's schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// Identity of the run, for headers.
    pub run: u32,
    /// How often tallies are handed over, in nanoseconds.
    pub interval: u64,
    /// Whether headers carry CLOCK_REALTIME, for a target with another monotonic clock.
    pub realtime: bool,
    /// The parts of the loads.
    pub parts: Vec<DatagramPart>,
}

/// A worker's part of one load. Attempt *n* goes to stream *n* mod `all_streams`; the worker has the
/// streams `index`, `index + workers`, ... of the load, and their attempts.
#[derive(Debug)]
pub struct DatagramPart {
    /// Index of the load in its cell.
    pub load: u16,
    /// The worker's streams, in order.
    pub streams: Vec<StreamPart>,
    /// Streams of the load, over all workers; the clients of a closed loop.
    pub all_streams: u32,
    /// Sizes of the payload.
    pub sizes: Sizes,
    /// When attempts are wanted.
    pub schedule: Schedule,
    /// Seed of its arrivals and sizes.
    pub seed: u64,
    /// The load's start, in nanoseconds since the cell's start.
    pub start: u64,
    /// Longest wait for a reply, in nanoseconds.
    pub timeout: u64,
    /// What comes back.
    pub reply: DatagramReply,
    /// Many datagrams in one call, at one instant.
    pub bulk: Option<Bulk>,
    /// Local ports that may be used.
    pub ports: Option<Ports>,
    /// This worker among those of the load.
    pub index: u64,
    /// The load's workers.
    pub workers: u64,
}

/// One stream: a socket with a sequence of its own.
#[derive(Debug, Clone, Copy)]
pub struct StreamPart {
    /// Its number in the cell.
    pub number: u32,
    /// Where its datagrams go.
    pub destination: PermittedAddr,
    /// From which address; `None` leaves that to the kernel.
    pub source: Option<IpAddr>,
}

/// How a worker hands its tallies over: whole boxes, once an interval.
#[derive(Debug)]
pub struct DatagramHandover {
    /// Index of the worker.
    pub worker: usize,
    /// Takes filled boxes.
    pub filled: mpsc::Sender<Snapshot>,
    /// Gives emptied ones back ([`Tallies::clear`]). Where none is there, one is made.
    pub emptied: mpsc::Receiver<Box<Tallies>>,
}

/// What happened to one load of one worker since the snapshot before.
#[derive(Debug)]
pub struct Snapshot {
    /// Index of the worker.
    pub worker: usize,
    /// Index of the load in its cell.
    pub load: u16,
    /// The interval of the timeline that is over.
    pub index: usize,
    /// Everything that happened before this instant is handed over, in nanoseconds since the cell's
    /// start; `u64::MAX` when all datagrams are sent and no reply is waited for any more.
    pub upto: u64,
    /// What happened.
    pub tallies: Box<Tallies>,
}

/// What a worker says when it is done.
#[derive(Debug, Default)]
pub struct SenderReport {
    /// What became of each load's part.
    pub parts: Vec<SenderPart>,
    /// Datagrams of each stream that the kernel took.
    pub streams: Vec<SentStream>,
    /// Time that the thread was ready to run and had no CPU, in seconds; 0 where unknown.
    pub run_delay_s: f64,
    /// Why it ended early, if one of its own system calls failed.
    pub failed: Option<io::Error>,
}

/// What became of a worker's part of a load.
#[derive(Debug)]
pub struct SenderPart {
    /// Its schedule.
    pub report: PartReport,
    /// What came after the last snapshot: late replies, and news of ICMP.
    pub late: Box<Tallies>,
}

/// A stream at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentStream {
    /// Index of its load in the cell.
    pub load: u16,
    /// Its number in the cell.
    pub stream: u32,
    /// Datagrams that the kernel took: one past the last sequence number.
    pub sent: u64,
}

/// Sends the share, from its epoch on, in the calling thread. When all is sent and replies are over,
/// or `stop` is requested, the last snapshots are handed over; the sockets stay open until the runner
/// opens `closing`, and then each stream sends its closing marker several times.
///
/// # Errors
/// Of opening the sockets: EMFILE, EADDRNOTAVAIL, and as of `connect(2)`. What happens to an attempt
/// is no error but an outcome, and what breaks later is part of the report.
pub fn run(
    share: DatagramShare,
    handover: DatagramHandover,
    stop: &Stop,
    closing: &Gate,
) -> io::Result<SenderReport> {
    worker::run(share, handover, stop, closing)
}
