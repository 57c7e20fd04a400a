//! The result of a run, as `run.json` holds it: everything that any report shows.
//!
//! Reports are made from this alone. Times are seconds or microseconds as the field's name says;
//! histograms are nanoseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::classes::{Class, ClassResult, ClassesResult, LostSyns, NetworkLosses};
pub use super::datagrams::*;
pub use super::knee::{Direction, KneeResult, KneeStep};
pub use super::prediction::{FlowResult, PredictionResult};
pub use super::restart::RestartResult;
pub use super::sockets::{MemoryResult, SocketStates, SocketsResult, StatesResult};
pub use super::timeline::{
    Heat, LoadInterval, LoadSeries, QueueInterval, TargetInterval, Timeline,
};
pub use super::trial::{Arm, LostRun, RepeatsResult, Trial};
pub use super::turn::{Resumed, Turn};
pub use super::wire::{Ladder, Step, WireResult};
use super::{Ending, Metric, Outcome, Summary, TargetEnding, TargetOutcome};
use crate::scenario::plan::{AxisValue, Plan};

/// Version of `run.json`'s layout.
pub const SCHEMA_VERSION: u32 = 1;

/// One run of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`SCHEMA_VERSION`] of the program that wrote this.
    pub schema_version: u32,
    /// Version of the program that wrote this.
    pub loadgen_version: String,
    /// The scenario as resolved.
    pub scenario: Plan,
    /// Where and how it ran.
    pub environment: Environment,
    /// Finished and unfinished cells, in the plan's order; [`CellResult::turn`] says when each ran.
    pub cells: Vec<CellResult>,
    /// Every limit with the value that was measured.
    pub limits: Vec<LimitResult>,
    /// The judgement.
    pub verdict: Verdict,
    /// Whether everything planned was run.
    pub status: Status,
    /// The search that the cells were, where they were one.
    #[serde(default)]
    pub knee: Option<KneeResult>,
    /// That the cells are repeated runs, where they are.
    #[serde(default)]
    pub repeats: Option<RepeatsResult>,
    /// The parts in which it was taken up again, after the first one in `environment`.
    #[serde(default)]
    pub resumed: Vec<Resumed>,
}

/// Whether everything planned was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum Status {
    /// Yes.
    Complete,
    /// No: interrupted, or the target died, or something broke on the way.
    Partial {
        /// Why, as a sentence.
        reason: String,
    },
}

/// The judgement over a whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// Valid, and every limit held.
    Pass,
    /// Valid, and a limit was broken.
    Fail,
    /// Not enough was measured to judge (a partial run, a limit on something absent).
    Inconclusive {
        /// Why, one sentence each.
        reasons: Vec<String>,
    },
    /// The tool's own error was too large.
    Invalid {
        /// Why, one sentence each.
        reasons: Vec<String>,
    },
}

/// One limit, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitResult {
    /// Name of the cell.
    pub cell: String,
    /// The load, where the limit is on a load.
    pub load: Option<String>,
    /// What is judged, as written: `connect.p99`.
    pub subject: String,
    /// The condition, as written: `<= 5ms`.
    pub condition: String,
    /// The measured value as text with its unit; `None` where there was none.
    pub measured: Option<String>,
    /// Whether it held; `None` where it could not be judged.
    pub holds: Option<bool>,
}

