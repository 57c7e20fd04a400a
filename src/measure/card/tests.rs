use super::*;

fn schedule(seconds: &[f64], complete: bool) -> Value {
    Value::Schedule { seconds: seconds.to_vec(), give: 0.02, complete }
}

#[test]
fn schedules_are_compared_as_far_as_both_were_followed() {
    let whole = schedule(&[1.0, 3.0, 7.0], true);
    for (other, expected) in [
        (whole.clone(), Sameness::Same),
        (schedule(&[1.01, 3.02, 7.1], true), Sameness::Within),
        (schedule(&[1.01, 3.02], false), Sameness::Within),
        (schedule(&[1.01, 3.02], true), Sameness::Different),
        (schedule(&[1.0, 2.0, 3.0], false), Sameness::Different),
        (schedule(&[], false), Sameness::Different),
    ] {
        assert_eq!(whole.compared(&other), expected, "{other}");
        assert_eq!(other.compared(&whole), expected, "{other}");
    }
}

#[test]
fn tables_are_compared_where_they_share_inputs() {
    let table = |unit: &str, points: &[(i64, i64)]| Value::Counts {
        of: "backlog".to_owned(),
        unit: unit.to_owned(),
        points: points.to_vec(),
    };
    let one = table("connections", &[(0, 1), (5, 6)]);
    for (unit, points, expected) in [
        ("connections", vec![(5, 6), (16, 17)], Sameness::Same),
        ("connections", vec![(5, 7)], Sameness::Different),
        ("connections", vec![(16, 17)], Sameness::Within),
        ("datagrams", vec![(0, 1), (5, 6)], Sameness::Different),
    ] {
        assert_eq!(one.compared(&table(unit, &points)), expected, "{points:?}");
    }
    assert_eq!(one.compared(&Value::word("n + 1")), Sameness::Different);
}

#[test]
fn values_are_short_whatever_they_are() {
    for (value, text) in [
        (Value::Seconds { seconds: 5e-6, give: 0.0 }, "5.0 us"),
        (Value::Seconds { seconds: 60.02, give: 0.0 }, "60.02 s"),
        (Value::Seconds { seconds: 1e300, give: 0.0 }, "1.00e300 s"),
        (schedule(&[1.02, 3.06, 7.1], false), "1, 3.1, 7.1 s ..."),
        (schedule(&[-1e300], true), "-1.0e300 s"),
        (schedule(&[], false), "none seen"),
        (Value::count(-3, "connections"), "-3 connections"),
    ] {
        assert_eq!(value.to_string(), text);
    }
}

#[test]
fn what_is_no_number_is_told_and_not_written() {
    let method = Method { instrument: Instrument::Errors, how: String::new() };
    let mut experiment = Experiment::new("x", "?", method);
    let seconds = Value::Seconds { seconds: f64::NAN, give: 0.0 };
    experiment.infer("time", seconds, &[], (Confidence::High, "seen"));
    assert!(experiment.inferred.is_empty());
    assert_eq!(experiment.missing[0].what, "time");
    let seen = Observation::new().seen("a", f64::INFINITY).seen("b", vec![1.0, f64::NAN]);
    assert_eq!(seen.seen["a"], Datum::Word("inf".to_owned()));
    assert_eq!(seen.seen["b"], Datum::Word("[1.0, NaN]".to_owned()));
}
