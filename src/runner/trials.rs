//! Repeated runs of a scenario, or of two in turn.

use std::collections::VecDeque;

use super::ground::Watch;
use super::session::{Broken, Order, Outcome, Session, order};
use super::{RunError, Setup};
use crate::load::Pairs;
use crate::measure::comparison::{Change, ComparisonResult, Looks};
use crate::measure::result::{Arm, RepeatsResult, Trial};
use crate::measure::sample::Sample;
use crate::scenario::plan::{Cell, Plan};
use crate::verdict::compare::{Judging, Named};

/// Runs of each side that are made first and not kept: the first one finds cold caches.
const WARM_UPS: u32 = 1;
/// So many failed runs of a side in a row, and it is given up.
const MOST_FAILURES: u32 = 3;

/// Compares a candidate with its base.
pub type Compare = fn(Named, Named, &Judging) -> ComparisonResult;

/// How two sides are compared.
pub struct Comparing {
    /// What they are called: the base, the candidate.
    pub names: [String; 2],
    /// Planned looks, after each of which a conclusive verdict ends the runs; `None` for one look
    /// at the end.
    pub looks: Option<Looks>,
    /// What is judged.
    pub judging: Judging,
    /// By whom.
    pub compare: Compare,
}

/// The next run of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Whose.
    pub arm: Arm,
    /// Its number among the runs of this side, from 1; `None` for a warm-up.
    pub run: Option<u32>,
}

/// Runs under way.
pub struct Trials<'s> {
    session: Session<'s>,
    base: &'s Setup,
    candidate: Option<(&'s Setup, Comparing)>,
    order: Order,
    /// Runs of each side, at most.
    wanted: u32,
    pairs: Pairs,
    /// What is left of the present round: a pair, or the one run of the only side.
    round: VecDeque<Step>,
    /// Number of the present round; 0 while it is warm-ups.
    present: u32,
    /// Rounds that ran to their end.
    whole: u32,
    /// Failed runs in a row, by arm.
    failures: [u32; 2],
    /// The last look: after how many pairs, and what it said.
    looked: Option<(u32, Change)>,
}

