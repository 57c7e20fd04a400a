//! The backlog card of this kernel: what FACTS say of it, what a system that forbids half of the
//! instruments still tells, and whether portable methods find the same.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::common::{PROGRAM, Running, lab_or_skip, programs_or_skip, skipped};

/// `--quick` takes less than a minute where nothing else runs.
const LIMIT: Duration = Duration::from_secs(150);
const PROBE: [&str; 4] = ["probe", "--quick", "--backlog", "0,1,5,16,-1"];

/// Makes a card by a command that ends with the program and its first arguments.
#[track_caller]
fn card_by(mut command: Command) -> Value {
    let temporary = TempDir::new().expect("a folder");
    let out = temporary.path().join("out");
    command.args(["--out", out.to_str().expect("a name")]);
    // Where sockets of AF_UNIX are files, they are here.
    let sockets = TempDir::new().expect("a folder");
    command.env("TMPDIR", sockets.path()).env("NO_COLOR", "1");
    let said = Running::start(&mut command).finish_within(LIMIT);
    said.exits(&[0]);
    let left = std::fs::read_dir(sockets.path()).expect("a folder").count();
    assert_eq!(left, 0, "something was left behind: {said}");
    let text = std::fs::read_to_string(out.join("card.json")).unwrap_or(said.stdout);
    serde_json::from_str(&text).expect("a card")
}

fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command.args(PROBE);
    command
}

/// One card for all cases.
fn card() -> &'static Value {
    static CARD: OnceLock<Value> = OnceLock::new();
    CARD.get_or_init(|| card_by(program(PROGRAM)))
}

/// An experiment's name, its family of addresses and its settings.
fn name(experiment: &Value) -> String {
    format!("{} {} {}", experiment["id"], experiment["family"], experiment["settings"])
}

fn experiments(card: &Value) -> BTreeMap<String, &Value> {
    let all = card["experiments"].as_array().expect("experiments");
    all.iter().map(|one| (name(one), one)).collect()
}

/// The experiments of this name, whatever the family, with the system's own settings.
fn called<'a>(card: &'a Value, id: &str) -> Vec<&'a Value> {
    let all = card["experiments"].as_array().expect("experiments");
    let plain = |one: &&Value| one["settings"].as_object().is_some_and(serde_json::Map::is_empty);
    let found: Vec<_> = all.iter().filter(|one| one["id"] == id).filter(plain).collect();
    assert!(!found.is_empty(), "no {id}");
    found
}

#[track_caller]
fn inferred<'a>(experiment: &'a Value, name: &str) -> &'a Value {
    let mut all = experiment["inferred"].as_array().expect("inferred").iter();
    all.find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name} in {experiment:#}"))
}

#[track_caller]
fn word(experiment: &Value, name: &str) -> String {
    inferred(experiment, name)["value"]["word"].as_str().expect("a word").to_owned()
}

#[track_caller]
fn points(experiment: &Value, name: &str) -> BTreeMap<i64, i64> {
    let points = inferred(experiment, name)["value"]["points"].clone();
    let points: Vec<(i64, i64)> = serde_json::from_value(points).expect("points");
    points.into_iter().collect()
}

#[test]
fn a_receive_buffer_is_charged_by_truesize_and_drops_the_newest() {
    for one in called(card(), "udp.receive_buffer.capacity") {
        let known = [(1, 832), (100, 832), (512, 1280), (1024, 2304), (1472, 2304), (8192, 16_640)];
        let charge = points(one, "charge");
        if card()["system"].as_str().is_some_and(|system| system.starts_with("Linux 6.18")) {
            assert_eq!(charge, BTreeMap::from(known), "as FACTS say of this kernel");
        }
        for (payload, held) in points(one, "capacity") {
            let whole = 131_072 / charge[&payload];
            assert!(
                (whole..=whole + 1).contains(&held),
                "{payload}: {held} of {}",
                charge[&payload]
            );
        }
        assert_eq!(word(one, "dropped"), "newest");
        assert_eq!(inferred(one, "charge")["confidence"], "high", "{one:#}");
    }
}

#[test]
fn drops_are_counted_exactly_but_the_last_is_not_told_at_once() {
    if !lab_or_skip("probe::drops") {
        return;
    }
    for one in called(card(), "udp.receive_buffer.counters") {
        for counter in ["socket_drops", "rcvbuf_errors", "in_errors", "rxq_ovfl"] {
            assert_eq!(word(one, counter), "exact", "{counter}: {one:#}");
        }
        assert_eq!(word(one, "rxq_ovfl_of_the_last"), "untold");
    }
    for one in called(card(), "udp.receive_buffer.size") {
        assert_eq!(word(one, "rule"), "2n");
    }
}

