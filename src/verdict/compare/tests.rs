use super::*;
use crate::measure::comparison::{Better, Measure, Scale};
use crate::measure::result::{
    Arm, CellResult, Environment, LostRun, MetricResult, Place, RunResult, Status, Trial,
};
use crate::measure::{Metric, Outcome, Summary, empty, encode, record_many};
use crate::report::sample;
use crate::scenario::plan::Statistic;

mod doubt;

/// Values that differ a little from run to run, by at most 2 %.
const STEADY: [f64; 6] = [1.0, 1.01, 0.99, 1.005, 0.995, 1.0];

fn measured(metric: Metric, nanos: f64, count: u64) -> MetricResult {
    let mut values = empty();
    record_many(&mut values, nanos as u64, count);
    MetricResult {
        load: "clients".to_owned(),
        metric,
        summary: Summary::of(&values),
        histogram: encode(&values),
        two_clocks: false,
    }
}

/// A run in which each connection took so many nanoseconds.
fn run(nanos: f64) -> CellResult {
    let mut cell = sample::sweep(&[1024]).cells.remove(0);
    cell.validity.resolution = 5_000;
    cell.metrics = vec![
        measured(Metric::Connect, nanos, 1000),
        measured(Metric::ConnectService, nanos - 1000.0, 1000),
        measured(Metric::Lag, 1000.0, 1000),
    ];
    let load = &mut cell.loads[0];
    load.attempts = 1000;
    load.outcomes.insert(Outcome::Timeout, 0);
    cell
}

fn side(runs: Vec<CellResult>) -> Sample {
    let RunResult { scenario, environment, loadgen_version, .. } = sample::sweep(&[1024]);
    Sample { loadgen_version, scenario, environment, runs, lost: Vec::new() }
}

fn slower(by: f64) -> Sample {
    side(STEADY.iter().map(|noise| run(1e6 * noise * by)).collect())
}

fn compared(base: &Sample, candidate: &Sample) -> ComparisonResult {
    compare(("base", base), ("candidate", candidate), &Judging::default())
}

fn only(subject: Subject) -> Judging {
    Judging { wanted: vec![(subject, None).into()], ..Judging::default() }
}

fn failed(least: Option<f64>) -> Judging {
    let subject = Subject::Outcome { load: None, outcome: Subject::FAILED.to_owned() };
    Judging { wanted: vec![(subject, least).into()], ..Judging::default() }
}

fn reason(change: &Change) -> (&str, Option<u32>) {
    match change {
        Change::Inconclusive { reason, more_runs } => (reason, *more_runs),
        other => panic!("{other:?}"),
    }
}

#[test]
fn slower_is_worse_faster_is_better_and_neither_is_the_same() {
    for (by, verdict) in [(1.5, Change::Worse), (0.6, Change::Better), (1.02, Change::Same)] {
        let result = compared(&slower(1.0), &slower(by));
        assert_eq!(result.verdict, verdict, "{by}: {result:#?}");
        assert_eq!((result.base.runs, result.candidate.runs), (6, 6));
        let first = &result.metrics[0];
        assert_eq!(
            (first.subject.as_str(), first.load.as_deref()),
            ("connect.p50", Some("clients"))
        );
        assert_eq!((first.unit, first.better), (Measure::Nanoseconds, Better::Lower));
        assert_eq!((first.cell.as_str(), first.base.len()), ("target.backlog = 1024", 6));
        let effect = first.effect.expect("an effect");
        assert!((effect.estimate - (by - 1.0)).abs() < 0.02, "{effect:?}");
        assert_eq!((effect.scale, effect.confidence), (Scale::Relative, 0.95));
    }
}

