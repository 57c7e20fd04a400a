//! `[sweep]`: the product of lists of values, each combination a cell.

use std::collections::HashSet;
use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Problems, suggest};
use super::overrides::words;
use super::plan::AxisValue;
use super::source::Sources;
use super::table::{self, Value};

/// At most this many cells.
pub(super) const MOST_CELLS: usize = 1000;
/// At most this many swept paths.
const MOST_AXES: usize = 16;
/// A longer text of a value is cut in a cell's name.
const LONGEST_LABEL: usize = 40;

/// One swept path.
#[derive(Debug)]
pub(super) struct Axis<'a> {
    /// As written.
    pub path: String,
    /// Where it was written.
    pub span: Range<usize>,
    words: Vec<String>,
    values: Vec<Value<'a>>,
    /// The values as text.
    pub texts: Vec<String>,
    /// The path's shortest distinct end.
    label: String,
}

/// Takes `[sweep]` out of the table. With a problem, the axes concerned are left out.
pub(super) fn take<'a>(
    root: &mut DeTable<'a>,
    sources: &Sources<'a>,
    problems: &mut Problems,
) -> Vec<Axis<'a>> {
    let Some((key, value)) = root.remove_entry("sweep") else { return Vec::new() };
    let DeValue::Table(table) = value.into_inner() else {
        problems.error(
            key.span(),
            "a sweep is a table",
            "write [sweep] and below it a path and its values, such as target.backlog = [5, 128]",
        );
        return Vec::new();
    };
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut axes: Vec<_> = entries
        .into_iter()
        .filter_map(|(key, value)| axis(&key, value, root, sources, problems))
        .collect();
    let cells = axes.iter().map(|axis| axis.values.len()).fold(1usize, usize::saturating_mul);
    if cells > MOST_CELLS || axes.len() > MOST_AXES {
        problems.error(
            key.span(),
            format!("this sweep has {cells} cells over {} paths", axes.len()),
            format!("at most {MOST_CELLS} cells over {MOST_AXES} paths: list fewer values"),
        );
        return Vec::new();
    }
    label(&mut axes);
    axes
}

fn axis<'a>(
    key: &Spanned<std::borrow::Cow<'a, str>>,
    value: Value<'a>,
    root: &DeTable<'a>,
    sources: &Sources<'a>,
    problems: &mut Problems,
) -> Option<Axis<'a>> {
    let path = key.get_ref().to_string();
    let value_span = value.span();
    let found = words(&path).or_else(|| {
        let help = "write tables and key with dots in between, such as target.backlog";
        problems.error(key.span(), "this is not the path of a key", help);
        None
    });
    let found = found.filter(|words| is_sweepable(words, root, key.span(), problems));
    let DeValue::Array(array) = value.into_inner() else {
        problems.error(
            value_span,
            format!("`{path}` needs a list of values"),
            "write them in brackets, such as [5, 128, 1024]",
        );
        return None;
    };
    let values: Vec<_> = array.into_iter().take(MOST_CELLS + 1).collect();
    if values.is_empty() {
        problems.error(value_span, "this list is empty", "list at least one value");
        return None;
    }
    let texts: Vec<_> = values.iter().map(|value| text_of(value, sources)).collect();
    let mut seen = HashSet::new();
    for (value, text) in values.iter().zip(&texts) {
        if !seen.insert(text) {
            problems.error(
                value.span(),
                format!("{text} is listed twice"),
                "remove one of the two",
            );
        }
    }
    Some(Axis { path, span: key.span(), words: found?, values, texts, label: String::new() })
}

