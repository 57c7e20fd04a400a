//! From a cell's evidence to sentences that say what happened, why, and what would help. Pure.
//!
//! A finding is never without its evidence; none is better than a guessed one.

mod datagrams;
mod ports;
mod queueing;

pub use queueing::prediction;

use crate::measure::result::{CellResult, Finding};
use crate::scenario::plan::Cell;

/// What can be said of a cell that was run as `plan` wants.
pub fn findings(plan: &Cell, cell: &CellResult) -> Vec<Finding> {
    let loads = plan.loads.iter().zip(&cell.loads);
    let ports = loads.filter_map(|(load, result)| ports::exhausted(plan, load, cell, result));
    datagrams::findings(plan, cell).into_iter().chain(ports).collect()
}
