//! What follows for receive buffers of UDP and for queues of AF_UNIX.

mod unix;

pub use unix::{datagrams, queue};

use crate::measure::card::{Confidence, Datum, Experiment, Missing, Observation, Value};

/// The larger number of datagrams by which a small charge is told well enough.
const MANY: i64 = 256;

/// A number that was given or seen.
fn number(of: &std::collections::BTreeMap<String, Datum>, name: &str) -> Option<i64> {
    match of.get(name) {
        Some(Datum::Count(count)) => Some(*count),
        _ => None,
    }
}

/// A word that was given or seen.
fn word<'a>(of: &'a std::collections::BTreeMap<String, Datum>, name: &str) -> Option<&'a str> {
    match of.get(name) {
        Some(Datum::Word(word)) => Some(word),
        _ => None,
    }
}

fn points(of: &str, unit: &str, points: Vec<(i64, i64)>) -> Value {
    Value::Counts { of: of.to_owned(), unit: unit.to_owned(), points }
}

/// Of sizes that were asked for: the smallest, the default and the largest that is granted, and the
/// rule between them.
pub fn size(experiment: &mut Experiment) {
    let seen: Vec<(usize, Option<i64>, i64)> = experiment
        .observations
        .iter()
        .enumerate()
        .filter_map(|(at, one)| {
            Some((at, number(&one.given, "asked"), number(&one.seen, "granted")?))
        })
        .collect();
    if let Some((at, _, granted)) = seen.iter().find(|(_, asked, _)| asked.is_none()) {
        let sure = (Confidence::Medium, "read back from one socket");
        experiment.infer("default", Value::count(*granted, "bytes"), &[*at], sure);
    }
    let asked: Vec<(usize, i64, i64)> =
        seen.iter().filter_map(|(at, asked, granted)| Some((*at, (*asked)?, *granted))).collect();
    let Some(smallest) = asked.iter().map(|(_, _, granted)| *granted).min() else {
        return experiment.missing.push(
            Missing::all("no SO_RCVBUF was granted, see the observations", "none is known")
                .of("rule"),
        );
    };
    let raised: Vec<_> = asked
        .iter()
        .filter(|(_, asked, granted)| *granted == smallest && asked < granted)
        .collect();
    if raised.len() > 1 {
        let from: Vec<_> = raised.iter().map(|(at, ..)| *at).collect();
        let sure = (Confidence::High, "several smaller ones were raised to it");
        experiment.infer("smallest", Value::count(smallest, "bytes"), &from, sure);
    }
    // The huge one tells the largest, where it was not refused.
    let largest = asked.iter().max_by_key(|(_, asked, _)| *asked).filter(|(_, a, g)| g < a);
    if let Some((at, _, granted)) = largest {
        let sure = (Confidence::Medium, "1 GiB was cut down to it");
        experiment.infer("largest", Value::count(*granted, "bytes"), &[*at], sure);
    }
    let free: Vec<_> = asked
        .iter()
        .filter(|(_, asked, granted)| {
            *granted > smallest && *asked > 0 && largest.is_none_or(|(_, _, most)| granted < most)
        })
        .collect();
    let rule = [("n", 1), ("2n", 2)].into_iter().find(|(_, times)| {
        free.len() > 1 && free.iter().all(|(_, asked, granted)| *granted == asked * times)
    });
    if let Some((rule, _)) = rule {
        let from: Vec<_> = free.iter().map(|(at, ..)| *at).collect();
        let sure = (Confidence::High, "all sizes between the smallest and the largest obey it");
        experiment.infer("rule", Value::word(rule), &from, sure);
    }
}

/// What one payload's trials tell.
struct Of<'a> {
    payload: i64,
    fill: (usize, &'a Observation),
    /// Number of datagrams and the smallest buffer that holds them, by rising number.
    smallest: Vec<(usize, i64, i64)>,
}

