//! `loadgen run --repeat` and `--versus`: one scenario again and again, or two in turn.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgGroup, Args};

use super::interrupts::INTERRUPTED;
use super::progress::Progress;
use super::read::Written;
use super::{Exit, Failure, RunArgs, ScenarioArgs, finish, prepare};
use crate::measure::comparison::{self, Looks, Relation};
use crate::measure::result::Arm;
use crate::observe::environment;
use crate::report::json::MOST_CELLS;
use crate::runner::{Comparing, Setup, Step, Trials};
use crate::scenario::plan::{Axis, Cell, Plan};
use crate::scenario::{self, Change, ChangeKind, Diagnostics};
use crate::units::Ratio;
use crate::verdict::compare::{Judging, Wanted, compare};

/// Pairs of `--versus`, unless told.
const PAIRS: u32 = 6;
/// With fewer pairs chance is not excluded among the two or three metrics that mostly count.
const FEWEST: u32 = 5;
/// Most pairs of `--until-conclusive`, unless told.
const MOST_PAIRS: u32 = 24;
/// More values of a swept path are not listed where two sweeps differ.
const MOST_LISTED: usize = 5;

/// How often a scenario is run, and against which other one.
#[derive(Debug, Args)]
#[command(next_help_heading = "Repeated runs")]
#[command(group = ArgGroup::new("candidate").args(["versus", "versus_set"]).multiple(true))]
pub struct RepeatArgs {
    /// Run it N times, each time with arrivals of their own, into one folder
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000),
          conflicts_with_all = ["versus", "versus_set", "resume"])]
    repeat: Option<u32>,
    /// Run it in turn with this candidate, and judge whether that is worse
    #[arg(long, value_name = "SCENARIO", conflicts_with = "resume")]
    versus: Option<PathBuf>,
    /// Set a key for the candidate only, as --set does for both sides; without --versus, the
    /// candidate is the scenario itself
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "resume")]
    versus_set: Vec<String>,
    /// Runs of each side [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500),
          requires = "candidate", conflicts_with = "until_conclusive")]
    pairs: Option<u32>,
    /// Add pairs until the comparison is conclusive
    #[arg(long, requires = "candidate")]
    until_conclusive: bool,
    /// ... and at most so many [default: 24]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500),
          requires = "until_conclusive")]
    max_pairs: Option<u32>,
    /// What counts, such as "request.p99>15%,throughput"; behind > the least change that matters.
    /// Beside a latency, failures count always [default: main latency, failures, throughput]
    #[arg(long, value_name = "SPEC", requires = "candidate")]
    fail_on: Option<String>,
    /// Least change that matters, where --fail-on says none
    #[arg(long, value_name = "SHARE", default_value = "10%", requires = "candidate")]
    min_effect: Ratio,
}

impl RepeatArgs {
    /// Whether the scenario is to be run more than once.
    pub fn wanted(&self) -> bool {
        self.repeat.is_some() || self.has_candidate()
    }

    fn has_candidate(&self) -> bool {
        self.versus.is_some() || !self.versus_set.is_empty()
    }

    /// Runs of each side, at most.
    fn runs(&self) -> u32 {
        match (self.repeat, self.until_conclusive) {
            (Some(runs), _) => runs,
            (None, true) => self.max_pairs.unwrap_or(MOST_PAIRS),
            (None, false) => self.pairs.unwrap_or(PAIRS),
        }
    }

    /// What the sides are called: as the user wrote them.
    fn names(&self, scenario: &ScenarioArgs, base: &Plan) -> [String; 2] {
        let file = self.versus.as_ref().map(|path| path.display().to_string());
        let own = file.is_some().then(|| scenario.scenario.display().to_string());
        let candidate: Vec<_> = file.into_iter().chain(self.versus_set.iter().cloned()).collect();
        [own.unwrap_or_else(|| base.name.clone()), candidate.join(", ")]
    }
}

