//! What an established connection does: one file a client kind, each a state machine without
//! input and output, so that every engine can drive it and tests need no socket.

mod connect;
mod hold;
mod request;
mod vanish;

use crate::measure::greeting::{self, Greeting};
use crate::scenario::plan::{self, Closing, VanishHow};

use connect::Connect;
use hold::Hold;
use request::Request;
use vanish::Vanishing;

/// What the connections of one load do. Immutable and shared by all attempts.
#[derive(Debug, Clone)]
pub struct Script {
    kind: Kind,
    vanishing: Option<Vanishing>,
}

/// The client kinds of established connections. `churn` is `connect` or `request` with an end that
/// is waited for.
#[derive(Debug, Clone)]
enum Kind {
    Connect(Connect),
    Request(Request),
    Hold(Hold),
}

/// What follows when a connection has nothing more to exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// Nothing: the engine closes the socket.
    Leave,
    /// The target's FIN is waited for.
    Await,
    /// FIN is sent, and then the target's is waited for.
    Fin,
    /// FIN is sent behind the last message already.
    HalfClose,
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
    /// Whether a held connection has begun to talk.
    talking: bool,
    /// Whether it is one of those that leave without a word.
    vanishes: bool,
    greeting: [u8; greeting::LENGTH],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sending,
    Receiving,
    Pausing,
    Closing,
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
    /// Time to pass; the other side may close or reset meanwhile.
    Pause {
        /// So many nanoseconds...
        time: u64,
        /// ...but not beyond this instant, in nanoseconds since the cell's start.
        until: u64,
    },
    /// FIN to be sent.
    Shutdown,
    /// To be left without a word.
    Vanish(VanishHow),
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
    fn new(greeting: &Greeting, vanishes: bool) -> Self {
        Self {
            stage: Stage::Sending,
            exchanges: 0,
            sent: 0,
            received: 0,
            matched: 0,
            talking: false,
            vanishes,
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

impl Finish {
    fn of(client: &plan::Client, target_closes: bool) -> Self {
        match client {
            plan::Client::Churn { closing: Closing::FinClient, .. } => Self::Fin,
            plan::Client::Churn { closing: Closing::FinServer, .. } => Self::Await,
            plan::Client::Churn { closing: Closing::HalfClose, .. } => Self::HalfClose,
            plan::Client::Churn { closing: Closing::Rst, .. } | plan::Client::Hold { .. } => {
                Self::Leave
            }
            _ if target_closes => Self::Await,
            _ => Self::Leave,
        }
    }

    /// Where a connection stands that has nothing more to exchange.
    fn stage(self) -> Stage {
        match self {
            Self::Leave => Stage::Over,
            Self::Await | Self::HalfClose => Stage::AwaitingClose,
            Self::Fin => Stage::Closing,
        }
    }
}

impl Script {
    /// The script of `load`; `target_closes` where our own target closes first. `seed` decides
    /// which attempts vanish.
    pub fn new(load: &plan::Load, target_closes: bool, seed: u64) -> Self {
        let client = &load.client;
        let finish = Finish::of(client, target_closes);
        let connect = |hold, greet| Kind::Connect(Connect { hold, greet, finish });
        let request = |exchange, greet| Request::new(exchange, greet, finish);
        let kind = match client {
            plan::Client::Connect { hold, greet } => connect(hold.nanos(), *greet),
            // Sent by an engine of their own, without a connection that could have a script.
            plan::Client::Datagram { .. } => connect(0, false),
            // Never established: the engine keeps its socket.
            plan::Client::HalfOpen { hold } => connect(hold.nanos(), false),
            plan::Client::Churn { exchange: None, greet, .. } => connect(0, *greet),
            plan::Client::Churn { exchange: Some(exchange), greet, .. }
            | plan::Client::Request { exchange, greet } => {
                Kind::Request(request(exchange.clone(), *greet))
            }
            plan::Client::Hold { until, exchange } => {
                let exchange = exchange.clone();
                let endless = exchange.map(|one| plan::Exchange { exchanges: u32::MAX, ..one });
                let talk = endless.map(|exchange| request(exchange, false));
                Kind::Hold(Hold { until: until.nanos(), talk })
            }
        };
        let vanishing = load.vanish.map(|vanish| Vanishing::new(vanish, seed));
        Self { kind, vanishing }
    }

    /// The state of attempt `number`, which was just established.
    pub fn begin(&self, greeting: &Greeting, number: u64) -> Progress {
        Progress::new(greeting, self.vanishing.is_some_and(|vanishing| vanishing.takes(number)))
    }

    /// What can be sent before the connection is established: the first message, where no greeting
    /// goes before it.
    pub fn first_message(&self) -> &[u8] {
        match &self.kind {
            Kind::Request(script) if !script.greet => script.message(),
            _ => &[],
        }
    }

    /// What the connection waits for now.
    pub fn want<'a>(&'a self, progress: &'a Progress) -> Want<'a> {
        if progress.vanishes
            && let Some(vanishing) = self.vanishing
            && vanishing.is_due(progress)
        {
            return Want::Vanish(vanishing.how());
        }
        match (progress.stage, &self.kind) {
            (Stage::Sending, Kind::Connect(script)) => script.sending(progress),
            (Stage::Sending, Kind::Request(script)) => script.sending(progress),
            (Stage::Sending, Kind::Hold(script)) => script.sending(progress),
            (Stage::Receiving | Stage::AwaitingClose, _) => Want::Receive,
            (Stage::Pausing, Kind::Hold(script)) => script.pausing(),
            (Stage::Pausing, _) => Want::Pause { time: self.pause(), until: u64::MAX },
            (Stage::Closing, _) => Want::Shutdown,
            (Stage::Over, _) => Want::Nothing,
        }
    }

    /// Whether a greeting is sent; without one [`Progress`] needs no instants.
    pub fn greets(&self) -> bool {
        match &self.kind {
            Kind::Connect(script) => script.greet,
            Kind::Request(script) => script.greet,
            Kind::Hold(_) => false,
        }
    }

    /// Whether an attempt has nothing to do but to be closed as soon as it is established.
    pub fn closes_at_once(&self) -> bool {
        let plain = Connect { hold: 0, greet: false, finish: Finish::Leave };
        matches!(&self.kind, Kind::Connect(script) if *script == plain) && self.vanishing.is_none()
    }

    /// The one length of the pauses that the script asks for, in nanoseconds.
    pub fn pause(&self) -> u64 {
        match &self.kind {
            Kind::Connect(script) => script.hold,
            Kind::Request(script) => script.think(),
            Kind::Hold(script) => script.every(),
        }
    }

    /// `count` more bytes of what was wanted are sent.
    pub fn sent(&self, progress: &mut Progress, count: usize) {
        progress.sent += count;
        match &self.kind {
            Kind::Connect(script) => script.sent(progress),
            Kind::Request(script) | Kind::Hold(Hold { talk: Some(script), .. }) => {
                script.sent(progress);
            }
            Kind::Hold(_) => {}
        }
    }

    /// FIN is sent.
    pub fn shut(&self, progress: &mut Progress) {
        progress.stage = match &self.kind {
            Kind::Request(script) if script.awaits_reply(progress) => Stage::Receiving,
            _ => Stage::AwaitingClose,
        };
    }

    /// `bytes` came from the other side.
    pub fn received(&self, progress: &mut Progress, bytes: &[u8]) -> Arrived {
        match (progress.stage, &self.kind) {
            (
                Stage::Receiving,
                Kind::Request(script) | Kind::Hold(Hold { talk: Some(script), .. }),
            ) => script.received(progress, bytes),
            // Nobody asked for them.
            _ => Arrived::Part,
        }
    }

    /// The other side closed.
    pub fn closed(&self, progress: &mut Progress) -> Arrived {
        match (progress.stage, &self.kind) {
            (Stage::AwaitingClose, _) => {
                progress.stage = Stage::Over;
                Arrived::Part
            }
            (Stage::Receiving, Kind::Request(script)) => script.closed(progress),
            (_, Kind::Connect(Connect { finish: Finish::Await, .. })) => {
                progress.stage = Stage::Over;
                Arrived::Part
            }
            _ => Arrived::Early,
        }
    }

    /// The pause is over; `now` is in nanoseconds since the cell's start.
    pub fn resumed(&self, progress: &mut Progress, now: u64) {
        match &self.kind {
            Kind::Connect(script) => script.resumed(progress),
            Kind::Request(_) => progress.sending(),
            Kind::Hold(script) => script.resumed(progress, now),
        }
    }
}

#[cfg(test)]
mod tests;
