//! Load cannot be turned on a stranger.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use super::common::{Bench, PROGRAM, Running, programs_or_skip, skipped};

fn towards(address: &str) -> Bench {
    Bench::new(&format!(
        "name = \"a\"\n[target]\naddress = \"{address}\"\n\
         [[load]]\nrate = \"20/s\"\nattempts = 2\n"
    ))
}

/// Refused in the host's network, whatever is asked for in the scenario.
const STRANGERS: &[(&str, &str)] = &[
    ("8.8.8.8:80", "public"),
    ("[::ffff:8.8.8.8]:80", "public"),
    ("[2001:4860:4860::8888]:80", "public"),
    ("0.0.0.0:80", "unspecified"),
    ("[::]:80", "unspecified"),
    ("[::ffff:0.0.0.0]:80", "unspecified"),
    ("10.0.0.1:80", "--allow 10.0.0.1/32"),
    ("[::ffff:10.0.0.1]:80", "--allow"),
    ("172.16.3.4:80", "--allow"),
    ("192.168.1.1:80", "--allow"),
    ("[fd00::1]:80", "--allow"),
    ("169.254.1.1:80", "--allow"),
    ("[fe80::1]:80", "--allow"),
    ("198.18.0.1:80", "lab"),
    ("[2001:2::1]:80", "lab"),
    ("224.0.0.1:80", "multicast"),
    ("255.255.255.255:80", "broadcast"),
];

#[test]
fn strangers_are_refused_before_any_socket_is_made() {
    let traced = programs_or_skip("addresses::no_socket_is_made", &["strace"]);
    for (address, why) in STRANGERS {
        let bench = towards(address);
        let trace = bench.path("trace");
        let mut command = if traced {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-e", "trace=socket,connect,sendto,sendmsg", "-o", &trace]);
            strace.arg(PROGRAM).args(["run", &bench.scenario(), "--out", &bench.out()]);
            strace
        } else {
            bench.command(&[])
        };
        let said = Running::start(&mut command).finish();
        said.exits(&[2]).tells(&["load may not go to", why]);
        assert!(bench.wrote_nothing(), "{address}");
        if traced {
            let calls = fs::read_to_string(&trace).unwrap();
            assert!(!calls.contains("AF_INET"), "{address}: {calls}");
        }
    }
}

#[test]
fn a_scenario_cannot_grant_what_the_command_line_must() {
    let bench = towards("10.255.255.1:9");
    bench.run(&["--allow", "10.1.0.0/16"]).exits(&[2]).tells(&["--allow"]);
    bench.run(&["--allow", "8.8.8.0/24"]).exits(&[2]);
    towards("8.8.8.8:80").run(&["--allow", "8.8.8.8/32"]).exits(&[2]).tells(&["public"]);
    towards("8.8.8.8:80").run(&["--allow", "0.0.0.0/0"]).exits(&[2]);
}

#[test]
fn loopback_is_accepted() {
    for at in ["127.0.0.1:0", "127.9.8.7:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(at) else {
            skipped("addresses::loopback_is_accepted", &format!("cannot listen on {at}"));
            continue;
        };
        let bench = towards(&listener.local_addr().unwrap().to_string());
        bench.run(&[]).exits(&[0, 4]);
        let load = &bench.result().cell()["loads"][0];
        assert_eq!(load["outcomes"]["ok"], 2, "{at}: {load}");
    }
}

#[test]
fn localhost_is_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = towards(&format!("localhost:{}", listener.local_addr().unwrap().port()));
    bench.run(&[]).exits(&[0, 4]);
}

/// Names are judged by what they resolve to: a private hosts file gives them addresses.
#[test]
fn names_are_judged_by_where_they_lead() {
    const NAME: &str = "addresses::names_are_judged_by_where_they_lead";
    if !programs_or_skip(NAME, &["unshare", "mount", "sh"]) {
        return;
    }
    for (address, why) in [
        ("8.8.8.8", "public"),
        ("::ffff:8.8.8.8", "public"),
        ("10.0.0.1", "--allow"),
        ("0.0.0.0", "unspecified"),
        ("198.18.0.1", "lab"),
    ] {
        let bench = towards("innocent.test:80");
        fs::write(bench.path("hosts"), format!("{address} innocent.test\n")).unwrap();
        let script = format!(
            "mount --bind {} /etc/hosts || exit 99; exec {PROGRAM} run {} --out {}",
            bench.path("hosts"),
            bench.scenario(),
            bench.out()
        );
        let said =
            Running::start(Command::new("unshare").args(["-rm", "sh", "-c", &script])).finish();
        if said.code == 99 || said.stderr.contains("unshare") {
            return skipped(NAME, said.stderr.trim());
        }
        said.exits(&[2]).tells(&["load may not go to", why]);
        assert!(bench.wrote_nothing(), "{address}");
    }
}
