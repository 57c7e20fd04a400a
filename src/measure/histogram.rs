//! Latency histograms: one bound and precision everywhere, so that merging is exact.

use std::fmt;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// Largest value, in nanoseconds; longer ones are recorded as this.
pub const HIGHEST: u64 = 180_000_000_000;
const DIGITS: u8 = 3;
/// Longest text that [`decode`] reads; the largest honest histogram takes less than a tenth.
const LONGEST_TEXT: usize = 1 << 20;
/// Most bytes that [`decode`] inflates: our shape has 29,696 counts of at most 9 bytes.
const LONGEST_PLAIN: usize = 1 << 19;
/// First word of a deflated histogram, and of a plain one.
const COOKIES: (u32, u32) = (0x1c84_9314, 0x1c84_9313);
/// Most values in a histogram that [`decode`] reads: sums over any run's intervals stay exact.
const MOST_VALUES: u64 = 1 << 44;
/// The one number that the library negates without a check: `i64::MIN`.
const UNNEGATABLE: [u8; 9] = [0xff; 9];
/// Length of a plain histogram's header.
const HEADER: usize = 40;

/// A metric; values are nanoseconds, or what [`Metric::unit`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Intended -> established.
    Connect,
    /// Issued -> established.
    ConnectService,
    /// The kernel's own SYN -> SYN-ACK time (`tcpi_rtt`).
    KernelRtt,
    /// On the lab's link: SYN -> its SYN+ACK, where no SYN was sent again.
    WireRtt,
    /// Intended -> issued.
    Lag,
    /// `connect_service` - `kernel_rtt`, of attempts without a SYN retry.
    ObserverError,
    /// Established at the client -> `accept()` returned.
    QueueWait,
    /// `accept()` returned -> reply sent.
    Service,
    /// Intended -> whole reply.
    Request,
    /// Issued -> whole reply.
    RequestService,
    /// FIN sent -> the peer's FIN, by the side that closed first.
    Close,
    /// One-way delay (RFC 7679): intended -> read by the target.
    Owd,
    /// Sent -> read by the target.
    OwdService,
    /// Delay variation (RFC 3393), its magnitude: how much the `owd` of a datagram differs from that
    /// of the one before it in its stream.
    Ipdv,
    /// The same of `owd_service`.
    IpdvService,
    /// Interarrival jitter (RFC 3550, 6.4.1) of each stream at the end of each interval, from `owd`.
    Jitter,
    /// The same from `owd_service`.
    JitterService,
    /// Intended -> its echo.
    Rtt,
    /// Sent -> its echo.
    RttService,
    /// Datagrams lost one after the other (RFC 3357: loss period).
    LossBurst,
    /// Datagrams received between two such bursts.
    LossGap,
    /// Reordering extent of a datagram that came after a later one (RFC 4737, 4.2.1).
    ReorderExtent,
}

/// What a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds; reports show other units of time.
    Nanoseconds,
    /// Datagrams.
    Datagrams,
}

impl Metric {
    /// Every metric, in the order in which reports show them.
    pub const ALL: [Self; 22] = [
        Self::Connect,
        Self::ConnectService,
        Self::KernelRtt,
        Self::WireRtt,
        Self::Lag,
        Self::ObserverError,
        Self::QueueWait,
        Self::Service,
        Self::Request,
        Self::RequestService,
        Self::Close,
        Self::Owd,
        Self::OwdService,
        Self::Ipdv,
        Self::IpdvService,
        Self::Jitter,
        Self::JitterService,
        Self::Rtt,
        Self::RttService,
        Self::LossBurst,
        Self::LossGap,
        Self::ReorderExtent,
    ];

    /// What a target of datagrams measures.
    pub const OF_RECEIVERS: [Self; 9] = [
        Self::Owd,
        Self::OwdService,
        Self::Ipdv,
        Self::IpdvService,
        Self::Jitter,
        Self::JitterService,
        Self::LossBurst,
        Self::LossGap,
        Self::ReorderExtent,
    ];

