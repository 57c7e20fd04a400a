//! What each argument of `loadgen compare` is, told by its content, and the runs of a side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cli::baseline::{Kept, Shelf, is_name, of_bytes};
use crate::cli::document::{Wanted, shown};
use crate::cli::{Failure, result};
use crate::measure::card::Card;
use crate::measure::comparison::{ComparisonResult, Relation};
use crate::measure::result::{Arm, CellResult, RunResult, Trial};
use crate::measure::sample::Sample;
use crate::report::card::{CARD, clean};
use crate::report::{json, plausible};
use crate::verdict::compare::unlike;

/// The result in a run's folder.
const RUN: &str = "run.json";
/// Most entries of a folder of runs that are looked at.
const MOST: usize = 10_000;

const WANTED: Wanted = Wanted {
    name: "card, result or baseline",
    longest: json::LONGEST,
    instead: "the folder of a run or of a card, or a baseline",
    file: "file",
};

/// What an argument is.
pub enum Given {
    Card(Box<Card>),
    Runs(Runs),
    Baseline(Box<Kept>),
}

/// Results that are one side, or both arms of a trial.
pub struct Runs {
    /// As given.
    pub name: String,
    /// Each with its file; at least one.
    pub results: Vec<(PathBuf, RunResult)>,
}

/// A side of a comparison.
#[derive(Debug)]
pub struct Side {
    pub name: String,
    pub sample: Sample,
}

/// Finds out what is at `path`, or which baseline is called so, and reads it.
pub fn read(path: &Path, shelf: &Shelf) -> Result<Given, Failure> {
    if path.is_dir() {
        return folder(path);
    }
    let name = path.to_str().filter(|name| is_name(name));
    match name {
        Some(name) if std::fs::symlink_metadata(path).is_err() => {
            shelf.get(name).map(|kept| Given::Baseline(Box::new(kept))).map_err(|error| match error
            {
                Failure::Input(text) => Failure::Input(format!("{name}: no such file; {text}")),
                other => other,
            })
        }
        _ => file(path),
    }
}

fn file(path: &Path) -> Result<Given, Failure> {
    let bytes = WANTED.bytes(path)?;
    let head: Head =
        serde_json::from_slice(&bytes).map_err(|error| WANTED.malformed(path, &error))?;
    match head.kind() {
        Some(Kind::Card) => super::cards::of_bytes(path, &bytes).map(Box::new).map(Given::Card),
        Some(Kind::Run) => {
            let results = vec![(path.to_owned(), run(path, &bytes)?)];
            Ok(Given::Runs(Runs { name: shown(path), results }))
        }
        Some(Kind::Baseline) => {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let baseline = of_bytes(path, &bytes)?;
            Ok(Given::Baseline(Box::new(Kept { name, baseline })))
        }
        Some(Kind::Comparison) => Err(WANTED.wrong(
            path,
            "this is a comparison already: give the runs or the baseline that it names",
        )),
        None => Err(WANTED.wrong(
            path,
            "this is JSON, and no card of `loadgen probe`, no result of `loadgen run` and no \
             baseline: give one of these",
        )),
    }
}

/// A run's folder, a card's, or one of run folders.
fn folder(path: &Path) -> Result<Given, Failure> {
    for name in [CARD, RUN] {
        let inside = path.join(name);
        if inside.exists() {
            return file(&inside).map(|given| match given {
                Given::Runs(runs) => Given::Runs(Runs { name: shown(path), ..runs }),
                other => other,
            });
        }
    }
    let files = run_files(path)?;
    if files.is_empty() {
        return Err(WANTED.wrong(
            path,
            "there is neither run.json nor card.json in it, and no folder with a run.json: name \
             the folder of a run, of several, or of a card",
        ));
    }
    let results = files.into_iter().map(|file| {
        let bytes = WANTED.bytes(&file)?;
        run(&file, &bytes).map(|result| (file, result))
    });
    Ok(Given::Runs(Runs { name: shown(path), results: results.collect::<Result<_, _>>()? }))
}

