//! Clocks and waiting, in nanoseconds.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

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
    // Only accuracy is lost where the kernel refuses, and `lag` shows that.
    let _ = nix::sys::prctl::set_timerslack(1);
}

/// Sleeps until the monotonic instant `until`, in nanoseconds.
pub fn sleep_until(until: u64) {
    let request = timespec(until);
    while nix::time::clock_nanosleep(
        nix::time::ClockId::CLOCK_MONOTONIC,
        nix::time::ClockNanosleepFlags::TIMER_ABSTIME,
        &request,
    ) == Err(nix::errno::Errno::EINTR)
    {}
}

fn timespec(nanos: u64) -> TimeSpec {
    TimeSpec::new((nanos / 1_000_000_000) as _, (nanos % 1_000_000_000) as _)
}

/// A timer that makes a poll return at a monotonic instant, to within microseconds.
///
/// Meant for edge-triggered polling: setting it again clears its readiness, so that it is never
/// read.
#[derive(Debug)]
pub struct Alarm {
    timer: TimerFd,
    /// What it is set to; `u64::MAX` when it is not.
    set_to: u64,
}

impl Alarm {
    /// A timer that is not set.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        Ok(Self { timer, set_to: u64::MAX })
    }

    /// Rings at the monotonic instant `at`, in nanoseconds; at once where that is past.
    pub fn set(&mut self, at: u64) -> io::Result<()> {
        if self.set_to != at {
            // Zero would disarm it.
            let expiration = Expiration::OneShot(timespec(at.max(1)));
            self.timer.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            self.set_to = at;
        }
        Ok(())
    }

    /// Must be called when it rang, so that the same instant can be set again.
    pub fn rang(&mut self) {
        self.set_to = u64::MAX;
    }
}

impl AsRawFd for Alarm {
    fn as_raw_fd(&self) -> RawFd {
        self.timer.as_fd().as_raw_fd()
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
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
