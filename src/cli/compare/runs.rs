//! A candidate's runs against a base's: what is compared, how it is told, and how that ends.

use std::env;
use std::path::PathBuf;

use clap::Args;

use super::output::{Output, Shape};
use super::sides::{Given, Runs, Side, on_both};
use crate::cli::baseline::{Fitting, Kept, Shelf};
use crate::cli::{Exit, Failure};
use crate::measure::comparison::{Change, ComparisonResult, Looks, Relation};
use crate::measure::result::Arm;
use crate::report::card::clean;
use crate::report::text::wrap;
use crate::scenario;
use crate::units::Ratio;
use crate::verdict::compare::{self, Judging, Wanted};

/// Most differences of a baseline that nearly fits which are told.
const TOLD: usize = 3;
/// Widest line that is printed.
const COLUMNS: usize = 80;
/// More pairs nobody plans.
const MOST_PAIRS: u32 = 500;
/// Longest name of a commit that is kept; a SHA-256 takes 64.
const LONGEST_COMMIT: usize = 100;

/// How runs are compared.
#[derive(Debug, Args)]
#[command(next_help_heading = "Of runs")]
pub struct RunsArgs {
    /// What counts, each with its least effect that matters, such as
    /// "request.p99>15%,outcomes.timeout>1%,throughput". Beside a latency, failures count always
    /// [default: the main metrics]
    #[arg(long, value_name = "SPEC")]
    pub fail_on: Option<String>,
    /// The least effect that matters, where SPEC names none [default: 10%]
    #[arg(long, value_name = "SHARE")]
    pub min_effect: Option<Ratio>,
    /// Compare runs of unlike scenarios or environments all the same
    #[arg(long)]
    pub accept_environment: bool,
    /// Which side of a `run --versus` is meant
    #[arg(long, value_enum, value_name = "ARM")]
    pub arm: Option<ArmChoice>,
    /// Compare with the baseline that fits the candidate's scenario and environment
    #[arg(long)]
    pub baseline: bool,
    /// Where no baseline fits, end with exit status 4 instead of 0
    #[arg(long, requires = "baseline")]
    pub require_baseline: bool,
    /// The folder of baselines [default: reports/baselines]
    #[arg(long, value_name = "DIR")]
    pub baselines: Option<PathBuf>,
    /// Add a row to this CSV file, for tools that look for points of change
    #[arg(long, value_name = "FILE.csv")]
    pub history: Option<PathBuf>,
    /// What the candidate was built from, for that row [default: $GITHUB_SHA or $CI_COMMIT_SHA]
    #[arg(long, value_name = "COMMIT", requires = "history")]
    pub commit: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ArmChoice {
    Base,
    Candidate,
}

impl From<ArmChoice> for Arm {
    fn from(choice: ArmChoice) -> Self {
        match choice {
            ArmChoice::Base => Self::Base,
            ArmChoice::Candidate => Self::Candidate,
        }
    }
}

impl RunsArgs {
    /// What the candidate was built from, if anybody says.
    fn commit(&self) -> Option<String> {
        let of_job = || ["GITHUB_SHA", "CI_COMMIT_SHA"].iter().find_map(|name| env::var(name).ok());
        let known = self.commit.clone().or_else(of_job)?;
        (!known.is_empty()).then(|| known.chars().take(LONGEST_COMMIT).collect())
    }

    /// The first option that means nothing where cards are compared.
    pub fn used(&self) -> Option<&'static str> {
        let options = [
            (self.fail_on.is_some(), "--fail-on"),
            (self.min_effect.is_some(), "--min-effect"),
            (self.accept_environment, "--accept-environment"),
            (self.arm.is_some(), "--arm"),
            (self.baseline, "--baseline"),
            (self.history.is_some(), "--history"),
        ];
        options.into_iter().find_map(|(used, name)| used.then_some(name))
    }
}

/// Two sides, and what they are to each other.
struct Pair {
    base: Side,
    candidate: Side,
    relation: Relation,
    /// What the run that made both said of them.
    recorded: Option<ComparisonResult>,
}

