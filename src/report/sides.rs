//! Repeated runs, together: what all runs of one side and combination measured.

use hdrhistogram::Histogram;

use crate::measure::result::{
    Arm, CellResult, CounterResult, LoadResult, MetricResult, RunResult, Status, TargetInterval,
};
use crate::measure::{Summary, decode, encode};

/// All runs of one side of a combination.
pub struct Side<'r> {
    /// `base`, or `target.backlog = 5, candidate`.
    pub name: String,
    /// The first run that counts; where none does, the first.
    pub first: &'r CellResult,
    /// What all of them measured of the main metric, how their attempts came out, and what the
    /// counters grew by, as one cell of that name. Of datagrams the metric alone.
    pub whole: CellResult,
}

/// The sides of every combination, base first, in the order of the cells.
pub fn sides(result: &RunResult) -> Vec<Side<'_>> {
    let mut groups: Vec<(String, Arm, Vec<&CellResult>)> = Vec::new();
    for cell in &result.cells {
        let arm = cell.trial.map_or(Arm::Base, |trial| trial.arm);
        let key = cell.combination();
        match groups.iter_mut().find(|(known, of, _)| *known == key && *of == arm) {
            Some((.., runs)) => runs.push(cell),
            None => groups.push((key, arm, vec![cell])),
        }
    }
    let place = |key: &str| groups.iter().position(|(known, ..)| known == key);
    let mut order: Vec<_> = (0..groups.len()).collect();
    order.sort_by_key(|index| (place(&groups[*index].0), groups[*index].1));
    let sides = order.into_iter().filter_map(|index| {
        let (key, arm, runs) = &groups[index];
        let comma = if key.is_empty() { "" } else { ", " };
        side(format!("{key}{comma}{}", arm.name()), runs)
    });
    sides.collect()
}

fn side<'r>(name: String, all: &[&'r CellResult]) -> Option<Side<'r>> {
    let valid = |cell: &&&CellResult| cell.validity.is_valid() && cell.status == Status::Complete;
    let runs: Vec<_> = all.iter().filter(valid).copied().collect();
    // Better doubtful figures, marked as such, than none.
    let runs = if runs.is_empty() { all.to_vec() } else { runs };
    let first = *runs.first()?;
    let mut whole = first.essence();
    (whole.name, whole.trial, whole.axes) = (name.clone(), None, Vec::new());
    whole.metrics = metrics(&runs);
    whole.counters = counters(&runs);
    for (load, index) in whole.loads.iter_mut().zip(0..) {
        runs[1..].iter().filter_map(|run| run.loads.get(index)).for_each(|more| add(load, more));
    }
    let mut unexplained = runs.iter().map(|run| run.ledger.unexplained);
    whole.ledger.unexplained =
        unexplained.try_fold(0i64, |sum, one| Some(sum.saturating_add(one?)));
    whole.validity.resolution = runs.iter().map(|run| run.validity.resolution).max().unwrap_or(0);
    let queues = runs.iter().flat_map(|run| &run.timeline.target);
    let longest = queues.filter_map(|seen| seen.accept_queue).max();
    whole.timeline.target = vec![TargetInterval { accept_queue: longest, ..Default::default() }];
    Some(Side { name, first, whole })
}

/// The main metric of each load over all runs.
fn metrics(runs: &[&CellResult]) -> Vec<MetricResult> {
    let mut merged: Vec<(MetricResult, Histogram<u64>)> = Vec::new();
    for run in runs {
        for one in run.metrics.iter().filter(|one| one.metric == run.main_metric()) {
            let Some(values) = decode(&one.histogram) else { continue };
            match merged.iter_mut().find(|(known, _)| known.load == one.load) {
                // One shape everywhere, so that this is exact; sums beyond reason are left out.
                Some((_, sum)) => drop(sum.add(&values)),
                None => merged.push((one.clone(), values)),
            }
        }
    }
    let told = merged.into_iter().map(|(one, values)| MetricResult {
        summary: Summary::of(&values),
        histogram: encode(&values),
        ..one
    });
    told.collect()
}

fn counters(runs: &[&CellResult]) -> Vec<CounterResult> {
    let mut sums: Vec<CounterResult> = Vec::new();
    for counter in runs.iter().flat_map(|run| &run.counters) {
        let grown = counter.after.saturating_sub(counter.before);
        let same = |one: &&mut CounterResult| {
            one.counter == counter.counter && one.namespace == counter.namespace
        };
        match sums.iter_mut().find(same) {
            Some(sum) => sum.after = sum.after.saturating_add(grown),
            None => sums.push(CounterResult { before: 0, after: grown, ..counter.clone() }),
        }
    }
    sums
}

fn add(load: &mut LoadResult, more: &LoadResult) {
    load.attempts = load.attempts.saturating_add(more.attempts);
    for (class, count) in &more.outcomes {
        let sum = load.outcomes.entry(*class).or_default();
        *sum = sum.saturating_add(*count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn runs_of_a_side_are_added_up() {
        let mut result = sample::repeats(6);
        let sides = sides(&result);
        assert_eq!(
            sides.iter().map(|side| side.name.as_str()).collect::<Vec<_>>(),
            ["base", "candidate"]
        );
        let one = &result.cells[0];
        let whole = &sides[0].whole;
        assert_eq!(whole.loads[0].attempts, 6 * one.loads[0].attempts);
        assert_eq!(whole.metrics[0].summary.count, 6 * one.metrics[0].summary.count);
        assert_eq!(whole.metrics[0].summary.max, one.metrics[0].summary.max);
        assert_eq!(whole.counter("ListenOverflows"), one.counter("ListenOverflows").map(|n| 6 * n));
        drop(sides);
        result.cells[0].validity.reasons.push("the schedule was not kept".to_owned());
        let sides = super::sides(&result);
        assert_eq!(sides[0].whole.loads[0].attempts, 5 * sides[0].first.loads[0].attempts);
        result.cells.iter_mut().for_each(|cell| cell.validity.reasons.push("no".to_owned()));
        assert!(!super::sides(&result)[0].whole.validity.is_valid());
    }
}
