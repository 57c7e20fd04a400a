//! What the kernel counts of a full queue.

use super::{count, word};
use crate::measure::card::{Confidence, Experiment, Missing, Observation, Value};

/// `counted`: whether `ListenOverflows` and `ListenDrops` count each packet, SYNs that are sent again
/// included, or each client.
pub fn conclude(experiment: &mut Experiment) {
    let phase = |name: &str| {
        let of = |seen: &Observation| word(seen, "phase") == Some(name);
        let number = experiment.observations.iter().position(of)?;
        let seen = &experiment.observations[number];
        let clients = count(seen, "clients").filter(|clients| *clients > 0)?;
        let grown = (count(seen, "ListenOverflows")?, count(seen, "ListenDrops")?);
        Some((number, clients, grown))
    };
    let (Some(first), Some(again)) = (phase("first"), phase("sent_again")) else {
        let missing = Missing::all(
            "counters are compared where nobody else makes them grow, and where SYNs are dropped",
            "run in a lab of Linux",
        );
        experiment.missing.push(missing.of("counted"));
        return;
    };
    let word = match (first.2 == (first.1, first.1), again.2) {
        (true, grown) if grown == (again.1, again.1) => "packets",
        (true, (0, 0)) => "clients",
        _ => "other",
    };
    let sure = (Confidence::High, "the counters' growth is that number, twice over");
    let sure = if word == "other" { (Confidence::Low, "the growth is neither") } else { sure };
    experiment.infer("counted", Value::word(word), &[first.0, again.0], sure);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::card::{Instrument, Method};

    fn counted(growth: &[(&str, i64, i64, i64)]) -> Option<String> {
        let method = Method { instrument: Instrument::Counters, how: String::new() };
        let mut experiment = Experiment::new("x", "", method);
        for (phase, clients, overflows, drops) in growth {
            let given = Observation::new().given("phase", *phase).given("clients", *clients);
            let seen = given.seen("ListenOverflows", *overflows).seen("ListenDrops", *drops);
            experiment.saw(seen);
        }
        conclude(&mut experiment);
        assert_eq!(experiment.missing.is_empty(), !experiment.inferred.is_empty());
        experiment.value("counted").map(ToString::to_string)
    }

    #[test]
    fn packets_and_clients_differ_when_syns_are_sent_again() {
        let linux = [("first", 11, 11, 11), ("sent_again", 11, 11, 11)];
        assert_eq!(counted(&linux).as_deref(), Some("packets"));
        let clients = [("first", 11, 11, 11), ("sent_again", 11, 0, 0)];
        assert_eq!(counted(&clients).as_deref(), Some("clients"));
        let neither = [("first", 11, 0, 11), ("sent_again", 11, 0, 11)];
        assert_eq!(counted(&neither).as_deref(), Some("other"));
        assert_eq!(counted(&[("first", 11, 11, 11)]), None);
        assert_eq!(counted(&[("first", 0, 0, 0), ("sent_again", 0, 0, 0)]), None);
    }
}
