//! `card.json`: everything, for programs; and cards that anybody may have written.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::measure::card::{Card, Experiment, SCHEMA_VERSION, Value};

/// A larger `card.json` is not read, in bytes: a whole one has some hundred KiB.
pub const LONGEST: u64 = 8 << 20;

/// Most of whatever is in a list. What a card holds is far below.
const MOST_EXPERIMENTS: usize = 1_000;
const MOST_VALUES: usize = 200;
const MOST_OBSERVATIONS: usize = 20_000;
const MOST_NUMBERS: usize = 5_000;

/// The card as pretty-printed JSON with a final newline, in the order of its fields.
pub fn card(card: &Card) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(card)
        .expect("every map of a card has keys that are text, and memory takes every byte");
    bytes.push(b'\n');
    bytes
}

/// Why bytes are not a card.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// More than [`LONGEST`].
    #[error("this is larger than {} MiB: no card.json is", LONGEST >> 20)]
    TooLarge,
    /// No JSON, or not that of a card.
    #[error("{0}")]
    Malformed(serde_json::Error),
    /// The JSON of something else.
    #[error("this is JSON, and no card of `loadgen probe`: it has no experiments")]
    Other,
    /// A card whose layout is another.
    #[error(
        "loadgen {program} wrote this in layout {found}; this program reads layout {SCHEMA_VERSION}: \
         use that version"
    )]
    Version {
        /// Its `schema_version`.
        found: u64,
        /// Its `loadgen_version`.
        program: String,
    },
    /// A card that says what cannot be.
    #[error("{place}: {why}")]
    Absurd {
        /// Where, such as `experiments[3].inferred[0].from`.
        place: String,
        /// What is wrong.
        why: String,
    },
}

/// What tells kinds and versions of files apart.
#[derive(Deserialize)]
struct Head {
    schema_version: Option<u64>,
    #[serde(default)]
    loadgen_version: Option<String>,
    experiments: Option<IgnoredAny>,
}

/// The card in the bytes of a `card.json`, whoever wrote them. JSON nested deeper than 128 levels is
/// refused (serde_json's limit). No text in it has been judged: it may hold anything.
///
/// # Errors
/// Where the bytes are too many, no card, one of another layout, or one that cannot be.
pub fn read(bytes: &[u8]) -> Result<Card, ReadError> {
    if bytes.len() as u64 > LONGEST {
        return Err(ReadError::TooLarge);
    }
    let head: Head = serde_json::from_slice(bytes).map_err(ReadError::Malformed)?;
    if head.experiments.is_none() {
        return Err(ReadError::Other);
    }
    match head.schema_version {
        Some(found) if found != u64::from(SCHEMA_VERSION) => {
            // It is printed, and may be anything.
            let program = head.loadgen_version.unwrap_or_default();
            let program = program.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(ReadError::Version { found, program });
        }
        _ => {}
    }
    let card: Card = serde_json::from_slice(bytes).map_err(ReadError::Malformed)?;
    judge(&card)?;
    Ok(card)
}

fn judge(card: &Card) -> Result<(), ReadError> {
    bounded("experiments", card.experiments.len(), MOST_EXPERIMENTS)?;
    for (index, experiment) in card.experiments.iter().enumerate() {
        judge_experiment(&format!("experiments[{index}]"), experiment)?;
    }
    Ok(())
}

fn judge_experiment(place: &str, experiment: &Experiment) -> Result<(), ReadError> {
    let observations = experiment.observations.len();
    bounded(&format!("{place}.observations"), observations, MOST_OBSERVATIONS)?;
    bounded(&format!("{place}.settings"), experiment.settings.len(), MOST_VALUES)?;
    bounded(&format!("{place}.missing"), experiment.missing.len(), MOST_VALUES)?;
    bounded(&format!("{place}.inferred"), experiment.inferred.len(), MOST_VALUES)?;
    for (index, inferred) in experiment.inferred.iter().enumerate() {
        let place = format!("{place}.inferred[{index}]");
        let expected = inferred.expected.as_ref().map(|expected| &expected.value);
        for value in std::iter::once(&inferred.value).chain(expected) {
            bounded(&format!("{place}.value"), numbers(value), MOST_NUMBERS)?;
        }
        bounded(&format!("{place}.from"), inferred.from.len(), MOST_OBSERVATIONS)?;
        if let Some(number) = inferred.from.iter().find(|number| **number >= observations) {
            let why =
                format!("there is no observation {number}, but {observations} of them from 0");
            return Err(ReadError::Absurd { place: format!("{place}.from"), why });
        }
    }
    Ok(())
}

