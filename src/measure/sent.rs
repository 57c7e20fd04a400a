//! The books of loads of datagrams: what several workers hand over, interval by interval. Pure.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;

use super::histogram::{Metric, Recorder, Summary, empty};
use super::outcome::Outcome;
use super::result::Heat;

/// What was counted of a load in an interval, by one worker or by all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentCounts {
    /// Attempts that were made.
    pub attempts: u64,
    /// Of these, made before the load's window was over, or soon after.
    pub punctual: u64,
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Bytes of payload in these.
    pub bytes: u64,
    /// Calls of the kernel that sent something.
    pub calls: u64,
    /// Sends that failed within a call and were made again at once.
    pub retried: u64,
    /// Attempts that the kernel did not take, by what it said.
    pub unsent: BTreeMap<Outcome, u64>,
    /// How attempts ended. Signed: one that seemed to be sent may be told of as refused later.
    pub outcomes: BTreeMap<Outcome, i64>,
    /// Error numbers.
    pub errors: BTreeMap<i32, u64>,
    /// Replies, each counted once.
    pub replies: u64,
    /// Replies that came again.
    pub reply_duplicates: u64,
    /// Replies after the load's timeout.
    pub reply_late: u64,
    /// What came and was no reply.
    pub reply_foreign: u64,
}

impl SentCounts {
    /// Adds what another worker, or interval, counted.
    pub fn absorb(&mut self, more: &Self) {
        self.attempts += more.attempts;
        self.punctual += more.punctual;
        self.sent += more.sent;
        self.bytes += more.bytes;
        self.calls += more.calls;
        self.retried += more.retried;
        self.replies += more.replies;
        self.reply_duplicates += more.reply_duplicates;
        self.reply_late += more.reply_late;
        self.reply_foreign += more.reply_foreign;
        for (outcome, count) in &more.unsent {
            *self.unsent.entry(*outcome).or_default() += count;
        }
        for (outcome, count) in &more.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        for (number, count) in &more.errors {
            *self.errors.entry(*number).or_default() += count;
        }
    }

    /// Drops of the sending interface's queue of which the sender was told (ENOBUFS): none of them
    /// was sent, so that none is lost.
    pub fn told_drops(&self) -> u64 {
        self.unsent.get(&Outcome::NoBuffer).copied().unwrap_or(0) + self.retried
    }

    /// Attempts that ended so.
    pub fn of(&self, outcome: Outcome) -> u64 {
        u64::try_from(self.outcomes.get(&outcome).copied().unwrap_or(0)).unwrap_or(0)
    }
}

/// One interval of one load, over all workers.
#[derive(Debug, Clone, Default)]
pub struct SentInterval {
    /// What was counted.
    pub counts: SentCounts,
    /// `lag`.
    pub lag: Summary,
    /// `rtt`.
    pub rtt: Summary,
}

/// The books of one load.
#[derive(Debug, Default)]
pub struct SentLoad {
    /// Over the whole cell.
    pub counts: SentCounts,
    /// The intervals that are over.
    pub intervals: Vec<SentInterval>,
    /// What was measured.
    pub metrics: BTreeMap<Metric, Recorder>,
}

/// The books of all loads of a cell.
#[derive(Debug)]
pub struct SentBook {
    interval: u64,
    /// The loads, in the order of the plan.
    pub loads: Vec<SentLoad>,
    /// `rtt` over time, over all loads.
    pub heat: Heat,
    /// Until when each worker has handed over what it did for each of its loads.
    upto: BTreeMap<(usize, usize), u64>,
    /// Number of the first interval that is not over.
    index: usize,
    pending: VecDeque<Vec<Pending>>,
}

/// An interval of a load that some workers have still to tell of.
#[derive(Debug, Default)]
struct Pending {
    counts: SentCounts,
    metrics: BTreeMap<Metric, Histogram<u64>>,
}

impl SentBook {
    /// Nothing is handed over yet of `parts`, each a worker and one of its `loads`; intervals are so
    /// many nanoseconds long.
    pub fn new(
        interval: u64,
        loads: usize,
        parts: impl IntoIterator<Item = (usize, usize)>,
    ) -> Self {
        Self {
            interval: interval.max(1),
            loads: std::iter::repeat_with(SentLoad::default).take(loads).collect(),
            heat: Heat::default(),
            upto: parts.into_iter().map(|part| (part, 0)).collect(),
            index: 0,
            pending: VecDeque::new(),
        }
    }

    /// What a worker did for a load in interval `index`.
    pub fn enter<'h>(
        &mut self,
        load: usize,
        index: usize,
        counts: &SentCounts,
        metrics: impl IntoIterator<Item = (Metric, &'h Histogram<u64>)>,
    ) {
        let place = index.saturating_sub(self.index);
        let loads = self.loads.len();
        while self.pending.len() <= place {
            self.pending.push_back(std::iter::repeat_with(Pending::default).take(loads).collect());
        }
        let Some(pending) = self.pending[place].get_mut(load) else { return };
        pending.counts.absorb(counts);
        for (metric, values) in metrics {
            let merged = pending.metrics.entry(metric).or_insert_with(empty);
            merged.add(values).expect("all histograms have one shape");
        }
    }