impl Pair {
    /// Runs that were made apart.
    fn apart(base: Side, candidate: Side) -> Self {
        Self { base, candidate, relation: Relation::Apart, recorded: None }
    }
}

/// Compares what was given.
pub fn compare(
    args: &RunsArgs,
    given: Vec<Given>,
    output: &Output,
    shelf: &Shelf,
) -> Result<Exit, Failure> {
    output.spare_others()?;
    let pair = if args.baseline {
        let candidate = candidate(args, given)?;
        match shelf.fitting(&candidate.sample, args.accept_environment)? {
            Fitting::One(kept) => Pair::apart(of_baseline(*kept), candidate),
            Fitting::None { near } => return no_baseline(args, &candidate, &near, shelf),
        }
    } else {
        sides(args, given)?
    };
    let both = on_both(&pair.base.sample, &pair.candidate.sample);
    if both > 0 {
        anstream::eprintln!(
            "notice: {both} of the candidate's runs are the base's: they are the same"
        );
    }
    let found = judge(args, &pair)?;
    output.write(&found)?;
    if let Some(file) = &args.history {
        super::output::append(file, &found, args.commit().as_deref())?;
    }
    Ok(exit_of(&found.verdict))
}

/// The only side, where the other is a baseline.
fn candidate(args: &RunsArgs, given: Vec<Given>) -> Result<Side, Failure> {
    match <[Given; 1]>::try_from(given) {
        Ok([Given::Runs(runs)]) => side(args, &runs),
        Ok(_) => Err(Failure::Input(
            "--baseline finds the base: give the candidate's run, and no baseline".to_owned(),
        )),
        Err(given) => Err(Failure::Input(format!(
            "--baseline finds the base: give the candidate alone, and not {} sides",
            given.len()
        ))),
    }
}

/// Base and candidate: two arguments, or the arms of one.
fn sides(args: &RunsArgs, given: Vec<Given>) -> Result<Pair, Failure> {
    let count = given.len();
    let mut given = given.into_iter();
    match (given.next(), given.next(), given.next()) {
        (Some(Given::Runs(runs)), None, _) if runs.has_arms() => {
            if args.arm.is_some() {
                let text = "both sides are in this run, and --arm chooses one: leave it away";
                return Err(Failure::Input(text.to_owned()));
            }
            let side = |arm| runs.side(Some(arm), args.accept_environment);
            Ok(Pair {
                base: side(Arm::Base)?,
                candidate: side(Arm::Candidate)?,
                relation: Relation::Arms,
                recorded: runs.recorded().cloned(),
            })
        }
        (Some(_), None, _) => Err(Failure::Input(
            "this is one side: give BASE and CANDIDATE, or --baseline and the candidate".to_owned(),
        )),
        (Some(base), Some(candidate), None) => {
            Ok(Pair::apart(one_side(args, base)?, one_side(args, candidate)?))
        }
        _ => Err(Failure::Input(format!(
            "{count} are given, and runs are compared two by two: put the folders of one side's \
             runs into one folder, and give BASE and CANDIDATE"
        ))),
    }
}

fn one_side(args: &RunsArgs, given: Given) -> Result<Side, Failure> {
    match given {
        Given::Runs(runs) => side(args, &runs),
        Given::Baseline(kept) => Ok(of_baseline(*kept)),
        Given::Card(_) => Err(super::mixed()),
    }
}

fn side(args: &RunsArgs, runs: &Runs) -> Result<Side, Failure> {
    // A trial is told to choose an arm; what has none is itself.
    let arm = args.arm.map(Arm::from).filter(|_| runs.has_arms());
    runs.side(arm, args.accept_environment)
}

fn of_baseline(kept: Kept) -> Side {
    Side { name: kept.name, sample: kept.baseline.sample }
}