/// The `run.json` of each folder in this one, by name; a link beside the folder that it leads to
/// counts once.
fn run_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listing = |error: std::io::Error| WANTED.wrong(path, &format!("cannot be listed: {error}"));
    let mut found = BTreeMap::new();
    for (index, entry) in std::fs::read_dir(path).map_err(listing)?.enumerate() {
        if index >= MOST {
            let why = format!("there is more than {MOST} in it: name a folder of runs");
            return Err(WANTED.wrong(path, &why));
        }
        let entry = entry.map_err(listing)?;
        let file = entry.path().join(RUN);
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if let (true, Ok(real)) = (file.exists(), file.canonicalize()) {
            let names: &mut Vec<_> = found.entry(real).or_default();
            names.push((is_link, file));
        }
    }
    let mut files: Vec<_> =
        found.into_values().filter_map(|names| names.into_iter().min()).map(|(_, f)| f).collect();
    files.sort();
    Ok(files)
}

/// A result that is fit to be computed with.
fn run(file: &Path, bytes: &[u8]) -> Result<RunResult, Failure> {
    let result = result::of_bytes(file, bytes)?;
    if result.knee.is_some() {
        let why = "this is a search (loadgen knee), whose runs differ by what was searched: give a \
                   `loadgen run`";
        return Err(WANTED.wrong(file, why));
    }
    let judged = plausible::judge("cells", &result.cells);
    judged
        .map_err(|absurd| WANTED.wrong(file, &format!("{absurd}; it is not as it was written")))?;
    Ok(result)
}

impl Runs {
    /// Whether it is a trial of two arms.
    pub fn has_arms(&self) -> bool {
        self.results.iter().any(|(_, result)| has_arms(result))
    }

    /// How its arms compare, where one run made both and has said so.
    pub fn recorded(&self) -> Option<&ComparisonResult> {
        match self.results.as_slice() {
            [(_, result)] => result.repeats.as_ref()?.comparison.as_ref(),
            _ => None,
        }
    }

    /// The runs of one arm, or all of them.
    ///
    /// # Errors
    /// Where there are arms and none is named, or none and one is; where its results are unlike one
    /// another, or two of them are the same.
    pub fn side(&self, arm: Option<Arm>, accept_unlike: bool) -> Result<Side, Failure> {
        let samples = self.results.iter().map(|(file, result)| {
            let sample = match (has_arms(result), arm) {
                (true, None) => None,
                (true, Some(arm)) => Sample::of(result, arm),
                (false, None | Some(Arm::Base)) => Sample::of(result, Arm::Base),
                (false, Some(Arm::Candidate)) => None,
            };
            let why = match has_arms(result) {
                true => "this has two sides (run --versus): choose one with --arm base or --arm candidate",
                false => "this has one side and no candidate: leave --arm away",
            };
            sample.map(|sample| (file.as_path(), sample)).ok_or_else(|| WANTED.wrong(file, why))
        });
        let sample = join(samples.collect::<Result<_, _>>()?, accept_unlike)?;
        let arm = arm.filter(|_| self.has_arms());
        let name = arm.map_or(self.name.clone(), |arm| format!("{} ({})", self.name, arm.name()));
        Ok(Side { name, sample })
    }
}

fn has_arms(result: &RunResult) -> bool {
    result.repeats.as_ref().is_some_and(|repeats| repeats.candidate.is_some())
}

/// The runs of all samples as those of the first; of several they are numbered anew.
fn join(samples: Vec<(&Path, Sample)>, accept_unlike: bool) -> Result<Sample, Failure> {
    let several = samples.len() > 1;
    distinct(&samples)?;
    let mut samples = samples.into_iter();
    let (first_file, mut all) = samples
        .next()
        .ok_or_else(|| Failure::Input("there is no run: name the folder of one".to_owned()))?;
    for (file, sample) in samples {
        let differences = unlike(&all, &sample, Relation::Apart);
        if !differences.is_empty() && !accept_unlike {
            let mut text = format!(
                "{}: its runs cannot be put together with those of {}:",
                shown(file),
                shown(first_file)
            );
            differences.iter().for_each(|one| text.push_str(&format!("\n  {}", clean(one))));
            text.push_str("\n  help: leave it out, or take it all the same: --accept-environment");
            return Err(Failure::Inconclusive(text));
        }
        all.runs.extend(sample.runs);
        all.lost.extend(sample.lost);
    }
    if several {
        number(&mut all);
    }
    Ok(all)
}

/// A run that is there twice would make everything look surer than it is.
fn distinct(samples: &[(&Path, Sample)]) -> Result<(), Failure> {
    let mut seen = BTreeMap::new();
    for (file, sample) in samples {
        for run in &sample.runs {
            let same = (&sample.environment.started_at, identity(run));
            if let Some(earlier) = seen.insert(same, file).filter(|earlier| *earlier != file) {
                return Err(Failure::Input(format!(
                    "{} and {} are the same run: leave one of them out",
                    shown(earlier),
                    shown(file)
                )));
            }
        }
    }
    Ok(())
}

