//! The scenario file as it is written: one struct a table, every key optional.
//!
//! Whether a key may be absent is decided in [`super::validate`], so that all problems of a file
//! are found at once. The comments on the fields are the descriptions in the JSON Schema.

mod datagram;
mod load;
mod maps;
mod target;
mod words;

use schemars::JsonSchema;
use serde::Deserialize;

pub use datagram::{Impair, Payload};
pub use load::{Arrivals, CloseWord, Kind, Load, Message, ReplyEnd, Vanish};
pub use maps::{Limits, Sweep, Sysctl};
pub use target::{Service, Stall, Target};
pub use words::{Capture, Reply};

use super::at::At;
use super::plan::{Family, Link};
use crate::units::Span;

/// A loadgen scenario: clients, the server under test, and what to vary.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a scenario")]
pub struct Scenario {
    /// Name of the scenario and of its folder of results: letters, digits, `.`, `_` and `-`.
    /// Required.
    pub name: Option<At<String>>,
    /// What the scenario teaches, in a sentence or two.
    pub description: Option<String>,
    /// Seed of every random draw. Default: 1.
    pub seed: Option<u64>,
    /// Length of an interval of the timeline, at least 10 ms. Default: "100ms".
    pub interval: Option<At<Span>>,
    /// The private network namespaces in which the scenario runs.
    pub lab: Option<Lab>,
    /// The server under test. Default: our own server with a backlog of 128.
    pub target: Option<At<Target>>,
    /// The streams of clients, at least one; those of a scenario run side by side.
    pub load: Option<Vec<At<Load>>>,
    /// Thresholds that decide between pass and fail, such as `"connect.p99" = "<= 5ms"`.
    pub limits: Option<Limits>,
    /// Paths of keys and the values that each takes in turn, such as
    /// `target.backlog = [5, 128, 1024]`. The product of all lists is run, at most 1,000 cells.
    /// `load.rate` sets the key in every load, `load.NAME.rate` in the load of that name.
    #[allow(dead_code, reason = "taken out of the table before; here for the JSON Schema")]
    pub sweep: Option<Sweep>,
}

/// The private network namespaces in which a scenario runs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, [lab]")]
pub struct Lab {
    /// What lies between the clients and the target: "loopback" (both in one namespace) or
    /// "veth" (each in its own, with a virtual Ethernet pair in between). Default: "loopback".
    pub link: Option<At<Link>>,
    /// Address family: "ipv4" or "ipv6". Default: "ipv4".
    pub family: Option<At<Family>>,
    /// Number of client source addresses, 1 to 4096. Each has its own local ports. Default: 1.
    pub sources: Option<At<u16>>,
    /// What happens to packets on their way to the target (datagrams, or segments of TCP): loss, rate,
    /// delay, duplicates, reordering.
    pub impair: Option<At<Impair>>,
    /// Whether the packets of the link are recorded: true (at most 64 MiB a cell), false, or a size
    /// such as "256MiB" that the file may reach. Default: false.
    pub capture: Option<At<Capture>>,
    /// Kernel settings of the lab by their dotted names, such as `net.core.somaxconn = 64`.
    /// The host's own settings are never touched.
    pub sysctl: Option<Sysctl>,
}
