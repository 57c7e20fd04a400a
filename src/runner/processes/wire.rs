//! What runner and worker process say to each other: JSON lines over standard input and output.

use std::io::{self, BufRead, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::PartReport;
use crate::measure::Record;
use crate::runner::order::Order;

/// Longest line that either side reads, in bytes: room for the messages of every load, as numbers.
const LONGEST_LINE: u64 = 16 << 20;
/// Most records in one message.
pub const MOST_RECORDS: usize = 8192;

/// From the runner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToWorker {
    /// Do this.
    Order(Box<Order>),
    /// End early.
    Stop,
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromWorker {
    /// As [`crate::engine::Batch`].
    Batch {
        /// Everything before this instant is handed over.
        upto: u64,
        /// Attempts in progress.
        in_progress: u32,
        /// Resident memory of the process, in bytes.
        resident: u64,
        /// At most [`MOST_RECORDS`].
        records: Vec<Record>,
    },
    /// The last word of one that has done its work.
    Done(Report),
    /// The last word of one that could not begin.
    Failed {
        /// Why.
        what: String,
    },
}

/// As [`crate::engine::WorkerReport`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What became of each part's schedule.
    pub parts: Vec<PartReport>,
    /// Time that the worker was ready to run and had no CPU, in seconds.
    pub run_delay_s: f64,
    /// CPU seconds (user, system) of the process.
    pub cpu_s: (f64, f64),
    /// Why it ended early.
    pub failed: Option<String>,
}

/// Reads one message; `None` at the end of the stream.
///
/// # Errors
/// `InvalidData` for what is no message, or too long.
pub fn read_line<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let read = from.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if read > 0 && line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
    }
    if read == 0 { Ok(None) } else { Ok(Some(serde_json::from_slice(&line)?)) }
}

/// Writes one message as one line.
///
/// # Errors
/// Of writing.
pub fn write_line(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Ending, Event};

    #[test]
    fn words_survive_the_pipe_and_rubbish_does_not() {
        let event = Event::End { ending: Ending::Cut, errno: 5 };
        let record = Record { load: 7, attempt: u64::MAX, at: 9, event };
        let word = FromWorker::Batch {
            upto: u64::MAX,
            in_progress: 3,
            resident: 4,
            records: vec![record],
        };
        let mut pipe = Vec::new();
        write_line(&mut pipe, &word).expect("memory");
        pipe.extend_from_slice(b"hello\nunfinished");
        let mut from = &pipe[..];
        let read = read_line(&mut from).expect("a message");
        let Some(FromWorker::Batch { upto, in_progress, records, .. }) = read else {
            panic!("{read:?}")
        };
        assert_eq!((upto, in_progress, records), (u64::MAX, 3, vec![record]));
        assert!(read_line::<FromWorker>(&mut from).is_err(), "rubbish");
        assert!(read_line::<FromWorker>(&mut from).is_err(), "a line without an end");
        assert!(read_line::<FromWorker>(&mut from).expect("the end").is_none());
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut endless = io::BufReader::new(io::repeat(b' '));
        assert!(read_line::<ToWorker>(&mut endless).is_err());
    }
}
