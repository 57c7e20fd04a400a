//! Latency histograms: one bound and precision everywhere, so that merging is exact.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// Largest value, in nanoseconds; longer ones are recorded as this.
pub const HIGHEST: u64 = 180_000_000_000;
const DIGITS: u8 = 3;
/// Longest text that [`decode`] reads; the largest honest histogram takes less than a tenth.
const LONGEST_TEXT: usize = 1 << 20;

/// A latency metric; values are nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Intended -> established.
    Connect,
    /// Issued -> established.
    ConnectService,
    /// The kernel's own SYN -> SYN-ACK time (`tcpi_rtt`).
    KernelRtt,
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
}

impl Metric {
    /// Every metric, in the order in which reports show them.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::ConnectService,
        Self::KernelRtt,
        Self::Lag,
        Self::ObserverError,
        Self::QueueWait,
        Self::Service,
        Self::Request,
        Self::RequestService,
    ];

    /// The name in scenarios and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectService => "connect_service",
            Self::KernelRtt => "kernel_rtt",
            Self::Lag => "lag",
            Self::ObserverError => "observer_error",
            Self::QueueWait => "queue_wait",
            Self::Service => "service",
            Self::Request => "request",
            Self::RequestService => "request_service",
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
/// our own shape.
pub fn decode(text: &str) -> Option<Histogram<u64>> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let bytes = STANDARD.decode(text).ok()?;
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).ok()?;
    let ours = histogram.sigfig() == DIGITS && histogram.low() == 1 && histogram.high() == HIGHEST;
    ours.then_some(histogram)
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

    proptest! {
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
