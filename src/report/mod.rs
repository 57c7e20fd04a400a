//! Results to bytes: CSV, JSON, histogram logs, pictures, the terminal.
//!
//! Renderers are pure; [`files`] alone touches the file system.

pub mod csv;
pub mod files;
pub mod hlog;
pub mod json;
pub mod picture;

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

/// Why pictures are missing.
#[derive(Debug, thiserror::Error)]
pub enum PicturesError {
    /// A picture could not be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A picture could not be drawn; those before it are written.
    #[error("{name}: cannot be drawn: {why}")]
    Picture {
        /// The file's name.
        name: &'static str,
        /// Why.
        why: picture::PictureError,
    },
}

/// Draws and writes every picture that applies; called once, at the end. One that cannot be drawn
/// does not keep the others from being written.
pub fn write_pictures(folder: &Folder, result: &RunResult) -> Result<(), PicturesError> {
    let mut first = None;
    for (name, picture) in picture::pictures(result) {
        match picture {
            Ok(bytes) => folder.write(name, &bytes)?,
            Err(why) => first = first.or(Some(PicturesError::Picture { name, why })),
        }
    }
    first.map_or(Ok(()), Err)
}

#[cfg(test)]
mod dump {
    #[test]
    fn dump() {
        for (tag, r) in [
            ("a", super::sample::backlog()),
            ("b", super::sample::sweep(&(0..12).map(|n| 1 << n).collect::<Vec<_>>())),
        ] {
            for (n, p) in super::picture::pictures(&r) {
                std::fs::write(format!("/tmp/pic-{tag}-{n}"), p.unwrap()).unwrap();
            }
        }
    }
}
