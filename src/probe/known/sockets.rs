//! UDP and AF_UNIX.

use super::Case;
use crate::measure::card::{Datum, Value};

const UDP: &str = "net/ipv4/udp.c, __udp_enqueue_schedule_skb";
const UNIX: &str = "net/unix/af_unix.c, unix_stream_connect and unix_recvq_full";
const DGRAM: &str = "net/unix/af_unix.c, unix_dgram_sendmsg and unix_recvq_full_lockless";

impl Case<'_> {
    /// Whether Linux is of this version or a later one; `None` where its release is no version.
    fn linux_since(&self, major: u32, minor: u32) -> Option<bool> {
        let release = self.system.strip_prefix("Linux ")?;
        let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let (Some(Ok(its)), Some(Ok(after))) = (parts.next(), parts.next()) else { return None };
        Some((its, after) >= (major, minor))
    }
}

/// What is known of them.
pub fn expected(case: &Case) -> Option<(Value, &'static str)> {
    let id = case.experiment.id.as_str();
    if case.is_linux() {
        return match id {
            "udp.receive_buffer.size" => size(case),
            "udp.receive_buffer.capacity" => capacity(case),
            "udp.receive_buffer.counters" => counter(&case.inferred.name),
            "unix.stream.queue" | "unix.seqpacket.queue" => queue(case),
            "unix.dgram.queue" => datagrams(case),
            _ => None,
        };
    }
    let of_bsd = case.system.starts_with("FreeBSD ") || case.system.starts_with("Darwin ");
    match (id, case.inferred.name.as_str()) {
        ("udp.receive_buffer.capacity", "dropped") if of_bsd => {
            Some((Value::word("newest"), "sys/netinet/udp_usrreq.c, udp_append"))
        }
        ("unix.stream.queue", "beyond") if of_bsd || case.system.starts_with("SunOS ") => {
            Some((Value::word("refused"), "unix(4) and connect(2): ECONNREFUSED"))
        }
        _ => None,
    }
}

fn size(case: &Case) -> Option<(Value, &'static str)> {
    match case.inferred.name.as_str() {
        "rule" => Some((Value::word("2n"), "net/core/sock.c, __sock_set_rcvbuf")),
        "largest" => {
            let most = case.setting("net.core.rmem_max")?;
            Some((Value::count(2 * most, "bytes"), "net/core/sock.c, sk_setsockopt: SO_RCVBUF"))
        }
        _ => None,
    }
}

fn capacity(case: &Case) -> Option<(Value, &'static str)> {
    let Value::Counts { of, unit, points } = &case.inferred.value else {
        return (case.inferred.name == "dropped").then(|| (Value::word("newest"), UDP));
    };
    let counts = |points: Vec<(i64, i64)>| {
        let (of, unit) = (of.clone(), unit.clone());
        (!points.is_empty()).then_some(Value::Counts { of, unit, points })
    };
    if case.inferred.name == "charge" {
        let known = points.iter().filter_map(|(payload, _)| Some((*payload, truesize(*payload)?)));
        return Some((counts(known.collect())?, "net/core/skbuff.c, __alloc_skb and SKB_TRUESIZE"));
    }
    // What is charged was found beside it.
    let Some(Value::Counts { points: charges, .. }) = case.experiment.value("charge") else {
        return None;
    };
    let granted =
        case.experiment.observations.iter().find_map(|one| match one.seen.get("granted") {
            Some(Datum::Count(granted)) => Some(*granted),
            _ => None,
        })?;
    // Until 6.18 one more was begun as long as the limit was not exceeded; since then it has to fit,
    // but for the first.
    let whole = case.linux_since(6, 18)?;
    let held = |charge: i64| if whole { (granted / charge).max(1) } else { granted / charge + 1 };
    let known = charges.iter().filter(|(_, charge)| *charge > 0);
    let held = known.map(|(payload, charge)| (*payload, held(*charge)));
    Some((counts(held.collect())?, UDP))
}

/// What Linux charges for a datagram on a 64-bit machine whose cache lines have 64 bytes: the
/// sk_buff, 256 bytes, and a block of memory, of a power of two, for headers, payload and
/// `struct skb_shared_info`, 320 bytes. Small ones come from a cache of their own since 6.3
/// (skb_small_head_cache), whose size depends on how the kernel was built.
fn truesize(payload: i64) -> Option<i64> {
    /// Of device, IPv6 and UDP, at most.
    const HEADERS: i64 = 16 + 40 + 8 + 8;
    let block = (payload + HEADERS + 320).max(1).cast_unsigned().next_power_of_two();
    (512..=8192).contains(&payload).then(|| block.cast_signed() + 256)
}

fn counter(name: &str) -> Option<(Value, &'static str)> {
    match name {
        "socket_drops" | "rxq_ovfl" | "rcvbuf_errors" | "in_errors" => {
            Some((Value::word("exact"), "net/ipv4/udp.c, __udp_queue_rcv_skb"))
        }
        "rxq_ovfl_of_the_last" => {
            Some((Value::word("untold"), "include/net/sock.h, sock_skb_set_dropcount"))
        }
        _ => None,
    }
}

