//! A run's folder: the one place of `report` that touches the file system.
//!
//! Every file is replaced as a whole (a temporary file beside it, then a rename), so that a reader
//! never sees half a file and a full disk leaves the previous one.

mod appended;

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use super::{hlog, pcapng};
use crate::measure::Metric;
use crate::sys::errno;
use appended::open_log;
pub use appended::{CaptureFile, HistogramLog};

/// Files that loadgen writes at the top of a run's folder; `--force` removes these, the histogram
/// logs and the packets of cells, and nothing else.
const OWN_FILES: [&str; 15] = [
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
    "knee.png",
    "udp_loss.png",
    "report.html",
];
const HISTOGRAMS: &str = "histograms";
/// What the probe writes; a full disk refuses a whole block where it may take a single byte.
const PROBE: [u8; 4096] = [0; 4096];

/// Why a run's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The user asked for something that cannot be: exit status 2.
    #[error("{}: {why}: {remedy}", path.display())]
    Input {
        /// What was asked for.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
        /// What would be right.
        remedy: &'static str,
    },
    /// The operating system refused: exit status 3.
    #[error("{}: {call} failed with {errno} ({source}): {remedy}", path.display())]
    Environment {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, by the name of the system call.
        call: &'static str,
        /// The error's name, such as `ENOSPC`.
        errno: String,
        /// What would help.
        remedy: &'static str,
        /// The error itself.
        source: io::Error,
    },
}

impl FolderError {
    /// Whether the user's input is at fault, and not the environment.
    pub fn is_bad_input(&self) -> bool {
        matches!(self, Self::Input { .. })
    }

    fn input(path: &Path, why: &'static str, remedy: &'static str) -> Self {
        Self::Input { path: path.to_owned(), why, remedy }
    }

    fn system(path: &Path, call: &'static str, source: io::Error) -> Self {
        let (errno, remedy) = explain(&source);
        Self::Environment { path: path.to_owned(), call, errno, remedy, source }
    }
}

/// The name of an error and what would help.
fn explain(error: &io::Error) -> (String, &'static str) {
    const OTHER: &str = "choose another folder with --out";
    let (name, remedy) = match error.kind() {
        ErrorKind::StorageFull => ("ENOSPC", "free space or choose another folder with --out"),
        ErrorKind::QuotaExceeded => ("EDQUOT", "free space or choose another folder with --out"),
        ErrorKind::ReadOnlyFilesystem => {
            ("EROFS", "choose a folder on a writable file system with --out")
        }
        ErrorKind::PermissionDenied => {
            let name = if error.raw_os_error() == Some(1) { "EPERM" } else { "EACCES" };
            (name, "make it writable or choose another folder with --out")
        }
        ErrorKind::NotFound => ("ENOENT", "no such folder can be had: choose another with --out"),
        ErrorKind::NotADirectory => ("ENOTDIR", OTHER),
        ErrorKind::IsADirectory => ("EISDIR", OTHER),
        ErrorKind::AlreadyExists => ("EEXIST", OTHER),
        ErrorKind::FileTooLarge => ("EFBIG", "raise the file size limit (ulimit -f)"),
        ErrorKind::InvalidFilename => ("ENAMETOOLONG", "choose a shorter path with --out"),
        _ => match errno::error_name(error) {
            name if name == "EMFILE" || name == "ENFILE" => {
                return (name, "raise the limit of open descriptors (ulimit -n)");
            }
            name => return (name, OTHER),
        },
    };
    (name.to_owned(), remedy)
}

/// A folder that exists and can be written to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    kind: Kind,
    /// Keeps other runs out of the folder for as long as this one lives, however it ends.
    _lock: Option<File>,
}

/// How a folder was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A new one below the folder of the scenario's results.
    Dated,
    /// That of `--out`; `made` where it was not there before.
    Exact { made: bool },
    /// That of a run which is taken up again.
    Resumed,
}

