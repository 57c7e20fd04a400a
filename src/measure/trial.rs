//! Repeated runs of a scenario, or of two in turn, in one folder.

use serde::{Deserialize, Serialize};

use super::comparison::ComparisonResult;
use crate::scenario::plan::{Cell, Plan};

/// Which run of which side a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trial {
    /// Whose.
    pub arm: Arm,
    /// Number among the runs of this side, from 1.
    pub run: u32,
}

/// An arm of a trial: a side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// What is compared with; the only side where nothing is compared.
    Base,
    /// What is judged.
    Candidate,
}

impl Trial {
    /// Name of the cell that is this run of a combination, such as `base,run=3` or
    /// `backlog=5,candidate,run=3`.
    pub fn name(self, combination: &Cell) -> String {
        format!("{},run={}", self.arm.name_of(combination), self.run)
    }
}

impl Arm {
    /// Both, the base first.
    pub const ALL: [Self; 2] = [Self::Base, Self::Candidate];

    /// A combination of this arm, whichever run it is: `base`, or `backlog=5,candidate`.
    pub fn name_of(self, combination: &Cell) -> String {
        match combination.axes.is_empty() {
            true => self.name().to_owned(),
            false => format!("{},{}", combination.name, self.name()),
        }
    }

    /// In files and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Candidate => "candidate",
        }
    }
}

/// That the cells of a result are repeated runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepeatsResult {
    /// The base's scenario, each combination once, under the name that it has without repetition.
    pub base: Plan,
    /// The candidate's; `None` where one scenario was repeated.
    pub candidate: Option<Plan>,
    /// Runs of each side that were wanted; the most, where looks decide.
    pub wanted: u32,
    /// Runs of each side that were made first and not kept.
    pub warm_ups: u32,
    /// Runs of which nothing could be measured.
    #[serde(default)]
    pub lost: Vec<LostRun>,
    /// How the sides compare; `None` where there is one, or not yet enough.
    pub comparison: Option<ComparisonResult>,
}

/// A run of one combination that left no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRun {
    /// Which.
    pub trial: Trial,
    /// Name that its cell would have.
    pub cell: String,
    /// Why, as a sentence.
    pub reason: String,
}

impl LostRun {
    /// Which and why.
    pub fn told(self) -> String {
        format!("{}: {}", self.cell, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn cells_are_named_after_combination_side_and_run() {
        let third = Trial { arm: Arm::Candidate, run: 3 };
        let mut cell = sample::backlog().scenario.cells.remove(0);
        assert_eq!(third.name(&cell), "backlog=5,candidate,run=3");
        cell.axes.clear();
        assert_eq!(third.name(&cell), "candidate,run=3");
        assert_eq!(Arm::Base.name_of(&cell), "base");
    }
}
