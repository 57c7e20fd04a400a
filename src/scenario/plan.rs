//! What a scenario resolves to: immutable, complete, and unable to hold a bad state.
//!
//! A plan is what the runner executes and what `run.json` records as `scenario`.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::datagram::{
    Bulk, Cast, DatagramReply, Datagrams, Delay, Impair, Loss, Rebind, Receive, Sizes,
};
pub use self::load::{
    After, Client, Close, Closing, EngineChoice, Exchange, Lifecycle, Load, ReplyEnd, Vanish,
    VanishHow, WhenFull,
};
pub use super::serve::*;
pub use crate::units::Transport;

use crate::units::{Bytes, Span};

mod datagram;
mod load;

/// A whole scenario, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The scenario's name; also the name of its folder of results.
    pub name: String,
    /// What it teaches, in the author's words.
    pub description: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// Length of a timeline interval.
    pub interval: Span,
    /// The paths that the sweep varies, in the order written; empty without a sweep.
    pub sweep: Vec<Axis>,
    /// The combinations, in the order in which they run; at least one.
    pub cells: Vec<Cell>,
    /// Thresholds that decide between pass and fail.
    pub limits: Vec<Limit>,
}

/// One swept path and its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Dotted path of the key, such as `target.backlog`.
    pub path: String,
    /// The values as text, in the order written.
    pub values: Vec<String>,
}

/// One combination of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Unique name within the run, such as `backlog=5`; `all` without a sweep. Safe as part of a
    /// file name: letters, digits and `=._,+-` only.
    pub name: String,
    /// Value of each swept path, in the order of [`Plan::sweep`].
    pub axes: Vec<AxisValue>,
    /// Where it runs.
    pub lab: Lab,
    /// The server under test.
    pub target: Target,
    /// The streams of clients; at least one, with distinct names.
    pub loads: Vec<Load>,
}

/// The value that one cell gives to one swept path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AxisValue {
    /// Dotted path of the key.
    pub path: String,
    /// The value as text.
    pub value: String,
}

/// The private network namespaces that a cell wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lab {
    /// What lies between the clients and the target.
    pub link: Link,
    /// Address family of the clients and of our own target.
    pub family: Family,
    /// Number of client source addresses, 1 to 4096.
    pub sources: u16,
    /// Number of further addresses, from which half-open clients come; 0 without such clients.
    #[serde(default)]
    pub strangers: u16,
    /// Kernel settings (dotted names under `net.`) and their values, in the order written.
    pub sysctl: Vec<(String, String)>,
    /// What happens to packets on their way to the target.
    #[serde(default)]
    pub impair: Option<Impair>,
    /// How the link's packets are recorded; `None` where they are not.
    #[serde(default)]
    pub capture: Option<Capture>,
}

/// How the packets of a lab's link are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Most that the file may hold. Packets beyond are counted, and not kept.
    pub size: Bytes,
}

impl Default for Capture {
    fn default() -> Self {
        Self { size: Bytes(64 << 20) }
    }
}

impl Cell {
    /// Whether it cannot be measured outside of a lab. A client that falls silent may leave its
    /// handshake half-open: its final ACK may have met a full accept queue. What goes to all goes to
    /// all of a lab, and nowhere else.
    pub fn needs_lab(&self) -> bool {
        let to_all = matches!(
            &self.target,
            Target::Receiver { receive, .. } if receive.cast != Cast::Unicast
        );
        let silent =
            |load: &Load| matches!(load.vanish, Some(Vanish { how: VanishHow::Silent, .. }));
        self.lab.required() || to_all || self.loads.iter().any(silent)
    }
}

impl Lab {
    /// Whether it is more than a private loopback.
    fn required(&self) -> bool {
        self.link == Link::Veth
            || !self.sysctl.is_empty()
            || self.strangers > 0
            || self.impair.is_some()
            || self.capture.is_some()
    }
}

/// What lies between the clients and the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// Both sides in one namespace, over its loopback.
    Loopback,
    /// Each side in a namespace of its own, with a virtual Ethernet pair between them.
    Veth,
}

