use super::super::findings as all;
use super::super::tests::{cell_with, only};
use super::*;
use crate::measure::result::CounterResult;

#[test]
fn a_cut_backlog_names_the_setting() {
    let (plan, mut cell) = cell_with(&[]);
    cell.settings.insert("net.core.somaxconn".to_owned(), "50".to_owned());
    (cell.target.clamped, cell.target.backlog_asked) = (true, Some(4096));
    let found = only(&plan, &cell);
    assert!(found.text.starts_with("The backlog was cut to 50: 4,096 was asked for"));
    assert!(found.text.contains("net.core.somaxconn, 50 here"), "{}", found.text);
    assert!(found.remedy.starts_with("Raise net.core.somaxconn to 4,096"), "{}", found.remedy);
    cell.target.clamped = false;
    assert_eq!(all(&plan, &cell), []);
}

#[test]
fn an_overflow_that_no_sample_saw_is_told() {
    let (plan, mut cell) = cell_with(&[]);
    cell.counters = vec![CounterResult {
        namespace: "target".to_owned(),
        counter: "ListenOverflows".to_owned(),
        before: 0,
        after: 3,
    }];
    let sampler = cell.target.sampler.as_mut().expect("a sampler");
    (sampler.ticks, sampler.period_us) = (2000, 5000.0);
    cell.timeline.target.iter_mut().for_each(|seen| seen.accept_queue_full = Some(0.0));
    let found = only(&plan, &cell);
    assert!(found.text.contains("overflowed 3 times, and no sample saw it full"), "{}", found.text);
    assert!(found.text.contains("5.0 ms"), "{}", found.text);
    cell.timeline.target[7].accept_queue_full = Some(0.2);
    assert_eq!(all(&plan, &cell), []);
    cell.timeline.target.iter_mut().for_each(|seen| seen.accept_queue_full = None);
    assert_eq!(all(&plan, &cell), [], "an older result says nothing of it");
}

#[test]
fn an_unexplained_rest_is_told_from_one_in_a_hundred_on() {
    let (plan, cell) = cell_with(&[(Class::Unexplained, 31, 0.004)]);
    assert_eq!(all(&plan, &cell), [], "31 of 3,200");
    let (plan, cell) = cell_with(&[(Class::Unexplained, 33, 0.004)]);
    let found = only(&plan, &cell);
    assert!(found.text.starts_with("33 of 3,200 attempts (1.0 %)"), "{}", found.text);
    assert!(found.evidence.contains("does not name"), "{}", found.evidence);
}