#[test]
fn what_counts_by_itself_is_few_and_comes_first() {
    let result = compared(&slower(1.0), &slower(1.0));
    let told: Vec<_> =
        result.metrics.iter().map(|one| (one.subject.as_str(), one.counts)).collect();
    assert_eq!(
        told,
        [
            ("connect.p50", true),
            ("connect.p99", true),
            ("outcomes.failed", true),
            ("connect_service.p50", false)
        ]
    );
    let mut closed = slower(1.0);
    for cell in &mut closed.runs {
        cell.loads[0].arrivals = "closed".to_owned();
        cell.metrics.push(measured(Metric::Request, 3e6, 50));
        cell.validity.cpu_s = (0.1, 0.1);
    }
    let result = compared(&closed, &closed);
    let told: Vec<_> =
        result.metrics.iter().map(|one| (one.subject.as_str(), one.counts)).collect();
    assert_eq!(
        told,
        [
            ("request.p50", true),
            ("outcomes.failed", true),
            ("throughput", true),
            ("connect.p50", false),
            ("cpu_per_attempt", false)
        ]
    );
    assert_eq!(result.metrics[2].better, Better::Higher);
    assert_eq!(result.verdict, Change::Same);
}

#[test]
fn only_what_was_asked_for_counts() {
    let mut candidate = slower(1.5);
    let throughput = Subject::Throughput { load: None };
    let judge = |candidate: &Sample, how: &Judging| {
        compare(("a", &slower(1.0)), ("b", candidate), how).verdict
    };
    assert_eq!(judge(&candidate, &only(throughput.clone())), Change::Same);
    candidate.runs.iter_mut().for_each(|cell| cell.loads[0].achieved_rate = 300.0);
    assert_eq!(judge(&candidate, &only(throughput.clone())), Change::Worse);
    let lax = Judging { wanted: vec![(throughput, Some(0.5)).into()], ..Judging::default() };
    assert_eq!(judge(&candidate, &lax), Change::Same);
    let absent = only(Subject::Counter("NoSuchCounter".to_owned()));
    let verdict = judge(&candidate, &absent);
    assert!(reason(&verdict).0.contains("nothing was measured of it in any run"), "{verdict:?}");
}

#[test]
fn shares_are_compared_in_points() {
    let mut candidate = slower(1.0);
    for cell in &mut candidate.runs {
        cell.loads[0].outcomes.insert(Outcome::Timeout, 15);
    }
    let judge = |how: &Judging| compare(("a", &slower(1.0)), ("b", &candidate), how);
    let result = judge(&failed(None));
    let effect = result.metrics[0].effect.expect("an effect");
    assert_eq!((effect.scale, effect.low, effect.high), (Scale::Points, 0.015, Some(0.015)));
    assert_eq!((result.verdict, result.metrics[0].minimum_effect), (Change::Worse, 0.01));
    assert_eq!(judge(&failed(Some(0.02))).verdict, Change::Same);
}

#[test]
fn from_nothing_to_something_has_no_upper_bound_and_no_infinity() {
    let with = |count: u64| {
        let mut side = slower(1.0);
        for (cell, more) in side.runs.iter_mut().zip(0..) {
            let counter = &mut cell.counters[0];
            counter.after = counter.before + if count > 0 { count + more } else { 0 };
        }
        side
    };
    let how = only(Subject::Counter("ListenOverflows".to_owned()));
    let result = compare(("a", &with(0)), ("b", &with(40)), &how);
    let effect = result.metrics[0].effect.expect("an effect");
    assert_eq!((effect.scale, &result.verdict), (Scale::Difference, &Change::Worse));
    assert!(effect.low >= 40.0 && effect.high.is_some_and(|high| high <= 45.0), "{effect:?}");
    let back = compare(("a", &with(40)), ("b", &with(0)), &how);
    assert_eq!(
        (back.metrics[0].effect.expect("one").estimate, back.verdict),
        (-1.0, Change::Better)
    );
    let none = compare(("a", &with(0)), ("b", &with(0)), &how);
    assert_eq!(none.verdict, Change::Same);
    for result in [&result, &none] {
        let text = serde_json::to_string(result).expect("written");
        let read: ComparisonResult = serde_json::from_str(&text).expect("read again");
        assert_eq!(read, *result);
    }
}

