//! Baselines to bytes, and back, whoever wrote them.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json::MOST_CELLS;
use super::plausible::{self, Absurd};
use crate::measure::baseline::{Baseline, Key, SCHEMA_VERSION};

/// A larger baseline is not read, in bytes: ten runs of one load take some hundred KiB.
pub const LONGEST: u64 = 32 << 20;

/// The baseline as JSON with a line for each run, so that whoever keeps it in a repository sees
/// what has changed.
pub fn write(baseline: &Baseline) -> Vec<u8> {
    let runs: Vec<_> = baseline.sample.runs.iter().map(compact).collect();
    let mut head = baseline.clone();
    head.sample.runs.clear();
    let head = serde_json::to_string_pretty(&head).expect(WRITABLE);
    // The runs are the last field of the last field.
    let (start, end) = head.rsplit_once("[]").expect("an empty list of runs");
    format!("{start}[\n{}\n]{end}\n", runs.join(",\n")).into_bytes()
}

const WRITABLE: &str = "every map of a baseline has keys that are text";

fn compact(run: &impl serde::Serialize) -> String {
    serde_json::to_string(run).expect(WRITABLE)
}

/// Why bytes are not a baseline.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// More than [`LONGEST`].
    #[error("this is larger than {} MiB: no baseline is", LONGEST >> 20)]
    TooLarge,
    /// No JSON, or not that of a baseline.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
    /// A baseline whose layout is another.
    #[error(
        "loadgen {program} wrote this in layout {found}; this program reads layout {SCHEMA_VERSION}: \
         use that version, or save it anew"
    )]
    Version {
        /// Its `schema_version`.
        found: u64,
        /// Its `loadgen_version`.
        program: String,
    },
    /// A baseline that says what cannot be.
    #[error("{0}; it is not as it was written: save it anew (loadgen baseline save)")]
    Absurd(#[from] Absurd),
}

/// What every version of the layout begins with.
#[derive(Deserialize)]
struct Head {
    schema_version: u64,
    #[serde(default)]
    loadgen_version: String,
}

/// What is counted before it takes memory: an ignored value takes none.
#[derive(Deserialize)]
struct Size {
    sample: Runs,
}

#[derive(Deserialize)]
struct Runs {
    runs: Vec<IgnoredAny>,
}

/// The baseline in these bytes. JSON nested deeper than 128 levels is refused (serde_json's limit);
/// of its text nothing has been judged: it may hold anything.
///
/// # Errors
/// Where the bytes or runs are too many, no baseline, one of another layout, or one that cannot be.
pub fn read(bytes: &[u8]) -> Result<Baseline, ReadError> {
    if bytes.len() as u64 > LONGEST {
        return Err(ReadError::TooLarge);
    }
    let head: Head = serde_json::from_slice(bytes)?;
    if head.schema_version != u64::from(SCHEMA_VERSION) {
        // It is printed, and may be anything.
        let program = head.loadgen_version.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(ReadError::Version { found: head.schema_version, program });
    }
    if let Ok(size) = serde_json::from_slice::<Size>(bytes) {
        few("sample.runs", size.sample.runs.len())?;
    }
    let mut baseline: Baseline = serde_json::from_slice(bytes)?;
    judge(&baseline)?;
    // A later version may see more in a scenario than the one that wrote this.
    baseline.key = Key::of(&baseline.sample);
    Ok(baseline)
}

fn few(place: &str, found: usize) -> Result<(), Absurd> {
    let why = || format!("{found} of them, and no baseline has more than {MOST_CELLS}");
    (found <= MOST_CELLS).then_some(()).ok_or_else(|| Absurd::new(place, why()))
}

fn judge(baseline: &Baseline) -> Result<(), Absurd> {
    let Baseline { saved_at, key, sample, .. } = baseline;
    if saved_at.parse::<Timestamp>().is_err() {
        return Err(Absurd::new(
            "saved_at",
            format!("`{saved_at}` is no time, such as 2026-11-23T09:00:00Z"),
        ));
    }
    if sample.runs.is_empty() {
        return Err(Absurd::new("sample.runs", "there is none"));
    }
    few("sample.scenario.cells", sample.scenario.cells.len())?;
    for (index, run) in sample.runs.iter().enumerate() {
        if !sample.scenario.cells.iter().any(|cell| cell.name == run.name) {
            let why = format!("`{}` is no combination of the scenario", run.name);
            return Err(Absurd::new(format!("sample.runs[{index}].name"), why));
        }
    }
    plausible::judge("sample.runs", &sample.runs)?;
    let own = Key::of(sample);
    if key.scenario != own.scenario {
        return Err(Absurd::new("key.scenario", "it is not that of the runs"));
    }
    match key.environment.differences(&own.environment).into_iter().next() {
        Some(difference) => {
            Err(Absurd::new("key.environment", format!("by the runs, {difference}")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "baseline_tests.rs"]
mod tests;
