//! Operations on the parsed, not yet typed TOML: every key and value carries its span.

use std::borrow::Cow;
use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::diagnostic::Problems;

/// A key with its span.
pub(super) type Key<'i> = Spanned<Cow<'i, str>>;
/// A value with its span.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// Makes nested tables under `root` at `path` one flat table with dotted keys.
pub(super) fn flatten<'i>(root: &mut DeTable<'i>, path: &[&str], problems: &mut Problems) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut table = root;
    for parent in parents {
        match table.get_mut(*parent).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => table = inner,
            _ => return,
        }
    }
    if let Some(DeValue::Table(found)) = table.get_mut(*last).map(Spanned::get_mut) {
        let nested = std::mem::take(found);
        flatten_into(found, "", nested, problems);
    }
}

/// Depth is bounded by the parser's recursion limit.
fn flatten_into<'i>(
    flat: &mut DeTable<'i>,
    prefix: &str,
    nested: DeTable<'i>,
    problems: &mut Problems,
) {
    for (key, value) in nested {
        let name = match prefix {
            "" => key.get_ref().clone(),
            _ => Cow::Owned(format!("{prefix}.{}", key.get_ref())),
        };
        let (key_span, value_span) = (key.span(), value.span());
        match value.into_inner() {
            DeValue::Table(inner) => flatten_into(flat, &name, inner, problems),
            _ if flat.contains_key(name.as_ref()) => problems.error(
                key_span,
                format!("`{name}` is given twice"),
                "remove one of the two",
            ),
            leaf => {
                flat.insert(Spanned::new(key_span, name), Spanned::new(value_span, leaf));
            }
        }
    }
}

/// Moves every span in `value` by `offset`. Depth is bounded by the parser's recursion limit.
pub(super) fn shifted(value: Value<'_>, offset: usize) -> Value<'_> {
    let moved = |span: Range<usize>| span.start + offset..span.end + offset;
    let span = moved(value.span());
    let inner = match value.into_inner() {
        DeValue::Array(array) => {
            let mut out = DeArray::new();
            array.into_iter().for_each(|item| out.push(shifted(item, offset)));
            DeValue::Array(out)
        }
        DeValue::Table(table) => {
            let mut out = DeTable::new();
            for (key, value) in table {
                let key = Spanned::new(moved(key.span()), key.into_inner());
                out.insert(key, shifted(value, offset));
            }
            DeValue::Table(out)
        }
        scalar => scalar,
    };
    Spanned::new(span, inner)
}

/// Puts `value` at `path`, making tables on the way; whatever stood there is replaced.
///
/// `load.KEY` means that key of every load, `load.NAME.KEY` that of the load of this name, and
/// what follows `lab.sysctl`, `limits` or `sweep` is one dotted key. `span` is where the path
/// was written.
pub(super) fn place<'i>(
    root: &mut DeTable<'i>,
    path: &[String],
    span: Range<usize>,
    value: Value<'i>,
) {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    match words.as_slice() {
        [top @ ("limits" | "sweep"), rest @ ..] if !rest.is_empty() => {
            set(root, &[top, rest.join(".").as_str()], &span, value);
        }
        ["lab", "sysctl", rest @ ..] if !rest.is_empty() => {
            set(root, &["lab", "sysctl", rest.join(".").as_str()], &span, value);
        }
        ["load", rest @ ..] if !rest.is_empty() => place_in_loads(root, rest, span, value),
        whole => set(root, whole, &span, value),
    }
}

fn place_in_loads<'i>(root: &mut DeTable<'i>, path: &[&str], span: Range<usize>, value: Value<'i>) {
    if root.get("load").is_none() {
        let mut loads = DeArray::new();
        loads.push(Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
        root.insert(key_at("load", &span), Spanned::new(span.clone(), DeValue::Array(loads)));
    }
    let named = addressed_load(root, path);
    let Some(DeValue::Array(loads)) = root.get_mut("load").map(Spanned::get_mut) else {
        // Not a list of tables: the type error is told where it stands.
        return;
    };
    for (index, load) in loads.iter_mut().enumerate() {
        let DeValue::Table(load) = load.get_mut() else { continue };
        match named {
            Some((wanted, words)) if wanted == index => {
                set(load, &path[words..], &span, value.clone());
            }
            Some(_) => {}
            None => set(load, path, &span, value.clone()),
        }
    }
}

