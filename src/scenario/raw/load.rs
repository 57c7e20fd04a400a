//! `[[load]]`: one stream of clients.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::datagram::Payload;
use super::words::text_or_table;
use crate::scenario::at::At;
use crate::scenario::plan::{After, Bulk, EngineChoice, Lifecycle, VanishHow, WhenFull};
use crate::units::{Ports, Rate, Ratio, Span};

/// One stream of clients: what each attempt does, and when attempts are wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, [[load]]")]
pub struct Load {
    /// Name in results: letters, digits, `.`, `_` and `-`. Default: "load", "load-2", ...
    pub name: Option<At<String>>,
    /// What an attempt does: "connect" (connect, hold, close), "request" (connect, exchange
    /// messages, close), "churn" (connect, exchange messages if a message is given, and close to
    /// the end), "hold" (connect and keep every connection), "half-open" (never see the
    /// SYN-ACK; only in a lab) or "datagram" (send one datagram). Default: "connect"; over
    /// transport "udp" and "unix-dgram": "datagram".
    pub client: Option<At<Kind>>,
    /// How attempts lie in time: "constant", "poisson", "ramp", "step" and "burst" have a
    /// schedule of their own, whatever the target does; in "closed", clients take turns, and a
    /// slow target slows them down. Default: "constant".
    pub arrivals: Option<At<Arrivals>>,
    /// constant, poisson: attempts a second, such as "500/s".
    pub rate: Option<At<Rate>>,
    /// ramp: attempts a second at the start.
    pub from: Option<At<Rate>>,
    /// ramp: attempts a second at the end.
    pub to: Option<At<Rate>>,
    /// step: the stages, such as [{ rate = "100/s", span = "5s" }, { rate = "1000/s", span =
    /// "5s" }].
    pub stages: Option<At<Vec<At<Stage>>>>,
    /// burst: attempts at one instant.
    pub size: Option<At<u64>>,
    /// burst: time from one burst to the next. Default: a single burst.
    pub every: Option<At<Span>>,
    /// closed: number of clients that take turns.
    pub clients: Option<At<u32>>,
    /// closed: pause between the end of a client's attempt and its next one. Default: "0s".
    pub pause: Option<At<Span>>,
    /// How long attempts are started. Default: as long as `attempts` (or the stages, or a single
    /// burst) take, else "10s".
    pub duration: Option<At<Span>>,
    /// Number of attempts. Default: what the arrivals yield in `duration`.
    pub attempts: Option<At<u64>>,
    /// When this load starts, from the start of the schedule. Default: "0s".
    pub start: Option<At<Span>>,
    /// Longest wait for a connection, and again for each whole reply. Below 3.1 s, attempts that
    /// a second SYN retry would have saved count as failures. Default: "4s".
    pub timeout: Option<At<Span>>,
    /// "fresh": a socket for each attempt, as ordinary clients do. "recycle": sockets are reset
    /// and connected again, which is faster and another load on the target. Default: "fresh".
    pub lifecycle: Option<At<Lifecycle>>,
    /// How clients close: "fin" or "rst"; for client "churn" "fin-client", "fin-server", "rst" or
    /// "half-close". Default: "fin" ("rst" with lifecycle "recycle" and for client "hold");
    /// churn: "fin-client".
    pub close: Option<At<CloseWord>>,
    /// Some clients leave without a word, such as { ratio = "5%", after = "connect", how = "rst" }.
    pub vanish: Option<At<Vanish>>,
    /// What drives the clients: "auto" (epoll, or io_uring where more connections are held than the
    /// process may have descriptors), "mio" (epoll), "io_uring" or "processes" (epoll in several
    /// processes, which also take the place of io_uring where it cannot be used). Default: "auto".
    pub engine: Option<At<EngineChoice>>,
    /// With an AF_UNIX transport, what a client does when the listener's queue is full: "fail" (its
    /// connect() does not block, and ends as `again`) or "wait" (it blocks, at most for `timeout`).
    /// Default: "fail".
    pub when_full: Option<At<WhenFull>>,
    /// request: send the first message with the SYN (TCP Fast Open, RFC 7413). Our own target then
    /// needs net.ipv4.tcp_fastopen = 3 under [lab.sysctl]. Default: false.
    pub fast_open: Option<At<bool>>,
    /// Local ports that clients may use, such as "40000-40999" (IP_LOCAL_PORT_RANGE, Linux 6.3 and
    /// later); only those inside net.ipv4.ip_local_port_range. Default: the kernel's choice.
    pub ports: Option<At<Ports>>,
    /// Worker threads or processes, 1 to 256. Default: chosen by the runner. There are more where
    /// they are needed to keep all connections.
    pub workers: Option<At<u16>>,
    /// connect: how long an established connection is kept. Default: "0s". hold: how long all are
    /// kept when the last one should be there. half-open: how long a client keeps its socket.
    /// Default for both: "5s".
    pub hold: Option<At<Span>>,
    /// hold: how many connections are made, at `rate`.
    pub connections: Option<At<u64>>,
    /// half-open: number of addresses that the clients come from, 1 to 4096, beside those of
    /// `lab`. Default: 64.
    pub sources: Option<At<u16>>,
    /// Send identity and instant first, so that our own target can measure `queue_wait`.
    /// Default: true for requests to our own target, else false.
    pub greet: Option<At<bool>>,
    /// request, churn, hold: what is sent: a text, or { text = "..." }, { hex = "0d0a" } or
    /// { file = "path" } (relative to the scenario file). At most 64 KiB. Default: "ping\n" for
    /// request, nothing for churn and hold.
    pub message: Option<At<Message>>,
    /// Where a reply ends: { length = 5 }, { until = "\r\n" } or "close". Default: as
    /// our own target replies; required for a server of yours. datagram: "none", or "echo" (each
    /// datagram comes back, at most `timeout` later). Default for datagram: "none".
    pub reply: Option<At<ReplyEnd>>,
    /// request, churn: messages on one connection. Default: 1.
    pub exchanges: Option<At<u32>>,
    /// Pause between a whole reply and the next message. Default: "0s"; hold: "1s".
    pub think: Option<At<Span>>,
    /// datagram: bytes of each, at least "40B" (our header): a size, a list of sizes that take turns,
    /// or a table such as { distribution = "uniform", min = "64B", max = "1400B" }. Default: "100B".
    pub payload: Option<At<Payload>>,
    /// datagram: sockets that send, 1 to 4096, each with a port and a sequence of its own; they take
    /// turns. Default: 1; closed: one for each of `clients`.
    pub streams: Option<At<u32>>,
    /// datagram: "gso" sends many in one call of the kernel (UDP_SEGMENT), for throughput. Losses
    /// then come in bursts of many. Default: each datagram is sent by itself.
    pub bulk: Option<At<Bulk>>,
}

