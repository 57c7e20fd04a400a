//! The judgement over repeated runs: what most of them say, and how two sides compare.

use std::collections::BTreeMap;

use super::{expects_failure, reached};
use crate::measure::comparison::Change;
use crate::measure::result::{
    Arm, CellResult, LimitResult, RepeatsResult, RunResult, Status, Verdict,
};
use crate::scenario::plan::AxisValue;

/// The judgement. Runs that are invalid or were cut short do not count.
///
/// - Inconclusive, where fewer runs were made than were wanted.
/// - Fail, where the candidate is worse: what counts has shown it, however much does not.
/// - Invalid, where less than half of a side's runs of a combination count.
/// - Fail, where a limit is broken in more than half of the runs that count: the candidate's, or the
///   base's where it is alone.
/// - Inconclusive, where the comparison is, or a limit cannot be judged in more than half of them.
pub fn verdict(run: &RunResult, repeats: &RepeatsResult) -> Verdict {
    if let Status::Partial { reason } = &run.status {
        return Verdict::Inconclusive { reasons: vec![format!("the run is partial: {reason}")] };
    }
    let change = repeats.comparison.as_ref().map(|comparison| &comparison.verdict);
    if change == Some(&Change::Worse) {
        return Verdict::Fail;
    }
    let invalid = invalid(run, repeats);
    if !invalid.is_empty() {
        return Verdict::Invalid { reasons: invalid };
    }
    let judged = match repeats.candidate {
        Some(_) => Arm::Candidate,
        None => Arm::Base,
    };
    let limits = Tally::of(run, judged);
    if limits.iter().any(|(_, tally)| tally.mostly(tally.broken)) {
        return Verdict::Fail;
    }
    let mut doubts = match change {
        None if repeats.candidate.is_some() => vec!["nothing was compared".to_owned()],
        Some(Change::Inconclusive { reason, .. }) => vec![reason.clone()],
        Some(Change::Incomparable { reasons }) => reasons.clone(),
        _ => Vec::new(),
    };
    let unjudged = limits.iter().filter(|(_, tally)| tally.mostly(tally.unknown));
    doubts.extend(unjudged.map(|((place, limit), tally)| {
        let Tally { unknown, runs, .. } = tally;
        format!("{limit} cannot be judged in {unknown} of {runs} runs{}", of(place))
    }));
    doubts.extend(unreached(run, repeats, judged));
    if doubts.is_empty() { Verdict::Pass } else { Verdict::Inconclusive { reasons: doubts } }
}

/// Whether a run of a combination counts.
fn counts(cell: &CellResult) -> bool {
    cell.validity.is_valid() && cell.status == Status::Complete
}

/// The runs of a combination by an arm.
fn runs<'r>(
    run: &'r RunResult,
    arm: Arm,
    axes: &'r [AxisValue],
) -> impl Iterator<Item = &'r CellResult> {
    let own = move |cell: &&CellResult| {
        cell.trial.is_some_and(|trial| trial.arm == arm) && cell.axes == axes
    };
    run.cells.iter().filter(own)
}

/// Sides and combinations of which too few runs count, one sentence each.
fn invalid(run: &RunResult, repeats: &RepeatsResult) -> Vec<String> {
    let sides = [(Arm::Base, Some(&repeats.base)), (Arm::Candidate, repeats.candidate.as_ref())];
    let mut told = Vec::new();
    for (arm, plan) in sides {
        for cell in plan.into_iter().flat_map(|plan| &plan.cells) {
            let made: Vec<_> = runs(run, arm, &cell.axes).collect();
            let name = arm.name_of(cell);
            let lost = repeats
                .lost
                .iter()
                .filter(|lost| lost.trial.arm == arm && lost.cell == lost.trial.name(cell));
            let lost: Vec<_> = lost.collect();
            let all = made.len() + lost.len();
            let valid = made.iter().filter(|cell| counts(cell)).count();
            if 2 * valid >= all {
                continue;
            }
            let why = made.iter().find_map(|cell| why_not(cell));
            let why = why.or_else(|| lost.first().map(|lost| lost.reason.clone()));
            let why = why.unwrap_or_default();
            told.push(format!("{name}: only {valid} of {all} runs count, as in one {why}"));
        }
    }
    told
}

