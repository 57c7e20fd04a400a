//! Schedules of retries, TIME_WAIT and ports.

use super::{count, measure, median, of_way, word};
use crate::measure::card::{
    Confidence, Experiment, Instrument, Missing, Observation, Sameness, Value,
};

/// Timers of kernels are late by up to so much of their length: wheels of timers have buckets of an
/// eighth of what they keep, and a tick may be 10 ms (`kernel/time/timer.c`).
const LATE: f64 = 0.09;

/// A schedule that was rebuilt, and how sure it is.
#[derive(Debug, Clone, PartialEq)]
struct Schedule {
    seconds: Vec<f64>,
    give: f64,
    /// When it was over, and the word for that.
    over: Option<(f64, String)>,
    from: Vec<usize>,
    sure: (Confidence, String),
}

impl Schedule {
    fn value(&self) -> Value {
        let complete = self.over.is_some();
        Value::Schedule { seconds: self.seconds.clone(), give: self.give, complete }
    }

    fn enter(&self, experiment: &mut Experiment, name: &str) {
        let sure = (self.sure.0, self.sure.1.as_str());
        experiment.infer(name, self.value(), &self.from, sure);
    }

    /// Its end, where it was seen.
    fn enter_end(&self, experiment: &mut Experiment, with: Option<&str>) {
        let Some((seconds, why)) = &self.over else { return };
        let sure = (self.sure.0, self.sure.1.as_str());
        let value = Value::Seconds { seconds: *seconds, give: self.give * seconds };
        experiment.infer("gives_up", value, &self.from, sure);
        if let Some(name) = with {
            experiment.infer(name, Value::word(why.as_str()), &self.from, sure);
        }
    }
}

/// What follows for retries of SYNs: the schedule by what tells it best, and by what every system has.
pub fn syn_retries(experiment: &mut Experiment) {
    let watched = counted(&experiment.observations, "watched");
    let released = released(&experiment.observations);
    let (best, instrument) = match (&watched, &released) {
        (Some(watched), _) => (watched, Instrument::TcpInfo),
        (None, Some(released)) => (released, Instrument::Errors),
        (None, None) => return,
    };
    experiment.method.instrument = instrument;
    // What the other way could tell is not missing.
    experiment.missing.retain(|missing| missing.what != "schedule");
    best.enter(experiment, "schedule");
    best.enter_end(experiment, Some("gives_up_with"));
    agree(experiment, released.as_ref(), "schedule_portable");
}

/// What follows for retries of SYN-ACKs, in two ways.
pub fn synack_retries(experiment: &mut Experiment) {
    let deaf = counted(&experiment.observations, "deaf");
    let deferred = counted(&experiment.observations, "deferred");
    if let Some(best) = deaf.as_ref().or(deferred.as_ref()) {
        experiment.missing.retain(|missing| missing.what != "schedule");
        best.enter(experiment, "schedule");
        best.enter_end(experiment, None);
    }
    agree(experiment, deferred.as_ref(), "schedule_deferred");
}

/// Enters the schedule of a second way; says so where the two differ.
fn agree(experiment: &mut Experiment, second: Option<&Schedule>, name: &str) {
    let Some(second) = second else { return };
    second.enter(experiment, name);
    let first = experiment.value("schedule");
    if first.is_some_and(|first| first.compared(&second.value()) == Sameness::Different) {
        // What is itself not sure casts no doubt on the other.
        let doubted = |which: &str| which == name || second.sure.0 != Confidence::Low;
        for inferred in experiment.inferred.iter_mut().filter(|one| doubted(&one.name)) {
            inferred.confidence = Confidence::Low;
            inferred.because = format!("two ways to see the schedule differ: see {name}");
        }
    }
}

/// Of timers whose runs were counted: each run when half of the clients had it.
fn counted(all: &[Observation], way: &str) -> Option<Schedule> {
    let notes: Vec<_> = of_way(all, way).collect();
    let clients: std::collections::BTreeSet<_> =
        notes.iter().filter_map(|(_, note)| count(note, "client")).collect();
    let runs: Vec<_> = clients.iter().map(|client| instants(&notes, *client)).collect();
    let most = runs.iter().map(Vec::len).max().filter(|most| *most > 0)?;
    let mut seconds = Vec::new();
    let mut give: f64 = LATE;
    let mut same = runs.len() > 1;
    for nth in 0..most {
        let at: Vec<_> = runs.iter().filter_map(|run| run.get(nth).copied()).collect();
        let middle = median(&at.iter().map(|(at, _)| *at).collect::<Vec<_>>());
        same &= at.iter().all(|(at, _)| (at - middle).abs() <= LATE * middle);
        // Nobody looked for a while: it may have been so much earlier.
        let blind = at.iter().map(|(at, before)| at - before).fold(0.0, f64::max);
        give = give.max(blind / middle);
        seconds.push(middle);
    }
    let same = same && runs.iter().all(|run| run.len() == runs[0].len());
    let sure = match same {
        true => (Confidence::High, format!("{} clients, the same for each", runs.len())),
        false if runs.len() == 1 => (Confidence::Medium, "one client".to_owned()),
        false => (Confidence::Low, "it was not the same for each client".to_owned()),
    };
    let from = notes.iter().map(|(number, _)| *number).collect();
    Some(Schedule { seconds, give, over: end(&notes, clients.len()), from, sure })
}

