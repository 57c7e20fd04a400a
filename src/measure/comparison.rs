//! Two sides of a comparison, and how they differ: what `loadgen compare` finds and reports show.
//!
//! The unit of every statistic is a *run*: one value a run and side. Attempts of one run share its
//! luck, and tests over single attempts alarm on nearly every pair of equal runs.

use serde::{Deserialize, Serialize};

/// Version of the layout of a comparison's JSON.
pub const SCHEMA_VERSION: u32 = 1;

/// A comparison of a candidate with its base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonResult {
    /// [`SCHEMA_VERSION`] of the program that wrote this.
    pub schema_version: u32,
    /// Version of the program that wrote this.
    pub loadgen_version: String,
    /// Name of the scenario; of the base's, where there are two.
    pub scenario: String,
    /// What the candidate is compared with.
    pub base: Party,
    /// What is judged.
    pub candidate: Party,
    /// What the sides are to each other.
    pub relation: Relation,
    /// What the user wanted to count, as written; `None` for what counts by itself.
    pub fail_on: Option<String>,
    /// The least effect that matters, where `fail_on` has none.
    pub minimum_effect: f64,
    /// Wanted rate of false alarms over all metrics together: 0.05 unless told.
    pub alpha: f64,
    /// What of it this look may spend, where looks are taken in turn until it is conclusive.
    pub looks: Option<Looks>,
    /// What makes the sides incomparable, one sentence each; empty where nothing does.
    pub unlike: Vec<String>,
    /// Whether the user wanted them compared nevertheless.
    pub accepted: bool,
    /// Each metric of each combination and load; those that count come first.
    pub metrics: Vec<ComparedMetric>,
    /// The judgement over all that count.
    pub verdict: Change,
}

/// What two sides are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Runs made apart, which are to be runs of one scenario in one environment.
    Apart,
    /// Two arms of one result, run in turn: in what their scenarios differ is what is tried.
    Arms,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// What it is called: a path, a baseline's name, or a scenario's.
    pub name: String,
    /// Version of the program that measured it.
    pub loadgen_version: String,
    /// On which kernel: system, release and version.
    pub kernel: String,
    /// When the first of its runs began: UTC, RFC 3339.
    pub started_at: String,
    /// Runs that count, for the combination that has fewest.
    pub runs: u32,
    /// Runs that do not count, and why; one sentence each.
    pub left_out: Vec<String>,
}

/// Looks at what there is, taken until the comparison is conclusive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Looks {
    /// After how many pairs there is a look.
    pub after: Vec<u32>,
    /// Number of the present one, from 1.
    pub at: u32,
    /// What each may spend of alpha: all together spend no more than it (Bonferroni's inequality),
    /// so that looking often raises no false alarm.
    pub alpha_each: f64,
}

/// One metric of one combination and load, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedMetric {
    /// The combination, as `target.backlog = 5`; empty without a sweep.
    pub cell: String,
    /// The load; `None` for what is the target's or the whole cell's.
    pub load: Option<String>,
    /// Which, as a limit's subject is written: `request.p99`, `outcomes.timeout`, `throughput`.
    pub subject: String,
    /// Unit of the values.
    pub unit: Measure,
    /// Which direction is an improvement.
    pub better: Better,
    /// Whether it decides the verdict; others are shown only.
    pub counts: bool,
    /// The base's value in each run that counts, in the order in which they ran.
    pub base: Vec<f64>,
    /// The candidate's.
    pub candidate: Vec<f64>,
    /// The least effect that matters: a ratio's distance from 1 (0.1 is 10 %), or for shares a
    /// difference (0.01 is one percentage point).
    pub minimum_effect: f64,
    /// By how much they differ; `None` where too few runs have a value.
    pub effect: Option<Effect>,
    /// The judgement.
    pub change: Change,
}

/// By how much the candidate differs from the base. Positive: its values are higher.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What the figures are.
    pub scale: Scale,
    /// Hodges-Lehmann estimate: the median over all pairs of a candidate's run and a base's one.
    pub estimate: f64,
    /// Lower end of the interval; `-1` at least where it is relative.
    pub low: f64,
    /// Upper end; `None` where it is not bounded, as with a base of 0.
    pub high: Option<f64>,
    /// Confidence of the interval, such as 0.95.
    pub confidence: f64,
    /// Two-sided exact p of no difference (Mann-Whitney).
    pub p: f64,
    /// The same, corrected for the number of metrics that count (Holm).
    pub p_corrected: f64,
}

/// What an effect's figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// candidate / base - 1.
    Relative,
    /// candidate - base, of shares.
    Points,
    /// candidate - base in the values' own unit: from nothing to something is no ratio.
    Difference,
}

/// Unit of a compared value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Nanoseconds.
    Nanoseconds,
    /// A share of attempts or datagrams, from 0 to 1.
    Share,
    /// Events.
    Count,
    /// Attempts a second.
    PerSecond,
}

/// Which direction is an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// As of latencies and errors.
    Lower,
    /// As of throughput.
    Higher,
}

/// How the candidate compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// Worse: the estimate is past the least effect that matters, the whole interval past half of it,
    /// and chance is excluded.
    Worse,
    /// Better, in the same sense.
    Better,
    /// The whole interval lies within the least effect that matters.
    Same,
    /// Too few or too noisy runs.
    Inconclusive {
        /// Why, as a sentence.
        reason: String,
        /// How many more runs a side would probably suffice; `None` where nobody can tell.
        more_runs: Option<u32>,
    },
    /// The sides are unlike in what must be alike.
    Incomparable {
        /// In what, one sentence each.
        reasons: Vec<String>,
    },
}
