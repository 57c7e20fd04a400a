//! Reading the result of an earlier run.

use std::path::Path;

use super::Failure;
use super::document::Wanted;
use crate::measure::result::RunResult;
use crate::report::json;

const WANTED: Wanted = Wanted {
    name: "result",
    longest: json::LONGEST,
    instead: "the folder of a run",
    file: "run.json",
};

/// The result at `path`: a `run.json`, or the folder of a run.
pub fn read(path: &Path) -> Result<RunResult, Failure> {
    let file = if path.is_dir() { path.join("run.json") } else { path.to_owned() };
    of_bytes(&file, &WANTED.bytes(&file)?)
}

/// The result in the bytes of a file.
pub fn of_bytes(file: &Path, bytes: &[u8]) -> Result<RunResult, Failure> {
    json::read(bytes).map_err(|error| match error {
        json::ReadError::Malformed(error) => WANTED.malformed(file, &error),
        other => WANTED.wrong(file, &other.to_string()),
    })
}