    /// What its values are.
    pub const fn unit(self) -> Unit {
        match self {
            Self::LossBurst | Self::LossGap | Self::ReorderExtent => Unit::Datagrams,
            _ => Unit::Nanoseconds,
        }
    }

    /// Whether it compares the clocks of sender and receiver.
    pub const fn is_one_way(self) -> bool {
        matches!(self, Self::QueueWait | Self::Owd | Self::OwdService)
    }

    /// The name in scenarios and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectService => "connect_service",
            Self::KernelRtt => "kernel_rtt",
            Self::WireRtt => "wire_rtt",
            Self::Lag => "lag",
            Self::ObserverError => "observer_error",
            Self::QueueWait => "queue_wait",
            Self::Service => "service",
            Self::Request => "request",
            Self::RequestService => "request_service",
            Self::Close => "close",
            Self::Owd => "owd",
            Self::OwdService => "owd_service",
            Self::Ipdv => "ipdv",
            Self::IpdvService => "ipdv_service",
            Self::Jitter => "jitter",
            Self::JitterService => "jitter_service",
            Self::Rtt => "rtt",
            Self::RttService => "rtt_service",
            Self::LossBurst => "loss_burst",
            Self::LossGap => "loss_gap",
            Self::ReorderExtent => "reorder_extent",
        }
    }

    /// The metric of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An empty histogram of the one shape that loadgen uses: 1 ns to 180 s, 3 digits.
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST, DIGITS).expect("the bounds are constant and valid")
}

/// Adds one value, in nanoseconds; never allocates.
pub fn record(histogram: &mut Histogram<u64>, nanos: u64) {
    histogram.saturating_record(nanos.min(HIGHEST));
}

/// Adds the same value `count` times; never allocates.
pub fn record_many(histogram: &mut Histogram<u64>, nanos: u64, count: u64) {
    histogram.saturating_record_n(nanos.min(HIGHEST), count);
}

/// The value at `percentile` (0 to 100), in nanoseconds; 0 when empty.
///
/// The rank is `round(percentile / 100 * count)`, as HdrHistogram's own log tools count it, so
/// that they print the same figures from our `.hlog` files.
pub fn percentile(histogram: &Histogram<u64>, percentile: f64) -> u64 {
    let count = histogram.len();
    if count == 0 {
        return 0;
    }
    let rank = ((percentile.min(100.0) * count as f64 / 100.0) + 0.5).floor().max(1.0);
    // A quantile half a rank below the wanted one is rounded up to it by the histogram.
    histogram.value_at_quantile((rank - 0.5) / count as f64)
}

/// The histogram as text: HdrHistogram V2, deflated, base64.
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .expect("writing to memory cannot fail");
    STANDARD.encode(bytes)
}

/// Reads what [`encode`] wrote. The text may be hostile: `None` for anything but a histogram of
/// our own shape, and nothing is allocated because a header asks for it.
pub fn decode(text: &str) -> Option<Histogram<u64>> {
    let plain = inflate(text)?;
    if !is_ours(&plain) {
        return None;
    }
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut plain.as_slice()).ok()?;
    (histogram.len() <= MOST_VALUES).then_some(histogram)
}

/// The plain histogram in the text, of at most [`LONGEST_PLAIN`] bytes.
fn inflate(text: &str) -> Option<Vec<u8>> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let bytes = STANDARD.decode(text).ok()?;
    let (cookie, rest) = bytes.split_first_chunk()?;
    let (length, deflated) = rest.split_first_chunk()?;
    let whole = u32::from_be_bytes(*length) as usize == deflated.len();
    if u32::from_be_bytes(*cookie) != COOKIES.0 || !whole {
        return None;
    }
    let mut plain = Vec::new();
    ZlibDecoder::new(deflated).take(LONGEST_PLAIN as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= LONGEST_PLAIN).then_some(plain)
}

