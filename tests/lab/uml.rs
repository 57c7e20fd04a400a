//! A machine inside this one: user-mode Linux, which is a real kernel and has `netem`, booted in
//! seconds with this file system and this program as its first process.
//!
//! The file system is read-only to it, but for one folder by which orders come in and results go out.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// The kernel, as Debian's package user-mode-linux names it, and its modules.
const KERNEL: &str = "linux.uml";
const MODULES: &str = "/usr/lib/uml/modules";
/// What cases need, beside what these depend on.
const WANTED: [&str; 7] =
    ["veth", "sch_tbf", "sch_netem", "nft_numgen", "ipv6", "udp_diag", "unix_diag"];
/// Names the folder to the first process: the kernel makes variables of what it does not know.
const FOLDER: &str = "LOADGEN_UML";
/// Where that process mounts what can be written.
const WRITABLE: &str = "/mnt";
const OUT: &str = "/mnt/out";
/// Longest life of the machine.
const LIMIT: Duration = Duration::from_secs(90);

/// How a command ended there.
pub struct Ended {
    pub code: i32,
    /// What it said, and before it the kernel.
    pub said: String,
    pub took: Duration,
}

/// Boots a machine that runs this program with one variable set, and waits for its end.
///
/// # Errors
/// Why there is no such machine here.
pub fn run(variable: &str, value: &str) -> Result<Ended, String> {
    let modules = modules()?;
    let started = Instant::now();
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("modules", &modules.join("\n"));
    write("variable", &format!("{variable}={value}"));
    let init = folder.path().join("init");
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &init).unwrap();
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let mut machine = Command::new(KERNEL)
        .args(["mem=512M", "rootfstype=hostfs", "rootflags=/", "ro", "con=null", "con0=null,fd:1"])
        .args(["panic=-1", "umid=machine"])
        .arg(format!("uml_dir={}", folder.path().display()))
        .arg(format!("init={}", init.display()))
        .arg(format!("{FOLDER}={}", folder.path().display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{KERNEL}: {error}"))?;
    while machine.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            let group = Pid::from_raw(machine.id().try_into().unwrap());
            let _ = killpg(group, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let read = |name: &str| {
        let bytes = fs::read(folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let code = read("status").trim().parse().unwrap_or(-1);
    Ok(Ended { code, said: read("log") + &read("said"), took: started.elapsed() })
}

/// Files of the modules that are wanted, each after those that it depends on.
fn modules() -> Result<Vec<String>, String> {
    let asked = Command::new(KERNEL).arg("--version").output();
    let asked = asked.map_err(|_| format!("no {KERNEL} here"))?;
    let release = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    let folder = Path::new(MODULES).join(&release);
    let table = fs::read_to_string(folder.join("modules.dep"))
        .map_err(|_| format!("no modules of {KERNEL} {release} here"))?;
    let mut files = Vec::new();
    for wanted in WANTED {
        let line = table.lines().filter_map(|line| line.split_once(": ").or(line.split_once(':')));
        let of = |path: &str| Path::new(path).file_stem().is_some_and(|stem| stem == wanted);
        let Some((file, needs)) = line.into_iter().find(|(file, _)| of(file)) else { continue };
        // The last is needed by those before it.
        for file in needs.split_whitespace().rev().chain([file]) {
            let path = folder.join(file).display().to_string();
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// As the first process of such a machine: does what was ordered, and switches the machine off.
pub fn init() -> ! {
    std::thread::spawn(|| {
        std::thread::sleep(LIMIT);
        reboot(RebootMode::RB_POWER_OFF)
    });
    if let Err(error) = order() {
        println!("the machine's first process: {error}");
    }
    nix::unistd::sync();
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => match never {},
        Err(error) => panic!("power off: {error}"),
    }
}

fn order() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::var(FOLDER)?);
    let at = |kind: &str, place: &str, data: Option<&str>| {
        mount(Some("none"), place, Some(kind), MsFlags::empty(), data)
            .map_err(|error| format!("mounting {kind} at {place}: {error}"))
    };
    at("proc", "/proc", None)?;
    at("sysfs", "/sys", None)?;
    at("tmpfs", WRITABLE, None)?;
    fs::create_dir(OUT)?;
    at("hostfs", OUT, Some(&folder.display().to_string()))?;
    for module in fs::read_to_string(folder.join("modules"))?.lines() {
        nix::kmod::finit_module(&fs::File::open(module)?, c"", nix::kmod::ModuleInitFlags::empty())
            .map_err(|error| format!("{module}: {error}"))?;
    }
    let variable = fs::read_to_string(folder.join("variable"))?;
    let (name, value) = variable.split_once('=').ok_or("no variable")?;
    let said = fs::File::create(format!("{OUT}/said"))?;
    let status = Command::new(std::env::current_exe()?)
        .env_remove(FOLDER)
        .env(name, value)
        .env("TMPDIR", WRITABLE)
        .current_dir(WRITABLE)
        .stdout(said.try_clone()?)
        .stderr(said)
        .status()?;
    let mut file = fs::File::create(format!("{OUT}/status"))?;
    writeln!(file, "{}", status.code().unwrap_or(-1))?;
    Ok(())
}