impl<'s> Trials<'s> {
    /// Begins `wanted` runs of the base, and of the candidate where there is one. The combinations
    /// are those of `plans`, the same of both; the plans of the setups have no cells.
    ///
    /// # Errors
    /// Where not even the beginning could be written.
    pub fn begin(
        base: &'s Setup,
        candidate: Option<(&'s Setup, Comparing)>,
        plans: (Plan, Option<Plan>),
        (wanted, order): (u32, Order),
    ) -> Result<Self, RunError> {
        let repeats = RepeatsResult {
            base: plans.0,
            candidate: plans.1,
            wanted,
            warm_ups: WARM_UPS,
            lost: Vec::new(),
            comparison: None,
        };
        let mut trials = Self {
            session: Session::begin_repeats(base, repeats)?,
            base,
            candidate,
            order,
            wanted,
            pairs: Pairs::new(base.plan.seed),
            round: VecDeque::new(),
            present: 0,
            whole: 0,
            failures: [0; 2],
            looked: None,
        };
        (0..WARM_UPS).for_each(|_| trials.queue([0, 1], None));
        Ok(trials)
    }

    /// The next run; `None` where there is no more to do.
    pub fn next_step(&mut self) -> Option<Step> {
        if !self.session.can_go_on() {
            return None;
        }
        if self.round.is_empty() {
            let conclusive = self.looked.as_ref().is_some_and(|(_, change)| is_conclusive(change));
            if self.present == self.wanted || conclusive {
                return None;
            }
            self.present += 1;
            let pair = self.pairs.next().unwrap_or([0, 1]);
            self.queue(pair, Some(self.present));
        }
        self.round.pop_front()
    }

    /// The last look, after how many pairs and what it said.
    pub fn looked(&self) -> Option<&(u32, Change)> {
        self.looked.as_ref()
    }

    /// Makes a run of a side: each of its combinations, in an order that the run's seed decides.
    /// Why it did not come to its end, where the user is not the reason.
    pub fn run(&mut self, step: Step, watch: Watch<'_>) -> Option<String> {
        let (setup, plan) = self.side(step.arm)?;
        // Both runs of a pair have the same arrivals, and each pair has its own.
        let seed = plan.seed.wrapping_add(u64::from(step.run.unwrap_or(1)) - 1);
        let plan = Plan { seed, ..plan };
        let mut broken = None;
        for index in order(&plan, self.order, &[]) {
            if !self.session.can_go_on() {
                break;
            }
            broken = broken.or(self.one(setup, step, &plan.cells[index], seed, &mut *watch));
        }
        let interrupted = self.base.interrupted.requested();
        let why = broken.as_ref().filter(|_| !interrupted).map(|broken| broken.why().to_owned());
        if !interrupted {
            self.count_failures(step.arm, broken);
        }
        if step.run.is_some() {
            self.ended();
        }
        why
    }

    /// Compares what there is, judges, and writes for the last time.
    pub fn finish(mut self) -> Outcome {
        if self.whole > self.looked.as_ref().map_or(0, |(pairs, _)| *pairs) {
            self.look();
        }
        self.session.finish()
    }

    fn queue(&mut self, pair: [usize; 2], run: Option<u32>) {
        let arms = pair.into_iter().filter_map(|side| Arm::ALL.get(side).copied());
        let there = arms.filter(|arm| *arm == Arm::Base || self.candidate.is_some());
        self.round.extend(there.map(|arm| Step { arm, run }));
    }

    fn side(&self, arm: Arm) -> Option<(&'s Setup, Plan)> {
        let repeats = self.session.result().repeats.as_ref()?;
        match arm {
            Arm::Base => Some((self.base, repeats.base.clone())),
            Arm::Candidate => Some((self.candidate.as_ref()?.0, repeats.candidate.clone()?)),
        }
    }

    /// Runs one combination; why it did not come to its end.
    fn one(
        &mut self,
        setup: &Setup,
        step: Step,
        combination: &Cell,
        seed: u64,
        watch: Watch<'_>,
    ) -> Option<Broken> {
        let Step { arm, run } = step;
        match run {
            None => {
                let cell = Cell { name: arm.name_of(combination), ..combination.clone() };
                self.session.warm_up(setup, &cell, seed, watch);
                None
            }
            Some(run) => {
                let trial = Trial { arm, run };
                self.session.try_arm(setup, (combination, trial), seed, watch).err()
            }
        }
    }

    fn count_failures(&mut self, arm: Arm, broken: Option<Broken>) {
        let failures = &mut self.failures[arm as usize];
        let Some(broken) = broken else {
            *failures = 0;
            return;
        };
        *failures += 1;
        if *failures < MOST_FAILURES {
            return;
        }
        let why = |reason| {
            let arm = arm.name();
            format!("given up after {MOST_FAILURES} failed runs of the {arm} in a row: {reason}")
        };
        match broken {
            // What dies under load is what is measured; what cannot even start is not.
            Broken::Short(reason) => self.session.give_up(why(reason), None),
            Broken::Lost(reason) => {
                let why = why(reason);
                self.session.give_up(why.clone(), Some(RunError::Environment(why)));
            }
        }
    }

    /// A run has ended: looks where a look is planned, and writes.
    fn ended(&mut self) {
        if self.round.is_empty() && !self.base.interrupted.requested() {
            self.whole = self.present;
            let looks = self.candidate.as_ref().and_then(|(_, how)| how.looks.as_ref());
            let planned = looks.is_some_and(|looks| looks.after.contains(&self.whole));
            if planned || (self.whole == self.wanted && looks.is_none()) {
                return self.look();
            }
        }
        self.session.note_repeats(|_| ());
    }

    /// Compares the runs of whole pairs.
    fn look(&mut self) {
        let whole = self.whole;
        let result = self.session.result();
        let of = |arm| {
            let mut sample = Sample::of(result, arm)?;
            sample.runs.retain(|cell| cell.trial.is_some_and(|trial| trial.run <= whole));
            Some(sample)
        };
        let sides = of(Arm::Base).zip(of(Arm::Candidate));
        let compared = self.candidate.as_ref().zip(sides).map(|((_, how), (base, candidate))| {
            let looks = how.looks.clone().map(|looks| {
                // One that comes early, because the runs were cut short, takes the next one's place.
                let at = looks.after.iter().filter(|after| **after < whole).count() as u32 + 1;
                Looks { at, ..looks }
            });
            let judging = Judging { looks, ..how.judging.clone() };
            let [base_name, candidate_name] = &how.names;
            (how.compare)((base_name, &base), (candidate_name, &candidate), &judging)
        });
        if let Some(compared) = &compared {
            self.looked = Some((whole, compared.verdict.clone()));
        }
        self.session
            .note_repeats(|repeats| repeats.comparison = compared.or(repeats.comparison.take()));
    }
}

/// Whether further pairs would change nothing.
fn is_conclusive(change: &Change) -> bool {
    !matches!(change, Change::Inconclusive { .. })
}
