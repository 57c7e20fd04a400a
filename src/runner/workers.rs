//! The load workers of a cell: started, each with its order, and waited for.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use super::engines::{self, Drive, Driver};
use super::order::{MOST_SLOTS, Order, PartOrder};
use super::processes::WorkerProcess;
use crate::engine::{
    Batch, Descriptors, Engine, Handover, IoUringEngine, MioEngine, RECORDS, Stop, WorkerReport,
};
use crate::lab::Lab;
use crate::load::{Schedule, seed_of};
use crate::measure::Record;
use crate::scenario::RESERVED;
use crate::scenario::plan::{Cell, Closer, Load, Target};
use crate::sys::permit::{PermittedAddr, Policy};
use crate::sys::{limits, uring};

/// Buffers that travel between a worker and the collector.
const BUFFERS: usize = 4;

/// What the workers of a cell are to do.
pub struct Work<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// The lab in which the cell runs, if it does.
    pub lab: Option<&'a Lab>,
    /// Where the clients connect to.
    pub address: PermittedAddr,
    /// What permits that.
    pub policy: &'a Policy,
    /// Their source addresses; empty leaves the choice to the kernel.
    pub sources: &'a [IpAddr],
    /// Start of the schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// Length of an interval, in nanoseconds.
    pub interval: u64,
    /// Identity of the run.
    pub run: u64,
    /// Whether the target tells of the connections that it held.
    pub names: bool,
    /// Seed of the arrivals.
    pub seed: u64,
}

/// How each load of a cell is driven on this machine.
///
/// # Errors
/// Of reading the limit of descriptors.
pub fn drives(cell: &Cell) -> io::Result<Vec<Drive>> {
    let probe = || uring::available().map_err(|error| error.to_string());
    Ok(engines::drives(&cell.loads, descriptors()?, probe))
}

/// Descriptors that clients' sockets of one process may take.
fn descriptors() -> io::Result<u64> {
    let (limit, _) = limits::descriptors()?;
    Ok(limit.saturating_sub(RESERVED).max(1))
}

/// The workers of a cell. They end with it: without a [`Workers::join`] before, it stops them.
pub struct Workers {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<Ran>>,
    /// Resident memory of each worker process, in bytes, as far as it has told.
    pub resident: Vec<Arc<AtomicU64>>,
}

/// What a worker's thread leaves: a report, and the process that it stood for, if any.
type Ran = (io::Result<WorkerReport>, Option<WorkerProcess>);

/// What the workers of a cell leave.
#[derive(Default)]
pub struct Left {
    /// What each of them said.
    pub reports: Vec<WorkerReport>,
    /// The first error of any.
    pub failed: Option<io::Error>,
    /// Processes that keep connections whose clients left without a word: the target must not see
    /// these end before it has reported.
    pub processes: Vec<WorkerProcess>,
}

/// Both ends that the collector needs.
pub struct Ends {
    /// What the workers hand over.
    pub batches: mpsc::Receiver<Batch>,
    /// Where their buffers go back to.
    pub emptied: Vec<mpsc::Sender<Vec<Record>>>,
}

/// Buffers for records, at the end where a worker takes them, and the end where they come back.
pub fn buffers() -> (mpsc::Sender<Vec<Record>>, mpsc::Receiver<Vec<Record>>) {
    let (emptied, receiver) = mpsc::channel();
    for _ in 0..BUFFERS {
        // The receiver is at hand.
        let _ = emptied.send(Vec::with_capacity(RECORDS));
    }
    (emptied, receiver)
}

