//! One stream of clients, resolved.

use serde::{Deserialize, Serialize};

use super::{Closer, Datagrams, Target};
use crate::load::Schedule;
use crate::units::{Ports, Ratio, Span};

/// One stream of clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Distinct within the cell; same alphabet as a cell's name.
    pub name: String,
    /// What one attempt does.
    pub client: Client,
    /// When attempts are wanted.
    pub schedule: Schedule,
    /// Offset of the load's start from the start of the cell's schedule.
    pub start: Span,
    /// Longest wait for a connection, and again for each whole reply.
    pub timeout: Span,
    /// Whether each attempt has a socket of its own.
    pub lifecycle: Lifecycle,
    /// What a client does when the queue of an AF_UNIX listener is full.
    #[serde(default)]
    pub when_full: WhenFull,
    /// Whether the first message goes with the SYN (RFC 7413); requests over TCP only.
    #[serde(default)]
    pub fast_open: bool,
    /// How the client closes.
    pub close: Close,
    /// Local ports that clients may use; `None` leaves the choice to the kernel.
    pub ports: Option<Ports>,
    /// Load worker threads; `None` lets the runner choose.
    pub workers: Option<u16>,
    /// Clients that leave without a word.
    #[serde(default)]
    pub vanish: Option<Vanish>,
    /// What drives the clients.
    #[serde(default)]
    pub engine: EngineChoice,
}

impl Load {
    /// A load with sockets of its own for each attempt, closed by RST, and a timeout of 4 s.
    pub fn new(name: &str, client: Client, schedule: Schedule) -> Self {
        Self {
            name: name.to_owned(),
            client,
            schedule,
            start: Span::default(),
            timeout: Span::from_millis(4000),
            lifecycle: Lifecycle::Fresh,
            when_full: WhenFull::Fail,
            fast_open: false,
            close: Close::Rst,
            ports: None,
            workers: None,
            vanish: None,
            engine: EngineChoice::Auto,
        }
    }
}

impl Load {
    /// Whether the clients send FIN first, so that their ports rest in TIME_WAIT (RFC 9293, 3.6.1).
    pub fn closes_first(&self, target: &Target) -> bool {
        let server_first =
            matches!(target, Target::Own { serve, .. } if serve.close == Closer::Server);
        match self.client {
            Client::Churn { closing, .. } => {
                matches!(closing, Closing::FinClient | Closing::HalfClose)
            }
            Client::HalfOpen { .. } | Client::Datagram { .. } => false,
            _ => self.close == Close::Fin && self.lifecycle == Lifecycle::Fresh && !server_first,
        }
    }
}

/// What one attempt does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Client {
    /// Connects, holds the connection, closes it.
    Connect {
        /// How long an established connection is kept.
        hold: Span,
        /// Whether identity and instant are sent first, so that our target measures `queue_wait`.
        greet: bool,
    },
    /// Connects, exchanges messages, closes.
    Request {
        /// What is exchanged.
        #[serde(flatten)]
        exchange: Exchange,
        /// As in [`Client::Connect`]; always off towards an external target.
        greet: bool,
    },
    /// Connects, exchanges messages if there are any, and closes in a given way, to the end of it.
    Churn {
        /// What is exchanged before.
        exchange: Option<Exchange>,
        /// Who says FIN first, or RST.
        closing: Closing,
        /// As in [`Client::Connect`].
        greet: bool,
    },
    /// Connects and keeps every connection until all are made, and for some time more.
    Hold {
        /// When all are closed, from the start of the cell's schedule.
        until: Span,
        /// What is exchanged now and then, `think` apart; `exchanges` is without effect.
        exchange: Option<Exchange>,
    },
    /// Never sees the SYN-ACK, so that the target keeps a half-open connection. Only in a lab.
    HalfOpen {
        /// How long the client keeps its socket.
        hold: Span,
    },
    /// Sends datagrams, without a connection.
    Datagram {
        /// Which.
        #[serde(flatten)]
        datagrams: Datagrams,
    },
}

/// Messages and their replies on one connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The bytes of one message.
    pub message: Vec<u8>,
    /// Where a reply ends.
    pub reply: ReplyEnd,
    /// Messages on one connection, at least 1; exactly 1 where the reply ends by close.
    pub exchanges: u32,
    /// Pause between a whole reply and the next message.
    pub think: Span,
}

impl Client {
    /// The kind's name in scenarios and results.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Request { .. } => "request",
            Self::Churn { .. } => "churn",
            Self::Hold { .. } => "hold",
            Self::HalfOpen { .. } => "half-open",
            Self::Datagram { .. } => "datagram",
        }
    }

    /// Whether identity and instant are sent first.
    pub fn greets(&self) -> bool {
        match self {
            Self::Connect { greet, .. }
            | Self::Request { greet, .. }
            | Self::Churn { greet, .. } => *greet,
            Self::Hold { .. } | Self::HalfOpen { .. } | Self::Datagram { .. } => false,
        }
    }

    /// What is exchanged on a connection, if anything.
    pub fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Request { exchange, .. } => Some(exchange),
            Self::Churn { exchange, .. } | Self::Hold { exchange, .. } => exchange.as_ref(),
            Self::Connect { .. } | Self::HalfOpen { .. } | Self::Datagram { .. } => None,
        }
    }
}

/// How a connection of client kind `churn` is closed (RFC 9293, 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closing {
    /// The client sends FIN first, waits for the target's FIN, and gets TIME_WAIT.
    FinClient,
    /// The target sends FIN first and gets TIME_WAIT.
    FinServer,
    /// The client resets: nobody gets TIME_WAIT.
    Rst,
    /// The client sends FIN behind its message, and still reads the reply.
    HalfClose,
}

/// Clients that leave without a word.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Vanish {
    /// When.
    pub after: After,
    /// Share of the attempts.
    pub ratio: Ratio,
    /// How.
    pub how: VanishHow,
}

/// When a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// As soon as it is connected.
    Connect,
    /// When its first message is sent, without waiting for the reply.
    Request,
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VanishHow {
    /// By RST.
    Rst,
    /// As after a power cut: nothing that the target sends is answered any more, to the end of the
    /// cell.
    Silent,
}

/// What drives the clients of a load.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// epoll, or io_uring where more connections are held than the process may have descriptors.
    #[default]
    Auto,
    /// epoll.
    Mio,
    /// io_uring; connections that are only kept need no descriptor.
    IoUring,
    /// epoll, in several processes.
    Processes,
}

/// Where a reply ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyEnd {
    /// After this many bytes (at least 1).
    Length(u64),
    /// With this sequence (not empty, at most 64 bytes).
    Delimiter(Vec<u8>),
    /// Where the target closes.
    Close,
}

/// Whether each attempt has a socket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    /// `socket()` and `close()` for every attempt, as ordinary clients do.
    Fresh,
    /// `connect(AF_UNSPEC)` resets the connection and the socket connects again: 1.4 to 1.6 times
    /// the rate, and another load on the target. Never compared with `fresh`.
    Recycle,
}

/// What a client does when the queue of an AF_UNIX listener is full.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// Its attempt ends: EAGAIN, class `again`.
    #[default]
    Fail,
    /// It waits for room in a blocking `connect()`, at most for the load's timeout.
    Wait,
}

/// How the client closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Close {
    /// `close()`: FIN, and TIME_WAIT at the client where it closes first.
    Fin,
    /// `SO_LINGER` of zero, then `close()`: RST, and no TIME_WAIT.
    Rst,
}
