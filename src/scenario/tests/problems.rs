//! What is told of a wrong scenario.

use super::told;

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
            format!("{one}rate = \"5/s\"\n[target]\naddress = \"127.0.0.1\""),
            &["is not an address", "[::1]:8081"],
        ),
        (
            format!("{request}reply = \"close\"\nports = \"9-5\"\n[target]\naddress = \"h:9\""),
            &["40000-40999"],
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
                "{one}rate = \"5/s\"\n[target]\naddress = \"h:9\"\ncommand = [\"c\"]\n[lab]\nlink = \"veth\""
            ),
            &["s.toml:8:8", "outside the lab", "remove `link`", "`target.command`"],
        ),
        (
            format!(
                "{one}rate = \"5/s\"\n[target]\naddress = \"h:9\"\ncommand = [\"c\"]\n[lab.sysctl]\nnet.core.somaxconn = 5"
            ),
            &["s.toml:8:1", "not ours to change", "remove [lab.sysctl]", "`target.command`"],
        ),
        (
            format!("interval = \"10ms\"\n{one}rate = \"5/s\"\nstart = \"20m\""),
            &["s.toml:1:12", "start 1200s", "intervals of 10ms", "100000", "interval = \"1s\""],
        ),
        (
            format!("{one}rate = \"5/s\"\nstart = \"20h\""),
            &["intervals of 100ms", "interval = \"1s\" or more"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[lab.sysctl]\n\"net.ipv4/tcp_rmem\" = 1"),
            &["not the name of a kernel setting"],
        ),
        (
            format!("{one}rate = \"5/s\"\n[lab.sysctl]\n\"net.ipv4.conf.a@b\" = 1"),
            &["not the name of a kernel setting"],
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
fn listeners_and_restarts_must_fit_together() {
    let text = r#"name = "wrong"
[target]
listeners = 9
acceptors = 8
restart_gap = "1s"
hand_over = true
defer_accept = "2h"
fast_open = 0
[[load]]
rate = "5/s"
attempts = 5
"#;
    let all = told(text, &[]);
    for part in [
        "s.toml:4:13",
        "9 listeners with 8 acceptors each are too many threads",
        "s.toml:5:15",
        "`restart_gap` means nothing without `restart_at`",
        "s.toml:6:13",
        "`hand_over` means nothing without `restart_at`",
        "say when with restart_at = \"3s\"",
        "s.toml:7:16",
        "write a duration from \"1ms\" to \"3600s\"",
        "s.toml:8:13",
        "write a number from 1 to 65535",
    ] {
        assert!(all.contains(part), "{part}\n{all}");
    }
    let both = text.replace("listeners = 9", "restart_at = \"2s\"");
    let all = told(&both, &[]);
    assert!(all.contains("a hand-over has no gap"), "{all}");
    let threads = both.replace("acceptors = 8", "engine = \"threads\"");
    let all = told(&threads, &[]);
    for part in ["s.toml:4:10", "engine \"threads\" cannot restart", "write engine = \"io_uring\""]
    {
        assert!(all.contains(part), "{part}\n{all}");
    }
}

#[test]
fn half_open_clients_are_not_for_processes() {
    let text = |engine: &str| {
        format!(
            "name = \"x\"\n[[load]]\nclient = \"half-open\"\nrate = \"5/s\"\nattempts = 5\n\
             engine = \"{engine}\"\n"
        )
    };
    let all = told(&text("processes"), &[]);
    for part in ["s.toml:6:10", "belong to the lab of the runner", "write \"io_uring\""] {
        assert!(all.contains(part), "{part}\n{all}");
    }
    super::plan_of(&text("io_uring"), &[]);
}