/// Starts the workers, in the calling thread's network namespace. Those of one engine drive all of
/// its loads. `drives` tells how each load is driven.
///
/// # Errors
/// Of creating threads and processes (EAGAIN), and of reading the limit of descriptors.
pub fn start(work: &Work, drives: &[Drive], stop: &Arc<Stop>) -> io::Result<(Workers, Ends)> {
    let limit = descriptors()?;
    let descriptors = Arc::new(Descriptors::new(limit));
    let (filled, batches) = mpsc::channel();
    let mut ends = Ends { batches, emptied: Vec::new() };
    let mut workers = Workers { stop: Arc::clone(stop), threads: Vec::new(), resident: Vec::new() };
    for driver in Driver::ALL {
        let loads: Vec<Driven> = driven(work.cell, drives, driver).collect();
        let most = loads.iter().map(|load| load.workers).max().unwrap_or(0);
        for worker in 0..most {
            let (emptied, receiver) = buffers();
            let number = ends.emptied.len();
            ends.emptied.push(emptied);
            let handover = Handover { worker: number, filled: filled.clone(), emptied: receiver };
            let order = order(work, &loads, worker, limit);
            let run = hire(driver, order, work.lab, &descriptors, stop)?;
            workers.resident.extend(run.resident);
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || (run.work)(handover))?;
            workers.threads.push(thread);
        }
    }
    Ok((workers, ends))
}

/// A load of one engine, with its index in the cell.
struct Driven<'a> {
    index: u16,
    load: &'a Load,
    workers: u16,
}

fn driven<'a>(
    cell: &'a Cell,
    drives: &'a [Drive],
    driver: Driver,
) -> impl Iterator<Item = Driven<'a>> {
    let all = (0..).zip(cell.loads.iter().zip(drives));
    let own = all.filter(move |(_, (_, drive))| drive.driver == driver);
    own.map(|(index, (load, drive))| Driven { index, load, workers: drive.workers })
}

/// A worker that is ready.
struct Hired {
    work: Box<dyn FnOnce(Handover) -> Ran + Send>,
    /// Its resident memory, if it is a process.
    resident: Option<Arc<AtomicU64>>,
}

fn hire(
    driver: Driver,
    order: Order,
    lab: Option<&Lab>,
    descriptors: &Arc<Descriptors>,
    stop: &Arc<Stop>,
) -> io::Result<Hired> {
    let stop = Arc::clone(stop);
    let engine: Box<dyn Engine> = match driver {
        Driver::Mio => Box::new(MioEngine { stop }),
        Driver::IoUring => Box::new(IoUringEngine { stop }),
        Driver::Processes => {
            let mut worker = WorkerProcess::spawn()?;
            let resident = Some(Arc::clone(&worker.resident));
            let work = move |handover| (worker.run(order, &stop, &handover), Some(worker));
            return Ok(Hired { work: Box::new(work), resident });
        }
    };
    let share = order.share(lab, descriptors)?;
    let work = move |handover| (engine.run(share, handover), None);
    Ok(Hired { work: Box::new(work), resident: None })
}

fn order(work: &Work, loads: &[Driven], worker: u16, limit: u64) -> Order {
    let own = loads.iter().filter(|load| worker < load.workers);
    Order {
        epoch: work.epoch,
        run: work.run,
        names: work.names,
        interval: work.interval,
        endpoint: work.address.get(),
        policy: work.policy.clone(),
        sources: work.sources.to_vec(),
        slots: slots(loads, worker, limit),
        parts: own.map(|load| part(work, load, worker)).collect(),
    }
}

fn part(work: &Work, driven: &Driven, worker: u16) -> PartOrder {
    let target_closes = match &work.cell.target {
        Target::Own { serve, .. } => serve.close == Closer::Server,
        Target::Receiver { .. } | Target::External { .. } => false,
    };
    PartOrder {
        index: driven.index,
        load: driven.load.clone(),
        target_closes,
        seed: seed_of(work.seed, driven.index),
        worker,
        workers: driven.workers,
    }
}

/// Most attempts that a worker's parts can have in progress at once, within the limit of
/// descriptors. Which worker gets how many of these is settled while they run.
fn slots(loads: &[Driven], worker: u16, limit: u64) -> usize {
    let needs = loads.iter().filter(|load| worker < load.workers).map(|driven| {
        let all = match &driven.load.schedule {
            Schedule::Closed { clients, .. } => u64::from(*clients),
            Schedule::Open { attempts, .. } => attempts.unwrap_or(u64::MAX),
        };
        all.div_ceil(u64::from(driven.workers))
    });
    let needed = needs.fold(0, u64::saturating_add);
    needed.min(limit).clamp(1, MOST_SLOTS as u64) as usize
}

