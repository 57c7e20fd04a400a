//! What lag, missing values and failures make of a judgement.

use super::*;

fn late(cell: &mut CellResult) {
    cell.metrics[2] = measured(Metric::Lag, 9e5, 1000);
}

#[test]
fn what_lag_explains_is_not_resolved() {
    let mut candidate = slower(1.5);
    late(&mut candidate.runs[0]);
    let result = compared(&slower(1.0), &candidate);
    assert_eq!((result.metrics[0].candidate.len(), &result.verdict), (5, &Change::Worse));
    late(&mut candidate.runs[1]);
    let result = compared(&slower(1.0), &candidate);
    let told = reason(&result.verdict);
    assert!(told.0.contains("not resolved: in 2 of the candidate's 6 runs"), "{told:?}");
    assert!(told.0.contains("judge connect_service.p50, which is without it"), "{told:?}");
    candidate.runs.iter_mut().for_each(late);
    let result = compared(&slower(1.0), &candidate);
    assert!(reason(&result.verdict).0.contains("in 6 of the candidate's 6"), "{result:?}");
}

/// Where lag covers it, the target's own part lies below the value.
#[test]
fn what_is_not_resolved_bounds_the_change() {
    let (mut fast, slow) = (slower(1.0), slower(40.0));
    fast.runs.iter_mut().for_each(late);
    let worse = compared(&fast, &slow);
    assert_eq!((worse.metrics[0].base.len(), &worse.verdict), (6, &Change::Worse));
    assert_eq!(compared(&slow, &fast).verdict, Change::Better);
    let open = compared(&fast, &slower(0.5));
    assert!(reason(&open.verdict).0.contains("in 6 of the base's 6 runs"), "{open:?}");
    let same = compared(&fast, &fast);
    assert!(reason(&same.verdict).0.contains("not resolved"), "{same:?}");
}

/// Who stops answering must not pass because the answers that came were as fast as ever.
#[test]
fn those_that_fail_count_beside_any_latency() {
    let latency = Subject::Metric {
        load: None,
        metric: "connect".to_owned(),
        statistic: Statistic::Percentile(50.0),
    };
    let mut failing = slower(1.0);
    failing.runs.iter_mut().for_each(|cell| {
        cell.loads[0].outcomes.insert(Outcome::Reset, 500);
    });
    let judge =
        |candidate: &Sample| compare(("a", &slower(1.0)), ("b", candidate), &only(latency.clone()));
    let result = judge(&failing);
    assert_eq!(result.verdict, Change::Worse, "{result:#?}");
    let told = |result: &ComparisonResult| {
        let counting = result.metrics.iter().filter(|one| one.counts);
        counting.map(|one| one.subject.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(&result), ["connect.p50", "outcomes.failed"]);
    let both = Judging {
        wanted: vec![(latency.clone(), None).into(), failed(Some(0.9)).wanted.remove(0)],
        ..Judging::default()
    };
    let result = compare(("a", &slower(1.0)), ("b", &failing), &both);
    assert_eq!((result.verdict.clone(), told(&result).len()), (Change::Same, 2), "{result:#?}");
    assert!(!result.metrics[2..].iter().any(|one| one.subject == "outcomes.failed"));
}

#[test]
fn a_metric_that_most_runs_have_is_judged_and_one_that_half_have_is_not() {
    let without = |runs: usize| {
        let mut side = slower(1.0);
        side.runs.iter_mut().take(runs).for_each(|cell| {
            cell.metrics.retain(|one| one.metric == Metric::Lag);
        });
        side
    };
    assert_eq!(compared(&slower(1.0), &without(1)).verdict, Change::Same);
    let half = compared(&slower(1.0), &without(3));
    let told = reason(&half.verdict);
    assert!(told.0.contains("measured of it in 3 of the candidate's 6 runs"), "{told:?}");
}

#[test]
fn below_the_tools_own_error_nothing_is_better_or_worse() {
    let with = |by| {
        let mut side = slower(by);
        let error = measured(Metric::ObserverError, 3_999_000.0, 1000);
        side.runs.iter_mut().for_each(|cell| cell.metrics.push(error.clone()));
        side
    };
    for by in [1.5, 0.5] {
        let result = compared(&with(1.0), &with(by));
        assert!(reason(&result.verdict).0.contains("own error of 4.00ms"), "{:?}", result.verdict);
    }
    assert_eq!(compared(&with(1.0), &with(5.0)).verdict, Change::Worse, "one side is resolved");
    assert_eq!(compared(&with(1.0), &with(1.0)).verdict, Change::Same);
}
