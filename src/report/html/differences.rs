//! In what runs differ, key by key.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Longest value that is shown, in characters.
const LONGEST: usize = 120;

/// Each key whose values are not the same in all, with the value of each; `None` where it is missing.
/// Keys are paths such as `sysctl.net.core.somaxconn`.
pub fn differences<T: Serialize>(values: &[T]) -> Vec<(String, Vec<Option<String>>)> {
    let tables: Vec<_> = values.iter().map(flat).collect();
    let mut keys: Vec<&String> = tables.iter().flat_map(BTreeMap::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let rows = keys.into_iter().map(|key| {
        let each: Vec<_> = tables.iter().map(|table| table.get(key).cloned()).collect();
        (key.clone(), each)
    });
    rows.filter(|(_, each)| each.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

fn flat(value: &impl Serialize) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    // What cannot be told as JSON differs in nothing.
    if let Ok(value) = serde_json::to_value(value) {
        collect(String::new(), &value, &mut leaves);
    }
    leaves
}

fn collect(path: String, value: &Value, leaves: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| collect(below(key), value, leaves));
        }
        Value::Array(list) => {
            let each = list.iter().enumerate();
            each.for_each(|(index, value)| collect(below(&index.to_string()), value, leaves));
        }
        Value::String(text) => drop(leaves.insert(path, text.chars().take(LONGEST).collect())),
        other => drop(leaves.insert(path, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_listed() {
        let (a, b) =
            (json!({"a": 1, "b": {"c": "x", "d": [1, 2]}}), json!({"a": 1, "b": {"d": [1, 3]}}));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            differences(&[a.clone(), b]),
            [
                ("b.c".to_owned(), vec![some("x"), None]),
                ("b.d.1".to_owned(), vec![some("2"), some("3")])
            ]
        );
        assert_eq!(differences(&[a.clone(), a]), []);
    }
}
