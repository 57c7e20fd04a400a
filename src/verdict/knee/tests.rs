use proptest::prelude::*;

use super::*;
use crate::measure::result::KneeResult;

fn ask(from: f64) -> Ask {
    Ask {
        from,
        least: 1e-6,
        most: 1e9,
        whole: false,
        within: 0.02,
        repeats: 3,
        most_runs: 60,
        known: None,
        guess: Direction::Rising,
    }
}

/// Carries a search out against a target; the values in the order of trying.
fn carry_out(search: &mut Search, mut target: impl FnMut(f64) -> Option<bool>) -> Vec<f64> {
    let mut values = Vec::new();
    while let Some(value) = search.next() {
        values.push(value);
        assert!(values.len() <= search.ask.most_runs, "{values:?}");
        search.enter(value, target(value));
    }
    values
}

fn words(search: &Search) -> KneeResult {
    let mut knee = KneeResult {
        over: "load.rate".to_owned(),
        until: "counters.ListenOverflows == 0".to_owned(),
        limit: None,
        direction: None,
        steps: Vec::new(),
        holds: None,
        breaks: None,
        converged: false,
        confidence: String::new(),
        notes: Vec::new(),
    };
    conclude(&mut knee, search, |value| format!("{value}/s"));
    knee
}

#[test]
fn growth_then_halves_then_repeats() {
    let mut search = Search::new(ask(100.0));
    let values = carry_out(&mut search, |value| Some(value <= 500.0));
    // Once below, to be sure that low values hold, then up.
    assert_eq!(values[..6], [100.0, 200.0, 50.0, 400.0, 25.0, 800.0]);
    assert_eq!(search.direction(), Some(Direction::Rising));
    let edges = search.edges().expect("found");
    assert!(edges.holds.value <= 500.0 && edges.breaks.value > 500.0);
    assert!(edges.breaks.value / edges.holds.value <= 1.02);
    assert_eq!((edges.holds.tally(), edges.breaks.tally()), ((3, 0), (0, 3)));
    let knee = words(&search);
    assert!(knee.confidence.contains("held in 3 of 3 runs at"), "{}", knee.confidence);
    assert!(knee.confidence.contains("Up to 63 % of runs"), "{}", knee.confidence);
    assert_eq!(
        verdict(&knee, &crate::measure::result::Status::Complete),
        crate::measure::result::Verdict::Pass
    );
}

#[test]
fn a_first_value_that_breaks_is_left_downwards() {
    let mut search = Search::new(ask(4000.0));
    let values = carry_out(&mut search, |value| Some(value <= 500.0));
    assert_eq!(values[..4], [4000.0, 2000.0, 8000.0, 1000.0]);
    assert!(search.edges().is_some());
}

#[test]
fn low_values_that_break_are_found_by_trying_both_sides() {
    for (from, guess) in
        [(128.0, Direction::Falling), (4.0, Direction::Falling), (16.0, Direction::Rising)]
    {
        let mut search = Search::new(Ask { whole: true, least: 1.0, guess, ..ask(from) });
        carry_out(&mut search, |value| Some(value >= 50.0));
        let edges = search.edges().expect("found");
        assert_eq!((edges.holds.value, edges.breaks.value), (50.0, 49.0), "from {from}");
        assert_eq!(search.direction(), Some(Direction::Falling));
    }
}

#[test]
fn a_known_direction_saves_the_other_side() {
    let known = Some(Direction::Rising);
    let mut search = Search::new(Ask { known, ..ask(100.0) });
    let values = carry_out(&mut search, |value| Some(value <= 500.0));
    assert_eq!(values[..4], [100.0, 200.0, 400.0, 800.0]);
}

#[test]
fn a_value_that_holds_only_sometimes_is_inside_the_range() {
    let mut search = Search::new(ask(100.0));
    let mut coin = 0;
    carry_out(&mut search, |value| match value {
        ..=450.0 => Some(true),
        550.0.. => Some(false),
        _ => {
            coin += 1;
            Some(coin % 2 == 0)
        }
    });
    let edges = search.edges().expect("found");
    assert!(edges.holds.value <= 550.0, "{edges:?}");
    assert_eq!(edges.holds.tally().1, 0);
    assert_eq!(edges.breaks.tally().0, 0);
    assert!(edges.holds.tally().0 >= 3 && edges.breaks.tally().1 >= 3, "{edges:?}");
}

