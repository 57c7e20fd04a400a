//! `loadgen run`: read, plan, run, judge, show.

use std::path::Path;
use std::sync::Arc;

use super::progress::Progress;
use super::{Exit, Failure, RunArgs, check, place, print_out, read};
use crate::engine::Stop;
use crate::measure::result::{RunResult, Verdict};
use crate::observe::environment;
use crate::report::files::Folder;
use crate::report::{self, terminal};
use crate::runner::{self, RunError, Setup, Where};
use crate::scenario;
use crate::scenario::plan::{Plan, Target};
use crate::sys::permit::Policy;
use crate::sys::{errno, limits};

/// Where results go without `--out`.
const RESULTS: &str = "reports";
/// Widest line that is printed.
const COLUMNS: usize = 80;

/// Set by Ctrl-C, SIGTERM and SIGHUP.
static INTERRUPTED: Stop = Stop::new();

/// Runs a scenario.
pub fn run(args: &RunArgs, command_line: Vec<String>) -> Result<Exit, Failure> {
    let resolved = read::scenario(&args.scenario)?;
    if !resolved.notices.is_empty() && !args.quiet {
        anstream::eprint!("{}", resolved.notices.render(true));
    }
    let plan = resolved.plan;
    let policy = Policy::new(args.allow.clone());
    refuse_strangers(&plan, &policy)?;
    raise_descriptors()?;
    limits::survive_file_size_limit();
    check::preflight(&plan)?;
    let environment = environment::read(command_line);
    let started_at = &environment.started_at;
    // Before the lab, in which an ordinary user has an administrator's rights on their own files.
    let folder =
        Folder::create(Path::new(RESULTS), &plan.name, started_at, args.out.as_deref(), args.force)
            .map_err(RunError::from)?;
    let place = place::decide(&plan, args.lab).inspect_err(|_| folder.discard())?;
    folder.begin().map_err(RunError::from)?;
    if let (Where::Host(reason), false) = (&place, args.quiet) {
        anstream::eprintln!("notice: running in the host's network: {reason}");
    }
    listen_for_interrupts()?;
    let folder = Arc::new(folder);
    let mut progress = Progress::new(plan.cells.len(), args.quiet);
    let setup = Setup {
        plan,
        folder: Arc::clone(&folder),
        policy,
        place,
        environment,
        interrupted: &INTERRUPTED,
    };
    let outcome = runner::run(&setup, &mut |moment| progress.show(moment))?;
    progress.finish();
    finish(args, &folder, &outcome.result, outcome.error)
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

fn raise_descriptors() -> Result<(), Failure> {
    let limit = limits::raise_descriptors().map_err(|error| {
        let error = crate::sys::errno::describe(&error);
        Failure::Environment(format!("cannot raise the limit of open descriptors: {error}"))
    })?;
    super::enough_descriptors(limit, scenario::RESERVED)
}

/// Notes Ctrl-C, SIGTERM and SIGHUP in a thread of its own; the second one ends the program at once.
fn listen_for_interrupts() -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Environment(format!(
            "cannot watch for Ctrl-C: {}; raise the limit of open descriptors (ulimit -n)",
            errno::describe(&error)
        ))
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    std::thread::Builder::new()
        .name("interrupts".to_owned())
        .spawn(move || runtime.block_on(note_interrupts()))
        .map(drop)
        .map_err(failed)
}

async fn note_interrupts() -> std::io::Result<std::convert::Infallible> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        if INTERRUPTED.requested() {
            std::process::exit(Exit::Interrupted as i32);
        }
        INTERRUPTED.request();
    }
}

fn finish(
    args: &RunArgs,
    folder: &Folder,
    result: &RunResult,
    error: Option<RunError>,
) -> Result<Exit, Failure> {
    let pictures = report::write_pictures(folder, result);
    let summary = terminal::summary(result, COLUMNS, true);
    if args.quiet {
        // A long verdict goes over several lines.
        let verdict = summary.rfind("verdict:").map_or("", |at| &summary[at..]);
        print_out(&format!("{}\n", verdict.trim_end()))?;
    } else {
        print_out(&summary)?;
        print_out(&format!("results: {}\n", folder.path().display()))?;
        print_out(&format!("report: {}\n", folder.path().join(report::PAGE).display()))?;
    }
    let failed = error.map(Failure::from);
    let failed = failed.or(pictures.err().map(|e| Failure::Environment(e.to_string())));
    if INTERRUPTED.requested() {
        // What could not be written is told all the same.
        if let Some(failure) = &failed {
            super::complain(failure);
        }
        return Ok(Exit::Interrupted);
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    Ok(match result.verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Fail => Exit::Fail,
        Verdict::Inconclusive { .. } | Verdict::Invalid { .. } => Exit::Inconclusive,
    })
}
