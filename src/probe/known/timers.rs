//! Retries, TIME_WAIT and ports.

use super::{Case, syn_queue};
use crate::measure::card::{Family, Value};
use crate::measure::syn_retries;

/// What is known of them, and of SYN queues.
pub fn expected(case: &Case) -> Option<(Value, &'static str)> {
    let name = case.inferred.name.as_str();
    match case.experiment.id.as_str() {
        "tcp.syn_retries" => syn(case, name),
        "tcp.synack_retries" => synack(case, name),
        "tcp.time_wait.length" => time_wait(case, name),
        "tcp.time_wait.reuse_bound" => reuse_bound(case, name),
        "tcp.time_wait.reuse_on_loopback" => reuse(case, name, true),
        "tcp.time_wait.reuse_elsewhere" => reuse(case, name, false),
        id if id.starts_with("tcp.ports.") => ports(case, name),
        id if id.starts_with("tcp.syn_queue") => syn_queue::expected(case),
        _ => None,
    }
}

const SYN: &str = "net/ipv4/tcp_timer.c, tcp_retransmit_timer and tcp_write_timeout";
const SYNACK: &str = "net/ipv4/inet_connection_sock.c, reqsk_timer_handler";

/// Retries of SYNs.
fn syn(case: &Case, name: &str) -> Option<(Value, &'static str)> {
    if case.system.starts_with("Darwin ") {
        return darwin(name);
    }
    let retries = case.linux_setting("net.ipv4.tcp_syn_retries")?;
    // Kernels before 6.5 have no such setting.
    let linear = case.setting("net.ipv4.tcp_syn_linear_timeouts").unwrap_or(0);
    Some((ladder(name, retries, linear, "ETIMEDOUT")?, SYN))
}

/// Retries of SYN-ACKs.
fn synack(case: &Case, name: &str) -> Option<(Value, &'static str)> {
    let retries = case.linux_setting("net.ipv4.tcp_synack_retries")?;
    Some((ladder(name, retries, 0, "")?, SYNACK))
}

/// `retries`, of which `linear` waits are no longer than the first.
fn ladder(name: &str, retries: i64, linear: i64, error: &str) -> Option<Value> {
    let (instants, end) = syn_retries::all(retries.try_into().ok()?, linear.try_into().ok()?);
    let seconds: Vec<_> = instants.into_iter().map(|at| at as f64 / 1e9).collect();
    let end = end as f64 / 1e9;
    match name {
        "gives_up" => Some(Value::Seconds { seconds: end, give: 0.0 }),
        "gives_up_with" => Some(Value::word(error)),
        _ if name.starts_with("schedule") => {
            Some(Value::Schedule { seconds, give: 0.0, complete: true })
        }
        _ => None,
    }
}

/// Those of macOS (`bsd/netinet/tcp_timer.c`: tcp_syn_backoff, TCPTV_KEEP_INIT).
fn darwin(name: &str) -> Option<(Value, &'static str)> {
    let seconds = vec![1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 11.0, 19.0, 35.0];
    let value = match name {
        "gives_up" => Value::Seconds { seconds: 75.0, give: 0.0 },
        "gives_up_with" => Value::word("ETIMEDOUT"),
        _ if name.starts_with("schedule") => {
            Value::Schedule { seconds, give: 0.0, complete: false }
        }
        _ => return None,
    };
    Some((value, "xnu, bsd/netinet/tcp_timer.c, tcp_syn_backoff"))
}

fn time_wait(case: &Case, name: &str) -> Option<(Value, &'static str)> {
    let (seconds, source) = match case.system.split(' ').next()? {
        "Linux" => (60.0, "include/net/tcp.h, TCP_TIMEWAIT_LEN"),
        "FreeBSD" => (60.0, "tcp(4): twice net.inet.tcp.msl, 30 s"),
        "Darwin" => (30.0, "tcp(4): twice net.inet.tcp.msl, 15 s"),
        _ => return None,
    };
    (name == "length").then_some((Value::Seconds { seconds, give: 0.0 }, source))
}

/// Whether a port in TIME_WAIT may connect again.
fn reuse(case: &Case, name: &str, loopback: bool) -> Option<(Value, &'static str)> {
    let may = match case.linux_setting("net.ipv4.tcp_tw_reuse")? {
        0 => false,
        1 => true,
        2 => loopback,
        _ => return None,
    };
    let value = match name {
        "reuse" => Value::word(if may { "delayed" } else { "refused" }),
        // Whole seconds of the clock before tcp_tw_reuse_delay (Linux 6.14).
        "reuse_after" if may => Value::Seconds { seconds: 1.0, give: 0.9 },
        "refused_with" => Value::word("EADDRNOTAVAIL"),
        _ => return None,
    };
    Some((value, "net/ipv4/tcp_ipv4.c, tcp_twsk_unique"))
}

/// Of a port that a program asks for, nothing but the timestamp matters: it has to be newer, which
/// a later SYN's is (`tcp_twsk_unique` is called without a place for the port found).
fn reuse_bound(case: &Case, name: &str) -> Option<(Value, &'static str)> {
    let stamped = case.linux_setting("net.ipv4.tcp_timestamps")? > 0;
    let value = Value::word(if stamped { "at_once" } else { "refused" });
    (name == "reuse").then_some((value, "net/ipv4/inet_hashtables.c, __inet_hash_connect"))
}

fn ports(case: &Case, name: &str) -> Option<(Value, &'static str)> {
    if !case.is_linux() {
        return None;
    }
    let own = case.experiment.id == "tcp.ports.own_range";
    let range = case.experiment.settings.get("net.ipv4.ip_local_port_range");
    let range = range.or_else(|| case.host.get("net.ipv4.ip_local_port_range"));
    let range = if own { "40000 40019" } else { range?.as_str() };
    let mut ends = range.split_whitespace().map(str::parse::<i64>);
    let (Some(Ok(low)), Some(Ok(high))) = (ends.next(), ends.next()) else { return None };
    let parity = |number: i64| if number % 2 == 0 { "even" } else { "odd" };
    let value = match name {
        "capacity" | "bind_capacity" => Value::count(high - low + 1, "ports"),
        "range" => Value::count(high - low + 1, "ports"),
        "error" => Value::word("EADDRNOTAVAIL"),
        "bind_error" => Value::word("EADDRINUSE"),
        // Which kernel began to walk a socket's own range port by port is not certain.
        "first_half" if own => return None,
        "first_half" => Value::word(parity(low)),
        "bind_first_half" => Value::word(parity(low + 1)),
        _ => return None,
    };
    let v6 = case.experiment.family == Some(Family::Ipv6);
    Some((
        value,
        match v6 {
            true => "net/ipv6/inet6_hashtables.c, inet6_hash_connect",
            false => "net/ipv4/inet_hashtables.c, __inet_hash_connect",
        },
    ))
}

#[cfg(test)]
#[path = "timers_tests.rs"]
mod tests;
