//! The runner: carries a plan out, cell by cell, and keeps the result on disk as it goes.

mod assemble;
mod capture;
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
mod resume;
mod series;
mod session;
mod side;
mod trials;
mod workers;

use std::sync::Arc;

use crate::engine::Stop;
use crate::lab::Privacy;
use crate::measure::result::Environment;
use crate::report::files::{Folder, FolderError};
use crate::scenario::plan::Plan;
use crate::sys::permit::Policy;

pub use crate::scenario::differences;
pub use collect::Seen;
pub use ground::{Moment, Watch, window_of};
pub use processes::work;
pub use resume::take_up;
pub use session::{Order, Outcome, Session, order};
pub use trials::{Compare, Comparing, Step, Trials};

/// What a run needs.
pub struct Setup {
    /// What to run.
    pub plan: Plan,
    /// Where the result goes.
    pub folder: Arc<Folder>,
    /// What load may reach.
    pub policy: Policy,
    /// Where cells run; two sides of a comparison share it.
    pub place: Arc<Where>,
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
