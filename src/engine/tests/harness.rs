//! Runs one load on the engine and checks that its records add up.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::clients::Script;
use crate::engine::{
    Batch, Descriptors, Engine, Handover, IoUringEngine, MioEngine, Part, Share, Stop, Way,
    WorkerReport,
};
use crate::load::Schedule;
use crate::measure::{Ending, Event, Outcome, Record};
use crate::scenario::plan::{Client, Exchange, Lifecycle, Load, ReplyEnd, WhenFull};
use crate::sys::clock;
use crate::sys::permit::PermittedAddr;
use crate::sys::socket::Dialer;
use crate::units::Span;

/// Nanoseconds.
pub const MS: u64 = 1_000_000;
const INTERVAL: u64 = 20 * MS;

/// A client that holds for so many milliseconds.
pub fn connect(hold: u64) -> Script {
    script(Client::Connect { hold: Span::from_millis(hold), greet: false })
}

/// A client that has `hello` echoed so many times, thinking for so many milliseconds.
pub fn request(exchanges: u32, think: u64) -> Script {
    let (message, reply) = (b"hello".to_vec(), ReplyEnd::Length(5));
    let think = Span::from_millis(think);
    let exchange = Exchange { message, reply, exchanges, think };
    script(Client::Request { exchange, greet: false })
}

/// A client that stays until so many milliseconds after the start, and has `hello` echoed whenever
/// so many have passed.
pub fn hold(until: u64, every: u64) -> Script {
    let (message, reply) = (b"hello".to_vec(), ReplyEnd::Length(5));
    let think = Span::from_millis(every);
    let exchange = Some(Exchange { message, reply, exchanges: 1, think });
    script(Client::Hold { until: Span::from_millis(until), exchange })
}

/// A client that sends so many bytes and reads until the target closes.
pub fn until_close(length: usize) -> Script {
    let (message, think) = (vec![b'm'; length], Span::default());
    let exchange = Exchange { message, reply: ReplyEnd::Close, exchanges: 1, think };
    script(Client::Request { exchange, greet: false })
}

fn script(client: Client) -> Script {
    let schedule = Schedule::Closed {
        clients: 1,
        think: Span::default(),
        window: Span::default(),
        attempts: None,
    };
    Script::new(&Load::new("load", client, schedule), false, 0)
}

/// What the workers have in common.
struct Start {
    epoch: u64,
    descriptors: Arc<Descriptors>,
}

/// Which engine drives a load.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Mio,
    IoUring,
}

impl Kind {
    /// One load on this engine.
    pub fn case(self, script: Script, schedule: Schedule) -> Case {
        Case { engine: self, ..Case::new(script, schedule) }
    }

    fn engine(self, stop: &Arc<Stop>) -> Box<dyn Engine> {
        let stop = Arc::clone(stop);
        match self {
            Self::Mio => Box::new(MioEngine { stop }),
            Self::IoUring => Box::new(IoUringEngine { stop }),
        }
    }
}

/// One load.
pub struct Case {
    engine: Kind,
    pub script: Script,
    pub schedule: Schedule,
    pub when_full: WhenFull,
    pub fast_open: bool,
    pub lifecycle: Lifecycle,
    pub timeout: u64,
    pub slots: usize,
    /// Over all workers.
    pub descriptors: u64,
    /// How often records are handed over.
    pub interval: u64,
    pub workers: u64,
    /// From the workers' start to the epoch.
    pub lead: Duration,
    /// From the workers' start.
    pub stop_after: Option<Duration>,
}

impl Case {
    /// One load on epoll.
    pub fn new(script: Script, schedule: Schedule) -> Self {
        Self {
            engine: Kind::Mio,
            script,
            schedule,
            when_full: WhenFull::Fail,
            fast_open: false,
            lifecycle: Lifecycle::Fresh,
            timeout: 4000 * MS,
            slots: 256,
            descriptors: 256,
            interval: INTERVAL,
            workers: 1,
            lead: Duration::from_millis(5),
            stop_after: None,
        }
    }

    fn start(&self) -> Start {
        let epoch = clock::monotonic() + self.lead.as_nanos() as u64;
        Start { epoch, descriptors: Arc::new(Descriptors::new(self.descriptors)) }
    }

    /// Runs it, and checks that the records add up.
    pub fn run(&self, address: PermittedAddr) -> Run {
        let stop = Arc::new(Stop::new());
        let (filled, batches) = mpsc::channel();
        let start = self.start();
        let workers: Vec<_> = (0..self.workers)
            .map(|index| {
                let share = self.share(address, index, &start);
                let (_, emptied) = mpsc::channel();
                let handover = Handover { worker: index as usize, filled: filled.clone(), emptied };
                let engine = self.engine.engine(&stop);
                thread::spawn(move || engine.run(share, handover))
            })
            .collect();
        drop(filled);
        if let Some(time) = self.stop_after {
            thread::sleep(time);
            stop.request();
        }
        let reports = workers.into_iter().map(|worker| {
            worker.join().expect("no panic").expect("the engine's own calls succeed")
        });
        let run = Run { reports: reports.collect(), records: in_order(batches.iter()) };
        run.adds_up();
        run
    }

