//! Our engine with everything that a run has: a worker, and a collector that keeps the books.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use loadgen::clients::Script;
use loadgen::engine::{
    Batch, Descriptors, Engine, Handover, IoUringEngine, MioEngine, Part, Share, Stop, Way,
};
use loadgen::load::{Schedule, Shape};
use loadgen::measure::attempts::Attempts;
use loadgen::measure::book::Book;
use loadgen::measure::intervals::Intervals;
use loadgen::measure::{Metric, Record, percentile};
use loadgen::scenario::plan::{Client, Close, Lifecycle, Load};
use loadgen::sys::clock;
use loadgen::sys::permit::PermittedAddr;
use loadgen::sys::socket::Dialer;
use loadgen::units::{Rate, Span};

use super::cost::{Cost, allocations, cpu_time};

/// Records are handed over and booked this often: the timeline's default.
const INTERVAL: Span = Span::from_millis(100);

/// Which engine of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Over epoll.
    Mio,
    /// Over io_uring.
    IoUring,
}

impl Kind {
    /// The engine's name.
    pub fn name(self) -> &'static str {
        self.engine().name()
    }

    fn engine(self) -> Box<dyn Engine> {
        let stop = Arc::new(Stop::new());
        match self {
            Self::Mio => Box::new(MioEngine { stop }),
            Self::IoUring => Box::new(IoUringEngine { stop }),
        }
    }
}

/// What a run of ours says.
pub struct Ran {
    /// What it took.
    pub cost: Cost,
    /// Allocations of the worker thread for each attempt, those of its start included.
    pub allocations_per_attempt: f64,
    /// SYN retransmits: the target was too slow, or the machine too busy.
    pub retransmits: u64,
    book: Book,
}

impl Ran {
    /// A percentile of a latency metric, in microseconds.
    pub fn percentile_us(&self, metric: Metric, percent: f64) -> f64 {
        let found = self.book.loads[0].metrics().find(|(name, _)| *name == metric);
        found.map_or(f64::NAN, |(_, values)| percentile(values, percent) as f64 / 1e3)
    }
}

/// Clients that connect anew as soon as they have closed.
pub fn closed_loop(
    kind: Kind,
    address: PermittedAddr,
    clients: u32,
    lifecycle: Lifecycle,
    time: Duration,
) -> anyhow::Result<Ran> {
    let window = span(time);
    let schedule = Schedule::Closed { clients, think: Span::default(), window, attempts: None };
    run(kind, address, schedule, lifecycle)
}

/// Connects at a constant rate, whatever becomes of them.
pub fn open_loop(
    kind: Kind,
    address: PermittedAddr,
    rate: f64,
    time: Duration,
) -> anyhow::Result<Ran> {
    let rate = Rate::new(rate).context("the rate is out of range")?;
    let shape = Shape::Constant { rate };
    run(
        kind,
        address,
        Schedule::Open { shape, window: span(time), attempts: None },
        Lifecycle::Fresh,
    )
}

fn span(time: Duration) -> Span {
    Span::from_millis(time.as_millis() as u64)
}

fn run(
    kind: Kind,
    address: PermittedAddr,
    schedule: Schedule,
    lifecycle: Lifecycle,
) -> anyhow::Result<Ran> {
    let cpu = cpu_time()?;
    let epoch = clock::monotonic();
    let book = Book::new(INTERVAL.nanos(), &[schedule.window().nanos()]);
    let share = share(address, schedule, lifecycle, epoch);
    let (filled, batches) = mpsc::channel();
    let (emptied, refill) = mpsc::channel();
    let handover = Handover { worker: 0, filled, emptied: refill };
    let collector = thread::spawn(move || collect(book, &batches, &emptied));
    let worker = thread::spawn(move || {
        let before = allocations();
        kind.engine().run(share, handover).map(|_| allocations() - before)
    });
    let allocations = worker.join().expect("the worker does not panic")?;
    let book = collector.join().expect("the collector does not panic");
    let wall_s = (clock::monotonic() - epoch) as f64 / 1e9;
    let load = &book.loads[0];
    let others = load.attempts() - load.established();
    anyhow::ensure!(others == 0, "{others} attempts were not established: {:?}", load.outcomes);
    Ok(Ran {
        cost: Cost { connections: load.established(), wall_s, cpu_s: cpu_time()? - cpu },
        allocations_per_attempt: allocations as f64 / load.attempts() as f64,
        retransmits: load.syn_retransmits,
        book,
    })
}

fn share(address: PermittedAddr, schedule: Schedule, lifecycle: Lifecycle, epoch: u64) -> Share {
    let client = Client::Connect { hold: Span::default(), greet: false };
    let load = Load { lifecycle, ..Load::new("connect", client, schedule.clone()) };
    let part = Part {
        load: 0,
        script: Script::new(&load, false, 0),
        way: Way::Whole(Dialer::new(address, &[], None, load.close == Close::Rst)),
        schedule,
        seed: 1,
        start: load.start.nanos(),
        timeout: load.timeout.nanos(),
        when_full: load.when_full,
        fast_open: load.fast_open,
        lifecycle,
        index: 0,
        workers: 1,
    };
    let descriptors = Arc::new(Descriptors::new(256));
    let names = false;
    Share {
        epoch,
        run: 1,
        names,
        parts: vec![part],
        slots: 256,
        descriptors,
        interval: INTERVAL.nanos(),
    }
}

/// What the runner's collector does for one worker, but for writing files.
fn collect(
    book: Book,
    batches: &mpsc::Receiver<Batch>,
    emptied: &mpsc::Sender<Vec<Record>>,
) -> Book {
    let mut intervals = Intervals::new(book, Attempts::new(1, false), 1);
    while let Ok(mut batch) = batches.recv() {
        intervals.hand_in(0, &mut batch.records, batch.upto, |_, _, _, _| {});
        // A worker that has ended needs no more buffers.
        let _ = emptied.send(batch.records);
    }
    intervals.finish(|_, _, _, _| {}).0
}