impl Folder {
    /// Makes the folder of one run and proves that it can be written to, before anything starts.
    /// Earlier results stay until [`Folder::begin`].
    ///
    /// Without `out`: `base/<scenario>/<UTC time>/`. With `out`: exactly there; a folder that is
    /// not empty is refused, unless `force` allows to replace what loadgen itself wrote there.
    /// `started_at_utc` is RFC 3339.
    pub fn create(
        base: &Path,
        scenario: &str,
        started_at_utc: &str,
        out: Option<&Path>,
        force: bool,
    ) -> Result<Self, FolderError> {
        let (path, kind) = match out {
            Some(out) => {
                let kind = Kind::Exact { made: !out.exists() };
                let instead = "choose another with --out, or replace loadgen's own files in it \
                               with --force";
                (exact(out, force, instead)?, kind)
            }
            None => (fresh(base, scenario, started_at_utc)?, Kind::Dated),
        };
        let _lock = lock(&path)?;
        Self { path, kind, _lock }.ready(&[HISTOGRAMS])
    }

    /// Makes the folder of a backlog card in the same way: `base/<system>/<UTC time>/`, or `out`, which
    /// must be empty.
    pub fn for_card(
        base: &Path,
        system: &str,
        started_at_utc: &str,
        out: Option<&Path>,
    ) -> Result<Self, FolderError> {
        let (path, kind) = match out {
            Some(out) => {
                let kind = Kind::Exact { made: !out.exists() };
                (exact(out, false, "choose another with --out")?, kind)
            }
            None => (fresh(base, system, started_at_utc)?, Kind::Dated),
        };
        let _lock = lock(&path)?;
        Self { path, kind, _lock }.ready(&[])
    }

    /// The folder of a run that has ended, to draw its pictures again.
    ///
    /// # Errors
    /// Where a run is writing there.
    pub fn ended(path: &Path) -> Result<Self, FolderError> {
        let _lock = lock(path)?;
        Ok(Self { path: path.to_owned(), kind: Kind::Exact { made: false }, _lock })
    }

    /// A folder that is there already, to replace single files in it.
    pub fn existing(path: &Path) -> Self {
        Self { path: path.to_owned(), kind: Kind::Exact { made: false }, _lock: None }
    }

    /// The folder of an earlier run, which is to be taken up again: `given`, or the one that
    /// `base/<scenario>/latest` points at.
    pub fn reopen(base: &Path, scenario: &str, given: Option<&Path>) -> Result<Self, FolderError> {
        let wanted = given.map_or_else(|| base.join(scenario).join("latest"), Path::to_owned);
        // A later run may move the link.
        let path = fs::canonicalize(&wanted).unwrap_or(wanted);
        if !path.join("run.json").is_file() {
            let why = "there is no run to resume, for want of a run.json";
            return Err(FolderError::input(&path, why, "name the folder of an interrupted run"));
        }
        let _lock = lock(&path)?;
        let folder = Self { path, kind: Kind::Resumed, _lock };
        folder.prepare(&[HISTOGRAMS])?;
        Ok(folder)
    }

