//! In what two plans differ.

use std::collections::HashSet;

use serde_json::Value;

use super::plan::{Cell, Plan};

/// More differences than these are not told one by one.
const MOST_TOLD: usize = 5;

/// In what the plan of an `earlier` run differs from `plan`, one sentence each; empty where a run of
/// one can be continued as one of the other. A description may change.
pub fn differences(plan: &Plan, earlier: &Plan) -> Vec<String> {
    let bare = |plan: &Plan| Plan { description: String::new(), ..plan.clone() };
    told(&bare(plan), &bare(earlier))
}

/// In what `plan` measures something else than an `earlier` one, one sentence each: all but names,
/// descriptions, limits, seed and the timeline's interval.
pub fn differences_in_kind(plan: &Plan, earlier: &Plan) -> Vec<String> {
    let bare = |plan: &Plan| Plan {
        name: String::new(),
        description: String::new(),
        seed: 0,
        interval: Default::default(),
        limits: Vec::new(),
        sweep: plan.sweep.clone(),
        cells: plan.cells.iter().map(|cell| Cell { name: String::new(), ..cell.clone() }).collect(),
    };
    told(&bare(plan), &bare(earlier))
}

fn told(plan: &Plan, earlier: &Plan) -> Vec<String> {
    let value = |plan: &Plan| {
        serde_json::to_value(plan).expect("a plan is written to run.json in the same way")
    };
    let mut found = Differences::default();
    found.compare("", &value(earlier), &value(plan));
    let surplus = found.told.len().saturating_sub(MOST_TOLD);
    found.told.truncate(MOST_TOLD);
    if surplus > 0 {
        found.told.push(format!("and {surplus} more"));
    }
    found.told
}

#[derive(Default)]
struct Differences {
    told: Vec<String>,
    seen: HashSet<String>,
}

impl Differences {
    fn compare(&mut self, path: &str, then: &Value, now: &Value) {
        match (then, now) {
            (Value::Object(then), Value::Object(now)) => {
                let keys: HashSet<_> = then.keys().chain(now.keys()).collect();
                let mut keys: Vec<_> = keys.into_iter().collect();
                keys.sort();
                for key in keys {
                    let of = |map: &serde_json::Map<_, _>| map.get(key).cloned();
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{key}");
                    self.compare(
                        &path,
                        &of(then).unwrap_or_default(),
                        &of(now).unwrap_or_default(),
                    );
                }
            }
            (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
                // The same key of all cells or loads is one difference.
                let each = then.iter().zip(now);
                each.for_each(|(then, now)| self.compare(&format!("{path}[]"), then, now));
            }
            _ if then == now => {}
            _ if self.seen.insert(path.to_owned()) => {
                self.told.push(format!("{path} was {}, and is {}", short(then), short(now)));
            }
            _ => {}
        }
    }
}

/// A value in few characters; it may come from a file that anybody wrote.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "absent".to_owned(),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "a table".to_owned(),
        plain => plain.to_string(),
    };
    let short: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::units::Span;

    #[test]
    fn the_same_plan_has_no_differences_and_another_is_told_by_its_keys() {
        let plan = sample::backlog().scenario;
        let mut other = Plan { description: "better words".to_owned(), ..plan.clone() };
        assert_eq!(differences(&plan, &other), [""; 0]);
        other.seed = 7;
        for cell in &mut other.cells {
            cell.lab.sources = 3;
        }
        let told = differences(&plan, &other);
        let sources = plan.cells[0].lab.sources;
        assert_eq!(
            told,
            [format!("cells[].lab.sources was 3, and is {sources}"), "seed was 7, and is 1".into()]
        );
        other.cells.pop();
        other.sweep[0].values.pop();
        assert!(
            differences(&plan, &other)
                .contains(&"cells was a list of 2, and is a list of 3".into())
        );
    }

    #[test]
    fn what_is_told_is_short_and_without_control_characters() {
        let plan = sample::backlog().scenario;
        let other = Plan { name: format!("\u{1b}{}", "x".repeat(5000)), ..plan.clone() };
        let told = differences(&plan, &other).concat();
        assert!(told.len() < 200 && !told.contains('\u{1b}'), "{told}");
    }

    #[test]
    fn what_is_measured_is_not_what_it_is_called() {
        let plan = sample::backlog().scenario;
        let mut other = Plan { name: "another".to_owned(), seed: 9, ..plan.clone() };
        other.interval = Span::from_millis(7);
        other.cells.iter_mut().for_each(|cell| cell.name.push('x'));
        assert_eq!(differences_in_kind(&plan, &other), [""; 0]);
        other.cells.iter_mut().for_each(|cell| cell.lab.sources = 3);
        assert_eq!(differences_in_kind(&plan, &other), ["cells[].lab.sources was 3, and is 1"]);
        other.sweep[0].values[0] = "7".to_owned();
        assert_eq!(differences_in_kind(&plan, &other).len(), 2);
    }
}
