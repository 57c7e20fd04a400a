//! A run under way: cells one by one, the result on disk after each.

use std::collections::HashMap;

use jiff::Timestamp;

use super::ground::{self, Task, Watch};
use super::{RunError, Setup};
use crate::load::shuffled;
use crate::measure::result::{
    CellResult, KneeResult, LimitResult, LostRun, RepeatsResult, Resumed, RunResult,
    SCHEMA_VERSION, Status, Trial, Turn, Verdict,
};
use crate::report;
use crate::scenario::plan::{AxisValue, Cell, Limit, Plan};
use crate::verdict;

/// A run that has come to its end, whole or not.
pub struct Outcome {
    /// What was measured.
    pub result: RunResult,
    /// What kept it from being whole, other than the user's wish.
    pub error: Option<RunError>,
}

/// In which order cells run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the seed decides: a drift of the machine is then not mistaken for an effect.
    Random,
    /// As the scenario lists them.
    Written,
}

/// Numbers of the plan's cells in the order in which they are to run, without those in `done`.
/// A run that is taken up again goes on in the order in which it began.
pub fn order(plan: &Plan, order: Order, done: &[CellResult]) -> Vec<usize> {
    let all = match order {
        Order::Random => shuffled(plan.cells.len(), plan.seed),
        Order::Written => (0..plan.cells.len()).collect(),
    };
    let is_done = |index: &usize| done.iter().any(|cell| cell.name == plan.cells[*index].name);
    all.into_iter().filter(|index| !is_done(index)).collect()
}

/// Why a run of an arm did not come to its end.
pub(super) enum Broken {
    /// It was cut short, such as by the target's end, and left a partial result.
    Short(String),
    /// It left nothing.
    Lost(String),
}

impl Broken {
    /// Why, as a sentence.
    pub(super) fn why(&self) -> &str {
        let (Self::Short(why) | Self::Lost(why)) = self;
        why
    }
}

/// A run under way.
pub struct Session<'s> {
    setup: &'s Setup,
    result: RunResult,
    error: Option<RunError>,
    /// Cells that were begun, those of warm-ups and those that left nothing included.
    begun: usize,
    /// Why there is no use in going on, though nothing has broken.
    given_up: Option<String>,
}

impl<'s> Session<'s> {
    /// Begins a run, or goes on with an `earlier` one that is of the same plan, and writes down
    /// that it has.
    ///
    /// # Errors
    /// Where not even this could be written.
    pub fn begin(setup: &'s Setup, earlier: Option<RunResult>) -> Result<Self, RunError> {
        let result = match earlier {
            None => empty(setup),
            Some(mut earlier) => {
                let now = setup.environment.clone();
                let part = Resumed::new(now, &earlier.environment, &earlier.loadgen_version);
                earlier.resumed.push(part);
                earlier
            }
        };
        Self::open(setup, result)
    }

    /// Begins repeated runs, whose cells come with [`Session::try_arm`].
    ///
    /// # Errors
    /// Where not even this could be written.
    pub(super) fn begin_repeats(
        setup: &'s Setup,
        repeats: RepeatsResult,
    ) -> Result<Self, RunError> {
        Self::open(setup, RunResult { repeats: Some(repeats), ..empty(setup) })
    }

    fn open(setup: &'s Setup, mut result: RunResult) -> Result<Self, RunError> {
        result.verdict = Verdict::Inconclusive { reasons: vec!["the run has not ended".into()] };
        result.status = partial("it has not ended: it is still going on, or it was killed");
        report::write_results(&setup.folder, &result)?;
        let begun = result.cells.len();
        Ok(Self { setup, result, error: None, begun, given_up: None })
    }

    /// What was measured so far.
    pub fn result(&self) -> &RunResult {
        &self.result
    }

    /// Whether another cell can be run: neither did the user wish the run to end, nor has
    /// something broken.
    pub fn can_go_on(&self) -> bool {
        let on_its_way = self.error.is_none() && self.given_up.is_none();
        on_its_way && !self.setup.interrupted.requested()
    }

    /// Runs a cell of the plan and judges its limits.
    pub fn run(&mut self, cell: &Cell, watch: Watch<'_>) {
        let limits = &self.setup.plan.limits;
        let Some((mut measured, failed)) = self.measure(cell, self.setup.plan.seed, watch) else {
            return;
        };
        let judged = judge(limits, &mut measured);
        self.keep(measured, judged, failed);
        self.sort();
        self.write();
    }

