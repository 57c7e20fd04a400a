//! Accept queues: capacity, what happens beyond it, and what becomes of those who wait.

use super::Case;
use crate::measure::card::Value;

const LISTEN: &str = "Linux: net/socket.c, __sys_listen_socket; include/net/sock.h, \
                      sk_acceptq_is_full (len > limit)";
const SONEWCONN: &str = "FreeBSD: sys/kern/uipc_socket.c, sonewconn (over 3 * limit / 2)";
const SOLISTEN: &str = "XNU: bsd/kern/uipc_socket.c, solisten (0, negative: somaxconn)";
const SYN: &str = "Linux: net/ipv4/tcp_input.c, tcp_conn_request";
const ACK: &str = "Linux: net/ipv4/tcp_minisocks.c, tcp_check_req; \
                   Documentation/networking/ip-sysctl.rst, tcp_abort_on_overflow";
const STOP: &str = "Linux: net/ipv4/inet_connection_sock.c, inet_csk_listen_stop";
const GROUP: &str = "Linux: net/core/sock_reuseport.c, reuseport_select_sock; \
                     Documentation/networking/ip-sysctl.rst, tcp_migrate_req";
const AGAIN: &str = "Linux: net/ipv4/af_inet.c, inet_listen (sets sk_max_ack_backlog at any time)";

/// What is known of them.
pub fn expected(case: &Case) -> Option<(Value, &'static str)> {
    let asked = (case.experiment.id.as_str(), case.inferred.name.as_str());
    match case.system.split(' ').next()? {
        "Linux" => linux(case, asked),
        "FreeBSD" => freebsd(asked),
        "Darwin" => darwin(asked),
        _ => None,
    }
}

fn linux(case: &Case, asked: (&str, &str)) -> Option<(Value, &'static str)> {
    let on = |key| case.setting(key).map(|value| value != 0);
    let word = |word, source| Some((Value::word(word), source));
    match asked {
        ("tcp.accept_queue.sequential" | "tcp.accept_queue.concurrent", "capacity") => {
            Some((limits(case, 1)?, LISTEN))
        }
        ("tcp.accept_queue.sequential", "limit") => Some((limits(case, 0)?, LISTEN)),
        ("tcp.accept_queue.sequential", "clamp") => {
            let most = case.setting("net.core.somaxconn")?;
            Some((Value::count(most + 1, "connections"), LISTEN))
        }
        ("tcp.accept_queue.sequential", "rule") => word("n + 1", LISTEN),
        ("tcp.accept_queue.sequential", "zero") => word("by_rule", LISTEN),
        ("tcp.accept_queue.sequential", "negative") => word("as_maximum", LISTEN),
        ("tcp.overflow.next_syn", "next_syn") => word("dropped", SYN),
        ("tcp.overflow.next_syn", "counted") => word("packets", SYN),
        ("tcp.overflow.final_ack" | "tcp.overflow.final_ack_with_data", "final_ack") => {
            word(if on("net.ipv4.tcp_abort_on_overflow")? { "reset" } else { "ignored" }, ACK)
        }
        (of, "after_room") if of.starts_with("tcp.overflow.") => word("comes_in", SYN),
        ("tcp.listen_again", "larger" | "smaller") => word("at_once", AGAIN),
        ("tcp.listen_again", "below_length") => word("kept", AGAIN),
        ("tcp.accept_order", "order") => {
            word("fifo", "Linux: net/ipv4/inet_connection_sock.c, inet_csk_reqsk_queue_add")
        }
        ("tcp.listener_closed", "queued") => word("reset", STOP),
        ("tcp.listener_closed", "waiting") => word("refused", "RFC 9293, 3.10.7.1 and 3.10.7.3"),
        ("tcp.reuse_port.queues", "spread") => word("both", GROUP),
        ("tcp.reuse_port.queues", "queues") => word("separate", GROUP),
        ("tcp.reuse_port.closed", "waiters") => {
            // A kernel before 5.14 has no such setting, and resets.
            let migrates = on("net.ipv4.tcp_migrate_req").unwrap_or(false);
            word(if migrates { "migrated" } else { "reset" }, GROUP)
        }
        _ => None,
    }
}

