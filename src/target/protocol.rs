//! What runner and target say to each other: JSON lines over the target's standard input and
//! output. There is no control port to open and none to guard.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::measure::result::{
    Charge, CounterResult, DatagramInterval, QueueInterval, ReceiverRestart, ReceiverResult,
    RestartResult, SamplerResult, StatesResult, StreamResult, TargetInterval,
};
use crate::measure::{Metric, TargetEnding, TargetOutcome};
use crate::scenario::plan::{Receive, Serve};
use crate::sys::endpoint::Endpoint;

/// Longest line that either side reads, in bytes.
pub const LONGEST_LINE: usize = 8 << 20;

/// From the runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToTarget {
    /// Listen so.
    Plan(Box<TargetPlan>),
    /// The schedule starts at this instant.
    Start {
        /// CLOCK_MONOTONIC of the runner, in nanoseconds.
        monotonic: u64,
        /// CLOCK_REALTIME at the same instant, for a target on another host.
        realtime: u64,
    },
    /// The last datagram is sent: read what waits at once, whatever the pace, and say so.
    Drain,
    /// The last attempt is over: count what is left, report, and exit.
    Stop,
}

/// What the target is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetPlan {
    /// Where to listen; port 0, or a socket without a name, lets the kernel choose.
    pub address: Endpoint,
    /// What to do there.
    pub duty: Duty,
    /// Length of a timeline interval, in nanoseconds.
    pub interval: u64,
    /// Seed of the service times.
    pub seed: u64,
    /// Identity of the run, as greetings carry it.
    pub run: u64,
    /// Connections that will certainly be open at once.
    #[serde(default)]
    pub expected: u64,
    /// The runner's monotonic clock, by `sys::clock::time_line`.
    pub time_line: String,
}

/// What a target does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// Accepts connections.
    Serve(Serve),
    /// Receives datagrams.
    Receive {
        /// How.
        receive: Receive,
        /// Sizes of payloads whose charge is to be measured, in bytes.
        sizes: Vec<u16>,
        /// The target's own address, where `address` is that of a group or of all.
        interface: Option<IpAddr>,
    },
}

/// From the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromTarget {
    /// It listens.
    Listening(Listening),
    /// It is ready for datagrams.
    Receiving(Receiving),
    /// Nothing waits in the receivers' buffers any more.
    Drained,
    /// An interval of the timeline is over.
    Interval(Box<Interval>),
    /// It cannot go on.
    Failed {
        /// The call, the error's name and its text.
        what: String,
        /// What the user can do.
        remedy: String,
    },
    /// Connections that it held, as of [`crate::measure::held::encode`].
    Held(String),
    /// The last word.
    Finished(Box<Finished>),
    /// The last word of one that receives datagrams.
    Received(Box<Received>),
}

/// A target that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// Version of the target's program.
    pub version: String,
    /// Where it listens.
    pub address: Endpoint,
    /// The accept queue's limit as the kernel granted it; `None` where it does not tell.
    pub effective: Option<u32>,
    /// Seconds for which accept is deferred, as the kernel rounded them.
    #[serde(default)]
    pub defer_accept_s: Option<u32>,
    /// Whether runner and target share a clock.
    pub one_clock: bool,
}

/// A target that is ready for datagrams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiving {
    /// Version of the target's program.
    pub version: String,
    /// Where each receiver is reached, in order.
    pub addresses: Vec<Endpoint>,
    /// The limit of each socket's buffer as the kernel counts it (SK_MEMINFO_RCVBUF), in bytes; `None`
    /// where it does not tell.
    pub effective: Option<u64>,
    /// What datagrams are charged, by the sizes asked for.
    pub charges: Vec<Charge>,
    /// Whether runner and target share a clock.
    pub one_clock: bool,
}

/// An interval at the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its number, from 0 at the schedule's start.
    pub index: usize,
    /// Queue and counters.
    pub seen: TargetInterval,
    /// Each listener's accept queue.
    #[serde(default)]
    pub queues: Vec<QueueInterval>,
    /// Histograms of what was measured in it (`queue_wait`, `service`, `close`), encoded; those
    /// without values are missing.
    #[serde(default)]
    pub metrics: BTreeMap<Metric, String>,
    /// What came of datagrams, as far as the target knows it; `None` where it accepts connections.
    #[serde(default)]
    pub datagrams: Option<DatagramInterval>,
}

