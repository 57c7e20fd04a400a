//! Backlog cards: made, put beside each other, and refused where they are none.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::common::{Folder, PROGRAM, Running, Said, call, loadgen, narrow, until};

/// A Linux in a lab, and gVisor on its host: made up after what is known of both.
fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cards").join(name);
    path.to_str().unwrap().to_owned()
}

fn card(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(shipped(name)).unwrap()).unwrap()
}

/// A folder for what a case writes.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

fn compared(arguments: &[&str]) -> Said {
    let said = call(&[&["compare"], arguments].concat());
    narrow(&said.stdout);
    said
}

#[test]
fn differences_come_first_and_what_is_equal_is_counted() {
    let (linux, gvisor) = (shipped("linux.json"), shipped("gvisor.json"));
    let said = compared(&[&linux, &gvisor]);
    said.exits(&[0]).tells(&[
        "not made alike: depth: A standard; B quick",
        "tcp.accept_queue.sequential: capacity (IPv4) A -1 -> 4097, 0 -> 1, 1000 -> 1001",
        "B -1 -> 129, 0 -> 2, 1000 -> 129 (connections by backlog; 4 alike)",
        "unix.stream: beyond A EAGAIN B ECONNREFUSED",
        "B not found out: TCP_INFO says nothing of retransmits",
        "values are equal (--all lists them)",
    ]);
    let at = |part: &str| said.stdout.find(part).unwrap_or_else(|| panic!("{part}: {said}"));
    assert!(at("values differ") < at("within the uncertainty"), "{said}");
    assert!(at("within the uncertainty") < at("not in every card"), "{said}");
    assert!(!said.stdout.contains("first in first out"), "{said}");
    compared(&[&linux, &gvisor, "--all"]).exits(&[0]).tells(&["first in first out"]);
    compared(&[&linux, &linux]).exits(&[0]).tells(&["no value differs", "values are equal"]);
}

#[test]
fn a_difference_within_the_uncertainty_is_called_so() {
    let desk = Desk::new();
    let mut near = card("linux.json");
    let mut far = near.clone();
    for (card, seconds) in [(&mut near, 60.3), (&mut far, 63.0)] {
        for one in card["experiments"].as_array_mut().unwrap() {
            if one["id"] == "tcp.time_wait" {
                one["inferred"][0]["value"]["seconds"] = json!(seconds);
            }
        }
    }
    let [near, far] = [("near.json", near), ("far.json", far)]
        .map(|(name, card)| desk.put(name, card.to_string()));
    let linux = shipped("linux.json");
    compared(&[&linux, &near]).exits(&[0]).tells(&[
        "no value differs",
        "1 value differs within the uncertainty",
        "60.10 s",
        "60.30 s",
    ]);
    compared(&[&linux, &far]).exits(&[0]).tells(&["1 value differs tcp.time_wait: length (IPv4)"]);
}

