//! Scenarios from their text to their plan, or to what is wrong with them.

mod capture;
mod datagram;
mod hostile;
mod preflight;
mod problems;
mod transport;

use std::io;
use std::path::Path;

use super::plan::{AcceptPace, Client, Close, Plan, ReplyEnd, Target};
use super::*;
use crate::load::{Schedule, Shape};
use crate::units::Span;

const SHIPPED: [(&str, &str); 4] = [
    ("backlog", include_str!("../../../scenarios/backlog.toml")),
    ("serial-chat", include_str!("../../../scenarios/serial-chat.toml")),
    ("stall", include_str!("../../../scenarios/stall.toml")),
    ("clean", include_str!("../../../scenarios/clean.toml")),
];

/// A valid scenario that uses most keys.
const RICH: &str = r#"
name = "rich"
seed = 7
interval = "50ms"
[lab]
link = "veth"
family = "ipv6"
sources = 4
[lab.sysctl]
net.core.somaxconn = 64
"net.ipv4.tcp_syncookies" = "0"
[target]
backlog = 5
acceptors = 2
accept = "200/s"
stall = [{ to = "1s" }, { from = "2s", to = "2500ms" }]
service = { distribution = "log-normal", median = "2ms", sigma = 0.5 }
reply = "1KiB"
sample = "1ms"
[[load]]
name = "steady"
rate = "50/s"
duration = "3s"
hold = "1s"
lifecycle = "recycle"
[[load]]
name = "talk"
client = "request"
arrivals = "step"
stages = [{ rate = "10/s", span = "1s" }, { rate = "20/s", span = "2s" }]
message = { hex = "50 49" }
exchanges = 3
think = "10ms"
start = "500ms"
[[load]]
name = "turns"
arrivals = "closed"
clients = 4
pause = "5ms"
attempts = 100
[limits]
connect.p99 = "<= 5s"
"load.talk.request.p99.9" = "< 2s"
"outcomes.timeout" = "<= 1%"
"counters.ListenOverflows" = ">= 0"
[sweep]
target.backlog = [5, 10]
load.steady.rate = ["50/s", "100/s"]
lab.sysctl.net.core.somaxconn = [64, 128]
"#;

fn no_file(_: &Path) -> io::Result<Vec<u8>> {
    Err(io::Error::new(io::ErrorKind::NotFound, "no such file"))
}

fn with(text: &str, overrides: &[&str]) -> Result<Resolved, Diagnostics> {
    let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
    resolve(text, "s.toml", &overrides, &no_file)
}

fn plan_of(text: &str, overrides: &[&str]) -> Plan {
    with(text, overrides).unwrap_or_else(|e| panic!("{e}")).plan
}

/// The problems, or else the notices, as text.
fn told(text: &str, overrides: &[&str]) -> String {
    match with(text, overrides) {
        Ok(resolved) => resolved.notices.render(false),
        Err(problems) => problems.render(false),
    }
}

fn shipped(name: &str) -> &'static str {
    SHIPPED.iter().find(|(n, _)| *n == name).map(|(_, text)| *text).unwrap()
}