/// What the target has counted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Finished {
    /// Every class of the target's ledger.
    pub outcomes: BTreeMap<TargetOutcome, u64>,
    /// How the accepted connections came to their end; every class.
    #[serde(default)]
    pub endings: BTreeMap<TargetEnding, u64>,
    /// How they were kept: `epoll`, `io_uring` or `threads`.
    #[serde(default)]
    pub engine: String,
    /// Restarts, one after the other.
    #[serde(default)]
    pub restarts: Vec<RestartResult>,
    /// Connections that each acceptor took, listener by listener.
    pub accepted_by: Vec<u64>,
    /// Errors of `accept()`, by name.
    pub accept_errors: BTreeMap<String, u64>,
    /// What clients did that a server must survive, by name.
    pub client_faults: BTreeMap<String, u64>,
    /// CPU seconds (user, system).
    pub cpu_s: (f64, f64),
    /// The queue's sampler.
    pub sampler: SamplerResult,
    /// Counters of the target's namespace.
    pub counters: Vec<CounterResult>,
    /// Its sockets; `None` where they cannot be seen.
    pub sockets: Option<StatesResult>,
    /// Its resident memory when it listened, in bytes.
    pub resident_at_start: Option<u64>,
    /// Half-open connections to the listener when the last attempt was over.
    pub syn_recv_at_end: Option<u64>,
    /// What could not be observed, and why.
    pub notices: Vec<String>,
}

/// What a target has received.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Received {
    /// Each stream at each receiver from which something came, in order; `sent` is what the closing
    /// marker said, 0 without one.
    pub streams: Vec<StreamResult>,
    /// Datagrams that were not of this run.
    pub foreign: u64,
    /// Datagrams of ours that were damaged.
    pub corrupt: u64,
    /// Datagrams of streams beyond those that are counted one by one.
    pub beyond: u64,
    /// The receivers.
    pub receivers: Vec<ReceiverResult>,
    /// Their restarts.
    pub restarts: Vec<ReceiverRestart>,
    /// Errors of receiving and of sending back, by name.
    pub errors: BTreeMap<String, u64>,
    /// Datagrams of this run that were still in a buffer at the end.
    pub unread: u64,
    /// CPU seconds (user, system).
    pub cpu_s: (f64, f64),
    /// The buffers' sampler.
    pub sampler: SamplerResult,
    /// Counters of the target's namespace: from before the first datagram of the loads to after the
    /// last, closing markers included.
    pub counters: Vec<CounterResult>,
    /// What could not be observed, and why.
    pub notices: Vec<String>,
}

/// Reads one message; `None` at the end of the stream. Cancelling it may lose a part of a line.
///
/// # Errors
/// `InvalidData` for what is no message of ours, or longer than [`LONGEST_LINE`].
pub async fn read_message<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let read = from.take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if read > LONGEST_LINE {
        return Err(invalid(format!("a line longer than {LONGEST_LINE} bytes")));
    }
    serde_json::from_slice(&line).map(Some).map_err(|error| {
        let start: String = String::from_utf8_lossy(&line).chars().take(60).collect();
        invalid(format!("not a message of loadgen ({error}): {start:?}"))
    })
}

/// Writes one message as one line.
///
/// # Errors
/// Of writing.
pub async fn write_message<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn messages_survive_the_pipe_and_rubbish_does_not() {
        let mut pipe = Vec::new();
        let start = ToTarget::Start { monotonic: 5, realtime: 6 };
        write_message(&mut pipe, &start).await.expect("memory");
        write_message(&mut pipe, &ToTarget::Stop).await.expect("memory");
        pipe.extend_from_slice(b"hello\n");
        let mut from = &pipe[..];
        assert_eq!(read_message(&mut from).await.expect("a message"), Some(start));
        assert_eq!(read_message(&mut from).await.expect("a message"), Some(ToTarget::Stop));
        let error = read_message::<ToTarget>(&mut from).await.expect_err("rubbish").to_string();
        assert!(error.contains("hello"), "{error}");
        assert_eq!(read_message::<ToTarget>(&mut from).await.expect("the end"), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_endless_line_is_refused() {
        let endless = vec![b' '; LONGEST_LINE + 10];
        assert!(read_message::<ToTarget>(&mut &endless[..]).await.is_err());
    }
}
