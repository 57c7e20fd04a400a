//! Repeated runs of a scenario, or of two in turn, in one folder.

use serde::{Deserialize, Serialize};

use super::comparison::ComparisonResult;
use crate::scenario::plan::Plan;

/// Which run of which side a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

impl Arm {
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
    /// How the sides compare; `None` where there is one, or not yet enough.
    pub comparison: Option<ComparisonResult>,
}
