//! What a second listen(), the order of accept() and groups of listeners turn out to be.

use super::{count, flag, word};
use crate::measure::card::{Confidence, Experiment, Missing, Observation, Value};

const SEEN: (Confidence, &str) = (Confidence::Medium, "one listener, counted by accept()");

/// `larger`, `below_length` and `smaller` of a second listen().
pub fn conclude_listen_again(experiment: &mut Experiment) {
    let step = |name: &str| {
        let of = |seen: &Observation| word(seen, "step") == Some(name);
        let number = experiment.observations.iter().position(of)?;
        count(&experiment.observations[number], "established").map(|held| (number, held))
    };
    let steps = ["first", "larger", "smaller", "accepted", "emptied"].map(step);
    let [Some(first), Some(larger), Some(smaller), Some(accepted), Some(emptied)] = steps else {
        return;
    };
    let grown = if larger.1 > first.1 { "at_once" } else { "ignored" };
    experiment.infer("larger", Value::word(grown), &[first.0, larger.0], SEEN);
    let kept = match (smaller.1, accepted.1) {
        (all, given) if all == larger.1 && given == all => "kept",
        (_, given) if given < larger.1 => "cut",
        // More came in although a smaller number was asked for.
        _ => "other",
    };
    let from = [larger.0, smaller.0, accepted.0];
    experiment.infer("below_length", Value::word(kept), &from, SEEN);
    let shrunk = if emptied.1 < larger.1 { "at_once" } else { "ignored" };
    experiment.infer("smaller", Value::word(shrunk), &[larger.0, emptied.0], SEEN);
}

/// `order` in which accept() gives clients out.
pub fn conclude_order(experiment: &mut Experiment) {
    let came: Vec<_> =
        experiment.observations.iter().filter_map(|seen| count(seen, "came_as")).collect();
    if came.len() < 3 || came.contains(&-1) {
        let missing = Missing::all("accept() did not give out the clients that came", "none");
        experiment.missing.push(missing.of("order"));
        return;
    }
    let word = match () {
        () if came.is_sorted() => "fifo",
        () if came.iter().rev().is_sorted() => "lifo",
        () => "other",
    };
    let all: Vec<_> = (0..experiment.observations.len()).collect();
    let sure = (Confidence::High, "each client was known by its port");
    experiment.infer("order", Value::word(word), &all, sure);
}

/// `spread` of clients over a group's listeners, and its `queues`.
pub fn conclude_group(experiment: &mut Experiment) {
    let by: Vec<_> =
        experiment.observations.iter().filter_map(|seen| word(seen, "accepted_by")).collect();
    let held = |name: &str| by.iter().filter(|by| **by == name).count();
    let (first, second) = (held("first"), held("second"));
    let spread = match (first, second) {
        (0, 0) => None,
        (_, 0) => Some("first"),
        (0, _) => Some("second"),
        _ => Some("both"),
    };
    // With one queue, nobody comes in after the first who found no place.
    let refused = by.iter().position(|by| *by == "none");
    let beside = refused.is_some_and(|at| by[at..].iter().any(|by| *by != "none"));
    let queues = match (spread, beside) {
        (Some("both"), true) => Some("separate"),
        _ => None,
    };
    let all: Vec<_> = (0..experiment.observations.len()).collect();
    let sure = (Confidence::High, "accept() on each gave out its own");
    match spread {
        Some(word) => experiment.infer("spread", Value::word(word), &all, sure),
        None => not_told(experiment, "spread", "neither listener gave anybody out"),
    }
    let sure = (Confidence::High, "some found no place and others came in after them");
    match queues {
        Some(word) => experiment.infer("queues", Value::word(word), &all, sure),
        None => not_told(experiment, "queues", "nobody was turned away while others came in"),
    }
}