#[test]
fn too_few_runs_prove_nothing_and_say_how_many_would() {
    let few = |count: usize, by| side(slower(by).runs.into_iter().take(count).collect());
    for (count, more) in [(1, 4), (3, 2), (4, 1)] {
        let result = compared(&few(count, 1.0), &few(count, 2.0));
        let (reason, told) = reason(&result.verdict);
        assert!(reason.starts_with("connect.p50 (target.backlog = 1024, clients)"), "{reason}");
        assert_eq!(told, Some(more), "{count}: {reason}");
    }
    assert_eq!(compared(&few(1, 1.0), &few(1, 2.0)).metrics[0].effect, None);
    assert_eq!(compared(&few(5, 1.0), &few(5, 2.0)).verdict, Change::Worse);
    let same = compared(&few(3, 1.0), &few(3, 1.0));
    assert!(reason(&same.verdict).0.contains("too few runs: 3 and 3"), "{:?}", same.verdict);
}

#[test]
fn noise_is_inconclusive_and_more_runs_are_told() {
    let noisy = [1.0, 1.3, 0.8, 1.15, 0.9, 1.2];
    let noisy = side(noisy.iter().map(|noise| run(1e6 * noise)).collect());
    let result = compared(&noisy, &noisy);
    let (reason, more) = reason(&result.verdict);
    assert!(reason.contains("too noisy") && reason.contains("10.0 % matter"), "{reason}");
    assert!(more.is_some_and(|more| (4..200).contains(&more)), "{more:?}");
}

#[test]
fn the_error_rate_is_shared_by_looks() {
    let looks = Looks::plan(24, 0.05);
    let how = Judging { looks: Some(looks), ..Judging::default() };
    let result = compare(("a", &slower(1.0)), ("b", &slower(1.5)), &how);
    assert_eq!(result.verdict, Change::Worse);
    assert_eq!(result.metrics[0].effect.expect("one").confidence, 0.99);
    let five = |by| side(slower(by).runs.into_iter().take(5).collect());
    let early = compare(("a", &five(1.0)), ("b", &five(1.5)), &how);
    let told = reason(&early.verdict);
    assert!(told.0.contains("chance is not excluded") && told.1 == Some(1), "{told:?}");
}

#[test]
fn runs_that_do_not_count_are_named() {
    let mut candidate = slower(1.5);
    for (cell, number) in candidate.runs.iter_mut().zip(1..) {
        cell.trial = Some(Trial { arm: Arm::Candidate, run: number });
        match number {
            1 => cell.validity.reasons.push("the generator was the limit".to_owned()),
            2 => cell.status = Status::Partial { reason: "the target died".to_owned() },
            _ => {}
        }
    }
    let result = compared(&slower(1.0), &candidate);
    assert_eq!((result.base.runs, result.candidate.runs), (6, 4));
    assert_eq!(
        result.candidate.left_out,
        [
            "target.backlog = 1024, candidate run 1: invalid: the generator was the limit",
            "target.backlog = 1024, candidate run 2: cut short: the target died",
        ]
    );
    assert_eq!(result.verdict, Change::Worse, "{:#?}", result.metrics[0]);
    let trial = Trial { arm: Arm::Candidate, run: 7 };
    let cell = "backlog=1024,candidate,run=7".to_owned();
    candidate.lost.push(LostRun { trial, cell, reason: "no port".to_owned() });
    let lost = compared(&slower(1.0), &candidate).candidate.left_out;
    assert_eq!(lost.last().map(String::as_str), Some("backlog=1024,candidate,run=7: no port"));
    candidate.runs.iter_mut().for_each(|cell| cell.validity.reasons.push("lag".to_owned()));
    let none = compared(&slower(1.0), &candidate);
    assert_eq!(
        reason(&none.verdict).0,
        "the candidate has no run that counts of target.backlog = 1024"
    );
    assert_eq!(none.candidate.left_out.len(), 6, "the rest in one line");
    let nothing = compared(&side(vec![]), &slower(1.0));
    assert_eq!(
        reason(&nothing.verdict).0,
        "the base has no run that counts of target.backlog = 1024"
    );
}