/// When each run of one client's timer was seen, and when it had certainly not been yet.
fn instants(notes: &[(usize, &Observation)], client: i64) -> Vec<(f64, f64)> {
    let mut instants: Vec<(f64, f64)> = Vec::new();
    for (_, note) in notes {
        let own = count(note, "client") == Some(client);
        let times = count(note, "retransmits").filter(|_| own);
        let at = measure(note, "at").zip(measure(note, "not_before"));
        if let (Some(times), Some(at)) = (times, at) {
            // Several at once: nobody looked in between.
            instants.resize(usize::try_from(times.clamp(0, 255)).unwrap_or(0), at);
        }
    }
    instants
}

/// When it was over for everybody, and how.
fn end(notes: &[(usize, &Observation)], clients: usize) -> Option<(f64, String)> {
    let over: Vec<_> = notes
        .iter()
        .filter_map(|(_, note)| Some((measure(note, "at")?, word(note, "over")?)))
        .collect();
    let (_, first) = *over.first().filter(|_| over.len() >= clients)?;
    let instants: Vec<_> = over.iter().map(|(at, _)| *at).collect();
    over.iter().all(|(_, why)| *why == first).then(|| (median(&instants), first.to_owned()))
}

/// Of clients that were let in by their own next SYN after the queue was emptied: how old they were
/// then, and when they were connected.
fn released(all: &[Observation]) -> Option<Schedule> {
    let notes: Vec<_> = of_way(all, "released").collect();
    let mut pairs: Vec<(f64, f64)> = notes
        .iter()
        .filter(|(_, note)| word(note, "became") == Some("established"))
        .filter_map(|(_, n)| Some((measure(n, "waited")?, measure(n, "at")?)))
        .collect();
    pairs.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut groups: Vec<Vec<(f64, f64)>> = Vec::new();
    for pair in pairs {
        match groups.last_mut().filter(|group| pair.1 <= group[0].1 * (1.0 + 2.0 * LATE)) {
            Some(group) => group.push(pair),
            None => groups.push(vec![pair]),
        }
    }
    let first = groups.first()?;
    let alone: Vec<_> = groups.iter().filter(|group| group.len() < 2).map(|g| g[0].1).collect();
    let seconds = groups.iter().map(|g| median(&g.iter().map(|(_, at)| *at).collect::<Vec<_>>()));
    let seconds: Vec<_> = seconds.collect();
    // Between one SYN and the youngest client that waited for the next one there may be another.
    let youngest =
        |group: &Vec<(f64, f64)>| group.iter().map(|(age, _)| *age).fold(f64::MAX, f64::min);
    let unseen = groups.iter().zip(&seconds).skip(1).zip(&seconds);
    let hidden =
        unseen.map(|((group, _), before)| youngest(group) - before).fold(youngest(first), f64::max);
    let sure = match (alone.first(), hidden < 1.0) {
        (None, true) => {
            (Confidence::High, format!("each by several clients; no gap above {hidden:.1} s"))
        }
        // It may have been held up by something else than its own timer.
        (Some(at), true) => (Confidence::Low, format!("that at {at:.1} s by one client only")),
        (_, false) => (Confidence::Low, format!("retries may hide in a gap of {hidden:.1} s")),
    };
    let from = notes.iter().map(|(number, _)| *number).collect();
    let over =
        notes.iter().filter_map(|(_, note)| Some((measure(note, "at")?, word(note, "over")?)));
    let over = over.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(at, why)| (at, why.to_owned()));
    Some(Schedule { seconds, give: LATE, over, from, sure })
}

/// How long TIME_WAIT lasts: by its timer, or else by how long its port was refused to bind(2).
pub fn time_wait(experiment: &mut Experiment) {
    let timer = lengths(&experiment.observations, "timer", "left");
    let refused = lengths(&experiment.observations, "bind", "free_after");
    let ways = [(&timer, Instrument::SockDiag), (&refused, Instrument::Errors)];
    let Some((best, instrument)) = ways.into_iter().find(|(way, _)| !way.is_empty()) else {
        return;
    };
    experiment.method.instrument = instrument;
    let middle = median(&best.iter().map(|(_, length)| *length).collect::<Vec<_>>());
    let all: Vec<_> = [&timer, &refused].into_iter().flatten().copied().collect();
    let from: Vec<_> = all.iter().map(|(number, _)| *number).collect();
    let give = LATE * middle;
    let same = all.iter().all(|(_, length)| (length - middle).abs() <= give);
    let sure = match (same, all.len()) {
        (true, 1) => (Confidence::Medium, "seen once"),
        (true, _) => (Confidence::High, "several, the same for each"),
        (false, _) => (Confidence::Low, "they were not the same"),
    };
    experiment.infer("length", Value::Seconds { seconds: middle, give }, &from, sure);
}

