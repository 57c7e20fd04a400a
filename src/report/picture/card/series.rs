//! What of a card goes into its picture.

use super::Named;
use crate::measure::card::{Card, Experiment, Family, Inferred, Sameness, Value};
use crate::report::card::clean;

/// A value with a name for the picture.
#[derive(Debug, Clone)]
pub struct Series<'c> {
    /// What tells it from the others: card, experiment, settings.
    pub name: String,
    /// The card's place.
    pub card: usize,
    /// Where it comes from.
    pub experiment: &'c Experiment,
    /// What it is.
    pub value: &'c Value,
}

/// Every value that `wanted` takes, card by card; what says the same over other addresses, or in
/// the same card under `name`, stands once.
pub fn every<'c>(
    cards: &[Named<'c>],
    wanted: impl Fn(&Experiment, &Inferred) -> bool,
    name: impl Fn(&Experiment, &Inferred) -> String,
) -> Vec<Series<'c>> {
    let mut found: Vec<Series> = Vec::new();
    for (index, (letter, card)) in cards.iter().enumerate() {
        let card: &'c Card = card;
        for experiment in &card.experiments {
            for inferred in experiment.inferred.iter().filter(|one| wanted(experiment, one)) {
                let mut words = clean(&name(experiment, inferred));
                let alike = |one: &&Series| one.card == index && one.experiment.id == experiment.id;
                let mut earlier =
                    found.iter().filter(alike).filter(|one| one.name.ends_with(&words));
                if earlier.any(|one| one.value.compared(&inferred.value) != Sameness::Different) {
                    continue;
                }
                if experiment.family == Some(Family::Ipv6) {
                    words = format!("{words}, IPv6");
                }
                let name = if letter.is_empty() { words } else { format!("{letter} {words}") };
                found.push(Series { name, card: index, experiment, value: &inferred.value });
            }
        }
    }
    found
}

/// The settings of an experiment, without the beginning that all have.
pub fn settings(experiment: &Experiment) -> String {
    let each = experiment.settings.iter().map(|(key, value)| {
        let key = key.rsplit('.').next().unwrap_or(key);
        format!("{key}={value}")
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Numbers by input.
pub fn points(value: &Value) -> &[(i64, i64)] {
    match value {
        Value::Counts { points, .. } => points,
        _ => &[],
    }
}
