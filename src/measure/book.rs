//! Bookkeeping of a cell's records: outcomes, histograms, intervals. Pure: it is told when an
//! interval ends.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;

use super::heat;
use super::histogram::{Metric, Recorder, percentile, record};
use super::outcome::{Ending, Outcome};
use super::record::{Event, Record};
use super::result::{Heat, LoadInterval, ServingOrder};

/// An attempt this late is not counted as issued in its load's window, in nanoseconds.
pub const PUNCTUAL: u64 = 100_000_000;

/// The books of one cell.
#[derive(Debug)]
pub struct Book {
    interval: u64,
    /// Intervals that are finished.
    finished: usize,
    /// One for each load, in the order of the plan.
    pub loads: Vec<LoadBook>,
    heat: HashMap<(u32, u32), u64>,
}

/// The books of one load.
#[derive(Debug)]
pub struct LoadBook {
    /// End of the schedule's window, in nanoseconds since the cell's start.
    window_end: u64,
    /// Attempts by connect outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Established connections by what became of them.
    pub endings: BTreeMap<Ending, u64>,
    /// Error numbers, over both stages.
    pub errors: BTreeMap<i32, u64>,
    /// Attempts that were issued before the window's end, or hardly later. One for which this
    /// host had no descriptor or memory was not.
    pub issued_in_window: u64,
    /// Whole replies.
    pub replies: u64,
    /// SYN retransmits over all attempts.
    pub syn_retransmits: u64,
    /// Established attempts with a retransmit.
    pub retransmitted_established: u64,
    /// Attempts whose data in the SYN was taken.
    pub syn_data: u64,
    /// Last instant at which something happened.
    pub last: u64,
    metrics: BTreeMap<Metric, Recorder>,
    intervals: Vec<LoadInterval>,
    order: Order,
}

/// In which order connections are served.
#[derive(Debug, Default)]
struct Order {
    /// Instants at which the connections that wait for their first reply were established.
    established: HashMap<u64, u64>,
    /// The latest of these instants among those that are served.
    latest_served: u64,
    seen: ServingOrder,
}

impl Book {
    /// Empty books for loads whose windows end at these instants; intervals of `interval` ns.
    pub fn new(interval: u64, window_ends: &[u64]) -> Self {
        let loads = window_ends.iter().map(|end| LoadBook::new(*end)).collect();
        Self { interval: interval.max(1), finished: 0, loads, heat: HashMap::new() }
    }

    /// End of the interval in progress, in nanoseconds since the cell's start.
    pub fn edge(&self) -> u64 {
        (self.finished as u64 + 1) * self.interval
    }

    /// Enters one record. Records must come in the order of their instants, and none that
    /// happened before an interval that is finished.
    pub fn enter(&mut self, record: &Record) {
        let interval = self.interval;
        let Some(load) = self.loads.get_mut(usize::from(record.load)) else { return };
        load.last = load.last.max(record.at);
        load.enter(record, interval);
        if let Event::Connect { intended, outcome, .. } = record.event
            && outcome.established()
        {
            let column = (intended / interval) as u32;
            *self.heat.entry((column, heat::row(record.at - intended))).or_default() += 1;
        }
    }

    /// Ends the interval in progress. `each` is given every histogram of it that holds a value.
    pub fn finish_interval(&mut self, mut each: impl FnMut(usize, Metric, &Histogram<u64>)) {
        for (index, load) in self.loads.iter_mut().enumerate() {
            load.finish_interval(self.finished, |metric, histogram| each(index, metric, histogram));
        }
        self.finished += 1;
    }

    /// The heat map over all loads.
    pub fn heat(&self) -> Heat {
        let mut places: Vec<_> =
            self.heat.iter().map(|((column, row), count)| (*column, *row, *count)).collect();
        places.sort_unstable();
        Heat { rows_per_decade: heat::ROWS_PER_DECADE, places }
    }
}

impl LoadBook {
    fn new(window_end: u64) -> Self {
        Self {
            window_end,
            outcomes: Outcome::ALL.iter().map(|outcome| (*outcome, 0)).collect(),
            endings: Ending::ALL.iter().map(|ending| (*ending, 0)).collect(),
            errors: BTreeMap::new(),
            issued_in_window: 0,
            replies: 0,
            syn_retransmits: 0,
            retransmitted_established: 0,
            syn_data: 0,
            last: 0,
            metrics: BTreeMap::new(),
            intervals: Vec::new(),
            order: Order::default(),
        }
    }

