//! A made-up run of datagrams: a path that loses 3 %, a sender that meets ENOBUFS, and a reader that
//! stalls, over three receive buffers.

use std::collections::{BTreeMap, VecDeque};

use super::{ROWS, cell, empty, plan_cell};
use crate::load::{Schedule, Shape};
use crate::measure::result::*;
use crate::measure::{Metric, Outcome, Summary, empty as histogram, encode, percentile, record};
use crate::scenario::plan::*;
use crate::units::{Bytes, Rate, Span};

type Histogram = hdrhistogram::Histogram<u64>;

/// Attempts a second, over four seconds.
const RATE: u64 = 4000;
const ATTEMPTS: u64 = 4 * RATE;
const SIZE: u16 = 100;
/// What the kernel charges for a datagram of [`SIZE`].
const CHARGE: u64 = 832;
const STREAMS: u64 = 4;
const INTERVAL: u64 = 100_000_000;
/// Time that the reader takes for a datagram.
const READ: u64 = 200_000;
/// When the reader stalls.
const STALLS: [(u64, u64); 2] = [(1_000_000_000, 1_500_000_000), (2_500_000_000, 2_700_000_000)];

/// Three receive buffers: 64 KiB, 256 KiB and 1 MiB.
pub fn datagrams() -> RunResult {
    datagram_sweep(&[65_536, 262_144, 1_048_576])
}

/// One cell for each receive buffer that is asked for.
pub fn datagram_sweep(buffers: &[u64]) -> RunResult {
    let mut result = empty();
    result.scenario.name = "udp-rcvbuf".to_owned();
    result.cells = buffers.iter().map(|asked| one(*asked)).collect();
    result.scenario.cells = buffers.iter().map(|asked| planned(*asked)).collect();
    result.scenario.sweep = vec![Axis {
        path: "target.rcvbuf".to_owned(),
        values: buffers.iter().map(|asked| Bytes(*asked).to_string()).collect(),
    }];
    result
}

fn planned(asked: u64) -> Cell {
    let shape = Shape::Constant { rate: Rate::new(RATE as f64).expect("a rate") };
    let window = Span::from_millis(4000);
    let datagrams = Datagrams {
        sizes: Sizes::Fixed { bytes: SIZE },
        streams: STREAMS as u32,
        reply: DatagramReply::None,
        bulk: None,
    };
    let stalls = STALLS.map(|(from, to)| Window {
        from: Span::from_millis(from / 1_000_000),
        to: Span::from_millis(to / 1_000_000),
    });
    let mut cell = plan_cell(5);
    cell.name = format!("rcvbuf={}", Bytes(asked));
    cell.axes = axes(asked);
    cell.lab.impair = Some(Impair {
        loss: Some(Loss::Random("3%".parse().expect("a share"))),
        ..Impair::default()
    });
    cell.target = Target::Receiver {
        command: None,
        address: None,
        receive: Receive {
            rcvbuf: Some(Bytes(asked)),
            drain: AcceptPace::Rate(Rate::new(1e9 / READ as f64).expect("a rate")),
            stalls: stalls.into(),
            ..Receive::default()
        },
    };
    let schedule = Schedule::Open { shape, window, attempts: None };
    cell.loads = vec![Load::new("senders", Client::Datagram { datagrams }, schedule)];
    cell
}

fn axes(asked: u64) -> Vec<AxisValue> {
    vec![AxisValue { path: "target.rcvbuf".to_owned(), value: Bytes(asked).to_string() }]
}

/// One stream's run of losses and of receptions.
#[derive(Default, Clone, Copy)]
struct Run {
    lost: u64,
    received: u64,
    longest: u64,
    last_owd: Option<u64>,
    jitter: u64,
}

/// What the model of one cell has counted so far.
struct Model {
    /// The limit of the buffer, in bytes.
    limit: u64,
    /// When each that waits in the buffer is read.
    waiting: VecDeque<u64>,
    last_read: u64,
    peak: u64,
    metrics: BTreeMap<Metric, Histogram>,
    owd: Vec<Histogram>,
    intervals: Vec<DatagramInterval>,
    series: Vec<LoadInterval>,
    streams: Vec<StreamResult>,
    runs: Vec<Run>,
    heat: BTreeMap<(u32, u32), u64>,
}

impl Model {
    fn run(limit: u64) -> Self {
        let intervals = (ATTEMPTS / RATE * 10) as usize;
        let stream = |stream| StreamResult { stream, closed: true, ..StreamResult::default() };
        let mut model = Self {
            limit,
            waiting: VecDeque::new(),
            last_read: 0,
            peak: 0,
            metrics: BTreeMap::new(),
            owd: (0..intervals + 8).map(|_| histogram()).collect(),
            intervals: vec![DatagramInterval::default(); intervals],
            series: vec![LoadInterval::default(); intervals],
            streams: (0..STREAMS as u32).map(stream).collect(),
            runs: vec![Run::default(); STREAMS as usize],
            heat: BTreeMap::new(),
        };
        (0..ATTEMPTS).for_each(|n| model.attempt(n));
        model.finish()
    }

