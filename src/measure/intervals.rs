//! From what several workers hand over, in bits, to books that are kept interval by interval. Pure.

use hdrhistogram::Histogram;

use super::attempts::Attempts;
use super::book::Book;
use super::held::Held;
use super::histogram::Metric;
use super::record::Record;

/// Books an interval when every worker has handed over all of it.
#[derive(Debug)]
pub struct Intervals {
    book: Book,
    attempts: Attempts,
    /// What the target named, from intervals that are not booked yet.
    held: Vec<Held>,
    /// Number of the interval in progress.
    index: usize,
    workers: Vec<Handed>,
    /// The records of one interval, over all workers.
    present: Vec<Record>,
}

/// What one worker has handed over.
#[derive(Debug, Default)]
struct Handed {
    /// Records that are not booked yet, in the order of their instants.
    pending: Vec<Record>,
    /// Everything before this instant is handed over.
    upto: u64,
}

impl Intervals {
    /// Nothing is handed over yet by any of the `workers`.
    pub fn new(book: Book, attempts: Attempts, workers: usize) -> Self {
        let workers = std::iter::repeat_with(Handed::default).take(workers).collect();
        Self { book, attempts, held: Vec::new(), index: 0, workers, present: Vec::new() }
    }

    /// Takes the `records` of `worker`, who has handed over everything before `upto`
    /// (`u64::MAX` with the last). `each` is given the values of every interval that is booked:
    /// its number, the load's index, the metric, the histogram.
    pub fn hand_in(
        &mut self,
        worker: usize,
        records: &mut Vec<Record>,
        upto: u64,
        each: impl FnMut(usize, usize, Metric, &Histogram<u64>),
    ) {
        let handed = &mut self.workers[worker];
        handed.pending.append(records);
        handed.upto = upto;
        self.book_finished(each);
    }

    /// Takes what the target says of connections. It is entered when their clients' records are: an
    /// earlier client from the same port is not to be taken for a later one.
    pub fn held(&mut self, mut held: Vec<Held>) {
        self.held.append(&mut held);
    }

    /// Books what is left, also where a worker said no last word, and gives the books.
    pub fn finish(
        mut self,
        each: impl FnMut(usize, usize, Metric, &Histogram<u64>),
    ) -> (Book, Attempts) {
        self.workers.iter_mut().for_each(|worker| worker.upto = u64::MAX);
        self.book_finished(each);
        self.attempts.held(&self.held);
        (self.book, self.attempts)
    }

    fn book_finished(&mut self, mut each: impl FnMut(usize, usize, Metric, &Histogram<u64>)) {
        let upto = self.workers.iter().map(|worker| worker.upto).min().unwrap_or(u64::MAX);
        loop {
            let over = upto == u64::MAX;
            let edge = self.book.edge();
            if upto < edge || over && self.workers.iter().all(|w| w.pending.is_empty()) {
                return;
            }
            self.present.clear();
            for worker in &mut self.workers {
                let inside = worker.pending.partition_point(|record| record.at < edge);
                self.present.extend(worker.pending.drain(..inside));
            }
            self.present.sort_by_key(|record| record.at);
            for record in &self.present {
                self.book.enter(record);
                self.attempts.enter(record);
            }
            let due: Vec<Held> = self.held.extract_if(.., |held| held.at < edge).collect();
            self.attempts.held(&due);
            let index = self.index;
            self.book.finish_interval(|load, metric, values| each(index, load, metric, values));
            self.index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::held::Peer;
    use crate::measure::{Event, Outcome};

    fn connect(attempt: u64, at: u64) -> Record {
        let event = Event::Connect {
            intended: at,
            issued: at,
            kernel_rtt_us: 0,
            retransmits: 0,
            syn_data: false,
            peer: Peer::UNKNOWN,
            outcome: Outcome::Ok,
            errno: 0,
        };
        Record { load: 0, attempt, at, event }
    }

    fn intervals(workers: usize) -> Intervals {
        Intervals::new(Book::new(100, &[1000]), Attempts::new(1, false), workers)
    }

    #[test]
    fn an_interval_waits_for_its_last_worker() {
        let mut intervals = intervals(2);
        let mut booked = Vec::new();
        intervals.hand_in(0, &mut vec![connect(0, 10), connect(2, 150)], 210, |index, _, _, _| {
            booked.push(index);
        });
        assert_eq!(booked, [0usize; 0]);
        intervals.hand_in(1, &mut vec![connect(1, 20)], 120, |index, _, metric, values| {
            if metric == Metric::Connect {
                booked.push(index);
                assert_eq!(values.len(), 2);
            }
        });
        assert_eq!(booked, [0]);
        assert_eq!(intervals.finish(|_, _, _, _| {}).0.loads[0].attempts(), 3);
    }

    #[test]
    fn a_worker_that_says_no_last_word_keeps_nobody_from_the_books() {
        let mut intervals = intervals(2);
        intervals.hand_in(0, &mut vec![connect(0, 10)], 50, |_, _, _, _| {});
        intervals.hand_in(1, &mut vec![connect(1, 20), connect(3, 950)], u64::MAX, |_, _, _, _| {});
        let book = intervals.finish(|_, _, _, _| {});
        assert_eq!(book.0.loads[0].attempts(), 3);
        assert_eq!(book.0.loads[0].intervals().len(), 10);
    }
}
