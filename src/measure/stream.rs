//! The ledger of one stream of datagrams at its receiver: what came, came again, came late, came out
//! of order, and what did not come. A sliding bitmap over its sequence numbers bounds its memory.

use hdrhistogram::Histogram;

use super::record;

/// Sequence numbers of which it is known whether they came, counted back from the highest. As they
/// leave in whole words, up to 63 fewer.
pub const WINDOW: u64 = 16_384;
const WORD: u64 = u64::BITS as u64;
const WORDS: usize = (WINDOW / WORD) as usize;
/// Runs of datagrams in order that are kept for the extents of those that come after them.
const RUNS: usize = 64;

/// What a datagram of the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It came for the first time.
    New {
        /// How many arrivals before this one the earliest of a later number was: the reordering
        /// extent of RFC 4737, 4.2.1; 0 for one in order. At least so many where that one is
        /// forgotten.
        extent: u64,
    },
    /// It came before.
    Duplicate,
    /// It came for the first time, and after the closing marker.
    Late,
    /// Nobody knows: it is older than the window, or no number of this stream.
    Outside,
}

/// What a closing marker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The first.
    Closed,
    /// The same again.
    Again,
    /// It contradicts itself, what came, or the marker before it.
    Refused,
}

/// What a stream came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// What its closing marker said was sent; `None` without one. Then nobody knows what was lost after
    /// the last that came.
    pub sent: Option<u64>,
    /// Came in time, each counted once.
    pub received: u64,
    /// Came only after the closing marker.
    pub late: u64,
    /// Never came. `sent` = `received` + `late` + `lost`.
    pub lost: u64,
    /// Came again.
    pub duplicates: u64,
    /// Of those received: came after a later one.
    pub reordered: u64,
    /// [`Arrival::Outside`].
    pub outside: u64,
    /// Most that were lost one after the other.
    pub longest_burst: u64,
}

/// Where loss periods (RFC 3357) are recorded: datagrams of each.
#[derive(Debug)]
pub struct Periods<'a> {
    /// Lost one after the other.
    pub bursts: &'a mut Histogram<u64>,
    /// Received between two bursts.
    pub gaps: &'a mut Histogram<u64>,
}

/// The ledger of one stream.
///
/// Numbers are compared by their difference (RFC 1982), so that they may wrap at 2^64: inside,
/// each is its *place*, counted from the first.
#[derive(Debug)]
pub struct StreamLedger {
    first: u64,
    /// Places below it are final. A multiple of [`WORD`].
    floor: u64,
    /// One past the highest place that came.
    next: u64,
    /// Places that the closing marker said there are.
    end: Option<u64>,
    /// A bit for each place from `floor` on, at the place modulo [`WINDOW`].
    seen: Box<[u64; WORDS]>,
    runs: Runs,
    pattern: Pattern,
    totals: Totals,
}

impl StreamLedger {
    /// A stream whose first sequence number is `first`; nothing has come.
    pub fn new(first: u64) -> Self {
        Self {
            first,
            floor: 0,
            next: 0,
            end: None,
            seen: Box::new([0; WORDS]),
            runs: Runs::default(),
            pattern: Pattern::default(),
            totals: Totals::default(),
        }
    }

    /// A datagram of the stream came. Takes constant time; loss periods that became final by it go
    /// to `periods`.
    #[inline]
    pub fn receive(&mut self, sequence: u64, periods: &mut Periods<'_>) -> Arrival {
        let place = sequence.wrapping_sub(self.first);
        // The other half of the numbers lies before the first.
        let known =
            place >= self.floor && place >> 63 == 0 && self.end.is_none_or(|end| place < end);
        if !known {
            self.totals.outside += 1;
            return Arrival::Outside;
        }
        if place - self.floor >= WINDOW {
            self.slide(place, periods);
        }
        let (word, bit) = ((place % WINDOW / WORD) as usize, 1 << (place % WORD));
        if self.seen[word] & bit != 0 {
            self.totals.duplicates += 1;
            return Arrival::Duplicate;
        }
        self.seen[word] |= bit;
        if self.end.is_some() {
            self.totals.late += 1;
            return Arrival::Late;
        }
        let arrival = self.totals.received;
        self.totals.received += 1;
        if place >= self.next {
            self.runs.rise(place, arrival);
            self.next = place + 1;
            return Arrival::New { extent: 0 };
        }
        self.totals.reordered += 1;
        Arrival::New { extent: arrival - self.runs.earliest_above(place) }
    }

