//! The values of each metric, one a run.

use std::collections::HashMap;

use super::{Judging, Wanted};
use crate::measure::comparison::{Better, Change, ComparedMetric, Measure, Scale};
use crate::measure::result::{CellResult, Class, LostRun, Status};
use crate::measure::sample::Sample;
use crate::measure::{Ending, Metric, Outcome, Unit};
use crate::scenario::plan::{Statistic, Subject};
use crate::verdict::reading::{Reading, read};

/// What the target measured over all loads has this in the place of a load.
const TARGET: &str = "target";
/// Runs that are left out and told one by one.
const MOST_TOLD: usize = 5;

/// The runs that count, by combination.
#[derive(Debug, Default)]
pub struct Runs<'a> {
    /// In the order of the base's scenario.
    pub combinations: Vec<Combination<'a>>,
    /// Runs that do not count, and why: the base's, and the candidate's.
    pub left_out: (Vec<String>, Vec<String>),
}

/// The runs of one combination.
#[derive(Debug, Default)]
pub struct Combination<'a> {
    /// As `target.backlog = 5`; empty without a sweep.
    pub name: String,
    /// The base's, in the order in which they ran.
    pub base: Vec<&'a CellResult>,
    /// The candidate's.
    pub candidate: Vec<&'a CellResult>,
}

impl<'a> Runs<'a> {
    /// Those of both sides. Invalid runs, and such as were cut short, do not count.
    pub fn of(base: &'a Sample, candidate: &'a Sample) -> Self {
        let mut runs = Self::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        let planned = [base, candidate].into_iter().flat_map(|side| &side.scenario.cells);
        for cell in planned {
            let axes = cell.axes.iter().map(|axis| format!("{} = {}", axis.path, axis.value));
            runs.place(&mut places, axes.collect::<Vec<_>>().join(", "));
        }
        for cell in &base.runs {
            if counts(cell, &mut runs.left_out.0) {
                let place = runs.place(&mut places, cell.combination());
                runs.combinations[place].base.push(cell);
            }
        }
        for cell in &candidate.runs {
            if counts(cell, &mut runs.left_out.1) {
                let place = runs.place(&mut places, cell.combination());
                runs.combinations[place].candidate.push(cell);
            }
        }
        runs.left_out.0.extend(base.lost.iter().cloned().map(LostRun::told));
        runs.left_out.1.extend(candidate.lost.iter().cloned().map(LostRun::told));
        fold(&mut runs.left_out.0);
        fold(&mut runs.left_out.1);
        runs
    }

    fn place(&mut self, places: &mut HashMap<String, usize>, name: String) -> usize {
        *places.entry(name.clone()).or_insert_with(|| {
            self.combinations.push(Combination { name, ..Combination::default() });
            self.combinations.len() - 1
        })
    }

    /// That a side has no run at all of a combination.
    pub fn lacking(&self) -> Option<String> {
        if self.combinations.is_empty() {
            return Some("there is no run that counts".to_owned());
        }
        self.combinations.iter().find_map(|one| {
            let side = match (one.base.is_empty(), one.candidate.is_empty()) {
                (true, _) => "base",
                (_, true) => "candidate",
                _ => return None,
            };
            let of = if one.name.is_empty() { "" } else { " of " };
            Some(format!("the {side} has no run that counts{of}{}", one.name))
        })
    }

    /// The least number of runs over all combinations.
    pub fn fewest(&self, runs: impl Fn(&Combination) -> usize) -> u32 {
        self.combinations.iter().map(runs).min().unwrap_or(0) as u32
    }
}

fn counts(cell: &CellResult, left_out: &mut Vec<String>) -> bool {
    let reason = match (&cell.status, cell.validity.reasons.first()) {
        (Status::Partial { reason }, _) => format!("cut short: {reason}"),
        (_, Some(reason)) => format!("invalid: {reason}"),
        (Status::Complete, None) => return true,
    };
    left_out.push(format!("{}: {reason}", cell.title()));
    false
}