/// The judgement: what the run that made both sides has judged, unless something else is wanted.
fn judge(args: &RunsArgs, pair: &Pair) -> Result<ComparisonResult, Failure> {
    let recorded = pair.recorded.as_ref();
    let default = Judging::default();
    let fail_on = args.fail_on.clone().or_else(|| recorded?.fail_on.clone());
    let usual = recorded.map(|recorded| recorded.minimum_effect);
    let usual = usual.filter(|effect| *effect > 0.0 && *effect <= 1.0);
    let how = Judging {
        looks: recorded.and_then(|recorded| looks(recorded, default.alpha)),
        wanted: wanted(fail_on.as_deref(), pair)?,
        fail_on,
        minimum_effect: args.min_effect.map(Ratio::get).or(usual).unwrap_or(default.minimum_effect),
        accept_unlike: args.accept_environment
            || recorded.is_some_and(|recorded| recorded.accepted),
        relation: pair.relation,
        seed: pair.base.sample.scenario.seed,
        ..default
    };
    let Pair { base, candidate, .. } = pair;
    let names = match recorded {
        Some(recorded) => (&recorded.base.name, &recorded.candidate.name),
        None => (&base.name, &candidate.name),
    };
    Ok(compare::compare((names.0, &base.sample), (names.1, &candidate.sample), &how))
}

/// Which look a run's last one was. Runs that were looked at in between have spent some of alpha,
/// however often they are judged again.
fn looks(recorded: &ComparisonResult, alpha: f64) -> Option<Looks> {
    let looks = recorded.looks.as_ref()?;
    let most = looks.after.last().copied().unwrap_or_default().clamp(1, MOST_PAIRS);
    let plan = Looks::plan(most, alpha);
    Some(Looks { at: looks.at.clamp(1, plan.after.len() as u32), ..plan })
}

/// What counts, by the user's words; they may name the loads of either side.
fn wanted(spec: Option<&str>, pair: &Pair) -> Result<Vec<Wanted>, Failure> {
    let Some(spec) = spec else { return Ok(Vec::new()) };
    let cells = [&pair.base, &pair.candidate].map(|side| side.sample.scenario.cells.as_slice());
    let (subjects, notices) = scenario::fail_on(spec, &cells.concat())?;
    anstream::eprint!("{}", notices.render(true));
    Ok(subjects.into_iter().map(Wanted::from).collect())
}

/// Says that there is nothing to compare with, what nearly is, and how to make it.
fn no_baseline(
    args: &RunsArgs,
    candidate: &Side,
    near: &[(String, Vec<String>)],
    shelf: &Shelf,
) -> Result<Exit, Failure> {
    let mut text = format!(
        "no baseline in {} fits scenario {} in this environment",
        shelf.shown(),
        clean(&candidate.sample.scenario.name)
    );
    for (name, differences) in near {
        let told = differences.iter().take(TOLD).map(|one| clean(one));
        let more = differences.len().saturating_sub(TOLD);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let told = told.collect::<Vec<_>>().join("; ");
        for line in wrap("  ", &format!("{name}: {told}{more}"), COLUMNS) {
            text.push_str(&format!("\n{line}"));
        }
    }
    text.push_str("\n  help: make one: loadgen run SCENARIO --repeat 10 --out DIR, and");
    text.push_str("\n  loadgen baseline save DIR");
    if args.require_baseline {
        return Err(Failure::Inconclusive(text));
    }
    anstream::eprintln!("notice: {text}");
    Ok(Exit::Pass)
}

/// How the program ends.
fn exit_of(verdict: &Change) -> Exit {
    match verdict {
        Change::Same | Change::Better => Exit::Pass,
        Change::Worse => Exit::Fail,
        Change::Inconclusive { .. } | Change::Incomparable { .. } => Exit::Inconclusive,
    }
}

/// What runs can become.
pub const SHAPES: &[Shape] = &[
    Shape::Text,
    Shape::Markdown,
    Shape::Json,
    Shape::Junit,
    Shape::Github,
    Shape::Page,
    Shape::Picture,
];
