//! What became of clients, in the words of the card.

use super::{flag, measure, word};
use crate::measure::card::{Confidence, Experiment, Missing, Observation, Value};

/// What became of a client of a full queue, by what was seen until accept() was called, and whether
/// that gave it out: `accepted`, `dropped`, `reset`, `established_then_reset` or `established`. A
/// client that is reset before it is established is refused (RFC 9293, 3.10.7.3).
fn newcomer(seen: &Observation) -> Option<&'static str> {
    let known = |last| match last {
        "waiting" => "dropped",
        "established" => "established",
        "ended" if word(seen, "errno") == Some("ECONNREFUSED") => "reset",
        "ended" if word(seen, "errno") == Some("ECONNRESET") => "established_then_reset",
        _ => "other",
    };
    match flag(seen, "accepted") {
        Some(true) => Some("accepted"),
        _ => word(seen, "last").map(known),
    }
}

/// What became of an established client: `accepted`, `kept`, `reset`, `closed` or `refused`.
fn resident(seen: &Observation) -> Option<&'static str> {
    let known = |last| match (last, word(seen, "errno").unwrap_or_default()) {
        ("waiting", _) => "waiting",
        ("established", _) => "kept",
        ("ended", "ECONNRESET") => "reset",
        ("ended", "ECONNREFUSED") => "refused",
        ("ended", "ETIMEDOUT") => "timed_out",
        ("ended", "") => "closed",
        _ => "other",
    };
    match flag(seen, "accepted") {
        Some(true) => Some("accepted"),
        _ => word(seen, "last").map(known),
    }
}

/// The word that most of these observations give, with their numbers, and how sure that is.
fn judged(
    experiment: &Experiment,
    group: &str,
    judge: impl Fn(&Observation) -> Option<&'static str>,
) -> Option<(&'static str, Vec<usize>, (Confidence, &'static str))> {
    let of_group = |seen: &&Observation| word(seen, "client") == Some(group);
    let numbered = experiment.observations.iter().enumerate();
    let words: Vec<(usize, &str)> = numbered
        .filter(|(_, seen)| of_group(seen))
        .filter_map(|(number, seen)| Some((number, judge(seen)?)))
        .collect();
    let times = |word: &str| words.iter().filter(|(_, other)| *other == word).count();
    let (_, best) = words.iter().max_by_key(|(_, word)| times(word))?;
    let sure = match times(best) {
        same if same < words.len() => (Confidence::Low, "clients differ; so it was for most"),
        1 => (Confidence::Low, "one client"),
        2 => (Confidence::Medium, "two clients, the same for both"),
        _ => (Confidence::High, "the same for each of three or more clients"),
    };
    Some((best, words.iter().map(|(number, _)| *number).collect(), sure))
}

/// `next_syn` of the clients who came when the queue was full.
pub fn conclude_syn(experiment: &mut Experiment) {
    // Those who found a place fill the queue; they are no answer.
    let outside = |seen: &Observation| newcomer(seen).filter(|word| *word != "accepted");
    settle(experiment, "next_syn", judged(experiment, "newcomer", outside));
    came_in(experiment, "newcomer");
}

/// `final_ack` of the clients whose last packet met a full queue.
pub fn conclude_ack(experiment: &mut Experiment) {
    let word = |seen: &Observation| {
        match resident(seen) {
            Some("kept") => Some("ignored"),
            // It never heard the SYN-ACK, and sent no final ACK.
            Some("waiting") => None,
            other => other,
        }
    };
    settle(experiment, "final_ack", judged(experiment, "half_open", word));
    came_in(experiment, "half_open");
}

/// `queued` and `waiting` of clients whose listener was closed, and when the latter learn of it.
pub fn conclude_close(experiment: &mut Experiment) {
    settle(experiment, "queued", judged(experiment, "queued", resident));
    let judgement = judged(experiment, "waiting", resident);
    let from = judgement.as_ref().map(|(_, from, _)| from.clone()).unwrap_or_default();
    settle(experiment, "waiting", judgement);
    let after = from.iter().filter_map(|n| measure(&experiment.observations[*n], "after_s"));
    let after: Vec<_> = after.collect();
    if let (Some(first), Some(last)) = (min(&after), max(&after)) {
        let value = Value::Seconds {
            seconds: f64::midpoint(first, last),
            // Timers are late by up to 4 %.
            give: (last - first) / 2.0 + 0.04 * last,
        };
        let sure = (Confidence::Medium, "since connect(); the timers of several clients");
        experiment.infer("waiting_told_after", value, &from, sure);
    }
}

/// `after_room` of clients that had no place, once there was room.
fn came_in(experiment: &mut Experiment, group: &str) {
    let late = |seen: &Observation| {
        flag(seen, "came_in").map(|came| if came { "comes_in" } else { "lost" })
    };
    let judgement = judged(experiment, group, late);
    if let Some((word, from, sure)) = judgement {
        experiment.infer("after_room", Value::word(word), &from, sure);
    }
}