#[test]
fn another_environment_is_named_and_refused_unless_it_is_accepted() {
    type Edit = fn(&mut Sample);
    let cases: [(&str, Edit); 13] = [
        ("the kernel was Linux 6.1, and is Linux 6.18", |side| {
            side.environment.kernel = "Linux 6.18".to_owned();
        }),
        ("the architecture was , and is riscv64", |side| {
            side.environment.architecture = "riscv64".to_owned();
        }),
        ("the CPU was , and is Z80", |side| side.environment.cpu = "Z80".to_owned()),
        ("the number of CPUs was 0, and is 64", |side| side.environment.cpus = 64),
        ("the clock source was , and is hpet", |side| {
            side.environment.clock_source = "hpet".to_owned();
        }),
        ("the user was an ordinary user, and is root", |side| side.environment.root = true),
        ("net.core.somaxconn was absent, and is 9", |side| {
            side.environment.sysctl.insert("net.core.somaxconn".to_owned(), "9".to_owned());
        }),
        ("net.ipv4.tcp_syncookies was absent, and is 2", |side| {
            for cell in &mut side.runs {
                cell.settings.insert("net.ipv4.tcp_syncookies".to_owned(), "2".to_owned());
            }
        }),
        ("the place was a lab over loopback, and is the host's network", |side| {
            let host = Place::Host { reason: String::new() };
            side.runs.iter_mut().for_each(|cell| cell.place = host.clone());
        }),
        ("the lifecycle of load clients was fresh, and is recycle", |side| {
            side.runs.iter_mut().for_each(|cell| cell.loads[0].lifecycle = "recycle".to_owned());
        }),
        ("the engine of load clients was mio, and is io_uring or mio", |side| {
            side.runs[3].loads[0].engine = "io_uring".to_owned();
        }),
        ("the number of workers of load clients was 1, and is 2", |side| {
            side.runs.iter_mut().for_each(|cell| cell.loads[0].workers = 2);
        }),
        ("the scenario: cells[].lab.sources was 1, and is 9", |side| {
            side.scenario.cells.iter_mut().for_each(|cell| cell.lab.sources = 9);
        }),
    ];
    let mut base = slower(1.0);
    base.environment.kernel = "Linux 6.1".to_owned();
    for (told, edit) in cases {
        let mut candidate = Sample { runs: slower(1.5).runs, ..base.clone() };
        edit(&mut candidate);
        let result = compared(&base, &candidate);
        assert_eq!(result.unlike, [told]);
        assert_eq!(result.verdict, Change::Incomparable { reasons: result.unlike.clone() });
        for metric in &result.metrics {
            assert_eq!(metric.effect, None);
            assert!(matches!(metric.change, Change::Incomparable { .. }));
        }
        let how = Judging { accept_unlike: true, ..Judging::default() };
        let accepted = compare(("a", &base), ("b", &candidate), &how);
        assert_eq!((accepted.accepted, &accepted.unlike), (true, &result.unlike));
        assert_eq!(accepted.verdict, Change::Worse, "{told}");
    }
}

#[test]
fn what_may_differ_is_not_held_against_a_side() {
    let (base, mut candidate) = (slower(1.0), slower(1.0));
    candidate.loadgen_version = "9.9.9".to_owned();
    candidate.environment = Environment {
        started_at: "later".to_owned(),
        load_average: 7.0,
        descriptors: (1, 2),
        command_line: vec!["another".to_owned()],
        ..base.environment.clone()
    };
    candidate.scenario.seed = 99;
    candidate.scenario.description = "other words".to_owned();
    assert_eq!(compared(&base, &candidate).unlike, [""; 0]);
}

#[test]
fn arms_of_one_result_differ_in_their_scenarios_on_purpose() {
    let (base, mut candidate) = (slower(1.0), slower(1.5));
    let key = "net.ipv4.tcp_syncookies".to_owned();
    candidate.scenario.cells[0].lab.sysctl = vec![(key.clone(), "0".to_owned())];
    for cell in &mut candidate.runs {
        cell.settings.insert(key.clone(), "0".to_owned());
        cell.place =
            Place::Lab { link: "veth".to_owned(), sysctl: vec![(key.clone(), "0".to_owned())] };
        cell.loads[0].workers = 2;
    }
    assert!(unlike(&base, &candidate, Relation::Apart).len() >= 3);
    assert_eq!(unlike(&base, &candidate, Relation::Arms), [""; 0]);
    let how = Judging { relation: Relation::Arms, ..Judging::default() };
    assert_eq!(compare(("a", &base), ("b", &candidate), &how).verdict, Change::Worse);
    for cell in &mut candidate.runs {
        cell.settings.insert("net.core.somaxconn".to_owned(), "7".to_owned());
    }
    let told = unlike(&base, &candidate, Relation::Arms);
    assert_eq!(told, ["net.core.somaxconn was absent, and is 7"]);
}

