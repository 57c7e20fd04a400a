//! When Linux sends a SYN again, by the settings of a cell.

use std::collections::BTreeMap;

/// The first wait for an answer, in nanoseconds (`TCP_TIMEOUT_INIT`, RFC 6298).
const FIRST: u64 = 1_000_000_000;
/// The longest (`TCP_RTO_MAX`).
const LONGEST: u64 = 120_000_000_000;
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
