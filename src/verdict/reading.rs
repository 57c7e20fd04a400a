//! What a subject's value is in one cell: the same for limits and for comparisons.

use hdrhistogram::Histogram;

use crate::measure::result::{Cause, CellResult, LoadResult, MetricResult};
use crate::measure::{Metric, decode, empty, percentile};
use crate::scenario::plan::{Statistic, Subject};

/// The value of a subject, of one load or of the whole cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<'a> {
    /// The load; `None` where none is meant alone.
    pub load: Option<String>,
    /// What was read, as written, without the load: `connect.p99`.
    pub subject: String,
    /// `None` where nothing was measured.
    pub amount: Option<Amount>,
    /// The metric of which it is a statistic.
    pub of: Option<(&'a MetricResult, Statistic)>,
}

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// Nanoseconds, events, or attempts a second.
    Plain(f64),
    /// So many of so many: a share, or a count. The second is not 0 unless nobody asks for the share.
    Of(u64, u64),
}

impl Amount {
    /// The number of events, or the value itself.
    pub fn count(self) -> f64 {
        match self {
            Self::Plain(value) => value,
            Self::Of(count, _) => count as f64,
        }
    }

    /// The share, from 0 to 1; `None` of nothing, and of what is none.
    pub fn share(self) -> Option<f64> {
        match self {
            Self::Of(count, of @ 1..) => Some(count as f64 / of as f64),
            _ => None,
        }
    }
}

/// Reads a subject in a cell; one on a metric or on throughput gives a reading for each load that has
/// it. At least one.
pub fn read<'a>(subject: &Subject, cell: &'a CellResult) -> Vec<Reading<'a>> {
    let found: Vec<Reading> = match subject {
        Subject::Metric { load, metric, statistic } => {
            by_metric(cell, load.as_deref(), metric, *statistic)
        }
        Subject::Throughput { load } => loads(cell, load.as_deref())
            .map(|load| Reading {
                load: Some(load.name.clone()),
                subject: "throughput".to_owned(),
                amount: Some(Amount::Plain(load.achieved_rate)),
                of: None,
            })
            .collect(),
        Subject::Outcome { load, outcome } => {
            vec![plain(load, format!("outcomes.{outcome}"), outcomes(cell, load, outcome))]
        }
        Subject::Class { load, class } => {
            vec![plain(load, format!("classes.{class}"), classes(cell, load, class))]
        }
        Subject::Counter(name) => {
            let grown = cell.counter(name).map(|grown| Amount::Plain(grown as f64));
            vec![plain(&None, format!("counters.{name}"), grown)]
        }
        Subject::Loss(cause) => {
            vec![plain(&None, subject.to_string(), losses(cell, cause.as_deref()))]
        }
        Subject::CpuPerAttempt => vec![plain(&None, subject.to_string(), cpu_per_attempt(cell))],
    };
    if !found.is_empty() {
        return found;
    }
    let (load, subject) = match subject {
        Subject::Metric { load, metric, statistic } => (load, format!("{metric}.{statistic}")),
        Subject::Throughput { load } => (load, "throughput".to_owned()),
        other => (&None, other.to_string()),
    };
    vec![plain(load, subject, None)]
}

fn plain<'a>(load: &Option<String>, subject: String, amount: Option<Amount>) -> Reading<'a> {
    Reading { load: load.clone(), subject, amount, of: None }
}

fn loads<'c>(cell: &'c CellResult, load: Option<&str>) -> impl Iterator<Item = &'c LoadResult> {
    cell.loads.iter().filter(move |result| load.is_none_or(|load| result.name == load))
}

fn by_metric<'a>(
    cell: &'a CellResult,
    load: Option<&str>,
    metric: &str,
    statistic: Statistic,
) -> Vec<Reading<'a>> {
    let measured = cell.metrics.iter().filter(|measured| {
        measured.metric.name() == metric && load.is_none_or(|load| measured.load == load)
    });
    let read = measured.filter_map(|measured| {
        Some(Reading {
            load: Some(measured.load.clone()),
            subject: format!("{metric}.{statistic}"),
            amount: Some(Amount::Plain(value(&measured.histogram, statistic)?)),
            of: Some((measured, statistic)),
        })
    });
    read.collect()
}

