//! In what two sides are unlike that must be alike.

use std::collections::{BTreeMap, BTreeSet};

use super::values::{Combination, Runs};
use crate::measure::comparison::Relation;
use crate::measure::result::{CellResult, Environment, Place};
use crate::measure::sample::Sample;
use crate::scenario::differences_in_kind;

/// Most sentences.
const MOST_TOLD: usize = 20;
/// Longest value that is told, in characters.
const LONGEST: usize = 60;

/// What makes two sides incomparable, one sentence each that names both values; empty where nothing
/// does. Load, descriptors, the command line and the version of the program are recorded, not
/// compared.
pub fn unlike(base: &Sample, candidate: &Sample, relation: Relation) -> Vec<String> {
    let mut told = Told::default();
    environment(&base.environment, &candidate.environment, &mut told);
    if relation == Relation::Apart {
        for one in differences_in_kind(&candidate.scenario, &base.scenario) {
            told.add(format!("the scenario: {one}"));
        }
    }
    let tried = match relation {
        Relation::Apart => BTreeSet::new(),
        Relation::Arms => settings_of(base).chain(settings_of(candidate)).collect(),
    };
    combinations(base, candidate, &mut told);
    for combination in &Runs::of(base, candidate).combinations {
        cells(combination, relation, &tried, &mut told);
    }
    told.finish()
}

/// Sentences, each once.
#[derive(Default)]
struct Told(Vec<String>);

impl Told {
    fn add(&mut self, sentence: String) {
        if !self.0.contains(&sentence) {
            self.0.push(sentence);
        }
    }

    fn differ(&mut self, what: &str, was: &str, is: &str) {
        if was != is {
            self.add(format!("{} was {}, and is {}", short(what), short(was), short(is)));
        }
    }

    fn finish(mut self) -> Vec<String> {
        let surplus = self.0.len().saturating_sub(MOST_TOLD);
        self.0.truncate(MOST_TOLD);
        if surplus > 0 {
            self.0.push(format!("and {surplus} more"));
        }
        self.0
    }
}

/// A value in few characters; it may come from a file that anybody wrote.
fn short(text: &str) -> String {
    let short: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}

fn environment(was: &Environment, is: &Environment, told: &mut Told) {
    told.differ("the kernel", &was.kernel, &is.kernel);
    told.differ("the architecture", &was.architecture, &is.architecture);
    told.differ("the CPU", &was.cpu, &is.cpu);
    told.differ("the number of CPUs", &was.cpus.to_string(), &is.cpus.to_string());
    told.differ("the clock source", &was.clock_source, &is.clock_source);
    let user = |of: &Environment| if of.root { "root" } else { "an ordinary user" };
    told.differ("the user", user(was), user(is));
    let values = |of: &Environment| {
        of.sysctl.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    each(&values(was), &values(is), told);
}

/// Every key of either side.
fn each(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>, told: &mut Told) {
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for key in keys {
        let of = |side: &BTreeMap<String, String>| {
            side.get(key).cloned().unwrap_or_else(|| "absent".to_owned())
        };
        told.differ(key, &of(was), &of(is));
    }
}

/// Kernel settings that a side's scenario or lab sets.
fn settings_of(side: &Sample) -> impl Iterator<Item = String> {
    let planned = side.scenario.cells.iter().flat_map(|cell| &cell.lab.sysctl);
    let set = side.runs.iter().flat_map(|cell| match &cell.place {
        Place::Lab { sysctl, .. } => sysctl.as_slice(),
        Place::Host { .. } => &[],
    });
    planned.chain(set).map(|(key, _)| key.clone())
}

/// Combinations that one side alone was to have.
fn combinations(base: &Sample, candidate: &Sample, told: &mut Told) {
    let of = |side: &Sample| -> BTreeSet<String> {
        side.runs.iter().map(CellResult::combination).collect()
    };
    let (base, candidate) = (of(base), of(candidate));
    if base.is_empty() || candidate.is_empty() {
        return;
    }
    for (side, names) in
        [("base", base.difference(&candidate)), ("candidate", candidate.difference(&base))]
    {
        for name in names {
            let name = if name.is_empty() { "no sweep".to_owned() } else { short(name) };
            told.add(format!("only the {side} has {name}"));
        }
    }
}

fn cells(combination: &Combination, relation: Relation, tried: &BTreeSet<String>, told: &mut Told) {
    // Whether there are runs enough is another matter.
    if combination.base.is_empty() || combination.candidate.is_empty() {
        return;
    }
    let facts = |runs: &[&CellResult]| joined(runs, |cell| facts(cell, relation, tried));
    each(&facts(&combination.base), &facts(&combination.candidate), told);
    loads(combination, told);
}

/// The values of each fact over several runs.
fn joined(
    runs: &[&CellResult],
    of: impl Fn(&CellResult) -> Vec<(String, String)>,
) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, value) in runs.iter().flat_map(|cell| of(cell)) {
        values.entry(key).or_default().insert(value);
    }
    let joined = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(" or ");
    values.into_iter().map(|(key, set)| (key, joined(set))).collect()
}

/// Where and how a run was made.
fn facts(cell: &CellResult, relation: Relation, tried: &BTreeSet<String>) -> Vec<(String, String)> {
    let fact = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let place = match (&cell.place, relation) {
        (Place::Host { .. }, _) => "the host's network".to_owned(),
        (Place::Lab { .. }, Relation::Arms) => "a lab".to_owned(),
        (Place::Lab { link, .. }, Relation::Apart) => format!("a lab over {link}"),
    };
    let mut facts = vec![fact("the place", &place)];
    let settings = cell.settings.iter().filter(|(key, _)| !tried.contains(*key));
    facts.extend(settings.map(|(key, value)| fact(key, value)));
    if relation == Relation::Arms {
        return facts;
    }
    for load in &cell.loads {
        let name = &load.name;
        facts.push((format!("the lifecycle of load {name}"), load.lifecycle.clone()));
        facts.push((format!("the engine of load {name}"), load.engine.clone()));
        facts.push((format!("the number of workers of load {name}"), load.workers.to_string()));
    }
    facts
}

/// Loads that one side alone has.
fn loads(combination: &Combination, told: &mut Told) {
    let names = |runs: &[&CellResult]| -> BTreeSet<String> {
        runs.iter().flat_map(|cell| cell.loads.iter().map(|load| load.name.clone())).collect()
    };
    let (base, candidate) = (names(&combination.base), names(&combination.candidate));
    for load in base.difference(&candidate) {
        told.add(format!("only the base has the load {}", short(load)));
    }
    for load in candidate.difference(&base) {
        told.add(format!("only the candidate has the load {}", short(load)));
    }
}
