//! A row a comparison, in a CSV that change-point tools read: time, commit, a column a metric.

use super::words::{median, word};
use crate::measure::comparison::{ComparedMetric, ComparisonResult, Measure};
use crate::report::card::clean;

/// Columns before those of metrics.
const FIXED: [&str; 8] =
    ["time", "commit", "scenario", "loadgen", "kernel", "base_runs", "runs", "verdict"];
/// A file with more columns, or a longer header in bytes, is none of ours.
const MOST_COLUMNS: usize = 4_000;
const LONGEST_HEADER: usize = 1 << 20;

/// Why a row cannot be added.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HistoryError {
    /// No CSV of ours.
    #[error(
        "line 1: this is no history of loadgen: it begins with {found:?}, and a history with \
         \"time,commit,scenario\"; name another file"
    )]
    Other {
        /// What it begins with.
        found: String,
    },
    /// A history of something else.
    #[error(
        "line 1: this history has no column {column:?}: other metrics are kept there; name another \
         file"
    )]
    Column {
        /// The first that is not there.
        column: String,
    },
    /// Its rows are not UTF-8, or have not as many fields as its header.
    #[error(
        "line {line}: this is no whole row of a history: {why}; mend the line, or name another file"
    )]
    Row {
        /// Which, from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

/// The bytes of a history with one row more; `old` is what the file holds, if there is one, and
/// `commit` what the candidate was built from, if that is known. Metrics are the candidate's: the
/// median over its runs; an empty field where nothing was measured.
///
/// # Errors
/// Where `old` is another table; it is to be kept then.
pub fn history(
    old: Option<&[u8]>,
    found: &ComparisonResult,
    commit: Option<&str>,
) -> Result<Vec<u8>, HistoryError> {
    let measured: Vec<_> = found.metrics.iter().map(|metric| (column(metric), metric)).collect();
    let old = old.filter(|bytes| !bytes.iter().all(u8::is_ascii_whitespace));
    let (header, mut bytes) = match old {
        None => {
            let fixed = FIXED.map(str::to_owned).into_iter();
            let mut header: Vec<_> = fixed.collect();
            for (name, _) in &measured {
                if !header.contains(name) {
                    header.push(name.clone());
                }
            }
            let first = line(&header);
            (header, first)
        }
        Some(old) => (checked(old)?, old.to_vec()),
    };
    if let Some((missing, _)) = measured.iter().find(|(name, _)| !header.contains(name)) {
        return Err(HistoryError::Column { column: missing.clone() });
    }
    if bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    let fields = header.iter().map(|name| field(name, found, &measured, commit));
    bytes.extend(line(&fields.collect::<Vec<_>>()));
    Ok(bytes)
}

/// The header of a history whose rows are whole.
fn checked(old: &[u8]) -> Result<Vec<String>, HistoryError> {
    let begin = old.iter().position(|byte| *byte == b'\n').unwrap_or(old.len());
    let other = || {
        let start = String::from_utf8_lossy(&old[..begin.min(60)]);
        HistoryError::Other { found: clean(&start) }
    };
    if begin > LONGEST_HEADER {
        return Err(other());
    }
    let mut reader = csv::Reader::from_reader(old);
    let header = reader.headers().map_err(|_| other())?;
    let header: Vec<_> = header.iter().map(str::to_owned).collect();
    let ours = header.len() <= MOST_COLUMNS && header.iter().zip(FIXED).all(|(a, b)| a == b);
    if !ours || header.len() < FIXED.len() {
        return Err(other());
    }
    let mut record = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(header),
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                return Err(HistoryError::Row { line, why: clean(&error.to_string()) });
            }
        }
    }
}

/// `target.backlog=5/clients/request.p99_us`.
fn column(metric: &ComparedMetric) -> String {
    let cell = metric.cell.replace(" = ", "=");
    let parts = [cell.as_str(), metric.load.as_deref().unwrap_or_default()];
    let place: String =
        parts.iter().filter(|part| !part.is_empty()).map(|part| format!("{part}/")).collect();
    let unit = match metric.unit {
        Measure::Nanoseconds => "us",
        Measure::Share => "percent",
        Measure::Count => "count",
        Measure::PerSecond => "per_s",
    };
    told(&format!("{place}{}_{unit}", metric.subject))
}

fn field(
    name: &str,
    found: &ComparisonResult,
    measured: &[(String, &ComparedMetric)],
    commit: Option<&str>,
) -> String {
    match name {
        "time" => told(&found.candidate.started_at),
        "commit" => told(commit.unwrap_or_default()),
        "scenario" => told(&found.scenario),
        "loadgen" => told(&found.candidate.loadgen_version),
        "kernel" => told(&found.candidate.kernel),
        "base_runs" => found.base.runs.to_string(),
        "runs" => found.candidate.runs.to_string(),
        "verdict" => word(&found.verdict).to_owned(),
        _ => {
            let metric = measured.iter().find(|(column, _)| column == name);
            metric.and_then(|(_, metric)| value(metric)).unwrap_or_default()
        }
    }
}

/// The median over the candidate's runs, in the column's unit.
fn value(metric: &ComparedMetric) -> Option<String> {
    let value = median(&metric.candidate)?;
    let value = match metric.unit {
        Measure::Nanoseconds => value / 1e3,
        Measure::Share => value * 100.0,
        Measure::Count | Measure::PerSecond => value,
    };
    let text = format!("{value:.6}");
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// A text from outside that no spreadsheet takes for a formula (OWASP, "CSV injection").
fn told(text: &str) -> String {
    let text = clean(text);
    match text.starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text,
    }
}

fn line(fields: &[String]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields).expect("memory takes every byte");
    writer.into_inner().expect("memory takes every byte")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::comparison as sample;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn each_comparison_is_a_row() {
        let first = history(None, &sample::worse(), Some("0a1b2c3")).expect("written");
        let second =
            history(Some(&first), &sample::same(), None).expect("the same columns, or fewer");
        insta::assert_snapshot!(text(&second));
        let cut = &first[..first.len() - 1];
        assert_eq!(history(Some(cut), &sample::same(), None).expect("written"), second);
    }

    #[test]
    fn a_history_of_something_else_is_left_alone() {
        let first = history(None, &sample::same(), None).expect("written");
        let more = history(Some(&first), &sample::worse(), None).expect_err("other columns");
        assert_eq!(more, HistoryError::Column { column: "clients/request.p50_us".to_owned() });
        for other in ["a,b\n1,2\n", "time,commit\n", "\u{1b}[31m", "\"", "time"] {
            let why = history(Some(other.as_bytes()), &sample::same(), None).expect_err(other);
            assert!(matches!(why, HistoryError::Other { .. }), "{other}: {why}");
            assert!(!why.to_string().contains(char::is_control), "{why}");
        }
        let torn = [first.as_slice(), b"2026,abc\n"].concat();
        let why = history(Some(&torn), &sample::same(), None).expect_err("a torn row");
        assert!(why.to_string().starts_with("line 3: this is no whole row"), "{why}");
    }

    #[test]
    fn nothing_becomes_a_formula() {
        let made = history(None, &sample::hostile(), Some("=1+1")).expect("written");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&made[..]);
        for record in reader.records() {
            let record = record.expect("a row");
            for text in record.iter().take(4) {
                assert!(!text.starts_with(['=', '+', '-', '@']), "{text}");
            }
        }
        assert!(text(&made).contains("'=1+1"));
    }
}
