//! `loadgen run`: read, plan, run, judge, show.

use std::path::Path;
use std::sync::Arc;

use super::interrupts::INTERRUPTED;
use super::prepare::{self, RESULTS};
use super::progress::Progress;
use super::{Exit, Failure, RunArgs, finish, print_out, read, repeats, result};
use crate::measure::result::{RunResult, Status};
use crate::observe::environment;
use crate::report::files::Folder;
use crate::runner::{self, RunError, Session, Setup};
use crate::scenario::plan::Plan;

/// Runs a scenario.
pub fn run(args: &RunArgs, command_line: Vec<String>) -> Result<Exit, Failure> {
    if args.repeats.wanted() {
        return repeats::run(args, command_line);
    }
    let resolved = read::scenario(&args.scenario)?;
    let place = &args.place;
    if !resolved.notices.is_empty() && !place.quiet {
        anstream::eprint!("{}", resolved.notices.render(true));
    }
    let plan = resolved.plan;
    let policy = prepare::permit(&plan, place)?;
    let environment = environment::read(command_line);
    let (folder, earlier) = match &args.resume {
        None => (prepare::folder(&plan, &environment.started_at, place)?, None),
        Some(given) => {
            let (folder, earlier) = reopen(&plan, given.as_deref())?;
            if earlier.status == Status::Complete {
                return nothing_to_do(place.quiet, &folder, &earlier);
            }
            (folder, Some(take_up(&plan, earlier)?))
        }
    };
    let place = prepare::enter(&plan, &folder, place)?;
    if let Some(earlier) = &earlier {
        forget_unfinished(&folder, earlier)?;
    }
    let folder = Arc::new(folder);
    let setup = Setup {
        plan,
        folder: Arc::clone(&folder),
        policy,
        place: Arc::new(place),
        environment,
        interrupted: &INTERRUPTED,
    };
    let outcome = every_cell(args, &setup, earlier)?;
    finish::finish(args.place.quiet, &folder, outcome)
}

fn every_cell(
    args: &RunArgs,
    setup: &Setup,
    earlier: Option<RunResult>,
) -> Result<runner::Outcome, Failure> {
    let plan = &setup.plan;
    let done = earlier.as_ref().map_or(&[][..], |earlier| &earlier.cells);
    let order = runner::order(plan, args.order.into(), done);
    let cells: Vec<_> = order.iter().map(|index| &plan.cells[*index]).collect();
    let mut progress = Progress::of_cells(done.len(), &cells, args.place.quiet);
    let mut session = Session::begin(setup, earlier)?;
    for cell in cells {
        if !session.can_go_on() {
            break;
        }
        session.run(cell, &mut |moment| progress.show(moment));
    }
    progress.finish();
    Ok(session.finish())
}

/// The folder and the result of the run to resume, which must be one of this plan.
fn reopen(plan: &Plan, given: Option<&Path>) -> Result<(Folder, RunResult), Failure> {
    let folder = Folder::reopen(Path::new(RESULTS), &plan.name, given).map_err(RunError::from)?;
    let earlier = result::read(folder.path())?;
    let wrong = |why: &str| {
        let folder = folder.path().display();
        Failure::Input(format!("{folder}: this run cannot be resumed: {why}"))
    };
    if earlier.knee.is_some() {
        return Err(wrong("it is a search (loadgen knee), which has to be made anew"));
    }
    if earlier.repeats.is_some() {
        return Err(wrong("it is a series of repeated runs, which has to be made anew"));
    }
    let differences = runner::differences(plan, &earlier.scenario);
    if !differences.is_empty() {
        let mut why = "the scenario is another now:".to_owned();
        differences.iter().for_each(|one| why.push_str(&format!("\n  {one}")));
        why.push_str("\n  help: give the scenario, --set and --seed of then, or begin a new run");
        return Err(wrong(&why));
    }
    Ok((folder, earlier))
}

/// What is kept of an interrupted run; tells what is done again, and what has changed since.
fn take_up(plan: &Plan, earlier: RunResult) -> Result<RunResult, Failure> {
    let earlier = runner::take_up(earlier);
    let (done, all) = (earlier.cells.len(), plan.cells.len());
    anstream::eprintln!("resuming: {done} of {all} cells are done");
    Ok(earlier)
}

/// A cell that was cut short leaves logs of histograms, which its second run must not continue.
fn forget_unfinished(folder: &Folder, earlier: &RunResult) -> Result<(), Failure> {
    let is_done = |name: &str| earlier.cells.iter().any(|cell| cell.name == name);
    for cell in earlier.scenario.cells.iter().filter(|cell| !is_done(&cell.name)) {
        let loads = cell.loads.iter().map(|load| load.name.as_str());
        folder.forget(&cell.name, loads).map_err(RunError::from)?;
    }
    Ok(())
}

fn nothing_to_do(quiet: bool, folder: &Folder, result: &RunResult) -> Result<Exit, Failure> {
    let cells = result.cells.len();
    if !quiet {
        print_out(&format!("nothing to resume: the run is complete ({cells} cells)\n\n"))?;
    }
    finish::print(quiet, folder, result)?;
    Ok(finish::exit_of(&result.verdict))
}
