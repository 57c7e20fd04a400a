//! The backlog card of an operating system: what experiments saw of its queues, and what follows.
//!
//! Every inferred value names the observations that it rests on, and every experiment that could
//! not be made says why. What is known of a system from its source stands beside, as expected.

mod value;

use std::collections::BTreeMap;
use std::fmt;

pub use value::Sameness;

use serde::{Deserialize, Serialize};

use super::result::{Environment, Status};

/// Version of the card's layout.
pub const SCHEMA_VERSION: u32 = 1;

/// All that was found out about one system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// [`SCHEMA_VERSION`] of the program that made it.
    pub schema_version: u32,
    /// Version of that program.
    pub loadgen_version: String,
    /// What the system is called, such as `Linux 6.18.5`.
    pub system: String,
    /// Where the card was made; its kernel settings are those where the experiments were made: a fresh
    /// namespace's own in a lab, else the host's.
    pub environment: Environment,
    /// Whether everything was tried.
    pub status: Status,
    /// How thorough it is.
    pub depth: Depth,
    /// Whose instruments were used.
    pub methods: Methods,
    /// Whether in private namespaces.
    pub place: Place,
    /// Seconds that it took.
    pub took_s: f64,
    /// What was tried.
    pub experiments: Vec<Experiment>,
}

/// How thorough a card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Below a minute: waits of several seconds are cut short.
    Quick,
    /// Some minutes at most: retries are followed for half a minute.
    Standard,
    /// Until every timer has run out.
    Full,
}

/// Whose instruments an experiment may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Methods {
    /// All that this system has.
    Native,
    /// What every POSIX system has.
    Portable,
}

/// Where the experiments were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "where")]
pub enum Place {
    /// In private network namespaces, a fresh one for each.
    Lab,
    /// On the host's loopback.
    Host {
        /// Why not in a lab.
        reason: String,
    },
}

/// Family of internet addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// One experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its name, the same on every system: `tcp.accept_queue.sequential`.
    pub id: String,
    /// Over which addresses; `None` where there are none.
    pub family: Option<Family>,
    /// Kernel settings that were changed for it, by dotted name.
    pub settings: BTreeMap<String, String>,
    /// What it asks, in a sentence.
    pub question: String,
    /// How it was answered.
    pub method: Method,
    /// What was seen, in order.
    pub observations: Vec<Observation>,
    /// What follows.
    pub inferred: Vec<Inferred>,
    /// What could not be found out.
    pub missing: Vec<Missing>,
    /// Seconds that it took.
    pub took_s: f64,
}

/// How something was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// What told it.
    pub instrument: Instrument,
    /// What was done, in a sentence or two.
    pub how: String,
}

/// What tells a program about a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instrument {
    /// `accept()`: whoever is given to the program was in the queue. Every POSIX system.
    Accept,
    /// poll(2), SO_ERROR and the error of a call. Every POSIX system.
    Errors,
    /// What a reader receives. Every POSIX system.
    Receive,
    /// TCP_INFO of the client's socket.
    TcpInfo,
    /// TCP_INFO of the listener.
    ListenerInfo,
    /// sock_diag.
    SockDiag,
    /// Counters of the network namespace.
    Counters,
    /// SO_MEMINFO and SO_RXQ_OVFL of the socket.
    SocketMemory,
    /// Whether the listener polls readable.
    Readable,
}

/// Something seen: what was given, and what was there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// What the experimenter did, such as `backlog` = 5.
    pub given: BTreeMap<String, Datum>,
    /// What the system did, such as `established` = 6.
    pub seen: BTreeMap<String, Datum>,
}

/// A raw value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Datum {
    /// Yes or no.
    Flag(bool),
    /// A count.
    Count(i64),
    /// A measure; times in seconds.
    Measure(f64),
    /// A word, such as an errno's name.
    Word(String),
    /// Several measures.
    Measures(Vec<f64>),
}

/// A value that follows from observations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inferred {
    /// Its name within the experiment, the same on every system: `capacity`.
    pub name: String,
    /// What it is.
    pub value: Value,
    /// How sure that is.
    pub confidence: Confidence,
    /// Why so sure, in a sentence.
    pub because: String,
    /// Numbers of the observations that it rests on, from 0.
    pub from: Vec<usize>,
    /// What the system's own rules say, where they are known.
    pub expected: Option<Expected>,
}

/// An inferred value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Value {
    /// A number of things.
    Count {
        /// How many.
        count: i64,
        /// Of what, such as `connections`.
        unit: String,
    },
    /// A number of things for each of several inputs.
    Counts {
        /// What is varied, such as `backlog`.
        of: String,
        /// Of what, such as `connections`.
        unit: String,
        /// Input and number, by rising input.
        points: Vec<(i64, i64)>,
    },
    /// A length of time.
    Seconds {
        /// How long.
        seconds: f64,
        /// It may be so much longer or shorter.
        give: f64,
    },
    /// Instants since the beginning.
    Schedule {
        /// In seconds, rising.
        seconds: Vec<f64>,
        /// Each may be so much earlier or later, as a share of itself.
        give: f64,
        /// Whether nothing follows; else nobody looked for longer.
        complete: bool,
    },
    /// One of a few words, such as `dropped`, or a rule such as `n + 1`.
    Word {
        /// The word.
        word: String,
    },
}

