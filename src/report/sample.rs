//! Made-up but plausible results for the tests of this module.

use std::collections::BTreeMap;

mod card;
pub mod comparison;
mod datagrams;
mod knee;
mod repeats;
mod told;

pub use card::{gvisor_card, linux_card};
pub use datagrams::{datagram_sweep, datagrams};
pub use knee::knee;
pub use repeats::repeats;
pub use told::{ladder, told};

use crate::load::{Schedule, Shape};
use crate::measure::result::*;
use crate::measure::{Ending, Metric, Outcome, Summary, TargetEnding, TargetOutcome};
use crate::measure::{empty as histogram, encode, record};
use crate::scenario::plan::*;
use crate::units::{Backlog, Rate, Span};

const RATE: u64 = 400;
const SECONDS: u64 = 8;
const PER_INTERVAL: u64 = RATE / 10;
const ROWS: u32 = 20;

/// A run without any cell.
pub fn empty() -> RunResult {
    RunResult {
        schema_version: SCHEMA_VERSION,
        loadgen_version: "0.1.0".to_owned(),
        scenario: Plan {
            name: "backlog".to_owned(),
            description: "An acceptor that falls behind".to_owned(),
            seed: 1,
            interval: Span::from_millis(100),
            sweep: vec![],
            cells: vec![],
            limits: vec![],
        },
        environment: Environment::default(),
        cells: vec![],
        limits: vec![],
        verdict: Verdict::Pass,
        status: Status::Complete,
        knee: None,
        repeats: None,
        resumed: Vec::new(),
    }
}

/// Three cells: an acceptor that takes 300/s of 400/s offered and stalls for 1.5 s.
pub fn backlog() -> RunResult {
    sweep(&[5, 128, 1024])
}

/// One cell whose clients close first, slowly followed by the target, in a half-open flood.
pub fn churn() -> RunResult {
    let mut result = sweep(&[128]);
    let cell = &mut result.cells[0];
    let intervals = cell.timeline.target.len() as u64;
    for (seen, index) in cell.timeline.target.iter_mut().zip(0..) {
        let syn_recv = if (20..50).contains(&index) { 97 } else { 0 };
        let states = SocketStates { syn_recv, close_wait: 12, ..SocketStates::default() };
        (seen.states, seen.syn_recv) = (Some(states), Some(syn_recv));
        seen.syncookies_recv = Some(2);
        seen.syncookies_sent = Some(syn_recv / 2);
        seen.req_q_full_drop = Some(syn_recv / 4);
        seen.resident = Some(5 << 20);
        cell.timeline.client_states.push((index > 0).then(|| SocketStates {
            syn_sent: if syn_recv > 0 { 120 } else { 3 },
            fin_wait2: 12,
            time_wait: 1600 * index / (intervals - 1),
            ..SocketStates::default()
        }));
    }
    let seen = |states: &[Option<SocketStates>]| StatesResult {
        peak: states.iter().flatten().copied().fold(SocketStates::default(), SocketStates::max),
        looks: 90,
        failed: 0,
        cost_us: 420.0,
        cpu_share: 0.008,
        longest_period_us: 61_000.0,
    };
    let of_target: Vec<_> = cell.timeline.target.iter().map(|seen| seen.states).collect();
    cell.sockets = SocketsResult {
        target: Some(seen(&of_target)),
        client: Some(seen(&cell.timeline.client_states)),
    };
    cell.memory = Some(MemoryResult {
        connections: 100_000,
        interval: 70,
        both_ends: true,
        kernel_bytes: 790_000_000,
        queued_bytes: 0,
        client_bytes: 41_000_000,
        target_bytes: Some(16_400_000),
    });
    result
}

/// One cell for each backlog.
pub fn sweep(backlogs: &[u32]) -> RunResult {
    let mut result = empty();
    result.cells = backlogs.iter().map(|backlog| cell(*backlog)).collect();
    result.scenario.cells = backlogs.iter().map(|backlog| plan_cell(*backlog)).collect();
    result.scenario.sweep = vec![Axis {
        path: "target.backlog".to_owned(),
        values: backlogs.iter().map(u32::to_string).collect(),
    }];
    result.limits = vec![LimitResult {
        cell: "backlog=5".to_owned(),
        load: Some("clients".to_owned()),
        subject: "connect.p99".to_owned(),
        condition: "<= 5ms".to_owned(),
        measured: Some("3.01s".to_owned()),
        holds: Some(false),
    }];
    result.verdict = Verdict::Fail;
    result
}

/// A sweep over so many keys, the first of three values and the others of three, two, two, ...
pub fn product(keys: usize) -> RunResult {
    let mut result = sweep(&[5, 128, 1024]);
    let more: [(&str, &[&str]); 3] = [
        ("lab.sysctl.net.ipv4.tcp_syncookies", &["0", "1", "2"]),
        ("load.arrivals", &["poisson", "burst"]),
        ("lab.link", &["loopback", "veth"]),
    ];
    for (path, values) in more.iter().take(keys.saturating_sub(1)) {
        let with = |cell: &CellResult, value: &&str| {
            let mut cell = cell.clone();
            cell.name.push_str(&format!(",{value}"));
            cell.axes.push(AxisValue { path: path.to_string(), value: value.to_string() });
            cell
        };
        let cells = result.cells.iter();
        result.cells =
            cells.flat_map(|cell| values.iter().map(move |value| with(cell, value))).collect();
        let values = values.iter().map(|value| value.to_string()).collect();
        result.scenario.sweep.push(Axis { path: path.to_string(), values });
    }
    result
}

