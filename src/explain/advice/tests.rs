use super::super::queueing::tests::{overflows, run};
use super::super::tests::cell_with;
use super::*;
use crate::measure::result::{Class, ClassesResult, LoadInterval, RunResult};
use crate::scenario::plan::{Target, Window};
use crate::units::{Backlog, Rate, Span};

/// What is advised after a run, of which only the arrivals matter.
fn advised(run: &mut RunResult) -> Advice {
    let (plan, cell) = (&run.scenario.cells[0], &mut run.cells[0]);
    let mut intervals = vec![LoadInterval::default(); 10_000];
    let seed = crate::load::seed_of(run.scenario.seed, 0);
    let Schedule::Open { shape, window, .. } = &plan.loads[0].schedule else { panic!("open") };
    let mut attempts = 0;
    for arrival in crate::load::Arrivals::new(shape, *window, None, seed) {
        intervals[(arrival.offset / 100_000_000) as usize].attempts += 1;
        attempts += 1;
    }
    cell.loads[0].offered = attempts;
    cell.timeline.loads[0].intervals = intervals;
    cell.metrics.clear();
    let classes = ClassesResult::default();
    advice(&Case { plan, cell, classes: &classes }).expect("advice")
}

fn accept(run: &mut RunResult, change: impl FnOnce(&mut crate::scenario::plan::Serve)) {
    let Target::Own { serve, .. } = &mut run.scenario.cells[0].target else { panic!("own") };
    change(serve);
    run.cells[0].target.backlog_effective = Some(serve.backlog.0 as u32);
}

#[test]
fn the_accept_rate_that_is_advised_suffices() {
    for (arrivals, backlog, seconds) in [(300.0, 50, 60), (500.0, 128, 20), (40.0, 10, 100)] {
        let mut run = run(arrivals, seconds, |serve| {
            serve.backlog = Backlog(backlog);
            serve.accept = AcceptPace::Rate(Rate::new(arrivals * 0.7).expect("a rate"));
        });
        let rate = advised(&mut run).rate.expect("a rate").ceil();
        assert!(rate < 2.5 * arrivals, "{rate} for {arrivals}: no more than needed");
        accept(&mut run, |serve| {
            serve.accept = AcceptPace::Rate(Rate::new(rate).expect("a rate"));
        });
        let runs = (1..=100).filter(|seed| overflows(&run, *seed) > 0).count();
        assert!(runs <= 2, "{runs} of 100 runs overflow at {rate}");
    }
}

#[test]
fn the_backlog_that_is_advised_suffices() {
    for (arrivals, accepts) in [(300.0, 200.0), (300.0, 290.0), (300.0, 330.0)] {
        let mut run = run(arrivals, 30, |serve| {
            serve.backlog = Backlog(5);
            serve.accept = AcceptPace::Rate(Rate::new(accepts).expect("a rate"));
        });
        let backlog = advised(&mut run).backlog.expect("a backlog");
        let surplus = ((arrivals - accepts) * 30.0).max(0.0);
        assert!((backlog as f64) < 1.2 * surplus + 350.0, "{backlog} for {accepts}");
        accept(&mut run, |serve| serve.backlog = Backlog(backlog as i32));
        let runs = (1..=100).filter(|seed| overflows(&run, *seed) > 0).count();
        assert!(runs <= 2, "{runs} of 100 runs overflow with {backlog} at {accepts}");
    }
}

#[test]
fn a_stall_wants_a_backlog_and_no_accept_rate() {
    let mut run = run(300.0, 10, |serve| {
        serve.accept = AcceptPace::Rate(Rate::new(2000.0).expect("a rate"));
        let (from, to) = (Span::from_millis(2000), Span::from_millis(3000));
        serve.stalls = vec![Window { from, to }];
    });
    let advice = advised(&mut run);
    assert_eq!(advice.rate, None);
    let backlog = advice.backlog.expect("a backlog");
    assert!((300..500).contains(&backlog), "{backlog}");
    accept(&mut run, |serve| serve.backlog = Backlog(backlog as i32));
    assert_eq!((1..=20).map(|seed| overflows(&run, seed)).sum::<u64>(), 0);
}