fn settle(
    experiment: &mut Experiment,
    name: &str,
    judgement: Option<(&'static str, Vec<usize>, (Confidence, &'static str))>,
) {
    match judgement {
        Some((word, from, sure)) => experiment.infer(name, Value::word(word), &from, sure),
        None => {
            let missing = Missing::all("no client came into the case that was to be seen", "none");
            experiment.missing.push(missing.of(name));
        }
    }
}

fn min(of: &[f64]) -> Option<f64> {
    of.iter().copied().reduce(f64::min)
}

fn max(of: &[f64]) -> Option<f64> {
    of.iter().copied().reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::card::{Instrument, Method};

    type Seen<'a> = (&'a str, &'a str, &'a str, Option<bool>, Option<bool>);

    fn of(clients: &[Seen], conclude: fn(&mut Experiment)) -> Experiment {
        let method = Method { instrument: Instrument::TcpInfo, how: String::new() };
        let mut experiment = Experiment::new("x", "", method);
        for (group, last, errno, accepted, came_in) in clients {
            let mut seen = Observation::new().given("client", *group).seen("last", *last);
            seen = seen.seen("errno", *errno);
            if let Some(accepted) = accepted {
                seen = seen.seen("accepted", *accepted);
            }
            if let Some(came_in) = came_in {
                seen = seen.seen("came_in", *came_in);
            }
            experiment.saw(seen);
        }
        conclude(&mut experiment);
        experiment
    }

    fn word_of(experiment: &Experiment, name: &str) -> String {
        experiment.value(name).map_or("-".into(), ToString::to_string)
    }

    fn syn(last: &str, errno: &str, came_in: Option<bool>) -> [String; 2] {
        let inside = ("newcomer", "established", "", Some(true), None);
        let outside = ("newcomer", last, errno, Some(false), came_in);
        let experiment = of(&[inside, inside, outside, outside, outside], conclude_syn);
        if let Some(next_syn) = experiment.inferred.first() {
            assert_eq!(
                (next_syn.confidence, &next_syn.from[..]),
                (Confidence::High, &[2, 3, 4][..])
            );
        }
        ["next_syn", "after_room"].map(|name| word_of(&experiment, name))
    }

    #[test]
    fn what_a_syn_meets_on_several_systems() {
        // Linux, macOS.
        assert_eq!(syn("waiting", "", Some(true)), ["dropped", "comes_in"]);
        // FreeBSD: the final ACK is answered by RST.
        assert_eq!(syn("ended", "ECONNRESET", None), ["established_then_reset", "-"]);
        // A RST for the SYN itself.
        assert_eq!(syn("ended", "ECONNREFUSED", None), ["reset", "-"]);
        assert_eq!(syn("established", "", Some(false)), ["established", "lost"]);
    }

    fn ack(last: &str, errno: &str) -> String {
        let client = ("half_open", last, errno, Some(false), None);
        word_of(&of(&[client; 3], conclude_ack), "final_ack")
    }

    #[test]
    fn what_a_final_ack_meets() {
        assert_eq!(ack("established", ""), "ignored");
        assert_eq!(ack("ended", "ECONNRESET"), "reset");
        assert_eq!(ack("waiting", ""), "-", "it sent no final ACK");
        let taken = ("half_open", "established", "", Some(true), None);
        assert_eq!(word_of(&of(&[taken], conclude_ack), "final_ack"), "accepted");
    }

    #[test]
    fn clients_that_differ_leave_little_confidence() {
        let (one, other) = (
            ("half_open", "established", "", Some(false), None),
            ("half_open", "ended", "ECONNRESET", Some(false), None),
        );
        let experiment = of(&[one, other, one], conclude_ack);
        assert_eq!(word_of(&experiment, "final_ack"), "ignored");
        assert_eq!(experiment.inferred[0].confidence, Confidence::Low);
    }

    #[test]
    fn nobody_outside_is_no_answer() {
        let inside = ("newcomer", "established", "", Some(true), None);
        let experiment = of(&[inside; 3], conclude_syn);
        assert_eq!((experiment.inferred.len(), &experiment.missing[0].what[..]), (0, "next_syn"));
    }

    #[test]
    fn those_who_wait_at_a_closed_listener_learn_of_it() {
        let method = Method { instrument: Instrument::TcpInfo, how: String::new() };
        let mut experiment = Experiment::new("x", "", method);
        let seen = |group: &str, errno: &str, after: f64| {
            let given = Observation::new().given("client", group).seen("last", "ended");
            given.seen("errno", errno).seen("after_s", after)
        };
        for after in [0.001, 0.002] {
            experiment.saw(seen("queued", "ECONNRESET", after));
        }
        for after in [1.01, 1.03] {
            experiment.saw(seen("waiting", "ECONNREFUSED", after));
        }
        conclude_close(&mut experiment);
        assert_eq!(word_of(&experiment, "queued"), "reset");
        assert_eq!(word_of(&experiment, "waiting"), "refused");
        let Some(Value::Seconds { seconds, give }) = experiment.value("waiting_told_after") else {
            panic!("seconds")
        };
        assert!((seconds - 1.02).abs() < 1e-9 && (give - 0.0512).abs() < 1e-9, "{seconds} {give}");
    }
}
