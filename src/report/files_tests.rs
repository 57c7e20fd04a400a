use std::time::Duration;

use super::*;
use crate::measure::{empty, record};
use crate::report::{sample, write_results};

const AT: &str = "2026-11-22T16:46:05.123456Z";

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn each_run_has_a_folder_of_its_own_and_latest_points_at_the_last() {
    let base = tempfile::tempdir().expect("a temporary folder");
    let create = || {
        let folder = Folder::create(base.path(), "backlog", AT, None, false).expect("writable");
        folder.begin().expect("linked");
        folder
    };
    let (first, second, third) = (create(), create(), create());
    let scenario = base.path().join("backlog");
    assert_eq!(first.path(), scenario.join("2026-11-22T16-46-05Z"));
    assert_eq!(second.path(), scenario.join("2026-11-22T16-46-05Z-2"));
    assert_eq!(third.path(), scenario.join("2026-11-22T16-46-05Z-3"));
    let latest = fs::read_link(scenario.join("latest")).expect("a link");
    assert_eq!(latest, Path::new("2026-11-22T16-46-05Z-3"), "relative");
    assert_eq!(names(third.path()), ["histograms"], "the probe is gone");
    assert_eq!(names(&scenario).len(), 4, "no temporary link is left");
}

#[test]
fn a_scenario_cannot_name_another_place() {
    let base = tempfile::tempdir().expect("a temporary folder");
    for name in ["..", "a/b", "", "/etc", "."] {
        let error = Folder::create(base.path(), name, AT, None, false).expect_err(name);
        assert!(error.is_bad_input(), "{error}");
    }
    assert_eq!(names(base.path()), [""; 0]);
}

#[test]
fn out_refuses_what_is_there_and_force_removes_only_our_own() {
    let base = tempfile::tempdir().expect("a temporary folder");
    let out = base.path().join("out");
    let create = |force| Folder::create(base.path(), "s", AT, Some(&out), force);
    let folder = create(false).expect("made");
    write_results(&folder, &sample::backlog()).expect("writable");
    let error = create(true).expect_err("in use");
    assert!(error.to_string().contains("a run is still writing there"), "{error}");
    folder.write("histograms/a.b.connect.hlog", b"x").expect("writable");
    for foreign in ["notes.txt", "histograms/mine.hlog", "histograms/a.b.mine.hlog"] {
        fs::write(out.join(foreign), "mine").expect("writable");
    }
    let error = create(false).expect_err("not empty");
    assert!(error.is_bad_input(), "{error}");
    assert!(error.to_string().contains("--force"), "{error}");
    // `loadgen probe` has no --force.
    let error = Folder::for_card(base.path(), "s", AT, Some(&out)).expect_err("not empty");
    assert!(!error.to_string().contains("--force"), "{error}");
    drop(folder);
    let forced = create(true).expect("forced");
    assert!(out.join("run.json").exists(), "results stay until the run begins");
    forced.discard();
    assert!(out.join("run.json").exists());
    forced.begin().expect("replaced");
    assert_eq!(names(&out), ["histograms", "notes.txt"]);
    assert_eq!(names(&out.join("histograms")), ["a.b.mine.hlog", "mine.hlog"]);
    assert!(!base.path().join("s").exists(), "--out writes nowhere else");
}

#[test]
fn a_file_in_the_way_is_bad_input() {
    let base = tempfile::tempdir().expect("a temporary folder");
    let file = base.path().join("file");
    fs::write(&file, "").expect("writable");
    for out in [file.clone(), file.join("below")] {
        let error = Folder::create(base.path(), "s", AT, Some(&out), true).expect_err("a file");
        assert!(error.is_bad_input(), "{error}");
    }
    fs::create_dir_all(base.path().join("s/latest")).expect("writable");
    let folder = Folder::create(base.path(), "s", AT, None, false).expect("writable");
    let error = folder.begin().expect_err("latest");
    assert!(error.is_bad_input(), "{error}");
}