    fn share(&self, address: PermittedAddr, index: u64, start: &Start) -> Share {
        let Start { epoch, descriptors } = start;
        let epoch = *epoch;
        let part = Part {
            load: 0,
            script: self.script.clone(),
            way: Way::Whole(Dialer::new(address, &[], None, false)),
            schedule: self.schedule.clone(),
            seed: 1,
            start: 0,
            timeout: self.timeout,
            when_full: self.when_full,
            fast_open: self.fast_open,
            lifecycle: self.lifecycle,
            index,
            workers: self.workers,
        };
        Share {
            epoch,
            run: 1,
            names: true,
            parts: vec![part],
            slots: self.slots,
            descriptors: Arc::clone(descriptors),
            interval: self.interval,
        }
    }
}

/// The records of all batches; each batch keeps what it promises.
fn in_order(batches: impl Iterator<Item = Batch>) -> Vec<Record> {
    let mut upto: BTreeMap<usize, u64> = BTreeMap::new();
    let mut records = Vec::new();
    for batch in batches {
        let since = upto.insert(batch.worker, batch.upto).unwrap_or(0);
        assert!(batch.records.is_sorted_by_key(|record| record.at));
        assert!(batch.records.iter().all(|record| since <= record.at), "handed over too late");
        records.extend(batch.records);
    }
    assert!(upto.values().all(|upto| *upto == u64::MAX), "a worker did not finish");
    records
}

/// How an attempt's connecting ended.
pub struct Connect {
    pub attempt: u64,
    pub intended: u64,
    pub issued: u64,
    pub at: u64,
    pub outcome: Outcome,
    pub errno: i32,
}

/// What a case left.
pub struct Run {
    pub records: Vec<Record>,
    reports: Vec<WorkerReport>,
}

impl Run {
    /// Each attempt has exactly one `Connect`; an established one exactly one `End`, as its last.
    fn adds_up(&self) {
        let mut lives: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
        for record in &self.records {
            lives.entry(record.attempt).or_default().push(record.event);
        }
        assert_eq!(self.taken(), lives.len() as u64, "attempts without a record");
        for (attempt, life) in lives {
            let Event::Connect { intended, issued, outcome, errno, .. } = life[0] else {
                panic!("attempt {attempt} begins with {:?}", life[0]);
            };
            assert!(issued >= intended, "attempt {attempt} was issued too early");
            if !outcome.established() {
                assert_eq!(life.len(), 1, "attempt {attempt}: {life:?}");
                continue;
            }
            assert_eq!(errno, 0);
            let (last, between) = life[1..].split_last().expect("an end");
            assert!(matches!(last, Event::End { .. }), "attempt {attempt} ends with {last:?}");
            assert!(between.iter().all(|event| matches!(event, Event::Reply { .. })));
        }
    }

    pub fn connects(&self) -> Vec<Connect> {
        let connect = |record: &Record| match record.event {
            Event::Connect { intended, issued, outcome, errno, .. } => {
                let (attempt, at) = (record.attempt, record.at);
                Some(Connect { attempt, intended, issued, at, outcome, errno })
            }
            _ => None,
        };
        self.records.iter().filter_map(connect).collect()
    }

    /// Numbers of the attempts, in order.
    pub fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.connects().iter().map(|c| c.attempt).collect();
        numbers.sort_unstable();
        numbers
    }

    pub fn outcomes(&self) -> Vec<(Outcome, usize)> {
        counts(self.connects().iter().map(|connect| connect.outcome))
    }

    pub fn endings(&self) -> Vec<(Ending, usize)> {
        counts(self.records.iter().filter_map(|record| match record.event {
            Event::End { ending, .. } => Some(ending),
            _ => None,
        }))
    }

    pub fn replies(&self) -> usize {
        self.records.iter().filter(|r| matches!(r.event, Event::Reply { .. })).count()
    }

    /// Instants at which established connections ended.
    pub fn ends(&self) -> impl Iterator<Item = u64> {
        self.records.iter().filter(|r| matches!(r.event, Event::End { .. })).map(|r| r.at)
    }

    /// How long each connection stood.
    pub fn held(&self) -> Vec<u64> {
        let since: BTreeMap<u64, u64> =
            self.connects().iter().map(|connect| (connect.attempt, connect.at)).collect();
        let ends = self.records.iter().filter(|r| matches!(r.event, Event::End { .. }));
        ends.map(|end| end.at - since[&end.attempt]).collect()
    }

    pub fn unissued(&self) -> u64 {
        self.reports.iter().flat_map(|report| &report.parts).map(|part| part.unissued).sum()
    }

    /// Attempts that the schedule handed out.
    fn taken(&self) -> u64 {
        self.reports.iter().flat_map(|report| &report.parts).map(|part| part.taken).sum()
    }
}

fn counts<T: Ord>(values: impl Iterator<Item = T>) -> Vec<(T, usize)> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
