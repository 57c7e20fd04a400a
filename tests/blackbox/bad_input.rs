//! Hostile and mistaken input: exit 2, located, with a remedy, no panic, and nothing written.

use std::fs::{self, File};

use super::common::{Bench, Said, call};

const ONE: &str = "name = \"x\"\n[[load]]\nrate = \"50/s\"\nattempts = 5\n";

/// Refused by `run` and by `check`, with these parts in the text; a `\n` begins a part anew.
#[track_caller]
fn refused(bench: &Bench, parts: &[&str]) -> Said {
    call(&["check", &bench.scenario()]).exits(&[2]).tells(parts);
    let said = bench.run(&[]);
    said.exits(&[2]).tells(parts).tells(&["help:"]);
    assert!(bench.wrote_nothing(), "something was written");
    assert_eq!(said.stdout, "", "errors go to standard error");
    said
}

#[test]
fn mistakes_are_located_with_a_remedy() {
    let load = |lines: &str| format!("name = \"x\"\n[[load]]\n{lines}\n");
    let cases: &[(String, &[&str])] = &[
        (load("rtae = \"5/s\"\nattempts = 3"), &["s.toml:3:1", "`rtae`", "did you mean `rate`?"]),
        (load("rate = \"5 parsecs\""), &["s.toml:3:8", "2000/s"]),
        (load("rate = \"5/s\"\ntimeout = \"1 parsec\""), &["s.toml:4:11", "250ms"]),
        (load("rate = \"5/s\"\ntimeout = 1"), &["s.toml:4:11"]),
        (load("rate = \"-5/s\""), &["s.toml:3:8", "negative"]),
        (load("rate = \"0/s\""), &["s.toml:3:8"]),
        (load("rate = \"1e300/s\""), &["s.toml:3:8"]),
        (load("rate = \"NaN/s\""), &["s.toml:3:8"]),
        (load("rate = \"5/s\"\nattempts = 0"), &["s.toml:4:12"]),
        (load("rate = \"5/s\"\nattempts = -3"), &["s.toml:4:12"]),
        (load("rate = \"5/s\"\nattempts = 99999999999999999999"), &["s.toml:4:12"]),
        (load("rate = \"5/s\"\nworkers = 70000"), &["s.toml:4:11"]),
        (load("rate = \"5/s\"\n[target]\nbacklog = 1.5"), &["s.toml:5:11"]),
        (load("rate = \"5/s\"\n[target]\nbacklog = 99999999999"), &["s.toml:5:11"]),
        (load("rate = \"5/s\"\n[target]\naddress = \"nowhere\""), &["s.toml:5:11", "127.0.0.1"]),
        (load("rate = \"5/s\"\n[sweep]\ntarget.backlogs = [1]"), &["s.toml:5:8", "`backlog`"]),
        (load("rate = \"5/s\"\n[sweep]\ntraget.backlog = [1]"), &["s.toml:5:8", "`target`"]),
        (load("rate = \"5/s\"\n[sweep]\ntarget.backlog = [1, \"x\"]"), &["s.toml:5:22"]),
        (load("rate = \"5/s\"\n[lab.sysctl]\nkernel.hostname = \"x\""), &["s.toml:5:8", "net."]),
        (load("rate = \"5/s\"\n[limits]\n\"connect.p99\" = \"<= 5\""), &["s.toml:5:17"]),
        (load("rate = \"5/s\"\n[limits]\n\"conect.p99\" = \"<= 5s\""), &["s.toml:5:1", "connect"]),
        (load("rate = \"5/s\"\nmessage = { file = \"none\" }\nclient = \"request\""), &["none"]),
        ("name = \"../../etc\"\n[[load]]\nrate = \"1/s\"".into(), &["s.toml:1:8"]),
        ("name = \"x\n[[load]]".into(), &["s.toml:1:"]),
        ("name = \"x\"\n= 5".into(), &["s.toml:2:1"]),
        ("name = \"x\"\nname = \"y\"".into(), &["s.toml:2:1", "duplicate"]),
        ("name = \"x\"".into(), &["s.toml", "[[load]]"]),
        ("{\"name\": \"x\"}".into(), &["s.toml:1:1"]),
    ];
    for (text, parts) in cases {
        refused(&Bench::new(text), parts);
    }
}