/// What no other run has.
fn identity(run: &CellResult) -> impl Ord {
    let turn = run.turn.as_ref().map(|turn| (&turn.started_at, turn.place));
    let histograms: BTreeSet<_> = run.metrics.iter().map(|m| &m.histogram).collect();
    (&run.name, turn, histograms)
}

/// How many of these runs are on the other side, too.
pub fn on_both(base: &Sample, candidate: &Sample) -> usize {
    let known: BTreeSet<_> = base.runs.iter().map(identity).collect();
    candidate.runs.iter().filter(|run| known.contains(&identity(run))).count()
}

fn number(sample: &mut Sample) {
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for run in &mut sample.runs {
        let number = numbers.entry(run.name.clone()).or_default();
        *number += 1;
        run.trial = Some(Trial { arm: Arm::Base, run: *number });
    }
}

/// Kinds of documents.
enum Kind {
    Card,
    Run,
    Baseline,
    Comparison,
}

/// What tells them apart.
#[derive(Deserialize)]
struct Head {
    experiments: Option<IgnoredAny>,
    scenario: Option<IgnoredAny>,
    cells: Option<IgnoredAny>,
    key: Option<IgnoredAny>,
    sample: Option<IgnoredAny>,
    candidate: Option<IgnoredAny>,
    metrics: Option<IgnoredAny>,
}

impl Head {
    fn kind(&self) -> Option<Kind> {
        match self {
            Self { experiments: Some(_), .. } => Some(Kind::Card),
            Self { cells: Some(_), scenario: Some(_), .. } => Some(Kind::Run),
            Self { key: Some(_), sample: Some(_), .. } => Some(Kind::Baseline),
            Self { candidate: Some(_), metrics: Some(_), .. } => Some(Kind::Comparison),
            _ => None,
        }
    }
}

/// Whether these bytes are the JSON of a comparison.
pub fn is_comparison(bytes: &[u8]) -> bool {
    serde_json::from_slice(bytes)
        .is_ok_and(|head: Head| matches!(head.kind(), Some(Kind::Comparison)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn samples(count: usize) -> Vec<Sample> {
        let of = |index: usize| {
            let mut result = sample::sweep(&[5, 128]);
            result.environment.started_at = format!("2026-11-23T09:00:0{index}.000Z");
            Sample::of(&result, Arm::Base).expect("a run has a base")
        };
        (0..count).map(of).collect()
    }

    fn joined(samples: &[Sample], accept: bool) -> Result<Sample, Failure> {
        let files: Vec<_> = (0..samples.len()).map(|n| PathBuf::from(format!("r{n}"))).collect();
        let each = files.iter().map(PathBuf::as_path).zip(samples.iter().cloned());
        join(each.collect(), accept)
    }

    #[test]
    fn runs_of_several_folders_are_numbered_anew() {
        let all = joined(&samples(3), false).expect("alike");
        let told: Vec<_> = all
            .runs
            .iter()
            .map(|run| (run.name.as_str(), run.trial.expect("numbered").run))
            .collect();
        let pair = |n| [("backlog=5", n), ("backlog=128", n)];
        assert_eq!(told, [pair(1), pair(2), pair(3)].concat());
        plausible::judge("runs", &all.runs).expect("no run is there twice");
    }

    #[test]
    fn the_same_run_under_two_names_is_refused() {
        let mut both = samples(2);
        both[1] = both[0].clone();
        let why = joined(&both, false).expect_err("the same").to_string();
        assert!(why.contains("r0 and r1 are the same run"), "{why}");
    }

    #[test]
    fn unlike_runs_are_put_together_only_where_that_is_wanted() {
        let mut unlike = samples(3);
        unlike[2].environment.kernel = "Linux 6.1\u{1b}[2J".to_owned();
        let why = joined(&unlike, false).expect_err("unlike");
        assert!(matches!(why, Failure::Inconclusive(_)));
        let why = why.to_string();
        assert!(why.contains("r2") && why.contains("the kernel was") && !why.contains('\u{1b}'));
        assert_eq!(joined(&unlike, true).expect("wanted").runs.len(), 6);
    }
}
