//! Scenarios from their text to their plan, or to what is wrong with them.

use std::io;
use std::path::Path;

use proptest::prelude::*;

use super::plan::{AcceptPace, Client, Close, Plan, ReplyEnd, Target};
use super::*;
use crate::load::{Schedule, Shape};
use crate::units::Span;

const SHIPPED: [(&str, &str); 4] = [
    ("backlog", include_str!("../../scenarios/backlog.toml")),
    ("serial-chat", include_str!("../../scenarios/serial-chat.toml")),
    ("stall", include_str!("../../scenarios/stall.toml")),
    ("clean", include_str!("../../scenarios/clean.toml")),
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

/// What is told of a scenario that has `name` and one load besides `text`.
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
        assert!(resolved.plan.cells.iter().all(|cell| !cell.lab.required()), "{name}");
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
    let Client::Request { message, reply, exchanges, greet, .. } = &cell.loads[1].client else {
        panic!("{:?}", cell.loads[1].client);
    };
    assert_eq!((message.as_slice(), reply), (&b"PI"[..], &ReplyEnd::Length(1024)));
    assert_eq!((*exchanges, *greet), (3, true));
    assert_eq!(cell.loads[1].schedule.window(), Span::from_millis(3000));
    assert_eq!(plan.limits.len(), 4);
    assert_eq!(plan.limits[1].to_string(), "load.talk.request.p99.9 < 2s");
    let back: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(back, plan);
}

#[test]
fn every_problem_is_told_at_once_with_place_caret_and_remedy() {
    let text = r#"name = "all wrong"
tarket = 5
[target]
bcklog = 5
accept = "200"
stall = [{ from = "2s", to = "1s" }]
[[load]]
rate = 500
timeout = "1 parsec"
hold = "-1s"
[[load]]
client = "conect"
rate = "-5/s"
[limits]
"conect.p99" = "<= 5ms"
"outcomes.timeout" = "<= 5ms"
[sweep]
target.backlogs = [1, 2]
"#;
    let all = told(text, &[]);
    for part in [
        "s.toml:1:8",
        "cannot be the name of a scenario",
        "s.toml:2:1",
        "did you mean `target`?",
        "s.toml:4:1",
        "4 | bcklog = 5\n  | ^^^^^^",
        "did you mean `backlog`?",
        "s.toml:5:10",
        "write \"asap\", \"never\" or a rate such as \"200/s\"",
        "s.toml:6:10",
        "write a `to` that is above `from`",
        "s.toml:8:8",
        "write a rate, such as \"2000/s\" or \"90/min\"",
        "s.toml:9:11",
        "\"250ms\"",
        "s.toml:10:8",
        "\"-1s\" is negative",
        "s.toml:12:10",
        "did you mean `connect`?",
        "s.toml:13:8",
        "\"-5/s\" is negative",
        "s.toml:15:1",
        "there is no metric `conect`",
        "s.toml:16:22",
        "not compared with a time",
        "s.toml:18:8",
        "did you mean `backlog`? known here",
    ] {
        assert!(all.contains(part), "{part}\n{all}");
    }
    for part in ["this load needs", "has no name", "there is no load"] {
        assert!(!all.contains(part), "an echo: {part}\n{all}");
    }
}

