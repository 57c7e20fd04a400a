use super::*;
use crate::measure::card::{Confidence, Experiment, Inferred, Instrument, Method};
use std::collections::BTreeMap;

fn known(system: &str, id: &str, settings: &[(&str, &str)], value: (&str, Value)) -> Option<Value> {
    let method = Method { instrument: Instrument::TcpInfo, how: String::new() };
    let experiment = Experiment::new(id, "", method).with(settings);
    let inferred = Inferred {
        name: value.0.to_owned(),
        value: value.1,
        confidence: Confidence::High,
        because: String::new(),
        from: Vec::new(),
        expected: None,
    };
    let host = &BTreeMap::new();
    let case = Case { system, host, experiment: &experiment, inferred: &inferred };
    expected(&case).map(|(value, _)| value)
}

const RETRIES: &str = "net.ipv4.tcp_syn_retries";
const LINEAR: &str = "net.ipv4.tcp_syn_linear_timeouts";

fn schedule(settings: &[(&str, &str)]) -> (Vec<f64>, f64) {
    let of = |name| known("Linux 6.18.5", "tcp.syn_retries", settings, (name, Value::word("")));
    match (of("schedule"), of("gives_up")) {
        (Some(Value::Schedule { seconds: all, .. }), Some(Value::Seconds { seconds, .. })) => {
            (all, seconds)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn linux_gives_up_after_what_doubled_waits_would_have_taken() {
    // As measured: 134 s at 6 and 4, 7.1 s at 2 and 4, 127 s without linear waits.
    let (all, end) = schedule(&[(RETRIES, "6"), (LINEAR, "4")]);
    assert_eq!((all.len(), end), (10, 131.0));
    assert_eq!(schedule(&[(RETRIES, "2"), (LINEAR, "4")]), (vec![1.0, 2.0, 3.0, 4.0, 5.0], 7.0));
    let (all, end) = schedule(&[(RETRIES, "6")]);
    assert_eq!((all, end), (vec![1.0, 3.0, 7.0, 15.0, 31.0, 63.0], 127.0));
    assert_eq!(schedule(&[(RETRIES, "1"), (LINEAR, "0")]), (vec![1.0], 3.0));
}

#[test]
fn nothing_is_known_of_a_linux_whose_settings_are_not() {
    for id in ["tcp.syn_retries", "tcp.synack_retries", "tcp.syn_queue", "tcp.ports.range"] {
        assert_eq!(known("Linux 6.18.5", id, &[], ("schedule", Value::word(""))), None, "{id}");
        assert_eq!(known("Plan9 4", id, &[], ("schedule", Value::word(""))), None, "{id}");
    }
    let hostile = [(RETRIES, "9223372036854775807"), (LINEAR, "-9")];
    assert_eq!(
        known("Linux 6.1", "tcp.syn_retries", &hostile, ("gives_up", Value::word(""))),
        None
    );
}

#[test]
fn time_wait_has_the_length_of_its_system_and_is_reused_by_its_rules() {
    let length = |system| known(system, "tcp.time_wait.length", &[], ("length", Value::word("")));
    assert_eq!(length("Linux 6.1"), Some(Value::Seconds { seconds: 60.0, give: 0.0 }));
    assert_eq!(length("Darwin 24.1"), Some(Value::Seconds { seconds: 30.0, give: 0.0 }));
    assert_eq!(length("Minix 3"), None);
    let reuse = |place: &str, setting| {
        let id = format!("tcp.time_wait.reuse_{place}");
        let settings = &[("net.ipv4.tcp_tw_reuse", setting)];
        known("Linux 6.18", &id, settings, ("reuse", Value::word("")))
    };
    for (place, setting, word) in [
        ("on_loopback", "0", "refused"),
        ("on_loopback", "2", "delayed"),
        ("elsewhere", "2", "refused"),
        ("elsewhere", "1", "delayed"),
    ] {
        assert_eq!(reuse(place, setting), Some(Value::word(word)), "{place} {setting}");
    }
}

#[test]
fn syn_queues_follow_their_three_rules() {
    let counts = |of: &str, points: Vec<(i64, i64)>| Value::Counts {
        of: of.to_owned(),
        unit: String::new(),
        points,
    };
    let queue = |system, cookies, of: &str, inputs: &[i64]| {
        let settings = &[
            ("net.ipv4.tcp_syncookies", cookies),
            ("net.core.somaxconn", "4096"),
            ("net.ipv4.tcp_max_syn_backlog", "64"),
        ];
        let points = inputs.iter().map(|n| (*n, 0)).collect();
        known(system, "tcp.syn_queue", settings, ("capacity", counts(of, points)))
    };
    let backlog = |system, cookies, inputs: &[i64]| queue(system, cookies, "backlog", inputs);
    let expected = |points: &[(i64, i64)]| Some(counts("backlog", points.to_vec()));
    let new = "Linux 6.18.44";
    assert_eq!(backlog(new, "1", &[5, 9999]), expected(&[(5, 6), (9999, 4097)]));
    assert_eq!(backlog("Linux 6.1.0", "1", &[5]), expected(&[(5, 6)]));
    assert_eq!(backlog("Linux 5.10", "1", &[5]), None, "which of the two is not certain");
    assert_eq!(backlog(new, "0", &[5, 200]), expected(&[(5, 6), (200, 49)]));
    assert_eq!(backlog(new, "2", &[5]), expected(&[(5, 0)]));
    let limits = queue(new, "0", "tcp_max_syn_backlog", &[16, 64, 128]);
    let expected = counts("tcp_max_syn_backlog", vec![(16, 13), (64, 49), (128, 97)]);
    assert_eq!(limits, Some(expected));
}

#[test]
fn ports_are_those_of_the_range() {
    let range = &[("net.ipv4.ip_local_port_range", "40001 40020")];
    let of = |name| known("Linux 6.18", "tcp.ports.short_range", range, (name, Value::word("")));
    assert_eq!(of("capacity"), Some(Value::count(20, "ports")));
    assert_eq!(of("first_half"), Some(Value::word("odd")));
    assert_eq!(of("bind_first_half"), Some(Value::word("even")));
}