/// Whether these bytes are a plain histogram of our shape, as far as the header tells, with counts
/// that the library can read.
fn is_ours(plain: &[u8]) -> bool {
    let Some((header, counts)) = plain.split_first_chunk::<HEADER>() else { return false };
    let Ok(length) = u32::try_from(counts.len()) else { return false };
    let mut ours = [0; HEADER];
    ours[0..4].copy_from_slice(&COOKIES.1.to_be_bytes());
    ours[4..8].copy_from_slice(&length.to_be_bytes());
    // 8..12 is the normalizing index offset, which nobody uses.
    ours[12..16].copy_from_slice(&u32::from(DIGITS).to_be_bytes());
    ours[16..24].copy_from_slice(&1u64.to_be_bytes());
    ours[24..32].copy_from_slice(&HIGHEST.to_be_bytes());
    ours[32..40].copy_from_slice(&1f64.to_be_bytes());
    *header == ours && !counts.windows(UNNEGATABLE.len()).any(|bytes| bytes == UNNEGATABLE)
}

/// The whole run's histogram of one metric beside that of the present interval.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// Everything up to the last finished interval.
    pub total: Histogram<u64>,
    /// The interval in progress.
    pub interval: Histogram<u64>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { total: empty(), interval: empty() }
    }
}

impl Recorder {
    /// Moves the interval's values into the total and empties the interval.
    pub fn finish_interval(&mut self) {
        self.total.add(&self.interval).expect("all histograms have one shape");
        self.interval.reset();
    }
}

/// The statistics that reports show, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Number of values.
    pub count: u64,
    /// Smallest value.
    pub min: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation.
    pub stdev: f64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// 99.99th percentile.
    pub p9999: u64,
    /// Largest value.
    pub max: u64,
}

impl Summary {
    /// The statistics of `histogram`; all zero when it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            count: histogram.len(),
            min: histogram.min(),
            mean: histogram.mean(),
            stdev: histogram.stdev(),
            p50: percentile(histogram, 50.0),
            p90: percentile(histogram, 90.0),
            p99: percentile(histogram, 99.0),
            p999: percentile(histogram, 99.9),
            p9999: percentile(histogram, 99.99),
            max: histogram.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_of_nothing_are_zero() {
        assert_eq!(percentile(&empty(), 99.0), 0);
        assert_eq!(Summary::of(&empty()), Summary::default());
    }

    #[test]
    fn ranks_round_half_up() {
        let mut histogram = empty();
        for value in 1..=126 {
            record(&mut histogram, value);
        }
        // 99 % of 126 is 124.74: rank 125. 50 % of 126 is 63. 10 % is 12.6: rank 13.
        assert_eq!(percentile(&histogram, 99.0), 125);
        assert_eq!(percentile(&histogram, 50.0), 63);
        assert_eq!(percentile(&histogram, 10.0), 13);
        assert_eq!(percentile(&histogram, 100.0), 126);
    }

    #[test]
    fn what_is_not_ours_is_not_decoded() {
        assert!(decode("").is_none());
        assert!(decode("AAAA").is_none());
        assert!(decode(&"A".repeat(LONGEST_TEXT + 4)).is_none());
        let mut other: Histogram<u64> = Histogram::new_with_bounds(1, 1000, 2).unwrap();
        other.record(5).unwrap();
        assert!(decode(&encode(&other)).is_none());
    }

