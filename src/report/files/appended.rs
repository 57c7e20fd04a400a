//! Files of a run that grow while a cell runs; what is in them is whole at any time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::FolderError;
use crate::measure::Unit;
use crate::report::hlog::LogWriter;
use crate::report::pcapng;

/// One metric of one load of one cell, appended interval by interval.
pub struct HistogramLog {
    path: PathBuf,
    start: f64,
    unit: Unit,
    open: Option<LogWriter<File>>,
}

impl HistogramLog {
    /// Nothing is written before there is a value.
    pub(super) fn new(path: PathBuf, start: f64, unit: Unit) -> Self {
        Self { path, start, unit, open: None }
    }

    /// Appends one interval; one without values writes nothing. After an error the log ends with
    /// the last whole interval.
    pub fn append(
        &mut self,
        start_offset: Duration,
        length: Duration,
        values: &Histogram<u64>,
    ) -> Result<(), FolderError> {
        if values.is_empty() {
            return Ok(());
        }
        let failed = |e| FolderError::system(&self.path, "write", e);
        let log = match &mut self.open {
            Some(log) => log,
            closed => {
                let file = open_log(&self.path)?;
                closed.insert(LogWriter::new(file, self.start, self.unit).map_err(failed)?)
            }
        };
        let whole = log.get_ref().metadata().map_err(failed)?.len();
        log.append(start_offset, length, values).map_err(|e| {
            // Half a line would make the whole log unreadable.
            let _ = log.get_ref().set_len(whole);
            failed(e)
        })
    }
}

/// The packets of a cell, appended as they come.
pub struct CaptureFile {
    /// Its name in the run's folder.
    pub name: String,
    path: PathBuf,
    writer: pcapng::Writer<File>,
    failed: Option<FolderError>,
}

impl CaptureFile {
    /// A file that was begun.
    pub(super) fn new(name: String, path: PathBuf, writer: pcapng::Writer<File>) -> Self {
        Self { name, path, writer, failed: None }
    }

    /// Adds a packet; see [`pcapng::Writer::packet`].
    pub fn packet(&mut self, at: u64, length: u32, bytes: &[u8]) {
        self.writer.packet(at, length, bytes);
    }

    /// Writes what waits. After an error the file ends with what was written whole before, and
    /// nothing more is tried.
    pub fn flush(&mut self) {
        self.write(pcapng::Writer::flush);
    }

    /// Ends it; packets in it, packets beyond its bound, and the first error.
    pub fn finish(mut self, at: u64, dropped: u64) -> ((u64, u64), Option<FolderError>) {
        self.write(|writer| writer.finish(at, dropped));
        (self.writer.counts(), self.failed)
    }

    fn write(&mut self, write: impl FnOnce(&mut pcapng::Writer<File>) -> io::Result<()>) {
        if self.failed.is_some() {
            return;
        }
        let whole = self.writer.get_ref().metadata().map(|found| found.len());
        if let Err(error) = whole.and_then(|whole| {
            // Half a block would make readers stop with an error.
            write(&mut self.writer).inspect_err(|_| {
                let _ = self.writer.get_ref().set_len(whole);
            })
        }) {
            self.failed = Some(FolderError::system(&self.path, "write", error));
        }
    }
}

/// A new file that is written at its end, so that one cut short can be continued.
pub(super) fn open_log(path: &Path) -> Result<File, FolderError> {
    let _ = fs::remove_file(path);
    let opened = File::options().create_new(true).append(true).open(path);
    opened.map_err(|e| FolderError::system(path, "open", e))
}