/// Why a run does not count.
fn why_not(cell: &CellResult) -> Option<String> {
    match &cell.status {
        Status::Partial { reason } => Some(reason.clone()),
        Status::Complete => cell.validity.reasons.first().cloned(),
    }
}

/// What became of a limit in the runs that count.
#[derive(Default)]
struct Tally {
    runs: usize,
    broken: usize,
    unknown: usize,
}

/// A combination and load; a limit in words.
type Judged = (String, String);

impl Tally {
    fn of(run: &RunResult, arm: Arm) -> BTreeMap<Judged, Self> {
        let mut all = BTreeMap::<Judged, Self>::new();
        for limit in &run.limits {
            let cell = run.cells.iter().find(|cell| cell.name == limit.cell);
            let Some(cell) = cell.filter(|cell| counts(cell)) else { continue };
            if cell.trial.is_none_or(|trial| trial.arm != arm) {
                continue;
            }
            let tally = all.entry(key(cell, limit)).or_default();
            tally.runs += 1;
            tally.broken += usize::from(limit.holds == Some(false));
            tally.unknown += usize::from(limit.holds.is_none());
        }
        all
    }

    /// Whether these are more than half of the runs.
    fn mostly(&self, these: usize) -> bool {
        2 * these > self.runs
    }
}

fn key(cell: &CellResult, limit: &LimitResult) -> Judged {
    let place = [cell.combination(), limit.load.clone().unwrap_or_default()];
    let place = place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    (place, format!("{} {}", limit.subject, limit.condition))
}

/// Combinations whose target was not reached in more than half of the runs, where no limit expects
/// that.
fn unreached(run: &RunResult, repeats: &RepeatsResult, judged: Arm) -> Vec<String> {
    let plan = match judged {
        Arm::Base => Some(&repeats.base),
        Arm::Candidate => repeats.candidate.as_ref(),
    };
    let plan = plan.filter(|_| !run.limits.iter().any(expects_failure));
    let mut told = Vec::new();
    for planned in plan.into_iter().flat_map(|plan| &plan.cells) {
        let valid: Vec<_> = runs(run, judged, &planned.axes).filter(|cell| counts(cell)).collect();
        let missed = valid.iter().filter(|cell| !reached(cell)).count();
        if 2 * missed > valid.len() {
            let (name, all) = (judged.name_of(planned), valid.len());
            told.push(format!("{name}: nothing reached the target in {missed} of {all} runs"));
        }
    }
    told
}

