//! From a cell's evidence to sentences that say what happened, why, and what would help. Pure.
//!
//! A finding is never without its evidence; none is better than a guessed one.

mod absence;
mod accept_queue;
mod advice;
mod case;
mod datagrams;
mod network;
mod ports;
mod queueing;
mod settings;
mod slow;
mod surprise;
mod syn_queue;

pub use queueing::{Occasion, prediction};

use case::Case;

use crate::measure::result::{CellResult, Finding};
use crate::scenario::plan::Cell;

/// What can be said of a cell that was run as `plan` wants; what concerns most attempts comes
/// first. A clean run has none.
pub fn findings(plan: &Cell, cell: &CellResult) -> Vec<Finding> {
    let loads = plan.loads.iter().zip(&cell.loads);
    let ports = loads.filter_map(|(load, result)| ports::exhausted(plan, load, cell, result));
    let mut found: Vec<Finding> = datagrams::findings(plan, cell)
        .into_iter()
        .chain(by_class(plan, cell))
        .chain(ports)
        .chain(ports::resting(plan, cell))
        .chain(settings::clamped(cell))
        .chain(settings::sampler(cell))
        .chain(surprise::surprise(cell))
        .collect();
    // What nothing shows is not said.
    found.retain(|finding| !finding.evidence.is_empty());
    // Those of equal impact stay in this order.
    found.sort_by(|one, other| other.impact.total_cmp(&one.impact));
    found
}

/// What the classes of a cell's attempts tell; older results and datagrams have none.
fn by_class(plan: &Cell, cell: &CellResult) -> Vec<Finding> {
    let Some(classes) = &cell.classes else { return Vec::new() };
    let case = Case { plan, cell, classes };
    accept_queue::findings(&case)
        .chain(syn_queue::findings(&case))
        .chain(absence::findings(&case))
        .chain(network::findings(&case))
        .chain(slow::findings(&case))
        .chain(settings::unexplained(&case))
        .collect()
}

#[cfg(test)]
mod tests;