#[test]
fn a_comparison_is_written_as_its_name_says() {
    let desk = Desk::new();
    let (linux, gvisor) = (shipped("linux.json"), shipped("gvisor.json"));
    for name in ["c.md", "c.html", "c.png"] {
        // The second time it replaces its own.
        for _ in 0..2 {
            compared(&[&linux, &gvisor, "--out", &desk.path(name)]).exits(&[0]);
        }
    }
    let page = desk.read("c.html");
    assert!(
        page.starts_with("<!DOCTYPE html>")
            && page.contains("<svg")
            && page.contains("prefers-color-scheme:dark")
    );
    for forbidden in ["<script", "http://", "https://", "<link", "@import"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(desk.read("c.md").contains("| unix.stream | beyond | EAGAIN | ECONNREFUSED |"));
    Folder(desk.0.path().to_owned()).is_picture("c.png");
    let other = desk.put("notes.md", "my own notes");
    compared(&[&linux, &gvisor, "--out", &other]).exits(&[2]).tells(&["is no comparison"]);
    assert_eq!(desk.read("notes.md"), "my own notes");
    let odd = desk.path("c.txt");
    compared(&[&linux, &gvisor, "--out", &odd]).exits(&[2]).tells(&[".md, .html or .png"]);
    let nowhere = desk.path("no/such/c.md");
    compared(&[&linux, &gvisor, "--out", &nowhere]).exits(&[2]).tells(&["no such folder"]);
    compared(&[&linux]).exits(&[2]);
    assert_eq!(fs::read_dir(desk.0.path()).unwrap().count(), 4, "nothing else was written");
}

#[test]
fn what_is_no_card_is_refused_with_its_place() {
    let desk = Desk::new();
    let linux = shipped("linux.json");
    let text = fs::read_to_string(&linux).unwrap();
    let run = json!({"schema_version": 1, "scenario": {}, "cells": []}).to_string();
    fs::create_dir(desk.path("run")).unwrap();
    desk.put("run/run.json", &run);
    fs::create_dir(desk.path("empty")).unwrap();
    let absurd = text.replacen("\"from\": [\n            0,", "\"from\": [\n            99,", 1);
    let levels = 100_000;
    let deep = format!("\"given\": {{\"a\": {}0{},", "[".repeat(levels), "]".repeat(levels));
    assert_ne!(absurd, text, "the fixture has changed its form");
    for (path, parts) in [
        (desk.put("cut.json", &text[..text.len() / 2]), vec!["cut.json:", "EOF while parsing"]),
        (desk.put("empty.json", ""), vec!["empty.json:1:0", "no whole card"]),
        (desk.put("deep.json", "[".repeat(1_000_000)), vec!["deep.json:1:", "no whole card"]),
        (
            desk.put("deeper.json", text.replacen("\"given\": {", &deep, 1)),
            vec!["deeper.json:", "recursion limit"],
        ),
        (desk.put("nan.json", text.replace("48.3", "NaN")), vec!["nan.json:", "no whole card"]),
        (desk.put("big.json", text.replace("48.3", "1e999")), vec!["big.json:", "out of range"]),
        (desk.put("bytes.json", [0xff, 0xfe, 0]), vec!["bytes.json:1:", "no whole card"]),
        (desk.put("other.json", "{\"a\": 1}"), vec!["no card of `loadgen probe`"]),
        (desk.put("run.json", &run), vec!["run.json:1:", "no whole result"]),
        (desk.path("run"), vec!["run/run.json:1:", "no whole result"]),
        (desk.path("empty"), vec!["empty: there is neither run.json nor card.json in it"]),
        (desk.path("gone.json"), vec!["ENOENT"]),
        ("/dev/zero".to_owned(), vec!["no regular file"]),
        (
            desk.put(
                "new.json",
                text.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1),
            ),
            vec!["layout 2", "use that version"],
        ),
        (desk.put("absurd.json", absurd), vec![".from: there is no observation 99"]),
        (
            desk.put(
                "kind.json",
                text.replacen("\"kind\": \"word\"", "\"kind\": \"\\u001b[2J\"", 1),
            ),
            vec!["kind.json:", "unknown variant"],
        ),
    ] {
        let said = compared(&[&linux, &path]);
        said.exits(&[2]).tells(&parts);
        assert!(!said.stderr.contains('\u{1b}'), "{said}");
        assert!(said.stdout.is_empty(), "{said}");
    }
}

#[test]
fn a_huge_card_takes_bounded_memory_and_time() {
    let desk = Desk::new();
    let huge = fs::File::create(desk.path("huge.json")).unwrap();
    huge.set_len(20 << 30).unwrap();
    // As many numbers as the longest card may have.
    let mut many = card("linux.json");
    many["experiments"][0]["inferred"][0]["value"] = json!({
        "kind": "schedule", "seconds": vec![1; 3_500_000], "give": 0.0, "complete": true});
    let many = desk.put("many.json", many.to_string());
    for (path, part) in [
        (desk.path("huge.json"), "larger than 512 MiB"),
        (many, "inferred[0].value: 3500000 entries"),
    ] {
        let mut command = Command::new("sh");
        let limited = "ulimit -v 600000; exec \"$0\" compare \"$1\" \"$1\"";
        command.args(["-c", limited, PROGRAM, &path]).env("NO_COLOR", "1");
        let said = Running::start(&mut command).finish();
        said.exits(&[2]).tells(&[part]);
        assert!(said.took < Duration::from_secs(20), "{said}");
    }
}