impl Of<'_> {
    fn held(&self) -> Option<i64> {
        let held = number(&self.fill.1.seen, "held")?;
        (held < number(&self.fill.1.given, "sent")?).then_some(held)
    }

    /// What SO_MEMINFO said, by the datagram.
    fn told(&self) -> Option<i64> {
        let (held, charged) = (self.held()?, number(&self.fill.1.seen, "charged")?);
        (held > 0 && charged > 0 && charged % held == 0).then(|| charged / held)
    }

    /// Without being told: by how much a buffer must grow to hold more datagrams. Where it holds
    /// very many, by its size; the flag tells that this is exact.
    fn found(&self) -> Option<(i64, bool)> {
        let held = self.held()?;
        if let [(_, few, small), (_, many, large)] = self.smallest[..] {
            let (more, grown) = (many - few, large - small);
            if more > 0 && grown > 0 && small > 0 {
                // Systems that double what is asked for grow in steps of two.
                return Some(((2 * grown + more) / (2 * more), grown % more == 0));
            }
        }
        let granted = number(&self.fill.1.seen, "granted")?;
        (held >= MANY).then(|| ((2 * granted + held) / (2 * held), false))
    }

    /// Which were dropped: those that came last, or those that had waited longest.
    fn dropped(&self) -> Option<&'static str> {
        let held = self.held()?;
        let sent = number(&self.fill.1.given, "sent")?;
        let (first, last) =
            (number(&self.fill.1.seen, "first")?, number(&self.fill.1.seen, "last")?);
        Some(match (first, last) {
            (0, last) if last == held - 1 => "newest",
            (first, last) if last == sent - 1 && first == sent - held => "oldest",
            _ => "others",
        })
    }
}

/// Of filled buffers: what they hold, what is charged, and what is dropped.
pub fn capacity(experiment: &mut Experiment) {
    let observations = experiment.observations.clone();
    let all = by_payload(&observations);
    let at = |one: &Of| one.fill.0;
    let held: Vec<_> =
        all.iter().filter_map(|one| Some((at(one), one.payload, one.held()?))).collect();
    infer_points(
        experiment,
        "capacity",
        "datagrams",
        &held,
        (Confidence::High, "more were sent, and only so many could be read"),
    );
    for one in all.iter().filter(|one| one.held().is_none()) {
        let why =
            format!("no datagram of {} bytes was dropped, however many were sent", one.payload);
        experiment.missing.push(Missing::all(why, "none is known").of("capacity"));
    }
    charge(experiment, &all);
    let fates: Vec<_> = all.iter().filter_map(|one| Some((at(one), one.dropped()?))).collect();
    if let Some((_, fate)) = fates.first() {
        let same = fates.iter().all(|(_, other)| other == fate);
        let word = if same { fate } else { "others" };
        let sure = match same {
            true => (Confidence::High, "by the numbers of those that were read, for each length"),
            false => (Confidence::Low, "lengths differ"),
        };
        let from: Vec<_> = fates.iter().map(|(at, _)| *at).collect();
        experiment.infer("dropped", Value::word(word), &from, sure);
    }
}

fn charge(experiment: &mut Experiment, all: &[Of]) {
    let mut from = Vec::new();
    let mut charged = Vec::new();
    let mut sure = (Confidence::High, "SO_MEMINFO tells it, and buffers grow by it");
    for one in all {
        let (told, found) = (one.told(), one.found());
        sure = sure.min(match (told, found) {
            (Some(told), Some((found, _))) if told == found => sure,
            (Some(_), Some(_)) => (Confidence::Low, "SO_MEMINFO and the growth of buffers differ"),
            (Some(_), None) => (Confidence::Medium, "SO_MEMINFO alone tells it"),
            (None, Some((_, true))) => (Confidence::Medium, "buffers that hold more grow by it"),
            (None, _) => (Confidence::Low, "a buffer's size by what it holds"),
        });
        let Some(charge) = told.or(found.map(|(found, _)| found)) else { continue };
        from.push(one.fill.0);
        from.extend(one.smallest.iter().map(|(at, ..)| *at));
        charged.push((one.payload, charge));
    }
    if charged.is_empty() {
        let why = "neither SO_MEMINFO nor the growth of buffers told it";
        return experiment.missing.push(Missing::all(why, "none is known").of("charge"));
    }
    experiment.infer("charge", points("payload", "bytes", charged), &from, sure);
}