fn fold(told: &mut Vec<String>) {
    let surplus = told.len().saturating_sub(MOST_TOLD);
    told.truncate(MOST_TOLD);
    match surplus {
        0 => {}
        1 => told.push("and 1 more run".to_owned()),
        several => told.push(format!("and {several} more runs")),
    }
}

/// A metric of one combination and load, with a value of each run that resolves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered {
    /// What becomes of it: no effect yet, and [`Change::Same`] until it is judged.
    pub metric: ComparedMetric,
    /// What of the base, and of the candidate, stands behind the values.
    pub sides: (Standing, Standing),
    /// The tool's own error of the same statistic, in nanoseconds, in each run of either side that has
    /// one.
    pub own_errors: Vec<f64>,
}

/// More than this share of a side's runs must not be without a value, or without one that is resolved.
const MOST_WITHOUT: f64 = 0.25;

/// What stands behind a side's values of a metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// Runs that count.
    pub runs: usize,
    /// Values of which lag explains more than half: the target's own part is somewhere below.
    pub unresolved: Vec<f64>,
    /// Whether so many are unresolved that the values are those, too, and each is only a bound from
    /// above.
    pub bounded: bool,
}

impl Standing {
    /// Runs in which nothing was measured of it, where `values` is how many have one.
    fn without(&self, values: usize) -> usize {
        let unresolved = if self.bounded { 0 } else { self.unresolved.len() };
        self.runs.saturating_sub(values + unresolved)
    }

    /// The same, where that is too many to judge the others.
    pub fn lacking(&self, values: usize) -> Option<usize> {
        let without = self.without(values);
        (without as f64 > MOST_WITHOUT * self.runs as f64).then_some(without)
    }

    /// Few unresolved values are left out; of many, each is a bound.
    fn settle(&mut self, values: &mut Vec<f64>) {
        let all = values.len() + self.unresolved.len();
        self.bounded = self.unresolved.len() as f64 > MOST_WITHOUT * all as f64;
        if self.bounded {
            values.extend(&self.unresolved);
        }
    }
}

impl Gathered {
    /// The metric where the sides may not be compared.
    pub fn incomparable(self, reasons: &[String]) -> ComparedMetric {
        ComparedMetric { change: Change::Incomparable { reasons: reasons.to_vec() }, ..self.metric }
    }

    /// Whether no run has a value of it, not even one that is not resolved.
    fn is_without_values(&self) -> bool {
        let ComparedMetric { base, candidate, .. } = &self.metric;
        base.is_empty() && candidate.is_empty()
    }

    /// What its effect's figures are.
    pub fn scale(&self) -> Scale {
        match self.metric.unit {
            Measure::Share => Scale::Points,
            Measure::Nanoseconds | Measure::Count | Measure::PerSecond => Scale::Relative,
        }
    }
}

/// All metrics of all combinations; those that count come first.
pub fn gather(runs: &Runs, how: &Judging) -> Vec<Gathered> {
    // Latencies are those of the attempts that succeeded: without the others, a server that answers
    // one request of a hundred has not changed.
    let latencies = how.wanted.iter().any(|one| matches!(one.subject, Subject::Metric { .. }));
    let mut all: Vec<Gathered> = Vec::new();
    for combination in &runs.combinations {
        let wanted = how.wanted.iter().flat_map(|one| of_subject(combination, one, true, how));
        let mut own: Vec<Gathered> = wanted.collect();
        for (subject, counts) in by_themselves(combination) {
            let counts = counts && (how.wanted.is_empty() || latencies && is_failing(&subject));
            let one = Wanted { subject, minimum_effect: None };
            for more in of_subject(combination, &one, counts, how) {
                // One over all loads has it of each.
                let is = |had: &Gathered| {
                    had.metric.subject == more.metric.subject
                        && (had.metric.load.is_none() || had.metric.load == more.metric.load)
                };
                // What is only shown is shown where there is something.
                if !own.iter().any(is) && (counts || !more.is_without_values()) {
                    own.push(more);
                }
            }
        }
        all.extend(own);
    }
    all.sort_by_key(|one| !one.metric.counts);
    all
}