/// Where and how a run was made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Environment {
    /// UTC, RFC 3339.
    pub started_at: String,
    /// The command line.
    pub command_line: Vec<String>,
    /// Operating system, release and version, as `uname` says.
    pub kernel: String,
    /// Machine architecture.
    pub architecture: String,
    /// CPU model.
    pub cpu: String,
    /// Processors that the runner may use.
    pub cpus: u32,
    /// Main memory, in bytes.
    pub memory_bytes: u64,
    /// Clock source of the kernel.
    pub clock_source: String,
    /// Soft and hard limit of open descriptors.
    pub descriptors: (u64, u64),
    /// Load average over one minute when the run started.
    pub load_average: f64,
    /// Host's kernel settings that bear on connecting, by dotted name.
    pub sysctl: BTreeMap<String, String>,
    /// Whether the run was made as root.
    pub root: bool,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellResult {
    /// Name, as in the plan.
    pub name: String,
    /// Value of each swept path.
    pub axes: Vec<AxisValue>,
    /// Seconds from the start of the schedule to the end of the last attempt.
    pub duration_s: f64,
    /// When it ran; `None` where an older program did not say.
    #[serde(default)]
    pub turn: Option<Turn>,
    /// Which run of which side it is, where a scenario was run repeatedly.
    #[serde(default)]
    pub trial: Option<Trial>,
    /// Whether the cell ran to its end.
    pub status: Status,
    /// Where it ran.
    pub place: Place,
    /// Kernel settings that bear on connecting, as they were where the target's side is: in the
    /// lab's namespace, or on the runner's host.
    pub settings: BTreeMap<String, String>,
    /// Client side, one entry a load.
    pub loads: Vec<LoadResult>,
    /// Target side.
    pub target: TargetResult,
    /// Latency metrics, by load (see [`MetricResult::load`]).
    pub metrics: Vec<MetricResult>,
    /// Both ledgers and how they meet.
    pub ledger: Ledger,
    /// Kernel counters before and after.
    pub counters: Vec<CounterResult>,
    /// What happened when.
    pub timeline: Timeline,
    /// The ledger of datagrams and where they were lost; `None` for connections.
    #[serde(default)]
    pub datagrams: Option<DatagramsResult>,
    /// Sockets that were being opened or closed, at both ends.
    #[serde(default)]
    pub sockets: SocketsResult,
    /// Memory that connections took; `None` where too few were open to tell.
    #[serde(default)]
    pub memory: Option<MemoryResult>,
    /// Why each attempt took as long as it did; `None` for datagrams.
    #[serde(default)]
    pub classes: Option<ClassesResult>,
    /// What the theory of queues predicts; `None` where it has nothing to say.
    #[serde(default)]
    pub prediction: Option<PredictionResult>,
    /// What was seen on the lab's link; `None` where it was not captured.
    #[serde(default)]
    pub wire: Option<WireResult>,
    /// How far the figures can be trusted.
    pub validity: Validity,
    /// Sentences derived from the evidence; the one with the largest impact comes first.
    pub findings: Vec<Finding>,
}

/// Where a cell ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "where")]
pub enum Place {
    /// In private network namespaces.
    Lab {
        /// `loopback` or `veth`.
        link: String,
        /// Kernel settings that were set in it, as read back.
        sysctl: Vec<(String, String)>,
    },
    /// In the host's own network.
    Host {
        /// Why not in a lab.
        reason: String,
    },
}

/// What the clients of one load did and saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    /// Name of the load.
    pub name: String,
    /// `connect` or `request`.
    pub client: String,
    /// `fresh` or `recycle`.
    pub lifecycle: String,
    /// What drove the clients: `mio`, `io_uring` or `processes`.
    pub engine: String,
    /// `open` or `closed`.
    pub arrivals: String,
    /// Load worker threads, or processes.
    pub workers: u16,
    /// Where another engine or number of workers was asked for: why not that; one sentence each.
    #[serde(default)]
    pub notices: Vec<String>,
    /// Attempts that the schedule wanted.
    pub offered: u64,
    /// Attempts that were made: the sum of `outcomes`.
    pub attempts: u64,
    /// Attempts that the schedule wanted and the generator did not get to.
    pub unissued: u64,
    /// Attempts a second that the schedule wanted, over its window.
    pub offered_rate: f64,
    /// Attempts a second that were issued in the schedule's window.
    pub achieved_rate: f64,
    /// `achieved_rate / offered_rate`; 1 for a closed loop.
    pub achieved_ratio: f64,
    /// Connect outcomes; every class is present.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// What became of the established connections; every class is present.
    pub endings: BTreeMap<Ending, u64>,
    /// Error numbers by name, such as `ECONNREFUSED`, over both stages.
    pub errors: BTreeMap<String, u64>,
    /// Whole replies received.
    pub replies: u64,
    /// In which order connections were served. `None` where there were no replies.
    pub order: Option<ServingOrder>,
    /// SYN retransmits over all attempts.
    pub syn_retransmits: u64,
    /// Established attempts whose `TCP_INFO` shows a retransmit.
    pub retransmitted_established: u64,
    /// Attempts whose first message went with the SYN and was taken with it; `None` without
    /// `fast_open`.
    #[serde(default)]
    pub fast_open: Option<u64>,
    /// What its datagrams were; `None` for connections.
    #[serde(default)]
    pub datagrams: Option<SentResult>,
}