#[test]
fn combinations_of_one_side_alone_are_named() {
    let (base, mut candidate) = (slower(1.0), slower(1.0));
    candidate.runs.iter_mut().for_each(|cell| cell.axes[0].value = "5".to_owned());
    let told = unlike(&base, &candidate, Relation::Arms);
    assert_eq!(
        told,
        ["only the base has target.backlog = 1024", "only the candidate has target.backlog = 5"]
    );
}

#[test]
fn a_sweep_is_compared_combination_by_combination() {
    let both = |by: f64| {
        let mut side = slower(1.0);
        let mut other = slower(by).runs;
        other.iter_mut().for_each(|cell| cell.axes[0].value = "5".to_owned());
        side.runs.extend(other);
        side
    };
    let result = compared(&both(1.0), &both(2.0));
    assert_eq!(result.verdict, Change::Worse);
    let worse: Vec<_> =
        result.metrics.iter().filter(|one| one.change == Change::Worse && one.counts).collect();
    assert!(worse.iter().all(|one| one.cell == "target.backlog = 5") && worse.len() == 2);
    assert_eq!((result.base.runs, result.candidate.runs), (6, 6));
}

#[test]
fn datagrams_are_judged_by_delay_and_loss() {
    let mut result = sample::datagrams();
    result.scenario.cells.truncate(1);
    let cell = result.cells[0].clone();
    let runs = Sample {
        loadgen_version: result.loadgen_version,
        scenario: result.scenario,
        environment: result.environment,
        runs: vec![cell; 6],
        lost: Vec::new(),
    };
    let mut lossy = runs.clone();
    for cell in &mut lossy.runs {
        let datagrams = cell.datagrams.as_mut().expect("datagrams");
        datagrams.lost += datagrams.expected / 10;
    }
    let result = compared(&runs, &lossy);
    let loss = result.metrics.iter().find(|one| one.subject == "loss").expect("judged");
    assert_eq!((loss.counts, &loss.change, loss.unit), (true, &Change::Worse, Measure::Share));
    let delay = result.metrics.iter().find(|one| one.subject == "owd.p50").expect("judged");
    assert_eq!((delay.load.as_deref(), delay.counts), (None, true));
    assert_eq!(result.verdict, Change::Worse);
}

#[test]
fn files_that_say_anything_do_no_harm() {
    let mut odd = slower(1.0);
    for (cell, number) in odd.runs.iter_mut().zip(0..) {
        cell.loads[0].achieved_rate = [f64::MAX, -1.0, f64::MIN_POSITIVE, 0.0, 1e300, 1.0][number];
        cell.loads[0].attempts = u64::MAX;
        cell.metrics[0].histogram = "no histogram".to_owned();
        cell.metrics[1].summary.count = u64::MAX;
        cell.validity.cpu_s = (f64::MAX, f64::MAX);
    }
    let throughput = Judging {
        wanted: vec![
            (Subject::Throughput { load: None }, None).into(),
            (
                Subject::Metric {
                    load: None,
                    metric: "connect".to_owned(),
                    statistic: Statistic::Stdev,
                },
                Some(0.0),
            )
                .into(),
        ],
        ..Judging::default()
    };
    for how in [Judging::default(), throughput] {
        for (base, candidate) in [(&odd, &odd), (&slower(1.0), &odd), (&odd, &slower(1.0))] {
            let result = compare(("a", base), ("b", candidate), &how);
            let text = serde_json::to_string(&result).expect("written");
            assert!(serde_json::from_str::<ComparisonResult>(&text).is_ok(), "{text}");
        }
    }
}