#[test]
fn queues_of_af_unix_hold_one_more_and_then_say_again() {
    for id in ["unix.stream.queue", "unix.seqpacket.queue"] {
        let one = called(card(), id)[0];
        for (backlog, held) in points(one, "capacity") {
            match backlog {
                -1 => assert!(held > 17, "somaxconn and one more: {held}"),
                n => assert_eq!(held, n + 1, "{id}"),
            }
        }
        let words = ["rule", "beyond", "blocking", "order"].map(|name| word(one, name));
        assert_eq!(words, ["n + 1", "again", "waits", "fifo"], "{one:#}");
    }
    let plain = called(card(), "unix.dgram.queue")[0];
    assert_eq!(word(plain, "beyond"), "again");
    if lab_or_skip("probe::max_dgram_qlen") {
        let set = json!({"net.unix.max_dgram_qlen": "3"});
        let all = card()["experiments"].as_array().expect("experiments");
        let mut varied = all.iter().filter(|one| one["settings"] == set);
        let four = inferred(varied.next().expect("a setting was varied"), "capacity");
        assert_eq!(four["value"]["count"], 4);
        assert_eq!(four["expected"]["agrees"], true);
    }
}

#[test]
fn every_value_rests_on_observations_and_a_quick_card_takes_less_than_a_minute() {
    for one in experiments(card()).values() {
        let seen = one["observations"].as_array().expect("observations").len() as u64;
        for value in one["inferred"].as_array().expect("inferred") {
            let from = value["from"].as_array().expect("from");
            let known = |at: &Value| at.as_u64().is_some_and(|at| at < seen);
            assert!(!from.is_empty() && from.iter().all(known), "{}: {value:#}", name(one));
            assert!(value["because"].as_str().is_some_and(|why| !why.is_empty()), "{value:#}");
        }
    }
    let took = card()["took_s"].as_f64().expect("a time");
    assert!(took < 60.0, "{took} s");
}

/// Runs a command that may make no namespaces, ask nothing over netlink, and look at no TCP_INFO: a
/// filter of system calls (seccomp) says EPERM.
const FORBID: &str = r#"
import ctypes, os, platform, socket, struct, sys
numbers = {"x86_64": (272, 41, 55), "aarch64": (97, 198, 209)}.get(platform.machine())
if numbers is None:
    sys.exit("unknown machine")
UNSHARE, SOCKET, GETSOCKOPT = numbers
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
load = lambda at: (0x20, 0, 0, at)
unless = lambda value, skip: (0x15, 0, skip, value)
argument = lambda n: 16 + 8 * n
forbid, allow = (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)
lines = [
    load(0), unless(UNSHARE, 1), forbid,
    unless(SOCKET, 3), load(argument(0)), unless(socket.AF_NETLINK, 1), forbid,
    load(0), unless(GETSOCKOPT, 5), load(argument(1)), unless(socket.IPPROTO_TCP, 3),
    load(argument(2)), unless(socket.TCP_INFO, 1), forbid,
    allow,
]
program = Program(len(lines), b"".join(struct.pack("HBBI", *line) for line in lines))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, "PR_SET_SECCOMP"
for forbidden in [
    lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM),
    lambda: socket.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8),
]:
    try:
        forbidden()
        sys.exit("the filter does not forbid it")
    except PermissionError:
        pass
