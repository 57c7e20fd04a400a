use super::*;
use crate::measure::result::{CellResult, Class, Ladder, LimitResult, Status, Verdict};
use crate::report::{json, sample};
use proptest::prelude::*;
use serde_json::Value;

/// What a sweep of 12 cells may take, in bytes.
const LARGEST: usize = 1_500_000;

fn text(results: &[RunResult]) -> String {
    String::from_utf8(page(results)).expect("text")
}

/// The page of one result, after a look at what holds of every page.
fn checked(result: &RunResult) -> String {
    let page = text(std::slice::from_ref(result));
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    for opened in ["<table", "<figure", "<details", "<section", "<svg", "<a "] {
        let closing = format!("</{}", opened[1..].trim());
        let (open, closed) = (page.matches(opened).count(), page.matches(&closing).count());
        assert_eq!(open, closed, "{opened}");
    }
    let mut ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "each id once");
    let mut last = 0;
    for at in page.match_indices("<h").map(|(at, _)| at) {
        let Some(level) = page[at + 2..].chars().next().and_then(|c| c.to_digit(10)) else {
            continue;
        };
        assert!(level <= last + 1, "h{level} after h{last}");
        last = level;
    }
    assert_eq!(page.matches("<svg").count(), page.matches("<desc").count(), "words for each");
    page
}

#[test]
fn a_page_says_why_before_all_else() {
    let page = checked(&sample::told());
    let place = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what}"));
    let order = [
        "Verdict: fail",
        "1 of 1 limits broken",
        "Knee of load.rate",
        "412 attempts of backlog=5",
        "What would help",
        "ListenOverflows +1,204",
        "connect.p99 &lt;= 5ms",
        "Cells compared</h2>",
        "SYN dropped: accept queue full",
        "Prediction and measurement",
        "4.8 % more",
        "On the wire",
        "SYN seq x, sent again",
        "Ledger: where every attempt went",
        "Exact values",
        "Environment</h2>",
        "target.backlog: 5, 128, 1024",
    ];
    let places: Vec<_> = order.iter().map(|what| place(what)).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn the_unexplained_rest_is_shown_even_where_it_is_none() {
    let mut result = sample::told();
    for cell in &mut result.cells {
        cell.classes.as_mut().expect("classes").classes.pop();
    }
    let page = checked(&result);
    assert_eq!(page.matches("<th scope=\"row\">unexplained</th>").count(), 3);
}

#[test]
fn every_kind_of_run_has_a_page() {
    for result in [sample::empty(), sample::churn(), sample::datagrams(), sample::backlog()] {
        checked(&result);
    }
    let mut partial = sample::sweep(&[5]);
    partial.status = Status::Partial { reason: "interrupted by Ctrl-C".to_owned() };
    partial.verdict = Verdict::Inconclusive { reasons: vec!["the run is partial".to_owned()] };
    let page = checked(&partial);
    assert!(page.contains("Verdict: inconclusive") && page.contains("interrupted by Ctrl-C"));
    let lost = checked(&sample::datagrams());
    assert!(lost.contains("receive_buffer") && lost.contains("where every datagram went"));
}

#[test]
fn a_sweep_is_small_enough_to_be_mailed() {
    let backlogs: Vec<_> = (0..12).map(|n| 1 << n).collect();
    let page = checked(&sample::sweep(&backlogs));
    assert!(page.len() < LARGEST / 2, "{} bytes", page.len());
    let mut long = sample::sweep(&backlogs);
    for cell in &mut long.cells {
        // Ten minutes in intervals of 0.1 s, with 30 rows of latencies in each.
        let timeline = &mut cell.timeline;
        let places = (0..6000).flat_map(|at| (80..110).map(move |row| (at, row)));
        timeline.heat.places =
            places.map(|(at, row)| (at, row, 1 + u64::from(at * row % 97))).collect();
        let intervals = timeline.loads[0].intervals.clone();
        timeline.loads[0].intervals = intervals.into_iter().cycle().take(6000).collect();
        timeline.target = timeline.target.clone().into_iter().cycle().take(6000).collect();
    }
    let page = checked(&long);
    assert!(page.len() < LARGEST, "however long it ran: {} bytes", page.len());
}