    /// A closing marker came: `end` is one past the last sequence number, and `total` datagrams were
    /// sent.
    pub fn close(&mut self, end: u64, total: u64) -> Closing {
        let places = end.wrapping_sub(self.first);
        match self.end {
            Some(known) if known == places && total == places => Closing::Again,
            None if total == places && places >> 63 == 0 && places >= self.next => {
                self.end = Some(places);
                Closing::Closed
            }
            _ => Closing::Refused,
        }
    }

    /// The stream is over: what has not come is lost, as far as its end is known.
    pub fn finish(mut self, periods: &mut Periods<'_>) -> Totals {
        self.settle(self.end.unwrap_or(self.next), periods);
        self.pattern.end(periods);
        Totals {
            sent: self.end,
            lost: self.pattern.lost,
            longest_burst: self.pattern.longest,
            ..self.totals
        }
    }

    /// Makes room for `place`: what leaves the window is final.
    #[cold]
    fn slide(&mut self, place: u64, periods: &mut Periods<'_>) {
        let floor = (place + 1 - WINDOW).next_multiple_of(WORD);
        self.settle(floor, periods);
        self.floor = floor;
    }

    /// What lies below `upto` is final. Takes one step a word of the window, however far that is.
    fn settle(&mut self, upto: u64, periods: &mut Periods<'_>) {
        let within = upto.min(self.floor + WINDOW);
        let mut at = self.floor;
        while at < within {
            let word = std::mem::take(&mut self.seen[(at % WINDOW / WORD) as usize]);
            self.pattern.word(word, (within - at).min(WORD), periods);
            at += WORD;
        }
        self.pattern.lost(upto - within, periods);
    }
}

/// Losses and what lies between them, in the order of their numbers.
#[derive(Debug, Default)]
struct Pattern {
    /// Lost one after the other, up to here.
    burst: u64,
    /// Received since the last burst; `None` before the first.
    gap: Option<u64>,
    lost: u64,
    longest: u64,
}

impl Pattern {
    /// The next `length` places: their bits, from the lowest, say which came.
    fn word(&mut self, mut word: u64, mut length: u64, periods: &mut Periods<'_>) {
        while length > 0 {
            let came = u64::from(word.trailing_ones()).min(length);
            self.came(came, periods);
            length -= came;
            // All bits may be shifted out, which `>>` alone does not do.
            word = word.checked_shr(came as u32).unwrap_or(0);
            let lost = u64::from(word.trailing_zeros()).min(length);
            self.lost(lost, periods);
            length -= lost;
            word = word.checked_shr(lost as u32).unwrap_or(0);
        }
    }

    fn came(&mut self, count: u64, periods: &mut Periods<'_>) {
        if count == 0 {
            return;
        }
        if self.burst > 0 {
            self.end(periods);
            self.gap = Some(0);
        }
        self.gap = self.gap.map(|gap| gap + count);
    }

    fn lost(&mut self, count: u64, periods: &mut Periods<'_>) {
        if count == 0 {
            return;
        }
        if let Some(gap) = self.gap.take() {
            record(periods.gaps, gap);
        }
        self.burst += count;
        self.lost += count;
        self.longest = self.longest.max(self.burst);
    }

    /// A burst ends with what came, or with the stream.
    fn end(&mut self, periods: &mut Periods<'_>) {
        if self.burst > 0 {
            record(periods.bursts, self.burst);
            self.burst = 0;
        }
    }
}

/// Arrivals of a higher number than all before them, the latest of them: those one after the other
/// in number and in arrival are one run, so that a stream in order is one.
#[derive(Debug)]
struct Runs {
    /// A ring; the oldest is at `count % RUNS` as soon as it is full.
    ring: Box<[Run; RUNS]>,
    /// Runs that ever began.
    count: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Run {
    place: u64,
    arrival: u64,
    length: u64,
}

impl Default for Runs {
    fn default() -> Self {
        Self { ring: Box::new([Run::default(); RUNS]), count: 0 }
    }
}

impl Runs {
    #[inline]
    fn rise(&mut self, place: u64, arrival: u64) {
        if self.count > 0 {
            let last = &mut self.ring[(self.count - 1) % RUNS];
            if place == last.place + last.length && arrival == last.arrival + last.length {
                last.length += 1;
                return;
            }
        }
        self.ring[self.count % RUNS] = Run { place, arrival, length: 1 };
        self.count += 1;
    }

    /// The earliest arrival that is known of a number above `place`; there is one.
    fn earliest_above(&self, place: u64) -> u64 {
        let kept = self.count.min(RUNS);
        let run = |back: usize| self.ring[(self.count - 1 - back) % RUNS];
        // Both numbers and arrivals rise from run to run, and no run has `place` itself.
        let above = (0..kept).map(run).take_while(|run| run.place > place).last();
        above.map_or(0, |run| run.arrival)
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
