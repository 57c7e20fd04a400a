//! What another process says is bounded before anybody looks at it.

use std::collections::BTreeMap;

use crate::measure::HIGHEST;
use crate::measure::result::{
    CounterResult, DatagramInterval, DatagramsResult, SamplerResult, Side, StreamResult,
};
use crate::target::protocol::{Finished, FromTarget, Received};

/// Longest text of a target that is shown, in characters.
const LONGEST_TEXT: usize = 300;
/// Most counters, names in a map, acceptors, restarts and notices that a target may report.
const MOST_COUNTERS: usize = 4096;
const MOST_NAMES: usize = 256;
const MOST_ACCEPTORS: usize = 64;
const MOST_RESTARTS: usize = 64;
const MOST_NOTICES: usize = 256;

/// A text of another process as it may be shown: of one line, without control characters, and short.
pub fn shown(text: &str) -> String {
    let mut plain = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let mut plain = plain.by_ref().filter(|c| !c.is_control());
    let mut shown: String = plain.by_ref().take(LONGEST_TEXT).collect();
    if plain.next().is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// The largest count that is believed: sums of any run's counts stay exact.
const MOST: u64 = 1 << 48;

/// The message with its texts fit to be shown and no more of anything than an honest one has.
pub fn bounded(message: FromTarget) -> FromTarget {
    match message {
        FromTarget::Failed { what, remedy } => {
            FromTarget::Failed { what: shown(&what), remedy: shown(&remedy) }
        }
        FromTarget::Finished(mut finished) => {
            let Finished { accepted_by, accept_errors, client_faults, restarts, .. } =
                &mut *finished;
            accepted_by.truncate(MOST_ACCEPTORS);
            restarts.truncate(MOST_RESTARTS);
            for restart in restarts {
                restart.errors = few_names(std::mem::take(&mut restart.errors));
            }
            for names in [accept_errors, client_faults] {
                *names = few_names(std::mem::take(names));
            }
            finished.engine = shown(&finished.engine);
            let Finished { sampler, counters, notices, .. } = &mut *finished;
            bound_common(sampler, counters, notices);
            FromTarget::Finished(finished)
        }
        FromTarget::Interval(mut interval) => {
            if let Some(datagrams) = &mut interval.datagrams {
                bound_interval(datagrams);
            }
            FromTarget::Interval(interval)
        }
        FromTarget::Received(mut received) => {
            bound_counts(&mut received);
            let Received { streams, receivers, restarts, errors, .. } = &mut *received;
            streams.truncate(DatagramsResult::MOST_STREAMS);
            receivers.truncate(MOST_ACCEPTORS);
            for receiver in receivers {
                receiver.address = shown(&receiver.address);
                receiver.read_by.truncate(MOST_ACCEPTORS);
            }
            restarts.truncate(MOST_RESTARTS);
            *errors = few_names(std::mem::take(errors));
            let Received { sampler, counters, notices, .. } = &mut *received;
            bound_common(sampler, counters, notices);
            FromTarget::Received(received)
        }
        FromTarget::Receiving(mut receiving) => {
            receiving.addresses.truncate(MOST_ACCEPTORS);
            receiving.charges.truncate(MOST_NAMES);
            FromTarget::Receiving(receiving)
        }
        other => other,
    }
}

/// Leaves what a target can know of an interval.
fn bound_interval(seen: &mut DatagramInterval) {
    let known = DatagramInterval {
        received: seen.received.map(|n| n.min(MOST)),
        duplicates: seen.duplicates.map(|n| n.min(MOST)),
        reordered: seen.reordered.map(|n| n.min(MOST)),
        lost: std::mem::take(&mut seen.lost),
        queue_bytes: seen.queue_bytes.map(|n| n.min(MOST)),
        queue_mean: seen.queue_mean.filter(|mean| mean.is_finite()),
        queue_limit: seen.queue_limit.map(|n| n.min(MOST)),
        delay_p50: seen.delay_p50.min(HIGHEST),
        delay_p99: seen.delay_p99.min(HIGHEST),
        delay_max: seen.delay_max.min(HIGHEST),
        ..DatagramInterval::default()
    };
    *seen = known;
    seen.lost.retain(|cause, _| cause.side() == Side::Receiver);
    seen.lost.values_mut().for_each(|count| *count = (*count).min(MOST));
}

fn bound_counts(received: &mut Received) {
    let Received { foreign, corrupt, beyond, unread, .. } = received;
    for count in [foreign, corrupt, beyond, unread] {
        *count = (*count).min(MOST);
    }
    for stream in &mut received.streams {
        let StreamResult { sent, received, late, lost, duplicates, reordered, outside, .. } =
            stream;
        for count in [sent, received, late, lost, duplicates, reordered, outside] {
            *count = (*count).min(MOST);
        }
        stream.longest_burst = stream.longest_burst.min(MOST);
    }
    for receiver in &mut received.receivers {
        receiver.drops = receiver.drops.map(|count| count.min(MOST));
        receiver.rxq_ovfl = receiver.rxq_ovfl.map(|count| count.min(MOST));
        receiver.queue_peak = receiver.queue_peak.min(MOST);
        receiver.read_by.iter_mut().for_each(|count| *count = (*count).min(MOST));
    }
    for restart in &mut received.restarts {
        restart.discarded = restart.discarded.min(MOST);
    }
}

/// What both kinds of last words have.
fn bound_common(
    sampler: &mut SamplerResult,
    counters: &mut Vec<CounterResult>,
    notices: &mut Vec<String>,
) {
    sampler.method = shown(&sampler.method);
    counters.truncate(MOST_COUNTERS);
    for counter in counters {
        counter.namespace = shown(&counter.namespace);
        counter.counter = shown(&counter.counter);
    }
    notices.truncate(MOST_NOTICES);
    notices.iter_mut().for_each(|notice| *notice = shown(notice));
}

fn few_names(names: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut few = BTreeMap::<String, u64>::new();
    for (name, count) in names.into_iter().take(MOST_NAMES) {
        let sum = few.entry(shown(&name)).or_default();
        *sum = sum.saturating_add(count);
    }
    few
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::RestartResult;

    #[test]
    fn texts_are_short_and_plain() {
        assert_eq!(shown("listen: EADDRINUSE (x)"), "listen: EADDRINUSE (x)");
        assert_eq!(shown("a\u{1b}[31m\nb\0\tc"), "a[31m b c");
        let long = shown(&"é".repeat(5000));
        assert_eq!(long.chars().count(), LONGEST_TEXT);
        assert!(long.ends_with('…'));
        assert_eq!(shown(&"x".repeat(LONGEST_TEXT)), "x".repeat(LONGEST_TEXT));
    }

    #[test]
    fn a_target_of_datagrams_cannot_forge_what_it_cannot_know() {
        use crate::measure::result::{Cause, ReceiverRestart};
        let interval = r#"{"interval":{"index":0,"seen":{},"datagrams":{"sent":18446744073709551615,
            "received":18446744073709551615,"lost":{"lab_loss":5,"receive_buffer":18446744073709551615}}}}"#;
        let FromTarget::Interval(seen) =
            bounded(serde_json::from_str(interval).expect("a message"))
        else {
            panic!("another message");
        };
        let seen = seen.datagrams.expect("datagrams");
        assert_eq!((seen.sent, seen.received), (0, Some(MOST)));
        assert_eq!(seen.lost, [(Cause::ReceiveBuffer, MOST)].into());
        let huge = StreamResult { duplicates: u64::MAX, ..StreamResult::default() };
        let restart = ReceiverRestart { discarded: u64::MAX, ..ReceiverRestart::default() };
        let hostile = Received {
            streams: vec![huge; 20_000],
            restarts: vec![restart; 1000],
            ..Received::default()
        };
        let FromTarget::Received(told) = bounded(FromTarget::Received(Box::new(hostile))) else {
            panic!("another message");
        };
        assert_eq!(told.streams.iter().map(|stream| stream.duplicates).sum::<u64>() >> 62, 1);
        assert_eq!(told.restarts.iter().map(|restart| restart.discarded).sum::<u64>(), MOST << 6);
    }

    #[test]
    fn a_report_is_bounded() {
        let names = |n: u64| (0..n).map(|i| (format!("{i:04}\u{7}"), i)).collect();
        let counter = CounterResult {
            namespace: "x".repeat(1000),
            counter: "a\nb".into(),
            before: 0,
            after: 0,
        };
        let hostile = Finished {
            accepted_by: vec![1; 1000],
            accept_errors: names(1000),
            client_faults: names(1000),
            restarts: vec![RestartResult { errors: names(1000), ..Default::default() }; 1000],
            counters: vec![counter; 10_000],
            notices: vec!["\u{1b}".repeat(500) + &"n".repeat(500); 1000],
            ..Finished::default()
        };
        let FromTarget::Finished(report) = bounded(FromTarget::Finished(Box::new(hostile))) else {
            panic!("another message");
        };
        assert_eq!(report.accepted_by.len(), 64);
        assert_eq!((report.accept_errors.len(), report.client_faults.len()), (256, 256));
        assert!(report.client_faults.contains_key("0000"));
        assert_eq!((report.restarts.len(), report.restarts[0].errors.len()), (64, 256));
        assert_eq!((report.counters.len(), report.notices.len()), (4096, 256));
        assert_eq!(report.counters[0].namespace.chars().count(), 300);
        assert_eq!(report.counters[0].counter, "a b");
        assert!(report.notices[0].starts_with("nnn"));
        assert_eq!(report.notices[0].chars().count(), 300);
    }
}