/// Whether it tells of attempts or datagrams that came to nothing.
fn is_failing(subject: &Subject) -> bool {
    match subject {
        Subject::Outcome { outcome, .. } => outcome == Subject::FAILED,
        Subject::Loss(cause) => cause.is_none(),
        _ => false,
    }
}

/// A subject in each load that has it; at least one.
fn of_subject(
    combination: &Combination,
    wanted: &Wanted,
    counts: bool,
    how: &Judging,
) -> Vec<Gathered> {
    let mut found: Vec<Gathered> = Vec::new();
    let sides = [(true, &combination.base), (false, &combination.candidate)];
    for (is_base, cell) in
        sides.iter().flat_map(|(base, runs)| runs.iter().map(|run| (*base, *run)))
    {
        for reading in read(&wanted.subject, cell) {
            let load = reading.load.clone().filter(|load| load != TARGET);
            let place = found.iter().position(|had| had.metric.load == load);
            let place = place.unwrap_or_else(|| {
                found.push(empty(combination, wanted, counts, how, load, &reading));
                found.len() - 1
            });
            enter(&mut found[place], is_base, cell, &reading);
        }
    }
    for one in &mut found {
        let Gathered { metric, sides: (base, candidate), .. } = one;
        (base.runs, candidate.runs) = (combination.base.len(), combination.candidate.len());
        base.settle(&mut metric.base);
        candidate.settle(&mut metric.candidate);
    }
    // A run without any value does not say of which load it has none.
    if !found.iter().all(Gathered::is_without_values) {
        found.retain(|one| !one.is_without_values());
    }
    found
}

fn empty(
    combination: &Combination,
    wanted: &Wanted,
    counts: bool,
    how: &Judging,
    load: Option<String>,
    reading: &Reading,
) -> Gathered {
    let unit = unit(&wanted.subject);
    let usual = match unit {
        Measure::Share => how.minimum_effect / 10.0,
        _ => how.minimum_effect,
    };
    Gathered {
        metric: ComparedMetric {
            cell: combination.name.clone(),
            load,
            subject: reading.subject.clone(),
            unit,
            better: better(&wanted.subject),
            counts,
            base: Vec::new(),
            candidate: Vec::new(),
            minimum_effect: wanted.minimum_effect.unwrap_or(usual),
            effect: None,
            change: Change::Same,
        },
        sides: Default::default(),
        own_errors: Vec::new(),
    }
}

fn enter(into: &mut Gathered, is_base: bool, cell: &CellResult, reading: &Reading) {
    into.own_errors.extend(reading.own_error(cell));
    let value = reading.amount.and_then(|amount| match into.metric.unit {
        Measure::Share => amount.share(),
        _ => Some(amount.count()),
    });
    // A file may say anything.
    let Some(value) = value.filter(|value| value.is_finite() && *value >= 0.0) else { return };
    let (values, unresolved) = match is_base {
        true => (&mut into.metric.base, &mut into.sides.0.unresolved),
        false => (&mut into.metric.candidate, &mut into.sides.1.unresolved),
    };
    match reading.lag(cell).is_some_and(|lag| lag > value / 2.0) {
        true => unresolved.push(value),
        false => values.push(value),
    }
}

fn unit(subject: &Subject) -> Measure {
    match subject {
        Subject::Metric { statistic: Statistic::Count, .. } | Subject::Counter(_) => Measure::Count,
        Subject::Metric { metric, .. } => match Metric::from_name(metric).map(Metric::unit) {
            Some(Unit::Datagrams) => Measure::Count,
            Some(Unit::Nanoseconds) | None => Measure::Nanoseconds,
        },
        Subject::Outcome { .. } | Subject::Class { .. } | Subject::Loss(_) => Measure::Share,
        Subject::Throughput { .. } => Measure::PerSecond,
        Subject::CpuPerAttempt => Measure::Nanoseconds,
    }
}