/// Which load the path begins with the name of, and how many of its words the name takes.
pub(super) fn addressed_load(root: &DeTable<'_>, path: &[&str]) -> Option<(usize, usize)> {
    let DeValue::Array(loads) = root.get("load")?.get_ref() else { return None };
    let mut found = None;
    for (index, load) in loads.iter().enumerate() {
        let written = load.get_ref().as_table()?.get("name").and_then(|n| n.get_ref().as_str());
        let name = written.map_or_else(|| default_name(index), str::to_owned);
        let words = name.split('.').count();
        let fits = words < path.len() && path[..words].join(".") == name;
        if fits && found.is_none_or(|(_, longest)| words > longest) {
            found = Some((index, words));
        }
    }
    found
}

/// Name of the load at `index` when its author gave it none.
pub(super) fn default_name(index: usize) -> String {
    match index {
        0 => "load".to_owned(),
        _ => format!("load-{}", index + 1),
    }
}

/// The values at `path`, which is understood as by [`place`]: of `load.KEY` those of all loads.
pub(super) fn lookup<'t, 'i>(root: &'t DeTable<'i>, path: &[String]) -> Vec<&'t Value<'i>> {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lab", "sysctl", rest @ ..] => {
            get(root, &["lab", "sysctl", rest.join(".").as_str()]).into_iter().collect()
        }
        ["load", rest @ ..] => {
            let Some(DeValue::Array(loads)) = root.get("load").map(Spanned::get_ref) else {
                return Vec::new();
            };
            let (only, rest) = match addressed_load(root, rest) {
                Some((index, words)) => (Some(index), &rest[words..]),
                None => (None, rest),
            };
            let loads = loads.iter().enumerate();
            let wanted = loads.filter(|(index, _)| only.is_none_or(|only| only == *index));
            wanted.filter_map(|(_, load)| get(load.get_ref().as_table()?, rest)).collect()
        }
        whole => get(root, whole).into_iter().collect(),
    }
}

fn get<'t, 'i>(table: &'t DeTable<'i>, path: &[&str]) -> Option<&'t Value<'i>> {
    let (last, parents) = path.split_last()?;
    let mut table = table;
    for parent in parents {
        table = table.get(*parent)?.get_ref().as_table()?;
    }
    table.get(*last)
}

fn key_at<'i>(name: &str, span: &Range<usize>) -> Key<'i> {
    Spanned::new(span.clone(), Cow::Owned(name.to_owned()))
}

fn set<'i>(mut table: &mut DeTable<'i>, path: &[&str], span: &Range<usize>, value: Value<'i>) {
    let Some((last, parents)) = path.split_last() else { return };
    for parent in parents {
        let entry = table.entry(key_at(parent, span)).or_insert_with(|| empty_table(span));
        if !entry.get_ref().is_table() {
            *entry = empty_table(span);
        }
        match entry.get_mut() {
            DeValue::Table(inner) => table = inner,
            _ => return,
        }
    }
    // A map keeps its old key, with the old span, unless that is removed first.
    table.remove(*last);
    table.insert(key_at(last, span), value);
}

fn empty_table<'i>(span: &Range<usize>) -> Value<'i> {
    Spanned::new(span.clone(), DeValue::Table(DeTable::new()))
}

/// Removes the innermost entry whose key or value lies at `span`; returns its key.
pub(super) fn prune(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    for (_, value) in table.iter_mut() {
        if let Some(found) = prune_value(value, span) {
            return Some(found);
        }
    }
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let key = table
        .iter()
        .find(|(key, value)| key.span() == *span || covers(value.span()))
        .map(|(key, _)| key.get_ref().to_string())?;
    table.remove(key.as_str());
    Some(key)
}

fn prune_value(value: &mut Value<'_>, span: &Range<usize>) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => prune(table, span),
        DeValue::Array(array) => array.iter_mut().find_map(|item| prune_value(item, span)),
        _ => None,
    }
}