os.execvp(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn where_half_is_forbidden_there_is_still_a_card_that_says_what_is_missing() {
    let known = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
    if !known {
        return skipped("probe::forbidden", "numbers of system calls are known for x86 and ARM");
    }
    if !programs_or_skip("probe::forbidden", &["python3"]) {
        return;
    }
    let mut command = Command::new("python3");
    command.args(["-c", FORBID, PROGRAM]).args(PROBE);
    let poor = card_by(command);
    assert_eq!(poor["place"]["where"], "host");
    let reason = poor["place"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("EPERM") && reason.contains("unshare"), "{reason}");
    // What needs nothing of it is found as ever.
    let hold = |id: &str| points(called(&poor, id)[0], "capacity");
    for id in ["unix.stream.queue", "unix.seqpacket.queue", "tcp.accept_queue.sequential"] {
        let held = hold(id);
        assert_eq!((held[&1], held[&5], held[&16]), (2, 6, 17), "{id}");
    }
    let (rich, found) =
        (called(card(), "udp.receive_buffer.capacity"), hold("udp.receive_buffer.capacity"));
    assert_eq!(points(rich[0], "capacity"), found);
    // No experiment is lost: it tells, or it says why not and what would help.
    let all = experiments(&poor);
    for id in experiments(card()).keys() {
        let one = all.get(id).unwrap_or_else(|| panic!("{id} is not on the card"));
        let missing = one["missing"].as_array().expect("missing");
        let inferred = one["inferred"].as_array().expect("inferred");
        assert!(!missing.is_empty() || !inferred.is_empty(), "{id} tells nothing");
        for line in missing {
            let said = |what: &str| line[what].as_str().is_some_and(|text| !text.is_empty());
            assert!(said("why") && said("remedy"), "{id}: {line}");
        }
    }
    let varied =
        all.values().find(|one| one["id"] == "unix.dgram.queue" && one["settings"] != json!({}));
    let why = varied.expect("it is on the card")["missing"][0]["why"].as_str().expect("a reason");
    assert!(why.contains("in a lab only") && why.contains("EPERM"), "{why}");
}

/// A fresh network namespace, whose loopback interface is down: nobody can connect there, which says
/// nothing of any queue.
#[test]
fn a_network_that_is_down_is_no_queue_that_holds_nothing() {
    if !lab_or_skip("probe::down") || !programs_or_skip("probe::down", &["unshare"]) {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", PROGRAM]).args(PROBE).arg("--host");
    let card = card_by(command);
    for (name, experiment) in experiments(&card) {
        let found = experiment["inferred"].as_array().expect("inferred");
        let unix = name.starts_with("\"unix") && experiment["settings"] == json!({});
        assert_eq!(found.is_empty(), !unix, "{name}: {found:#?}");
    }
    let queue = called(&card, "tcp.accept_queue.sequential")[0];
    let why = queue["missing"][0].to_string();
    assert!(why.contains("ENETUNREACH") && why.contains("ip link set lo up"), "{why}");
}

/// Experiments that would run side by side then run one after the other, or say what they lacked.
#[test]
fn few_processes_make_a_whole_card_all_the_same() {
    const FEW: &str = "--nproc=14";
    if !programs_or_skip("probe::few", &["unshare", "setpriv", "prlimit"]) {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let open = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("chmod");
    };
    open(folder.path());
    let copy = folder.path().join("loadgen");
    std::fs::copy(PROGRAM, &copy).expect("a copy that anybody may run");
    let out = folder.path().join("out");
    // The limit does not hold for root; and of any user it counts what else they run.
    let mut command = match nix::unistd::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=64123", "--clear-groups"]);
            command
        }
        false => {
            let mut command = Command::new("unshare");
            command.arg("--user");
            command
        }
    };
    command.args(["prlimit", FEW]).arg(&copy).args(PROBE).arg("--out").arg(&out);
    command.env("TMPDIR", folder.path()).env("NO_COLOR", "1");
    let said = Running::start(&mut command).finish_within(LIMIT);
    said.exits(&[0]);
    assert!(!said.stderr.contains("panicked"), "{said}");
    let text = std::fs::read_to_string(out.join("card.json")).expect("a card");
    let card: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(card["status"], json!({ "status": "complete" }), "{said}");
}

/// `make portable` builds the other program, names it, and runs this.
#[test]
#[ignore = "make portable runs it, with a program of portable methods"]
fn portable_methods_agree_with_native_ones() {
    let portable = std::env::var("LOADGEN_PORTABLE").expect("the program of portable methods");
    let other = card_by(program(&portable));
    assert_eq!((&card()["methods"], &other["methods"]), (&json!("native"), &json!("portable")));
    let (native, mut shared) = (experiments(card()), 0);
    for (name, one) in experiments(&other) {
        let Some(same) = native.get(&name) else { panic!("{name} is on one card only") };
        for value in one["inferred"].as_array().expect("inferred") {
            let kind = &value["value"]["kind"];
            let values = same["inferred"].as_array().expect("inferred");
            let its = values.iter().find(|its| its["name"] == value["name"]);
            if let (true, Some(its)) = (kind == "word" || kind == "counts" || kind == "count", its)
            {
                assert_eq!(value["value"], its["value"], "{name} {}", value["name"]);
                shared += 1;
            }
        }
    }
    assert!(shared >= 20, "{shared} values are on both cards");
}