/// What an attempt does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Connect, hold, close.
    Connect,
    /// Connect, exchange messages, close.
    Request,
    /// Connect, exchange messages if there are any, close to the end.
    Churn,
    /// Connect and keep.
    Hold,
    /// Never see the SYN-ACK.
    HalfOpen,
    /// Send one datagram.
    Datagram,
}

/// How clients close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloseWord {
    /// By FIN, without waiting for what follows.
    Fin,
    /// By RST.
    Rst,
    /// churn: FIN of the client first.
    FinClient,
    /// churn: FIN of the target first.
    FinServer,
    /// churn: FIN behind the message, and the reply is still read.
    HalfClose,
}

/// Clients that leave without a word.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { ratio = \"5%\", how = \"rst\" }")]
pub struct Vanish {
    /// Share of the attempts, such as "5%". Required.
    pub ratio: Option<Ratio>,
    /// "connect" or "request" (its first message is sent, no reply read). Default: "connect".
    pub after: Option<After>,
    /// "rst", or "silent": as after a power cut, nothing is answered any more (only in a
    /// lab). Default: "rst".
    pub how: Option<VanishHow>,
}

/// How attempts lie in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Evenly.
    Constant,
    /// Independently of each other, with a mean rate.
    Poisson,
    /// At a rate that moves linearly.
    Ramp,
    /// At constant rates, one after the other.
    Step,
    /// Many at once.
    Burst,
    /// Clients take turns: a slow target slows them down.
    Closed,
}

