//! Repeated runs: how the sides compare, then what all runs of each measured together.

use super::{Sheet, Tone, compare};
use crate::measure::comparison::{Change, ComparisonResult};
use crate::measure::result::{CellResult, RepeatsResult, RunResult};
use crate::report::comparison;
use crate::report::sides::sides;

/// Of a comparison's verdict.
fn tone(found: &ComparisonResult) -> Tone {
    match found.verdict {
        Change::Worse => Tone::Bad,
        Change::Better | Change::Same => Tone::Good,
        Change::Inconclusive { .. } | Change::Incomparable { .. } => Tone::Doubtful,
    }
}

/// Writes the comparison, where there is one, and the totals.
pub fn table(sheet: &mut Sheet, result: &RunResult, repeats: &RepeatsResult) {
    if let Some(found) = &repeats.comparison {
        let tone = tone(found);
        for (line, index) in comparison::text(found, sheet.width).lines().zip(0..) {
            sheet.line(if index == 0 { tone } else { Tone::Plain }, line);
        }
        sheet.blank();
    }
    let wholes: Vec<CellResult> = sides(result).into_iter().map(|side| side.whole).collect();
    let (datagrams, connections): (Vec<_>, Vec<_>) =
        wholes.into_iter().partition(|whole| whole.datagrams.is_some());
    if !connections.is_empty() {
        sheet.say(Tone::Heading, "", "all runs of a side together");
        compare::table(sheet, &connections);
    }
    if !datagrams.is_empty() {
        compare::table(sheet, &result.cells);
    }
    let invalid = result.cells.iter().filter(|cell| !cell.validity.is_valid());
    for cell in invalid {
        let why = cell.validity.reasons.join("; ");
        sheet.say(Tone::Doubtful, "  ", &format!("{} does not count: {why}", cell.title()));
    }
}