    /// A text like ours around this plain histogram.
    fn wrapped(plain: &[u8]) -> String {
        use flate2::{Compression, write::ZlibEncoder};
        use std::io::Write as _;
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(plain).unwrap();
        let deflated = deflated.finish().unwrap();
        let mut bytes = COOKIES.0.to_be_bytes().to_vec();
        bytes.extend_from_slice(&u32::try_from(deflated.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&deflated);
        STANDARD.encode(bytes)
    }

    fn plain() -> Vec<u8> {
        let mut histogram = empty();
        (1..=40).for_each(|shift| record(&mut histogram, 1 << shift));
        inflate(&encode(&histogram)).unwrap()
    }

    #[test]
    fn a_header_that_claims_more_than_is_there_is_refused() {
        let honest = plain();
        assert!(is_ours(&honest) && decode(&wrapped(&honest)).is_some());
        // Length of the counts, digits, highest value: what the library would allocate for.
        for (at, byte) in [(4, 0xff), (15, 5), (24, 0x7f), (11, 1), (23, 0), (39, 1)] {
            let mut claims = honest.clone();
            claims[at] = byte;
            assert!(!is_ours(&claims) && decode(&wrapped(&claims)).is_none(), "{at}");
        }
    }

    #[test]
    fn counts_that_no_run_has_are_refused() {
        let with_counts = |counts: &[u8]| {
            let mut bytes = plain()[..HEADER].to_vec();
            bytes.extend_from_slice(counts);
            bytes[4..8].copy_from_slice(&u32::try_from(counts.len()).unwrap().to_be_bytes());
            decode(&wrapped(&bytes))
        };
        assert_eq!(with_counts(&[2]).map(|h| h.len()), Some(1));
        // i64::MIN, at the end and before more; then a count of 2^62.
        assert!(with_counts(&[0xff; 9]).is_none());
        assert!(with_counts(&[0xff; 30]).is_none());
        assert!(with_counts(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]).is_none());
    }

    #[test]
    fn a_bomb_is_not_inflated() {
        let mut bomb = plain();
        bomb.resize(64 << 20, 0);
        let text = wrapped(&bomb);
        assert!(text.len() < LONGEST_TEXT, "{}", text.len());
        assert!(inflate(&text).is_none());
    }

    #[test]
    fn the_largest_of_ours_is_decoded() {
        let mut full = empty();
        // Every count is there, and large enough to need many bytes.
        let values: Vec<u64> = full.iter_all().map(|v| v.value_iterated_to()).collect();
        values.iter().for_each(|v| full.saturating_record_n((*v).min(HIGHEST), 1 << 28));
        let text = encode(&full);
        assert!(text.len() < LONGEST_TEXT);
        assert_eq!(decode(&text), Some(full));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            decode(&STANDARD.encode(&bytes));
            decode(&wrapped(&bytes));
        }

        #[test]
        fn no_change_to_an_honest_one_makes_it_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut: prop::sample::Index,
            deflated: bool,
        ) {
            let change = |bytes: &mut Vec<u8>| {
                for (at, byte) in &changes {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
                bytes.truncate(bytes.len() - cut.index(8));
            };
            let mut bytes = plain();
            if deflated {
                bytes = STANDARD.decode(wrapped(&bytes)).unwrap();
                change(&mut bytes);
                decode(&STANDARD.encode(bytes));
            } else {
                change(&mut bytes);
                // The header's length stays true, so that the counts are reached.
                let length = u32::try_from(bytes.len() - HEADER).unwrap();
                bytes[4..8].copy_from_slice(&length.to_be_bytes());
                decode(&wrapped(&bytes));
            }
        }

        #[test]
        fn a_percentile_is_the_value_at_its_rank(
            mut values in prop::collection::vec(1u64..2000, 1..300),
            p in 0.1f64..100.0,
        ) {
            let mut histogram = empty();
            values.iter().for_each(|v| record(&mut histogram, *v));
            values.sort_unstable();
            let rank = ((p * values.len() as f64 / 100.0) + 0.5).floor().max(1.0) as usize;
            prop_assert_eq!(percentile(&histogram, p), values[rank - 1]);
        }

        #[test]
        fn encoding_loses_nothing_and_merging_is_exact(
            a in prop::collection::vec(0u64..HIGHEST * 2, 0..100),
            b in prop::collection::vec(0u64..HIGHEST * 2, 0..100),
        ) {
            let (mut left, mut right, mut both) = (empty(), empty(), empty());
            for v in &a { record(&mut left, *v); record(&mut both, *v); }
            for v in &b { record(&mut right, *v); record(&mut both, *v); }
            left.add(decode(&encode(&right)).expect("ours")).unwrap();
            prop_assert_eq!(left, both);
        }
    }
}
