//! `loadgen compare`: a candidate's runs against a base's, or backlog cards beside each other.

mod cards;
mod output;
mod runs;
mod sides;

use std::path::PathBuf;

use clap::Args;

use super::baseline::{self, Shelf};
use super::{Exit, Failure};
use output::{Format, Output};
pub use runs::ArmChoice;
use runs::RunsArgs;
pub use sides::{Given, Runs, read};

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct CompareArgs {
    /// BASE and CANDIDATE: each the folder of a run, a folder of such folders (one side's runs), a
    /// run.json, or a baseline by name or file; one run of `run --versus` has both. Or cards, as
    /// `loadgen probe` wrote them
    #[arg(value_name = "RUN|CARD", required = true)]
    given: Vec<PathBuf>,
    /// How it is written [default: text, or as the name of --out ends]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write the comparison to this file instead of printing it: .md, .html or .png; of runs also
    /// .json, and .xml for JUnit. An earlier one is replaced
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of cards: list equal values, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    runs: RunsArgs,
}

const AFTER: &str = "\
The run is the unit: one value a run. Worse: chance is excluded, the estimated effect
is past the least one that matters, and its whole interval past half of that.
Same: the interval lies within. Five runs a side are the least that can tell of
two metrics or more; six or more do better.

Exit status of runs: 0 same or better, or no baseline fits; 1 worse; 2 bad
input; 3 it cannot be written; 4 inconclusive or incomparable, or with
--require-baseline no baseline fits. Of cards: 0 whatever came of it, 2, 3.";

/// Compares what was given, which must be of one kind.
pub fn compare(args: &CompareArgs) -> Result<Exit, Failure> {
    let shelf = Shelf::at(args.runs.baselines.as_deref().unwrap_or(baseline::FOLDER.as_ref()));
    let given = args.given.iter().map(|path| read(path, &shelf)).collect::<Result<Vec<_>, _>>()?;
    let are_cards = given.iter().filter(|one| matches!(one, Given::Card(_))).count();
    let output = |able| Output::wanted(args.format, args.out.as_deref(), able);
    match are_cards {
        0 if args.all => Err(Failure::Input("--all is for cards: leave it away".to_owned())),
        0 => runs::compare(&args.runs, given, &output(runs::SHAPES)?, &shelf),
        all if all < given.len() => Err(mixed()),
        _ => {
            if let Some(option) = args.runs.used() {
                return Err(Failure::Input(format!("{option} is for runs: leave it away")));
            }
            let cards = given.into_iter().filter_map(|one| match one {
                Given::Card(card) => Some(*card),
                Given::Runs(_) | Given::Baseline(_) => None,
            });
            cards::compare(&cards.collect::<Vec<_>>(), &output(cards::SHAPES)?, args.all)
        }
    }
}

fn mixed() -> Failure {
    Failure::Input(
        "cards and runs are given, and they cannot be compared with each other: give cards, or \
         runs and baselines"
            .to_owned(),
    )
}