#[test]
fn a_closed_loop_gets_no_advice_and_a_setting_in_the_way_is_named() {
    let (mut plan, mut cell) = cell_with(&[(Class::AcceptQueueFull, 100, 1.0)]);
    cell.settings.insert("net.core.somaxconn".to_owned(), "128".to_owned());
    let classes = cell.classes.clone().expect("classes");
    let told = |plan: &_, cell: &crate::measure::result::CellResult| {
        let case = Case { plan, cell, classes: &classes };
        advice(&case).map(|advice| advice.told(&case))
    };
    let text = told(&plan, &cell).expect("advice");
    assert!(text.contains("(net.core.somaxconn, 128 here, must be raised too)"), "{text}");
    plan.loads[0].schedule = Schedule::Closed {
        clients: 4,
        think: Span::default(),
        window: Span::from_millis(1000),
        attempts: None,
    };
    assert_eq!(told(&plan, &cell), None);
}

/// The same run with clients that come evenly.
fn evenly(run: &mut RunResult, arrivals: f64) {
    let Schedule::Open { shape, .. } = &mut run.scenario.cells[0].loads[0].schedule else {
        panic!("open")
    };
    *shape = Shape::Constant { rate: Rate::new(arrivals).expect("a rate") };
}

#[test]
fn clients_that_come_evenly_need_little_more_than_their_own_rate() {
    for (arrivals, accepts, backlog, acceptors) in
        [(300.0, 200.0, 50, 1), (500.0, 450.0, 5, 1), (997.0, 700.0, 20, 3), (40.0, 12.0, 10, 2)]
    {
        let mut run = run(arrivals, 30, |serve| {
            (serve.backlog, serve.acceptors) = (Backlog(backlog), acceptors);
            serve.accept = AcceptPace::Rate(Rate::new(accepts).expect("a rate"));
        });
        evenly(&mut run, arrivals);
        assert!(overflows(&run, 1) > 0, "it overflowed");
        let Advice { rate, backlog, assumed, .. } = advised(&mut run);
        assert!(assumed.contains("come evenly"), "{assumed}");
        let (rate, backlog) = (rate.expect("a rate"), backlog.expect("a backlog"));
        assert!((accepts..=arrivals).contains(&rate), "{rate} for {arrivals}");
        let surplus = (arrivals - accepts) * 30.0;
        assert!((backlog as f64) < surplus + 10.0, "{backlog} for {surplus}");
        for (accepts, backlog) in [(rate.ceil(), None), (accepts, Some(backlog))] {
            let mut with = run.clone();
            accept(&mut with, |serve| {
                serve.accept = AcceptPace::Rate(Rate::new(accepts).expect("a rate"));
                serve.backlog = backlog.map_or(serve.backlog, |backlog| Backlog(backlog as i32));
            });
            let over: u64 = (1..=10).map(|seed| overflows(&with, seed)).sum();
            assert_eq!(over, 0, "at {accepts}, backlog {backlog:?}, {acceptors} acceptors");
        }
    }
}

#[test]
fn a_stall_of_even_clients_wants_what_comes_in_it() {
    let mut run = run(300.0, 10, |serve| {
        serve.accept = AcceptPace::Rate(Rate::new(2000.0).expect("a rate"));
        let (from, to) = (Span::from_millis(2000), Span::from_millis(3000));
        serve.stalls = vec![Window { from, to }];
    });
    evenly(&mut run, 300.0);
    let advice = advised(&mut run);
    assert_eq!((advice.rate, advice.risky), (None, None));
    let backlog = advice.backlog.expect("a backlog");
    assert!((299..310).contains(&backlog), "{backlog}");
    accept(&mut run, |serve| serve.backlog = Backlog(backlog as i32));
    assert_eq!((1..=20).map(|seed| overflows(&run, seed)).sum::<u64>(), 0);
}

#[test]
fn where_no_rate_is_certain_one_is_told_with_its_risk() {
    let mut run = run(100.0, 20, |serve| {
        serve.backlog = Backlog(2);
        serve.accept = AcceptPace::Rate(Rate::new(90.0).expect("a rate"));
    });
    let advice = advised(&mut run);
    let (rate, risk) = advice.risky.expect("a rate with its risk");
    assert_eq!((advice.rate, rate), (None, 1000.0));
    assert!(risk > RISK && risk < 0.5, "{risk}");
    accept(&mut run, |serve| {
        serve.accept = AcceptPace::Rate(Rate::new(rate).expect("a rate"));
    });
    let runs = (1..=200).filter(|seed| overflows(&run, *seed) > 0).count();
    assert!(runs as f64 <= 200.0 * risk + 3.0 * (200.0 * risk).sqrt(), "{runs}, {risk}");
}
