//! How our own target listens and serves: its part of a plan.

use serde::{Deserialize, Serialize};

use crate::units::{Backlog, Bytes, Rate, Span, Transport};

/// How `loadgen serve` listens and serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Serve {
    /// What carries the connections; AF_UNIX without `command` only.
    #[serde(default)]
    pub transport: Transport,
    /// The number given to `listen(2)`.
    pub backlog: Backlog,
    /// Listeners at the one address (SO_REUSEPORT), each with an accept queue of its own; times
    /// `acceptors` at most 64.
    pub listeners: u16,
    /// Threads that accept from each listener, 1 to 64.
    pub acceptors: u16,
    /// Where accepted connections are kept.
    #[serde(default)]
    pub engine: TargetEngine,
    /// How fast connections are taken from the accept queue.
    pub accept: AcceptPace,
    /// Windows of time, from the start of the cell's schedule, in which nothing is accepted.
    pub stalls: Vec<Window>,
    /// Time from a request (or, where no request is read, from `accept()`) to the reply.
    pub service: ServiceTime,
    /// Serve one client at a time to its end, as the simplest socket server does.
    pub serial: bool,
    /// What is sent back.
    pub reply: Reply,
    /// Who closes first.
    pub close: Closer,
    /// Time between a client's FIN and the target's own close.
    pub close_delay: Span,
    /// TCP_DEFER_ACCEPT: how long a connection without data is kept from `accept()`.
    pub defer_accept: Option<Span>,
    /// TCP_FASTOPEN: longest queue of connections whose first data came with the SYN.
    pub fast_open: Option<u32>,
    /// SO_REUSEADDR on the listeners.
    pub reuse_address: bool,
    /// When and how they are closed and opened anew.
    pub restart: Option<Restart>,
    /// Period of the samples of the accept queue; at most 5 ms unless the user says otherwise.
    pub sample: Span,
}

impl Default for Serve {
    /// What a scenario gets that says nothing of its target and makes no requests.
    fn default() -> Self {
        Self {
            transport: Transport::Tcp,
            backlog: Backlog(128),
            listeners: 1,
            acceptors: 1,
            engine: TargetEngine::Auto,
            accept: AcceptPace::Asap,
            stalls: Vec::new(),
            service: ServiceTime::Constant { time: Span::default() },
            serial: false,
            reply: Reply::None,
            close: Closer::Client,
            close_delay: Span::default(),
            defer_accept: None,
            fast_open: None,
            reuse_address: true,
            restart: None,
            sample: Span::from_millis(5),
        }
    }
}

/// Where the target keeps accepted connections.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TargetEngine {
    /// As `epoll`, unless more connections will be open at once than the process may have
    /// descriptors: then `io_uring`, or `threads` where there is none.
    #[default]
    Auto,
    /// Each has a descriptor of the process.
    Epoll,
    /// Those that wait for their clients have none: they are kept in rings (io_uring).
    IoUring,
    /// Each has a descriptor, in tables of several threads (CLONE_FILES).
    Threads,
}

/// A restart of the listeners; connections that were accepted are served on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When, from the start of the cell's schedule.
    pub at: Span,
    /// How the new listeners follow the old ones.
    pub succession: Succession,
}

/// How new listeners follow old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Succession {
    /// The old ones are closed, and so long nobody listens.
    Gap(Span),
    /// The new ones join the old ones (SO_REUSEPORT), which are closed then.
    HandOver,
}

/// How fast connections, or datagrams, are taken from their queue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptPace {
    /// As soon as they are there.
    Asap,
    /// At most this many a second over all acceptors or readers; time spent idle is not made up
    /// for.
    Rate(Rate),
    /// Never: what has come stays in the queue.
    Never,
}

/// A window of time, as offsets from the start of the cell's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First instant inside.
    pub from: Span,
    /// First instant after it; above `from`.
    pub to: Span,
}

/// How long serving takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "distribution")]
pub enum ServiceTime {
    /// Always the same.
    Constant {
        /// That time.
        time: Span,
    },
    /// Uniform between the two.
    Uniform {
        /// Shortest.
        min: Span,
        /// Longest.
        max: Span,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Span,
    },
    /// Log-normal.
    LogNormal {
        /// Median, `exp(mu)`.
        median: Span,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

/// What the target sends back for what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Nothing.
    None,
    /// The bytes that came.
    Echo,
    /// This many bytes.
    Bytes(Bytes),
}

/// Who closes a connection first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Closer {
    /// The client; the target closes when it has seen the end.
    Client,
    /// The target, once it has replied (or, with no reply, once it has served).
    Server,
}