#[test]
fn words_of_a_card_steer_nothing() {
    let desk = Desk::new();
    let evil = "\u{1b}]0;owned\u{7}|a\n# b <script>x</script>\u{202e}";
    let mut odd = card("linux.json");
    odd["system"] = json!(evil);
    for one in odd["experiments"].as_array_mut().unwrap() {
        one["id"] = json!(format!("{}{evil}", one["id"].as_str().unwrap()));
        for inferred in one["inferred"].as_array_mut().unwrap() {
            inferred["because"] = json!(evil);
            inferred["name"] = json!(evil);
        }
        one["missing"] = json!([{"what": evil, "why": evil, "remedy": evil}]);
    }
    let odd = desk.put("odd.json", odd.to_string());
    let linux = shipped("linux.json");
    let said = compared(&[&linux, &odd, "--all"]);
    said.exits(&[0]);
    for name in ["c.md", "c.html"] {
        compared(&[&linux, &odd, "--all", "--out", &desk.path(name)]).exits(&[0]);
    }
    compared(&[&linux, &odd, "--out", &desk.path("c.png")]).exits(&[0]);
    for text in [said.stdout.clone(), desk.read("c.md"), desk.read("c.html")] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\u{202e}'));
        assert!(text.contains("owned"));
    }
    assert!(!desk.read("c.html").contains("<script") && !desk.read("c.md").contains("<script"));
    assert!(!desk.read("c.md").lines().any(|line| line.starts_with("# b")));
}

#[test]
fn bad_arguments_of_a_probe_leave_nothing() {
    let desk = Desk::new();
    let out = desk.path("out");
    for (arguments, part) in [
        (vec!["--backlog", "5,0,5"], "5 is given twice"),
        (vec!["--backlog", "99999999999"], "99999999999"),
        (vec!["--backlog", ""], "--backlog"),
        (vec!["--quick", "--full"], "--full"),
        (vec!["--lab", "--host"], "--host"),
    ] {
        call(&[&["probe", "--out", &out], arguments.as_slice()].concat())
            .exits(&[2])
            .tells(&[part]);
        assert!(!Path::new(&out).exists());
    }
    let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    call(&["probe", "--out", &out, "--backlog", &many.join(",")])
        .exits(&[2])
        .tells(&["at most 32"]);
    fs::create_dir(&out).unwrap();
    desk.put("out/mine", "kept");
    call(&["probe", "--out", &out]).exits(&[2]).tells(&["not empty"]);
    call(&["probe", "--out", "/proc/nowhere"]).exits(&[3]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn a_quick_card_is_made_and_compared_with_itself() {
    let desk = Desk::new();
    let out = desk.path("out");
    let said = call(&["probe", "--quick", "--backlog", "0,5", "--out", &out]);
    narrow(&said.stdout);
    said.exits(&[0]).tells(&["tcp.accept_queue.sequential", "capacity 0 -> ", "results: "]);
    let folder = Folder(out.clone().into());
    assert_eq!(folder.files(), ["card.html", "card.json", "card.md", "card.png"]);
    folder.is_picture("card.png");
    let made: Value = serde_json::from_str(&desk.read("out/card.json")).unwrap();
    assert_eq!((&made["schema_version"], &made["depth"]), (&json!(1), &json!("quick")));
    assert_eq!(made["status"], json!({"status": "complete"}));
    let same = compared(&[&out, &desk.path("out/card.json")]);
    same.exits(&[0]).tells(&["no value differs"]);
}

#[test]
fn an_interrupted_probe_leaves_a_card_that_says_so() {
    let desk = Desk::new();
    let out = desk.path("out");
    let child =
        Running::start(&mut loadgen(&["probe", "--full", "--backlog", "0,1", "--out", &out]));
    let file = Path::new(&out).join("card.json");
    until("the first card", Duration::from_secs(20), || file.exists().then_some(()));
    // Signals are listened for before the first card is written.
    child.signal(Signal::SIGINT);
    let said = child.finish();
    said.exits(&[130]).tells(&["partial: it was interrupted; not ended:"]);
    assert!(said.took < Duration::from_secs(20), "{said}");
    let made: Value = serde_json::from_str(&desk.read("out/card.json")).unwrap();
    assert_eq!(made["status"]["status"], "partial");
    assert!(Path::new(&out).join("card.md").is_file());
}