fn lengths(all: &[Observation], way: &str, name: &str) -> Vec<(usize, f64)> {
    of_way(all, way).filter_map(|(number, o)| Some((number, measure(o, name)?))).collect()
}

/// Whether the same port may connect to the same place again while it is in TIME_WAIT.
pub fn reuse(experiment: &mut Experiment) {
    let tries: Vec<_> = of_way(&experiment.observations, "connect_again").collect();
    let from: Vec<_> = tries.iter().map(|(number, _)| *number).collect();
    let after: Vec<_> =
        tries.iter().filter_map(|(_, one)| measure(one, "connected_after")).collect();
    let errors: Vec<_> = tries.iter().filter_map(|(_, o)| word(o, "refused_with")).collect();
    let error = errors.first().map(|error| (*error).to_owned());
    if tries.is_empty() {
        return;
    }
    let tried = tries.iter().filter_map(|(_, one)| measure(one, "tried_for"));
    let tried = tried.fold(f64::MAX, f64::min);
    let (word, because) = match (after.len() == tries.len(), after.is_empty()) {
        (true, _) if errors.is_empty() => ("at_once", "each time".to_owned()),
        (true, _) => ("delayed", "each time".to_owned()),
        (_, true) => ("refused", format!("each was tried for {tried:.1} s, not longer")),
        _ => ("differs", "some were connected and some were not".to_owned()),
    };
    let sure = match word {
        "differs" => Confidence::Low,
        _ if tries.len() > 1 => Confidence::High,
        _ => Confidence::Medium,
    };
    experiment.infer("reuse", Value::word(word), &from, (sure, &because));
    if after.len() == from.len() {
        let seconds = median(&after);
        // All were closed at one instant, and kernels before 6.6 count whole seconds from then on.
        let least = if word == "delayed" { 1.0 } else { 0.1 };
        let spread = after.iter().map(|one| (one - seconds).abs()).fold(least, f64::max);
        let value = Value::Seconds { seconds, give: spread };
        experiment.infer("reuse_after", value, &from, (sure, &because));
    }
    if let Some(error) = error {
        experiment.infer("refused_with", Value::word(error), &from, (sure, &because));
    }
}

/// How many ports there are towards one destination, and which are taken first.
pub fn ports(experiment: &mut Experiment) {
    let all = experiment.observations.clone();
    for (number, one) in of_way(&all, "read") {
        let ends = word(one, "range").and_then(|range| range.split_once(' '));
        let ends = ends.and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
        if let Some((low, high)) = ends.filter(|(low, high): &(i64, i64)| low <= high) {
            let sure = (Confidence::High, "the system says so");
            experiment.infer("range", Value::count(high - low + 1, "ports"), &[number], sure);
        }
    }
    let held = of_way(&all, "connect").chain(of_way(&all, "bind"));
    for (number, one) in held {
        let (count, way) = (count(one, "got"), word(one, "way").unwrap_or(""));
        let error = word(one, "error").filter(|error| *error != "ok");
        let exact = (Confidence::Medium, "one series of calls until the first error");
        let name =
            |what: &str| if way == "bind" { format!("bind_{what}") } else { what.to_owned() };
        if let (Some(count), Some(error)) = (count, error) {
            experiment.infer(&name("capacity"), Value::count(count, "ports"), &[number], exact);
            experiment.infer(&name("error"), Value::word(error), &[number], exact);
        }
        if let Some(half) = first_half(one) {
            let sure = (Confidence::Medium, "of the first half of what was taken");
            experiment.infer(&name("first_half"), Value::word(half), &[number], sure);
        }
    }
    if experiment.inferred.is_empty() && experiment.missing.is_empty() {
        experiment.missing.push(Missing::all("no port was had", "none is known"));
    }
}

/// Whether the ports that were taken first were even or odd; `mixed` where neither, `None` of fewer
/// than eight, which chance may explain.
fn first_half(one: &Observation) -> Option<&'static str> {
    let crate::measure::card::Datum::Measures(ports) = one.seen.get("ports")? else { return None };
    let first = &ports[..ports.len() / 2];
    let odd = first.iter().filter(|port| **port as i64 % 2 == 1).count();
    match (first.len(), odd) {
        (0..8, _) => None,
        (_, 0) => Some("even"),
        (all, odd) if odd == all => Some("odd"),
        _ => Some("mixed"),
    }
}

#[cfg(test)]
#[path = "timers_tests.rs"]
mod tests;