/// Whether the path leads into what a cell is made of.
pub(super) fn is_sweepable(
    path: &[String],
    root: &DeTable<'_>,
    span: Range<usize>,
    problems: &mut Problems,
) -> bool {
    let top = path.first().map_or("", String::as_str);
    if matches!(top, "lab" | "target" | "load") && path.len() > 1 {
        let rest: Vec<&str> = path[1..].iter().map(String::as_str).collect();
        let of_load = top == "load" && table::addressed_load(root, &rest).is_none();
        if of_load && rest.len() > 1 && !is_load_table(rest[0]) {
            problems.error(
                span,
                format!("no load has the name `{}`", rest[..rest.len() - 1].join(".")),
                format!("write `load.{}` for every load, or the name of one", rest[rest.len() - 1]),
            );
            return false;
        }
        return true;
    }
    let plan_wide = ["name", "description", "seed", "interval", "limits", "sweep"];
    let (title, help) = match top {
        "lab" | "target" | "load" => {
            (format!("`{top}` is not one key"), format!("write a key of it, such as `{top}.KEY`"))
        }
        top if plan_wide.contains(&top) => (
            format!("`{top}` is one for all cells"),
            "a sweep varies keys of `lab`, `target` and `load`".to_owned(),
        ),
        _ => (format!("there is no `{top}`"), suggest(top, &["lab", "target", "load"]).0),
    };
    problems.error(span, title, help);
    false
}

/// Keys of a load that are tables themselves.
fn is_load_table(word: &str) -> bool {
    matches!(word, "message" | "reply")
}

pub(super) fn text_of(value: &Value<'_>, sources: &Sources) -> String {
    match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        _ => sources.slice(value.span()).split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// Gives each axis the shortest end of its path that no other axis has.
fn label(axes: &mut [Axis<'_>]) {
    let end =
        |axis: &Axis, words: usize| axis.words[axis.words.len().saturating_sub(words)..].join(".");
    for index in 0..axes.len() {
        let this = &axes[index];
        let distinct = |words: &usize| {
            axes.iter().enumerate().all(|(i, a)| i == index || end(a, *words) != end(this, *words))
        };
        let words = (1..=this.words.len()).find(distinct).unwrap_or(this.words.len());
        axes[index].label = file_safe(&end(&axes[index], words));
    }
}

/// `text` in the alphabet of a cell's name, cut where it is too long.
pub fn file_safe(text: &str) -> String {
    let safe = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "._+-".contains(c) => c,
        _ => '_',
    };
    text.chars().take(LONGEST_LABEL).map(safe).collect()
}

/// One combination: the table with its values in place.
pub(super) struct Combination<'a> {
    /// Name of the cell.
    pub name: String,
    /// Its values.
    pub values: Vec<AxisValue>,
    /// The scenario for this cell.
    pub table: DeTable<'a>,
}

/// The combinations, the last axis varying fastest.
pub(super) fn combinations<'s, 'a>(
    root: &'s DeTable<'a>,
    axes: &'s [Axis<'a>],
) -> impl Iterator<Item = Combination<'a>> + use<'s, 'a> {
    let cells: usize = axes.iter().map(|axis| axis.values.len()).product();
    let mut names = HashSet::new();
    (0..cells).map(move |cell| {
        let mut table = root.clone();
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        let mut stride = cells;
        for axis in axes {
            stride /= axis.values.len();
            let choice = cell / stride % axis.values.len();
            let value = axis.values[choice].clone();
            table::place(&mut table, &axis.words, axis.span.clone(), value);
            parts.push(format!("{}={}", axis.label, file_safe(&axis.texts[choice])));
            let value = axis.texts[choice].clone();
            values.push(AxisValue { path: axis.path.clone(), value });
        }
        let name = match parts.is_empty() {
            true => "all".to_owned(),
            false => parts.join(","),
        };
        Combination { name: distinct(name, &mut names, cell), values, table }
    })
}

/// Longest name of a cell: it becomes part of a file's name.
const LONGEST_NAME: usize = 120;

/// `name`, with the cell's number where it is too long or taken.
fn distinct(mut name: String, taken: &mut HashSet<String>, cell: usize) -> String {
    let long = name.len() > LONGEST_NAME;
    name.truncate(LONGEST_NAME);
    if long || taken.contains(&name) {
        name.push_str(&format!("+{}", cell + 1));
    }
    taken.insert(name.clone());
    name
}
