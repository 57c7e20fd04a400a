//! SYN queues.

use super::Case;
use crate::measure::card::Value;

const SOURCE: &str = "net/ipv4/tcp_input.c, tcp_conn_request; include/net/inet_connection_sock.h, \
                      inet_csk_reqsk_queue_is_full";

/// What is known of them.
pub fn expected(case: &Case) -> Option<(Value, &'static str)> {
    let cookies = case.linux_setting("net.ipv4.tcp_syncookies")?;
    let Value::Counts { of, unit, points } = &case.inferred.value else {
        let beyond = Value::word(if cookies == 0 { "dropped" } else { "cookie" });
        return (case.inferred.name == "beyond").then_some((beyond, SOURCE));
    };
    let somaxconn = case.setting("net.core.somaxconn")?;
    let expected = points.iter().map(|(n, _)| {
        let (backlog, most) = match of.as_str() {
            "backlog" => (*n, case.setting("net.ipv4.tcp_max_syn_backlog")?),
            // The listener's own limit is out of the way.
            _ => (i64::MAX - 1, *n),
        };
        let own = kept_by_listener(case.system, backlog.min(somaxconn))?;
        Some((
            *n,
            match cookies {
                0 => own.min(kept_without_cookies(most)),
                1 => own,
                _ => 0,
            },
        ))
    });
    let points = expected.collect::<Option<Vec<_>>>()?;
    Some((Value::Counts { of: of.clone(), unit: unit.clone(), points }, SOURCE))
}

/// How many requests a listener with this limit keeps. Older kernels have asked by `>=` whether the queue
/// is full; 6.1 and 6.18 were seen to ask by `>`.
fn kept_by_listener(system: &str, limit: i64) -> Option<i64> {
    let release = system.strip_prefix("Linux ")?;
    let mut numbers = release.split(['.', '-', '+']).map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next()?, numbers.next()?);
    (version >= (6, 1)).then_some(limit + 1)
}

/// SYNs are dropped when less than a quarter of `tcp_max_syn_backlog` is left.
fn kept_without_cookies(most: i64) -> i64 {
    most - (most >> 2) + 1
}