    fn note(&mut self, metric: Metric, value: u64) {
        record(self.metrics.entry(metric).or_insert_with(histogram), value);
    }

    fn attempt(&mut self, n: u64) {
        let at = n * 1_000_000_000 / RATE;
        let lag = 12_000 + n * 7919 % 31_000;
        self.note(Metric::Lag, lag);
        self.note(Metric::ObserverError, 900 + n % 400);
        let index = (at / INTERVAL) as usize;
        self.series[index].attempts += 1;
        self.series[index].lag_p99 = 43_000;
        // The queue of the interface is full for a while.
        if (3_100_000_000..3_200_000_000).contains(&at) && n.is_multiple_of(5) {
            self.series[index].errors += 1;
            *self.intervals[index].unsent.entry(Outcome::NoBuffer).or_default() += 1;
            return;
        }
        self.series[index].ok += 1;
        self.intervals[index].sent += 1;
        self.intervals[index].bytes += u64::from(SIZE);
        let stream = (n % STREAMS) as usize;
        self.streams[stream].sent += 1;
        let arrives = at + lag + 20_000;
        match self.fate(n, arrives, index) {
            Some(cause) => {
                *self.intervals[index].lost.entry(cause).or_default() += 1;
                self.lose(stream);
            }
            None => self.read(stream, at, lag, arrives),
        }
    }

    /// What loses the datagram, if anything does.
    fn fate(&mut self, n: u64, arrives: u64, index: usize) -> Option<Cause> {
        while self.waiting.front().is_some_and(|read| *read <= arrives) {
            self.waiting.pop_front();
        }
        let bytes = self.waiting.len() as u64 * CHARGE;
        self.peak = self.peak.max(bytes);
        let seen = &mut self.intervals[index];
        seen.queue_bytes = seen.queue_bytes.max(Some(bytes));
        seen.queue_mean = Some(bytes as f64 * 0.8);
        seen.queue_limit = Some(self.limit);
        let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(n | 1);
        if random >> 32 < (1 << 32) * 3 / 100 {
            return Some(Cause::LabLoss);
        }
        (bytes > self.limit).then_some(Cause::ReceiveBuffer)
    }

    fn lose(&mut self, stream: usize) {
        let run = &mut self.runs[stream];
        run.lost += 1;
        run.longest = run.longest.max(run.lost);
        self.streams[stream].lost += 1;
        let gap = std::mem::take(&mut run.received);
        if gap > 0 {
            self.note(Metric::LossGap, gap);
        }
    }

    fn read(&mut self, stream: usize, at: u64, lag: u64, arrives: u64) {
        let mut read = arrives.max(self.last_read + READ);
        for (from, to) in STALLS {
            read = if (from..to).contains(&read) { to } else { read };
        }
        self.last_read = read;
        self.waiting.push_back(read);
        let (index, owd) = ((read / INTERVAL) as usize, read - at);
        self.note(Metric::Owd, owd);
        self.note(Metric::OwdService, owd - lag);
        record(&mut self.owd[index], owd);
        let row = ((owd as f64).log10() * f64::from(ROWS)).floor() as u32;
        *self.heat.entry(((at / INTERVAL) as u32, row)).or_default() += 1;
        let last = self.intervals.len() - 1;
        let seen = &mut self.intervals[index.min(last)];
        seen.received = Some(seen.received.unwrap_or(0) + 1);
        self.streams[stream].received += 1;
        let run = &mut self.runs[stream];
        run.received += 1;
        let burst = std::mem::take(&mut run.lost);
        let before = run.last_owd.replace(owd);
        if let Some(before) = before {
            let ipdv = owd.abs_diff(before);
            run.jitter = run.jitter - run.jitter / 16 + ipdv / 16;
            let jitter = run.jitter;
            self.note(Metric::Ipdv, ipdv);
            self.note(Metric::Jitter, jitter);
        }
        if burst > 0 {
            self.note(Metric::LossBurst, burst);
        }
    }

    fn finish(mut self) -> Self {
        for (interval, owd) in self.intervals.iter_mut().zip(&self.owd) {
            interval.received = interval.received.or(Some(0));
            (interval.duplicates, interval.reordered) = (Some(0), Some(0));
            interval.delay_p50 = percentile(owd, 50.0);
            interval.delay_p99 = percentile(owd, 99.0);
            interval.delay_max = owd.max();
        }
        for (stream, run) in self.streams.iter_mut().zip(&self.runs) {
            stream.longest_burst = run.longest;
        }
        self
    }

    fn lost(&self, cause: Cause) -> u64 {
        self.intervals.iter().filter_map(|seen| seen.lost.get(&cause)).sum()
    }
}

