//! The load workers of a cell: how many, with which share, and what they leave.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use crate::clients::Script;
use crate::engine::{
    Batch, Descriptors, Engine, Handover, MioEngine, Part, Share, Stop, Way, WorkerReport,
};
use crate::lab::{HalfOpen, Lab};
use crate::load::{Schedule, Shape};
use crate::measure::Record;
use crate::scenario::plan::{Cell, Client, Close, Closer, Load, Target};
use crate::sys::limits;
use crate::sys::permit::PermittedAddr;
use crate::sys::socket::Dialer;

/// The engine that drives every load.
pub const ENGINE: &str = MioEngine::NAME;
/// Attempts a second that one worker does with ease.
const EASY_RATE: f64 = 20_000.0;
/// Descriptors that are not for clients' sockets: logs, pipes, polls, timers.
pub const RESERVED: u64 = 128;
/// Most attempts in progress that a worker has room for.
const MOST_SLOTS: u64 = 1 << 20;
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

/// The workers of a cell. They end with it: without a [`Workers::join`] before, it stops them.
pub struct Workers {
    stop: Arc<Stop>,
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
    let loads: Vec<(&Load, u16)> = work.cell.loads.iter().map(|load| (load, count(load))).collect();
    let threads = loads.iter().map(|(_, workers)| *workers).max().unwrap_or(1);
    let (limit, _) = limits::descriptors()?;
    let limit = limit.saturating_sub(RESERVED).max(1);
    let descriptors = Arc::new(Descriptors::new(limit));
    let (filled, batches) = mpsc::channel();
    let mut ends = Ends { batches, emptied: Vec::new() };
    let mut workers = Workers { stop: Arc::clone(stop), threads: Vec::new() };
    for worker in 0..threads {
        let (emptied, receiver) = mpsc::channel();
        for _ in 0..BUFFERS {
            // The receiver is at hand.
            let _ = emptied.send(Vec::with_capacity(crate::engine::RECORDS));
        }
        ends.emptied.push(emptied);
        let handover =
            Handover { worker: usize::from(worker), filled: filled.clone(), emptied: receiver };
        let share = share(work, &loads, worker, limit, &descriptors)?;
        let engine = MioEngine { stop: Arc::clone(stop) };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{worker}"))
            .spawn(move || engine.run(share, handover))?;
        workers.threads.push(thread);
    }
    Ok((workers, ends))
}

fn share(
    work: &Work,
    loads: &[(&Load, u16)],
    worker: u16,
    limit: u64,
    descriptors: &Arc<Descriptors>,
) -> io::Result<Share> {
    let parts = loads.iter().enumerate().filter(|(_, (_, workers))| worker < *workers);
    let parts = parts.map(|(index, (load, workers))| part(work, index, load, worker, *workers));
    Ok(Share {
        epoch: work.epoch,
        run: work.run,
        parts: parts.collect::<io::Result<_>>()?,
        slots: slots(loads, worker, limit),
        descriptors: Arc::clone(descriptors),
        interval: work.interval,
    })
}

/// Most attempts that a worker's parts can have in progress at once, within the limit of
/// descriptors. Which worker gets how many of these is settled while they run.
fn slots(loads: &[(&Load, u16)], worker: u16, limit: u64) -> usize {
    let needs = loads.iter().filter(|(_, workers)| worker < *workers).map(|(load, workers)| {
        let all = match &load.schedule {
            Schedule::Closed { clients, .. } => u64::from(*clients),
            Schedule::Open { attempts, .. } => attempts.unwrap_or(u64::MAX),
        };
        all.div_ceil(u64::from(*workers))
    });
    let needed = needs.fold(0, u64::saturating_add);
    needed.min(limit).clamp(1, MOST_SLOTS) as usize
}

fn part(work: &Work, index: usize, load: &Load, worker: u16, workers: u16) -> io::Result<Part> {
    let target_closes = match &work.cell.target {
        Target::Own { serve, .. } => serve.close == Closer::Server,
        Target::External { .. } => false,
    };
    // Each load has arrivals of its own; every cell has the same ones.
    let seed = work.seed.wrapping_add(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(index as u64 + 1));
    Ok(Part {
        load: index as u16,
        script: Script::new(load, target_closes, seed),
        way: way(work, load)?,
        schedule: load.schedule.clone(),
        seed,
        start: load.start.nanos(),
        timeout: load.timeout.nanos(),
        when_full: load.when_full,
        fast_open: load.fast_open,
        lifecycle: load.lifecycle,
        index: u64::from(worker),
        workers: u64::from(workers),
    })
}

fn way(work: &Work, load: &Load) -> io::Result<Way> {
    let reset = load.close == Close::Rst;
    let port = work.address.get().port();
    Ok(match (&load.client, work.lab.zip(port)) {
        (Client::HalfOpen { hold }, Some((lab, port))) => {
            Way::Half(HalfOpen::new(lab, port), hold.nanos())
        }
        (Client::HalfOpen { .. }, None) => {
            return Err(io::Error::other("half-open clients exist only inside a lab"));
        }
        _ => Way::Whole(Dialer::new(work.address, work.sources, load.ports, reset)),
    })
}

impl Workers {
    /// Whether all of them have ended.
    pub fn are_done(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for all of them: what they say, and the first error of any.
    pub fn join(mut self) -> (Vec<WorkerReport>, Option<io::Error>) {
        let (mut reports, mut failed) = (Vec::new(), None);
        for thread in self.threads.drain(..) {
            let ran = thread.join();
            match ran.unwrap_or_else(|_| Err(io::Error::other("a load worker panicked"))) {
                Ok(mut report) => {
                    failed = failed.or(report.failed.take());
                    reports.push(report);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        (reports, failed)
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

    #[test]
    fn a_worker_has_room_for_what_it_has_to_do() {
        let (one, eight) = (closed(900), closed(80));
        let loads = [(&one, 1), (&eight, 8)];
        assert_eq!(slots(&loads, 0, 1872), 910);
        assert_eq!(slots(&loads, 7, 1872), 10);
        assert_eq!(slots(&loads, 0, 500), 500);
    }

    fn workers(stop: &Arc<Stop>, ran: [Ran; 2]) -> Workers {
        let threads = ran.map(std::thread::spawn).into();
        Workers { stop: Arc::clone(stop), threads }
    }

    type Ran = Box<dyn FnOnce() -> io::Result<WorkerReport> + Send>;

    #[test]
    fn workers_that_nobody_waits_for_are_stopped() {
        let stop = Arc::new(Stop::new());
        let ended = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let until_stop = || -> Ran {
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
        let dies: Ran = Box::new(|| Err(io::Error::other("dead")));
        let lives: Ran = Box::new(|| Ok(WorkerReport::default()));
        let (reports, failed) = workers(&stop, [dies, lives]).join();
        assert_eq!((reports.len(), failed.map(|e| e.to_string())), (1, Some("dead".to_owned())));
        assert!(!stop.requested());
    }

    #[test]
    fn an_open_load_may_need_all_there_is() {
        let (free, few) = (open(None), open(Some(7)));
        assert_eq!(slots(&[(&free, 1), (&few, 1)], 0, 5000), 5000);
        assert_eq!(slots(&[(&few, 2)], 1, 5000), 4);
        assert_eq!(slots(&[(&free, 1)], 0, u64::MAX), MOST_SLOTS as usize);
    }
}