    /// Attempts that ended or were cut.
    pub fn attempts(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Attempts that were established.
    pub fn established(&self) -> u64 {
        self.outcomes.iter().filter(|(outcome, _)| outcome.established()).map(|(_, n)| n).sum()
    }

    /// Every metric that holds a value.
    pub fn metrics(&self) -> impl Iterator<Item = (Metric, &Histogram<u64>)> {
        self.metrics.iter().map(|(metric, recorder)| (*metric, &recorder.total))
    }

    /// Whether connections were served in order; `None` without a reply.
    pub fn order(&self) -> Option<ServingOrder> {
        (self.order.seen.served > 0).then_some(self.order.seen)
    }

    /// The intervals, with the attempts that were in flight at each one's end.
    pub fn intervals(&self) -> Vec<LoadInterval> {
        let mut in_flight = 0;
        let mut cut = self.outcomes.get(&Outcome::Cut).copied().unwrap_or(0);
        let mut intervals = self.intervals.clone();
        for interval in &mut intervals {
            let ended = interval.ok + interval.ok_retried + interval.errors + interval.half_open;
            in_flight = (in_flight + interval.attempts).saturating_sub(ended);
            interval.in_flight = in_flight;
        }
        if let Some(last) = intervals.last_mut() {
            cut = cut.min(last.in_flight);
            last.in_flight -= cut;
        }
        intervals
    }

    fn enter(&mut self, record: &Record, interval: u64) {
        match record.event {
            Event::Connect { .. } => self.connected(record, interval),
            Event::Reply { intended, issued, resent } => {
                self.replies += 1;
                self.interval(record.at / interval).replies += 1;
                self.record(Metric::Request, record.at.saturating_sub(intended));
                self.record(Metric::RequestService, record.at.saturating_sub(issued));
                self.order.served(record.attempt, resent);
            }
            Event::Closed { sent } => {
                self.record(Metric::Close, record.at.saturating_sub(sent));
            }
            Event::End { ending, errno } => {
                *self.endings.entry(ending).or_default() += 1;
                self.error(errno);
                self.order.left(record.attempt);
            }
        }
    }

    fn connected(&mut self, entry: &Record, interval: u64) {
        let Event::Connect {
            intended,
            issued,
            kernel_rtt_us,
            retransmits,
            syn_data,
            outcome,
            errno,
            ..
        } = entry.event
        else {
            return;
        };
        let at = entry.at;
        *self.outcomes.entry(outcome).or_default() += 1;
        self.error(errno);
        self.syn_retransmits += u64::from(retransmits);
        self.syn_data += u64::from(syn_data);
        let in_time = issued < self.window_end + PUNCTUAL;
        self.issued_in_window += u64::from(in_time && !outcome.lacked_means());
        self.record(Metric::Lag, issued.saturating_sub(intended));
        self.interval(issued / interval).attempts += 1;
        let now = self.interval(at / interval);
        match outcome {
            Outcome::Ok => now.ok += 1,
            Outcome::OkRetried => now.ok_retried += 1,
            Outcome::Cut => {}
            Outcome::HalfOpen => now.half_open += 1,
            _ => now.errors += 1,
        }
        if outcome.established() {
            let service = at.saturating_sub(issued);
            self.retransmitted_established += u64::from(retransmits > 0);
            self.record(Metric::Connect, at.saturating_sub(intended));
            self.record(Metric::ConnectService, service);
            if retransmits == 0 && kernel_rtt_us > 0 {
                let kernel = u64::from(kernel_rtt_us) * 1000;
                self.record(Metric::KernelRtt, kernel);
                self.record(Metric::ObserverError, service.saturating_sub(kernel));
            }
            self.order.established(at, entry.attempt);
        }
    }

    fn record(&mut self, metric: Metric, nanos: u64) {
        record(&mut self.metrics.entry(metric).or_default().interval, nanos);
    }

    fn error(&mut self, errno: i32) {
        if errno != 0 {
            *self.errors.entry(errno).or_default() += 1;
        }
    }

    fn interval(&mut self, index: u64) -> &mut LoadInterval {
        let index = index as usize;
        if self.intervals.len() <= index {
            self.intervals.resize(index + 1, LoadInterval::default());
        }
        &mut self.intervals[index]
    }

    fn finish_interval(&mut self, index: usize, mut each: impl FnMut(Metric, &Histogram<u64>)) {
        let interval = self.interval(index as u64);
        let mut finished = *interval;
        for (metric, recorder) in &mut self.metrics {
            let histogram = &recorder.interval;
            if histogram.is_empty() {
                continue;
            }
            each(*metric, histogram);
            match metric {
                Metric::Connect => {
                    finished.connect_p50 = percentile(histogram, 50.0);
                    finished.connect_p99 = percentile(histogram, 99.0);
                    finished.connect_max = histogram.max();
                }
                Metric::Lag => finished.lag_p99 = percentile(histogram, 99.0),
                _ => {}
            }
            recorder.finish_interval();
        }
        self.intervals[index] = finished;
    }
}

impl Order {
    fn established(&mut self, at: u64, attempt: u64) {
        self.established.insert(attempt, at);
    }

