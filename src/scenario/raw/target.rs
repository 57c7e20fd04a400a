//! `[target]`: the server under test.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::words::{Accept, Reply, text_or_table};
use crate::scenario::at::At;
use crate::scenario::plan::{Cast, Closer, ServiceTime, TargetEngine, Transport};
use crate::units::{Backlog, Bytes, Span};

/// The server under test: our own unless `address` names one of yours.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, [target]")]
pub struct Target {
    /// `host:port`, `unix:/path` or `unix:@name` of a server of yours; keys of our own server are then ignored. With
    /// `command`: where the server that it starts listens and is reached.
    pub address: Option<At<String>>,
    /// What carries connections, "tcp", "unix-stream" or "unix-seqpacket", or datagrams, "udp" or
    /// "unix-dgram". Over AF_UNIX our own server listens on an abstract name that the kernel chooses. Default: "tcp", or "unix-stream"
    /// where `address` begins with "unix:".
    pub transport: Option<At<Transport>>,
    /// Command that starts `loadgen serve` elsewhere and carries its standard input and output,
    /// such as ["ssh", "host", "loadgen", "serve", "--stdio"].
    pub command: Option<At<Vec<String>>>,
    /// The number given to `listen(2)`; the kernel may grant less. Default: 128.
    pub backlog: Option<At<Backlog>>,
    /// Listeners at the one address, 1 to 64. With more than one they form a group
    /// (SO_REUSEPORT): each has an accept queue of its own, and the kernel spreads the clients
    /// over them. Default: 1.
    pub listeners: Option<At<u16>>,
    /// Threads that accept from each listener, 1 to 64; at most 64 over all listeners. Default: 1.
    pub acceptors: Option<At<u16>>,
    /// Where accepted connections are kept: "epoll" (each has a descriptor), "io_uring" (those that
    /// wait for their clients have none), "threads" (descriptors in tables of several threads) or
    /// "auto": "epoll", unless more connections will be open at once than RLIMIT_NOFILE allows;
    /// then "io_uring", or "threads" where it is not available. Default: "auto".
    pub engine: Option<At<TargetEngine>>,
    /// How fast connections are taken from the accept queue: "asap", "never" or a rate such as
    /// "200/s". Default: "asap".
    pub accept: Option<At<Accept>>,
    /// Windows of time, from the start of the schedule, in which nothing is accepted, or read.
    pub stall: Option<At<Vec<At<Stall>>>>,
    /// Time from a request (without one, from `accept()`) to the reply: a duration, or a table
    /// with a distribution. Default: "0s".
    pub service: Option<At<Service>>,
    /// Serve one client at a time to its end, as the simplest socket server does.
    /// Default: false.
    pub serial: Option<bool>,
    /// What is sent back: "none", "echo", or a size such as "64KiB" for that many bytes (not for
    /// datagrams). Default: "echo" if a load makes requests, or awaits echoes, else "none".
    pub reply: Option<At<Reply>>,
    /// Who closes first: "client" or "server". Default: "client".
    pub close: Option<At<Closer>>,
    /// How long the target waits with its own close after it has seen the client's. Meanwhile the
    /// connection is in CLOSE_WAIT here and in FIN_WAIT2 at the client. Default: "0s".
    pub close_delay: Option<At<Span>>,
    /// Connections that have sent no data so long stay out of the accept queue, half-open
    /// (TCP_DEFER_ACCEPT); whole seconds, which the kernel rounds up to its retransmit times.
    /// Default: not deferred.
    pub defer_accept: Option<At<Span>>,
    /// Clients may send data with their SYN (TCP_FASTOPEN); the number is the longest queue of
    /// such connections, 1 to 65535. Default: off.
    pub fast_open: Option<At<u32>>,
    /// Whether the listeners have SO_REUSEADDR. Without it nobody can listen anew at a port that
    /// still has connections, TIME_WAIT included. Default: true.
    pub reuse_address: Option<At<bool>>,
    /// When the target closes its listeners and listens anew, from the start of the schedule.
    /// Connections that were accepted are served on. Datagrams that wait are lost with their sockets.
    /// Default: never.
    pub restart_at: Option<At<Span>>,
    /// How long nobody listens when the target restarts. Default: "0s".
    pub restart_gap: Option<At<Span>>,
    /// Whether, in a restart, the new listeners join the old ones (SO_REUSEPORT) before these are
    /// closed, so that somebody listens at any time. Default: false.
    pub hand_over: Option<At<bool>>,
    /// Datagrams: receivers, 1 to 64. Each has a port of its own and streams are dealt out to them in
    /// turn, unless `cast` says that all get everything. Default: 1.
    pub receivers: Option<At<u16>>,
    /// Datagrams: to whom each goes: "unicast" (one receiver), or "multicast" or "broadcast" (all
    /// of them; only in a lab). Default: "unicast".
    pub cast: Option<At<Cast>>,
    /// Datagrams: sockets and threads at the address of each receiver (SO_REUSEPORT), 1 to 64; at
    /// most 64 over all receivers. Default: 1.
    pub readers: Option<At<u16>>,
    /// Datagrams: size of the receive buffer (SO_RCVBUF), which the kernel doubles, and cuts at twice
    /// net.core.rmem_max. Default: the kernel's.
    pub rcvbuf: Option<At<Bytes>>,
    /// Datagrams: how fast they are read from the receive buffer: "asap", "never" (only when all are
    /// sent) or a rate such as "200/s" of a receiver, which its readers share evenly. Default: "asap".
    pub drain: Option<At<Accept>>,
    /// Period of the samples of the accept queue or receive buffers, 100 us to 1 s. Default: "5ms".
    pub sample: Option<At<Span>>,
}