/// Whether connections were served in the order in which the client saw them established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServingOrder {
    /// Connections whose first reply was received.
    pub served: u64,
    /// Of these, those served after one that was established later.
    pub overtaken: u64,
    /// Of these again, those whose first bytes had to be sent again: the target did not hold them
    /// at first, although they were established at the client.
    pub overtaken_resent: u64,
}

/// One latency metric of one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricResult {
    /// Name of the load; `target` for what the target measured over all loads.
    pub load: String,
    /// Which metric.
    pub metric: Metric,
    /// Its statistics, in nanoseconds.
    pub summary: Summary,
    /// The histogram in nanoseconds: HdrHistogram V2, deflated, base64.
    pub histogram: String,
    /// Whether it compares the clocks of two hosts.
    pub two_clocks: bool,
}

/// What is known of the server under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetResult {
    /// `own` or `external`.
    pub kind: String,
    /// Address that the clients connected to.
    pub address: String,
    /// The number given to `listen(2)`; `None` for an external target.
    pub backlog_asked: Option<i32>,
    /// The limit that the kernel reports; `None` where the listener cannot be seen.
    pub backlog_effective: Option<u32>,
    /// Whether the kernel granted less than was asked for.
    pub clamped: bool,
    /// Listeners at the address: above 1 for a group (SO_REUSEPORT); 0 where none can be seen.
    #[serde(default)]
    pub listeners: u32,
    /// Seconds for which accept is deferred (TCP_DEFER_ACCEPT), as the kernel rounded them.
    #[serde(default)]
    pub defer_accept_s: Option<u32>,
    /// How our own target kept its connections: `epoll`, `io_uring` or `threads`.
    #[serde(default)]
    pub engine: Option<String>,
    /// Connections that each acceptor took, listener by listener; empty for an external target.
    pub accepted_by: Vec<u64>,
    /// Restarts of our own target.
    #[serde(default)]
    pub restarts: Vec<RestartResult>,
    /// Errors of `accept()`, by name.
    pub accept_errors: BTreeMap<String, u64>,
    /// What clients of our own target did that a server must survive, by name.
    pub client_faults: BTreeMap<String, u64>,
    /// CPU seconds (user, system) of our own target.
    pub cpu_s: Option<(f64, f64)>,
    /// The sampler of the listen queue; `None` where nothing could be sampled.
    pub sampler: Option<SamplerResult>,
    /// What could not be observed, and why; one sentence each.
    pub notices: Vec<String>,
}

/// How well the listen queue was sampled, and what that cost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SamplerResult {
    /// How the queue is read: `tcp_info` or `sock_diag`.
    pub method: String,
    /// Wanted period.
    pub period_us: f64,
    /// Samples that were due.
    pub ticks: u64,
    /// Samples that were not taken because an earlier one was late.
    pub lost: u64,
    /// CPU time of one sample on average.
    pub cost_us: f64,
    /// Share of one CPU that sampling took.
    pub cpu_share: f64,
}

/// Both ledgers of a cell and how they meet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Attempts that the schedules of all loads handed out.
    pub attempts: u64,
    /// Sum of the client's outcome classes.
    pub classified: u64,
    /// `attempts` - `classified`: attempts that the schedule handed out and nobody knows the end
    /// of. 0 where the books are whole.
    #[serde(default)]
    pub unclassified: i64,
    /// Connections established at the client: `ok` + `ok_retried`.
    pub established: u64,
    /// `established` - the sum of the endings. 0 where the books are whole.
    #[serde(default)]
    pub unended: i64,
    /// The target's classes; empty where the target's side cannot be seen.
    pub target: BTreeMap<TargetOutcome, u64>,
    /// How the connections that our own target accepted came to their end; empty for an external
    /// target.
    #[serde(default)]
    pub target_endings: BTreeMap<TargetEnding, u64>,
    /// `accepted` - the sum of the target's endings. 0 where the books are whole, and where only
    /// the kernel counted.
    #[serde(default)]
    pub unended_at_target: i64,
    /// Where the target's figures come from: `own` (it counted), `kernel` (from the counters of
    /// its namespace), or `none`.
    pub target_source: String,
    /// Steps from `established` to the sum of the target's classes, each a signed count with its
    /// explanation.
    pub steps: Vec<LedgerStep>,
    /// What the steps leave; 0 when the ledgers meet. `None` where there is no target's side.
    pub unexplained: Option<i64>,
}