#[test]
fn repeated_runs_begin_with_how_they_compare_and_stay_small() {
    let mut result = sample::repeats(12);
    let page = checked(&result);
    let place = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what}"));
    let order = [
        "Worse: the candidate is worse in 3 of 4",
        "id=\"effects",
        "Verdict: fail",
        "<p>the candidate is worse in 3 of 4",
        "id=\"cells",
    ];
    assert!(order.map(place).is_sorted());
    assert_eq!(page.matches("<svg").count(), 3 + 2 * 2, "over time: one run a side");
    assert_eq!(page.matches("<details class=\"cell\"").count(), 24);
    assert!(page.len() < LARGEST, "{} bytes", page.len());
    if let Some(folder) = std::env::var_os("LOADGEN_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join("repeats.html"), &page).expect("written");
    }
    let most = checked(&sample::repeats(24)).len();
    assert!(most < LARGEST / 2, "as many as looks may take: {most} bytes");
    assert!(text(&[result.clone(), sample::backlog()]).contains("A candidate"));
    let repeats = result.repeats.as_mut().expect("repeats");
    (repeats.candidate, repeats.comparison) = (None, None);
    result.cells.retain(|cell| cell.title().starts_with("base"));
    let page = checked(&result);
    assert!(!page.contains("id=\"comparison") && page.contains("12 run(s) of the base"));
    let mut datagrams = sample::datagrams();
    datagrams.repeats = result.repeats;
    checked(&datagrams);
}

#[test]
fn a_comparison_has_a_page_of_its_own() {
    for (found, index) in sample::comparison::all().iter().zip(0..) {
        let page = String::from_utf8(comparison::page(found)).expect("text");
        assert!(page.starts_with("<!DOCTYPE html>") && page.len() < LARGEST / 4, "{}", page.len());
        assert!(!page.contains("<script") && !page.contains('\u{1b}'));
        if let Some(folder) = std::env::var_os("LOADGEN_PICTURES") {
            let path = std::path::Path::new(&folder).join(format!("comparison-{index}.html"));
            std::fs::write(path, &page).expect("written");
        }
    }
}