    /// Runs a cell of a search, whose random draws are those of `seed`; its judgement by `limit`.
    /// [`Session::note`] is to follow, which writes the result down.
    /// `None` where nothing could be measured at all: then the run cannot go on.
    pub fn try_out(
        &mut self,
        cell: &Cell,
        seed: u64,
        limit: &Limit,
        watch: Watch<'_>,
    ) -> Option<verdict::knee::Trial> {
        let (mut measured, failed) = self.measure(cell, seed, watch)?;
        let trial = verdict::knee::Trial::judged(limit, &mut measured);
        self.result.scenario.cells.push(cell.clone());
        self.keep(measured, Vec::new(), failed);
        Some(trial)
    }

    /// Notes how far a search is. `value` orders the cells.
    pub fn note(&mut self, knee: KneeResult, value: impl Fn(&[AxisValue]) -> f64) {
        let plan = &mut self.result.scenario;
        plan.cells.sort_by(|a, b| value(&a.axes).total_cmp(&value(&b.axes)));
        for axis in &mut plan.sweep {
            let of_cell = |cell: &Cell| cell.axes.first().map(|axis| axis.value.clone());
            axis.values = plan.cells.iter().filter_map(of_cell).collect();
            axis.values.dedup();
        }
        self.result.knee = Some(knee);
        self.sort();
        self.write();
    }

    /// Runs a combination, as `trial` of an arm whose plan is `setup`'s, and judges its limits.
    /// Nothing is written. Whether it ran to its end; what broke in it may be the arm's own fault,
    /// and is for the caller to judge.
    pub(super) fn try_arm(
        &mut self,
        setup: &Setup,
        (combination, trial): (&Cell, Trial),
        seed: u64,
        watch: Watch<'_>,
    ) -> Result<(), Broken> {
        let cell = Cell { name: trial.name(combination), ..combination.clone() };
        match self.attempt(setup, &cell, seed, watch) {
            Ok((mut measured, failed)) => {
                measured.trial = Some(trial);
                let judged = judge(&setup.plan.limits, &mut measured);
                let status = measured.status.clone();
                self.result.scenario.cells.push(cell);
                self.keep(measured, judged, failed);
                match status {
                    Status::Complete => Ok(()),
                    Status::Partial { reason } => Err(Broken::Short(reason)),
                }
            }
            Err(RunError::Environment(reason)) => {
                self.lose(LostRun { trial, cell: cell.name, reason: reason.clone() });
                Err(Broken::Lost(reason))
            }
            Err(input) => {
                let why = input.to_string();
                self.error = Some(input);
                Err(Broken::Lost(why))
            }
        }
    }

    /// Runs a combination of an arm and keeps nothing of it. What keeps it from running ends all.
    pub(super) fn warm_up(&mut self, setup: &Setup, cell: &Cell, seed: u64, watch: Watch<'_>) {
        let measured = self.attempt(setup, cell, seed, watch);
        let loads = cell.loads.iter().map(|load| load.name.as_str());
        let forgotten = setup.folder.forget(&cell.name, loads).map_err(RunError::from);
        let failed = match measured {
            Ok((_, failed)) => failed,
            Err(error) => Some(error),
        };
        self.error = self.error.take().or(failed).or(forgotten.err());
    }

    fn lose(&mut self, lost: LostRun) {
        // What the user cut short is no failure.
        if self.setup.interrupted.requested() {
            return;
        }
        if let Some(repeats) = &mut self.result.repeats {
            repeats.lost.push(lost);
        }
    }

    /// Notes how far repeated runs are: writes `run.json`; the tables follow at the end.
    pub(super) fn note_repeats(&mut self, note: impl FnOnce(&mut RepeatsResult)) {
        if let Some(repeats) = &mut self.result.repeats {
            note(repeats);
            let combinations = &repeats.base.cells;
            let place = |cell: &CellResult| combinations.iter().position(|c| c.axes == cell.axes);
            self.result.cells.sort_by_cached_key(|cell| (place(cell), cell.trial));
        }
        let cells = self.result.cells.iter();
        let places: HashMap<_, _> = cells.map(|cell| cell.name.as_str()).zip(0..).collect();
        let place = |name: &str| places.get(name).copied().unwrap_or(usize::MAX);
        self.result.scenario.cells.sort_by_key(|cell| place(&cell.name));
        self.result.limits.sort_by_key(|limit| place(&limit.cell));
        if let Err(error) = report::write_run(&self.setup.folder, &self.result) {
            self.error.get_or_insert(error.into());
        }
    }

