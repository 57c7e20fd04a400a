//! Baselines: saved, found again, and refused where they are none.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::common::Said;
use super::desk::{Desk, another, result, within};

fn refused(said: &Said, parts: &[&str]) {
    said.exits(&[2]).tells(parts);
    assert!(said.stdout.is_empty(), "{said}");
}

#[test]
fn runs_are_kept_with_their_histograms_and_shown() {
    let desk = Desk::new();
    let runs = desk.runs("ten", 10, 10.0);
    symlink("09", desk.path("ten/latest")).unwrap();
    desk.baseline(&["list"]).exits(&[0]).tells(&["no baseline in", "loadgen baseline save RUN"]);
    let said = desk.baseline(&["save", &runs]);
    said.exits(&[0]).tells(&["(10 runs, "]);
    let files: Vec<_> = fs::read_dir(desk.path("shelf")).unwrap().map(|e| e.unwrap()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let file_name = file.file_name().into_string().unwrap();
    let name = file_name.strip_suffix(".json").unwrap();
    assert!(name.starts_with("small-") && file.metadata().unwrap().len() < 1_000_000, "{name}");
    let kept: Value = serde_json::from_str(&desk.read(&format!("shelf/{file_name}"))).unwrap();
    let histograms = |cell: &Value| -> Vec<Value> {
        cell["metrics"].as_array().unwrap().iter().map(|m| m["histogram"].clone()).collect()
    };
    let last: Value = serde_json::from_str(&desk.read("ten/09/run.json")).unwrap();
    assert_eq!(histograms(&kept["sample"]["runs"][9]), histograms(&last["cells"][0]));
    assert_eq!(kept["sample"]["runs"].as_array().unwrap().len(), 10, "`latest` counts once");
    desk.baseline(&["list"]).exits(&[0]).tells(&[name, "small", "10", "yes"]);
    let shown = desk.baseline(&["show", name]);
    shown.exits(&[0]).tells(&[
        "scenario small (",
        "runs 10",
        "connect 10 10.1",
        "net.core.somaxconn =",
    ]);
}

#[test]
fn a_baseline_is_replaced_only_by_force_and_stays_on_its_shelf() {
    let desk = Desk::new();
    let run = desk.run("run", &result());
    desk.baseline(&["save", &run, "--name", "main"]).exits(&[0]).tells(&["notice: 1 run"]);
    let before = desk.read("shelf/main.json");
    refused(&desk.baseline(&["save", &run, "--name", "main"]), &["is there already", "--force"]);
    assert_eq!(desk.read("shelf/main.json"), before);
    desk.put("shelf/main.json", "damaged");
    desk.baseline(&["save", &run, "--name", "main", "--force"]).exits(&[0]);
    desk.baseline(&["save", &run]).exits(&[0]);
    for name in ["../main", "/etc/x", ".", "a b", "-x", ""] {
        let name = format!("--name={name}");
        refused(&desk.baseline(&["save", &run, &name]), &["is no name of a baseline"]);
    }
    refused(&desk.baseline(&["show", "none"]), &["no baseline `none`", "loadgen baseline list"]);
    refused(&desk.baseline(&["save", &desk.path("shelf/main.json")]), &["is a baseline already"]);
    fs::create_dir(desk.path("shelf/dir.json")).unwrap();
    refused(&desk.baseline(&["save", &run, "--name", "dir", "--force"]), &["is no file"]);
    desk.put("file", "");
    let shelf = desk.path("file/shelf");
    let said = super::common::call(&["baseline", "save", &run, "--baselines", &shelf]);
    said.exits(&[3]).tells(&["cannot be made", "--baselines"]);
}

#[test]
fn what_is_no_measure_is_not_kept() {
    let desk = Desk::new();
    let with = |path: &str, value: Value| {
        let mut run = result();
        *run.pointer_mut(path).unwrap() = value;
        desk.run("odd", &run)
    };
    let partial = json!({"status": "partial", "reason": "it was inter\u{1b}[2Jrupted"});
    let run = with("/status", partial);
    refused(&desk.baseline(&["save", &run]), &["this run is partial", "complete and valid"]);
    let run = with("/cells/0/validity/reasons", json!(["the schedule was not kept"]));
    refused(&desk.baseline(&["save", &run]), &["no run of it is valid", "was not kept"]);
    let two = json!({"base": result()["scenario"], "candidate": result()["scenario"],
        "wanted": 1, "warm_ups": 0, "comparison": null});
    let run = with("/repeats", two);
    refused(&desk.baseline(&["save", &run]), &["two sides", "--arm candidate"]);
    desk.baseline(&["save", &run, "--arm", "base"]).exits(&[0]);
    let why = "no run of it is valid, so that it is no measure: there is no run in it";
    refused(&desk.baseline(&["save", &run, "--arm", "candidate"]), &[why]);
    // Of several runs, those that are valid.
    desk.runs("some", 5, 10.0);
    let mut invalid = another(9);
    invalid["cells"][0]["validity"]["reasons"] = json!(["too noisy"]);
    desk.run("some/09", &invalid);
    let said = desk.baseline(&["save", &desk.path("some"), "--name", "some"]);
    said.exits(&[0]).tells(&["left out: base run 6: too noisy", "(5 runs, "]);
}

#[test]
fn without_a_baseline_that_fits_there_is_a_notice_or_an_error() {
    let desk = Desk::new();
    let run = desk.run("run", &result());
    let none = ["no baseline in", "fits scenario small", "loadgen baseline save DIR"];
    desk.compare(&["--baseline", &run]).exits(&[0]).tells(&none).tells(&["notice: "]);
    let said = desk.compare(&["--baseline", "--require-baseline", &run]);
    said.exits(&[4]).tells(&none).tells(&["error: "]);
    desk.compare(&["--require-baseline", &run]).exits(&[2]).tells(&["--baseline"]);
    desk.compare(&["--baseline", &run, &run]).exits(&[2]).tells(&["give the candidate alone"]);
    let mut other = another(1);
    other["environment"]["sysctl"]["net.core.somaxconn"] = json!("17\u{1b}[2J");
    other["environment"]["kernel"] = json!("Linux 2.0.40 #1");
    desk.run("other", &other);
    desk.baseline(&["save", &desk.path("other"), "--name", "old"]).exits(&[0]);
    let said = desk.compare(&["--baseline", &run]);
    said.exits(&[0]).tells(&["old: the kernel was Linux 2.0.40 #1, and is Linux"]);
    desk.baseline(&["list"]).exits(&[0]).tells(&["2.0.40", "no the kernel was Linux 2.0.40 #1"]);
    // A baseline that cannot be read may be the one that fits.
    desk.put("shelf/broken.json", "{");
    let said = desk.compare(&["--baseline", &run]);
    refused(&said, &["broken.json:1:1: this is no whole baseline"]);
    desk.baseline(&["list"]).exits(&[2]).tells(&["broken.json:1:1", "old"]);
}

#[test]
fn hostile_baselines_are_refused_with_their_place() {
    let desk = Desk::new();
    let run = desk.run("run", &result());
    desk.baseline(&["save", &run, "--name", "good"]).exits(&[0]);
    let good = desk.read("shelf/good.json");
    let value: Value = serde_json::from_str(&good).unwrap();
    let with = |path: &str, new: Value| {
        let mut value = value.clone();
        *value.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = new;
        value.to_string()
    };
    let metric = "/sample/runs/0/metrics/0";
    let name = value["sample"]["runs"][0]["name"].clone();
    let twice = json!([value["sample"]["runs"][0], value["sample"]["runs"][0]]);
    let many = vec!["{}"; 1_000_000].join(",");
    let runs = format!("\"runs\": [{many}], \"more\": [");
    let deep = format!("{}0{}", "[".repeat(100_000), "]".repeat(100_000));
    let bomb = {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        use std::io::Write as _;
        let mut zip = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zip.write_all(&vec![0; 256 << 20]).unwrap();
        let zip = zip.finish().unwrap();
        let mut bytes = 0x1c84_9314u32.to_be_bytes().to_vec();
        bytes.extend(u32::try_from(zip.len()).unwrap().to_be_bytes());
        bytes.extend(zip);
        STANDARD.encode(bytes)
    };
    assert_eq!(name, "all");
    let cases: Vec<(String, Vec<&str>)> = vec![
        (with("/schema_version", json!(2)), vec!["in layout 2", "use that version"]),
        (with("/schema_version", json!(-1)), vec!["bad.json:1:", "invalid value"]),
        (with("/saved_at", json!("\u{1b}[2J")), vec!["saved_at: ", "is no time"]),
        (with("/sample/runs", json!([])), vec!["sample.runs: there is none"]),
        (with("/sample/runs", twice), vec!["sample.runs[1]: the run `all` is there twice"]),
        (with("/sample/runs/0/name", json!("\u{1b}[31m\u{202e}x")), vec!["is no combination"]),
        (with(&format!("{metric}/histogram"), json!("AAAA")), vec!["histogram: it is no hist"]),
        (with(&format!("{metric}/histogram"), json!(bomb)), vec!["histogram: it is no hist"]),
        (with(&format!("{metric}/summary/count"), json!(1u64 << 60)), vec!["not those of its"]),
        (with(&format!("{metric}/summary/p99"), json!(-1)), vec!["bad.json:1:", "invalid value"]),
        (with("/sample/runs/0/loads/0/attempts", json!(1)), vec!["outcomes: they sum to"]),
        (with("/sample/runs/0/duration_s", json!(-1.0)), vec!["duration_s: -1 is below 0"]),
        (with("/sample/runs/0/duration_s", json!(1e300)), vec!["more than anything"]),
        (with("/sample/runs/0/duration_s", Value::Null), vec!["bad.json:1:", "invalid type"]),
        (with("/key/environment/cpus", json!(1000)), vec!["key.environment: by the runs"]),
        (good.replacen("\"runs\": [", &runs, 1), vec!["sample.runs: 1000000 of them"]),
        (good.replacen("\"trial\":", &format!("\"trial\":{deep},\"x\":"), 1), vec!["bad.json:"]),
        (good[..good.len() / 2].to_owned(), vec!["bad.json:", "EOF while parsing"]),
        (deep, vec!["bad.json:1:"]),
        (String::new(), vec!["bad.json:1:0", "give a baseline"]),
    ];
    for (text, parts) in cases {
        let path = desk.put("shelf/bad.json", &text);
        let shelf = desk.path("shelf");
        for arguments in [
            vec!["baseline", "show", "bad", "--baselines", &shelf],
            vec!["compare", "--baseline", &run, "--baselines", &shelf],
        ] {
            let said = within(600_000, &arguments);
            refused(&said, &parts);
            assert!(!said.stderr.contains(['\u{1b}', '\u{202e}']), "{said}");
        }
        within(600_000, &["compare", &path, &run]).exits(&[2]);
    }
    let huge = fs::File::create(desk.path("shelf/bad.json")).unwrap();
    huge.set_len(20 << 30).unwrap();
    let shelf = desk.path("shelf");
    let said = within(600_000, &["baseline", "show", "bad", "--baselines", &shelf]);
    refused(&said, &["larger than 32 MiB: no baseline is"]);
    let path = desk.put("shelf/bad.json", " ".repeat(600 << 20));
    refused(&within(600_000, &["compare", &path, &run]), &["larger than 512 MiB"]);
}
