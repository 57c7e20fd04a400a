//! What stands in observations.

use crate::measure::card::{Datum, Observation};

/// A measure, or a count as one.
pub fn measure(data: &std::collections::BTreeMap<String, Datum>, name: &str) -> Option<f64> {
    match data.get(name)? {
        Datum::Measure(measure) => Some(*measure),
        Datum::Count(count) => Some(*count as f64),
        _ => None,
    }
}

/// A count.
pub fn count(data: &std::collections::BTreeMap<String, Datum>, name: &str) -> Option<i64> {
    match data.get(name)? {
        Datum::Count(count) => Some(*count),
        // What was read back from JSON may have lost which of the two it was.
        Datum::Measure(measure) if measure.fract() == 0.0 => Some(*measure as i64),
        _ => None,
    }
}

/// A word.
pub fn word<'a>(
    data: &'a std::collections::BTreeMap<String, Datum>,
    name: &str,
) -> Option<&'a str> {
    match data.get(name)? {
        Datum::Word(word) => Some(word),
        _ => None,
    }
}

/// Those that were made in one way, with their numbers.
pub fn of_way<'a>(
    all: &'a [Observation],
    way: &'a str,
) -> impl Iterator<Item = (usize, &'a Observation)> {
    all.iter().enumerate().filter(move |(_, one)| word(&one.given, "way") == Some(way))
}

/// The middle one; of two the lower. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}
