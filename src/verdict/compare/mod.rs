//! A candidate's runs against a base's: better, worse, the same, or nobody knows. Pure.
//!
//! The unit is a run: one value a run, metric and side. `values` reads them, `judge` says what they
//! mean, `more_runs` what would help, `unlike` whether the sides may be compared at all.

mod judge;
mod more_runs;
mod unlike;
mod values;

use crate::measure::comparison::{
    Change, ComparedMetric, ComparisonResult, Looks, Party, Relation, SCHEMA_VERSION,
};
use crate::measure::sample::Sample;
use crate::scenario::plan::Subject;

pub use unlike::unlike;

use values::Runs;

/// What is judged, and how strictly.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    /// What counts; empty for the metrics that count by themselves.
    pub wanted: Vec<Wanted>,
    /// The same as the user wrote it.
    pub fail_on: Option<String>,
    /// The least effect that matters, as a ratio's distance from 1; of shares a tenth of it, as a
    /// difference.
    pub minimum_effect: f64,
    /// Wanted rate of false alarms over all metrics together.
    pub alpha: f64,
    /// Whether unlike sides are compared nevertheless.
    pub accept_unlike: bool,
    /// Which look this is, where several are taken.
    pub looks: Option<Looks>,
    /// Seed of the bootstrap's draws.
    pub seed: u64,
    /// What the sides are to each other.
    pub relation: Relation,
}

/// One thing that is to count.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What.
    pub subject: Subject,
    /// The least effect that matters for it, where it has its own.
    pub minimum_effect: Option<f64>,
}

impl From<(Subject, Option<f64>)> for Wanted {
    fn from((subject, minimum_effect): (Subject, Option<f64>)) -> Self {
        Self { subject, minimum_effect }
    }
}

impl Default for Judging {
    fn default() -> Self {
        Self {
            wanted: Vec::new(),
            fail_on: None,
            minimum_effect: 0.1,
            alpha: 0.05,
            accept_unlike: false,
            looks: None,
            seed: 1,
            relation: Relation::Apart,
        }
    }
}

impl Judging {
    /// What this look may spend of alpha.
    fn alpha_now(&self) -> f64 {
        self.looks.as_ref().map_or(self.alpha, |looks| looks.alpha_each)
    }
}

/// A side and its name.
pub type Named<'a> = (&'a str, &'a Sample);

/// Compares a candidate with its base, whose runs are the units.
pub fn compare(base: Named, candidate: Named, how: &Judging) -> ComparisonResult {
    let runs = Runs::of(base.1, candidate.1);
    let unlike = unlike(base.1, candidate.1, how.relation);
    let refused = !unlike.is_empty() && !how.accept_unlike;
    let gathered = values::gather(&runs, how);
    let metrics = match refused {
        true => gathered.into_iter().map(|one| one.incomparable(&unlike)).collect(),
        false => judge::judged(gathered, how),
    };
    let verdict = match refused {
        true => Change::Incomparable { reasons: unlike.clone() },
        false => overall(&metrics, &runs),
    };
    let party = |(name, sample): Named, runs: u32, left_out: &[String]| Party {
        name: name.to_owned(),
        loadgen_version: sample.loadgen_version.clone(),
        kernel: sample.environment.kernel.clone(),
        started_at: sample.environment.started_at.clone(),
        runs,
        left_out: left_out.to_vec(),
    };
    ComparisonResult {
        schema_version: SCHEMA_VERSION,
        loadgen_version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: base.1.scenario.name.clone(),
        base: party(base, runs.fewest(|one| one.base.len()), &runs.left_out.0),
        candidate: party(candidate, runs.fewest(|one| one.candidate.len()), &runs.left_out.1),
        relation: how.relation,
        fail_on: how.fail_on.clone(),
        minimum_effect: how.minimum_effect,
        alpha: how.alpha,
        looks: how.looks.clone(),
        unlike,
        accepted: how.accept_unlike,
        metrics,
        verdict,
    }
}

/// The judgement over all metrics that count: the worst of them, and what is not known before what is
/// good.
fn overall(metrics: &[ComparedMetric], runs: &Runs) -> Change {
    let counting: Vec<&ComparedMetric> = metrics.iter().filter(|one| one.counts).collect();
    let has = |change: &Change| counting.iter().any(|one| one.change == *change);
    if has(&Change::Worse) {
        return Change::Worse;
    }
    let nothing = || "nothing was measured that counts".to_owned();
    if let Some(reason) = runs.lacking().or_else(|| counting.is_empty().then(nothing)) {
        return Change::Inconclusive { reason, more_runs: None };
    }
    match inconclusive(&counting) {
        Some(inconclusive) => inconclusive,
        None if has(&Change::Better) => Change::Better,
        None => Change::Same,
    }
}

/// What is inconclusive of the metrics that count; as many more runs as the neediest of them.
fn inconclusive(counting: &[&ComparedMetric]) -> Option<Change> {
    let doubts: Vec<(&ComparedMetric, &String, Option<u32>)> = counting
        .iter()
        .filter_map(|one| match &one.change {
            Change::Inconclusive { reason, more_runs } => Some((*one, reason, *more_runs)),
            _ => None,
        })
        .collect();
    let (first, reason, _) = doubts.first()?;
    let others = match doubts.len() - 1 {
        0 => String::new(),
        1 => "; and 1 more metric".to_owned(),
        several => format!("; and {several} more metrics"),
    };
    let reason = format!("{}: {reason}{others}", title(first));
    let more_runs = doubts.iter().map(|(.., more)| *more).collect::<Option<Vec<_>>>();
    Some(Change::Inconclusive {
        reason,
        more_runs: more_runs.and_then(|all| all.into_iter().max()),
    })
}

/// A metric for people: `connect.p99 (target.backlog = 5, clients)`.
fn title(metric: &ComparedMetric) -> String {
    let load = metric.load.iter().map(String::as_str);
    let place = std::iter::once(metric.cell.as_str()).chain(load).filter(|part| !part.is_empty());
    match place.collect::<Vec<_>>().join(", ") {
        place if place.is_empty() => metric.subject.clone(),
        place => format!("{} ({place})", metric.subject),
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
