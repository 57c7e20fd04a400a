//! Backlog cards beside each other: in what systems differ, and in what no more than can be told.

use std::collections::BTreeMap;

use crate::measure::card::{
    Card, Depth, Experiment, Family, Inferred, Methods, Place, Sameness, Value,
};
use crate::measure::result::Status;

/// What names a value in every card.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The experiment.
    pub id: String,
    /// Kernel settings that were changed for it.
    pub settings: BTreeMap<String, String>,
    /// The value's name within the experiment.
    pub name: String,
    /// Over which addresses.
    pub family: Option<Family>,
}

/// What one card says of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Told<'c> {
    /// This.
    Value(&'c Inferred),
    /// That it could not be found out, and why.
    Missing(&'c str),
    /// Nothing.
    Nothing,
}

/// How the cards compare in one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Two of them differ.
    Different,
    /// Two of them differ, by no more than their uncertainty.
    Within,
    /// All that have it say the same, and one has it not.
    Lacking,
    /// All say the same.
    Same,
}

/// One value in every card.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'c> {
    /// Which; of the first of its families.
    pub key: Key,
    /// All families of addresses of which every card says the same.
    pub families: Vec<Family>,
    /// What each card says, in their order.
    pub told: Vec<Told<'c>>,
    /// What comes of it.
    pub kind: Kind,
}

/// The cards compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison<'c> {
    /// The cards, in the order given.
    pub cards: Vec<&'c Card>,
    /// Ways in which they were not made alike, each with what each card says.
    pub unlike: Vec<(&'static str, Vec<String>)>,
    /// Every value of any card: differences first, then by key.
    pub lines: Vec<Line<'c>>,
}

/// Compares cards: by experiment, settings, addresses, and name of the value.
pub fn compare<'c>(cards: &[&'c Card]) -> Comparison<'c> {
    let mut table: BTreeMap<Key, Vec<Told<'c>>> = BTreeMap::new();
    for (index, card) in cards.iter().enumerate() {
        for experiment in &card.experiments {
            for (name, told) in said(experiment) {
                let row = table.entry(key(experiment, name));
                let row = row.or_insert_with(|| vec![Told::Nothing; cards.len()]);
                // Of two with one key the first counts, but a value goes before none.
                if let Some(place) = row.get_mut(index).filter(|place| before(told, **place)) {
                    *place = told;
                }
            }
        }
    }
    explain_gaps(&mut table, cards);
    // What nobody has is no line of a comparison.
    table.retain(|_, told| told.iter().any(|one| matches!(one, Told::Value(_))));
    let mut lines: Vec<Line> = Vec::new();
    for (key, told) in table {
        match lines.last_mut().filter(|last| last.says_the_same(&key, &told)) {
            Some(last) => last.families.extend(key.family),
            None => {
                let families = key.family.into_iter().collect();
                lines.push(Line { kind: kind(&told), key, families, told });
            }
        }
    }
    lines.sort_by_key(|line| line.kind);
    Comparison { cards: cards.to_vec(), unlike: unlike(cards), lines }
}

impl<'c> Comparison<'c> {
    /// Lines of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Line<'c>> {
        self.lines.iter().filter(move |line| line.kind == kind)
    }

    /// How many lines of one kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.of(kind).count()
    }
}

impl Line<'_> {
    /// Whether this is the same value over other addresses, and each card says the same of it.
    fn says_the_same(&self, key: &Key, told: &[Told]) -> bool {
        let own = &self.key;
        let alike = |(one, other): (&Told, &Told)| match (one, other) {
            (Told::Value(one), Told::Value(other)) => one.value == other.value,
            (one, other) => one == other,
        };
        (&own.id, &own.settings, &own.name) == (&key.id, &key.settings, &key.name)
            && own.family.is_some()
            && key.family.is_some()
            && self.told.iter().zip(told).all(alike)
    }

    /// What a card's value is beside the others: of tables that differ only what differs, and how
    /// many more inputs are alike. `None` for a card that has none.
    pub fn shown(&self, index: usize) -> Option<String> {
        let Told::Value(inferred) = self.told.get(index)? else { return None };
        let Value::Counts { of, unit, points } = &inferred.value else {
            return Some(inferred.value.to_string());
        };
        if self.kind != Kind::Different {
            return Some(inferred.value.to_string());
        }
        let others: Vec<_> = self.told.iter().filter_map(points_of).collect();
        let agreed = |of: i64, count: i64| {
            let found = |one: &&[(i64, i64)]| one.iter().find(|(its, _)| *its == of).copied();
            others.iter().all(|one| found(one).is_some_and(|(_, its)| its == count))
        };
        let (alike, unlike): (Vec<(i64, i64)>, Vec<_>) =
            points.iter().partition(|(of, count)| agreed(*of, *count));
        if unlike.is_empty() {
            // The tables differ in what they count, or in inputs that the others have.
            return Some(format!("{} ({unit} by {of})", inferred.value));
        }
        let shown = unlike.iter().map(|(of, count)| format!("{of} -> {count}"));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more =
            if alike.is_empty() { String::new() } else { format!("; {} alike", alike.len()) };
        Some(format!("{shown} ({unit} by {of}{more})"))
    }
}

