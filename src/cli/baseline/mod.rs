//! `loadgen baseline`: runs that are kept, to compare later ones with.

mod shelf;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::compare::{ArmChoice, Given, Runs, read};
use super::document::shown;
use super::{Exit, Failure, print_out};
use crate::measure::baseline::{Baseline, Ground};
use crate::measure::result::{CellResult, LostRun, Status};
use crate::measure::sample::Sample;
use crate::observe::environment;
use crate::report::card::clean;
use crate::report::terminal::baseline as table;
use crate::verdict::reached;
pub use shelf::{Fitting, Kept, Shelf, is_name, of_bytes};

/// Where baselines are without `--baselines`.
pub const FOLDER: &str = "reports/baselines";
/// Widest line that is printed.
const COLUMNS: usize = 80;
/// With fewer runs a side, chance is hardly excluded among the two or three metrics that mostly count:
/// of 4 against 4 fully separated, p is 0.029.
const FEWEST: usize = 5;
/// Most runs that were left out which are told one by one.
const TOLD: usize = 5;

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct BaselineArgs {
    #[command(subcommand)]
    what: What,
    /// The folder of baselines
    #[arg(long, value_name = "DIR", default_value = FOLDER, global = true)]
    baselines: PathBuf,
}

const AFTER: &str = "\
`loadgen compare --baseline RUN` compares with the one that fits the run's
scenario and environment.
Exit status: 0 done; 2 bad input; 3 it cannot be written.";

#[derive(Debug, Subcommand)]
enum What {
    /// Keep the runs of a folder, to compare later ones with
    Save(SaveArgs),
    /// What a baseline fits, and its figures
    Show {
        /// Its name
        name: String,
    },
    /// All baselines, and whether they were made in an environment like this one
    List,
}

#[derive(Debug, Args)]
struct SaveArgs {
    /// The folder of a run (best of `run --repeat 10`), a folder of such folders, or a run.json
    run: PathBuf,
    /// What to call it [default: <scenario>-<digest of its environment>]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which side of a `run --versus`
    #[arg(long, value_enum, value_name = "ARM")]
    arm: Option<ArmChoice>,
    /// Replace a baseline of this name
    #[arg(long)]
    force: bool,
}

/// Does what is asked.
pub fn baseline(args: &BaselineArgs, command_line: Vec<String>) -> Result<Exit, Failure> {
    let shelf = Shelf::at(&args.baselines);
    match &args.what {
        What::Save(save) => keep(save, &shelf, &environment::read(command_line).started_at),
        What::Show { name } => show(name, &shelf),
        What::List => list(&shelf, &Ground::of(&environment::read(command_line))),
    }
}

fn keep(args: &SaveArgs, shelf: &Shelf, now: &str) -> Result<Exit, Failure> {
    let runs = match read(&args.run, shelf)? {
        Given::Runs(runs) => runs,
        Given::Baseline(_) => return Err(no_run(&args.run, "this is a baseline already")),
        Given::Card(_) => return Err(no_run(&args.run, "this is a card, and no run")),
    };
    whole(&runs)?;
    let side = runs.side(args.arm.map(Into::into), false)?;
    let (sample, left_out) = valid(side.sample);
    if sample.runs.is_empty() {
        let why = left_out.first().map_or_else(|| "there is no run in it".to_owned(), Clone::clone);
        let why = format!("no run of it is valid, so that it is no measure: {why}");
        return Err(no_run(&args.run, &why));
    }
    notice(&left_out, table::fewest(&sample));
    let kept = Baseline::new(sample, now.to_owned());
    let name = args.name.clone().unwrap_or_else(|| kept.key.name());
    let (place, size) = shelf.save(&name, &kept, args.force)?;
    print_out(&format!(
        "baseline: {} ({} runs, {} KiB)\n",
        shown(&place),
        kept.sample.runs.len(),
        size.div_ceil(1024)
    ))
}

/// Says what is not kept, and whether what is suffices.
fn notice(left_out: &[String], fewest: usize) {
    for one in left_out.iter().take(TOLD) {
        anstream::eprintln!("notice: left out: {}", clean(one));
    }
    if left_out.len() > TOLD {
        anstream::eprintln!("notice: left out as well: {} more", left_out.len() - TOLD);
    }
    if fewest < FEWEST {
        let runs = if fewest == 1 { "run" } else { "runs" };
        anstream::eprintln!(
            "notice: {fewest} {runs} of each combination, and a comparison needs {FEWEST} or more: \
             loadgen run SCENARIO --repeat 10"
        );
    }
}

fn no_run(path: &Path, why: &str) -> Failure {
    Failure::Input(format!(
        "{}: {}; save the folder of a `loadgen run` that is complete and valid",
        shown(path),
        clean(why)
    ))
}

/// A run that was cut short is no measure of its scenario.
fn whole(runs: &Runs) -> Result<(), Failure> {
    let partial = runs.results.iter().find_map(|(file, result)| match &result.status {
        Status::Complete => None,
        Status::Partial { reason } => Some((file, reason)),
    });
    match partial {
        None => Ok(()),
        Some((file, reason)) => Err(no_run(file, &format!("this run is partial ({reason})"))),
    }
}

/// The runs that are a measure, and why the others are none.
fn valid(mut sample: Sample) -> (Sample, Vec<String>) {
    let doubt = |run: &CellResult| match &run.status {
        Status::Partial { reason } => Some(format!("it is partial: {reason}")),
        Status::Complete if run.validity.reasons.is_empty() => {
            (!reached(run)).then(|| "nothing reached the target".to_owned())
        }
        Status::Complete => run.validity.reasons.first().cloned(),
    };
    let mut left_out = Vec::new();
    sample.runs.retain(|run| {
        let doubt = doubt(run);
        left_out.extend(doubt.as_ref().map(|why| format!("{}: {why}", run.title())));
        doubt.is_none()
    });
    left_out.extend(sample.lost.drain(..).map(LostRun::told));
    (sample, left_out)
}

fn show(name: &str, shelf: &Shelf) -> Result<Exit, Failure> {
    let kept = shelf.get(name)?;
    print_out(&table::one(&kept.name, &kept.baseline, COLUMNS, true))
}

/// Lists all; what cannot be read is an error once the others have been told.
fn list(shelf: &Shelf, here: &Ground) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    let mut unreadable = false;
    for (name, read) in shelf.all()? {
        match read {
            Ok(baseline) => all.push((name, baseline)),
            Err(error) => {
                anstream::eprintln!("error: {error}");
                unreadable = true;
            }
        }
    }
    if all.is_empty() && !unreadable {
        let folder = shelf.shown();
        return print_out(&format!(
            "no baseline in {folder}: make one with `loadgen baseline save RUN`\n"
        ));
    }
    print_out(&table::list(&all, here, COLUMNS, true))?;
    Ok(if unreadable { Exit::Input } else { Exit::Pass })
}