/// One explained difference between the two ledgers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerStep {
    /// Why.
    pub why: String,
    /// Added to `established`.
    pub count: i64,
}

/// A kernel counter before and after a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterResult {
    /// `target`, and `client` where the clients have a namespace of their own.
    pub namespace: String,
    /// The kernel's name for it.
    pub counter: String,
    /// Value before the first attempt.
    pub before: u64,
    /// Value after the last.
    pub after: u64,
}

/// How far the figures of a cell can be trusted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Validity {
    /// Why the cell is invalid, one sentence each; empty when it is valid.
    pub reasons: Vec<String>,
    /// p99 of `lag`, in nanoseconds.
    pub lag_p99: u64,
    /// p99 of `observer_error`, in nanoseconds.
    pub observer_error_p99: u64,
    /// Their sum: a latency below it is not resolved.
    pub resolution: u64,
    /// Smallest achieved ratio over the open loads.
    pub achieved_ratio: f64,
    /// CPU time taken from this machine by its host while the cell ran, in seconds.
    pub steal_s: f64,
    /// Time that load workers were ready to run and did not get a CPU, in seconds.
    pub run_delay_s: f64,
    /// CPU seconds (user, system) of the runner and its worker processes.
    pub cpu_s: (f64, f64),
    /// Share of the queue samples that were lost.
    pub sampler_lost: f64,
}

impl Validity {
    /// Whether nothing speaks against the cell.
    pub fn is_valid(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// A sentence that the tool derives from the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was found, and why it is so.
    pub text: String,
    /// From what.
    pub evidence: String,
    /// What would help; empty where `text` says it, or nothing is to be helped.
    #[serde(default)]
    pub remedy: String,
    /// Share of the cell's attempts that it concerns, from 0 to 1.
    #[serde(default)]
    pub impact: f64,
}

impl CellResult {
    /// The metric of a load, if it was measured.
    pub fn metric(&self, load: &str, metric: Metric) -> Option<&MetricResult> {
        self.metrics.iter().find(|m| m.metric == metric && m.load == load)
    }

    /// The metric that says how long clients waited: `connect`; of datagrams `owd`, or `rtt` where
    /// the target is a server of the user.
    pub fn main_metric(&self) -> Metric {
        match &self.datagrams {
            None => Metric::Connect,
            Some(datagrams) if datagrams.counted => Metric::Owd,
            Some(_) => Metric::Rtt,
        }
    }

    /// What was set, as `load.rate = 150/s`; empty without a sweep.
    pub fn combination(&self) -> String {
        let axes = self.axes.iter().map(|axis| format!("{} = {}", axis.path, axis.value));
        axes.collect::<Vec<_>>().join(", ")
    }

    /// Its name for people: what was set, and which run it was of a search, or of which side. `name` is
    /// made for files.
    pub fn title(&self) -> String {
        let axes = self.combination();
        if let Some(trial) = &self.trial {
            let comma = if axes.is_empty() { "" } else { ", " };
            return format!("{axes}{comma}{} run {}", trial.arm.name(), trial.run);
        }
        match self.name.rsplit_once(",run=") {
            _ if axes.is_empty() => self.name.clone(),
            Some((_, run)) => format!("{axes}, run {run}"),
            None => axes,
        }
    }

    /// By how much the counter of this name grew in the target's namespace.
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.counters
            .iter()
            .find(|c| c.namespace == "target" && c.counter == name)
            .map(|c| c.after.saturating_sub(c.before))
    }
}
