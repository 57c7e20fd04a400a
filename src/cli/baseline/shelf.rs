//! The folder of baselines.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::cli::document::{Wanted, shown};
use crate::measure::baseline::{Baseline, Key};
use crate::measure::comparison::Relation;
use crate::measure::sample::Sample;
use crate::report::baseline;
use crate::report::card::clean;
use crate::report::files::Folder;
use crate::runner::RunError;
use crate::sys::errno;
use crate::verdict::compare::unlike;

/// Most files that are looked at, and longest name of one without its ending.
const MOST: usize = 1000;
const LONGEST_NAME: usize = 120;

const WANTED: Wanted = Wanted {
    name: "baseline",
    longest: baseline::LONGEST,
    instead: "a baseline (loadgen baseline list)",
    file: "file",
};

/// A folder of baselines, a file each.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
}

/// The name of a file, and the baseline in it or why that cannot be read.
pub type Found = (String, Result<Baseline, Failure>);

/// A baseline and its name.
#[derive(Debug)]
pub struct Kept {
    pub name: String,
    pub baseline: Baseline,
}

impl Shelf {
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// What it is called.
    pub fn shown(&self) -> String {
        shown(&self.folder)
    }

    /// Where the baseline of this name is, or would be.
    pub fn place(&self, name: &str) -> Result<PathBuf, Failure> {
        if is_name(name) {
            return Ok(self.folder.join(file_name(name)));
        }
        Err(Failure::Input(format!(
            "`{}` is no name of a baseline: use letters, digits and ._,+- (at most {LONGEST_NAME}, \
             a letter or digit first), such as --name main",
            clean(name)
        )))
    }

    /// The baseline of this name.
    pub fn get(&self, name: &str) -> Result<Kept, Failure> {
        let place = self.place(name)?;
        if std::fs::symlink_metadata(&place).is_err_and(|why| why.kind() == ErrorKind::NotFound) {
            let folder = self.shown();
            return Err(Failure::Input(format!(
                "{folder}: there is no baseline `{name}`: see `loadgen baseline list`, or make one \
                 with `loadgen baseline save RUN --name {name}`"
            )));
        }
        Ok(Kept { name: name.to_owned(), baseline: read(&place)? })
    }

    /// Every baseline by its name, readable or not; none where there is no such folder.
    pub fn all(&self) -> Result<Vec<Found>, Failure> {
        let mut names = self.names()?;
        names.sort();
        Ok(names
            .into_iter()
            .map(|name| {
                let read = read(&self.folder.join(file_name(&name)));
                (name, read)
            })
            .collect())
    }

    fn names(&self) -> Result<Vec<String>, Failure> {
        let listing = |error: std::io::Error| {
            let (folder, why) = (self.shown(), errno::describe(&error));
            let text = format!("{folder}: cannot be listed: {why}; name a folder with --baselines");
            Failure::Input(text)
        };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(listing)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(listing)?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
            names.extend(name.filter(|name| is_name(name)).map(str::to_owned));
            if names.len() > MOST {
                let folder = self.shown();
                return Err(Failure::Input(format!(
                    "{folder}: more than {MOST} baselines: remove those that nothing fits any more"
                )));
            }
        }
        Ok(names)
    }

    /// The newest that fits; where `anywhere`, one of another environment will do where none of this
    /// one is there. A baseline that cannot be read may be the one that fits: it is an error.
    pub fn fitting(&self, now: &Sample, anywhere: bool) -> Result<Fitting, Failure> {
        let wanted = Key::of(now);
        let (mut fitting, mut near) = (Vec::new(), Vec::new());
        for (name, read) in self.all()? {
            let kept = Kept { name, baseline: read? };
            let Baseline { key, sample, .. } = &kept.baseline;
            if key.scenario != wanted.scenario {
                continue;
            }
            // The same question as a comparison asks, so that what fits is comparable.
            let differences = unlike(sample, now, Relation::Apart);
            let same_scenario = key.scenario_digest == wanted.scenario_digest;
            if differences.is_empty() || anywhere && same_scenario {
                fitting.push((differences.is_empty(), kept));
            } else {
                near.push((kept.name, differences));
            }
        }
        let rank = |(here, kept): &(bool, Kept)| (*here, saved(&kept.baseline));
        let newest = fitting.into_iter().max_by_key(rank);
        Ok(newest.map_or(Fitting::None { near }, |(_, kept)| Fitting::One(Box::new(kept))))
    }

    /// Keeps a baseline; replaces one of that name only by `force`.
    pub fn save(
        &self,
        name: &str,
        kept: &Baseline,
        force: bool,
    ) -> Result<(PathBuf, usize), Failure> {
        let place = self.place(name)?;
        let is_there = std::fs::symlink_metadata(&place).ok();
        if is_there.as_ref().is_some_and(|found| !found.is_file()) {
            let place = shown(&place);
            return Err(Failure::Input(format!("{place}: is no file: choose another --name")));
        }
        if is_there.is_some() && !force {
            let place = shown(&place);
            return Err(Failure::Input(format!(
                "{place}: is there already: replace it with --force, or keep both with --name"
            )));
        }
        let bytes = baseline::write(kept);
        if bytes.len() as u64 > baseline::LONGEST {
            let (size, most) = (bytes.len() >> 20, baseline::LONGEST >> 20);
            return Err(Failure::Input(format!(
                "these runs make a baseline of {size} MiB, and at most {most} MiB are read: save \
                 fewer runs, or a smaller sweep"
            )));
        }
        std::fs::create_dir_all(&self.folder).map_err(|error| {
            let (folder, why) = (self.shown(), errno::describe(&error));
            Failure::Environment(format!(
                "{folder}: cannot be made: {why}; name another folder with --baselines"
            ))
        })?;
        let folder = Folder::existing(&self.folder);
        folder.write(&file_name(name), &bytes).map_err(RunError::from)?;
        Ok((place, bytes.len()))
    }
}

/// What there is for runs to be compared with.
pub enum Fitting {
    One(Box<Kept>),
    /// Nothing. `near`: baselines of the same scenario, and in what the runs differ from each.
    None {
        near: Vec<(String, Vec<String>)>,
    },
}

/// When it was saved, for ordering; the file has been judged, so that it is a time.
fn saved(baseline: &Baseline) -> Option<jiff::Timestamp> {
    baseline.saved_at.parse().ok()
}

fn read(place: &Path) -> Result<Baseline, Failure> {
    of_bytes(place, &WANTED.bytes(place)?)
}

/// The baseline in the bytes of a file.
pub fn of_bytes(file: &Path, bytes: &[u8]) -> Result<Baseline, Failure> {
    baseline::read(bytes).map_err(|error| match error {
        baseline::ReadError::Malformed(error) => WANTED.malformed(file, &error),
        other => WANTED.wrong(file, &other.to_string()),
    })
}

fn file_name(name: &str) -> String {
    format!("{name}.json")
}

/// Whether this may name a baseline: it leads to no other folder, and looks like no option.
pub fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || "._,+-".contains(c);
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["main", "clean-0a1b2c3d4e", "v1.2,x+y_z"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(LONGEST_NAME + 1);
        for bad in ["", ".", "..", ".x", "-x", "a/b", "../a", "a\u{1b}", "a b", "ä", &long] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
