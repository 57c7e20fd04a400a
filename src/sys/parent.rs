//! The bond between a process and the one that started it.

/// Has the kernel kill this process when the thread that started it ends, however that ends
/// (PR_SET_PDEATHSIG, `prctl(2)`). A parent that is gone already is not noticed: the end of what
/// it would have said is.
#[cfg(target_os = "linux")]
pub fn die_with_it() {
    // A signal that exists can be asked for.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
}

/// Elsewhere only the end of its input ends a process.
#[cfg(not(target_os = "linux"))]
pub fn die_with_it() {}