#[test]
fn what_the_generator_cannot_do_is_no_knee() {
    let mut search = Search::new(ask(1000.0));
    carry_out(&mut search, |value| (value <= 30_000.0).then_some(true));
    assert_eq!(search.edges(), None);
    let knee = words(&search);
    assert_eq!((knee.holds.as_deref(), &knee.breaks), (Some("16000/s"), &None));
    assert!(!knee.converged);
    assert!(knee.confidence.contains("the limit held from"), "{}", knee.confidence);
    assert!(knee.confidence.contains("no run could tell at 32000/s"), "{}", knee.confidence);
    let unclear = search.tried().iter().find(|tried| tried.state() == State::Unclear);
    assert_eq!(unclear.expect("tried").runs.len(), 2, "it was tried again");
    let nothing = Search::new(ask(1.0));
    assert!(words(&nothing).confidence.contains("nothing was tried"));
}

#[test]
fn an_unclear_first_value_is_left_towards_easier_ones() {
    let mut search = Search::new(ask(100_000.0));
    carry_out(&mut search, |value| (value <= 30_000.0).then_some(value <= 500.0));
    let edges = search.edges().expect("found");
    assert!(edges.holds.value <= 500.0 && edges.breaks.value > 500.0);
}

#[test]
fn bounds_are_kept_and_tried_themselves() {
    let mut search = Search::new(Ask { most: 300.0, ..ask(100.0) });
    let values = carry_out(&mut search, |_| Some(true));
    assert!(values.contains(&300.0) && values.iter().all(|value| *value <= 300.0), "{values:?}");
    assert!(words(&search).confidence.contains("the limit held from"));
    let mut search = Search::new(Ask { most_runs: 4, ..ask(100.0) });
    assert_eq!(carry_out(&mut search, |value| Some(value <= 500.0)).len(), 4);
    assert!(words(&search).confidence.contains("ended after 4 runs"));
}

#[test]
fn a_limit_that_holds_again_beyond_is_told() {
    let mut search = Search::new(Ask { known: Some(Direction::Rising), ..ask(3000.0) });
    let values = carry_out(&mut search, |value| Some(value <= 500.0 || value >= 2500.0));
    // It begins where it holds again, and finds no break upwards.
    assert!(values.iter().all(|value| *value >= 3000.0));
    let mut search = Search::new(ask(3000.0));
    carry_out(&mut search, |value| Some(value <= 500.0 || (800.0..1000.0).contains(&value)));
    let edges = search.edges().expect("found");
    assert!(edges.holds.value <= 500.0 || edges.holds.value >= 800.0);
    if edges.holds.value < 800.0
        && search.tried().iter().any(|t| (800.0..1000.0).contains(&t.value))
    {
        assert!(!words(&search).notes.is_empty());
    }
}

proptest! {
    #[test]
    fn the_edges_hold_the_threshold(
        from in 1.0f64..1e5,
        knee in 1.0f64..1e5,
        whole: bool,
        falling: bool,
        rightly: bool,
    ) {
        let guess = if falling == rightly { Direction::Falling } else { Direction::Rising };
        let from = if whole { from.round() } else { from };
        let mut search = Search::new(Ask { whole, least: 1.0, guess, ..ask(from) });
        let values = carry_out(&mut search, |value| Some((value <= knee) != falling));
        prop_assert!(values.len() < 60, "{values:?}");
        // Three doublings in the less likely direction may be too few.
        if let Some(edges) = search.edges() {
            let (holds, breaks) = (edges.holds.value, edges.breaks.value);
            let (low, high) = if falling { (breaks, holds) } else { (holds, breaks) };
            prop_assert!(low <= knee && knee <= high, "{low} {knee} {high}");
            prop_assert!(high <= low * 1.0201 || (whole && high - low <= 1.0), "{low} {high}");
            prop_assert!(edges.holds.runs.len() == 3 && edges.breaks.runs.len() == 3);
        } else {
            prop_assert!(!rightly || knee < 1.1, "{values:?}");
        }
    }

    #[test]
    fn every_search_ends(
        from in 1e-3f64..1e9,
        outcomes in proptest::collection::vec(proptest::option::of(any::<bool>()), 1..9),
        whole: bool,
    ) {
        let mut search = Search::new(Ask { whole, from: if whole { from.ceil() } else { from }, ..ask(1.0) });
        let mut next = 0;
        let values = carry_out(&mut search, |_| {
            next += 1;
            outcomes[next % outcomes.len()]
        });
        prop_assert!(values.iter().all(|value| value.is_finite() && *value > 0.0));
        words(&search);
    }
}
