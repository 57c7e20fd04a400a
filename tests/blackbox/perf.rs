//! `make perf-ci` and `make error-rates`: what their scripts do with programs that only pretend to run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::common::programs_or_skip;

/// Notes how it was called, writes a result, and compares as `VERDICT` says.
const PROGRAM: &str = r#"#!/bin/bash
name=$(basename "$0"); echo "${name#loadgen-} $*" >>"$LOG"
case $1 in
run)
    while [ $# -gt 1 ]; do shift; if [ "$1" = --out ]; then out=$2; fi; done
    mkdir -p "$out"
    if [ -n "${RESULT:-}" ]; then echo "$RESULT"; else echo '{"schema_version": 1}'; fi >"$out/run.json"
    exit "${RUN:-0}" ;;
compare) exit "${VERDICT:-0}" ;;
esac
"#;

/// Pretends to build that.
const CARGO: &str = r#"#!/bin/bash
mkdir -p "$CARGO_TARGET_DIR/release" && cp "$FAKE" "$CARGO_TARGET_DIR/release/loadgen"
"#;

fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

/// A command without what a CI system sets.
fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for name in
        ["GITHUB_BASE_REF", "CI_MERGE_REQUEST_DIFF_BASE_SHA", "PERF_BASE", "CARGO_TARGET_DIR"]
    {
        command.env_remove(name);
    }
    command
}

fn git(folder: &Path, words: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
    let done = command("git", folder).args(identity).args(words).output().expect("git");
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A repository with the scripts, and so many commits.
fn repository(commits: usize) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let scripts = folder.path().join("repo/tests/perf");
    fs::create_dir_all(&scripts).expect("a folder");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/perf");
    for entry in fs::read_dir(own).expect("tests/perf").map(|entry| entry.expect("an entry")) {
        if entry.path().is_file() {
            fs::copy(entry.path(), scripts.join(entry.file_name())).expect("copied");
        }
    }
    executable(&folder.path().join("loadgen"), PROGRAM);
    executable(&folder.path().join("cargo"), CARGO);
    let repo = folder.path().join("repo");
    fs::write(repo.join(".gitignore"), "target\n").expect("written");
    git(&repo, &["init", "--quiet"]);
    git(&repo, &["add", "."]);
    for number in 0..commits {
        git(&repo, &["commit", "--quiet", "--allow-empty", "-m", &format!("number {number}")]);
    }
    folder
}

/// What `perf-ci` says, and how its programs were called.
fn perf_ci(folder: &Path, settings: &[(&str, &str)]) -> (Output, String) {
    let repo = folder.join("repo");
    let log = folder.join("log");
    let _ = fs::remove_file(&log);
    let mut command = command("tests/perf/perf-ci", &repo);
    command.env("CARGO", folder.join("cargo")).env("FAKE", folder.join("loadgen"));
    command.env("LOG", &log).env("PERF_PAIRS", "2").envs(settings.iter().copied());
    let done = command.output().expect("perf-ci");
    (done, fs::read_to_string(log).unwrap_or_default())
}