fn better(subject: &Subject) -> Better {
    let higher = match subject {
        Subject::Throughput { .. } | Subject::Metric { statistic: Statistic::Count, .. } => true,
        Subject::Metric { metric, .. } => metric == Metric::LossGap.name(),
        Subject::Outcome { outcome, .. } => {
            outcome == Outcome::Ok.name() || outcome == Ending::Done.name()
        }
        Subject::Class { class, .. } => class == Class::Clean.name(),
        Subject::Counter(_) | Subject::Loss(_) | Subject::CpuPerAttempt => false,
    };
    if higher { Better::Higher } else { Better::Lower }
}

/// What is compared unless one is told, and whether it counts.
fn by_themselves(combination: &Combination) -> Vec<(Subject, bool)> {
    let (Some(base), Some(candidate)) = (combination.base.first(), combination.candidate.first())
    else {
        return Vec::new();
    };
    let mut wanted = Vec::new();
    if base.datagrams.is_some() {
        of_datagrams(combination, base.main_metric(), &mut wanted);
    }
    for load in base.loads.iter().filter(|load| load.client != "half-open") {
        if !candidate.loads.iter().any(|other| other.name == load.name) {
            continue;
        }
        let name = Some(load.name.clone());
        if base.datagrams.is_none() {
            of_load(combination, &load.name, &mut wanted);
        }
        if load.arrivals == "closed" {
            wanted.push((Subject::Throughput { load: name }, true));
        }
    }
    wanted.push((Subject::CpuPerAttempt, false));
    wanted
}

fn of_datagrams(combination: &Combination, main: Metric, wanted: &mut Vec<(Subject, bool)>) {
    let mut loads: Vec<&str> = Vec::new();
    for measured in combination.base.iter().flat_map(|cell| &cell.metrics) {
        if measured.metric == main && !loads.contains(&measured.load.as_str()) {
            loads.push(&measured.load);
        }
    }
    for load in loads {
        latency(combination, load, main, true, wanted);
    }
    wanted.push((Subject::Loss(None), true));
}

fn of_load(combination: &Combination, load: &str, wanted: &mut Vec<(Subject, bool)>) {
    let replies = mean_count(combination, load, Metric::Request);
    let (main, service) = match replies > 0 {
        true => (Metric::Request, Metric::RequestService),
        false => (Metric::Connect, Metric::ConnectService),
    };
    latency(combination, load, main, true, wanted);
    let outcome = Subject::FAILED.to_owned();
    wanted.push((Subject::Outcome { load: Some(load.to_owned()), outcome }, true));
    if main == Metric::Request {
        wanted.push((statistic(load, Metric::Connect, 50.0), false));
    }
    wanted.push((statistic(load, service, 50.0), false));
}

/// The median, and the highest percentile beyond which ten attempts of a run lie on average.
fn latency(
    combination: &Combination,
    load: &str,
    metric: Metric,
    counts: bool,
    wanted: &mut Vec<(Subject, bool)>,
) {
    wanted.push((statistic(load, metric, 50.0), counts));
    let tail = match mean_count(combination, load, metric) {
        10_000.. => 99.9,
        1000.. => 99.0,
        100.. => 90.0,
        _ => return,
    };
    wanted.push((statistic(load, metric, tail), counts));
}

fn statistic(load: &str, metric: Metric, percentile: f64) -> Subject {
    Subject::Metric {
        load: Some(load.to_owned()),
        metric: metric.name().to_owned(),
        statistic: Statistic::Percentile(percentile),
    }
}

/// Values of a metric in a run of either side, on average.
fn mean_count(combination: &Combination, load: &str, metric: Metric) -> u64 {
    let runs = combination.base.iter().chain(&combination.candidate);
    let counts = runs.clone().filter_map(|cell| cell.metric(load, metric));
    let sum = counts.map(|measured| measured.summary.count).fold(0, u64::saturating_add);
    sum / runs.count().max(1) as u64
}
