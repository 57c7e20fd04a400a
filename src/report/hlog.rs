//! HdrHistogram interval logs, version 1.3 with V2 histograms: what `HistogramLogReader` of the
//! Java, Python and JavaScript libraries and their plotters read. Values are nanoseconds, or
//! datagrams.

use std::io::{self, Write};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use crate::measure::{Metric, Unit};

/// What the largest value of an interval is divided by in its column, which is for human eyes
/// only: milliseconds, as the format's other writers print them, or plain datagrams.
const fn max_divisor(unit: Unit) -> f64 {
    match unit {
        Unit::Nanoseconds => 1e6,
        Unit::Datagrams => 1.0,
    }
}

/// The file's name inside a run's folder.
pub fn file_name(cell: &str, load: &str, metric: Metric) -> String {
    format!("histograms/{cell}.{load}.{metric}.hlog")
}

/// Appends one interval at a time to a log, so that a crash loses at most the interval that ran.
pub struct LogWriter<W> {
    sink: W,
    max_divisor: f64,
    serializer: V2DeflateSerializer,
}

impl<W: Write> LogWriter<W> {
    /// Begins a log of values in `unit`, whose intervals are offsets from `start` (seconds since the
    /// Unix epoch).
    pub fn new(mut sink: W, start: f64, unit: Unit) -> io::Result<Self> {
        let max_divisor = max_divisor(unit);
        // Without BaseTime, readers would have to guess whether offsets are absolute.
        let head = format!(
            "#[Histogram log format version 1.3]\n\
             #[StartTime: {start:.3} (seconds since epoch)]\n\
             #[BaseTime: {start:.3} (seconds since epoch)]\n\
             #[MaxValueDivisor: {max_divisor:.3}]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\
             \"Interval_Compressed_Histogram\"\n"
        );
        sink.write_all(head.as_bytes())?;
        sink.flush()?;
        Ok(Self { sink, max_divisor, serializer: V2DeflateSerializer::new() })
    }

    /// Appends the values of one interval; one without values is skipped.
    pub fn append(
        &mut self,
        start_offset: Duration,
        length: Duration,
        values: &Histogram<u64>,
    ) -> io::Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        self.serializer.serialize(values, &mut bytes).map_err(io::Error::other)?;
        let line = format!(
            "{:.3},{:.3},{:.3},{}\n",
            start_offset.as_secs_f64(),
            length.as_secs_f64(),
            values.max() as f64 / self.max_divisor,
            STANDARD.encode(bytes)
        );
        self.sink.write_all(line.as_bytes())?;
        self.sink.flush()
    }

    /// The sink.
    pub fn get_ref(&self) -> &W {
        &self.sink
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{empty, percentile, record};
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_log_is_read_by_the_format_s_own_reader() {
        let mut log =
            LogWriter::new(Vec::new(), 1_700_000_000.25, Unit::Nanoseconds).expect("memory");
        let mut total = empty();
        for interval in 0..5u64 {
            let mut values = empty();
            if interval != 3 {
                (1..500).for_each(|n| record(&mut values, n * n * 997 * (interval + 1)));
            }
            total.add(&values).expect("one shape");
            let start = Duration::from_millis(interval * 100);
            log.append(start, Duration::from_millis(100), &values).expect("memory");
        }
        let bytes = log.get_ref();
        let mut read = empty();
        let mut starts = Vec::new();
        for entry in IntervalLogIterator::new(bytes) {
            match entry.expect("our own log") {
                LogEntry::StartTime(start) => assert_eq!(start.as_millis(), 1_700_000_000_250),
                LogEntry::BaseTime(base) => assert_eq!(base.as_millis(), 1_700_000_000_250),
                LogEntry::Interval(interval) => {
                    starts.push(interval.start_timestamp().as_millis());
                    let raw = STANDARD.decode(interval.encoded_histogram()).expect("base64");
                    let values: Histogram<u64> =
                        Deserializer::new().deserialize(&mut raw.as_slice()).expect("V2");
                    read.add(&values).expect("one shape");
                }
            }
        }
        assert_eq!(starts, [0, 100, 200, 400], "the empty interval is skipped");
        assert_eq!(read, total);
        assert_eq!(percentile(&read, 99.0), percentile(&total, 99.0));
    }

    #[test]
    fn numbers_of_datagrams_are_no_milliseconds() {
        let largest = |unit| {
            let mut log = LogWriter::new(Vec::new(), 0.0, unit).expect("memory");
            let mut values = empty();
            record(&mut values, 7);
            log.append(Duration::ZERO, Duration::from_secs(1), &values).expect("memory");
            String::from_utf8(log.sink).expect("text")
        };
        assert!(largest(Unit::Datagrams).contains("\n0.000,1.000,7.000,"));
        assert!(largest(Unit::Datagrams).contains("[MaxValueDivisor: 1.000]"));
        assert!(largest(Unit::Nanoseconds).contains("\n0.000,1.000,0.000,"));
    }

    #[test]
    fn names_are_the_contract() {
        assert_eq!(
            file_name("backlog=5", "clients", Metric::ConnectService),
            "histograms/backlog=5.clients.connect_service.hlog"
        );
    }
}
