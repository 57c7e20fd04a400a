//! `loadgen knee`: search for the value of a key at which a limit breaks.

use std::sync::Arc;

use super::check::Warned;
use super::interrupts::INTERRUPTED;
use super::progress::Progress;
use super::read::Written;
use super::{Exit, Failure, KneeArgs, finish, prepare};
use crate::measure::result::{Direction, KneeResult, KneeStep, Status};
use crate::observe::environment;
use crate::runner::{Outcome, Session, Setup};
use crate::scenario::plan::{Axis, AxisValue, Cell, Limit, Plan};
use crate::scenario::{self, Change, ChangeKind, Diagnostics, Start, file_safe};
use crate::units::Quantity;
use crate::verdict::knee::{self, Absent, Ask, Search, Trial};

/// Searches for a knee.
pub fn knee(args: &KneeArgs, command_line: Vec<String>) -> Result<Exit, Failure> {
    let mut trials = Trials::read(args)?;
    let first = trials.plan(trials.first, 1, args.place.quiet)?;
    let policy = prepare::permit(&first.whole, &args.place)?;
    trials.warned = Warned::by(&first.whole);
    let environment = environment::read(command_line);
    let folder = prepare::folder(&first.whole, &environment.started_at, &args.place)?;
    let place = prepare::enter(&first.whole, &folder, &args.place)?;
    let folder = Arc::new(folder);
    let axis = Axis { path: args.over.clone(), values: Vec::new() };
    let setup = Setup {
        plan: Plan { sweep: vec![axis], cells: Vec::new(), limits: Vec::new(), ..first.whole },
        folder: Arc::clone(&folder),
        policy,
        place: Arc::new(place),
        environment,
        interrupted: &INTERRUPTED,
    };
    let mut search = Search::new(trials.ask(args));
    let mut progress = Progress::of_search(args.place.quiet);
    let outcome = trials.search(&setup, &mut search, &mut progress, first.limit)?;
    progress.finish();
    finish::finish(args.place.quiet, &folder, outcome)
}

/// Runs of one value after the other.
struct Trials {
    scenario: Written,
    over: String,
    until: Change,
    first: Quantity,
    least: Quantity,
    most: Quantity,
    /// What the user was warned of, which the other runs need not repeat.
    warned: Warned,
}

/// One value's plan.
struct Trialled {
    whole: Plan,
    cell: Cell,
    limit: Limit,
}

impl Trials {
    fn read(args: &KneeArgs) -> Result<Self, Diagnostics> {
        let scenario = Written::read(&args.scenario)?;
        let wanted = Start {
            over: &args.over,
            from: args.from.as_deref(),
            least: args.min.as_deref(),
            most: args.max.as_deref(),
        };
        let [first, least, most] =
            scenario::start(&scenario.text, &scenario.name, &scenario.changes, &wanted)?;
        let until = Change {
            name: "--until".to_owned(),
            text: args.until.clone(),
            kind: ChangeKind::OnlyLimit,
        };
        Ok(Self {
            scenario,
            over: args.over.clone(),
            until,
            first,
            least,
            most,
            warned: Warned::default(),
        })
    }

    fn ask(&self, args: &KneeArgs) -> Ask {
        Ask {
            from: self.first.value(),
            least: self.least.value(),
            most: self.most.value(),
            whole: self.first.is_whole(),
            within: args.within.get(),
            repeats: usize::from(args.repeats),
            most_runs: usize::from(args.most_runs),
            known: match (args.rising, args.falling) {
                (true, _) => Some(Direction::Rising),
                (_, true) => Some(Direction::Falling),
                _ => None,
            },
            // What a target or a link has more of is more easily enough.
            guess: match self.over.starts_with("load") {
                true => Direction::Rising,
                false => Direction::Falling,
            },
        }
    }

    /// The plan for a value, whose cell is named after it and after the number of its run.
    fn plan(&self, value: Quantity, run: usize, quiet: bool) -> Result<Trialled, Diagnostics> {
        let name = "--over".to_owned();
        let set = Change { name, text: format!("{}={value}", self.over), kind: ChangeKind::Set };
        let resolved = self.scenario.resolve(&[set, self.until.clone()])?;
        if !resolved.notices.is_empty() && !quiet {
            anstream::eprint!("{}", resolved.notices.render(true));
        }
        let mut whole = resolved.plan;
        let (Some(mut cell), Some(limit)) = (whole.cells.first().cloned(), whole.limits.pop())
        else {
            return Err(Diagnostics::unreadable("--until", "this is no limit", "see [limits]"));
        };
        let text = value.to_string();
        cell.name = format!("{}={},run={run}", file_safe(&self.over), file_safe(&text));
        cell.axes = vec![AxisValue { path: self.over.clone(), value: text }];
        whole.cells = vec![cell.clone()];
        Ok(Trialled { whole, cell, limit })
    }

