//! Reading the result of an earlier run.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Failure;
use crate::measure::result::RunResult;
use crate::report::json;
use crate::sys::errno;

/// The result at `path`: a `run.json`, or the folder of a run.
pub fn read(path: &Path) -> Result<RunResult, Failure> {
    let file = if path.is_dir() { path.join("run.json") } else { path.to_owned() };
    let wrong = |why: String| Failure::Input(format!("{}: {why}", file.display()));
    let bytes = bytes(&file).map_err(|error| {
        wrong(format!("cannot be read: {}; name the folder of a run", errno::describe(&error)))
    })?;
    json::read(&bytes).map_err(|error| match error {
        json::ReadError::Malformed(error) => malformed(&file, &error),
        other => wrong(other.to_string()),
    })
}

/// Says where it stops being a result.
fn malformed(file: &Path, error: &serde_json::Error) -> Failure {
    let text = error.to_string();
    let why = text.split(" at line ").next().unwrap_or_default();
    let place = (file.display(), error.line(), error.column());
    Failure::Input(format!(
        "{}:{}:{}: this is no whole result of loadgen: {why}; give the folder of a run, or its \
         run.json as it was written",
        place.0, place.1, place.2
    ))
}

/// At most one byte more than the longest result.
fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    // A pipe would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(json::LONGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