fn axes(backlog: u32) -> Vec<AxisValue> {
    vec![AxisValue { path: "target.backlog".to_owned(), value: backlog.to_string() }]
}

fn plan_cell(backlog: u32) -> Cell {
    let serve = Serve {
        transport: Transport::Tcp,
        backlog: Backlog(backlog as i32),
        accept: AcceptPace::Rate(Rate::new(300.0).expect("a rate")),
        stalls: vec![Window { from: Span::from_millis(3000), to: Span::from_millis(4500) }],
        ..Serve::default()
    };
    let shape = Shape::Constant { rate: Rate::new(RATE as f64).expect("a rate") };
    let window = Span::from_millis(SECONDS * 1000);
    Cell {
        name: format!("backlog={backlog}"),
        axes: axes(backlog),
        lab: Lab {
            link: Link::Loopback,
            family: Family::Ipv4,
            sources: 1,
            strangers: 0,
            sysctl: vec![],
            impair: None,
            capture: None,
        },
        target: Target::Own { command: None, address: None, serve },
        loads: vec![Load::new(
            "clients",
            Client::Connect { hold: Span::default(), greet: true },
            Schedule::Open { shape, window, attempts: None },
        )],
    }
}

/// What the model of one cell has counted so far.
#[derive(Default)]
struct Model {
    queue: u64,
    highest: u64,
    overflows: u64,
    ok: u64,
    retried: u64,
    timeout: u64,
    intervals: Vec<LoadInterval>,
    target: Vec<TargetInterval>,
    places: BTreeMap<(u32, u32), u64>,
}

impl Model {
    /// Attempts whose SYN is sent again at a later interval, by that interval.
    fn run(backlog: u32, connect: &mut hdrhistogram::Histogram<u64>) -> Self {
        let mut model = Self::default();
        let ticks = SECONDS * 10 + 31;
        let mut retries = vec![Vec::new(); ticks as usize + 40];
        for tick in 0..ticks {
            let stalled = (30..45).contains(&tick);
            model.queue = model.queue.saturating_sub(if stalled { 0 } else { 30 });
            let fresh = if tick < SECONDS * 10 { PER_INTERVAL } else { 0 };
            let mut interval =
                LoadInterval { attempts: fresh, lag_p99: 41_000, ..Default::default() };
            let due = std::mem::take(&mut retries[tick as usize]);
            let mut refused = 0;
            for (born, tries) in due.into_iter().chain((0..fresh).map(|_| (tick, 0u32))) {
                if model.queue <= u64::from(backlog) {
                    model.queue += 1;
                    model.establish(born, tries, connect, &mut interval);
                } else if tries >= 2 {
                    model.timeout += 1;
                    interval.errors += 1;
                } else {
                    refused += 1;
                    retries[(tick + 10 * (1 << tries)) as usize].push((born, tries + 1));
                }
            }
            model.finish(tick, backlog, refused, interval);
        }
        model
    }

    fn establish(
        &mut self,
        born: u64,
        tries: u32,
        connect: &mut hdrhistogram::Histogram<u64>,
        interval: &mut LoadInterval,
    ) {
        let n = self.ok + self.retried;
        let jitter =
            40_000 + (n * 7919) % 61 * 900 + if n.is_multiple_of(97) { 400_000 } else { 0 };
        let nanos = jitter + [0, 1_000_000_000, 3_000_000_000][tries as usize];
        record(connect, nanos);
        if tries == 0 {
            self.ok += 1
        } else {
            self.retried += 1
        }
        if tries == 0 {
            interval.ok += 1
        } else {
            interval.ok_retried += 1
        }
        interval.connect_p50 = jitter;
        interval.connect_max = interval.connect_max.max(nanos);
        interval.connect_p99 = interval.connect_max;
        let row = ((nanos as f64).log10() * f64::from(ROWS)).floor() as u32;
        *self.places.entry((born as u32, row)).or_default() += 1;
    }

    fn finish(&mut self, tick: u64, backlog: u32, refused: u64, interval: LoadInterval) {
        self.overflows += refused;
        self.highest = self.highest.max(self.queue);
        self.intervals.push(interval);
        self.target.push(TargetInterval {
            accept_queue: Some(self.queue as u32),
            accept_queue_mean: Some(self.queue as f64 * 0.9),
            accept_limit: Some(backlog),
            syn_recv: (tick >= 10).then_some(refused / 4),
            accepted: Some(30),
            listen_overflows: Some(refused),
            listen_drops: Some(refused),
            syncookies_sent: Some(0),
            req_q_full_drop: Some(0),
            ..Default::default()
        });
    }
}