fn numbers(value: &Value) -> usize {
    match value {
        Value::Counts { points, .. } => points.len(),
        Value::Schedule { seconds, .. } => seconds.len(),
        _ => 1,
    }
}

fn bounded(place: &str, found: usize, most: usize) -> Result<(), ReadError> {
    if found <= most {
        return Ok(());
    }
    let why = format!("{found} entries, and a card has at most {most}");
    Err(ReadError::Absurd { place: place.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_card_survives_its_file() {
        for one in [sample::linux_card(), sample::gvisor_card()] {
            let bytes = card(&one);
            assert_eq!(bytes.last(), Some(&b'\n'));
            assert_eq!(read(&bytes).expect("our own JSON"), one);
        }
    }

    fn told(text: &str) -> String {
        read(text.as_bytes()).expect_err("no card").to_string()
    }

    #[test]
    fn other_files_are_told_apart() {
        for (text, part) in [
            ("", "EOF"),
            ("null", "invalid type"),
            ("{}", "no experiments"),
            ("{\"schema_version\":1,\"scenario\":{},\"cells\":[]}", "no experiments"),
            (
                "{\"schema_version\":7,\"loadgen_version\":\"9\\u001b\",\"experiments\":[]}",
                "layout 7",
            ),
            ("{\"schema_version\":1,\"experiments\":[]}", "missing field"),
        ] {
            assert!(told(text).contains(part), "{text}: {}", told(text));
        }
        let deep = |depth: usize| {
            let datum = format!("{{\"a\": {}0{}}}", "[".repeat(depth), "]".repeat(depth));
            let text = String::from_utf8(card(&sample::linux_card())).expect("text");
            text.replacen("\"given\": {", &format!("\"given\": {datum}, \"x\": {{"), 1)
        };
        assert!(told(&deep(100_000)).contains("recursion limit"));
        assert!(told(&"[".repeat(100_000)).contains("invalid type"));
        let long = " ".repeat(LONGEST as usize + 1);
        assert!(told(&long).contains("larger than 8 MiB"));
        let whole = card(&sample::linux_card());
        for cut in [1, whole.len() / 3, whole.len() - 3] {
            assert!(matches!(read(&whole[..cut]), Err(ReadError::Malformed(_))), "{cut}");
        }
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        let mut one = sample::linux_card();
        one.experiments[3].inferred[0].from = vec![0, 99];
        let why = read(&card(&one)).expect_err("no observation").to_string();
        assert!(why.starts_with("experiments[3].inferred[0].from: there is no obs"), "{why}");
        let mut one = sample::linux_card();
        let many = one.experiments[0].observations[0].clone();
        one.experiments[0].observations = vec![many; MOST_OBSERVATIONS + 1];
        let why = read(&card(&one)).expect_err("too many").to_string();
        assert!(why.starts_with("experiments[0].observations: 20001 entries"), "{why}");
        let text = String::from_utf8(card(&sample::linux_card())).expect("text");
        // As a program without care writes NaN and infinity.
        assert!(told(&text.replace("\"took_s\": 48.3", "\"took_s\": null")).contains("line"));
        assert!(told(&text.replace("\"took_s\": 48.3", "\"took_s\": NaN")).contains("line"));
        assert!(told(&text.replace("\"took_s\": 48.3", "\"took_s\": 1e999")).contains("range"));
    }
}
