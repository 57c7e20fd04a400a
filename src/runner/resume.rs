//! Taking up a run that was cut short: what is kept of it, and whether it is the same run.

use std::collections::HashSet;

use serde_json::Value;

use crate::measure::result::{RunResult, Status};
use crate::scenario::plan::Plan;

/// More differences than these are not told one by one.
const MOST_TOLD: usize = 5;

/// In what the plan of an `earlier` run differs from `plan`, one sentence each; empty where a run of
/// one can be continued as one of the other. A description may change.
pub fn differences(plan: &Plan, earlier: &Plan) -> Vec<String> {
    let value = |plan: &Plan| {
        let plan = Plan { description: String::new(), ..plan.clone() };
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

/// What is kept of a run: its complete cells and their limits. A cell that was cut short is measured
/// again from its start.
pub fn take_up(mut earlier: RunResult) -> RunResult {
    let planned: HashSet<_> = earlier.scenario.cells.iter().map(|cell| &cell.name).collect();
    earlier.cells.retain(|cell| cell.status == Status::Complete && planned.contains(&cell.name));
    let kept: HashSet<_> = earlier.cells.iter().map(|cell| &cell.name).collect();
    earlier.limits.retain(|limit| kept.contains(&limit.cell));
    earlier
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
    fn only_complete_cells_are_kept() {
        let mut run = sample::backlog();
        run.cells[1].status = Status::Partial { reason: "interrupted".to_owned() };
        run.cells[2].name = "a stranger".to_owned();
        let mut limit = run.limits[0].clone();
        limit.cell = run.cells[1].name.clone();
        run.limits.push(limit);
        let kept = take_up(run);
        let names: Vec<_> = kept.cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(names, ["backlog=5"]);
        assert_eq!(kept.limits.len(), 1);
    }
}
