//! What is checked and made before the first cell of any run.

use std::path::Path;

use super::{Failure, PlaceArgs, check, interrupts, place};
use crate::report::files::Folder;
use crate::runner::{RunError, Where};
use crate::scenario;
use crate::scenario::plan::{Plan, Target};
use crate::sys::limits;
use crate::sys::permit::Policy;

/// Where results go without `--out`.
pub const RESULTS: &str = "reports";

/// Checks that the plan may be run and that there is enough for it; what its load may reach.
pub fn permit(plan: &Plan, args: &PlaceArgs) -> Result<Policy, Failure> {
    let policy = Policy::new(args.allow.clone());
    refuse_strangers(plan, &policy)?;
    raise_descriptors()?;
    limits::survive_file_size_limit();
    check::preflight(plan)?;
    Ok(policy)
}

/// The folder of a new run.
pub fn folder(plan: &Plan, started_at: &str, args: &PlaceArgs) -> Result<Folder, Failure> {
    // Before the lab, in which an ordinary user has an administrator's rights on their own files.
    let (base, out) = (Path::new(RESULTS), args.out.as_deref());
    Ok(Folder::create(base, &plan.name, started_at, out, args.force).map_err(RunError::from)?)
}

/// Enters the place where the cells run, and begins.
pub fn enter(plan: &Plan, folder: &Folder, args: &PlaceArgs) -> Result<Where, Failure> {
    let place = place::decide(plan, args.lab).inspect_err(|_| folder.discard())?;
    folder.begin().map_err(RunError::from)?;
    if let (Where::Host(reason), false) = (&place, args.quiet) {
        anstream::eprintln!("notice: running in the host's network: {reason}");
    }
    interrupts::listen()?;
    Ok(place)
}

/// Checks every external address before anything is made; the address itself is checked again,
/// resolved, where the clients take it from.
fn refuse_strangers(plan: &Plan, policy: &Policy) -> Result<(), Failure> {
    for cell in &plan.cells {
        let address = match &cell.target {
            Target::External { address, .. } => Some(address),
            Target::Own { address, .. } | Target::Receiver { address, .. } => address.as_ref(),
        };
        if let Some(address) = address {
            policy.resolve_and_permit(address).map_err(|e| Failure::Input(e.to_string()))?;
        }
    }
    Ok(())
}

/// Raises the limit of open descriptors as far as it goes.
pub fn raise_descriptors() -> Result<(), Failure> {
    let limit = limits::raise_descriptors().map_err(|error| {
        let error = crate::sys::errno::describe(&error);
        Failure::Environment(format!("cannot raise the limit of open descriptors: {error}"))
    })?;
    super::enough_descriptors(limit, scenario::RESERVED)
}