    /// Removes the histogram logs and the packets of a cell, whose loads have these names: it is run
    /// again.
    pub fn forget<'l>(
        &self,
        cell: &str,
        loads: impl Iterator<Item = &'l str>,
    ) -> Result<(), FolderError> {
        remove_file(&self.path.join(pcapng::file_name(Some(cell))))?;
        for load in loads.chain(["target", "wire"]) {
            for metric in Metric::ALL {
                remove_file(&self.path.join(hlog::file_name(cell, load, metric)))?;
            }
        }
        Ok(())
    }

    /// The run begins: removes what an earlier run left here, or points
    /// `base/<scenario>/latest` here.
    pub fn begin(&self) -> Result<(), FolderError> {
        match self.kind {
            Kind::Dated => self.point_latest(),
            Kind::Exact { .. } => remove_own(&self.path),
            Kind::Resumed => Ok(()),
        }
    }

    /// The run will not begin: removes the folder again, if it was made for it.
    pub fn discard(&self) {
        if self.kind == Kind::Resumed {
            return;
        }
        // Only empty folders, in which nothing is lost, can be removed by this.
        let _ = fs::remove_dir(self.path.join(HISTOGRAMS));
        if self.kind != (Kind::Exact { made: false }) {
            let _ = fs::remove_dir(&self.path);
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file `name` (relative, such as `run.json`) as a whole.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let temporary = beside(&path);
        let written = write_new(&temporary, bytes, &path).and_then(|()| {
            fs::rename(&temporary, &path).map_err(|e| FolderError::system(&path, "rename", e))
        });
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// A histogram log that is made when its first values come. `start` is the instant of
    /// offset 0, in seconds since the Unix epoch.
    pub fn histogram_log(
        &self,
        cell: &str,
        load: &str,
        metric: Metric,
        start: f64,
    ) -> HistogramLog {
        let path = self.path.join(hlog::file_name(cell, load, metric));
        HistogramLog::new(path, start, metric.unit())
    }

    /// A file for the packets of a cell (of a sweep's, `cell` is its name): at most `size` bytes, of
    /// the first `snap` bytes of each packet of `interface`.
    pub fn capture(
        &self,
        cell: Option<&str>,
        (interface, snap): (&str, u32),
        size: u64,
    ) -> Result<CaptureFile, FolderError> {
        let name = pcapng::file_name(cell);
        let path = self.path.join(&name);
        let file = open_log(&path)?;
        let writer = pcapng::Writer::new(file, interface, snap, size);
        let writer = writer.map_err(|e| FolderError::system(&path, "write", e))?;
        Ok(CaptureFile::new(name, path, writer))
    }

    /// The folder, once it is known that it can be written to.
    fn ready(self, below: &[&str]) -> Result<Self, FolderError> {
        self.prepare(below).inspect_err(|_| self.discard()).map(|()| self)
    }

    /// Makes the folders below it, and writes to each.
    fn prepare(&self, below: &[&str]) -> Result<(), FolderError> {
        let below: Vec<_> = below.iter().map(|name| self.path.join(name)).collect();
        below.iter().try_for_each(|folder| make(folder))?;
        for folder in std::iter::once(&self.path).chain(&below) {
            let probe = folder.join(".loadgen-probe");
            let written = write_new(&probe, &PROBE, folder);
            let removed = remove_file(&probe);
            written.and(removed)?;
        }
        Ok(())
    }

    /// Replaces the relative link `latest` beside the folder in one step.
    fn point_latest(&self) -> Result<(), FolderError> {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Ok(());
        };
        let latest = parent.join("latest");
        if fs::symlink_metadata(&latest).is_ok_and(|found| !found.is_symlink()) {
            let why = "is in the way of the link to the latest run";
            return Err(FolderError::input(&latest, why, "rename it, or use --out"));
        }
        let temporary = parent.join(format!(".latest.{}", std::process::id()));
        let _ = fs::remove_file(&temporary);
        std::os::unix::fs::symlink(name, &temporary)
            .map_err(|e| FolderError::system(&latest, "symlink", e))?;
        fs::rename(&temporary, &latest).map_err(|e| {
            let _ = fs::remove_file(&temporary);
            FolderError::system(&latest, "rename", e)
        })
    }
}

