//! Results to bytes: CSV, JSON, histogram logs, pictures, a page, the terminal.
//!
//! Renderers are pure; [`files`] alone touches the file system.

pub mod baseline;
pub mod card;
pub mod comparison;
pub mod csv;
pub mod files;
mod grounds;
pub mod hlog;
pub mod html;
pub mod json;
pub mod pcapng;
pub mod picture;
pub mod plausible;
pub mod terminal;

#[cfg(test)]
pub(crate) mod sample;
mod sides;
pub(crate) mod text;

use crate::measure::result::RunResult;
use files::{Folder, FolderError};

/// Writes `run.json` and the tables. Cheap enough to be called after each cell, so that a crash
/// loses at most the cell that ran.
pub fn write_results(folder: &Folder, result: &RunResult) -> Result<(), FolderError> {
    write_run(folder, result)?;
    for (name, table) in csv::TABLES {
        folder.write(name, &table(result))?;
    }
    Ok(())
}

/// Writes `run.json` alone, from which all else can be made.
pub fn write_run(folder: &Folder, result: &RunResult) -> Result<(), FolderError> {
    folder.write("run.json", &json::run(result))
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

/// The page's file in a run's folder.
pub const PAGE: &str = "report.html";

/// Writes the page and every picture that applies; called once, at the end. A picture that cannot be
/// drawn does not keep the others from being written.
pub fn write_pictures(folder: &Folder, result: &RunResult) -> Result<(), PicturesError> {
    folder.write(PAGE, &html::page(std::slice::from_ref(result)))?;
    let mut first = None;
    for (name, picture) in picture::pictures(result) {
        match picture.png() {
            Ok(bytes) => folder.write(name, &bytes)?,
            Err(why) => first = first.or(Some(PicturesError::Picture { name, why })),
        }
    }
    first.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Metric;
    use crate::measure::result::{Cause, Class};
    use std::path::Path;

    const FILES: [&str; 13] = [
        "run.json",
        "summary.csv",
        "outcomes.csv",
        "classes.csv",
        "counters.csv",
        "timeline.csv",
        "queues.csv",
        "streams.csv",
        "latency.png",
        "timeline.png",
        "heatmap.png",
        "sweep.png",
        PAGE,
    ];

    #[test]
    fn a_run_s_folder_holds_what_the_contract_names() {
        let base = tempfile::tempdir().expect("a temporary folder");
        let at = "2026-11-22T16:46:05Z";
        let folder = Folder::create(base.path(), "s", at, None, false).expect("writable");
        folder.begin().expect("linked");
        let mut result = sample::datagrams();
        write_results(&folder, &result).expect("written");
        write_pictures(&folder, &result).expect("drawn");
        assert!(folder.path().join("udp_loss.png").is_file(), "where there are datagrams");
        let folder = Folder::create(base.path(), "s", at, None, false).expect("writable");
        folder.begin().expect("linked");
        result = sample::backlog();
        write_results(&folder, &result).expect("written");
        write_results(&folder, &result).expect("written again");
        write_pictures(&folder, &result).expect("drawn");
        for name in FILES {
            assert!(base.path().join("s/latest").join(name).is_file(), "{name}");
        }
        let entries = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(entries, FILES.len() + 1, "nothing else but histograms");
    }

    #[test]
    fn the_guide_explains_every_file_and_column() {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/README.md");
        let guide = std::fs::read_to_string(guide).expect("the guide");
        let metrics = Metric::ALL.map(Metric::name);
        let causes = Cause::ALL.map(Cause::name);
        let files = FILES.into_iter().chain([
            "udp_loss.png",
            "knee.png",
            "comparison.png",
            "capture.pcapng",
        ]);
        let classes = Class::ALL.map(Class::name);
        for name in files.chain(metrics).chain(causes).chain(classes) {
            assert!(guide.contains(&format!("`{name}`")), "{name}");
        }
        for table in [csv::timeline, csv::queues, csv::streams, csv::classes] {
            let header = String::from_utf8(table(&sample::empty())).expect("text");
            for column in header.trim().split(',') {
                assert!(guide.contains(&format!("`{column}`")), "{column}");
            }
        }
    }
}
