//! A timer that a poll can wait for (`timerfd_create(2)`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

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

/// An instant as the system calls want it.
pub(super) fn timespec(nanos: u64) -> TimeSpec {
    TimeSpec::new((nanos / 1_000_000_000) as _, (nanos % 1_000_000_000) as _)
}