fn told(done: &Output) -> (Option<i32>, String) {
    let text = [&done.stdout[..], &done.stderr[..]].concat();
    (done.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn both_programs_run_in_turn_after_a_warm_up() {
    if !programs_or_skip("perf::turns", &["bash", "git"]) {
        return;
    }
    let folder = repository(2);
    let (done, log) = perf_ci(folder.path(), &[]);
    let (status, text) = told(&done);
    assert_eq!(status, Some(0), "{text}");
    let runs: Vec<_> = log.lines().filter(|line| line.contains("run tests/perf/closed")).collect();
    let sides: Vec<_> = runs.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(sides, ["base", "candidate", "base", "candidate", "candidate", "base"], "{log}");
    let places: Vec<_> = runs.iter().filter_map(|line| line.split("perf-ci/").nth(1)).collect();
    let kept = ["closed/base/01", "closed/candidate/01", "closed/candidate/02", "closed/base/02"];
    assert_eq!((&places[2..], places[0]), (&kept[..], "warm-up/closed-base"), "{log}");
    let compared: Vec<_> = log.lines().filter(|l| l.starts_with("candidate compare")).collect();
    assert_eq!(compared.len(), 3, "{log}");
    assert!(compared[0].contains("closed/base ") && compared[0].contains("--fail-on throughput"));
    assert!(text.contains("number 0"), "the base is named: {text}");
    let trees = command("git", &folder.path().join("repo")).args(["worktree", "list"]).output();
    let trees = String::from_utf8(trees.expect("git").stdout).expect("text");
    assert_eq!(trees.lines().count(), 1, "the base's sources are left: {trees}");
}

#[test]
fn verdicts_become_an_exit_status() {
    if !programs_or_skip("perf::statuses", &["bash", "git"]) {
        return;
    }
    let folder = repository(2);
    for (settings, wanted, part) in [
        (&[("VERDICT", "1")][..], 1, ""),
        (&[("VERDICT", "4")], 0, "notice: perf-ci: closed: nobody can tell"),
        (&[("VERDICT", "2")], 2, ""),
        (&[("RUN", "4")], 0, ""),
        (&[("RUN", "3")], 3, "base's run of tests/perf/closed.toml ended with status 3"),
        (&[("PERF_BASE", "no-such-thing")], 2, "there is no commit no-such-thing"),
        (&[("PERF_BASE", "HEAD")], 0, "this very commit"),
        (&[("PERF_PAIRS", "many")], 2, "is no number from 1 to 99"),
    ] {
        let (status, text) = told(&perf_ci(folder.path(), settings).0);
        assert!(status == Some(wanted) && text.contains(part), "{settings:?}: {status:?} {text}");
    }
}

#[test]
fn without_an_earlier_commit_there_is_a_notice() {
    if !programs_or_skip("perf::parents", &["bash", "git"]) {
        return;
    }
    let folder = repository(1);
    let (status, text) = told(&perf_ci(folder.path(), &[]).0);
    assert!(status == Some(0) && text.contains("there is not the parent of HEAD"), "{text}");
    let deep = repository(3);
    let source = format!("file://{}", deep.path().join("repo").display());
    fs::remove_dir_all(folder.path().join("repo")).expect("removed");
    git(folder.path(), &["clone", "--quiet", "--depth", "1", &source, "repo"]);
    let (status, text) = told(&perf_ci(folder.path(), &[]).0);
    assert!(status == Some(0) && text.contains("shallow and has not the parent"), "{text}");
}

/// A result whose verdict is this.
fn result(verdict: &str) -> String {
    let metric =
        format!(r#"{{"subject":"request.p50","counts":true,"change":{{"change":"{verdict}"}}}}"#);
    format!(
        r#"{{"repeats":{{"comparison":{{"metrics":[{metric}],"verdict":{{"change":"{verdict}"}},
        "base":{{"runs":6}},"candidate":{{"runs":6}}}}}}}}"#
    )
}

#[test]
fn wrong_verdicts_are_counted_and_a_measurement_goes_on() {
    if !programs_or_skip("perf::rates", &["bash", "python3"]) {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let program = folder.path().join("loadgen");
    executable(&program, PROGRAM);
    let rates = |verdict: &str, words: &[&str]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/perf/error-rates");
        let mut command = command("python3", folder.path());
        command.arg(script).arg("--loadgen").arg(&program).args(["--csv", "rates.csv"]);
        command.env("LOG", folder.path().join("log")).env("RESULT", result(verdict));
        told(&command.args(words).output().expect("error-rates"))
    };
    let (status, text) = rates("same", &["--aa", "3", "--ab", "0"]);
    assert!(status == Some(0) && text.contains("false alarms: 0 of 3"), "{text}");
    let (status, text) = rates("same", &["--aa", "3", "--ab", "0"]);
    assert!(status == Some(2) && text.contains("--continue"), "{text}");
    // A fourth is made, and a line that was cut is made again.
    let csv = folder.path().join("rates.csv");
    let lines = fs::read_to_string(&csv).expect("lines");
    fs::write(&csv, &lines[..lines.len() - 9]).expect("cut");
    let (status, text) = rates("worse", &["--aa", "4", "--ab", "0", "--continue"]);
    assert!(status == Some(1) && text.contains("false alarms: 2 of 4"), "{text}");
    assert!(text.contains("request.p50") && text.contains("the bounds are broken"), "{text}");
    assert_eq!(fs::read_to_string(&csv).expect("lines").lines().count(), 5);
    let (status, text) = rates("worse", &["--aa", "0", "--ab", "2", "--csv", "ab.csv"]);
    assert!(status == Some(0) && text.contains("found: 2 of 2"), "{text}");
    let (status, text) = rates("better", &["--aa", "0", "--ab", "2", "--csv", "better.csv"]);
    assert!(status == Some(1) && text.contains("called better: 2"), "{text}");
    let log = fs::read_to_string(folder.path().join("log")).expect("calls");
    assert!(
        log.contains(
            "--set target.service=2ms --versus-set target.service=2.3ms --until-conclusive"
        )
    );
    assert!(log.contains("aa.toml --pairs 6"), "{log}");
}