fn metric(metric: Metric, values: &hdrhistogram::Histogram<u64>) -> MetricResult {
    MetricResult {
        load: "clients".to_owned(),
        metric,
        summary: Summary::of(values),
        histogram: encode(values),
        two_clocks: false,
    }
}

fn cell(backlog: u32) -> CellResult {
    let mut connect = histogram();
    let model = Model::run(backlog, &mut connect);
    let mut lag = histogram();
    (0..1000u64).for_each(|n| record(&mut lag, 12_000 + n * 31));
    let established = model.ok + model.retried;
    let attempts = established + model.timeout;
    let count = |name: &str, delta: u64| CounterResult {
        namespace: "target".to_owned(),
        counter: name.to_owned(),
        before: 7,
        after: 7 + delta,
    };
    CellResult {
        name: format!("backlog={backlog}"),
        axes: axes(backlog),
        duration_s: 11.1,
        status: Status::Complete,
        datagrams: None,
        place: Place::Lab { link: "loopback".to_owned(), sysctl: vec![] },
        settings: Default::default(),
        loads: vec![load(&model, attempts)],
        target: target(backlog, established),
        metrics: vec![
            metric(Metric::Connect, &connect),
            metric(Metric::ConnectService, &connect),
            metric(Metric::Lag, &lag),
        ],
        ledger: Ledger {
            attempts,
            classified: attempts,
            unclassified: 0,
            established,
            unended: 0,
            target: TargetOutcome::ALL
                .iter()
                .map(|c| (*c, if *c == TargetOutcome::Accepted { established } else { 0 }))
                .collect(),
            target_endings: TargetEnding::ALL
                .iter()
                .map(|c| (*c, if *c == TargetEnding::Done { established } else { 0 }))
                .collect(),
            unended_at_target: 0,
            target_source: "own".to_owned(),
            steps: vec![],
            unexplained: Some(0),
        },
        counters: vec![
            count("ListenOverflows", model.overflows),
            count("ListenDrops", model.overflows),
            count("SyncookiesSent", 0),
        ],
        timeline: Timeline {
            interval_s: 0.1,
            loads: vec![LoadSeries { load: "clients".to_owned(), intervals: model.intervals }],
            queues: vec![model.target.iter().map(queue).collect()],
            target: model.target,
            client_states: vec![],
            datagrams: vec![],
            heat: Heat {
                rows_per_decade: ROWS,
                places: model.places.into_iter().map(|((t, r), n)| (t, r, n)).collect(),
            },
        },
        sockets: Default::default(),
        memory: None,
        validity: Validity {
            lag_p99: 43_000,
            observer_error_p99: 15_000,
            resolution: 58_000,
            achieved_ratio: 1.0,
            ..Default::default()
        },
        classes: None,
        prediction: None,
        wire: None,
        turn: None,
        trial: None,
        findings: vec![],
    }
}

/// The only listener's share is the whole.
fn queue(seen: &TargetInterval) -> QueueInterval {
    QueueInterval {
        accept_queue: seen.accept_queue,
        accept_queue_mean: seen.accept_queue_mean,
        accept_limit: seen.accept_limit,
        accepted: seen.accepted,
    }
}

fn load(model: &Model, attempts: u64) -> LoadResult {
    let mut outcomes: BTreeMap<_, _> = Outcome::ALL.iter().map(|c| (*c, 0)).collect();
    outcomes.insert(Outcome::Ok, model.ok);
    outcomes.insert(Outcome::OkRetried, model.retried);
    outcomes.insert(Outcome::Timeout, model.timeout);
    let mut endings: BTreeMap<_, _> = Ending::ALL.iter().map(|c| (*c, 0)).collect();
    endings.insert(Ending::Done, model.ok + model.retried);
    LoadResult {
        name: "clients".to_owned(),
        client: "connect".to_owned(),
        lifecycle: "fresh".to_owned(),
        engine: "mio".to_owned(),
        arrivals: "open".to_owned(),
        workers: 1,
        notices: Vec::new(),
        offered: attempts,
        attempts,
        unissued: 0,
        offered_rate: RATE as f64,
        achieved_rate: RATE as f64,
        achieved_ratio: 1.0,
        outcomes,
        endings,
        errors: BTreeMap::new(),
        replies: 0,
        order: None,
        syn_retransmits: model.overflows,
        retransmitted_established: model.retried,
        fast_open: None,
        datagrams: None,
    }
}

fn target(backlog: u32, accepted: u64) -> TargetResult {
    TargetResult {
        kind: "own".to_owned(),
        address: "198.18.0.1:8080".to_owned(),
        backlog_asked: Some(backlog as i32),
        backlog_effective: Some(backlog),
        clamped: false,
        listeners: 1,
        defer_accept_s: None,
        engine: Some("epoll".to_owned()),
        accepted_by: vec![accepted],
        restarts: vec![],
        accept_errors: BTreeMap::new(),
        client_faults: BTreeMap::new(),
        cpu_s: Some((0.02, 0.1)),
        sampler: Some(SamplerResult::default()),
        notices: vec![],
    }
}
