//! From observations to values: pure functions, each tested on recorded observations.

pub mod counters;
pub mod fates;
pub mod half_open;
pub mod handshake;
pub mod listeners;
pub mod queue;
pub mod rules;
pub mod seen;
pub mod sockets;
pub mod timers;

use crate::measure::card::{Datum, Observation};

/// A count that was given or seen.
fn count(of: &Observation, name: &str) -> Option<i64> {
    match of.seen.get(name).or_else(|| of.given.get(name)) {
        Some(Datum::Count(count)) => Some(*count),
        _ => None,
    }
}

/// A word that was given or seen.
fn word<'a>(of: &'a Observation, name: &str) -> Option<&'a str> {
    match of.seen.get(name).or_else(|| of.given.get(name)) {
        Some(Datum::Word(word)) => Some(word),
        _ => None,
    }
}

/// A yes or no that was given or seen.
fn flag(of: &Observation, name: &str) -> Option<bool> {
    match of.seen.get(name).or_else(|| of.given.get(name)) {
        Some(Datum::Flag(flag)) => Some(*flag),
        _ => None,
    }
}

/// A measure that was given or seen.
fn measure(of: &Observation, name: &str) -> Option<f64> {
    match of.seen.get(name).or_else(|| of.given.get(name)) {
        Some(Datum::Measure(measure)) => Some(*measure),
        _ => None,
    }
}
