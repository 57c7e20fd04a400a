//! What a command line changes in a scenario before it is read: `--set key=value`, a key's path and
//! a TOML value; and a limit in the place of the scenario's own.

use std::borrow::Cow;
use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Problems;
use super::source::Sources;
use super::table::{self, Value};

/// More overrides than these are refused.
const MOST: usize = 1000;
/// Deeper paths are refused; the deepest that means anything has fewer words.
const DEEPEST: usize = 32;

/// One change.
#[derive(Debug, Clone)]
pub struct Change {
    /// What problems with it are located in, such as `--set #1`.
    pub name: String,
    /// As written.
    pub text: String,
    /// What it says.
    pub kind: ChangeKind,
}

/// What a change says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// `key=value`.
    Set,
    /// A limit such as `connect.p99 <= 5ms`, which replaces all others.
    OnlyLimit,
}

impl Change {
    /// The `key=value` of the `number`th `--set`, from 1.
    pub fn set(number: usize, text: &str) -> Self {
        let name = format!("--set #{number}");
        Self { name, text: text.to_owned(), kind: ChangeKind::Set }
    }
}

/// One `--set`, taken apart.
struct Override<'a> {
    path: Vec<String>,
    span: Range<usize>,
    value: Value<'a>,
}

/// Puts the changes into `root`, later ones over earlier ones. An axis of the sweep whose path
/// is set vanishes, with a notice.
pub(super) fn apply<'a>(
    changes: &'a [Change],
    root: &mut DeTable<'a>,
    sources: &mut Sources<'a>,
    problems: &mut Problems,
) {
    if changes.len() > MOST {
        problems.error(0..0, format!("more than {MOST} --set"), "put them into the scenario file");
    }
    for Change { name, text, kind } in changes.iter().take(MOST) {
        let start = sources.push(name.clone(), text);
        if *kind == ChangeKind::OnlyLimit {
            only_limit(text, start, root, problems);
        } else if let Some(Override { path, span, value }) = take_apart(text, start, problems) {
            drop_axes(root, &path, &span, problems);
            table::place(root, &path, span, value);
        }
    }
}

/// Replaces all limits by the one in `text`.
fn only_limit<'a>(text: &'a str, start: usize, root: &mut DeTable<'a>, problems: &mut Problems) {
    root.remove("limits");
    let Some(at) = text.find(['<', '>', '=', '!']) else {
        problems.error(
            start..start + text.len(),
            "this compares with nothing",
            "write what is judged, a comparison and a bound, such as \"counters.ListenOverflows == 0\" \
             or \"connect.p99 <= 50ms\"",
        );
        return;
    };
    let key = text[..at].trim();
    let path = ["limits".to_owned(), key.to_owned()];
    let value =
        Spanned::new(start + at..start + text.len(), DeValue::String(Cow::Borrowed(&text[at..])));
    table::place(root, &path, start..start + text[..at].trim_end().len(), value);
}

fn take_apart<'a>(text: &'a str, start: usize, problems: &mut Problems) -> Option<Override<'a>> {
    let whole = start..start + text.len();
    let Some((key, value_at)) = split_key(text) else {
        problems.error(
            whole,
            "this sets nothing",
            "write --set key=value, such as --set target.backlog=64",
        );
        return None;
    };
    let span = start..start + key.trim_end().len();
    let Some(path) = words(key.trim()) else {
        problems.error(
            span,
            "this is not the path of a key",
            "write the key's tables and the key, with dots in between, such as target.backlog",
        );
        return None;
    };
    let value = value_of(text, value_at, start, problems)?;
    Some(Override { path, span, value })
}

/// The text before the first `=` outside quotes, and the offset after it.
fn split_key(text: &str) -> Option<(&str, usize)> {
    let mut quoted = false;
    let at = text.find(|c: char| {
        quoted ^= c == '"';
        c == '=' && !quoted
    })?;
    Some((&text[..at], at + 1))
}