/// `waiters` of a group's listener that was closed.
pub fn conclude_group_closed(experiment: &mut Experiment) {
    let told = experiment.observations.first().and_then(|seen| {
        let had = flag(seen, "first_had_some")?;
        let all = count(seen, "clients")?;
        Some((had, all, count(seen, "ended")?, count(seen, "accepted_by_second")?))
    });
    let word = match told {
        Some((true, all, 0, second)) if second == all => "migrated",
        Some((true, all, ended, second)) if ended > 0 && ended + second == all => "reset",
        Some((true, ..)) => "other",
        _ => {
            not_told(experiment, "waiters", "nobody waited at the listener that was closed");
            return;
        }
    };
    let sure = (Confidence::High, "each client ended, or was given out by the other listener");
    experiment.infer("waiters", Value::word(word), &[0], sure);
}

fn not_told(experiment: &mut Experiment, what: &str, why: &str) {
    experiment.missing.push(Missing::all(why, "none is known").of(what));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::card::{Instrument, Method};

    fn of(seen: Vec<Observation>, conclude: fn(&mut Experiment), names: &[&str]) -> Vec<String> {
        let method = Method { instrument: Instrument::Accept, how: String::new() };
        let mut experiment = Experiment::new("x", "", method);
        for one in seen {
            experiment.saw(one);
        }
        conclude(&mut experiment);
        let word = |name: &&str| experiment.value(name).map_or("-".into(), ToString::to_string);
        names.iter().map(word).collect()
    }

    fn again(counts: [i64; 5]) -> Vec<String> {
        let steps = ["first", "larger", "smaller", "accepted", "emptied"];
        let seen = |(step, held): (&str, i64)| {
            Observation::new().given("step", step).seen("established", held)
        };
        let seen = steps.into_iter().zip(counts).map(seen).collect();
        of(seen, conclude_listen_again, &["larger", "below_length", "smaller"])
    }

    #[test]
    fn a_second_listen_resizes_or_is_ignored() {
        assert_eq!(again([5, 10, 10, 10, 3]), ["at_once", "kept", "at_once"]);
        assert_eq!(again([5, 5, 5, 5, 5]), ["ignored", "kept", "ignored"]);
        assert_eq!(again([5, 10, 3, 3, 3]), ["at_once", "cut", "at_once"]);
        assert_eq!(again([5, 10, 12, 12, 10]), ["at_once", "other", "ignored"]);
    }

    fn order(came: &[i64]) -> String {
        let seen = came.iter().map(|came| Observation::new().seen("came_as", *came)).collect();
        of(seen, conclude_order, &["order"]).remove(0)
    }

    #[test]
    fn orders_have_names() {
        let orders = [&[0, 1, 2, 3][..], &[3, 2, 1, 0], &[0, 2, 1, 3], &[0, -1, 2], &[0, 1]];
        assert_eq!(orders.map(order), ["fifo", "lifo", "other", "-", "-"]);
    }

    fn group(by: &str) -> Vec<String> {
        let word = |by| match by {
            '1' => "first",
            '2' => "second",
            _ => "none",
        };
        let seen = by.chars().map(|by| Observation::new().seen("accepted_by", word(by))).collect();
        of(seen, conclude_group, &["spread", "queues"])
    }

    #[test]
    fn queues_are_separate_if_somebody_is_turned_away_from_room() {
        assert_eq!(group("121-2--"), ["both", "separate"]);
        assert_eq!(group("1212---"), ["both", "-"]);
        assert_eq!(group("222----"), ["second", "-"], "as the last to bind has it on some systems");
        assert_eq!(group("-------"), ["-", "-"]);
    }

    fn closed(had: bool, ended: i64, second: i64) -> String {
        let seen = Observation::new().given("clients", 16).seen("first_had_some", had);
        let seen = seen.seen("ended", ended).seen("accepted_by_second", second);
        of(vec![seen], conclude_group_closed, &["waiters"]).remove(0)
    }

    #[test]
    fn waiters_of_a_closed_member_are_reset_or_migrate() {
        let cases = [(true, 7, 9), (true, 0, 16), (true, 0, 9), (false, 0, 16)];
        let words = cases.map(|(had, ended, second)| closed(had, ended, second));
        assert_eq!(words, ["reset", "migrated", "other", "-"]);
    }
}