    /// Whether everybody has said a last word.
    pub fn is_over(&self) -> bool {
        self.upto.values().all(|upto| *upto == u64::MAX)
    }

    /// A worker has handed over all that it did for a load before the instant `upto` (`u64::MAX`
    /// with the last). `each` is given the values of every
    /// interval that is over now: its number, the load's index, the metric, the histogram.
    pub fn advance(
        &mut self,
        part: (usize, usize),
        upto: u64,
        mut each: impl FnMut(usize, usize, Metric, &Histogram<u64>),
    ) {
        self.upto.insert(part, upto);
        let over = self.upto.values().copied().min().unwrap_or(u64::MAX);
        while !self.pending.is_empty() && over >= (self.index as u64 + 1) * self.interval {
            self.finish_interval(&mut each);
        }
    }

    /// What came of a load after its last interval: it belongs to that one's counts.
    pub fn enter_late<'h>(
        &mut self,
        load: usize,
        counts: &SentCounts,
        metrics: impl IntoIterator<Item = (Metric, &'h Histogram<u64>)>,
    ) {
        let Some(load) = self.loads.get_mut(load) else { return };
        load.counts.absorb(counts);
        if let Some(last) = load.intervals.last_mut() {
            last.counts.absorb(counts);
        }
        for (metric, values) in metrics {
            let total = &mut load.metrics.entry(metric).or_default().total;
            total.add(values).expect("all histograms have one shape");
        }
    }

    /// Books what is left, also where a worker said no last word.
    pub fn finish(&mut self, mut each: impl FnMut(usize, usize, Metric, &Histogram<u64>)) {
        while !self.pending.is_empty() {
            self.finish_interval(&mut each);
        }
    }

    fn finish_interval(&mut self, each: &mut impl FnMut(usize, usize, Metric, &Histogram<u64>)) {
        let Some(interval) = self.pending.pop_front() else { return };
        let index = self.index;
        let mut rtt = empty();
        for (number, (load, pending)) in self.loads.iter_mut().zip(interval).enumerate() {
            let of = |metric| pending.metrics.get(&metric).map(Summary::of).unwrap_or_default();
            let (lag, round) = (of(Metric::Lag), of(Metric::Rtt));
            load.counts.absorb(&pending.counts);
            // Nothing was handed over of what lies between.
            load.intervals.resize_with(index, SentInterval::default);
            load.intervals.push(SentInterval { counts: pending.counts, lag, rtt: round });
            for (metric, values) in &pending.metrics {
                each(index, number, *metric, values);
                let total = &mut load.metrics.entry(*metric).or_default().total;
                total.add(values).expect("all histograms have one shape");
            }
            if let Some(values) = pending.metrics.get(&Metric::Rtt) {
                rtt.add(values).expect("all histograms have one shape");
            }
        }
        self.heat.enter(index, &rtt);
        self.index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::record;

    fn counts(attempts: u64, ok: i64) -> SentCounts {
        let outcomes = [(Outcome::Ok, ok)].into();
        SentCounts { attempts, sent: attempts, outcomes, ..SentCounts::default() }
    }

    #[test]
    fn an_interval_waits_for_its_last_worker() {
        let mut book = SentBook::new(100, 1, [(0, 0), (1, 0)]);
        let mut lag = empty();
        record(&mut lag, 5);
        let mut told = Vec::new();
        book.enter(0, 0, &counts(3, 3), [(Metric::Lag, &lag)]);
        book.enter(0, 1, &counts(1, 1), []);
        book.advance((0, 0), 250, |index, _, metric, values| {
            told.push((index, metric, values.len()))
        });
        assert!(told.is_empty() && book.loads[0].intervals.is_empty());
        book.enter(0, 0, &counts(2, 2), [(Metric::Lag, &lag)]);
        book.advance((1, 0), 100, |index, _, metric, values| {
            told.push((index, metric, values.len()))
        });
        assert_eq!(told, [(0, Metric::Lag, 2)]);
        book.finish(|_, _, _, _| {});
        let load = &book.loads[0];
        assert_eq!((load.counts.attempts, load.intervals.len()), (6, 2));
        assert_eq!(load.intervals[0].counts.attempts, 5);
        assert_eq!(load.metrics[&Metric::Lag].total.len(), 2);
    }

    #[test]
    fn what_is_refused_later_is_moved() {
        let mut book = SentBook::new(100, 1, [(0, 0)]);
        book.enter(0, 0, &counts(5, 5), []);
        let moved = [(Outcome::Ok, -2), (Outcome::Refused, 2)].into();
        book.enter(0, 3, &SentCounts { outcomes: moved, ..SentCounts::default() }, []);
        book.advance((0, 0), u64::MAX, |_, _, _, _| {});
        assert!(book.is_over());
        let load = &book.loads[0];
        assert_eq!((load.counts.of(Outcome::Ok), load.counts.of(Outcome::Refused)), (3, 2));
        assert_eq!(load.intervals.len(), 4);
    }
}
