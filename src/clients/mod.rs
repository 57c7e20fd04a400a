//! What an established connection does: one file a client kind, each a state machine without
//! input and output, so that every engine can drive it and tests need no socket.

mod connect;
mod request;

use crate::measure::greeting::{self, Greeting};
use crate::scenario::plan;

pub use connect::Connect;
pub use request::Request;

/// What the connections of one load do. Immutable and shared by all attempts.
#[derive(Debug, Clone)]
pub enum Script {
    /// Client kind `connect`.
    Connect(Connect),
    /// Client kind `request`.
    Request(Request),
}

/// How far one connection is; as much state as an attempt needs, and nothing on the heap.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    stage: Stage,
    /// Whole exchanges so far.
    exchanges: u32,
    /// Bytes of the present message that are sent, its greeting included.
    sent: usize,
    /// Bytes of the present reply that are received.
    received: u64,
    /// Bytes of the delimiter that the reply ends with so far.
    matched: usize,
    greeting: [u8; greeting::LENGTH],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sending,
    Receiving,
    Pausing,
    AwaitingClose,
    Over,
}

/// What a connection waits for.
#[derive(Debug, PartialEq, Eq)]
pub enum Want<'a> {
    /// These two parts to be sent, as one write.
    Send(&'a [u8], &'a [u8]),
    /// Bytes, or the other side's close.
    Receive,
    /// This many nanoseconds to pass; the other side may close or reset meanwhile.
    Pause(u64),
    /// Nothing: it ended as planned.
    Nothing,
}

/// What bytes, or their end, have brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// Nothing that matters yet.
    Part,
    /// A whole reply.
    Reply,
    /// The other side's close before the plan was fulfilled.
    Early,
}

impl Progress {
    /// The state of a connection that was just established.
    pub fn new(greeting: &Greeting) -> Self {
        Self {
            stage: Stage::Sending,
            exchanges: 0,
            sent: 0,
            received: 0,
            matched: 0,
            greeting: greeting.encode(),
        }
    }

    /// Whole exchanges so far.
    pub fn exchanges(&self) -> u32 {
        self.exchanges
    }

    fn sending(&mut self) {
        self.stage = Stage::Sending;
        self.sent = 0;
    }
}

impl Script {
    /// The script of `load`; `target_closes` where our own target closes first.
    pub fn new(load: &plan::Load, target_closes: bool) -> Self {
        match &load.client {
            plan::Client::Connect { hold, greet } => {
                Self::Connect(Connect::new(hold.nanos(), *greet, target_closes))
            }
            plan::Client::Request { message, reply, exchanges, think, greet } => {
                Self::Request(Request::new(
                    message.clone(),
                    reply.clone(),
                    *exchanges,
                    think.nanos(),
                    *greet,
                    target_closes,
                ))
            }
        }
    }

    /// What can be sent before the connection is established: the first message, where no greeting
    /// goes before it.
    pub fn first_message(&self) -> &[u8] {
        match self {
            Self::Request(script) if !script.greet => script.message(),
            _ => &[],
        }
    }

    /// What the connection waits for now.
    pub fn want<'a>(&'a self, progress: &'a Progress) -> Want<'a> {
        match (progress.stage, self) {
            (Stage::Sending, Self::Connect(script)) => script.sending(progress),
            (Stage::Sending, Self::Request(script)) => script.sending(progress),
            (Stage::Receiving | Stage::AwaitingClose, _) => Want::Receive,
            (Stage::Pausing, Self::Connect(script)) => Want::Pause(script.hold),
            (Stage::Pausing, Self::Request(script)) => Want::Pause(script.think),
            (Stage::Over, _) => Want::Nothing,
        }
    }

    /// Whether a greeting is sent; without one [`Progress`] needs no instants.
    pub fn greets(&self) -> bool {
        match self {
            Self::Connect(script) => script.greet,
            Self::Request(script) => script.greet,
        }
    }

    /// Whether an attempt has nothing to do but to be closed as soon as it is established.
    pub fn closes_at_once(&self) -> bool {
        matches!(self, Self::Connect(Connect { hold: 0, greet: false, target_closes: false }))
    }

    /// The one length of the pauses that the script asks for, in nanoseconds.
    pub fn pause(&self) -> u64 {
        match self {
            Self::Connect(script) => script.hold,
            Self::Request(script) => script.think,
        }
    }

    /// `count` more bytes of what was wanted are sent.
    pub fn sent(&self, progress: &mut Progress, count: usize) {
        progress.sent += count;
        match self {
            Self::Connect(script) => script.sent(progress),
            Self::Request(script) => script.sent(progress),
        }
    }

    /// `bytes` came from the other side.
    pub fn received(&self, progress: &mut Progress, bytes: &[u8]) -> Arrived {
        match (progress.stage, self) {
            (Stage::Receiving, Self::Request(script)) => script.received(progress, bytes),
            // Nobody asked for them.
            _ => Arrived::Part,
        }
    }

    /// The other side closed.
    pub fn closed(&self, progress: &mut Progress) -> Arrived {
        match (progress.stage, self) {
            (Stage::AwaitingClose, _) => {
                progress.stage = Stage::Over;
                Arrived::Part
            }
            (Stage::Receiving, Self::Request(script)) => script.closed(progress),
            (_, Self::Connect(Connect { target_closes: true, .. })) => {
                progress.stage = Stage::Over;
                Arrived::Part
            }
            _ => Arrived::Early,
        }
    }

    /// The pause is over.
    pub fn resumed(&self, progress: &mut Progress) {
        match self {
            Self::Connect(script) => script.resumed(progress),
            Self::Request(_) => progress.sending(),
        }
    }
}
