//! What the environment refuses: exit 3, and what would help.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use super::common::{Bench, PROGRAM, Running, Said, call, programs_or_skip, skipped};

const ONE: &str = "name = \"x\"\n[[load]]\nrate = \"50/s\"\nattempts = 20\n";

fn shell(script: &str) -> Said {
    Running::start(Command::new("sh").args(["-c", script])).finish()
}

#[test]
fn a_port_in_use_is_named_with_what_would_help() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let said = call(&["serve", "--listen", &at]);
    said.exits(&[3]).tells(&["EADDRINUSE", &at]);
    let helps = ["another", "free", "--listen", "stop"];
    assert!(helps.iter().any(|word| said.stderr.replace(&at, "").contains(word)), "{said}");
}

#[test]
fn a_port_in_use_under_a_target_that_a_command_starts_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let bench = Bench::new(&format!(
        "name = \"x\"\n[target]\naddress = \"{at}\"\n\
         command = [\"{PROGRAM}\", \"serve\", \"--stdio\"]\n\
         [[load]]\nrate = \"50/s\"\nattempts = 2\n"
    ));
    bench.run(&[]).exits(&[3]).tells(&["EADDRINUSE", &at.to_string()]);
}

#[test]
fn an_address_of_another_host_cannot_be_listened_on() {
    call(&["serve", "--listen", "192.0.2.1:0"]).exits(&[3]).tells(&["EADDRNOTAVAIL"]);
}

#[test]
fn an_unwritable_result_folder_fails_before_the_run() {
    let bench = Bench::new(ONE);
    let out = |out: &str| call(&["run", &bench.scenario(), "--out", out]);
    out("/proc/loadgen").exits(&[3]).tells(&["/proc/loadgen", "--out"]);
    // A file in the way is the user's mistake or the environment's; it is named in any case.
    out(&bench.scenario()).exits(&[2, 3]).tells(&["s.toml", "--out"]);
    out(&format!("{}/below", bench.scenario())).exits(&[2, 3]).tells(&["below", "another path"]);

    let locked = bench.path("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let probe = fs::write(Path::new(&locked).join("probe"), "");
    if probe.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        // In a lab, an ordinary user has root's rights over the user's own files.
        let (scenario, out) = (bench.scenario(), format!("{locked}/out"));
        let said = call(&["run", &scenario, "--out", &out, "--lab", "off"]);
        said.exits(&[3]).tells(&["EACCES", "--out"]);
    } else {
        skipped("environment::unwritable_by_permission", "root may write everywhere");
    }
}

/// `loadgen run` with its result on a file system of this many KiB.
fn on_a_small_disk(name: &str, kib: u32, text: &str) -> Option<(Bench, Said)> {
    if !programs_or_skip(name, &["unshare", "mount", "sh"]) {
        return None;
    }
    let bench = Bench::new(text);
    let (disk, kept) = (bench.path("disk"), bench.path("kept"));
    fs::create_dir(&disk).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={kib}k tmpfs {disk} || exit 99\n\
         {PROGRAM} run {} --out {disk}/out; status=$?\n\
         cp -r {disk}/out {kept} 2>/dev/null; exit $status",
        bench.scenario()
    );
    let said = Running::start(Command::new("unshare").args(["-rm", "sh", "-c", &script])).finish();
    if said.code == 99 || said.stderr.starts_with("unshare") {
        skipped(name, said.stderr.trim());
        return None;
    }
    Some((bench, said))
}

#[test]
fn a_disk_that_is_full_at_the_start_fails_before_the_run() {
    let name = "environment::a_disk_that_is_full_at_the_start";
    let Some((_bench, said)) = on_a_small_disk(name, 4, ONE) else { return };
    said.exits(&[3]).tells(&["ENOSPC", "free space", "--out"]);
}

#[test]
fn a_disk_that_fills_up_leaves_a_readable_partial_result() {
    let name = "environment::a_disk_that_fills_up";
    let text = "name = \"x\"\n[[load]]\nrate = \"500/s\"\nduration = \"2s\"\n";
    let Some((bench, said)) = on_a_small_disk(name, 96, text) else { return };
    said.exits(&[3]).tells(&["ENOSPC", "free space"]);
    let run = fs::read_to_string(bench.path("kept/run.json")).expect("a first result was written");
    let run: serde_json::Value = serde_json::from_str(&run).expect("and it is whole");
    assert_eq!(run["status"]["status"], "partial", "{}", run["status"]);
}

#[test]
fn without_descriptors_the_limit_is_named() {
    // Below 5, the program cannot load its libraries.
    for limit in [5, 6, 8, 12, 16, 24, 31, 32, 33, 34, 36, 40, 64] {
        let bench = Bench::new(ONE);
        let (scenario, out) = (bench.scenario(), bench.out());
        let said = shell(&format!("ulimit -n {limit}; exec {PROGRAM} run {scenario} --out {out}"));
        if limit < 32 {
            said.exits(&[3]);
            assert!(bench.wrote_nothing(), "{limit}: {said}");
        }
        if said.exits(&[0, 3, 4]).code == 3 {
            // Not in a warning alone, which is printed before.
            let error = said.stderr.split("error:").nth(1).unwrap_or_default();
            assert!(error.contains("ulimit -n"), "with {limit} descriptors: {said}");
        }
    }
}

#[test]
fn a_server_without_descriptors_names_the_limit() {
    for limit in 5..=8 {
        let said = shell(&format!("ulimit -n {limit}; exec timeout 5 {PROGRAM} serve"));
        said.exits(&[3]).tells(&["EMFILE", "ulimit -n"]);
    }
}

#[test]
fn a_command_that_is_no_target_is_named() {
    for (command, part) in [
        ("[\"/nonexistent/loadgen\"]", "/nonexistent/loadgen"),
        ("[\"true\"]", "loadgen serve --stdio"),
        ("[\"echo\", \"hello\"]", "loadgen serve --stdio"),
        ("[\"cat\", \"/dev/zero\"]", "loadgen serve --stdio"),
    ] {
        let bench = Bench::new(&format!(
            "name = \"x\"\n[target]\naddress = \"127.0.0.1:9\"\ncommand = {command}\n\
             [[load]]\nrate = \"50/s\"\nattempts = 2\n"
        ));
        bench.run(&[]).exits(&[3]).tells(&[part]);
    }
}
