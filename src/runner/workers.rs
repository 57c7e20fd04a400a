//! The load workers of a cell: how many, with which share, and what they leave.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use crate::clients::Script;
use crate::engine::{Batch, Engine, Handover, MioEngine, Part, Share, Stop, WorkerReport};
use crate::load::{Schedule, Shape};
use crate::measure::Record;
use crate::scenario::plan::{Cell, Close, Closer, Load, Target};
use crate::sys::limits;
use crate::sys::permit::PermittedAddr;
use crate::sys::socket::Dialer;

/// The engine that drives every load.
pub const ENGINE: &str = MioEngine::NAME;
/// Attempts a second that one worker does with ease.
const EASY_RATE: f64 = 20_000.0;
/// Descriptors that are not for clients' sockets: logs, pipes, polls, timers.
const RESERVED: u64 = 128;
/// Most attempts in progress that a worker has room for.
const MOST_SLOTS: u64 = 1 << 20;
/// Buffers that travel between a worker and the collector.
const BUFFERS: usize = 4;

/// What the workers of a cell are to do.
pub struct Work<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// Where the clients connect to.
    pub address: PermittedAddr,
    /// Their source addresses; empty leaves the choice to the kernel.
    pub sources: &'a [IpAddr],
    /// Start of the schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// Length of an interval, in nanoseconds.
    pub interval: u64,
    /// Identity of the run.
    pub run: u64,
    /// Seed of the arrivals.
    pub seed: u64,
}

/// The workers of a cell.
pub struct Workers {
    threads: Vec<JoinHandle<io::Result<WorkerReport>>>,
}

/// Both ends that the collector needs.
pub struct Ends {
    /// What the workers hand over.
    pub batches: mpsc::Receiver<Batch>,
    /// Where their buffers go back to.
    pub emptied: Vec<mpsc::Sender<Vec<Record>>>,
}

/// Workers of one load: as the scenario says, else as many as its rate asks for.
pub fn count(load: &Load) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u16);
    let most = match &load.schedule {
        Schedule::Closed { clients, .. } => *clients,
        Schedule::Open { shape, .. } => (peak_rate(shape) / EASY_RATE).ceil() as u32,
    };
    let wanted = match &load.schedule {
        // As fast as the target lets them, which one worker can keep up with on this machine.
        Schedule::Closed { .. } => 1,
        Schedule::Open { .. } => most.clamp(1, u32::from(cores)) as u16,
    };
    load.workers.unwrap_or(wanted)
}

fn peak_rate(shape: &Shape) -> f64 {
    match shape {
        Shape::Constant { rate } | Shape::Poisson { rate } => rate.per_second(),
        Shape::Ramp { from, to } => from.per_second().max(to.per_second()),
        Shape::Step { stages } => stages.iter().map(|s| s.rate.per_second()).fold(0.0, f64::max),
        Shape::Burst { size, every } => *size as f64 * 1e9 / every.nanos().max(1) as f64,
    }
}

/// Starts the workers, in the calling thread's network namespace.
///
/// # Errors
/// Of thread creation (EAGAIN), and of reading the limit of descriptors.
pub fn start(work: &Work, stop: &Arc<Stop>) -> io::Result<(Workers, Ends)> {
    let threads = work.cell.loads.iter().map(count).max().unwrap_or(1);
    let (descriptors, _) = limits::descriptors()?;
    let slots = descriptors.saturating_sub(RESERVED).clamp(1, MOST_SLOTS) / u64::from(threads);
    let (filled, batches) = mpsc::channel();
    let mut ends = Ends { batches, emptied: Vec::new() };
    let mut workers = Workers { threads: Vec::new() };
    for worker in 0..threads {
        let (emptied, receiver) = mpsc::channel();
        for _ in 0..BUFFERS {
            // The receiver is at hand.
            let _ = emptied.send(Vec::with_capacity(crate::engine::RECORDS));
        }
        ends.emptied.push(emptied);
        let handover =
            Handover { worker: usize::from(worker), filled: filled.clone(), emptied: receiver };
        let share = share(work, worker, slots.max(1) as usize);
        let engine = MioEngine { stop: Arc::clone(stop) };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{worker}"))
            .spawn(move || engine.run(share, handover))?;
        workers.threads.push(thread);
    }
    Ok((workers, ends))
}

fn share(work: &Work, worker: u16, slots: usize) -> Share {
    let parts = work.cell.loads.iter().enumerate().filter_map(|(index, load)| {
        let workers = count(load);
        (worker < workers).then(|| part(work, index, load, worker, workers))
    });
    Share {
        epoch: work.epoch,
        run: work.run,
        parts: parts.collect(),
        slots,
        interval: work.interval,
    }
}

fn part(work: &Work, index: usize, load: &Load, worker: u16, workers: u16) -> Part {
    let target_closes = match &work.cell.target {
        Target::Own { serve, .. } => serve.close == Closer::Server,
        Target::External { .. } => false,
    };
    let reset = load.close == Close::Rst;
    Part {
        load: index as u16,
        script: Script::new(load, target_closes),
        dialer: Dialer::new(work.address, work.sources, load.ports, reset),
        schedule: load.schedule.clone(),
        // Each load has arrivals of its own; every cell has the same ones.
        seed: work.seed.wrapping_add(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(index as u64 + 1)),
        start: load.start.nanos(),
        timeout: load.timeout.nanos(),
        lifecycle: load.lifecycle,
        index: u64::from(worker),
        workers: u64::from(workers),
    }
}

impl Workers {
    /// Whether all of them have ended.
    pub fn are_done(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for all of them.
    ///
    /// # Errors
    /// The first error of any.
    pub fn join(self) -> io::Result<Vec<WorkerReport>> {
        self.threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| Err(io::Error::other("a load worker panicked")))
            })
            .collect()
    }
}
