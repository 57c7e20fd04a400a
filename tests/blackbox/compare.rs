//! Runs compared with runs: what each argument is, what comes of it, and how that ends.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use nix::sys::stat::Mode;
use serde_json::{Value, json};

use super::common::{PROGRAM, Running, Said};
use super::desk::{Desk, another, result, within};

fn refused(said: &Said, parts: &[&str]) {
    said.exits(&[2]).tells(parts);
    assert!(said.stdout.is_empty(), "{said}");
}

fn card() -> String {
    format!("{}/tests/cards/linux.json", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_cannot_be_compared_is_told_with_its_remedy() {
    let desk = Desk::new();
    let run = desk.run("run", &result());
    let file = format!("{run}/run.json");
    let said = desk.compare(&[&run, &card()]);
    refused(&said, &["cards and runs", "cannot be compared with each other"]);
    refused(&desk.compare(&[&run]), &["this is one side", "--baseline"]);
    refused(&desk.compare(&[&run, &file, &run]), &["3 are given", "into one folder"]);
    refused(&desk.compare(&[&card()]), &["this is one card"]);
    refused(&desk.compare(&[&run, "gone"]), &["gone: no such file", "no baseline `gone`"]);
    refused(&desk.compare(&[&run, &desk.path("gone")]), &["gone: cannot be read", "ENOENT"]);
    refused(&desk.compare(&[&run, "/dev/zero"]), &["no regular file", "name the folder of a run"]);
    let fifo = desk.path("fifo");
    nix::unistd::mkfifo(fifo.as_str(), Mode::S_IRWXU).unwrap();
    refused(&desk.compare(&[&run, &fifo]), &["fifo: cannot be read", "no regular file"]);
    fs::create_dir(desk.path("loop")).unwrap();
    symlink(".", desk.path("loop/again")).unwrap();
    symlink("round", desk.path("loop/round")).unwrap();
    let said = desk.compare(&[&run, &desk.path("loop")]);
    refused(&said, &["loop: there is neither run.json nor card.json in it"]);
    refused(&desk.compare(&[&run, &desk.path("loop/round")]), &["round: ", "ELOOP"]);
    let done = desk.put("c.json", json!({"candidate": {}, "metrics": []}).to_string());
    refused(&desk.compare(&[&run, &done]), &["c.json: this is a comparison already"]);
    let other = desk.put("o.json", "{\"a\": 1}");
    refused(&desk.compare(&[&run, &other]), &["o.json: this is JSON, and no card"]);
    for (option, value) in [("--fail-on", "connect.p99"), ("--min-effect", "5%"), ("--arm", "base")]
    {
        let said = desk.compare(&[&card(), &card(), option, value]);
        refused(&said, &[option, "is for runs"]);
    }
    let said = desk.compare(&[&card(), &card(), "--format", "junit"]);
    refused(&said, &["--format junit is for runs: cards become text, markdown"]);
    refused(&desk.compare(&[&run, &run, "--all"]), &["--all is for cards"]);
    for bad in ["0%", "-5%", "101%", "NaN%", "x", ""] {
        desk.compare(&[&run, &run, &format!("--min-effect={bad}")]).exits(&[2]).tells(&["share"]);
    }
    desk.compare(&[]).exits(&[2]);
}

#[test]
fn a_hand_edited_run_is_refused_with_its_place() {
    let desk = Desk::new();
    let run = desk.run("run", &result());
    let text = result().to_string();
    let with = |path: &str, new: Value| {
        let mut run = result();
        *run.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = new;
        run.to_string()
    };
    let cell = &result()["cells"][0];
    let cases: Vec<(String, Vec<&str>)> = vec![
        (text[..text.len() / 2].to_owned(), vec!["run.json:1:", "EOF while parsing"]),
        (with("/schema_version", json!(7)), vec!["in layout 7"]),
        (
            with("/cells/0/metrics/0/histogram", json!("AAAA")),
            vec!["cells[0].metrics[0].histogram"],
        ),
        (with("/cells/0/loads/0/attempts", json!(3)), vec!["cells[0].loads[0].outcomes"]),
        (with("/cells/0/validity/steal_s", json!(-3.5)), vec!["validity.steal_s: -3.5 is below"]),
        (with("/cells", json!([cell, cell])), vec!["cells[1]: the run `all` is there twice"]),
        (
            with(
                "/knee",
                json!({"over": "a", "until": "b", "steps": [], "holds": null,
                "breaks": null, "confidence": ""}),
            ),
            vec!["this is a search (loadgen knee)"],
        ),
    ];
    for (text, parts) in cases {
        desk.put("odd/run.json", text);
        refused(&within(600_000, &["compare", &run, &desk.path("odd")]), &parts);
    }
}

#[test]
fn the_runs_of_one_side_are_alike_and_different_runs() {
    let desk = Desk::new();
    let run = desk.run("run", &result());
    desk.runs("side", 3, 10.0);
    let mut other = another(9);
    other["environment"]["sysctl"]["net.core.somaxconn"] = json!("17\u{1b}[2J");
    desk.run("side/other", &other);
    let side = desk.path("side");
    let said = desk.compare(&[&side, &run]);
    said.exits(&[4]).tells(&[
        "side/other/run.json: its runs cannot be put together with those of",
        "side/00/run.json: net.core.somaxconn was",
        "and is 17",
        "--accept-environment",
    ]);
    desk.run("side/other", &another(1));
    desk.run("side/other2", &another(1));
    let said = desk.compare(&[&side, &run]);
    refused(&said, &["are the same run: leave one of them out"]);
}

#[test]
fn what_is_no_comparison_is_not_replaced() {
    let desk = Desk::new();
    let run = desk.run("run", &result());
    let names = ["notes.md", "data.json", "build.xml", "page.html", "image.png", "notes.txt"];
    for name in names {
        let file = desk.put(name, "{\"mine\": true}");
        let format = if name == "notes.txt" { &["--format", "text"][..] } else { &[] };
        let said = desk.compare(&[&[run.as_str(), &run, "--out", &file], format].concat());
        refused(&said, &[name, "is no comparison", "--out"]);
        assert_eq!(desk.read(name), "{\"mine\": true}");
    }
    let said = desk.compare(&[&run, &run, "--out", &desk.path("c.pdf")]);
    refused(&said, &["the name says what is written: .md, .json, .xml, .html or .png"]);
    refused(&desk.compare(&[&run, &run, "--out", "/dev/null"]), &["the name says"]);
    let said = desk.compare(&[&run, &run, "--format", "json", "--out", "/dev/null"]);
    refused(&said, &["/dev/null: is there and is no comparison"]);
}

/// A verdict for each exit status: a third slower, the same, and too few runs to tell.
#[test]
fn the_verdict_is_the_exit_status_also_in_make_and_in_pipelines() {
    let desk = Desk::new();
    let base = desk.runs("base", 6, 10.0);
    let slower = desk.runs("slower", 6, 13.3);
    let same = desk.runs("same", 6, 10.02);
    let few = desk.runs("few", 2, 13.3);
    let only = ["--fail-on", "connect.p50"];
    let compared = |candidate: &str, more: &[&str]| {
        desk.compare(&[&[base.as_str(), candidate], &only[..], more].concat())
    };
    compared(&slower, &[]).exits(&[1]);
    compared(&same, &[]).exits(&[0]);
    compared(&few, &[]).exits(&[4]);
    desk.compare(&[&slower, &base, "--fail-on", "connect.p50"]).exits(&[0]);
    compared(&slower, &["--fail-on", "conect.p50"]).exits(&[2]);
    // By name of a baseline, by its file, and found by itself.
    desk.baseline(&["save", &base, "--name", "main"]).exits(&[0]);
    desk.compare(&["main", &slower, "--fail-on", "connect.p50"]).exits(&[1]);
    let file = desk.path("shelf/main.json");
    desk.compare(&[&file, &same, "--fail-on", "connect.p50"]).exits(&[0]);
    desk.compare(&["--baseline", &slower, "--fail-on", "connect.p50"]).exits(&[1]);

    let made = desk.put("Makefile", "perf:\n\t$(LOADGEN) compare $(BASE) $(CANDIDATE) $(ON)\n");
    for (candidate, error) in [(&slower, Some("Error 1")), (&same, None), (&few, Some("Error 4"))] {
        let mut make = Command::new("make");
        make.args(["-f", &made, &format!("LOADGEN={PROGRAM}"), &format!("BASE={base}")]);
        make.args([&format!("CANDIDATE={candidate}"), "ON=--fail-on connect.p50"]);
        let said = Running::start(&mut make).finish();
        match error {
            None => said.exits(&[0]),
            Some(error) => said.exits(&[2]).tells(&[error]),
        };
    }
    for (candidate, status) in [(&slower, 1), (&same, 0), (&few, 4)] {
        let mut shell = Command::new("bash");
        let script = "set -o pipefail; \"$0\" compare \"$1\" \"$2\" --fail-on connect.p50 | cat";
        shell.args(["-c", script, PROGRAM, &base, candidate]);
        Running::start(&mut shell).finish().exits(&[status]);
    }
}

#[test]
fn a_comparison_of_runs_is_written_in_each_format() {
    let desk = Desk::new();
    let base = desk.runs("base", 6, 10.0);
    let slower = desk.runs("slower", 6, 13.3);
    for name in ["c.md", "c.json", "c.xml", "c.html", "c.png"] {
        // The second time it replaces its own.
        for _ in 0..2 {
            let out = desk.path(name);
            desk.compare(&[&base, &slower, "--out", &out]).exits(&[1]).tells(&["comparison: "]);
        }
    }
    let json: Value = serde_json::from_str(&desk.read("c.json")).unwrap();
    assert_eq!(json["verdict"]["change"], "worse");
    assert_eq!((&json["base"]["runs"], &json["candidate"]["runs"]), (&json!(6), &json!(6)));
    assert!(desk.read("c.xml").contains("<failure"));
    for format in ["text", "markdown", "json", "junit", "github"] {
        let said = desk.compare(&[&base, &slower, "--format", format]);
        said.exits(&[1]).tells(&["connect.p50"]);
        let out = desk.path("c.any");
        let _ = fs::remove_file(&out);
        for _ in 0..2 {
            let said = desk.compare(&[&base, &slower, "--format", format, "--out", &out]);
            said.exits(&[1]);
        }
    }
    let summary = desk.put("summary.md", "before\n");
    let mut job = super::common::loadgen(&["compare", &base, &slower, "--format", "github"]);
    let said = Running::start(job.env("GITHUB_STEP_SUMMARY", &summary)).finish();
    said.exits(&[1]).tells(&["::error title=loadgen small"]);
    let summary = desk.read("summary.md");
    assert!(summary.starts_with("before\n### ") && !said.stdout.contains("###"), "{summary}");
    let history = desk.path("h.csv");
    for _ in 0..2 {
        desk.compare(&[&base, &slower, "--history", &history, "--commit", "0a1b2c3"]).exits(&[1]);
    }
    let mut rows = csv::Reader::from_path(&history).unwrap();
    assert_eq!(rows.records().map(|row| row.unwrap()).filter(|r| &r[1] == "0a1b2c3").count(), 2);
    let mine = desk.put("mine.csv", "a,b\n1,2\n");
    let said = desk.compare(&[&base, &slower, "--history", &mine]);
    said.exits(&[2]).tells(&["mine.csv: ", "name another file"]);
    assert_eq!(desk.read("mine.csv"), "a,b\n1,2\n");
}

#[test]
fn unlike_environments_are_incomparable_unless_accepted() {
    let desk = Desk::new();
    let base = desk.runs("base", 6, 10.0);
    for number in 0..6 {
        let mut run = super::desk::taking(number, 10.05 + 0.01 * number as f64);
        run["environment"]["sysctl"]["net.core.somaxconn"] = json!("17");
        desk.run(&format!("other/{number}"), &run);
    }
    let other = desk.path("other");
    let said = desk.compare(&[&base, &other, "--fail-on", "connect.p50"]);
    said.exits(&[4]).tells(&["net.core.somaxconn", "17"]);
    desk.compare(&[&base, &other, "--fail-on", "connect.p50", "--accept-environment"]).exits(&[0]);
}