/// Locks a folder against other runs (`flock(2)`); nothing where the file system has no locks.
fn lock(path: &Path) -> Result<Option<File>, FolderError> {
    let Ok(folder) = File::open(path) else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => {
            let why = "a run is still writing there";
            Err(FolderError::input(path, why, "wait for its end, or choose another folder"))
        }
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// `out` itself, made if need be, and empty of results.
fn exact(out: &Path, force: bool, instead: &'static str) -> Result<PathBuf, FolderError> {
    if out.exists() && !out.is_dir() {
        return Err(FolderError::input(out, "is not a folder", "name a folder with --out"));
    }
    make(out)?;
    let listing = |e| FolderError::system(out, "readdir", e);
    if !force && fs::read_dir(out).map_err(listing)?.next().is_some() {
        return Err(FolderError::input(out, "the folder is not empty", instead));
    }
    Ok(out.to_owned())
}

/// Removes what an earlier run left in `out`, by its name.
fn remove_own(out: &Path) -> Result<(), FolderError> {
    for name in OWN_FILES {
        let path = out.join(name);
        remove_file(&path)?;
        remove_file(&beside(&path))?;
    }
    remove_those(out, pcapng::is_own)?;
    let histograms = out.join(HISTOGRAMS);
    // A link that stands in for the folder leads to what is not ours.
    if !fs::symlink_metadata(&histograms).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    remove_those(&histograms, is_own_log)
}

/// Removes the files of a folder whose names are our own.
fn remove_those(folder: &Path, is_own: fn(&str) -> bool) -> Result<(), FolderError> {
    let listing = |e| FolderError::system(folder, "readdir", e);
    for entry in fs::read_dir(folder).map_err(listing)? {
        let entry = entry.map_err(listing)?;
        if entry.file_name().to_str().is_some_and(is_own) {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether a file's name is `<cell>.<load>.<metric>.hlog`.
fn is_own_log(name: &str) -> bool {
    let mut parts = name.rsplitn(4, '.');
    parts.next() == Some("hlog")
        && parts.next().is_some_and(|metric| Metric::from_name(metric).is_some())
        && parts.next().is_some()
        && parts.next().is_some()
}

/// Removes a file or link; a folder of that name is not ours and stays.
fn remove_file(path: &Path) -> Result<(), FolderError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => {
            fs::remove_file(path).map_err(|e| FolderError::system(path, "unlink", e))
        }
        _ => Ok(()),
    }
}

/// A folder of its own for this run: `base/<scenario>/<UTC time>`, `-2` added where it exists.
fn fresh(base: &Path, scenario: &str, started_at_utc: &str) -> Result<PathBuf, FolderError> {
    let mut components = Path::new(scenario).components();
    if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) {
        let why = "the scenario's name is no name of a folder";
        return Err(FolderError::input(Path::new(scenario), why, "rename it, or use --out"));
    }
    let parent = base.join(scenario);
    make(&parent)?;
    let stamp = folder_name(started_at_utc);
    let mut number = 1u32;
    loop {
        let name = if number == 1 { stamp.clone() } else { format!("{stamp}-{number}") };
        let path = parent.join(name);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(FolderError::system(&path, "mkdir", e)),
        }
    }
}

/// `2026-11-22T16:46:05.123Z` as `2026-11-22T16-46-05Z`: colons are not portable in paths.
fn folder_name(started_at_utc: &str) -> String {
    let seconds = started_at_utc.split(['.', 'Z']).next().unwrap_or_default();
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    seconds.chars().map(safe).chain(['Z']).collect()
}

fn make(path: &Path) -> Result<(), FolderError> {
    fs::create_dir_all(path).map_err(|e| match e.kind() {
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            FolderError::input(path, "a part of the path is not a folder", "choose another path")
        }
        _ => FolderError::system(path, "mkdir", e),
    })
}

/// The temporary file for `path`, in the same folder.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Writes a file that does not exist; one left over from a killed run is replaced. Errors name
/// `shown`, which means more to a user than the temporary file.
fn write_new(path: &Path, bytes: &[u8], shown: &Path) -> Result<(), FolderError> {
    let _ = fs::remove_file(path);
    let mut file = File::create_new(path).map_err(|e| FolderError::system(shown, "open", e))?;
    file.write_all(bytes).map_err(|e| FolderError::system(shown, "write", e))
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