/// Runs a scenario repeatedly.
pub fn run(args: &RunArgs, command_line: Vec<String>) -> Result<Exit, Failure> {
    let (base, candidate) = sides(args)?;
    let runs = args.repeats.runs();
    refuse_too_many(&base, candidate.is_some(), runs)?;
    let comparing = match candidate.is_some() {
        true => Some(comparing(args, &base)?),
        false => None,
    };
    let both = together(&base, candidate.as_ref());
    let policy = prepare::permit(&both, &args.place)?;
    let environment = environment::read(command_line);
    let folder = prepare::folder(&base, &environment.started_at, &args.place)?;
    let place = Arc::new(prepare::enter(&both, &folder, &args.place)?);
    let folder = Arc::new(folder);
    // Cells are chosen on the way.
    let setup = |plan: &Plan| Setup {
        plan: Plan { cells: Vec::new(), ..plan.clone() },
        folder: Arc::clone(&folder),
        policy: policy.clone(),
        place: Arc::clone(&place),
        environment: environment.clone(),
        interrupted: &INTERRUPTED,
    };
    let (own, other) = (setup(&base), candidate.as_ref().map(setup));
    let mut progress =
        Progress::of_repeats(&planned(&base, candidate.as_ref(), runs), args.place.quiet);
    let wanted = (runs, args.order.into());
    let mut trials = Trials::begin(&own, other.as_ref().zip(comparing), (base, candidate), wanted)?;
    while let Some(step) = trials.next_step() {
        progress.stage(stage(step, &args.repeats), known(&trials));
        let failed = trials.run(step, &mut |moment| progress.show(moment));
        if let Some(why) = failed {
            let (what, side) = (stage(step, &args.repeats), step.arm.name());
            progress.say(&format!("warning: {what}: a run of the {side} failed: {why}"));
        }
    }
    progress.finish();
    finish::finish(args.place.quiet, &folder, trials.finish())
}

/// The plans of both sides, with the same combinations, and the same seed.
fn sides(args: &RunArgs) -> Result<(Plan, Option<Plan>), Failure> {
    let base = Written::read(&args.scenario)?.resolve(&[])?;
    let tell = |notices: &Diagnostics| {
        if !notices.is_empty() && !args.place.quiet {
            anstream::eprint!("{}", notices.render(true));
        }
    };
    tell(&base.notices);
    if !args.repeats.has_candidate() {
        return Ok((base.plan, None));
    }
    let RepeatArgs { versus, versus_set, .. } = &args.repeats;
    let ScenarioArgs { scenario, set, seed } = &args.scenario;
    let scenario = versus.as_ref().unwrap_or(scenario).clone();
    let written = Written::read(&ScenarioArgs { scenario, set: set.clone(), seed: *seed })?;
    let further = versus_set.iter().zip(1..).map(|(text, number)| Change {
        name: format!("--versus-set #{number}"),
        text: text.clone(),
        kind: ChangeKind::Set,
    });
    let candidate = written.resolve(&further.collect::<Vec<_>>())?;
    if candidate.notices != base.notices {
        tell(&candidate.notices);
    }
    let mut plan = candidate.plan;
    match_combinations(&base.plan, &mut plan)?;
    if plan.seed != base.plan.seed {
        let (own, other) = (base.plan.seed, plan.seed);
        if !args.place.quiet {
            anstream::eprintln!(
                "notice: both sides have the arrivals of seed {own}, and not of {other}"
            );
        }
        plan.seed = own;
    }
    Ok((base.plan, Some(plan)))
}

/// Puts the candidate's combinations into the base's order, under its names.
fn match_combinations(base: &Plan, candidate: &mut Plan) -> Result<(), Failure> {
    let sorted = |cell: &Cell| {
        let mut axes: Vec<_> =
            cell.axes.iter().map(|a| (a.path.clone(), a.value.clone())).collect();
        axes.sort();
        axes
    };
    let mut matched = Vec::new();
    for cell in &base.cells {
        let same = candidate.cells.iter().find(|other| sorted(other) == sorted(cell));
        let named = |other: &Cell| Cell {
            name: cell.name.clone(),
            axes: cell.axes.clone(),
            ..other.clone()
        };
        matched.extend(same.map(named));
    }
    if matched.len() != base.cells.len() || matched.len() != candidate.cells.len() {
        return Err(Failure::Input(format!(
            "the sweeps of both sides differ: the base has {}, the candidate {}\n  help: write the \
             same [sweep] in both; a key that the base sweeps can be set for both sides with --set",
            swept(&base.sweep),
            swept(&candidate.sweep),
        )));
    }
    candidate.cells = matched;
    candidate.sweep = base.sweep.clone();
    Ok(())
}