fn points_of<'c>(told: &Told<'c>) -> Option<&'c [(i64, i64)]> {
    match told {
        Told::Value(Inferred { value: Value::Counts { points, .. }, .. }) => Some(points),
        _ => None,
    }
}

fn key(experiment: &Experiment, name: &str) -> Key {
    Key {
        id: experiment.id.clone(),
        settings: experiment.settings.clone(),
        family: experiment.family,
        name: name.to_owned(),
    }
}

/// What an experiment says of each value that it names.
fn said(experiment: &Experiment) -> impl Iterator<Item = (&str, Told<'_>)> {
    let values = experiment.inferred.iter().map(|one| (one.name.as_str(), Told::Value(one)));
    let named = experiment.missing.iter().filter(|one| !one.what.is_empty());
    values.chain(named.map(|one| (one.what.as_str(), Told::Missing(&one.why))))
}

/// Whether what is told goes before what was told.
fn before(told: Told, than: Told) -> bool {
    matches!((told, than), (_, Told::Nothing) | (Told::Value(_), Told::Missing(_)))
}

/// Where a card says nothing of a value, an experiment that could not be made as a whole says why.
fn explain_gaps<'c>(table: &mut BTreeMap<Key, Vec<Told<'c>>>, cards: &[&'c Card]) {
    for (index, card) in cards.iter().enumerate() {
        let mut whole: BTreeMap<Key, &'c str> = BTreeMap::new();
        for experiment in &card.experiments {
            if let Some(missing) = experiment.missing.iter().find(|one| one.what.is_empty()) {
                whole.entry(key(experiment, "")).or_insert(&missing.why);
            }
        }
        for (key, row) in table.iter_mut() {
            let experiment = Key { name: String::new(), ..key.clone() };
            let gap = row.get_mut(index).filter(|told| **told == Told::Nothing);
            if let (Some(gap), Some(why)) = (gap, whole.get(&experiment)) {
                *gap = Told::Missing(why);
            }
        }
    }
}

/// Every pair is compared: what is near to its neighbours may be far from another.
fn kind(told: &[Told]) -> Kind {
    let values: Vec<&Value> = told
        .iter()
        .filter_map(|one| match one {
            Told::Value(inferred) => Some(&inferred.value),
            _ => None,
        })
        .collect();
    let mut within = false;
    for (index, one) in values.iter().enumerate() {
        for other in values.iter().skip(index + 1) {
            match one.compared(other) {
                Sameness::Different => return Kind::Different,
                Sameness::Within => within = true,
                Sameness::Same => {}
            }
        }
    }
    match (within, values.len() == told.len()) {
        (true, _) => Kind::Within,
        (false, false) => Kind::Lacking,
        (false, true) => Kind::Same,
    }
}

/// In what the cards were not made alike.
fn unlike(cards: &[&Card]) -> Vec<(&'static str, Vec<String>)> {
    type Word = fn(&Card) -> String;
    let of = |name: &'static str, word: Word| {
        let words: Vec<_> = cards.iter().map(|card| word(card)).collect();
        let differ = words.windows(2).any(|pair| pair[0] != pair[1]);
        differ.then_some((name, words))
    };
    let all: [(&'static str, Word); 5] = [
        ("depth", |card| depth(card.depth).to_owned()),
        ("methods", |card| methods(card.methods).to_owned()),
        ("place", |card| place(&card.place)),
        ("status", |card| status(&card.status)),
        ("loadgen", |card| card.loadgen_version.clone()),
    ];
    all.into_iter().filter_map(|(name, word)| of(name, word)).collect()
}

/// How thorough, in a word.
pub fn depth(depth: Depth) -> &'static str {
    match depth {
        Depth::Quick => "quick",
        Depth::Standard => "standard",
        Depth::Full => "full",
    }
}

/// Whose instruments, in a word.
pub fn methods(methods: Methods) -> &'static str {
    match methods {
        Methods::Native => "native",
        Methods::Portable => "portable",
    }
}

/// Where, in a few words.
pub fn place(place: &Place) -> String {
    match place {
        Place::Lab => "lab".to_owned(),
        Place::Host { reason } => format!("host ({reason})"),
    }
}

/// Whether everything was tried, in a few words.
pub fn status(status: &Status) -> String {
    match status {
        Status::Complete => "complete".to_owned(),
        Status::Partial { reason } => format!("partial: {reason}"),
    }
}

#[cfg(test)]
#[path = "cards_tests.rs"]
mod tests;
