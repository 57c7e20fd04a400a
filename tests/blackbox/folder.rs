//! The contract of a run's folder, and of the exit statuses.

use std::fs;
use std::path::Path;

use super::common::{Bench, Running, call, ledgers_add_up, loadgen, measure, number};

const TWO_CELLS: &str = r#"
name = "contract"
[target]
[[load]]
name = "first"
client = "request"
rate = "50/s"
attempts = 20
[[load]]
name = "second"
arrivals = "closed"
clients = 2
attempts = 10
[sweep]
target.backlog = [16, 64]
"#;
const SHORT: &str = "name = \"short\"\n[[load]]\nrate = \"50/s\"\nattempts = 10\n";

#[test]
fn every_file_and_column_is_there() {
    let (_bench, result) = measure(TWO_CELLS, &[]);
    let files = [
        "classes.csv",
        "counters.csv",
        "heatmap.png",
        "histograms",
        "latency.png",
        "outcomes.csv",
        "queues.csv",
        "run.json",
        "summary.csv",
        "sweep.png",
        "timeline.csv",
        "timeline.png",
    ];
    for file in files {
        assert!(result.files().iter().any(|name| name == file), "{file} in {:?}", result.files());
    }
    for (table, columns) in [
        ("summary.csv", "cell,load,metric,unit,count,min,mean,stdev,p50,p90,p99,p999,p9999,max"),
        ("outcomes.csv", "cell,load,side,outcome,count"),
        ("classes.csv", "cell,load,class,count,latency_s"),
        ("counters.csv", "cell,namespace,counter,before,after,delta"),
        ("queues.csv", "cell,listener,t_s,accept_queue,accept_queue_mean,accept_limit,accepted"),
    ] {
        assert_eq!(result.header(table), columns, "{table}");
        assert!(!result.table(table).is_empty(), "{table}");
    }
    let timeline = "cell,load,t_s,attempts,ok,ok_retried,errors,in_flight,connect_p50,\
                    connect_p99,connect_max,accept_queue,accept_limit,syn_recv,\
                    listen_overflows,listen_drops,syncookies_sent";
    let header = result.header("timeline.csv");
    assert!(header == timeline || header.starts_with(&format!("{timeline},")), "{header}");
    for picture in ["latency.png", "timeline.png", "heatmap.png", "sweep.png"] {
        result.is_picture(picture);
    }
}

#[test]
fn tables_say_what_run_json_says() {
    let (_bench, result) = measure(TWO_CELLS, &["--seed", "77"]);
    let run = result.json();
    for key in ["schema_version", "loadgen_version", "scenario", "environment", "cells", "limits"] {
        assert!(!run[key].is_null(), "{key}");
    }
    assert_eq!(run["scenario"]["seed"], 77);
    assert_eq!(run["status"]["status"], "complete");
    let words: Vec<&str> = run["environment"]["command_line"].as_array().unwrap()[1..]
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!((words[0], words[words.len() - 1]), ("run", "77"));

    let (outcomes, timeline) = (result.table("outcomes.csv"), result.table("timeline.csv"));
    let summary = result.table("summary.csv");
    assert_eq!(result.cells().len(), 2);
    for cell in result.cells() {
        assert_eq!(ledgers_add_up(&cell), 30);
        let name = cell["name"].as_str().unwrap();
        for load in cell["loads"].as_array().unwrap() {
            let label = load["name"].as_str().unwrap();
            for (side, key) in [("client", "outcomes"), ("session", "endings")] {
                for (class, count) in load[key].as_object().unwrap() {
                    let row = outcomes.iter().find(|row| {
                        (row["cell"] == name, row["load"] == label, row["side"] == side)
                            == (true, true, true)
                            && row["outcome"] == *class
                    });
                    assert_eq!(row.expect(class)["count"], count.to_string(), "{class}");
                }
            }
            let rows = timeline.iter().filter(|row| row["cell"] == name && row["load"] == label);
            let attempts = rows.map(|row| row["attempts"].parse::<u64>().unwrap()).sum::<u64>();
            assert_eq!(attempts, number(load, "attempts"), "timeline.csv, {label}");
        }
        for metric in cell["metrics"].as_array().unwrap() {
            let row = summary.iter().find(|row| {
                row["cell"] == name
                    && row["load"] == metric["load"].as_str().unwrap()
                    && row["metric"] == metric["metric"].as_str().unwrap()
            });
            let row = row.unwrap_or_else(|| panic!("no row for {metric}"));
            assert_eq!((row["unit"].as_str(), &row["count"]), ("us", &count_of(metric)));
            let p99: f64 = row["p99"].parse().unwrap();
            let nanoseconds = number(metric, "summary.p99");
            assert_eq!((p99 * 1000.0).round() as u64, nanoseconds, "{row:?}");
        }
    }
}