#[test]
fn what_is_wrong_says_what_would_be_right() {
    let one = "name = \"x\"\n[[load]]\n";
    let request = "name = \"x\"\n[[load]]\nclient = \"request\"\nrate = \"5/s\"\n";
    for (text, parts) in [
        (one.to_owned(), &["s.toml:2:1", "needs a `rate`", "rate = \"500/s\""][..]),
        ("[[load]]\nrate = \"1/s\"".into(), &["s.toml:1:1", "has no name"]),
        ("name = \"x\"".into(), &["there is no load", "[[load]]"]),
        ("name = \"x\"\n[load]\nrate = \"1/s\"".into(), &["s.toml:2:1", "[[load]]"]),
        (format!("{one}rate = 500/s"), &["s.toml:3:", "double quotes"]),
        (format!("{one}rate = \"5/s\"\nrate = \"6/s\""), &["s.toml:4:1", "duplicate key"]),
        (format!("{one}rate = \"5/s\"\nsize = 3"), &["s.toml:4:8", "arrivals = \"burst\""]),
        (
            format!("{one}arrivals = \"ramp\"\nfrom = \"1/s\"\nto = \"2/s\"\nattempts = 5"),
            &["a ramp needs a `duration`"],
        ),
        (format!("{one}rate = \"1/min\"\nattempts = 100000"), &["at most 24 h"]),
        (
            format!("{one}rate = \"5/s\"\ntimeout = \"500ms\""),
            &["notice", "whose first SYN is dropped"],
        ),
        (format!("{one}rate = \"5/s\"\ntimeout = \"2s\""), &["notice", "second SYN retry"]),
        (format!("{one}rate = \"5/s\"\nmessage = \"x\""), &["client = \"request\""]),
        (
            format!("{one}rate = \"5/s\"\nlifecycle = \"recycle\"\nclose = \"fin\""),
            &["lifecycle = \"fresh\""],
        ),
        (format!("{one}rate = \"5/s\"\nname = \"a/b\""), &["cannot be the name of a load"]),
        (
            format!("{request}message = {{ file = \"nope\" }}"),
            &["cannot read nope", "no such file"],
        ),
        (format!("{request}message = {{ hex = \"0\" }}"), &["s.toml:5:11", "two digits a byte"]),
        (format!("{request}message = {{ hx = \"0\" }}"), &["s.toml:5:13", "did you mean `hex`?"]),
        (format!("{request}reply = {{ length = 7 }}"), &["sends 5 bytes a reply, not 7"]),
        (format!("{request}reply = \"close\""), &["close = \"server\" under [target]"]),
        (format!("{request}[target]\nreply = \"none\""), &["s.toml:3:10", "sends none"]),
        (format!("{request}[target]\naddress = \"127.0.0.1:9\""), &["s.toml:2:1", "add reply ="]),
        (
            format!("{request}[target]\naddress = \"127.0.0.1\""),
            &["is not an address", "[::1]:8081"],
        ),
        (
            format!("{request}reply = \"close\"\ngreet = true\n[target]\naddress = \"h:9\""),
            &["greeting"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[target]\naddress = \"h:9\"\n[lab]\nlink = \"veth\""),
            &["outside the lab", "s.toml:7:8"],
        ),
        (
            format!(
                "{one}rate = \"5/s\"\n[target]\naddress = \"h:9\"\n[lab.sysctl]\nnet.core.somaxconn = 5"
            ),
            &["not ours to change"],
        ),
        (
            format!(
                "{one}rate = \"5/s\"\n[target]\naddress = \"h:9\"\n[sweep]\ntarget.backlog = [5]"
            ),
            &["all cells would be one"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[lab.sysctl]\nkernel.hostname = \"x\""),
            &["begin with `net.`"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[lab.sysctl]\n\"net.../x\" = 1"),
            &["not the name of a kernel setting"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[limits]\n\"connect.p99\" = \"<= 5\""),
            &["a latency is compared with a time"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[limits]\n\"connect.p99\" = \"5ms\""),
            &["compares with nothing"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[limits]\n\"connect.q99\" = \"<= 5ms\""),
            &["no statistic `q99`"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[limits]\n\"outcomes.timeuot\" = \"== 0\""),
            &["did you mean `timeout`?"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[limits]\n\"counters.ListenOverflow\" = \"== 0\""),
            &["notice", "ListenOverflows"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[limits]\n\"counters.ListenOverflows\" = \"== 5ms\""),
            &["compared with a number"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[limits]\n\"load.laod.connect.p99\" = \"<= 5ms\""),
            &["did you mean `load`?"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[limits]\n\"request.p99\" = \"<= 5ms\""),
            &["nothing here measures `request`"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[sweep]\nseed = [1, 2]"),
            &["s.toml:5:1", "one for all cells"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[sweep]\ntraget.backlog = [1]"),
            &["s.toml:5:8", "did you mean `target`?"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[sweep]\ntarget.backlog = [1, \"x\"]"),
            &["s.toml:5:22", "whole number"],
        ),
        (format!("{one}rate = \"5/s\"\n[sweep]\ntarget.backlog = 5"), &["needs a list"]),
        (format!("{one}rate = \"5/s\"\n[sweep]\ntarget.backlog = []"), &["list is empty"]),
        (format!("{one}rate = \"5/s\"\n[sweep]\ntarget.backlog = [5, 5]"), &["5 is listed twice"]),
        (
            format!("{one}rate = \"5/s\"\n[sweep]\nload.other.rate = [\"5/s\"]"),
            &["no load has the name `other`"],
        ),
        (format!("{one}rate = \"5/s\"\n[target]\ncommand = [\"ssh\"]"), &["is reached"]),
    ] {
        let all = told(&text, &[]);
        for part in parts {
            assert!(all.contains(part), "{part}\n{text}\n{all}");
        }
        assert_eq!(all.matches("help: ").count(), 1, "one problem, one remedy: {text}\n{all}");
    }
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
    assert!(resolved.notices.render(false).contains("`backlog`, `serial`, `reply` of [target]"));
    let cell = &resolved.plan.cells[0];
    assert!(
        matches!(&cell.target, Target::External { address, .. } if address == "127.0.0.1:9000")
    );
    assert!(matches!(cell.loads[0].client, Client::Request { greet: false, .. }));
    plan_of(shipped("clean"), &[set]);
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
fn hostile_texts_are_refused_and_bounded() {
    let deep = |open: &str, n: usize| format!("a = {}", open.repeat(n));
    for text in [
        deep("[", 100_000),
        deep("{a=", 100_000),
        format!("{}b = 1", "a.".repeat(400_000)),
        format!("[{}b]", "a.".repeat(400_000)),
        "[[a]]\n".repeat(100_000),
        "\"\n".repeat(100_000),
        format!("name = \"{}", "x".repeat(900_000)),
        "x".repeat(LONGEST_TEXT + 1),
        "\0ELF".into(),
        String::new(),
        " \n".into(),
    ] {
        let all = with(&text, &[]).expect_err("hostile").render(false);
        assert!(all.len() < 100_000, "{}", all.len());
    }
}

#[test]
fn a_huge_sweep_is_refused_before_it_is_built() {
    let numbers: Vec<_> = (0..900).map(|n| n.to_string()).collect();
    let list = numbers.join(",");
    let text = format!(
        "name = \"x\"\n[[load]]\nrate = \"5/s\"\n[sweep]\ntarget.backlog = [{list}]\n\
         target.acceptors = [{list}]\nlab.sources = [{list}]\nload.workers = [{list}]"
    );
    assert!(told(&text, &[]).contains("656100000000 cells"));
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

const ROOMY: Means = Means {
    descriptors: 1 << 20,
    ephemeral_ports: (32768, 60999),
    memory_bytes: 8 << 30,
    tw_reuse_loopback: true,
};

fn shortages(text: &str, means: &Means) -> Vec<Shortage> {
    preflight(&plan_of(text, &[]).cells[0], means)
}

#[test]
fn a_clean_scenario_is_never_refused() {
    for (name, text) in SHIPPED {
        assert_eq!(shortages(text, &ROOMY), [], "{name}");
    }
    let tight = Means { descriptors: 1024, ..ROOMY };
    let found = shortages(shipped("clean"), &tight);
    assert!(found.iter().all(|shortage| !shortage.certain), "{found:?}");
}

#[test]
fn certain_shortages_are_told_with_their_arithmetic() {
    let load = "name = \"x\"\n[[load]]\nrate = \"2000/s\"\nduration = \"20s\"\n";
    let veth = format!("{load}[lab]\nlink = \"veth\"");
    let found = shortages(&veth, &ROOMY);
    assert!(found[0].certain && found[0].title.contains("40000 local ports"), "{found:?}");
    assert!(found[0].title.contains("28232") && found[0].help.contains("sources = 2"), "{found:?}");
    assert_eq!(shortages(&format!("{load}close = \"rst\"\n[lab]\nlink = \"veth\""), &ROOMY), []);
    // A target that never accepts completes few handshakes: nothing is certain.
    let never = format!("{veth}\n[target]\naccept = \"never\"");
    assert!(shortages(&never, &ROOMY).iter().all(|shortage| !shortage.certain));

    let held = format!("{load}hold = \"10s\"\nclose = \"rst\"");
    let found = shortages(&held, &Means { descriptors: 4096, ..ROOMY });
    assert!(found[0].certain && found[0].title.contains("20000 connections"), "{found:?}");
    let found = shortages(&held, &Means { memory_bytes: 64 << 20, ..ROOMY });
    assert!(found[0].certain && found[0].title.contains("156 MiB"), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        told(&text, &[&text]);
    }

    #[test]
    fn no_toml_like_text_panics(text in "[a-z0-9\\[\\]{}=.\"', \n/-]{0,120}") {
        told(&format!("name = \"x\"\n{text}"), &[&text]);
    }

    #[test]
    fn no_mutation_of_a_scenario_panics(
        cuts in prop::collection::vec((0usize..1500, 0usize..12, "[ -~\n]{0,6}"), 1..6),
        set in "(target|load|lab|limits|sweep)(\\.[a-z\"]{1,9}){0,4}=[ -~]{0,12}",
    ) {
        let mut text = RICH.to_owned();
        for (at, length, insert) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.replace_range(at..end, &insert);
        }
        told(&text, &[&set]);
    }
}