/// A window of time in which nothing is accepted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { from = \"0s\", to = \"1.5s\" }")]
pub struct Stall {
    /// Its start, from the start of the schedule. Default: "0s".
    pub from: Option<Span>,
    /// Its end. Required.
    pub to: Option<Span>,
}

/// A service time.
#[derive(Debug, Clone, Copy)]
pub struct Service(pub ServiceTime);

/// The shapes of a service time.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Distribution {
    /// Always `time`.
    Constant,
    /// Uniform between `min` and `max`.
    Uniform,
    /// Exponential with `mean`.
    Exponential,
    /// Log-normal with `median` and `sigma`.
    LogNormal,
}

/// A service time that varies.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    /// "constant", "uniform", "exponential" or "log-normal". Required.
    distribution: Option<Distribution>,
    /// constant: that time.
    time: Option<Span>,
    /// uniform: the shortest.
    min: Option<Span>,
    /// uniform: the longest.
    max: Option<Span>,
    /// exponential: the mean.
    mean: Option<Span>,
    /// log-normal: the median.
    median: Option<Span>,
    /// log-normal: the standard deviation of the logarithm, 0 to 5.
    sigma: Option<f64>,
}

impl ServiceTable {
    fn resolve(self) -> Result<Service, String> {
        let given = [
            ("time", self.time.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("mean", self.mean.is_some()),
            ("median", self.median.is_some()),
            ("sigma", self.sigma.is_some()),
        ];
        let (wanted, example): (&[&str], _) = match self.distribution {
            None => (&[], "{ distribution = \"exponential\", mean = \"2ms\" }"),
            Some(Distribution::Constant) => (&["time"], "\"2ms\""),
            Some(Distribution::Uniform) => {
                (&["min", "max"], "{ distribution = \"uniform\", min = \"1ms\", max = \"3ms\" }")
            }
            Some(Distribution::Exponential) => {
                (&["mean"], "{ distribution = \"exponential\", mean = \"2ms\" }")
            }
            Some(Distribution::LogNormal) => (
                &["median", "sigma"],
                "{ distribution = \"log-normal\", median = \"2ms\", sigma = 0.5 }",
            ),
        };
        let fits = given.iter().all(|(key, present)| wanted.contains(key) == *present);
        let time = match self.distribution {
            Some(Distribution::Constant) => self.time.map(|time| ServiceTime::Constant { time }),
            Some(Distribution::Uniform) => {
                self.min.zip(self.max).map(|(min, max)| ServiceTime::Uniform { min, max })
            }
            Some(Distribution::Exponential) => {
                self.mean.map(|mean| ServiceTime::Exponential { mean })
            }
            Some(Distribution::LogNormal) => self
                .median
                .zip(self.sigma)
                .map(|(median, sigma)| ServiceTime::LogNormal { median, sigma }),
            None => None,
        };
        match time {
            Some(time) if fits => Ok(Service(time)),
            _ if wanted.is_empty() => {
                Err(format!("a service time's table needs a `distribution`: write {example}"))
            }
            _ => Err(format!(
                "this distribution takes {} and nothing else: write {example}",
                wanted.join(" and ")
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_or_table(
            from,
            "a duration such as \"2ms\", or a table such as { distribution = \"exponential\", mean = \"2ms\" }",
            |text| {
                let time = text.parse().map_err(|e: crate::units::UnitError| e.to_string())?;
                Ok(Self(ServiceTime::Constant { time }))
            },
            ServiceTable::resolve,
        )
    }
}

impl JsonSchema for Service {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Service".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (span, table) =
            (generator.subschema_for::<Span>(), generator.subschema_for::<ServiceTable>());
        schemars::json_schema!({ "description": "A service time.", "anyOf": [span, table] })
    }
}