fn outcomes(cell: &CellResult, load: &Option<String>, outcome: &str) -> Option<Amount> {
    let (mut count, mut attempts) = (0u64, 0u64);
    for result in loads(cell, load.as_deref()) {
        attempts = attempts.saturating_add(result.attempts);
        let connects = result.outcomes.iter().filter(|(class, _)| match outcome {
            Subject::FAILED => class.failed(),
            name => class.name() == name,
        });
        let endings = result.endings.iter().filter(|(class, _)| match outcome {
            Subject::FAILED => class.failed(),
            name => class.name() == name,
        });
        let counts = connects.map(|(_, n)| *n).chain(endings.map(|(_, n)| *n));
        count = counts.fold(count, u64::saturating_add);
    }
    (attempts > 0).then_some(Amount::Of(count, attempts))
}

fn classes(cell: &CellResult, load: &Option<String>, class: &str) -> Option<Amount> {
    let classes = &cell.classes.as_ref()?.classes;
    let own = classes.iter().filter(|one| load.as_ref().is_none_or(|load| one.load == *load));
    let attempts = own.clone().map(|one| one.count).fold(0, u64::saturating_add);
    let count = own.filter(|one| one.class.name() == class).map(|one| one.count);
    (attempts > 0).then(|| Amount::Of(count.fold(0, u64::saturating_add), attempts))
}

/// Datagrams that were lost, of those that might have been.
fn losses(cell: &CellResult, name: Option<&str>) -> Option<Amount> {
    let cause = match name.map(Cause::from_name) {
        Some(None) => return None,
        cause => cause.flatten(),
    };
    let (count, of) = cell.datagrams.as_ref()?.lost_of(cause)?;
    Some(Amount::Of(count, of))
}

/// Of the runner and its worker processes, in nanoseconds.
fn cpu_per_attempt(cell: &CellResult) -> Option<Amount> {
    let attempts = cell.loads.iter().map(|load| load.attempts).fold(0, u64::saturating_add);
    let seconds = cell.validity.cpu_s.0 + cell.validity.cpu_s.1;
    let known = attempts > 0 && seconds > 0.0 && seconds.is_finite();
    known.then(|| Amount::Plain(seconds * 1e9 / attempts as f64))
}

impl Reading<'_> {
    /// What the tool's own lateness is of the same statistic, in nanoseconds; `None` where the metric
    /// does not begin at the intended instant.
    pub fn lag(&self, cell: &CellResult) -> Option<f64> {
        let (measured, statistic) = self.of?;
        without_lag(measured.metric).filter(|_| statistic != Statistic::Count)?;
        of_tool(cell, Metric::Lag, &measured.load, statistic)
    }

    /// The tool's own error of the same statistic, in nanoseconds: its lag, where the metric begins at
    /// the intended instant, and what observing adds. `None` where neither its lateness nor its
    /// clock readings are in the metric.
    pub fn own_error(&self, cell: &CellResult) -> Option<f64> {
        let (measured, statistic) = self.of.filter(|_| self.is_observed())?;
        let observing = of_tool(cell, Metric::ObserverError, &measured.load, statistic);
        Some(self.lag(cell).unwrap_or(0.0) + observing.unwrap_or(0.0))
    }

    /// The same value from the issued instant; `None` where it is not measured.
    pub fn service(&self, cell: &CellResult) -> Option<f64> {
        let (measured, statistic) = self.of?;
        let service = cell.metric(&measured.load, without_lag(measured.metric)?)?;
        value(&service.histogram, statistic)
    }

    /// Whether the tool's own clock readings begin or end it, so that it is not resolved below
    /// [`crate::measure::result::Validity::resolution`].
    pub fn is_observed(&self) -> bool {
        let services = [
            Metric::ConnectService,
            Metric::RequestService,
            Metric::OwdService,
            Metric::IpdvService,
            Metric::JitterService,
            Metric::RttService,
        ];
        self.of.is_some_and(|(measured, statistic)| {
            let observed =
                without_lag(measured.metric).is_some() || services.contains(&measured.metric);
            observed && statistic != Statistic::Count
        })
    }
}

