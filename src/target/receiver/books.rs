//! What all readers enter datagrams into: the ledger of every stream, and the interval's figures.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::measure::datagram::{Content, Header, Kind};
use crate::measure::result::{DatagramInterval, DatagramsResult, StreamResult};
use crate::measure::stream::{Arrival, Periods, StreamLedger};
use crate::measure::variation::Variation;
use crate::measure::{Metric, empty, encode, percentile, record};

/// Most runs that are told apart where any is welcome.
const MOST_RUNS: usize = 64;

/// The books of all receivers.
#[derive(Debug)]
pub struct Books {
    /// The run whose datagrams count; `None` for any.
    run: Option<u32>,
    tables: Vec<Table>,
    streams: Vec<Stream>,
    /// Datagrams that were not of this run.
    pub foreign: u64,
    /// Datagrams of ours that were damaged.
    pub corrupt: u64,
    /// Datagrams of streams beyond those that are counted one by one.
    pub beyond: u64,
    counts: Counts,
    values: Box<Values>,
}

/// Where each stream of a run is in [`Books::streams`]: by receiver, then by its number.
#[derive(Debug)]
struct Table {
    run: u32,
    places: Vec<Vec<u32>>,
}

/// No place.
const NOWHERE: u32 = u32::MAX;

#[derive(Debug)]
struct Stream {
    run: u32,
    receiver: u16,
    number: u32,
    ledger: StreamLedger,
    intended: Variation,
    sent: Variation,
    /// Whether something came in the present interval.
    busy: bool,
}

/// What came in an interval.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    received: u64,
    duplicates: u64,
    reordered: u64,
}

/// What was measured in an interval, in the order of [`Metric::OF_RECEIVERS`].
#[derive(Debug)]
pub struct Values([Histogram<u64>; Metric::OF_RECEIVERS.len()]);

impl Default for Values {
    fn default() -> Self {
        Self(std::array::from_fn(|_| empty()))
    }
}

impl Values {
    /// Each metric that has values, encoded; nothing is left of them.
    pub fn take(&mut self) -> BTreeMap<Metric, String> {
        let used =
            Metric::OF_RECEIVERS.iter().zip(&mut self.0).filter(|(_, values)| !values.is_empty());
        used.map(|(metric, values)| {
            let text = encode(values);
            values.reset();
            (*metric, text)
        })
        .collect()
    }

    /// Median, 99th percentile and maximum of the one-way delay, in nanoseconds.
    pub fn delay(&self) -> (u64, u64, u64) {
        let owd = &self.0[0];
        (percentile(owd, 50.0), percentile(owd, 99.0), if owd.is_empty() { 0 } else { owd.max() })
    }
}

/// What a datagram was, as far as its reader has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// Of a stream: it may be answered.
    Data,
    /// Anything else.
    Other,
}

impl Books {
    /// Empty ones, of one run or of any.
    pub fn new(run: Option<u32>) -> Self {
        Self {
            run,
            tables: Vec::new(),
            streams: Vec::new(),
            foreign: 0,
            corrupt: 0,
            beyond: 0,
            counts: Counts::default(),
            values: Box::default(),
        }
    }

    /// Enters a datagram that `receiver` has read at `now`, in nanoseconds of the clock that its
    /// header's instants are of.
    #[inline]
    pub fn enter(&mut self, receiver: u16, datagram: &[u8], now: u64) -> Entered {
        let header = match Header::read(datagram) {
            Content::Ours(header) if self.run.is_none_or(|run| run == header.run) => header,
            Content::Ours(_) | Content::Foreign => {
                self.foreign += 1;
                return Entered::Other;
            }
            Content::Corrupt => {
                self.corrupt += 1;
                return Entered::Other;
            }
        };
        let Some(place) = self.place(header.run, receiver, header.stream) else {
            // The end of one that is not counted is not counted either.
            self.beyond += u64::from(header.kind == Kind::Data);
            return Entered::Other;
        };
        let stream = &mut self.streams[place];
        let [owd, owd_service, ipdv, ipdv_service, _, _, bursts, gaps, extents] =
            &mut self.values.0;
        if header.kind == Kind::Closing {
            stream.ledger.close(header.sequence, header.intended);
            return Entered::Other;
        }
        match stream.ledger.receive(header.sequence, &mut Periods { bursts, gaps }) {
            Arrival::New { extent } => {
                self.counts.received += 1;
                stream.busy = true;
                if extent > 0 {
                    self.counts.reordered += 1;
                    record(extents, extent);
                }
                let delay = |since: u64| now.wrapping_sub(since).cast_signed();
                let (intended, sent) = (delay(header.intended), delay(header.sent));
                // Clocks that disagree may have it come before it left.
                record(owd, intended.max(0).cast_unsigned());
                record(owd_service, sent.max(0).cast_unsigned());
                if let Some(varied) = stream.intended.arrive(header.sequence, intended) {
                    record(ipdv, varied);
                }
                if let Some(varied) = stream.sent.arrive(header.sequence, sent) {
                    record(ipdv_service, varied);
                }
            }
            Arrival::Duplicate => self.counts.duplicates += 1,
            Arrival::Late | Arrival::Outside => {}
        }
        Entered::Data
    }

