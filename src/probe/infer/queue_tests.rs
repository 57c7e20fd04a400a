//! Accept queues of several systems, as recorded or as their documents say.

use super::*;
use crate::measure::card::{Instrument, Method, Observation};

fn experiment(seen: impl IntoIterator<Item = Observation>) -> Experiment {
    let method = Method { instrument: Instrument::Accept, how: String::new() };
    let mut experiment = Experiment::new("x", "", method);
    for one in seen {
        experiment.saw(one);
    }
    experiment
}

fn filled((backlog, held): &(i64, i64)) -> Observation {
    let seen = Observation::new().given("backlog", *backlog).seen("accepted", *held);
    seen.seen("established_by_poll", *held).seen("limit", *held - 1).seen("filled", true)
}

fn concluded(points: &[(i64, i64)]) -> Experiment {
    let mut experiment = experiment(points.iter().map(filled));
    conclude(&mut experiment);
    experiment
}

fn shown(experiment: &Experiment, name: &str) -> String {
    experiment.value(name).map(ToString::to_string).unwrap_or_default()
}

fn edges_of(points: &[(i64, i64)]) -> [String; 4] {
    let experiment = concluded(points);
    ["rule", "clamp", "zero", "negative"].map(|name| shown(&experiment, name))
}

#[test]
fn linux_as_recorded() {
    let points = [(0, 1), (1, 2), (5, 6), (16, 17), (128, 129), (1000, 1001), (-1, 4097)];
    let words = ["n + 1", "4097 connections", "by_rule", "as_maximum"];
    assert_eq!(edges_of(&points), words);
    let experiment = concluded(&points);
    let capacity = &experiment.inferred[0];
    assert_eq!((capacity.confidence, capacity.from.len()), (Confidence::High, 7));
    let Value::Counts { points, .. } = &capacity.value else { panic!("a table") };
    assert_eq!((points[0], points[1]), ((-1, 4097), (0, 1)), "by rising backlog");
    assert_eq!(experiment.missing, []);
}

#[test]
fn a_smaller_limit_of_the_system_cuts_what_is_beyond() {
    let points = [(0, 1), (1, 2), (5, 6), (16, 17), (128, 65), (1000, 65), (-1, 65)];
    assert_eq!(edges_of(&points), ["n + 1", "65 connections", "by_rule", "as_maximum"]);
}

#[test]
fn other_systems_as_their_documents_say() {
    // sonewconn and solisten_proto of FreeBSD; kern.ipc.soacceptqueue is 128.
    let freebsd = [(0, 1), (1, 2), (5, 8), (16, 25), (128, 193), (1000, 193), (-1, 193)];
    let words = ["floor(3n/2) + 1", "193 connections", "by_rule", "as_maximum"];
    assert_eq!(edges_of(&freebsd), words);
    // solisten of XNU; kern.ipc.somaxconn is 128.
    let macos = [(0, 128), (1, 1), (5, 5), (16, 16), (128, 128), (1000, 128), (-1, 128)];
    assert_eq!(edges_of(&macos), ["n", "128 connections", "as_maximum", "as_maximum"]);
    let raised = [(0, 9), (1, 9), (5, 9), (16, 17), (128, 129), (5000, 1025), (-1, 1025)];
    assert_eq!(edges_of(&raised), ["n + 1", "1025 connections", "as_least", "as_maximum"]);
    assert_eq!(shown(&concluded(&raised), "least"), "9 connections");
    let zeroed = [(0, 1), (2, 3), (5, 6), (9, 10), (-1, 1)];
    assert_eq!(edges_of(&zeroed), ["n + 1", "", "by_rule", "as_zero"]);
}

#[test]
fn what_the_values_do_not_tell_is_missing() {
    let named = |points: &[(i64, i64)]| {
        let missing = concluded(points).missing;
        missing.into_iter().map(|missing| missing.what).collect::<Vec<_>>()
    };
    assert_eq!(named(&[(1, 2)]), ["rule", "clamp"]);
    assert_eq!(named(&[(-1, 4097)]), ["rule", "clamp"]);
    assert_eq!(named(&[(5, 6), (16, 17)]), ["clamp"]);
    assert_eq!(edges_of(&[(-1, 4097)])[3], "", "nothing to compare with");
    assert_eq!(edges_of(&[(2, 9), (5, 4), (9, 77)])[0], "other");
}

#[test]
fn a_queue_that_never_became_full_has_no_capacity() {
    let short = Observation::new().given("backlog", -1).seen("accepted", 768);
    let short = short.seen("clients", 768).seen("filled", false);
    let mut experiment = experiment([filled(&(1, 2)), filled(&(5, 6)), short]);
    conclude(&mut experiment);
    assert_eq!(shown(&experiment, "capacity"), "1 -> 2, 5 -> 6");
    assert_eq!(shown(&experiment, "limit"), "1 -> 1, 5 -> 5");
    let why = &experiment.missing[0].why;
    assert!(why.contains("after 768 clients (observation 2)"), "{why}");
}

#[test]
fn witnesses_that_deny_what_accept_gave_take_confidence() {
    let denied = filled(&(5, 6)).seen("established_by_tcp_info", 9);
    let mut experiment = experiment([filled(&(1, 2)), denied]);
    conclude(&mut experiment);
    assert_eq!(experiment.inferred[0].confidence, Confidence::Medium);
}

#[test]
fn rounds_that_differ_are_told() {
    let round = |accepted: i64, without: i64| {
        let seen = Observation::new().given("backlog", 5).given("sequential", 6);
        seen.seen("accepted", accepted).seen("without_place", without)
    };
    let mut same = experiment([round(6, 0), round(6, 0)]);
    conclude_concurrent(&mut same);
    let of =
        |e: &Experiment| ["capacity", "beyond_sequential", "without_place"].map(|n| shown(e, n));
    assert_eq!(of(&same), ["5 -> 6", "", ""], "that nobody saw it is no proof");
    assert_eq!(same.missing.len(), 2);
    assert_eq!(same.inferred[0].confidence, Confidence::High);
    let mut differ = experiment([round(7, 1), round(6, 0), round(6, 0)]);
    conclude_concurrent(&mut differ);
    assert_eq!(of(&differ), ["5 -> 6", "sometimes", "sometimes"]);
    assert_eq!(differ.inferred[0].confidence, Confidence::Medium);
    assert_eq!(
        (differ.inferred[1].confidence, &differ.inferred[1].from[..]),
        (Confidence::Medium, &[0][..])
    );
}