/// The same latency from the issued instant, for those that begin at the intended one.
pub fn without_lag(metric: Metric) -> Option<Metric> {
    match metric {
        Metric::Connect => Some(Metric::ConnectService),
        Metric::Request => Some(Metric::RequestService),
        Metric::Owd => Some(Metric::OwdService),
        Metric::Ipdv => Some(Metric::IpdvService),
        Metric::Jitter => Some(Metric::JitterService),
        Metric::Rtt => Some(Metric::RttService),
        _ => None,
    }
}

/// The statistic of what the tool adds to a load; of all loads together, where the target measured
/// over all.
fn of_tool(cell: &CellResult, metric: Metric, load: &str, statistic: Statistic) -> Option<f64> {
    if let Some(own) = cell.metric(load, metric) {
        return value(&own.histogram, statistic);
    }
    let mut all = empty();
    for own in cell.metrics.iter().filter(|measured| measured.metric == metric) {
        all.add(&decode(&own.histogram)?).ok()?;
    }
    of(&all, statistic)
}

/// The statistic of an encoded histogram, in the metric's unit (a count for `count`); `None`
/// without a value.
fn value(histogram: &str, statistic: Statistic) -> Option<f64> {
    of(&decode(histogram)?, statistic)
}

fn of(histogram: &Histogram<u64>, statistic: Statistic) -> Option<f64> {
    if histogram.is_empty() {
        return None;
    }
    Some(match statistic {
        Statistic::Count => histogram.len() as f64,
        Statistic::Min => histogram.min() as f64,
        Statistic::Mean => histogram.mean(),
        Statistic::Stdev => histogram.stdev(),
        Statistic::Max => histogram.max() as f64,
        Statistic::Percentile(p) => percentile(histogram, p) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Ending, Outcome};
    use crate::report::sample;

    fn amount(subject: &Subject, cell: &CellResult) -> Option<Amount> {
        let mut read = read(subject, cell);
        assert_eq!(read.len(), 1);
        read.remove(0).amount
    }

    #[test]
    fn failures_are_those_of_connecting_and_those_after_it() {
        let mut cell = sample::sweep(&[1024]).cells.remove(0);
        let failed = Subject::Outcome { load: None, outcome: Subject::FAILED.to_owned() };
        let load = &mut cell.loads[0];
        load.attempts = 1000;
        for (class, count) in [
            (Outcome::Timeout, 3),
            (Outcome::Refused, 4),
            (Outcome::Cut, 50),
            (Outcome::HalfOpen, 60),
        ] {
            load.outcomes.insert(class, count);
        }
        for (class, count) in
            [(Ending::Timeout, 10), (Ending::Reset, 20), (Ending::Vanished, 70), (Ending::Cut, 80)]
        {
            load.endings.insert(class, count);
        }
        assert_eq!(amount(&failed, &cell), Some(Amount::Of(37, 1000)));
        assert_eq!(Amount::Of(37, 1000).share(), Some(0.037));
        assert_eq!(Amount::Of(0, 0).share(), None);
    }

    #[test]
    fn throughput_and_cpu_are_those_of_the_generator() {
        let mut cell = sample::sweep(&[1024]).cells.remove(0);
        let throughput = Subject::Throughput { load: None };
        assert_eq!(amount(&throughput, &cell), Some(Amount::Plain(400.0)));
        assert_eq!(read(&throughput, &cell)[0].load.as_deref(), Some("clients"));
        let other = Subject::Throughput { load: Some("others".to_owned()) };
        assert_eq!(amount(&other, &cell), None);
        assert_eq!(amount(&Subject::CpuPerAttempt, &cell), None, "nobody measured it");
        (cell.validity.cpu_s, cell.loads[0].attempts) = ((0.3, 0.7), 100_000);
        assert_eq!(amount(&Subject::CpuPerAttempt, &cell), Some(Amount::Plain(10_000.0)));
    }
}