#[test]
fn a_run_that_does_not_begin_leaves_nothing() {
    let base = tempfile::tempdir().expect("a temporary folder");
    let out = base.path().join("out");
    Folder::create(base.path(), "s", AT, Some(&out), false).expect("writable").discard();
    assert!(!out.exists());
    Folder::create(base.path(), "s", AT, None, false).expect("writable").discard();
    assert_eq!(names(&base.path().join("s")), [""; 0]);
}

#[test]
fn files_are_replaced_whole() {
    let base = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::create(base.path(), "s", AT, None, false).expect("writable");
    folder.write("run.json", b"a long first text").expect("writable");
    folder.write("run.json", b"short").expect("writable");
    assert_eq!(fs::read(folder.path().join("run.json")).expect("there"), b"short");
    assert_eq!(names(folder.path()), ["histograms", "run.json"]);
}

#[test]
fn a_refusal_names_path_call_error_and_remedy_and_leaves_nothing() {
    let base = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::create(base.path(), "s", AT, None, false).expect("writable");
    fs::create_dir(folder.path().join("run.json")).expect("writable");
    let error = folder.write("run.json", b"x").expect_err("a folder is in the way");
    assert!(!error.is_bad_input());
    let text = error.to_string();
    for part in ["run.json", "rename", "EISDIR", "--out"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(names(folder.path()), ["histograms", "run.json"]);
}

#[test]
fn a_full_disk_says_so() {
    // /dev/full refuses every write with ENOSPC.
    let error = File::options()
        .write(true)
        .open("/dev/full")
        .and_then(|mut file| file.write_all(b"x"))
        .expect_err("full");
    let error = FolderError::system(Path::new("/dev/full"), "write", error);
    let text = error.to_string();
    assert!(text.contains("ENOSPC") && text.contains("free space"), "{text}");
}

#[test]
fn logs_are_made_with_their_first_values() {
    let base = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::create(base.path(), "s", AT, None, false).expect("writable");
    let mut log = folder.histogram_log("all", "clients", Metric::Lag, 1.7e9);
    let tenth = Duration::from_millis(100);
    log.append(Duration::ZERO, tenth, &empty()).expect("nothing to write");
    let histograms = folder.path().join("histograms");
    assert_eq!(names(&histograms), [""; 0]);
    let mut values = empty();
    record(&mut values, 30_000);
    log.append(tenth, tenth, &values).expect("writable");
    log.append(tenth * 2, tenth, &values).expect("writable");
    assert_eq!(names(&histograms), ["all.clients.lag.hlog"]);
    let text = fs::read_to_string(histograms.join("all.clients.lag.hlog")).expect("text");
    assert_eq!(text.lines().filter(|l| l.starts_with("0.")).count(), 2, "{text}");
}

#[test]
fn a_folder_is_reopened_as_it_was_left_and_by_one_run_at_a_time() {
    let base = tempfile::tempdir().expect("a temporary folder");
    let reopen = |given: Option<&Path>| Folder::reopen(base.path(), "s", given);
    let error = reopen(None).expect_err("nothing is there");
    assert!(error.is_bad_input() && error.to_string().contains("run.json"), "{error}");
    let folder = Folder::create(base.path(), "s", AT, None, false).expect("writable");
    folder.begin().expect("linked");
    write_results(&folder, &sample::backlog()).expect("writable");
    for log in ["all.a.connect.hlog", "all.target.queue_wait.hlog", "all.b.connect.hlog"] {
        folder.write(&format!("histograms/{log}"), b"x").expect("writable");
    }
    let error = reopen(None).expect_err("in use");
    assert!(error.to_string().contains("still writing"), "{error}");
    let path = folder.path().to_owned();
    drop(folder);
    let before = names(&path);
    let again = reopen(None).expect("left");
    assert_eq!(again.path(), fs::canonicalize(&path).expect("there"));
    again.begin().expect("nothing to do");
    assert_eq!(names(&path), before);
    again.forget("all", ["a"].into_iter()).expect("removed");
    assert_eq!(
        names(&path.join("histograms")),
        ["all.b.connect.hlog"],
        "a cell's logs by its loads"
    );
    again.discard();
    drop(again);
    assert_eq!(names(&path), before, "what is resumed is not thrown away");
    reopen(Some(&path)).expect("named");
}