#[test]
fn shipped_scenarios_resolve_without_a_notice_and_need_no_lab() {
    for (name, text) in SHIPPED {
        let resolved = with(text, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(resolved.notices.is_empty(), "{name}: {}", resolved.notices);
        assert_eq!(resolved.plan.name, name);
        assert!(resolved.plan.cells.iter().all(|cell| !cell.needs_lab()), "{name}");
        assert!(cost_of_plan(&resolved.plan).seconds < 120.0, "{name}");
        assert!(text.starts_with('#'), "{name} opens with what it teaches");
    }
}

#[test]
fn the_rich_scenario_resolves_as_written() {
    let plan = plan_of(RICH, &[]);
    assert_eq!(plan.cells.len(), 8);
    let names: Vec<_> = plan.cells.iter().map(|cell| cell.name.as_str()).collect();
    assert_eq!(names[0], "backlog=5,rate=50_s,somaxconn=64");
    assert_eq!(names[1], "backlog=5,rate=50_s,somaxconn=128");
    assert_eq!(plan.cells[7].axes[1].value, "100/s");
    let cell = &plan.cells[1];
    let settings = [("net.core.somaxconn", "128"), ("net.ipv4.tcp_syncookies", "0")];
    for (key, value) in settings {
        assert!(cell.lab.sysctl.contains(&(key.to_owned(), value.to_owned())), "{key}");
    }
    assert_eq!(cell.loads[0].close, Close::Rst);
    let Client::Request { exchange, greet } = &cell.loads[1].client else {
        panic!("{:?}", cell.loads[1].client);
    };
    assert_eq!(exchange.message, b"PI");
    assert_eq!((&exchange.reply, exchange.exchanges), (&ReplyEnd::Length(1024), 3));
    assert!(greet);
    assert_eq!(cell.loads[1].schedule.window(), Span::from_millis(3000));
    assert_eq!(plan.limits.len(), 4);
    assert_eq!(plan.limits[1].to_string(), "load.talk.request.p99.9 < 2s");
    let back: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(back, plan);
}

#[test]
fn overrides_go_the_way_of_the_file() {
    let plan = plan_of(shipped("backlog"), &["target.backlog=64", "load.rate=500/s"]);
    assert_eq!(plan.cells.len(), 1);
    assert_eq!(plan.cells[0].name, "all");
    let Target::Own { serve, .. } = &plan.cells[0].target else { panic!() };
    assert_eq!((serve.backlog.0, serve.accept), (64, AcceptPace::Rate("400/s".parse().unwrap())));
    let Schedule::Open { shape: Shape::Poisson { rate }, .. } = plan.cells[0].loads[0].schedule
    else {
        panic!()
    };
    assert_eq!(rate.per_second(), 500.0);

    for (set, parts) in [
        (
            "target.backlog=64",
            &["notice", "--set #1:1:1", "replaces the sweep over `target.backlog`"][..],
        ),
        ("target.bcklog=64", &["--set #1:1:1", "did you mean `backlog`?"]),
        ("load.rate=500", &["--set #1:1:11", "write a rate"]),
        ("load.rate=-5/s", &["--set #1:1:11", "is negative"]),
        ("load.rate", &["--set #1:1:1", "--set key=value"]),
        ("=5", &["--set #1:1:1", "path of a key"]),
        ("sweep.target.backlog=[5", &["--set #1:1:", "not a TOML value"]),
        ("target=5", &["--set #1:1:8", "[target]"]),
        ("name", &["sets nothing"]),
    ] {
        let all = told(shipped("backlog"), &[set]);
        for part in parts {
            assert!(all.contains(part), "{set}: {part}\n{all}");
        }
    }
    let swept = plan_of(shipped("clean"), &["sweep.load.rate=[\"1/s\", \"2/s\"]", "name=other"]);
    assert_eq!((swept.cells.len(), swept.name.as_str()), (2, "other"));
}

#[test]
fn shipped_scenarios_take_a_server_of_the_users() {
    let set = "target.address=127.0.0.1:9000";
    let resolved = with(shipped("serial-chat"), &[set]).unwrap_or_else(|e| panic!("{e}"));
    assert!(resolved.notices.render(false).contains("yours: `backlog`, `serial`, `reply`"));
    let cell = &resolved.plan.cells[0];
    assert!(
        matches!(&cell.target, Target::External { address, .. } if address == "127.0.0.1:9000")
    );
    assert!(matches!(cell.loads[0].client, Client::Request { greet: false, .. }));
    plan_of(shipped("clean"), &[set]);
    // Nobody reads a greeting there, and IPv6 needs no quotes.
    let stall = plan_of(shipped("stall"), &["target.address=[::1]:9000"]);
    assert!(
        matches!(&stall.cells[0].target, Target::External { address, .. } if address == "[::1]:9000")
    );
    assert!(matches!(stall.cells[0].loads[0].client, Client::Connect { greet: false, .. }));
}

#[test]
fn defaults_follow_from_what_is_said() {
    let window = |load: &str| {
        let plan = plan_of(&format!("name = \"x\"\n[[load]]\n{load}"), &[]);
        let schedule = plan.cells[0].loads[0].schedule.clone();
        let (Schedule::Open { attempts, .. } | Schedule::Closed { attempts, .. }) = schedule;
        (schedule.window().get().as_millis(), attempts)
    };
    for (load, millis, attempts) in [
        ("rate = \"5/s\"", 10_000, None),
        ("rate = \"5/s\"\nattempts = 10", 2000, Some(10)),
        ("rate = \"5/s\"\nattempts = 10\nduration = \"3s\"", 3000, Some(10)),
        ("arrivals = \"burst\"\nsize = 12", 1000, Some(12)),
        ("arrivals = \"burst\"\nsize = 12\nevery = \"1s\"", 10_000, None),
        ("arrivals = \"burst\"\nsize = 12\nevery = \"1s\"\nattempts = 30", 3000, Some(30)),
        ("arrivals = \"poisson\"\nrate = \"10/s\"\nattempts = 100", 21_000, Some(100)),
        ("arrivals = \"closed\"\nclients = 5\nattempts = 10", 8000, Some(10)),
    ] {
        assert_eq!(window(load), (millis, attempts), "{load}");
    }
}

#[test]
fn the_schema_accepts_what_is_shipped_and_knows_its_keys() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in SHIPPED.iter().map(|(_, text)| *text).chain([RICH]) {
        let value: serde_json::Value = toml::from_str(text).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
    }
    for wrong in [
        "name = \"x\"\n[[load]]\nrte = \"5/s\"",
        "name = \"x\"\nlod = 5\n[[load]]\nrate = \"5/s\"",
        "name = \"x\"\n[[load]]\nrate = 5",
        "[[load]]\nrate = \"5/s\"",
    ] {
        let value: serde_json::Value = toml::from_str(wrong).unwrap();
        assert!(!validator.is_valid(&value), "{wrong}");
    }
    let text = schema.to_string();
    assert!(!text.contains("\"null\""), "TOML has no null");
    assert!(text.contains("The number given to `listen(2)`"));
}

#[test]
fn the_description_fits_a_terminal_and_names_the_options() {
    for text in SHIPPED.iter().map(|(_, text)| *text).chain([RICH]) {
        let text = describe(&plan_of(text, &[]));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
    let text = describe(&plan_of(shipped("backlog"), &[]));
    for part in ["listen(5)", "accept at most 400/s", "poisson 600/s", "timeout 4s", "4800"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