#[test]
fn several_problems_are_told_at_once() {
    let text = "name = \"x\"\ntarket = 5\n[target]\nbcklog = 5\n[[load]]\nrate = \"-5/s\"\n\
                [limits]\n\"conect.p99\" = \"<= 5ms\"\n[sweep]\ntarget.backlogs = [1, 2]\n";
    let all = ["s.toml:2:1", "s.toml:4:1", "s.toml:6:8", "s.toml:8:1", "s.toml:10:8"];
    let said = refused(&Bench::new(text), &all);
    assert_eq!(said.stderr.matches("help:").count(), all.len(), "{said}");
    assert!(said.stderr.contains("4 | bcklog = 5\n  | ^^^^^^"), "a caret: {said}");
}

#[test]
fn what_is_no_scenario_is_named() {
    let deep = |open: &str| format!("a = {}", open.repeat(20_000));
    let noise: Vec<u8> =
        (0..4000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let cases: &[(Vec<u8>, &[&str])] = &[
        (vec![], &["s.toml", "empty"]),
        (b"\n\n  \n".to_vec(), &["s.toml"]),
        (noise, &["s.toml", "binary"]),
        (b"name = \"\0\"".to_vec(), &["s.toml", "binary"]),
        (deep("[").into_bytes(), &["s.toml:1:"]),
        (deep("{ a = ").into_bytes(), &["s.toml:1:"]),
        (format!("{}= 1", "a.".repeat(20_000)).into_bytes(), &["s.toml:1:"]),
        (format!("[{}a]", "a.".repeat(20_000)).into_bytes(), &["s.toml:1:"]),
        ("[[load]]\n".repeat(50_000).into_bytes(), &["s.toml"]),
        (format!("name = \"{}\"", "x".repeat(500_000)).into_bytes(), &["s.toml:1:8"]),
    ];
    for (bytes, parts) in cases {
        let said = refused(&Bench::of(bytes), parts);
        assert!(said.stderr.len() < 100_000, "a flood of {} bytes", said.stderr.len());
    }
}

#[test]
fn a_path_that_is_no_file_is_named() {
    let bench = Bench::new(ONE);
    File::create(bench.path("big.toml")).unwrap().set_len(100 << 20).unwrap();
    fs::create_dir(bench.path("folder.toml")).unwrap();
    for (path, word) in [
        ("big.toml", "larger than 1 MiB"),
        ("folder.toml", "folder"),
        ("missing.toml", "No such file"),
        ("s.toml/under.toml", "s.toml/under.toml"),
    ] {
        let (path, out) = (bench.path(path), bench.out());
        for arguments in [&["check", &path][..], &["run", &path, "--out", &out]] {
            let said = call(arguments);
            said.exits(&[2]).tells(&[&path, word, "help:"]);
            assert!(said.took.as_secs() < 10, "{said}");
        }
        assert!(bench.wrote_nothing());
    }
    call(&["check", "/dev/zero"]).exits(&[2]);
    call(&["check", "/dev/null"]).exits(&[2]).tells(&["empty"]);
}

#[test]
fn overrides_go_through_the_same_validation() {
    let bench = Bench::new(ONE);
    for (set, parts) in [
        ("target.bcklog=3", &["--set", "`bcklog`", "did you mean `backlog`?"][..]),
        ("load.rate=5", &["--set", "2000/s"]),
        ("load.rate=-5/s", &["--set", "negative"]),
        ("load.timeout=1 parsec", &["--set", "250ms"]),
        ("nonsense", &["--set", "key=value"]),
        ("=5", &["--set"]),
        ("target.backlog=", &["--set"]),
        ("target.backlog=[[[", &["--set"]),
        ("load.other.rate=5/s", &["--set"]),
        ("target.backlog=1\nlab.link=\"veth\"", &["--set"]),
    ] {
        bench.run(&["--set", "seed=5", "--set", set]).exits(&[2]).tells(parts).tells(&["#2"]);
        assert!(bench.wrote_nothing(), "{set}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let bench = Bench::new(ONE);
    for arguments in [
        &["--force-it"][..],
        &["--seed", "many"],
        &["--seed", "-1"],
        &["--allow", "everything"],
        &["--allow", "10.0.0.0/99"],
        &["--lab", "maybe"],
    ] {
        let said = bench.run(arguments);
        said.exits(&[2]);
        assert!(bench.wrote_nothing() && !said.stderr.is_empty(), "{arguments:?}: {said}");
    }
    let scenario = bench.scenario();
    call(&["run", &scenario, "--force"]).exits(&[2]).tells(&["--out"]);
}
