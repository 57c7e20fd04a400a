//! Baselines survive their files, and nothing else does.

use super::*;
use crate::measure::decode;
use crate::measure::result::{Arm, Trial};
use crate::measure::sample::Sample;
use crate::report::sample;
use proptest::prelude::*;

fn baseline() -> Baseline {
    let mut result = sample::sweep(&[5]);
    result.environment.kernel = "Linux 6.18.44 #1".to_owned();
    let mut sample = Sample::of(&result, Arm::Base).expect("a run has a base");
    let run = sample.runs[0].clone();
    sample.runs = (1..=3)
        .map(|number| {
            let trial = Some(Trial { arm: Arm::Base, run: number });
            crate::measure::result::CellResult { trial, ..run.clone() }
        })
        .collect();
    Baseline::new(sample, "2026-11-23T09:00:00.000Z".to_owned())
}

fn text() -> String {
    String::from_utf8(write(&baseline())).expect("JSON is text")
}

fn told(text: &str) -> String {
    read(text.as_bytes()).expect_err("no baseline").to_string()
}

#[test]
fn a_baseline_survives_its_file_with_its_histograms() {
    let (one, text) = (baseline(), text());
    let back = read(text.as_bytes()).expect("our own JSON");
    assert_eq!(back, one);
    let histogram = |of: &Baseline| decode(&of.sample.runs[2].metrics[0].histogram);
    assert!(histogram(&back).is_some_and(|h| !h.is_empty()));
    assert_eq!(histogram(&back), histogram(&one));
    let runs = text.lines().filter(|line| line.starts_with("{\"name\"")).count();
    assert_eq!(runs, 3, "a line a run");
}

#[test]
fn other_layouts_and_other_files_are_refused() {
    for (text, part) in [
        ("", "EOF"),
        ("null", "invalid type"),
        ("{\"schema_version\": 1}", "missing field"),
        ("{\"schema_version\": 9, \"loadgen_version\": \"7\\u001b[2J\"}", "loadgen 7[2J wrote"),
        ("{\"schema_version\": 1e9}", "invalid type"),
        ("{\"schema_version\": -1}", "invalid value"),
    ] {
        assert!(told(text).contains(part), "{text}: {}", told(text));
    }
    assert!(told(&" ".repeat(LONGEST as usize + 1)).contains("larger than 32 MiB"));
    // What nobody asks for is skipped, however deep; what is read is never deep.
    let deep = format!("{}0{}", "[".repeat(100_000), "]".repeat(100_000));
    let ignored = format!("\"x\":{deep},\"accept_errors\":{{");
    let ignored = text().replacen("\"accept_errors\":{", &ignored, 1);
    assert_eq!(read(ignored.as_bytes()).expect("without the rest"), baseline());
    let read = text().replacen("\"trial\":{", &format!("\"trial\":{deep},\"x\":{{"), 1);
    assert!(told(&read).contains("expected value"), "{}", told(&read));
}

#[test]
fn too_many_runs_are_not_read() {
    let text = text();
    let many = vec!["{}"; 1_000_000].join(",");
    let (start, end) = text.split_once("[\n{\"name\"").expect("runs");
    let many = format!("{start}[{many},\n{{\"name\"{end}");
    assert!(told(&many).starts_with("sample.runs: 1000003 of them"), "{}", told(&many));
}

#[test]
fn what_was_edited_by_hand_is_told_with_its_place() {
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::from_str(&text()).expect("JSON");
        change(&mut value);
        told(&value.to_string())
    };
    type Edit = dyn Fn(&mut serde_json::Value);
    let cases: [(&Edit, &str); 9] = [
        (&|v| v["saved_at"] = "yesterday".into(), "saved_at: `yesterday`"),
        (&|v| v["sample"]["runs"] = serde_json::json!([]), "sample.runs: there is none"),
        (&|v| v["sample"]["runs"][1]["name"] = "x".into(), "sample.runs[1].name: `x` is no"),
        (&|v| v["sample"]["runs"][1]["trial"]["run"] = 1.into(), "sample.runs[1]: the run"),
        (&|v| v["sample"]["runs"][0]["loads"][0]["attempts"] = 7.into(), "loads[0].outcomes: "),
        (&|v| v["sample"]["runs"][0]["loads"][0]["attempts"] = (-7).into(), "invalid value"),
        (&|v| v["sample"]["runs"][2]["metrics"][0]["summary"]["p99"] = 7.into(), "metrics[0].s"),
        (&|v| v["key"]["scenario"] = "other".into(), "key.scenario: "),
        (&|v| v["key"]["environment"]["cpus"] = 99.into(), "key.environment: by the runs, the n"),
    ];
    for (change, part) in cases {
        let why = changed(change);
        assert!(why.contains(part), "{part}: {why}");
    }
    assert!(
        told(&text().replacen("\"duration_s\":", "\"duration_s\":1e999,\"x\":", 1))
            .contains("range")
    );
    assert!(
        told(&text().replacen("\"duration_s\":", "\"duration_s\":NaN,\"x\":", 1)).contains("value")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever becomes of the bytes, they are read or refused: the test fails on a panic.
    #[test]
    fn a_damaged_baseline_is_read_or_refused(
        cut in 0.0..1.0f64,
        damage in prop::collection::vec((0.0..1.0f64, any::<u8>()), 0..8),
    ) {
        let whole = write(&baseline());
        // Without its last line break it would be whole.
        let at = |share: f64| ((whole.len() - 2) as f64 * share) as usize;
        prop_assert!(read(&whole[..at(cut)]).is_err());
        let mut bytes = whole.clone();
        damage.iter().for_each(|(share, byte)| bytes[at(*share)] = *byte);
        if let Ok(back) = read(&bytes) {
            // What is read can be written, and is the same again.
            prop_assert_eq!(read(&write(&back)).expect("our own JSON"), back);
        }
    }
}
