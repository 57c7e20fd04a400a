//! What is printed: 80 columns, help, schema, manual.

use std::fs;

use serde_json::Value;

use super::common::{Bench, Running, call, loadgen, narrow, shipped};

const SUBCOMMANDS: [&str; 5] = ["run", "check", "schema", "serve", "man"];

#[test]
fn help_fits_the_terminal() {
    for subcommand in SUBCOMMANDS {
        for flag in ["--help", "-h"] {
            let said = call(&[subcommand, flag]);
            said.exits(&[0]).tells(&["Usage: loadgen"]);
            narrow(&said.stdout);
        }
    }
    for arguments in [&["--help"][..], &["help"], &["help", "run"]] {
        let said = call(arguments);
        narrow(&said.exits(&[0]).stdout);
    }
    call(&["--help"]).tells(&SUBCOMMANDS).tells(&["Exit status"]);
}

#[test]
fn wrong_usage_fits_the_terminal() {
    for arguments in [&[][..], &["run"], &["rnu"], &["run", "--lab", "x", "y"]] {
        let said = call(arguments);
        narrow(&said.exits(&[2]).stderr);
    }
}

#[test]
fn the_schema_accepts_what_is_shipped_and_refuses_misspellings() {
    let said = call(&["schema"]);
    let schema: Value = serde_json::from_str(&said.exits(&[0]).stdout).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a JSON Schema");
    let read = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap());
    for scenario in shipped() {
        let text = fs::read_to_string(&scenario).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&read(&text).unwrap()).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", scenario.display());
    }
    for wrong in ["name = 5", "nmae = \"x\"", "[[load]]\nrtae = \"5/s\"", "load = 7"] {
        assert!(!validator.is_valid(&read(wrong).unwrap()), "{wrong}");
    }
}

#[test]
fn check_tells_the_plan_and_its_cost() {
    for scenario in shipped() {
        let said = call(&["check", scenario.to_str().unwrap()]);
        said.exits(&[0]).tells(&[scenario.file_stem().unwrap().to_str().unwrap()]);
        for word in ["attempts", "ports"] {
            assert!(said.stdout.contains(word), "{word}: {said}");
        }
        narrow(&said.stdout);
    }
    let bench = Bench::new("name = \"x\"\n[[load]]\nrate = \"50/s\"\nduration = \"4s\"\n");
    call(&["check", &bench.scenario()]).exits(&[0]).tells(&["200"]);
    call(&["check", &bench.scenario(), "--set", "load.rate=70/s"]).exits(&[0]).tells(&["280"]);
}

#[test]
fn check_touches_nothing() {
    let bench = Bench::new("name = \"x\"\n[[load]]\nrate = \"50/s\"\nduration = \"4s\"\n");
    let mut command = loadgen(&["check", &bench.scenario()]);
    Running::start(command.current_dir(bench.folder.path())).finish().exits(&[0]);
    assert_eq!(fs::read_dir(bench.folder.path()).unwrap().count(), 1, "the scenario alone");
}

#[test]
fn the_manual_page_is_roff() {
    let said = call(&["man"]);
    said.exits(&[0]);
    for part in [".TH", ".SH NAME", ".SH SYNOPSIS", "loadgen"] {
        assert!(said.stdout.contains(part), "{part}: {said}");
    }
}

#[test]
fn warnings_of_a_plan_are_printed_and_do_not_stop_it() {
    let bench =
        Bench::new("name = \"x\"\n[[load]]\nrate = \"50/s\"\nattempts = 3\ntimeout = \"500ms\"\n");
    bench.run(&[]).exits(&[0, 4]).tells(&["notice", "first SYN is dropped"]);
}

#[test]
fn a_plan_that_cannot_suffice_is_told_with_the_arithmetic() {
    let bench = Bench::new(
        "name = \"x\"\n[[load]]\nrate = \"20000/s\"\nduration = \"20s\"\nhold = \"20s\"\n",
    );
    let said = call(&["check", &bench.scenario()]);
    said.exits(&[0, 3]).tells(&["ports"]);
    assert!(said.stderr.contains("warning") || said.stderr.contains("error"), "{said}");
}
