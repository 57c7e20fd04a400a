//! Results to bytes: CSV, JSON, histogram logs, pictures, the terminal.
//!
//! Renderers are pure; [`files`] alone touches the file system.

pub mod csv;
pub mod files;
pub mod hlog;
pub mod json;

#[cfg(test)]
pub(crate) mod sample;
mod text;

use crate::measure::result::RunResult;
use files::{Folder, FolderError};

/// Writes `run.json` and the tables. Cheap enough to be called after each cell, so that a crash
/// loses at most the cell that ran.
pub fn write_results(folder: &Folder, result: &RunResult) -> Result<(), FolderError> {
    folder.write("run.json", &json::run(result))?;
    for (name, table) in csv::TABLES {
        folder.write(name, &table(result))?;
    }
    Ok(())
}
