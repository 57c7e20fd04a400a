//! From text to the raw mirror: syntax errors first, then every key that is unknown and every
//! value that does not fit, one after the other, until what is left can be read.

use std::ops::Range;

use serde::Deserialize;
use serde_spanned::Spanned;
use toml::de::DeTable;

use super::diagnostic::{Problems, suggest};
use super::raw::Scenario;
use super::source::Sources;
use super::table;

/// After this many wrong values the rest is left for the next time.
const MOST_ROUNDS: usize = 100;
/// Bytes of text, over all rounds, after which the same holds.
const MOST_TEXT: usize = 16 << 20;

/// Parses the file's text, which lies at offset 0 of `sources`.
pub(super) fn parse<'a>(text: &'a str, sources: &Sources, problems: &mut Problems) -> DeTable<'a> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(MOST_ROUNDS) {
        let span = error.span().unwrap_or(0..0);
        let line = sources.line_key(span.start);
        if !problems.is_lost_line(line) {
            let (title, help) = syntax(error.message(), sources.slice(span.clone()));
            problems.error(span, title, help);
        }
        problems.lose_line(line);
    }
    let mut table = table.into_inner();
    for path in [&["lab", "sysctl"][..], &["limits"], &["sweep"]] {
        table::flatten(&mut table, path, problems);
    }
    table
}

/// Reads the table as far as it can be read; what cannot is told and left out.
pub(super) fn read(
    mut table: DeTable<'_>,
    sources: &Sources,
    problems: &mut Problems,
) -> Option<Scenario> {
    let mut told: Vec<Range<usize>> = Vec::new();
    let rounds = MOST_ROUNDS.min(MOST_TEXT / sources.len().max(1)).max(1);
    for _ in 0..rounds {
        let whole = Spanned::new(0..0, table.clone());
        let error = match Scenario::deserialize(toml::Deserializer::from(whole)) {
            Ok(raw) => return Some(raw),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let (title, help, meant) = explained(error.message());
        // What is missing from a table because it was wrong and left out is no second problem.
        let echo = told.iter().any(|inner| span.start <= inner.start && inner.end <= span.end);
        if !echo && !problems.is_lost_line(sources.line_key(span.start)) {
            problems.error(span.clone(), title, help);
        }
        told.push(span.clone());
        problems.lose(&table::prune(&mut table, &span)?);
        if let Some(meant) = meant {
            problems.lose(&meant);
        }
    }
    None
}

/// Title and remedy for a syntax error.
fn syntax(message: &str, found: &str) -> (String, String) {
    let help = if message.contains("recursion") {
        "a scenario needs no such depth"
    } else if message == "duplicate key" {
        "a key or table can be given once; [[load]] (two brackets) begins one more load"
    } else if found.starts_with(|c: char| c.is_ascii_digit()) || message.contains("quotes") {
        "put a value with a unit, and any text, in double quotes: \"250ms\", \"500/s\", \"echo\""
    } else {
        "write TOML: key = value, one a line; texts and values with a unit in double quotes"
    };
    (format!("this is not TOML: {message}"), help.to_owned())
}

/// Title, remedy, and the key that was probably meant, for what serde says.
fn explained(message: &str) -> (String, String, Option<String>) {
    for (start, what) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        let Some(rest) = message.strip_prefix(start) else { continue };
        // The word may itself hold anything; the list after it is ours.
        let Some((word, list)) = rest.rsplit_once("`, expected ") else { continue };
        let known: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
        let (word, list) = match known.is_empty() {
            true => (rest, ""),
            false => (word, list),
        };
        if list.is_empty() {
            break;
        }
        let (help, meant) = suggest(word, &known);
        return (format!("unknown {what} `{word}`"), help, meant.map(str::to_owned));
    }
    for start in ["invalid type: ", "invalid value: ", "invalid length: "] {
        let Some((found, wanted)) =
            message.strip_prefix(start).and_then(|rest| rest.rsplit_once(", expected "))
        else {
            continue;
        };
        return (format!("{found} does not fit here"), format!("write {}", plain(wanted)), None);
    }
    match message.split_once(": ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned(), None),
        None => (message.to_owned(), String::new(), None),
    }
}

/// What serde expects, in the words of TOML.
fn plain(wanted: &str) -> &str {
    match wanted {
        "a string" => "a text in double quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list; loads are tables that begin with [[load]]",
        "u16" => "a whole number, 0 to 65535",
        "u32" => "a whole number, 0 to 4294967295",
        "u64" => "a whole number, 0 or above",
        "i32" => "a whole number, -2147483648 to 2147483647",
        "f64" => "a number",
        "a map" | "map" => "a table",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_put_in_the_users_words() {
        for (message, title, help) in [
            (
                "unknown field `bcklog`, expected one of `address`, `backlog`",
                "unknown key `bcklog`",
                "did you mean `backlog`? known here: `address`, `backlog`",
            ),
            ("unknown field `x`, expected `to`", "unknown key `x`", "known here: `to`"),
            (
                "invalid type: string \"a, expected b\", expected u16",
                "string \"a, expected b\" does not fit here",
                "write a whole number, 0 to 65535",
            ),
            ("\"5\" has no unit: write 5s", "\"5\" has no unit", "write 5s"),
            ("odd", "odd", ""),
        ] {
            let (told, remedy, _) = explained(message);
            assert_eq!((told.as_str(), remedy.as_str()), (title, help), "{message}");
        }
    }
}
