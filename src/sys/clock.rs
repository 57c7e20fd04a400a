//! Clocks and waiting, in nanoseconds.

pub use super::alarm::Alarm;

/// CLOCK_MONOTONIC, in nanoseconds: one time line for all processes of a host.
pub fn monotonic() -> u64 {
    read(nix::time::ClockId::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME, in nanoseconds since 1970: comparable between hosts as far as they are
/// synchronised.
pub fn realtime() -> u64 {
    read(nix::time::ClockId::CLOCK_REALTIME)
}

fn read(clock: nix::time::ClockId) -> u64 {
    let now = clock.now().expect("a kernel without this clock cannot run us");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

/// Lets the calling thread's waits end when they should, and not up to 50 us later.
pub fn tighten_timer_slack() {
    // Only accuracy is lost where the kernel refuses or has no such thing, and `lag` shows that.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_timerslack(1);
}

/// Sleeps until the monotonic instant `until`, in nanoseconds.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
pub fn sleep_until(until: u64) {
    let request = super::alarm::timespec(until);
    while nix::time::clock_nanosleep(
        nix::time::ClockId::CLOCK_MONOTONIC,
        nix::time::ClockNanosleepFlags::TIMER_ABSTIME,
        &request,
    ) == Err(nix::errno::Errno::EINTR)
    {}
}

/// Sleeps until the monotonic instant `until`, in nanoseconds: for the rest, again and again, where
/// nobody can sleep until an instant.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
pub fn sleep_until(until: u64) {
    while let Some(rest) = until.checked_sub(monotonic()).filter(|rest| *rest > 0) {
        std::thread::sleep(std::time::Duration::from_nanos(rest));
    }
}

/// Names the time line of [`monotonic`]: the boot of this host, and the time namespace. Processes
/// with the same name share the clock; an empty name is shared with nobody.
pub fn time_line() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/time");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        (Ok(boot), Err(_)) => boot.trim().to_owned(),
        (Err(_), _) => String::new(),
    }
}