    /// There is no use in going on. With an `error`, the environment is at fault.
    pub(super) fn give_up(&mut self, why: String, error: Option<RunError>) {
        self.error = self.error.take().or(error);
        self.given_up = Some(why);
    }

    /// Judges the run, and writes it for the last time.
    pub fn finish(mut self) -> Outcome {
        self.result.status = self.status();
        self.result.verdict = verdict::verdict(&self.result);
        self.write();
        Outcome { result: self.result, error: self.error }
    }

    fn measure(&mut self, cell: &Cell, seed: u64, watch: Watch<'_>) -> Option<ground::Measured> {
        let measured = self.attempt(self.setup, cell, seed, watch);
        measured.map_err(|error| self.error = Some(error)).ok()
    }

    fn attempt(
        &mut self,
        setup: &Setup,
        cell: &Cell,
        seed: u64,
        watch: Watch<'_>,
    ) -> Result<ground::Measured, RunError> {
        let place = self.result.cells.iter().filter_map(|cell| Some(cell.turn.as_ref()?.place));
        let place = place.max().unwrap_or(0) + 1;
        let part = u32::try_from(self.result.resumed.len()).unwrap_or(u32::MAX);
        let started_at = format!("{:.3}", Timestamp::now());
        let task = Task { index: self.begun, cell, seed };
        self.begun += 1;
        let (mut measured, failed) = ground::run(setup, &task, watch)?;
        measured.turn = Some(Turn { place, part, started_at });
        Ok((measured, failed))
    }

    fn keep(&mut self, cell: CellResult, judged: Vec<LimitResult>, failed: Option<RunError>) {
        self.result.cells.push(cell);
        self.result.limits.extend(judged);
        self.error = self.error.take().or(failed);
    }

    /// Puts everything into the plan's order, whatever the order in which it ran.
    fn sort(&mut self) {
        let cells = &self.result.scenario.cells;
        let places: HashMap<_, _> = cells.iter().map(|cell| cell.name.as_str()).zip(0..).collect();
        let place = |name: &str| places.get(name).copied().unwrap_or(usize::MAX);
        self.result.cells.sort_by_key(|cell| place(&cell.name));
        self.result.limits.sort_by_key(|limit| place(&limit.cell));
    }

    fn write(&mut self) {
        if let Err(error) = report::write_results(&self.setup.folder, &self.result) {
            self.error.get_or_insert(error.into());
        }
    }

    fn status(&self) -> Status {
        let (done, all) = (self.result.cells.len(), self.result.scenario.cells.len());
        if self.setup.interrupted.requested() {
            return match (&self.result.knee, &self.result.repeats) {
                (Some(_), _) => partial(&format!("interrupted in run {done} of a search")),
                (_, Some(repeats)) => {
                    let runs = self.result.cells.iter().filter_map(|cell| cell.trial);
                    let run = runs.map(|trial| trial.run).max().unwrap_or(0);
                    let wanted = repeats.wanted;
                    partial(&format!("interrupted; {run} of {wanted} runs a side were begun"))
                }
                _ => partial(&format!("interrupted; {done} of {all} cells were begun")),
            };
        }
        if let Some(why) = &self.given_up {
            return partial(why);
        }
        if let Some(error) = &self.error {
            return partial(&error.to_string());
        }
        if self.result.repeats.is_some() {
            // One run that was cut short leaves the others whole; it is among the cells, and does
            // not count.
            return Status::Complete;
        }
        let broken = self.result.cells.iter().find_map(|cell| match &cell.status {
            Status::Partial { reason } => Some(format!("{}: {reason}", cell.name)),
            Status::Complete => None,
        });
        broken.map_or(Status::Complete, |reason| Status::Partial { reason })
    }
}

fn empty(setup: &Setup) -> RunResult {
    RunResult {
        schema_version: SCHEMA_VERSION,
        loadgen_version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: setup.plan.clone(),
        environment: setup.environment.clone(),
        cells: Vec::new(),
        limits: Vec::new(),
        verdict: Verdict::Inconclusive { reasons: Vec::new() },
        status: Status::Complete,
        knee: None,
        repeats: None,
        resumed: Vec::new(),
    }
}

/// The limits on a cell; what makes a judgement doubtful is among the cell's reasons then.
fn judge(limits: &[Limit], cell: &mut CellResult) -> Vec<LimitResult> {
    let mut results = Vec::new();
    for limit in limits {
        for judged in verdict::judge(limit, cell) {
            cell.validity.reasons.extend(judged.distrust);
            results.push(judged.result);
        }
    }
    results
}

fn partial(reason: &str) -> Status {
    Status::Partial { reason: reason.to_owned() }
}
