//! Labs, each in a child process of its own: a namespace is entered once, before any thread.
//!
//! Without a harness, because its threads would forbid user namespaces. A case that the machine
//! cannot run is printed as skipped, with the reason, and counted in the closing line. A case for
//! which only `netem` is missing runs under another kernel: user-mode Linux.

#[cfg(target_os = "linux")]
#[path = "lab/datagrams.rs"]
mod datagrams;
#[cfg(target_os = "linux")]
#[path = "lab/linux.rs"]
mod linux;
#[cfg(target_os = "linux")]
#[path = "lab/uml.rs"]
mod uml;

#[cfg(target_os = "linux")]
#[path = "lab/wire.rs"]
mod wire;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: all of tests/lab.rs: labs need Linux");
}