fn queue(case: &Case) -> Option<(Value, &'static str)> {
    match (case.inferred.name.as_str(), &case.inferred.value) {
        ("capacity", Value::Counts { of, unit, points }) => {
            let most = case.setting("net.core.somaxconn")?;
            // Compared without a sign (`net/socket.c`, __sys_listen).
            let limit = |n: i64| if n < 0 { most } else { n.min(most) };
            let points = points.iter().map(|(n, _)| (*n, limit(*n) + 1)).collect();
            Some((Value::Counts { of: of.clone(), unit: unit.clone(), points }, UNIX))
        }
        ("rule", _) => Some((Value::word("n + 1"), UNIX)),
        ("beyond", _) => Some((Value::word("again"), UNIX)),
        ("blocking", _) => Some((Value::word("waits"), UNIX)),
        ("order", _) => Some((Value::word("fifo"), UNIX)),
        _ => None,
    }
}

fn datagrams(case: &Case) -> Option<(Value, &'static str)> {
    match case.inferred.name.as_str() {
        "capacity" => {
            let seen = || {
                case.experiment.observations.iter().find_map(|one| {
                    match one.given.get("max_dgram_qlen") {
                        Some(Datum::Word(limit)) => limit.parse().ok(),
                        _ => None,
                    }
                })
            };
            let limit = case.setting("net.unix.max_dgram_qlen").or_else(seen)?;
            Some((Value::count(limit + 1, "datagrams"), DGRAM))
        }
        "beyond" => Some((Value::word("again"), DGRAM)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::card::{Confidence, Experiment, Instrument, Method, Observation};

    fn counts(of: &str, points: &[(i64, i64)]) -> Value {
        let unit = "x".to_owned();
        Value::Counts { of: of.to_owned(), unit, points: points.to_vec() }
    }

    /// What is expected for `name` on a system, where this was seen and inferred.
    fn on(system: &str, id: &str, inferred: &[(&str, Value)], name: &str) -> Option<Value> {
        let method = Method { instrument: Instrument::Accept, how: String::new() };
        let mut experiment = Experiment::new(id, "?", method);
        experiment.saw(Observation::new().given("max_dgram_qlen", "10").seen("granted", 131_072));
        for (name, value) in inferred {
            experiment.infer(name, value.clone(), &[0], (Confidence::High, ""));
        }
        let known = [("net.core.somaxconn", "4096"), ("net.core.rmem_max", "212992")];
        let host: BTreeMap<_, _> =
            known.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let inferred = experiment.inferred.iter().find(|one| one.name == name).expect("inferred");
        let case = Case { system, host: &host, experiment: &experiment, inferred };
        expected(&case).map(|(value, source)| {
            assert!(!source.is_empty());
            value
        })
    }

    #[test]
    fn what_a_buffer_holds_depends_on_the_version() {
        let seen = [
            ("capacity", counts("payload", &[(100, 1), (1024, 1)])),
            ("charge", counts("payload", &[(100, 832), (1024, 2304)])),
        ];
        let on = |system, name| on(system, "udp.receive_buffer.capacity", &seen, name);
        let since = counts("payload", &[(100, 157), (1024, 56)]);
        assert_eq!(on("Linux 6.18.5", "capacity"), Some(since.clone()));
        assert_eq!(on("Linux 7.0-rc1", "capacity"), Some(since));
        let before = counts("payload", &[(100, 158), (1024, 57)]);
        assert_eq!(on("Linux 6.1.0-40-amd64", "capacity"), Some(before));
        assert_eq!(on("Linux next", "capacity"), None);
        assert_eq!(on("FreeBSD 14.1", "capacity"), None);
        assert_eq!(on("Linux 6.1", "charge"), Some(counts("payload", &[(1024, 2304)])));
    }

    #[test]
    fn charges_of_linux_are_blocks_of_powers_of_two() {
        let charges = [512, 1024, 1472, 8192].map(|payload| truesize(payload).expect("known"));
        assert_eq!(charges, [1280, 2304, 2304, 16_640], "as measured on Linux 6.18");
        assert_eq!((truesize(100), truesize(60_000)), (None, None));
    }

    #[test]
    fn queues_of_linux_hold_one_more_than_the_clamped_backlog() {
        let seen = [("capacity", counts("backlog", &[(-1, 0), (0, 0), (5, 0), (9000, 0)]))];
        let expected = counts("backlog", &[(-1, 4097), (0, 1), (5, 6), (9000, 4097)]);
        assert_eq!(on("Linux 6.18.5", "unix.stream.queue", &seen, "capacity"), Some(expected));
        let seen = [("capacity", Value::count(0, "datagrams"))];
        let expected = Value::count(11, "datagrams");
        assert_eq!(on("Linux 6.18.5", "unix.dgram.queue", &seen, "capacity"), Some(expected));
    }

    #[test]
    fn other_systems_refuse() {
        for system in ["FreeBSD 14.1", "Darwin 24.0", "SunOS 5.11"] {
            let seen = [("beyond", Value::word("?"))];
            let found = on(system, "unix.stream.queue", &seen, "beyond");
            assert_eq!(found, Some(Value::word("refused")), "{system}");
        }
        let seen = [("order", Value::word("?"))];
        assert_eq!(on("FreeBSD 14.1", "unix.stream.queue", &seen, "order"), None);
    }
}