/// A stage of arrivals "step".
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { rate = \"100/s\", span = \"5s\" }")]
pub struct Stage {
    /// Attempts a second. Required.
    pub rate: Option<Rate>,
    /// How long this rate holds. Required.
    pub span: Option<Span>,
}

/// What a request sends.
#[derive(Debug, Clone)]
pub enum Message {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this file holds.
    File(PathBuf),
}

/// A message by its source; exactly one key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MessageTable {
    /// A text.
    text: Option<String>,
    /// Bytes as hexadecimal digits; white space is ignored.
    hex: Option<String>,
    /// Path of a file, relative to the scenario file.
    file: Option<PathBuf>,
}

impl MessageTable {
    fn resolve(self) -> Result<Message, String> {
        match (self.text, self.hex, self.file) {
            (Some(text), None, None) => Ok(Message::Bytes(text.into_bytes())),
            (None, Some(hex), None) => bytes_of(&hex).map(Message::Bytes).ok_or_else(|| {
                "this is not hexadecimal: write two digits a byte, such as \"50 49 4e 47 0d 0a\""
                    .to_owned()
            }),
            (None, None, Some(file)) => Ok(Message::File(file)),
            _ => Err("a message has one source: write a text, { hex = \"0d0a\" } or \
                      { file = \"request.http\" }"
                .to_owned()),
        }
    }
}

/// The bytes that hexadecimal digits stand for.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_or_table(
            from,
            "a text, or a table such as { hex = \"0d0a\" } or { file = \"request.http\" }",
            |text| Ok(Self::Bytes(text.as_bytes().to_vec())),
            MessageTable::resolve,
        )
    }
}

impl JsonSchema for Message {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Message".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let table = generator.subschema_for::<MessageTable>();
        schemars::json_schema!({
            "description": "What a request sends.",
            "anyOf": [{ "type": "string" }, table],
        })
    }
}

/// Where a reply ends.
#[derive(Debug, Clone)]
pub enum ReplyEnd {
    /// After this many bytes.
    Length(u64),
    /// With these bytes.
    Until(Vec<u8>),
    /// Where the target closes.
    Close,
    /// Datagrams: there is none.
    None,
    /// Datagrams: what was sent comes back.
    Echo,
}

/// Where a reply ends; exactly one key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReplyTable {
    /// After this many bytes.
    length: Option<u64>,
    /// With this text, at most 64 bytes.
    until: Option<String>,
}

const REPLY: &str = "{ length = 5 }, { until = \"\\r\\n\" } or \"close\"";

impl<'de> Deserialize<'de> for ReplyEnd {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_or_table(
            from,
            "{ length = 5 }, { until = \"\\r\\n\" } or \"close\"",
            |word| match word {
                "close" => Ok(Self::Close),
                "none" => Ok(Self::None),
                "echo" => Ok(Self::Echo),
                other => Err(format!("\"{other}\" is no end of a reply: write {REPLY}")),
            },
            |table: ReplyTable| match (table.length, table.until) {
                (Some(length), None) => Ok(Self::Length(length)),
                (None, Some(until)) => Ok(Self::Until(until.into_bytes())),
                _ => Err(format!("a reply has one end: write {REPLY}")),
            },
        )
    }
}

impl JsonSchema for ReplyEnd {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ReplyEnd".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let table = generator.subschema_for::<ReplyTable>();
        schemars::json_schema!({
            "description": "Where a reply ends.",
            "anyOf": [{ "enum": ["close", "none", "echo"] }, table],
        })
    }
}
