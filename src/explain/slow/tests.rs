use super::super::findings as all;
use super::super::tests::{cell_with, only};
use super::*;
use crate::measure::result::{CellResult, MetricResult};
use crate::measure::{Summary, empty, encode, record};
use crate::scenario::plan::{ServiceTime, Target};
use crate::units::Span;

fn serving(cell: &mut CellResult, nanos: u64) {
    let mut values = empty();
    (0..100).for_each(|_| record(&mut values, nanos));
    cell.metrics.retain(|one| one.metric != Metric::Service);
    cell.metrics.push(MetricResult {
        load: "target".to_owned(),
        metric: Metric::Service,
        summary: Summary::of(&values),
        histogram: encode(&values),
        two_clocks: false,
    });
}

#[test]
fn a_service_time_that_was_asked_for_is_no_finding_unless_it_hurts() {
    let (mut plan, mut cell) = cell_with(&[(Class::Service, 2000, 0.05)]);
    let Target::Own { serve, .. } = &mut plan.target else { panic!("our own target") };
    serve.service = ServiceTime::Constant { time: Span::from_millis(50) };
    serving(&mut cell, 50_200_000);
    assert_eq!(all(&plan, &cell), []);
    serving(&mut cell, 90_000_000);
    let found = only(&plan, &cell);
    assert_eq!(found.evidence, "service of the target 90.0ms on average; 50.0ms asked for");
    serving(&mut cell, 50_200_000);
    cell.loads[0].endings.insert(Ending::Timeout, 12);
    let found = only(&plan, &cell);
    assert!(found.text.contains("12 sessions in all ended"), "{}", found.text);
    assert!(found.remedy.contains("a backlog changes nothing"), "{}", found.remedy);
}

#[test]
fn the_generator_names_what_it_lacked() {
    let (plan, mut cell) = cell_with(&[(Class::Generator, 400, 0.05)]);
    let found = only(&plan, &cell);
    assert!(found.text.contains("held up by the load generator itself"), "{}", found.text);
    assert!(found.remedy.contains("more workers"), "{}", found.remedy);
    cell.validity.steal_s = 2.0;
    let found = only(&plan, &cell);
    assert!(found.evidence.contains("the host took 2.00s"), "{}", found.evidence);
    assert!(found.remedy.contains("nobody else uses"), "{}", found.remedy);
    cell.loads[0].outcomes.insert(Outcome::NoFd, 390);
    let found = only(&plan, &cell);
    assert!(found.evidence.starts_with("no_fd 390"), "{}", found.evidence);
    assert!(found.remedy.contains("ulimit -n"), "{}", found.remedy);
}
