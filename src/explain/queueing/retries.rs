//! When a client's kernel sends a SYN again (Linux).

use std::collections::BTreeMap;

use crate::measure::syn_retries;

/// Nanoseconds of one tick of the kernel's timers at `CONFIG_HZ=250`. Nothing tells a process
/// what its kernel was built with; with another value repeated SYNs come a few hundredths later
/// or earlier.
pub const TICK: u64 = 4_000_000;
/// Where the settings are not known: those of a current kernel.
const LINEAR: u32 = 4;
const MOST: u32 = 6;

/// The kernel's times of repeated SYNs (`net/ipv4/tcp_timer.c`, `tcp_retransmit_timer`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// So many waits after the first one are no longer than it.
    linear: u32,
    /// A SYN is repeated at most so often.
    most: u32,
}

impl Retries {
    /// Those of a kernel with these settings.
    pub fn of(settings: &BTreeMap<String, String>) -> Self {
        let read = |name: &str| settings.get(name)?.trim().parse::<u32>().ok();
        let linear = match settings.is_empty() {
            true => LINEAR,
            false => syn_retries::linear(settings).unwrap_or(0),
        };
        let most = read("net.ipv4.tcp_syn_retries").unwrap_or(MOST);
        Self { linear, most: syn_retries::all(most, linear).0.len() as u32 }
    }

    /// Never again.
    pub fn none() -> Self {
        Self { linear: 0, most: 0 }
    }

    /// When a SYN that was sent at `at` as the `tries`-th repetition (0: the first SYN) is sent
    /// again; nanoseconds. `None` where the kernel gives up.
    pub fn after(&self, wheel: Wheel, at: u64, tries: u32) -> Option<u64> {
        self.wait(tries).map(|wait| wheel.expiry(at, wait))
    }

    /// How long the kernel waits after the `tries`-th repetition, in nanoseconds.
    pub fn wait(&self, tries: u32) -> Option<u64> {
        (tries < self.most).then(|| syn_retries::wait(tries, self.linear))
    }
}

/// How long the target waits for a final ACK before it sends its SYN-ACK again for the `resent + 1`th
/// time, in nanoseconds (`tcp_reqsk_timeout`): as a client does without linear timeouts.
pub fn synack_wait(resent: u32) -> u64 {
    syn_retries::wait(resent, 0)
}

/// The level of the kernel's wheel that a timer of so many nanoseconds is kept on.
pub fn level(wait: u64) -> u32 {
    let ticks = wait / TICK;
    (0..8).find(|level| ticks < 63 << (3 * level)).unwrap_or(8)
}

/// The kernel's wheel of timers, as a schedule sees it. It ticks at whole multiples of [`TICK`] of
/// CLOCK_MONOTONIC, so that what meets an acceptor's own beat depends on when the schedule began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wheel {
    /// CLOCK_MONOTONIC at the start of the schedule, in nanoseconds.
    epoch: u64,
    /// Ticks that it is late: that of a CPU which sleeps is turned by another one, a tick after its own
    /// (`kernel/time/timer_migration.c`). So what two CPUs send does not come as one batch.
    late: u64,
}

impl Wheel {
    /// That of a schedule which began at this instant of CLOCK_MONOTONIC, in nanoseconds.
    pub fn at(epoch: u64) -> Self {
        Self { epoch, late: 0 }
    }

    /// That of a CPU which sleeps, if so.
    pub fn of_sleeper(self, asleep: bool) -> Self {
        Self { late: u64::from(asleep), ..self }
    }

    /// When a timer that is set at `at` for `wait` runs out; all in nanoseconds since the start of the
    /// schedule. The wheel has levels of 64 buckets each; a bucket of a level is eight times as long
    /// as one of the level below, and a timer runs out at the end of its bucket
    /// (`kernel/time/timer.c`, `calc_index`).
    pub fn expiry(self, at: u64, wait: u64) -> u64 {
        let (now, ticks) = (at.saturating_add(self.epoch) / TICK, wait / TICK);
        let bucket = 1u64 << (3 * level(wait));
        let end = ((now + ticks) / bucket + 1) * bucket;
        (end + self.late).saturating_mul(TICK).saturating_sub(self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first wait.
    const FIRST: u64 = 1_000_000_000;

    fn settings(linear: Option<&str>) -> BTreeMap<String, String> {
        let retries = ("net.ipv4.tcp_syn_retries".to_owned(), "6".to_owned());
        let linear = linear.map(|n| ("net.ipv4.tcp_syn_linear_timeouts".to_owned(), n.to_owned()));
        [Some(retries), linear].into_iter().flatten().collect()
    }

    /// Whole seconds at which SYNs are sent.
    fn times(retries: Retries) -> Vec<u64> {
        let mut times = vec![0];
        let mut at = 0;
        while let Some(next) = retries.after(Wheel::default(), at, times.len() as u32 - 1) {
            at = next;
            times.push((at as f64 / 1e9 / 1.05).round() as u64);
        }
        times
    }

    #[test]
    fn syns_are_repeated_when_the_kernel_does() {
        // Measured on 6.18; each time is up to 4 % later than the nominal one.
        let nominal = [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67];
        let linear = times(Retries::of(&settings(Some("4"))));
        assert_eq!(linear.len(), nominal.len());
        for (time, nominal) in linear.iter().zip(nominal) {
            assert!(time.abs_diff(nominal) <= 1 + nominal / 20, "{linear:?}");
        }
        let doubled = times(Retries::of(&settings(None)));
        assert_eq!(doubled.len(), 7);
        assert_eq!(doubled[1..4], [1, 3, 7]);
        assert_eq!(Retries::of(&BTreeMap::new()), Retries::of(&settings(Some("4"))));
        assert_eq!(Retries::none().after(Wheel::default(), 5, 0), None);
    }

    #[test]
    fn a_timer_is_late_by_its_bucket_at_most() {
        for at in (0..3_000_000_000).step_by(7_654_321) {
            let late = Wheel::default().expiry(at, FIRST) - at - FIRST;
            assert!(late <= 36_000_000, "{late} at {at}");
            assert!(Wheel::default().expiry(at, FIRST).is_multiple_of(32_000_000));
            let begun = Wheel::at(1_234_567_890);
            assert!((begun.expiry(at, FIRST) + 1_234_567_890).is_multiple_of(32_000_000));
        }
    }
}