#[test]
fn nothing_of_a_result_becomes_markup() {
    const HOSTILE: &str = "</title></style><script>alert(1)</script><img src=x onerror=\"y\">'&";
    let hostile = |value: &mut Value| *value = Value::String(HOSTILE.to_owned());
    let mut made = serde_json::to_value(sample::told()).expect("JSON");
    for path in [
        "/scenario/name",
        "/scenario/description",
        "/scenario/cells/0/name",
        "/scenario/sweep/0/path",
        "/environment/kernel",
        "/environment/cpu",
        "/environment/started_at",
        "/loadgen_version",
        "/cells/0/name",
        "/cells/0/axes/0/value",
        "/cells/0/loads/0/name",
        "/cells/0/target/address",
        "/cells/0/metrics/0/load",
        "/cells/0/counters/0/counter",
        "/cells/0/findings/0/text",
        "/cells/0/findings/0/remedy",
        "/cells/0/prediction/model",
        "/cells/0/prediction/method",
        "/cells/0/wire/file",
        "/cells/0/wire/ladders/0/title",
        "/cells/0/wire/ladders/0/client",
        "/cells/0/wire/ladders/0/steps/0/flags",
        "/knee/over",
        "/knee/steps/0/text",
        "/limits/0/subject",
    ] {
        hostile(made.pointer_mut(path).unwrap_or_else(|| panic!("{path}")));
    }
    let result: RunResult = serde_json::from_value(made).expect("a result");
    for page in [checked(&result), text(&[result.clone(), result])] {
        assert_eq!(page.matches("</style>").count(), 1);
        for forbidden in ["<script", "<img", "onerror=\"", "http://", "https://"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn runs_are_compared_by_letter() {
    let (one, mut two) = (sample::told(), sample::told());
    two.environment.kernel = "Linux 6.1".to_owned();
    two.scenario.seed = 7;
    two.verdict = Verdict::Pass;
    let page = text(&[one, two]);
    for part in ["A target.backlog = 5", "B target.backlog = 1024", "B: Linux 6.1", "seed", "Run B"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!text(&[]).is_empty());
}

#[test]
fn broken_limits_come_first() {
    let mut result = sample::backlog();
    let held = LimitResult {
        holds: Some(true),
        subject: "lag.p99".to_owned(),
        ..result.limits[0].clone()
    };
    result.limits.insert(0, held);
    let page = checked(&result);
    assert!(page.find("connect.p99") < page.find("lag.p99"));
}

#[test]
fn extreme_values_are_shown_and_break_nothing() {
    let mut result = sample::told();
    let cell: &mut CellResult = &mut result.cells[0];
    cell.timeline.interval_s = f64::NAN;
    cell.duration_s = f64::INFINITY;
    cell.wire.as_mut().expect("captured").ladders.push(Ladder::default());
    let prediction = cell.prediction.as_mut().expect("predicted");
    (prediction.predicted.blocking, prediction.measured.mean_wait_s) = (f64::NAN, Some(-1e300));
    cell.findings[0].impact = f64::NAN;
    cell.timeline.heat.rows_per_decade = 1;
    cell.timeline.heat.places = vec![(u32::MAX, u32::MAX, u64::MAX); 3];
    cell.wire.as_mut().expect("captured").ladders[0].left_out = u64::MAX;
    let classes = cell.classes.as_mut().expect("classes");
    classes.classes.iter_mut().for_each(|one| (one.count, one.class) = (u64::MAX, Class::Queued));
    checked(&result);
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.values().map(leaves).sum(),
        Value::Array(list) => list.iter().map(leaves).sum(),
        _ => 1,
    }
}

/// Replaces the leaf of this number.
fn change(value: &mut Value, number: usize, by: &Value) {
    fn walk(value: &mut Value, left: &mut usize, by: &Value) -> bool {
        match value {
            Value::Object(map) => map.values_mut().any(|value| walk(value, left, by)),
            Value::Array(list) => list.iter_mut().any(|value| walk(value, left, by)),
            leaf if *left == 0 => {
                *leaf = by.clone();
                true
            }
            _ => {
                *left -= 1;
                false
            }
        }
    }
    walk(value, &mut { number }, by);
}

fn short(mut result: RunResult) -> Value {
    for cell in &mut result.cells {
        let timeline = &mut cell.timeline;
        timeline.heat.places.truncate(5);
        timeline.target.truncate(5);
        timeline.datagrams.truncate(5);
        timeline.loads.iter_mut().for_each(|load| load.intervals.truncate(5));
        timeline.queues.clear();
        cell.metrics.truncate(2);
    }
    serde_json::from_slice(&json::run(&result)).expect("JSON")
}

fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::from(u64::MAX)),
        Just(Value::from(i64::MIN)),
        Just(Value::from(0)),
        Just(Value::from(u32::MAX)),
        Just(Value::from(1e308)),
        Just(Value::from(-1e308)),
        Just(Value::from(1e-300)),
        Just(Value::Null),
        "\\PC{0,40}".prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_result_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), odd()), 1..6), kind in 0..3,
    ) {
        let mut made = short(match kind {
            0 => sample::datagrams(),
            1 => sample::told(),
            _ => sample::repeats(2),
        });
        for (number, by) in &changes {
            let number = number.index(leaves(&made));
            change(&mut made, number, by);
        }
        if let Ok(result) = serde_json::from_value::<RunResult>(made) {
            text(std::slice::from_ref(&result));
            text(&[result.clone(), result]);
        }
    }
}
