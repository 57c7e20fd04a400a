//! The runner: carries a plan out, cell by cell, and keeps the result on disk as it goes.

mod assemble;
mod cell;
mod clients_side;
mod collect;
mod datagrams;
mod engines;
mod external;
mod ground;
mod order;
mod path;
mod process;
mod processes;
mod series;
mod side;
mod workers;

use std::sync::Arc;

use crate::engine::Stop;
use crate::lab::Privacy;
use crate::measure::result::{Environment, RunResult, SCHEMA_VERSION, Status, Verdict};
use crate::report;
use crate::report::files::{Folder, FolderError};
use crate::scenario::plan::{Cell, Plan};
use crate::sys::permit::Policy;
use crate::verdict;

pub use ground::{Moment, Watch};
pub use processes::work;

/// What a run needs.
pub struct Setup {
    /// What to run.
    pub plan: Plan,
    /// Where the result goes.
    pub folder: Arc<Folder>,
    /// What load may reach.
    pub policy: Policy,
    /// Where cells run.
    pub place: Where,
    /// Where and how the run is made.
    pub environment: Environment,
    /// Set when the user wants the run to end.
    pub interrupted: &'static Stop,
}

/// Where the cells of a run are.
pub enum Where {
    /// Each in namespaces of its own.
    Lab(Privacy),
    /// In the host's network, for this reason.
    Host(String),
}

/// Why a run could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The user's input is at fault: exit status 2.
    #[error("{0}")]
    Input(String),
    /// The environment cannot do it: exit status 3.
    #[error("{0}")]
    Environment(String),
}

impl From<FolderError> for RunError {
    fn from(error: FolderError) -> Self {
        if error.is_bad_input() {
            Self::Input(error.to_string())
        } else {
            Self::Environment(error.to_string())
        }
    }
}

/// A run that has come to its end, whole or not.
pub struct Outcome {
    /// What was measured.
    pub result: RunResult,
    /// What kept it from being whole, other than the user's wish.
    pub error: Option<RunError>,
}

/// Runs every cell of the plan. `watch` is shown each moment of it.
///
/// # Errors
/// Only where not even a first, empty result could be written.
pub fn run(setup: &Setup, watch: Watch<'_>) -> Result<Outcome, RunError> {
    let mut result = RunResult {
        schema_version: SCHEMA_VERSION,
        loadgen_version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: setup.plan.clone(),
        environment: setup.environment.clone(),
        cells: Vec::new(),
        limits: Vec::new(),
        verdict: Verdict::Inconclusive { reasons: vec!["the run has not ended".to_owned()] },
        status: partial("it has not ended: it is still going on, or it was killed"),
        knee: None,
    };
    report::write_results(&setup.folder, &result)?;
    let mut error = None;
    for (index, cell) in setup.plan.cells.iter().enumerate() {
        if setup.interrupted.requested() {
            break;
        }
        if let Err(failed) = one_cell(setup, index, cell, &mut result, watch) {
            error = Some(failed);
            break;
        }
    }
    result.status = status(setup, &result, error.as_ref());
    result.verdict = verdict::verdict(&result);
    let written = report::write_results(&setup.folder, &result);
    let error = error.or(written.err().map(RunError::from));
    Ok(Outcome { result, error })
}

fn one_cell(
    setup: &Setup,
    index: usize,
    cell: &Cell,
    result: &mut RunResult,
    watch: Watch<'_>,
) -> Result<(), RunError> {
    let (mut measured, failed) = ground::run(setup, index, cell, watch)?;
    for limit in &setup.plan.limits {
        for judged in verdict::judge(limit, &measured) {
            measured.validity.reasons.extend(judged.distrust);
            result.limits.push(judged.result);
        }
    }
    result.cells.push(measured);
    report::write_results(&setup.folder, result)?;
    failed.map_or(Ok(()), Err)
}

fn status(setup: &Setup, result: &RunResult, error: Option<&RunError>) -> Status {
    let (done, all) = (result.cells.len(), setup.plan.cells.len());
    if setup.interrupted.requested() {
        return partial(&format!("interrupted; {done} of {all} cells were begun"));
    }
    if let Some(error) = error {
        return partial(&error.to_string());
    }
    let broken = result.cells.iter().find_map(|cell| match &cell.status {
        Status::Partial { reason } => Some(format!("{}: {reason}", cell.name)),
        Status::Complete => None,
    });
    broken.map_or(Status::Complete, |reason| Status::Partial { reason })
}

fn partial(reason: &str) -> Status {
    Status::Partial { reason: reason.to_owned() }
}
