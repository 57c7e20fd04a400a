//! `run.json`: everything, for programs.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::measure::result::{RunResult, SCHEMA_VERSION};

/// A larger `run.json` is not read, in bytes: a cell of ten seconds takes half a MiB, and there are
/// at most 1,000.
pub const LONGEST: u64 = 512 << 20;

/// More cells than these are not read: no plan has as many, and no
/// search makes as many runs.
pub const MOST_CELLS: usize = 1000;

/// The result as pretty-printed JSON with a final newline; keys are in the order of the fields of
/// [`RunResult`], maps in the order of their keys, so that two runs can be compared line by line.
pub fn run(result: &RunResult) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(result)
        .expect("every map of a result has keys that are text, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

/// Why bytes are not a result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// More than [`LONGEST`].
    #[error("this is larger than {} MiB: no run.json is", LONGEST >> 20)]
    TooLarge,
    /// More than [`MOST_CELLS`].
    #[error("this has {0} cells, and no run has more than {MOST_CELLS}")]
    TooManyCells(usize),
    /// No JSON, or not that of a result; the text has line and column.
    #[error("this is not the run.json of a loadgen run: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The result of a program whose layout is another.
    #[error(
        "loadgen {program} wrote this in layout {found}; this program reads layout {SCHEMA_VERSION}: \
         use that version"
    )]
    Version {
        /// Its `schema_version`.
        found: u32,
        /// Its `loadgen_version`.
        program: String,
    },
}

/// What every version of the layout begins with.
#[derive(Deserialize)]
struct Head {
    schema_version: u32,
    #[serde(default)]
    loadgen_version: String,
}

/// What is counted before it takes memory: an ignored value takes none.
#[derive(Deserialize)]
struct Size {
    cells: Vec<IgnoredAny>,
}

/// The result in the bytes of a `run.json`, whoever wrote them. JSON nested deeper than 128 levels
/// is refused (serde_json's limit), and no text in it has been judged: names may hold anything.
///
/// # Errors
/// Where the bytes or the cells are too many, no result, or one of another layout.
pub fn read(bytes: &[u8]) -> Result<RunResult, ReadError> {
    if bytes.len() as u64 > LONGEST {
        return Err(ReadError::TooLarge);
    }
    let head: Head = serde_json::from_slice(bytes)?;
    if head.schema_version != SCHEMA_VERSION {
        // It is printed, and may be anything.
        let program = head.loadgen_version.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(ReadError::Version { found: head.schema_version, program });
    }
    // What has no cells is no result, which the whole of it says better.
    if let Ok(Size { cells }) = serde_json::from_slice(bytes)
        && cells.len() > MOST_CELLS
    {
        return Err(ReadError::TooManyCells(cells.len()));
    }
    Ok(serde_json::from_slice(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_result_survives_its_file() {
        let samples =
            [sample::backlog(), sample::datagrams(), sample::empty(), sample::churn(), fractions()];
        for result in samples {
            let bytes = run(&result);
            assert_eq!(bytes.last(), Some(&b'\n'));
            assert_eq!(read(&bytes).expect("our own JSON"), result);
        }
    }

    /// Numbers that are not read back to the last bit unless the reader takes the trouble.
    fn fractions() -> RunResult {
        let mut result = sample::backlog();
        for (n, cell) in result.cells.iter_mut().enumerate() {
            cell.duration_s = 1.0 / (3.0 + n as f64);
            cell.validity.achieved_ratio = 0.1 + 0.2 * n as f64;
            cell.validity.cpu_s = (5.708990770823839e-1, 1.7e-17);
        }
        result
    }

    #[test]
    fn what_is_no_result_is_refused_with_a_reason() {
        let told = |text: &str| read(text.as_bytes()).expect_err(text).to_string();
        let deep = "[".repeat(100_000);
        let deep_inside = format!("{{\"schema_version\": 1, \"cells\": {deep}");
        for text in
            ["", "null", "{}", "[1]", "\u{0}", "{\"schema_version\": 1}", &deep, &deep_inside]
        {
            assert!(told(text).contains("not the run.json"), "{}", told(text));
        }
        let other = told("{\"schema_version\": 7, \"loadgen_version\": \"9\\u001b[31m\"}");
        assert!(other.contains("loadgen 9[31m") && other.contains("layout 7"), "{other}");
        let whole = run(&sample::backlog());
        for cut in [1, whole.len() / 3, whole.len() - 3] {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn more_cells_than_any_run_has_are_not_read() {
        let mut large = serde_json::to_value(sample::sweep(&[5])).expect("JSON");
        let cells = large["cells"].as_array_mut().expect("cells");
        *cells = vec![cells[0].clone()];
        cells[0]["timeline"]["heat"]["places"] = serde_json::json!([]);
        let one = cells[0].clone();
        cells.resize(MOST_CELLS, serde_json::json!({}));
        let told = |value: &serde_json::Value| read(value.to_string().as_bytes());
        assert!(matches!(told(&large), Err(ReadError::Malformed(_))), "so many are looked at");
        large["cells"].as_array_mut().expect("cells").push(one);
        let error = told(&large).expect_err("too many");
        assert!(matches!(error, ReadError::TooManyCells(1001)), "{error}");
    }

    #[test]
    fn a_result_of_before_a_field_was_added_is_read() {
        let mut old: serde_json::Value =
            serde_json::from_slice(&run(&sample::backlog())).expect("JSON");
        let cell = &mut old["cells"][0];
        for key in ["classes", "prediction", "wire", "datagrams"] {
            cell.as_object_mut().expect("a cell").remove(key);
        }
        old.as_object_mut().expect("a run").remove("knee");
        read(old.to_string().as_bytes()).expect("read with defaults");
    }
}
