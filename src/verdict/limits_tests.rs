use super::*;
use crate::measure::result::{
    Class, ClassResult, ClassesResult, DatagramsResult, MetricResult, ReceiverResult,
};
use crate::measure::{Metric, Summary, empty, encode, record};
use crate::report::sample;
use crate::scenario::plan::{Comparison, Statistic, Subject};
use crate::units::Span;

fn loss(cause: Option<&str>, bound: Bound) -> Limit {
    let subject = Subject::Loss(cause.map(str::to_owned));
    Limit { subject, comparison: Comparison::AtMost, bound }
}

/// The one judgement of a limit.
fn single(limit: &Limit, cell: &CellResult) -> LimitResult {
    let mut judged = judge(limit, cell);
    assert_eq!(judged.len(), 1);
    judged.remove(0).result
}

fn lossy(datagrams: &DatagramsResult) -> CellResult {
    let mut cell = sample::datagrams().cells.remove(0);
    cell.datagrams = Some(datagrams.clone());
    cell
}

#[test]
fn losses_are_judged_by_count_and_by_share() {
    let cell = sample::datagrams().cells.remove(0);
    let datagrams = cell.datagrams.clone().expect("datagrams");
    let total = single(&loss(None, Bound::Share(0.01)), &cell);
    let share = datagrams.lost as f64 / datagrams.expected as f64;
    let measured = format!("{:.3}% ({})", share * 100.0, datagrams.lost);
    assert_eq!((total.subject.as_str(), total.holds), ("loss", Some(false)));
    assert_eq!(total.measured, Some(measured));
    let none = single(&loss(Some("memory"), Bound::Count(0.0)), &cell);
    assert_eq!((none.subject.as_str(), none.holds), ("loss.memory", Some(true)));
    let path = single(&loss(Some("lab_loss"), Bound::Share(0.035)), &cell);
    assert_eq!(path.holds, Some(true), "{path:?}");
    let unsent = single(&loss(Some("send_queue"), Bound::Count(79.0)), &cell);
    assert_eq!(unsent.measured.as_deref(), Some("80"));
    assert_eq!(unsent.holds, Some(false));
}

#[test]
fn what_is_lost_without_a_trace_is_not_judged() {
    let unknown = DatagramsResult { wanted: 90, sent: 90, expected: 90, ..Default::default() };
    let cell = lossy(&unknown);
    for cause in [None, Some("receive_buffer"), Some("rubbish")] {
        assert_eq!(single(&loss(cause, Bound::Count(0.0)), &cell).holds, None, "{cause:?}");
    }
    let sender = single(&loss(Some("send_buffer"), Bound::Count(0.0)), &cell);
    assert_eq!(sender.holds, Some(true), "the sender itself knows");
    let seen = ReceiverResult { drops: Some(0), ..ReceiverResult::default() };
    let cell = lossy(&DatagramsResult { receivers: vec![seen], lost: 3, ..unknown });
    let buffer = single(&loss(Some("receive_buffer"), Bound::Count(0.0)), &cell);
    assert_eq!(buffer.holds, Some(true), "somebody looked");
    assert_eq!(single(&loss(None, Bound::Count(9.0)), &cell).holds, None, "there may be more");
    let nothing = lossy(&DatagramsResult { counted: true, ..Default::default() });
    assert_eq!(single(&loss(None, Bound::Share(0.1)), &nothing).holds, None, "a share of nothing");
    let tcp = sample::backlog().cells.remove(0);
    assert_eq!(single(&loss(None, Bound::Count(0.0)), &tcp).holds, None);
}