/// How sure an inferred value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// One observation, or several that differ.
    Low,
    /// It fits all that was seen, and something else might, too.
    Medium,
    /// Seen several times, in the same way.
    High,
}

/// What a system's own rules say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// The value.
    pub value: Value,
    /// Where the rule stands: a file of the kernel's source, or a document.
    pub source: String,
    /// Whether that was found.
    pub agrees: bool,
}

/// Something that could not be found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What, as a name of an inferred value; empty for the whole experiment.
    pub what: String,
    /// Why: the call and the error's name, or what this system does not have.
    pub why: String,
    /// What would help.
    pub remedy: String,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

impl Missing {
    /// The whole experiment.
    pub fn all(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: String::new(), why: why.into(), remedy: remedy.into() }
    }

    /// One value of it.
    pub fn of(mut self, what: &str) -> Self {
        what.clone_into(&mut self.what);
        self
    }
}

impl Datum {
    /// A yes or no.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A count.
    pub fn count(&self) -> Option<i64> {
        match self {
            Self::Count(count) => Some(*count),
            // What was read back from JSON may have lost which of the two it was.
            Self::Measure(measure) if measure.fract() == 0.0 => Some(*measure as i64),
            _ => None,
        }
    }

    /// A measure, or a count as one.
    pub fn measure(&self) -> Option<f64> {
        match self {
            Self::Measure(measure) => Some(*measure),
            Self::Count(count) => Some(*count as f64),
            _ => None,
        }
    }

    /// A word.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

impl From<bool> for Datum {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Datum {
    fn from(count: i64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Datum {
    /// JSON has no word for what is no number.
    fn from(measure: f64) -> Self {
        if measure.is_finite() { Self::Measure(measure) } else { Self::Word(measure.to_string()) }
    }
}

impl From<&str> for Datum {
    fn from(word: &str) -> Self {
        Self::Word(word.to_owned())
    }
}

impl From<String> for Datum {
    fn from(word: String) -> Self {
        Self::Word(word)
    }
}

impl From<Vec<f64>> for Datum {
    fn from(measures: Vec<f64>) -> Self {
        match measures.iter().find(|measure| !measure.is_finite()) {
            None => Self::Measures(measures),
            Some(_) => Self::Word(format!("{measures:?}")),
        }
    }
}

impl Observation {
    /// Of nothing in particular.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was done.
    pub fn given(mut self, name: &str, value: impl Into<Datum>) -> Self {
        self.given.insert(name.to_owned(), value.into());
        self
    }

    /// What was seen.
    pub fn seen(mut self, name: &str, value: impl Into<Datum>) -> Self {
        self.seen.insert(name.to_owned(), value.into());
        self
    }
}

impl Value {
    /// A number of things.
    pub fn count(count: i64, unit: &str) -> Self {
        Self::Count { count, unit: unit.to_owned() }
    }

    /// A word.
    pub fn word(word: impl Into<String>) -> Self {
        Self::Word { word: word.into() }
    }

    /// Whether every number in it is one.
    pub fn is_finite(&self) -> bool {
        match self {
            Self::Seconds { seconds, give } => seconds.is_finite() && give.is_finite(),
            Self::Schedule { seconds, give, .. } => {
                give.is_finite() && seconds.iter().all(|at| at.is_finite())
            }
            Self::Count { .. } | Self::Counts { .. } | Self::Word { .. } => true,
        }
    }
}

impl Experiment {
    /// One that was not made yet.
    pub fn new(id: &str, question: &str, method: Method) -> Self {
        Self {
            id: id.to_owned(),
            family: None,
            settings: BTreeMap::new(),
            question: question.to_owned(),
            method,
            observations: Vec::new(),
            inferred: Vec::new(),
            missing: Vec::new(),
            took_s: 0.0,
        }
    }

    /// Over these addresses.
    pub fn over(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }

    /// With these settings.
    pub fn with(mut self, settings: &[(&str, &str)]) -> Self {
        let owned = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.settings.extend(owned);
        self
    }

    /// Notes an observation; its number.
    pub fn saw(&mut self, observation: Observation) -> usize {
        self.observations.push(observation);
        self.observations.len() - 1
    }

    /// Draws a conclusion; one that is no number is none.
    pub fn infer(&mut self, name: &str, value: Value, from: &[usize], sure: (Confidence, &str)) {
        if !value.is_finite() {
            let why = "what was seen gives no number";
            return self.missing.push(Missing::all(why, "look at the observations").of(name));
        }
        self.inferred.push(Inferred {
            name: name.to_owned(),
            value,
            confidence: sure.0,
            because: sure.1.to_owned(),
            from: from.to_vec(),
            expected: None,
        });
    }

    /// A value by its name.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.inferred.iter().find(|one| one.name == name).map(|one| &one.value)
    }
}

#[cfg(test)]
mod tests;
