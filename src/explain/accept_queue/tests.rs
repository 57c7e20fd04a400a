use super::super::findings as all;
use super::super::tests::{cell_with, only};
use super::*;
use crate::measure::result::{CellResult, CounterResult, LostSyns, MetricResult};
use crate::measure::{Summary, empty, encode, record};

fn grow(cell: &mut CellResult, counter: &str, after: u64) {
    cell.counters.push(CounterResult {
        namespace: "target".to_owned(),
        counter: counter.to_owned(),
        before: 0,
        after,
    });
}

fn lose(cell: &mut CellResult, class: Class, count: u64, span_s: (f64, f64)) {
    let classes = cell.classes.as_mut().expect("classes");
    classes.lost_syns.push(LostSyns { class, count, doubtful: 0, span_s });
}

#[test]
fn a_full_queue_is_told_with_its_times_and_what_would_have_sufficed() {
    let (plan, mut cell) = cell_with(&[(Class::AcceptQueueFull, 800, 1.02)]);
    grow(&mut cell, "ListenOverflows", 1204);
    lose(&mut cell, Class::AcceptQueueFull, 1204, (2.1, 9.8));
    cell.loads[0].outcomes.insert(Outcome::OkRetried, 790);
    cell.loads[0].outcomes.insert(Outcome::Timeout, 10);
    for (index, seen) in cell.timeline.target.iter_mut().enumerate() {
        // Outside of the span nobody asks.
        seen.accept_queue_full = Some(if (21..=98).contains(&index) { 0.83 } else { 0.1 });
    }
    let found = only(&plan, &cell);
    for part in [
        "800 of 3,200 attempts (25 %) met a full accept queue",
        "They took 1.02s on average. The queue holds 51 (limit 50); it was full for 83 % of the time \
         between t=2.1 s and t=9.8 s.",
    ] {
        assert!(found.text.contains(part), "{part}\n{}", found.text);
    }
    assert_eq!(
        found.evidence,
        "1,204 SYNs lost so, between t=2.1 s and t=9.8 s; ListenOverflows +1,204; ok_retried 790, \
         timeout 10"
    );
    assert!(found.remedy.starts_with("What would have sufficed: an accept rate of at least "));
    assert!(found.remedy.contains("or a backlog of at least "), "{}", found.remedy);
    assert!(found.remedy.contains("Assumed: 3,200 clients"), "{}", found.remedy);
    assert!((found.impact - 0.25).abs() < 1e-9);
}

#[test]
fn a_queue_that_no_sample_saw_full_is_not_said_to_have_been_full() {
    let (plan, mut cell) = cell_with(&[(Class::AcceptQueueFull, 8, 1.02)]);
    lose(&mut cell, Class::AcceptQueueFull, 8, (2.1, 2.2));
    cell.timeline.target.iter_mut().for_each(|seen| seen.accept_queue_full = Some(0.0));
    let text = only(&plan, &cell).text;
    assert!(text.ends_with("; that happened between t=2.1 s and t=2.2 s."), "{text}");
}

#[test]
fn who_is_reset_learns_of_the_setting() {
    let (plan, mut cell) = cell_with(&[(Class::OverflowReset, 30, 0.0001)]);
    grow(&mut cell, "EmbryonicRsts", 30);
    cell.settings.insert("net.ipv4.tcp_abort_on_overflow".to_owned(), "1".to_owned());
    let found = only(&plan, &cell);
    assert!(found.text.contains("tcp_abort_on_overflow = 1 tells it to"), "{}", found.text);
    assert_eq!(found.evidence, "EmbryonicRsts +30; tcp_abort_on_overflow = 1");
    assert!(found.remedy.ends_with("clients would wait instead of fail."), "{}", found.remedy);
}

#[test]
fn a_dropped_ack_and_a_refused_place_have_their_words() {
    let (plan, mut cell) = cell_with(&[(Class::AckDropped, 30, 0.3), (Class::NoPlace, 20, 0.0)]);
    grow(&mut cell, "ListenOverflows", 35);
    cell.loads[0].outcomes.insert(Outcome::Again, 20);
    let found = all(&plan, &cell);
    assert_eq!(found.len(), 2);
    assert!(found[0].text.contains("established at the client only"), "{}", found[0].text);
    assert_eq!(found[0].evidence, "ListenOverflows +35");
    assert_eq!(found[1].evidence, "again 20");
    assert!(found[1].remedy.contains("when_full"), "{}", found[1].remedy);
}

#[test]
fn a_felt_wait_is_told_by_littles_law() {
    let (mut plan, mut cell) = cell_with(&[(Class::Queued, 3000, 0.25)]);
    let mut waits = empty();
    (0..3000).for_each(|_| record(&mut waits, 250_000_000));
    cell.metrics.push(MetricResult {
        load: "target".to_owned(),
        metric: Metric::QueueWait,
        summary: Summary::of(&waits),
        histogram: encode(&waits),
        two_clocks: false,
    });
    cell.duration_s = 10.0;
    let found = only(&plan, &cell);
    assert!(found.text.contains("75.0 connections waiting at a time"), "{}", found.text);
    assert!(found.text.contains("300/s accepted x 250ms"), "{}", found.text);
    assert!(found.evidence.starts_with("queue_wait of the target; longest queue"));
    assert!(found.remedy.contains("come evenly, 400/s"), "{}", found.remedy);
    let rate = crate::units::Rate::new(400.0).expect("a rate");
    let window = plan.loads[0].schedule.window();
    let shape = crate::load::Shape::Poisson { rate };
    plan.loads[0].schedule = crate::load::Schedule::Open { shape, window, attempts: None };
    let found = only(&plan, &cell);
    assert!(found.remedy.contains("at 600/s those who come at random, 400/s"), "{}", found.remedy);
}