fn by_payload(observations: &[Observation]) -> Vec<Of<'_>> {
    let trial = |one: &Observation, name| word(&one.given, "trial") == Some(name);
    let payload = |one: &Observation| number(&one.given, "payload");
    let smallest = |of: i64| {
        let mine = |one: &Observation| trial(one, "smallest") && payload(one) == Some(of);
        let all = observations.iter().enumerate().filter(|(_, one)| mine(one));
        let known = all.filter_map(|(at, one)| {
            Some((at, number(&one.given, "datagrams")?, number(&one.seen, "granted")?))
        });
        known.collect()
    };
    let fills = observations.iter().enumerate().filter(|(_, one)| trial(one, "fill"));
    fills
        .filter_map(|fill| {
            let payload = payload(fill.1)?;
            Some(Of { payload, fill, smallest: smallest(payload) })
        })
        .collect()
}

fn infer_points(
    experiment: &mut Experiment,
    name: &str,
    unit: &str,
    seen: &[(usize, i64, i64)],
    sure: (Confidence, &str),
) {
    if seen.is_empty() {
        return;
    }
    let from: Vec<_> = seen.iter().map(|(at, ..)| *at).collect();
    let value = points("payload", unit, seen.iter().map(|(_, of, count)| (*of, *count)).collect());
    experiment.infer(name, value, &from, sure);
}

/// Of buffers that dropped: whether each counter grew by just what was lost.
pub fn counters(experiment: &mut Experiment) {
    let observations = experiment.observations.clone();
    let lost = |one: &Observation| {
        let lost = number(&one.given, "sent")? - number(&one.seen, "held")?;
        (lost > 0).then_some(lost)
    };
    for name in ["socket_drops", "rcvbuf_errors", "in_errors", "rxq_ovfl"] {
        let seen: Vec<(usize, i64, i64)> = observations
            .iter()
            .enumerate()
            .filter_map(|(at, one)| Some((at, lost(one)?, number(&one.seen, name)?)))
            .collect();
        if seen.is_empty() {
            let why = "this system does not tell it, or nothing was lost";
            experiment.missing.push(Missing::all(why, "none is known").of(name));
            continue;
        }
        let all =
            |holds: fn(i64, i64) -> bool| seen.iter().all(|(_, lost, told)| holds(*told, *lost));
        let (word, sure) = if all(|told, lost| told == lost) {
            ("exact", (Confidence::High, "it grew by just what was lost, each time"))
        } else if all(|told, _| told == 0) {
            ("silent", (Confidence::High, "it did not grow"))
        } else if all(|told, lost| told >= lost) {
            (
                "more",
                (Confidence::Low, "it grew by more than was lost: others may count there, too"),
            )
        } else {
            ("less", (Confidence::Low, "it grew by less than was lost"))
        };
        let from: Vec<_> = seen.iter().map(|(at, ..)| *at).collect();
        experiment.infer(name, Value::word(word), &from, sure);
    }
    tail(experiment, &observations);
}

/// Whether SO_RXQ_OVFL tells of a loss after which nothing comes.
fn tail(experiment: &mut Experiment, observations: &[Observation]) {
    // Where it never tells anything, there is nothing to say of the last.
    let tells = |one: &Observation| number(&one.seen, "rxq_ovfl").is_some_and(|told| told > 0);
    let seen: Vec<(usize, i64)> = observations
        .iter()
        .enumerate()
        .filter(|(_, one)| tells(one))
        .filter_map(|(at, one)| Some((at, number(&one.seen, "told_by_those_before")?)))
        .collect();
    if seen.is_empty() {
        return;
    }
    let untold = seen.iter().all(|(_, told)| *told == 0);
    let (word, because) = match untold {
        true => ("untold", "nothing that was read before told of it, the next datagram did"),
        false => ("told", "a datagram that was queued before told of it"),
    };
    let from: Vec<_> = seen.iter().map(|(at, _)| *at).collect();
    experiment.infer("rxq_ovfl_of_the_last", Value::word(word), &from, (Confidence::High, because));
}

#[cfg(test)]
mod tests;