/// Address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// The server under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Target {
    /// `loadgen serve`, started by the runner.
    Own {
        /// Command that starts it, our own program when absent; its standard input and output
        /// carry plan and results, so that `ssh host loadgen serve --stdio` works as well.
        command: Option<Vec<String>>,
        /// Where a target started by `command` listens and is reached, as `host:port`.
        address: Option<String>,
        /// How it serves.
        serve: Serve,
    },
    /// `loadgen serve`, started by the runner, for datagrams.
    Receiver {
        /// As of [`Target::Own`].
        command: Option<Vec<String>>,
        /// As of [`Target::Own`]; receivers beyond the first have the ports that follow.
        address: Option<String>,
        /// How it receives.
        receive: Receive,
    },
    /// Any server that the user runs.
    External {
        /// `host:port` as written, or the name of an AF_UNIX socket: `unix:/path`, `unix:@name`,
        /// `unix-seqpacket:@name`, `unix-dgram:@name`, `udp:host:port`.
        address: String,
        /// What carries connections or datagrams.
        #[serde(default)]
        transport: Transport,
        /// Period of the samples of its listen queue.
        sample: Span,
    },
}

impl Target {
    /// What carries connections or datagrams.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Own { serve, .. } => serve.transport,
            Self::Receiver { receive, .. } => receive.transport,
            Self::External { transport, .. } => *transport,
        }
    }
}

/// A threshold, such as `connect.p99 <= 5ms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// What is judged.
    pub subject: Subject,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub bound: Bound,
}

/// What a limit judges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A statistic of a latency metric, over one load or (`None`) over each load that has it.
    Metric {
        /// Load's name, if only one is meant.
        load: Option<String>,
        /// Metric's name, such as `connect`.
        metric: String,
        /// `min`, `mean`, `stdev`, `max`, `count` or a percentile such as `p99`, `p99.9`, `p999`.
        statistic: Statistic,
    },
    /// The number of attempts that ended in this class (`ok`, `timeout`, ...).
    Outcome {
        /// Load's name, if only one is meant.
        load: Option<String>,
        /// Class, by its name in `outcomes.csv`, or [`Subject::FAILED`].
        outcome: String,
    },
    /// The number of attempts whose wait or failure has this cause.
    Class {
        /// Load's name, if only one is meant.
        load: Option<String>,
        /// Class, by its name in `classes.csv`.
        class: String,
    },
    /// By how much a kernel counter of the target's namespace grew.
    Counter(String),
    /// Datagrams that were lost: by one cause, by its name in `outcomes.csv`, or (`None`) all that
    /// were sent and did not come.
    Loss(Option<String>),
    /// Attempts a second that were issued, over one load or (`None`) over each.
    Throughput {
        /// Load's name, if only one is meant.
        load: Option<String>,
    },
    /// CPU time of the generator for an attempt, over all loads.
    CpuPerAttempt,
}

impl Subject {
    /// The word for all attempts that failed: not established, or ended before they were done. Those
    /// that were to stay half-open, that left as planned, or that the run's end cut are none.
    pub const FAILED: &'static str = "failed";
}

/// A statistic of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// Number of values.
    Count,
    /// Smallest.
    Min,
    /// Arithmetic mean.
    Mean,
    /// Standard deviation.
    Stdev,
    /// Largest.
    Max,
    /// Percentile, above 0 and at most 100.
    Percentile(f64),
}

/// How a value is compared with its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `<`
    #[serde(rename = "<")]
    Below,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `==`
    #[serde(rename = "==")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    Unequal,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
    /// `>`
    #[serde(rename = ">")]
    Above,
}

/// What a value is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// A latency.
    Time(Span),
    /// A number of events.
    Count(f64),
    /// A share of the attempts (or datagrams), as a fraction (`"1%"` is 0.01).
    Share(f64),
    /// Events a second.
    Rate(f64),
}

impl Comparison {
    /// Whether `value` stands to `bound` as wanted.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
            Self::Equal => value == bound,
            Self::Unequal => value != bound,
            Self::AtLeast => value >= bound,
            Self::Above => value > bound,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::AtLeast => ">=",
            Self::Above => ">",
        })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback",
            Self::Veth => "veth",
        })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}