fn count_of(metric: &serde_json::Value) -> String {
    number(metric, "summary.count").to_string()
}

#[test]
fn latest_points_at_the_newest_result() {
    let bench = Bench::new(SHORT);
    let scenario = bench.scenario();
    let run = || {
        let mut command = loadgen(&["run", &scenario]);
        Running::start(command.current_dir(bench.folder.path())).finish().exits(&[0, 4]);
        fs::canonicalize(bench.path("reports/short/latest")).unwrap()
    };
    let (first, second) = (run(), run());
    assert_ne!(first, second);
    for folder in [first, second] {
        assert!(folder.join("run.json").is_file(), "{}", folder.display());
        assert_eq!(folder.parent().unwrap(), Path::new(&bench.path("reports/short")));
    }
}

#[test]
fn a_folder_with_something_in_it_is_refused_and_force_keeps_what_is_not_ours() {
    let bench = Bench::new(SHORT);
    fs::create_dir(bench.out()).unwrap();
    bench.run(&[]).exits(&[0, 4]);
    let first = bench.result().json();

    bench.run(&[]).exits(&[2]).tells(&["not empty", "--force"]);
    assert_eq!(bench.result().json(), first, "the earlier result is untouched");

    fs::write(bench.path("out/notes.txt"), "mine").unwrap();
    fs::write(bench.path("out/sweep.png"), "of an earlier scenario").unwrap();
    bench.run(&["--force"]).exits(&[0, 4]);
    assert_eq!(fs::read_to_string(bench.path("out/notes.txt")).unwrap(), "mine");
    assert!(!Path::new(&bench.path("out/sweep.png")).exists(), "no stale picture");
    assert_ne!(bench.result().json()["environment"], first["environment"]);
}

#[test]
fn quiet_prints_the_verdict_only() {
    let bench = Bench::new(SHORT);
    let said = bench.run(&["--quiet"]);
    said.exits(&[0, 4]);
    // Why a noisy machine's run is invalid takes more than a line.
    assert!(said.stdout.lines().count() == 1 || said.code == 4, "{said}");
    assert!(said.stdout.starts_with("verdict: "), "{said}");
    assert_eq!(said.stderr, "", "{said}");
}

#[test]
fn quiet_prints_the_whole_verdict_of_a_broken_run() {
    let bench = Bench::new(&format!("{SHORT}[limits]\n\"counters.NoSuchCounter\" = \"== 0\"\n"));
    let said = bench.run(&["--quiet"]);
    said.exits(&[4]);
    assert!(said.stdout.starts_with("verdict: "), "{said}");
}

#[test]
fn each_exit_status_means_what_it_says() {
    const ONE: &str = "name = \"x\"\n[[load]]\nrate = \"50/s\"\nattempts = 5\n[limits]\n";
    for (limits, status, word) in [
        ("\"outcomes.ok\" = \"== 5\"", 0, "verdict: pass"),
        ("\"outcomes.ok\" = \"== 4\"", 1, "verdict: fail"),
        ("\"counters.NoSuchCounter\" = \"== 0\"", 4, "inconclusive"),
    ] {
        let bench = Bench::new(&format!("{ONE}{limits}\n"));
        // A noisy machine may make a run invalid; that must not last.
        let said = (0..5).map(|_| bench.run(&["--force"])).find(|said| said.code == status);
        said.unwrap_or_else(|| panic!("{limits}: never {status}")).exits(&[status]).tells(&[word]);
    }
    call(&["run", "/nonexistent.toml"]).exits(&[2]);
    call(&["run"]).exits(&[2]);
    call(&["rnu"]).exits(&[2]);
    call(&["--help"]).exits(&[0]);
    call(&["--version"]).exits(&[0]).tells(&[env!("CARGO_PKG_VERSION")]);
}