/// The limit for each value of the backlog, and so many more.
fn limits(case: &Case, more: i64) -> Option<Value> {
    let most = case.setting("net.core.somaxconn")?;
    // The number is taken as unsigned, so that a negative one is beyond every limit.
    let limit = |n: i64| if n < 0 { most } else { n.min(most) };
    let points = tried(&case.inferred.value)?.iter().map(|(n, _)| (*n, limit(*n) + more)).collect();
    Some(Value::Counts { of: "backlog".to_owned(), unit: "connections".to_owned(), points })
}

fn freebsd(asked: (&str, &str)) -> Option<(Value, &'static str)> {
    match asked {
        ("tcp.accept_queue.sequential", "rule") => {
            Some((Value::word("floor(3n/2) + 1"), SONEWCONN))
        }
        ("tcp.overflow.next_syn", "next_syn") => {
            Some((Value::word("established_then_reset"), "FreeBSD: sys/netinet/tcp_syncache.c"))
        }
        _ => None,
    }
}

fn darwin(asked: (&str, &str)) -> Option<(Value, &'static str)> {
    let word = match asked {
        ("tcp.accept_queue.sequential", "rule") => "n",
        ("tcp.accept_queue.sequential", "zero" | "negative") => "as_maximum",
        ("tcp.overflow.next_syn", "next_syn") => "dropped",
        _ => return None,
    };
    Some((Value::word(word), SOLISTEN))
}

/// The points of a table.
fn tried(value: &Value) -> Option<&[(i64, i64)]> {
    match value {
        Value::Counts { points, .. } => Some(points),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::card::{Confidence, Experiment, Instrument, Method};
    use std::collections::BTreeMap;

    fn shown(
        system: &str,
        host: (&str, &str),
        id: &str,
        name: &str,
        own: &[(&str, &str)],
    ) -> String {
        let method = Method { instrument: Instrument::Accept, how: String::new() };
        let mut experiment = Experiment::new(id, "", method).with(own);
        let points = vec![(-1, 0), (0, 0), (5, 0), (128, 0)];
        let value = Value::Counts { of: "backlog".into(), unit: "connections".into(), points };
        experiment.infer(name, value, &[], (Confidence::Low, ""));
        let host = BTreeMap::from([(host.0.to_owned(), host.1.to_owned())]);
        let inferred = &experiment.inferred[0];
        let case = Case { system, host: &host, experiment: &experiment, inferred };
        expected(&case).map_or("-".into(), |(value, _)| value.to_string())
    }

    #[test]
    fn linux_goes_by_somaxconn_of_the_experiment_before_the_hosts() {
        let of = |name, own: &[(&str, &str)]| {
            let host = ("net.core.somaxconn", "4096");
            shown("Linux 6.18.5", host, "tcp.accept_queue.sequential", name, own)
        };
        assert_eq!(of("capacity", &[]), "-1 -> 4097, 0 -> 1, 5 -> 6, 128 -> 129");
        let small = [("net.core.somaxconn", "64")];
        assert_eq!(of("capacity", &small), "-1 -> 65, 0 -> 1, 5 -> 6, 128 -> 65");
        assert_eq!(of("clamp", &small), "65 connections");
        assert_eq!(of("limit", &small), "-1 -> 64, 0 -> 0, 5 -> 5, 128 -> 64");
        assert_eq!(of("nothing", &[]), "-");
    }

    #[test]
    fn settings_decide_what_a_final_ack_meets_and_who_migrates() {
        let abort = |value, own: &[(&str, &str)]| {
            let host = ("net.ipv4.tcp_abort_on_overflow", value);
            shown("Linux 6.1.0", host, "tcp.overflow.final_ack", "final_ack", own)
        };
        assert_eq!([abort("0", &[]), abort("1", &[])], ["ignored", "reset"]);
        assert_eq!(abort("0", &[("net.ipv4.tcp_abort_on_overflow", "1")]), "reset");
        let closed = |own: &[(&str, &str)]| {
            shown("Linux 6.1.0", ("x", "1"), "tcp.reuse_port.closed", "waiters", own)
        };
        assert_eq!(closed(&[]), "reset");
        assert_eq!(closed(&[("net.ipv4.tcp_migrate_req", "1")]), "migrated");
    }

    #[test]
    fn other_systems_have_other_rules_and_unknown_ones_none() {
        let rule = |system| shown(system, ("x", "1"), "tcp.accept_queue.sequential", "rule", &[]);
        let systems = ["Linux 5.4.0", "FreeBSD 14.1", "Darwin 24.0", "Plan9 4"];
        assert_eq!(systems.map(rule), ["n + 1", "floor(3n/2) + 1", "n", "-"]);
    }
}
