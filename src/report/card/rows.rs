//! What a card says, as lines for people: families of addresses that behave alike stand together.

use crate::measure::card::{Card, Confidence, Experiment, Family, Inferred, Instrument, Missing};
use crate::report::card::words::clean;

/// Experiments that say the same over different addresses.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<'c> {
    /// Their name.
    pub id: String,
    /// Over which addresses, and with which settings.
    pub remark: String,
    /// What was inferred.
    pub rows: Vec<Row>,
    /// What could not be found out.
    pub missing: Vec<&'c Missing>,
    /// The first of them, and the addresses of all.
    first: &'c Experiment,
    families: Vec<Family>,
}

/// An inferred value in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it is.
    pub value: String,
    /// How sure.
    pub confidence: &'static str,
    /// What is known of it.
    pub known: Known,
}

/// What the system's own rules say of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing certain is known.
    Nothing,
    /// This was to be expected.
    Agrees,
    /// Something else was: what, and where it stands.
    Differs(String, String),
}

impl Known {
    /// Of a value.
    pub fn of(inferred: &Inferred) -> Self {
        match &inferred.expected {
            None => Self::Nothing,
            Some(expected) if expected.agrees => Self::Agrees,
            Some(expected) => {
                Self::Differs(clean(&expected.value.to_string()), clean(&expected.source))
            }
        }
    }

    /// In a few words.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Nothing => "-",
            Self::Agrees => "as expected",
            Self::Differs(..) => "NOT EXPECTED",
        }
    }
}

/// All of a card, in its order.
pub fn groups(card: &Card) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for experiment in &card.experiments {
        let rows: Vec<_> = experiment.inferred.iter().map(row).collect();
        let missing: Vec<_> = experiment.missing.iter().collect();
        let same = |group: &&mut Group| {
            let other = experiment.family.is_some_and(|family| !group.families.contains(&family));
            other
                && group.first.id == experiment.id
                && group.first.settings == experiment.settings
                && group.rows == rows
                && group.missing == missing
        };
        if let Some(group) = groups.iter_mut().rev().find(same) {
            group.families.extend(experiment.family);
            group.remark = remark(group);
            continue;
        }
        let (id, remark) = (clean(&experiment.id), super::remark(experiment));
        let families = experiment.family.into_iter().collect();
        groups.push(Group { id, remark, rows, missing, first: experiment, families });
    }
    groups
}

/// All addresses of a group, then its settings.
fn remark(group: &Group) -> String {
    let families = group.families.iter().map(Family::to_string);
    let settings = group.first.settings.iter().map(|(key, value)| format!("{key} = {value}"));
    clean(&families.chain(settings).collect::<Vec<_>>().join(", "))
}

fn row(inferred: &Inferred) -> Row {
    Row {
        name: clean(&inferred.name),
        value: clean(&inferred.value.to_string()),
        confidence: confidence(inferred.confidence),
        known: Known::of(inferred),
    }
}

/// How sure, in a word.
pub fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

/// What told something, as one would name it.
pub fn instrument(instrument: Instrument) -> &'static str {
    match instrument {
        Instrument::Accept => "accept()",
        Instrument::Errors => "poll() and errors of calls",
        Instrument::Receive => "what a reader receives",
        Instrument::TcpInfo => "TCP_INFO of the client",
        Instrument::ListenerInfo => "TCP_INFO of the listener",
        Instrument::SockDiag => "sock_diag",
        Instrument::Counters => "counters of the network namespace",
        Instrument::SocketMemory => "SO_MEMINFO and SO_RXQ_OVFL",
        Instrument::Readable => "whether the listener polls readable",
    }
}

/// How many values were as expected, were not, and have nothing known of them; and what is missing.
pub fn counts(card: &Card) -> [usize; 4] {
    let values = || card.experiments.iter().flat_map(|experiment| &experiment.inferred);
    let of = |wanted: fn(&Known) -> bool| values().filter(|one| wanted(&Known::of(one))).count();
    [
        of(|known| *known == Known::Agrees),
        of(|known| matches!(known, Known::Differs(..))),
        of(|known| *known == Known::Nothing),
        card.experiments.iter().map(|experiment| experiment.missing.len()).sum(),
    ]
}

/// The counts in a sentence.
pub fn summary(card: &Card) -> String {
    let [agree, differ, unknown, missing] = counts(card);
    let values = agree + differ + unknown;
    format!(
        "{values} values: {agree} as expected, {differ} not, of {unknown} nothing certain is known; \
         {missing} not found out"
    )
}

/// What could not be found out, by the reason: each with the names of what it concerns.
pub fn reasons<'c>(groups: &[Group<'c>]) -> Vec<(&'c Missing, Vec<String>)> {
    let mut reasons: Vec<(&Missing, Vec<String>)> = Vec::new();
    for group in groups {
        for missing in &group.missing {
            let (remark, what) = (&group.remark, clean(&missing.what));
            let remark = if remark.is_empty() { String::new() } else { format!(" ({remark})") };
            let gap = if what.is_empty() { "" } else { " " };
            let name = format!("{}{gap}{what}{remark}", group.id);
            let same = |one: &&mut (&Missing, Vec<String>)| {
                one.0.why == missing.why && one.0.remedy == missing.remedy
            };
            match reasons.iter_mut().find(same) {
                Some((_, names)) => names.push(name),
                None => reasons.push((missing, vec![name])),
            }
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn families_that_behave_alike_stand_together() {
        let card = sample::linux_card();
        let groups = groups(&card);
        let accept = groups.iter().find(|one| one.id == "tcp.accept_queue.sequential").expect("it");
        assert_eq!((accept.remark.as_str(), accept.rows.len()), ("IPv4, IPv6", 3));
        assert_eq!(accept.rows[1].value, "n + 1");
        let mut other = card.clone();
        other.experiments[0].inferred[1].confidence = Confidence::Low;
        let groups = super::groups(&other);
        let accept = groups.iter().filter(|one| one.id == "tcp.accept_queue.sequential").count();
        assert_eq!(accept, 2, "they do not say the same");
    }

    #[test]
    fn what_is_missing_for_one_reason_is_told_once() {
        let mut card = sample::gvisor_card();
        let missing = card.experiments[0].missing.clone();
        card.experiments[6].missing.extend(missing);
        let groups = groups(&card);
        let reasons = reasons(&groups);
        let told = reasons.iter().find(|(one, _)| one.why.contains("EPROTONOSUPPORT"));
        assert_eq!(told.expect("told").1.len(), 3);
        assert!(summary(&card).starts_with("22 values:"), "{}", summary(&card));
    }
}
