use super::*;
use crate::measure::result::{Class, ClassResult, ClassesResult};
use crate::report::sample;
use crate::scenario::plan::Target;

/// A cell whose attempts are of these classes, each with its count and mean latency in seconds;
/// the others are clean.
pub fn cell_with(classes: &[(Class, u64, f64)]) -> (Cell, CellResult) {
    let mut run = sample::sweep(&[50]);
    let (mut plan, mut cell) = (run.scenario.cells.remove(0), run.cells.remove(0));
    if let Target::Own { serve, .. } = &mut plan.target {
        serve.stalls.clear();
    }
    let held_up: u64 = classes.iter().map(|(_, count, _)| count).sum();
    let clean = (Class::Clean, cell.loads[0].attempts.saturating_sub(held_up), 80e-6);
    let class = |(class, count, mean): &(Class, u64, f64)| ClassResult {
        load: "clients".to_owned(),
        class: *class,
        count: *count,
        latency_s: *count as f64 * mean,
    };
    cell.classes = Some(ClassesResult {
        classes: std::iter::once(&clean).chain(classes).map(class).collect(),
        ..ClassesResult::default()
    });
    // What the sample's own model counted is not what is looked at.
    cell.counters.clear();
    (plan, cell)
}

/// The only finding.
pub fn only(plan: &Cell, cell: &CellResult) -> Finding {
    let mut found = findings(plan, cell);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(!found[0].evidence.is_empty(), "{found:#?}");
    found.remove(0)
}

#[test]
fn a_clean_run_has_no_findings() {
    let harmless = [
        (Class::Queued, 1500, 0.0004),
        (Class::Service, 900, 0.002),
        (Class::Generator, 20, 0.02),
        (Class::Unexplained, 3, 0.001),
        (Class::HalfOpen, 100, 0.0),
        (Class::Cut, 5, 0.1),
    ];
    let (plan, cell) = cell_with(&harmless);
    assert_eq!(findings(&plan, &cell), []);
}

#[test]
fn what_concerns_most_comes_first_and_has_its_evidence() {
    let all: Vec<_> = Class::ALL.into_iter().skip(1).zip(100..).map(|(c, n)| (c, n, 0.5)).collect();
    let (plan, mut cell) = cell_with(&all);
    cell.counters = sample::sweep(&[50]).cells.remove(0).counters;
    let found = findings(&plan, &cell);
    assert!(found.len() >= 8, "{found:#?}");
    assert!(found.windows(2).all(|two| two[0].impact >= two[1].impact), "{found:#?}");
    for one in &found {
        assert!(one.impact > 0.0 && one.impact <= 1.0, "{one:?}");
        assert!(one.text.ends_with('.') && one.remedy.trim() == one.remedy, "{one:?}");
        assert!(!one.text.contains("  ") && !one.evidence.starts_with(';'), "{one:?}");
    }
}

#[test]
fn a_hostile_target_panics_nobody() {
    let (plan, mut cell) = cell_with(&[(Class::AcceptQueueFull, u64::MAX / 4, f64::MAX)]);
    cell.target.backlog_effective = Some(u32::MAX);
    cell.timeline.interval_s = 0.0;
    for seen in &mut cell.timeline.target {
        (seen.accept_queue_full, seen.accepted) = (Some(f64::NAN), Some(1 << 50));
    }
    cell.loads[0].offered = u64::MAX;
    cell.settings.insert("net.core.somaxconn".to_owned(), "-5".to_owned());
    findings(&plan, &cell);
}