impl Workers {
    /// Whether all of them have ended.
    pub fn are_done(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for all of them: what they leave.
    pub fn join(mut self) -> Left {
        let mut left = Left::default();
        for thread in self.threads.drain(..) {
            let panicked = |_| (Err(io::Error::other("a load worker panicked")), None);
            let (ran, process) = thread.join().unwrap_or_else(panicked);
            left.processes.extend(process);
            match ran {
                Ok(mut report) => {
                    left.failed = left.failed.or(report.failed.take());
                    left.reports.push(report);
                }
                Err(error) => left.failed = left.failed.or(Some(error)),
            }
        }
        left
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        self.stop.request();
        for thread in self.threads.drain(..) {
            // Why it ended matters to nobody any more.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Shape;
    use crate::scenario::plan::Client;
    use crate::units::{Rate, Span};

    fn load(schedule: Schedule) -> Load {
        Load::new("load", Client::Connect { hold: Span::default(), greet: false }, schedule)
    }

    fn closed(clients: u32) -> Load {
        let (think, window) = (Span::default(), Span::from_millis(1000));
        load(Schedule::Closed { clients, think, window, attempts: None })
    }

    fn open(attempts: Option<u64>) -> Load {
        let shape = Shape::Constant { rate: Rate::new(100.0).expect("a rate") };
        load(Schedule::Open { shape, window: Span::from_millis(1000), attempts })
    }

    fn driven(load: &Load, workers: u16) -> Driven<'_> {
        Driven { index: 0, load, workers }
    }

    #[test]
    fn a_worker_has_room_for_what_it_has_to_do() {
        let (one, eight) = (closed(900), closed(80));
        let loads = [driven(&one, 1), driven(&eight, 8)];
        assert_eq!(slots(&loads, 0, 1872), 910);
        assert_eq!(slots(&loads, 7, 1872), 10);
        assert_eq!(slots(&loads, 0, 500), 500);
    }

    fn workers(stop: &Arc<Stop>, ran: [Works; 2]) -> Workers {
        let threads = ran.map(|ran| std::thread::spawn(|| (ran(), None))).into();
        Workers { stop: Arc::clone(stop), threads, resident: Vec::new() }
    }

    type Works = Box<dyn FnOnce() -> io::Result<WorkerReport> + Send>;

    #[test]
    fn workers_that_nobody_waits_for_are_stopped() {
        let stop = Arc::new(Stop::new());
        let ended = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let until_stop = || -> Works {
            let (stop, ended) = (Arc::clone(&stop), Arc::clone(&ended));
            Box::new(move || {
                while !stop.requested() {
                    std::thread::yield_now();
                }
                ended.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok(WorkerReport::default())
            })
        };
        drop(workers(&stop, [until_stop(), until_stop()]));
        assert_eq!(ended.load(std::sync::atomic::Ordering::SeqCst), 2);
    }

    #[test]
    fn what_the_others_say_survives_the_death_of_one() {
        let stop = Arc::new(Stop::new());
        let dies: Works = Box::new(|| Err(io::Error::other("dead")));
        let lives: Works = Box::new(|| Ok(WorkerReport::default()));
        let left = workers(&stop, [dies, lives]).join();
        let Left { reports, failed, .. } = left;
        assert_eq!((reports.len(), failed.map(|e| e.to_string())), (1, Some("dead".to_owned())));
        assert!(!stop.requested());
    }

    #[test]
    fn an_open_load_may_need_all_there_is() {
        let (free, few) = (open(None), open(Some(7)));
        assert_eq!(slots(&[driven(&free, 1), driven(&few, 1)], 0, 5000), 5000);
        assert_eq!(slots(&[driven(&few, 2)], 1, 5000), 4);
        assert_eq!(slots(&[driven(&free, 1)], 0, u64::MAX), MOST_SLOTS);
    }
}