/// The words of a dotted path; quotes keep dots together.
pub(super) fn words(path: &str) -> Option<Vec<String>> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in path.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => words.push(String::new()),
            c if c.is_control() => return None,
            c => words.last_mut()?.push(c),
        }
    }
    let words: Vec<String> = words.iter().map(|word| word.trim().to_owned()).collect();
    let sound = !quoted && words.len() <= DEEPEST && words.iter().all(|word| !word.is_empty());
    sound.then_some(words)
}

/// The value as TOML, or else as a text without quotes.
fn value_of<'a>(
    text: &'a str,
    at: usize,
    start: usize,
    problems: &mut Problems,
) -> Option<Value<'a>> {
    let written = text[at..].trim();
    let offset = start + at + (text[at..].len() - text[at..].trim_start().len());
    match DeValue::parse(written) {
        Ok(value) => Some(table::shifted(value, offset)),
        Err(error) if written.starts_with(['[', '{', '"', '\'']) && !is_ipv6(written) => {
            let span = error.span().unwrap_or(0..written.len());
            problems.error(
                span.start + offset..span.end + offset,
                format!("this is not a TOML value: {}", error.message()),
                "write it as in the file; your shell may have taken the quotes: put the whole \
                 of key=value in single quotes",
            );
            None
        }
        Err(_) => {
            let bare = DeValue::String(Cow::Borrowed(written));
            Some(Spanned::new(offset..offset + written.len(), bare))
        }
    }
}

/// Whether this begins as an IPv6 address does in `[address]:port`, and no list of TOML.
fn is_ipv6(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(address, _)| address.contains(':') && !address.contains([' ', '"', ',']))
}

fn drop_axes(
    root: &mut DeTable<'_>,
    path: &[String],
    span: &Range<usize>,
    problems: &mut Problems,
) {
    let Some(DeValue::Table(sweep)) = root.get_mut("sweep").map(Spanned::get_mut) else { return };
    let axes: Vec<String> = sweep.keys().map(|key| key.get_ref().to_string()).collect();
    for axis in axes {
        if supersedes(path, &axis.split('.').collect::<Vec<_>>()) {
            sweep.remove(axis.as_str());
            problems.notice(
                span.clone(),
                format!("this replaces the sweep over `{axis}`"),
                format!("to sweep over other values, write --set 'sweep.{axis}=[...]'"),
            );
        }
    }
}

/// Whether setting `path` decides what the axis would vary.
fn supersedes(path: &[String], axis: &[&str]) -> bool {
    let begins = axis.len() >= path.len() && path.iter().zip(axis).all(|(a, b)| a == b);
    // `load.rate` and `load.NAME.rate` are one key of one load or of all.
    let same_load_key = path.len() > 1
        && axis.len() > 1
        && path[0] == "load"
        && axis[0] == "load"
        && path.last().map(String::as_str) == axis.last().copied();
    begins || same_load_key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_dots_outside_quotes() {
        assert_eq!(words("a.b"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(
            words("limits.\"connect.p99\""),
            Some(vec!["limits".into(), "connect.p99".into()])
        );
        for wrong in ["", "a.", ".", "a..b", "\"a", &"a.".repeat(99)] {
            assert_eq!(words(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_path_supersedes() {
        let path = |text: &str| words(text).unwrap();
        for (set, axis, expected) in [
            ("target.backlog", "target.backlog", true),
            ("target", "target.backlog", true),
            ("target.back", "target.backlog", false),
            ("load.rate", "load.main.rate", true),
            ("load.main.rate", "load.rate", true),
            ("load.main.size", "load.rate", false),
            ("sweep.target.backlog", "target.backlog", false),
        ] {
            let axis: Vec<_> = axis.split('.').collect();
            assert_eq!(supersedes(&path(set), &axis), expected, "{set} {axis:?}");
        }
    }
}