/// A sweep in words.
fn swept(axes: &[Axis]) -> String {
    let axis = |axis: &Axis| {
        let more = if axis.values.len() > MOST_LISTED { ", ..." } else { "" };
        let values = axis.values.iter().take(MOST_LISTED).cloned().collect::<Vec<_>>().join(", ");
        format!("{} = [{values}{more}]", axis.path)
    };
    match axes.iter().map(axis).collect::<Vec<_>>() {
        none if none.is_empty() => "none".to_owned(),
        axes => axes.join(" and "),
    }
}

/// More runs than a result holds are refused before the first.
fn refuse_too_many(base: &Plan, versus: bool, runs: u32) -> Result<(), Failure> {
    let (sides, combinations) = (if versus { 2 } else { 1 }, base.cells.len());
    let all = (runs as usize).saturating_mul(sides).saturating_mul(combinations);
    if all <= MOST_CELLS {
        return Ok(());
    }
    let of_sides = if versus { " of 2 sides" } else { "" };
    let most = MOST_CELLS / (sides * combinations);
    let remedy = match most {
        0 => "sweep over fewer values".to_owned(),
        most => format!("at most {most}, or sweep over fewer values"),
    };
    Err(Failure::Input(format!(
        "{runs} runs{of_sides} with {combinations} combinations each are {all} in all, and a result \
         holds {MOST_CELLS}\n  help: {remedy}"
    )))
}

fn comparing(args: &RunArgs, base: &Plan) -> Result<Comparing, Failure> {
    let repeats = &args.repeats;
    let named = repeats.fail_on.as_deref().map(|text| scenario::fail_on(text, &base.cells));
    let (wanted, notices) = named.transpose()?.unwrap_or_default();
    if !args.place.quiet {
        anstream::eprint!("{}", notices.render(true));
        if repeats.has_candidate() && repeats.runs() < FEWEST {
            let pairs = repeats.runs();
            anstream::eprintln!(
                "notice: {pairs} pairs are too few to tell: {FEWEST} are the least, and 6 do better"
            );
        }
    }
    let wanted =
        wanted.into_iter().map(|(subject, minimum_effect)| Wanted { subject, minimum_effect });
    let judging = Judging {
        wanted: wanted.collect(),
        fail_on: repeats.fail_on.clone(),
        minimum_effect: repeats.min_effect.get(),
        seed: base.seed,
        relation: Relation::Arms,
        ..Judging::default()
    };
    let looks = repeats.until_conclusive.then(|| Looks::plan(repeats.runs(), judging.alpha));
    Ok(Comparing { names: repeats.names(&args.scenario, base), looks, judging, compare })
}

/// All cells of both sides, under names that tell whose they are: what is checked before the first.
fn together(base: &Plan, candidate: Option<&Plan>) -> Plan {
    let sides = [(Arm::Base, Some(base)), (Arm::Candidate, candidate)];
    let of = |(arm, plan): (Arm, Option<&Plan>)| {
        let named = move |cell: &Cell| Cell { name: arm.name_of(cell), ..cell.clone() };
        plan.into_iter().flat_map(|plan| &plan.cells).map(named).collect::<Vec<_>>()
    };
    Plan { cells: sides.into_iter().flat_map(of).collect(), ..base.clone() }
}

/// Every cell that is run at most, warm-ups first.
fn planned<'p>(base: &'p Plan, candidate: Option<&'p Plan>, runs: u32) -> Vec<&'p Cell> {
    let round = base.cells.iter().chain(candidate.into_iter().flat_map(|plan| &plan.cells));
    (0..=runs).flat_map(|_| round.clone()).collect()
}

/// Where the runs are, for a progress line.
fn stage(step: Step, args: &RepeatArgs) -> String {
    let most = args.runs();
    let what = if args.has_candidate() { "pair" } else { "run" };
    match step.run {
        None => "warm-up".to_owned(),
        Some(run) if args.until_conclusive => format!("{what} {run} of up to {most}"),
        Some(run) => format!("{what} {run} of {most}"),
    }
}

/// What the last look said, for a progress line.
fn known(trials: &Trials) -> String {
    let Some((pairs, change)) = trials.looked() else { return String::new() };
    let word = match change {
        comparison::Change::Worse => "worse",
        comparison::Change::Better => "better",
        comparison::Change::Same => "same",
        comparison::Change::Inconclusive { .. } => "inconclusive",
        comparison::Change::Incomparable { .. } => "incomparable",
    };
    format!("after {pairs} pairs: {word}")
}
