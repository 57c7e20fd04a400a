//! When Linux sends a SYN again, by the settings of a cell.

use std::collections::BTreeMap;

/// The first wait for an answer, in nanoseconds (`TCP_TIMEOUT_INIT`, RFC 6298).
const FIRST: u64 = 1_000_000_000;
/// The longest (`TCP_RTO_MAX`).
const LONGEST: u64 = 120_000_000_000;
/// Most retries that the kernel's settings take (`proc_dou8vec_minmax`).
const MOST: u32 = 255;
/// The setting that says how many waits are no longer than the first; since Linux 6.5.
const LINEAR: &str = "net.ipv4.tcp_syn_linear_timeouts";

/// How many waits after the first one are no longer than it. A kernel without the setting knows none;
/// `None` where it cannot be read.
pub fn linear(settings: &BTreeMap<String, String>) -> Option<u32> {
    let number =
        |text: &String| text.trim().parse().ok().map(|n: u64| n.min(u32::MAX.into()) as u32);
    settings.get(LINEAR).map_or(Some(0), number)
}

/// How long the kernel waits, in nanoseconds, after the `nth` SYN (0: the first) before it sends the
/// next one (`net/ipv4/tcp_timer.c`, tcp_retransmit_timer).
pub fn wait(nth: u32, linear: u32) -> u64 {
    (FIRST << nth.saturating_sub(linear).min(7)).min(LONGEST)
}

/// The instants of the SYNs after the first one, in nanoseconds since it.
pub fn instants(linear: u32) -> impl Iterator<Item = u64> {
    (0..).scan(0u64, move |at, nth| {
        *at = at.saturating_add(wait(nth, linear));
        Some(*at)
    })
}

/// The instants of all SYNs after the first one, and when the kernel gives up; in nanoseconds since the
/// first one. It repeats a SYN `retries + linear` times at most, and none once as long has passed as
/// `retries` doubled waits would have taken (`tcp_write_timeout`, tcp_model_timeout).
pub fn all(retries: u32, linear: u32) -> (Vec<u64>, u64) {
    let longest = (0..=retries.min(MOST)).fold(0u64, |sum, nth| sum.saturating_add(wait(nth, 0)));
    let most = retries.saturating_add(linear).min(MOST) as usize;
    let mut seconds: Vec<_> = instants(linear).take(most + 1).collect();
    let before = seconds.iter().take_while(|at| **at < longest).count();
    seconds.truncate(before + 1);
    let end = seconds.pop().unwrap_or(FIRST);
    (seconds, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_ends_by_number_or_by_time() {
        let seconds = |retries, linear| {
            let (instants, end) = all(retries, linear);
            let instants: Vec<_> = instants.into_iter().map(|at| at / FIRST).collect();
            (instants, end / FIRST)
        };
        // Measured on 6.18; the last one at 134 s, as timers are late.
        assert_eq!(seconds(6, 4), (vec![1, 2, 3, 4, 5, 7, 11, 19, 35, 67], 131));
        assert_eq!(seconds(2, 4), (vec![1, 2, 3, 4, 5], 7));
        assert_eq!(seconds(6, 0), (vec![1, 3, 7, 15, 31, 63], 127));
        assert_eq!(seconds(0, 0), (vec![], 1));
        assert_eq!(all(u32::MAX, u32::MAX).0.len(), MOST as usize);
    }
}