#[test]
fn classes_are_judged_by_count_and_by_share() {
    let limit = |load: Option<&str>, class: &str, bound| {
        let (load, class) = (load.map(str::to_owned), class.to_owned());
        let subject = Subject::Class { load, class };
        Limit { subject, comparison: Comparison::AtMost, bound }
    };
    let mut cell = sample::sweep(&[5]).cells.remove(0);
    let full = limit(None, "accept_queue_full", Bound::Count(9.0));
    assert_eq!(single(&full, &cell).holds, None, "an older result has no classes");
    let class =
        |class, count| ClassResult { load: "clients".to_owned(), class, count, latency_s: 1.0 };
    cell.classes = Some(ClassesResult {
        classes: vec![class(Class::Clean, 90), class(Class::AcceptQueueFull, 10)],
        ..ClassesResult::default()
    });
    let judged = single(&full, &cell);
    assert_eq!(judged.subject, "classes.accept_queue_full");
    assert_eq!((judged.measured.as_deref(), judged.holds), (Some("10"), Some(false)));
    let share = limit(Some("clients"), "accept_queue_full", Bound::Share(0.1));
    assert_eq!(single(&share, &cell).measured.as_deref(), Some("10.000% (10)"));
    let none = limit(None, "no_port", Bound::Count(0.0));
    assert_eq!(single(&none, &cell).holds, Some(true), "nobody was out of ports");
    let other = limit(Some("others"), "no_port", Bound::Count(0.0));
    assert_eq!(single(&other, &cell).holds, None, "there is no such load");
}

#[test]
fn throughput_and_cpu_are_judged() {
    let mut cell = sample::sweep(&[5]).cells.remove(0);
    let limit = |subject, comparison, bound| Limit { subject, comparison, bound };
    let throughput = Subject::Throughput { load: None };
    let enough = single(&limit(throughput, Comparison::AtLeast, Bound::Rate(500.0)), &cell);
    assert_eq!((enough.measured.as_deref(), enough.holds), (Some("400.0/s"), Some(false)));
    assert_eq!((enough.condition.as_str(), enough.load.as_deref()), (">= 500/s", Some("clients")));
    let bound = Bound::Time(Span::from_millis(1));
    let cheap = limit(Subject::CpuPerAttempt, Comparison::AtMost, bound);
    assert_eq!(single(&cheap, &cell).holds, None);
    (cell.validity.cpu_s, cell.loads[0].attempts) = ((0.5, 0.5), 100_000);
    // 10 us of CPU are no latency that a resolution bounds.
    cell.validity.resolution = 1 << 40;
    let cheap = single(&cheap, &cell);
    assert_eq!((cheap.measured.as_deref(), cheap.holds), (Some("10.0us"), Some(true)));
}

/// A cell whose delays consist of `lag` and of a service time, all in nanoseconds.
fn delayed(lag: u64, service: u64) -> CellResult {
    let mut cell = sample::datagrams().cells.remove(0);
    let measured = |load: &str, metric, value| {
        let mut values = empty();
        (0..100).for_each(|_| record(&mut values, value));
        MetricResult {
            load: load.to_owned(),
            metric,
            summary: Summary::of(&values),
            histogram: encode(&values),
            two_clocks: false,
        }
    };
    cell.metrics = vec![
        measured("senders", Metric::Lag, lag),
        measured("target", Metric::Owd, lag + service),
        measured("target", Metric::OwdService, service),
    ];
    cell
}

fn owd(millis: u64) -> Limit {
    let subject = Subject::Metric {
        load: None,
        metric: "owd".to_owned(),
        statistic: Statistic::Percentile(99.0),
    };
    let bound = Bound::Time(Span::from_millis(millis));
    Limit { subject, comparison: Comparison::AtMost, bound }
}

#[test]
fn lag_of_the_senders_is_held_against_the_delay_that_the_target_measured() {
    let late = delayed(6_000_000, 1_000_000);
    let judged = judge(&owd(5), &late).remove(0);
    assert_eq!(judged.result.holds, Some(false));
    let why = judged.distrust.expect("mostly lag");
    assert!(why.contains("more than half of owd.p99 of target"), "{why}");
    let slow = judge(&owd(5), &delayed(10_000, 8_000_000)).remove(0);
    assert_eq!((slow.result.holds, slow.distrust), (Some(false), None));
}

#[test]
fn a_delay_below_the_resolution_does_not_hold() {
    let mut cell = delayed(1000, 2000);
    cell.validity.resolution = 10_000_000;
    assert_eq!(judge(&owd(5), &cell).remove(0).result.holds, None);
    cell.validity.resolution = 10_000;
    assert_eq!(judge(&owd(5), &cell).remove(0).result.holds, Some(true));
}