    fn search(
        &mut self,
        setup: &Setup,
        search: &mut Search,
        progress: &mut Progress,
        limit: Limit,
    ) -> Result<Outcome, Failure> {
        let mut session = Session::begin(setup, None)?;
        let mut knee = self.nothing_yet(limit);
        let mut in_vain = None;
        while let Some(value) = search.next().filter(|_| session.can_go_on()) {
            let (value, run) = (self.first.with(value), 1 + runs(search, value));
            let trial = match self.plan(value, run, true).map_err(Failure::from) {
                Ok(trial) => self.warned.preflight(&trial.cell).map(|()| trial),
                Err(failure) => Err(failure),
            };
            let Trialled { cell, limit, .. } = match trial {
                Ok(trial) => trial,
                Err(failure) => {
                    search.forbid(value.value());
                    knee.notes.push(format!("{value} cannot be tried: {}", first_line(&failure)));
                    continue;
                }
            };
            // Each run of a value has draws of its own; the first runs of all values have the same.
            let seed = setup.plan.seed.wrapping_add(run as u64 - 1);
            let Some(trial) =
                session.try_out(&cell, seed, &limit, &mut |moment| progress.show(moment))
            else {
                break;
            };
            search.enter(value.value(), trial.holds);
            knee.steps.push(step(&cell, value, trial));
            self.conclude(&mut knee, search, &session, &limit);
            progress.know(known(&knee));
            session.note(knee.clone(), value_of);
            in_vain = lacking(&session, &limit).filter(|_| knee.steps.len() == 1);
            if let Some(lacking) = &in_vain {
                knee.notes.push(format!("the search was ended: {}", lacking.title));
                break;
            }
        }
        session.note(knee, value_of);
        let outcome = session.finish();
        in_vain.map_or(Ok(outcome), |lacking| Err(no_such(&lacking)))
    }

    fn nothing_yet(&self, limit: Limit) -> KneeResult {
        KneeResult {
            over: self.over.clone(),
            until: self.until.text.trim().to_owned(),
            limit: Some(limit),
            direction: None,
            steps: Vec::new(),
            holds: None,
            breaks: None,
            converged: false,
            confidence: "nothing was tried".to_owned(),
            notes: Vec::new(),
        }
    }

    /// Says what is known so far.
    fn conclude(&self, knee: &mut KneeResult, search: &Search, session: &Session, limit: &Limit) {
        knee.notes.retain(|note| !note.starts_with(knee::SURPLUS));
        knee::conclude(knee, search, |value| self.first.with(value).to_string());
        let rate = search.edges().map(|edges| edges.holds.value);
        let result = session.result();
        let ends = result.scenario.cells.last().zip(result.cells.last());
        let arrivals = self.first.is_rate()
            && self.over.starts_with("load")
            && knee.direction == Some(Direction::Rising);
        if let (Some(rate), Some((plan, cell)), true) = (rate, ends, arrivals) {
            let within = search.ask().within;
            knee.notes.extend(knee::hidden_surplus(limit, plan, cell, rate, within));
        }
    }
}

/// What a run that came to its end lacks of that which the limit judges.
fn lacking(session: &Session, limit: &Limit) -> Option<Absent> {
    let cell = session.result().cells.first().filter(|_| session.can_go_on())?;
    (cell.status == Status::Complete).then(|| knee::absent(limit, cell)).flatten()
}

/// What cannot be judged at any value is the user's to change, or, where nothing of the kind can
/// be read, the environment's.
fn no_such(Absent { name, title, there }: &Absent) -> Failure {
    let title = format!("--until: {title}, and a search needs it in every run");
    if there.is_empty() {
        return Failure::Environment(format!("{title}\n  help: choose another limit"));
    }
    let known: Vec<_> = there.iter().map(String::as_str).collect();
    let (help, _) = scenario::suggest(name, &known);
    Failure::Input(format!("{title}\n  help: {help}"))
}

/// How often a value was tried.
fn runs(search: &Search, value: f64) -> usize {
    let tried = search.tried().iter().find(|tried| tried.value == value);
    tried.map_or(0, |tried| tried.runs.len())
}

fn step(cell: &Cell, value: Quantity, trial: Trial) -> KneeStep {
    KneeStep {
        cell: cell.name.clone(),
        value: value.value(),
        text: value.to_string(),
        measured: trial.measured,
        figure: trial.figure,
        holds: trial.holds,
        doubt: trial.doubt,
    }
}

/// The value of a search's only axis.
fn value_of(axes: &[AxisValue]) -> f64 {
    let text = axes.first().map(|axis| axis.value.parse::<Quantity>());
    text.and_then(Result::ok).map_or(0.0, Quantity::value)
}

/// What is known of the edges, for a progress line.
fn known(knee: &KneeResult) -> String {
    if let (Some(holds), Some(breaks)) = (&knee.holds, &knee.breaks) {
        return format!("holds {holds}, breaks {breaks}");
    }
    let last = knee.steps.last();
    last.map_or_else(String::new, |step| match step.holds {
        Some(true) => format!("{} held", step.text),
        Some(false) => format!("{} broke", step.text),
        None => format!("{} could not tell", step.text),
    })
}

/// What is wrong, in one line.
fn first_line(failure: &Failure) -> String {
    let text = match failure {
        Failure::Scenario(problems) => {
            problems.items().first().map(|item| item.title.clone()).unwrap_or_default()
        }
        Failure::Input(text) | Failure::Environment(text) | Failure::Inconclusive(text) => {
            text.clone()
        }
    };
    text.lines().next().unwrap_or_default().to_owned()
}
