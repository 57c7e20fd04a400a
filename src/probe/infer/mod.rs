//! From observations to values: pure functions, each tested on recorded observations.

pub mod counters;
pub mod fates;
pub mod half_open;
pub mod handshake;
pub mod listeners;
pub mod queue;
pub mod rules;
pub mod sockets;
pub mod timers;

use crate::measure::card::{Datum, Observation};

/// What was seen under this name, else what was given.
fn told<'a>(of: &'a Observation, name: &str) -> Option<&'a Datum> {
    of.seen.get(name).or_else(|| of.given.get(name))
}

/// A count that was given or seen.
fn count(of: &Observation, name: &str) -> Option<i64> {
    told(of, name)?.count()
}

/// A word that was given or seen.
fn word<'a>(of: &'a Observation, name: &str) -> Option<&'a str> {
    told(of, name)?.word()
}

/// A yes or no that was given or seen.
fn flag(of: &Observation, name: &str) -> Option<bool> {
    told(of, name)?.flag()
}

/// A measure that was given or seen.
fn measure(of: &Observation, name: &str) -> Option<f64> {
    told(of, name)?.measure()
}

/// Those that were made in one way, with their numbers.
fn of_way<'a>(
    all: &'a [Observation],
    way: &'a str,
) -> impl Iterator<Item = (usize, &'a Observation)> {
    all.iter().enumerate().filter(move |(_, one)| word(one, "way") == Some(way))
}

/// The middle one; of two the lower. 0 of none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}