    fn served(&mut self, attempt: u64, resent: u8) {
        let Some(at) = self.established.remove(&attempt) else { return };
        let overtaken = at < self.latest_served;
        self.latest_served = self.latest_served.max(at);
        self.seen.served += 1;
        self.seen.overtaken += u64::from(overtaken);
        self.seen.overtaken_resent += u64::from(overtaken && resent > 0);
    }

    fn left(&mut self, attempt: u64) {
        self.established.remove(&attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::super::held::Peer;
    use super::*;

    const MS: u64 = 1_000_000;

    fn connect(attempt: u64, intended: u64, at: u64, outcome: Outcome, retransmits: u8) -> Record {
        let event = Event::Connect {
            intended,
            issued: intended + 10,
            kernel_rtt_us: 5,
            retransmits,
            syn_data: false,
            peer: Peer::UNKNOWN,
            outcome,
            errno: 0,
        };
        Record { load: 0, attempt, at, event }
    }

    fn event(attempt: u64, at: u64, event: Event) -> Record {
        Record { load: 0, attempt, at, event }
    }

    fn book(records: &[Record]) -> Book {
        let mut book = Book::new(100 * MS, &[1000 * MS]);
        for record in records {
            while record.at >= book.edge() {
                book.finish_interval(|_, _, _| {});
            }
            book.enter(record);
        }
        book.finish_interval(|_, _, _| {});
        book
    }

    #[test]
    fn attempts_are_booked_where_they_were_issued_and_ends_where_they_ended() {
        let book = book(&[
            connect(0, 0, MS, Outcome::Ok, 0),
            connect(2, 150 * MS, 151 * MS, Outcome::Refused, 0),
            connect(1, 50 * MS, 1050 * MS, Outcome::OkRetried, 1),
        ]);
        let load = &book.loads[0];
        let intervals = load.intervals();
        assert_eq!(intervals[0].attempts, 2);
        assert_eq!((intervals[0].ok, intervals[0].in_flight), (1, 1));
        assert_eq!((intervals[1].errors, intervals[1].in_flight), (1, 1));
        assert_eq!((intervals[10].ok_retried, intervals[10].in_flight), (1, 0));
        assert_eq!((load.attempts(), load.established()), (3, 2));
        assert_eq!((load.syn_retransmits, load.retransmitted_established), (1, 1));
        // The retried attempt tells nothing about the observer.
        let counts: BTreeMap<_, _> = load.metrics().map(|(m, h)| (m, h.len())).collect();
        assert_eq!(counts[&Metric::Connect], 2);
        assert_eq!(counts[&Metric::ObserverError], 1);
        assert_eq!(counts[&Metric::Lag], 3);
        assert_eq!(book.heat().places.len(), 2);
    }

    #[test]
    fn overtaking_is_seen() {
        let reply = |resent| Event::Reply { intended: 0, issued: 0, resent };
        let end = Event::End { ending: Ending::Timeout, errno: 0 };
        let mut records: Vec<Record> =
            (0..6).map(|n| connect(n, 0, n + 1, Outcome::Ok, 0)).collect();
        records.extend([
            event(0, 10, reply(0)),
            event(2, 11, reply(0)),
            event(1, 12, end),
            event(3, 13, reply(0)),
            event(5, 14, reply(0)),
            event(4, 15, reply(1)),
        ]);
        let order = ServingOrder { served: 5, overtaken: 1, overtaken_resent: 1 };
        assert_eq!(book(&records).loads[0].order(), Some(order));
    }

    #[test]
    fn cut_attempts_are_not_in_flight_for_ever() {
        let book = book(&[connect(0, 0, 120 * MS, Outcome::Cut, 0)]);
        let intervals = book.loads[0].intervals();
        assert_eq!(intervals[0].in_flight, 1);
        assert_eq!(intervals[1].in_flight, 0);
        assert_eq!(book.loads[0].attempts(), 1);
    }
}