fn one(asked: u64) -> CellResult {
    let effective = 2 * asked;
    let model = Model::run(effective);
    let mut cell = cell(5);
    cell.name = format!("rcvbuf={}", Bytes(asked));
    (cell.axes, cell.duration_s) = (axes(asked), 4.1);
    cell.loads = vec![sender(&model, cell.loads.remove(0))];
    cell.metrics = model.metrics.iter().map(|(metric, values)| measured(*metric, values)).collect();
    cell.ledger = Ledger { attempts: ATTEMPTS, classified: ATTEMPTS, ..Ledger::default() };
    let count = |counter: &str, delta: u64| CounterResult {
        namespace: "target".to_owned(),
        counter: counter.to_owned(),
        before: 3,
        after: 3 + delta,
    };
    let dropped = model.lost(Cause::ReceiveBuffer);
    cell.counters =
        vec![count("RcvbufErrors", dropped), count("InErrors", dropped), count("NoPorts", 0)];
    let address = "198.18.0.1:9000".to_owned();
    cell.target.address = address.clone();
    (cell.target.backlog_asked, cell.target.backlog_effective) = (None, None);
    (cell.target.listeners, cell.target.engine) = (0, None);
    cell.target.accepted_by.clear();
    cell.settings = [("net.core.rmem_max".to_owned(), "4194304".to_owned())].into();
    cell.datagrams = Some(ledger(&model, asked, address));
    cell.timeline = Timeline {
        interval_s: 0.1,
        loads: vec![LoadSeries { load: "senders".to_owned(), intervals: model.series }],
        target: vec![TargetInterval::default(); model.intervals.len()],
        datagrams: model.intervals,
        heat: Heat {
            rows_per_decade: ROWS,
            places: model.heat.into_iter().map(|((t, r), n)| (t, r, n)).collect(),
        },
        ..Timeline::default()
    };
    cell
}

fn measured(metric: Metric, values: &Histogram) -> MetricResult {
    let load =
        if matches!(metric, Metric::Lag | Metric::ObserverError) { "senders" } else { "target" };
    MetricResult {
        load: load.to_owned(),
        metric,
        summary: Summary::of(values),
        histogram: encode(values),
        two_clocks: false,
    }
}

fn sender(model: &Model, connects: LoadResult) -> LoadResult {
    let sent: u64 = model.streams.iter().map(|stream| stream.sent).sum();
    let mut outcomes: BTreeMap<_, _> = Outcome::ALL.iter().map(|class| (*class, 0)).collect();
    outcomes.insert(Outcome::Ok, sent);
    outcomes.insert(Outcome::NoBuffer, ATTEMPTS - sent);
    LoadResult {
        name: "senders".to_owned(),
        client: "datagram".to_owned(),
        offered: ATTEMPTS,
        attempts: ATTEMPTS,
        offered_rate: RATE as f64,
        achieved_rate: RATE as f64,
        outcomes,
        endings: BTreeMap::new(),
        errors: [("ENOBUFS".to_owned(), ATTEMPTS - sent)].into(),
        syn_retransmits: 0,
        retransmitted_established: 0,
        datagrams: Some(SentResult {
            streams: STREAMS as u32,
            bytes: sent * u64::from(SIZE),
            sending: "per-datagram".to_owned(),
            calls: sent,
            ..SentResult::default()
        }),
        ..connects
    }
}

fn ledger(model: &Model, asked: u64, address: String) -> DatagramsResult {
    let sum = |of: fn(&StreamResult) -> u64| model.streams.iter().map(of).sum::<u64>();
    let (sent, received, lost) = (sum(|s| s.sent), sum(|s| s.received), sum(|s| s.lost));
    let (path, buffer) = (model.lost(Cause::LabLoss), model.lost(Cause::ReceiveBuffer));
    let cause = |cause: Cause, count: u64, evidence: String| LossCause {
        side: cause.side(),
        cause,
        count,
        evidence,
    };
    let causes = [
        cause(Cause::SendQueue, ATTEMPTS - sent, format!("ENOBUFS {}", ATTEMPTS - sent)),
        cause(Cause::LabLoss, path, format!("nft counter {path}")),
        cause(Cause::ReceiveBuffer, buffer, format!("RcvbufErrors {buffer}, drops {buffer}")),
        cause(Cause::Unexplained, 0, String::new()),
    ];
    let known = |one: &LossCause| one.count > 0 || one.cause == Cause::Unexplained;
    DatagramsResult {
        wanted: ATTEMPTS,
        unsent: ATTEMPTS - sent,
        sent,
        copies: 1,
        counted: true,
        expected: sent,
        received,
        lost,
        causes: causes.into_iter().filter(known).collect(),
        receivers: vec![ReceiverResult {
            address,
            rcvbuf_asked: Some(asked),
            rcvbuf_effective: Some(model.limit),
            read_by: vec![received + 20],
            drops: Some(buffer),
            rxq_ovfl: Some(buffer),
            queue_peak: model.peak,
        }],
        streams: model.streams.clone(),
        charges: vec![Charge { size: SIZE, charged: CHARGE, fit: Some(model.limit / CHARGE + 1) }],
        impairments: vec![ImpairmentResult {
            what: "loss 3%".to_owned(),
            cause: Cause::LabLoss,
            dropped: path,
            seen: Some(sent),
        }],
        ..DatagramsResult::default()
    }
}