    /// The stream's place; `None` for one too many.
    #[inline]
    fn place(&mut self, run: u32, receiver: u16, number: u32) -> Option<usize> {
        let table = match self.tables.iter().position(|table| table.run == run) {
            Some(table) => table,
            None if self.tables.len() < MOST_RUNS => {
                self.tables.push(Table { run, places: Vec::new() });
                self.tables.len() - 1
            }
            None => return None,
        };
        let places = &self.tables[table].places;
        let known = places.get(usize::from(receiver)).and_then(|of| of.get(number as usize));
        match known {
            Some(place) if *place != NOWHERE => Some(*place as usize),
            _ => self.begin(table, receiver, number),
        }
    }

    #[cold]
    fn begin(&mut self, table: usize, receiver: u16, number: u32) -> Option<usize> {
        let most = DatagramsResult::MOST_STREAMS;
        if self.streams.len() >= most || number as usize >= most {
            return None;
        }
        let Table { run, places } = &mut self.tables[table];
        let (receivers, numbers) = (usize::from(receiver) + 1, number as usize + 1);
        places.resize_with(places.len().max(receivers), Vec::new);
        let of = &mut places[usize::from(receiver)];
        of.resize(of.len().max(numbers), NOWHERE);
        let place = self.streams.len();
        of[number as usize] = place as u32;
        self.streams.push(Stream {
            run: *run,
            receiver,
            number,
            ledger: StreamLedger::new(0),
            intended: Variation::default(),
            sent: Variation::default(),
            busy: false,
        });
        Some(place)
    }

    /// Ends the interval: its counts, and its values in exchange for `empty` ones.
    pub fn finish_interval(&mut self, empty: Box<Values>) -> (DatagramInterval, Box<Values>) {
        let [_, _, _, _, jitter, jitter_service, ..] = &mut self.values.0;
        for stream in self.streams.iter_mut().filter(|stream| stream.busy) {
            stream.busy = false;
            record(jitter, stream.intended.jitter());
            record(jitter_service, stream.sent.jitter());
        }
        let counts = std::mem::take(&mut self.counts);
        let interval = DatagramInterval {
            received: Some(counts.received),
            duplicates: Some(counts.duplicates),
            reordered: Some(counts.reordered),
            ..DatagramInterval::default()
        };
        (interval, std::mem::replace(&mut self.values, empty))
    }

    /// Settles every stream: what it came to, with its run, by run, receiver and number. What became
    /// final by it is in the interval's values.
    pub fn settle(&mut self) -> Vec<(u32, StreamResult)> {
        let [.., bursts, gaps, _] = &mut self.values.0;
        self.tables.clear();
        let settle = |stream: Stream| {
            let totals = stream.ledger.finish(&mut Periods { bursts, gaps });
            let result = StreamResult {
                stream: stream.number,
                receiver: stream.receiver,
                sent: totals.sent.unwrap_or(0),
                received: totals.received,
                late: totals.late,
                lost: totals.lost,
                duplicates: totals.duplicates,
                reordered: totals.reordered,
                outside: totals.outside,
                longest_burst: totals.longest_burst,
                closed: totals.sent.is_some(),
                ..StreamResult::default()
            };
            (stream.run, result)
        };
        let mut settled: Vec<_> =
            std::mem::take(&mut self.streams).into_iter().map(settle).collect();
        settled.sort_by_key(|(run, stream)| (*run, stream.receiver, stream.stream));
        settled
    }
}

#[cfg(test)]
#[path = "books_tests.rs"]
mod tests;
