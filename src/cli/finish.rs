//! The end of any run: pictures, what is printed, the exit status.

use super::interrupts::INTERRUPTED;
use super::{Exit, Failure, print_out};
use crate::measure::result::{RunResult, Verdict};
use crate::report::files::Folder;
use crate::report::{self, terminal};
use crate::runner::Outcome;

/// Widest line that is printed.
const COLUMNS: usize = 80;

/// Draws, prints and says how the program ends.
pub fn finish(quiet: bool, folder: &Folder, outcome: Outcome) -> Result<Exit, Failure> {
    let Outcome { result, error } = outcome;
    let pictures = report::write_pictures(folder, &result);
    print(quiet, folder, &result)?;
    let failed = error.map(Failure::from);
    let failed = failed.or(pictures.err().map(|e| Failure::Environment(e.to_string())));
    if INTERRUPTED.requested() {
        // What could not be written is told all the same.
        if let Some(failure) = &failed {
            super::complain(failure);
        }
        return Ok(Exit::Interrupted);
    }
    failed.map_or(Ok(exit_of(&result.verdict)), Err)
}

/// Prints a result.
pub fn print(quiet: bool, folder: &Folder, result: &RunResult) -> Result<(), Failure> {
    let summary = terminal::summary(result, COLUMNS, true);
    if quiet {
        // A long verdict goes over several lines.
        let verdict = summary.rfind("verdict:").map_or("", |at| &summary[at..]);
        print_out(&format!("{}\n", verdict.trim_end()))?;
    } else {
        print_out(&summary)?;
        print_out(&format!("results: {}\n", folder.path().display()))?;
        print_out(&format!("report: {}\n", folder.path().join(report::PAGE).display()))?;
    }
    Ok(())
}

/// What a verdict makes of the program's end.
pub fn exit_of(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Fail => Exit::Fail,
        Verdict::Inconclusive { .. } | Verdict::Invalid { .. } => Exit::Inconclusive,
    }
}
