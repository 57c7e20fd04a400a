//! When a sampler looks: at a steady period, and what its looks cost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::measure::result::SamplerResult;
use crate::sys::clock;
use crate::sys::limits::thread_cpu;

/// Longest sleep without a look at the wish to stop, in nanoseconds.
const NAP: u64 = 50_000_000;

/// When to sample.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// Start of the cell's schedule, CLOCK_MONOTONIC in nanoseconds.
    pub epoch: u64,
    /// From one sample to the next, in nanoseconds.
    pub period: u64,
    /// Length of a timeline interval, in nanoseconds.
    pub interval: u64,
}

/// The ticks of one sampler, which has a thread of its own.
#[derive(Debug)]
pub struct Ticker {
    when: Sampling,
    /// The first one.
    first: u64,
    /// The next one.
    tick: u64,
    lost: u64,
    cpu_before: Duration,
    began: u64,
}

impl Ticker {
    /// From the first tick after the epoch on, in the calling thread.
    pub fn new(when: Sampling) -> Self {
        Self {
            when: Sampling { period: when.period.max(1), ..when },
            first: 0,
            tick: 0,
            lost: 0,
            cpu_before: thread_cpu().unwrap_or_default(),
            began: clock::monotonic(),
        }
    }

    /// From now on, when what is looked at came into being only after the epoch: no tick before that
    /// is lost.
    pub fn from_now(when: Sampling) -> Self {
        let mut ticker = Self::new(when);
        ticker.first = ticker.now() / ticker.when.period;
        ticker.tick = ticker.first;
        ticker
    }

    /// Sleeps until the next tick; its instant since the epoch, or `None` to stop.
    pub fn sleep(&mut self, stop: &AtomicBool) -> Option<u64> {
        let due = self.when.epoch + self.tick * self.when.period;
        loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let now = clock::monotonic();
            if now >= due {
                break;
            }
            clock::sleep_until(due.min(now + NAP));
        }
        let now = self.now();
        let present = now / self.when.period;
        self.lost += present - self.tick;
        self.tick = present + 1;
        Some(now)
    }

    /// Nanoseconds since the epoch.
    pub fn now(&self) -> u64 {
        clock::monotonic().saturating_sub(self.when.epoch)
    }

    /// Whether an interval is over at an instant since the epoch.
    pub fn is_over(&self, interval: usize, now: u64) -> bool {
        now >= (interval as u64 + 1) * self.when.interval
    }

    /// The account, in the thread in which it began. `failed` looks have seen nothing.
    pub fn result(&self, method: &str, failed: u64) -> SamplerResult {
        let cpu = thread_cpu().unwrap_or_default().saturating_sub(self.cpu_before);
        let wall = clock::monotonic().saturating_sub(self.began).max(1);
        let ticks = self.tick - self.first;
        let taken = ticks.saturating_sub(self.lost).max(1);
        SamplerResult {
            method: method.to_owned(),
            period_us: self.when.period as f64 / 1e3,
            ticks,
            lost: self.lost + failed,
            cost_us: cpu.as_secs_f64() * 1e6 / taken as f64,
            cpu_share: cpu.as_secs_f64() / (wall as f64 / 1e9),
        }
    }
}