fn of(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" of {place}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::comparison::{ComparisonResult, Party, Relation};
    use crate::measure::result::{LostRun, Trial};
    use crate::report::sample;
    use crate::verdict::verdict;

    /// Runs of one combination: `sides` of four runs each.
    fn repeated(sides: &[Arm], change: Option<Change>) -> RunResult {
        let mut run = sample::sweep(&[128]);
        let (one, plan) = (run.cells.remove(0), run.scenario.clone());
        let limit = LimitResult { holds: Some(true), ..run.limits[0].clone() };
        run.limits.clear();
        for arm in sides {
            for number in 1..=4 {
                let trial = Trial { arm: *arm, run: number };
                let name = trial.name(&plan.cells[0]);
                run.limits.push(LimitResult { cell: name.clone(), ..limit.clone() });
                run.cells.push(CellResult { name, trial: Some(trial), ..one.clone() });
            }
        }
        run.repeats = Some(RepeatsResult {
            candidate: (sides.len() > 1).then(|| plan.clone()),
            base: plan,
            wanted: 4,
            warm_ups: 1,
            lost: Vec::new(),
            comparison: change.map(compared),
        });
        run
    }

    fn compared(verdict: Change) -> ComparisonResult {
        let party = |name: &str| Party {
            name: name.to_owned(),
            loadgen_version: String::new(),
            kernel: String::new(),
            started_at: String::new(),
            runs: 4,
            left_out: Vec::new(),
        };
        ComparisonResult {
            schema_version: 1,
            loadgen_version: String::new(),
            scenario: String::new(),
            base: party("a"),
            candidate: party("b"),
            relation: Relation::Arms,
            fail_on: None,
            minimum_effect: 0.1,
            alpha: 0.05,
            looks: None,
            unlike: Vec::new(),
            accepted: false,
            metrics: Vec::new(),
            verdict,
        }
    }

    #[test]
    fn the_comparison_decides() {
        let judged = |change| verdict(&repeated(&Arm::ALL, change));
        assert_eq!(judged(Some(Change::Worse)), Verdict::Fail);
        assert_eq!(judged(Some(Change::Better)), Verdict::Pass);
        assert_eq!(judged(Some(Change::Same)), Verdict::Pass);
        assert!(matches!(judged(None), Verdict::Inconclusive { .. }));
        let open = Change::Inconclusive { reason: "too few".to_owned(), more_runs: Some(3) };
        let reasons = vec!["too few".to_owned()];
        assert_eq!(judged(Some(open)), Verdict::Inconclusive { reasons: reasons.clone() });
        let unlike = Change::Incomparable { reasons: reasons.clone() };
        assert_eq!(judged(Some(unlike)), Verdict::Inconclusive { reasons });
    }

    #[test]
    fn a_limit_fails_when_most_valid_runs_of_the_judged_side_break_it() {
        let with_broken = |sides: &[Arm], arm: Arm, broken: usize| {
            let mut run = repeated(sides, (sides.len() > 1).then_some(Change::Same));
            let own = run.limits.iter_mut().filter(|limit| limit.cell.contains(arm.name()));
            own.take(broken).for_each(|limit| limit.holds = Some(false));
            run
        };
        let alone = [Arm::Base];
        assert_eq!(verdict(&with_broken(&alone, Arm::Base, 2)), Verdict::Pass);
        assert_eq!(verdict(&with_broken(&alone, Arm::Base, 3)), Verdict::Fail);
        assert_eq!(verdict(&with_broken(&Arm::ALL, Arm::Base, 4)), Verdict::Pass);
        let mut run = with_broken(&Arm::ALL, Arm::Candidate, 3);
        assert_eq!(verdict(&run), Verdict::Fail);
        let cells = run.cells.iter_mut().filter(|cell| cell.name.contains("candidate"));
        cells.take(2).for_each(|cell| cell.validity.reasons.push("late".to_owned()));
        assert_eq!(verdict(&run), Verdict::Pass, "one of two that count");
        run.limits.iter_mut().for_each(|limit| limit.holds = None);
        let Verdict::Inconclusive { reasons } = verdict(&run) else { panic!("inconclusive") };
        assert!(reasons[0].contains("2 of 2 runs"), "{reasons:?}");
    }

    #[test]
    fn a_side_of_which_less_than_half_counts_is_invalid() {
        let mut run = repeated(&[Arm::Base], None);
        run.cells[0].validity.reasons.push("the generator was late".to_owned());
        run.cells[1].status = Status::Partial { reason: "the target died".to_owned() };
        assert_eq!(verdict(&run), Verdict::Pass, "half of them count");
        let repeats = run.repeats.as_mut().expect("repeats");
        let trial = Trial { arm: Arm::Base, run: 5 };
        let cell = trial.name(&repeats.base.cells[0]);
        repeats.lost.push(LostRun { trial, cell, reason: "no port".to_owned() });
        let Verdict::Invalid { reasons } = verdict(&run) else { panic!("invalid") };
        assert_eq!(
            reasons,
            ["backlog=128,base: only 2 of 5 runs count, as in one the generator was late"]
        );
    }

    #[test]
    fn a_series_that_was_cut_short_proves_nothing() {
        let mut run = repeated(&Arm::ALL, Some(Change::Same));
        run.status = Status::Partial { reason: "interrupted".to_owned() };
        let Verdict::Inconclusive { reasons } = verdict(&run) else { panic!("inconclusive") };
        assert_eq!(reasons, ["the run is partial: interrupted"]);
    }
}
